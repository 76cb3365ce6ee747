#!/bin/busybox sh
# SPDX-License-Identifier: BSD-2-Clause
# batch.sh MARK SECONDS FIRST COUNT, in the guest: runs COUNT programs from line FIRST of
# /ltp/list, each with that many of the guest's seconds. Around each one's output stand lines
# `MARK name' and `MARK status'. What a program left running is killed.
export LTPROOT=/ltp PATH=/ltp/testcases/bin:/bin KCONFIG_SKIP_CHECK=1
cd /tmp
for name in $(tail -n +"$3" /ltp/list | head -n "$4"); do
    echo
    echo "$1 $name"
    timeout -s KILL "$2" "$name" </dev/null 2>&1
    status=$?
    echo
    echo "$1 $status"
    kill -KILL -1
    wait
done
exit 0
