#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What make install puts where, that it works from a place where it was not meant to be, and that
# make uninstall takes it away again. timeout: 400
. "$TORO_SRC/tests/lib/tap.sh"

make=${MAKE:-make}
prefix=$(sed -n 's/^prefix = //p' "$TORO_BUILD/Makefile")
p=$tmp/root$prefix

# No variable of the test run may help.
clean()
{
    env -u OPAL_PREFIX PATH=/usr/local/bin:/usr/bin:/bin "$@"
}

runs "make install" "$make" -C "$TORO_BUILD" install DESTDIR="$tmp/root"
for f in bin/mpirun bin/orted bin/mpicc bin/ompi_info bin/toro-rsh bin/orted-shim bin/toro-run \
    bin/toro-info lib/libmpi.a lib/torobus/torobus.elf include/mpi.h include/torobus/abi.h \
    include/torobus/region.h share/openmpi/amca-param-sets/torobus share/man/man1/mpirun.1 \
    share/man/man1/toro-run.1 share/openmpi/help-btl-torobus.txt share/torobus/examples/hello.c; do
    [ -e "$p/$f" ]
    ok $? "$f is there"
done
[ "$(wc -c <"$p/lib/torobus/torobus.elf")" -lt 409600 ]
ok $? "the kernel image is below 400 KiB"
is "$(find "$p" -newer "$TORO_BUILD/config.status" -type f -exec grep -l -F "$tmp" {} + 2>/dev/null)" \
    "" "no file names the directory it was put together in"

for program in toro-rsh orted-shim toro-run toro-info; do
    runs "$program --help" clean "$p/bin/$program" --help
    like "$out" "*Usage: $program*" "... says how to use it"
    runs "$program --version" clean "$p/bin/$program" --version
done
for component in 'btl: torobus' 'osc: torobus' 'pmix: toro' 'installdirs: torobus'; do
    is "$(clean "$p/bin/ompi_info" | grep -c "MCA $component ")" 1 "Open MPI has $component"
done

# The installation is not where it was configured to be, and bin is not in PATH.
cat >"$tmp/one.c" <<'END'
#include <mpi.h>
#include <stdio.h>
int main(int argc, char **argv)
{
    int n;
    MPI_Init(&argc, &argv);
    MPI_Comm_size(MPI_COMM_WORLD, &n);
    printf("of %d\n", n);
    return MPI_Finalize();
}
END
cd "$tmp" || exit 1
runs "mpicc app.c -o app" clean "$p/bin/mpicc" one.c -o one
like "$(readelf -h one)" "*DYN (*" "... is position independent"
is "$(readelf -l one | grep INTERP)" "" "... and static"
# Alone, without mpirun, it looks for orted where Open MPI was configured to be; nothing is there.
out=$(clean env OPAL_PREFIX="$p" ./one 2>&1)
is "$out" "of 1" "the program runs on Linux"
out=$(clean timeout 60 "$p/bin/mpirun" -np 2 ./one 2>&1)
is "$out" "$(printf 'of 2\nof 2')" "plain mpirun runs it"
out=$(clean timeout 100 "$p/bin/mpirun" --am torobus -np 2 ./one 2>&1)
is "$out" "$(printf 'of 2\nof 2')" "mpirun --am torobus runs it in a guest"
out=$(clean timeout 100 "$p/bin/mpirun" --am torobus --host vm0:1,vm1:1 ./one 2>&1)
is "$out" "$(printf 'of 2\nof 2')" "... and in two guests"
out=$(clean timeout 100 "$p/bin/toro-run" -n 2 ./one 2>&1)
is "$out" "$(printf 'of 2\nof 2')" "toro-run runs it in a guest"

fails "another prefix is refused" "$make" -C "$TORO_BUILD" install prefix="$tmp/other"
like "$out" "*Open MPI was built for prefix $prefix*" "... with the reason"
[ ! -e "$tmp/other/bin/mpirun" ]
ok $? "... and without Open MPI half installed"

runs "make uninstall" "$make" -C "$TORO_BUILD" uninstall DESTDIR="$tmp/root"
is "$(find "$tmp/root" ! -type d | head)" "" "nothing is left"
done_testing
