# SPDX-License-Identifier: BSD-2-Clause
# Parameters with all their operators, and field splitting.
unset u; e=; s=value
echo "${u-d1}|${u:-d2}|${e-d3}|${e:-d4}|${s-d5}|${s:-d6}"
echo "${u+a1}|${e+a2}|${e:+a3}|${s+a4}|${s:+a5}"
echo "${n=assigned}|$n|${e:=filled}|$e"
echo ${u:-two words} "${u:-two  words}" "${u:-"quoted  words"}" ${u:-'single  quoted'}
echo "${u:-$(echo from a command)} ${u:-${s}}"
list='one two  three'
set -- $list; echo $# "$1" "$3"
set -- 'first one' second
for i in "$@"; do echo "<$i>"; done
for i in $@; do echo "<$i>"; done
for i in "x$@y"; do echo "<$i>"; done
set --; for i in "$@"; do echo never; done; echo "none: $#"
set a b c d e f g h i j k; echo "$1 $10 ${10} ${11} $#"; shift 9; echo "$1 $#"
echo "$?"; false; echo "$?"; (exit 42); echo "$?"
v=$(exit 9); echo "$?"
a=1 b=2; echo $a$b
c=$a; a=3; echo $c
echo ${s}x $s.x ${s}${s}
t="tab	here"; echo "$t" $t
echo a${u}b "${u}"c
printf '<%s>' $u "$u" $e"$e"; echo
