#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Without its server a library is what it was when it was last there, its signature checked again, and says so.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/remote.sh"
require_prog gpg gpgconf
make_template small.xz 2 24M
index_entry small small.xz >"$TEST_TMP/text"
gpg_key good
gpg_clear good "$TEST_TMP/text" "$TEST_LIB/index.asc"
serve
mount_remote --gpgkey "$TEST_TMP/good.key" "$http/index.asc"
cp "$TEST_MNT/small@100M.qcow2" "$TEST_TMP/online.qcow2"
umount_library
# The same once more: the server is asked whether it has changed, and does not send it again.
mount_remote --gpgkey "$TEST_TMP/good.key" "$http/index.asc"
umount_library
requests >"$TEST_TMP/requests"
assert_equal "$(grep -c '"GET /index.asc HTTP/1.1" 304 ' "$NGINX/access.log")" 1 "revalidations"

stop_serving
: >"$TEST_LOG"
mount_remote --gpgkey "$TEST_TMP/good.key" "$http/index.asc"
log_says 'index.asc.*; what was fetched of it on .* is used' || fail "nobody says that the index is an old one"
assert_same "$TEST_TMP/small.raw" "$TEST_MNT/small.raw"
assert_same "$TEST_TMP/online.qcow2" "$TEST_MNT/small@100M.qcow2"
# It comes back by itself.
index_entry more small.xz >>"$TEST_TMP/text"
gpg_clear good "$TEST_TMP/text" "$TEST_LIB/index.asc"
serve
wait_until 60 test -e "$TEST_MNT/more.raw"
umount_library
stop_serving

# Not by another key, and not from nowhere.
gpg_key other
assert_fails "$GOALFS" --cache "$TEST_CACHE" --list --gpgkey "$TEST_TMP/other.key" "$http/index.asc"
assert_says "$TEST_TMP/output" 'none of the keys given'
"$GOALFS" --cache "$TEST_CACHE" --list --gpgkey "$TEST_TMP/good.key" "$http/index.asc" >"$TEST_TMP/output" 2>&1
assert_says "$TEST_TMP/output" '^more '
assert_fails "$GOALFS" --no-cache --list --gpgkey "$TEST_TMP/good.key" "$http/index.asc"
assert_says "$TEST_TMP/output" "can't be reached"
