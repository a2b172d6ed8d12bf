#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Bad input: one clear line, a status that is not 0, nothing left behind. timeout: 200
. "$TORO_SRC/tests/mpi/launch.sh"
needs_guests
job_limit 40

# STATUS NAME PATTERN CMD...: toro-run's own line is the only one on stderr
refuses()
{
    want=$1 name=$2 words=$3
    shift 3
    "$@" >out 2>err </dev/null
    status=$?
    if [ "$want" = any ]; then
        test "$status" -ne 0 && test "$status" -ne 124
        ok $? "$name: status $status"
    else
        is "$status" "$want" "$name: status $want"
    fi
    text=$(cat err)
    # shellcheck disable=SC2254 # a pattern
    case $text in
    *$words*) ok 0 "$name: says why" ;;
    *)
        ok 1 "$name: says why"
        diag "$text"
        ;;
    esac
    [ "$want" = any ] || is "$(wc -l <err)" 1 "$name: in one line"
}

hello=$examples/hello
echo 'int main(void) { return 0; }' >t.c
${CC:-cc} -no-pie -static -o fixed t.c || diag "no -static here"
${CC:-cc} -o dynamic t.c
head -c 2000 "$hello" >truncated
head -c 40 "$hello" >stub
: >empty
printf '#!/bin/sh\nexit 0\n' >script
# e_machine of AArch64
{
    head -c 18 "$hello"
    printf '\267\000'
    tail -c +21 "$hello"
} >foreign
cp "$hello" unreadable
chmod +x fixed dynamic truncated stub empty script foreign
chmod 644 unreadable

# --- programs
refuses 126 "not PIE" "PIE*static-pie" alone -n 1 ./fixed
refuses 126 "dynamically linked" "dynamically linked*static-pie" alone -n 1 ./dynamic
refuses 126 "another machine" "x86-64" alone -n 1 ./foreign
refuses 126 "truncated" "truncated" alone -n 1 ./truncated
refuses 126 "only a part of a header" "truncated" alone -n 1 ./stub
refuses 126 "empty" "empty" alone -n 1 ./empty
refuses 126 "a script" "script" alone -n 1 ./script
refuses 127 "no such file" "not-there" alone -n 1 ./not-there
refuses 127 "not in PATH" "not-there" alone -n 1 not-there
refuses 126 "a directory" "no regular file" alone -n 1 "$tmp"
refuses 126 "not executable" "unreadable" alone -n 1 ./unreadable
refuses any "not PIE, under mpirun" "static-pie" mpi --host vm0:1,vm1:1 ./fixed
refuses any "no such file, under mpirun" "not-there" mpi -np 2 ./not-there

# --- versions: their notes are patched
# other_abi FILE COPY: a copy of a program or kernel image that says to have Torobus ABI 7
other_abi()
{
    cp "$1" "$2"
    at=$(LC_ALL=C grep -obUaP '\x08\x00\x00\x00\x04\x00\x00\x00\x01\x00\x00\x00Torobus\x00' "$2" |
        head -n 1 | cut -d: -f1)
    printf '\007' | dd of="$2" bs=1 seek=$((at + 20)) conv=notrunc 2>/dev/null
}
other_abi "$hello" other
other_abi "$TORO_PREFIX/lib/torobus/torobus.elf" other.elf
refuses 126 "linked with another version" \
    "other was linked with Torobus ABI 7, this installation has 1: link it again" alone -n 1 ./other
refuses any "the same, under mpirun" \
    "other was linked with Torobus ABI 7, this installation has 1: link it again" \
    mpi --host vm0:1,vm1:1 ./other
refuses 1 "a kernel image of another version" \
    "other.elf has Torobus ABI 7, these programs have 1: take the image*unset TOROBUS_KERNEL" \
    env TOROBUS_KERNEL="$PWD/other.elf" "$bin/toro-run" -n 1 "$hello"
# the program changes when the host has looked at it already: then the kernel says so
cp "$hello" changes
printf '#!/bin/sh\ncase $* in *-version*) ;; *) cp "%s/other" "%s/changes" ;; esac\nexec %s "$@"\n' \
    "$PWD" "$PWD" "${TOROBUS_QEMU:-qemu-system-x86_64}" >qemu-and-change
chmod +x qemu-and-change
refuses any "a program that is exchanged" \
    "changes: was linked with Torobus ABI 7, this installation has 1: link it again" \
    env TOROBUS_QEMU="$PWD/qemu-and-change" "$bin/toro-run" -n 1 ./changes
refuses any "on the host itself" \
    "other was linked with Torobus ABI 7, this installation has 1: link it again" \
    mpi -np 1 --host "$(uname -n):1" ./other : -np 1 --host vm0:1 "$hello"
# a launcher that listens at a port of nobody
refuses any "a launcher's PMIx of another version" \
    "PMIx server (version 99.1.0, this program's is *.*) does not answer*start the job with" \
    env PMIX_NAMESPACE=1 PMIX_RANK=0 PMIX_VERSION=99.1.0 PMIX_SECURITY_MODE=native \
    PMIX_SERVER_URI2="1.0;tcp4://127.0.0.1:1" PMIX_SERVER_URI3="1.0;tcp4://127.0.0.1:1" \
    "$bin/toro-run" "$hello"

