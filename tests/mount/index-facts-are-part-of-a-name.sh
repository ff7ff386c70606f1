#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# What an index says of a file is part of what a goal is: once it says something else, a new look at the name finds the new
# goal, though the file is the same and somebody still has the old one open.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/remote.sh"
make_template small.xz
size=$(stat -c %s "$TEST_TMP/small.raw")
index_entry small small.xz "size=$((size + 512))" >"$TEST_LIB/index"
serve
mount_remote "$http/index"

# The index is believed until the file is opened, and then it is said that it is wrong.
assert_equal "$(stat -c %s "$TEST_MNT/small.raw")" $((size + 512))
assert_read_fails "$TEST_MNT/small.raw" EIO ENOENT ESTALE
assert_says "$TEST_LOG" "holds an image of $size bytes, the index says size=$((size + 512))"
old=$(stat -c %i "$TEST_MNT/small.raw")
python3 -c 'import os, sys, time
fd = os.open(sys.argv[1], os.O_PATH)
open(sys.argv[2], "w").close()
time.sleep(60)' "$TEST_MNT/small.raw" "$TEST_TMP/held" &
holder=$!
test_pids="$test_pids $holder"
wait_until 10 test -e "$TEST_TMP/held"

index_entry small small.xz >"$TEST_LIB/index.new"
# Of the same length: a web server that dates files to the second would call it the same.
touch -d '1 hour ago' "$TEST_LIB/index.new"
mv "$TEST_LIB/index.new" "$TEST_LIB/index"
kill -HUP "$test_pid"
is_right() {
	[ "$(stat -c %s "$TEST_MNT/small.raw")" = "$size" ]
}
wait_until 20 is_right
[ "$(stat -c %i "$TEST_MNT/small.raw")" != "$old" ] || fail "another goal has the same inode number"
assert_same "$TEST_TMP/small.raw" "$TEST_MNT/small.raw"
kill "$holder"
wait "$holder" || true
umount_library
