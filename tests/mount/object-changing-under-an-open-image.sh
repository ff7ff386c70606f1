#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A file that is exchanged on its server while it is read: the open one fails from there on, the next open sees the new.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/remote.sh"
make_template next.xz 24
mv "$TEST_TMP/next.raw" "$TEST_TMP/new.raw"
make_template small.xz 24
# Nothing else than the server's word tells one file from another.
index_entry small small.xz "checksum[sha512]=" >"$TEST_LIB/index"
serve
mount_remote --formats raw "$http/index"
exec 3<"$TEST_MNT/small.raw"
head -c 4096 <&3 | cmp -n 4096 - "$TEST_TMP/small.raw"
touch -d '1 hour ago' "$TEST_LIB/next.xz"
mv "$TEST_LIB/next.xz" "$TEST_LIB/small.xz"
# What comes is of the one that was opened, and it can't be all of it.
python3 - "$TEST_TMP/small.raw" <<-EOT || fail "see above"
	import errno, os, sys
	old = open(sys.argv[1], "rb")
	size, at = os.stat(old.fileno()).st_size, 0
	try:
	    while at < size:
	        data = os.pread(3, 65536, at)
	        if data != os.pread(old.fileno(), 65536, at):
	            sys.exit(f"other bytes at {at}")
	        at += len(data)
	    sys.exit("all of a file came that is no more")
	except OSError as e:
	    if e.errno not in (errno.ESTALE, errno.EIO):
	        raise
EOT
assert_says "$TEST_LOG" 'changed on its server'
assert_same "$TEST_TMP/new.raw" "$TEST_MNT/small.raw"
exec 3<&-
umount_library

# It is asked once by each daemon whether it still is the same.
make_template small.xz 1
mount_remote --formats raw "$http/index"
assert_same "$TEST_TMP/small.raw" "$TEST_MNT/small.raw"
umount_library
