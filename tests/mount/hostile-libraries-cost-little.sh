#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Indexes, directories, keys and images that claim or hold absurd amounts are refused, or served, with bounded memory.
. "${0%/*}/../lib/common.sh"
require_prog gpg
hostile=$TEST_TMP/hostile
python3 "$TEST_TOP/tests/lib/hostile.py" make "$hostile"

# Sanitizers keep freed memory and shadows of all of it.
most=300
if grep -qa __asan_init "$GOALFS"; then most=100000; fi

# listed SOURCE [OPTION...]: how it ends is $status, what it says is in $TEST_TMP/output.
listed() {
	python3 "$TEST_TOP/tests/lib/hostile.py" peak $most \
		sh -c '"$@" >"$0" 2>&1; echo "status $?" >>"$0"' "$TEST_TMP/output" "$GOALFS" --no-cache --list "$@" ||
		fail "'$1' takes too much memory"
}
for index in aliases notes lines sections; do
	listed "$hostile/$index/index"
	assert_says "$TEST_TMP/output" '^status 0$'
done
listed "$hostile/aliases/index"
assert_says "$TEST_TMP/output" 'more than 64 aliases'
listed "$hostile/notes/index"
assert_says "$TEST_TMP/output" 'more than 256 KiB of notes'
listed "$hostile/more-sections/index"
assert_says "$TEST_TMP/output" 'has more than 65536 sections'
listed "$hostile/big/index"
assert_says "$TEST_TMP/output" 'an index may have 67108864'
listed "$hostile/files"
assert_says "$TEST_TMP/output" 'has more than 65536 files'
listed "$hostile/aliases/index" --gpgkey "$hostile/key"
assert_says "$TEST_TMP/output" 'key file .* has 1073741824 bytes'

# What is in images costs what --memory allows, whatever they claim; the good one among them is served.
mount_at "" --no-cache --memory 128M "$hostile/images"
for name in dictionary exbi table clusters huge; do
	for form in .raw .qcow2 .vhdx @p2.raw @2T.qcow2 @sparse.raw .json .raw.plan @2T.vmdk.plan; do
		head -c 4096 "$TEST_MNT/$name$form" >/dev/null 2>&1 || true
	done
done
for name in exbi.vmdk table.vmdk clusters.vmdk huge.vhd; do
	assert_fails cat "$TEST_MNT/$name"
done
# A claim that only says how much memory might be wanted is no reason to refuse what can be had with less.
assert_equal "$(sha256_of "$TEST_MNT/dictionary.raw")" "$(head -c 1000000 /dev/zero | sha256sum | cut -d ' ' -f 1)"
assert_same "$hostile/images/good.raw" "$TEST_MNT/good.raw"
kib=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$test_pid/status")
echo "peak: $kib KiB"
[ "$kib" -lt $(((most - 108) << 10)) ] || fail "peak memory is $kib KiB with --memory 128M"
umount_library

# Each goal of a disk in a million pieces takes as much as 140 MiB. They are not all kept, however many are looked at.
mount_at "" --no-cache "$hostile/pieces"
for size in 70 71 72 73 74 75 76 77 78 79 80 81 82 83 84 85; do
	assert_equal "$(stat -c %s "$TEST_MNT/million@${size}G@expand=none.vmdk" | cut -c 1-2)" 34
done
kib=$(sed -n 's/^RssAnon:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$test_pid/status")
echo "kept: $kib KiB"
[ "$kib" -lt $((1 << 20)) ] || fail "sixteen goals take $kib KiB"
umount_library
