#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# https serves under a CA that was given, and under no other; a redirect may lead to https, and never back.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/remote.sh"
make_template small.xz 1 24M
index_entry small small.xz >"$TEST_LIB/index"
index_entry small small.xz file=moved/secure/small.xz >"$TEST_LIB/index-moved"
serve

refused() {
	assert_fails "$GOALFS" --no-cache --list "$@"
	assert_says "$TEST_TMP/output" 'certificate|https'
}
refused "$https/index"
refused --cacert "$NGINX/other-ca.pem" "$https/index"
# The certificate is for localhost, and not for its address.
refused --cacert "$NGINX/ca.pem" "https://127.0.0.1:$(cat "$NGINX/https")/index"
refused --cacert "$NGINX/ca.pem" "$https/down/index"

mount_remote --formats raw --cacert "$NGINX/ca.pem" "$https/index"
assert_same "$TEST_TMP/small.raw" "$TEST_MNT/small.raw"
umount_library
rm -rf "$TEST_CACHE"
mount_remote --formats raw --cacert "$NGINX/ca.pem" "$http/moved/index-moved"
assert_same "$TEST_TMP/small.raw" "$TEST_MNT/small.raw"
umount_library
rm -rf "$TEST_CACHE"
mount_remote --formats raw --cacert "$NGINX/other-ca.pem" "$http/index-moved"
assert_read_fails "$TEST_MNT/small.raw" EIO EPROTO ENOENT EACCES
assert_says "$TEST_LOG" certificate
umount_library
