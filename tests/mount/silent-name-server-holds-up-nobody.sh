#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# While a name server says nothing other servers are read from, and the daemon ends when it is told to.
private=--net
. "${0%/*}/../lib/private.sh"
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/remote.sh"
require_root
require_prog unshare ip
ip link set lo up
# Asked five times, thirty seconds each, all three: that is longer than any test takes.
printf 'nameserver 127.0.0.%d\n' 1 2 3 >"$TEST_TMP/resolv.conf"
echo 'options timeout:30 attempts:5' >>"$TEST_TMP/resolv.conf"
mount --bind "$TEST_TMP/resolv.conf" "$(realpath /etc/resolv.conf)"
python3 -c 'import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 53))
print("asked", s.recvfrom(512)[1] and "", file=open(sys.argv[1], "w"), flush=True)
while True:
	s.recv(512)' "$TEST_TMP/asked" 2>"$TEST_TMP/log-dns" &
test_pids="$test_pids $!"
dns=$!
for i in 1 2 3 4 5 6; do
	head -c 100000 /dev/urandom >"$TEST_LIB/t$i.img"
	index_entry t$i t$i.img
done >"$TEST_TMP/index"
mv "$TEST_TMP/index" "$TEST_LIB/index"
serve
mkdir "$TEST_TMP/exports"
echo nbd://nobody.example/disk >"$TEST_TMP/exports/far.nbd"
mount_remote --formats raw http://nobody.example/index "$http/index" "$TEST_TMP/exports"
stat "$TEST_MNT/far.raw" >"$TEST_TMP/stat" 2>&1 &
looker=$!
wait_until 60 test -s "$TEST_TMP/asked"
# The last ones when connecting has had its time.
for i in 1 2 3 4 5 6; do
	assert_same "$TEST_LIB/t$i.img" "$TEST_MNT/t$i.raw"
	sleep 3
done
kill "$looker"
test_wait "$looker" 120 || fail "who looked at an export waits for the name server"
wait_until 20 fusermount3 -u "$TEST_MNT"
test_wait "$test_pid" 120 || fail "the daemon waits for the name server"
wait "$test_pid" || fail "goalfs ended with status $?"
kill "$dns"
