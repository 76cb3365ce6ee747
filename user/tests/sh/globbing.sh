# SPDX-License-Identifier: BSD-2-Clause
# File names by pattern.
mkdir d; cd d
touch a ab abc b1 b2 .hidden 'sp ace' 'star*'
mkdir sub; touch sub/x sub/y
echo *
echo a*
echo b?
echo [ab]*
echo [!ab]*
echo [a-c]?
echo *.none
echo "*" '*' \*
echo sub/*
echo */x
echo .h*
echo ./a*
echo star\*
echo 'sp'*
for f in *; do echo "<$f>"; done
x='a*'; echo $x "$x"
y=*; echo "$y"
echo [[:digit:]]* *[[:digit:]]
echo nothing[x
cd ..; echo d/a* d/s*/x
rm -r d; echo d/*
