#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A mount lives on in somebody's mount namespace after it was taken off here. When its daemon is ended at last, the mount
# that stands in its place by then is left alone.
. "${0%/*}/../lib/common.sh"
require_root
truncate -s 1M "$TEST_LIB/small.raw"
mount_library
first=$test_pid
unshare --mount --propagation private sh -c 'echo >"$1"; exec sleep 1000' sh "$TEST_TMP/ready" &
other=$!
test_pids="$test_pids $other"
n=0
until [ -e "$TEST_TMP/ready" ]; do
	n=$((n + 1))
	[ $n -lt 600 ] || fail "there is no other namespace"
	sleep 0.05
done
umount "$TEST_MNT"
mount_at "" --no-cache "$TEST_LIB"
second=$test_pid
kill -0 "$first" || fail "the first daemon has ended, though its mount is still somewhere"
kill -TERM "$first"
wait "$first" || fail "goalfs ended with status $?"
cmp "$TEST_LIB/small.raw" "$TEST_MNT/small.raw"
kill $other
wait $other || true
test_pid=$second
umount_library
