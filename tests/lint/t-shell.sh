#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The shell scripts are plain sh and shellcheck has nothing to say about them.
. "$TORO_SRC/tests/lib/tap.sh"
requires shellcheck

cd "$TORO_SRC" || exit 1
for f in autogen.sh quickstart .ci/run config/overlay.sh config/openmpi.sh config/debian-source.sh \
    tests/*/*.sh bench/run bench/tune bench/count bench/qemu-icount bench/*.sh; do
    runs "$f" shellcheck --shell=sh \
        --exclude=SC1090,SC1091,SC2016,SC2034,SC2094,SC2154,SC2238,SC2317 "$f"
done
done_testing
