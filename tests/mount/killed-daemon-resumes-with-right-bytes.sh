#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# kill -9 in the middle of a copy, several times over one cache: what is served afterwards is right.
. "${0%/*}/../lib/common.sh"
require_guest
put_template "$TEST_GUEST/debian-12.xz"
for seconds in 0.3 0.7 1.5 2.5; do
	mount_library
	cat "$TEST_MNT/debian-12.raw" >/dev/null 2>&1 &
	reader=$!
	sleep $seconds
	kill_library
	wait $reader || true
done
mount_library
assert_same "$TEST_GUEST/debian-12.raw" "$TEST_MNT/debian-12.raw"
umount_library
