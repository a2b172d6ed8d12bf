#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 200
# toro-run -n with a fake guest: status, stdio, environment, options, the guest's misbehaviour.
. "$TORO_SRC/tests/lib/tap.sh"
. "$TORO_SRC/tests/shim/shim.sh"
cd "$tmp" || exit 99

status_is() # WANT NAME CMD...
{
    want=$1
    name=$2
    shift 2
    tap_capture timeout 30 "$@"
    is "$status" "$want" "$name: status $want"
    [ "$status" = "$want" ] || diag "$out"
}

says() # PATTERN: one line, and it says so
{
    like "$out" "$1" "$name: says why"
    is "$(printf '%s\n' "$out" | grep -c .)" 1 "$name: in one line"
}

# --- ends -------------------------------------------------------------------------------------
status_is 0 "all is well" "$run" -n 2 "$app" print hello
is "$out" "hello
hello" "two ranks, two lines"
status_is 7 "a status" "$run" -n 3 "$app" exit 7
status_is 255 "the largest status" "$run" -n 1 "$app" exit 255
status_is 139 "a crash" "$run" -n 2 "$app" kill 11
like "$out" "*rank * was ended by signal 11*" "a crash is reported"
status_is 137 "killed" "$run" -n 1 "$app" kill 9
status_is 3 "one fails, the others are ended" "$run" -n 1 "$app" exit 3
status_is 1 "a rank that hears of it" "$run" -n 2 "$app" as 0 handle 15 as 1 exit 1 exit 199
status_is 2 "a lower rank that fails, too" "$run" -n 2 "$app" as 0 handle 15 as 1 exit 1 exit 2
status_is 126 "cannot be loaded" "$run" -n 1 "$app" fail 8
says "*rank 0 on guest * could not start: fake failure (Exec format error)"
nothing_left "after ends"

# --- what a rank gets -------------------------------------------------------------------------
umask 027
status_is 0 "place" "$run" -n 1 "$app" place
is "$out" "rank 0 of 1, core 0 of 1, flags 0, cwd $(pwd -P), umask 027" "rank, cores, directory"
umask 022
status_is 0 "place, traced" env TORO_STRACE=1 "$run" -n 1 "$app" place
like "$out" "*flags 1,*" "TORO_STRACE reaches the guest"
status_is 0 "environment" env FOO=bar "$run" -n 2 -x BAZ=qux -x FOO "$app" env FOO env BAZ \
    env OMPI_COMM_WORLD_SIZE env OMPI_MCA_orte_bound_at_launch env OMPI_MCA_orte_launch \
    env PMIX_NAMESPACE
is "$(printf '%s\n' "$out" | sort -u)" "BAZ=qux
FOO=bar
OMPI_COMM_WORLD_SIZE=2
OMPI_MCA_orte_bound_at_launch=1
OMPI_MCA_orte_launch=1
PMIX_NAMESPACE=65537" "variables of the user and of Open MPI"
big=$(head -c 100000 /dev/zero | tr '\0' x)
status_is 0 "long arguments" "$run" -n 1 "$app" print "$big"
is "${#out}" 100000 "100000 bytes of argument arrive"
status_is 1 "arguments that are too long" env A="$big" B="$big" C="$big" D="$big" E="$big" F="$big" \
    G="$big" H="$big" I="$big" J="$big" K="$big" "$run" -n 1 "$app"
says "*arguments and environment are too long for a guest*"
name=stdin

# --- stdio ------------------------------------------------------------------------------------
out=$(printf 'one\ntwo' | timeout 30 "$run" -n 2 "$app" cat; echo " $?")
is "$out" "one
two 0" "rank 0 gets stdin, the other its end"
out=$(timeout 30 "$run" -n 1 "$app" count </dev/null)
is "$out" "0 bytes" "no input"
head -c 30000000 /dev/urandom >big
out=$(head -c 40000000 big | timeout 60 "$run" -n 1 "$app" cat | cmp - big && echo same)
is "$out" same "30 MB through a pipe and back unharmed"
cp big copy
out=$(timeout 60 "$run" -n 1 "$app" cat <big | cmp - copy && echo same)
is "$out" same "30 MB from a file"
timeout 60 "$run" -n 1 "$app" cat <big >copy
out=$(cmp copy big && echo same)
is "$out" same "30 MB into a file"
out=$(timeout 60 "$run" -n 1 "$app" flood 40 | { sleep 1; wc -c; })
is "$out" 41943040 "a slow reader loses nothing"
out=$(timeout 30 "$run" -n 1 "$app" flood 100 print no | head -c 10 | wc -c)
is "$out" 10 "a reader that leaves"
out=$(timeout 30 "$run" -n 1 "$app" flood 1 exit 5 >&-; echo $?)
is "$out" 5 "no stdout at all"
out=$( (sleep 1; echo late) | timeout 30 "$run" -n 1 "$app" print early cat)
is "$out" "early
late" "input that comes late"
out=$(timeout 30 "$run" -n 4 "$app" part a pause 20 part b pause 20 part c pause 20 print d | sort -u)
is "$out" abcd "lines of four ranks are not mixed"
out=$(timeout 30 "$run" -n 2 "$app" eprint oops 2>&1 >/dev/null | sort -u)
is "$out" oops "stderr is stderr"
nothing_left "after stdio"

