#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# libFuzzer on everything that parses bytes from a guest (on the host) or from outside (in the
# kernel), from kept seeds, for FUZZ_SECONDS (default 1) each. timeout: 3600
#
# What it finds stays in tests/fuzz/found below the build directory; `fuzz-seed` there keeps an input:
#   tests/fuzz/bin/TARGET FILE        runs one input again
#   tests/fuzz/seeds/TARGET.hex       one seed a line, in hex
. "$TORO_SRC/tests/lib/tap.sh"

clang=${CLANG:-clang}
seconds=${FUZZ_SECONDS:-1}
requires "$clang" python3
cd "$TORO_BUILD" || exit 99
cat >"$tmp/t.c" <<'END'
#include <stddef.h>
#include <stdint.h>
int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) { return d && n ? 0 : 0; }
END
"$clang" -fsanitize=fuzzer,address,undefined -o "$tmp/t" "$tmp/t.c" 2>"$tmp/err" ||
    skip_all "$clang has no libFuzzer: $(head -n 1 "$tmp/err")"
if ! "${MAKE:-make}" -s -j2 fuzz-bins >"$tmp/make" 2>&1; then
    diag "$(tail -n 20 "$tmp/make")"
    ok 1 "the targets are built"
    done_testing
    exit
fi
ok 0 "the targets are built"

found=$TORO_BUILD/tests/fuzz/found
mkdir -p "$found"
for bin in tests/fuzz/bin/*; do
    t=${bin##*/}
    mkdir "$tmp/$t" "$tmp/$t.new"
    python3 - "$TORO_SRC/tests/fuzz/seeds/$t.hex" "$tmp/$t" <<'END'
import sys
for i, line in enumerate(open(sys.argv[1])):
    if line[0] != '#':
        open('%s/%d' % (sys.argv[2], i), 'wb').write(bytes.fromhex(line.strip()))
END
    seeds=$(find "$tmp/$t" -type f | wc -l)
    # first the seeds alone: what was found once must never come back
    "$bin" -runs=0 -timeout=10 "-artifact_prefix=$found/$t-" "$tmp/$t" >"$tmp/log" 2>&1 &&
        "$bin" "-max_total_time=$seconds" -timeout=10 -max_len=4096 -print_final_stats=1 \
            "-artifact_prefix=$found/$t-" "$tmp/$t.new" "$tmp/$t" >"$tmp/log" 2>&1
    status=$?
    n=$(sed -n 's/^stat::number_of_executed_units: *//p' "$tmp/log")
    is "$status" 0 "$t: $seeds seeds, ${n:-no} inputs"
    [ "$status" -eq 0 ] || diag "$(grep -aE 'ERROR|SUMMARY|does not hold|runtime|Test unit|#[0-9] ' "$tmp/log" |
        head -n 25)"
    [ -z "${FUZZ_KEEP:-}" ] || cp -r "$tmp/$t.new" "$FUZZ_KEEP/$t"
done
done_testing
