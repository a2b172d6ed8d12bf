#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Under Slurm: srun starts toro-run for each rank, and its PMIx plugin is the server. timeout: 240
. "$TORO_SRC/tests/mpi/launch.sh"
. "$TORO_SRC/tests/mpi/slurm.sh"
needs_guests
slurm_start || skip_all "$slurm_why"

case $(srun --mpi=list 2>&1) in
*pmix*) ;;
*) skip_all "this Slurm has no PMIx plugin" ;;
esac

runs "srun, four ranks" slurm srun --mpi=pmix -n 4 "$bin/toro-run" "$examples/ring"
like "$out" "*ring: ok*over 4 ranks*" "they are one job"
tap_capture slurm srun --mpi=pmix -n 2 "$bin/toro-run" "$programs/pmix-names" names
like "$status $out" "1 *BAD: publish*" "names cannot be published: Slurm's server refuses that at once"
tap_capture slurm srun --mpi=pmix -n 2 "$bin/toro-run" "$programs/act" exit 7
is "$status" 7 "the exit status"
runs "salloc and mpirun" slurm salloc -n 2 "$bin/mpirun" --am torobus "$examples/ring"
like "$out" "*ring: ok*over 2 ranks*" "as many ranks as the allocation has"
slurm_stop
nothing_left "nothing is left"
done_testing
