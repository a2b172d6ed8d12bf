#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# debian-source.sh PACKAGE VERSION-PREFIX DIR: the source package of that version from the Debian
# archives that this machine's apt knows, into DIR/download. apt's own lists are left alone: what
# it needs is below DIR/apt.
set -eu

[ $# -eq 3 ] || {
    echo "usage: debian-source.sh PACKAGE VERSION-PREFIX DIR" >&2
    exit 2
}
package=$1
prefix=$2
dir=$3

apt_own() # apt-get|apt-cache ARGUMENT...
{
    tool=$1
    shift
    "$tool" -q -o Dir::Etc::SourceList="$dir/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::State::Lists="$dir/apt/lists" -o Dir::Cache="$dir/apt/cache" \
        -o APT::Sandbox::User=root "$@"
}

# Debian's own archives that this machine uses for packages, as source archives.
source_archives()
{
    # shellcheck disable=SC2016 # apt-get fills them in
    apt-get indextargets --format '$(CREATED_BY) $(ORIGIN) $(COMPONENT) $(REPO_URI) $(RELEASE)' |
        awk '$1 == "Packages" && $2 == "Debian" && $3 == "main" && !seen[$4 $5]++ {
            print "deb-src", $4, $5, $3
        }'
}

mkdir -p "$dir/apt/lists/partial" "$dir/apt/cache/archives/partial" "$dir/download"
source_archives >"$dir/apt/sources.list"
if [ ! -s "$dir/apt/sources.list" ]; then
    if [ "$(id -u)" -eq 0 ]; then apt-get -q update; else sudo apt-get -q update; fi
    source_archives >"$dir/apt/sources.list"
fi
if [ ! -s "$dir/apt/sources.list" ]; then
    echo "debian-source: apt knows no Debian archive to take $package from" >&2
    exit 1
fi
apt_own apt-get update
version=$(apt_own apt-cache showsrc "$package" | sed -n 's/^Version: //p' |
    awk -v prefix="$prefix" 'index($0, prefix) == 1 && !found { print; found = 1 }')
if [ -z "$version" ]; then
    echo "debian-source: this Debian has no source package $package $prefix" >&2
    exit 1
fi
cd "$dir/download"
apt_own apt-get source --download-only "$package=$version"
