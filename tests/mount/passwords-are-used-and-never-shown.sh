#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# User and password of a URL, or of ~/.netrc, open a server's door, and show nowhere; neither does what stands in its
# query.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/remote.sh"
make_template small.xz 1 24M
index_entry small small.xz "notes=A note" >"$TEST_LIB/index"
serve
with_password=http://user:pass%20word@${http#http://}/private/index

mount_remote -v "$with_password"
assert_same "$TEST_TMP/small.raw" "$TEST_MNT/small.raw"
{
	ls -l "$TEST_MNT"
	grep goalfs /proc/mounts
	findmnt "$TEST_MNT"
	cat "$TEST_LOG" "$TEST_MNT/small.json" "$TEST_MNT/small.notes" "$TEST_MNT/small.raw.plan" "$TEST_MNT/small@30M.qcow2.plan" \
		"$TEST_MNT/small@1K.raw.plan" "$TEST_MNT/absent.raw.plan"
	getfattr -d "$TEST_MNT/small.raw"
	for format in short long json; do
		"$GOALFS" --no-cache -v --list --list-format "$format" "$with_password"
	done
	"$GOALFS" --no-cache -v --plan small.qcow2 "$with_password"
	"$GOALFS" --cache "$TEST_TMP/other-cache" -v --cache-all-templates "$with_password"
	"$GOALFS" --cache "$TEST_TMP/other-cache" -v --print-cache "$with_password"
	ls -R "$TEST_CACHE"
} >"$TEST_TMP/shown" 2>&1
assert_says "$TEST_TMP/shown" 'template small'
# Nor where it was refused, or nobody answers.
umount_library
assert_fails "$GOALFS" --no-cache -v --list "$http/private/index"
cat "$TEST_TMP/output" >>"$TEST_TMP/shown"
assert_says "$TEST_TMP/output" '401'
assert_fails "$GOALFS" --no-cache -v --list "$(echo "$with_password" | sed 's/pass%20word/pass%20word-not/')"
cat "$TEST_TMP/output" >>"$TEST_TMP/shown"
assert_says "$TEST_TMP/output" '401'
stop_serving
"$GOALFS" --cache "$TEST_CACHE" -v --list "$with_password" >>"$TEST_TMP/shown" 2>&1
assert_fails "$GOALFS" --no-cache -v --list "$with_password"
cat "$TEST_TMP/output" >>"$TEST_TMP/shown"
! grep -nE 'pass(%20| )word' "$TEST_TMP/shown" || fail "the password shows"
! grep -raE 'pass(%20| )word' "$TEST_CACHE" "$TEST_TMP/other-cache" || fail "the password is in the cache"

serve
printf 'machine 127.0.0.1\nlogin user\npassword "pass word"\n' >"$HOME/.netrc"
chmod 0600 "$HOME/.netrc"
rm -rf "$TEST_CACHE"
mount_remote -v "$http/private/index"
assert_same "$TEST_TMP/small.raw" "$TEST_MNT/small.raw"
umount_library
! grep -nE 'pass(%20| )word' "$TEST_LOG" || fail "the password shows"

# A token opens no door of this server's; but it goes with the request.
mount_at "" --no-cache -v "$http/small.xz?token=to%20ken"
assert_same "$TEST_TMP/small.raw" "$TEST_MNT/small.raw"
cat "$TEST_MNT/small.json" "$TEST_MNT/small.raw.plan" "$TEST_MNT/small@1K.raw.plan" >"$TEST_TMP/shown" || true
umount_library
mount_at "" --no-cache -v "$http/small.xz?token=to%20ken#sha256=$(printf %064d 0)"
assert_read_fails "$TEST_MNT/small.raw" EIO EBADMSG
umount_library
assert_says "$TEST_LOG" 'what was stored of .*small.xz. is dropped'
[ "$(requests '/small.xz.token=to%20ken')" -gt 0 ] || fail "it was left out"
assert_says "$TEST_LOG" 'fetch chunks'
! grep -nE 'to(%20| )ken' "$TEST_LOG" "$TEST_TMP/shown" || fail "the token shows"
