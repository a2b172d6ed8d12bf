# SPDX-License-Identifier: BSD-3-Clause
"""Where a program can run, and the command that makes it run there.

    native   plain mpirun on this host
    1        one guest, by toro-run -n
    mpirun   one guest, by mpirun --am torobus
    K        K guests (2 or more), by mpirun --am torobus, ranks spread evenly
    xN       as many guests as it takes with N ranks in each
"""

import os


class PlaceError(Exception):
    """A name that is no place."""


class Place:
    def __init__(self, name):
        self.name = name
        self.native = name == "native"
        self.guests = self.per_guest = 0
        try:
            if name.startswith("x"):
                self.per_guest = int(name[1:])
            elif name not in ("native", "mpirun"):
                self.guests = int(name)
        except ValueError:
            raise PlaceError("%s: not native, 1, mpirun, a number of guests or xN" % name) from None
        if name not in ("native", "mpirun") and self.guests + self.per_guest < 1:
            raise PlaceError("%s: at least 1" % name)

    def room(self, entry):
        """Free slots beside the ranks, where the host alone would have none: else programs that
        spawn see a full universe (MPI_UNIVERSE_SIZE), say "No Errors" and do nothing."""
        if os.path.basename(entry.group) != "spawn" or self.guests or self.per_guest:
            return []
        return ["--host", "localhost:%d" % (entry.ranks + 32)]

    def hosts(self, ranks):
        """mpirun's --host, with the ranks spread over the guests."""
        guests = self.guests or -(-ranks // self.per_guest)
        shares = [ranks // guests + (i < ranks % guests) for i in range(guests)]
        return ",".join("vm%d:%d" % share for share in enumerate(shares))

    def misfit(self, entry):
        """Why an entry cannot run here, or an empty string."""
        if not entry.mpi and self.name not in ("native", "1"):
            return "not an MPI program"
        if self.guests > entry.ranks:
            return "fewer ranks than guests"
        if not self.native and entry.ranks > 64 * max(self.guests, 1) and not self.per_guest:
            return "a guest has at most 64 ranks"
        return ""

    def command(self, entry, program):
        """argv"""
        run = [program] + entry.args
        env = [word for setting in entry.env for word in ("-x", setting)]
        ranks = str(entry.ranks)
        if self.native and not entry.mpi:
            return ["env"] + entry.env + run
        if self.native:
            # Loopback alone, and ranks that wait give way: there may be more of them than cores.
            # tcp is for spawned jobs, which vader does not reach; osc/pt2pt, which Debian's
            # settings leave out, for windows that osc/rdma cannot do over these BTLs.
            return ["mpirun", "--oversubscribe", "--mca", "btl", "self,vader,tcp",
                    "--mca", "osc", "^ucx", "--mca", "btl_tcp_if_include", "lo",
                    "--mca", "oob_tcp_if_include", "lo", "--mca", "mpi_yield_when_idle", "1",
                    "-np", ranks] + self.room(entry) + env + run
        if self.name == "1":
            return ["toro-run", "-n", ranks] + env + run
        where = self.room(entry) if self.name == "mpirun" else ["--host", self.hosts(entry.ranks)]
        return ["mpirun", "--am", "torobus"] + where + ["-np", ranks] + env + run


def parse(text):
    return [Place(name) for name in text.split(",") if name]


def program_of(entry, binaries):
    """The file to run; binaries is another directory than that of the list, or empty."""
    directory = os.path.join(binaries, entry.group) if binaries else entry.directory
    return os.path.join(directory, entry.name)
