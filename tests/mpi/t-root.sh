#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What a guest sees of the host's files: --root and --fs, and no way out. timeout: 120
. "$TORO_SRC/tests/mpi/launch.sh"
needs_guests

echo secret >"$tmp/secret"
mkdir -p "$tmp/work/jail/home" "$tmp/work/jail/etc,odd"
cp "$programs/act" "$programs/lock" jail/home
echo inside >jail/inside
ln -s /inside jail/home/absolute
ln -s ../inside jail/home/relative
ln -s "$tmp/secret" jail/home/host
ln -s "../../../../../../../../..$tmp/secret" jail/home/dots
ln -s /home jail/home/loop
cd jail/home || exit 99

# shellcheck disable=SC2317 # tap_capture calls it
in_jail()
{
    alone --root "$tmp/work/jail" -n 1 "$@"
}

tap_capture in_jail ./act cwd
is "$status $out" "0 /home" "the current directory is told as the guest sees it"
for f in /inside ../inside absolute relative loop/absolute; do
    tap_capture in_jail ./act read $f
    is "$status $out" "0 inside" "$f is there"
done
for f in "$tmp/secret" host dots "../../../../../../../..$tmp/secret" /etc/passwd; do
    tap_capture in_jail ./act read "$f"
    is "$status" 2 "$f is not: $(printf '%s' "$out" | head -n 1)"
done
tap_capture in_jail ./act write /new text
is "$status $(cat ../new)" "0 text" "a file that is written is in the root"
runs "a lock there" in_jail ./lock try fcntl /new
is "$out" free "is taken there"
tap_capture alone --root "$tmp/work/jail" --fs ro -n 1 ./act write /other text
is "$status" 2 "--root with --fs ro: nothing is written"
[ ! -e ../other ]
ok $? "as the host sees"
like "$(alone --root "$tmp/work/jail" --dry-run -n 1 ./act cwd)" "*path=$tmp/work/jail,*" \
    "--dry-run shows it"

cd "$tmp/work" || exit 99
tap_capture alone --root jail -n 1 jail/home/act cwd
is "$status" 2 "a current directory outside of it"
like "$out" "*outside of it: $tmp/work*" "is refused"
tap_capture alone --root jail/inside -n 1 jail/home/act cwd
like "$status $out" "2 *this is no directory*" "a file is no root"
tap_capture alone --root nowhere -n 1 jail/home/act cwd
like "$status $out" "2 *No such file*" "nor what is not there"
mv jail "with, comma"
cd "with, comma/home" || exit 99
tap_capture alone --root "$tmp/work/with, comma" -n 1 ./act read /inside
is "$status $out" "0 inside" "a name with a comma"
cd "$tmp/work" || exit 99

# --- none and ro without a root
tap_capture alone --fs ro -n 1 "$programs/act" write "$tmp/work/no" text
is "$status" 2 "--fs ro: no writing"
tap_capture alone --fs ro -n 1 "$programs/act" read "$tmp/secret"
is "$out" secret "but reading"
tap_capture alone --fs none -n 1 "$programs/act" read "$tmp/secret"
is "$status" 2 "--fs none: nothing of the host"
tap_capture alone --fs none -n 1 "$programs/act" write /tmp/mine text
is "$status" 0 "a file of the guest's own can be written"
[ ! -e /tmp/mine ] && [ ! -e no ]
ok $? "the host has none of that"
nothing_left "nothing is left"
done_testing
