# SPDX-License-Identifier: BSD-3-Clause
# The Linux guests that Torobus is compared with: Debian's cloud kernel with busybox, the same
# mpirun and the same torobench as everywhere else. Sourced by run; nothing is installed, packages
# are unpacked under $linux_dir.
# shellcheck shell=sh

linux_dir=$TORO_BUILD/bench/linux
linux_root=$linux_dir/root

linux_unpack() # fetch and unpack the packages, once
{
    [ ! -f "$linux_dir/unpacked" ] || return 0
    mkdir -p "$linux_dir/debs" "$linux_root"
    (
        cd "$linux_dir/debs" || exit 1
        image=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null |
            awk '$1 == "Depends:" { print $2; exit }')
        [ -n "$image" ] || exit 1
        timeout 300 apt-get -q download "$image" busybox-static cpio >apt.log 2>&1 || exit 1
        for deb in *.deb; do
            dpkg -x "$deb" "$linux_root" || exit 1
        done
    ) || return 1
    touch "$linux_dir/unpacked"
}

linux_copy() # PROGRAM DIRECTORY: a program and the libraries it wants
{
    mkdir -p "$2"
    cp "$1" "$2/"
    ldd "$1" 2>/dev/null | grep -o '/[^ ]*' | while read -r lib; do
        mkdir -p "$linux_tree${lib%/*}"
        cp -L "$lib" "$linux_tree$lib"
    done
}

# What init does. The first guest runs the jobs and shows their results on the console; a second
# one only serves its orted to the first.
linux_init()
{
    cat <<'END'
#!/bin/sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/shm /tmp
mount -t tmpfs shm /dev/shm
mount -t tmpfs tmp /tmp
for word in $(cat /proc/cmdline); do
    case $word in
    me=*) me=${word#me=} ;;
    guests=*) guests=${word#guests=} ;;
    esac
done
hostname "guest$me"
ifconfig lo 127.0.0.1 up
export HOME=/tmp PATH=/ompi/bin:/bin OPAL_PREFIX=/ompi
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
if [ "$guests" = 2 ]; then
    for m in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci failover \
        net_failover virtio_net; do
        [ ! -f /modules/$m.ko ] || insmod /modules/$m.ko
    done
    ifconfig eth0 "10.9.8.$me" netmask 255.255.255.0 up
    if [ "$me" = 2 ]; then
        while :; do nc -l -p 2222 -e /bin/sh; done
    fi
    # until the other one answers
    there=no
    for _ in $(seq 60); do
        { echo echo there; echo exit; } | timeout 5 nc 10.9.8.2 2222 2>&1 | grep there &&
            there=yes && break
        sleep 1
    done
    if [ $there = no ]; then
        echo "the guests do not reach each other"
        poweroff -f
    fi
    how="--host 10.9.8.1,10.9.8.2 --prefix /ompi --mca plm_rsh_agent /bin/agent
        --mca oob_tcp_if_include eth0 --mca btl self,tcp --mca btl_tcp_if_include eth0"
else
    how="--mca plm_rsh_agent /bin/false --mca oob_tcp_if_include lo --mca btl self,vader"
fi
echo "@@ cpus $(nproc), kernel $(uname -r), clock $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"
while read -r id ranks test args; do
    echo "@@ job $id"
    timeout 200 mpirun -np "$ranks" --oversubscribe --bind-to none $how /bin/torobench $test $args \
        </dev/null 2>&1
    echo "@@ end $id $?"
done </jobs
echo "@@ done"
poweroff -f
END
}

linux_agent() # in the place of ssh, in the first guest
{
    cat <<'END'
#!/bin/sh
host=$1
shift
{ echo "$*"; echo exit; } | nc "$host" 2222
END
}

