#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A template dropped into the directory appears, one that is removed disappears; who has it open reads on. Who has the
# directory open sees it when he reads it from the beginning.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/disks.sh"
require_prog xz
make_disk "$TEST_TMP/one.raw" 64M gpt -t ext4
make_disk "$TEST_TMP/two.raw" 64M dos -t ext4
xz --block-size=1MiB -c "$TEST_TMP/one.raw" >"$TEST_LIB/one.xz"
mount_library
assert_no_entry "$TEST_MNT/two.raw"

python3 - "$TEST_MNT" <<'EOT' &
import os, sys, time
fd = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY)
while "two.raw" not in os.listdir(fd):
    time.sleep(0.1)
EOT
reader=$!
# The library is watched, not polled by readers.
xz --block-size=1MiB -c "$TEST_TMP/two.raw" >"$TEST_LIB/.two.xz.part"
mv "$TEST_LIB/.two.xz.part" "$TEST_LIB/two.xz"
wait_until 20 test -e "$TEST_MNT/two.raw"
wait_until 20 sh -c "ls '$TEST_MNT' | grep -q two"
test_wait "$reader" 20 || {
	kill "$reader"
	fail "an open directory goes on showing what it showed"
}
assert_same "$TEST_TMP/two.raw" "$TEST_MNT/two.raw"

exec 3<"$TEST_MNT/one@80M.raw"
head -c 100 <&3 >/dev/null
sum=$(sha256_of "$TEST_MNT/one@80M.raw")
rm "$TEST_LIB/one.xz"
wait_until 20 sh -c "! test -e '$TEST_MNT/one.raw'"
wait_until 20 sh -c "! ls '$TEST_MNT' | grep -q one"
assert_equal "$(sha256_of /proc/self/fd/3)" "$sum" "open file after its template went"
exec 3<&-

# Another template under the old name: its own bytes, not the old one's.
xz --block-size=1MiB -c "$TEST_TMP/two.raw" >"$TEST_LIB/one.xz"
wait_until 20 cmp -s "$TEST_TMP/two.raw" "$TEST_MNT/one.raw"
umount_library
