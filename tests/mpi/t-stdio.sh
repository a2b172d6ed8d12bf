#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# stdin, stdout and stderr of ranks. timeout: 200
. "$TORO_SRC/tests/mpi/launch.sh"

# --- stdin goes to rank 0
for size in 0 1 5000 1000000; do
    head -c "$size" /dev/urandom >in
    want=$("$programs/act" count <in)
    got=$(mpi --host vm0:1,vm1:1 "$programs/act-mpi" stdin <in 2>&1)
    is "$got" "$want" "$size bytes of stdin come to rank 0 only"
done
seq 20000 >lines
mpi -np 1 "$programs/act" cat <lines >back 2>&1
cmp -s lines back
ok $? "stdin to stdout is the same file"
got=$(printf 'typed' | mpi -np 2 "$programs/act" cat)
is "$got" typed "a line without its end"
got=$( (printf a; sleep 1; printf b) | mpi -np 1 "$programs/act" cat)
is "$got" ab "stdin that takes its time"
head -c 3000000 /dev/zero >zeroes
runs "a program that does not read it" mpi -np 1 "$programs/act" exit 0 <zeroes

# --- stdout and stderr
mpi --host vm0 "$programs/act" lines 20000 >out 2>err
is $? 0 "20000 lines"
is "$(wc -l <out) $(tail -n 1 out | cut -c 1-12)" "20000 line 0019999" "all of them"
is "$(sort -c out 2>&1)" "" "in order"
is "$(cat err)" "" "and nothing on stderr"
mpi -np 1 "$programs/act" both 200 >out 2>err
is "$(sed 's/out //' out | tr '\n' ' ')" "$(seq -s ' ' 0 199) " "stdout of two streams"
is "$(sed 's/err //' err | tr '\n' ' ')" "$(seq -s ' ' 0 199) " "stderr of two streams"
is "$(mpi -np 1 "$programs/act" partial)" "no newline" "the end of a line need not come"
mpi -np 1 "$programs/act" lines 200000 2>&1 | head -n 3 >out
is "$(wc -l <out)" 3 "a reader that goes away does not hang the job"

# --- tagged
mpi --host vm0:2,vm1:2 --tag-output "$programs/act-mpi" tag 0 30 >out 2>err
is $? 0 "--tag-output"
for stream in out err; do
    is "$(grep -vc "^\[[0-9]*,[0-9]*\]<std$stream>:" $stream)" 0 "each line of std$stream is tagged"
    is "$(sed -n "s/^\[[0-9]*,\([0-9]*\)\]<std$stream>:rank \([0-9]*\) .*/\1 \2/p" $stream |
        awk '$1 == $2 { n++ } END { print n }')" 120 "with the rank that wrote it ($stream)"
done
mpi --host vm0:1,vm1:1 --output-filename "$tmp/work/files" "$programs/act-mpi" tag 0 5 >/dev/null 2>&1
is "$(cat files/*/rank.*1/stdout | grep -c '^rank 1 out')" 5 "--output-filename: a file per rank"
nothing_left "nothing is left"
done_testing
