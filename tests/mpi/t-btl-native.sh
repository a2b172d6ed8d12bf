#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 300
# btl/torobus between Linux processes: the rings, the protocols of the PML above them, threads, one
# kill, without any guest. The region is a file that only this test knows.
. "$TORO_SRC/tests/lib/tap.sh"

dir=$TORO_BUILD/tests/mpi
region=$tmp/region

# mpirun on a fresh region; ports of an aborted job are not given back by anybody here.
bus() # RANKS OPTION... PROGRAM
{
    rm -f "$region"
    "$dir/region-make" "$region" 16 || return 1
    bus_n=$1
    shift
    TOROBUS_REGION=$region timeout 100 mpirun --oversubscribe --bind-to none \
        --mca oob_tcp_if_include lo --mca pml ob1 --mca btl torobus -x TOROBUS_REGION \
        -np "$bus_n" "$@"
}

p2p() # NAME RANKS OPTION...
{
    name=$1
    n=$2
    shift 2
    runs "$name" bus "$n" "$@" "$dir/btl-p2p"
    like "$out" "*all right, $n ranks*" "$name: ran to its end"
}

p2p "one rank" 1
p2p "two ranks" 2
p2p "eight ranks" 8
p2p "without get" 3 --mca btl_torobus_flags send,put
p2p "without put and get" 3 --mca btl_torobus_flags send
p2p "tiny rings" 4 --mca btl_torobus_ring_slots 8 --mca btl_torobus_lane_size 8192 \
    --mca btl_torobus_max_send_size 4096 --mca btl_torobus_eager_limit 1024 \
    --mca btl_torobus_native_eager_limit 1024 --mca btl_torobus_flags send
p2p "copied through the region" 3 --mca btl_torobus_vm_copy 0
p2p "never asleep" 2 --mca btl_torobus_sleep 0
p2p "asleep at once, rings dropped at once" 4 --mca btl_torobus_spin_ns 0 \
    --mca btl_torobus_gap_ns 1000000 --mca btl_torobus_hot_polls 1

runs "three threads in each of four ranks" bus 4 "$dir/btl-threads"
like "$out" "*all right, 4 ranks*" "threads: ran to their end"

runs "four senders, one receiver" bus 5 "$dir/btl-fair"
like "$out" "*all right, 4 senders*" "none is starved, nothing is lost"

runs "counters" bus 2 "$dir/btl-pvars"
like "$out" "*all right*" "counters: grew as they should"
like "$out" "*: 0 of 1000 fetched*" "8 KiB are within the eager limit between Linux processes"
runs "a lower eager limit" bus 2 --mca btl_torobus_native_eager_limit 4096 "$dir/btl-pvars"
like "$out" "*: 1000 of 1000 fetched*" "beyond it the receiver fetches them"

# The one-sided component that works with messages: these pairs have no atomics.
runs "one-sided" bus 3 --mca osc pt2pt "$dir/btl-rma"
like "$out" "*all right, 3 ranks*" "one-sided: ran to its end"

# A port dies, though not its process: only the BTL can tell. Whatever the others have under way
# with it ends, through the error callback.
for mode in send recv rendezvous barrier window; do
    bus 3 --mca osc pt2pt --mca btl_torobus_peer_grace_ms 100 "$dir/btl-lost" $mode \
        >"$tmp/dead-$mode.log" 2>&1 &
    pid=$!
    for _ in $(seq 100); do
        grep -q ready "$tmp/dead-$mode.log" && break
        sleep 0.1
    done
    port=$("$dir/region-make" "$region" port 2)
    "$dir/region-make" "$region" dead "$port"
    ok $? "$mode: the last rank's port is marked dead"
    wait $pid
    status=$?
    ok $((status == 0 || status == 124 || status == 3)) "$mode: the job ends with an error ($status)"
    like "$(cat "$tmp/dead-$mode.log")" "*rank 2 (port $port, host here) ended without MPI_Finalize*" \
        "$mode: the rank and its place are named"
done

# Two regions: peers cannot be reached, which is no error as long as there is another way.
two_regions() # BTLS
{
    rm -f "$region" "$tmp/region2"
    "$dir/region-make" "$region" 16 && "$dir/region-make" "$tmp/region2" 16 || return 1
    timeout 100 mpirun --oversubscribe --bind-to none --mca oob_tcp_if_include lo --mca pml ob1 \
        --mca btl "$1" --mca btl_base_verbose 1 \
        -np 1 -x TOROBUS_REGION="$region" "$dir/btl-p2p" : \
        -np 1 -x TOROBUS_REGION="$tmp/region2" "$dir/btl-p2p"
}
runs "two regions" two_regions torobus,vader,self
like "$out" "*all right, 2 ranks*" "two regions: ran to its end"
like "$out" "*Using vader btl for send*" "two regions: over another BTL"
fails "two regions and no other way" two_regions torobus,self
# mpirun of 4.1 may drop help texts that two ranks send at once (CAVEATS.md, seen without torobus as
# well): what is asked is that ours leads the PML to its text, not that mpirun delivers each.
for try in 2 3 4 5 6; do
    case $out in *unreachable*) break ;; esac
    echo "# no text, once more ($try)"
    fails "two regions and no other way" two_regions torobus,self
done
like "$out" "*unreachable*" "two regions and no other way: the user is told"

# Every parameter has its help.
"$TORO_PREFIX/bin/ompi_info" --parsable --param btl torobus --level 9 >"$tmp/params" 2>&1
for p in sleep spin_ns sleep_max_us sleep_min_us gap_ns ring_slots lane_size hot_polls poll_budget \
    peer_grace_ms copy_chunk vm_copy free_list_num free_list_inc eager_limit native_eager_limit max_send_size \
    exclusivity flags latency bandwidth; do
    grep -q "^mca:btl:torobus:param:btl_torobus_$p:help:..." "$tmp/params" || missing="${missing-} $p"
done
is "${missing-}" "" "ompi_info shows every parameter with its help"
n=$(sed -n 's/^mca:btl:torobus:param:btl_torobus_\([a-z_]*\):value:.*/\1/p' "$tmp/params" | wc -l)
h=$(grep -c '^mca:btl:torobus:param:btl_torobus_[a-z_]*:help:...' "$tmp/params")
is "$h" "$n" "and there is none without"

# What the user is told. Alone and without a daemon: those may lose a rank's help text.
alone() # ENVIRONMENT...
{
    "$dir/region-make" "$region" 16 || return 1
    env OPAL_PREFIX="$TORO_PREFIX" OMPI_MCA_ess_singleton_isolated=1 OMPI_MCA_btl=torobus,self \
        TOROBUS_REGION="$region" "$@" \
        timeout 60 "$dir/btl-p2p"
}

runs "a region that is none is no way, but btl/self is" alone TOROBUS_REGION=/dev/null
like "$out" "*the region is a file that is none*" "and the user is told"
runs "a value that cannot work is changed" alone OMPI_MCA_btl_torobus_ring_slots=100
like "$out" "*btl_torobus_ring_slots*100*128*" "and the user is told"
done_testing
