#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Settings: command line before environment before the user's file before the installation's before
# the default; what is wrong in a file is named with its line; toro-info tells where a value is from.
. "$TORO_SRC/tests/lib/tap.sh"
. "$TORO_SRC/tests/shim/shim.sh"
cd "$tmp" || exit 99
unset TOROBUS_CONFIG XDG_CONFIG_HOME

# An installation of its own, for its etc/torobus.conf.
mkdir -p prefix/bin prefix/lib/torobus prefix/etc .config xdg
cp "$TORO_PREFIX/bin/toro-run" "$TORO_PREFIX/bin/toro-info" prefix/bin/
cp "$TORO_BUILD/kernel/torobus.elf" prefix/lib/torobus/
plan() { "$tmp/prefix/bin/toro-run" --dry-run -n 1 "$@" "$app" 2>&1 | sed -n 's/^memory *//p'; }
from() { "$tmp/prefix/bin/toro-info" --settings | sed -n "s/^$1  .* \([^ ]*\) (.*/\1/p"; }

like "$(plan)" "up to*" "default"
echo 'mem = 100M' >prefix/etc/torobus.conf
is "$(plan)" 100M "the installation's file goes before the default"
is "$(from mem)" "$tmp/prefix/bin/../etc/torobus.conf:1" "toro-info names file and line"
printf '# mine\n\n  mem=200M\n' >.config/torobus.conf
is "$(plan)" 200M "the user's file before the installation's"
is "$(from mem)" "$tmp/.config/torobus.conf:3" "with its line"
echo 'mem = 250M' >xdg/torobus.conf
is "$(XDG_CONFIG_HOME=$tmp/xdg && export XDG_CONFIG_HOME && plan)" 250M "XDG_CONFIG_HOME is heeded"
is "$(TOROBUS_MEM=300M && export TOROBUS_MEM && plan)" 300M "the environment before the files"
is "$(TOROBUS_MEM=300M && export TOROBUS_MEM && from mem)" environment "and toro-info says so"
is "$(TOROBUS_MEM=300M && export TOROBUS_MEM && plan --mem 400M)" 400M "the command line before all"
is "$(TOROBUS_CONFIG='' && export TOROBUS_CONFIG && plan)" 100M "an empty TOROBUS_CONFIG: no file of the user's"
is "$(plan --mem-per-rank 50M)" 200M "memory per guest goes before memory per rank"
rm .config/torobus.conf prefix/etc/torobus.conf
is "$(plan --mem-per-rank 50M)" "50M per rank" "memory per rank"
is "$(from mem)" default "the default is the default"

# --- what is wrong is named
bad() # TEXT PATTERN
{
    # shellcheck disable=SC2059 # it has escapes
    printf "$1" >bad.conf
    tap_capture env TOROBUS_CONFIG="$tmp/bad.conf" "$run" -n 1 "$app"
    is "$status" 2 "refused: $2"
    like "$out" "toro-run: $tmp/bad.conf:$2" "with file, line and reason"
}
bad 'fs = ro\nfrobnicate = 1\n' '2: there is no setting "frobnicate"; toro-info --settings lists them'
bad 'mem\n' '1: "mem" is no setting: write NAME = VALUE'
bad '\n\nmem =\n' '3: mem has no value'
bad 'mem = 1G\nmem = 2G\n' '2: mem is set a second time'
bad 'mem = 1\0002\n' '1: a byte 0: this is no text file'
tap_capture env TOROBUS_CONFIG=/nonexistent "$run" -n 1 "$app"
like "$out" "*TOROBUS_CONFIG=/nonexistent: No such file*" "a file that was named must be there"
echo 'mem = lots' >bad.conf
tap_capture env TOROBUS_CONFIG="$tmp/bad.conf" "$run" -n 1 "$app"
like "$out" "*TOROBUS_MEM=lots is impossible*" "a wrong value is refused"

for s in keep local; do
    echo "$s = lots" >bad.conf
    tap_capture env TOROBUS_CONFIG="$tmp/bad.conf" "$tmp/prefix/bin/toro-info" --settings
    like "$out" "*$s *lots*bad.conf:1*" "$s can stand in a file"
done
echo 'keep = lots' >bad.conf
tap_capture env TOROBUS_CONFIG="$tmp/bad.conf" "$run" -n 1 "$app"
like "$out" "*TOROBUS_KEEP=lots is impossible*" "and is taken from there"

# --- it reaches the guest, and the keeper
echo 'guests = 2' >good.conf
tap_capture env TOROBUS_CONFIG="$tmp/good.conf" "$run" -n 1 "$app" exit 3
is "$status" 3 "a job runs with a file"
tap_capture "$TORO_PREFIX/bin/toro-info" --check
like "$out" "*QEMU*kernel*orted*accelerator*cores*memory*cgroup*open files*temporary*" "toro-info --check"
tap_capture sh -c 'ulimit -n 60; exec "$@"' sh "$TORO_PREFIX/bin/toro-info" --check
is "$status" 1 "too few descriptors: status 1"
like "$out" "*open files*NOT FIT: 60: a guest needs 64*ulimit -Hn*" "and what to do"
tap_capture sh -c 'ulimit -v 9000000; exec "$@"' sh "$TORO_PREFIX/bin/toro-info" --check
like "$out" "*addresses*NOT FIT*ulimit -v unlimited*" "too few addresses"
nothing_left "at last"
done_testing
