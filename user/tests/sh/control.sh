# SPDX-License-Identifier: BSD-2-Clause
# Lists, conditions and loops.
true && echo and; false && echo never; false || echo or; true || echo never
false || false || echo third; true && false || echo mixed
! false && echo not; ! true || echo not not
if true; then echo then; else echo else; fi
if false; then echo then; elif true; then echo elif; else echo else; fi
if false; then echo then
elif false
then echo elif
else
    echo else
fi
if false; then :; fi; echo "status $?"
for i in 1 2 3; do echo $i; done
for i in; do echo never; done; echo "empty: $?"
for i in a b c d; do
    [ $i = b ] && continue
    [ $i = d ] && break
    echo $i
done
i=0; while [ $i -lt 3 ]; do i=$((i + 1)); echo w$i; done
until [ $i -eq 0 ]; do i=$((i - 1)); echo u$i; done
for i in 1 2 3; do
    for j in 1 2 3; do
        [ $j = 2 ] && continue 2
        [ $i = 3 ] && break 2
        echo $i$j
    done
done
while :; do break; done; echo "break: $?"
while false; do :; done; echo "false: $?"
{ echo group; echo of two; }
(echo subshell; x=inner); echo "x=$x"
{ x=inner; }; echo "x=$x"
{ echo one; false; }; echo $?
if [ 1 -eq 1 ] && { [ 2 -eq 3 ] || [ 4 -eq 4 ]; }; then echo logic; fi
for i in 1 2; do if [ $i = 1 ]; then continue; fi; echo "last $i"; done
seq 2 | while read -r line; do echo "read $line"; done
x=0; while [ $x -lt 1000 ]; do x=$((x + 1)); done; echo $x
