#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The hardware layer alone, on a kernel made for the test (arch-kernel.c): both machine types, and
# processors with and without the features it has two ways for. timeout: 300
. "$TORO_SRC/tests/lib/tap.sh"

qemu=${QEMU:-qemu-system-x86_64}
requires "$qemu" timeout

build()
{
    ${MAKE:-make} -f "$TORO_SRC/unikernel/kernel.mk" SRC="$TORO_SRC/unikernel" O="$tmp/k" CC="$CC" \
        WITHOUT="sched mm loader sys fs dev bus pmix core/main.c" \
        EXTRA_SRC="$TORO_SRC/tests/guest/arch-kernel.c $TORO_SRC/tests/guest/arch-user.S"
}

boot() # MACHINE CPU [COMMAND-LINE]
{
    timeout 60 "$qemu" -M "$1" -accel tcg,thread=multi -cpu "$2" -smp 2 -m 64 -nodefaults \
        -display none -no-reboot -serial stdio -device isa-debug-exit,iobase=0xf4,iosize=4 \
        -kernel "$tmp/k/torobus.elf" -append "${3-}"
}

# The results of the guest become ours.
relay() # NAME
{
    printf '%s\n' "$out" | tr -d '\r' | sed -n 's/.*TAP //p' >"$tmp/results"
    while read -r word rest; do
        case $word in
        ok) ok 0 "$1: ${rest#* - }" ;;
        not) ok 1 "$1: ${rest#* - }" ;;
        1..*) is "$(grep -c 'ok ' "$tmp/results")" "${word#1..}" "$1: no result is missing" ;;
        esac
    done <"$tmp/results"
}

one() # MACHINE CPU
{
    tap_capture boot "$1" "$2"
    relay "$1, $2"
    is "$status" 33 "$1, $2: QEMU's status says all is well"
    [ "$status" -eq 33 ] || diag "$out"
}

# PANIC-LETTER NAME PATTERN: see die() in arch-kernel.c
dies()
{
    tap_capture boot pc max "$1"
    is "$status" 35 "$2: the guest ends, with a panic"
    like "$out" "*PANIC on core 0 of node*$3*" "$2: and says why"
}

runs "the kernel builds" build
one pc max,-erms,-fsrm
one q35 max,-erms,-fsrm
one pc max,-xsave,-fsgsbase,-pdpe1gb,-smep,-rdrand
one q35 qemu64
dies n "a bad pointer in the kernel, another core in user mode" \
    'page fault in the kernel: write of 0x10 (not mapped)*rip *die+0x'
dies o "a kernel stack that is too small" 'double fault (kernel stack overflow?)*deep'
dies x "the kernel jumps into a program" 'execution of 0x200000000000 (not allowed)'
dies s "a buffer on the stack that is overrun" 'beyond a buffer on its stack*smash*'
dies a "an assertion" 'assertion failed: arch_ncores() == 77 (*arch-kernel.c:'
done_testing
