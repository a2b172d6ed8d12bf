/* SPDX-License-Identifier: BSD-3-Clause */
/* The BTL's counters through MPI_T: rank 0 sends a known number of messages to rank 1, and each
 * side's counters grow by at least that. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT 1000

static MPI_T_pvar_session session;

static MPI_T_pvar_handle open_pvar(const char *name)
{
    MPI_T_pvar_handle handle;
    int index, count;

    if (MPI_T_pvar_get_index(name, MPI_T_PVAR_CLASS_COUNTER, &index) != MPI_SUCCESS ||
        MPI_T_pvar_handle_alloc(session, index, NULL, &handle, &count) != MPI_SUCCESS ||
        count != 1) {
        printf("btl-pvars: no counter %s\n", name);
        fflush(stdout);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    return handle;
}

static unsigned long long value(MPI_T_pvar_handle handle)
{
    unsigned long long n = 0;

    MPI_T_pvar_read(session, handle, &n);
    return n;
}

/* How many of the messages of 8 KiB does the receiver fetch? None if that is within the eager limit
 * of the pair, else all. */
static void fetched(int rank)
{
    static char data[8192];
    MPI_T_pvar_handle gets = open_pvar("btl_torobus_gets");
    unsigned long long before = value(gets);

    for (int i = 0; i < COUNT; i++) {
        if (rank == 0)
            MPI_Send(data, sizeof(data), MPI_BYTE, 1, 1, MPI_COMM_WORLD);
        else if (rank == 1)
            MPI_Recv(data, sizeof(data), MPI_BYTE, 0, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    }
    if (rank == 1) {
        printf("btl-pvars: %llu of %d fetched\n", value(gets) - before, COUNT);
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"msgs_sent",      "bytes_sent",         "msgs_received",
                                        "bytes_received", "ring_full",          "sleeps",
                                        "doorbells_sent", "doorbells_received", "puts",
                                        "gets",           "rdma_bytes",         "atomics"};
    MPI_T_pvar_handle messages, bytes;
    unsigned long long grown_messages, grown_bytes;
    int rank, provided;
    char data[40] = "counted";

    MPI_Init(&argc, &argv);
    MPI_T_init_thread(MPI_THREAD_SINGLE, &provided);
    MPI_T_pvar_session_create(&session);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char name[64];

        snprintf(name, sizeof(name), "btl_torobus_%s", names[i]);
        open_pvar(name);
    }
    messages = open_pvar(rank == 0 ? "btl_torobus_msgs_sent" : "btl_torobus_msgs_received");
    bytes = open_pvar(rank == 0 ? "btl_torobus_bytes_sent" : "btl_torobus_bytes_received");
    /* Before the barrier: the first messages may be taken together with its last one. */
    grown_messages = value(messages);
    grown_bytes = value(bytes);
    MPI_Barrier(MPI_COMM_WORLD);
    for (int i = 0; i < COUNT; i++) {
        if (rank == 0)
            MPI_Send(data, sizeof(data), MPI_BYTE, 1, 0, MPI_COMM_WORLD);
        else if (rank == 1)
            MPI_Recv(data, sizeof(data), MPI_BYTE, 0, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    }
    grown_messages = value(messages) - grown_messages;
    grown_bytes = value(bytes) - grown_bytes;
    if (rank < 2 && (grown_messages < COUNT || grown_messages > COUNT + 100 ||
                     grown_bytes < COUNT * sizeof(data) || grown_bytes > 100000)) {
        printf("btl-pvars: rank %d counted %llu messages, %llu bytes\n", rank, grown_messages,
               grown_bytes);
        fflush(stdout);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    MPI_Barrier(MPI_COMM_WORLD); /* or they would come while the first ones are counted */
    fetched(rank);
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0)
        printf("btl-pvars: all right\n");
    MPI_T_pvar_session_free(&session);
    MPI_T_finalize();
    MPI_Finalize();
    return 0;
}
