#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A guest boots with a kernel out of a goal, its root an overlay on a goal, and reads other goals through every device,
# cache and I/O engine of QEMU: the bytes of all are the template's. While it runs, its root gets a snapshot, another
# disk is mirrored off the mount, and a goal is plugged in by a descriptor that was passed in.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/qemu.sh"
. "$TEST_TOP/tests/lib/disks.sh"
require_prog debugfs xz
require_guest
put_template "$TEST_GUEST/debian-12.xz"
make_tree "$TEST_TMP/tree"
head -c 6M /dev/urandom >"$TEST_TMP/tree/random"
tree_sums "$TEST_TMP/tree" >"$TEST_TMP/tree.sha256"
make_disk "$TEST_TMP/data.raw" 24M gpt -t ext4
xz -1 -T2 --block-size=4MiB -c "$TEST_TMP/data.raw" >"$TEST_LIB/data.xz"
mount_library
guest_kernel debian-12

guest_script <<-'EOF'
	files="/usr/bin/dpkg /usr/bin/perl /lib/x86_64-linux-gnu/libc.so.6"
	sha256sum $files >/run/files
	for serial in native uring scsi nvme cd fdset vhost nbd vmdk overlay; do
		sum $serial
	done
	modprobe nfit && modprobe nd_pmem
	echo "SUM mapped $(sha256sum </dev/pmem0 | cut -d ' ' -f 1)"
	# What a guest writes and discards on top of a goal, and what lies beside it.
	for serial in scsi overlay; do
		dev=$(disk $serial)
		blkdiscard -f -o 8M -l 4M "$dev" && dd if=/dev/zero of="$dev" bs=1M seek=14 count=2 oflag=direct status=none &&
			dd if=/usr/bin/perl of="$dev" bs=1M seek=20 count=1 oflag=direct status=none && echo "WRITTEN $serial"
		echo 3 >/proc/sys/vm/drop_caches
		echo "BEFORE $serial $(head -c 8M "$dev" | sha256sum | cut -d ' ' -f 1)"
		echo "BEHIND $serial $(tail -c +22020097 "$dev" | sha256sum | cut -d ' ' -f 1)"
		cmp -n 1048576 -i 20971520:0 "$dev" /usr/bin/perl && cmp -n 2097152 -i 14680064:0 "$dev" /dev/zero && echo "BACK $serial"
	done
	[ "$(cat "/sys/block/$(basename "$(readlink -f "$(disk native)")")/ro")" = 1 ] && echo "READ-ONLY native"
	mount -o remount,rw / && echo something >/written && sync
	sum overlay
	echo CHECKED
	until dev=$(disk plugged) && [ -b "$dev" ]; do sleep 0.2; done
	sum plugged
	sum overlay
	echo 3 >/proc/sys/vm/drop_caches
	sha256sum -c /run/files && [ "$(cat /written)" = something ] && echo ROOT-GOOD
	mount -o remount,ro /
	echo LET-GO
	while [ -b "$dev" ]; do sleep 0.2; done
EOF

# What has to stand before: a daemon that serves others, overlays, a descriptor.
storage_start storage \
	--blockdev "driver=file,node-name=f,filename=$TEST_MNT/data.qcow2,cache.direct=on,aio=native,read-only=on" \
	--blockdev driver=qcow2,node-name=data,file=f,read-only=on \
	--export "type=vhost-user-blk,id=vhost,node-name=data,addr.type=unix,addr.path=$TEST_TMP/vhost" \
	--nbd-server "addr.type=unix,addr.path=$TEST_TMP/nbd" --export type=nbd,id=nbd,node-name=data,name=data
qemu-img create -q -f qcow2 -F raw -b "$TEST_MNT/data.raw" "$TEST_TMP/overlay.qcow2"
qemu-img create -q -f qcow2 -F qcow2 -b "$TEST_MNT/debian-12@20G.qcow2" "$TEST_TMP/root.qcow2"

exec 7<"$TEST_MNT/data.raw"
# shellcheck disable=SC2086,SC2154
machine_start guest $guest_boot -append "$guest_append" -smp 2 \
	-object memory-backend-memfd,id=mem,size=384M,share=on -machine memory-backend=mem,nvdimm=on \
	-m 384,slots=1,maxmem=1G -device nvdimm,memdev=mapped,unarmed=on \
	-object "memory-backend-file,id=mapped,mem-path=$TEST_MNT/data.raw,size=24M,readonly=on,share=on" \
	-object iothread,id=t1 -object iothread,id=t2 -add-fd fd=7,set=1 -device virtio-scsi-pci,iothread=t2 \
	-drive "file=$TEST_TMP/root.qcow2,if=none,id=root,cache=none,aio=io_uring" \
	-device virtio-blk-pci,drive=root,iothread=t1 \
	-drive "file=$TEST_MNT/data.raw,format=raw,if=none,id=native,cache=none,aio=native,readonly=on" \
	-device virtio-blk-pci,drive=native,serial=native \
	-drive "file=$TEST_MNT/data.qcow2,format=qcow2,if=none,id=uring,cache=none,aio=io_uring,readonly=on" \
	-device virtio-blk-pci,drive=uring,serial=uring,iothread=t1,num-queues=2 \
	-drive "file=$TEST_MNT/data.qcow2,if=none,id=scsi,cache=writeback,snapshot=on,discard=unmap" \
	-device scsi-hd,drive=scsi,serial=scsi \
	-drive "file=$TEST_MNT/data.raw,format=raw,if=none,id=nvme,cache=directsync,aio=threads,readonly=on" \
	-device nvme,drive=nvme,serial=nvme \
	-drive "file=$TEST_MNT/data.raw,format=raw,if=none,id=cd,media=cdrom" -device scsi-cd,drive=cd,serial=cd \
	-drive file=/dev/fdset/1,format=raw,if=none,id=fdset,readonly=on -device virtio-blk-pci,drive=fdset,serial=fdset \
	-chardev "socket,id=vhost,path=$TEST_TMP/vhost" -device vhost-user-blk-pci,chardev=vhost,num-queues=1 \
	-drive "file=nbd+unix:///data?socket=$TEST_TMP/nbd,format=raw,if=none,id=nbd,readonly=on" \
	-device virtio-blk-pci,drive=nbd,serial=nbd \
	-drive "file=$TEST_MNT/data.vmdk,if=none,id=vmdk,readonly=on" -device virtio-blk-pci,drive=vmdk,serial=vmdk \
	-drive "file=$TEST_TMP/overlay.qcow2,if=none,id=overlay,cache=none,aio=native,discard=unmap,detect-zeroes=unmap" \
	-device virtio-blk-pci,drive=overlay,serial=overlay
