#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Truncated, flipped and lying files: an error with a reason for that name, never wrong bytes; the others go on.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/disks.sh"
require_prog xz
make_disk "$TEST_TMP/good.raw" 64M gpt -t ext4
xz --block-size=1MiB -c "$TEST_TMP/good.raw" >"$TEST_LIB/good.xz"
bytes=$(stat -c %s "$TEST_LIB/good.xz")

head -c $((bytes - 100)) "$TEST_LIB/good.xz" >"$TEST_LIB/cut-footer.xz"
head -c $((bytes / 2)) "$TEST_LIB/good.xz" >"$TEST_LIB/cut-half.xz"
head -c 20 "$TEST_LIB/good.xz" >"$TEST_LIB/cut-early.xz"
: >"$TEST_LIB/empty.xz"
head -c 100000 /dev/urandom >"$TEST_LIB/noise.xz"
python3 - "$TEST_LIB" <<'EOT'
import binascii, struct, sys
lib = sys.argv[1]
good = open(lib + "/good.xz", "rb").read()

def put(name, data):
	open(f"{lib}/{name}.xz", "wb").write(data)

def flipped(at):
	data = bytearray(good)
	data[at] ^= 0x10
	return data

put("bad-magic", b"\xfe" + good[1:])
put("bad-flags", flipped(7))
put("flipped-index", flipped(len(good) - 20))
put("flipped-footer", flipped(len(good) - 3))
# An index that claims a huge last block, with right checksums.
put("lying-backward-size", good[:-12] + (lambda body: struct.pack("<I", binascii.crc32(body)) + body)(
	struct.pack("<I", 0xffffffff) + good[-4:-2]) + good[-2:])
EOT
mount_library
assert_same "$TEST_TMP/good.raw" "$TEST_MNT/good.raw"
ls "$TEST_MNT" >/dev/null
for name in cut-footer cut-half cut-early empty noise bad-magic bad-flags flipped-index flipped-footer lying-backward-size; do
	assert_no_entry "$TEST_MNT/$name.raw"
	assert_no_entry "$TEST_MNT/$name@1G.qcow2"
	assert_same "$TEST_TMP/good.raw" "$TEST_MNT/good.raw"
done
for name in cut-footer cut-half flipped-index; do
	cat "$TEST_MNT/$name.qcow2.plan" >"$TEST_TMP/plan"
	assert_says "$TEST_TMP/plan" "$name"
done
umount_library
