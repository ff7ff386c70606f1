# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# Sourced after common.sh: servers for $TEST_LIB on loopback, which end with the
# test, small templates, and indexes of them.
#
#	make_template small.xz
#	index_entry small small.xz >"$TEST_LIB/index"
#	serve
#	mount_remote "$http/index"

. "$TEST_TOP/tests/lib/nginx.sh"
. "$TEST_TOP/tests/lib/disks.sh"
require_prog nginx openssl curl xz getfattr

NGINX=$TEST_TMP/nginx
faulty_pid=
link_pid=
ftp_pid=

# What the environment of whoever runs the test says about the network, and about libraries, is not for the test.
unset http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY GNUPGHOME VIRT_BUILDER_DIRS
HOME=$TEST_TMP/home
XDG_CONFIG_HOME=$HOME/.config
export HOME XDG_CONFIG_HOME
mkdir -p "$XDG_CONFIG_HOME"

remote_end() {
	remote_status=$?
	set +e
	stop_serving
	stop_faulty
	stop_far
	stop_ftp
	# Agents of the test's own, and of the keyrings that goalfs looked into.
	for home in "$TEST_TMP/gnupg" "$HOME/.gnupg"; do
		[ ! -d "$home" ] || gpgconf --homedir "$home" --kill all
	done
	(exit $remote_status)
	test_end
}
trap remote_end EXIT

# ---- servers ----

# serve: nginx serves $TEST_LIB, see nginx.sh; sets $http and $https. After stop_serving, on the same ports as before.
serve() {
	if [ -s "$NGINX/http" ]; then
		nginx -e "$NGINX/error.log" -p "$NGINX" -c "$NGINX/nginx.conf" || fail "nginx does not start again"
	else
		nginx_start "$NGINX" "$TEST_LIB" || fail "nginx does not start"
	fi
	http=http://127.0.0.1:$(cat "$NGINX/http")
	https=https://localhost:$(cat "$NGINX/https")
}

stop_serving() {
	nginx_stop "$NGINX"
	rm -f "$NGINX/pid"
}

# requests [REGEX]: how many requests for a matching path nginx has answered. Its one worker logs them in the
# order in which they end: when a later one is in the log, all before it are.
requests() {
	requests_mark=mark-$(date +%s%N)
	curl -s -o "$TEST_TMP/mark" "$http/$requests_mark"
	until grep -q "$requests_mark" "$NGINX/access.log"; do
		sleep 0.02
	done
	grep -v '"GET /mark-' "$NGINX/access.log" | grep -cE "\"(GET|HEAD) ${1:-}" || true
}

# bytes_served [REGEX]: of the bodies of these.
bytes_served() {
	requests >"$TEST_TMP/requests"
	grep -E "\"(GET|HEAD) ${1:-}" "$NGINX/access.log" | sed 's/.*" [0-9]* \([0-9]*\) ".*/\1/' |
		awk '{ n += $1 } END { print n + 0 }'
}

# serve_faulty [OPTION...]: faulty.py serves $TEST_LIB; sets $faulty, its URL, and $faulty_pid.
serve_faulty() {
	rm -f "$TEST_TMP/faulty-port"
	python3 "$TEST_TOP/tests/lib/faulty.py" "$@" "$TEST_LIB" >"$TEST_TMP/faulty-port" 2>"$TEST_TMP/log-faulty" &
	faulty_pid=$!
	until [ -s "$TEST_TMP/faulty-port" ]; do
		kill -0 "$faulty_pid" || fail "the fault server does not start"
		sleep 0.05
	done
	faulty=http://127.0.0.1:$(cat "$TEST_TMP/faulty-port")
}

stop_faulty() {
	[ -n "$faulty_pid" ] || return 0
	kill "$faulty_pid"
	wait "$faulty_pid" 2>/dev/null || true
	faulty_pid=
}

# serve_ftp: ftp.py serves $TEST_LIB; sets $ftp, its URL.
serve_ftp() {
	mkfifo "$TEST_TMP/ftp-in"
	# Open for both: its input never ends, whoever else ends.
	python3 "$TEST_TOP/tests/lib/ftp.py" "$TEST_LIB" <>"$TEST_TMP/ftp-in" >"$TEST_TMP/ftp-port" 2>"$TEST_TMP/log-ftp" &
	ftp_pid=$!
	until [ -s "$TEST_TMP/ftp-port" ]; do
		kill -0 "$ftp_pid" || fail "the FTP server does not start"
		sleep 0.05
	done
	ftp=ftp://127.0.0.1:$(cat "$TEST_TMP/ftp-port")
}

stop_ftp() {
	[ -n "$ftp_pid" ] || return 0
	kill "$ftp_pid"
	wait "$ftp_pid" 2>/dev/null || true
	ftp_pid=
}

# serve_far [OPTION...]: what serve serves, at the far end of a link (link.py); sets $far, its URL.
serve_far() {
	mkfifo "$TEST_TMP/link-in"
	python3 "$TEST_TOP/tests/lib/link.py" "$@" "$(cat "$NGINX/http")" <>"$TEST_TMP/link-in" >"$TEST_TMP/link-port" \
		2>"$TEST_TMP/log-link" &
	link_pid=$!
	until [ -s "$TEST_TMP/link-port" ]; do
		kill -0 "$link_pid" || fail "the link does not start"
		sleep 0.05
	done
	far=http://127.0.0.1:$(cat "$TEST_TMP/link-port")
}

