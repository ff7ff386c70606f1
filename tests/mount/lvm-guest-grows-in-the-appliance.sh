#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A guest on LVM, laid out as anaconda does it, grown by its default; judged by a kernel that has a device
# mapper, inside libguestfs' appliance: LVM itself, e2fsck, every file, and the new room.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/disks.sh"
require_root
require_prog guestfish pvcreate vgcreate lvcreate qemu-img

disk=$TEST_LIB/centos.raw
mkdir "$TEST_TMP/etc" "$TEST_TMP/run"
export LVM_SYSTEM_DIR="$TEST_TMP/etc" LVM_SUPPRESS_FD_WARNINGS=1

# Without a device mapper, and on this loop device alone.
lvm_on() {
	prog=$1
	shift
	"$prog" --driverloaded n --config "devices{use_devicesfile=0 filter=[\"a|^$loop\$|\",\"r|.*|\"]}
		backup{backup=0 archive=0} global{locking_dir=\"$TEST_TMP/run\"}" -qq "$@" >>"$TEST_TMP/log.lvm" 2>&1
}

make_tree "$TEST_TMP/tree"
tree_sums "$TEST_TMP/tree" >"$TEST_TMP/tree.sha256"
truncate -s 1G "$disk"
sgdisk -n 1:2048:+100M -n 2:0:0 -t 2:8e00 "$disk" >"$TEST_TMP/out"
loop_partition "$disk" 2
lvm_on pvcreate "$loop"
lvm_on vgcreate centos "$loop"
lvm_on lvcreate -an -Zn -Wn -L 400M -n root centos
lvm_on lvcreate -an -Zn -Wn -L 64M -n swap centos
unloop
# The first volume stands where extents begin.
truncate -s 400M "$TEST_TMP/root"
mke2fs -q -t ext4 -L root -d "$TEST_TMP/tree" "$TEST_TMP/root"
dd if="$TEST_TMP/root" of="$disk" bs=1M seek=$(((partition_start >> 20) + 1)) conv=notrunc,sparse status=none

mount_library
goal=$TEST_MNT/centos@3G.qcow2
assert_equal "$(qemu-img info --output=json "$goal" | python3 -c 'import json, sys; print(json.load(sys.stdin)["virtual-size"])')" \
	$((3 << 30)) "size of the grown disk"

# Read-only for the image: the appliance writes into an overlay of its own.
export LIBGUESTFS_BACKEND=direct LIBGUESTFS_BACKEND_SETTINGS=force_tcg LIBGUESTFS_CACHEDIR="$TEST_TMP" TMPDIR="$TEST_TMP"
guestfish --ro --format=qcow2 -a "$goal" <<END >"$TEST_TMP/said" || fail "guestfish ended with status $?"
run
debug sh "lvm vgck centos"
debug sh "lvm pvck /dev/sda2"
debug sh "lvm vgs --noheadings --separator : -o vg_name,vg_seqno,vg_extent_count,vg_free_count centos"
debug sh "lvm lvs --noheadings --separator : -o lv_name,seg_pe_ranges centos"
debug sh "e2fsck -fn /dev/centos/root"
mount /dev/centos/root /
tar-out / $TEST_TMP/files.tar
statvfs /
fallocate64 /big 2000000000
umount /
debug sh "e2fsck -fn /dev/centos/root"
debug sh "lvm lvreduce -f -L -8M centos/swap"
debug sh "lvm vgck centos"
END
# The partition is 2970 MiB less the backup table: 742 extents of 4 MiB behind the first MiB.
assert_says "$TEST_TMP/said" '^ *centos:4:742:0$'
assert_says "$TEST_TMP/said" '^ *root:/dev/sda2:0-99$'
assert_says "$TEST_TMP/said" '^ *root:/dev/sda2:116-741$'
assert_says "$TEST_TMP/said" '^ *swap:/dev/sda2:100-115$'
assert_equal "$(grep -c '^root: .*/2973696 blocks$' "$TEST_TMP/said")" 2 "verdicts of e2fsck on 2904 MiB"
assert_says "$TEST_TMP/said" 'successfully resized'
mkdir "$TEST_TMP/files"
tar -xf "$TEST_TMP/files.tar" -C "$TEST_TMP/files"
(cd "$TEST_TMP/files" && sha256sum --quiet -c "$TEST_TMP/tree.sha256") || fail "files are damaged"
