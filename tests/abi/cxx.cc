// SPDX-License-Identifier: BSD-3-Clause
// C++ with the static libstdc++: exceptions through many frames and threads, thread_local with
// constructors and destructors, iostream, std::thread and friends, function-local statics.
// cores: 2 timeout: 120
#include <tap.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <fstream>
#include <future>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>
#include <unistd.h>

namespace
{
std::atomic<int> alive{0}, made{0}, gone{0};

struct counted {
    counted()
    {
        alive++;
    }
    ~counted()
    {
        alive--;
    }
};

struct per_thread {
    std::string name = "none";
    per_thread()
    {
        made++;
    }
    ~per_thread()
    {
        gone++;
    }
};
thread_local per_thread local;

struct my_error : std::runtime_error {
    int depth;
    my_error(int d) : std::runtime_error("at the bottom"), depth(d)
    {
    }
};

int dive(int n)
{
    counted c;

    if (n == 0)
        throw my_error(42);
    return dive(n - 1) + 1;
}

struct global {
    std::map<std::string, int> m{{"one", 1}, {"two", 2}};
} const before_main;

void exceptions()
{
    int depth = 0;
    bool rethrown = false;

    try {
        dive(500);
    } catch (const my_error &e) {
        depth = e.depth;
    }
    t_ok(depth == 42 && alive == 0, "an exception through 500 frames, all destructors ran");
    try {
        try {
            std::vector<int> v(3);
            v.at(7) = 1;
        } catch (...) {
            std::throw_with_nested(std::logic_error("outer"));
        }
    } catch (const std::exception &e) {
        try {
            std::rethrow_if_nested(e);
        } catch (const std::out_of_range &) {
            rethrown = true;
        }
    }
    t_ok(rethrown, "nested exceptions");
    try {
        volatile size_t much = 1ull << 46;
        std::unique_ptr<char[]> p(new char[much]);

        p[much / 2] = 1;
        t_ok(p[much / 2] == 0, "an impossible new fails");
    } catch (const std::bad_alloc &) {
        t_ok(true, "an impossible new fails");
    }
}

void threads()
{
    std::vector<std::thread> pool;
    std::atomic<int> caught{0}, wrong{0};

    for (int i = 0; i < 8; i++)
        pool.emplace_back([&, i] {
            local.name = std::to_string(i);
            for (int k = 0; k < 20; k++) {
                try {
                    dive(50 + k);
                } catch (const std::exception &) {
                    caught++;
                }
            }
            if (local.name != std::to_string(i))
                wrong++;
        });
    for (auto &t : pool)
        t.join();
    t_ok(caught == 160 && alive == 0, "threads throw and catch at the same time");
    t_ok(wrong == 0 && made == 8 && gone == 8, "thread_local is made and destroyed in each");
}

void concurrency()
{
    std::mutex m;
    std::condition_variable cv;
    bool ready = false;
    auto task = std::async(std::launch::async, [] { return dive(3); });
    bool threw = false;

    std::thread waker([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        std::lock_guard<std::mutex> l(m);
        ready = true;
        cv.notify_all();
    });
    {
        std::unique_lock<std::mutex> l(m);
        t_ok(cv.wait_for(l, std::chrono::seconds(20), [&] { return ready; }),
             "a condition variable");
    }
    waker.join();
    try {
        task.get();
    } catch (const my_error &) {
        threw = true;
    }
    t_ok(threw, "an exception comes out of a future");
    t_ok(std::thread::hardware_concurrency() >= 1, "hardware_concurrency: %u",
         std::thread::hardware_concurrency());
}

void streams()
{
    std::string name = "/tmp/cxx-" + std::to_string(getpid()), line, rest;
    std::ostringstream s;
    double x = 0;

    s << "pi " << 3.25 << ' ' << std::hex << 255;
    t_ok(s.str() == "pi 3.25 ff", "a string stream");
    {
        std::ofstream out(name);
        out << "first line\n" << 2.5 << "\n";
    }
    std::ifstream in(name);
    std::getline(in, line);
    in >> x;
    t_ok(line == "first line" && x == 2.5, "file streams");
    unlink(name.c_str());
    std::cout << "# std::cout works" << std::endl;
    t_ok(std::cout.good(), "std::cout");
    t_ok(before_main.m.at("two") == 2, "a global object was made before main");
    std::random_device rd;
    t_ok(rd() != rd() || rd() != rd(), "random_device");
}
} // namespace

int main()
{
    exceptions();
    threads();
    concurrency();
    streams();
    return t_done();
}
