#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Gradescope runs this once, when it makes the autograder's image: installs and builds what all
# submissions share.
set -eu
cd /autograder/source/strata
apt-get update -q
apt-get install -q -y --no-install-recommends make git gcc binutils libc6-dev qemu-system-x86 \
	gdb python3 python3-pexpect python3-pyelftools patch
make -s kernel image
