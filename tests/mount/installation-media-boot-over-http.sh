#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The URL of an ISO is a source. A machine boots from it over a slow link while others read, as installers do, and no
# more is fetched than they ask for, and nothing twice; another time without the server.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/remote.sh"
require_prog grub-mkrescue xorriso mformat qemu-system-x86_64 qemu-img
mkdir -p "$TEST_TMP/iso/boot/grub"
# In place of a kernel, and of what an installer brings along.
head -c 8M /dev/urandom >"$TEST_TMP/iso/boot/kernel"
head -c 64M /dev/urandom >"$TEST_TMP/iso/packages"
cat >"$TEST_TMP/iso/boot/grub/grub.cfg" <<'END'
serial --unit=0
terminal_output serial
sha256sum /boot/kernel
echo goalfs-medium-is-up
halt
END
grub-mkrescue -o "$TEST_LIB/medium.iso" "$TEST_TMP/iso" 2>"$TEST_TMP/log-mkrescue"
size=$(stat -c %s "$TEST_LIB/medium.iso")
serve
serve_far --delay-ms 30 --rate 8000000
mount_remote "$far/medium.iso"
assert_equal "$(ls "$TEST_MNT")" medium.iso
assert_equal "$(stat -c %s "$TEST_MNT/medium.iso")" "$size"
[ "$(bytes_served /medium.iso)" -lt 1000000 ] || fail "$(bytes_served /medium.iso) bytes were fetched to list"

qemu-system-x86_64 -accel tcg -m 256 -nodefaults -display none -no-reboot -serial "file:$TEST_TMP/console" \
	-cdrom "$TEST_MNT/medium.iso" &
machine=$!
# One who reads here and there, and one who reads a piece from its beginning to its end.
python3 - "$TEST_MNT/medium.iso" "$TEST_LIB/medium.iso" "$size" <<'END' &
import os, random, sys
goal, file = (os.open(name, os.O_RDONLY) for name in sys.argv[1:3])
random.seed(1)
for _ in range(60):
    at = random.randrange(int(sys.argv[3]) // 2, int(sys.argv[3]) - 4096)
    if os.pread(goal, 4096, at) != os.pread(file, 4096, at):
        sys.exit(f"other bytes at {at}")
END
jumper=$!
cmp -n 4M -i 36M "$TEST_MNT/medium.iso" "$TEST_LIB/medium.iso" || fail "the piece that was read in a row differs"
wait $jumper || fail "the reader of single blocks has met wrong bytes"
n=0
until grep -q goalfs-medium-is-up "$TEST_TMP/console" 2>/dev/null; do
	kill -0 $machine || fail "the machine has ended: $(cat "$TEST_TMP/console")"
	n=$((n + 1))
	[ $n -lt 2400 ] || fail "the machine has not booted in 4 minutes"
	sleep 0.1
done
kill $machine 2>/dev/null || true
wait $machine || true
grep -q "$(sha256_of "$TEST_TMP/iso/boot/kernel")" "$TEST_TMP/console" || fail "the machine has read another kernel"
served=$(bytes_served /medium.iso)
echo "of $size bytes $served were fetched to boot, by $(requests /medium.iso) requests"
# A kernel of 8 MiB, a piece of 4, as much again that was read ahead, GRUB, and 60 chunks.
[ "$served" -lt 40000000 ] || fail "$served of $size bytes were fetched"

# All of it, in several forms: nothing comes twice.
cmp "$TEST_LIB/medium.iso" "$TEST_MNT/medium.iso"
qemu-img compare -f raw -F qcow2 "$TEST_LIB/medium.iso" "$TEST_MNT/medium.qcow2"
cmp "$TEST_LIB/medium.iso" "$TEST_MNT/medium.raw"
served=$(bytes_served /medium.iso)
[ "$served" -le "$size" ] || fail "$served bytes of $size were fetched"
umount_library

# What is in the cache needs no server.
stop_far
stop_serving
: >"$TEST_LOG"
mount_remote "$far/medium.iso"
log_says "can't be reached.*its server is asked again" || fail "nobody says that the server is away"
cmp "$TEST_LIB/medium.iso" "$TEST_MNT/medium.iso"
umount_library

# The same from an index.
serve
printf '[medium]\narch=%s\nfile=medium.iso\nformat=iso\n' "$(uname -m)" >"$TEST_LIB/index"
mount_remote "$http/index"
assert_equal "$(ls "$TEST_MNT")" medium.iso
cmp -n 1M "$TEST_LIB/medium.iso" "$TEST_MNT/medium.iso"
umount_library

# A directory of them, one of them packed.
xorriso -as mkisofs -o "$TEST_TMP/packed.iso" "$TEST_TMP/iso/boot" 2>"$TEST_TMP/log-xorriso"
xz -0 -c "$TEST_TMP/packed.iso" >"$TEST_LIB/packed.iso.xz"
rm "$TEST_LIB/index"
mount_library
assert_equal "$(ls "$TEST_MNT" | tr '\n' ' ')" "medium.iso packed.iso "
cmp "$TEST_LIB/medium.iso" "$TEST_MNT/medium.iso"
cmp "$TEST_TMP/packed.iso" "$TEST_MNT/packed.iso"
umount_library
