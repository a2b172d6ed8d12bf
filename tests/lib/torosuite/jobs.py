# SPDX-License-Identifier: BSD-3-Clause
"""Runs commands so that nothing of them outlives their run, nor the runner."""

import asyncio
import ctypes
import functools
import glob
import os
import shutil
import signal
import tempfile
import time

TAG = "TORO_SUITE_RUN"
PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent):
    """In the child: ends when the runner is killed (it has one thread, so this means the process)."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(128 + signal.SIGTERM)


def environment(pid):
    """A process's environment as it is in /proc. In the middle of execve() it is empty: look again."""
    for _ in range(10):
        with open("/proc/%s/environ" % pid, "rb") as file:
            data = file.read()
        if data:
            break
        os.readlink("/proc/%s/exe" % pid)  # an error for kernel threads and zombies
        time.sleep(0.001)
    return data


def tagged(tag):
    """Processes with that tag in their environment: all that a run started, daemons included."""
    needle = ("%s=%s" % (TAG, tag)).encode()
    pids = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            if any(v.startswith(needle) for v in environment(name).split(b"\0")):
                pids.append(int(name))
        except OSError:
            pass
    return [pid for pid in pids if pid != os.getpid()]


def send(pids, number):
    for pid in pids:
        try:
            os.kill(pid, number)
        except OSError:
            pass


def end_all(tag):
    """Ends what is left, gently first. Returns when nothing is left, or after 10 s."""
    for number, seconds in ((signal.SIGTERM, 3), (signal.SIGKILL, 7)):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pids = tagged(tag)
            if not pids:
                return
            send(pids, number)
            time.sleep(0.1)


def children(pid):
    pids = []
    for path in glob.glob("/proc/%d/task/*/children" % pid):
        try:
            with open(path, encoding="ascii") as file:
                pids += [int(word) for word in file.read().split()]
        except OSError:
            pass
    return pids


def pool_sockets():
    """Sockets of keepers that wait for a job (TOROBUS_KEEP), as links in /proc/PID/fd have them."""
    mine = "@torobus/%d/keep-" % os.getuid()
    with open("/proc/net/unix", encoding="utf-8", errors="replace") as file:
        words = [line.split() for line in file]
    return {"socket:[%s]" % w[6] for w in words if len(w) > 7 and w[7].startswith(mine)}


def keepers(pids):
    """Of these processes, the keepers: pid -> whether it waits for a job."""
    waiting = pool_sockets()
    found = {}
    for pid in pids:
        try:
            with open("/proc/%d/comm" % pid, encoding="utf-8", errors="replace") as file:
                if file.read() == "torobus-keeper\n":
                    fds = glob.glob("/proc/%d/fd/*" % pid)
                    found[pid] = any(os.readlink(fd) in waiting for fd in fds)
        except OSError:
            pass
    return found


class Jobs:
    """Starts commands; stop() ends all of them, at any time.

    Each has a TMPDIR of its own: mpiruns that begin and end at the same moment trip over the
    session directory that they share (one makes what another is about to make, or removes it).

    keep: the guests of a job stay for so many seconds and serve other jobs. Which keeper serves
    which job then cannot be seen; but when a job has ended, no more may be busy than jobs run.
    """

    LATE = 5.0  # seconds that daemons may take to end after their job
    LATE_KEPT = 12.0  # that guests may take to forget theirs

    def __init__(self, prefix, keep=0):
        self.prefix = prefix
        self.keep = keep
        self.tag = "%d.%d" % (os.getpid(), time.time_ns())
        self.count = 0
        self.running = 0
        self.tmp = tempfile.mkdtemp(prefix="toro.")

    def left(self, tag):
        """Processes that a job with this tag has left, though it has ended."""
        pids = tagged(tag)
        if not self.keep:
            return pids
        found = keepers(tagged(self.tag))
        busy = [pid for pid, waits in found.items() if not waits]
        family = {p for pid in found for p in [pid] + children(pid)}
        others = [pid for pid in pids if pid not in family]
        return others + (busy if len(busy) > self.running else [])

    async def run(self, command, directory, log, limit, env=None, keep=True):
        """Status (124: out of time), and how many processes were left behind; output goes to log.

        The time limit counts from when the prefix has let the command start. keep=False: in guests
        of its own.
        """
        self.count += 1
        tag = "%s.%d." % (self.tag, self.count)
        tmp = os.path.join(self.tmp, str(self.count))
        os.mkdir(tmp)
        env = {**os.environ, "TMPDIR": tmp, TAG: tag, **(env or {})}
        if self.keep:
            env["TOROBUS_KEEP"] = str(self.keep if keep else 0)
        command = self.prefix + ["timeout", "--verbose", "-k", "10", str(limit)] + command
        with open(log, "wb") as out:
            process = await asyncio.create_subprocess_exec(
                *command, cwd=directory, env=env, stdin=asyncio.subprocess.DEVNULL, stdout=out,
                stderr=out, start_new_session=True,
                preexec_fn=functools.partial(die_with_parent, os.getpid()))
        self.running += 1
        try:
            status = await process.wait()
        finally:
            self.running -= 1
        end = time.monotonic() + (self.LATE_KEPT if self.keep else self.LATE)
        left = self.left(tag)
        while left and time.monotonic() < end:
            await asyncio.sleep(0.1)
            left = self.left(tag)
        if left and self.keep:
            if self.running == 0:
                end_all(self.tag)
        elif left:
            end_all(tag)
        shutil.rmtree(tmp, ignore_errors=True)
        if status < 0:
            status = 128 - status
        with open(log, "rb") as file:
            if b"timeout: sending signal TERM" in file.read():
                status = 124
        return status, len(left)

    def stop(self):
        end_all(self.tag)
        shutil.rmtree(self.tmp, ignore_errors=True)
