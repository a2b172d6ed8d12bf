#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What a new user gets wrong with each program: one line that says what, and a status; and places where
# everything must work all the same: no environment, no temporary directory, no stdin. timeout: 200
. "$TORO_SRC/tests/mpi/launch.sh"
needs_guests
job_limit 40
hello=$examples/hello

# STATUS PATTERN CMD...: the line is the only one
refuses()
{
    want=$1 words=$2
    shift 2
    tap_capture limited "$@"
    name=$(echo "$*" | tr -s '\n ' ' ' | sed "s|$bin/||g; s|$tmp|TMP|g; s|$hello|hello|g")
    is "$status $(echo "$out" | wc -l)" "$want 1" "$name: status $want, one line"
    like "$out" "$words" "$name: says why"
}

# --- toro-rsh
rsh=$bin/toro-rsh
refuses 2 "*no host given; see toro-rsh --help" "$rsh"
refuses 2 '*unknown option --frob; see*' "$rsh" --frob vm0 true
refuses 2 '*"" cannot be the name of a guest*' "$rsh" user@ true
refuses 2 '*no command for vm0 given*' "$rsh" vm0
refuses 2 '*::1 is the address of a machine*' "$rsh" ::1 true
refuses 2 '*option -l needs a value*' "$rsh" -l
refuses 127 '*not-there: not found' "$rsh" -l somebody vm0 not-there
runs "toro-rsh -l USER" limited "$rsh" -x -l somebody vm0 'echo $TOROBUS_NODE'
is "$out" vm0 "the options of ssh mean nothing"

# --- orted-shim
shim=$bin/orted-shim
refuses 2 '*no -mca orte_hnp_uri given: mpirun starts this program*' "$shim"
refuses 2 '*no -mca orte_hnp_uri given: mpirun starts this program*' "$shim" -mca orte_hnp_uri
refuses 1 '*cannot be the name of a guest*TOROBUS_NODE*' env TOROBUS_NODE=a/b "$shim" \
    -mca orte_hnp_uri 1.0 -mca ess env
refuses 1 "*TOROBUS_ORTED=$tmp/no-orted cannot be executed*" env TOROBUS_ORTED="$tmp/no-orted" "$shim" \
    -mca orte_hnp_uri 1.0 -mca ess env

# --- toro-info
info=$bin/toro-info
refuses 2 '*unknown option frob; see toro-info --help' "$info" frob
refuses 2 '*--check takes nothing behind it*"more"*' "$info" --check more
refuses 2 '*--stop takes nothing behind it*' "$info" --stop now
refuses 2 '*--stacks wants a job: toro-info --jobs*' "$info" --stacks
refuses 2 '*012345 is no job: toro-info --jobs*' "$info" --stacks 012345
refuses 1 '*there is no job 0123456789abcdef *' "$info" --memory 0123456789abcdef
refuses 1 '*there is no job 0123456789abcdef *' "$info" --watch 0123456789abcdef
refuses 2 '*--watch 0: give one number of seconds*' "$info" --watch 0
refuses 2 '*--watch 2: give one number of seconds*' "$info" --watch 1 2

# --- toro-run: t-bad.sh has more
run=$bin/toro-run
refuses 2 '*option -n needs a value*' "$run" -n
refuses 2 '*-x NOVAR: there is no such variable*' "$run" -n 1 -x NOVAR "$hello"
refuses 2 '*TOROBUS_LOCAL=maybe is impossible*' env TOROBUS_LOCAL=maybe "$run" -n 1 "$hello"
refuses 2 '*TORO_CORE=here is impossible: give 0, 1*' env TORO_CORE=here "$run" -n 1 "$hello"
refuses 1 '*TOROBUS_GUESTS=99 is impossible*' env TOROBUS_GUESTS=99 "$run" -n 1 "$hello"
refuses 1 '*TOROBUS_ACCEL=hvf is impossible*' env TOROBUS_ACCEL=hvf "$run" -n 1 "$hello"
refuses 2 '*--mem 1Q is impossible: give a size from 1M to 512G' "$run" -n 1 --mem 1Q "$hello"
refuses 2 '*--mem -5G is impossible*' "$run" -n 1 --mem -5G "$hello"
refuses 2 '*--mem 1.5G is impossible*' "$run" -n 1 --mem 1.5G "$hello"
refuses 2 '*--mem 99999999999999999999G is impossible*' "$run" -n 1 --mem 99999999999999999999G "$hello"
refuses 2 '*TOROBUS_MEM=lots is impossible*' env TOROBUS_MEM=lots "$run" -n 1 "$hello"
refuses 2 '*TOROBUS_FS=all is impossible: give none, ro or rw' env TOROBUS_FS=all "$run" -n 1 "$hello"
refuses 2 '*TOROBUS_BIND=all is impossible*' env TOROBUS_BIND=all "$run" -n 1 "$hello"
refuses 2 '*TOROBUS_CORES_PER_RANK=0 is impossible: give a number from 1 to 64' env \
    TOROBUS_CORES_PER_RANK=0 "$run" -n 1 "$hello"
refuses 2 '*--cores-per-rank 0 is impossible*' "$run" -n 1 --cores-per-rank 0 "$hello"
refuses 2 '*40 ranks with 2 cores each are impossible*' "$run" -n 40 --cores-per-rank 2 "$hello"
refuses 1 '*TOROBUS_SLICE_SIZE=1 is impossible: give a size from 1G to 256G' env \
    TOROBUS_SLICE_SIZE=1 "$run" -n 1 "$hello"
