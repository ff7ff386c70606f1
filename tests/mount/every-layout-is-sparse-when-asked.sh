#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# With @sparse, what the filesystems don't use reads as zeros and is a hole, grown or not; every file is as it was.
. "${0%/*}/../lib/private.sh"
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/disks.sh"
. "$TEST_TOP/tests/lib/layouts.sh"
require_root

# assert_no_junk FILE: a hole, and zeros.
assert_no_junk() {
	cmp -n $junk_length -i "$junk:0" "$1" /dev/zero || fail "'${1##*/}' has what nobody uses"
	python3 -c 'import errno, os, sys
fd, at, length = os.open(sys.argv[1], os.O_RDONLY), int(sys.argv[2]), int(sys.argv[3])
try:
	data = os.lseek(fd, at, os.SEEK_DATA)
except OSError as e:
	if e.errno != errno.ENXIO:
		raise
	data = at + length
sys.exit(0 if data >= at + length else f"there is data at {data}")' "$1" "$junk" $junk_length ||
		fail "'${1##*/}' has data where nobody uses it"
}

judge() {
	junk=$(cat "$TEST_LIB/$1.raw.junk")
	layout_root "$1"
	cmp -n $junk_length -i "$junk:0" "$TEST_LIB/$1.raw" /dev/zero >/dev/null && fail "the template should have junk"
	cmp -n $junk_length -i "$junk" "$TEST_LIB/$1.raw" "$TEST_MNT/$1@20G$root_tags.raw" ||
		fail "nobody asked for another content"
	assert_no_junk "$TEST_MNT/$1@sparse.raw"
	assert_no_junk "$TEST_MNT/$1@20G@sparse$root_tags.raw"
	judge_goal "$1" 20G@sparse
	plain=$(stat -c %s "$TEST_MNT/$1@20G$root_tags.qcow2")
	sparse=$(stat -c %s "$TEST_MNT/$1@20G@sparse$root_tags.qcow2")
	[ "$sparse" -le $((plain - junk_length)) ] || fail "the qcow2 file of $sparse bytes is not much smaller than $plain"
}
for_layouts judge
