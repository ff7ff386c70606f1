# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# Sourced after common.sh: a machine with systemd and the kernel's NFS server, see tests/guest/make-server, which
# has goalfs installed as this build installs it.
#
#	require_server
#	cp something "$TEST_PARCEL/etc"
#	boot_server "$TEST_TOP/tests/guest/prepare" "$TEST_TOP/tests/guest/work"
#	assert_fact sum 1234
#
# What work prints as "FACT NAME VALUE" are the facts; $TEST_TMP/log-said holds all it said, $TEST_TMP/log-console what
# kernel and systemd did.

require_prog qemu-system-x86_64 meson tar
TEST_PARCEL=$TEST_TMP/parcel

# Makes the machine, and $TEST_PARCEL, the files that it shall have, with what `meson install` puts there.
require_server() {
	"$TEST_TOP/tests/guest/make-server" "$TEST_TMP/server" "$GOALFS" || fail "the server can't be made"
	mkdir -p "$TEST_PARCEL/etc"
	DESTDIR=$TEST_PARCEL meson install -C "${GOALFS%/fs/goalfs}" --no-rebuild --quiet >"$TEST_TMP/log-install" 2>&1 ||
		fail "what was built can't be installed"
	rm "$TEST_TMP/log-install"
}

# boot_server SETUP MAIN: SETUP runs before systemd starts, MAIN when the machine is up; it powers off then. What it
# wrote is gone.
boot_server() {
	install -m 0755 "$1" "$TEST_PARCEL/parcel-setup"
	install -m 0755 "$2" "$TEST_PARCEL/parcel-main"
	tar --owner=0 --group=0 --sparse -C "$TEST_PARCEL" -cf "$TEST_TMP/parcel.tar" .
	server=$TEST_TMP/server/server
	timeout "${GOALFS_BOOT_SECONDS:-600}" qemu-system-x86_64 -accel tcg,thread=multi -smp 2 -m 1024 \
		-cpu qemu64,-svm -nodefaults -display none -no-reboot -snapshot -kernel "$server.vmlinuz" -initrd "$server.initrd" \
		-append "root=/dev/vda rw console=ttyS0 panic=5 init=/usr/sbin/init-with-parcel systemd.status_unit_format=name systemd.default_timeout_start_sec=600 \
			modprobe.blacklist=ata_piix,serio_raw,evdev,binfmt_misc systemd.mask=systemd-binfmt.service systemd.mask=getty.target" \
		-drive "file=$server.raw,format=raw,if=virtio" \
		-drive "file=$TEST_TMP/parcel.tar,format=raw,if=virtio" \
		-serial "file:$TEST_TMP/log-console" -serial "file:$TEST_TMP/log-said" </dev/null ||
		fail "the machine did not boot and power off"
	# Serial lines have carriage returns, and systemd's are colourful.
	for log in "$TEST_TMP/log-console" "$TEST_TMP/log-said"; do
		sed -i -e 's/\r//g' -e 's/\x1b\[[0-9;]*[A-Za-z]//g' "$log"
	done
	assert_says "$TEST_TMP/log-said" '^THE END$'
	! grep -E 'Kernel panic|BUG:|EXT4-fs (error|warning)|I/O error' "$TEST_TMP/log-console" >&2 || fail "see above"
}

# fact NAME: its value.
fact() {
	sed -n "s/^FACT $1 //p" "$TEST_TMP/log-said"
}

assert_fact() {
	assert_equal "$(fact "$1")" "$2" "$1"
}

# assert_before REGEX REGEX: on the console the last line that matches the one comes before the last of the other.
assert_before() {
	awk -v first="$1" -v second="$2" '$0 ~ first { a = NR } $0 ~ second { b = NR } END { exit !(a && b && a < b) }' \
		"$TEST_TMP/log-console" || fail "not in this order: '$1', '$2'"
}
