#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# A keeper and strangers: another user cannot attach, not as toro-info nor as a rank; one job's
# client cannot speak to another job's guest; the region is sealed; QEMU is locked in. timeout: 60
. "$TORO_SRC/tests/lib/tap.sh"
. "$TORO_SRC/tests/shim/shim.sh"
requires python3
cd "$tmp" || exit 99

# A job that runs; $key is its job key, $job its pid.
: >o
timeout 50 "$run" -n 1 "$app" print up pause 40000 >o 2>&1 &
job=$!
up() { grep -q up o; }
wait_until up || diag "$(cat o)"
keeper=$(ours | grep torobus-keeper | head -n 1 | cut -d' ' -f1)
qemu=$(ours | grep fakeguest | grep -v keeper | head -n 1 | cut -d' ' -f1)
key=$(tr '\0' ' ' <"/proc/$keeper/cmdline" | cut -d' ' -f3)
test -n "$key" && test -n "$qemu"
ok $? "a job runs (keeper $keeper, key $key)"

# Connect to the keeper and send bytes; prints what comes back, or how it ended.
cat >knock.py <<'END'
import os, socket, struct, sys
uid, key, what = int(sys.argv[1]), sys.argv[2], sys.argv[3]
owner = os.getuid()
if uid != owner:
    os.setgid(uid)
    os.setuid(uid)
s = socket.socket(socket.AF_UNIX)
s.settimeout(5)
def frame(type, rank, body, arg=0):
    return struct.pack('<HHIII', 0x54b5, type, rank, len(body), arg) + body
try:
    s.connect('\0torobus/%d/%s' % (owner, key))
    if what == 'info':
        s.sendall(frame(66, 0xffffffff, b''))
    elif what == 'start':                       # a frame of a rank from nobody
        s.sendall(frame(16, 0, b'x' * 64))
    elif what == 'huge':
        s.sendall(struct.pack('<HHIII', 0x54b5, 66, 0, 0xffffffff, 0))
    elif what == 'noise':
        s.sendall(os.urandom(4096))
    elif what == 'short':                       # an attach that is shorter than it must be
        s.sendall(frame(65, 0, b'abc'))
    elif what == 'version':                     # one of another installation, with another layout
        s.sendall(frame(65, 0, struct.pack('<II', 77, 1) + b'new layout'))
    elif what == 'name':                        # a node name without an end
        s.sendall(frame(65, 0, struct.pack('<II', 1, 1) + b'a' * 64))
    data = b''
    while True:
        part = s.recv(65536)
        if not part:
            break
        data += part
    if not data:
        print('closed')
    else:
        magic, type, rank, n, arg = struct.unpack('<HHIII', data[:16])
        print(type, data[16:16 + n].decode('latin1').splitlines()[0][:100])
except OSError as e:
    print('closed' if isinstance(e, (ConnectionResetError, BrokenPipeError)) else e)
END
knock() { python3 knock.py "$@" 2>&1; }

me=$(id -u)
like "$(knock "$me" "$key" info)" "6 *" "its own user is answered"
if [ "$me" = 0 ]; then
    for what in info start noise; do
        is "$(knock 65534 "$key" $what)" closed "another user ($what) is cut off without an answer"
    done
else
    skip 3 "only root can become another user"
fi
for what in start huge noise short name; do
    like "$(knock "$me" "$key" $what)" "73 *" "$what: refused with a line"
done
like "$(knock "$me" "$key" version)" "73 *Torobus with ABI 1,*has 77: *" \
    "a program of another version: both are named"
like "$(knock "$me" 0000000000000000 info)" "*refused*" "another job's key leads nowhere"
kill -0 "$keeper" && kill -0 "$qemu"
ok $? "the job has not noticed"

# Nothing but descriptors leads to the region: no name, no other size.
seals=$(python3 -c "
import fcntl, os, sys
for d in os.listdir('/proc/$keeper/fd'):
    p = '/proc/$keeper/fd/' + d
    if os.readlink(p).startswith('/memfd:torobus'):
        print(fcntl.fcntl(os.open(p, os.O_RDWR), 1034))
        break")
is "$seals" 7 "the region's file is sealed: no shrinking, no growing, no more seals"
line=$(tr '\0' ' ' <"/proc/$qemu/cmdline")
like "$line" "*-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny*" \
    "QEMU runs in its sandbox"
case $line in
*" -monitor "* | *" -qmp "* | *tcp:* | *" -vnc "* | *" -serial "*) ok 1 "and has no monitor and no network socket" ;;
*) ok 0 "and has no monitor and no network socket" ;;
esac
is "$(stat -c %u "/proc/$qemu")" "$me" "as the calling user"

# Who connects at the very moment in which the keeper ends is answered by it: it stands still
# between the end of its last guest, for which alone it waits, and that connection.
launcher=$(ours | grep "^[0-9]* $run " | head -n 1 | cut -d' ' -f1)
kill -STOP "$qemu"
kill -KILL "$launcher"
wait "$job" 2>/dev/null
sleep 0.5
kill -STOP "$keeper"
kill -KILL "$qemu"
sleep 0.2
knock "$me" "$key" info >late &
late=$!
sleep 0.5
kill -CONT "$keeper"
wait "$late"
like "$(cat late)" "6 *" "who comes when the keeper ends is answered"
nothing_left "at last"
done_testing
