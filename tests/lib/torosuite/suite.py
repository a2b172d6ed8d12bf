# SPDX-License-Identifier: BSD-3-Clause
"""Runs the entries of a suite in the places asked for, several at a time, and keeps the results."""

import asyncio
import json
import os
import re
import time

from . import judge, places, report
from .report import FAIL, FLAKY, NATIVE, PASS, SKIP, XFAIL, XPASS, Result


def text_of(log):
    with open(log, encoding="utf-8", errors="replace") as file:
        return file.read(4 << 20)


def lock_of(entry):
    return entry.lock or entry.program


class Suite:
    def __init__(self, options, jobs, known):
        self.options = options
        self.jobs = jobs
        self.known = known
        self.results = {}  # (key, place) -> Result
        self.compares = False
        self.store = os.path.join(options.logs, "results.json")
        self.before = {}
        if (options.resume or options.failed or options.report) and os.path.isfile(self.store):
            with open(self.store, encoding="utf-8") as file:
                self.before = json.load(file)

    def log_of(self, entry, place, attempt=0):
        name = re.sub(r"[^A-Za-z0-9._=+-]+", "_", entry.key)[:150]
        directory = os.path.join(self.options.logs, place)
        os.makedirs(directory, exist_ok=True)
        return os.path.join(directory, name + (".again" if attempt else "") + ".log")

    def remember(self, result):
        self.results[(result.entry.key, result.place)] = result
        self.before.setdefault(result.place, {})[result.entry.key] = [
            result.verdict, result.why, round(result.seconds, 2)]

    def save(self):
        temporary = self.store + ".new"
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump(self.before, file, indent=0, sort_keys=True)
        os.replace(temporary, self.store)

    def why_not(self, entry, place):
        if entry.mem > self.options.mem:
            return "needs %g GB" % entry.mem
        if self.options.strict and not entry.strict:
            return "not standard MPI"
        if entry.mpix:
            return "MPICH's own extensions"
        if [int(n) for n in entry.mpiversion.split(".")] > [3, 1]:
            return "wants MPI %s" % entry.mpiversion
        if entry.mpiexecarg:
            return "wants an option of MPICH's mpiexec"
        why = place.misfit(entry)
        if why:
            return why
        native = self.results.get((entry.key, "native"))
        if native and not place.native and not self.options.all and \
                native.verdict not in (PASS, FLAKY, XPASS):
            return "native fails" if native.verdict != SKIP else native.why
        known = self.known.reason(entry, place)
        if known.startswith("skip:"):
            return known[5:].strip()
        if not os.access(places.program_of(entry, self.options.bin), os.X_OK):
            return "was not built"
        return ""

    def times(self, entry, place):
        """How often "No Errors" must be there: as often as natively."""
        native = self.log_of(entry, "native")
        if place.native and entry.group.split(os.sep)[-1] == "spawn":
            return 0
        if not place.native and os.path.isfile(native):
            return max(judge.said(text_of(native)), 1)
        return 1

    async def attempt(self, entry, place, number):
        options = self.options
        limit = entry.limit or options.timeout
        if not place.native:
            limit = int(limit * options.slower)
        log = self.log_of(entry, place.name, number)
        # mpirun's own time limit, for the few programs that are meant to run into it
        env = {"MPIEXEC_TIMEOUT": str(limit)} if entry.result else {}
        late = 15 * bool(env)
        env.update(judge.setting(self.known.reason(entry, place)))
        command = place.command(entry, places.program_of(entry, options.bin))
        directory = os.path.join(options.bin, entry.group) if options.bin else entry.directory
        start = time.monotonic()
        status, left = await self.jobs.run(command, directory, log, limit + late, env,
                                           keep=number == 0)
        seconds = time.monotonic() - start
        if status == judge.SKIPPED and options.rule == "status":
            return SKIP, "the program skips itself", seconds, log
        why = judge.complaint(entry, status, text_of(log), options.rule, self.times(entry, place))
        if not why and left and not place.native:
            why = "%d processes were left" % left
        return (FAIL if why else PASS), why, seconds, log

    async def run(self, entry, place):
        """The result of one entry in one place."""
        old = self.before.get(place.name, {}).get(entry.key)
        if old and (old[0] in (PASS, FLAKY, NATIVE) or self.options.report or
                    self.options.resume and old[0] in (FAIL, XPASS, XFAIL)):
            return Result(entry, place.name, *old)
        why = self.why_not(entry, place)
        if not why and self.options.report:
            why = "not run yet"
        if why:
            return Result(entry, place.name, SKIP, why)
        verdict, why, seconds, log = await self.attempt(entry, place, 0)
        expected = self.known.reason(entry, place)
        if judge.setting(expected):
            why = why or expected
            expected = ""
        if entry.xfail and not self.options.strict:
            expected = expected or entry.xfail
        if expected:
            if verdict == FAIL:
                return Result(entry, place.name, XFAIL, expected, seconds, log)
            return Result(entry, place.name, XPASS, "passes, although: " + expected, seconds, log)
        for number in range(1, self.options.retries + 1):
            if verdict != FAIL:
                break
            verdict, _, more, again = await self.attempt(entry, place, number)
            seconds += more
            if verdict == PASS:
                return Result(entry, place.name, FLAKY, "first: " + why, seconds, log)
            log = again
        if verdict == FAIL and place.native and self.compares:
            verdict = NATIVE
        return Result(entry, place.name, verdict, why, seconds, log)

    async def all(self, entries, where):
        """Every entry in every place; an entry's places one after the other, native first."""
        self.compares = any(not place.native for place in where)
        progress = report.Progress(len(entries) * len(where))
        # Guests that stay serve jobs of as many ranks as they have cores for.
        waiting = sorted(entries, key=lambda e: e.ranks) if self.jobs.keep else list(entries)
        busy = set()  # the same program twice at once would use the same files
        change = asyncio.Condition()

        async def next_entry():
            """The first that may run now, None when all have been taken."""
            async with change:
                while waiting:
                    entry = next((e for e in waiting if lock_of(e) not in busy), None)
                    if entry:
                        waiting.remove(entry)
                        busy.add(lock_of(entry))
                        return entry
                    await change.wait()
            return None

        async def slot():
            while entry := await next_entry():
                for place in where:
                    result = await self.run(entry, place)
                    self.remember(result)
                    progress.add(result)
                    self.save()
                async with change:
                    busy.remove(lock_of(entry))
                    change.notify_all()

        tasks = [asyncio.ensure_future(slot()) for _ in range(self.options.jobs)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            progress.close()
        return [self.results[(e.key, p.name)] for e in entries for p in where]
