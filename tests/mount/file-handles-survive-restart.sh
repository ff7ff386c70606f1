#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# What an NFS server keeps of a file, a handle, opens the same file after the daemon was started anew.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/disks.sh"
require_root
require_prog xz
make_disk "$TEST_TMP/small.raw" 64M gpt -t ext4
xz --block-size=1MiB -c "$TEST_TMP/small.raw" >"$TEST_LIB/small.xz"
mount_library
for name in small.raw small@1G.qcow2; do
	sha256_of "$TEST_MNT/$name"
	python3 "$TEST_TOP/tests/lib/handle.py" save "$TEST_MNT/$name" "$TEST_TMP/$name.handle"
done >"$TEST_TMP/expected"
umount_library
mount_library
for name in small.raw small@1G.qcow2; do
	# No name has been looked up in this mount: the handle alone must do.
	python3 "$TEST_TOP/tests/lib/handle.py" cat "$TEST_MNT" "$TEST_TMP/$name.handle" >"$TEST_TMP/$name.copy"
	sha256_of "$TEST_TMP/$name.copy"
done >"$TEST_TMP/got"
assert_same "$TEST_TMP/expected" "$TEST_TMP/got"

# A handle that nobody gave out is stale, whatever is in it.
python3 "$TEST_TOP/tests/lib/handle.py" forge "$TEST_MNT" "$TEST_TMP/small.raw.handle"
umount_library
