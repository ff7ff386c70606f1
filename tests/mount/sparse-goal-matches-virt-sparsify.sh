#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A disk whose free room is full of noise: @sparse leaves as much of it as virt-sparsify does, and every file.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/disks.sh"
require_root
require_prog virt-sparsify mkfs.vfat mkswap mkfs.xfs mkfs.btrfs mkntfs mcopy fsck.vfat xfs_repair btrfs ntfsfix \
	ntfs-3g qemu-img
LIBGUESTFS_BACKEND=direct
LIBGUESTFS_BACKEND_SETTINGS=force_tcg
export LIBGUESTFS_BACKEND LIBGUESTFS_BACKEND_SETTINGS

make_tree "$TEST_TMP/tree"
rm "$TEST_TMP/tree/deep/link" "$TEST_TMP/tree/etc/other-name" # vfat has no links
# Much, beside what a mount for virt-sparsify writes: its journal.
seq 8000000 >"$TEST_TMP/tree/large"
tree_sums "$TEST_TMP/tree" >"$TEST_TMP/tree.sha256"

# fill LOOP TYPE: the tree, through a mount
fill() {
	mkdir -p "$TEST_TMP/disk"
	mount -t "$2" "$1" "$TEST_TMP/disk"
	cp -r "$TEST_TMP/tree/." "$TEST_TMP/disk"
	umount "$TEST_TMP/disk"
}

# Each makes the file of its name, in a room full of noise.
room() {
	openssl enc -aes-128-ctr -nosalt -pass "pass:$1" -pbkdf2 </dev/zero 2>/dev/null | head -c "$2M" >"$TEST_LIB/$1.raw"
	file=$TEST_LIB/$1.raw
}
on_loop() {
	loop=$(losetup --find --show "$file")
	fill "$loop" "$1"
	losetup -d "$loop"
}
make_fat() {
	room fat 128
	mkfs.vfat -F 32 "$file" >/dev/null
	mcopy -i "$file" -s "$TEST_TMP"/tree/* ::/
}
make_ext4() {
	room ext4 220
	# What is not written yet at the first mount is not looked at either, but virt-sparsify keeps it.
	mke2fs -q -F -t ext4 -E nodiscard,lazy_itable_init=0,lazy_journal_init=0 -d "$TEST_TMP/tree" "$file"
}
make_swap() {
	room swap 32
	chmod 600 "$file"
	mkswap "$file" >/dev/null
}
make_xfs() {
	room xfs 320
	mkfs.xfs -q -K "$file"
	on_loop xfs
}
make_btrfs() {
	room btrfs 256
	mkfs.btrfs -q -K "$file" >/dev/null 2>&1
	on_loop btrfs
}
make_ntfs() {
	room ntfs 128
	mkntfs -q -F -Q "$file" >/dev/null 2>&1
	on_loop ntfs-3g
}

kinds="fat ext4 swap xfs btrfs ntfs"
for kind in $kinds; do
	"make_$kind"
	"$GOALFS" --no-cache --plan "$kind@sparse.raw" "$TEST_LIB" >"$TEST_TMP/plan" 2>&1 || fail "'$kind@sparse.raw' has no plan"
	! grep 'all of it counts as used' "$TEST_TMP/plan" >&2 || fail "nothing is known of the free blocks of $kind"
done

# One disk of them all.
disk=$TEST_LIB/disk.raw
start=1
truncate -s 1M "$disk"
echo 'label: gpt' >"$TEST_TMP/table"
for kind in $kinds; do
	mib=$(($(stat -c %s "$TEST_LIB/$kind.raw") >> 20))
	case $kind in
	fat) type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7 ;;
	swap) type=0657FD6D-A4AB-43C4-84E5-0933C84B4F4F ;;
	*) type=linux ;;
	esac
	echo "start=${start}MiB, size=${mib}MiB, type=$type" >>"$TEST_TMP/table"
	cat "$TEST_LIB/$kind.raw" >>"$disk"
	rm "$TEST_LIB/$kind.raw"
	start=$((start + mib))
done
truncate -s "$((start + 1))M" "$disk"
sfdisk -q "$disk" <"$TEST_TMP/table"
before=$(sha256_of "$disk")

mount_library
cat "$TEST_MNT/disk@sparse.raw.plan"
cp --sparse=always "$TEST_MNT/disk@sparse.raw" "$TEST_TMP/ours.raw"
cp --sparse=always "$disk" "$TEST_TMP/judged.raw"
virt-sparsify -q --in-place "$TEST_TMP/judged.raw" || fail "virt-sparsify fails"
cp --sparse=always "$TEST_TMP/judged.raw" "$TEST_TMP/theirs.raw"
rm "$TEST_TMP/judged.raw"

ours=$(du -B1 "$TEST_TMP/ours.raw" | cut -f 1)
theirs=$(du -B1 "$TEST_TMP/theirs.raw" | cut -f 1)
all=$(du -B1 "$disk" | cut -f 1)
echo "of $all bytes, $ours are left here, $theirs by virt-sparsify"
[ $((ours * 100)) -le $((theirs * 102)) ] || fail "more than 2% more than virt-sparsify leaves"
[ $((theirs * 100)) -le $((ours * 102)) ] || fail "more than 2% less than virt-sparsify leaves"

# A format that allocates by need has no room for the rest, and holds the same.
qcow2=$(stat -L -c %s "$TEST_MNT/disk@sparse.qcow2")
data=$(du -B1 "$TEST_MNT/disk@sparse.raw" | cut -f 1)
[ "$qcow2" -lt $((data * 102 / 100 + (1 << 20))) ] || fail "the qcow2 has $qcow2 bytes for $data"
qemu-img compare -q "$TEST_MNT/disk@sparse.qcow2" "$TEST_TMP/ours.raw" || fail "the qcow2 holds something else"

# The judges of each kind; to mount it is to write to it.
assert_table_ok "$TEST_TMP/ours.raw"
number=0
for kind in $kinds; do
	number=$((number + 1))
	loop_partition "$TEST_TMP/ours.raw" $number
	case $kind in
	fat)
		fsck.vfat -n "$loop" || fail "fsck.vfat finds fault"
		mkdir "$TEST_TMP/out"
		mcopy -i "$loop" -s ::/* "$TEST_TMP/out"
		(cd "$TEST_TMP/out" && sha256sum --quiet -c "$TEST_TMP/tree.sha256") || fail "files differ"
		;;
	ext4) assert_ext_clean "$loop" "e2fsck finds fault" ;;
	swap) [ "$(blkid -p -s TYPE -o value "$loop")" = swap ] || fail "the swap space is gone" ;;
	xfs) xfs_repair -n "$loop" || fail "xfs_repair finds fault" ;;
	btrfs) btrfs check "$loop" || fail "btrfs check finds fault" ;;
	ntfs) ntfsfix -n "$loop" || fail "ntfsfix finds fault" ;;
	esac >"$TEST_TMP/judge" 2>&1 || {
		cat "$TEST_TMP/judge" >&2
		exit 1
	}
	case $kind in
	ext4 | xfs | btrfs) assert_files_intact "$loop" "$TEST_TMP/tree.sha256" ;;
	ntfs)
		ntfs-3g -o ro "$loop" "$TEST_TMP/disk"
		(cd "$TEST_TMP/disk" && sha256sum --quiet -c "$TEST_TMP/tree.sha256") || fail "files differ"
		umount "$TEST_TMP/disk"
		;;
	esac
	unloop
done

umount_library
assert_equal "$(sha256_of "$disk")" "$before" "the template"
