# SPDX-License-Identifier: BSD-3-Clause
# A Slurm of one machine, as root, in a directory of its own. Source it after launch.sh:
#
#   slurm_start     munged, slurmctld, slurmd; false with the reason in $slurm_why
#   slurm CMD...    a Slurm command (srun, salloc, sinfo) that talks to them, under the time limit
#   slurm_evidence  what the daemons have logged of late, as diagnosis
#   slurm_stop      all of them end (also at the end of the test)
# shellcheck shell=sh

slurm_dir=$tmp/slurm
slurm_pids=

slurm_port() # a TCP port that nobody listens at
{
    slurm_p=$((20000 + ($$ * 7 + $1) % 20000))
    while grep -qi ":$(printf %04X "$slurm_p") " /proc/net/tcp /proc/net/tcp6 2>/dev/null; do
        slurm_p=$((slurm_p + 1))
    done
    echo "$slurm_p"
}

slurm_stop()
{
    for p in $slurm_pids; do
        kill "$p" 2>/dev/null
    done
    slurm_i=0
    for p in $slurm_pids; do
        while kill -0 "$p" 2>/dev/null && [ "$slurm_i" -lt 50 ]; do
            slurm_i=$((slurm_i + 1))
            sleep 0.1
        done
        kill -KILL "$p" 2>/dev/null
    done
    slurm_pids=
}
cleanup_fn slurm_stop

slurm_evidence()
{
    for slurm_log in slurmd slurmctld; do
        diag "$slurm_log: $(grep -aiE 'error|fatal|fail|abort|timed out' "$slurm_dir/$slurm_log.log" |
            grep -v ' state file\| state save file' | tail -n 8)"
    done
}

slurm_conf()
{
    slurm_host=$(uname -n)
    cat >"$slurm_dir/slurm.conf" <<END
ClusterName=torobus
SlurmctldHost=$slurm_host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort=$(slurm_port 0)
SlurmdPort=$(slurm_port 50)
AuthType=auth/munge
AuthInfo=socket=$slurm_dir/munge.socket
CredType=cred/munge
StateSaveLocation=$slurm_dir/state
SlurmdSpoolDir=$slurm_dir/spool
TmpFS=$slurm_dir/tmp
SlurmctldPidFile=$slurm_dir/slurmctld.pid
SlurmdPidFile=$slurm_dir/slurmd.pid
SlurmctldLogFile=$slurm_dir/slurmctld.log
SlurmdLogFile=$slurm_dir/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SlurmdParameters=config_overrides
MailProg=/bin/true
ReturnToService=2
NodeName=$slurm_host NodeAddr=127.0.0.1 CPUs=8 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
    # without it slurmd looks for a cgroup that a container may not have
    echo "CgroupPlugin=cgroup/v1" >"$slurm_dir/cgroup.conf"
}

slurm_start()
{
    slurm_why=
    for p in munged slurmctld slurmd srun; do
        if ! command -v "$p" >/dev/null 2>&1; then
            slurm_why="$p is not installed (munge, slurmctld, slurmd, slurm-client)"
            return 1
        fi
    done
    if [ "$(id -u)" -ne 0 ]; then
        slurm_why="slurmd wants to be root"
        return 1
    fi
    mkdir -p "$slurm_dir/state" "$slurm_dir/spool" "$slurm_dir/tmp" || return 1
    slurm_conf
    dd if=/dev/urandom of="$slurm_dir/key" bs=1024 count=1 2>/dev/null
    chmod 600 "$slurm_dir/key"
    export SLURM_CONF="$slurm_dir/slurm.conf"
    munged --foreground --force --key-file="$slurm_dir/key" --socket="$slurm_dir/munge.socket" \
        --pid-file="$slurm_dir/munged.pid" --log-file="$slurm_dir/munged.log" \
        --seed-file="$slurm_dir/seed" </dev/null >"$slurm_dir/munged.out" 2>&1 &
    slurm_pids="$slurm_pids $!"
    slurm_i=0
    while [ ! -S "$slurm_dir/munge.socket" ] && [ "$slurm_i" -lt 50 ]; do
        slurm_i=$((slurm_i + 1))
        sleep 0.1
    done
    slurmctld -D -f "$SLURM_CONF" </dev/null >"$slurm_dir/slurmctld.out" 2>&1 &
    slurm_pids="$slurm_pids $!"
    slurmd -D -f "$SLURM_CONF" </dev/null >"$slurm_dir/slurmd.out" 2>&1 &
    slurm_pids="$slurm_pids $!"
    slurm_i=0
    until [ "$(timeout 5 sinfo -h -o %t 2>/dev/null)" = idle ]; do
        slurm_i=$((slurm_i + 1))
        if [ "$slurm_i" -gt 40 ]; then
            slurm_why="Slurm does not come up: $(tail -n 3 "$slurm_dir/slurmd.log" 2>/dev/null)"
            return 1
        fi
        sleep 0.5
    done
}

slurm()
{
    # a job that is still completing disturbs the next one's launch
    slurm_i=0
    while [ -n "$(squeue -h 2>/dev/null)" ] && [ "$slurm_i" -lt 50 ]; do
        slurm_i=$((slurm_i + 1))
        sleep 0.2
    done
    limited "$@"
}
