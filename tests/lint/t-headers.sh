#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Each shared header compiles alone, freestanding, with every C compiler that is here, and includes
# nothing but what the contract allows.
. "$TORO_SRC/tests/lib/tap.sh"

one() # COMPILER HEADER
{
    printf '#include "torobus/%s"\nint toro_nothing;\n' "${2##*/}" >"$tmp/one.c"
    "$1" -std=c11 -ffreestanding -fsyntax-only -Wall -Wextra -Wpedantic -Wconversion -Werror \
        -Wno-sign-conversion -I"$TORO_SRC/unikernel/uapi" "$tmp/one.c"
}

foreign() # HEADER: what it includes beyond the freestanding headers and its own neighbours
{
    sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*//p' "$1" |
        grep -v -x -E '<std(int|def|bool|atomic)\.h>|"[a-z0-9_]+\.h"' || :
}

n=0
for h in "$TORO_SRC"/unikernel/uapi/torobus/*.h; do
    n=$((n + 1))
    runs "${h##*/} alone, $CC" one "$CC" "$h"
    if [ -n "$CLANG" ] && [ "$CLANG" != "$CC" ]; then
        runs "${h##*/} alone, clang" one "$CLANG" "$h"
    else
        skip 1 "no clang"
    fi
    is "$(foreign "$h")" "" "${h##*/} includes only what the contract allows"
done
[ "$n" -ge 6 ]
ok $? "the headers were found ($n)"
done_testing
