# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# Sourced: the tools of LVM, on a loop device and without device-mapper. They
# read and write the group's metadata; nothing is ever activated. What the tools
# of this machine know of other groups neither counts nor is touched.

# lvm_tool DEVICE TOOL ARGUMENT...: below LVM_HOME, a directory of the caller's.
lvm_tool() {
	lvm_device=$1
	lvm_tool=$2
	shift 2
	mkdir -p "$LVM_HOME/etc" "$LVM_HOME/run"
	LVM_SYSTEM_DIR=$LVM_HOME/etc LVM_SUPPRESS_FD_WARNINGS=1 "$lvm_tool" -qq --driverloaded n --config \
		"devices{use_devicesfile=0 filter=[\"a|^$lvm_device\$|\",\"r|.*|\"]} backup{backup=0 archive=0}
		global{locking_dir=\"$LVM_HOME/run\"}" "$@" 2>"$LVM_HOME/errors" || {
		cat "$LVM_HOME/errors" >&2
		return 1
	}
}

# lv_segments DEVICE GROUP/VOLUME: a line for each piece, in the volume's order: where it starts on the device, its length.
lv_segments() {
	lv_extent=$(lvm_tool "$1" vgs --noheadings --units b --nosuffix -o vg_extent_size "${2%/*}" | tr -d ' ')
	lv_first=$(lvm_tool "$1" pvs --noheadings --units b --nosuffix -o pe_start "$1" | tr -d ' ')
	lvm_tool "$1" lvs --noheadings --separator ' ' -o seg_start_pe,seg_pe_ranges "$2" | sort -n |
		sed 's/.*:\([0-9]*\)-\([0-9]*\) *$/\1 \2/' | while read -r first last; do
		echo $((lv_first + first * lv_extent)) $(((last - first + 1) * lv_extent))
	done
}