linux_initramfs() # JOBS FILE
{
    linux_tree=$linux_dir/tree
    rm -rf "$linux_tree"
    for d in bin proc sys dev tmp modules etc ompi/bin ompi/share/openmpi ompi/etc; do
        mkdir -p "$linux_tree/$d"
    done
    cp "$linux_root/bin/busybox" "$linux_tree/bin/"
    ln -s busybox "$linux_tree/bin/sh"
    find "$linux_root/lib/modules" \( -name 'virtio*.ko' -o -name '*failover.ko' \) \
        -exec cp {} "$linux_tree/modules/" \;
    linux_copy "$TORO_PREFIX/bin/orterun" "$linux_tree/ompi/bin"
    mv "$linux_tree/ompi/bin/orterun" "$linux_tree/ompi/bin/mpirun"
    linux_copy "$TORO_PREFIX/bin/orted" "$linux_tree/ompi/bin"
    cp "$TORO_PREFIX"/share/openmpi/*.txt "$linux_tree/ompi/share/openmpi/"
    linux_copy "$torobench" "$linux_tree/bin"
    printf '127.0.0.1 localhost\n10.9.8.1 guest1\n10.9.8.2 guest2\n' >"$linux_tree/etc/hosts"
    echo 'root::0:0:root:/tmp:/bin/sh' >"$linux_tree/etc/passwd"
    linux_init >"$linux_tree/init"
    linux_agent >"$linux_tree/bin/agent"
    chmod +x "$linux_tree/init" "$linux_tree/bin/agent"
    cp "$1" "$linux_tree/jobs"
    (cd "$linux_tree" && find . | "$linux_root/bin/cpio" --quiet -o -H newc -R 0:0) |
        gzip -1 >"$2" || return 1
    rm -rf "$linux_tree"
}

linux_qemu() # ME GUESTS CPUS CPU INITRAMFS OPTION...
{
    me=$1
    guests=$2
    cpus=$3
    cpu=$4
    initramfs=$5
    shift 5
    exec "${QEMU:-qemu-system-x86_64}" -nodefaults -no-user-config -display none -no-reboot -M pc \
        -accel "$bench_accel" -cpu "$cpu" -smp "$cpus" -m 2G \
        -kernel "$(ls "$linux_root"/boot/vmlinuz-*)" -initrd "$initramfs" \
        -append "console=ttyS0 quiet panic=-1 mitigations=off no_timer_check me=$me guests=$guests" \
        -chardev stdio,id=console -device isa-serial,chardev=console "$@" </dev/null
}

# Console output to one file per job.
linux_split() # CONSOLE DIRECTORY
{
    tr -d '\r' <"$1" | awk -v dir="$2" '
        $1 == "@@" && $2 == "job" { out = dir "/" $3 ".out"; printf "" >out; next }
        $1 == "@@" && $2 == "end" {
            if ($4 != 0) print "exit status " $4 >(dir "/" $3 ".failed")
            close(out); out = ""; next
        }
        $1 == "@@" { print >>(dir "/guest.txt"); next }
        out != "" { print >>out }'
    grep -q '^@@ done' "$1"
}

# Runs the jobs in one guest, or in two with TCP between them.
linux_run() # DIRECTORY JOBS GUESTS CPUS CPU
{
    linux_unpack || {
        echo "the packages of the Linux guest cannot be had (apt-get download)"
        return 77
    }
    linux_initramfs "$2" "$1/initramfs" || {
        echo "the initramfs cannot be made"
        return 1
    }
    if [ "$3" = 2 ]; then
        net=$1/net
        (linux_qemu 1 2 "$4" "$5" "$1/initramfs" -device virtio-net-pci,netdev=n \
            -netdev "stream,id=n,server=on,addr.type=unix,addr.path=$net") \
            >"$1/console" 2>"$1/qemu.err" &
        first=$!
        track $first
        for _ in $(seq 100); do
            [ ! -S "$net" ] || break
            sleep 0.1
        done
        (linux_qemu 2 2 "$4" "$5" "$1/initramfs" -device virtio-net-pci,netdev=n \
            -netdev "stream,id=n,server=off,addr.type=unix,addr.path=$net") \
            >"$1/console2" 2>>"$1/qemu.err" &
        second=$!
        track $second
    else
        second=
        (linux_qemu 1 1 "$4" "$5" "$1/initramfs") >"$1/console" 2>"$1/qemu.err" &
        first=$!
        track $first
    fi
    reap $first "$linux_limit"
    [ -z "$second" ] || reap $second 0
    rm -f "$1/initramfs"
    mv "$1/console" "$1/console.$4"
    linux_split "$1/console.$4" "$1" || {
        echo "the guest did not come to its end: $(tail -q -n 2 "$1/console.$4" "$1/qemu.err" |
            tr '\n\r' '  ')"
        return 1
    }
}
