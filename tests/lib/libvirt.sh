# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# Sourced instead of common.sh, which it sources itself: runs the script in namespaces of its own (mounts,
# network, processes), where it starts a real libvirtd as the distribution sets it up. The machine's own libvirt,
# its files and sockets are not seen there, nor touched, and everything that was started ends with the script.

private="--net --pid --fork --kill-child --mount-proc"
. "${0%/*}/../lib/private.sh"
. "${0%/*}/../lib/common.sh"
require_root
require_prog libvirtd virtlogd virsh virt-install virt-clone qemu-system-x86_64 qemu-img ip

LIBVIRT_DEFAULT_URI=qemu:///system
export LIBVIRT_DEFAULT_URI
images=/var/lib/libvirt/images

# The user that machines run as: what Debian's and Fedora's packages set.
qemu_user=$(getent passwd libvirt-qemu qemu | head -n 1 | cut -d : -f 1)
[ -n "$qemu_user" ] || fail "there is neither a user libvirt-qemu nor qemu"

private_directories() {
	for dir in /run /etc/libvirt /var/lib/libvirt /var/cache/libvirt /srv; do
		mkdir -p "$dir"
		# As large as disks pretend to be.
		mount -t tmpfs -o mode=755,size=100G tmpfs "$dir" || fail "no tmpfs for '$dir'"
	done
	mkdir -p /run/lock $images /var/lib/libvirt/boot "$TEST_TMP/machines"
	# What machines said is there to be read after a failure.
	mkdir -p /var/log/libvirt
	mount --bind "$TEST_TMP/machines" /var/log/libvirt
	# Others than root have to get to the mount, and to what lies beside it.
	chmod 755 "$TEST_TMP" "$TEST_TMP/machines"
	# A KVM that is there, but does not work, would be used.
	[ ! -e /dev/kvm ] || mount --bind /dev/null /dev/kvm
}

# The owners of files are changed as needed, and remembered: the defaults, but they are what is tested.
# The cgroups of the machine are no part of the namespaces.
configure_libvirt() {
	cat >/etc/libvirt/qemu.conf <<-END
		user = "$qemu_user"
		group = "$(id -gn "$qemu_user")"
		dynamic_ownership = 1
		remember_owner = 1
		cgroup_controllers = []
	END
	cat >/etc/libvirt/libvirtd.conf <<-END
		auth_unix_ro = "none"
		auth_unix_rw = "none"
		log_outputs = "3:file:$TEST_TMP/log-libvirtd"
	END
}

# A network by the name that virt-install looks for: a bridge that leads nowhere.
default_network() {
	ip link set lo up
	ip link add goalfs0 type bridge
	ip link set goalfs0 up
	cat >"$TEST_TMP/network" <<-END
		<network><name>default</name><forward mode='bridge'/><bridge name='goalfs0'/></network>
	END
	virsh -q net-define "$TEST_TMP/network"
	virsh -q net-start default
}

start_libvirt() {
	private_directories
	configure_libvirt
	virtlogd --daemon --pid-file /run/virtlogd.pid || fail "virtlogd does not start"
	libvirtd --daemon --pid-file /run/libvirtd.pid || fail "libvirtd does not start"
	default_network
}

# attribute PATH of the XML on standard input: "capacity", "target/format/@type". Nothing when it isn't there.
attribute() {
	python3 -c 'import sys, xml.etree.ElementTree as tree
path, _, name = sys.argv[1].partition("/@")
found = tree.parse(sys.stdin).getroot().find(path)
if found is not None:
	print(found.get(name, "") if name else found.text)' "$1"
}

# await_end DOMAIN: until the guest has powered its machine off.
await_end() {
	n=0
	until grep -q 'shutting down, reason=' "$TEST_TMP/machines/qemu/$1.log"; do
		n=$((n + 1))
		[ $n -lt 3000 ] || fail "the machine '$1' is $(virsh domstate --reason "$1") after 10 minutes"
		sleep 0.2
	done
	assert_says "$TEST_TMP/machines/qemu/$1.log" 'shutting down, reason=shutdown$'
}
