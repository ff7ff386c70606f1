#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# An index as the public one is written (43 entries, checksum=, old fields), signed, and compressed on its way.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/remote.sh"
require_prog gpg gpgconf
make_template small.xz 1 24M
bytes=$(stat -c %s "$TEST_TMP/small.raw")
public_index() {
	python3 "$TEST_TOP/tests/lib/public-index.py" --plain "$@"
}
gpg_key public
# One's own file behind every name; debian-9 stands for those that are read.
public_index --like "$TEST_LIB/small.xz" --size "$bytes" --expand sda2 >"$TEST_TMP/text"
mv "$TEST_LIB/small.xz" "$TEST_LIB/debian-9.xz"
gpg_clear public "$TEST_TMP/text" "$TEST_LIB/index.asc"
serve
mount_remote --formats raw --gpgkey "$TEST_TMP/public.key" "$http/gzip/index.asc"
assert_equal "$(listed | wc -w)" 43
for name in centos-7.2@aarch64 cirros-0.3.5 debian-7@sparc64 fedora-21@armv7l fedora-25@ppc64le freebsd-11.1 ubuntu-16.04; do
	[ "$(uname -m)" = x86_64 ] || break
	assert_equal "$(stat -c %s "$TEST_MNT/$name.raw")" "$bytes" "$name"
done
assert_equal "$(requests '.*\.xz')" 0 "requests for templates"
"$GOALFS" --no-cache --gpgkey "$TEST_TMP/public.key" --list --list-format long "$http/index.asc" >"$TEST_TMP/listing"
assert_equal "$(grep -c '^Full name:' "$TEST_TMP/listing")" 43
assert_says "$TEST_TMP/listing" 'Scientific Linux 6.5'
cat "$TEST_MNT/fedora-21.notes" >"$TEST_TMP/notes"
assert_says "$TEST_TMP/notes" 'No root password is set'
assert_same "$TEST_TMP/small.raw" "$TEST_MNT/debian-9@x86_64.raw"
assert_equal "$(verified debian-9@x86_64.raw)" verified
# The server has only that one.
assert_read_fails "$TEST_MNT/debian-8@x86_64.raw" EIO ENOENT ESTALE
umount_library
