#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# --verify=before: the first byte waits for the last one of the file; names, sizes and plans do not wait, and a waiting
# reader can be ended.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/remote.sh"
make_template small.xz 6
index_entry small small.xz >"$TEST_LIB/index"
bytes=$(stat -c %s "$TEST_LIB/small.xz")
serve_faulty --rate 1000000
mount_remote --formats raw "$faulty/index"
qcow2_bytes=$(stat -c %s "$TEST_MNT/small@200M.qcow2")
[ "$(faulty_stat bytes)" -lt "$bytes" ] || fail "a size took the whole file"

head -c 1 "$TEST_MNT/small.raw" >"$TEST_TMP/byte" &
reader=$!
dd if="$TEST_MNT/small@200M.qcow2" of="$TEST_TMP/other-byte" bs=64k count=1 skip=10 status=none &
doomed=$!
wait_until 30 is_verified_as small.raw 'verifying [1-9]*%'
# All of this while somebody waits.
kill -INT $doomed
kill -TERM $doomed 2>/dev/null || true
test_wait $doomed 10 || fail "the waiting reader can't be ended"
ls -l "$TEST_MNT" >"$TEST_TMP/listing"
assert_equal "$(stat -c %s "$TEST_MNT/small@200M.qcow2")" "$qcow2_bytes"
cat "$TEST_MNT/small@300M.qcow2.plan" >"$TEST_TMP/plan"
assert_says "$TEST_TMP/plan" 'reads wait until the whole file is here'
cat "$TEST_MNT/small.json" >"$TEST_TMP/json"
assert_says "$TEST_TMP/json" '"verified": *"verifying'
is_verified_as small.raw 'verifying*' || fail "the file came while it was looked at: the test is too slow to see anything"
[ ! -s "$TEST_TMP/byte" ] || fail "a byte was served before the verdict"
wait $reader || fail "the read failed"
assert_equal "$(verified small.raw)" verified
assert_equal "$(stat -c %s "$TEST_TMP/byte")" 1
assert_same "$TEST_TMP/small.raw" "$TEST_MNT/small.raw"
umount_library

# The end of the mount is not to wait for the file, either.
rm -rf "$TEST_CACHE"
mount_remote --formats raw "$faulty/index"
head -c 1 "$TEST_MNT/small.raw" >"$TEST_TMP/byte" 2>/dev/null &
reader=$!
wait_until 30 is_verified_as small.raw 'verifying*'
kill -TERM $test_pid
wait $test_pid || fail "goalfs ended with status $?"
! wait $reader || fail "the reader got a byte from a mount that was ending"
