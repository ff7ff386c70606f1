#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Ctrl-C in a copy that waits for a decoder ends the copy, and harms no other reader.
. "${0%/*}/../lib/common.sh"
require_guest
put_template "$TEST_GUEST/one-block.xz"
mount_library
# The end of a single block of 6 GiB: everything before it must be decoded first.
dd if="$TEST_MNT/one-block.raw" of=/dev/null bs=1M skip=6100 count=1 status=none &
reader=$!
sleep 0.5
kill -INT $reader 2>/dev/null || true
kill -TERM $reader 2>/dev/null || true
test_wait $reader 5 || fail "the reader can't be ended"
cmp -n 64M "$TEST_GUEST/debian-12.raw" "$TEST_MNT/one-block.raw"
umount_library
