#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Every hole that lseek tells of is zero, cold and warm, and a sparse copy is small.
. "${0%/*}/../lib/common.sh"
require_guest
put_template "$TEST_GUEST/debian-12.xz"
mount_library
for when in cold warm; do
	for name in debian-12@20G.qcow2 debian-12@7G.raw; do
		python3 "$TEST_TOP/tests/lib/read.py" holes "$TEST_MNT/$name" 2>"$TEST_TMP/holes" >/dev/null ||
			fail "$when $name: $(cat "$TEST_TMP/holes")"
	done
	# Most of the grown disk was never anything: it must have been told as holes.
	[ "$(cut -d ' ' -f 1 "$TEST_TMP/holes")" -gt 3 ] || fail "$when: too few holes"
done

# The end of the file, and what lies behind it.
python3 - "$TEST_MNT/debian-12@20G.raw" <<'EOT'
import errno, os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
size = os.fstat(fd).st_size
assert os.lseek(fd, size - 1, os.SEEK_HOLE) <= size
for whence in (os.SEEK_DATA, os.SEEK_HOLE):
	for at in (size, size + 4096):
		try:
			os.lseek(fd, at, whence)
			sys.exit(f"lseek to {at} of {size} should fail")
		except OSError as e:
			assert e.errno == errno.ENXIO, e
EOT

cp "$TEST_MNT/debian-12@20G.raw" "$TEST_TMP/copy"
kib=$(du -k "$TEST_TMP/copy" | cut -f 1)
[ "$kib" -lt 1000000 ] || fail "cp did not see the holes: $kib KiB"
[ "$(stat -c %b "$TEST_MNT/debian-12@20G.raw")" -gt 0 ] || fail "no blocks: old tools would take all for a hole"
umount_library
