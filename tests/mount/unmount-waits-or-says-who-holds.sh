#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# goalfs --unmount names whoever uses the mount, waits when told to, and returns when the daemon has ended.
. "${0%/*}/../lib/common.sh"
require_root
require_prog getfattr losetup
truncate -s 1M "$TEST_LIB/small.raw"
mount_library

refused() {
	assert_fails "$GOALFS" --unmount "$TEST_MNT"
	assert_says "$TEST_TMP/output" "'$TEST_MNT' is in use"
	assert_says "$TEST_TMP/output" "$1"
	stat --cached=never "$TEST_MNT/small.raw" >/dev/null || fail "a refused unmount has done harm"
}

# hold COMMAND...: runs it, and waits until it has said something.
hold() {
	"$@" >"$TEST_TMP/held" &
	holder=$!
	test_pids="$test_pids $holder"
	n=0
	until [ -s "$TEST_TMP/held" ]; do
		kill -0 $holder || fail "ended at once: $*"
		n=$((n + 1))
		[ $n -lt 600 ] || fail "says nothing: $*"
		sleep 0.05
	done
}

release() {
	kill $holder
	wait $holder || true
	rm "$TEST_TMP/held"
}

hold sh -c 'exec <"$1"; echo open; exec sleep 1000' sh "$TEST_MNT/small.raw"
refused "sleep \(process $holder\) has open 'small.raw'"
release
hold sh -c 'cd "$1"; echo there; exec sleep 1000' sh "$TEST_MNT"
refused "sleep \(process $holder\) has its working directory in '\.'"
release
hold python3 -c 'import mmap, sys, time
with open(sys.argv[1], "rb") as f:
	kept = mmap.mmap(f.fileno(), 4096, prot=mmap.PROT_READ)
	# Python keeps the file open for its map; a C program need not.
import os
for fd in os.listdir("/proc/self/fd"):
	if os.path.exists(f"/proc/self/fd/{fd}") and os.readlink(f"/proc/self/fd/{fd}") == sys.argv[1]:
		os.close(int(fd))
print("mapped", flush=True)
time.sleep(1000)' "$TEST_MNT/small.raw"
refused "python3.* \(process $holder\) has mapped 'small.raw'"
release
loop=$(losetup --find --show --read-only "$TEST_MNT/small.raw")
refused "${loop#/dev/} stands on 'small.raw'"
losetup -d "$loop"
mount --bind "$TEST_LIB/small.raw" "$TEST_MNT/small.qcow2"
refused "is mounted on 'small.qcow2'"
umount "$TEST_MNT/small.qcow2"

# From inside, which is no reason to be refused.
(cd "$TEST_MNT" && exec "$GOALFS" --unmount "$TEST_MNT")
wait "$test_pid" || fail "goalfs ended with status $?"

# In the background nobody but it knows when the daemon has ended: when this returns, it is gone.
"$GOALFS" --cache "$TEST_CACHE" "$TEST_LIB" "$TEST_MNT"
daemon=$(getfattr --only-values -n user.goalfs.daemon --absolute-names "$TEST_MNT")
assert_equal "$(cat "/proc/$daemon/comm")" goalfs "who the daemon is"
"$GOALFS" --unmount "$TEST_MNT"
test_wait "$daemon" 0 || fail "the daemon is still there"

# Who lets go in time is waited for.
mount_library
hold sh -c 'exec 3<"$1"; echo open; exec sleep 1' sh "$TEST_MNT/small.raw"
"$GOALFS" --unmount --wait 60 "$TEST_MNT" >"$TEST_TMP/output" 2>&1 || fail "not waited for: $(cat "$TEST_TMP/output")"
wait "$test_pid" || fail "goalfs ended with status $?"

assert_fails "$GOALFS" --unmount "$TEST_MNT"
assert_says "$TEST_TMP/output" "no goalfs is mounted on '$TEST_MNT'"
assert_fails "$GOALFS" --unmount /proc
assert_says "$TEST_TMP/output" "no goalfs is mounted on '/proc'"

# A daemon that was killed can't be asked, and nobody is waited for.
mount_library
exec 3<"$TEST_MNT/small.raw"
kill -KILL "$test_pid"
wait "$test_pid" || true
"$GOALFS" --unmount "$TEST_MNT"
mountpoint -q "$TEST_MNT" && fail "it is still mounted"
exit 0
