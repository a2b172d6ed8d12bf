#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What a rank is given: arguments, environment, working directory, files. timeout: 150
. "$TORO_SRC/tests/mpi/launch.sh"

# --- arguments, exactly
runs "arguments" mpi -np 1 "$programs/act" args a 'b c' '' "it's" '"q"' 'x\y' '$HOME' '*' '-n' 'ä€'
is "$out" "$(printf 'arg %d: [%s]\n' 0 a 1 'b c' 2 '' 3 "it's" 4 '"q"' 5 'x\y' 6 '$HOME' 7 '*' 8 -n \
    9 'ä€')" "come as they are"
# shellcheck disable=SC2046 # many words
runs "2000 arguments" mpi --host vm0 "$programs/act" args $(seq 2000)
is "$(echo "$out" | tail -n 1)" "arg 1999: [2000]" "2000 of them come"

# --- the program: mpirun looks for it in PATH, then in the current directory
cp "$programs/act" "$tmp/only-here"
cd "$tmp" || exit 1
runs "a program of this directory" mpi -np 1 only-here args x
is "$out" "arg 0: [x]" "is found without ./"
runs "on another node" mpi --host vm0 only-here args x
is "$out" "arg 0: [x]" "as well"
cd "$OLDPWD" || exit 1

# --- environment
TORO_TEST_A='from outside' TORO_TEST_B=$(printf 'two\nlines') PLAIN_VAR=plain
export TORO_TEST_A TORO_TEST_B PLAIN_VAR
runs "-x VAR" mpi --host vm0 -x TORO_TEST_A "$programs/act" env TORO_TEST_A
is "$out" "TORO_TEST_A=from outside" "-x VAR comes to another node"
runs "-x VAR=VALUE" mpi --host vm0 -x TORO_TEST_C='set here' "$programs/act" env TORO_TEST_C
is "$out" "TORO_TEST_C=set here" "-x VAR=VALUE as well"
runs "own node" mpi -np 1 "$programs/act" env PLAIN_VAR TORO_TEST_B NOT_THERE
is "$out" "$(printf 'PLAIN_VAR=plain\nTORO_TEST_B=two\nlines\nNOT_THERE=(unset)')" \
    "on mpirun's own node the whole environment comes"
runs "what Open MPI sets" mpi --host vm0:2,vm1:2 -x TORO_TEST_VAR=v "$programs/act-mpi" who
is "$(echo "$out" | sed -n 's/^rank \([0-9]*\) size 4 .* env \([0-9]*\)\/4 var v .*/\1=\2/p' | sort |
    tr '\n' ' ')" "0=0 1=1 2=2 3=3 " "OMPI_COMM_WORLD_RANK and _SIZE"
runs "MCA parameters" mpi -np 1 --mca mpi_leave_pinned 0 "$programs/act" env \
    OMPI_MCA_mpi_leave_pinned
is "$out" "OMPI_MCA_mpi_leave_pinned=0" "MCA parameters of the command line come"

# --- working directory
runs "cwd" mpi --host vm0 "$programs/act" cwd
is "$out" "$tmp/work" "the working directory is mpirun's"
mkdir "$tmp/else where"
runs "--wdir" mpi -np 1 --wdir "$tmp/else where" "$programs/act" cwd
is "$out" "$tmp/else where" "--wdir"
cp "$programs/act" "$tmp/work/"
runs "a program named ./act" mpi --host vm0 ./act args here
is "$out" "arg 0: [here]" "is found in the working directory"
mv act "$tmp/found-in-path"
PATH=$tmp:$PATH
runs "a program found in PATH" mpi -np 1 found-in-path args path
is "$out" "arg 0: [path]" "is found there"

# --- files
printf 'an input file\nof two lines' >in.txt
runs "a file is read" mpi --host vm0 "$programs/act" read in.txt
is "$out" "$(cat in.txt)" "as it is"
runs "a file is written" mpi --host vm0 "$programs/act" write out.txt 'written by a rank'
is "$(cat out.txt)" "written by a rank" "beside it"
fails "no such file" mpi --host vm0 "$programs/act" read nothing.txt
like "$out" "*nothing.txt: No such file or directory*" "is what the program is told"
nothing_left "nothing is left"
done_testing
