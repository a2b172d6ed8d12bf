# SPDX-License-Identifier: BSD-3-Clause
# TAP for shell tests. Source it first: . "$TORO_SRC/tests/lib/tap.sh"
#
#   plan N                  say how many results follow (else done_testing says it at the end)
#   ok STATUS NAME          pass when STATUS is 0:  cmd; ok $? "cmd works"
#   is GOT WANT NAME        pass when the strings are equal; shows both otherwise
#   like GOT PATTERN NAME   pass when GOT matches the shell pattern
#   runs NAME CMD...        pass when CMD exits 0; its output goes to $out, its status to $status
#   fails NAME CMD...       pass when CMD exits non-zero, likewise
#   skip N WHY              N results are skipped
#   skip_all WHY            the whole file is skipped; call it before plan
#   requires PROGRAM...     skip_all when one of them is not there
#   diag TEXT               a remark for whoever reads the log
#   cleanup_fn NAME         call function NAME on every way out (any number of them, last first)
#   done_testing            print the plan when there was none; ends the test
#
# $tmp is a directory of the test's own, removed at the end.
# shellcheck shell=sh

set -u
: "${TORO_SRC:?tests are started by make check}"

tap_n=0
tap_plan=
tap_failed=0
tap_cleanups=
out=
status=0

diag()
{
    printf '%s\n' "$*" | sed 's/^/# /'
}

plan()
{
    tap_plan=$1
    echo "1..$1"
}

tap_result() # ok|not-ok NAME
{
    tap_n=$((tap_n + 1))
    case $1 in
    ok) echo "ok $tap_n - $2" ;;
    *)
        tap_failed=$((tap_failed + 1))
        echo "not ok $tap_n - $2"
        ;;
    esac
}

ok()
{
    if [ "$1" -eq 0 ]; then tap_result ok "$2"; else tap_result not-ok "$2"; fi
}

is()
{
    if [ "$1" = "$2" ]; then
        tap_result ok "$3"
    else
        tap_result not-ok "$3"
        diag "got:    $1"
        diag "wanted: $2"
    fi
}

like()
{
    # shellcheck disable=SC2254 # it is a pattern on purpose
    case $1 in
    $2) tap_result ok "$3" ;;
    *)
        tap_result not-ok "$3"
        diag "got:          $1"
        diag "pattern was:  $2"
        ;;
    esac
}

tap_capture() # CMD...: its output, errors included, in $out and its status in $status
{
    if out=$("$@" 2>&1 </dev/null); then status=0; else status=$?; fi
}

runs()
{
    tap_name=$1
    shift
    tap_capture "$@"
    ok "$status" "$tap_name"
    if [ "$status" -ne 0 ]; then
        diag "status $status of: $*"
        diag "$out"
    fi
}

fails()
{
    tap_name=$1
    shift
    tap_capture "$@"
    if [ "$status" -ne 0 ]; then
        tap_result ok "$tap_name"
    else
        tap_result not-ok "$tap_name"
        diag "status 0 of: $*"
        diag "$out"
    fi
}

skip()
{
    tap_i=0
    while [ "$tap_i" -lt "$1" ]; do
        tap_i=$((tap_i + 1))
        tap_n=$((tap_n + 1))
        echo "ok $tap_n # SKIP $2"
    done
}

skip_all()
{
    echo "1..0 # SKIP $*"
    tap_plan=0
    exit 0
}

requires()
{
    for tap_p; do
        command -v "$tap_p" >/dev/null 2>&1 || skip_all "$tap_p is not installed"
    done
}

cleanup_fn()
{
    tap_cleanups="$1 $tap_cleanups"
}

done_testing()
{
    if [ -z "$tap_plan" ]; then
        tap_plan=$tap_n
        echo "1..$tap_n"
    fi
    exit 0
}

# Every way out comes through here. A test that ends before its plan is fulfilled, or without one,
# has failed, whatever its exit status was meant to be.
tap_exit()
{
    tap_status=$?
    trap '' HUP INT TERM
    trap - EXIT
    set +e
    for tap_f in $tap_cleanups; do
        "$tap_f"
    done
    cd / && rm -rf "$tmp"
    if [ -z "$tap_plan" ]; then
        echo "Bail out! the test ended without a plan (status $tap_status)"
        exit 1
    fi
    [ "$tap_n" -eq "$tap_plan" ] || tap_status=1
    [ "$tap_failed" -eq 0 ] || tap_status=1
    exit "$tap_status"
}

tmp=$(mktemp -d "${TMPDIR:-/tmp}/toro-test.XXXXXX") || exit 99
trap tap_exit EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
