#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A signature that is not checked must not look as if it were: a signed index needs --no-check-signature.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/disks.sh"
make_disk "$TEST_LIB/small.raw" 64M gpt -t ext4
cat >"$TEST_LIB/index.asc" <<EOT
-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA512

[small]
name=Small
arch=$(uname -m)
file=small.raw
size=67108864
-----BEGIN PGP SIGNATURE-----

iQIzBAEBCgAdFiEE
-----END PGP SIGNATURE-----
EOT
assert_fails "$GOALFS" --cache "$TEST_CACHE" "$TEST_LIB/index.asc" "$TEST_MNT"
assert_says "$TEST_TMP/output" 'sign'
! mountpoint -q "$TEST_MNT" || fail "it is mounted"
mount_at "" --cache "$TEST_CACHE" --no-check-signature "$TEST_LIB/index.asc"
assert_same "$TEST_LIB/small.raw" "$TEST_MNT/small.raw"
umount_library
