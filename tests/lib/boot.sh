# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# Sourced after common.sh: the guest, booted in software emulation.

require_prog qemu-system-x86_64 qemu-img

# boot_guest FILE FORMAT: until it powers off; what it said is in $TEST_TMP/serial then, what it wrote
# is gone.
boot_guest() {
	boot_machine "$1" "$2" -snapshot
}

# boot_on_top FILE: the same of a qcow2 file, and what the guest wrote stays in $TEST_TMP/overlay.qcow2, on top of it.
boot_on_top() {
	rm -f "$TEST_TMP/overlay.qcow2"
	qemu-img create -q -f qcow2 -F qcow2 -b "$1" "$TEST_TMP/overlay.qcow2"
	boot_machine "$TEST_TMP/overlay.qcow2" qcow2
	assert_says "$TEST_TMP/serial" '^WRITTEN [0-9a-f]{64}'
}

# boot_machine FILE FORMAT [OPTION...]
boot_machine() {
	boot_file=$1
	boot_format=$2
	shift 2
	timeout "${GOALFS_BOOT_SECONDS:-300}" qemu-system-x86_64 -accel tcg -m 512 -nographic -no-reboot "$@" \
		-drive "file=$boot_file,format=$boot_format,if=virtio" </dev/null >"$TEST_TMP/serial" 2>&1 || {
		tail -n 30 "$TEST_TMP/serial" >&2
		fail "the guest did not boot and power off"
	}
	assert_says "$TEST_TMP/serial" BOOT-OK
	! grep -E 'EXT4-fs (error|warning)|XFS .*([Cc]orrupt|[Ee]rror|[Mm]etadata)|BTRFS (error|warning|critical)' \
		"$TEST_TMP/serial" >&2 || fail "see above"
	! grep -E 'I/O error|BUG:|Kernel panic|^FSCK .*(UNEXPECTED|errors|[Ff]ail)' "$TEST_TMP/serial" >&2 || fail "see above"
}

# assert_guest_says REGEX: the machine's serial line has carriage returns.
assert_guest_says() {
	tr -d '\r' <"$TEST_TMP/serial" >"$TEST_TMP/said"
	assert_says "$TEST_TMP/said" "$1"
}

# flatten_overlay: to $TEST_TMP/after.raw, while the mount is there.
flatten_overlay() {
	qemu-img convert -f qcow2 -O raw "$TEST_TMP/overlay.qcow2" "$TEST_TMP/after.raw"
	rm "$TEST_TMP/overlay.qcow2"
}

# assert_root_size MIN MAX: KiB, as df in the guest told it.
assert_root_size() {
	kib=$(tr -d '\r' <"$TEST_TMP/serial" | awk '$6 == "/" { print $2 }')
	[ -n "$kib" ] || fail "the guest did not tell the size of its root filesystem"
	if [ "$kib" -lt "$1" ] || [ "$kib" -gt "$2" ]; then
		fail "the guest's root has $kib KiB"
	fi
}
