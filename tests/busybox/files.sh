# SPDX-License-Identifier: BSD-2-Clause
# Files, links, permissions and the errors that tools report.
mkdir -p a/b/c && touch a/one && ln a/one a/two && ln -s one a/three
ls a | sort
echo hello > a/one; cat a/two a/three
stat -c '%h %s %F' a/one; stat -c '%h %F' a/b
readlink a/three
chmod 640 a/one
stat -c %a a/one
cp -r a d && rm a/one && cat a/two; cat a/three 2>/dev/null || echo dangling
mv d e && find e | sort
rmdir a 2>/dev/null || echo 'not empty'
cat nothing 2>/dev/null || echo "status $?"
dd if=/dev/zero of=big bs=1024 count=300 2>/dev/null; wc -c < big
dd if=/dev/zero of=sparse bs=1 count=1 seek=1048575 2>/dev/null
wc -c < sparse; md5sum < sparse
printf 'abc' | dd of=big bs=1 seek=10 conv=notrunc 2>/dev/null; wc -c < big
dd if=big bs=1 skip=10 count=3 2>/dev/null; echo
truncate -s 5 big; wc -c < big
seq 1 1000 > n; tail -n 2 n; md5sum n; head -c 20 n | od -c | head -n 2
tar cf t.tar e && mkdir x && tar xf t.tar -C x && diff -r e x/e && echo same
gzip -c n | gunzip | cmp - n && echo equal
rm -rf a e x t.tar big sparse n; ls
