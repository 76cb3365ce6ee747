# SPDX-License-Identifier: BSD-2-Clause
# Settings for debugging Strata, read before the kernel's symbols are used.
set pagination off
set confirm off
set print pretty on
set output-radix 16
set history save off
set disassemble-next-line auto
set architecture i386:x86-64
# QEMU answers, however busy the host is; GDB would take a late answer for the next one's.
set remotetimeout 600
