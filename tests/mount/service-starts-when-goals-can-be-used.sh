#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Under a real systemd: a start of goalfs@NAME is over when its goals can be used, one that fails says why, a reload reads
# the sources again, and a stop leaves nothing mounted.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/systemd.sh"
require_prog qemu-img
truncate -s 1M "$TEST_LIB/first.raw"
# Read by a child process, which has to get along with what the unit forbids.
seq 100000 >"$TEST_TMP/bytes"
truncate -s 1M "$TEST_TMP/bytes"
qemu-img convert -f raw -O vmdk "$TEST_TMP/bytes" "$TEST_LIB/second.vmdk"
mv "$TEST_LIB" "$TEST_TMP/a library"
box_start
box systemd-analyze verify --man=no "$BOX/units/goalfs@house.service" >"$TEST_TMP/verified" 2>&1 || true
assert_equal "$(cat "$TEST_TMP/verified")" "" "systemd-analyze verify"

# Nothing between the start and the look. Of the two sources one is down, which the log says and nobody waits for.
cat >"$TEST_TMP/house.conf" <<-END
	# a comment
	SOURCES='"$TEST_TMP/a library" http://127.0.0.1:9/index'
	MOUNTPOINT=$TEST_MNT
	OPTIONS=--formats=raw --refresh=0
END
box cp "$TEST_TMP/house.conf" /etc/goalfs/house.conf
box systemctl start goalfs@house
assert_equal "$(box ls "$TEST_MNT" | tr '\n' ' ')" "first.raw second.raw " "what can be seen at once"
box_journal goalfs@house >"$TEST_TMP/journal"
assert_says "$TEST_TMP/journal" "127.0.0.1:9"
box cmp "$TEST_TMP/bytes" "$TEST_MNT/second.raw"
assert_equal "$(box stat -c %a /var/cache/goalfs-house)" 700 "mode of the cache"
box systemctl show -p StatusText goalfs@house >"$TEST_TMP/status"
assert_says "$TEST_TMP/status" "Serving '$TEST_MNT'"

box systemctl reload goalfs@house
assert_equal "$(box systemctl is-active goalfs@house)" active "after a reload"
assert_equal "$(box ls "$TEST_MNT" | tr '\n' ' ')" "first.raw second.raw " "after a reload"

box systemctl stop goalfs@house
assert_equal "$(box systemctl show -p Result --value goalfs@house)" success "result of the stop"
box mountpoint -q "$TEST_MNT" && fail "it is still mounted after the stop"

# It can't start: the reason is in the journal, and the start has failed.
sed -i "s|^MOUNTPOINT=.*|MOUNTPOINT=$TEST_TMP/nowhere|" "$TEST_TMP/house.conf"
box cp "$TEST_TMP/house.conf" /etc/goalfs/house.conf
assert_fails box systemctl start goalfs@house
box_journal goalfs@house >"$TEST_TMP/journal"
assert_says "$TEST_TMP/journal" "mountpoint '$TEST_TMP/nowhere': No such file or directory"

# A command line that is wrong now is wrong two seconds later.
sed -i "s|^OPTIONS=.*|OPTIONS=--no-such-option|" "$TEST_TMP/house.conf"
box cp "$TEST_TMP/house.conf" /etc/goalfs/house.conf
box systemctl stop goalfs@house
assert_fails box systemctl start goalfs@house
assert_equal "$(box systemctl is-failed goalfs@house)" failed "a wrong command line"
