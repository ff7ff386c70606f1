#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A daemon killed in the middle of a download leaves nothing wrong, and what it had recorded is not fetched again.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/remote.sh"
make_template small.xz 12
index_entry small small.xz >"$TEST_LIB/index"
bytes=$(stat -c %s "$TEST_LIB/small.xz")

serve_faulty --rate 3000000
mount_remote --formats raw "$faulty/index"
cat "$TEST_MNT/small.raw" >/dev/null 2>&1 &
reader=$!
half_is_here() {
	[ "$(faulty_stat bytes)" -gt $((bytes / 2)) ]
}
wait_until 60 half_is_here
kill_library
wait $reader 2>/dev/null || true
mount_remote --formats raw "$faulty/index"
assert_same "$TEST_TMP/small.raw" "$TEST_MNT/small.raw"
assert_equal "$(verified small.raw)" verified
umount_library
stop_faulty
rm -rf "$TEST_CACHE"

# What came is recorded when nothing more has come for a moment.
serve
mount_remote --formats raw --verify off "$http/index"
cmp -n 24M "$TEST_TMP/small.raw" "$TEST_MNT/small.raw"
both_are_recorded() {
	[ "$(find "$TEST_CACHE" -name '*.units' | wc -l)" = 2 ]
}
wait_until 60 both_are_recorded
kill_library
before=$(bytes_served /small)
[ "$before" -gt $((bytes / 4)) ] || fail "only $before bytes had come"
mount_remote --formats raw --verify off "$http/index"
assert_same "$TEST_TMP/small.raw" "$TEST_MNT/small.raw"
umount_library
served=$(bytes_served /small)
[ "$served" -le $((bytes + bytes / 8)) ] || fail "$served bytes were fetched, of a file of $bytes"
