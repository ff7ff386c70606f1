#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The partition and the volume that an index names take the room; who names others gets those.
. "${0%/*}/../lib/private.sh"
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/disks.sh"
. "$TEST_TOP/tests/lib/layouts.sh"
require_root

# Two volumes whose names say nothing of a root: without a word nobody knows which.
new_disk "$TEST_LIB/twins.raw" 1G <<EOT
label: dos
start=2048, size=204800, type=83, bootable
type=8e
EOT
put boot 1 boot
put_group 2 cl one=ext4:100 two=ext4:100%FREE
layout_ubuntu_20 "$TEST_LIB/ubuntu.raw"

entry() {
	printf '[%s]\nname=%s\narch=%s\nfile=%s\nformat=raw\nsize=%s\n' "$1" "$1" "$(uname -m)" "$2" \
		"$(stat -c %s "$TEST_LIB/$2")"
	shift 2
	printf '%s\n' "$@" ''
}
{
	entry unnamed twins.raw 'expand=/dev/sda2'
	entry named twins.raw 'expand=/dev/sda2' 'lvexpand=/dev/cl/one'
	entry ubuntu ubuntu.raw 'expand=/dev/sda5'
	entry wrong ubuntu.raw 'expand=/dev/sda5' 'lvexpand=/dev/cl/one'
} >"$TEST_LIB/index"
mount_library

# plan_says NAME REGEX
plan_says() {
	cat "$TEST_MNT/$1.plan" >"$TEST_TMP/plan"
	assert_says "$TEST_TMP/plan" "$2"
}
[ ! -e "$TEST_MNT/unnamed@3G.raw" ] || fail "one of two volumes was chosen"
plan_says unnamed@3G.raw 'lvexpand'
plan_says named@3G.raw "volume 'one' from"
plan_says named@3G@lvexpand=cl-two.raw "volume 'two' from"
plan_says named@3G@expand=1.raw 'partition 1 grown'
plan_says named@3G@expand=1.raw 'partition 2 .*move'
plan_says ubuntu@10G.raw 'partition 5 grown'
[ ! -e "$TEST_MNT/wrong@10G.raw" ] || fail "a volume of no group is passed over in silence"
for name in named@3G named@3G@lvexpand=cl-two named@3G@expand=1 ubuntu@10G; do
	assert_table_ok "$TEST_MNT/$name.raw"
done

# What grew is as large as it should be, and sound; the other one is what it was.
for grown in one two; do
	loop_partition "$TEST_MNT/named@3G@lvexpand=cl-$grown.raw" 2 -r
	lvm vgck cl
	for volume in one two; do
		lv_segments "$loop" cl/$volume >"$TEST_TMP/segments"
		rm -f "$TEST_TMP/volume"
		python3 "$TEST_TOP/tests/lib/pieces.py" "$TEST_MNT/named@3G@lvexpand=cl-$grown.raw" "$partition_start" \
			"$TEST_TMP/volume" <"$TEST_TMP/segments" || fail "the pieces of $volume can't be read"
		judge_fs ext4 "$TEST_TMP/volume"
		bytes=$(ext_bytes "$TEST_TMP/volume")
		case $volume in
		"$grown") [ "$bytes" -gt $((2 << 30)) ] || fail "$volume has only $bytes bytes" ;;
		*) [ "$bytes" -lt $((1 << 30)) ] || fail "$volume has $bytes bytes" ;;
		esac
	done
	unloop
done
umount_library
