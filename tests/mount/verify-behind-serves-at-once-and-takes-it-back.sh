#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# --verify=behind serves while the file still comes, and nothing more once its checksum is wrong; --verify=off serves on.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/remote.sh"
make_template good.xz 4
make_template bad.xz 4
{
	index_entry good good.xz
	index_entry bad bad.xz "checksum[sha512]=$(sha512sum <"$TEST_LIB/good.xz" | cut -d ' ' -f 1)"
} >"$TEST_LIB/index"
# Some seconds for the file, so that there is a while in which nobody knows.
serve_faulty --rate 1000000
mount_remote --formats raw --verify behind "$faulty/index"
# Held open: what was served once must not come out of this file any more, either.
exec 3<"$TEST_MNT/bad.raw"
head -c 4096 <&3 | cmp -n 4096 - "$TEST_TMP/bad.raw"
is_verified_as bad.raw 'verifying*' || fail "the state is '$(verified bad.raw)' when the first bytes are served"
wait_until 60 is_verified_as bad.raw rejected
! dd bs=1M skip=40 count=1 of="$TEST_TMP/later" 2>"$TEST_TMP/output" <&3 || fail "a rejected file is served on"
assert_says "$TEST_TMP/output" 'input/output error|bad message'
exec 3<&-
assert_says "$TEST_LOG" "bad.xz' is rejected: its sha512"
cat "$TEST_MNT/bad.json" >"$TEST_TMP/json"
assert_says "$TEST_TMP/json" '"verified": *"rejected"'
# The kernel has had these bytes in its cache since they were served; it is told a moment after the verdict.
is_refused() {
	! head -c 4096 "$TEST_MNT/bad.raw" >/dev/null 2>&1
}
wait_until 20 is_refused
assert_read_fails "$TEST_MNT/bad.raw" EIO EBADMSG ENOENT
umount_library
# All that is left of it is that it was rejected.
kept=$(du -sk "$TEST_CACHE" | cut -f 1)
[ "$kept" -le 512 ] || fail "$kept KiB of a rejected file are kept"

stop_faulty
serve
mount_remote --formats raw --verify behind "$http/index"
assert_same "$TEST_TMP/good.raw" "$TEST_MNT/good.raw"
wait_until 60 is_verified_as good.raw verified
umount_library
mount_remote --formats raw --verify off "$http/index"
assert_same "$TEST_TMP/bad.raw" "$TEST_MNT/bad.raw"
assert_same "$TEST_TMP/good.raw" "$TEST_MNT/good.raw"
umount_library
