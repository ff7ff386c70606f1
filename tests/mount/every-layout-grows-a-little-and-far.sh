#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Disks laid out as public templates grow by 1 MiB, by 300 MiB, and to 2 TiB, which is as far as an MBR goes.
. "${0%/*}/../lib/private.sh"
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/disks.sh"
. "$TEST_TOP/tests/lib/layouts.sh"
require_root

judge() {
	size=$(stat -c %s "$TEST_LIB/$1.raw")
	judge_goal "$1" $((size + (1 << 20)))
	judge_goal "$1" $((size + (300 << 20)))
	judge_goal "$1" 2T
}
for_layouts judge
