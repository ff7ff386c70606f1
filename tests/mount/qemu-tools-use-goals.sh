#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# What QEMU's block layer does with a file it does with a goal: each cache and I/O engine on a cold goal, several at one
# time, locks, overlays and their chains, exports, jobs. What would write is refused with a reason, and harms nothing.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/qemu.sh"
. "$TEST_TOP/tests/lib/disks.sh"
require_prog xz nbdcopy nbdinfo
cd "$TEST_TMP"
make_tree tree
head -c 5M /dev/urandom >tree/random
tree_sums tree >tree.sha256
make_disk disk.raw 40M gpt -t ext4
for n in 1 2 3 4; do
	xz -1 --block-size=1MiB -c disk.raw >"$TEST_LIB/disk$n.xz"
done
mount_library
M=$TEST_MNT
exec 6<"$M/disk4.raw" # open before its bytes are there, and all the time: the kernel can't be handed this one

# same FILE OPTIONS: read by these block device options, it is the template.
same() {
	qemu-img compare -q --image-opts driver=raw,file.driver=file,file.filename=disk.raw "$2" || fail "$1 is not the template with $2"
}
refused() {
	assert_fails "$@"
	assert_says output 'Read-only file system'
}

# Each engine gets a goal of which nothing is there; after that it is read with all others, from several at a time.
engines="cache.direct=on,%s.aio=native cache.direct=on,%s.aio=io_uring cache.direct=on,%s.aio=threads
	cache.direct=off,%s.aio=io_uring cache.direct=off,%s.aio=threads"
n=0
for engine in $engines; do
	n=$((n % 4 + 1))
	for format in raw qcow2; do
		options="driver=$format,file.driver=file,file.filename=$M/disk$n.$format,file.${engine%%,*},file.${engine#*,%s.}"
		same "disk$n.$format, for the first time" "$options" &
		readers="${readers:-} $!"
	done
done
for pid in $readers; do
	wait "$pid" || fail "see above"
done
for n in 1 4; do
	for engine in $engines; do
		same "disk$n.raw" "driver=raw,file.driver=file,file.filename=$M/disk$n.raw,file.${engine%%,*},file.${engine#*,%s.}"
	done
done
# In pieces that nothing divides, by several threads.
qemu-io -r --image-opts "driver=raw,file.filename=$M/disk1.raw,file.cache.direct=on,file.aio=native" -c 'read 1 511' \
	-c 'aio_read 1536 3145728' -c 'aio_read 0 16777216' -c 'aio_read 41942528 512' -c aio_flush >output || fail "odd reads fail"
assert_equal "$(grep -cE '^read [0-9]+/' output)" 4

# ---- locks ----

storage_start holder \
	--blockdev "driver=file,filename=$M/disk1.raw,node-name=d1,read-only=on,locking=on,cache.direct=on,aio=native" \
	--blockdev "driver=file,filename=$M/disk2.raw,node-name=d2,read-only=on,locking=on" \
	--nbd-server addr.type=unix,addr.path=nbd,max-connections=8 \
	--export type=nbd,id=e1,node-name=d1,name=d1 --export type=nbd,id=e2,node-name=d2,name=d2
