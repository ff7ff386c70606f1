#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Who may rename what leads to a mountpoint has root's daemon, which waits for a server, mount on nothing else.
. "${0%/*}/../lib/common.sh"
require_root
require_prog python3
mkdir -p "$TEST_TMP/way/mnt" "$TEST_TMP/else/mnt"

# A server that answers as soon as there is a file "go".
cat >"$TEST_TMP/server.py" <<'SERVER'
import http.server, os, time
INDEX = b"[x]\nname=x\narch=x86_64\nfile=x.raw\nformat=raw\nsize=1048576\n"
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        open("asked", "w").close()
        while not os.path.exists("go"):
            time.sleep(0.05)
        self.send_response(200)
        self.send_header("Content-Length", str(len(INDEX)))
        self.end_headers()
        self.wfile.write(INDEX)
    def log_message(self, *args):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
SERVER
(cd "$TEST_TMP" && exec python3 server.py >port) &
server=$!
test_pids=$server
wait_until 20 test -s "$TEST_TMP/port"

# start: a daemon at the mountpoint, which has asked the server by then.
start() {
	rm -f "$TEST_TMP/asked" "$TEST_TMP/go"
	"$GOALFS" -f --no-cache --no-check-signature "http://127.0.0.1:$(cat "$TEST_TMP/port")/index" \
		"$TEST_TMP/way/mnt" >"$TEST_TMP/log" 2>&1 &
	daemon=$!
	test_pids="$test_pids $daemon"
	wait_until 20 test -e "$TEST_TMP/asked"
}

start
mv "$TEST_TMP/way" "$TEST_TMP/was"
ln -s else "$TEST_TMP/way"
touch "$TEST_TMP/go"
# It ends by itself, or mounts somewhere.
n=0
while kill -0 "$daemon" 2>/dev/null && ! grep -q " $TEST_TMP/" /proc/mounts; do
	n=$((n + 1))
	[ $n -lt 600 ] || fail "the daemon neither mounts nor ends"
	sleep 0.1
done
if grep " $TEST_TMP/" /proc/mounts; then
	kill "$daemon"
	wait "$daemon"
	fail "it was mounted where a link led that came later"
fi
if wait "$daemon"; then fail "the daemon does not say that it failed"; fi
assert_says "$TEST_TMP/log" "way/mnt' is another directory than when goalfs was started"

# Back in its place it is the same one.
rm "$TEST_TMP/way"
mv "$TEST_TMP/was" "$TEST_TMP/way"
start
touch "$TEST_TMP/go"
wait_until 60 grep " $TEST_TMP/way/mnt fuse.goalfs " /proc/mounts
kill "$daemon"
wait "$daemon" || fail "goalfs ended with status $?"
kill "$server"
