#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A disk copied while its filesystem is mounted and written to: its journal is replayed, and it grows.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/disks.sh"
require_root

# snapshot_of NAME MKE2FS-OPTION...: a disk, written to by the kernel, copied into the library in between.
snapshot_of() {
	name=$1
	shift
	make_disk "$TEST_TMP/running.raw" 200M gpt "$@"
	loop_partition "$TEST_TMP/running.raw" 2
	mkdir -p "$TEST_TMP/disk"
	# The journal is written when somebody asks for it, so that the copy is of one moment.
	mount -o commit=300,noinit_itable "$loop" "$TEST_TMP/disk" || fail "the kernel doesn't mount '$name'"
	cp -r "$TEST_TMP/disk/many" "$TEST_TMP/disk/more"
	sync -f "$TEST_TMP/disk"
	for n in $(seq 20); do
		mkdir "$TEST_TMP/disk/made-$n"
		ln "$TEST_TMP/disk/more/file-$n" "$TEST_TMP/disk/made-$n/linked"
		sync "$TEST_TMP/disk/made-$n"
	done
	cp --sparse=always "$TEST_TMP/running.raw" "$TEST_LIB/$name.raw"
	tree_sums "$TEST_TMP/disk" >"$TEST_TMP/$name.sha256"
	umount "$TEST_TMP/disk"
	unloop
	names="${names:-} $name"
}
snapshot_of ext4 -t ext4
snapshot_of ext3-1k -t ext3 -b 1024

mount_library
for name in $names; do
	cat "$TEST_MNT/$name@1G.raw.plan" >"$TEST_TMP/plan"
	assert_says "$TEST_TMP/plan" 'its journal replayed \([1-9]'
	assert_table_ok "$TEST_MNT/$name@1G.raw"
	cp --sparse=always "$TEST_MNT/$name@1G.raw" "$TEST_TMP/copy.raw"
	loop_partition "$TEST_TMP/copy.raw" 2
	assert_ext_grown "$loop"
	assert_files_intact "$loop" "$TEST_TMP/$name.sha256"
	assert_room_usable "$loop" $((600 << 20))
	unloop
done
umount_library
