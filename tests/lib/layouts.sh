# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# Sourced after common.sh and disks.sh: disks laid out as the templates of
# virt-builder and the clouds are, each in seconds and sparse, with
# $TEST_TMP/tree on what would be the root, and the judges of what grew there.
#
# Scripts that source it have a mount namespace of their own: whoever makes one
# meanwhile would else keep filesystems mounted there that are unmounted here, and
# their logs open.
#
# Free space of each root holds junk, as a disk does that was used before:
# $junk_length bytes at 60% of it; where that is on the disk stands in FILE.junk.

. "$TEST_TOP/tests/lib/lvm.sh"
require_prog sfdisk mkfs.xfs xfs_repair xfs_db mkfs.btrfs btrfs mkntfs ntfsfix ntfsresize mkfs.vfat mcopy mkswap \
	pvcreate vgcreate lvcreate vgck lvs blkid
LVM_HOME=$TEST_TMP/lvm

junk_length=$((8 << 20))
esp=C12A7328-F81F-11D2-BA4B-00A0C93EC93B
bios_boot=21686148-6449-6E6F-744E-656564454649
linux_swap=0657FD6D-A4AB-43C4-84E5-0933C84B4F4F

# new_disk FILE SIZE: partitioned as sfdisk's script on standard input says.
new_disk() {
	disk=$1
	rm -f "$disk"
	truncate -s "$2" "$disk"
	sfdisk -q "$disk" || fail "sfdisk doesn't make '$disk'"
	need_tree
}

need_tree() {
	[ ! -d "$TEST_TMP/tree" ] || return 0
	make_tree "$TEST_TMP/tree"
	tree_sums "$TEST_TMP/tree" >"$TEST_TMP/tree.sha256"
}

# put KIND N [LABEL]: makes that content on partition N of $disk.
put() {
	partition_of "$disk" "$2"
	put_at "$1" "$partition_start" "$partition_length" "${3:-}"
}

# put_at KIND START LENGTH LABEL: in bytes.
put_at() {
	rm -f "$TEST_TMP/part"
	truncate -s "$3" "$TEST_TMP/part"
	junk_at=
	"content_$1" "$TEST_TMP/part" "$3" "${4:-}"
	[ -z "$junk_at" ] || echo $(($2 + junk_at)) >"$disk.junk"
	echo "0 $3" | python3 "$TEST_TOP/tests/lib/pieces.py" "$TEST_TMP/part" 0 "$disk" "$2" ||
		fail "the partition can't be put into '$disk'"
	rm "$TEST_TMP/part"
}

# Each makes FILE, of LENGTH bytes, with LABEL; "content_boot" is what stands beside a root.
content_boot() {
	mkdir -p "$TEST_TMP/boot"
	seq 100000 >"$TEST_TMP/boot/vmlinuz"
	mke2fs -q -F -t ext4 -L "$3" -d "$TEST_TMP/boot" "$1"
}

content_swap() {
	mkswap -q ${3:+-L "$3"} "$1" >/dev/null
}

content_vfat() {
	mkfs.vfat ${3:+-n "$3"} "$1" >/dev/null
	mcopy -i "$1" "$TEST_TMP/tree/etc/name" ::NAME
}

content_recovery() {
	mkntfs -q -Q -F -L "$3" "$1" >/dev/null 2>&1 || fail "mkntfs fails"
}

content_luks() {
	echo goalfs | cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file - "$1"
}

content_ext4() {
	junk "$1" "$2"
	mke2fs -q -F -t ext4 -E nodiscard -L "$3" -d "$TEST_TMP/tree" "$1"
}

content_xfs() {
	junk "$1" "$2"
	mkfs.xfs -q -K ${3:+-L "$3"} "$1"
	fill_mounted "$1" -o loop
}

content_btrfs() {
	junk "$1" "$2"
	mkfs.btrfs -q -K -L "$3" --rootdir "$TEST_TMP/tree" "$1" >/dev/null
}

content_ntfs() {
	junk "$1" "$2"
	mkntfs -q -Q -F -L "$3" "$1" >/dev/null 2>&1 || fail "mkntfs fails"
	fill_mounted "$1" -t ntfs-3g
}

junk() {
	junk_at=$((($2 * 6 / 10) >> 20 << 20))
	head -c $junk_length /dev/urandom | dd of="$1" bs=1M iflag=fullblock seek=$((junk_at >> 20)) conv=notrunc status=none
}

# fill_mounted FILE MOUNT-OPTION...
fill_mounted() {
	fill_file=$1
	shift
	mkdir -p "$TEST_TMP/disk"
	mount "$@" "$fill_file" "$TEST_TMP/disk" || fail "the new filesystem can't be mounted"
	cp -a "$TEST_TMP/tree/." "$TEST_TMP/disk" || fail "the new filesystem takes no files"
	umount "$TEST_TMP/disk"
}

