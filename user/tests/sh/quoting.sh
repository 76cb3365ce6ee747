# SPDX-License-Identifier: BSD-2-Clause
# Quotes, backslashes, and what they protect.
x='a  b'
echo $x "$x" '$x' \$x "\$x" "a'b" 'a"b' a\ b
printf '<%s>' "a\b" 'a\b' a\\b "a\\b" "\"" "\`"; echo
echo "" '' x""y z''
set -- "" '' a
echo $#
echo one\
two "three\
four"
echo 'line one
line two' "and
three"
echo a#b # a comment
echo '#' "#" \#
echo "$"a "$ " $ "a$"
echo '*' "*" \* "[a]" \?
y='*'; echo "$y" '"'$x'"'
echo ~ | cut -c1
echo '~' "~" a~
echo "`echo \"inner quotes\"`" "$(echo "inner  two")"
echo "nested $(echo "a $(echo "b  c") d") e"
