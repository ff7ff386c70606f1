#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Without a SOURCE the sources are those that virt-builder is configured with, behind our own: keys, proxies, and one
# that is down and comes into the mount when it is back.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/remote.sh"
require_prog gpg gpgconf
make_template small.xz 1 24M
gpg_key good
index_entry signed small.xz >"$TEST_TMP/text"
gpg_clear good "$TEST_TMP/text" "$TEST_LIB/index.asc"
index_entry ours small.xz >"$TEST_LIB/index-ours"
index_entry masked small.xz >"$TEST_LIB/index-masked"
index_entry proxied small.xz >"$TEST_LIB/index-proxied"
index_entry late small.xz >"$TEST_LIB/index-late"
serve
# The proxy is the fault server, which answers for any host; nothing but it knows that name.
serve_faulty

VIRT_BUILDER_DIRS=$TEST_TMP/etc:$TEST_TMP/etc-xdg
export VIRT_BUILDER_DIRS
theirs=$TEST_TMP/etc/virt-builder/repos.d
mkdir -p "$theirs" "$XDG_CONFIG_HOME/goalfs/repos.d" "$XDG_CONFIG_HOME/virt-builder/repos.d"
cat >"$theirs/libguestfs.conf" <<EOT
[signed]
uri=$http/index.asc
gpgkey=file://$TEST_TMP/good.key
proxy=system

[ours]
uri=$http/index-masked
EOT
cat >"$theirs/proxied.conf" <<EOT
# Behind a proxy.
[proxied]
uri=http://builder.invalid/index-proxied
proxy=$faulty
EOT
cat >"$theirs/wrong-key.conf" <<EOT
[wrong-key]
uri=$http/index.asc
gpgkey=file://$TEST_TMP/no-such.key
EOT
# Nothing listens there now.
late_port=$(nginx_ports | cut -d ' ' -f 1)
cat >"$theirs/late.conf" <<EOT
[late]
uri=http://127.0.0.1:$late_port/index-late
proxy=no
EOT
printf '[ours]\nuri=%s/index-ours\n' "$http" >"$XDG_CONFIG_HOME/goalfs/repos.d/ours.conf"
ln -s /dev/null "$XDG_CONFIG_HOME/virt-builder/repos.d/masked.conf"
printf '[masked]\nuri=%s/index-masked\n' "$http" >"$theirs/masked.conf"

mount_remote --formats raw
assert_equal "$(listed)" "ours.raw proxied.raw signed.raw"
assert_same "$TEST_TMP/small.raw" "$TEST_MNT/signed.raw"
assert_same "$TEST_TMP/small.raw" "$TEST_MNT/proxied.raw"
[ "$(faulty_stat proxied)" -gt 1 ] || fail "the proxy was not asked"
assert_says "$TEST_LOG" "127.0.0.1:$late_port/index-late' can't be reached"
assert_says "$TEST_LOG" 'no-such.key'

# Its server at last, on the port where it was expected.
(cd "$TEST_LIB" && exec python3 -m http.server --bind 127.0.0.1 "$late_port" >"$TEST_TMP/log-late" 2>&1) &
late_server=$!
test_pids="$test_pids $late_server"
wait_until 60 test -e "$TEST_MNT/late.raw"
# That server knows no ranges.
assert_same "$TEST_TMP/small.raw" "$TEST_MNT/late.raw"
kill $late_server
wait $late_server 2>/dev/null || true
assert_equal "$(listed)" "late.raw ours.raw proxied.raw signed.raw"
umount_library

# As fstab would, and as virt-builder's users would ask what there is.
"$GOALFS" --no-cache --list >"$TEST_TMP/listing" 2>&1
assert_says "$TEST_TMP/listing" '^signed '
! grep -q '^masked ' "$TEST_TMP/listing" || fail "a masked source is listed"
rm -rf "$theirs" "$XDG_CONFIG_HOME/goalfs" "$TEST_CACHE"
assert_fails "$GOALFS" -f --cache "$TEST_CACHE" "$TEST_MNT"
assert_says "$TEST_TMP/output" 'no source was given'