# put_group N GROUP LAYOUT...: a volume group on partition N of $disk; LAYOUT is VOLUME=KIND:EXTENTS, in this order on it.
put_group() {
	group=$2
	loop_partition "$disk" "$1"
	shift 2
	lvm pvcreate "$loop"
	lvm vgcreate "$group" "$loop"
	for layout; do
		volume=${layout%%=*}
		lvm lvcreate -an -Zn -Wn -l "${layout#*:}" -n "$volume" "$group"
		kind=${layout#*=}
		lv_segments "$loop" "$group/$volume" | {
			read -r start length
			put_at "${kind%:*}" $((partition_start + start)) "$length" "$volume"
		}
	done
	unloop
}

lvm() {
	lvm_tool "$loop" "$@" >"$TEST_TMP/lvm.out" 2>&1 || {
		cat "$TEST_TMP/lvm.out" >&2
		fail "$1 failed"
	}
}

# ---- the layouts ----
#
# Each makes FILE. What grows of it by default is said by layout_root.

# Fedora 27 to 32, and RHEL alike: sectors are those of fedora-28.
layout_fedora() {
	new_disk "$1" 6G <<-EOT
		label: gpt
		start=2048, size=2048, type=$bios_boot
		start=4096, size=2097152, name=boot
		start=2101248, size=1259520, type=$linux_swap
		start=3360768, size=9220096, name=root
	EOT
	put boot 2 boot
	put swap 3
	put xfs 4 fedora
}

# Fedora on aarch64: an ESP in place of the BIOS boot partition.
layout_fedora_aarch64() {
	new_disk "$1" 6G <<-EOT
		label: gpt
		start=2048, size=409600, type=$esp, name="EFI System Partition"
		size=2097152
		size=1259520, type=$linux_swap
		size=+
	EOT
	put vfat 1
	put boot 2 boot
	put swap 3
	put xfs 4
}

layout_fedora_33() {
	new_disk "$1" 6G <<-EOT
		label: gpt
		start=2048, size=2048, type=$bios_boot
		size=2097152
		size=+
	EOT
	put boot 2 boot
	put xfs 3
}

# CentOS 6: all primary, the root last.
layout_centos_6() {
	new_disk "$1" 6G <<-EOT
		label: dos
		start=2048, size=1048576, type=83, bootable
		size=2097152, type=82
		type=83
	EOT
	put boot 1 boot
	put swap 2
	put ext4 3 root
}

# CentOS 7.3: the root is the volume cl/root; the swap volume is in front of it.
layout_centos_lvm() {
	new_disk "$1" 6G <<-EOT
		label: dos
		start=2048, size=2097152, type=83, bootable
		type=8e
	EOT
	put boot 1 boot
	put_group 2 cl swap=swap:153 root=xfs:100%FREE
}

# The same the other way round: the root grows into a second piece behind the swap.
layout_fedora_lvm() {
	new_disk "$1" 6G <<-EOT
		label: gpt
		start=2048, size=2048, type=$bios_boot
		size=1048576
		type=E6D6D379-F507-44C2-A23C-238F2A3DF928
	EOT
	put boot 2 boot
	put_group 3 fedora root=ext4:1100 swap=swap:100%FREE
}

# Debian 9 and later: one partition.
layout_debian() {
	new_disk "$1" 6G <<-EOT
		label: dos
		start=2048, type=83, bootable
	EOT
	put ext4 1 root
}

# Ubuntu 14.04, and Debian up to 8: swap in an extended partition behind the root; its very sectors.
layout_ubuntu_14() {
	new_disk "$1" 4G <<-EOT
		label: dos
		start=2048, size=6289408, type=83, bootable
		start=6293502, size=2092034, type=5
		start=6293504, size=2092032, type=82
	EOT
	put ext4 1 root
	put swap 5
}

# Ubuntu 20.04: the root is a logical partition.
layout_ubuntu_20() {
	new_disk "$1" 6G <<-EOT
		label: dos
		start=2048, size=1048576, type=b, bootable
		start=1052670, size=11528194, type=5
		start=1052672, size=11528192, type=83
	EOT
	put vfat 1
	put ext4 5 root
}

# Ubuntu's cloud images: partition 1 is last on the disk.
layout_ubuntu_cloud() {
	new_disk "$1" 3584M <<-EOT
		label: gpt
		1 : start=2324480, name=cloudimg-rootfs
		14 : start=2048, size=8192, type=$bios_boot
		15 : start=10240, size=217088, type=$esp
		16 : start=227328, size=2097152
	EOT
	put vfat 15 UEFI
	put boot 16 BOOT
	put ext4 1 cloudimg-rootfs
}

layout_opensuse() {
	new_disk "$1" 6G <<-EOT
		label: gpt
		start=2048, size=16384, type=$bios_boot
		size=1259520, type=$linux_swap
		size=+
	EOT
	put swap 2
	put btrfs 3 opensuse
}

# Windows with BIOS: the recovery partition is last and nobody wants it larger.
layout_windows() {
	new_disk "$1" 6G <<-EOT
		label: dos
		start=2048, size=204800, type=7, bootable
		size=11329536, type=7
		size=1044480, type=27
	EOT
	put recovery 1 "System Reserved"
	put ntfs 2 Windows
	put recovery 3 Recovery
}

# Windows with UEFI, installed without one: its own is last.
layout_windows_uefi() {
	new_disk "$1" 6G <<-EOT
		label: gpt
		start=2048, size=1083392, type=DE94BBA4-06D1-4D40-A16A-BFD50179D6AC, name="Basic data partition", attrs="RequiredPartition GUID:63"
		size=202752, type=$esp, name="EFI system partition"
		size=32768, type=E3C9E316-0B5C-4DB8-817D-F92DF00215AE, name="Microsoft reserved partition"
		size=+, type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7, name="Basic data partition"
	EOT
	put recovery 1 Recovery
	put vfat 2
	put ntfs 4 Windows
}

# layout_root NAME: sets $root_number and $root_kind of what should grow, $root_volume where that is a volume, and
# $root_tags where it would not be chosen unless it is named.
layout_root() {
	root_volume=
	root_tags=
	case $1 in
	fedora | fedora_aarch64) root_number=4 root_kind=xfs ;;
	fedora_33) root_number=3 root_kind=xfs ;;
	centos_6) root_number=3 root_kind=ext4 ;;
	centos_lvm) root_number=2 root_kind=xfs root_volume=cl/root ;;
	fedora_lvm) root_number=3 root_kind=ext4 root_volume=fedora/root ;;
	debian | ubuntu_14 | ubuntu_cloud) root_number=1 root_kind=ext4 ;;
	ubuntu_20) root_number=5 root_kind=ext4 ;;
	opensuse) root_number=3 root_kind=btrfs ;;
	windows) root_number=2 root_kind=ntfs root_tags=@expand=2 ;;
	windows_uefi) root_number=4 root_kind=ntfs ;;
	*) fail "no layout '$1'" ;;
	esac
}

