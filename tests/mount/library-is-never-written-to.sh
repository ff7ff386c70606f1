#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Whatever is read from the mount, the templates stay as they are, times included; a read-only library works.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/disks.sh"
require_prog xz
make_disk "$TEST_TMP/small.raw" 64M gpt -t ext4
xz --block-size=1MiB -c "$TEST_TMP/small.raw" >"$TEST_LIB/small.xz"
put_template "$TEST_TMP/small.raw" plain.raw
chmod 0444 "$TEST_LIB"/*
look() { (cd "$TEST_LIB" && sha256sum ./* && stat -c '%n %s %Y %Z %a %b' . ./*); }
# Else blocks that are given out when the kernel writes them back would count.
sync "$TEST_LIB"/*
look >"$TEST_TMP/before"
mount_library
for name in small.raw small@1G.qcow2 plain.raw plain@1G.raw plain.qcow2; do
	cat "$TEST_MNT/$name" >/dev/null
done
umount_library
look >"$TEST_TMP/after"
assert_same "$TEST_TMP/before" "$TEST_TMP/after"
