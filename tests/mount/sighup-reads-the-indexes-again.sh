#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# SIGHUP has the daemon ask for its indexes, and look through its directories, without waiting for --refresh.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/remote.sh"
make_template small.xz 1 24M
index_entry small small.xz >"$TEST_LIB/index"
serve
mount_remote --formats raw --refresh 0 "$http/index"
cat "$TEST_MNT/small.raw" >"$TEST_TMP/copy"
index_entry second small.xz >>"$TEST_LIB/index"
asked=$(requests /index)
kill -HUP "$test_pid"
wait_until 30 test -e "$TEST_MNT/second.raw"
assert_equal "$(listed)" "second.raw small.raw"
assert_same "$TEST_TMP/small.raw" "$TEST_MNT/second.raw"
assert_equal "$(requests /index)" $((asked + 1))
# Gone is gone, and nothing new is nothing sent.
index_entry second small.xz >"$TEST_LIB/index"
kill -HUP "$test_pid"
first_is_gone() {
	[ ! -e "$TEST_MNT/small.raw" ]
}
wait_until 30 first_is_gone
kill -HUP "$test_pid"
was_unchanged() {
	grep -q '"GET /index HTTP/1.1" 304 ' "$NGINX/access.log"
}
wait_until 30 was_unchanged
assert_equal "$(ls "$TEST_MNT")" second.raw
umount_library
