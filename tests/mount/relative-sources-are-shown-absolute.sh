#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Nobody knows later where the daemon was started: what it says of its sources is said from the root. What is stored
# of them is found again however they are written.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/disks.sh"
require_prog xz findmnt
make_disk "$TEST_TMP/small.raw" 64M gpt -t ext4
xz --block-size=1MiB -c "$TEST_TMP/small.raw" >"$TEST_LIB/small.xz"
: >"$TEST_LIB/empty.raw"
cd "$TEST_TMP"
for source in library ./library "$TEST_LIB"; do
	mount_at "" --cache cache "$source"
	cat "$TEST_MNT/small.json" /proc/self/mounts >"$TEST_TMP/shown"
	assert_says "$TEST_TMP/shown" "\"file\": \"$TEST_LIB/small.xz\""
	assert_equal "$(findmnt -n -o SOURCE "$TEST_MNT")" "$TEST_LIB" "source of the mount"
	assert_says "$TEST_LOG" "'$TEST_LIB/empty.raw' is empty"
	assert_same "$TEST_TMP/small.raw" "$TEST_MNT/small.raw"
	umount_library
	find "$TEST_CACHE" -printf '%P\n' | sort >"$TEST_TMP/stored"
	[ -e "$TEST_TMP/stored-first" ] || cp "$TEST_TMP/stored" "$TEST_TMP/stored-first"
	assert_same "$TEST_TMP/stored-first" "$TEST_TMP/stored"
done
