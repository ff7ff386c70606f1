# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# Sourced after common.sh: the guest, booted in software emulation.

require_prog qemu-system-x86_64

# boot_guest FILE FORMAT: until it powers off; what it said is in $TEST_TMP/serial then.
boot_guest() {
	timeout "${GOALFS_BOOT_SECONDS:-300}" qemu-system-x86_64 -accel tcg -m 512 -nographic -no-reboot -snapshot \
		-drive "file=$1,format=$2,if=virtio" </dev/null >"$TEST_TMP/serial" 2>&1 || {
		tail -n 30 "$TEST_TMP/serial" >&2
		fail "the guest did not boot and power off"
	}
	assert_says "$TEST_TMP/serial" BOOT-OK
	! grep -E 'EXT4-fs (error|warning)|I/O error|BUG:|Kernel panic' "$TEST_TMP/serial" >&2 || fail "see above"
}

# assert_root_size MIN MAX: KiB, as df in the guest told it.
assert_root_size() {
	kib=$(tr -d '\r' <"$TEST_TMP/serial" | awk '$6 == "/" { print $2 }')
	[ -n "$kib" ] || fail "the guest did not tell the size of its root filesystem"
	if [ "$kib" -lt "$1" ] || [ "$kib" -gt "$2" ]; then
		fail "the guest's root has $kib KiB"
	fi
}
