/* SPDX-License-Identifier: BSD-3-Clause */
/* The vDSO's data page and image, as the loader copies them. */
    .section .data.vdso, "aw"
    .balign 4096
    .globl arch_vdso_start, arch_vdso_end
arch_vdso_start:
    .skip 4096
    .incbin "vdso.so"
    .balign 4096
arch_vdso_end:

    .section .note.GNU-stack, "", @progbits
