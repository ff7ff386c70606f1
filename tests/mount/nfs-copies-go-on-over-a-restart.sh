#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A copy over NFS goes on when daemon and server are restarted under it; the handle of a template that was replaced is stale.
. "${0%/*}/../lib/nfs.sh"
. "$TEST_TOP/tests/lib/disks.sh"
require_prog xz
make_disk "$TEST_TMP/small.raw" 64M gpt -t ext4
xz --block-size=1MiB -c "$TEST_TMP/small.raw" >"$TEST_LIB/small.xz"
mkfifo "$TEST_TMP/in" "$TEST_TMP/out"

# hold NAME: a client with the file open, half of it copied; descriptor 8 tells it to go on, 9 what it has to say.
hold() {
	python3 "$TEST_TOP/tests/lib/nfs-hold.py" 3 127.0.0.1 /goals "$1" "$TEST_TMP/copy" <"$TEST_TMP/in" >"$TEST_TMP/out" &
	hold_pid=$!
	test_pids="$test_pids $hold_pid"
	exec 8>"$TEST_TMP/in" 9<"$TEST_TMP/out"
	read -r said <&9
	assert_equal "$said" half
}

# go_on WORD: how that ends.
go_on() {
	echo >&8
	read -r said <&9
	assert_equal "$said" "$1"
	exec 8>&- 9<&-
	wait "$hold_pid" || :
}

# In the order that goalfs-nfs(7) gives.
restart() {
	nfs_stop
	umount_library
	"$@"
	mount_library
	nfs_start
}

mount_library
nfs_start
hold small@200M.qcow2
# Another number of the mounted device than it had.
mkdir "$TEST_TMP/other"
restart mount -t tmpfs none "$TEST_TMP/other"
go_on "done"
cmp "$TEST_TMP/copy" "$TEST_MNT/small@200M.qcow2"

# A killed daemon leaves a journal that is as good.
hold small@300M.raw
nfs_stop
kill_library
mount_library
nfs_start
go_on "done"
cmp "$TEST_TMP/copy" "$TEST_MNT/small@300M.raw"

# Replaced while everything was down, and gone under a running server.
hold small.raw
head -c 8M /dev/urandom | xz -0 >"$TEST_TMP/new.xz"
mv "$TEST_LIB/small.xz" "$TEST_TMP/was.xz"
restart cp "$TEST_TMP/new.xz" "$TEST_LIB/small.xz"
go_on ESTALE
rm "$TEST_LIB/small.xz"
mv "$TEST_TMP/was.xz" "$TEST_LIB/small.xz"
is_back() {
	nfs-cat "$(nfs_url 4 small.raw)" | cmp - "$TEST_TMP/small.raw"
}
wait_until 60 is_back
hold small.raw
restart true
go_on "done"
cmp "$TEST_TMP/copy" "$TEST_TMP/small.raw"
nfs_stop
umount_library
