#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# What NFS clients see, through ganesha and over NFSv3 and NFSv4, is what there is: hundreds of names, sizes, bytes.
. "${0%/*}/../lib/nfs.sh"
. "$TEST_TOP/tests/lib/disks.sh"
require_prog xz qemu-img qemu-io
make_disk "$TEST_TMP/small.raw" 64M gpt -t ext4
xz --block-size=1MiB -c "$TEST_TMP/small.raw" >"$TEST_LIB/small.xz"
# Several READDIRs' worth.
for n in $(seq 200); do
	head -c $((512 * n)) /dev/zero | tr '\0' "$((n % 10))" >"$TEST_LIB/t$n.raw"
done
mount_library -v
nfs_start

for version in 3 4; do
	(cd "$TEST_MNT" && stat -c '%s %n' -- *) | sort >"$TEST_TMP/expected"
	assert_equal "$(wc -l <"$TEST_TMP/expected")" 402
	nfs-ls "$(nfs_url $version)" | awk '{ print $5, $6 }' | sort >"$TEST_TMP/got"
	diff "$TEST_TMP/expected" "$TEST_TMP/got" || fail "another listing over NFSv$version"
	for name in t1.raw t200.qcow2 small.raw small@100M.vmdk; do
		nfs-cat "$(nfs_url $version "$name")" | cmp - "$TEST_MNT/$name"
	done
	nfs-cp "$(nfs_url $version small@200M.qcow2)" "$TEST_TMP/copy" >/dev/null
	cmp "$TEST_TMP/copy" "$TEST_MNT/small@200M.qcow2"
	rm "$TEST_TMP/copy"

	# The first size that anybody is told is the last.
	size=$(nfs-cat "$(nfs_url $version "small@30${version}M.vdi")" | wc -c)
	assert_equal "$size" "$(stat -c %s "$TEST_MNT/small@30${version}M.vdi")"

	# Texts, and why there is none.
	nfs-cat "$(nfs_url $version small@1M.raw.plan)" >"$TEST_TMP/plan"
	assert_says "$TEST_TMP/plan" "refused|can't|cannot|smaller"
	assert_fails nfs-cat "$(nfs_url $version small@1M.raw)"
done

# qemu's own client, image locking included.
qemu-img compare -f qcow2 -F raw nfs://127.0.0.1/goals/small.qcow2 "$TEST_TMP/small.raw"
qemu-io -r -f qcow2 -c "read -P 0 64M 1M" -c "read 0 64M" nfs://127.0.0.1/goals/small@200M.qcow2 >"$TEST_TMP/output"
assert_says "$TEST_TMP/output" "67108864/67108864"

# Nobody asks ganesha for holes, which it gets wrong: NFSv4.2 is a minor version that it does not have.
python3 -c 'import socket, struct
call = struct.pack(">15I", 1, 0, 2, 100003, 4, 1, 0, 0, 0, 0, 0, 2, 1, 24, 0)[:-4]
with socket.create_connection(("127.0.0.1", 2049)) as s:
	s.sendall(struct.pack(">I", 1 << 31 | len(call)) + call)
	reply = s.recv(1024)
print(*struct.unpack(">2I", reply[24:32]))' >"$TEST_TMP/output"
assert_equal "$(cat "$TEST_TMP/output")" "0 10021" "the answer to NFSv4.2"

# However often they opened and closed it, each was made once.
opened=$(grep -c 'qcow2: map' "$TEST_LOG")
for _ in $(seq 20); do
	nfs-cat "$(nfs_url 3 small.qcow2)" >/dev/null
	nfs-cat "$(nfs_url 4 small@200M.qcow2)" >/dev/null
	echo 2 >/proc/sys/vm/drop_caches
done
assert_equal "$(grep -c 'qcow2: map' "$TEST_LOG")" "$opened" "images made again"
nfs_stop
umount_library
