#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Whatever a server does wrong, a read ends in right bytes or an error, and the daemon and other templates live.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/remote.sh"
make_template small.xz 2 24M

# OUTCOME FAULT. right: it must be survived; error: nothing right can come of it; either: as the client can; later: it
# may take too long for the first who ask, but it is over then.
faults='
right no-range
either no-range:3
either 416
right status:500,2
right status:503,2
error status:500
error status:404
error status:403
either retry-after:1
either retry-after:1,date
right cut:20000,2
right cut:20000
right reset:20000,2
right drop:2
error drop
right stall:20000,1
right stall:-1,1
right drip:8192,1
either length:5
either length:-5
error range-start:1
error range-start:-1
either range-end:-7
error range-end:7
either range-total:1
either range-total:*
error no-content-range
error bad-content-range
error multipart
right short-range:50000
either changes:3
either changes-etag:3
either changes-time:3
either changes-length:3
right no-validators
either chunked
either close
error gzip
right redirect:301
right redirect:302
right redirect:303
right redirect:307
right redirect:308
right redirect-once:302
error loop
error auth:user,secret
right head:50
error unchanged
later status:500,12
later status:503,12
later drop:12
later cut:1000,12
'
echo "$faults" | {
	n=0
	while read -r outcome fault; do
		[ -n "$fault" ] || continue
		n=$((n + 1))
		# Without a checksum: it is the transfer that has to notice.
		index_entry "fault-$n" small.xz "file=fault/$fault/small.xz" "checksum[sha512]=" >>"$TEST_LIB/index"
		echo "fault-$n $outcome $fault" >>"$TEST_TMP/cases"
	done
}
index_entry small small.xz >>"$TEST_LIB/index"
serve_faulty
mount_remote --formats raw "$faulty/index"

# Side by side, since some of them wait.
ask() {
	timeout 120 cat "$TEST_MNT/$1.raw" >"$TEST_TMP/$1.got" 2>"$TEST_TMP/$1.err" && status=0 || status=$?
	echo "$status" >"$TEST_TMP/$1.status"
}
ask_until_right() {
	for _ in 1 2 3 4 5 6; do
		ask "$1"
		[ "$status" != 0 ] || break
	done
}
while read -r name outcome fault; do
	case $outcome in
	later) ask_until_right "$name" & ;;
	*) ask "$name" & ;;
	esac
	askers="${askers:-} $!"
done <"$TEST_TMP/cases"
for asker in $askers; do
	wait "$asker"
done
failed=
while read -r name outcome fault; do
	status=$(cat "$TEST_TMP/$name.status")
	got=$(stat -c %s "$TEST_TMP/$name.got")
	case $status in
	0) cmp "$TEST_TMP/small.raw" "$TEST_TMP/$name.got" || failed="$failed $fault(wrong)" ;;
	124) failed="$failed $fault(never-ends)" ;;
	*) cmp -n "$got" "$TEST_TMP/small.raw" "$TEST_TMP/$name.got" || failed="$failed $fault(wrong-part)" ;;
	esac
	case $outcome$status in
	right0 | later0 | error[1-9]* | either*) ;;
	right* | later*) failed="$failed $fault(not-survived)" ;;
	error0) failed="$failed $fault(not-noticed)" ;;
	esac
	echo "$fault: $status, $got bytes"
	rm "$TEST_TMP/$name.got"
done <"$TEST_TMP/cases"
[ -z "$failed" ] || fail "$failed"
assert_same "$TEST_TMP/small.raw" "$TEST_MNT/small.raw"
umount_library
