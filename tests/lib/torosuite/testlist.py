# SPDX-License-Identifier: BSD-3-Clause
"""Test lists in the format of MPICH's test suite:

    NAME [RANKS [KEY=VALUE ...]]

NAME is a program, or a directory with a list of its own. Keys: arg, env (may be repeated), timeLimit,
resultTest, xfail, lock, mem, strict, mpix, mpiversion, mpiexecarg; mpi=no is ours: the program is not an MPI program.
"""

import dataclasses
import os


class ListError(Exception):
    """Something in a list that is not understood."""


@dataclasses.dataclass
class Entry:
    directory: str  # where the program is
    group: str  # that, as seen from the top of the suite
    name: str
    ranks: int = 2
    args: list = dataclasses.field(default_factory=list)
    env: list = dataclasses.field(default_factory=list)
    limit: int = 0  # seconds; 0: the default
    result: str = ""  # "", TestStatus, TestStatusNoErrors or TestErrFatal
    xfail: str = ""
    lock: str = ""
    mem: float = 0.0  # GB
    strict: bool = True
    mpix: bool = False
    mpi: bool = True
    mpiversion: str = "0"  # the MPI standard that it wants at least
    mpiexecarg: str = ""  # for MPICH's mpiexec: not for us

    @property
    def program(self):
        return os.path.join(self.group, self.name) if self.group else self.name

    @property
    def key(self):
        """The same in every run, and different for every entry."""
        return " ".join([self.program, str(self.ranks)] + self.args + self.env)


RESULTS = ("TestStatus", "TestStatusNoErrors", "TestErrFatal")


def boolean(value):
    if value.lower() in ("true", "yes", "1"):
        return True
    if value.lower() in ("false", "no", "0"):
        return False
    raise ValueError("neither true nor false: " + value)


def apply_key(entry, key, value):
    if key in ("arg", "env"):
        if key == "env" and "=" not in value:
            raise ValueError("env=%s is not NAME=VALUE" % value)
        {"arg": entry.args, "env": entry.env}[key].append(value)
    elif key == "timeLimit":
        entry.limit = int(value)
    elif key == "mem":
        entry.mem = float(value)
    elif key == "resultTest":
        if value not in RESULTS:
            raise ValueError("unknown resultTest " + value)
        entry.result = value
    elif key in ("xfail", "lock", "mpiexecarg", "mpiversion"):
        if not value:
            raise ValueError(key + "= wants a value")
        setattr(entry, key, value)
    elif key in ("strict", "mpix", "mpi"):
        setattr(entry, key, boolean(value))
    else:
        raise ValueError("unknown key " + key)


def parse_line(line, directory, group):
    """An entry, or None for a line that holds none."""
    words = line.split("#", 1)[0].split()
    if not words or words[0].startswith("!"):  # !DIR:TARGET: make something first
        return None
    entry = Entry(directory, group, words[0])
    head, tail = os.path.split(entry.name)
    if head:
        entry.directory = os.path.join(directory, head)
        entry.group = os.path.join(group, head)
        entry.name = tail
    for i, word in enumerate(words[1:]):
        key, equals, value = word.partition("=")
        if equals:
            apply_key(entry, key, value)
        elif i == 0:
            entry.ranks = int(word)
            if entry.ranks < 1:
                raise ValueError("%s ranks" % word)
        # MPICH's lists have stray words, which its own runner passes over, too.
    return entry


def read(directory, lists=("testlist",), group=""):
    """Entries of the lists in directory, and of the directories that they name."""
    entries = []
    found = False
    for name in lists:
        path = name if os.path.isabs(name) else os.path.join(directory, name)
        if not os.path.isfile(path):
            continue
        found = True
        with open(path, encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, 1):
                try:
                    entry = parse_line(line, directory, group)
                except ValueError as error:
                    raise ListError("%s:%d: %s" % (path, number, error)) from error
                if entry is None:
                    continue
                sub = os.path.join(entry.directory, entry.name)
                if os.path.isdir(sub):
                    entries += read(sub, lists, os.path.join(entry.group, entry.name))
                else:
                    entries.append(entry)
    if not found:
        raise ListError("%s: no %s" % (directory, " or ".join(lists)))
    return entries
