#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# --cache-limit bounds what lies on the disk, and eviction never shows in the bytes.
. "${0%/*}/../lib/common.sh"
require_guest
put_template "$TEST_GUEST/debian-12.xz" one.xz
put_template "$TEST_GUEST/two-streams.xz" two.xz
for name in one two one; do
	mount_library --cache-limit 300M
	assert_same "$TEST_GUEST/debian-12.raw" "$TEST_MNT/$name.raw"
	umount_library
done
mount_library --cache-limit 300M
head -c 4096 "$TEST_MNT/one.raw" >/dev/null
umount_library
kib=$(du -sk "$TEST_CACHE" | cut -f 1)
[ "$kib" -lt $((400 << 10)) ] || fail "the cache holds $kib KiB"
