# SPDX-License-Identifier: BSD-2-Clause
# Pipelines, background commands, wait.
echo a b c | wc -w
printf '3\n1\n2\n' | sort | head -n 2 | tail -n 1
true | false; echo $?; false | true; echo $?
! false | true; echo $?
echo x | { read -r v; echo "got $v"; }
echo x | read -r lost; echo "[$lost]"
seq 1 20 | grep 1 | wc -l
yes 2>/dev/null | head -n 2
(until [ -e said-now ]; do sleep 0.01; done; echo later) & echo now; : > said-now; wait
sh -c 'exit 3' & wait $!; echo $?
(exit 4) & p=$!; (exit 5) & q=$!; wait $q; echo $?; wait $p; echo $?
wait 99999; echo $?
for i in 1 2 3; do (echo job $i > job$i) & done; wait; cat job1 job2 job3
echo one | cat | cat | cat
cat < /dev/null | wc -c
{ echo a; echo b; } | while read -r l; do echo "<$l>"; done
x=$(echo multi; echo line); echo "$x"; echo $x
echo $(echo a; echo b | tr b c)
x=`echo old \`echo style\``; echo $x
echo "trailing$(printf 'newlines\n\n\n')end"
echo a | (cat; echo b) | (cat; echo c)
sleep 5 & kill $!; wait $! 2>/dev/null; echo "killed $?"
echo pipe |
    cat
true &&
    echo continued
