#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# 10,000 templates in an index, and as many files in a directory: each name is listed once and again after changes, with the
# right size, the daemon's memory is bounded, and ls -l has no reason to ask more than once for each.
. "${0%/*}/../lib/common.sh"
require_prog xz
truncate -s 4M "$TEST_TMP/zeros"
xz -0 --block-size=1MiB -c "$TEST_TMP/zeros" >"$TEST_TMP/template.xz"
python3 - "$TEST_LIB" "$TEST_TMP" 10000 <<'EOF'
import os, platform, sys
library, top, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
os.mkdir(f"{top}/directory")
with open(f"{library}/index", "w") as index:
    for n in range(count):
        os.link(f"{top}/template.xz", f"{library}/{n}.xz")
        os.link(f"{top}/zeros", f"{top}/directory/t-{n}.raw")
        index.write(f"[t-{n}]\nname=Number {n}\narch={platform.machine()}\nfile={n}.xz\nformat=raw\nsize={4 << 20}\n\n")
EOF

# all_there COUNT: that many names t-N.raw, all of 4 MiB.
all_there() {
	python3 - "$TEST_MNT" "$1" <<'EOF'
import os, sys
path, count = sys.argv[1], int(sys.argv[2])
names = os.listdir(path)
want = {f"t-{n}.raw" for n in range(count)}
if len(names) != count or set(names) != want:
    sys.exit(f"{len(names)} names, {len(set(names) ^ want)} of them wrong or missing")
wrong = [name for name in names if os.stat(f"{path}/{name}").st_size != 4 << 20]
if wrong:
    sys.exit(f"{len(wrong)} of another size, such as {wrong[0]}")
EOF
}
# Sanitizers have memory of their own.
memory_is_bounded() {
	kib=$(sed -n 's/^RssAnon:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$test_pid/status")
	echo "$1: $kib KiB"
	grep -qaE '__asan_init|__tsan_init' "$GOALFS" || [ "$kib" -lt $((100 << 10)) ] || fail "$1: $kib KiB of memory"
}

mount_library --formats raw --no-check-signature
all_there 10000 || fail "in the index"
memory_is_bounded "an index"
ls -l "$TEST_MNT" >"$TEST_TMP/long"
assert_equal "$(grep -c ' 4194304 .* t-[0-9]*\.raw$' "$TEST_TMP/long")" 10000
# The answer that keeps ls -l from asking for labels and access lists of each.
python3 - "$TEST_MNT/t-1.raw" <<'EOF' || fail "labels and access lists"
import errno, os, sys
for name in ("security.selinux", "system.posix_acl_access"):
    try:
        sys.exit(f"{name} is {os.getxattr(sys.argv[1], name)}")
    except OSError as e:
        if e.errno != errno.EOPNOTSUPP:
            sys.exit(f"{name}: {e}")
EOF
# What a long listing promised unopened can be read.
cmp "$TEST_TMP/zeros" "$TEST_MNT/t-4321.raw"

# Half of them go while the mount is up.
head -n 35000 "$TEST_LIB/index" >"$TEST_TMP/half"
mv "$TEST_TMP/half" "$TEST_LIB/index"
n=0
until all_there 5000 2>/dev/null; do
	n=$((n + 1))
	[ $n -lt 300 ] || all_there 5000 || fail "after the index became shorter"
	sleep 0.1
done
umount_library

mount_at "" --cache "$TEST_CACHE" --formats raw "$TEST_TMP/directory"
all_there 10000 || fail "in the directory"
memory_is_bounded "a directory"
umount_library
