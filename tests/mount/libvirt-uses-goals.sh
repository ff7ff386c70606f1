#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A real libvirtd: the mount as a pool, its goals as volumes, disks, media and backing files, with dynamic ownership.
. "${0%/*}/../lib/libvirt.sh"
. "$TEST_TOP/tests/lib/disks.sh"
require_prog xz genisoimage getfattr

make_disk "$TEST_LIB/small.raw" 200M gpt -t ext4
make_disk "$TEST_LIB/private.raw" 64M gpt -t ext4
chmod 0600 "$TEST_LIB/private.raw"
# Cut short: it is listed, and nothing can be made of it.
xz -0 --block-size=1MiB -c "$TEST_LIB/small.raw" | head -c 100000 >"$TEST_LIB/broken.xz"
genisoimage -quiet -R -o "$TEST_LIB/medium.iso" "$TEST_TMP/tree"
start_libvirt
mount_library --formats qcow2,raw,vmdk,vdi,vhd,@1G.qcow2
goal=$TEST_MNT/small@1G.qcow2

# The mount as a pool.
virsh -q pool-define-as goals dir --target "$TEST_MNT"
virsh -q pool-start goals
virsh -q pool-autostart goals
virsh -q pool-refresh goals
virsh pool-info goals >"$TEST_TMP/info"
assert_says "$TEST_TMP/info" '^State: *running'
assert_says "$TEST_TMP/info" '^Autostart: *yes'
assert_says "$TEST_TMP/info" '^Available: *0\.00'
volumes() {
	virsh -q vol-list goals | awk '{ print $1 }' | sort
}
ls "$TEST_MNT" | sed /^broken/d | sort >"$TEST_TMP/listed"
volumes >"$TEST_TMP/volumes"
assert_same "$TEST_TMP/listed" "$TEST_TMP/volumes"
assert_equal "$(wc -l <"$TEST_TMP/volumes")" 13 "number of volumes"

# Its volumes: what libvirt makes of them, beside what qemu-img and stat do.
virtual_size() {
	qemu-img info --output=json "$@" | python3 -c 'import json, sys; print(json.load(sys.stdin)["virtual-size"])'
}
while read -r name; do
	file=$TEST_MNT/$name
	virsh vol-dumpxml --pool goals "$name" >"$TEST_TMP/volume.xml"
	case $name in
	*.vhd) format=vpc ;;
	*) format=${name##*.} ;;
	esac
	assert_equal "$(attribute target/format/@type <"$TEST_TMP/volume.xml")" "$format" "format of $name"
	case $name in
	*.iso) size=$(stat -c %s "$file") ;;
	*) size=$(virtual_size -f "$format" "$file") ;;
	esac
	assert_equal "$(attribute capacity <"$TEST_TMP/volume.xml")" "$size" "capacity of $name"
	assert_equal "$(attribute physical <"$TEST_TMP/volume.xml")" "$(stat -c %s "$file")" "physical size of $name"
	assert_equal "$(attribute allocation <"$TEST_TMP/volume.xml")" $(($(stat -c %b "$file") * 512)) "allocation of $name"
	assert_equal "$(attribute target/permissions/mode <"$TEST_TMP/volume.xml")" "0$(stat -c %a "$file")" "mode of $name"
done <"$TEST_TMP/volumes"
virsh vol-info --pool goals small@1G.qcow2 >"$TEST_TMP/info"
assert_says "$TEST_TMP/info" '^Capacity: *1\.00 GiB'

