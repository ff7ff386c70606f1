#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Other users see the goals where root mounts or fuse.conf allows it; the log says when not, and who asks for it is refused.

# /etc/fuse.conf is to say this and that: in a mount namespace of our own.
. "${0%/*}/../lib/private.sh"
. "${0%/*}/../lib/common.sh"
require_root
require_prog setpriv
truncate -s 1M "$TEST_LIB/small.raw"
chmod 755 "$TEST_TMP"
chown 1:1 "$TEST_MNT"
cp "$GOALFS" "$TEST_TMP/goalfs"
: >"$TEST_TMP/fuse.conf"
mount --bind "$TEST_TMP/fuse.conf" /etc/fuse.conf

as_user() {
	uid=$1
	shift
	setpriv --reuid "$uid" --regid "$uid" --clear-groups -- "$@"
}

mount_as_user() {
	as_user 1 "$TEST_TMP/goalfs" --no-cache "$@" "$TEST_LIB" "$TEST_MNT" >"$TEST_TMP/output" 2>&1
}

mount_as_user || fail "an ordinary user can't mount: $(cat "$TEST_TMP/output")"
assert_says "$TEST_TMP/output" "only user 1 can look into '$TEST_MNT'.* no line 'user_allow_other'"
as_user 1 cat "$TEST_MNT/small.raw" >/dev/null
assert_fails as_user 2 cat "$TEST_MNT/small.raw"
as_user 1 fusermount3 -u "$TEST_MNT"

assert_fails mount_as_user -o allow_other
assert_says "$TEST_TMP/output" "can't be mounted on: allow_other takes a line 'user_allow_other' in /etc/fuse.conf"

# Allowed.
echo "user_allow_other" >"$TEST_TMP/fuse.conf"
mount_as_user || fail "can't mount with user_allow_other: $(cat "$TEST_TMP/output")"
assert_equal "$(cat "$TEST_TMP/output")" "" "what is said when others are let in"
as_user 2 cat "$TEST_MNT/small.raw" >/dev/null
as_user 1 fusermount3 -u "$TEST_MNT"

# Meant to be allowed, but fusermount3 does not take it for that.
echo "user_allow_other=1" >"$TEST_TMP/fuse.conf"
mount_as_user || fail "can't mount where fusermount3 refuses allow_other: $(cat "$TEST_TMP/output")"
assert_says "$TEST_TMP/output" "only user 1 can look into '$TEST_MNT': .* could not be mounted with allow_other"
assert_fails as_user 2 cat "$TEST_MNT/small.raw"
as_user 1 fusermount3 -u "$TEST_MNT"

# Root lets others in.
chown 0:0 "$TEST_MNT"
"$GOALFS" --no-cache "$TEST_LIB" "$TEST_MNT" >"$TEST_TMP/output" 2>&1
assert_equal "$(cat "$TEST_TMP/output")" "" "what is said when root mounts"
as_user 2 cat "$TEST_MNT/small.raw" >/dev/null
fusermount3 -u "$TEST_MNT"
