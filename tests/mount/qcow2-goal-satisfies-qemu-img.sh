#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# qemu-img finds a grown qcow2 sound, and the same disk as the grown raw goal.
. "${0%/*}/../lib/common.sh"
require_prog qemu-img
require_guest
put_template "$TEST_GUEST/debian-12.xz"
mount_library
qcow2=$TEST_MNT/debian-12@20G.qcow2
raw=$TEST_MNT/debian-12@20G.raw
qemu-img check -f qcow2 "$qcow2"
qemu-img info --output=json "$qcow2" >"$TEST_TMP/info"
assert_says "$TEST_TMP/info" '"virtual-size": 21474836480'
assert_says "$TEST_TMP/info" '"format": "qcow2"'
qemu-img compare -f qcow2 -F raw "$qcow2" "$raw"

# Only what is not provably zero is allocated: about 400 MB are used, and whole blocks of 16 MiB decoded.
[ "$(stat -c %s "$qcow2")" -lt 1000000000 ] || fail "the qcow2 file is too large: $(stat -c %s "$qcow2")"
qemu-img map --output=json -f qcow2 "$qcow2" >"$TEST_TMP/map"
assert_says "$TEST_TMP/map" '"data": false'

# A file cut from the mount stands on its own.
qemu-img convert -f qcow2 -O raw "$qcow2" "$TEST_TMP/converted.raw"
qemu-img compare -f raw -F raw "$TEST_TMP/converted.raw" "$raw"
cp --sparse=always "$qcow2" "$TEST_TMP/copy.qcow2"
umount_library
qemu-img check -f qcow2 "$TEST_TMP/copy.qcow2"
qemu-img compare -f qcow2 -F raw "$TEST_TMP/copy.qcow2" "$TEST_TMP/converted.raw"
