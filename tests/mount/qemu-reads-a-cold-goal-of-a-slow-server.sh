#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Three QEMUs read the same goal at the same time, each with another I/O engine and many requests under way, of a server
# that is slow, far away and resets connections: all get the template's bytes, and no reader fetches them for itself.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/remote.sh"
. "$TEST_TOP/tests/lib/qemu.sh"
make_template data.xz 6 32M
index_entry data data.xz file=fault/reset:300000,12/data.xz >"$TEST_LIB/index"
serve_faulty --delay-ms 40 --rate 4000000
mount_remote --verify off "$faulty/index"
cd "$TEST_TMP"

readers=
for aio in native io_uring threads; do
	# Last things first, as a guest would that looks for its tables, and much at a time.
	qemu-io -r --image-opts "driver=qcow2,file.driver=file,file.filename=$TEST_MNT/data@content=none@64M.qcow2,file.aio=$aio,file.cache.direct=on" \
		-c 'aio_read 67043328 65536' -c 'aio_read 0 1M' -c 'aio_read 20M 2M' -c 'aio_read 10M 64k' -c 'aio_read 1M 19M' \
		-c 'aio_read 22M 10M' -c aio_flush >"$aio.said" 2>&1 &
	readers="$readers $!"
	qemu-img convert --image-opts -O raw \
		"driver=raw,file.driver=file,file.filename=$TEST_MNT/data.raw,file.aio=$aio,file.cache.direct=on" "$aio.raw" &
	readers="$readers $!"
done
for pid in $readers; do
	wait "$pid" || fail "a reader has met an error"
done
for aio in native io_uring threads; do
	assert_equal "$(grep -cE '^read ([0-9]+)/\1 ' "$aio.said")" 6 "reads with $aio that came back whole"
	assert_same "$aio.raw" data.raw
done
# Not once for each reader; what was under way when a connection was reset may have come in vain.
most=$(($(stat -c %s "$TEST_LIB/data.xz") * 2))
[ "$(faulty_stat bytes)" -le $most ] || fail "$(faulty_stat bytes) bytes were fetched, not $most at most"
umount_library
