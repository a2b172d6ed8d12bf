#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The ways to launch. timeout: 200
. "$TORO_SRC/tests/mpi/launch.sh"

# RANKS PLACES: hello's lines name each rank once, and as many cores of each guest as it has ranks.
said_hello()
{
    is "$(echo "$out" | sed -n 's/^hello from rank \([0-9]*\) of '"$1"' on .*/\1/p' | sort -n |
        tr '\n' ' ')" "$(seq -s ' ' 0 $(($1 - 1))) " "$3: each rank says hello"
    if [ "$native" = 1 ]; then
        skip 1 "nodes share this host"
        return
    fi
    is "$(echo "$out" | sed -n 's/.* on \([^ ]*\) core \([0-9]*\),.*/\1:\2/p' | sort | tr '\n' ' ')" \
        "$2" "$3: guests and cores"
}

runs "two guests with two ranks" mpi --host vm0:2,vm1:2 "$examples/hello"
said_hello 4 "vm0:0 vm0:1 vm1:0 vm1:1 " "two guests"
like "$out" "*Open MPI v4.1*" "the library is Open MPI 4.1"

if [ "$native" = 1 ]; then
    skip 3 "there are no agents"
else
    runs "the long form" limited "$bin/mpirun" --mca plm_rsh_agent toro-rsh \
        --mca orte_launch_agent orted-shim --mca orte_fork_agent toro-run \
        --host vm0:2,vm1:2 "$examples/hello"
    said_hello 4 "vm0:0 vm0:1 vm1:0 vm1:1 " "long form"
fi

runs "no host list: one guest" mpi -np 4 "$examples/hello"
here=$(uname -n)
said_hello 4 "$here:0 $here:1 $here:2 $here:3 " "no host list"

runs "a single rank alone in each of three guests" mpi --host vm0,vm1,vm2 "$examples/hello"
said_hello 3 "vm0:0 vm1:0 vm2:0 " "three guests"

runs "guests of unlike size" mpi --host vm0:1,vm1:3 "$examples/hello"
said_hello 4 "vm0:0 vm1:0 vm1:1 vm1:2 " "one and three"

printf 'vm0 slots=1\nvm1 slots=1\n' >"$tmp/hosts"
runs "a host file" mpi --hostfile "$tmp/hosts" "$examples/hello"
said_hello 2 "vm0:0 vm1:0 " "host file"

runs "dealt out by node" mpi --host vm0:2,vm1:2 --map-by node "$programs/act-mpi" who
is "$(echo "$out" | sed -n 's/^rank \([0-9]*\) .* local \([0-9]*\) .*/\1:\2/p' | sort | tr '\n' ' ')" \
    "0:0 1:0 2:1 3:1 " "ranks and local ranks are as mpirun maps them"

runs "two programs in one job" mpi --host vm0:2,vm1:2 -np 2 "$programs/act-mpi" who : -np 2 \
    "$programs/act-mpi" who
is "$(echo "$out" | grep -c ' size 4 ')" 4 "are one world of four"

path_was=$PATH
PATH=/usr/bin:/bin
runs "mpirun by its full name, nothing of ours in PATH" mpi --host vm0,vm1 "$examples/hello"
said_hello 2 "vm0:0 vm1:0 " "full name"
PATH=$path_was

if [ "$native" = 1 ]; then
    skip 6 "there is no toro-run"
else
    runs "toro-run -n 4" alone -n 4 "$examples/hello"
    said_hello 4 "$here:0 $here:1 $here:2 $here:3 " "toro-run"
    runs "toro-run -n 1" alone -n 1 "$examples/hello"
    said_hello 1 "$here:0 " "toro-run -n 1"
fi
nothing_left "nothing is left"
done_testing
