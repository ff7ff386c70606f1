#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Templates on NBD servers: by URI, and by a command where those are allowed; goals are those of a local one,
# a server that is gone is an error for its template only, and its return is enough.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/remote.sh"
require_prog nbdkit qemu-img
make_template small.xz 8
rm "$TEST_LIB/small.xz"

# serve_nbd: the disk at $TEST_TMP/socket; sets $server.
serve_nbd() {
	rm -f "$TEST_TMP/socket"
	nbdkit -f -r -U "$TEST_TMP/socket" file "$TEST_TMP/small.raw" 2>>"$TEST_TMP/log-nbdkit" 3<&- &
	server=$!
	test_pids="$test_pids $server"
	n=0
	until [ -S "$TEST_TMP/socket" ]; do
		n=$((n + 1))
		[ $n -lt 600 ] || fail "nbdkit has not started after 30 s"
		sleep 0.05
	done
}

put_template "$TEST_TMP/small.raw" plain.raw
echo "nbd+unix:///?socket=$TEST_TMP/socket" >"$TEST_LIB/far.nbd"
echo "[ nbdkit -f -r file '$TEST_TMP/small.raw' ]" >"$TEST_LIB/ours.nbd"
echo "nbd+unix:///?socket=$TEST_TMP/none" >"$TEST_LIB/nowhere.nbd"
serve_nbd

# Commands aren't run unless told.
mount_library --formats raw
assert_equal "$(cd "$TEST_MNT" && echo *)" "far.raw nowhere.raw plain.raw"
assert_no_entry "$TEST_MNT/ours.raw"
assert_says "$TEST_LOG" "ours.nbd' names a command, and none is run without --allow-commands"
umount_library

mount_library -o allow_commands --formats raw,qcow2
cp "$TEST_MNT/plain@200M.qcow2" "$TEST_TMP/plain.qcow2"
for name in far ours; do
	assert_same "$TEST_TMP/small.raw" "$TEST_MNT/$name.raw"
	qemu-img compare "$TEST_MNT/$name@200M.qcow2" "$TEST_TMP/plain.qcow2" >/dev/null || fail "$name@200M.qcow2 differs"
	assert_says "$TEST_MNT/$name.raw.plan" 'nbd'
done
test -n "$(pgrep -P "$test_pid" nbdkit)" || fail "there is no server of ours"

# A server of ours that dies is replaced; somebody else's is waited for.
kill -9 "$(pgrep -P "$test_pid" nbdkit)"
assert_same "$TEST_TMP/small.raw" "$TEST_MNT/ours.raw"
exec 3<"$TEST_MNT/far@100M.raw"
kill -9 "$server"
wait "$server" || true
sha256sum <&3 >"$TEST_TMP/sum" &
reader=$!
sleep 0.5
serve_nbd
wait $reader || fail "the reader has not waited"
exec 3<&-
assert_equal "$(cut -d ' ' -f 1 "$TEST_TMP/sum")" "$(sha256_of "$TEST_MNT/plain@100M.raw")"

# What can't be reached says why, and harms nobody.
assert_fails cat "$TEST_MNT/nowhere.raw"
assert_says "$TEST_MNT/nowhere.raw.plan" "nowhere.nbd' can't be opened"

# The address is somewhere else now.
echo "[ nbdkit -f pattern 3M ]" >"$TEST_LIB/far.nbd"
n=0
until [ "$(stat -c %s "$TEST_MNT/far.raw" 2>/dev/null)" = 3145728 ]; do
	n=$((n + 1))
	[ $n -lt 600 ] || fail "the new address is not used"
	sleep 0.05
done
umount_library
test -z "$(pgrep -f "nbdkit.*$TEST_TMP/small.raw.*" | grep -v "^$server$")" || fail "a server of ours is left"
