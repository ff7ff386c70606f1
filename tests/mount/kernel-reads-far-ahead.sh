#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Run by root, the kernel's readahead is as long as a request may be, not what it is by default.
. "${0%/*}/../lib/common.sh"
require_root
truncate -s 1M "$TEST_LIB/a.raw"
mount_library
knob=/sys/class/bdi/$(mountpoint -d "$TEST_MNT")/read_ahead_kb
# Where /sys can't be written to, as in a container, it stays what it is, and all is served all the same.
if ! sh -c 'cat "$1" >"$1"' sh "$knob" 2>/dev/null; then
	cmp "$TEST_LIB/a.raw" "$TEST_MNT/a.raw"
	umount_library
	exit 0
fi
n=0
until [ "$(cat "$knob")" = 1024 ]; do
	n=$((n + 1))
	[ $n -lt 600 ] || fail "the readahead is $(cat "$knob") KiB"
	sleep 0.05
done
umount_library
