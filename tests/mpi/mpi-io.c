/* SPDX-License-Identifier: BSD-3-Clause */
/* mpi-io: several ranks write one file in several ways and read it back; every byte is checked, by
 * MPI-IO on all ranks and with plain reads on rank 0.
 *
 * usage: mpi-io FILE */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 60, COLS = 50, N = ROWS * COLS };

static int rank, size;
static MPI_File file;
static int in[N], out[N];

static void must(int rc, const char *what)
{
    char text[MPI_MAX_ERROR_STRING];
    int len;

    if (rc == MPI_SUCCESS)
        return;
    MPI_Error_string(rc, text, &len);
    fprintf(stderr, "mpi-io: FAILED on rank %d of %d: %s: %s\n", rank, size, what, text);
    MPI_Abort(MPI_COMM_WORLD, 1);
}

static int value(int r, int i)
{
    return r * 1000003 + i * 7 + 1;
}

static void check(const int *got, int n, int from, const char *what)
{
    for (int i = 0; i < n; i++) {
        if (got[i] == value(from, i))
            continue;
        fprintf(stderr, "mpi-io: FAILED on rank %d of %d: %s: index %d: got %d, want %d\n", rank,
                size, what, i, got[i], value(from, i));
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
}

static void done(const char *what)
{
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0) {
        printf("%s: ok\n", what);
        fflush(stdout);
    }
}

static void synchronize(void)
{
    must(MPI_File_sync(file), "sync");
    MPI_Barrier(MPI_COMM_WORLD);
    must(MPI_File_sync(file), "sync");
}

/* Each rank its own block, at its own offset; the neighbour reads it. */
static void test_offsets(void)
{
    MPI_Offset block = (MPI_Offset)sizeof(out), bytes;
    int next = (rank + 1) % size;

    must(MPI_File_write_at(file, rank * block, out, N, MPI_INT, MPI_STATUS_IGNORE), "write_at");
    synchronize();
    must(MPI_File_get_size(file, &bytes), "get_size");
    if (bytes != size * block)
        must(MPI_ERR_OTHER, "size of the file");
    must(MPI_File_read_at(file, next * block, in, N, MPI_INT, MPI_STATUS_IGNORE), "read_at");
    check(in, N, next, "read_at");
    must(MPI_File_read_at_all(file, rank * block, in, N, MPI_INT, MPI_STATUS_IGNORE),
         "read_at_all");
    check(in, N, rank, "read_at_all");
    done("offsets");
}

/* Columns of a matrix dealt out in strips: collective, interleaved row by row. */
static void test_view(void)
{
    MPI_Datatype strip;

    MPI_Type_vector(ROWS, COLS, COLS * size, MPI_INT, &strip);
    MPI_Type_commit(&strip);
    must(MPI_File_set_view(file, (MPI_Offset)(sizeof(int) * COLS) * rank, MPI_INT, strip, "native",
                           MPI_INFO_NULL),
         "set_view");
    must(MPI_File_write_all(file, out, N, MPI_INT, MPI_STATUS_IGNORE), "write_all");
    synchronize();
    must(MPI_File_seek(file, 0, MPI_SEEK_SET), "seek");
    must(MPI_File_read_all(file, in, N, MPI_INT, MPI_STATUS_IGNORE), "read_all");
    check(in, N, rank, "read_all");
    must(MPI_File_set_view(file, 0, MPI_BYTE, MPI_BYTE, "native", MPI_INFO_NULL), "set_view");
    MPI_Type_free(&strip);
    done("view");
}

/* The file as other programs see it. */
static void test_plain(const char *name)
{
    int *row = malloc(sizeof(int) * COLS);
    FILE *f = rank == 0 ? fopen(name, "rb") : NULL;

    if (rank == 0 && f == NULL)
        must(MPI_ERR_FILE, "fopen");
    for (int r = 0; rank == 0 && r < ROWS; r++) {
        for (int s = 0; s < size; s++) {
            if (fread(row, sizeof(int), COLS, f) != COLS)
                must(MPI_ERR_FILE, "fread");
            for (int c = 0; c < COLS; c++)
                if (row[c] != value(s, r * COLS + c))
                    must(MPI_ERR_FILE, "contents by fread");
        }
    }
    if (f != NULL)
        fclose(f);
    free(row);
    done("plain");
}

