#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A guest whose root is btrfs boots from the grown disk, has all of the room at once, writes to it, and leaves it clean.
. "${0%/*}/../lib/private.sh"
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/boot.sh"
. "$TEST_TOP/tests/lib/disks.sh"
. "$TEST_TOP/tests/lib/layouts.sh"
require_root
require_guest
put_template "$TEST_GUEST/debian-12-btrfs.xz"
mount_library
root_number=2 root_kind=btrfs root_volume=
attach_root "$TEST_MNT/debian-12-btrfs@20G.raw" ro
judge_fs btrfs "$loop"
assert_files_intact "$loop" "$TEST_GUEST/files.sha256"
detach_root

boot_on_top "$TEST_MNT/debian-12-btrfs@20G.qcow2"
assert_guest_says '^ROOT /dev/vda2 +btrfs'
assert_root_size $((19 << 20)) $((20 << 20))
assert_guest_says 'Device size:[[:space:]]+21471690752$'
flatten_overlay
umount_library

attach_root "$TEST_TMP/after.raw" rw
judge_fs btrfs "$loop"
assert_grown btrfs "$loop"
assert_takes_files btrfs "$loop" $((12 << 30))
detach_root
