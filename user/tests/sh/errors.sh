# SPDX-License-Identifier: BSD-2-Clause
# Errors of syntax and of use: what they do to the status.
for text in 'if' 'echo (' 'for do' 'case x' '"open' "'open" '$(' '${x' 'a && ' '| b' ';;' '}' 'fi' \
    'while true; do' '{ echo' '( echo' '$((1 +' 'echo ${bad name}' '<' 'echo >' 'done' 'f( {'; do
    sh -c "$text" > /dev/null 2>&1 && echo "accepted: $text"
done
sh -c 'echo before; if' 2>/dev/null
sh -c 'echo ok
if fi
echo never' 2>/dev/null; echo $?
sh -c 'exit'; echo $?
sh -c 'false; exit'; echo $?
sh -c ''; echo $?
sh -c '   # only a comment'; echo $?
echo 'exit 6' > s; sh s; echo $?
sh none 2>/dev/null; echo $?
sh -c 'shift 5; echo reached' 2>/dev/null > /dev/null; echo done
printf 'echo no newline at the end' | sh
sh -c 'cat < none; echo next' 2>/dev/null
sh -c 'cd none; echo next' 2>/dev/null
