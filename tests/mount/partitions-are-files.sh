#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# NAME@pN is one partition, of the grown disk with a size, NAME@lv=VG-LV a logical volume; TEMPLATE.json lists both.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/disks.sh"
require_root
require_prog debugfs blkid sgdisk pvcreate lvcreate lvs xz qemu-img
make_disk "$TEST_LIB/gpt.raw" 200M gpt -t ext4 -L root
sgdisk -c 2:data "$TEST_LIB/gpt.raw" >/dev/null
xz -T1 --block-size=4MiB -k "$TEST_LIB/gpt.raw"
mv "$TEST_LIB/gpt.raw.xz" "$TEST_LIB/packed.xz"

# A primary, and two logical ones behind it: the second has the tree.
truncate -s 120M "$TEST_LIB/logical.raw"
printf 'label: dos\nlabel-id: 0x12345678\nsize=20480,type=83,bootable\ntype=5\nsize=20480,type=82\ntype=83\n' |
	sfdisk -q "$TEST_LIB/logical.raw"
partition_of "$TEST_LIB/logical.raw" 6
truncate -s "$partition_length" "$TEST_TMP/part"
mke2fs -q -F -t ext4 -L logical -d "$TEST_TMP/tree" "$TEST_TMP/part"
dd if="$TEST_TMP/part" of="$TEST_LIB/logical.raw" bs=1M oflag=seek_bytes seek="$partition_start" conv=notrunc,sparse status=none
partition_of "$TEST_LIB/logical.raw" 5
truncate -s "$partition_length" "$TEST_TMP/swap"
mkswap -q -L swap "$TEST_TMP/swap"
dd if="$TEST_TMP/swap" of="$TEST_LIB/logical.raw" bs=1M oflag=seek_bytes seek="$partition_start" conv=notrunc,sparse status=none

# A group on partition 2, whose volume is in two pieces.
lvm_tool() {
	tool=$1
	shift
	LVM_SYSTEM_DIR=$TEST_TMP/etc LVM_SUPPRESS_FD_WARNINGS=1 "$tool" -qq --driverloaded n --config \
		"devices{use_devicesfile=0 filter=[\"a|^$loop\$|\",\"r|.*|\"]} backup{backup=0 archive=0} global{locking_dir=\"$TEST_TMP/run\"}" \
		"$@" 2>"$TEST_TMP/lvm.log" || {
		cat "$TEST_TMP/lvm.log" >&2
		fail "$tool failed"
	}
}
mkdir "$TEST_TMP/etc" "$TEST_TMP/run"
truncate -s 120M "$TEST_LIB/lvm.raw"
printf 'label: gpt\nsize=2048\ntype=E6D6D379-F507-44C2-A23C-238F2A3DF928\n' | sfdisk -q "$TEST_LIB/lvm.raw"
loop_partition "$TEST_LIB/lvm.raw" 2
lvm_tool pvcreate "$loop"
lvm_tool vgcreate my-vg "$loop"
lvm_tool lvcreate -an -Zn -Wn -l 10 -n root my-vg
lvm_tool lvcreate -an -Zn -Wn -l 1 -n between my-vg
lvm_tool lvextend -l +5 my-vg/root
lvm_tool lvs --noheadings --units b --nosuffix --separator : -o seg_size,seg_pe_ranges my-vg/root >"$TEST_TMP/segments"
vg_uuid=$(lvm_tool vgs --noheadings -o vg_uuid my-vg | xargs)
unloop
truncate -s 60M "$TEST_TMP/volume"
mke2fs -q -F -t ext4 -L volume -d "$TEST_TMP/tree" "$TEST_TMP/volume"
partition_of "$TEST_LIB/lvm.raw" 2
done_bytes=0
while IFS=' :' read -r size _ range; do
	dd if="$TEST_TMP/volume" of="$TEST_LIB/lvm.raw" bs=1M iflag=skip_bytes,count_bytes oflag=seek_bytes \
		skip=$done_bytes count="$size" seek=$((partition_start + (1 << 20) + ${range%-*} * (4 << 20))) conv=notrunc status=none
	done_bytes=$((done_bytes + size))
done <"$TEST_TMP/segments"
[ "$(wc -l <"$TEST_TMP/segments")" = 2 ] || fail "the volume should be in two pieces"

mount_library

# The partition as it is in the template, whatever that is wrapped in.
partition_of "$TEST_LIB/gpt.raw" 2
for name in gpt packed; do
	goal=$TEST_MNT/$name@p2.raw
	assert_equal "$(stat -c %s "$goal")" "$partition_length" "size of $name@p2.raw"
	cmp -i "$partition_start:0" -n "$partition_length" "$TEST_LIB/gpt.raw" "$goal" || fail "$name@p2.raw is something else"
	debugfs -R 'cat /etc/name' "$goal" 2>/dev/null >"$TEST_TMP/name"
	assert_equal "$(cat "$TEST_TMP/name")" goalfs "what debugfs reads of $name"
	loop=$(losetup --find --show -r "$goal")
	assert_files_intact "$loop" "$TEST_TMP/tree.sha256"
	unloop
