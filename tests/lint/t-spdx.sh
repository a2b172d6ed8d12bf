#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Every source file names its licence in its first lines, and every C file says what it is.
. "$TORO_SRC/tests/lib/tap.sh"

cd "$TORO_SRC" || exit 1
{
    find unikernel ompi opal orted-shim examples tests bench config/overlay.sh config/openmpi.sh \
        config/debian-source.sh m4 share \
        .ci -type f \( -name '*.[chS]' -o -name '*.f' -o -name '*.f90' -o -name '*.sh' -o -name '*.mk' -o -name '*.am' \
        -o -name '*.m4' -o -name '*.in' -o -name '*.lds' -o -name '*.pml' -o -name run \
        -o -name run-suite -o -name '*.py' -o -name '*.awk' -o -name tune \)
    ls autogen.sh configure.ac Makefile.am quickstart
} | sort -u >"$tmp/files"

while read -r f; do
    head -n 4 "$f" | grep -q 'SPDX-License-Identifier: BSD-3-Clause' || echo "$f"
done <"$tmp/files" >"$tmp/bad"
is "$(cat "$tmp/bad")" "" "all $(wc -l <"$tmp/files") files have an SPDX line"

while read -r f; do
    case $f in
    *.[chS]) sed -n 2p "$f" | grep -q '^/\*' || echo "$f" ;;
    esac
done <"$tmp/files" >"$tmp/bad"
is "$(cat "$tmp/bad")" "" "all C files say in their second line what they are"
done_testing