layouts="fedora fedora_aarch64 fedora_33 centos_6 centos_lvm fedora_lvm debian ubuntu_14 ubuntu_20 ubuntu_cloud opensuse
	windows windows_uefi"

# ---- the judges ----

# judge_fs KIND DEVICE: the checker that belongs to it finds nothing; one that only reads.
judge_fs() {
	case $1 in
	ext4)
		assert_ext_clean "$2" "e2fsck finds fault with it"
		return
		;;
	xfs) set -- xfs_repair -n "$2" ;;
	btrfs) set -- btrfs check --readonly "$2" ;;
	ntfs)
		judge_ntfs "$2"
		return
		;;
	esac
	"$@" >"$TEST_TMP/checker" 2>&1 || {
		tail -n 40 "$TEST_TMP/checker" >&2
		fail "$1 finds fault with it"
	}
}

judge_ntfs() {
	ntfsresize --info --force --force --no-progress-bar "$1" >"$TEST_TMP/checker" 2>&1 || {
		cat "$TEST_TMP/checker" >&2
		fail "ntfsresize finds fault with it"
	}
	! grep -iE 'error|inconsisten|mismatch|corrupt' "$TEST_TMP/checker" >&2 || fail "ntfsresize says so"
	ntfsfix --no-action "$1" >"$TEST_TMP/checker" 2>&1 || {
		cat "$TEST_TMP/checker" >&2
		fail "ntfsfix finds fault with it"
	}
}

# fs_bytes KIND DEVICE: what the filesystem itself says of its size.
fs_bytes() {
	case $1 in
	ext4) ext_bytes "$2" ;;
	xfs) xfs_db -r -c 'sb 0' -c 'print dblocks blocksize' "$2" | awk '{ n[NR] = $3 } END { printf "%.0f\n", n[1] * n[2] }' ;;
	btrfs) btrfs inspect-internal dump-super "$2" | awk '$1 == "total_bytes" { print $2 }' ;;
	ntfs) ntfsresize --info --force --force --no-progress-bar "$2" | sed -n 's/^Current volume size: \([0-9]*\) bytes.*/\1/p' ;;
	esac
}

