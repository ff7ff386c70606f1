#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The command's parent returns when the mount can be used, not earlier; errors reach the terminal, not the void.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/disks.sh"
make_disk "$TEST_LIB/small.raw" 64M gpt -t ext4
for round in 1 2 3 4 5; do
	"$GOALFS" --cache "$TEST_CACHE-$round" "$TEST_LIB" "$TEST_MNT"
	cmp -n 4096 "$TEST_LIB/small.raw" "$TEST_MNT/small.raw"
	fusermount3 -u "$TEST_MNT"
done
assert_fails "$GOALFS" --cache "$TEST_CACHE" "$TEST_LIB/nothing-here" "$TEST_MNT"
assert_says "$TEST_TMP/output" 'nothing-here'
assert_fails "$GOALFS" --cache "$TEST_CACHE" "$TEST_LIB" "$TEST_TMP/no-mountpoint"
assert_says "$TEST_TMP/output" 'no-mountpoint'
assert_fails "$GOALFS" --no-such-option "$TEST_LIB" "$TEST_MNT"
assert_says "$TEST_TMP/output" 'no-such-option'
assert_fails "$GOALFS" "$TEST_LIB"
assert_fails "$GOALFS"
! mountpoint -q "$TEST_MNT" || fail "it is mounted"
"$GOALFS" --version >"$TEST_TMP/version"
assert_says "$TEST_TMP/version" '^goalfs [0-9]'
"$GOALFS" --help >"$TEST_TMP/help"
assert_says "$TEST_TMP/help" '--cache-limit'
