# SPDX-License-Identifier: BSD-2-Clause
# Pipes, signals, redirections and background jobs.
yes | head -n 3
seq 1 20000 | sort -rn | sed -n '1p;20000p'
echo to-stderr 2>&1 1>/dev/null >&2 | cat
{ echo out; echo err >&2; } 2>&1 | sort
exec 3> f; echo three >&3; exec 3>&-; cat f
cat < f > g; cmp f g && echo copied
# Whether ash says `Terminated' depends on who is faster, the child to die or the shell to wait.
sleep 90 & kill $!; wait $! 2>/dev/null; echo "killed: $?"
(trap 'kill $!; echo caught; exit 4' TERM; sleep 90 >/dev/null 2>&1 & : > ready; wait) &
until [ -e ready ]; do sleep 0.01; done; kill $!; wait $!; echo "status $?"
sh -c 'kill -9 $$'; echo "status $?"
false | true; echo "pipe $?"
! true; echo "not $?"
for i in 1 2 3 4 5 6 7 8; do (echo $((i * i)) > "out$i") & done
wait; cat out* | sort -n | tr '\n' ' '; echo
x=$(printf 'a\nb\n\n'); echo "[$x]"
cat <<B
value $(echo $((6 * 7)))
B
seq 5 | while read -r n; do [ "$n" = 4 ] && break; echo "n$n"; done
echo a b c | xargs -n1 echo item
timeout 1 sleep 60; echo "timeout $?"
