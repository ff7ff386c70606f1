#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# cp, dd, tar -S, rsync and O_DIRECT, mmap and sendfile readers all get the same bytes.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/disks.sh"
require_prog xz tar rsync dd
make_disk "$TEST_TMP/small.raw" 96M gpt -t ext4
xz --block-size=1MiB -c "$TEST_TMP/small.raw" >"$TEST_LIB/small.xz"
mount_library
cd "$TEST_TMP"
for name in small.raw small@160M.raw small@160M.qcow2; do
	goal=$TEST_MNT/$name
	sum=$(sha256_of "$goal")
	got() {
		assert_equal "$(sha256_of "$1")" "$sum" "$name through $2"
		rm "$1"
	}
	cp "$goal" out && got out cp
	cp --sparse=always "$goal" out && got out "cp --sparse=always"
	cp --sparse=never "$goal" out && got out "cp --sparse=never"
	cat "$goal" >out && got out cat
	dd if="$goal" of=out bs=4097 status=none && got out "dd bs=4097"
	dd if="$goal" of=out bs=1M conv=sparse status=none && got out "dd conv=sparse"
	dd if="$goal" of=out bs=1M iflag=direct status=none && got out "dd iflag=direct"
	tar -C "$TEST_MNT" -cSf out.tar "$name" && tar -xSf out.tar && got "$name" "tar -S"
	tar --hole-detection=raw -C "$TEST_MNT" -cSf out.tar "$name" && tar -xSf out.tar && got "$name" "tar -S, raw"
	rsync --sparse "$goal" out && got out "rsync --sparse"
	python3 "$TEST_TOP/tests/lib/read.py" mmap "$goal" >out && got out mmap
	python3 "$TEST_TOP/tests/lib/read.py" sendfile "$goal" >out && got out sendfile
	python3 "$TEST_TOP/tests/lib/read.py" splice "$goal" >out && got out splice
	python3 "$TEST_TOP/tests/lib/read.py" backwards "$goal" >out && got out "reading backwards"
done
cd /
umount_library
