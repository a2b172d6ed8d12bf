#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# C files are formatted as .clang-format says, and none is longer than 600 lines.
# timeout: 300
. "$TORO_SRC/tests/lib/tap.sh"

cd "$TORO_SRC" || exit 1
find unikernel ompi opal orted-shim examples tests bench -name '*.[ch]' -type f | sort >"$tmp/files"
[ -s "$tmp/files" ]
ok $? "there are C files"

is "$(xargs wc -l <"$tmp/files" | awk '$2 != "total" && $1 > 600 { print $2 ": " $1 }')" "" \
    "no file is longer than 600 lines"

if command -v clang-format >/dev/null 2>&1; then
    while read -r f; do
        clang-format --style=file "$f" | cmp -s - "$f" || echo "$f"
    done <"$tmp/files" >"$tmp/bad"
    is "$(cat "$tmp/bad")" "" "clang-format would change no file"
else
    skip 1 "clang-format is not installed"
fi
done_testing
