# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# Sourced after common.sh (and remote.sh): machines and storage daemons of QEMU that are spoken to while they run, and end with the test.
#
#	guest_kernel debian-12
#	guest_script <<-EOF ... EOF
#	machine_start one $guest_boot -drive ...
#	machine_says one CHECKED
#	qmp one query-block
#	machine_end one
#
# A machine NAME has $TEST_TMP/NAME.qmp (its monitor), NAME.serial (what it said), NAME.in (what it hears).

require_prog qemu-system-x86_64 qemu-storage-daemon qemu-img qemu-io qemu-nbd

QEMU_SECONDS=${GOALFS_BOOT_SECONDS:-300}
qemu_names=

qemu_end() {
	qemu_status=$?
	set +e
	for name in $qemu_names; do
		if [ $qemu_status -ne 0 ] && [ -s "$TEST_TMP/$name.serial" ]; then
			tail -n 30 "$TEST_TMP/$name.serial" | sed "s|^|$name says: |" >&2
		fi
		kill "$(cat "$TEST_TMP/$name.pid")" && wait "$(cat "$TEST_TMP/$name.pid")"
	done 2>/dev/null
	(exit $qemu_status)
	$qemu_end_next
}
qemu_end_next=test_end
! command -v remote_end >/dev/null || qemu_end_next=remote_end
trap qemu_end EXIT

qmp() {
	qmp_name=$1
	shift
	python3 "$TEST_TOP/tests/lib/qmp.py" "$TEST_TMP/$qmp_name.qmp" "$@"
}

# qemu_until WHAT COMMAND...: until it succeeds.
qemu_until() {
	until_what=$1
	until_late=$(($(date +%s) + QEMU_SECONDS))
	shift
	until "$@"; do
		[ "$(date +%s)" -lt $until_late ] || fail "waited for too long: $until_what"
		sleep 0.1
	done
}

# qemu_is_up NAME: its monitor can be spoken to. It must not have ended.
qemu_is_up() {
	kill -0 "$(cat "$TEST_TMP/$1.pid")" 2>/dev/null || {
		sed "s|^|$1: |" "$TEST_TMP/log-$1" >&2
		fail "'$1' has ended"
	}
	[ -S "$TEST_TMP/$1.qmp" ]
}

# machine_start NAME OPTION...: in software emulation, with a serial line and nothing else that was not asked for.
machine_start() {
	machine_name=$1
	shift
	rm -f "$TEST_TMP/$machine_name.in"
	mkfifo "$TEST_TMP/$machine_name.in"
	# Opened for both, so that neither end waits for the other one.
	qemu-system-x86_64 -accel tcg,thread=multi -m 384 -nodefaults -display none -no-reboot -serial stdio \
		-qmp "unix:$TEST_TMP/$machine_name.qmp,server=on,wait=off" "$@" \
		<>"$TEST_TMP/$machine_name.in" >"$TEST_TMP/$machine_name.serial" 2>"$TEST_TMP/log-$machine_name" &
	echo $! >"$TEST_TMP/$machine_name.pid"
	qemu_names="$qemu_names $machine_name"
	qemu_until "the monitor of '$machine_name'" qemu_is_up "$machine_name"
}

# storage_start NAME OPTION...: a qemu-storage-daemon.
storage_start() {
	storage_name=$1
	shift
	qemu-storage-daemon --chardev "socket,id=qmp,path=$TEST_TMP/$storage_name.qmp,server=on,wait=off" \
		--monitor chardev=qmp "$@" >"$TEST_TMP/log-$storage_name" 2>&1 &
	echo $! >"$TEST_TMP/$storage_name.pid"
	qemu_names="$qemu_names $storage_name"
	qemu_until "the monitor of '$storage_name'" qemu_is_up "$storage_name"
}

# machine_end NAME: it ends by itself now, and well.
machine_end() {
	machine_pid=$(cat "$TEST_TMP/$1.pid")
	test_wait "$machine_pid" "$QEMU_SECONDS" || fail "'$1' has not ended"
	wait "$machine_pid" || {
		cat "$TEST_TMP/log-$1" >&2
		fail "'$1' ended with status $?"
	}
}

machine_has_said() {
	tr -d '\r' <"$TEST_TMP/$1.serial" | grep -qE "$2"
}

# machine_says NAME REGEX: waits for a line that matches. The machine must not end before.
machine_says() {
	qemu_until "'$1' says '$2'" machine_goes_on_saying "$1" "$2"
}

machine_goes_on_saying() {
	machine_has_said "$1" "$2" || {
		qemu_is_up "$1"
		return 1
	}
}

# machine_hears NAME WORDS: a line for the guest to read.
machine_hears() {
	echo "$2" >"$TEST_TMP/$1.in"
}

# answer_is REGEX NAME COMMAND [ARGUMENTS]: what the monitor answers matches.
answer_is() {
	answer_regex=$1
	shift
	qmp "$@" >"$TEST_TMP/answer" 2>/dev/null && grep -qE "$answer_regex" "$TEST_TMP/answer"
}

# guest_kernel TEMPLATE: the guest's kernel and initrd, taken out of the goal that is its root filesystem.
guest_kernel() {
	for file in vmlinuz initrd.img; do
		guest_file=$(debugfs -R "stat /$file" "$TEST_MNT/$1@p2.raw" 2>/dev/null |
			sed -n 's/^Fast link dest: "\(.*\)"/\1/p')
		debugfs -R "dump /$guest_file $TEST_TMP/$file" "$TEST_MNT/$1@p2.raw" 2>/dev/null
		[ -s "$TEST_TMP/$file" ] || fail "there is no $file in '$1'"
	done
}

# guest_script: standard input, as a disk that a shell reads in place of init, behind what every script needs; sets
# $guest_boot and $guest_append, options that boot straight into it. It sits in the first slot, so that it is /dev/vda.
guest_script() {
	{
		cat <<-'EOF'
		mount -t proc proc /proc
		modprobe -q sr_mod
		# disk SERIAL: prints the device; no udev runs any more that would make links for a new one.
		disk() {
			for link in /dev/disk/by-id/*"$1"; do
				[ ! -b "$link" ] || { echo "$link"; return; }
			done
			for file in /sys/block/*/serial; do
				# A vhost-user-blk server may call itself something longer.
				case $(cat "$file") in "$1"*) echo "$file" | sed 's|^/sys/block/\(.*\)/serial|/dev/\1|' ;; esac
			done
		}
		# sum SERIAL: says the checksum of all bytes of that disk.
		sum() {
			echo "SUM $1 $(sha256sum <"$(disk "$1")" | cut -d ' ' -f 1)"
		}
		EOF
		cat
		printf 'echo SCRIPT-END\nsync\necho o >/proc/sysrq-trigger\nsleep 100\n'
		yes '' | head -c 65536
	} >"$TEST_TMP/script.img"
	truncate -s 65536 "$TEST_TMP/script.img"
	guest_boot="-kernel $TEST_TMP/vmlinuz -initrd $TEST_TMP/initrd.img
		-drive file=$TEST_TMP/script.img,format=raw,if=none,id=script,readonly=on
		-device virtio-blk-pci,drive=script,addr=2"
	guest_append="root=LABEL=goalfs-root ro console=ttyS0 quiet panic=-1 init=/bin/sh -- /dev/vda"
}
