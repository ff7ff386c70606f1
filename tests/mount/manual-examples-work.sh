#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The EXAMPLES of both manuals, pasted into a shell as they are.
. "${0%/*}/../lib/common.sh"
require_prog qemu-img xz mkfs.ext4
HOME=$TEST_TMP
XDG_CACHE_HOME=$TEST_CACHE
PATH=$(dirname "$GOALFS"):$PATH
export HOME XDG_CACHE_HOME PATH

# examples_of PAGE: each display of the section into $TEST_TMP/PAGE-N, as a terminal would show it.
examples_of() {
	awk -v out="$TEST_TMP/$1-" '
		/^\.Sh/ { examples = /EXAMPLES/ }
		examples && /^\.Bd/ { n++; inside = 1; next }
		/^\.Ed/ { inside = 0 }
		inside { gsub(/\\e/, "\\"); print > (out n) }' "$TEST_TOP/man/$1"
}
paste() {
	cd "$TEST_TMP"
	sed "s|^|$(basename "$1"): |" "$1"
	sed "s|/tmp/|$TEST_TMP/|g" "$1" >"$1.sh"
	sh -eu "$1.sh" || fail "these lines of a manual don't work"
	cd /
}
examples_of goalfs.1
examples_of goalfs-goals.7
paste "$TEST_TMP/goalfs.1-1"
paste "$TEST_TMP/goalfs.1-2"
for block in "$TEST_TMP"/goalfs-goals.7-?; do
	paste "$block"
done
paste "$TEST_TMP/goalfs.1-3"
qemu-img check "$TEST_TMP/demo@20G.qcow2"
