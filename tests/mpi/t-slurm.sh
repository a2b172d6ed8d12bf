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

# When Slurm itself does not get a step off the ground: once more, and its logs say why.
step() # RANKS CMD...
{
    step_n=$1
    shift
    for step_try in 1 2 3; do
        tap_capture slurm srun --mpi=pmix -n "$step_n" "$bin/toro-run" "$@"
        case $out in
        *"aborted before step completely launched"* | *"srun: error: Task launch for "*failed* | \
            *"srun: error: Application launch failed"* | *"srun: error: Unable to create step"*)
            diag "try $step_try: $out"
            slurm_evidence
            ;;
        *) return ;;
        esac
    done
}

step 4 "$examples/ring"
is "$status" 0 "srun, four ranks"
like "$out" "*ring: ok*over 4 ranks*" "they are one job"
step 2 "$programs/pmix-names" names
like "$status $out" "1 *BAD: publish*" "names cannot be published: Slurm's server refuses that at once"
step 2 "$programs/act" exit 7
is "$status" 7 "the exit status"
runs "salloc and mpirun" slurm salloc -n 2 "$bin/mpirun" --am torobus "$examples/ring"
like "$out" "*ring: ok*over 2 ranks*" "as many ranks as the allocation has"
slurm_stop
nothing_left "nothing is left"
done_testing
