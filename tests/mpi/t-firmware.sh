#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Guests start by qboot where QEMU has it, and by QEMU's own firmware all the same.
. "$TORO_SRC/tests/mpi/launch.sh"

[ "$native" = 0 ] || skip_all "is about guests"
qemu=$(command -v "${TOROBUS_QEMU:-qemu-system-x86_64}") || skip_all "no QEMU"

# A QEMU that notes its arguments, and leaves -bios out if it is called "other".
cat >"$tmp/qemu" <<END
#!/bin/bash
bios=
for a; do
    shift
    case \$a in
    -bios) [ "\${0##*/}" = qemu ] || { bios=\$a; continue; } ;;
    *) [ -z "\$bios" ] || { bios=; continue; } ;;
    esac
    set -- "\$@" "\$a"
done
[ "\$1" = --version ] || printf '%s\n' "\$*" >>"$tmp/args"
exec "$qemu" "\$@"
END
chmod +x "$tmp/qemu"
ln "$tmp/qemu" "$tmp/other"
say="hello from rank ? of 3 on vm core ?,*"

for q in qemu other; do
    : >"$tmp/args"
    TOROBUS_QEMU=$tmp/$q
    export TOROBUS_QEMU
    runs "$q: three ranks" alone -n 3 "$examples/hello"
    like "$(printf '%s\n' "$out" | tail -n 1)" "$say" "they say hello"
    if [ $q = other ]; then
        is "$(grep -c -e -bios "$tmp/args")" 0 "with QEMU's own firmware"
    elif [ -f "$(dirname "$(dirname "$qemu")")/share/qemu/qboot.rom" ]; then
        like "$(cat "$tmp/args")" "*-bios */qboot.rom *" "with qboot"
    else
        skip 1 "this QEMU has no qboot"
    fi
done
nothing_left "firmware"
done_testing
