#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A command line that won't become right by itself ends with 2, and what may with 1: the service starts again after that.
. "${0%/*}/../lib/common.sh"
printf 'a disk' >"$TEST_LIB/small.raw"
mkdir "$TEST_TMP/nothing"

# ends_with STATUS WORDS ARGUMENT...: in the background and in the foreground.
ends_with() {
	want=$1 words=$2
	shift 2
	for form in "" --foreground; do
		status=0
		HOME=$TEST_TMP/nothing VIRT_BUILDER_DIRS=$TEST_TMP/nothing XDG_CONFIG_HOME=$TEST_TMP/nothing \
			"$GOALFS" $form --cache "$TEST_CACHE" "$@" >"$TEST_TMP/output" 2>&1 || status=$?
		assert_says "$TEST_TMP/output" "$words"
		assert_equal "$status" "$want" "status of goalfs $form $*"
		! mountpoint -q "$TEST_MNT" || fail "it is mounted: $*"
	done
}
ends_with 2 'foo=bar' -o foo=bar "$TEST_LIB" "$TEST_MNT"
ends_with 2 'max_read=much' -o max_read=much "$TEST_LIB" "$TEST_MNT"
ends_with 2 'no option' --frobnicate "$TEST_LIB" "$TEST_MNT"
ends_with 2 'no fingerprint' --fingerprint abc "$TEST_LIB" "$TEST_MNT"
ends_with 2 "absent.gpg' can't be opened" --gpgkey "$TEST_TMP/absent.gpg" "$TEST_LIB" "$TEST_MNT"
ends_with 1 'no OpenPGP key' --gpgkey "$TEST_LIB/small.raw" "$TEST_LIB" "$TEST_MNT"
ends_with 2 'is no checksum' "file://$TEST_LIB/small.raw#crc=1" "$TEST_MNT"
ends_with 2 'has no host' "http://host:port/index" "$TEST_MNT"
ends_with 2 "can't be fetched here" gopher://host/index "$TEST_MNT"
ends_with 2 'mountpoint is missing' "$TEST_LIB"
[ -d /etc/goalfs/repos.d ] || ends_with 2 'no source was given' "$TEST_MNT"
ends_with 1 'No such file' "$TEST_TMP/absent" "$TEST_MNT"
ends_with 1 'No such file' "$TEST_LIB" "$TEST_TMP/absent"
