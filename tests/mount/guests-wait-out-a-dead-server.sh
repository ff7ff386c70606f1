#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Two guests run on the same goals of a slow server at the same time, of which nothing was fetched before, while qemu-img
# reads one of them, too. When the server dies they pause (rerror=stop); when it is back they go on, and not a byte is wrong.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/remote.sh"
. "$TEST_TOP/tests/lib/qemu.sh"
require_prog debugfs
require_guest
ln -s "$TEST_GUEST/debian-12.xz" "$TEST_LIB/debian-12.xz"
make_template data.xz 20 40M
{
	index_entry debian-12 debian-12.xz
	index_entry data data.xz
} >"$TEST_LIB/index"
serve
# To check it all of it would have to be fetched, before it is read or behind.
mount_remote --verify off "$http/index"
guest_kernel debian-12

guest_script <<-'EOF'
	echo UP
	read go
	sum data
EOF
for name in one two; do
	case $name in
	one) how=cache=none,aio=native ;;
	two) how=cache=none,aio=io_uring ;;
	esac
	# shellcheck disable=SC2086,SC2154
	machine_start $name $guest_boot -append "$guest_append" -object iothread,id=t \
		-drive "file=$TEST_MNT/debian-12.qcow2,if=none,id=root,snapshot=on,$how" -device virtio-blk-pci,drive=root \
		-drive "file=$TEST_MNT/data.raw,format=raw,if=none,id=data,readonly=on,$how" \
		-device virtio-blk-pci,drive=data,serial=data,rerror=stop,iothread=t
done
machine_says one '^UP'
machine_says two '^UP'

stop_serving
machine_hears one go
machine_hears two go
qemu_until "the first guest pauses" answer_is io-error one query-status
qemu_until "the second guest pauses" answer_is io-error two query-status
! machine_has_said one '^SUM' || fail "there are bytes of a server that is down"
serve
qmp one cont >/dev/null
qmp two cont >/dev/null
qemu-img convert -f raw -O raw "$TEST_MNT/data.raw" "$TEST_TMP/copy.raw"
machine_end one
machine_end two
for name in one two; do
	machine_has_said $name "^SUM data $(sha256_of "$TEST_TMP/data.raw")" || fail "guest $name has read other bytes"
	! grep -E 'I/O error|EXT4-fs (error|warning)|Kernel panic' "$TEST_TMP/$name.serial" >&2 || fail "see above"
done
assert_same "$TEST_TMP/copy.raw" "$TEST_TMP/data.raw"
umount_library
