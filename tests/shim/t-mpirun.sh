#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 600
# Stock mpirun with our agents and a fake guest: ways to launch, status, stdio, PMIx through proxies.
. "$TORO_SRC/tests/lib/tap.sh"
. "$TORO_SRC/tests/shim/shim.sh"
requires mpirun timeout
cd "$tmp" || exit 99

agents="--mca oob_tcp_if_include lo --mca plm_rsh_agent $TORO_PREFIX/bin/toro-rsh
    --mca orte_launch_agent $TORO_PREFIX/bin/orted-shim
    --mca orte_fork_agent $TORO_PREFIX/bin/toro-run"

mpi() # OPTIONS PROGRAM
{
    # shellcheck disable=SC2086 # several words
    timeout 60 mpirun $agents "$@"
}

status_is() # WANT NAME CMD...
{
    want=$1
    name=$2
    shift 2
    tap_capture "$@"
    is "$status" "$want" "$name: status $want"
    [ "$status" = "$want" ] || diag "$out"
}

ranks() { printf '%s\n' "$out" | grep '^rank' | sort; }

# --- ways to launch ---------------------------------------------------------------------------
status_is 0 "two guests, two ranks each" mpi --host vm0:2,vm1:2 "$app" place
is "$(ranks | cut -d, -f1,2)" "rank 0 of 4, core 0 of 2
rank 1 of 4, core 1 of 2
rank 2 of 4, core 0 of 2
rank 3 of 4, core 1 of 2" "each rank has its place"
status_is 0 "mpirun's own node" mpi --oversubscribe -np 4 "$app" place
is "$(ranks | cut -d, -f1,2)" "rank 0 of 4, core 0 of 4
rank 1 of 4, core 1 of 4
rank 2 of 4, core 2 of 4
rank 3 of 4, core 3 of 4" "one guest with four ranks"
status_is 0 "a rank alone in each guest" mpi --host vm0,vm1,vm2 "$app" place env TOROBUS_NODE
is "$(printf '%s\n' "$out" | grep TOROBUS_NODE | sort)" "TOROBUS_NODE=vm0
TOROBUS_NODE=vm1
TOROBUS_NODE=vm2" "each in its own"
status_is 0 "short-lived ranks" mpi --host vm0:3,vm1:3 "$app"
status_is 0 "toro-rsh: user@host, joined words" "$TORO_PREFIX/bin/toro-rsh" -x me@vm7 \
    echo '$TOROBUS_NODE' "'a  b'"
is "$out" "vm7 a  b" "as ssh would"
status_is 2 "toro-rsh: no command" "$TORO_PREFIX/bin/toro-rsh" vm7
status_is 2 "toro-rsh: an option it does not know" "$TORO_PREFIX/bin/toro-rsh" --foo vm7 true
for host in 192.168.1.5 me@10.0.0.1 ::1; do
    status_is 2 "toro-rsh: $host" "$TORO_PREFIX/bin/toro-rsh" $host true
    like "$out" "*is the address of a machine*this host only*" "toro-rsh: $host: says that it reaches no other host"
done
status_is 5 "toro-rsh: the command's status" "$TORO_PREFIX/bin/toro-rsh" vm7 exit 5
for i in 1 2 3 4 5 6; do
    status_is 0 "five guests at once, $i" mpi --host a,b,c,d,e "$app" print x
    # mpirun may warn about a race of its own (setpgid)
    is "$(printf '%s\n' "$out" | grep -c '^x$')" 5 "all of them spoke"
done
status_is 0 "by the agent's name in PATH" timeout 60 env PATH="$TORO_PREFIX/bin:$PATH" mpirun \
    --mca oob_tcp_if_include lo --mca plm_rsh_agent toro-rsh --mca orte_launch_agent orted-shim \
    --mca orte_fork_agent toro-run --host vm0 "$app" print x
status_is 0 "a launcher that tells all by PMIx only" timeout 60 mpirun --mca oob_tcp_if_include lo \
    --oversubscribe -np 2 env -u OMPI_COMM_WORLD_SIZE -u OMPI_COMM_WORLD_LOCAL_SIZE \
    -u OMPI_COMM_WORLD_LOCAL_RANK "$run" "$app" place pmix init pmix finalize
is "$(ranks | cut -d, -f1,2)" "rank 0 of 2, core 0 of 2
rank 1 of 2, core 1 of 2" "places"
nothing_left "after launches"

# --- what does not fit ------------------------------------------------------------------------
TOROBUS_GUESTS=2 && export TOROBUS_GUESTS
tap_capture mpi --host a,b,c "$app"
[ "$status" -ne 0 ]
ok $? "more guests than slices: fails"
like "$out" "*more guests than the region has slices (2): raise TOROBUS_GUESTS*" "and says why"
unset TOROBUS_GUESTS
tap_capture mpi --host bad%name "$app"
[ "$status" -ne 0 ]
ok $? "an impossible host name: fails"
like "$out" "*cannot be the name of a guest*" "and says why"
tap_capture mpi --oversubscribe -np 65 "$app"
[ "$status" -ne 0 ]
ok $? "more ranks than a guest has cores: fails"
like "$out" "*65 ranks on one guest are impossible*" "and says why"
cp "${app%/*}/app.c" .
"${CC:-cc}" -o dynamic app.c
status_is 126 "a dynamically linked program" mpi --host vm0:2 ./dynamic
like "$out" "*dynamically linked*mpicc -static-pie*" "says how to link"
nothing_left "after refusals"

