#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Of what qemu-nbd reads, too, no more is fetched or decoded than is asked for; and all of it is right.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/remote.sh"
require_prog qemu-img qemu-nbd
make_tree "$TEST_TMP/tree"
head -c 40M /dev/urandom >"$TEST_TMP/tree/random"
make_disk "$TEST_TMP/disk.raw" 256M gpt -t ext4

# convert FILE FORMAT [OPTION...]
convert() {
	file=$1
	shift
	qemu-img convert -f raw -O "$@" "$TEST_TMP/disk.raw" "$TEST_LIB/$file"
}
convert plain.vmdk vmdk
convert stream.vmdk vmdk -o subformat=streamOptimized
convert dynamic.vhd vpc -o force_size=on
convert new.vhdx vhdx -o block_size=1M
convert box.vdi vdi
tar -C "$TEST_LIB" -cf "$TEST_LIB/appliance.ova" stream.vmdk
xz -T2 -1 --block-size=4MiB -c "$TEST_LIB/plain.vmdk" >"$TEST_LIB/wrapped.vmdk.xz"
for file in "$TEST_LIB"/*; do
	file=${file##*/}
	printf '[%s]\narch=%s\nfile=%s\n\n' "${file%%.*}" "$(uname -m)" "$file"
done >"$TEST_TMP/index"
mv "$TEST_TMP/index" "$TEST_LIB/index"
names=$(sed -n 's/^\[\(.*\)\]$/\1/p' "$TEST_LIB/index")
serve
mount_remote "$http/index"

# No more than a part of 40 MiB and more, for what $1 says.
assert_little() {
	for name in $names; do
		[ "$(bytes_served "/$name\\.")" -lt "$2" ] ||
			fail "$(bytes_served "/$name\\.") bytes of $name were fetched $1"
	done
}

# A listing with sizes looks into each of them.
ls -l "$TEST_MNT" >"$TEST_TMP/listing"
for name in $names; do
	assert_equal "$(stat -c %s "$TEST_MNT/$name.raw")" $((256 << 20))
done
assert_little "to know its size" 12000000
for name in $names; do
	cmp -n 4096 "$TEST_MNT/$name.raw" "$TEST_TMP/disk.raw" || fail "the start of $name"
	cmp -n 65536 -i 30M "$TEST_MNT/$name.raw" "$TEST_TMP/disk.raw" || fail "the middle of $name"
	cmp -n 65536 -i 240M "$TEST_MNT/$name.raw" "$TEST_TMP/disk.raw" || fail "the end of $name"
done
assert_little "to read a bit of it" 22000000

# By several at once, each the whole, and nothing comes twice.
readers=
for name in $names; do
	cmp "$TEST_MNT/$name.raw" "$TEST_TMP/disk.raw" &
	readers="$readers $!"
done
for reader in $readers; do
	wait "$reader" || fail "one of the disks differs"
done
readers=
for file in "$TEST_LIB"/*.*; do
	size=$(stat -c %s "$file")
	served=$(bytes_served "/${file##*/}")
	# But for what was on its way when its reader had enough.
	[ "$served" -le $((size + 1000000)) ] || fail "$served bytes of ${file##*/} were fetched, which has $size"
done
umount_library

# What is in the cache needs no server.
stop_serving
mount_remote "$http/index"
for name in plain wrapped; do
	cmp "$TEST_MNT/$name.raw" "$TEST_TMP/disk.raw" || fail "$name without its server"
done
umount_library

# A server that stalls: who reads may leave, and the daemon ends when it is told to.
serve
rm -rf "$TEST_CACHE"
mount_remote "$http/index"
stat "$TEST_MNT/plain.raw" >"$TEST_TMP/stat"
worker=$(pgrep -P "$(cat "$NGINX/pid")")
kill -STOP "$worker"
for n in 1 2; do
	cat "$TEST_MNT/plain.raw" >/dev/null &
	readers="$readers $!"
done
sleep 1
kill "${readers##* }"
assert_fails wait "${readers##* }"
kill -TERM "$test_pid"
wait "$test_pid" || fail "goalfs ended with status $?"
mountpoint -q "$TEST_MNT" && fail "it is still mounted"
kill -CONT "$worker"
stop_serving

# A damaged block of 4 MiB harms what lies in it.
rm -rf "$TEST_CACHE"
find "$TEST_LIB" -type f ! -name wrapped.vmdk.xz -delete
python3 - "$TEST_LIB/wrapped.vmdk.xz" <<'END'
import os, sys
with open(sys.argv[1], "r+b") as f:
    f.seek(os.fstat(f.fileno()).st_size * 4 // 10)
    byte = f.read(1)
    f.seek(-1, 1)
    f.write(bytes([byte[0] ^ 1]))
END
: >"$TEST_LOG"
mount_library
python3 - "$TEST_MNT/wrapped.raw" "$TEST_TMP/disk.raw" <<'END' || fail "more is wrong than was damaged, or less"
import os, sys
goal, disk = (os.open(name, os.O_RDONLY) for name in sys.argv[1:])
errors = 0
for at in range(0, 256 << 20, 1 << 18):
    try:
        data = os.pread(goal, 1 << 18, at)
    except OSError:
        errors += 1
        continue
    if data != os.pread(disk, 1 << 18, at):
        sys.exit(f"other bytes at {at}")
print(errors, "pieces of 256 KiB can't be read")
# The kernel reads ahead, and what is kept comes by 1 MiB.
sys.exit(not 16 <= errors <= 32)
END
assert_says "$TEST_LOG" 'wrapped.raw: .* of the xz file is damaged'
umount_library
