#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# QEMU boots the grown guest from a template on a web server, of which nothing was fetched before.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/remote.sh"
. "$TEST_TOP/tests/lib/boot.sh"
require_guest
ln -s "$TEST_GUEST/debian-12.xz" "$TEST_LIB/debian-12.xz"
index_entry debian-12 debian-12.xz expand=/dev/sda2 >"$TEST_LIB/index"
serve
mount_remote "$http/index"
boot_guest "$TEST_MNT/debian-12@20G.qcow2" qcow2
assert_root_size $((18 << 20)) $((20 << 20))
assert_equal "$(verified debian-12.raw)" verified
umount_library