# assert_grown KIND DEVICE: as large as its device, but for what is too little for another group or block.
assert_grown() {
	device_bytes=$(blockdev --getsize64 "$2")
	fs_bytes=$(fs_bytes "$1" "$2")
	case $1 in
	ext4) least=$((8 << 20)) ;;
	*) least=$((1 << 20)) ;;
	esac
	[ "$fs_bytes" -le "$device_bytes" ] || fail "the filesystem ($fs_bytes) is larger than its device ($device_bytes)"
	[ $((device_bytes - fs_bytes)) -lt $least ] ||
		fail "the filesystem ($fs_bytes) has not grown to its device's size ($device_bytes)"
}

# judge_goal NAME SIZE[@TAG]...: the mount's grown disk, of library/NAME.raw.
judge_goal() {
	layout_root "$1"
	goal=$TEST_MNT/$1@$2$root_tags.raw
	[ -e "$goal" ] || {
		cat "$goal.plan" >&2
		fail "'${goal##*/}' is refused"
	}
	cat "$goal.plan" >"$TEST_TMP/plan"
	assert_says "$TEST_TMP/plan" "partition $root_number (grown|stays)"
	assert_table_ok "$goal"
	python3 "$TEST_TOP/tests/lib/kept.py" "$TEST_LIB/$1.raw" "$goal" "$root_number" || fail "'${goal##*/}' changed too much"
	attach_root "$goal" ro
	judge_fs "$root_kind" "$loop"
	assert_grown "$root_kind" "$loop"
	assert_files_intact "$loop" "$TEST_TMP/tree.sha256"
	assert_df "$root_kind" "$loop"
	detach_root
	echo "${goal##*/}: grown"
}

# for_layouts COMMAND...: makes all, mounts them, and runs it with each one's name behind it; all that fail are told at
# the end. LAYOUTS may name some of them.
for_layouts() {
	for name in ${LAYOUTS:-$layouts}; do
		"layout_$name" "$TEST_LIB/$name.raw"
	done
	mount_library
	failed=
	for name in ${LAYOUTS:-$layouts}; do
		("$@" "$name") && continue
		failed="$failed $name"
		umount "$TEST_TMP/disk" 2>/dev/null || true
	done
	[ -z "$failed" ] || fail "these failed:$failed"
	umount_library
}

# attach_root DISK rw|ro: sets $loop to what holds the root, and judges what is around it. A volume is copied from
# its pieces first, to $TEST_TMP/volume.
attach_root() {
	if [ -z "$root_volume" ]; then
		case $2 in
		ro) loop_partition "$1" "$root_number" -r ;;
		rw) loop_partition "$1" "$root_number" ;;
		esac
		return
	fi
	loop_partition "$1" "$root_number" -r
	lvm vgck "${root_volume%/*}"
	lv_segments "$loop" "$root_volume" >"$TEST_TMP/segments"
	rm -f "$TEST_TMP/volume"
	python3 "$TEST_TOP/tests/lib/pieces.py" "$1" "$partition_start" "$TEST_TMP/volume" <"$TEST_TMP/segments" ||
		fail "the volume's pieces can't be read"
	# The group has given away all it had.
	lvm_tool "$loop" vgs --noheadings -o vg_free_count "${root_volume%/*}" 2>/dev/null >"$TEST_TMP/free"
	unloop
	assert_equal "$(tr -d ' ' <"$TEST_TMP/free")" 0 "free extents of the group"
	loop=$(losetup --find --show "$TEST_TMP/volume") || fail "no loop device for a volume"
}

detach_root() {
	unloop
	rm -f "$TEST_TMP/volume"
	btrfs device scan --forget >/dev/null 2>&1 || true
}

# assert_df KIND DEVICE: the kernel finds the room, too.
assert_df() {
	mkdir -p "$TEST_TMP/disk"
	mount -o ro "$2" "$TEST_TMP/disk" || fail "the kernel doesn't mount it"
	df_bytes=$(df -B1 --output=size "$TEST_TMP/disk" | tail -n 1)
	umount "$TEST_TMP/disk"
	fs_bytes=$(fs_bytes "$1" "$2")
	[ $((df_bytes / 95)) -ge $((fs_bytes / 100)) ] || fail "df finds $df_bytes bytes of $fs_bytes"
}

# assert_takes_files KIND DEVICE BYTES: the kernel writes that much, and it is clean after it.
assert_takes_files() {
	need_tree
	mkdir -p "$TEST_TMP/disk"
	mount "$2" "$TEST_TMP/disk" || fail "the kernel doesn't mount it"
	fallocate -l "$3" "$TEST_TMP/disk/room" 2>/dev/null || truncate -s "$3" "$TEST_TMP/disk/room" ||
		fail "there is no room for $3 bytes"
	cp -r "$TEST_TMP/tree" "$TEST_TMP/disk/copy" || fail "it takes no new files"
	(cd "$TEST_TMP/disk/copy" && sha256sum --quiet -c "$TEST_TMP/tree.sha256") || fail "new files differ"
	umount "$TEST_TMP/disk"
	judge_fs "$1" "$2"
}
