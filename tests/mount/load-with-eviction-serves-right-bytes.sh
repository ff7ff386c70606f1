#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# 64 readers on 16 goals of 16 templates, in a store that holds some of them: every byte is right, nothing fails, listing and
# stat go on, the daemon is told to read its library again now and then, and what it takes stays near --memory.
. "${0%/*}/../lib/common.sh"
load=$TEST_TOP/tests/lib/load.py
mkdir "$TEST_TMP/made" "$TEST_TMP/known"
"$load" templates "$TEST_TMP/made" 16 8
mv "$TEST_TMP"/made/*.xz "$TEST_LIB"

# What is known: the raw goals' bytes are the templates', the others' those of a mount that nobody disturbs.
mount_library
n=0
while [ $n -lt 16 ]; do
	format=$(echo "raw qcow2 vmdk vdi vhd vhdx raw raw@10M@expand=none" | cut -d ' ' -f $((n % 8 + 1)))
	case $format in
	raw@*) goal="t-$n@${format#raw@}.raw" ;;
	*) goal="t-$n.$format" ;;
	esac
	cp --sparse=always "$TEST_MNT/$goal" "$TEST_TMP/known/$goal"
	[ "$format" != raw ] || assert_same "$TEST_TMP/made/t-$n.raw" "$TEST_TMP/known/$goal"
	n=$((n + 1))
done
umount_library
rm -r "$TEST_CACHE"

# It writes to all that is allocated, to the end of buffers that no request is as large as.
unset MALLOC_PERTURB_
mount_library -v --cache-limit 48M --memory 128M
"$load" read "$TEST_MNT" "$TEST_TMP/known" --seconds 10 --pid "$test_pid" --hup 2 >"$TEST_TMP/figures" ||
	fail "$(cat "$TEST_TMP/figures")"
cat "$TEST_TMP/figures"
# Sanitizers keep freed memory and shadows of all of it.
if ! grep -qaE '__asan_init|__tsan_init' "$GOALFS"; then
	python3 -c 'import json, sys
peak = json.load(open(sys.argv[1]))["peak_mib"]
sys.exit(peak > 192 and f"{peak} MiB with --memory 128M")' "$TEST_TMP/figures" || fail "too much memory"
fi
umount_library
grep -q 'store: evict' "$TEST_LOG" || fail "nothing was evicted: this was no load"
kib=$(du -sk "$TEST_CACHE" | cut -f 1)
[ "$kib" -lt $((64 << 10)) ] || fail "the store holds $kib KiB"
