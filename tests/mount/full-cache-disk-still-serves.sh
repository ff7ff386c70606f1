#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# ENOSPC where the cache lies, from the start or in the middle: right bytes all the same, and the log says so.
. "${0%/*}/../lib/common.sh"
require_root
require_prog mke2fs fallocate
require_guest
put_template "$TEST_GUEST/debian-12.xz"
truncate -s 2G "$TEST_TMP/disk"
mke2fs -q -F -t ext4 -m 0 "$TEST_TMP/disk"
mkdir -m 0700 "$TEST_CACHE"
mount -o loop "$TEST_TMP/disk" "$TEST_CACHE"
chmod 0700 "$TEST_CACHE"
fill() {
	# What is free, to the last block. The daemon goes on keeping what it has begun to decode, so room comes
	# and goes meanwhile: fallocate in halves, cat for the rest, and again until nothing is left.
	for try in 1 2 3 4 5 6 7 8 9 10; do
		piece=$((1 << 30))
		while [ $piece -ge 65536 ]; do
			fallocate -o "$(stat -c %s "$TEST_CACHE/filler" 2>/dev/null || echo 0)" -l $piece \
				"$TEST_CACHE/filler" 2>/dev/null || piece=$((piece / 2))
		done
		cat /dev/zero >"$TEST_CACHE/filler-$try" 2>/dev/null || true
		[ "$(stat -f -c %a "$TEST_CACHE")" -ge 100 ] || return 0
	done
	fail "the disk is not full"
}

mount_library
head -c 200M "$TEST_MNT/debian-12.raw" >/dev/null
fill
assert_same "$TEST_GUEST/debian-12.raw" "$TEST_MNT/debian-12.raw"
umount_library
assert_says "$TEST_LOG" "store '$TEST_CACHE' is full: it takes"
mount_library
assert_same "$TEST_GUEST/debian-12.raw" "$TEST_MNT/debian-12.raw"
umount_library
rm "$TEST_CACHE"/filler*
mount_library
assert_same "$TEST_GUEST/debian-12.raw" "$TEST_MNT/debian-12.raw"
umount_library
umount "$TEST_CACHE"
