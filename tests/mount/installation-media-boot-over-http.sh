#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# An ISO on a web server: its goal is the file as it is, and a machine boots from it without all of it being fetched.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/remote.sh"
require_prog grub-mkrescue xorriso mformat qemu-system-x86_64 qemu-img
mkdir -p "$TEST_TMP/iso/boot/grub"
cat >"$TEST_TMP/iso/boot/grub/grub.cfg" <<EOF
serial --unit=0
terminal_output serial
echo goalfs-medium-is-up
halt
EOF
# What an installer would bring along.
head -c 100M /dev/urandom >"$TEST_TMP/iso/packages"
grub-mkrescue -o "$TEST_LIB/medium.iso" "$TEST_TMP/iso" 2>"$TEST_TMP/log-mkrescue"
printf '[medium]\narch=%s\nfile=medium.iso\nformat=iso\n' "$(uname -m)" >"$TEST_LIB/index"
serve
mount_remote "$http/index"
assert_equal "$(ls "$TEST_MNT")" medium.iso
size=$(stat -c %s "$TEST_LIB/medium.iso")
assert_equal "$(stat -c %s "$TEST_MNT/medium.iso")" "$size"

qemu-system-x86_64 -accel tcg -m 256 -nodefaults -display none -no-reboot -serial "file:$TEST_TMP/console" \
	-cdrom "$TEST_MNT/medium.iso" &
machine=$!
n=0
until grep -q goalfs-medium-is-up "$TEST_TMP/console" 2>/dev/null; do
	kill -0 $machine || fail "the machine has ended: $(cat "$TEST_TMP/console")"
	n=$((n + 1))
	[ $n -lt 1200 ] || fail "the machine has not booted in 2 minutes"
	sleep 0.1
done
kill $machine 2>/dev/null || true
wait $machine || true
[ "$(bytes_served /medium.iso)" -lt $((size / 3)) ] || fail "$(bytes_served /medium.iso) of $size bytes were fetched to boot"

cmp "$TEST_LIB/medium.iso" "$TEST_MNT/medium.iso"
qemu-img compare -f raw -F qcow2 "$TEST_LIB/medium.iso" "$TEST_MNT/medium.qcow2"
cmp "$TEST_LIB/medium.iso" "$TEST_MNT/medium.raw"
umount_library

# A directory of them, one of them packed.
xz -1 -c "$TEST_LIB/medium.iso" >"$TEST_LIB/packed.iso.xz"
rm "$TEST_LIB/index"
mount_library
assert_equal "$(ls "$TEST_MNT" | tr '\n' ' ')" "medium.iso packed.iso "
cmp "$TEST_LIB/medium.iso" "$TEST_MNT/medium.iso"
cmp "$TEST_LIB/medium.iso" "$TEST_MNT/packed.iso"
umount_library
