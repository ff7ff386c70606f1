#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# What can't be a goal, or names no template, doesn't exist; nothing can be made or changed.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/disks.sh"
make_disk "$TEST_LIB/small.raw" 64M gpt -t ext4
mount_library
for name in small small. small.txt small.iso .Trash .hidden autorun.inf small@.raw small@20X.raw small@1G@2G.raw 	small@1G,x.raw small:x.raw 'small .raw' other.raw other@1G.qcow2 @1G.raw small@nonsense.raw small.raw.raw 	small@99999999999G.raw small@0.raw small@-1G.raw other.notes other.json 	"$(head -c 250 /dev/zero | tr '\0' a).raw"; do
	assert_no_entry "$TEST_MNT/$name"
done
read_only() {
	assert_fails "$@"
	assert_says "$TEST_TMP/output" 'read-only|not permitted|denied'
}
read_only touch "$TEST_MNT/new.raw"
read_only touch "$TEST_MNT/small@1G.raw"
read_only rm "$TEST_MNT/small.raw"
read_only mkdir "$TEST_MNT/dir"
read_only mv "$TEST_MNT/small.raw" "$TEST_MNT/other.raw"
read_only truncate -s 0 "$TEST_MNT/small.raw"
read_only chmod 600 "$TEST_MNT/small.raw"
read_only chown 1 "$TEST_MNT/small.raw"
read_only dd if=/dev/zero of="$TEST_MNT/small.raw" count=1 conv=notrunc
umount_library
