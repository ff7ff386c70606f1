#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Readers of templates whose server has stalled wait; decoders don't wait with them, and other templates are served.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/remote.sh"
make_template near.xz
mkdir "$TEST_TMP/local"
mv "$TEST_LIB/near.xz" "$TEST_TMP/local/"
for far in 1 2 3 4; do
	make_template "far$far.xz" 4
	# What the size of a goal takes comes; the data of its first blocks does not.
	index_entry "far$far" "far$far.xz" "file=fault/stall:100000/far$far.xz"
done >"$TEST_LIB/index"
serve_faulty
mount_remote --decoders 1 --verify off "$TEST_TMP/local" "$faulty/index"
readers=
for far in 1 2 3 4; do
	head -c 20M "$TEST_MNT/far$far.raw" >"$TEST_TMP/out$far" 2>/dev/null &
	readers="$readers $!"
done
are_waiting() {
	[ "$(faulty_stat in_flight_most)" -ge 4 ]
}
wait_until 30 are_waiting
# No claim about time: as long as they wait, whoever waits with them would wait for minutes.
timeout 60 cmp "$TEST_TMP/near.raw" "$TEST_MNT/near.raw" || fail "another template was held up"
for reader in $readers; do
	kill -0 "$reader" || fail "a reader of what does not come has ended"
	kill -9 "$reader"
done
umount_library