stop_far() {
	[ -n "$link_pid" ] || return 0
	kill "$link_pid"
	wait "$link_pid" 2>/dev/null || true
	link_pid=
}

# faulty_stat NAME: one of the numbers of /stats.
faulty_stat() {
	curl -s "$faulty/stats" | python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"
}

# ---- templates and indexes ----

# make_template FILE.xz [MIB [SIZE]]: a disk of 64 MiB or SIZE with a tree and so much that does not compress (default
# 1 MiB), in xz blocks of 4 MiB; FILE.raw beside it is not served.
make_template() {
	rm -rf "$TEST_TMP/tree"
	make_tree "$TEST_TMP/tree"
	head -c "${2:-1}M" /dev/urandom >"$TEST_TMP/tree/random"
	tree_sums "$TEST_TMP/tree" >"$TEST_TMP/tree.sha256"
	make_disk "$TEST_TMP/${1%.xz}.raw" "${3:-64M}" gpt -t ext4
	# Under another name first: whoever serves it never sees a half.
	xz -1 -T2 --block-size=4MiB -c "$TEST_TMP/${1%.xz}.raw" >"$TEST_TMP/$1.new"
	mv "$TEST_TMP/$1.new" "$TEST_LIB/$1"
}

# index_entry NAME FILE [LINE...]: an index's section about $TEST_LIB/FILE, with its SHA-512; a LINE (KEY=VALUE)
# takes the place of the one that would be written, and KEY= alone removes it.
index_entry() {
	entry_name=$1
	entry_file=$2
	shift 2
	case $entry_file in
	*.xz) entry_size=$(xz --robot --list "$TEST_LIB/$entry_file" | awk '/^totals/ { print $5 }') ;;
	*) entry_size=$(stat -c %s "$TEST_LIB/$entry_file") ;;
	esac
	echo "[$entry_name]"
	{
		printf '%s\n' "name=Template $entry_name" "arch=$(uname -m)" "file=$entry_file" "format=raw" \
			"size=$entry_size" "compressed_size=$(stat -c %s "$TEST_LIB/$entry_file")" \
			"checksum[sha512]=$(sha512sum <"$TEST_LIB/$entry_file" | cut -d ' ' -f 1)"
		printf '%s\n' "$@"
	} | awk -F '[=[]' 'NF > 1 { if (!($1 in line)) order[++n] = $1; line[$1] = $0 }
		END { for (i = 1; i <= n; i++) if (line[order[i]] !~ /=$/) print line[order[i]] }'
	echo
}

# ---- signatures ----

gpg_run() {
	[ -d "$TEST_TMP/gnupg" ] || mkdir -m 0700 "$TEST_TMP/gnupg"
	gpg --homedir "$TEST_TMP/gnupg" --batch --quiet --no-tty --yes --pinentry-mode loopback --passphrase '' "$@" \
		2>>"$TEST_TMP/log-gpg" || fail "gpg $*"
}

# The same, when the keys are made: they are old, so that no clock doubts them.
gpg_past() {
	gpg_run --faked-system-time 20200101T120000 "$@"
}

gpg_fingerprint() {
	gpg_run --with-colons --list-keys "$1" | awk -F: '/^fpr/ { print $10; exit }'
}

# gpg_key NAME [EXPIRES]: a key for signing, and $TEST_TMP/NAME.key, its public half.
gpg_key() {
	gpg_past --quick-generate-key "$1" ed25519 cert,sign "${2:-never}"
	gpg_run --output "$TEST_TMP/$1.key" --armor --export "$1"
}

# gpg_clear NAME FILE OUT: clear-signed by that key.
gpg_clear() {
	gpg_run --output "$3" --local-user "$1" --clearsign "$2"
}

# ---- the mount ----

# mount_remote [OPTION...] SOURCE...: as mount_library, of what is remote.
mount_remote() {
	mount_at "" --cache "$TEST_CACHE" "$@"
}

# What the mount lists, in one line.
listed() {
	find "$TEST_MNT" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | xargs
}

log_says() {
	grep -qiE -- "$1" "$TEST_LOG"
}

# verified GOAL: what the mount says of the checksum of what stands behind the goal.
verified() {
	getfattr --only-values -n user.goalfs.verified "$TEST_MNT/$1" 2>/dev/null || true
}

# is_verified_as GOAL PATTERN
is_verified_as() {
	# shellcheck disable=SC2254 # it is a pattern
	case $(verified "$1") in $2) ;; *) return 1 ;; esac
}

# assert_read_fails FILE ERRNO-NAME...: a read of its first bytes, with one of these errors.
assert_read_fails() {
	python3 -c 'import errno, os, sys
try:
	fd = os.open(sys.argv[1], os.O_RDONLY)
	data = os.read(fd, 4096)
except OSError as e:
	if errno.errorcode[e.errno] in sys.argv[2:]:
		sys.exit(0)
	sys.exit(f"{sys.argv[1]}: {e}")
sys.exit(f"{sys.argv[1]}: {len(data)} bytes came")' "$@" || fail "that should have been one of: $*"
}
