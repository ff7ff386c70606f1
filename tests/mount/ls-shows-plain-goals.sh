#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Each visible template as qcow2 and raw, with sizes, at once, and nothing is decoded or kept for it.
. "${0%/*}/../lib/common.sh"
require_guest
put_template "$TEST_GUEST/debian-12.xz"
put_template "$TEST_GUEST/one-block.xz"
mount_library
ls "$TEST_MNT" >"$TEST_TMP/names"
printf '%s\n' debian-12.qcow2 debian-12.raw one-block.qcow2 one-block.raw >"$TEST_TMP/expected"
assert_same "$TEST_TMP/expected" "$TEST_TMP/names"
ls -l "$TEST_MNT" >"$TEST_TMP/long"
assert_says "$TEST_TMP/long" '6442450944 .* debian-12.raw'
# What ls says of a name is what stat and read say of it.
for name in debian-12.raw debian-12.qcow2; do
	listed=$(awk -v name="$name" '$NF == name { print $5 }' "$TEST_TMP/long")
	assert_equal "$listed" "$(stat -c %s "$TEST_MNT/$name")" "size of $name"
done
# The listing's own inode numbers are those that a look at the files gives.
python3 - "$TEST_MNT" <<'EOT' || fail "a listing has other inode numbers than stat"
import os, sys
entries = list(os.scandir(sys.argv[1]))
sys.exit(len(entries) != 4 or any(e.inode() != os.stat(e.path).st_ino for e in entries))
EOT
umount_library
mount_library --formats raw
ls "$TEST_MNT" >"$TEST_TMP/names"
printf '%s\n' debian-12.raw one-block.raw >"$TEST_TMP/expected"
assert_same "$TEST_TMP/expected" "$TEST_TMP/names"
test -e "$TEST_MNT/debian-12.qcow2" || fail "a format that is not listed exists all the same"
umount_library

# Grown ones as well, for those who see only what is listed.
mount_library -o formats=raw:@20G.qcow2
ls -i "$TEST_MNT" >"$TEST_TMP/names"
for name in debian-12.raw debian-12@20G.qcow2 one-block.raw one-block@20G.qcow2; do
	stat -c '%i %n' "$TEST_MNT/$name"
done | sed 's| .*/| |' | sort >"$TEST_TMP/expected"
sed 's/^ *//' "$TEST_TMP/names" | sort >"$TEST_TMP/got"
assert_same "$TEST_TMP/expected" "$TEST_TMP/got"
umount_library
