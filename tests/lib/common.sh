# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# Sourced by every test that mounts:
#
#	#!/bin/sh
#	. "${0%/*}/../lib/common.sh"
#
# The test gets a directory of its own, $TEST_TMP, with $TEST_LIB (the library
# that is mounted), $TEST_MNT, $TEST_CACHE and $TEST_LOG in it; all mounts and
# loop devices are undone when it ends. When it fails, the directory and the
# log stay and the last line says how to run it again.
#
# What can't be tested has failed: a missing tool is an error here, not a skip.

set -eu

TEST_SELF=$(realpath "$0")
TEST_NAME=$(basename "$TEST_SELF" .sh)
TEST_TOP=$(cd "${TEST_SELF%/*}/../.." && pwd)
PATH=$PATH:/sbin:/usr/sbin
LC_ALL=C.UTF-8
export PATH LC_ALL

GOALFS=${GOALFS:-$TEST_TOP/build/fs/goalfs}
TEST_TMP=$(mktemp -d "${TMPDIR:-/var/tmp}/goalfs-$TEST_NAME.XXXXXX")
TEST_LIB=$TEST_TMP/library
TEST_MNT=$TEST_TMP/mnt
TEST_CACHE=$TEST_TMP/cache
TEST_LOG=$TEST_TMP/log
TEST_GUEST=$TEST_TMP/guest
test_pids=
# The guest is made once for all, also where a test has a home of its own.
GOALFS_TEST_CACHE=${GOALFS_TEST_CACHE:-${HOME:-/root}/.cache/goalfs-tests}
export GOALFS_TEST_CACHE

