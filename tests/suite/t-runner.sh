#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# tests/run-suite itself, with a made-up suite and stand-ins for mpirun and toro-run: what it calls
# a pass and what not, its lists, its reports, and that it leaves nothing behind.
. "$TORO_SRC/tests/lib/tap.sh"
requires python3 timeout

run_suite=$TORO_SRC/tests/run-suite
suite=$tmp/suite
mkdir -p "$tmp/bin" "$suite/sub"
PATH=$tmp/bin:$PATH
TMPDIR=$tmp
export TMPDIR

# "mpirun ... program args": the program is the first word with the suite's directory in it.
cat >"$tmp/bin/mpirun" <<'END'
#!/bin/sh
PLACE=native
for word; do
    case $word in
    torobus | -n) PLACE=guest ;;
    *=*) export "$word" ;;
    esac
    case $word in
    */suite/*) break ;;
    esac
    shift
done
export PLACE
exec "$@"
END
cp "$tmp/bin/mpirun" "$tmp/bin/toro-run"
chmod +x "$tmp"/bin/*

program() # NAME: a shell program from stdin
{
    { echo '#!/bin/sh' && cat; } >"$suite/$1"
    chmod +x "$suite/$1"
}

say='echo " No Errors"'
program good <<END
$say
END
program chatty <<END
echo hello; $say
END
program silent <<END
exit 0
END
program twice <<END
$say; $say
END
program status <<END
$say; exit 3
END
program crash <<'END'
kill -SEGV $$
END
program hang <<'END'
trap '' TERM
while :; do sleep 1; done
END
program fatal <<'END'
echo something is wrong; exit 1
END
program args <<END
[ "\$*" = "one -two=2" ] && [ "\$SETTING" = "a b=c" ] || [ "\$SETTING" = a ] && $say
END
program native-only <<END
[ "\$PLACE" = guest ] || $say
END
program guest-only <<END
[ "\$PLACE" != guest ] || $say
END
program second <<END
[ "\$PLACE" = native ] || [ -f "$tmp/been" ] || { : >"$tmp/been"; exit 1; }
$say
END
program daemon <<END
$say
[ "\$PLACE" = native ] || setsid sleep 1000 >/dev/null 2>&1 &
END
program sub/below <<END
$say
END
echo 'below 2' >"$suite/sub/testlist"
program skips <<END
exit 77
END

verdicts() # LINES of the list, then run-suite's arguments: "key place: verdict" per line, in $got
{
    printf '%s\n' "$1" >"$suite/testlist"
    shift
    case "$*" in
    *--failed* | *--report*) ;;
    *) rm -rf "$tmp/logs" ;;
    esac
    tap_capture "$run_suite" "$suite" --logs "$tmp/logs" --tap "$tmp/tap" --junit "$tmp/junit" \
        --table "$tmp/table" --retries 0 "$@"
    got=$(python3 - "$tmp/logs/results.json" <<'END'
import json, sys
results = json.load(open(sys.argv[1]))
for key in sorted({k for place in results.values() for k in place}):
    print(key + ":", " ".join("%s=%s" % (p, results[p][key][0]) for p in sorted(results)
                              if key in results[p]))
END
    )
}

verdicts 'good 2
chatty 2
silent 1
twice 2
status 2
crash 2' --where native
is "$got" "chatty 2: native=fail
crash 2: native=fail
good 2: native=pass
silent 1: native=fail
status 2: native=fail
twice 2: native=fail" "passed is: No Errors, once, nothing else, status 0"
is "$status" 1 "failures make status 1"
like "$out" "*unexpected output: hello*" "it says what was unexpected"
like "$out" "*ended by signal 11*" "it says which signal"
like "$out" "*1 passed, 5 failed*" "the last line counts"

verdicts 'good 2
native-only 2
guest-only 2' --where native,1,2
is "$got" "good 2: 1=pass 2=pass native=pass
guest-only 2: 1=skip 2=skip native=native
native-only 2: 1=fail 2=fail native=pass" "what fails natively is not tried in guests"
like "$out" "*1 failed natively*" "and that is counted apart"
is "$(grep -c '^not ok' "$tmp/tap") $(grep -c '^ok' "$tmp/tap") $(head -n 1 "$tmp/tap")" "3 6 1..9" \
    "TAP has a line for each run"
runs "JUnit is XML with as many cases" python3 -c '
import sys, xml.etree.ElementTree as ET
root = ET.parse(sys.argv[1]).getroot()
assert len(root.findall(".//testcase")) == 9, ET.tostring(root)
assert len(root.findall(".//failure")) == 2, ET.tostring(root)
assert len(root.findall(".//skipped")) == 3, ET.tostring(root)' "$tmp/junit"
like "$(cat "$tmp/table")" "*| . | 3 | 2 of 3 | 1 of 2 | 1 of 2 |*" "the table counts"

verdicts 'fatal 2 resultTest=TestErrFatal
fatal 2 resultTest=TestStatusNoErrors
good 2 resultTest=TestStatus
status 2 resultTest=TestStatusNoErrors' --where native
is "$got" "fatal 2: native=fail
good 2: native=fail
status 2: native=pass" "resultTest"

verdicts '# a remark
sub
args 1 arg=one arg=-two=2 env=SETTING=a   # another
good 3 xfail=ticket1
silent 2 xfail=ticket2
good 99 mem=100
good 5 strict=false
good 6 mpix=true
good 7 mpiversion=4.0' --where native,2
is "$got" "args 1 one -two=2 SETTING=a: 2=skip native=pass
good 3: 2=xpass native=xpass
good 5: 2=pass native=pass
good 6: 2=skip native=skip
good 7: 2=skip native=skip
good 99: 2=skip native=skip
silent 2: 2=skip native=xfail
sub/below 2: 2=pass native=pass" "keys of the list, and directories in it"

verdicts 'good 5 strict=false
good 3 xfail=ticket1' --where native --strict
is "$got" "good 3: native=pass
good 5: native=skip" "--strict"

cat >"$tmp/known" <<'END'
1 native-only   guests cannot
2 native-*:2    skip: they hang
* silent        never says a thing
END
verdicts 'native-only 2
silent 2' --where native,1,2 --known "$tmp/known" --all
is "$got" "native-only 2: 1=xfail 2=skip native=pass
silent 2: 1=xfail 2=xfail native=xfail" "--known"
is "$status" 0 "what is known is no failure"

program wants <<'END'
[ "${SWITCH-}" = on ] || exit 4
echo " No Errors"
END
cat >"$tmp/known" <<'END'
1 wants         with SWITCH=on: the default is broken
END
verdicts 'wants 2' --where 1,2 --known "$tmp/known" --retries 0
is "$got" "wants 2: 1=pass 2=fail" "--known with a variable: what needs it, and only there"

cat >"$tmp/known" <<END
1 good          with TMPDIR=$tmp: it may have another
END
verdicts 'good 2' --where 1 --known "$tmp/known" --retries 0
is "$got" "good 2: 1=pass" "even one that the runner sets itself"

mkdir "$suite/spawn"
printf 'good 2\nspawn\n' >"$suite/testlist"
echo 'good 2' >"$suite/spawn/testlist"
tap_capture "$run_suite" "$suite" --where native,mpirun --dry-run
is "$(printf '%s\n' "$out" | sed -n 's|.*localhost:\([0-9]*\).*suite/|\1 |p')" "34 spawn/good
34 spawn/good" "programs that spawn get a universe with room"

program own-tmp <<'END'
rmdir "$TMPDIR" && mkdir "$TMPDIR" "$TMPDIR/left" && sleep 1 && echo " No Errors"
END
verdicts 'own-tmp 2
own-tmp 3' --where native -j 2
is "$got" "own-tmp 2: native=pass
own-tmp 3: native=pass" "each run has a TMPDIR for itself"

start=$(date +%s)
verdicts 'hang 2 timeLimit=1
good 2' --where native -j 2
is "$got" "good 2: native=pass
hang 2: native=fail" "a program that hangs and ignores SIGTERM"
like "$out" "*did not end in time*" "is told from one that fails"
ok $(($(date +%s) - start > 25)) "and does not hold up the runner"

verdicts 'second 2
native-only 2' --where native,1 --retries 1
is "$got" "native-only 2: 1=fail native=pass
second 2: 1=flaky native=pass" "a failure is tried again"
verdicts 'second 2
native-only 2' --where native,1 --failed
like "$out" "*1 passed at the second try*" "--failed keeps what passed"
runs_before=$(find "$tmp/logs" -mindepth 2 -maxdepth 2 -name '*.log' | wc -l)
printf 'good 7\n' >>"$suite/testlist"
tap_capture "$run_suite" "$suite" --logs "$tmp/logs" --where native,1 --report
like "$out" "*2 skipped*" "--report runs nothing"
is "$(find "$tmp/logs" -mindepth 2 -maxdepth 2 -name '*.log' | wc -l)" "$runs_before" "indeed"

verdicts 'daemon 2' --where native,1
is "$got" "daemon 2: 1=fail native=pass" "who leaves processes behind has failed"
like "$out" "*1 processes were left*" "and is told so"

# A stand-in for a keeper whose guests stay: it listens where keepers that wait do, or does not.
cat >"$suite/keeper.py" <<'END'
import ctypes, os, socket, sys, time
if os.fork():
    sys.exit()
os.setsid()
ctypes.CDLL(None).prctl(15, b"torobus-keeper", 0, 0, 0)
address = socket.socket(socket.AF_UNIX)
address.bind("\0torobus/%d/%s-test-%d" % (os.getuid(), sys.argv[1], os.getpid()))
address.listen()
os.closerange(0, 3)
time.sleep(1000)
END
program keeps <<END
$say
[ "\$TOROBUS_KEEP" != 60 ] || exec python3 "$suite/keeper.py" \$1
END
verdicts 'keeps 2 arg=keep
keeps 3 arg=busy
daemon 2' --where native,1 --keep 60
is "$got" "daemon 2: 1=fail native=pass
keeps 2 keep: 1=pass native=pass
keeps 3 busy: 1=fail native=pass" "--keep: a keeper that waits may stay, one that does not may not"
is "$(grep -alsz '^TORO_SUITE_RUN=' /proc/[0-9]*/environ | while read -r f; do
    tr '\0' ' ' <"${f%environ}cmdline" && echo; done | grep -F "$suite/keeper.py")" "" \
    "and when the runner has ended none does"
