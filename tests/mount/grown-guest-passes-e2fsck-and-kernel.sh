#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A real guest grown from 6 to 20 GiB: table, filesystem, every file, and the new room.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/disks.sh"
require_root
require_guest
put_template "$TEST_GUEST/debian-12.xz"
mount_library
goal=$TEST_MNT/debian-12@20G.raw
assert_equal "$(stat -c %s "$goal")" $((20 << 30)) "size of the grown disk"
assert_table_ok "$goal"

# Straight from the mount, as people do it who only want to look.
loop_partition "$goal" 2 -r
assert_ext_grown "$loop"
assert_files_intact "$loop" "$TEST_GUEST/files.sha256"
unloop

# A copy can be written to.
cp --sparse=always "$goal" "$TEST_TMP/copy.raw"
umount_library
loop_partition "$TEST_TMP/copy.raw" 2
assert_ext_grown "$loop"
assert_room_usable "$loop" $((18 << 30))
unloop
