#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# What an NFS server keeps of a file, a handle, opens the same file after the daemon was started anew, and no other one ever.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/disks.sh"
require_root
require_prog xz
make_disk "$TEST_TMP/small.raw" 64M gpt -t ext4
make_disk "$TEST_TMP/other.raw" 64M dos -t ext4
xz --block-size=1MiB -c "$TEST_TMP/small.raw" >"$TEST_LIB/small.xz"
NAMES="small.raw small@1G.qcow2 small.json small.raw.plan"

handle() {
	python3 "$TEST_TOP/tests/lib/handle.py" "$@"
}

# same_file NAME: the handle opens what was there when it was saved.
same_file() {
	handle cat "$TEST_MNT" "$TEST_TMP/$1.handle" >"$TEST_TMP/copy"
	assert_equal "$(sha256_of "$TEST_TMP/copy")" "$(cat "$TEST_TMP/$1.sum")" "$1 by its handle"
}

assert_stale() {
	assert_fails handle cat "$TEST_MNT" "$TEST_TMP/$1.handle"
	assert_says "$TEST_TMP/output" "stale file handle"
}

mount_library
for name in $NAMES; do
	sha256_of "$TEST_MNT/$name" >"$TEST_TMP/$name.sum"
	handle save "$TEST_MNT/$name" "$TEST_TMP/$name.handle"
	stat -c '%i %s %b %y %z' "$TEST_MNT/$name"
done >"$TEST_TMP/attributes"
umount_library

mount_library -v
for name in $NAMES; do
	# No name has been looked up in this mount: the handle alone must do.
	same_file "$name"
done
for name in $NAMES; do
	stat -c '%i %s %b %y %z' "$TEST_MNT/$name"
done >"$TEST_TMP/now"
diff "$TEST_TMP/attributes" "$TEST_TMP/now" || fail "other attributes after a restart"

# A handle that nobody gave out is stale, whatever is in it.
handle forge "$TEST_MNT" "$TEST_TMP/small.raw.handle"

# The kernel forgets the file at each close. It stays open here all the same.
echo 2 >/proc/sys/vm/drop_caches
opened=$(grep -c 'qcow2: map' "$TEST_LOG")
handle storm "$TEST_MNT" "$TEST_TMP/small@1G.qcow2.handle"
assert_equal "$(grep -c 'qcow2: map' "$TEST_LOG")" "$opened" "images made in a storm of opens"

# Replaced and gone, under the daemon and while there was none; right again when the very file is back.
mv "$TEST_LIB/small.xz" "$TEST_TMP/was.xz"
wait_until 30 test ! -e "$TEST_MNT/small.raw"
assert_no_entry "$TEST_MNT/small.raw"
assert_stale small.raw
assert_stale small@1G.qcow2
xz --block-size=1MiB -c "$TEST_TMP/other.raw" >"$TEST_LIB/small.xz"
wait_until 30 cmp "$TEST_TMP/other.raw" "$TEST_MNT/small.raw"
assert_stale small.raw
umount_library
mount_library
assert_stale small.raw
assert_stale small@1G.qcow2
cmp "$TEST_TMP/other.raw" "$TEST_MNT/small.raw"
assert_stale small.raw
umount_library
rm "$TEST_LIB/small.xz"
mount_library
assert_stale small@1G.qcow2
mv "$TEST_TMP/was.xz" "$TEST_LIB/small.xz"
wait_until 30 test -e "$TEST_MNT/small.raw"
same_file small.raw
same_file small@1G.qcow2

# A daemon that was killed wrote what it knew; damage costs no more than what it hits.
handle save "$TEST_MNT/small@2G.vmdk" "$TEST_TMP/small@2G.vmdk.handle"
sha256_of "$TEST_MNT/small@2G.vmdk" >"$TEST_TMP/small@2G.vmdk.sum"
kill_library
printf 'cut sho' >>"$TEST_CACHE/nodes"
printf '\377\377' | dd of="$TEST_CACHE/nodes" bs=1 seek=40 conv=notrunc status=none
mount_library
same_file small@2G.vmdk
same_file small@1G.qcow2
umount_library

# Without the journal there are still the names that a listing shows.
rm "$TEST_CACHE/nodes"
mount_library
same_file small.raw
assert_stale small@1G.qcow2
assert_equal "$(sha256_of "$TEST_MNT/small@1G.qcow2")" "$(cat "$TEST_TMP/small@1G.qcow2.sum")"
same_file small@1G.qcow2
umount_library

# Where none is kept there are no handles to be had, rather than some that last until the restart.
mount_at "" --no-cache "$TEST_LIB"
handle refuses "$TEST_MNT/small.raw"
handle refuses "$TEST_MNT"
umount_library
