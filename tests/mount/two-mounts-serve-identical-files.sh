#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Same name, same bytes: whatever is cached, whichever goal was opened first, in whatever order it is read.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/disks.sh"
require_guest
put_template "$TEST_GUEST/debian-12.xz"
make_disk "$TEST_TMP/small.raw" 64M gpt -t ext4
xz --block-size=1MiB -c "$TEST_TMP/small.raw" >"$TEST_LIB/small.xz"
names="debian-12.qcow2 debian-12@20G.qcow2 debian-12@7G.qcow2 small.raw small.qcow2 small@1G.raw small@1G.qcow2"
backwards="small@1G.qcow2 small@1G.raw small.qcow2 small.raw debian-12@7G.qcow2 debian-12@20G.qcow2 debian-12.qcow2"

mount_at -1 --cache "$TEST_CACHE-1" "$TEST_LIB"
for name in $names; do
	echo "$(sha256_of "$TEST_MNT-1/$name") $(stat -c '%s %Y' "$TEST_MNT-1/$name") $name"
done | sort >"$TEST_TMP/first"
umount_library -1

mount_at -2 --cache "$TEST_CACHE-2" "$TEST_LIB"
for name in $backwards; do
	python3 "$TEST_TOP/tests/lib/read.py" random "$TEST_MNT-2/$name" >/dev/null
	python3 "$TEST_TOP/tests/lib/read.py" backwards "$TEST_MNT-2/$name" >"$TEST_TMP/copy"
	echo "$(sha256_of "$TEST_TMP/copy") $(stat -c '%s %Y' "$TEST_MNT-2/$name") $name"
	rm "$TEST_TMP/copy"
done | sort >"$TEST_TMP/second"
umount_library -2
assert_same "$TEST_TMP/first" "$TEST_TMP/second"
