# SPDX-License-Identifier: BSD-3-Clause
"""Runs commands so that nothing of them outlives their run, nor the runner."""

import asyncio
import ctypes
import os
import signal
import time

TAG = "TORO_SUITE_RUN"
PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent():
    """In the child: ends when the runner is killed (it has one thread, so this means the process)."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def tagged(tag):
    """Processes with that tag in their environment: all that a run started, daemons included."""
    needle = ("%s=%s" % (TAG, tag)).encode()
    pids = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open("/proc/%s/environ" % name, "rb") as file:
                if any(v.startswith(needle) for v in file.read().split(b"\0")):
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


class Jobs:
    """Starts commands; stop() ends all of them, at any time."""

    LATE = 5.0  # seconds that daemons may take to end after their job

    def __init__(self, prefix):
        self.prefix = prefix
        self.tag = "%d.%d" % (os.getpid(), time.time_ns())
        self.count = 0

    async def run(self, command, directory, log, limit, env=None):
        """Status (124: out of time), and how many processes were left behind; output goes to log.

        The time limit counts from when the prefix has let the command start.
        """
        self.count += 1
        tag = "%s.%d." % (self.tag, self.count)
        env = dict(os.environ, **{TAG: tag}, **(env or {}))
        command = self.prefix + ["timeout", "--verbose", "-k", "10", str(limit)] + command
        with open(log, "wb") as out:
            process = await asyncio.create_subprocess_exec(
                *command, cwd=directory, env=env, stdin=asyncio.subprocess.DEVNULL, stdout=out,
                stderr=out, start_new_session=True, preexec_fn=die_with_parent)
        status = await process.wait()
        end = time.monotonic() + self.LATE
        left = tagged(tag)
        while left and time.monotonic() < end:
            await asyncio.sleep(0.1)
            left = tagged(tag)
        if left:
            end_all(tag)
        if status < 0:
            status = 128 - status
        with open(log, "rb") as file:
            if b"timeout: sending signal TERM" in file.read():
                status = 124
        return status, len(left)

    def stop(self):
        end_all(self.tag)
