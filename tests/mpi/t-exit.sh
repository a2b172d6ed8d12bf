#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# How jobs end: exit statuses, signals, MPI_Abort, crashes. timeout: 240
. "$TORO_SRC/tests/mpi/launch.sh"

# WANTED NAME WORDS: what of mpirun; then whether stderr says so
gives()
{
    want=$1 name=$2 words=$3
    shift 3
    tap_capture "$@"
    is "$status" "$want" "$name: status $want"
    [ -n "$words" ] || return 0
    case $out in # mpirun itself does not always come to tell the signal
    *'non-zero exit code'*) ok 0 "$name: said so" ;;
    *) like "$out" "*$words*" "$name: said so" ;;
    esac
}
two=vm0:2,vm1:2

gives 0 "exit 0" '' mpi -np 2 "$programs/act" exit 0
gives 7 "exit 7" 'Exit code:    7' mpi -np 1 "$programs/act" exit 7
gives 9 "return 9 from main" '' mpi --host vm0 "$programs/act" return 9
gives 5 "_exit 5" '' mpi -np 1 "$programs/act" quick 5
gives 5 "with closed streams" '' mpi -np 1 "$programs/act" closed
gives 137 "SIGKILL" 'signal 9 (Killed)' mpi -np 1 "$programs/act" signal 9
gives 143 "SIGTERM" 'signal 15' mpi --host vm0 "$programs/act" signal 15
gives 134 "abort()" 'signal 6' mpi -np 1 "$programs/act" abort
gives 139 "a wild store" 'signal 11 (Segmentation fault)' mpi -np 1 "$programs/act" segv
gives 136 "a division by zero" 'signal 8' mpi -np 1 "$programs/act" divide
gives 139 "a stack overflow" 'signal 11' mpi --host vm0 "$programs/act" overflow

gives 3 "exit 3 before MPI_Init" '' mpi -np 2 "$programs/act-mpi" early 3
gives 7 "exit 7 without MPI_Finalize" 'Exit code:    7' mpi --host $two "$programs/act-mpi" exit 3 7
gives 6 "exit 6 after MPI_Finalize" '' mpi --host $two "$programs/act-mpi" return 1 6
gives 42 "MPI_Abort(42)" 'MPI_ABORT was invoked on rank 2*with errorcode 42' \
    mpi --host $two "$programs/act-mpi" abort 2 42
gives 137 "SIGKILL on rank 1" 'rank 1*signal 9' mpi --host $two "$programs/act-mpi" signal 1 9
gives 139 "a crash on rank 3" 'Segmentation fault' mpi --host $two "$programs/act-mpi" segv 3
gives 6 "a wrong rank in MPI_Send" '' mpi -np 2 "$programs/act-mpi" error 1

if [ "$native" = 1 ]; then
    skip 13 "there is no toro-run"
else
    gives 7 "toro-run: exit 7" '' alone -n 1 "$programs/act" exit 7
    gives 139 "toro-run: a wild store" '*' alone -n 1 "$programs/act" segv
    gives 143 "toro-run: SIGTERM" '' alone -n 2 "$programs/act-mpi" signal 1 15
    gives 42 "toro-run: MPI_Abort(42)" '42' alone -n 2 "$programs/act-mpi" abort 1 42
    gives 7 "toro-run: exit 7 without MPI_Finalize" '' alone -n 3 "$programs/act-mpi" exit 2 7
    gives 1 "toro-run: exit 0 without MPI_Finalize" 'rank 1 ended without MPI_Finalize' \
        alone -n 2 "$programs/act-mpi" exit 1 0
    gives 1 "toro-run: the same, one rank" 'rank 0 ended without MPI_Finalize' \
        alone -n 1 "$programs/act-mpi" exit 0 0
    gives 0 "toro-run: all is well" '' alone -n 2 "$programs/act-mpi" return 0 0
fi
gives 110 "mpirun --timeout" 'Timeout: 2 seconds' mpi --timeout 2 -np 1 "$programs/act-mpi" run
gives 5 "MPI_Abort(0x105): the low byte" '' mpi -np 2 "$programs/act-mpi" abort 0 261
gives 255 "MPI_Abort(-1)" '' mpi -np 2 "$programs/act-mpi" abort 1 -1
gives 1 "exit 0 without MPI_Finalize" 'improperly' mpi -np 2 "$programs/act-mpi" exit 1 0
nothing_left "nothing is left"
done_testing
