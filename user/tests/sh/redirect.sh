# SPDX-License-Identifier: BSD-2-Clause
# Redirections and here-documents.
echo one > f; echo two >> f; cat f; cat < f
cat f none > out 2> err; echo "status $?"; cat out; wc -l < err
cat none 2> /dev/null || echo no such file
{ echo out; echo err >&2; } 2>&1 | sort
{ echo out; echo err >&2; } > both 2>&1; cat both
echo to stderr 2>&1 >/dev/null >&2 | cat
exec 3> third; echo by number >&3; exec 3>&-; cat third
exec 4< f; read -r a <&4; read -r b <&4; exec 4<&-; echo "$a $b"
while read -r l; do echo "$l!"; done < f
for i in 1 2 3; do echo $i; done > loop; cat loop
(echo sub; echo shell) > sub; cat sub
> empty; wc -c < empty
echo clobber >| f; cat f
echo a>g;cat<g
2>/dev/null cat none; echo "before $?"
{ echo never < none || echo failed; } 2>/dev/null
: > f; for i in 1 2 3; do echo $i >> f; done; wc -l < f