exec 7<&-
machine_says guest CHECKED

# assert_said REGEX WHAT
assert_said() {
	machine_has_said guest "^$1" || fail "$2"
}
whole=$(sha256_of "$TEST_TMP/data.raw")
before=$(head -c 8M "$TEST_TMP/data.raw" | sha256sum | cut -d ' ' -f 1)
behind=$(tail -c +22020097 "$TEST_TMP/data.raw" | sha256sum | cut -d ' ' -f 1)
for serial in native uring scsi nvme cd fdset vhost nbd vmdk overlay mapped; do
	assert_said "SUM $serial $whole" "$serial is not the template"
done
for serial in scsi overlay; do
	assert_said "WRITTEN $serial" "$serial can't be written to"
	assert_said "BEFORE $serial $before" "what lies before what was written on $serial has changed"
	assert_said "BEHIND $serial $behind" "what lies behind what was written on $serial has changed"
	assert_said "BACK $serial" "what was written on $serial does not come back"
done
assert_said 'READ-ONLY native' "the guest takes a goal for something that can be written to"

# The root's overlay gets another one on top, and a disk leaves the mount, all of it, while the guest uses it.
qmp guest blockdev-snapshot-sync "{\"device\": \"root\", \"snapshot-file\": \"$TEST_TMP/top.qcow2\", \"format\": \"qcow2\"}" \
	drive-mirror "{\"device\": \"overlay\", \"job-id\": \"move\", \"target\": \"$TEST_TMP/moved.qcow2\", \"format\": \"qcow2\",
	\"sync\": \"full\"}" >/dev/null
qemu_until "the mirror is ready" answer_is '"ready": true' guest query-block-jobs
qmp guest block-job-complete '{"device": "move"}' >/dev/null
qemu_until "the mirror is done" answer_is '^\[\]$' guest query-block-jobs
answer_is moved.qcow2 guest query-block || fail "the guest's disk is still what it was"

# In by descriptor, as libvirt does it.
qmp guest --pass-direct "$TEST_MNT/data@content=none@40M.qcow2" add-fd '{"fdset-id": 2}' \
	blockdev-add '{"driver": "file", "filename": "/dev/fdset/2", "node-name": "file2", "read-only": true,
	"cache": {"direct": true}, "aio": "io_uring"}' \
	blockdev-add '{"driver": "qcow2", "file": "file2", "node-name": "plugged", "read-only": true}' \
	device_add '{"driver": "virtio-blk-pci", "drive": "plugged", "id": "plugged", "serial": "plugged"}' >/dev/null
machine_says guest LET-GO
qmp guest device_del '{"id": "plugged"}' >/dev/null
machine_end guest
assert_said SCRIPT-END "the guest's script has not come to its end"
! grep -E 'I/O error|EXT4-fs (error|warning)|BUG:|Kernel panic' "$TEST_TMP/guest.serial" >&2 || fail "see above"
assert_said ROOT-GOOD "the guest's root is not what it was before it was moved"
qemu-img convert -f qcow2 -O raw "$TEST_MNT/data@content=none@40M.qcow2" "$TEST_TMP/plugged.raw"
assert_said "SUM plugged $(sha256_of "$TEST_TMP/plugged.raw")" "what was plugged in has other bytes"
qmp storage quit >/dev/null
machine_end storage

# What was mirrored is all of the disk, with nothing below.
qemu-img info --backing-chain "$TEST_TMP/moved.qcow2" >"$TEST_TMP/info"
! grep 'backing file' "$TEST_TMP/info" || fail "what was mirrored still stands on the mount"
umount_library
qemu-img convert -f qcow2 -O raw "$TEST_TMP/moved.qcow2" "$TEST_TMP/moved.raw"
tr -d '\r' <"$TEST_TMP/guest.serial" | sed -n 's/^SUM overlay //p' >"$TEST_TMP/sums"
assert_equal "$(tail -n +2 "$TEST_TMP/sums" | xargs)" "$(sha256_of "$TEST_TMP/moved.raw") $(sha256_of "$TEST_TMP/moved.raw")" \
	"the disk before it was mirrored, after, and its copy"
