#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# While a first look at a name waits for a server that has stalled, the directory is listed, other names are looked up, and a
# template that is replaced meanwhile is served as it is now.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/remote.sh"
make_template near.xz
mkdir "$TEST_TMP/local"
mv "$TEST_LIB/near.xz" "$TEST_TMP/local/"
make_template far.xz
# No answer ever comes.
index_entry far far.xz file=fault/stall:-1/far.xz >"$TEST_LIB/index"
serve_faulty
mount_remote "$TEST_TMP/local" "$faulty/index"
stat "$TEST_MNT/far@100M.qcow2" >/dev/null 2>&1 &
looker=$!
is_asked() {
	grep -qs fuse "/proc/$looker/stack" && [ "$(faulty_stat in_flight_most)" -ge 1 ]
}
wait_until 30 is_asked

# No claim about time: as long as the look lasts, whoever waits with it would wait for minutes.
timeout 60 ls "$TEST_MNT" >"$TEST_TMP/listing" || fail "listing the directory was held up"
assert_says "$TEST_TMP/listing" near.raw
timeout 60 cmp "$TEST_TMP/near.raw" "$TEST_MNT/near.raw" || fail "another name was held up"
timeout 60 stat "$TEST_MNT/near@100M.qcow2" >/dev/null || fail "another name's first look was held up"

# What the kernel is to forget then it can forget only when nobody looks at any name.
make_disk "$TEST_TMP/new.raw" 32M gpt -t ext4
xz -1 -c "$TEST_TMP/new.raw" >"$TEST_TMP/new.xz"
mv "$TEST_TMP/new.xz" "$TEST_TMP/local/near.xz"
is_new() {
	timeout 60 cmp "$TEST_TMP/new.raw" "$TEST_MNT/near.raw"
}
wait_until 60 is_new
timeout 60 ls "$TEST_MNT" >"$TEST_TMP/listing" || fail "listing the directory was held up by a change"
timeout 60 stat "$TEST_MNT/near@200M.qcow2" >/dev/null || fail "another name's first look was held up by a change"
kill -0 "$looker" || fail "the look has ended: nothing was tested"
kill -9 "$looker"
has_new_size() {
	[ "$(stat -c %s "$TEST_MNT/near.raw")" = "$(stat -c %s "$TEST_TMP/new.raw")" ]
}
wait_until 60 has_new_size
umount_library
