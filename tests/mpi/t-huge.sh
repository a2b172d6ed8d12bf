#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# TOROBUS_HUGEPAGES=hugetlb: huge pages, or a line that says what is missing.
. "$TORO_SRC/tests/mpi/launch.sh"
needs_guests

hello=$examples/hello
qemu_file() # NAME: /proc/PID/NAME of our QEMU
{
    for p in $(tagged); do
        case $(cat "/proc/$p/comm" 2>/dev/null) in qemu-system*) cat "/proc/$p/$1" ;; esac
    done
}
stop_job()
{
    kill -TERM "$(launcher_pid)" 2>/dev/null
    ended
}

with() # SETTING CMD...
{
    setting=$1
    shift
    limited env TOROBUS_HUGEPAGES="$setting" "$@"
}

fails "no such pages" with yes "$bin/toro-run" -n 1 "$hello"
like "$out" "*TOROBUS_HUGEPAGES=yes is impossible: give off or hugetlb*" "says so"
fails "toro-info, no such pages" with yes "$bin/toro-info" --check
like "$out" "*pages*NOT FIT: TOROBUS_HUGEPAGES=yes is impossible*" "says so"

runs "--dry-run" with hugetlb "$bin/toro-run" --dry-run -n 1 "$hello"
like "$out" "* giveback=0*" "memory that is freed stays with the guest"

free=$(cat /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages 2>/dev/null || echo 0)
fails "hugetlb: more than there are" with hugetlb env TOROBUS_SLICE_SIZE=256G TOROBUS_GUESTS=1 \
    "$bin/toro-run" -n 1 "$hello"
like "$out" "*takes 262144 huge pages of 2 MiB, and the host has *nr_hugepages*" "says so"
if [ "$free" -lt 1024 ]; then
    fails "hugetlb: too few" with hugetlb "$bin/toro-run" -n 1 "$hello"
    like "$out" "*takes 1024 huge pages of 2 MiB at least, and the host has $free free*" "says so"
    skip 7 "1024 free huge pages of 2 MiB are needed (/proc/sys/vm/nr_hugepages), there are $free"
else
    skip 2 "$free huge pages are free"
    start job with hugetlb "$bin/toro-run" -n 2 "$programs/act" sleep 60
    wait_line job sleeping
    like "$(qemu_file smaps | grep -A 4 memfd:torobus)" "*KernelPageSize: * 2048 kB*" \
        "hugetlb: the region has huge pages"
    stop_job
    runs "the next job gets them" with hugetlb "$bin/mpirun" --am torobus --host vm0:1 \
        "$examples/ring" 8 100
    fails "a core file" with hugetlb env TORO_CORE=1 "$bin/toro-run" -n 1 "$programs/crash" segv
    test -s core.0
    ok $? "is written"
    test "$(du -m core.0 2>/dev/null | cut -f 1)" -lt 100
    ok $? "without what nobody touched"
    with hugetlb "$bin/toro-run" --keep 20 -n 1 "$hello" >/dev/null &&
        with hugetlb "$bin/toro-run" --keep 20 -n 1 "$hello" >/dev/null
    ok $? "two jobs in a guest that stays"
    limited "$bin/toro-info" --stop >/dev/null
    i=0
    while [ "$(cat /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages)" -lt "$free" ] &&
        [ $((i += 1)) -lt 50 ]; do sleep 0.1; done
    test $i -lt 50
    ok $? "all pages are free again"
fi
nothing_left "nothing is left"
done_testing
