#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# An NFS server reads a directory in pieces, each time anew: it goes on where it was, after changes and a restart, too.
. "${0%/*}/../lib/common.sh"
for n in $(seq 150); do
	head -c 512 /dev/zero >"$TEST_LIB/t$n.raw"
done
mount_library
cookies() {
	python3 "$TEST_TOP/tests/lib/cookies.py" "$1" "$TEST_MNT" "$TEST_TMP/cookies"
}
cookies save
cookies check
umount_library
mount_library
cookies check

rm "$TEST_LIB"/t7*.raw
for n in $(seq 50); do
	head -c 512 /dev/zero >"$TEST_LIB/new$n.raw"
done
n=0
until [ "$(ls "$TEST_MNT" | wc -l)" = $((2 * (150 - 11 + 50))) ]; do
	n=$((n + 1))
	[ $n -lt 300 ] || fail "the listing is not up to date within 30 s"
	sleep 0.1
done
cookies check
umount_library
