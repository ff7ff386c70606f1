#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A file that stays open when its template is replaced is not said to have the other one's verdict.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/remote.sh"
make_template one.xz
make_template two.xz
index_entry t one.xz >"$TEST_LIB/index"
serve
mount_remote --formats raw "$http/index"
exec 3<"$TEST_MNT/t.raw"
cmp "$TEST_TMP/one.raw" - <&3
assert_equal "$(getfattr --only-values -n user.goalfs.verified /proc/self/fd/3 2>/dev/null)" verified

index_entry t two.xz >"$TEST_LIB/index.new"
touch -d '1 hour ago' "$TEST_LIB/index.new"
mv "$TEST_LIB/index.new" "$TEST_LIB/index"
kill -HUP "$test_pid"
wait_until 20 is_verified_as t.raw unverified
! getfattr --only-values -n user.goalfs.verified /proc/self/fd/3 2>/dev/null || fail "that was said of what is open"
assert_equal "$(sha256_of /proc/self/fd/3)" "$(sha256_of "$TEST_TMP/one.raw")" "what is open"
exec 3<&-
assert_same "$TEST_TMP/two.raw" "$TEST_MNT/t.raw"
assert_equal "$(verified t.raw)" verified
umount_library
