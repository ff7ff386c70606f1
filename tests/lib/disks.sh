# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# Sourced after common.sh: small disks with known content, and the judges of
# grown ones (sgdisk or sfdisk, e2fsck, the kernel).

require_prog sfdisk sgdisk mke2fs e2fsck dumpe2fs losetup

# A tree with some of everything: empty, small, large, sparse, linked, many in one directory.
make_tree() {
	mkdir -p "$1/etc" "$1/many" "$1/deep/er/still"
	echo goalfs >"$1/etc/name"
	: >"$1/etc/empty"
	seq 200000 >"$1/deep/er/still/numbers"
	truncate -s 3M "$1/deep/sparse"
	printf end >>"$1/deep/sparse"
	ln -s ../etc/name "$1/deep/link"
	ln "$1/etc/name" "$1/etc/other-name"
	for n in $(seq 300); do
		echo "$n" >"$1/many/file-$n"
	done
}

# Prints the checksum of every file below the directory; "sha256sum -c" reads it back.
tree_sums() {
	(cd "$1" && find . -xdev -path ./lost+found -prune -o -type f -print0 | sort -z | xargs -0 sha256sum)
}

# make_disk FILE SIZE gpt|dos|bare MKE2FS-OPTION...: the last partition, 2, holds $TEST_TMP/tree.
make_disk() {
	disk=$1
	table=$3
	disk_size=$2
	shift 3
	if [ ! -d "$TEST_TMP/tree" ]; then
		make_tree "$TEST_TMP/tree"
		tree_sums "$TEST_TMP/tree" >"$TEST_TMP/tree.sha256"
	fi
	rm -f "$disk"
	truncate -s "$disk_size" "$disk"
	case $table in
	bare)
		mke2fs -q -F -d "$TEST_TMP/tree" "$@" "$disk"
		return
		;;
	gpt) first="size=2048, type=21686148-6449-6E6F-744E-656564454649" ;;
	dos) first="size=2048, type=da" ;;
	esac
	printf 'label: %s\nstart=2048, %s\nstart=4096\n' "$table" "$first" | sfdisk -q "$disk"
	partition_of "$disk" 2
	# On its own first, since a -E among the options would take the place of another one.
	rm -f "$disk.part"
	truncate -s "$partition_length" "$disk.part"
	mke2fs -q -F -d "$TEST_TMP/tree" "$@" "$disk.part"
	dd if="$disk.part" of="$disk" bs=1M seek=$((partition_start >> 20)) conv=notrunc,sparse status=none
	rm "$disk.part"
}

# partition_of FILE N: sets $partition_start and $partition_length, bytes; 0 stands for the whole disk.
partition_of() {
	if [ "$2" = 0 ]; then
		partition_start=0
		partition_length=$(stat -L -c %s "$1")
		return
	fi
	# shellcheck disable=SC2046
	set -- "$1" "$2" $(sfdisk -d "$1" 2>/dev/null | sed -n "s|^.*[^0-9]$2 : start= *\([0-9]*\), size= *\([0-9]*\).*|\1 \2|p")
	[ $# = 4 ] || fail "'$1' has no partition $2"
	partition_start=$(($3 * 512))
	partition_length=$(($4 * 512))
}

# loop_partition FILE N [OPTION...]: sets $loop, a device that ends where the partition ends.
loop_partition() {
	require_root
	partition_of "$1" "$2"
	loop_file=$1
	shift 2
	loop=$(losetup --find --show --offset "$partition_start" --sizelimit "$partition_length" "$@" "$loop_file") ||
		fail "no loop device for '$loop_file'"
}

unloop() {
	losetup -d "$loop"
}

# assert_table_ok FILE: the tools that write partition tables find nothing wrong with this one.
assert_table_ok() {
	sfdisk --verify "$1" >"$TEST_TMP/sfdisk.out" 2>&1 || {
		cat "$TEST_TMP/sfdisk.out" >&2
		fail "sfdisk finds fault with '$1'"
	}
	! grep -iE 'corrupt|mismatch|overlap|not in agreement|invalid|does not contain' "$TEST_TMP/sfdisk.out" >&2 || fail "see above"
	if sfdisk -d "$1" 2>/dev/null | grep -q '^label: gpt'; then
		sgdisk -v "$1" >"$TEST_TMP/sgdisk.out" 2>&1
		grep -q '^No problems found' "$TEST_TMP/sgdisk.out" || {
			cat "$TEST_TMP/sgdisk.out" >&2
			fail "sgdisk finds fault with '$1'"
		}
	fi
}

# ext_bytes DEVICE: the size that the filesystem claims.
ext_bytes() {
	dumpe2fs -h "$1" 2>/dev/null |
		awk -F: '/^Block count/ { n = $2 } /^Block size/ { size = $2 } END { printf "%.0f\n", n * size }'
}

# assert_ext_clean DEVICE COMPLAINT: e2fsck would change nothing; a wrong count in the superblock it calls no error. What
# could be smaller is none, either.
assert_ext_clean() {
	if ! e2fsck -fn "$1" >"$TEST_TMP/e2fsck.out" 2>&1 || grep -v ptimize "$TEST_TMP/e2fsck.out" | grep -q '? no$'; then
		cat "$TEST_TMP/e2fsck.out" >&2
		fail "$2"
	fi
}

# assert_ext_grown DEVICE: clean, and as large as its device but for a rest that is too small for a group.
assert_ext_grown() {
	assert_ext_clean "$1" "e2fsck finds fault with the filesystem"
	device_bytes=$(blockdev --getsize64 "$1")
	fs_bytes=$(ext_bytes "$1")
	[ "$fs_bytes" -le "$device_bytes" ] || fail "the filesystem ($fs_bytes) is larger than its partition ($device_bytes)"
	[ "$((device_bytes - fs_bytes))" -lt $((8 << 20)) ] ||
		fail "the filesystem ($fs_bytes) has not grown to its partition's size ($device_bytes)"
}

# assert_files_intact DEVICE SUMS: the kernel mounts it and every file is as it was.
assert_files_intact() {
	mkdir -p "$TEST_TMP/disk"
	mount -o ro "$1" "$TEST_TMP/disk" || fail "the kernel doesn't mount it"
	(cd "$TEST_TMP/disk" && sha256sum --quiet -c "$2") || fail "files differ"
	(cd "$TEST_TMP/disk" && find . -xdev -path ./lost+found -prune -o -type f -print | wc -l) >"$TEST_TMP/count"
	assert_equal "$(cat "$TEST_TMP/count")" "$(wc -l <"$2")" "number of files"
	umount "$TEST_TMP/disk"
}

# assert_room_usable DEVICE BYTES: the kernel can write that much, and the filesystem is clean after it.
assert_room_usable() {
	mkdir -p "$TEST_TMP/disk"
	mount "$1" "$TEST_TMP/disk" || fail "the kernel doesn't mount it"
	# Written in places spread over the whole new room, so that all its groups come into use.
	fallocate -l "$2" "$TEST_TMP/disk/room" 2>/dev/null || head -c "$2" /dev/zero >"$TEST_TMP/disk/room" ||
		fail "there is no room for $2 bytes"
	cp -r "$TEST_TMP/disk/etc" "$TEST_TMP/disk/etc-copy" || fail "the grown filesystem takes no new files"
	umount "$TEST_TMP/disk"
	assert_ext_clean "$1" "e2fsck finds fault with the filesystem after the kernel wrote to it"
}