refuses 1 '*TOROBUS_SLICE_SIZE=3G is impossible: give a power of two*' env TOROBUS_SLICE_SIZE=3G \
    "$run" -n 1 "$hello"
refuses 1 '*TOROBUS_HUGEPAGES=2M is impossible: give off or hugetlb' env TOROBUS_HUGEPAGES=2M \
    "$run" -n 1 "$hello"
refuses 2 '*--root *not-there: No such file or directory' "$run" -n 1 --root "$tmp/not-there" "$hello"
refuses 2 '*--keep forever is impossible*' "$run" -n 1 --keep forever "$hello"
refuses 2 '*TOROBUS_GROUP=a b/../ is impossible*' env TOROBUS_GROUP='a b/../' "$run" -n 1 "$hello"
refuses 2 '*cannot read*: Is a directory' env TOROBUS_CONFIG="$tmp" "$run" -n 1 "$hello"
printf 'mem = 1G\nmem = 2G\n' >twice.conf
refuses 2 '*twice.conf:2: mem is set a second time' env TOROBUS_CONFIG=twice.conf "$run" -n 1 "$hello"
printf 'mem\n' >half.conf
refuses 2 '*half.conf:1: "mem" is no setting: write NAME = VALUE' env TOROBUS_CONFIG=half.conf \
    "$run" -n 1 "$hello"
refuses 126 '*/ls is dynamically linked*mpicc -static-pie' "$run" -n 1 "$(command -v ls)"
refuses 1 '*10 files only (ulimit -Hn)*raise the limit' sh -c 'ulimit -n 10; exec "$@"' sh "$run" \
    -n 1 "$hello"
# and when hardly one is left for it to begin with
refuses 1 '*10 files only (ulimit -Hn)*raise the limit' sh -c 'exec 4<&0 5<&0 6<&0 7<&0 8<&0
    ulimit -n 10; exec "$@"' sh "$run" -n 1 "$hello"
# a device that cannot be opened, whoever one is
mkdir nodev
if unshare -m true 2>/dev/null; then
    # shellcheck disable=SC2016 # for the inner shell
    refuses 1 '*cannot open /dev/null: Permission denied*' unshare -m sh -c 'mount -t tmpfs -o nodev \
        none nodev && mknod nodev/null c 1 3 && mount --bind nodev/null /dev/null && exec "$@"' sh \
        "$run" -n 1 "$hello"
else
    skip 2 "needs the right to mount a file system"
fi
printf '\177ELF\001\001\001%0500d' 0 >elf32
chmod +x elf32
refuses 126 '*elf32 is not an x86-64 executable*' "$run" -n 1 ./elf32
refuses 1 '*File too large; see ulimit -f*' sh -c 'ulimit -f 100; exec "$@"' sh "$run" -n 1 "$hello"

# --- what must work
works() # NAME CMD...
{
    name=$1
    shift
    tap_capture limited "$@"
    # a race of mpirun with its own child; see CAVEATS.md
    out=$(echo "$out" | grep -v 'setpgid.* failed in parent')
    is "$status $(echo "$out" | wc -l)" "0 ${lines:-1}" "$name: works"
    like "$out" "hello from rank*" "$name: and says nothing else"
}
root="OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 ${OPAL_PREFIX:+OPAL_PREFIX=$OPAL_PREFIX}"
long=$tmp/$(printf 'x%.0s' $(seq 180))/$(printf 'y%.0s' $(seq 180))
mkdir -p "$long"
works "no environment" env -i TOROBUS_TEST="$tag" "$run" -n 1 "$hello"
works "a TMPDIR that is not there" env TMPDIR="$tmp/not-there" "$run" -n 1 "$hello"
works "a TMPDIR with a long name" env TMPDIR="$long" "$run" -n 1 "$hello"
works "no home, and a locale that is not there" env HOME= LC_ALL=xx_YY.bad "$run" -n 1 "$hello"
mkdir "a b"
cp "$hello" "a b/he llo"
works "a program with blanks in its path" "$run" -n 1 "a b/he llo"
works "no stdin" sh -c 'exec "$@" <&-' sh "$run" -n 1 "$hello"
works "no stderr" sh -c 'exec "$@" 2>&-' sh "$run" -n 1 "$hello"
tap_capture limited sh -c 'exec "$@" >&-' sh "$run" -n 1 "$hello"
is "$status $out" "1 toro-run: cannot write the ranks' stdout: Bad file descriptor" "no stdout: it says so"
tap_capture limited sh -c 'exec "$@" <&- >&- 2>&-' sh "$run" -n 1 "$programs/act" exit 7
is "$status" 7 "none of the three: the status is the program's"
lines=2
# shellcheck disable=SC2086 # several words
works "mpirun without environment" env -i TOROBUS_TEST="$tag" TMPDIR="$tmp/tmp" $root \
    "$bin/mpirun" --am torobus --host vm0:1,vm1:1 "$hello"
works "mpirun, a TMPDIR with a long name" env TMPDIR="$long" "$bin/mpirun" --am torobus \
    --host vm0:1,vm1:1 "$hello"
works "mpirun, no stdin" sh -c 'exec "$@" <&-' sh "$bin/mpirun" --am torobus --host vm0:1,vm1:1 "$hello"

# --- two jobs at once
alone -n 2 "$examples/ring" >one 2>&1 &
one=$!
mpi --host vm0:1,vm1:1 "$examples/ring" >two 2>&1
is $? 0 "two jobs at once: mpirun"
wait "$one"
is $? 0 "and toro-run"
nothing_left "nothing is left"
done_testing
