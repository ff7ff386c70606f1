#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A name, a link or an index never leads the daemon to a file outside of its sources.

# What the daemon looks names up in is replaced for it alone.
. "${0%/*}/../lib/private.sh"
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/disks.sh"
require_root
make_disk "$TEST_LIB/good.raw" 64M gpt -t ext4
mkdir "$TEST_TMP/elsewhere" "$TEST_TMP/more"
cp "$TEST_LIB/good.raw" "$TEST_TMP/elsewhere/early.raw"
cp "$TEST_LIB/good.raw" "$TEST_TMP/elsewhere/late.raw"
cp "$TEST_LIB/good.raw" "$TEST_TMP/more/named.raw"
ln -s ../elsewhere/early.raw "$TEST_LIB/early.raw"

# Goals are names, not paths; what looks like one is refused before anything is opened.
mount_library --allow-read "$TEST_TMP/more"
for name in '..raw' '.raw' '...raw' '..%2felsewhere%2flate.raw' 'good\.raw' '..\elsewhere\late.raw' "good@size=...raw" \
	' good.raw' 'good.raw ' 'nbd:localhost:1.raw' 'json:{}.raw' 'good@p2@p2.raw' '-good.raw' 'good.raw.plan.plan' \
	'good@lv=...raw' 'good@lvexpand=...raw'; do
	assert_no_entry "$TEST_MNT/$name"
done

# A link that was there at the start is the operator's choice. One that comes later leads nowhere, unless he said so.
assert_same "$TEST_LIB/good.raw" "$TEST_MNT/early.raw"
ln -s ../elsewhere/late.raw "$TEST_LIB/late.raw"
ln -s ../more/named.raw "$TEST_LIB/named.raw"
ln -s /etc/shadow "$TEST_LIB/shadow.raw"
ln -s /proc/self/environ "$TEST_LIB/environ.raw"
ln -s /etc "$TEST_LIB/etc.raw"
n=0
until [ -e "$TEST_MNT/named.raw" ]; do
	n=$((n + 1))
	[ $n -lt 200 ] || fail "a link into what --allow-read names is not seen"
	sleep 0.1
done
assert_same "$TEST_LIB/good.raw" "$TEST_MNT/named.raw"
for name in late shadow environ etc; do
	assert_fails cat "$TEST_MNT/$name.raw"
done
assert_says "$TEST_LOG" 'late.raw.*allow-read'

if grep "is another directory now" "$TEST_LOG"; then fail "the source is said to be another one"; fi

# A source that is exchanged as a whole is another directory, and that was not given.
mv "$TEST_LIB" "$TEST_TMP/old"
mkdir "$TEST_LIB"
cp "$TEST_TMP/old/good.raw" "$TEST_LIB/new.raw"
n=0
until grep -q "is another directory now" "$TEST_LOG"; do
	n=$((n + 1))
	[ $n -lt 300 ] || fail "nothing is said of a source that was exchanged"
	sleep 0.1
done
assert_same "$TEST_TMP/old/good.raw" "$TEST_MNT/good.raw"
assert_no_entry "$TEST_MNT/new.raw"
umount_library
mount_library
assert_same "$TEST_LIB/new.raw" "$TEST_MNT/new.raw"
umount_library
rm -r "$TEST_LIB"
mv "$TEST_TMP/old" "$TEST_LIB"

# Named beforehand, it takes the other's place at once.
mount_library --allow-read "$TEST_TMP"
mv "$TEST_LIB" "$TEST_TMP/old"
mkdir "$TEST_LIB"
cp "$TEST_TMP/old/good.raw" "$TEST_LIB/new.raw"
n=0
until [ -e "$TEST_MNT/new.raw" ]; do
	n=$((n + 1))
	[ $n -lt 300 ] || fail "a source that was exchanged is not taken"
	sleep 0.1
done
umount_library
rm -r "$TEST_LIB"
mv "$TEST_TMP/old" "$TEST_LIB"

# An index names files of its own directory, by whatever way it tries.
mkdir "$TEST_TMP/indexed"
cp "$TEST_LIB/good.raw" "$TEST_TMP/indexed/good.raw"
entry() {
	printf '[%s]\nname=x\narch=%s\nfile=%s\nformat=raw\n\n' "$1" "$(uname -m)" "$2"
}
{
	entry good good.raw
	entry up ../elsewhere/late.raw
	entry under sub/../../elsewhere/late.raw
	entry absolute "$TEST_TMP/elsewhere/late.raw"
	entry uri "file://$TEST_TMP/elsewhere/late.raw"
	entry through link/late.raw
	entry beside more/named.raw
	entry device /dev/zero
	entry proc ../../../../proc/self/environ
} >"$TEST_TMP/indexed/index"
# Root's link to a directory is good for what is in there, somebody else's is not.
ln -s ../more "$TEST_TMP/indexed/more"
ln -s ../elsewhere "$TEST_TMP/indexed/link"
chown -h nobody "$TEST_TMP/indexed/link"
mount_at -2 --no-cache "$TEST_TMP/indexed/index"
assert_equal "$(cd "$TEST_MNT-2" && echo *.raw)" "beside.raw good.raw"
assert_same "$TEST_LIB/good.raw" "$TEST_MNT-2/good.raw"
assert_same "$TEST_LIB/good.raw" "$TEST_MNT-2/beside.raw"
for name in up under absolute uri through device proc; do
	assert_no_entry "$TEST_MNT-2/$name.raw"
done
umount_library -2

# A resolv.conf that takes the place of the one that was there can't be seen; then the log says what to do about it.
mount_at -3 --no-cache --refresh 1 http://no-such-host.invalid/index
assert_says "$TEST_LOG-3" 'has no address'
cp /etc/resolv.conf "$TEST_TMP/resolv.conf"
mount --bind "$TEST_TMP/resolv.conf" /etc/resolv.conf
n=0
until grep -q 'resolv.conf was replaced' "$TEST_LOG-3"; do
	n=$((n + 1))
	[ $n -lt 300 ] || fail "nothing is said of the resolv.conf that was replaced"
	kill -HUP "$test_pid"
	sleep 0.1
done
umount_library -3
