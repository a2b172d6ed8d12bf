#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# A lot of bytes through stdin and stdout, unharmed, with mpirun and without; who gets stdin; a reader
# that is slow; --xml. TORO_STDIO_MB says how much (10; make check-stdio: 100). timeout: 900
. "$TORO_SRC/tests/mpi/launch.sh"
mb=${TORO_STDIO_MB:-10}
job_limit 300

head -c "$((mb << 20))" /dev/urandom >bytes
want=$(cksum <bytes)

through() # NAME CMD...: stdin to stdout; the throughput is both ways at once
{
    name=$1
    shift
    t0=$(date +%s%3N)
    got=$("$@" <bytes 2>err | cksum)
    ms=$(($(date +%s%3N) - t0))
    is "$got" "$want" "$name: $mb MiB in and out"
    diag "$name: $((mb * 1000 / ms)) MiB/s both ways, start included ($ms ms)"
    is "$(cat err)" "" "$name: nothing on stderr"
}
through "mpirun, a guest" mpi --host vm0 "$programs/act" cat
through "mpirun's own node" mpi -np 1 "$programs/act" cat
[ "$native" = 1 ] || through "toro-run" alone -n 1 "$programs/act" cat

# --- a slow reader: the rank waits, nothing is lost, nobody hoards
slow() { (sleep 2 && cksum); }
is "$(mpi --host vm0 "$programs/act" cat <bytes | slow)" "$want" "a slow reader behind mpirun"
if [ "$native" = 1 ]; then
    skip 2 "there is no toro-run"
else
    alone -n 1 "$programs/act" cat <bytes 2>err | {
        sleep 2
        for p in $(tagged); do
            [ "$(cat "/proc/$p/comm")" != toro-run ] ||
                sed -n 's/^VmData:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$p/status"
        done >data
        cksum >sum
    }
    is "$(cat sum)" "$want" "a slow reader behind toro-run"
    [ "$(sort -n data | tail -n 1)" -lt 8192 ]
    ok $? "toro-run holds less than 8 MiB of it ($(tr '\n' ' ' <data)KiB of data)"
fi

# --- who gets stdin
head -c 200000 bytes >some
one=$("$programs/act" count <some)
none=$("$programs/act" count </dev/null)
is "$(mpi -np 2 --stdin none "$programs/act" count <some 2>&1 | sort -u)" "$none" "--stdin none"
is "$(mpi -np 2 --stdin 1 "$programs/act" count <some 2>&1 | sort)" \
    "$(printf '%s\n%s\n' "$none" "$one" | sort)" "--stdin 1"

if [ "$native" = 1 ]; then
    skip 1 "a check of guests"
else
    is "$(mpi --host vm0:1,vm1:1 --stdin all "$programs/act" count <some 2>&1)" \
        "$(printf '%s\n%s\n' "$one" "$one")" "--stdin all"
fi

# --- --xml
mpi --host vm0:1,vm1:1 --xml "$programs/act" partial >xml 2>&1
is "$(grep -o '<stdout rank="[01]">no newline' xml | sort -u | wc -l)" 2 "--xml knows the ranks"
nothing_left "nothing is left"
done_testing
