#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# With allow_other a template that only its owner may read must not be served to everybody.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/disks.sh"
require_root
make_disk "$TEST_LIB/private.raw" 64M gpt -t ext4
make_disk "$TEST_LIB/public.raw" 64M gpt -t ext4
chmod 0600 "$TEST_LIB/private.raw"
chmod 0644 "$TEST_LIB/public.raw"
chmod 0755 "$TEST_TMP"
mount_library
assert_equal "$(stat -c '%a %U' "$TEST_MNT/private@80M.qcow2")" "400 root"
assert_equal "$(stat -c '%a %U' "$TEST_MNT/public@80M.qcow2")" "444 root"
as_nobody() {
	setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"
}
as_nobody head -c 1000 "$TEST_MNT/public@80M.qcow2" >/dev/null || fail "a public template's goal can't be read by others"
assert_fails as_nobody head -c 1000 "$TEST_MNT/private@80M.qcow2"
umount_library