verdicts 'keeps 2 arg=keep' --where native,1
is "$got" "keeps 2 keep: 1=pass native=pass" "without --keep guests are not told to stay"

verdicts 'skips 2
good 2' --where native --rule status
is "$got" "good 2: native=pass
skips 2: native=skip" "--rule status knows 77"

printf 'good 2 arg\n' >"$suite/testlist"
runs "stray words are passed over" "$run_suite" "$suite" --logs "$tmp/logs" --where native
for bad in 'good 2 colour=blue' 'good 2 resultTest=Maybe' 'good 0' 'good 2 env=x'; do
    printf '%s\n' "$bad" >"$suite/testlist"
    fails "refused: $bad" "$run_suite" "$suite" --logs "$tmp/logs" --where native
    like "$out" "*testlist:1: *" "with the line: $bad"
done
printf 'gone 2\n' >"$suite/testlist"
fails "a suite of which nothing passed" "$run_suite" "$suite" --logs "$tmp/logs" --where native
is "$status" 3 "has a status of its own"

cat >"$suite/made.c" <<'END'
#include <stdio.h>
int main(void)
{
    return puts(" No Errors") < 0;
}
END
printf 'made 2\n' >"$suite/testlist"
runs "--cc makes what is missing" "$run_suite" "$suite" --logs "$tmp/logs" --where native \
    --bin "$tmp/suite/made-here" --cc "$CC -O1"

