#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A file that was verified once, and then had to go from the cache, is fetched again: by then somebody on the way may
# put other bytes in its place, with the same ETag, date and length. They are not served.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/remote.sh"
for name in one two; do
	head -c 8M /dev/urandom >"$TEST_LIB/$name.img"
	index_entry "$name" "$name.img" "file=fault/forged:forge/$name.img"
done >"$TEST_TMP/index"
mv "$TEST_TMP/index" "$TEST_LIB/index"
serve_faulty
# There is room for one of them, and for a part of the other.
mount_here() {
	mount_remote --formats raw --cache-limit 12M "$faulty/index"
}

mount_here
assert_same "$TEST_LIB/one.img" "$TEST_MNT/one.raw"
assert_same "$TEST_LIB/two.img" "$TEST_MNT/two.raw"
assert_equal "$(verified one.raw) $(verified two.raw)" "verified verified"
umount_library
: >"$TEST_LIB/forge"
mount_here
failed=0
for name in one two; do
	if cat "$TEST_MNT/$name.raw" >"$TEST_TMP/$name" 2>"$TEST_TMP/cat-$name"; then
		assert_same "$TEST_LIB/$name.img" "$TEST_TMP/$name"
	else
		failed=$((failed + 1))
		cmp -n "$(stat -c %s "$TEST_TMP/$name")" "$TEST_LIB/$name.img" "$TEST_TMP/$name" ||
			fail "forged bytes were served"
	fi
done
[ $failed -gt 0 ] || fail "nothing was missing"
assert_says "$TEST_LOG" 'changed on its server, which does not say so'

# As soon as the right ones come, they are served, by the same daemon and by the next.
rm "$TEST_LIB/forge"
for name in one two; do
	assert_same "$TEST_LIB/$name.img" "$TEST_MNT/$name.raw"
done
umount_library
mount_here
for name in two one; do
	assert_same "$TEST_LIB/$name.img" "$TEST_MNT/$name.raw"
done
umount_library

# What was forged when it was looked at for the first time does not stand in the way of the right file either.
rm -r "$TEST_CACHE"
: >"$TEST_LIB/forge"
mount_here
assert_read_fails "$TEST_MNT/one.raw" EIO EBADMSG
assert_equal "$(verified one.raw)" rejected
umount_library
