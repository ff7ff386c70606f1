#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# An index's word is enough for ls -l of raw goals; qcow2 sizes are found out from mount time on, once and for all.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/remote.sh"
require_prog qemu-img
make_template small.xz 8
for n in 1 2 3 4 5; do
	ln "$TEST_LIB/small.xz" "$TEST_LIB/small-$n.xz"
	index_entry "small-$n" "small-$n.xz"
done >"$TEST_LIB/index"
raw_bytes=$(stat -c %s "$TEST_TMP/small.raw")
serve

mount_remote --formats raw "$http/index"
assert_equal "$(find "$TEST_MNT" -type f -printf '%f %s\n' | sort)" "$(seq -f "small-%g.raw $raw_bytes" 5)"
assert_equal "$(verified small-5.raw)" unverified
"$GOALFS" --no-cache --list --list-format long "$http/index" >"$TEST_TMP/listing"
assert_says "$TEST_TMP/listing" small-5
assert_equal "$(requests /small)" 0 "requests for templates"
umount_library

# The listing shows qcow2 goals now. Nobody has asked for them yet.
all_were_asked_for() {
	for n in 1 2 3 4 5; do
		[ "$(requests "/small-$n")" -gt 0 ] || return 1
	done
}
mount_remote "$http/index"
wait_until 30 all_were_asked_for
ls -l "$TEST_MNT" >"$TEST_TMP/listing"
for n in 1 2 3 4 5; do
	stat -c %s "$TEST_MNT/small-$n.qcow2" >>"$TEST_TMP/sizes"
done
served=$(bytes_served /small)
[ $((served * 2)) -lt $(($(stat -c %s "$TEST_LIB/small.xz") * 5)) ] || fail "$served bytes were fetched for sizes alone"
asked=$(requests /small)
umount_library

# And never again: not even the server is needed.
mount_remote "$http/index"
for n in 1 2 3 4 5; do
	stat -c %s "$TEST_MNT/small-$n.qcow2" >>"$TEST_TMP/sizes-again"
done
cmp "$TEST_TMP/sizes" "$TEST_TMP/sizes-again"
assert_equal "$(requests /small)" "$asked" "requests for templates after a second mount"
cp "$TEST_MNT/small-1.qcow2" "$TEST_TMP/copy.qcow2"
assert_equal "$(stat -c %s "$TEST_TMP/copy.qcow2")" "$(head -n 1 "$TEST_TMP/sizes")"
qemu-img compare -q -f qcow2 -F raw "$TEST_TMP/copy.qcow2" "$TEST_TMP/small.raw"
umount_library
