# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# Sourced before common.sh by a script that wants mounts of its own, which all end with it. What else of unshare(1)'s
# it wants is in $private, before:
#
#	private="--net --pid --fork --kill-child --mount-proc"
#	. "${0%/*}/../lib/private.sh"

if [ -z "${TEST_PRIVATE:-}" ]; then
	[ "$(id -u)" = 0 ] || {
		echo "this test needs root" >&2
		exit 1
	}
	TEST_PRIVATE=1
	export TEST_PRIVATE
	# unshare hands on the status, not the signals: who is told to end, ends it.
	# shellcheck disable=SC2086
	exec unshare --mount ${private:-} -- "$0" "$@"
fi

# Copies of other tests' mounts would keep these alive, and their daemons waiting for the last one's end.
tac /proc/mounts | awk '$3 == "fuse.goalfs" || $2 ~ /\/goalfs-[^\/]*\// { print $2 }' | while read -r where; do
	umount -l "$where" 2>/dev/null || :
done