# --- options ----------------------------------------------------------------------------------
for bad in "-n 0" "-n -1" "-n 65" "-n x" "-n" "--mem 0" "--mem 1" "--mem lots" "--fs maybe" \
    "--timeout 0" "--frobnicate" "-q" "-x =1" "-x NO_SUCH_VARIABLE"; do
    # shellcheck disable=SC2086 # several words
    status_is 2 "toro-run $bad" "$run" $bad "$app"
    says "toro-run: *"
done
status_is 2 "no program" "$run" -n 1
says "*no program given*"
status_is 2 "no -n" env -u PMIX_NAMESPACE -u PMIX_RANK "$run" "$app"
says "*say how many ranks*"
status_is 2 "TOROBUS_MEM" env TOROBUS_MEM=0 "$run" -n 1 "$app"
says "*TOROBUS_MEM=0 is impossible*"
status_is 2 "TOROBUS_BOOT_TIMEOUT" env TOROBUS_BOOT_TIMEOUT=soon "$run" -n 1 "$app"
says "*TOROBUS_BOOT_TIMEOUT=soon is impossible*"
status_is 0 "-np as mpirun says it" "$run" -np 2 "$app"
status_is 0 "--help" "$run" --help
status_is 0 "--version" "$run" --version
status_is 0 "--dry-run" "$run" -n 3 --dry-run --fs ro --mem 1G "$app"
like "$out" "*3 ranks*1G*-smp 3*readonly=on*cores=3*" "--dry-run: plan and command line"

# --- programs that cannot run -----------------------------------------------------------------
status_is 127 "no such file" "$run" -n 1 ./nothing
says "*./nothing: there is no such file"
status_is 127 "no such program" "$run" -n 1 nothing-of-that-name
says "*no such program in PATH*"
echo text >text
status_is 126 "not executable" "$run" -n 1 ./text
says "*cannot be executed*"
chmod +x text
status_is 126 "not ELF" "$run" -n 1 ./text
says "*text is not an ELF executable"
printf '#!/bin/sh\n' >text
status_is 126 "a script" "$run" -n 1 ./text
says "*is a script*"
"${CC:-cc}" -o dynamic app.c
status_is 126 "dynamically linked" "$run" -n 1 ./dynamic
says "*dynamically linked*mpicc -static-pie*"
"${CC:-cc}" -static -no-pie -o fixed app.c
status_is 126 "not PIE" "$run" -n 1 ./fixed
says "*not PIE*mpicc -static-pie*"
head -c 5000 "$app" >cut.elf && chmod +x cut.elf
status_is 126 "truncated" "$run" -n 1 ./cut.elf
says "*truncated*"
head -c 70 "$app" >cut.elf
status_is 126 "cut in its headers" "$run" -n 1 ./cut.elf
says "*truncated*"
head -c 10 "$app" >cut.elf
status_is 126 "cut in its first bytes" "$run" -n 1 ./cut.elf
says "*truncated*"
{ head -c 18 "$app"; printf '\267\000'; tail -c +21 "$app"; } >arm && chmod +x arm
status_is 126 "not x86-64" "$run" -n 1 ./arm
says "*not an x86-64 executable*"
: >empty && chmod +x empty
status_is 126 "empty" "$run" -n 1 ./empty
says "*is empty*"
PATH=$tmp:$PATH
status_is 0 "found in PATH" "$run" -n 1 app print x

# --- the machine ------------------------------------------------------------------------------
status_is 1 "QEMU is missing" env TOROBUS_QEMU=/nonexistent/qemu "$run" -n 1 "$app"
says "*QEMU is missing*"
status_is 1 "QEMU is too old" env TOROBUS_FAKE_VERSION="QEMU emulator version 6.2.0" \
    XDG_CACHE_HOME="$tmp/cache2" "$run" -n 1 "$app"
