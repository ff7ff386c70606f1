#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The line of an autofs map that the manual has: a real automount(8) mounts when somebody looks.

# mount(8) finds goalfs where it is installed: pretend, in a mount namespace of our own, that it is.
. "${0%/*}/../lib/private.sh"
. "${0%/*}/../lib/common.sh"
require_root
require_prog automount mount.fuse3
mkdir "$TEST_TMP/bin" "$TEST_TMP/auto"
cp "$GOALFS" "$TEST_TMP/bin/goalfs"
mount --bind "$TEST_TMP/bin" /usr/local/bin
# There is one automount(8) on a machine: this is the one that has its lock and its pipes in here.
mount -t tmpfs tmpfs /run
truncate -s 1M "$TEST_LIB/small.raw"
echo "goals -fstype=fuse.goalfs,cache=$TEST_CACHE :$TEST_LIB" >"$TEST_TMP/map"
echo "$TEST_TMP/auto file:$TEST_TMP/map" >"$TEST_TMP/master"

# Who waits for a mount that comes to nothing waits for ever: all whom it has started are ended with it.
autofs_end() {
	autofs_status=$?
	set +e
	[ $autofs_status -eq 0 ] || kill -9 "-$automount_pid"
	(exit $autofs_status)
	test_end
}

setsid automount --foreground --verbose --pid-file "$TEST_TMP/pid" "$TEST_TMP/master" >"$TEST_TMP/log-automount" 2>&1 &
automount_pid=$!
trap autofs_end EXIT
test_pids="$test_pids $automount_pid"
n=0
until grep -q " $TEST_TMP/auto .* autofs " /proc/self/mountinfo; do
	kill -0 $automount_pid || fail "automount ended"
	n=$((n + 1))
	[ $n -lt 600 ] || fail "automount is not ready after 30 s"
	sleep 0.05
done
assert_equal "$(timeout 60 ls "$TEST_TMP/auto/goals" | tr '\n' ' ')" "small.qcow2 small.raw " "what makes it mount"
"$GOALFS" --unmount "$TEST_TMP/auto/goals"
assert_equal "$(timeout 60 ls "$TEST_TMP/auto/goals" | tr '\n' ' ')" "small.qcow2 small.raw " "what makes it mount again"
"$GOALFS" --unmount "$TEST_TMP/auto/goals"
kill $automount_pid
wait $automount_pid || fail "automount ended with status $?"
