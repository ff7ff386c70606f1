#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# NAME.plan, TEMPLATE.notes, TEMPLATE.json, --plan, --notes and the xattr tell what there is to tell.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/disks.sh"
require_prog xz
make_disk "$TEST_TMP/small.raw" 64M gpt -t ext4
xz --block-size=1MiB -c "$TEST_TMP/small.raw" >"$TEST_LIB/small.xz"
cat >"$TEST_LIB/index" <<EOT
[small]
name=A small disk
arch=$(uname -m)
file=small.xz
format=raw
size=67108864
notes=First line.
 Second line.
EOT
mount_at "" --cache "$TEST_CACHE" "$TEST_LIB/index"
cat "$TEST_MNT/small@1G.qcow2.plan" >"$TEST_TMP/plan"
for step in file xz cache resize qcow2; do
	assert_says "$TEST_TMP/plan" "$step"
done
"$GOALFS" --cache "$TEST_CACHE-2" --plan small@1G.qcow2 "$TEST_LIB/index" >"$TEST_TMP/plan-2"
assert_says "$TEST_TMP/plan-2" 'file > xz > cache > resize.* > .*qcow2'
# Whether there is a plan the status says, and why not, what is printed: of names that are no images, too.
for name in small.plan small.qcow2.plan small.json absent.json absent.raw small@1M.raw small small.floppy; do
	status=0
	"$GOALFS" --cache "$TEST_CACHE-2" --plan $name "$TEST_LIB/index" >"$TEST_TMP/plan-2" 2>"$TEST_TMP/error" || status=$?
	assert_equal "$status" 1 "status of --plan $name"
	reason=$(sed -n 's/^goalfs: error: //p' "$TEST_TMP/error")
	[ -n "$reason" ] || fail "--plan $name says nothing"
	grep -qF "no plan   $reason" "$TEST_TMP/plan-2" ||
		fail "--plan $name prints '$(cat "$TEST_TMP/plan-2")', and says '$reason'"
done
python3 -c 'import os, sys; print(os.getxattr(sys.argv[1], "user.goalfs.plan").decode())' 	"$TEST_MNT/small@1G.qcow2" >"$TEST_TMP/xattr"
assert_says "$TEST_TMP/xattr" 'file > xz > cache > resize.* > .*qcow2'
printf 'First line.\nSecond line.\n' >"$TEST_TMP/notes"
assert_same "$TEST_TMP/notes" "$TEST_MNT/small.notes"
"$GOALFS" --notes small "$TEST_LIB/index" >"$TEST_TMP/notes-2"
assert_same "$TEST_TMP/notes" "$TEST_TMP/notes-2"
python3 -c 'import json, sys
j = json.load(open(sys.argv[1]))
assert j["arch"], j
assert 67108864 in j.values(), j' "$TEST_MNT/small.json"
umount_library