# --- options and values
refuses 2 "-n 0" "-n 0" alone -n 0 "$hello"
refuses 2 "-n -3" "-n -3" alone -n -3 "$hello"
refuses 2 "-n x" "-n x" alone -n x "$hello"
refuses 2 "-n 1000" "-n 1000" alone -n 1000 "$hello"
refuses 2 "memory 0" "--mem 0" alone -n 1 --mem 0 "$hello"
refuses 2 "memory 1T" "--mem 100T" alone -n 1 --mem 100T "$hello"
refuses 2 "an unknown option" "--frobnicate" alone --frobnicate "$hello"
refuses 2 "an unknown --fs" "--fs" alone -n 1 --fs maybe "$hello"
refuses 2 "no program" "no program" alone -n 1
refuses 2 "no -n and no mpirun" "toro-run -n" alone "$hello"
refuses 2 "TOROBUS_MEM=0" "TOROBUS_MEM" env TOROBUS_MEM=0 "$bin/toro-run" -n 1 "$hello"

# --- the machine
refuses any "no QEMU" "QEMU" env TOROBUS_QEMU="$tmp/no-qemu" "$bin/toro-run" -n 1 "$hello"
printf '#!/bin/sh\necho "QEMU emulator version 2.1.0"\n' >old-qemu
chmod +x old-qemu
refuses any "a QEMU that is too old" "QEMU" env TOROBUS_QEMU="$PWD/old-qemu" "$bin/toro-run" -n 1 \
    "$hello"
refuses any "no kernel" "kernel" env TOROBUS_KERNEL="$tmp/no-kernel" "$bin/toro-run" -n 1 "$hello"
printf '#!/bin/sh\ncase $* in *-version*) echo "QEMU emulator version 7.2.0" ;; *) sleep 60 ;; esac\n' \
    >silent-qemu
chmod +x silent-qemu
before=$(date +%s)
refuses any "a guest that never reports in" "did not report in" env TOROBUS_ACCEL=tcg \
    TOROBUS_QEMU="$PWD/silent-qemu" TOROBUS_BOOT_TIMEOUT=3 "$bin/toro-run" -n 1 "$hello"
test $(($(date +%s) - before)) -lt 20
ok $? "ends after its time limit"
refuses any "more guests than slices" "TOROBUS_GUESTS" env TOROBUS_GUESTS=2 "$bin/mpirun" \
    --am torobus --host vm0,vm1,vm2 "$hello"
refuses any "a host that cannot be a guest's name" "name of a guest" mpi --host 'vm0,a%b' "$hello"

# --- where it is started, and with what
mkdir dir
refuses any "a kernel image that is none" "no kernel image of Torobus*TOROBUS_KERNEL" env \
    TOROBUS_KERNEL="$hello" "$bin/toro-run" -n 1 "$hello"
refuses any "a kernel image that is text" "no kernel image of Torobus*TOROBUS_KERNEL" env \
    TOROBUS_KERNEL="$PWD/t.c" "$bin/toro-run" -n 1 "$hello"
refuses 1 "a QEMU that is a directory" "cannot be executed" env TOROBUS_QEMU="$PWD/dir" \
    "$bin/toro-run" -n 1 "$hello"
# shellcheck disable=SC2016 # for the inner shell
refuses 1 "a directory that is gone" "current directory is gone*change to one" \
    sh -c 'mkdir gone && cd gone && rmdir ../gone && exec "$@"' sh "$bin/toro-run" -n 1 "$hello"
refuses 2 "an empty name" "name of the program is empty" alone -n 1 ""
cp script only-here # a name that no directory of PATH has
refuses 127 "a program of this directory without ./" "called with ./" alone -n 1 only-here
refuses 126 "a device" "no regular file" alone -n 1 /dev/null
refuses 2 "an option of mpirun" "unknown option --map-by*for mpirun" alone -n 1 --map-by slot "$hello"
refuses 2 "memory per rank" "--mem-per-rank 1T" alone -n 1 --mem-per-rank 1T "$hello"
refuses 1 "more than a slice" "raise TOROBUS_SLICE_SIZE" alone -n 1 --mem 17G "$hello"
refuses any "a name that no guest can have" "a b cannot be the name of a guest" env \
    TOROBUS_NODE='a b' "$bin/toro-run" -n 1 "$hello"
refuses 2 "a time limit in words" "--timeout soon" alone -n 1 --timeout soon "$hello"
refuses 2 "TOROBUS_SPIN_NS=-1" "TOROBUS_SPIN_NS=-1" env TOROBUS_SPIN_NS=-1 "$bin/toro-run" -n 1 \
    "$hello"
echo 'memory = 1G' >wrong.conf
refuses 2 "a setting that is none" "wrong.conf:1*memory*toro-info" env \
    TOROBUS_CONFIG="$PWD/wrong.conf" "$bin/toro-run" -n 1 "$hello"
refuses 2 "a job that is none" "toro-info --jobs" "$bin/toro-info" --stacks nojob
refuses any "an address for a host" "is the address of a machine" mpi --host 192.0.2.7 "$hello"
runs "without PATH" env -u PATH "$bin/toro-run" -n 1 "$programs/act" exit 0
runs "without HOME and TMPDIR" env -u HOME -u TMPDIR "$bin/toro-run" -n 1 "$programs/act" exit 0

# --- a prefix that moved
mkdir -p moved/bin
cp "$bin/toro-run" moved/bin/
refuses any "a prefix that moved" "kernel" moved/bin/toro-run -n 1 "$hello"
nothing_left "nothing is left"
done_testing
