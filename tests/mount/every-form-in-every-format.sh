#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The matrix: one disk in every form that a template can have, in every output format, at its own size, a little larger
# and much larger; always the same disk, as qemu-img reads it.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/disks.sh"
. "$TEST_TOP/tests/lib/forms.sh"
require_prog qemu-nbd nbdkit
make_disk "$TEST_TMP/disk.img" 64M gpt -t ext4
forms=$(make_forms "$TEST_TMP/disk.img" "$TEST_LIB")
# A server on which the disk is an export; it ends with the test.
nbdkit -f -r --exit-with-parent -U "$TEST_TMP/socket" file "$TEST_TMP/disk.img" 2>"$TEST_TMP/log-nbdkit" &
server=$!
until [ -S "$TEST_TMP/socket" ]; do
	kill -0 $server || fail "nbdkit does not start"
	sleep 0.05
done
echo "nbd+unix:///?socket=$TEST_TMP/socket" >"$TEST_LIB/nbd.nbd"
forms="$forms nbd"
mount_library

# What the disk has to be: itself, and what it grows to, which sgdisk and e2fsck have found sound.
mkdir "$TEST_TMP/reference"
cp --sparse=always "$TEST_TMP/disk.img" "$TEST_TMP/reference/own.raw"
for size in 164M 20G; do
	cp --sparse=always "$TEST_MNT/raw@$size.raw" "$TEST_TMP/reference/$size.raw"
	sgdisk -v "$TEST_TMP/reference/$size.raw" >"$TEST_TMP/sgdisk"
	assert_says "$TEST_TMP/sgdisk" 'No problems found'
	loop_partition "$TEST_TMP/reference/$size.raw" 2 --read-only
	assert_ext_clean "$loop" "e2fsck finds fault with the grown disk"
	losetup -d "$loop"
done
# shellcheck disable=SC2086
python3 "$TEST_TOP/tests/lib/matrix.py" "$TEST_MNT" "$TEST_TMP/reference" $forms
umount_library
kill $server
