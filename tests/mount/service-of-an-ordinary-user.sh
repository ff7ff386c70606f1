#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The unit for users, under a real systemd of a user: starts, is restarted when the daemon is killed, and stops.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/systemd.sh"
require_prog setpriv
truncate -s 1M "$TEST_LIB/small.raw"
box_start
user=12345
mkdir "$BOX/user" "$TEST_TMP/home" "$TEST_TMP/home/goals" "$TEST_TMP/run"
sed 's|=\(-\{0,1\}\)/[^ ]*/goalfs |=\1/usr/local/bin/goalfs |' "$BOX_UNITS/user/goalfs@.service" >"$BOX/user/goalfs@.service"
printf '[Unit]\nDefaultDependencies=no\n' | tee "$BOX/user/box.target" "$BOX/user/basic.target" >"$BOX/user/shutdown.target"
chmod -R a+rX "$TEST_TMP"
chown -R $user:$user "$TEST_TMP/home" "$TEST_TMP/run"
cat >"$BOX/units/manager.service" <<-END
	[Service]
	Type=notify
	User=$user
	Group=$user
	Delegate=yes
	Environment=HOME=$TEST_TMP/home XDG_RUNTIME_DIR=$TEST_TMP/run SYSTEMD_UNIT_PATH=$BOX/user
	ExecStart=$BOX_SYSTEMD --user --unit=box.target
END
box sh -c "echo goalfs-test:x:$user:$user::$TEST_TMP/home:/bin/sh >>/etc/passwd; echo goalfs-test:x:$user: >>/etc/group"
box systemctl daemon-reload
box systemctl start manager

as_user() {
	box setpriv --reuid $user --regid $user --clear-groups env HOME="$TEST_TMP/home" XDG_RUNTIME_DIR="$TEST_TMP/run" "$@"
}

as_user mkdir -p "$TEST_TMP/home/.config/goalfs"
printf 'SOURCES=%s\nMOUNTPOINT=%s\nOPTIONS=--formats=raw\n' "$TEST_LIB" "$TEST_TMP/home/goals" |
	as_user tee "$TEST_TMP/home/.config/goalfs/media.conf" >/dev/null
as_user systemctl --user start goalfs@media
assert_equal "$(as_user ls "$TEST_TMP/home/goals")" small.raw "what can be seen at once"
as_user test -e "$TEST_TMP/home/.cache/goalfs-media/lock" || fail "the cache is not where it was said to be"

as_user systemctl --user kill --kill-whom=main --signal=KILL goalfs@media
n=0
until [ "$(as_user systemctl --user show -p NRestarts --value goalfs@media)" = 1 ] &&
	as_user systemctl --user -q is-active goalfs@media; do
	n=$((n + 1))
	[ $n -lt 600 ] || fail "it was not started again: $(as_user systemctl --user status goalfs@media)"
	sleep 0.05
done
assert_equal "$(as_user ls "$TEST_TMP/home/goals")" small.raw "after the restart"
as_user systemctl --user stop goalfs@media
assert_equal "$(as_user systemctl --user show -p Result --value goalfs@media)" success "result of the stop"
grep -q " $TEST_TMP/home/goals " "/proc/$box_init/mountinfo" && fail "it is still mounted after the stop"
exit 0
