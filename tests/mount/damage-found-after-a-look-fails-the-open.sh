#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A first look at a grown goal does not wait for the checks of all blocks that it looks into; opening it does. Where
# one is damaged, far behind what was looked at, no byte of the goal is served, and the plan says why; a
# template put right is served right.
. "${0%/*}/../lib/common.sh"
require_prog xz sgdisk mkfs.ext4 python3 e2fsck

disk=$TEST_TMP/disk
mkdir "$TEST_TMP/files"
head -c 20M /dev/urandom >"$TEST_TMP/files/random"
truncate -s 64M "$disk"
sgdisk -n 1:1M:0 "$disk" >/dev/null
mkfs.ext4 -q -d "$TEST_TMP/files" -E offset=1048576 "$disk" 62M 2>/dev/null
xz -1 --block-size=16MiB -c "$disk" >"$TEST_TMP/right.xz"
python3 - "$TEST_TMP/right.xz" "$TEST_LIB/t.xz" <<'EOT'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
data[10 << 20] ^= 1
open(sys.argv[2], "wb").write(data)
EOT

mount_library
goal=$TEST_MNT/t@300M
# In time the look is over before the damage is come to, or it fails as the rest does.
if [ -e "$goal.raw" ]; then echo "seen"; fi
for again in 1 2; do
	assert_fails cp "$goal.raw" "$TEST_TMP/copy"
	assert_fails dd if="$goal.raw" of=/dev/null bs=4k count=1 skip=70000 status=none
	assert_fails qemu-img check -q "$goal.qcow2"
done
assert_says "$goal.raw.plan" "refused"
assert_says "$TEST_LOG" "block"
# Where nothing depends on the damaged block, all is as it was.
cmp -i 20M -n 40M "$disk" "$TEST_MNT/t.raw"
umount_library

cp "$TEST_TMP/right.xz" "$TEST_LIB/t.xz"
mount_library
cp --sparse=always "$goal.raw" "$TEST_TMP/grown"
umount_library
dd if="$TEST_TMP/grown" of="$TEST_TMP/fs" bs=1M skip=1 conv=sparse status=none
e2fsck -fn "$TEST_TMP/fs"
