#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Templates that name other files (backing files, extents, parents, links in archives, sockets) give an error, and never a
# byte of those. Real tools make them, as an attacker would.
. "${0%/*}/../lib/common.sh"
require_prog qemu-img tar xz
secret=$TEST_TMP/secret
head -c 1M /dev/zero | tr '\0' S >"$secret"
cd "$TEST_LIB"

qemu-img create -q -f qcow2 -F raw -b "$secret" backing.qcow2
qemu-img create -q -f qcow2 -F raw -u -b 'json:{"driver":"file","filename":"/etc/passwd"}' json.qcow2 1M
qemu-img create -q -f qcow2 -F raw -u -b 'nbd:unix:/run/x.sock' nbd.qcow2 1M
qemu-img create -q -f qcow2 -o "data_file=$TEST_TMP/data,data_file_raw=on" data.qcow2 1M
cp "$secret" "$TEST_TMP/data"
qemu-img create -q -f qed -F raw -b "$secret" enhanced.qed
qemu-img create -q -f vmdk ../parent.vmdk 1M
qemu-img create -q -f vmdk -F vmdk -b ../parent.vmdk overlay.vmdk
{
	printf '# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType="monolithicFlat"\n'
	printf 'RW 2048 FLAT "%s" 0\n' "$secret"
} >flat.vmdk
{
	printf '# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType="monolithicFlat"\n'
	printf 'RW 2048 FLAT "../secret" 0\n'
} >relative.vmdk
mkdir tar
ln -s "$secret" tar/disk.raw
tar -C tar -cf link.tar disk.raw
rm -r tar
xz -c backing.qcow2 >packed.qcow2.xz
printf '[ cat %s ]\n' "$secret" >command.nbd
printf 'nbd+unix:///?socket=%s\n' "$secret" >socket.nbd
printf 'file://%s\n' "$secret" >file.nbd
cp "$secret" good.raw
cd /

mount_library
assert_same "$secret" "$TEST_MNT/good.raw"
# Each is refused for what it names, and not because there is something else about it.
while read -r name reason; do
	for format in raw qcow2 vmdk; do
		if timeout 60 cat "$TEST_MNT/$name.$format" >"$TEST_TMP/got" 2>/dev/null; then
			fail "$name.$format can be read"
		fi
		if [ -s "$TEST_TMP/got" ]; then fail "some of $name.$format can be read"; fi
	done
	assert_says "$TEST_LOG" "$reason"
done <<-END
	backing backing\\.raw: .*has a backing file
	json json\\.raw: .*has a backing file
	nbd nbd\\.raw: .*has a backing file
	packed packed\\.raw: .*has a backing file
	data data\\.raw: .*keeps its data in another file
	enhanced enhanced\\.raw: .*backing file
	overlay overlay\\.raw: .*names a parent
	flat flat\\.raw: .*in several files
	relative relative\\.raw: .*in several files
	link link\\.raw: .*holds no disk
	command command\\.nbd' names a command
	socket socket\\.nbd' can't be opened
	file file\\.nbd' is neither
END
assert_same "$secret" "$TEST_MNT/good.raw"
umount_library
