#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A directory without templates gives an empty mount, and what is dropped into it later appears.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/disks.sh"
mount_library
assert_equal "$(ls "$TEST_MNT")" "" "listing"
assert_no_entry "$TEST_MNT/small.raw"
before=$(stat -c %y "$TEST_MNT")
make_disk "$TEST_TMP/small.raw" 64M gpt -t ext4
mv "$TEST_TMP/small.raw" "$TEST_LIB/"
n=0
until ls "$TEST_MNT" | grep -q small; do
	n=$((n + 1))
	[ $n -lt 200 ] || fail "not within 20 s"
	sleep 0.1
done
sleep 1.1 # for as long as the kernel keeps a directory's attributes
[ "$(stat -c %y "$TEST_MNT")" != "$before" ] || fail "the directory's times say that nothing came"
umount_library
