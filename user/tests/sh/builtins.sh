# SPDX-License-Identifier: BSD-2-Clause
# Built-in commands.
[ a = a ] && [ a != b ] && [ 1 -lt 2 ] && [ 2 -ge 2 ] && [ -n x ] && [ -z "" ] && echo tests
test 1 -eq 1 -a 2 -eq 2 && echo both; test 1 -eq 2 -o 2 -eq 2 && echo either
[ ! a = b ] && echo negated; [ ! -e none ] && echo absent; [ x ] && echo nonempty
[ "" ] || echo empty
[ \( a = a \) -a b = b ] && echo parentheses; [ = = = ] && echo odd
touch f; mkdir dd; [ -f f ] && [ -d dd ] && [ -e f ] && [ ! -s f ] && [ -r f ] && echo files
echo x > f; [ -s f ] && echo size; [ f -ef f ] && echo same; [ -x dd ] && echo x
[ 1 -eq x ] 2>/dev/null; echo "bad number $?"
cd dd && basename "$(pwd)"; cd - > /dev/null; pwd | grep -c "/dd$"
cd none 2>/dev/null || echo no directory
x=1; export x; sh -c 'echo "exported $x"'; y=2 sh -c 'echo "given $y"'; echo "[$y]"
unset x; echo "[$x]"
export z=3; sh -c 'echo $z'
readonly r=4; (r=5) 2>/dev/null || echo "readonly $r"
set -- a b c; echo "$#: $*"; shift; echo "$#: $*"; shift 2; echo "$#"
eval 'echo evaluated $((1 + 2))'; v=name; eval "$v=dynamic"; echo $name
echo 'echo sourced $1; sv=set' > script; . ./script; echo $sv
echo 'return 7; echo never' > script; . ./script; echo "returned $?"
read -r one rest <<X
first second third
X
echo "$one|$rest"
IFS=: read -r a b c <<X
1:2:3:4
X
echo "$a $b $c"
printf 'a\\b c\\\nd\n' | { read x y; echo "$x|$y"; }
printf '  spaces  around  \n' | { read -r x; echo "[$x]"; }
printf 'no newline' | { read -r x; echo "$? $x"; }
echo -n no newline; echo
true; echo $?; false; echo $?; :; echo $?
command -v true > /dev/null && echo found; command -v nosuchthing || echo "not found $?"
command echo by command
nosuchthing 2>/dev/null; echo $?
./f 2>/dev/null; echo $?; ./none 2>/dev/null; echo $?; ./dd 2>/dev/null; echo $?
printf 'echo script $0 $1\n' > s; chmod +x s; sh ./s arg
(exit 300); echo $?; (exit 256); echo $?
sh -c 'echo $0 $1 $#' name arg
sh -c 'kill -TERM $$'; echo "terminated $?"
trap 'echo trapped' USR1; kill -USR1 $$; echo after
trap '' USR1; kill -USR1 $$; echo ignored
trap - USR1
(trap 'echo leaving' EXIT; echo inside)
sh -c 'trap "echo bye" EXIT; exit 3'; echo $?
set -e; (false; echo never) || echo "e in a condition"; set +e
sh -ec 'echo one; false; echo never'; echo $?
sh -ec 'if false; then :; fi; false || true; ! true; echo survived'
sh -uc 'echo $undefined; echo never' 2>/dev/null; echo $?
umask 022; umask
type cd > /dev/null && echo type
exec 5>&1; echo five >&5
(exec echo replaced; echo never)
