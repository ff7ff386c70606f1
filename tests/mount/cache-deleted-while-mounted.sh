#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# rm -rf of the cache, while mounted and between two mounts, costs time and nothing else.
. "${0%/*}/../lib/common.sh"
require_guest
put_template "$TEST_GUEST/debian-12.xz"
mount_library
head -c 200M "$TEST_MNT/debian-12.raw" >/dev/null
rm -rf "$TEST_CACHE"
assert_same "$TEST_GUEST/debian-12.raw" "$TEST_MNT/debian-12.raw"
umount_library
mount_library
head -c 200M "$TEST_MNT/debian-12.raw" >/dev/null
umount_library
rm -rf "$TEST_CACHE"
mount_library
assert_same "$TEST_GUEST/debian-12.raw" "$TEST_MNT/debian-12.raw"
umount_library
