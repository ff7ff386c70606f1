#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A file is a source, by its path or its URL: named, listed, checked, watched, or refused with the reason.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/remote.sh"
require_prog xorriso qemu-img nginx
mkdir "$TEST_TMP/tree" "$TEST_LIB/dir"
head -c 2M /dev/urandom >"$TEST_TMP/tree/file"
iso=$TEST_LIB/"a medium (1).iso"
xorriso -as mkisofs -o "$iso" "$TEST_TMP/tree" 2>"$TEST_TMP/log-xorriso"
cp "$iso" "$TEST_LIB/plain"
make_template disk.xz 1 24M
qemu-img convert -O qcow2 "$TEST_TMP/disk.raw" "$TEST_LIB/other.img"
sum=$(sha256_of "$iso")
wrong=$(sha256_of "$TEST_LIB/disk.xz")
serve
url=$http/a%20medium%20%281%29.iso

# Paths and URLs, several at once; what else each of them can be asked for.
cd "$TEST_LIB"
mount_remote --formats raw "a medium (1).iso" "file://$TEST_LIB/disk.xz" "$http/plain?token=sesame" "$http/moved/other.img"
cd /
assert_equal "$(listed)" "a-medium-1.iso disk.raw other.raw plain.iso"
assert_same "$iso" "$TEST_MNT/a-medium-1.iso"
assert_same "$TEST_TMP/disk.raw" "$TEST_MNT/disk.raw"
assert_same "$TEST_TMP/disk.raw" "$TEST_MNT/other.raw"
qemu-img compare -f raw -F qcow2 "$iso" "$TEST_MNT/plain.qcow2"
qemu-img compare -f raw -F qcow2 "$TEST_TMP/disk.raw" "$TEST_MNT/other@24M.qcow2"
assert_equal "$(stat -c %Y "$TEST_MNT/plain.iso")" "$(stat -c %Y "$TEST_LIB/plain")"
cat "$TEST_MNT/plain.json" "$TEST_MNT/plain.iso.plan" /proc/mounts "$TEST_LOG" >"$TEST_TMP/shown"
assert_says "$TEST_TMP/shown" '"format": "iso"'
! grep -n sesame "$TEST_TMP/shown" || fail "a token shows"
# A local one is watched.
{ cat "$iso" && printf 'and more'; } >"$iso.new"
mv "$iso.new" "$iso"
wait_until 60 cmp -s "$iso" "$TEST_MNT/a-medium-1.iso"
cp "$TEST_LIB/plain" "$iso"
umount_library

# The first chunk is asked for once, and the rest once.
: >"$NGINX/access.log"
rm -rf "$TEST_CACHE"
mount_remote "$url"
assert_same "$iso" "$TEST_MNT/a-medium-1.iso"
umount_library
assert_equal "$(bytes_served /a%20)" "$(stat -c %s "$iso")" "bytes"
mount_remote "$url"
assert_same "$iso" "$TEST_MNT/a-medium-1.iso"
umount_library
assert_equal "$(bytes_served /a%20)" "$(stat -c %s "$iso")" "bytes, another time"

# What is told without a mount.
"$GOALFS" --no-cache --list "$url" "$http/disk.xz" >"$TEST_TMP/output"
assert_equal "$(cut -d ' ' -f 1 "$TEST_TMP/output" | xargs)" "a-medium-1 disk"
"$GOALFS" --no-cache --plan disk@30M.qcow2 "$http/disk.xz" >"$TEST_TMP/output"
assert_says "$TEST_TMP/output" '^plan .*http'
"$GOALFS" --cache "$TEST_TMP/other-cache" --cache-all-templates "$url#sha256=$sum"
"$GOALFS" --cache "$TEST_TMP/other-cache" --print-cache "$url#sha256=$sum" >"$TEST_TMP/output"
assert_says "$TEST_TMP/output" '^a-medium-1 .* cached$'

# Checksums.
mount_remote "$url#sha256=$sum"
assert_same "$iso" "$TEST_MNT/a-medium-1.iso"
assert_equal "$(verified a-medium-1.iso)" verified
umount_library
mount_remote "$url#sha256=$wrong"
assert_read_fails "$TEST_MNT/a-medium-1.iso" EIO EBADMSG
log_says 'a%20medium.*sha256|sha-256' || fail "nobody says what is wrong"
umount_library
mount_at "" --no-cache --verify=before "file://$TEST_LIB/disk.xz#sha256=$sum"
assert_read_fails "$TEST_MNT/disk.raw" EIO EBADMSG
umount_library

# Of two with one name the first is shown, and the other named.
: >"$TEST_LOG"
mount_remote "$url" "$http/moved/a%20medium%20(1).iso"
assert_equal "$(listed)" a-medium-1.iso
log_says "'$http/moved/a%20medium%20\(1\).iso' is not shown: '$http/a%20medium%20%281%29.iso' has the name" ||
	fail "nobody says that one is hidden"
