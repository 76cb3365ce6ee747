#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Lays out the root of the disk image: stage.sh ROOT [EXTRA ...], with O, STRIP and BUSYBOX in the
# environment. Programs go in without their debug information.
set -eu
root=$1
shift

# copy_into FOLDER FILE ...
copy_into() {
    folder=$root/$1
    shift
    mkdir -p "$folder"
    for file in "$@"; do
        shift
        [ ! -f "$file" ] || set -- "$@" "$file"
    done
    [ $# -eq 0 ] || cp "$@" "$folder/"
}

# strip_into FOLDER PROGRAM ...
strip_into() {
    copy_into "$@"
    set -- "$root/$1"/*
    [ ! -f "$1" ] || $STRIP "$@"
}

rm -rf "$root"
for folder in bin dev etc proc tests tmp root; do
    mkdir -p "$root/$folder"
done
strip_into bin "$O"/user/bin/*
strip_into tests "$O"/user/tests/* "$O"/tests/bench
strip_into tests/stress "$O"/tests/stress/*
strip_into tests/musl "$O"/user/tests/musl/*
copy_into tests/sh user/tests/sh/*.sh
copy_into tests/busybox tests/busybox/*.sh
copy_into etc user/etc/*
if [ -z "$BUSYBOX" ]; then
    echo "strata: no busybox for amd64 here: the shell is Strata's own (BUSYBOX=path names one)" >&2
elif [ "$(od -An -tx1 -j18 -N2 "$BUSYBOX" | tr -d ' ')" != 3e00 ]; then
    echo "strata: BUSYBOX=$BUSYBOX: not a program for amd64" >&2
    exit 1
else
    cp "$BUSYBOX" "$root/bin/busybox"
fi

for extra in "$@"; do
    if [ -d "$extra" ]; then
        target=$root/$(basename "$extra")
    else
        target=$root/bin/$(basename "$extra")
        if readelf -l "$extra" 2>/dev/null | grep -q INTERP; then
            echo "strata: EXTRA=$extra: is linked dynamically; build it with -static" >&2
            exit 1
        fi
    fi
    if [ -e "$target" ]; then
        echo "strata: EXTRA=$extra: ${target#"$root"} is already on the image" >&2
        exit 1
    fi
    cp -R "$extra" "$target"
done

# busybox's applets that no other program has the name of appear under theirs. Where busybox does
# not run on this host, there are none.
for applet in $([ -z "$BUSYBOX" ] || "$BUSYBOX" --list 2>/dev/null || :); do
    [ -e "$root/bin/$applet" ] || ln -s busybox "$root/bin/$applet"
done
