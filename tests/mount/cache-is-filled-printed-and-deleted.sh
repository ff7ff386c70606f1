#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# --cache-all-templates fetches and verifies, --print-cache tells, --delete-cache leaves nothing; a mount in between needs
# no server any more. None of them works on a cache that a daemon is using.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/remote.sh"
make_template one.xz
make_template two.xz
make_template bad.xz
{
	index_entry one one.xz
	index_entry two two.xz
} >"$TEST_LIB/index"
serve

cached() {
	"$GOALFS" "$@" --cache "$TEST_CACHE" "$http/index"
}

cached --print-cache >"$TEST_TMP/printed"
assert_equal "$(grep -c cached "$TEST_TMP/printed")" 0 "nothing was fetched yet"
cached --cache-all-templates >"$TEST_TMP/output" 2>&1
assert_says "$TEST_TMP/output" "one.xz' is verified"
assert_says "$TEST_TMP/output" "two.xz' is verified"
cached --print-cache >"$TEST_TMP/printed"
assert_says "$TEST_TMP/printed" "^one +$(uname -m) +cached"
assert_says "$TEST_TMP/printed" "^two +$(uname -m) +cached"
before=$(bytes_served /one.xz)
cached --cache-all-templates >"$TEST_TMP/output" 2>&1
assert_equal "$(bytes_served /one.xz)" "$before" "it was fetched twice"
cached --list --list-format long >"$TEST_TMP/listing"
assert_equal "$(grep -c '^Checksum: *verified' "$TEST_TMP/listing")" 2

# All is here: the server is not needed.
stop_serving
mount_remote "$http/index"
assert_same "$TEST_TMP/one.raw" "$TEST_MNT/one.raw"
assert_fails cached --print-cache
assert_says "$TEST_TMP/output" "in use by goalfs pid $test_pid, mounted on '$TEST_MNT'; unmount that first"
assert_fails cached --delete-cache
umount_library

# One that is not what was promised is told, and does not keep the others away.
index_entry aaa bad.xz "checksum=$(printf '%0128d' 1)" >>"$TEST_LIB/index"
serve
"$GOALFS" --delete-cache --cache "$TEST_CACHE"
assert_equal "$(find "$TEST_CACHE" -type f -name '*.raw' -o -name '*.index' | wc -l)" 0 "something was left"
assert_fails cached --cache-all-templates
assert_says "$TEST_TMP/output" "aaa: .*bad.xz' is rejected: its sha512"
cached --print-cache >"$TEST_TMP/printed"
assert_equal "$(grep -c ' cached$' "$TEST_TMP/printed")" 2
