#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Lines of fstab under a real systemd: one that is mounted, and one when somebody looks, as often as somebody does.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/systemd.sh"
require_prog systemd-escape
truncate -s 1M "$TEST_LIB/small.raw"
mkdir "$TEST_TMP/plain" "$TEST_TMP/auto"
box_start
cat >"$TEST_TMP/fstab" <<-END
	$TEST_LIB $TEST_TMP/plain fuse.goalfs noauto,nofail,no-cache 0 0
	$TEST_LIB $TEST_TMP/auto fuse.goalfs noauto,x-systemd.automount,formats=raw,cache=/var/cache/goalfs-auto 0 0
END
box cp "$TEST_TMP/fstab" /etc/fstab
box systemctl daemon-reload
box systemctl start "$(systemd-escape -p --suffix=mount "$TEST_TMP/plain")"
assert_equal "$(box ls "$TEST_TMP/plain" | tr '\n' ' ')" "small.qcow2 small.raw " "a line of fstab"
box systemctl stop "$(systemd-escape -p --suffix=mount "$TEST_TMP/plain")"
box mountpoint -q "$TEST_TMP/plain" && fail "it is still mounted"

box systemctl start "$(systemd-escape -p --suffix=automount "$TEST_TMP/auto")"
for _ in 1 2 3; do
	grep -q " $TEST_TMP/auto .* fuse.goalfs " "/proc/$box_init/mountinfo" && fail "mounted before anybody has looked"
	# In a daemon that waits for its own mount nobody would ever see a file.
	assert_equal "$(box timeout 60 ls "$TEST_TMP/auto")" small.raw "what makes it mount"
	# At once after the unmount the next one finds the cache free.
	box umount "$TEST_TMP/auto"
done
