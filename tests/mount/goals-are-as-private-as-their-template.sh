#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# With allow_other a template that only its owner may read must not be served to everybody: not in any form, not by what
# is said of it, and not by a handle that somebody else has got.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/disks.sh"
require_root
require_prog setpriv getfattr xz
make_disk "$TEST_LIB/private.raw" 64M gpt -t ext4
make_disk "$TEST_LIB/public.raw" 64M gpt -t ext4
xz --block-size=1MiB -c "$TEST_LIB/private.raw" >"$TEST_LIB/alices.xz"
# World-readable, but for the one who is looked for.
cp "$TEST_LIB/private.raw" "$TEST_LIB/group.raw"
chmod 0600 "$TEST_LIB/private.raw" "$TEST_LIB/alices.xz"
chown daemon:daemon "$TEST_LIB/alices.xz"
chmod 0640 "$TEST_LIB/group.raw"
chown daemon:nogroup "$TEST_LIB/group.raw"
chmod 0644 "$TEST_LIB/public.raw"
# What is wrong with a file that is no template is said to those who may read it; where a link leads to nobody.
echo '<html>' >"$TEST_LIB/page.img"
chmod 0600 "$TEST_LIB/page.img"
: >"$TEST_LIB/empty.raw"
mkdir -m 0700 "$TEST_TMP/secret"
ln -s "$TEST_TMP/secret/place" "$TEST_LIB/dangling.raw"
chmod 0755 "$TEST_LIB"
chmod 0755 "$TEST_TMP"
mount_library
assert_equal "$(stat -c '%a %U' "$TEST_MNT/private@80M.qcow2")" "400 root"
assert_equal "$(stat -c '%a %U' "$TEST_MNT/public@80M.qcow2")" "444 root"
assert_equal "$(stat -c '%a %U %G' "$TEST_MNT/alices@80M.vmdk")" "400 daemon daemon"
assert_equal "$(stat -c '%a %U %G' "$TEST_MNT/group.raw")" "440 daemon nogroup"
as() {
	as_user=$1 as_group=$2
	shift 2
	setpriv --reuid="$as_user" --regid="$as_group" --clear-groups --inh-caps=-all "$@"
}
as nobody nogroup head -c 1000 "$TEST_MNT/public@80M.qcow2" >/dev/null || fail "a public template's goal can't be read by others"
as nobody nogroup head -c 1000 "$TEST_MNT/group.raw" >/dev/null || fail "the group can't read a goal that is its"
as daemon daemon head -c 1000 "$TEST_MNT/alices.raw" >/dev/null || fail "a private template's goal can't be read by its owner"

# Each form of a private goal, before and after somebody who may has read it.
forms=".raw .img .qcow2 .vmdk .vdi .vhd .vhdx @80M.raw @80M.qcow2 @p2.raw @80M@p2.raw @sparse.qcow2
	.notes .json .raw.plan @80M.qcow2.plan @1M.raw.plan @p7.raw.plan"
for round in cold warm; do
	for template in private alices; do
		for form in $forms; do
			name=$TEST_MNT/$template$form
			assert_fails as nobody nogroup cat "$name"
			assert_fails as nobody nogroup getfattr -n user.goalfs.plan "$name"
		done
	done
	for form in $forms; do
		case $round$form in
		cold*) head -c 4096 "$TEST_MNT/alices$form" >/dev/null ;;
		esac
	done
done
for form in .notes .json .raw.plan .qcow2; do
	as daemon daemon head -c 100 "$TEST_MNT/alices$form" >/dev/null || fail "alices$form can't be read by its owner"
done

assert_fails as nobody nogroup cat "$TEST_MNT/page.raw.plan"
assert_says "$TEST_MNT/page.raw.plan" 'a page of HTML'
as nobody nogroup cat "$TEST_MNT/empty.raw.plan" "$TEST_MNT/dangling.raw.plan" >"$TEST_TMP/output"
assert_says "$TEST_TMP/output" "empty.raw' is empty"
assert_says "$TEST_TMP/output" "dangling.raw' does not exist"
! grep secret "$TEST_TMP/output" || fail "it shows where a link leads"

# A handle opens files past all directories, but only for those whom the kernel lets use them.
python3 "$TEST_TOP/tests/lib/handle.py" save "$TEST_MNT/private.raw" "$TEST_TMP/handle"

assert_fails setpriv --bounding-set=-dac_read_search,-dac_override,-sys_admin python3 "$TEST_TOP/tests/lib/handle.py" cat "$TEST_MNT" "$TEST_TMP/handle"
assert_says "$TEST_TMP/output" 'not permitted'

# What its owner makes private is private from then on, for names that were used before, too.
as nobody nogroup cat "$TEST_MNT/public.raw" "$TEST_MNT/public.raw.plan" >/dev/null
chmod 0600 "$TEST_LIB/public.raw"
n=0
while [ "$(stat -c %a "$TEST_MNT/public.raw")" != 400 ] || [ "$(stat -c %a "$TEST_MNT/public@80M.qcow2")" != 400 ]; do
	n=$((n + 1))
	[ $n -lt 200 ] || fail "the goals of a template that became private are still public"
	sleep 0.1
done
assert_fails as nobody nogroup head -c 1000 "$TEST_MNT/public.raw"
assert_fails as nobody nogroup head -c 1000 "$TEST_MNT/public@80M.qcow2"
assert_fails as nobody nogroup cat "$TEST_MNT/public.json"
umount_library
