# SPDX-License-Identifier: BSD-2-Clause
# Functions: parameters, return, recursion, local variables, redirection.
hello() { echo "hello $1 of $#"; }
hello a b; hello
status() { return $1; }
status 0 && echo zero; status 3 || echo "three $?"
last() { false; }; last; echo $?
set -- outer; keep() { set -- inner one; echo $1 $#; }; keep; echo $1 $#
count() { [ $1 -gt 0 ] && { echo $1; count $(($1 - 1)); }; }; count 3
scope() { local l=inside; g=global; echo $l; }; l=outside; scope; echo $l $g
nested() { inner_function() { echo defined inside; }; }; nested; inner_function
redirected() { echo to a file; } > out; redirected; cat out
piped() { while read -r x; do echo "<$x>"; done; }; printf 'a\nb\n' | piped
loop() { for i in 1 2 3; do [ $i = 2 ] && return 5; echo $i; done; }; loop; echo $?
args() { for a; do echo "[$a]"; done; }; args 'x y' z
shifty() { while [ $# -gt 0 ]; do echo $1; shift; done; }; shifty p q r
over() { echo first; }; over; over() { echo second; }; over
sub() ( x=changed; echo in a subshell ); x=same; sub; echo $x
f() { echo "$(g_)"; }; g_() { echo through; }; f
V=before; tmp() { echo $V; }; V=during tmp; echo $V
doc() { cat <<X
text with $1
X
}; doc argument; doc again
multi()
{
    echo on several lines
}
multi
unset -f multi; multi 2>/dev/null || echo "gone $?"
