#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# libguestfs on goals, as goalfs-libvirt(7) has it: its appliance is a machine of libvirt's here, which the goal is
# given to through an overlay; what it reads is what the template holds.
. "${0%/*}/../lib/libvirt.sh"
. "$TEST_TOP/tests/lib/manual.sh"
require_prog guestfish virt-df virt-inspector
require_guest

PATH=$(dirname "$GOALFS"):$PATH
XDG_CACHE_HOME=$TEST_TMP/home
LIBGUESTFS_BACKEND=libvirt:qemu:///system
LIBGUESTFS_BACKEND_SETTINGS=force_tcg
LIBGUESTFS_CACHEDIR=$TEST_TMP
TMPDIR=$TEST_TMP
export PATH XDG_CACHE_HOME LIBGUESTFS_BACKEND LIBGUESTFS_BACKEND_SETTINGS LIBGUESTFS_CACHEDIR TMPDIR

start_libvirt
mkdir /srv/templates
cp "$TEST_GUEST/debian-12.xz" /srv/templates/
paste_manual goalfs-libvirt.7 "MOUNTING FOR LIBVIRT"
paste_manual goalfs-libvirt.7 LIBGUESTFS
said=$TEST_TMP/pasted.out

assert_says "$said" '^ID=debian$'
assert_says "$said" ' vmlinuz-'
mkdir "$TEST_TMP/etc"
tar -xf "$TEST_TMP/pasted/etc.tar" -C "$TEST_TMP/etc" --no-same-owner
# Every file of /etc, by the sums that were taken when the guest was made.
sed -n 's|^\([0-9a-f]*\)  \(\./\)*etc/|\1  ./|p' "$TEST_GUEST/files.sha256" >"$TEST_TMP/etc.sha256"
[ "$(wc -l <"$TEST_TMP/etc.sha256")" -gt 50 ] || fail "there are no sums for files in /etc"
(cd "$TEST_TMP/etc" && sha256sum --quiet -c "$TEST_TMP/etc.sha256") || fail "files differ"
# The grown root, in the appliance's view.
assert_says "$said" '^debian-12@20G.qcow2:/dev/sda2 +(19|20)(\.[0-9]+)?G '
assert_says "$said" '<distro>debian</distro>'
assert_says "$said" '<major_version>12</major_version>'
fusermount3 -u /srv/goals || fail "the mount is busy"
