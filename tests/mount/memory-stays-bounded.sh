#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A cold copy of 6 GiB, from 16 MiB blocks and from one huge block, stays near what --memory allows.
. "${0%/*}/../lib/common.sh"
require_guest
put_template "$TEST_GUEST/debian-12.xz"
put_template "$TEST_GUEST/one-block.xz"
mount_library --memory 128M
cat "$TEST_MNT/debian-12.raw" >/dev/null
cat "$TEST_MNT/one-block.raw" >/dev/null
kib=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$test_pid/status")
echo "peak: $kib KiB"
# Sanitizers keep freed memory and shadows of all of it.
if ! grep -qa __asan_init "$GOALFS"; then
	[ "$kib" -lt $((192 << 10)) ] || fail "peak memory is $kib KiB with --memory 128M"
fi
umount_library
