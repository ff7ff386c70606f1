#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# With --verify=before not one byte of a file is served whose checksum is not the promised one, also after a remount,
# until the server has another file.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/remote.sh"
make_template good.xz 4
cp "$TEST_LIB/good.xz" "$TEST_LIB/old.xz"
cp "$TEST_LIB/good.xz" "$TEST_LIB/256.xz"
sum=$(sha512sum <"$TEST_LIB/good.xz" | cut -d ' ' -f 1)
# As decodable as the right one: it only is another.
make_template bad.xz 4
mv "$TEST_LIB/bad.xz" "$TEST_LIB/bad-once.xz"
cp "$TEST_LIB/bad-once.xz" "$TEST_LIB/bad-always.xz"
cp "$TEST_LIB/bad-once.xz" "$TEST_LIB/bad-now.xz"
# With another time, by which the server's ETag tells it from the bad one.
put_good() {
	cp "$TEST_LIB/good.xz" "$TEST_LIB/new"
	touch -d '1 hour ago' "$TEST_LIB/new"
	mv "$TEST_LIB/new" "$TEST_LIB/$1.xz"
}
{
	index_entry good good.xz "checksum[sha512]=$(echo "$sum" | tr a-f A-F)"
	index_entry old old.xz "checksum=$sum"
	index_entry bad-once bad-once.xz "checksum[sha512]=$sum"
	index_entry bad-now bad-now.xz "checksum[sha512]=$sum"
	index_entry bad-always bad-always.xz "checksum=$sum"
} >"$TEST_LIB/index"
serve
mount_remote "$http/index"
ls -l "$TEST_MNT" >"$TEST_TMP/listing"
assert_says "$TEST_TMP/listing" bad-always.raw
for goal in good.raw old.raw; do
	assert_same "$TEST_TMP/good.raw" "$TEST_MNT/$goal"
	assert_equal "$(verified $goal)" verified
done

for name in bad-once bad-always bad-now; do
	assert_read_fails "$TEST_MNT/$name.raw" EIO EBADMSG
	assert_read_fails "$TEST_MNT/$name.qcow2" EIO EBADMSG ENOENT
	assert_read_fails "$TEST_MNT/$name@100M.qcow2" EIO EBADMSG ENOENT
	cat "$TEST_MNT/$name.json" >"$TEST_TMP/json"
	assert_says "$TEST_TMP/json" '"verified": *"rejected"'
	assert_says "$TEST_LOG" "$name.xz' is rejected: its sha512"
	cat "$TEST_MNT/$name.raw.plan" >"$TEST_TMP/plan"
	assert_says "$TEST_TMP/plan" 'rejected'
done
assert_equal "$(verified bad-once.raw)" rejected
# The server gets the right one while the mount stands.
put_good bad-now
assert_same "$TEST_TMP/good.raw" "$TEST_MNT/bad-now.raw"
"$GOALFS" --no-cache --list --list-format long "$http/index" >"$TEST_TMP/listing"
assert_says "$TEST_TMP/listing" bad-once
umount_library

# Remembered: nobody downloads it again to find that out once more.
served=$(bytes_served /bad)
mount_remote "$http/index"
assert_read_fails "$TEST_MNT/bad-always.raw" EIO EBADMSG ENOENT
assert_read_fails "$TEST_MNT/bad-once@100M.qcow2" EIO EBADMSG ENOENT
cat "$TEST_MNT/bad-always.json" >"$TEST_TMP/json"
assert_says "$TEST_TMP/json" '"verified": *"rejected"'
[ $(($(bytes_served /bad) - served)) -lt 1000000 ] || fail "the rejected files were fetched again"

# The right one at last.
put_good bad-once
assert_same "$TEST_TMP/good.raw" "$TEST_MNT/bad-once.raw"
assert_equal "$(verified bad-once.raw)" verified
assert_read_fails "$TEST_MNT/bad-always.raw" EIO EBADMSG ENOENT
umount_library
