#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# What a daemon that was killed leaves mounted is replaced by the next one; what is alive, or not ours, is not touched.
. "${0%/*}/../lib/common.sh"
truncate -s 1M "$TEST_LIB/small.raw"

# A dead mount is a mount as well: wait for the one that answers.
mount_again() {
	mount_library
	n=0
	until stat --cached=never "$TEST_MNT/small.raw" >/dev/null 2>&1; do
		kill -0 "$test_pid" || fail "goalfs ended instead of mounting"
		n=$((n + 1))
		[ $n -lt 600 ] || fail "goalfs has not mounted after 30 s"
		sleep 0.05
	done
}

# Twice: two dead mounts may lie one upon the other.
mount_library
exec 3<"$TEST_MNT/small.raw"
kill -KILL "$test_pid"
wait "$test_pid" || true
assert_fails ls "$TEST_MNT"
# Who had it open gets an error, and soon.
assert_fails dd if=/dev/stdin of=/dev/null bs=4096 count=1 <&3
assert_fails cat "$TEST_MNT/small.raw"
mount_again
assert_equal "$(grep -c " $TEST_MNT " /proc/self/mountinfo)" 1 "mounts after a restart"
cmp "$TEST_LIB/small.raw" "$TEST_MNT/small.raw"
assert_says "$TEST_LOG" "was still mounted, by a goalfs that has gone"
# It is not the new one's file.
assert_fails dd if=/dev/stdin of=/dev/null bs=4096 count=1 <&3
exec 3<&-

assert_fails "$GOALFS" -f --no-cache "$TEST_LIB" "$TEST_MNT"
assert_says "$TEST_TMP/output" "a goalfs is mounted on '$TEST_MNT' already"
cmp "$TEST_LIB/small.raw" "$TEST_MNT/small.raw"
umount_library

# A link to the mountpoint is the mountpoint.
ln -s mnt "$TEST_TMP/link"
mount_library
assert_fails "$GOALFS" -f --no-cache "$TEST_LIB" "$TEST_TMP/link/"
assert_says "$TEST_TMP/output" "a goalfs is mounted on '$TEST_MNT' already"
kill -KILL "$test_pid"
wait "$test_pid" || true
"$GOALFS" --no-cache "$TEST_LIB" "$TEST_TMP/link"
cmp "$TEST_LIB/small.raw" "$TEST_MNT/small.raw"
fusermount3 -u "$TEST_MNT"

# Somebody else's is theirs, and they are let in where fuse.conf says so alone: the log tells.
[ "$(id -u)" = 0 ] || exit 0
require_prog setpriv
mkdir "$TEST_TMP/theirs"
chown 1:1 "$TEST_TMP/theirs"
chmod 755 "$TEST_TMP"
cp "$GOALFS" "$TEST_TMP/goalfs"
setpriv --reuid 1 --regid 1 --clear-groups "$TEST_TMP/goalfs" -f --no-cache "$TEST_LIB" "$TEST_TMP/theirs" \
	>"$TEST_TMP/log-theirs" 2>&1 &
their_pid=$!
test_pids="$test_pids $their_pid"
n=0
until grep -q " $TEST_TMP/theirs " /proc/self/mountinfo; do
	kill -0 $their_pid || fail "goalfs ended as an ordinary user"
	n=$((n + 1))
	[ $n -lt 600 ] || fail "not mounted after 30 s"
	sleep 0.05
done
assert_fails "$GOALFS" -f --no-cache "$TEST_LIB" "$TEST_TMP/theirs"
assert_says "$TEST_TMP/output" "a goalfs of another user is mounted on"
kill -KILL $their_pid
wait $their_pid || true
assert_fails "$GOALFS" -f --no-cache "$TEST_LIB" "$TEST_TMP/theirs"
grep -q " $TEST_TMP/theirs .*user_id=1," /proc/self/mountinfo || fail "another user's mount was taken off"
