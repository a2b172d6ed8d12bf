#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# A process that says it is a rank on the host itself, and sends the keeper nonsense: it is cut off,
# the job goes on, and no descriptor of the keeper is lost. timeout: 100
. "$TORO_SRC/tests/lib/tap.sh"
. "$TORO_SRC/tests/shim/shim.sh"
requires python3
cd "$tmp" || exit 99

: >o
timeout 80 "$run" -n 1 "$app" print up pause 60000 >o 2>&1 &
job=$!
up() { grep -q up o; }
wait_until up || diag "$(cat o)"
keeper=$(ours | grep torobus-keeper | head -n 1 | cut -d' ' -f1)
key=$(tr '\0' ' ' <"/proc/$keeper/cmdline" | cut -d' ' -f3)
test -n "$key"
ok $? "a job runs (keeper $keeper, key $key)"

cat >native.py <<'END'
import os, socket, struct, sys
key, what = sys.argv[1:3]
NATIVE, ATTACHED, ERROR, PORT, DOORBELL = 67, 72, 73, 80, 81
def frame(type, rank=0, body=b'', arg=0, length=None):
    return struct.pack('<HHIII', 0x54b5, type, rank, len(body) if length is None else length, arg) + body
def connect():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(10)
    s.connect('\0torobus/%d/%s' % (os.getuid(), key))
    return s
def answer(s):      # (type, arg, body, descriptors); None: cut off
    try:
        data, fds, _, _ = socket.recv_fds(s, 65536, 4)
    except ConnectionResetError:
        return None
    for fd in fds:
        os.close(fd)
    if len(data) < 16:
        return None
    magic, type, rank, n, arg = struct.unpack('<HHIII', data[:16])
    return type, arg, data[16:16 + n], len(fds)
def attach(rank=0, ranks=2, name=b'here', version=None):
    s = connect()
    s.sendall(frame(NATIVE, rank, struct.pack('<II64s', int(sys.argv[3]) if version is None else version,
                                              ranks, name), rank))
    return s, answer(s)
def ask(s, *a, **b):
    s.sendall(frame(*a, **b))
    return answer(s)
def good():         # a whole life of one that behaves
    s, a = attach()
    if a is None or a[0] != ATTACHED:
        return 'not attached: %r' % (a,)
    p = ask(s, PORT)
    if p is None or p[0] != PORT or p[3] != 2 or len(p[2]) != 32:
        return 'no port: %r' % (p,)
    port = struct.unpack('<I', p[2][4:8])[0]
    d = ask(s, DOORBELL, arg=port)
    s.close()
    return 'good' if d and d[0] == DOORBELL and d[1] == port and d[3] == 1 else 'no doorbell: %r' % (d,)
def refused(a):
    return 'refused' if a is None or a[0] == ERROR else 'answered: %r' % (a,)
if what == 'good':
    r = good()
elif what == 'early':           # a doorbell before there is a port
    r = refused(ask(attach()[0], DOORBELL, arg=0))
elif what in ('far', 'body', 'huge', 'type', 'forward', 'again'):
    s, _ = attach()
    ask(s, PORT)
    r = refused({'far': lambda: ask(s, DOORBELL, arg=0xffffffff),
                 'body': lambda: ask(s, PORT, body=b'x' * 8),
                 'huge': lambda: ask(s, DOORBELL, length=0xfffffff0),
                 'type': lambda: ask(s, 82),
                 'forward': lambda: ask(s, 16, body=b'x' * 64),  # RANK_START, to no guest
                 'again': lambda: ask(s, NATIVE, body=struct.pack('<II64s', 1, 2, b'here'))}[what]())
elif what in ('none', 'many', 'name', 'version'):
    r = refused({'none': lambda: attach(ranks=0), 'many': lambda: attach(ranks=100000),
                 'name': lambda: attach(name=b'a/b'), 'version': lambda: attach(version=77)}[what]()[1])
elif what == 'rank':            # a local rank that cannot be gets a port that is free
    s, _ = attach(rank=0xfffffffe)
    p = ask(s, PORT)
    r = 'a port' if p and p[0] == PORT and p[3] == 2 else 'no port: %r' % (p,)
elif what == 'flood':           # asks and never reads: the keeper does not wait for it
    s, _ = attach()
    s.settimeout(0.5)
    try:
        for i in range(20000):
            s.sendall(frame(PORT) + frame(DOORBELL, arg=i % 64))
        r = 'sent'
    except (BrokenPipeError, ConnectionResetError):
        r = 'refused'
    except TimeoutError:
        r = 'the keeper stopped reading, but kept the connection'
elif what == 'crowd':           # more than there are ports, then they leave
    all = [attach(rank=i) for i in range(70)]
    got = [ask(s, PORT) for s, a in all]
    n = sum(1 for p in got if p and p[0] == PORT)
    ports = set(p[2][4:8] for p in got if p and p[0] == PORT)
    r = '%d ports, %d different' % (n, len(ports))
elif what == 'noise':           # bytes, in any mood
    for i in range(200):
        s, _ = attach()
        if i & 1:
            ask(s, PORT)
        s.sendall(os.urandom(1 + i * 7) if i & 2 else frame(i % 96, 0, os.urandom(i), i))
        s.close()
    r = 'over'
print(r)
END
version=$(sed -n 's/^#define TOROBUS_ABI_VERSION *\([0-9]*\).*/\1/p' "$TORO_SRC/unikernel/uapi/torobus/abi.h")
native() { timeout 60 python3 native.py "$key" "$1" "$version" 2>&1; }
fds() { find "/proc/$keeper/fd" -mindepth 1 | wc -l; }
settled() { [ "$(fds)" -le "$before" ]; }

is "$(native good)" good "one that behaves gets a port, the region and doorbells"
# from here on all doorbells of natives are made, and are kept
is "$(native crowd)" "64 ports, 64 different" "of seventy, as many get a port as there are"
sleep 0.5
before=$(fds)
for what in early far body huge type forward again none many name version flood; do
    is "$(native $what)" refused "$what: is cut off"
    is "$(native good)" good "$what: the next one is served"
done
is "$(native rank)" "a port" "a local rank that cannot be: gets a free port"
is "$(native noise)" over "two hundred that send noise"
is "$(native good)" good "noise: the next one is served"
wait_until settled
ok $? "the keeper has as many descriptors as before: $(fds), $before"
kill -0 "$keeper" && kill -0 "$job"
ok $? "the job has not noticed"
kill "$job"
wait "$job"
nothing_left "at last"
done_testing
