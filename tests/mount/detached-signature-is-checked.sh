#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# sig= of an entry stands for a checksum where there is none: data is served once the signature is right, and not before.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/remote.sh"
require_prog gpg gpgconf
GNUPGHOME=$TEST_TMP/gnupg
export GNUPGHOME
mkdir -m 0700 "$GNUPGHOME"
make_template good.xz
make_template bad.xz
sign() {
	gpg --batch --quiet --yes "$@"
}
sign --passphrase '' --quick-generate-key 'Templates <templates@example.com>' ed25519 sign never
sign --export >"$TEST_TMP/key.gpg"
sign --output "$TEST_LIB/good.sig" --detach-sign "$TEST_LIB/good.xz"
cp "$TEST_LIB/good.sig" "$TEST_LIB/bad.sig"
{
	index_entry good good.xz "checksum=" sig=good.sig
	index_entry bad bad.xz "checksum=" sig=bad.sig
	index_entry missing good.xz "checksum=" sig=missing.sig
} >"$TEST_TMP/index"
sign --output "$TEST_LIB/index.asc" --clear-sign "$TEST_TMP/index"
gpgconf --kill all
serve
mount_remote --gpgkey "$TEST_TMP/key.gpg" "$http/index.asc"
assert_same "$TEST_TMP/good.raw" "$TEST_MNT/good.raw"
assert_equal "$(verified good.raw)" verified
assert_read_fails "$TEST_MNT/bad.raw" EIO EBADMSG
assert_equal "$(verified bad.raw)" rejected
assert_says "$TEST_LOG" "bad.xz' has a bad signature"
# What can't be found out is no verdict.
assert_read_fails "$TEST_MNT/missing.raw" EIO
assert_equal "$(verified missing.raw)" unverified
cp "$TEST_LIB/good.sig" "$TEST_LIB/missing.sig"
assert_same "$TEST_TMP/good.raw" "$TEST_MNT/missing.raw"
umount_library

# The same index, as a local one: there data is served while the file is verified, unless one says otherwise.
rm "$TEST_LIB/missing.sig"
mount_at "-local" --no-cache --verify=before --gpgkey "$TEST_TMP/key.gpg" "$TEST_LIB/index.asc"
local=$TEST_MNT-local
assert_same "$TEST_TMP/good.raw" "$local/good.raw"
assert_equal "$(getfattr --only-values -n user.goalfs.verified "$local/good.raw")" verified
assert_read_fails "$local/bad.raw" EIO EBADMSG
assert_equal "$(getfattr --only-values -n user.goalfs.verified "$local/bad.raw")" rejected
assert_read_fails "$local/missing.raw" EIO
cp "$TEST_LIB/good.sig" "$TEST_LIB/missing.sig"
assert_same "$TEST_TMP/good.raw" "$local/missing.raw"
umount_library -local
