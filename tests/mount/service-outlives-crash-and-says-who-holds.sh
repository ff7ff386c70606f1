#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Under a real systemd: a daemon that is killed is back by itself, on the same mountpoint; a stop says who loses what.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/systemd.sh"
truncate -s 1M "$TEST_LIB/small.raw" "$TEST_LIB/other.raw"
box_start
printf 'SOURCES=%s\nMOUNTPOINT=%s\n' "$TEST_LIB" "$TEST_MNT" >"$TEST_TMP/house.conf"
box cp "$TEST_TMP/house.conf" /etc/goalfs/house.conf
# What the manual has for servers that keep the mount busy.
cat >"$BOX/units/server.service" <<-END
	[Unit]
	Requires=goalfs@house.service
	After=goalfs@house.service
	[Service]
	Type=oneshot
	RemainAfterExit=yes
	ExecStart=/bin/ls $TEST_MNT
	ExecStop=/bin/mountpoint -q $TEST_MNT
END
# The wait is for people, not for this test.
sed -i 's/--wait=10/--wait=1/' "$BOX/units/goalfs@.service"
box systemctl daemon-reload
box systemctl start goalfs@house server
invocation=$(box systemctl show -p InvocationID --value server)

# hold: somebody in there has the file open, and reads it when told so.
hold() {
	rm -f "$TEST_TMP/go" "$TEST_TMP/held" "$TEST_TMP/result"
	mkfifo "$TEST_TMP/go"
	box sh -c 'exec 3<"$1/mnt/small.raw"; echo held >"$1/held"; read -r go <"$1/go"
		timeout 60 dd bs=4096 count=1 <&3 >/dev/null 2>"$1/errors" && echo read >"$1/result" || echo failed >"$1/result"' \
		sh "$TEST_TMP" &
	holder=$!
	test_pids="$test_pids $holder"
	n=0
	until [ -s "$TEST_TMP/held" ]; do
		n=$((n + 1))
		[ $n -lt 600 ] || fail "the file can't be opened"
		sleep 0.05
	done
}

# The reader has an error, and one that says what happened: for what the kernel has not read yet.
lost() {
	echo go >"$TEST_TMP/go"
	wait $holder || true
	assert_equal "$(cat "$TEST_TMP/result")" failed "who had it open"
	assert_says "$TEST_TMP/errors" "$1"
}

hold
daemon=$(box systemctl show -p MainPID --value goalfs@house)
box kill -KILL "$daemon"
n=0
until [ "$(box systemctl show -p NRestarts --value goalfs@house)" = 1 ] && box systemctl -q is-active goalfs@house; do
	n=$((n + 1))
	[ $n -lt 600 ] || fail "it was not started again: $(box systemctl status goalfs@house)"
	sleep 0.05
done
lost "Transport endpoint is not connected"
box cmp "$TEST_LIB/other.raw" "$TEST_MNT/other.raw"
assert_equal "$(grep -c " $TEST_MNT " "/proc/$box_init/mountinfo")" 1 "mounts after the restart"

n=0
until box systemctl -q is-active server; do
	n=$((n + 1))
	[ $n -lt 600 ] || fail "the server was not started again: $(box systemctl status server)"
	sleep 0.05
done
[ "$(box systemctl show -p InvocationID --value server)" != "$invocation" ] ||
	fail "the server was not restarted with the mount"

hold
box systemctl stop goalfs@house
assert_equal "$(box systemctl show -p ActiveState -p Result --value server | xargs)" "success inactive" \
	"what happens to the server at a stop"
lost "Transport endpoint is not connected"
box mountpoint -q "$TEST_MNT" && fail "it is still mounted after the stop"
assert_equal "$(box systemctl show -p Result --value goalfs@house)" success "result of the stop"
box_journal goalfs@house >"$TEST_TMP/journal"
assert_says "$TEST_TMP/journal" "sh \(process [0-9]*\) has open 'small.raw'"
assert_says "$TEST_TMP/journal" "'small.raw' is still open, by process [0-9]*"

# Levels have come through: what is said of the end is a note, and that it was in use an error.
box journalctl --no-pager --output cat --unit goalfs@house --priority err >"$TEST_TMP/journal-err"
assert_says "$TEST_TMP/journal-err" "^'$TEST_MNT' is in use$"
grep -q "is still open" "$TEST_TMP/journal-err" && fail "a note has the level of an error"
exit 0