# --- status -----------------------------------------------------------------------------------
for where in "--host vm0,vm1" "--oversubscribe -np 2"; do
    # shellcheck disable=SC2086 # several words
    {
        status_is 7 "$where: a status" mpi $where "$app" exit 7
        status_is 139 "$where: a crash" mpi $where "$app" kill 11
        status_is 137 "$where: killed" mpi $where "$app" kill 9
        status_is 1 "$where: panic" mpi $where "$app" pause 100 panic "too bad"
        like "$out" "*guest *: kernel panic: too bad*" "$where: panic: says so"
        status_is 137 "$where: QEMU ends" mpi $where "$app" pause 100 die
        like "$out" "*guest * ended: QEMU exited with status 7*" "$where: QEMU ends: says so"
        status_is 33 "$where: abort" mpi $where "$app" pmix init pmix abort 33 wait
    }
done
tap_capture mpi --host vm0 "$app" pmix init exit 0
[ "$status" -ne 0 ]
ok $? "a rank that ends without finalizing is an error, as with plain mpirun"
like "$out" "*improper*" "and mpirun says so"
nothing_left "after ends"

# --- stdio ------------------------------------------------------------------------------------
out=$(printf 'in\nput\n' | mpi --host vm0,vm1 "$app" cat)
is "$out" "in
put" "stdin goes to rank 0"
head -c 20000000 /dev/urandom >big
cp big copy
out=$(mpi --host vm0,vm1 "$app" cat <big | cmp - copy && echo same)
is "$out" same "20 MB in and out unharmed"
out=$(mpi --tag-output --host vm0,vm1 "$app" print x | sort | sed 's/^\[[0-9]*,//')
is "$out" "0]<stdout>:x
1]<stdout>:x" "--tag-output knows the ranks"
out=$(mpi --host vm0,vm1 "$app" flood 20 | wc -c)
is "$out" 41943040 "nothing is lost at the end"
nothing_left "after stdio"

# --- environment ------------------------------------------------------------------------------
status_is 0 "environment" mpi -x FOO=bar --mca btl_foo_bar 3 --host vm0 "$app" env FOO \
    env OMPI_MCA_btl_foo_bar env OMPI_MCA_orte_bound_at_launch \
    env OMPI_MCA_orte_create_session_dirs env TMPDIR
is "$out" "FOO=bar
OMPI_MCA_btl_foo_bar=3
OMPI_MCA_orte_bound_at_launch=1
OMPI_MCA_orte_create_session_dirs=0
TMPDIR=$TMPDIR" "-x, --mca and what a guest needs"
status_is 0 "yielding" mpi --oversubscribe -np 3 "$app" env OMPI_MCA_mpi_yield_when_idle
is "$(printf '%s\n' "$out" | sort -u)" "OMPI_MCA_mpi_yield_when_idle=0" "not when it is mpirun's idea"
status_is 0 "yielding" mpi --mca mpi_yield_when_idle 1 --host vm0 "$app" \
    env OMPI_MCA_mpi_yield_when_idle
is "$out" "OMPI_MCA_mpi_yield_when_idle=1" "but when it is the user's"
mkdir sub
status_is 0 "directory" mpi --wdir "$tmp/sub" --host vm0 "$app" place
like "$out" "*cwd $tmp/sub,*" "--wdir"

# --- PMIx -------------------------------------------------------------------------------------
status_is 0 "PMIx" mpi --host vm0:2,vm1:2 "$app" pmix init pmix put key value pmix fence \
    pmix get 3 key pmix opt 0 no.such.key pmix get 2 pmix.hname pmix fence pmix finalize
is "$(printf '%s\n' "$out" | grep -c '^3 key type 9 "value"$')" 4 "a key of another guest's rank"
# (lines of several ranks come in any order)
is "$(printf '%s\n' "$out" | grep -c '^get: status 0')" 8 "both answers, to each rank"
is "$(printf '%s\n' "$out" | grep '^2 pmix.hname' | sort -u)" '2 pmix.hname type 9 "vm1"' "its host name"
is "$(printf '%s\n' "$out" | grep -c '^opt: status -1$')" 4 "a key that nobody put"
is "$(printf '%s\n' "$out" | grep -c '^[*] pmix.job.size type 4 4$')" 4 "job size"
is "$(printf '%s\n' "$out" | grep -c '^[*] pmix.lpeers type 9 "2,3"$')" 2 "local peers"
is "$(printf '%s\n' "$out" | grep -c '^fence: status 0$')" 8 "fences"
status_is 0 "PMIx again" mpi --host vm0 "$app" pmix init pmix finalize pmix init pmix finalize
status_is 0 "publish and look up" mpi --host vm0,vm1 -np 1 "$app" pmix init pmix lookup name \
    pmix fence pmix finalize : -np 1 "$app" pmix init pmix publish name value pmix fence \
    pmix unpublish name pmix finalize
is "$(printf '%s\n' "$out" | grep -c ' name type 9 "value"$')" 1 "the value is found"
for where in "--host vm0:3,vm1:3 -np 1" "--oversubscribe -np 1"; do
    # shellcheck disable=SC2086 # several words
    status_is 0 "$where: spawn" mpi $where "$app" pmix init pmix spawn child pmix finalize
    is "$(printf '%s\n' "$out" | grep -c '^child$')" 2 "$where: two new ranks in a guest of theirs"
    like "$out" "*spawn: status 0*toro.nspace type 9*" "$where: and their namespace"
done
nothing_left "after PMIx"
done_testing
