#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Fortran: the examples, the three interfaces, and what Fortran's own library does with files,
# arguments, output and errors, on Linux and in guests. timeout: 200
. "$TORO_SRC/tests/mpi/launch.sh"

[ -n "${FC:-}" ] || skip_all "configure found no Fortran compiler"
program=$programs/fortran

runs "mpifort --showme" "$bin/mpifort" --showme
like "$out" "*-static-pie*" "mpifort links static-pie"
like "$out" "*-fPIE*" "mpifort compiles for it"
case $out in
*@*) ok 1 "no placeholder is left in mpifort: $out" ;;
*) ok 0 "no placeholder is left in mpifort" ;;
esac
# see gfortran_weak in tests/local.mk
nm "$program" | sed -n 's/^[0-9a-f]* [TW] \(pthread_[a-z_]*\)$/\1/p' | sort >"$tmp/there"
nm "$("$FC" -print-file-name=libgfortran.a)" 2>/dev/null |
    sed -n 's/^ *w \(pthread_[a-z_]*\)$/\1/p' | sort -u >"$tmp/weak"
is "$(comm -13 "$tmp/there" "$tmp/weak")" "" "every function that libgfortran may call is there"

runs "ring_mpif" mpi --host vm0:2,vm1:2 "$examples/ring_mpif"
like "$out" "*ring_mpif: ok, 10 rounds over 4 ranks*" "says so"
runs "heat_f08" mpi --host vm0:2,vm1:2 "$examples/heat_f08" 64 40
like "$out" "*heat_f08: ok, 64x64 points, 40 steps on 4 ranks*" "says so"

runs "all of it, two guests" mpi --host vm0:2,vm1:2 "$program" all "$tmp/work"
like "$out" "*fortran: all right on 4 ranks*" "says so"
is "$(ls "$tmp/work")" "" "no file is left"
TORO_FORTRAN='a  value ' # (not exported: mpirun is to do it)
runs "arguments" mpi -np 1 -x "TORO_FORTRAN=$TORO_FORTRAN" "$program" arguments 'two words' '' ' x '
is "$(echo "$out" | grep -c -F -x -e '2 [two words]' -e '3 []' -e '4 [ x ]' \
    -e 'TORO_FORTRAN [a  value ]')" 4 "come unharmed, and so does a variable"

# The rest, without mpirun's own time.
two()
{
    if [ "$native" = 1 ]; then plainly -np 2 "$@"; else alone -n 2 "$@"; fi
}
ends() # STATUS TEXT WHAT...
{
    ends_status=$1
    ends_text=$2
    shift 2
    fails "$*" two "$program" "$@"
    is "$status" "$ends_status" "$*: its status"
    like "$out" "*$ends_text*" "$*: its text"
}

runs "all of it, one guest" two "$program" all "$tmp/work"
runs "pi_mpi" two "$examples/pi_mpi" 300000
like "$out" "*pi is about 3.1415926535*" "is right"
runs "much output" two "$program" print 20000
is "$(echo "$out" | grep -c '^[01]  *[0-9]* x\{80\}$')" 40000 "no line is lost or torn"
is "$(echo "$out" | grep -c '^errors of [01]$')" 2 "nor on the standard error stream"
yes 'a line of input' | head -n 30000 >"$tmp/input"
echo 'the last line' >>"$tmp/input"
reads() { two "$program" read <"$tmp/input"; }
out=$(reads 2>&1)
is "$out" "read 30001 lines, the last is the last line" "standard input by read"

ends 7 "STOP 7" stop
ends 9 "ERROR STOP 9" error-stop
ends 1 "ERROR STOP the text of error stop" error-text
ends 1 "ERROR STOP before MPI_Init" early
ends 13 "" abort
ends 2 "Fortran runtime error: Index '1[12]' of dimension 1 of array 'a' above upper bound of 10" bounds
ends 2 "Fortran runtime error: Cannot open file '/not/there': No such file or directory" io-error
ends 136 "SIGFPE: Floating-point exception" divide
ends 139 "SIGSEGV: Segmentation fault" segv
case $native/$("$bin/toro-info" 2>/dev/null | sed -n 's/^accelerator *//p') in
0/tcg*) skip 3 "QEMU's TCG does not trap floating-point exceptions" ;;
*) ends 136 "SIGFPE: Floating-point exception" halt ;;
esac
nothing_left "nothing is left"
done_testing