says "*QEMU 6.2*too old*7.0*"
status_is 1 "no QEMU" env TOROBUS_FAKE_VERSION="something else" XDG_CACHE_HOME="$tmp/cache3" \
    "$run" -n 1 "$app"
says "*is no QEMU*"
status_is 1 "no kernel" env TOROBUS_KERNEL=/nonexistent "$run" -n 1 "$app"
says "*kernel image TOROBUS_KERNEL=/nonexistent*"
mkdir -p moved/bin && cp "$run" moved/bin/
status_is 1 "the prefix moved" env -u TOROBUS_KERNEL moved/bin/toro-run -n 1 "$app"
says "*has the prefix moved?*"
status_is 1 "no memory for the region" sh -c 'ulimit -f 1000; exec "$@"' sh "$run" -n 1 "$app"
says "*no memory for the region*"
status_is 2 "more memory than a region has" "$run" -n 1 --mem 15T "$app"
says "*--mem 15T is impossible*"
status_is 1 "more memory than a slice has" "$run" -n 1 --mem 100G "$app"
says "*more than a slice*TOROBUS_SLICE_SIZE*"
status_is 1 "more memory than there is" env TOROBUS_GUESTS=1 TOROBUS_SLICE_SIZE=256G "$run" -n 1 \
    --mem 255G "$app"
says "*no memory for the region: 1 guest of 255G*MiB free"
status_is 1 "accelerator" env TOROBUS_ACCEL=warp "$run" -n 1 "$app"
says "*TOROBUS_ACCEL=warp is impossible*"
status_is 1 "slices" env TOROBUS_SLICE_SIZE=3G "$run" -n 1 "$app"
says "*power of two*"

# --- guests that misbehave --------------------------------------------------------------------
status_is 1 "a guest that is silent" env TOROBUS_FAKE=silent "$run" -n 2 --timeout 1 "$app"
says "*did not report in within 1 s*"
status_is 137 "QEMU ends at once" env TOROBUS_FAKE=exit "$run" -n 2 "$app"
says "*ended: QEMU exited with status 5"
status_is 137 "QEMU complains" env TOROBUS_FAKE=stderr "$run" -n 2 "$app"
says "*ended: QEMU says: fake qemu: something is wrong"
status_is 1 "another version" env TOROBUS_FAKE=version "$run" -n 1 "$app"
says "*has Torobus ABI 99, these programs have 1: *TOROBUS_KERNEL*"
status_is 1 "a core is missing" env TOROBUS_FAKE=cores "$run" -n 2 "$app"
says "*started 1 of 2 cores"
status_is 1 "output before HELLO" env TOROBUS_FAKE=early "$run" -n 1 "$app"
says "*impossible frame*"
status_is 0 "console text" env TOROBUS_FAKE=noise "$run" -n 1 "$app" pause 300
like "$out" "*: text from the console*" "console text reaches the user"
status_is 1 "panic" "$run" -n 2 "$app" pause 50 panic "something broke"
says "*kernel panic: something broke"
status_is 137 "QEMU ends" "$run" -n 2 "$app" pause 50 die
says "*QEMU exited with status 7"
status_is 1 "QEMU stops the guest and stays" "$run" -n 2 "$app" pause 50 stopped
says "*cannot go on, QEMU stopped it: QEMU says: KVM internal error. Suberror: 1*"
for f in badrank badmagic badtype toolong overrun; do
    status_is 1 "frame $f" "$run" -n 2 "$app" pause 50 "$f"
    says "*guest * sent *"
done
nothing_left "after misbehaviour"

# --- signals ----------------------------------------------------------------------------------
up() { [ "$(grep -c up o)" -ge "$1" ]; }

# Start a job in the background and wait until its ranks are up; $pid is that of `timeout`.
start() # RANKS SCRIPT...
{
    : >o
    n=$1
    shift
    timeout 30 "$run" -n "$n" "$app" "$@" >o 2>&1 &
    pid=$!
    wait_until up "$n" || diag "the ranks did not start"
}

for s in "INT 2" "TERM 15" "HUP 1"; do
    # shellcheck disable=SC2086 # two words
    set -- $s
    start 2 print up wait
    kill -"$1" "$(pgrep -P $pid toro-run)"
    wait $pid
    is $? $((128 + $2)) "SIG$1 ends the job"
done
start 1 print up handle 10 exit 4
kill -USR1 "$(pgrep -P $pid toro-run)"
wait $pid
is $? 4 "SIGUSR1 reaches the program"
is "$(tail -n 1 o)" "got signal 10" "and it has handled it"
start 1 print up pause 20000
kill -9 "$(pgrep -P $pid toro-run)"
wait $pid
nothing_left "after kill -9 of toro-run"
done_testing
