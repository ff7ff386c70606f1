#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# QEMU boots the grown guest straight from the mount, and it has a root of 20 GiB from the start.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/boot.sh"
require_guest
put_template "$TEST_GUEST/debian-12.xz"
mount_library
boot_guest "$TEST_MNT/debian-12@20G.qcow2" qcow2
assert_root_size $((18 << 20)) $((20 << 20))
umount_library