static void test_nonblocking(void)
{
    MPI_Request q;

    must(MPI_File_iwrite_at(file, (MPI_Offset)sizeof(out) * rank, out, N, MPI_INT, &q),
         "iwrite_at");
    MPI_Wait(&q, MPI_STATUS_IGNORE);
    synchronize();
    must(MPI_File_iread_at(file, (MPI_Offset)sizeof(out) * rank, in, N, MPI_INT, &q), "iread_at");
    MPI_Wait(&q, MPI_STATUS_IGNORE);
    check(in, N, rank, "iread_at");
    done("nonblocking");
}

enum { RECORDS = 20, RECORD = 25 }; /* ints */

/* Everybody appends to one place: each record is there once and whole, wherever. */
static void test_shared(void)
{
    int total = size * RECORDS, *all = malloc(sizeof(int) * (size_t)total * RECORD);
    char *seen = calloc((size_t)total, 1);
    int record[RECORD];

    must(MPI_File_seek_shared(file, 0, MPI_SEEK_SET), "seek_shared");
    for (int n = 0; n < RECORDS; n++) {
        for (int i = 0; i < RECORD; i++)
            record[i] = rank * RECORDS + n;
        must(MPI_File_write_shared(file, record, RECORD, MPI_INT, MPI_STATUS_IGNORE),
             "write_shared");
    }
    synchronize();
    must(MPI_File_read_at(file, 0, all, total * RECORD, MPI_INT, MPI_STATUS_IGNORE), "read_at");
    for (int r = 0; r < total; r++) {
        int id = all[r * RECORD];

        for (int i = 1; i < RECORD; i++)
            if (all[r * RECORD + i] != id)
                must(MPI_ERR_OTHER, "write_shared: a record is torn");
        if (id < 0 || id >= total || seen[id]++ != 0)
            must(MPI_ERR_OTHER, "write_shared: a record is lost or there twice");
    }
    free(all);
    free(seen);
    MPI_Barrier(MPI_COMM_WORLD);
    done("shared");
}

/* One after the other, by rank; then read in the same way. */
static void test_ordered(void)
{
    MPI_Offset at;

    must(MPI_File_seek_shared(file, 0, MPI_SEEK_SET), "seek_shared");
    must(MPI_File_write_ordered(file, out, RECORD + rank, MPI_INT, MPI_STATUS_IGNORE),
         "write_ordered");
    synchronize();
    must(MPI_File_get_position_shared(file, &at), "get_position_shared");
    if (at != (MPI_Offset)sizeof(int) * (size * RECORD + size * (size - 1) / 2) &&
        at != size * RECORD + size * (size - 1) / 2)
        must(MPI_ERR_OTHER, "position after write_ordered");
    MPI_Barrier(MPI_COMM_WORLD);
    must(MPI_File_seek_shared(file, 0, MPI_SEEK_SET), "seek_shared");
    must(MPI_File_read_ordered(file, in, RECORD + rank, MPI_INT, MPI_STATUS_IGNORE),
         "read_ordered");
    check(in, RECORD + rank, rank, "read_ordered");
    done("ordered");
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (argc != 2)
        must(MPI_ERR_ARG, "usage: mpi-io FILE");
    for (int i = 0; i < N; i++)
        out[i] = value(rank, i);
    must(MPI_File_open(MPI_COMM_WORLD, argv[1], MPI_MODE_CREATE | MPI_MODE_RDWR, MPI_INFO_NULL,
                       &file),
         "open");
    test_offsets();
    must(MPI_File_set_size(file, 0), "set_size");
    test_view();
    test_plain(argv[1]);
    test_nonblocking();
    must(MPI_File_set_size(file, 0), "set_size");
    test_shared();
    must(MPI_File_set_size(file, 0), "set_size");
    test_ordered();
    must(MPI_File_close(&file), "close");
    if (rank == 0)
        MPI_File_delete(argv[1], MPI_INFO_NULL);
    done("mpi-io: all");
    MPI_Finalize();
    return 0;
}
