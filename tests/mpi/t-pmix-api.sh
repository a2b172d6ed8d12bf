#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The PMIx server call by call, as opal_pmix shows it: what plain mpirun's server says is what guests
# must say, line by line, but for what is listed here. timeout: 300
. "$TORO_SRC/tests/mpi/launch.sh"
needs_guests
job_limit 100
api=$programs/pmix-api
parts="job data names connect events query gone"

# findings NAME CMD...: what they are, in $tmp/NAME
findings()
{
    findings_name=$1
    shift
    runs "$findings_name" "$@"
    # (a process's name as a value does not leave its node: CAVEATS.md)
    echo "$out" | grep -a ' by [0-9]*: ' | sed '/^types of/s/:  15 NOT_FOUND$/: all/' | sort \
        >"$tmp/$findings_name"
}

# same NAME REFERENCE EXCEPT: nothing but lines of EXCEPT differ; and they are many
same()
{
    grep -Evx -- "$3" "$tmp/$2" >"$tmp/want"
    grep -Evx -- "$3" "$tmp/$1" >"$tmp/got"
    test "$(wc -l <"$tmp/want")" -ge 200
    ok $? "$2: there is much to compare with"
    is "$(diff "$tmp/want" "$tmp/got")" "" "$1 says what $2 says"
}

# The real server's client looks into nothing but the store that is asked for, takes NULL for the
# first node, and asks nobody about namespaces (its answer cannot be unpacked). Whether it hands an
# event to a default handler depends on where it comes from, and a question for the memory of all
# processes it never answers.
everywhere="rank's job size by .*|resolve_peers all by .*|event default alone by .*"
everywhere="$everywhere|query (namespaces|memory|debug support|memory of all) by .*"

# shellcheck disable=SC2086 # words
{
    findings native-1 plainly --host vm0:4 "$api" $parts
    findings native-2 plainly --host vm0:2,vm1:2 "$api" $parts
    findings one-guest mpi --host vm0:4 "$api" $parts
    findings two-guests mpi --host vm0:2,vm1:2 "$api" $parts
    findings toro-run alone -n 4 "$api" $parts
}
same one-guest native-1 "$everywhere"
# an OPTIONAL get does not ask the host for what ranks of other nodes have committed
same two-guests native-2 "$everywhere|scope (global|remote) by .*|rank pmix\.nodeid by .*"
# without a launcher: no host called vm0, no slots, and names as the standard has them
same toro-run native-1 "$everywhere|job pmix\.(nlist|mapby|rankby|max\.size|univ\.size|app\.size|\
offset) by .*|rank pmix\.(hname|nodeid|apprank|aldr) by .*|resolve_(nodes|peers vm0) by .*|twice by .*|\
g\.proc by .*|query (spawn support|(local )?processes) by .*"

told=$(cat "$tmp/toro-run")
like "$told" "*twice by 0: second EXISTS*" "toro-run: a name is published once"
like "$told" "*g.proc by 0: NOT_FOUND*" "toro-run: a name of a process goes with it"
like "$told" "*resolve_nodes by 3: ok $(uname -n)*" "toro-run: one node"
tap_capture alone -n 2 "$api" nonsense vain
like "$out" "*fence of others by 1: BAD_PARAM*" "a fence of others is refused"
like "$out" "*fence with an unknown rank by 1: NOT_FOUND*" "and one with a rank that is not there"
like "$out" "*waited for in vain by 0: TIMEOUT*" "a name that never comes"

# Many ranks log at once: each line comes once and whole. (The real server adds a NUL to each.)
logs() # NAME RANKS LINES CMD...
{
    log_name=$1 log_ranks=$2 log_lines=$3
    shift 3
    "$@" "$api" "log=$log_lines" >"$tmp/log.out" 2>"$tmp/log.err"
    is $? 0 "$log_name: a job that logs"
    sed 's/\x00//g' "$tmp/log.out" "$tmp/log.err" >"$tmp/log"
    is "$(grep -c '^log by [0-9]*: 0 refused$' "$tmp/log")" "$log_ranks" "$log_name: from each rank"
    sed -n 's/^log \([0-9]*\.[0-9]*\) [0-9]\{20,99\} end$/\1/p' "$tmp/log" | sort >"$tmp/logged"
    i=0
    while [ $i -lt "$log_ranks" ]; do
        seq -f "$i.%.0f" 0 $((log_lines - 1))
        i=$((i + 1))
    done | sort >"$tmp/sent"
    is "$(diff "$tmp/sent" "$tmp/logged" | head -n 5)" "" "$log_name: no line torn, lost or twice"
}
logs "plain mpirun" 4 60 plainly --host vm0:2,vm1:2
logs "two guests" 8 200 mpi --host vm0:4,vm1:4
logs "toro-run, 8 ranks" 8 200 alone -n 8

# A rank leaves with a status, and the job is allowed to go on: what the others' handlers hear of it
# natively, which is nothing (CAVEATS.md), and nobody waits for ever.
recover="--enable-recovery --mca orte_abort_on_non_zero_status 0"
deaths() # NAME CMD...
{
    death_name=$1
    shift
    tap_capture "$@" "$api" death=status
    is "$status" 0 "$death_name: the job ends"
    echo "$out" | grep -a ' by [0-9]*: ' | sort >"$tmp/$death_name"
}
# shellcheck disable=SC2086 # words
{
    deaths death-native plainly $recover --host vm0:2,vm1:2
    deaths death-guests mpi $recover --host vm0:2,vm1:2
}
is "$(grep -c ^death "$tmp/death-native")" 3 "three ranks live on"
is "$(diff "$tmp/death-native" "$tmp/death-guests")" "" "in guests as natively"
for how in kill segv status exit; do
    before=$(date +%s)
    tap_capture alone -n 3 "$api" "death=$how"
    case $how in
    kill) want=137 ;;
    segv) want=139 ;;
    status) want=7 ;;
    exit) want=1 ;; # without finalize: an error
    esac
    is "$status" "$want" "toro-run, $how: that ends the job"
    test $(($(date +%s) - before)) -lt 20
    ok $? "toro-run, $how: at once"
done
rm -rf "$tmp/tmp/vm0" "$tmp/tmp/vm1" # session directories of the native nodes
nothing_left "after all that"
done_testing
