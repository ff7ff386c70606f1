#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Once it runs the daemon has given up what it does not need, and the kernel holds it to that.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/disks.sh"
require_root
require_prog pgrep xz
make_disk "$TEST_TMP/small.raw" 64M gpt -t ext4
xz --block-size=1MiB -c "$TEST_TMP/small.raw" >"$TEST_LIB/small.xz"

# status_of PID KEY: a line of its status, of every thread, all of which must agree.
status_of() {
	sed -n "s/^$2:[[:space:]]*//p" /proc/"$1"/task/*/status | sort -u
}

mount_library -v
assert_same "$TEST_TMP/small.raw" "$TEST_MNT/small.raw"
dac_read_search=0000000000000004
for set in CapPrm CapEff CapBnd; do
	assert_equal "$(status_of "$test_pid" $set)" $dac_read_search "$set of the daemon"
done
for set in CapInh CapAmb; do
	assert_equal "$(status_of "$test_pid" $set)" 0000000000000000 "$set of the daemon"
done
assert_equal "$(status_of "$test_pid" NoNewPrivs)" 1
assert_equal "$(status_of "$test_pid" Seccomp)" 2
warden=$(pgrep -P "$test_pid")
assert_equal "$(status_of "$warden" CapEff)" 0000000000200004 "capabilities of the warden"
assert_equal "$(status_of "$warden" CapBnd)" 0000000000200004 "bounding set of the warden"
tr '\0' ' ' <"/proc/$warden/cmdline" >"$TEST_TMP/warden"
assert_says "$TEST_TMP/warden" "^goalfs-warden $TEST_MNT"

# Nobody can be put upon by a file of the mount.
findmnt -n -o OPTIONS "$TEST_MNT" >"$TEST_TMP/options"
for option in ro nosuid nodev default_permissions; do
	assert_says "$TEST_TMP/options" "(^|,)$option(,|\$)"
done

# The mount goes at a signal; the warden with the daemon.
kill "$test_pid"
wait "$test_pid" || fail "goalfs ended with status $?"
if mountpoint -q "$TEST_MNT"; then fail "the mount is still there"; fi
test_wait "$warden" 10 || fail "the warden has not ended"

# What takes more works all the same: the kernel reads a complete template past the daemon, if it can at all.
mount_library -v
echo complete >>"$TEST_LOG"
assert_same "$TEST_TMP/small.raw" "$TEST_MNT/small.raw"
if ! grep -q 'goalfs: passthrough: ' "$TEST_LOG" && grep -q fuse_backing_open /proc/kallsyms; then
	if sed '1,/^complete$/d' "$TEST_LOG" | grep 'cache: pread'; then fail "the daemon reads what the kernel could"; fi
fi
umount_library

# A kernel that can't confine it to files is no reason not to serve; it is said, and all else is given up.
TEST_GOALFS=$GOALFS
GOALFS=$TEST_TMP/goalfs-without-landlock
printf '#!/bin/sh\nexec python3 "%s" "%s" "$@"\n' "$TEST_TOP/tests/lib/without-landlock.py" "$TEST_GOALFS" >"$GOALFS"
chmod +x "$GOALFS"
mount_at -2 --no-cache "$TEST_LIB"
GOALFS=$TEST_GOALFS
assert_says "$TEST_LOG-2" 'no Landlock'
assert_equal "$(status_of "$test_pid" CapEff)" $dac_read_search
assert_same "$TEST_TMP/small.raw" "$TEST_MNT-2/small.raw"
umount_library -2

# The warden ends when the daemon is killed, and by nobody's signal before.
mount_library
warden=$(pgrep -P "$test_pid")
kill -TERM "$warden"
kill -INT "$warden"
assert_same "$TEST_TMP/small.raw" "$TEST_MNT/small.raw"
kill -KILL "$test_pid"
test_wait "$warden" 10 || fail "the warden has not ended"
assert_fails ls "$TEST_MNT"
wait_until 20 fusermount3 -u "$TEST_MNT"

# Without its warden the daemon serves on, and ends.
mount_library
kill -KILL "$(pgrep -P "$test_pid")"
assert_same "$TEST_TMP/small.raw" "$TEST_MNT/small.raw"
umount_library
