#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Started with standard streams closed, nothing that is opened takes their place: the library stays readable.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/disks.sh"
make_disk "$TEST_TMP/small.raw" 64M gpt -t ext4
xz --block-size=1MiB -c "$TEST_TMP/small.raw" >"$TEST_LIB/small.xz"
"$GOALFS" --cache "$TEST_CACHE" "$TEST_LIB" "$TEST_MNT" <&- >&- 2>&-
daemon=$(pgrep -f -- "--cache $TEST_CACHE ")
test_pids="$test_pids $daemon"
for fd in 0 1 2; do
	assert_equal "$(readlink "/proc/$daemon/fd/$fd")" /dev/null "descriptor $fd"
done
assert_same "$TEST_TMP/small.raw" "$TEST_MNT/small.raw"
fusermount3 -u "$TEST_MNT"
test_wait "$daemon" 10 || fail "goalfs has not ended"
