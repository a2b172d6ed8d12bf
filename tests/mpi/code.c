/* SPDX-License-Identifier: BSD-3-Clause */
/* The ranks of a guest execute one copy of the code, but each has its own all the same: a rank of
 * another guest gets the right bytes from its address, and who changes a function, as some just in
 * time compilers do, changes it for itself alone. Rank 0 prints "code ok". */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define BYTES 65536

/** mov $1, %eax; ret, on a page of its own that is a part of the program. */
__asm__(".pushsection .text\n"
        ".balign 4096\n"
        "code_one: .byte 0xb8, 1, 0, 0, 0, 0xc3\n"
        ".balign 4096\n"
        "code_end: .fill 65536, 1, 0x90\n"
        ".popsection\n");
extern unsigned char code_one[], code_end[];

static char got[BYTES], here[BYTES];

static int call(void)
{
    int (*f)(void);
    unsigned char *p = code_one;

    memcpy(&f, &p, sizeof(f));
    return f();
}

static int fail(int rank, const char *what)
{
    fprintf(stderr, "rank %d: %s\n", rank, what);
    MPI_Abort(MPI_COMM_WORLD, 1);
    return 1;
}

int main(int argc, char **argv)
{
    int rank, size, next, prev, want;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    next = (rank + 1) % size;
    prev = (rank + size - 1) % size;
    if (call() != 1)
        return fail(rank, "wrong before anything was changed");
    /* each sends its code, large enough for the receiver to fetch it from where it is */
    MPI_Sendrecv(code_one, BYTES, MPI_BYTE, next, 0, got, BYTES, MPI_BYTE, prev, 0, MPI_COMM_WORLD,
                 MPI_STATUS_IGNORE);
    memcpy(here, code_one, BYTES);
    if (memcmp(got, here, BYTES) != 0)
        return fail(rank, "the code that came is not the one that was sent");
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == size - 1) {
        if (mprotect(code_one, 4096, PROT_READ | PROT_WRITE) != 0)
            return fail(rank, "mprotect");
        code_one[1] = 2;
        if (mprotect(code_one, 4096, PROT_READ | PROT_EXEC) != 0)
            return fail(rank, "mprotect back");
    }
    MPI_Barrier(MPI_COMM_WORLD);
    want = rank == size - 1 ? 2 : 1;
    if (call() != want)
        return fail(rank, "it executes another rank's code");
    MPI_Sendrecv(code_one, BYTES, MPI_BYTE, next, 0, got, BYTES, MPI_BYTE, prev, 0, MPI_COMM_WORLD,
                 MPI_STATUS_IGNORE);
    if (got[1] != (prev == size - 1 ? 2 : 1))
        return fail(rank, "it got the code as it was before");
    MPI_Finalize();
    if (rank == 0)
        puts("code ok");
    return 0;
}
