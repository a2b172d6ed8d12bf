#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# tests/run-suite in its real places: a small list of our own examples and of a program that fails,
# on Linux, in one guest and in two. timeout: 300
. "$TORO_SRC/tests/lib/tap.sh"
requires python3

mkdir "$tmp/suite"
cat >"$tmp/suite/testlist" <<'END'
hello 2
ring 3
no-errors 4 arg=x env=SETTING=y
no-errors 2 arg=lies
exits 2 resultTest=TestErrFatal
END
cat >"$tmp/suite/no-errors.c" <<'END'
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(int argc, char **argv)
{
    int rank, size, sum;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    const char *setting = getenv("SETTING");
    int good = argc == 2 && sum == size * (size - 1) / 2 &&
               (!strcmp(argv[1], "lies") || (setting && !strcmp(setting, "y")));
    if (!good || (!strcmp(argv[1], "lies") && access("/proc/sys/kernel/random", 0))) {
        printf("rank %d: not good\n", rank);
    } else if (!rank) {
        printf(" No Errors\n");
    }
    MPI_Finalize();
    return 0;
}
END
sed -i '1i #include <unistd.h>' "$tmp/suite/no-errors.c"
cat >"$tmp/suite/exits.c" <<'END'
#include <mpi.h>
int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    MPI_Abort(MPI_COMM_WORLD, 3);
    return 0;
}
END

run() # PATTERN RULE: sets $out and $status
{
    tap_capture "$TORO_SRC/tests/run-suite" "$tmp/suite" --logs "$tmp/logs" --bin "$tmp/bin" \
        --cc "mpicc -O1" --where native,1,2,mpirun,x1 --only "$1" --rule "$2" --retries 0 \
        --timeout 60 --tap "$tmp/tap"
}
mkdir "$tmp/bin"
ln "$TORO_BUILD/examples/hello" "$TORO_BUILD/examples/ring" "$tmp/bin/" 2>/dev/null ||
    cp "$TORO_BUILD/examples/hello" "$TORO_BUILD/examples/ring" "$tmp/bin/"

run '[hr]*' status
is "$(printf '%s\n' "$out" | tail -n 1)" "10 passed, 0 failed" "two examples in five places"
run exits no-errors
is "$(printf '%s\n' "$out" | tail -n 1)" "5 passed, 0 failed" "MPI_Abort in five places"
run no-errors no-errors
is "$(grep -c '^ok' "$tmp/tap")" 6 "the same output in five places"
is "$(grep '^not ok' "$tmp/tap" | sed 's/.*(\(.*\)).*/\1/' | tr '\n' ' ')" "1 2 mpirun x1 " \
    "a program that finds no Linux below fails in guests, and in guests alone"
is "$status" 1 "and the runner says so"

# Guests that stay: programs of two ranks follow each other, wherever the list has them.
printf 'hello 2 arg=a\nring 3\nhello 2 arg=b\nhello 2\n' >"$tmp/suite/testlist"
tap_capture env TOROBUS_KEEPER_LOG="$tmp/keeper" "$TORO_SRC/tests/run-suite" "$tmp/suite" --logs "$tmp/logs" --bin "$tmp/bin" \
    --where 1,2 --rule status --retries 0 --timeout 60 --keep 30
is "$(printf '%s\n' "$out" | tail -n 1)" "8 passed, 0 failed" "--keep: four programs in two places"
is "$(grep -c 'serves another job' "$tmp/keeper")" 7 "after the first program of two ranks only new shapes boot"
is "$(grep -alsz "^TOROBUS_KEEPER_LOG=$tmp/keeper\$" /proc/[0-9]*/environ | grep -v "^/proc/$$/")" \
    "" "all guests have ended with the runner"
done_testing
