# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# Sourced after common.sh: one disk in every form that a template can have.

require_prog qemu-img xz gzip bzip2 zstd tar

# make_forms RAW DIR: DIR/NAME.ENDING for each form of the disk, all of different NAMEs, which are printed.
make_forms() {
	forms_raw=$1
	forms_dir=$2
	cp --sparse=always "$1" "$2/raw.raw"
	xz -1 -T2 --block-size=4MiB -c "$1" >"$2/raw-xz.raw.xz"
	gzip -1 -c "$1" >"$2/raw-gz.raw.gz"
	bzip2 -1 -c "$1" >"$2/raw-bz2.img.bz2"
	zstd -q -1 -c "$1" >"$2/raw-zst.zst"
	form qcow2 qcow2
	form qcow2-v2 qcow2 -o compat=0.10,cluster_size=4k
	form qcow2-zlib qcow2 -c
	form qcow2-zstd qcow2 -c -o compression_type=zstd
	form qcow2-l2 qcow2 -o extended_l2=on,cluster_size=128k
	form vmdk vmdk
	form vmdk-stream vmdk -o subformat=streamOptimized
	form vdi vdi
	form vdi-fixed vdi -o static=on
	form vhd vpc -o force_size=on
	form vhd-fixed vpc -o subformat=fixed,force_size=on
	form vhdx vhdx
	form qed qed
	form qcow qcow
	form parallels parallels
	# One in another: none of these says by its name what is in it but by what its bytes are.
	xz -1 -c "$2/qcow2.img" >"$2/qcow2-xz.xz"
	gzip -1 -c "$2/vmdk.img" >"$2/vmdk-gz.gz"
	zstd -q -1 -c "$2/vhd.img" >"$2/vhd-zst.vhd.zst"
	echo '<Envelope/>' >"$TEST_TMP/machine.ovf"
	cp "$2/vmdk-stream.img" "$TEST_TMP/machine-disk1.vmdk"
	tar -C "$TEST_TMP" -cf "$2/appliance.ova" machine.ovf machine-disk1.vmdk
	cp --sparse=always "$1" "$TEST_TMP/disk.raw"
	tar -C "$TEST_TMP" -cf - disk.raw | gzip -1 >"$2/cloud.tar.gz"
	rm "$TEST_TMP/machine-disk1.vmdk" "$TEST_TMP/disk.raw"
	for f in "$2"/*; do
		f=${f##*/}
		echo "${f%%.*}"
	done
}

# form NAME FORMAT [OPTION...]: what qemu-img makes of it; .img doesn't tell.
form() {
	form_name=$1
	form_format=$2
	shift 2
	qemu-img convert -f raw -O "$form_format" "$@" "$forms_raw" "$forms_dir/$form_name.img"
}
