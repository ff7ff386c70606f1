#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A raw goal at the template's own size is byte for byte what xz -dc gives.
. "${0%/*}/../lib/common.sh"
require_prog xz
require_guest
put_template "$TEST_GUEST/debian-12.xz" blocks.xz
put_template "$TEST_GUEST/one-block.xz"
put_template "$TEST_GUEST/two-streams.xz"
put_template "$TEST_GUEST/debian-12.raw" plain.raw
mount_library
xz -T0 -dc "$TEST_LIB/blocks.xz" | cmp - "$TEST_GUEST/debian-12.raw" || fail "the guest's template is not the guest"
for name in blocks one-block two-streams plain; do
	assert_same "$TEST_GUEST/debian-12.raw" "$TEST_MNT/$name.raw"
done
umount_library
