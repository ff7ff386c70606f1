#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A thread that waits for an open and is woken by its own io_uring meanwhile, as those of QEMU are, gets its file; one that
# gets a signal is told at once.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/remote.sh"
for name in one two; do
	head -c 1M /dev/urandom >"$TEST_LIB/$name.raw"
	# Hidden, so that nobody has looked at it before.
	index_entry $name $name.raw hidden=true
done >"$TEST_LIB/index"
serve_faulty
mount_remote --verify off "$faulty/index"

# notified NAME [signal]: the server does not answer until the thread was woken.
notified() {
	kill -STOP "$faulty_pid"
	notified_name=$1
	shift
	python3 "$TEST_TOP/tests/lib/notified.py" "$TEST_MNT/$notified_name.raw" "$faulty_pid" "$@"
	assert_same "$TEST_MNT/$notified_name.raw" "$TEST_LIB/$notified_name.raw"
}
assert_equal "$(notified one signal)" EINTR
assert_equal "$(notified two)" fine
umount_library
