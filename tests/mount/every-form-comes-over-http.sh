#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The matrix at its own size, from a web server: an index that says of no template what it is.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/remote.sh"
. "$TEST_TOP/tests/lib/forms.sh"
require_prog qemu-nbd
make_disk "$TEST_TMP/disk.img" 64M gpt -t ext4
forms=$(make_forms "$TEST_TMP/disk.img" "$TEST_LIB")
for file in "$TEST_LIB"/*; do
	file=${file##*/}
	printf '[%s]\narch=%s\nfile=%s\nchecksum=%s\n\n' "${file%%.*}" "$(uname -m)" "$file" \
		"$(sha512sum <"$TEST_LIB/$file" | cut -d ' ' -f 1)"
done >"$TEST_TMP/index"
mv "$TEST_TMP/index" "$TEST_LIB/index"
serve
mount_remote "$http/index"
mkdir "$TEST_TMP/reference"
mv "$TEST_TMP/disk.img" "$TEST_TMP/reference/own.raw"
# shellcheck disable=SC2086
python3 "$TEST_TOP/tests/lib/matrix.py" "$TEST_MNT" "$TEST_TMP/reference" $forms
umount_library
