#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A remote template's goals are those of a local one, fetched once, and stay when the server goes; what was not
# fetched is an error then, and comes with the server's return.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/remote.sh"
make_template small.xz 8
cp "$TEST_LIB/small.xz" "$TEST_LIB/other.xz"
{
	index_entry small small.xz
	index_entry other other.xz "checksum[sha512]="
} >"$TEST_LIB/index"
serve

mount_at "" --no-cache "$TEST_LIB"
cp "$TEST_MNT/small@200M.qcow2" "$TEST_TMP/local.qcow2"
umount_library

mount_remote --formats raw "$http/index"
assert_same "$TEST_TMP/small.raw" "$TEST_MNT/small.raw"
assert_same "$TEST_TMP/local.qcow2" "$TEST_MNT/small@200M.qcow2"
# One chunk counts twice: the first of all is asked for to learn what there is.
served=$(bytes_served /small)
[ "$served" -le $(($(stat -c %s "$TEST_LIB/small.xz") + 131072)) ] || fail "$served bytes were fetched"
asked=$(requests /small)
assert_same "$TEST_TMP/local.qcow2" "$TEST_MNT/small@200M.qcow2"
umount_library

mount_remote --formats raw "$http/index"
assert_same "$TEST_TMP/small.raw" "$TEST_MNT/small.raw"
assert_same "$TEST_TMP/local.qcow2" "$TEST_MNT/small@200M.qcow2"
assert_equal "$(requests /small)" "$asked" "requests after a second mount"
umount_library

# Only the index is needed to begin with.
mount_remote --formats raw "$http/index"
stop_serving
assert_same "$TEST_TMP/local.qcow2" "$TEST_MNT/small@200M.qcow2"
assert_same "$TEST_TMP/small.raw" "$TEST_MNT/small.raw"
! timeout 60 cat "$TEST_MNT/other.raw" >"$TEST_TMP/part" 2>"$TEST_TMP/output" || fail "what was not fetched was served"
assert_says "$TEST_TMP/output" 'input/output error'
head -c "$(stat -c %s "$TEST_TMP/part")" "$TEST_TMP/small.raw" | cmp - "$TEST_TMP/part" || fail "wrong bytes before the error"
serve
assert_same "$TEST_TMP/small.raw" "$TEST_MNT/other.raw"
umount_library
