#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Disks that can't grow, or not as far, don't exist under that name; the plan says why and what can be done instead.
. "${0%/*}/../lib/private.sh"
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/disks.sh"
. "$TEST_TOP/tests/lib/layouts.sh"
require_root
require_prog cryptsetup

refused() {
	assert_no_entry "$TEST_MNT/$1"
	cat "$TEST_MNT/$1.plan" >"$TEST_TMP/plan"
	shift
	for words; do
		assert_says "$TEST_TMP/plan" "$words"
	done
}

# The root is encrypted: Fedora's layout.
new_disk "$TEST_LIB/luks.raw" 1G <<-EOT
	label: gpt
	start=2048, size=2048, type=$bios_boot
	size=409600
	size=+
EOT
put boot 2 boot
put luks 3
# One whose last LVM volume is not a plain one would need a kernel with device-mapper; a log that is not clean doesn't.
new_disk "$TEST_LIB/dirty.raw" 1G <<-EOT
	label: gpt
	start=2048, size=+
EOT
put xfs 1
cp --sparse=always "$TEST_LIB/dirty.raw" "$TEST_TMP/mounted.raw"
loop_partition "$TEST_TMP/mounted.raw" 1
mkdir -p "$TEST_TMP/disk"
mount "$loop" "$TEST_TMP/disk"
cp -r "$TEST_TMP/tree" "$TEST_TMP/disk/more"
sync -f "$TEST_TMP/disk"
cp --sparse=always "$TEST_TMP/mounted.raw" "$TEST_LIB/dirty.raw"
umount "$TEST_TMP/disk"
unloop
layout_debian "$TEST_LIB/debian.raw"
layout_centos_lvm "$TEST_LIB/centos_lvm.raw"

mount_library
refused luks@20G@expand=3.raw 'luks|encrypt' '@content=none' '@expand=none'
refused dirty@20G.raw 'log' '@content=none'
refused debian@1G.raw '6G \(6442450944 bytes\) is the least'
refused debian@6442450432.qcow2 '6442450944'
refused debian@3T.raw 'mbr' '2T|2 TiB|2199023'
refused debian@20G@expand=2.raw 'no partition 2'
refused centos_lvm@20G@lvexpand=cl-home.raw 'home'

# The ways out that it names.
for name in luks dirty; do
	number=3
	[ $name = luks ] || number=1
	tags=@expand=$number
	goal=$TEST_MNT/$name@20G$tags@content=none.raw
	assert_table_ok "$goal"
	python3 "$TEST_TOP/tests/lib/kept.py" "$TEST_LIB/$name.raw" "$goal" $number || fail "'$goal' changed too much"
	assert_table_ok "$TEST_MNT/$name@20G@expand=none.raw"
done
umount_library
