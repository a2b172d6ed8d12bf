# SPDX-License-Identifier: BSD-3-Clause
"""Results as a progress line, TAP, JUnit, and a table for people."""

import collections
import dataclasses
import os
import sys
import xml.etree.ElementTree as ET

PASS, FAIL, SKIP, XFAIL, XPASS, FLAKY = "pass", "fail", "skip", "xfail", "xpass", "flaky"
NATIVE = "native"  # the reference fails: nothing to compare with
BAD = (FAIL, XPASS)


@dataclasses.dataclass
class Result:
    entry: object
    place: str
    verdict: str
    why: str = ""
    seconds: float = 0.0
    log: str = ""

    @property
    def title(self):
        return "%s (%s)" % (self.entry.key, self.place)


def counts(results):
    count = collections.Counter(result.verdict for result in results)
    return ", ".join("%d %s" % (count[v], w) for v, w in (
        (PASS, "passed"), (FAIL, "failed"), (XFAIL, "failed as known"),
        (XPASS, "passed unexpectedly"), (NATIVE, "failed natively"),
        (FLAKY, "passed at the second try"), (SKIP, "skipped"))
        if count[v] or v in (PASS, FAIL))


class Progress:
    """One line that is overwritten on a terminal; elsewhere only what did not simply pass."""

    def __init__(self, total, stream=sys.stdout):
        self.total = total
        self.stream = stream
        self.tty = stream.isatty()
        self.done = []

    def add(self, result):
        self.done.append(result)
        clear = "\r\033[K" if self.tty else ""
        if result.verdict not in (PASS, SKIP, XFAIL):
            print("%s%-5s %s: %s" % (clear, result.verdict.upper(), result.title, result.why),
                  file=self.stream)
        if self.tty:
            line = "[%d/%d] %s  %s" % (len(self.done), self.total, counts(self.done), result.title)
            print("\r\033[K" + line[:118], end="", file=self.stream)
        self.stream.flush()

    def close(self):
        if self.tty:
            print("\r\033[K", end="", file=self.stream)
        print(counts(self.done), file=self.stream, flush=True)


def tail(result, lines=30):
    try:
        with open(result.log, encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()[-lines:]
    except OSError:
        return []


def write_tap(path, results):
    with open(path, "w", encoding="utf-8") as out:
        print("1..%d" % len(results), file=out)
        for number, result in enumerate(results, 1):
            bad = result.verdict in (FAIL, XFAIL, NATIVE)
            remark = {SKIP: " # SKIP " + result.why, XFAIL: " # TODO " + result.why,
                      XPASS: " # TODO " + result.why,
                      NATIVE: " # TODO fails natively: " + result.why, FLAKY: " (second try)"}.get(result.verdict, "")
            title = result.title.replace("#", "\\#")
            print("%s %d - %s%s" % ("not ok" if bad else "ok", number, title, remark), file=out)
            if result.verdict in (FAIL, FLAKY):
                for line in [result.why] + tail(result):
                    print("# " + line, file=out)


def printable(text):
    return "".join(c for c in text if c in "\t\n" or 32 <= ord(c) != 127)


def write_junit(path, results):
    root = ET.Element("testsuites")
    groups = collections.OrderedDict()
    for result in results:
        groups.setdefault((result.entry.group or "."), []).append(result)
    for group, members in groups.items():
        suite = ET.SubElement(
            root, "testsuite", name=group, tests=str(len(members)),
            failures=str(sum(r.verdict in BAD for r in members)),
            skipped=str(sum(r.verdict in (SKIP, XFAIL, NATIVE) for r in members)),
            time="%.3f" % sum(r.seconds for r in members))
        for result in members:
            case = ET.SubElement(suite, "testcase", classname="%s.%s" % (group, result.place),
                                 name=result.entry.key, time="%.3f" % result.seconds)
            if result.verdict in BAD:
                failure = ET.SubElement(case, "failure", message=printable(result.why))
                failure.text = printable("\n".join(tail(result)))
            elif result.verdict in (SKIP, XFAIL, NATIVE):
                ET.SubElement(case, "skipped", message=printable(result.why))
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def write_table(path, results, places):
    """Markdown: a line per directory, then everything that did not simply pass."""
    rows = collections.OrderedDict()
    for result in results:
        rows.setdefault(result.entry.group or ".", []).append(result)
    with open(path, "w", encoding="utf-8") as out:
        print("| directory | runs | " + " | ".join(places) + " |", file=out)
        print("|---|---|" + "---|" * len(places), file=out)
        for group, members in rows.items():
            keys = {r.entry.key for r in members}
            cells = []
            for place in places:
                here = [r for r in members if r.place == place]
                good = sum(r.verdict in (PASS, FLAKY, XPASS) for r in here)
                ran = sum(r.verdict != SKIP for r in here)
                cells.append("%d of %d" % (good, ran))
            print("| %s | %d | %s |" % (group, len(keys), " | ".join(cells)), file=out)
        others = [r for r in results if r.verdict not in (PASS,) and not dull(r)]
        if others:
            print("\n| what did not simply pass | where | result | why |\n|---|---|---|---|", file=out)
        for r in others:
            why = r.why.replace("|", "/").replace(os.getcwd(), ".")
            print("| %s | %s | %s | %s |" % (r.entry.key, r.place, r.verdict, why), file=out)


def dull(result):
    return result.verdict == SKIP and result.why in (
        "native fails", "fewer ranks than guests", "not an MPI program", "not run yet",
        "not standard MPI", "was not built")
