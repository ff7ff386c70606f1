#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Who waits for a decoder when the daemon is told to end gets an error, and the daemon ends well, the mount gone.
. "${0%/*}/../lib/common.sh"
require_guest
put_template "$TEST_GUEST/one-block.xz"
mount_library
size=$(stat -c %s "$TEST_MNT/one-block.raw")
readers=
for n in 1 2 3; do
	# Its last bytes come when all of it was decoded: some seconds.
	dd if="$TEST_MNT/one-block.raw" of=/dev/null bs=4096 count=1 skip=$((size / 4096 - n)) 2>/dev/null &
	readers="$readers $!"
done
sleep 1
kill -TERM "$test_pid"
for reader in $readers; do
	assert_fails wait "$reader"
done
wait "$test_pid" || fail "goalfs ended with status $?"
mountpoint -q "$TEST_MNT" && fail "it is still mounted"
exit 0
