# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# Sourced in place of common.sh by tests of NFS: nfs-ganesha, configured as
# goalfs-nfs(7) says, exports $TEST_MNT as /goals. The script runs in namespaces of its own
# (network, mounts, processes): the usual ports are free in there, nobody
# else's rpcbind is met, and all ends with the script.

private="--net --pid --fork --kill-child --mount-proc"
. "${0%/*}/../lib/private.sh"

. "${0%/*}/../lib/common.sh"
require_prog rpcbind rpcinfo ganesha.nfsd nfs-ls nfs-cat nfs-cp ip
ip link set lo up
mount -t tmpfs none /run
mkdir -p /run/rpcbind

# The first display of the manual that begins with that word, for the test's own directory.
nfs_display() {
	awk -v word="$1" '
		/^\.Bd/ { getline; inside = !n && index($0, word) == 1 }
		/^\.Ed/ { n += inside; inside = 0 }
		inside { gsub(/\\e/, "\\"); print }' "$TEST_TOP/man/goalfs-nfs.7" | sed "s|/srv/goals|$TEST_MNT|g"
}

# nfs_start: returns when clients are answered.
nfs_start() {
	rpcinfo -p >/dev/null 2>&1 || {
		rpcbind -f -w &
		nfs_rpcbind=$!
		test_pids="$test_pids $nfs_rpcbind"
		wait_until 60 rpcinfo -p
	}
	# What clients had open is not kept for them, so that nobody need wait for the grace period's end.
	nfs_display NFS_CORE_PARAM | sed "/^NFSv4/a Graceless = true; RecoveryBackend = fs; RecoveryRoot = $TEST_TMP/recovery;" \
		>"$TEST_TMP/ganesha.conf"
	grep -q "Path = $TEST_MNT;" "$TEST_TMP/ganesha.conf" || fail "goalfs-nfs(7) has no configuration for ganesha"
	mkdir -p "$TEST_TMP/recovery"
	ganesha.nfsd -F -f "$TEST_TMP/ganesha.conf" -L "$TEST_TMP/ganesha.log" -p "$TEST_TMP/ganesha.pid" &
	nfs_pid=$!
	test_pids="$test_pids $nfs_pid"
	wait_until 60 nfs-ls "$(nfs_url 3)"
}

nfs_stop() {
	kill "$nfs_pid"
	test_wait "$nfs_pid" 60 || fail "ganesha does not end"
	wait "$nfs_pid" || :
}

# nfs_url VERSION [NAME]: as libnfs' programs and qemu take it.
nfs_url() {
	echo "nfs://127.0.0.1/goals${2:+/$2}?version=$1"
}