# Its shared lock is there for all to see; it bars writers alone, who do not get that far.
python3 - "$M/disk1.raw" <<-'EOF' || fail "qemu holds no lock on the goal"
import fcntl, os, struct, sys
OFD_GETLK, LOCK_BYTES = 36, range(100, 300)
fd = os.open(sys.argv[1], os.O_RDONLY)
held = [n for n in LOCK_BYTES if struct.unpack("hhqqi4x", fcntl.fcntl(fd, OFD_GETLK, struct.pack(
	"hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, n, 1, 0)))[0] != fcntl.F_UNLCK]
sys.exit(not held)
EOF
qemu-img info "$M/disk1.raw" >/dev/null
same "disk1.raw, held by another one" "driver=raw,file.driver=file,file.filename=$M/disk1.raw,file.locking=on"
refused qemu-io -f raw -c 'write 0 512' "$M/disk1.raw"

# ---- exports ----

# Two at a time, each over several connections.
nbdcopy "nbd+unix:///d1?socket=nbd" copy1.raw &
copying=$!
nbdcopy "nbd+unix:///d2?socket=nbd" copy2.raw
wait $copying || fail "nbdcopy fails"
assert_same copy1.raw disk.raw
assert_same copy2.raw disk.raw
nbdinfo --map --json "nbd+unix:///d1?socket=nbd" | grep -q '"type": *3' || fail "an export of a goal has no holes"
rm -f copy1.raw copy2.raw
refused qemu-nbd -f raw --socket "$TEST_TMP/w" "$M/disk3.raw"
nbdcopy -- [ qemu-nbd --read-only -f qcow2 --aio=native --cache=none "$M/disk3.qcow2" ] copy.raw
assert_same copy.raw disk.raw

# ---- jobs ----

job_is_done() {
	answer_is '"status": "concluded"' holder query-jobs
}
# job COMMAND ARGUMENTS: until it has ended, and well.
job() {
	qmp holder "$@" >/dev/null
	qemu_until "the job $1" job_is_done
	! grep -q '"error"' answer || fail "$1: $(cat answer)"
	qmp holder job-dismiss '{"id": "job"}' >/dev/null
}
for to in mirror backup top; do
	truncate -s 40M "$to.raw"
	qmp holder blockdev-add "{\"driver\": \"file\", \"filename\": \"$TEST_TMP/$to.raw\", \"node-name\": \"$to\"}" >/dev/null
done
qmp holder blockdev-mirror '{"job-id": "job", "device": "d1", "target": "mirror", "sync": "full", "auto-dismiss": false}' >/dev/null
qemu_until "the mirror is ready" answer_is '"status": "ready"' holder query-jobs
job job-complete '{"id": "job"}'
job blockdev-backup '{"job-id": "job", "device": "d2", "target": "backup", "sync": "full", "auto-dismiss": false}'
assert_same mirror.raw disk.raw
assert_same backup.raw disk.raw
# An overlay that the daemon makes, put on a goal and streamed into: then it stands alone.
job blockdev-create '{"job-id": "job", "options": {"driver": "qcow2", "file": "top", "size": 41943040}}'
qmp holder blockdev-add '{"driver": "qcow2", "file": "top", "node-name": "overlay", "backing": null}' \
	blockdev-snapshot '{"node": "d2", "overlay": "overlay"}' >/dev/null
job block-stream '{"job-id": "job", "device": "overlay", "auto-dismiss": false}'
# A goal takes nothing back.
assert_fails qmp holder blockdev-mirror '{"job-id": "job", "device": "mirror", "target": "d1", "sync": "full"}'
assert_says output 'read-only'
qmp holder quit >/dev/null
machine_end holder
same "what was streamed" driver=qcow2,file.driver=file,file.filename=top.raw
# Who asks for as much as there is gets it without writing: as libvirt opens what lies below.
same "automatically read-only" \
	"driver=raw,read-only=off,auto-read-only=on,file.driver=file,file.filename=$M/disk1.raw,file.auto-read-only=on"

# ---- overlays ----

for format in raw qcow2; do
	qemu-img create -q -f qcow2 -F $format -b "$M/disk2.$format" one.qcow2
	qemu-img create -q -f qcow2 -F qcow2 -b one.qcow2 two.qcow2
	qemu-img info --backing-chain two.qcow2 >output
	assert_equal "$(grep -c '^image:' output)" 3
	same "an overlay on $format" driver=qcow2,file.filename=two.qcow2
	qemu-io -t none -i native -d unmap -c 'write -P 0xa5 1M 3M' -c 'discard 20M 4M' -c 'write -z 30M 1M' -c 'read -P 0xa5 1M 3M' \
		two.qcow2 >output || fail "an overlay can't be written to"
	! grep -i fail output >&2 || fail "see above"
	qemu-img convert -O raw two.qcow2 written.raw
	# One that is alike takes the place of what is below; then there is nothing below.
	qemu-img commit -q two.qcow2
	qemu-img rebase -F qcow2 -b "$M/disk3.qcow2" one.qcow2
	qemu-img compare -q -f qcow2 -F raw one.qcow2 written.raw || fail "rebased, it has other bytes"
	refused qemu-img commit one.qcow2
	qemu-img rebase -b "" one.qcow2
	qemu-img compare -q -f qcow2 -F raw one.qcow2 written.raw || fail "alone, it has other bytes"
	qemu-img check -q one.qcow2
done
same "the goal below" "driver=raw,file.driver=file,file.filename=$M/disk2.raw"

# ---- what looks, and what would write ----

qemu-img check -q "$M/disk1.qcow2"
qemu-img map --output=json "$M/disk1.raw" >map.json
python3 -c 'import json, sys
n = {kind: sum(e["length"] for e in json.load(open("map.json")) if e["data"] is kind) for kind in (True, False)}
sys.exit(n[True] + n[False] != 40 << 20 or not 5 << 20 < n[True] < 30 << 20)' || fail "the map of a goal: $(cat map.json)"
need=$(qemu-img measure -O qcow2 "$M/disk1.raw" | awk '/^required/ { print $3 }')
[ "$need" -lt $((30 << 20)) ] || fail "a goal's holes count: $need bytes"
refused qemu-img resize -q -f raw "$M/disk1.raw" 1G
refused qemu-img snapshot -c state "$M/disk1.qcow2"
refused qemu-img amend -f qcow2 -o lazy_refcounts=on "$M/disk1.qcow2"
refused qemu-img rebase -u -F raw -b disk.raw "$M/disk1.qcow2"
refused qemu-img bitmap --add "$M/disk1.qcow2" changes
refused qemu-img check -r all "$M/disk1.qcow2"
refused qemu-img convert -n -O raw disk.raw "$M/disk1.raw"
refused qemu-img convert -O qcow2 disk.raw "$M/other@50M.qcow2"
refused qemu-img create -q -f raw "$M/new.raw" 1G
assert_equal "$(ls "$M" | wc -l)" 8
exec 6<&-
umount_library
cmp "$TEST_LIB/disk1.xz" "$TEST_LIB/disk2.xz"
