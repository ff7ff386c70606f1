#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# goalfs-libvirt(7), pasted section by section: machines on overlays, links, pools and media; one of them boots
# until it is up, with a disk grown to the size that its goal names.
. "${0%/*}/../lib/libvirt.sh"
. "$TEST_TOP/tests/lib/manual.sh"
require_prog apparmor_parser grub-mkimage grub-mkrescue xorriso mformat
require_guest

PATH=$(dirname "$GOALFS"):$PATH
XDG_CACHE_HOME=$TEST_TMP/home
HOME=$TEST_TMP/home
export PATH HOME XDG_CACHE_HOME
page=goalfs-libvirt.7

# An installer's medium, which says that it is up; so does its kernel, which is GRUB as well.
make_medium() {
	mkdir -p "$TEST_TMP/iso/boot/grub" "$TEST_TMP/iso/install.amd"
	cat >"$TEST_TMP/iso/boot/grub/grub.cfg" <<-END
		serial --unit=0
		terminal_output serial
		echo goalfs-medium-is-up
		halt
	END
	grub-mkimage -O i386-pc -p / -c "$TEST_TMP/iso/boot/grub/grub.cfg" -o "$TEST_TMP/core.img" serial echo halt
	cat /usr/lib/grub/i386-pc/lnxboot.img "$TEST_TMP/core.img" >"$TEST_TMP/iso/install.amd/vmlinuz"
	echo initrd >"$TEST_TMP/iso/install.amd/initrd.gz"
	grub-mkrescue -o /srv/templates/installer.iso "$TEST_TMP/iso" 2>"$TEST_TMP/log-mkrescue"
}

# A copy, to which lines can be added.
copy_apparmor() {
	mkdir "$TEST_TMP/apparmor"
	cp -r /etc/apparmor.d/. "$TEST_TMP/apparmor"
	mount --bind "$TEST_TMP/apparmor" /etc/apparmor.d
}

start_libvirt
copy_apparmor
mkdir /srv/templates
ln "$TEST_GUEST/debian-12.xz" /srv/templates/ 2>/dev/null || cp "$TEST_GUEST/debian-12.xz" /srv/templates/
make_medium

paste_manual $page "MOUNTING FOR LIBVIRT"
paste_manual $page "A DISK OF ITS OWN"
virsh dumpxml web1 >"$TEST_TMP/web1.xml"
assert_equal "$(attribute devices/disk/backingStore/source/@file <"$TEST_TMP/web1.xml")" /srv/goals/debian-12@20G.qcow2

# While that boots. What the others do is their disks' affair, so they don't run on.
paste_manual $page "CHANGES THAT ARE THROWN AWAY"
virsh -q domblklist scratch1 >"$TEST_TMP/disks"
assert_says "$TEST_TMP/disks" "$images/debian-12.qcow2.TRANSIENT-scratch1"
virsh -q destroy scratch1
[ ! -e $images/debian-12.qcow2.TRANSIENT-scratch1 ] || fail "the changes are not thrown away"
paste_manual $page "READ-ONLY DISKS"
paste_manual $page "A STORAGE POOL"
assert_says "$TEST_TMP/pasted.out" ' debian-12@20G.qcow2 .* 20\.00 GiB '
cmp /srv/goals/debian-12.qcow2 "$TEST_TMP/pasted/debian-12.qcow2" || fail "the downloaded volume differs"
rm "$TEST_TMP/pasted/debian-12.qcow2"
paste_manual $page DOMAINS
paste_manual $page "SNAPSHOTS AND CLONES"
assert_equal "$(virsh -q domblklist web2 | awk '{ print $2 }' | tr '\n' ' ')" \
	"$images/web2.qcow2 debian-12@20G.qcow2 /srv/goals/installer.iso "
virsh -q destroy web2

# AppArmor is not in this kernel: the parser judges the lines.
paste_manual $page APPARMOR
cat >"$TEST_TMP/profile" <<END
#include <tunables/global>
profile libvirt-machine flags=(attach_disconnected) {
	#include <abstractions/libvirt-qemu>
}
END
for profile in "$TEST_TMP/profile" /etc/apparmor.d/usr.lib.libvirt.virt-aa-helper; do
	apparmor_parser --base /etc/apparmor.d --skip-kernel-load --skip-cache --preprocess "$profile" >"$TEST_TMP/rules"
	assert_says "$TEST_TMP/rules" '/goals/\*\* rk?,'
	apparmor_parser --base /etc/apparmor.d --skip-kernel-load --skip-cache "$profile" || fail "AppArmor refuses '$profile'"
done

paste_manual $page "INSTALLATION MEDIA"
await_end inst1
await_end inst2

# The guest ends by itself once it is up and has looked at its disk.
await_end web1
qemu-img info "$images/web1.qcow2" >"$TEST_TMP/info"
assert_says "$TEST_TMP/info" '^virtual size: 20 GiB'
[ "$(stat -c %s $images/web1.qcow2)" -gt 2000000 ] || fail "the guest has written nothing"
for machine in web1 web2 inst1 inst2; do
	virsh -q undefine $machine
done
virsh -q pool-destroy goals
fusermount3 -u /srv/goals || fail "the mount is busy"
