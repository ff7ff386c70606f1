#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# --no-cache keeps nothing on the disk once the daemon has ended.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/disks.sh"
require_prog xz
make_disk "$TEST_TMP/small.raw" 64M gpt -t ext4
xz --block-size=1MiB -c "$TEST_TMP/small.raw" >"$TEST_LIB/small.xz"
XDG_CACHE_HOME=$TEST_CACHE HOME=$TEST_CACHE
export XDG_CACHE_HOME HOME
mkdir "$TEST_CACHE"
mount_at "" --no-cache "$TEST_LIB"
assert_same "$TEST_TMP/small.raw" "$TEST_MNT/small.raw"
umount_library
assert_equal "$(find "$TEST_CACHE" -type f | wc -l)" 0 "files left behind"
