#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# MBR and GPT, ext2 to ext4, block sizes and features, grown a little and a lot: e2fsck and the kernel are content.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/disks.sh"
require_root

# case_of NAME TABLE MKE2FS-OPTION...
case_of() {
	case_name=$1
	shift
	case_table=$1
	shift
	make_disk "$TEST_LIB/$case_name.raw" "${case_size:-200M}" "$case_table" "$@"
	cases="${cases:-} $case_name"
}
for table in gpt dos; do
	case_of "$table-ext2" "$table" -t ext2
	case_of "$table-ext3" "$table" -t ext3
	case_of "$table-ext4" "$table" -t ext4
	case_of "$table-ext4-1k" "$table" -t ext4 -b 1024
	case_of "$table-ext4-4k" "$table" -t ext4 -b 4096
done
case_of ext2-1k gpt -t ext2 -b 1024
case_of ext3-4k dos -t ext3 -b 4096
case_of no-64bit gpt -t ext4 -b 4096 -O ^64bit
case_of no-64bit-no-csum gpt -t ext4 -b 4096 -O ^64bit,^metadata_csum
case_of uninit-bg dos -t ext4 -b 4096 -O ^metadata_csum,uninit_bg
case_of uninit-bg-no-64bit gpt -t ext4 -b 1024 -O ^64bit,^metadata_csum,uninit_bg
case_of no-csum-at-all gpt -t ext4 -b 4096 -O ^metadata_csum,^uninit_bg
case_of csum-seed gpt -t ext4 -O metadata_csum_seed
case_of no-flex-bg gpt -t ext4 -b 4096 -O ^flex_bg
case_of flex-bg-of-4 gpt -t ext4 -b 1024 -G 4
case_of no-resize-inode gpt -t ext4 -b 4096 -O ^resize_inode
case_of no-reserve gpt -t ext4 -b 4096 -E resize=60000
case_of meta-bg gpt -t ext4 -b 1024 -O meta_bg,^resize_inode
case_of sparse-super2 gpt -t ext4 -b 4096 -O sparse_super2
case_of no-journal gpt -t ext4 -b 4096 -O ^has_journal
case_of many-inodes gpt -t ext4 -b 1024 -i 2048
case_of bare bare -t ext4
case_size=100003328 case_of odd-size gpt -t ext4 -b 1024
case_size=20M case_of tiny dos -t ext4

mount_library
judge() {
	goal=$TEST_MNT/$1@$2.raw
	number=2
	[ "$1" != bare ] || number=0
	if ! [ -e "$goal" ]; then
		cat "$goal.plan" >"$TEST_TMP/plan"
		case $1 in
		# Refusing is allowed where the format has no room for more, with the reason.
		no-reserve | no-resize-inode | sparse-super2 | meta-bg)
			assert_says "$TEST_TMP/plan" 'resize|reserve|descriptor|meta_bg|sparse_super2'
			echo "$1@$2: refused: $(head -n 1 "$TEST_TMP/plan")"
			return
			;;
		esac
		cat "$TEST_TMP/plan" >&2
		fail "'$1@$2' is refused"
	fi
	[ $number = 0 ] || assert_table_ok "$goal"
	cp --sparse=always "$goal" "$TEST_TMP/copy.raw"
	loop_partition "$TEST_TMP/copy.raw" $number
	assert_ext_grown "$loop"
	assert_files_intact "$loop" "$TEST_TMP/tree.sha256"
	assert_room_usable "$loop" $(($3 << 20))
	unloop
	rm "$TEST_TMP/copy.raw"
	echo "$1@$2: grown"
}
failed=
for name in $cases; do
	room=80
	[ "$name" != ext2-1k ] || room=60
	(judge "$name" 320M $room) || failed="$failed $name@320M"
	(judge "$name" 3G 2000) || failed="$failed $name@3G"
done
umount_library
[ -z "$failed" ] || fail "these failed:$failed"
