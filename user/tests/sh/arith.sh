# SPDX-License-Identifier: BSD-2-Clause
# Integer arithmetic.
x=7 y=3
echo $((x + y)) $((x - y)) $((x * y)) $((x / y)) $((x % y)) $((-x / y)) $((-x % y))
echo $((1 + 2 * 3)) $(((1 + 2) * 3)) $((2 - 3 - 4)) $((100 / 10 / 5))
echo $((x > y)) $((x < y)) $((x >= 7)) $((x <= 6)) $((x == 7)) $((x != 7))
echo $((0x1f)) $((010)) $((0))
echo $((unset_name + 1)) $(($x + ${y})) $(( $(echo 4) * 2 ))
echo "$((x))" "a$((x + 1))b"
i=0
while [ $((i * i)) -lt 50 ]; do i=$((i + 1)); done
echo $i
echo $((0 && (1 / 0))) $((1 || (1 / 0)))
echo $((9223372036854775807)) $((-9223372036854775807 - 1))
(echo $((1 / 0))) 2>/dev/null || echo division
echo $((
  1 +
  2
))
echo $((5%3)) $((2*-3)) $((4--1))
