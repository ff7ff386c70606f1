#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The lines of goalfs-qemu(7), pasted into a shell one after the other. Machines open their disks and are not started.
. "${0%/*}/../lib/common.sh"
. "$TEST_TOP/tests/lib/disks.sh"
require_prog qemu-img qemu-nbd qemu-storage-daemon qemu-system-x86_64 xz
make_disk "$TEST_TMP/disk.raw" 40M gpt -t ext4
xz -1 --block-size=4MiB -c "$TEST_TMP/disk.raw" >"$TEST_LIB/debian-12.xz"
mount_library
HOME=$TEST_TMP/home
mkdir "$HOME" "$TEST_TMP/bin"
ln -s "$TEST_MNT" "$HOME/goals"

# wrapper PROGRAM OPTION...: a program of that name that comes back once all is open, and then is ended.
wrapper() {
	wrapper_program=$(command -v "$1")
	wrapper_name=$1
	shift
	cat >"$TEST_TMP/bin/$wrapper_name" <<-EOF
	#!/bin/sh
	"$wrapper_program" "\$@" $* || exit 1
	echo "$wrapper_name is up"
	pid=\$(cat "$TEST_TMP/pid")
	kill "\$pid"
	while kill -0 "\$pid" 2>/dev/null; do sleep 0.02; done
	EOF
	chmod +x "$TEST_TMP/bin/$wrapper_name"
}
wrapper qemu-system-x86_64 -accel tcg -m 64 -display none -S -daemonize -pidfile "$TEST_TMP/pid"
wrapper qemu-storage-daemon --daemonize --pidfile "$TEST_TMP/pid"
PATH=$TEST_TMP/bin:$PATH
port=$(python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])')

awk '/^\.Bd/ { inside = 1; n++; next } /^\.Ed/ { inside = 0 } inside { gsub(/\\e/, "\\"); print }
	END { if (n < 9) exit 1 }' "$TEST_TOP/man/goalfs-qemu.7" >"$TEST_TMP/lines" || fail "the manual has fewer displays than it had"
sed -e "s|@20G|@200M|g" -e "s|10809|$port|" -e 's|^|> |' "$TEST_TMP/lines"
sed -e "s|@20G|@200M|g" -e "s|10809|$port|" "$TEST_TMP/lines" >"$TEST_TMP/lines.sh"
cd "$TEST_TMP"
sh -eu lines.sh >said 2>&1 || {
	cat said >&2
	fail "these lines of the manual don't work"
}
assert_equal "$(grep -c 'is up' said)" "$(grep -cE '^qemu-(system|storage)' lines)" "machines that came up"
qemu-img compare -q -f raw -F vmdk disk.raw disk.vmdk
qemu-img info mine.qcow2 >info
! grep 'backing file' info || fail "mine.qcow2 still stands on a goal"
cd /
umount_library