test_end() {
	status=$?
	set +e
	trap - EXIT
	cd /
	# Found by the directory, not by a list: what a subshell mounted counts as well. Latest first;
	# a daemon that died leaves a mount that can't even be looked at.
	tac /proc/mounts | awk -v top="$TEST_TMP/" 'index($2, top) == 1 { print $2, $3 }' | while read -r where type; do
		case $type in
		fuse.*) fusermount3 -u "$where" || fusermount3 -uz "$where" ;;
		*) umount "$where" || umount -l "$where" ;;
		esac
	done 2>/dev/null
	losetup --noheadings --raw --list --output NAME,BACK-FILE 2>/dev/null | while read -r loop file; do
		case $file in "$TEST_TMP"/*) losetup -d "$loop" ;; esac
	done
	for p in $test_pids; do
		test_wait "$p" 10 || kill -9 "$p"
	done 2>/dev/null
	if [ $status -eq 0 ]; then
		rm -rf "$TEST_TMP"
		exit 0
	fi
	for log in "$TEST_TMP"/log*; do
		[ -s "$log" ] && sed "s|^|$(basename "$log"): |" "$log" | tail -n 60 >&2
	done
	echo "FAILED; what it left is in $TEST_TMP; again with:  GOALFS=$GOALFS $TEST_SELF" >&2
	exit $status
}
trap test_end EXIT
trap 'exit 130' INT TERM HUP

# Waits until the process is gone, a number of seconds at most.
test_wait() {
	n=0
	while kill -0 "$1" 2>/dev/null; do
		# A zombie is gone as well: only we have not asked for its status yet.
		case $(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) in Z*) return 0 ;; esac
		n=$((n + 1))
		[ $n -le $(($2 * 20)) ] || return 1
		sleep 0.05
	done
}

fail() {
	echo "$TEST_NAME: $*" >&2
	exit 1
}

# wait_until SECONDS COMMAND...: until it succeeds, whose last words are shown when it never does.
wait_until() {
	wait_n=$(($1 * 10))
	shift
	until "$@" >"$TEST_TMP/waited" 2>&1; do
		wait_n=$((wait_n - 1))
		[ $wait_n -gt 0 ] || {
			cat "$TEST_TMP/waited" >&2
			fail "this never came true: $*"
		}
		sleep 0.1
	done
}

require_prog() {
	for prog; do
		command -v "$prog" >/dev/null || fail "'$prog' is missing; the packages are named in tests/packages"
	done
}

require_root() {
	[ "$(id -u)" = 0 ] || fail "this test mounts filesystems and needs root"
}

[ -x "$GOALFS" ] || fail "there is no program '$GOALFS'; build it, or set GOALFS"
[ -c /dev/fuse ] || fail "there is no /dev/fuse"
require_prog fusermount3 mountpoint python3
mkdir "$TEST_LIB" "$TEST_MNT"

# Makes the guest's templates appear in $TEST_GUEST, see tests/guest/make-guest.
require_guest() {
	"$TEST_TOP/tests/guest/make-guest" "$TEST_GUEST" || fail "the guest can't be made"
}

# put_template FILE [NAME]: a copy of its own in the library, so that no test can harm another's template.
put_template() {
	cp --sparse=always "$1" "$TEST_LIB/${2:-$(basename "$1")}"
}

# mount_at SUFFIX [OPTION...] SOURCE...: mounts at $TEST_MNT$SUFFIX in the foreground, so that the log is kept,
# and sets $test_pid. The call returns when the mount can be used.
mount_at() {
	test_suffix=$1
	shift
	mkdir -p "$TEST_MNT$test_suffix"
	"$GOALFS" -f "$@" "$TEST_MNT$test_suffix" >>"$TEST_LOG$test_suffix" 2>&1 &
	test_pid=$!
	test_pids="$test_pids $test_pid"
	n=0
	until mountpoint -q "$TEST_MNT$test_suffix"; do
		kill -0 $test_pid 2>/dev/null || fail "goalfs ended instead of mounting"
		n=$((n + 1))
		[ $n -lt 600 ] || fail "goalfs has not mounted after 30 s"
		sleep 0.05
	done
}

# mount_library [OPTION...]: the library $TEST_LIB at $TEST_MNT, its blocks kept in $TEST_CACHE.
mount_library() {
	mount_at "" --cache "$TEST_CACHE" "$@" "$TEST_LIB"
}

# umount_library [SUFFIX]: returns when the daemon has ended; its end must have been a good one.
umount_library() {
	# Who was killed, or looks at every new mount, may need a moment to let go.
	wait_until 20 fusermount3 -u "$TEST_MNT${1:-}"
	wait "$test_pid" || fail "goalfs ended with status $?"
}

# kill_library [SUFFIX]: ends the daemon as a crash does and takes the dead mount off, once those who had its files
# open have got their errors and are gone.
kill_library() {
	kill -9 "$test_pid"
	wait "$test_pid" 2>/dev/null || true
	wait_until 20 fusermount3 -u "$TEST_MNT${1:-}"
}

sha256_of() {
	sha256sum <"$1" | cut -d ' ' -f 1
}

assert_same() {
	python3 "$TEST_TOP/tests/lib/same.py" "$1" "$2" || fail "'$1' and '$2' differ"
}

assert_equal() {
	[ "$1" = "$2" ] || fail "expected '$2', got '$1'${3:+: $3}"
}

# assert_fails COMMAND...: its output goes to $TEST_TMP/output.
assert_fails() {
	if "$@" >"$TEST_TMP/output" 2>&1; then
		cat "$TEST_TMP/output" >&2
		fail "should have failed: $*"
	fi
}

# assert_says FILE REGEX: a line of the file matches, whatever the case of its letters.
assert_says() {
	grep -qiE -- "$2" "$1" || {
		sed 's/^/> /' "$1" >&2
		fail "nothing in '$1' says '$2'"
	}
}

# assert_no_entry PATH: the kernel gets ENOENT, and not some other error.
assert_no_entry() {
	python3 -c 'import os, sys
try:
	os.stat(sys.argv[1])
except FileNotFoundError:
	sys.exit(0)
except OSError as e:
	sys.exit(f"{sys.argv[1]}: {e}")
sys.exit(f"{sys.argv[1]} exists")' "$1" || fail "'$1' should not exist"
}
