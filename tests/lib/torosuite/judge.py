# SPDX-License-Identifier: BSD-3-Clause
"""Pass or fail, from a status and an output."""

import fnmatch
import re

NO_ERRORS = re.compile(r"^\s*No [Ee]rrors\s*$")
# The last one: a race of Open MPI 4.1's mpirun with its own rsh agent, harmless but for the line.
HARMLESS = re.compile(r"^\s*(Test [Pp]assed)?\s*$|FORTRAN STOP|"
                      r"plm:rsh: Warning: setpgid\(\d+,\d+\) failed in parent with errno=Perm")
TIMED_OUT = 124
SKIPPED = 77  # what automake's tests mean by it


def said(output):
    """How many times the program says so."""
    return sum(1 for line in output.splitlines() if NO_ERRORS.match(line))


def complaint(entry, status, output, rule, times=1):
    """Why the run is a failure; empty when it passed. rule: no-errors or status.

    The rules of MPICH's own runner: with no-errors, the program ends with 0, says "No Errors" and
    nothing else; resultTest= asks for something else. times: how often it must say so (0: at least
    once). Ranks that do not find each other say it once each; spawned jobs may do so rightly.
    """
    if status == TIMED_OUT:
        return "did not end in time"
    if entry.result:
        if status == 0:
            return "ended with status 0, which is wrong here"
        if entry.result != "TestStatusNoErrors":
            return ""
    elif status > 128:
        return "ended by signal %d" % (status - 128)
    elif status:
        return "status %d" % status
    if rule == "status":
        return ""
    lines = output.splitlines()
    extra = [line for line in lines if not NO_ERRORS.match(line) and not HARMLESS.search(line)]
    if extra:
        return "unexpected output: " + extra[0].strip()[:160]
    count = said(output)
    if count == 0 or times and count != times:
        return 'says "No Errors" %d times, not %d' % (count, times or 1)
    return ""


class Known:
    """Failures that are explained: lines of PLACE PROGRAM REASON, the first two with wildcards.

    PROGRAM is matched against the program's path in the suite and against that with its ranks and
    arguments ("pt2pt/sendself*"). A reason that begins with "skip:" means: do not even try; with
    "with NAME=VALUE:" that the program is to be run with this variable, and then must pass.
    """

    def __init__(self, path=""):
        self.rules = []
        if not path:
            return
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                line = line.split("#", 1)[0].strip()
                words = line.split(None, 2)
                if not words:
                    continue
                if len(words) != 3:
                    raise ValueError("%s:%d: want PLACE PROGRAM REASON" % (path, number))
                self.rules.append(words)

    def reason(self, entry, place):
        for where, program, reason in self.rules:
            if fnmatch.fnmatchcase(place.name, where) and (
                    fnmatch.fnmatchcase(entry.program, program) or
                    fnmatch.fnmatchcase(entry.key.replace(" ", ":"), program)):
                return reason
        return ""


def setting(reason):
    """The variable that a reason asks for, as a dictionary."""
    if not reason.startswith("with "):
        return {}
    return dict([reason[5:].split(":", 1)[0].strip().split("=", 1)])
