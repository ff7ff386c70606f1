#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Without privileges the daemon is confined as well, and its mount still goes with it, though fusermount3 is setuid.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/disks.sh"
require_root
require_prog setpriv pgrep qemu-img
make_disk "$TEST_LIB/small.raw" 64M gpt -t ext4
qemu-img convert -O vmdk "$TEST_LIB/small.raw" "$TEST_LIB/disk.vmdk"
cp "$GOALFS" "$TEST_TMP/goalfs"
mkdir "$TEST_TMP/home"
chown -R nobody:nogroup "$TEST_TMP/home" "$TEST_MNT"
chmod 0755 "$TEST_TMP" "$TEST_TMP/goalfs"
echo secret >"$TEST_TMP/home/secret"

# Words, not a function: in the background that would be a process more.
as_nobody="setpriv --reuid=nobody --regid=nogroup --clear-groups
	env -u XDG_CACHE_HOME -u XDG_CONFIG_HOME HOME=$TEST_TMP/home"
# Root may not look into it.
is_mounted() {
	grep -q " $TEST_MNT fuse.goalfs " /proc/mounts
}
start() {
	$as_nobody "$TEST_TMP/goalfs" -f -v "$@" "$TEST_LIB" "$TEST_MNT" >>"$TEST_LOG" 2>&1 &
	test_pid=$!
	test_pids="$test_pids $test_pid"
	n=0
	until is_mounted; do
		kill -0 $test_pid 2>/dev/null || fail "goalfs ended instead of mounting"
		n=$((n + 1))
		[ $n -lt 600 ] || fail "goalfs has not mounted after 30 s"
		sleep 0.05
	done
}

start
assert_equal "$(sed -n 's/^NoNewPrivs:\t//p' "/proc/$test_pid/status")" 1
$as_nobody cmp "$TEST_LIB/small.raw" "$TEST_MNT/small.raw"
# By a child of the daemon, shut in further.
$as_nobody cmp "$TEST_LIB/small.raw" "$TEST_MNT/disk.raw"
assert_equal "$(stat -c %a "$TEST_TMP/home/.cache/goalfs")" 700
kill "$test_pid"
wait "$test_pid" || fail "goalfs ended with status $?"
if is_mounted; then fail "the mount is still there"; fi

# Unmounted from outside; everything in temporary files, of which nothing stays.
mkdir "$TEST_TMP/tmp"
chmod 1777 "$TEST_TMP/tmp"
export TMPDIR="$TEST_TMP/tmp"
start --no-cache
$as_nobody cmp "$TEST_LIB/small.raw" "$TEST_MNT/disk.raw"
$as_nobody fusermount3 -u "$TEST_MNT"
wait "$test_pid" || fail "goalfs ended with status $?"
assert_equal "$(ls -A "$TEST_TMP/tmp")" ""

# In the background, where the command's own output must not be held open by anybody.
$as_nobody "$TEST_TMP/goalfs" --no-cache "$TEST_LIB" "$TEST_MNT" | cat
$as_nobody cmp "$TEST_LIB/small.raw" "$TEST_MNT/small.raw"
pid=$(pgrep -f "^$TEST_TMP/goalfs ")
test_pids="$test_pids $pid"
kill "$pid"
test_wait "$pid" 10 || fail "goalfs has not ended"
if is_mounted; then fail "the mount is still there"; fi
