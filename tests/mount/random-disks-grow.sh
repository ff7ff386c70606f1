#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Disks drawn by tests/sweep from these seeds grow: each filesystem, each table, LVM, neighbours, journals.
. "${0%/*}/../lib/private.sh"
. "${0%/*}/../lib/common.sh"
require_root
require_prog sfdisk sgdisk losetup blkid fallocate mke2fs e2fsck dumpe2fs debugfs resize2fs mkfs.xfs xfs_repair xfs_db \
	xfs_growfs mkfs.btrfs btrfs mkntfs ntfs-3g ntfsfix ntfsresize mkfs.vfat fsck.vfat mcopy mdeltree mkswap pvcreate vgcreate \
	lvcreate lvextend vgck lvs pvs qemu-img

failed=
for seed in 1 3 17 34 41 43 48 66 85 88 146 195 214 250; do
	TMPDIR=$TEST_TMP "$TEST_TOP/tests/sweep/run" --goalfs "$GOALFS" "$seed" >"$TEST_TMP/verdict" 2>&1 || failed="$failed $seed"
	grep -v '^[0-9]* right, ' "$TEST_TMP/verdict" | tee -a "$TEST_TMP/verdicts"
done
[ -z "$failed" ] || fail "not all of these are right:$failed"

# Who changes what is drawn looks for other seeds.
for what in ': ext' ': xfs' ': btrfs' ': ntfs' ': fat' ': swap' 'table none' 'table gpt' 'table mbr' 'table logical' \
	lvm unclean sparse 'boot moved' 'esp moved' 'recovery moved'; do
	grep -q "$what" "$TEST_TMP/verdicts" || fail "none of the seeds has '$what' any more"
done