done
qemu-img compare -q "$TEST_MNT/gpt@p2.qcow2" "$TEST_MNT/gpt@p2.raw" || fail "gpt@p2.qcow2 holds something else"

# Of the grown disk.
partition_of "$TEST_MNT/packed@20G.raw" 2
assert_equal "$(stat -c %s "$TEST_MNT/packed@20G@p2.raw")" "$partition_length" "size of the grown partition"
[ "$partition_length" -gt $((19 << 30)) ] || fail "the partition has not grown"
assert_equal "$(stat -c %s "$TEST_MNT/packed@20G@p1.raw")" $((1 << 20)) "size of the one before it"
loop=$(losetup --find --show -r "$TEST_MNT/packed@20G@p2.raw")
assert_ext_grown "$loop"
assert_files_intact "$loop" "$TEST_TMP/tree.sha256"
unloop

# A logical partition.
assert_same "$TEST_MNT/logical@p6.raw" "$TEST_TMP/part"
loop=$(losetup --find --show -r "$TEST_MNT/logical@p6.raw")
assert_files_intact "$loop" "$TEST_TMP/tree.sha256"
unloop

# A logical volume, by all its names.
for goal in lvm@lv=my--vg-root.raw lvm@lv=my-vg-root.raw lvm@p2@lv=my--vg-root.raw; do
	assert_same "$TEST_MNT/$goal" "$TEST_TMP/volume"
done
qemu-img compare -q "$TEST_MNT/lvm@lv=my--vg-root.qcow2" "$TEST_TMP/volume" || fail "the qcow2 file holds something else"
loop=$(losetup --find --show -r "$TEST_MNT/lvm@lv=my--vg-root.raw")
assert_files_intact "$loop" "$TEST_TMP/tree.sha256"
unloop

# What does not exist, and why.
refused() {
	assert_no_entry "$TEST_MNT/$1"
	assert_says "$TEST_MNT/$1.plan" "$2"
}
refused gpt@p3.raw 'no partition 3; it has 1, 2'
refused logical@p2.qcow2 'partition 2 is an extended one, which only holds others: ask for one of 5, 6'
refused gpt@100M@p2.raw '100M is too small'
refused lvm@lv=my--vg-home.raw "no logical volume 'my--vg-home'; there are: my--vg-root, my--vg-between"
refused lvm@p1@lv=my--vg-root.raw 'no physical volume of LVM there'
refused gpt@lv=a-b.raw 'no physical volume of LVM among the partitions'

# All of it in TEMPLATE.json, as sfdisk and blkid have it.
cat >"$TEST_TMP/judge.py" <<'EOT'
import json, subprocess, sys

mount, lib, vg_uuid = sys.argv[1:]
blkid = lambda name, p: dict(line.split("=", 1) for line in subprocess.run(
    ("blkid", "-p", "-o", "export", "-O", str(p["start"]), "-S", str(p["size"]), name),
    capture_output=True, text=True).stdout.splitlines())
for name, of in (("gpt", "gpt"), ("packed", "gpt"), ("logical", "logical"), ("lvm", "lvm")):
    disk = json.load(open(f"{mount}/{name}.json"))["disk"]
    raw = f"{lib}/{of}.raw"
    table = json.loads(subprocess.run(("sfdisk", "--json", raw), capture_output=True, check=True).stdout)["partitiontable"]
    assert disk["table"] == {"dos": "mbr", "gpt": "gpt"}[table["label"]], disk
    assert disk["id"] == table["id"].lower().removeprefix("0x"), disk
    assert len(disk["partitions"]) == len(table["partitions"]), disk
    for p, q in zip(disk["partitions"], sorted(table["partitions"], key=lambda q: q["start"])):
        assert q["node"] == f"{raw}{p['number']}", (p, q)
        assert p["type"] == (q["type"].lower() if of != "logical" else q["type"].zfill(2)), (p, q)
        assert (p["start"], p["size"]) == (q["start"] * 512, q["size"] * 512), (p, q)
        assert p.get("name", "") == q.get("name", ""), (p, q)
        assert p["id"] == q.get("uuid", f"{disk['id']}-{p['number']:02x}").lower(), (p, q)
        content, judge = p.get("content", {}), blkid(raw, p) if not p.get("extended") else {}
        for key in ("type", "label", "uuid"):
            assert content.get(key) == judge.get(key.upper()), (content, judge)
group = disk["partitions"][1]["content"]["group"]
assert (group["name"], group["uuid"]) == ("my-vg", vg_uuid), group
root, between = group["volumes"]
assert (root["name"], root["lv"], root["size"]) == ("root", "my--vg-root", 60 << 20), root
assert (root["content"]["type"], root["content"]["label"]) == ("ext4", "volume"), root
assert (between["lv"], between["size"]) == ("my--vg-between", 4 << 20), between
EOT
python3 "$TEST_TMP/judge.py" "$TEST_MNT" "$TEST_LIB" "$vg_uuid" || fail "the JSON says something else"
umount_library
