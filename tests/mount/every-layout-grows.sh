#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Disks laid out as public templates grow to 20 GiB, in raw and qcow2: tables, numbers and names, every file, the new room.
. "${0%/*}/../lib/private.sh"
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/disks.sh"
. "$TEST_TOP/tests/lib/layouts.sh"
require_root
require_prog qemu-img

judge() {
	judge_goal "$1" 20G
	qcow2=${goal%.raw}.qcow2
	qemu-img check -q "$qcow2" || fail "qemu-img finds fault with '${qcow2##*/}'"
	qemu-img compare -q -f raw -F qcow2 "$goal" "$qcow2" || fail "'${qcow2##*/}' holds something else"

	# A copy can be written to.
	cp --sparse=always "$goal" "$TEST_TMP/copy.raw" || fail "the goal can't be copied"
	attach_root "$TEST_TMP/copy.raw" rw
	assert_takes_files "$root_kind" "$loop" $((12 << 30))
	detach_root
	rm "$TEST_TMP/copy.raw"
}
for_layouts judge
