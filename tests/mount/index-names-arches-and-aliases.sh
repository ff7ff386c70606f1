#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A virt-builder index: architectures, aliases, hidden entries, the highest revision, --list.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/disks.sh"
require_prog xz
host=$(uname -m)
other=aarch64
[ "$host" = x86_64 ] || other=x86_64
make_disk "$TEST_TMP/one.raw" 64M gpt -t ext4
make_disk "$TEST_TMP/two.raw" 64M dos -t ext4
xz --block-size=1MiB -c "$TEST_TMP/one.raw" >"$TEST_LIB/one.xz"
xz --block-size=1MiB -c "$TEST_TMP/two.raw" >"$TEST_LIB/two.xz"
cat >"$TEST_LIB/index" <<EOT
# a comment
[guest-1]
name=Guest One
arch=$host
file=one.xz
revision=2
checksum[sha512]=$(sha512sum <"$TEST_LIB/one.xz" | cut -d ' ' -f 1)
format=raw
size=67108864
compressed_size=$(stat -c %s "$TEST_LIB/one.xz")
expand=/dev/sda2
aliases=guest guest-latest

[guest-1]
name=Guest One, elsewhere
arch=$other
file=two.xz
format=raw
size=67108864

[secret]
name=Hidden
arch=$host
file=two.xz
size=67108864
hidden=true

[lost]
name=Its file is not there
arch=$host
file=lost.xz
size=67108864
EOT
mount_at "" --cache "$TEST_CACHE" "$TEST_LIB/index"
ls "$TEST_MNT" >"$TEST_TMP/names"
for name in guest-1.qcow2 guest-1.raw "guest-1@$other.qcow2" "guest-1@$other.raw"; do
	grep -qxF "$name" "$TEST_TMP/names" || fail "'$name' is not listed"
done
! grep secret "$TEST_TMP/names" || fail "a hidden template is listed"
assert_same "$TEST_TMP/one.raw" "$TEST_MNT/guest-1.raw"
assert_same "$TEST_TMP/one.raw" "$TEST_MNT/guest.raw"
assert_same "$TEST_TMP/one.raw" "$TEST_MNT/guest-latest@$host.raw"
assert_same "$TEST_TMP/two.raw" "$TEST_MNT/guest-1@$other.raw"
assert_same "$TEST_TMP/two.raw" "$TEST_MNT/secret.raw"
assert_fails cat "$TEST_MNT/lost.raw"
umount_library

"$GOALFS" --list "$TEST_LIB/index" >"$TEST_TMP/short"
assert_says "$TEST_TMP/short" "^guest-1 +$host +Guest One\$"
! grep -i hidden "$TEST_TMP/short" || fail "a hidden template is listed"
"$GOALFS" --list --list-format long "$TEST_LIB/index" >"$TEST_TMP/long"
assert_says "$TEST_TMP/long" 'guest-latest'
"$GOALFS" --list --list-format json "$TEST_LIB/index" >"$TEST_TMP/json"
python3 -c 'import json, sys
assert "guest-1" in [t["os-version"] for t in json.load(open(sys.argv[1]))["templates"]]' "$TEST_TMP/json"
