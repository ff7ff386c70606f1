#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A tree as cloud vendors publish them: the latest image of each product under its pubname and what stays the same of
# its aliases, its SHA-256 enforced, its signature checked where there is a key.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/remote.sh"
require_prog gpg gpgconf
arch=$(uname -m)
case $arch in
x86_64) vendor_arch=amd64 ;;
aarch64) vendor_arch=arm64 ;;
*) vendor_arch=$arch ;;
esac
make_template disk.xz 1 24M
streams=$TEST_LIB/streams/v1
files=$TEST_LIB/server/releases
mkdir -p "$streams" "$files/good" "$files/bad"
cp --sparse=always "$TEST_TMP/disk.raw" "$files/good/disk.img"
cp --sparse=always "$TEST_TMP/disk.raw" "$files/bad/disk.img"
printf x | dd of="$files/bad/disk.img" bs=1 seek=5000000 conv=notrunc status=none
sum=$(sha256_of "$files/good/disk.img")
size=$(stat -c %s "$files/good/disk.img")

cat >"$TEST_TMP/index.json" <<EOT
{ "format": "index:1.0", "updated": "Tue, 23 Apr 2024 18:09:28 +0000", "index": {
  "com.example.cloud:released:aws": {
    "datatype": "image-ids", "format": "products:1.0", "path": "streams/v1/com.example.cloud:released:aws.json" },
  "com.example.cloud:released:download": {
    "datatype": "image-downloads", "format": "products:1.0",
    "path": "streams/v1/com.example.cloud:released:download.EXT",
    "products": [ "com.example.cloud:server:24.04:$vendor_arch" ] } } }
EOT
# product VERSION-NUMBER PUBNAME-STEM DIRECTORY
product() {
	cat <<-EOT
	"com.example.cloud:server:$1:$vendor_arch": {
	  "aliases": "$1,$2,$4", "arch": "$vendor_arch", "os": "example", "release": "$2", "release_title": "$1 LTS",
	  "version": "$1",
	  "versions": {
	    "20240416": { "items": { "disk.img": { "ftype": "disk.img", "path": "server/releases/old.img", "size": 1 } },
	      "pubname": "example-$2-$1-$vendor_arch-server-20240416" },
	    "20240423": {
	      "items": {
	        "manifest": { "ftype": "manifest", "path": "server/releases/manifest", "size": 1 },
	        "disk.img": { "ftype": "disk.img", "path": "server/releases/$3/disk.img", "md5": "b0dcd67e1",
	          "sha256": "$sum", "size": $size } },
	      "label": "release", "pubname": "example-$2-$1-$vendor_arch-server-20240423" } } }
	EOT
}
{
	echo '{ "content_id": "com.example.cloud:released:download", "datatype": "image-downloads",'
	echo '  "format": "products:1.0", "products": {'
	product 24.04 noble good default
	echo ,
	product 22.04 jammy bad old
	echo '} }'
} >"$TEST_TMP/products"
gpg_key vendor
gpg_key other
sed s/EXT/json/ "$TEST_TMP/index.json" >"$streams/index.json"
sed s/EXT/sjson/ "$TEST_TMP/index.json" >"$TEST_TMP/index-signed.json"
cp "$TEST_TMP/products" "$streams/com.example.cloud:released:download.json"
gpg_clear vendor "$TEST_TMP/index-signed.json" "$streams/index.sjson"
gpg_clear vendor "$TEST_TMP/products" "$streams/com.example.cloud:released:download.sjson"
serve

# Which format a source has is said where sources are configured.
configure() {
	mkdir -p "$XDG_CONFIG_HOME/goalfs/repos.d"
	printf '%s\n' "[vendor]" "uri=$http/" "format=simplestreams" "$@" >"$XDG_CONFIG_HOME/goalfs/repos.d/vendor.conf"
}
VIRT_BUILDER_DIRS=$TEST_TMP/none
export VIRT_BUILDER_DIRS
name=example-noble-24.04-$vendor_arch-server-20240423
judge() {
	mount_remote
	assert_equal "$(listed)" "example-jammy-22.04-$vendor_arch-server-20240423.qcow2 \
example-jammy-22.04-$vendor_arch-server-20240423.raw $name.qcow2 $name.raw"
	for template in "$name" "com.example.cloud-server-24.04-$vendor_arch" example-24.04 example-noble example-default; do
		assert_same "$TEST_TMP/disk.raw" "$TEST_MNT/$template.raw"
	done
	assert_equal "$(verified "$name.raw")" verified
	qemu-img compare -q -f qcow2 -F raw "$TEST_MNT/example-24.04.qcow2" "$TEST_TMP/disk.raw"
	[ -e "$TEST_MNT/example-noble@100M.qcow2" ] || fail "the image can't be grown"
	assert_read_fails "$TEST_MNT/example-22.04.raw" EIO EBADMSG ENOENT
	assert_says "$TEST_LOG" 'bad/disk.img. is rejected: its sha256'
	umount_library
	rm -rf "$TEST_CACHE"
}
require_prog qemu-img
configure
judge
configure "gpgkey=file://$TEST_TMP/vendor.key"
judge
assert_equal "$(requests '/streams/v1/index.sjson')" 1
configure "gpgkey=file://$TEST_TMP/other.key"
assert_fails "$GOALFS" --no-cache --list
assert_says "$TEST_TMP/output" 'none of the keys given'
# The index alone being right is not enough.
gpg_clear other "$TEST_TMP/products" "$streams/com.example.cloud:released:download.sjson"
configure "gpgkey=file://$TEST_TMP/vendor.key"
assert_fails "$GOALFS" --no-cache --list
assert_says "$TEST_TMP/output" 'none of the keys given'
