#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A guest whose root is a logical volume boots from the grown disk: group, volume and the XFS in it have the room at once.
. "${0%/*}/../lib/private.sh"
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/boot.sh"
. "$TEST_TOP/tests/lib/disks.sh"
. "$TEST_TOP/tests/lib/layouts.sh"
require_root
require_guest
put_template "$TEST_GUEST/debian-12-lvm.xz"
mount_library
root_number=2 root_kind=xfs root_volume=goalfs/root
attach_root "$TEST_MNT/debian-12-lvm@20G.raw" ro
judge_fs xfs "$loop"
assert_grown xfs "$loop"
assert_files_intact "$loop" "$TEST_GUEST/files.sha256"
detach_root

boot_on_top "$TEST_MNT/debian-12-lvm@20G.qcow2"
assert_guest_says '^ROOT /dev/mapper/goalfs-root +xfs'
assert_root_size $((18 << 20)) $((20 << 20))
# 20 GiB without /boot and the swap volume, and in two pieces around that.
assert_guest_says '^ *root +19922944\.00 +2$'
flatten_overlay
umount_library

attach_root "$TEST_TMP/after.raw" rw
judge_fs xfs "$loop"
assert_grown xfs "$loop"
assert_takes_files xfs "$loop" $((12 << 30))
detach_root
