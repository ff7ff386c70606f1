#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A flipped bit in the compressed data of one block: reads there fail, each time; the rest of the file is right.
. "${0%/*}/../lib/common.sh"
require_prog xz
# Data that does not compress, so that block N lies at about N/64 of the file.
head -c 64M /dev/urandom >"$TEST_TMP/data.raw"
xz -0 --block-size=1MiB -c "$TEST_TMP/data.raw" >"$TEST_LIB/data.xz"
python3 - "$TEST_LIB/data.xz" <<'EOT'
import os, sys
with open(sys.argv[1], "r+b") as f:
	f.seek(os.fstat(f.fileno()).st_size * 40 // 64 + 500000)
	byte = f.read(1)
	f.seek(-1, 1)
	f.write(bytes([byte[0] ^ 1]))
EOT
for round in 1 2; do # with a cold cache and with what the first daemon has kept
	mount_library
	goal=$TEST_MNT/data.raw
	for again in 1 2; do
		assert_fails dd if="$goal" of=/dev/null bs=1M skip=40 count=1 status=none
	done
	cmp -n 39M "$TEST_TMP/data.raw" "$goal"
	cmp -i 42M "$TEST_TMP/data.raw" "$goal"
	assert_fails cp "$goal" "$TEST_TMP/copy"
	umount_library
done
assert_says "$TEST_LOG" 'data'
