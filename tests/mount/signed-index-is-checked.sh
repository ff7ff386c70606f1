#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# What a key has signed is served; anything else is refused, each with its own sentence, and keeps no other source away.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/remote.sh"
require_prog gpg gpgconf
make_template small.xz 1 24M
index_entry small small.xz >"$TEST_TMP/text"
index_entry evil small.xz >"$TEST_TMP/evil"

for name in good other revoked; do
	gpg_key "$name"
	gpg_clear "$name" "$TEST_TMP/text" "$TEST_LIB/$name.asc"
done
gpg_key expired 1d
gpg_run --faked-system-time 20200101T130000 --output "$TEST_LIB/expired.asc" --local-user expired --clearsign "$TEST_TMP/text"
gpg_past --quick-generate-key split ed25519 cert never
gpg_past --quick-add-key "$(gpg_fingerprint split)" ed25519 sign never
gpg_run --output "$TEST_TMP/split.key" --armor --export split
gpg_clear split "$TEST_TMP/text" "$TEST_LIB/split.asc"
sed 's/^:---/---/' "$TEST_TMP/gnupg/openpgp-revocs.d/$(gpg_fingerprint revoked).rev" >"$TEST_TMP/revocation"
gpg_run --import "$TEST_TMP/revocation"
gpg_run --output "$TEST_TMP/revoked.key" --armor --export revoked
sed 's/^name=.*/name=Another/' "$TEST_LIB/good.asc" >"$TEST_LIB/tampered.asc"
cat "$TEST_TMP/evil" "$TEST_LIB/good.asc" >"$TEST_LIB/before.asc"
cat "$TEST_LIB/good.asc" "$TEST_TMP/evil" >"$TEST_LIB/after.asc"
cp "$TEST_TMP/text" "$TEST_LIB/unsigned.asc"
gpg_run --output "$TEST_LIB/detached.asc" --armor --local-user good --detach-sign "$TEST_TMP/text"
serve

accepted() {
	"$GOALFS" --no-cache --list "$@" >"$TEST_TMP/output" 2>&1 || {
		cat "$TEST_TMP/output" >&2
		fail "refused: $*"
	}
	assert_says "$TEST_TMP/output" '^small '
}
# refused SENTENCE ARGUMENT...
refused() {
	refused_as=$1
	shift
	assert_fails "$GOALFS" --no-cache --list "$@"
	assert_says "$TEST_TMP/output" "$refused_as"
	! grep -qE '^(small|evil) ' "$TEST_TMP/output" || fail "it is listed all the same: $*"
}
good=$TEST_TMP/good.key
accepted --gpgkey "$good" "$http/good.asc"
accepted --gpgkey "$good" --gpgkey "$TEST_TMP/other.key" "$http/other.asc"
accepted --gpgkey "$TEST_TMP/split.key" "$http/split.asc"
accepted --gpgkey "$good" --fingerprint "$(gpg_fingerprint good)" "$http/good.asc"
GNUPGHOME=$TEST_TMP/gnupg accepted --fingerprint "$(gpg_fingerprint good)" "$http/good.asc"
accepted --no-check-signature "$http/other.asc"
accepted --no-check-signature --gpgkey "$good" "$http/other.asc"
refused 'signed, but no key was given' "$http/good.asc"
refused 'none of the keys given' --gpgkey "$good" "$http/other.asc"
refused 'not among the accepted signers' --gpgkey "$good" --gpgkey "$TEST_TMP/other.key" \
	--fingerprint "$(gpg_fingerprint other)" "$http/good.asc"
refused 'this is not what was signed' --gpgkey "$good" "$http/tampered.asc"
# What stands around the signed text may be there, and is not read.
for around in before after; do
	accepted --gpgkey "$good" "$http/$around.asc"
	! grep -q '^evil' "$TEST_TMP/output" || fail "what nobody signed is listed: $around"
done
refused 'not signed' --gpgkey "$good" "$http/unsigned.asc"
refused 'detached|signature' --gpgkey "$good" "$http/detached.asc"
refused 'expired on 2020-01-02' --gpgkey "$TEST_TMP/expired.key" "$http/expired.asc"
refused 'revoked' --gpgkey "$TEST_TMP/revoked.key" "$http/revoked.asc"

# One source is refused, the other goes on; the checksum that was signed is enforced.
mount_remote --formats raw --gpgkey "$good" "$http/tampered.asc" "$http/good.asc"
assert_equal "$(ls "$TEST_MNT")" small.raw
assert_same "$TEST_TMP/small.raw" "$TEST_MNT/small.raw"
assert_says "$TEST_LOG" 'tampered.asc. has a bad signature by key'
umount_library
