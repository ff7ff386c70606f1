#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# One daemon per cache: the second one refuses, and names the first.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/disks.sh"
make_disk "$TEST_LIB/small.raw" 64M gpt -t ext4
mount_library
mkdir "$TEST_MNT-2"
assert_fails "$GOALFS" --cache "$TEST_CACHE" "$TEST_LIB" "$TEST_MNT-2"
assert_says "$TEST_TMP/output" "$test_pid"
assert_same "$TEST_LIB/small.raw" "$TEST_MNT/small.raw"
umount_library
# Free again.
mount_library
umount_library
