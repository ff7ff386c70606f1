#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# While many readers wait for a decoder, a name that was never looked at before is resolved and explained.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/disks.sh"
require_guest
put_template "$TEST_GUEST/one-block.xz"
make_disk "$TEST_LIB/small.raw" 64M gpt -t ext4
mount_library
size=$(stat -c %s "$TEST_MNT/one-block.raw")
readers=
for n in $(seq 20); do
	dd if="$TEST_MNT/one-block.raw" of=/dev/null bs=4096 count=1 skip=$((size / 4096 - 1024 * n)) 2>/dev/null &
	readers="$readers $!"
done
sleep 1
[ -s "$TEST_MNT/small@100M.qcow2" ] || fail "no such file"
assert_says "$TEST_MNT/small@200M.raw.plan" resize
for reader in $readers; do
	kill -0 "$reader" || fail "a reader was served first: nothing was tested"
done
kill -TERM "$test_pid"
wait
