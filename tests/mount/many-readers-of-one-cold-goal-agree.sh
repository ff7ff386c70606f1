#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Readers that start at once, at different places, in different formats, over a cold cache.
. "${0%/*}/../lib/common.sh"
require_guest
put_template "$TEST_GUEST/debian-12.xz"
python3 "$TEST_TOP/tests/lib/read.py" random "$TEST_GUEST/debian-12.raw" >"$TEST_TMP/expected"
mount_library
pids=
for n in 1 2 3 4 5 6 7 8; do
	python3 "$TEST_TOP/tests/lib/read.py" random "$TEST_MNT/debian-12.raw" >"$TEST_TMP/random-$n" &
	pids="$pids $!"
done
cmp "$TEST_GUEST/debian-12.raw" "$TEST_MNT/debian-12.raw" &
pids="$pids $!"
# Names are answered while all that goes on.
for n in 1 2 3 4 5 6 7 8 9 10; do
	timeout 20 ls -l "$TEST_MNT" >/dev/null || fail "ls hangs behind the readers"
done
for p in $pids; do
	wait "$p" || fail "a reader failed"
done
for n in 1 2 3 4 5 6 7 8; do
	assert_same "$TEST_TMP/expected" "$TEST_TMP/random-$n"
done
umount_library
