#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A source whose path holds what mount options are split at is mounted, and shown by its name.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/disks.sh"
require_prog findmnt
make_disk "$TEST_LIB/small.raw" 64M gpt -t ext4
source="$TEST_TMP/a,b=c"
mv "$TEST_LIB" "$source"
mount_at "" --no-cache "$source"
assert_same "$source/small.raw" "$TEST_MNT/small.raw"
assert_equal "$(findmnt -n -o SOURCE "$TEST_MNT")" "$TEST_TMP/a,b=c" "source"
umount_library
