#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What the components show through Open MPI's show_help exists: file, topic, and its installation.
. "$TORO_SRC/tests/lib/tap.sh"

cd "$TORO_SRC" || exit 1
for dir in ompi/mca/btl/torobus opal/mca/pmix/toro; do
    # calls may be wrapped, so a file is one line here; "FILE" "TOPIC" of each call
    cat "$dir"/*.c | tr '\n' ' ' |
        grep -o 'show_help([^"]*"help-[^"]*"[^"]*"[^"]*"' |
        sed 's/.*"\(help-[^"]*\)"[^"]*"\([^"]*\)"/\1 \2/' | sort -u >"$tmp/used"
    while read -r file topic; do
        grep -q -x "\[$topic\]" "$dir/$file"
        ok $? "$dir: $file has [$topic]"
    done <"$tmp/used"

    for f in "$dir"/help-*.txt; do
        [ -f "$f" ] || continue
        grep -q "${f##*/}" "$dir/Makefile.am"
        ok $? "$f is installed"
        sed -n 's/^\[\(.*\)\]$/\1/p' "$f" | while read -r topic; do
            grep -q "^${f##*/} $topic\$" "$tmp/used" || echo "$topic"
        done >"$tmp/unused"
        is "$(cat "$tmp/unused")" "" "$f: every topic is used"
    done
done
[ "$tap_n" -gt 0 ]
ok $? "there are help texts"
done_testing
