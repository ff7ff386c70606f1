#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# At the template's own size the qcow2 goal holds the template.
. "${0%/*}/../lib/common.sh"
require_prog qemu-img
require_guest
put_template "$TEST_GUEST/debian-12.xz"
mount_library
qemu-img check -f qcow2 "$TEST_MNT/debian-12.qcow2"
qemu-img compare -f qcow2 -F raw "$TEST_MNT/debian-12.qcow2" "$TEST_GUEST/debian-12.raw"
umount_library
