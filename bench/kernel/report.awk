# SPDX-License-Identifier: BSD-3-Clause
# Results of bench/kernel/run ("SYSTEM ROUND NAME VALUE UNIT") as a table with the targets.
function add(name, text, limit) { names[++n] = name; texts[n] = text; limits[n] = limit }
function sorted(key, v,    i, j, t, k)
{
    k = count[key]
    for (i = 1; i <= k; i++) v[i] = val[key, i]
    for (i = 2; i <= k; i++)
        for (j = i; j > 1 && v[j - 1] > v[j]; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
    return k
}
function median(key,    v, k)
{
    k = sorted(key, v)
    return k == 0 ? -1 : k % 2 ? v[(k + 1) / 2] : (v[k / 2] + v[k / 2 + 1]) / 2
}
function show(key,    v, k)
{
    k = sorted(key, v)
    if (k == 0) return "-"
    return k == 1 ? v[1] " " unit[key] : median(key) " " unit[key] " (" v[1] " to " v[k] ")"
}
BEGIN {
    add("syscall", "system call (getppid)", 0.5)
    add("yield", "switch between threads of one core, sched_yield", 0.3)
    add("pipe", "switch between threads of one core, pipe", 0.3)
    add("futex_wake", "futex wake to run, other core", 0.5)
    add("migrate", "sched_setaffinity to another core", 0)
    add("thread", "pthread_create and join", 0)
    add("alloc_1", "mmap, touch, munmap of 16 KiB, 1 core", 0)
    add("alloc_2", "the same on 2 cores at once", 0)
    add("alloc_4", "the same on 4 cores at once", 0)
    add("alloc_8", "the same on 8 cores at once", 0)
    for (i = 1; i <= 8; i *= 2) {
        add("map_alone_" i, "a process of " i ": mmap, touch, munmap of 16 KiB, the others sleep", 0)
        add("map_all_" i, "the same, all " i " at once", 0)
        add("object_alone_" i, "a process of " i ": kernel object (eventfd and close), the others sleep", 0)
        add("object_all_" i, "the same, all " i " at once", 0)
    }
    add("boot4_guest", "boot to main(), 4 vCPUs, guest time", 0.1)
    add("boot4_wall", "boot to main(), 4 vCPUs, wall time of the whole start", 0)
    add("fwq_best", "fixed work, fastest quantum", 0)
    add("fwq_mean_over_best", "fixed work, mean above the fastest", 0)
    add("fwq_p99_over_best", "fixed work, 99th percentile above the fastest", 0)
    add("fwq_over_1.5", "quanta of 20000 that took 1.5 times the fastest", 0)
    add("fwq_timer_interrupts", "timer interrupts in that time", 0)
}
NF >= 5 {
    key = $1 "," $3
    val[key, ++count[key]] = $4
    unit[key] = $5
}
END {
    print "| what | Torobus | Linux guest | ratio | target | |"
    print "|---|---|---|---|---|---|"
    for (i = 1; i <= n; i++) {
        a = "torobus," names[i]; b = "linux," names[i]
        if (!count[a] && !count[b]) continue
        ratio = count[a] && count[b] && median(b) > 0 ? median(a) / median(b) : -1
        printf "| %s | %s | %s | %s | %s | %s |\n", texts[i], show(a), show(b),
            ratio < 0 ? "-" : sprintf("%.2f", ratio), limits[i] ? "<= " limits[i] : "",
            !limits[i] ? "" : ratio < 0 ? "no result" : ratio <= limits[i] ? "met" : "missed"
    }
    a = "torobus,boot4_guest"
    printf "\nBoot of 4 vCPUs to main(): %s of guest time (target 150 ms: %s).\n", show(a),
        count[a] == 0 ? "no result" : median(a) <= 150 ? "met" : "missed"
    a = "torobus,kernel_memory"
    printf "Kernel memory for 4 vCPUs: %s (target 8192 KiB: %s).\n", show(a),
        count[a] == 0 ? "no result" : median(a) <= 8192 ? "met" : "missed"
    a = "torobus,kernel_image"
    printf "Kernel image: %s (target 500 KiB: %s).\n", show(a),
        count[a] == 0 ? "no result" : median(a) <= 500 ? "met" : "missed"
}
