#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# mount -t fuse.goalfs none DIRECTORY, as a line in fstab may say, mounts the sources that are configured.
. "${0%/*}/../lib/private.sh"
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/remote.sh"
require_root
require_prog mount.fuse3 findmnt
mkdir "$TEST_TMP/bin"
cp "$GOALFS" "$TEST_TMP/bin/goalfs"
mount --bind "$TEST_TMP/bin" /usr/local/bin
make_template small.xz 1 24M
index_entry small small.xz >"$TEST_LIB/index"
serve
VIRT_BUILDER_DIRS=$TEST_TMP/etc
export VIRT_BUILDER_DIRS
mkdir -p "$TEST_TMP/etc/virt-builder/repos.d"
printf '[small]\nuri=%s/index\n' "$http" >"$TEST_TMP/etc/virt-builder/repos.d/small.conf"
mount -t fuse.goalfs -o "cache=$TEST_CACHE,formats=raw,_netdev" none "$TEST_MNT"
assert_equal "$(findmnt -n -o FSTYPE "$TEST_MNT")" fuse.goalfs "type of the mount"
assert_equal "$(ls "$TEST_MNT")" small.raw
assert_same "$TEST_TMP/small.raw" "$TEST_MNT/small.raw"
umount "$TEST_MNT"
