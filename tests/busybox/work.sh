# SPDX-License-Identifier: BSD-2-Clause
# Real shell work: a little report from a made-up log, with most of what a script uses.
mkdir -p work/in work/out && cd work || exit 1
i=0
while [ $i -lt 60 ]; do
    case $((i % 3)) in
    0) level=info ;;
    1) level=warn ;;
    *) level=error ;;
    esac
    echo "$i $level unit$((i * 7 % 5)) took $((i * i % 97))"
    i=$((i + 1))
done > in/log
cat > in/names <<END
unit0 disk
unit1 net
unit2 $(echo terminal | tr a-z A-Z)
unit3 clock
END
for level in info warn error; do
    grep " $level " in/log > "out/$level" &
done
wait
wc -l out/* | sort
sum() { total=0; while read -r _ _ _ _ n; do total=$((total + n)); done; echo $total; }
for f in out/*; do
    printf '%-6s %5d\n' "$(basename "$f")" "$(sum < "$f")"
done
cut -d' ' -f3 in/log | sort | uniq -c | sort -rn | while read -r count unit; do
    name=$(sed -n "s/^$unit //p" in/names)
    echo "${name:-nobody}: $count"
done
awk '$5 > m[$2] { m[$2] = $5 } END { for (l in m) print l, m[l] }' in/log | sort
(exit 3) || echo "status $?"
set -- one 'two words' "$i"
echo "$# arguments, the second is <$2>"
x=abcdef; echo "${x#ab} ${x%ef} ${#x} ${unset:-default}"
find . -type f | sort | head -n 3
echo "$(ls in | wc -l) files" | tee out/last | grep -c files
trap 'echo leaving' EXIT
test -f out/last -a ! -d out/last && echo done
