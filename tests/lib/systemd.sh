# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# Sourced after common.sh: a real systemd, which runs as the first process of namespaces of its own.
#
#	box_start		returns when it is up, its journal included
#	box COMMAND...		runs it in there
#	box_journal UNIT	what it has logged
#
# There the units of the build are installed, /usr/local/bin/goalfs is the goalfs that is tested, $TEST_TMP is what it is
# here, and all else is this machine's root, to which nothing is written. A unit more is a file in $BOX/units, and
# "box systemctl daemon-reload".

require_root
require_prog systemctl journalctl unshare nsenter pivot_root ip
BOX=$TEST_TMP/box
BOX_UNITS=${GOALFS_UNITS:-${GOALFS%/fs/goalfs}/systemd}
BOX_SYSTEMD=/lib/systemd/systemd
box_pid= box_init= box_cgroup=
export TEST_TMP BOX_SYSTEMD
[ -x "$BOX_SYSTEMD" ] || fail "there is no $BOX_SYSTEMD; the packages are named in tests/packages"

box_end() {
	box_status=$?
	set +e
	trap - EXIT
	if [ -n "$box_init" ] && [ $box_status -ne 0 ]; then
		box journalctl --no-pager -o short-monotonic >"$TEST_TMP/log-journal" 2>&1
	fi
	[ -z "$box_init" ] || kill -9 "$box_init"
	[ -z "$box_pid" ] || test_wait "$box_pid" 10 || kill -9 "$box_pid"
	[ -z "$box_cgroup" ] || find "$box_cgroup" -depth -type d -exec rmdir {} \;
	(exit $box_status)
	test_end
}
trap box_end EXIT

# What systemd has of its own is little: the journal, and the targets that everything hangs on.
box_units() {
	mkdir -p "$BOX/units" "$BOX/layer"
	cp "$GOALFS" "$BOX/goalfs"
	cp "$BOX_UNITS/goalfs@.service" "$BOX/units"
	for box_unit in systemd-journald.service systemd-journald.socket; do
		cp "/lib/systemd/system/$box_unit" "$BOX/units"
	done
	for box_unit in box sysinit basic shutdown umount final local-fs-pre local-fs remote-fs-pre remote-fs network-online; do
		printf '[Unit]\nDefaultDependencies=no\n' >"$BOX/units/$box_unit.target"
	done
	printf 'Wants=systemd-journald.service systemd-journald.socket\nAfter=systemd-journald.service\n' \
		>>"$BOX/units/box.target"
}

# Its processes are counted below a cgroup of their own, of the hierarchy that knows no controllers where there are both.
box_make_cgroup() {
	box_cgroup=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
	[ -n "$box_cgroup" ] || fail "there is no cgroup2 here"
	box_cgroup=$box_cgroup/$(basename "$TEST_TMP")
	mkdir "$box_cgroup"
}

box() {
	nsenter --all --target "$box_init" "$@"
}

box_journal() {
	box journalctl --no-pager --sync >/dev/null 2>&1 || true
	box journalctl --no-pager --output cat --unit "$1"
}

box_start() {
	box_units
	box_make_cgroup
	sh -c 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"' sh "$box_cgroup" \
		unshare --mount --pid --fork --cgroup --ipc --uts --net --kill-child "$TEST_TOP/tests/lib/systemd-box" "$BOX" \
		>"$TEST_TMP/log-box" 2>&1 </dev/null &
	box_pid=$!
	n=0
	until [ -n "$box_init" ] && box systemctl is-active --quiet box.target 2>/dev/null; do
		kill -0 "$box_pid" 2>/dev/null || fail "systemd ended"
		n=$((n + 1))
		[ $n -lt 600 ] || fail "systemd is not up after 30 s"
		sleep 0.05
		box_init=$(pgrep -P "$box_pid" -x systemd || true)
	done
	box mkdir -p /usr/local/bin /etc/goalfs
	box cp "$BOX/goalfs" /usr/local/bin/goalfs
	box sed -i 's|^\(Exec[A-Za-z]*=-\{0,1\}\)/[^ ]*/goalfs |\1/usr/local/bin/goalfs |' "$BOX/units/goalfs@.service"
	box systemctl daemon-reload
}
