# SPDX-License-Identifier: BSD-2-Clause
# Built-in commands.
[ a = a ] && [ a != b ] && [ 1 -lt 2 ] && [ 2 -ge 2 ] && [ -n x ] && [ -z "" ] && echo tests
[ ! a = b ] && echo negated; [ ! -e none ] && echo absent; [ x ] && echo nonempty
[ "" ] || echo empty
touch f; mkdir dd; [ -f f ] && [ -d dd ] && [ -e f ] && [ ! -s f ] && [ -r f ] && echo files
[ 1 -eq x ] 2>/dev/null; echo "bad number $?"
cd none 2>/dev/null || echo no directory
x=1; export x; sh -c 'echo "exported $x"'; y=2 sh -c 'echo "given $y"'; echo "[$y]"
unset x; echo "[$x]"
echo x > f; [ -s f ] && echo size; [ -x dd ] && echo x
(cd dd && basename "$(pwd)")
export z=3; sh -c 'echo $z'
set -- a b c; echo "$#: $*"; shift; echo "$#: $*"; shift 2; echo "$#"
eval 'echo evaluated $((1 + 2))'; v=name; eval "$v=dynamic"; echo $name
echo 'echo sourced $1; sv=set' > script; . ./script; echo $sv
printf '  spaces  around  \n' | { read -r x; echo "[$x]"; }
printf 'no newline' | { read -r x; echo "$? $x"; }
echo -n no newline; echo
true; echo $?; false; echo $?; :; echo $?
nosuchthing 2>/dev/null; echo $?
./f 2>/dev/null; echo $?; ./none 2>/dev/null; echo $?; ./dd 2>/dev/null; echo $?
printf 'echo script $0 $1\n' > s; chmod +x s; sh ./s arg
(exit 300); echo $?; (exit 256); echo $?
sh -c 'echo $0 $1 $#' name arg
sh -c 'kill -TERM $$'; echo "terminated $?"
exec 5>&1; echo five >&5
(exec echo replaced; echo never)
