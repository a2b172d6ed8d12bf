#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The real kernel up to the point where it misses its devices: command line, cores, the way it ends
# when it cannot go on.
. "$TORO_SRC/tests/lib/tap.sh"

qemu=${QEMU:-qemu-system-x86_64}
kernel=$TORO_BUILD/kernel/torobus.elf
requires "$qemu" timeout
[ -f "$kernel" ] || skip_all "$kernel is not built"

boot() # MACHINE CORES COMMAND-LINE
{
    timeout 60 "$qemu" -M "$1" -accel tcg,thread=multi -cpu max,-erms,-fsrm -smp "$2" -m 64 \
        -nodefaults -display none -no-reboot -serial stdio \
        -device isa-debug-exit,iobase=0xf4,iosize=4 -kernel "$kernel" -append "$3"
}

panics() # NAME CORES COMMAND-LINE PATTERN
{
    tap_capture boot pc "$2" "$3"
    is "$status" 35 "$1: QEMU's status is that of a kernel panic"
    like "$out" "*PANIC on core 0 of node *$4*" "$1: says why"
    [ "$status" -eq 35 ] || diag "$out"
}

for m in pc q35; do
    tap_capture boot $m 4 "guest=0 cores=4 name=smoke spin_ns=1000 fs=none cpumask=2 log=1"
    is "$status" 35 "$m without devices: QEMU's status is that of a kernel panic"
    like "$out" "*cores: 4*" "$m: four cores came up"
    like "$out" "*PANIC on core 0 of node \"smoke\": no ivshmem device*" "$m: says what is missing"
    like "$out" "*toro_main+0x*" "$m: and where, by name"
    diag "$(printf '%s\n' "$out" | sed -n 's/^\[ *\([0-9.]*\)\] cores: .*/\1 s from entry to all cores/p')"
done

tap_capture boot pc 1 "cores=1"
is "$(printf '%s\n' "$out" | grep -c .)" \
    "$(printf '%s\n' "$out" | sed -n '/PANIC/,$p' | grep -c .)" \
    "quiet unless told otherwise"

panics "an unknown word" 1 "cores=1 frobnicate=1" 'unknown word "frobnicate=1"'
panics "a word without a value" 1 "cores=1 quiet" 'unknown word "quiet"'
panics "a number that is none" 1 "cores=four" 'cores=four is no number'
panics "no cores" 1 "cores=0" 'cores=0'
panics "too many cores" 1 "cores=65" 'cores=65 is no number from 0 to 64'
panics "a bad file system mode" 1 "fs=maybe" 'fs=maybe, possible are none, ro and rw'
panics "a name that is too long" 1 \
    "name=0123456789012345678901234567890123456789012345678901234567890123456789" "name="
# A firmware that leaves the BARs to the kernel: the bus region lies at a multiple of its size, the
# other BARs below the interrupt controllers, none over another.
assigned() # GIB
{
    timeout 60 "$qemu" -M pc -accel tcg -cpu max,-erms,-fsrm -smp 1 -m 64 -nodefaults \
        -display none -no-reboot -serial stdio -device isa-debug-exit,iobase=0xf4,iosize=4 \
        -object "memory-backend-ram,id=m,size=${1}G,reserve=off" -device ivshmem-plain,memdev=m \
        -device virtio-serial-pci -bios qboot.rom -kernel "$kernel" -append "cores=1 log=2"
}
for gib in 64 512; do
    tap_capture assigned "$gib"
    case $out in
    *qboot.rom*)
        skip 3 "this QEMU has no qboot"
        continue
        ;;
    esac
    at=$(printf 0x%x $((gib << 30)))
    like "$out" "*BAR 2 of $at bytes at $at*" "qboot: $gib GiB at $gib GiB"
    like "$out" "*ivshmem: no MSI-X*" "and the kernel goes on to the device"
    is "$(printf '%s\n' "$out" |
        sed -n 's/.* BAR [0-9] of \(0x[0-9a-f]*\) bytes at \(0xe[0-9a-f]*\).*/\2 \1/p' | sort |
        { end=0 n=0 && while read -r at bytes; do
            [ $((at)) -ge $((end)) ] || echo "$at is inside the one before"
            [ $((at % bytes)) -eq 0 ] || echo "$at is not aligned to $bytes"
            end=$((at + bytes)) n=$((n + 1))
        done && echo $n; })" 3 "three small BARs do not overlap"
done
done_testing