# The runner is stopped in the middle: nothing of what it started stays.
printf 'hang 2\ndaemon 2\n' >"$suite/testlist"
for signal in INT TERM; do
    env TORO_RUNNER_TEST=$$ RUN_SUITE_PREFIX=env "$run_suite" "$suite" --logs "$tmp/logs" \
        --where native -j 2 >"$tmp/out" 2>&1 &
    runner=$!
    sleep 2
    kill -$signal "$runner"
    wait "$runner"
    is $? "$([ $signal = INT ] && echo 130 || echo 143)" "SIG$signal ends the runner"
    is "$(grep -alsz "^TORO_RUNNER_TEST=$$\$" /proc/[0-9]*/environ)" "" "and all that it started"
done

is "$(find "$tmp" -maxdepth 1 -name 'toro.*')" "" "nor directories for temporary files"

program slow <<END
exec sleep 1000
END
printf 'slow 2\n' >"$suite/testlist"
env TORO_RUNNER_TEST=$$ "$run_suite" "$suite" --logs "$tmp/logs" --where native >"$tmp/out" 2>&1 &
runner=$!
sleep 2
kill -KILL "$runner"
wait "$runner" 2>/dev/null
tries=0
while left=$(grep -alsz "^TORO_RUNNER_TEST=$$\$" /proc/[0-9]*/environ) && [ $tries -lt 300 ]; do
    tries=$((tries + 1))
    sleep 0.1
done
is "$left" "" "SIGKILL of the runner ends what it started as well"
done_testing
