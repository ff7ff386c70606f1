#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# mount -t fuse.goalfs and a line in fstab do what the command does, options included; umount undoes it.

# mount(8) finds goalfs where it is installed: pretend, in a mount namespace of our own, that it is.
. "${0%/*}/../lib/private.sh"
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/disks.sh"
require_root
require_prog mount.fuse3 findmnt
mkdir "$TEST_TMP/bin"
cp "$GOALFS" "$TEST_TMP/bin/goalfs"
mount --bind "$TEST_TMP/bin" /usr/local/bin
make_disk "$TEST_LIB/small.raw" 64M gpt -t ext4

mount -t fuse.goalfs -o "cache=$TEST_CACHE" "$TEST_LIB" "$TEST_MNT"
assert_same "$TEST_LIB/small.raw" "$TEST_MNT/small.raw"
assert_equal "$(findmnt -n -o FSTYPE "$TEST_MNT")" fuse.goalfs "type of the mount"
assert_equal "$(findmnt -n -o SOURCE "$TEST_MNT")" "$TEST_LIB" "source of the mount"
[ -d "$TEST_CACHE" ] || fail "-o cache= was not heard"
umount "$TEST_MNT"

# The first daemon lets go of the cache a moment after umount has returned.
echo "$TEST_LIB $TEST_MNT fuse.goalfs cache=$TEST_CACHE-2,formats=raw,allow_other,subtype=other,noatime,nofail,x-systemd.automount 0 0" \
	>"$TEST_TMP/fstab"
mount --fstab "$TEST_TMP/fstab" "$TEST_MNT"
assert_same "$TEST_LIB/small.raw" "$TEST_MNT/small.raw"
assert_equal "$(ls "$TEST_MNT")" small.raw "formats=raw"
findmnt -n -o OPTIONS "$TEST_MNT" >"$TEST_TMP/options"
assert_equal "$(findmnt -n -o FSTYPE "$TEST_MNT")" fuse.goalfs "type of the mount, whatever it is to be called"
for option in ro nosuid nodev allow_other default_permissions; do
	assert_says "$TEST_TMP/options" "(^|,)$option(,|\$)"
done
umount "$TEST_MNT"

# An option that nobody knows is an error, and one that the user sees.
assert_fails mount -t fuse.goalfs -o no_such_option "$TEST_LIB" "$TEST_MNT"
assert_says "$TEST_TMP/output" no_such_option
