#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# uid=, gid= and umask= say whose the files are; the kernel checks by what is shown. No mode gets wider than the template's.

# mount(8) finds goalfs where it is installed: pretend, in a mount namespace of our own, that it is.
. "${0%/*}/../lib/private.sh"
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/disks.sh"
require_root
require_prog mount.fuse3 setpriv
make_disk "$TEST_LIB/private.raw" 64M gpt -t ext4
cp "$TEST_LIB/private.raw" "$TEST_LIB/public.raw"
chmod 0600 "$TEST_LIB/private.raw"
chmod 0644 "$TEST_LIB/public.raw"
chmod 0755 "$TEST_TMP"
as_nobody() {
	setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"
}
# shown NAME: mode, owner and group.
shown() {
	stat -c '%a %U %G' "$TEST_MNT/$1"
}

# The owner that is shown is who the kernel takes for the owner.
mount_library --uid nobody
assert_equal "$(shown .)" "555 nobody root"
assert_equal "$(shown private.raw)" "400 nobody root"
assert_equal "$(shown private@80M.qcow2)" "400 nobody root"
assert_equal "$(shown private.raw.plan)" "400 nobody root"
assert_equal "$(shown nothing.raw.plan)" "444 nobody root"
as_nobody head -c 100 "$TEST_MNT/private.raw" >/dev/null || fail "the owner can't read his file"
setpriv --reuid=daemon --regid=nogroup --clear-groups head -c 100 "$TEST_MNT/private.raw" >/dev/null 2>&1 &&
	fail "another one can"
umount_library

# The same by mount(8), as in fstab.
mkdir "$TEST_TMP/bin"
cp "$GOALFS" "$TEST_TMP/bin/goalfs"
mount --bind "$TEST_TMP/bin" /usr/local/bin
echo "$TEST_LIB $TEST_MNT fuse.goalfs no_cache,uid=1234,gid=nogroup,umask=027 0 0" >"$TEST_TMP/fstab"
mount --fstab "$TEST_TMP/fstab" "$TEST_MNT"
assert_equal "$(stat -c '%a %u %G' "$TEST_MNT")" "550 1234 nogroup"
assert_equal "$(stat -c '%a %u %G' "$TEST_MNT/public.qcow2")" "440 1234 nogroup"
assert_equal "$(stat -c '%a %u %G' "$TEST_MNT/private.qcow2")" "400 1234 nogroup"
assert_equal "$(stat -c '%a %u %G' "$TEST_MNT/public.json")" "440 1234 nogroup"
as_nobody head -c 100 "$TEST_MNT/public.raw" >/dev/null || fail "the group can't read its file"
setpriv --reuid=nobody --regid=daemon --clear-groups ls "$TEST_MNT" >/dev/null 2>&1 && fail "others see the listing"
umount "$TEST_MNT"

assert_fails "$GOALFS" -o umask=9 "$TEST_LIB" "$TEST_MNT"
assert_says "$TEST_TMP/output" "umask '9' is no octal number"