# Volumes leave the pool: as bytes, converted, and as a backing file.
virsh -q pool-define-as images dir --target $images
virsh -q pool-start images
virsh vol-download --sparse --pool goals small.raw "$TEST_TMP/down.raw"
assert_same "$TEST_LIB/small.raw" "$TEST_TMP/down.raw"
[ "$(stat -c %b "$TEST_TMP/down.raw")" -lt 100000 ] || fail "the downloaded file is not sparse"
virsh vol-download --pool goals small@1G.qcow2 "$TEST_TMP/down.qcow2"
assert_same "$goal" "$TEST_TMP/down.qcow2"
cat >"$TEST_TMP/volume.xml" <<END
<volume><name>converted.qcow2</name><capacity unit='GiB'>1</capacity><target><format type='qcow2'/></target></volume>
END
virsh -q vol-create-from images "$TEST_TMP/volume.xml" --inputpool goals small@1G.qcow2
qemu-img compare -q "$goal" $images/converted.qcow2 || fail "what libvirt converted differs"
virsh -q vol-create-as images mine.qcow2 1G --format qcow2 --backing-vol "$goal" --backing-vol-format qcow2
assert_equal "$(virsh vol-dumpxml --pool images mine.qcow2 | attribute backingStore/path)" "$goal"

# Nothing goes into it, and it stays up.
for refused in "vol-clone small.qcow2 clone.qcow2" "vol-delete small.qcow2" "vol-upload small.qcow2 $TEST_LIB/small.raw" \
	"vol-resize small.qcow2 2G"; do
	# shellcheck disable=SC2086
	assert_fails virsh ${refused%% *} --pool goals ${refused#* }
	assert_says "$TEST_TMP/output" 'Read-only file system'
done
cp "$TEST_LIB/small.raw" "$TEST_LIB/later.raw"
until [ -e "$TEST_MNT/later.raw" ]; do sleep 0.05; done
virsh -q pool-refresh goals
volumes >"$TEST_TMP/volumes"
assert_says "$TEST_TMP/volumes" '^later@1G.qcow2$'

# disk FILE FORMAT TARGET [ELEMENTS]
disk() {
	cat <<-END
		<disk type='file' device='disk'><driver name='qemu' type='$2'/><source file='$1'/>
		<target dev='$3' bus='virtio'/>${4:-}</disk>
	END
}
# machine NAME DISK...: its XML. Its processor never runs: what is looked at are its disks.
machine() {
	printf "<domain type='qemu'><name>%s</name><memory unit='MiB'>64</memory><os><type arch='x86_64'>hvm</type></os><features><acpi/></features><devices>" "$1"
	shift
	printf '%s\n' "$@" "</devices></domain>"
}
start_machine() {
	machine "$@" >"$TEST_TMP/$1.xml"
	virsh -q create --paused "$TEST_TMP/$1.xml"
}

# Several at a time on one goal, read-only, beside each other's media and overlays. The owner of a goal cannot be
# changed, which is no error, while that of an overlay is, and remembered.
medium="<disk type='file' device='cdrom'><source file='$TEST_MNT/medium.iso'/><target dev='sda' bus='sata'/></disk>"
owner=$(stat -c '%u %g %a' "$goal")
start_machine one "$(disk "$goal" qcow2 vda '<readonly/>')" "$(disk "$TEST_MNT/small.raw" raw vdb '<readonly/><shareable/>')" "$medium"
start_machine two "$(disk $images/mine.qcow2 qcow2 vda)" "$(disk "$goal" qcow2 vdb '<readonly/>')" "$medium"
assert_equal "$(stat -c '%u %g %a' "$goal")" "$owner" "owner of the goal"
assert_equal "$(ps -o user:32= -C qemu-system-x86_64 | sort | uniq -c | tr -s ' ')" " 2 $qemu_user" "machines and their user"
assert_equal "$(stat -c %U $images/mine.qcow2)" "$qemu_user" "owner of the overlay"
assert_equal "$(getfattr --absolute-names --only-values -n trusted.libvirt.security.dac $images/mine.qcow2)" +0:+0
assert_equal "$(virsh domblkinfo one vda | awk '/^Capacity/ { print $2 }')" $((1 << 30))
virsh dumpxml two >"$TEST_TMP/two.xml"
assert_equal "$(attribute devices/disk/backingStore/source/@file <"$TEST_TMP/two.xml")" "$goal" "backing file"

# A disk and another medium for a machine that runs.
virsh -q attach-disk one "$TEST_MNT/small.qcow2" vdc --subdriver qcow2 --mode readonly
virsh -q detach-disk one vdc
virsh -q change-media one sda --eject --force
virsh -q change-media one sda "$TEST_MNT/medium.raw" --insert

# A snapshot of the overlay, committed into it again: not further down. Then all that is needed is copied up.
virsh -q snapshot-create-as two before --disk-only --no-metadata
assert_equal "$(virsh -q domblklist two | awk '$1 == "vda" { print $2 }')" $images/mine.before
virsh -q blockcommit two vda --active --shallow --pivot --wait
assert_equal "$(virsh -q domblklist two | awk '$1 == "vda" { print $2 }')" $images/mine.qcow2
virsh -q blockpull two vda --wait
qemu-img info -U $images/mine.qcow2 >"$TEST_TMP/info"
! grep 'backing file' "$TEST_TMP/info" || fail "see above"
virsh -q destroy two
assert_equal "$(stat -c %U $images/mine.qcow2)" root "owner of the overlay, afterwards"
qemu-img compare -q "$goal" $images/mine.qcow2 || fail "the pulled copy differs"
virsh -q destroy one

# Changes thrown away, by libvirt itself: in a file beside a link.
ln -s "$goal" $images/link.qcow2
for name in three four; do
	start_machine $name "$(disk $images/link.qcow2 qcow2 vda "<transient shareBacking='yes'/>")"
	[ -e $images/link.qcow2.TRANSIENT-$name ] || fail "there is no file for the changes"
done
virsh -q destroy three
virsh -q destroy four
assert_equal "$(ls $images | tr '\n' ' ')" "converted.qcow2 link.qcow2 mine.before mine.qcow2 "

# What does not work says why.
assert_fails start_machine five "$(disk "$goal" qcow2 vda)"
assert_says "$TEST_TMP/output" 'Read-only file system'
assert_fails start_machine five "$(disk "$goal" qcow2 vda "<transient shareBacking='yes'/>")"
assert_says "$TEST_TMP/output" 'Read-only file system'
assert_fails start_machine five "$(disk "$TEST_MNT/private.raw" raw vda '<readonly/>')"
assert_says "$TEST_TMP/output" 'Permission denied'
assert_fails start_machine five "$(disk "$TEST_MNT/broken.qcow2" qcow2 vda '<readonly/>')"
assert_says "$TEST_TMP/output" 'No such file'

# A clone of a machine has a disk of its own and shares the goals that it only reads.
qemu-img create -q -f qcow2 -F qcow2 -b "$goal" $images/five.qcow2
machine five "$(disk $images/five.qcow2 qcow2 vda)" "$(disk "$goal" qcow2 vdb '<readonly/>')" >"$TEST_TMP/five.xml"
virsh -q define "$TEST_TMP/five.xml"
virt-clone -q -o five --name six --auto-clone
assert_equal "$(virsh -q domblklist six | awk '{ print $2 }' | tr '\n' ' ')" "$images/six.qcow2 $goal "
qemu-img compare -q "$goal" $images/six.qcow2 || fail "the clone differs"

# AppArmor is not in this kernel: what libvirt's helper would allow a machine, of its disks and all below them.
if [ -x /usr/lib/libvirt/virt-aa-helper ]; then
	virsh dumpxml five >"$TEST_TMP/five.xml"
	/usr/lib/libvirt/virt-aa-helper --dryrun -r -u "libvirt-$(virsh domuuid five | head -n 1)" <"$TEST_TMP/five.xml" >"$TEST_TMP/rules" 2>&1
	assert_equal "$(grep -cF "\"$goal\" rk," "$TEST_TMP/rules")" 2 "rules for the goal, as a backing file and as a disk"
fi
virsh -q pool-destroy goals
umount_library