umount_library

# What can't be a source.
refused() {
	assert_fails "$GOALFS" --no-cache "$1" "$TEST_MNT"
	assert_says "$TEST_TMP/output" "$2"
	! grep -n 'sesame' "$TEST_TMP/output" || fail "a token or a password shows"
}
echo '<!DOCTYPE html><title>Index of /dir</title>' >"$TEST_LIB/dir/index.html"
cp "$TEST_LIB/dir/index.html" "$TEST_LIB/soft-404.iso"
printf 'PK\003\004' >"$TEST_LIB/f.zip"
refused "$http/dir/" 'is a page of HTML or XML.*give the URL of one file'
refused "$http/soft-404.iso?k=sesame" "soft-404.iso\\?..." 
refused "http://me:sesame@${http#http://}/absent.iso?k=sesame" '404'
refused "$http/f.zip" 'is zip data'
refused "$http/disk.xz#sha256=12" 'sha256'
refused "http://me:sesame@${http#http://}/disk.xz#12" 'is no checksum'
assert_fails "$GOALFS" --no-cache "http://me:sesame@${http#http://}/disk.xz"
assert_says "$TEST_TMP/output" 'no mountpoint'
! grep -n 'sesame' "$TEST_TMP/output" || fail "a password shows"

# Behind passwords, TLS, and in other protocols.
rm -rf "$TEST_CACHE"
serve_ftp
mount_remote -v --cacert "$NGINX/ca.pem" "http://user:pass%20word@${http#http://}/private/plain" "$https/disk.xz" \
	"$ftp/other.img"
assert_same "$iso" "$TEST_MNT/plain.iso"
assert_same "$TEST_TMP/disk.raw" "$TEST_MNT/disk.raw"
assert_same "$TEST_TMP/disk.raw" "$TEST_MNT/other.raw"
cat "$TEST_MNT/plain.json" "$TEST_MNT/plain.iso.plan" /proc/mounts "$TEST_LOG" >"$TEST_TMP/shown"
! grep -nE 'pass(%20| )word' "$TEST_TMP/shown" || fail "the password shows"
umount_library
! grep -raE 'pass(%20| )word' "$TEST_CACHE" || fail "the password is in the cache"
stop_ftp

# A server that is away comes back; one that gets another file shows it.
rm -rf "$TEST_CACHE"
: >"$TEST_LOG"
stop_serving
mount_remote --refresh 1 "$url" "$http/plain"
log_says "can't be reached" || fail "nobody says that the server is away"
assert_equal "$(listed)" a-medium-1.iso
assert_fails cat "$TEST_MNT/a-medium-1.iso"
serve
wait_until 60 test -e "$TEST_MNT/plain.iso"
assert_same "$iso" "$TEST_MNT/a-medium-1.iso"
xorriso -as mkisofs -V OTHER -o "$TEST_TMP/next.iso" "$TEST_TMP/tree" 2>"$TEST_TMP/log-xorriso"
touch -d tomorrow "$TEST_TMP/next.iso"
mv "$TEST_TMP/next.iso" "$TEST_LIB/plain"
wait_until 60 cmp -s "$TEST_LIB/plain" "$TEST_MNT/plain.iso"
umount_library

# A server that sends all or nothing, and one that loses connections.
serve_faulty
mount_remote "$faulty/fault/no-range/disk.xz" "$faulty/fault/cut:100000,2/plain"
assert_same "$TEST_TMP/disk.raw" "$TEST_MNT/disk.raw"
assert_same "$TEST_LIB/plain" "$TEST_MNT/plain.iso"
umount_library

# The manual's lines for a live install.
cp "$TEST_LIB/plain" "$TEST_LIB/f.iso"
mkdir "$HOME/media"
awk '/^An installation medium on a server/ { here = 1 } here && /^\.Ed/ { exit } here && on { gsub(/\\e/, "\\"); print }
	here && /^\.Bd/ { on = 1 }' "$TEST_TOP/man/goalfs.1" |
	sed -e "s|https://server|$http|; s|^goalfs |'$GOALFS' --cache '$TEST_CACHE' |" \
		-e "s|^    -drive|    -display none -accel tcg -S -daemonize -pidfile qemu.pid -drive|" >"$TEST_TMP/manual.sh"
grep -q 'f.iso' "$TEST_TMP/manual.sh" || fail "the manual has no such lines any more"
(cd "$TEST_TMP" && sh -eu ./manual.sh) || fail "the manual's lines don't work"
kill "$(cat "$TEST_TMP/qemu.pid")"
wait_until 60 fusermount3 -u "$HOME/media"
