# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# Sourced after common.sh: the displays of a manual, pasted into a shell as they are.

# paste_manual PAGE SECTION: all displays of the section, one after the other, in the directory $TEST_TMP/pasted.
# What they print is in $TEST_TMP/pasted.out, in the end.
paste_manual() {
	mkdir -p "$TEST_TMP/pasted"
	rm -f "$TEST_TMP"/display-*
	awk -v out="$TEST_TMP/display-" -v wanted="$2" '
		/^\.Sh/ { here = substr($0, 5) == wanted }
		here && /^\.Bd/ { n++; inside = 1; next }
		/^\.Ed/ { inside = 0 }
		inside { gsub(/\\e/, "\\"); print > (out n) }' "$TEST_TOP/man/$1"
	[ -e "$TEST_TMP/display-1" ] || fail "$1 has nothing to paste in its section $2"
	: >"$TEST_TMP/pasted.out"
	for display in "$TEST_TMP"/display-*; do
		sed "s|^|$1: |" "$display"
		(cd "$TEST_TMP/pasted" && sh -eu "$display" >>"$TEST_TMP/pasted.out" 2>&1) || {
			tail -n 30 "$TEST_TMP/pasted.out" >&2
			fail "these lines of $1 don't work"
		}
	done
}
