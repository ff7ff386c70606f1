#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A goal that can't be met doesn't exist, and NAME.plan says why.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/disks.sh"
make_disk "$TEST_LIB/good.raw" 64M gpt -t ext4

# A filesystem in which the kernel has found errors.
make_disk "$TEST_LIB/dirty.raw" 64M gpt -t ext4
debugfs -w -R 'ssv state 3' "$TEST_LIB/dirty.raw?offset=$partition_start" 2>/dev/null

# Swap on the last partition.
make_disk "$TEST_LIB/swap-last.raw" 64M gpt -t ext4
mkswap "$TEST_TMP/swap" 2>/dev/null || { truncate -s 16M "$TEST_TMP/swap" && mkswap -q "$TEST_TMP/swap" >/dev/null; }
dd if="$TEST_TMP/swap" of="$TEST_LIB/swap-last.raw" bs=512 seek=4096 conv=notrunc status=none

# A filesystem nobody knows.
make_disk "$TEST_LIB/unknown.raw" 64M gpt -t ext4
dd if=/dev/urandom of="$TEST_LIB/unknown.raw" bs=512 seek=4096 count=2048 conv=notrunc status=none

# What is no template at all.
: >"$TEST_LIB/empty.raw"
echo '<!DOCTYPE html>' >"$TEST_LIB/page.img"
ln -s nowhere-to-be-found "$TEST_LIB/dangling.raw"

mount_library
refused() {
	assert_no_entry "$TEST_MNT/$1"
	cat "$TEST_MNT/$1.plan" >"$TEST_TMP/plan"
	assert_says "$TEST_TMP/plan" "$2"
	"$GOALFS" --cache "$TEST_CACHE-plan" --plan "$1" "$TEST_LIB" >"$TEST_TMP/plan" 2>&1 && fail "--plan $1 should fail"
	assert_says "$TEST_TMP/plan" "$2"
}
refused good@32M.raw 'small|shrink|smaller'
refused dirty@1G.raw 'not clean|e2fsck'
refused swap-last@1G.qcow2 'swap'
refused unknown@1G.qcow2 'expand=none|content=none|unknown|nothing known'
refused good@expand=7@1G.raw 'partition 7|7'
refused empty.qcow2 "no plan .*'$TEST_LIB/empty.raw' is empty"
refused page@1G.raw 'is a page of HTML'
refused dangling.raw "dangling.raw' does not exist"
cp "$TEST_LIB/good.raw" "$TEST_TMP/empty.raw"
mv "$TEST_TMP/empty.raw" "$TEST_LIB/empty.raw"
is_good() {
	grep -q '^plan ' "$TEST_MNT/empty.raw.plan" && cmp "$TEST_LIB/good.raw" "$TEST_MNT/empty.raw"
}
wait_until 60 is_good

# The two ways out that a refusal names.
for name in dirty swap-last unknown; do
	assert_table_ok "$TEST_MNT/$name@1G@content=none.raw"
	assert_equal "$(stat -c %s "$TEST_MNT/$name@1G@expand=none.raw")" $((1 << 30))
	cmp -i 2097152 -n 62910464 "$TEST_LIB/$name.raw" "$TEST_MNT/$name@1G@expand=none.raw"
done
umount_library
