#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Every test that is there is in a list of tests/local.mk, every name in a list is there, and every
# source of the host programs and of the components is in its makefile.
. "$TORO_SRC/tests/lib/tap.sh"

cd "$TORO_SRC" || exit 1
mk=tests/local.mk

listed() # WORD MAKEFILE: it stands there as a word
{
    grep -q -E "(^|[[:space:]])$(printf '%s' "$1" | sed 's/[.]/\\./g')([[:space:]]|\$)" "$2"
}

for f in tests/*/t-*.sh; do
    listed "$f" $mk || echo "$f"
done >"$tmp/missing"
for f in tests/unit/run-*.c; do
    name=${f##*/}
    listed "tests/unit/${name%.c}.t" $mk || listed "unit/${name%.c}" $mk || echo "$f"
done >>"$tmp/missing"
for f in tests/abi/*.c tests/abi/*.cc tests/abi/*.f90; do
    grep -q -E 'int main|^program ' "$f" || continue
    name=${f##*/}
    listed "tests/abi/${name%.*}.abi" $mk || echo "$f"
done >>"$tmp/missing"
is "$(cat "$tmp/missing")" "" "no test is left out"

# A list that make check does not take is no list.
"$MAKE" -s --no-print-directory -C "$TORO_BUILD" check-list | tr ' ' '\n' >"$tmp/run"
for f in tests/*/t-*.sh; do
    grep -q -x -F "${f%.sh}.trs" "$tmp/run" || echo "$f"
done >"$tmp/missing"
is "$(cat "$tmp/missing")" "" "make check runs all of them"

grep -o -E '^    tests/[a-z]+/t-[a-z0-9-]+\.sh' $mk | while read -r f; do
    [ -f "$f" ] || echo "$f"
done >"$tmp/gone"
is "$(cat "$tmp/gone")" "" "no list names a test that is not there"

for pair in orted-shim:orted-shim/local.mk ompi/mca/btl/torobus:ompi/mca/btl/torobus/Makefile.am \
    ompi/mca/osc/torobus:ompi/mca/osc/torobus/Makefile.am opal/mca/pmix/toro:opal/mca/pmix/toro/Makefile.am; do
    dir=${pair%%:*}
    for f in "$dir"/*.[ch]; do
        listed "${f##*/}" "${pair#*:}" || listed "$f" "${pair#*:}" || echo "$f"
    done >"$tmp/missing"
    is "$(cat "$tmp/missing")" "" "$dir: every source is in ${pair#*:}"
done
done_testing
