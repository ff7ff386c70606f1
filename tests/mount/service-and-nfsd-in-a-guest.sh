#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A Debian that mounts a library by the unit at boot and exports it by the kernel's NFS server: equal over NFSv3 and
# NFSv4.2, holes included, over a restart and a crash of the daemon, until a clean end.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/server.sh"
. "$TEST_TOP/tests/lib/disks.sh"
require_prog xz
require_server

templates=$TEST_PARCEL/srv/templates
mkdir -p "$templates" "$TEST_PARCEL/srv/more templates" "$TEST_PARCEL/parcel" "$TEST_PARCEL/etc/goalfs"
cp "$TEST_TOP/tests/lib/read.py" "$TEST_TOP/tests/lib/handle.py" "$TEST_TOP/tests/lib/storm.py" "$TEST_PARCEL/parcel"
make_tree "$TEST_TMP/tree"
head -c 8M /dev/urandom >"$TEST_TMP/tree/random"
make_disk "$TEST_TMP/disk.raw" 32M gpt -t ext4
xz -1 --block-size=4MiB -c "$TEST_TMP/disk.raw" >"$templates/disk.xz"
{ echo "the old one"; head -c 2M /dev/urandom; } >"$TEST_TMP/changing"
head -c 1M "$TEST_TMP/changing" >"$templates/changing.raw"
truncate -s 1M "$TEST_PARCEL/srv/more templates/other.raw"

# Here the same names are the same bytes.
cp "$templates/disk.xz" "$TEST_LIB"
mount_library
raw=$(sha256_of "$TEST_TMP/disk.raw")
grown=$(sha256_of "$TEST_MNT/disk@1G.qcow2")
holes=$(python3 "$TEST_TOP/tests/lib/read.py" holes "$TEST_MNT/disk.raw" 2>&1 >"$TEST_TMP/data")
umount_library

boot_server "$TEST_TOP/tests/guest/serve-prepare" "$TEST_TOP/tests/guest/serve-work"

goals="changing.qcow2 changing.raw disk.qcow2 disk.raw other.qcow2 other.raw"
assert_fact states "active active"
assert_fact type notify
assert_fact goals "$goals"
assert_fact NoNewPrivs 1
assert_fact reloaded "active active"
assert_fact options "ro,nosuid,nodev,relatime,user_id=0,group_id=0,default_permissions,allow_other"
assert_fact failed-units ""
case $(fact status) in *[a-z]*) ;; *) fail "systemctl status has nothing to show" ;; esac
# shellcheck disable=SC2046
set -- $(fact started)
[ "$1" -le "$2" ] || fail "the NFS server was started at $2 us, before the goals were there at $1 us"
case $(fact exports) in *fsid=100*) ;; *) fail "exported as '$(fact exports)'" ;; esac
case $(fact no-fsid) in *"requires fsid="*) ;; *) fail "without fsid= exportfs says '$(fact no-fsid)'" ;; esac

assert_fact auto-before autofs
assert_fact auto-goals "changing.raw disk.raw"
assert_fact auto-after "autofs fuse.goalfs"

assert_fact v3-type ,vers=3
assert_fact v4-type ,vers=4.2
for v in v3 v4; do
	assert_fact $v-goals "$goals"
	assert_fact $v-disk.raw "$raw"
	assert_fact $v-disk@1G.qcow2 "$grown"
	assert_fact $v-stat-disk.raw "$(fact stat-disk.raw)"
	assert_fact $v-stat-disk@1G.qcow2 "$(fact stat-disk@1G.qcow2)"
	assert_fact copy-$v "$raw "
	assert_fact $v-changed "the NEW one"
	assert_fact $v-after-all "$raw"
done

assert_fact holes "$holes $(sha256_of "$TEST_TMP/data")"
assert_fact v4-holes "$holes $(sha256_of "$TEST_TMP/data")"
[ "$(fact v4-copy-kib)" -lt 20000 ] || fail "cp did not see the holes: $(fact v4-copy-kib) KiB"
assert_fact storm "384 reads, 0 errors, 0 wrong"

assert_fact restarted "active active"
assert_fact another-process yes
assert_fact by-handle "$grown"
assert_fact changing "the old one the old one"
assert_fact crashed "active active 1"
assert_fact crashed-goals "$goals"
case $(fact stale-handle) in *Stale*) ;; *) fail "an old handle, a new template: '$(fact stale-handle)'" ;; esac
case $(fact stale-v3) in *Stale*) ;; *) fail "an old file of a client, a new template: '$(fact stale-v3)'" ;; esac

# With readers of all kinds: in order, and nothing is left mounted.
assert_before 'Stopped.*nfs-server.service' 'Stopping.*goalfs@house.service'
assert_before 'Stopped.*goalfs@house.service' 'reboot: Power down'
assert_says "$TEST_TMP/log-console" 'All filesystems unmounted'
! grep -E 'Failed unmounting|[Tt]imed out|Unmounting.*failed|Could not' "$TEST_TMP/log-console" >&2 || fail "see above"
