#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""faulty.py [OPTION...] DIRECTORY: an HTTP/1.1 server that can be asked to misbehave.

It listens on a free port of 127.0.0.1, prints the port and a newline on standard
output, and serves until standard input ends (--stdin) or it is killed. Connections
are kept; HEAD, GET and single ranges work as they should, with an ETag, Last-Modified
and Content-Length, for

    /PATH                      the file DIRECTORY/PATH

and with faults, several joined by '+', their arguments separated by commas, for

    /fault/KIND:ARG,ARG+KIND/PATH

  "first N" counts requests of one path with one spelling of the faults (0: always); /reset
  begins anew. BYTES are bytes of the body of that answer.

    no-range[:N]               Range is ignored (200), from the N-th request on, counting from 1
    416                        every range is unsatisfiable
    status:CODE[,N]            first N answers are CODE and a short text (default 0)
    retry-after:SECONDS[,date] 503 with Retry-After (or a date) once; who comes back too early gets 403 for ever
    cut:BYTES[,N]              first N bodies end after BYTES: the connection is closed
    reset:BYTES[,N]            the same, with a TCP reset
    drop[:N]                   first N requests: the connection is closed without an answer
    stall:BYTES[,N]            first N bodies stop after BYTES and stay open; BYTES -1: not even a head comes
    drip:BYTES,MS              the body comes BYTES at a time, with a pause of MS milliseconds
    length:DELTA               Content-Length is wrong by DELTA; the connection is closed behind the body
    range-start:DELTA          Content-Range says another start (206 only, as the next five)
    range-end:DELTA            ... another end, and so many bytes
    range-total:DELTA          ... another total
    range-total:*              ... no total: "bytes 0-9/*"
    no-content-range           ... is missing
    bad-content-range          ... is no such thing
    multipart                  206 is multipart/byteranges
    short-range:BYTES          a range is answered, rightly, with its first BYTES only
    changes:N                  from the N-th request on it is another object: ETag, time, and each byte inverted
    changes-etag:N, changes-time:N, changes-length:N    only that differs from then on
    forged:FILE                while DIRECTORY/FILE exists each byte is inverted, and nothing in the head tells
    no-validators              neither ETag nor Last-Modified
    chunked                    no Content-Length, chunks instead
    close                      no Content-Length, the end is the connection's
    gzip                       Content-Encoding: gzip, and the body is
    redirect:CODE              CODE and Location: /PATH
    redirect-once:CODE         the same for the first request, 404 for the others
    to:URL                     302 to URL, which is percent-encoded ('/', '+', ',' included)
    loop                       302 to itself
    auth:USER,PASSWORD         401 unless Basic says this
    head:LINES                 so many lines more in the head, 100 bytes each
    trailers                   with chunked: trailers without end
    interim                    interim answers without end
    s3, s3-token               403 unless AWS Signature Version 4 (S3) is right: key id KEY, secret SECRET; and with
                               session token TOKEN
    unchanged                  304 whatever was asked

    /stats    JSON: requests, connections, bytes (of bodies), in_flight_most, proxied, and paths (the requests' targets,
              the latest 1000), ranges (their Range headers or null), last (headers of the latest request)
    /reset    all counts are 0 again; answers as /stats before, and when nothing is in flight (or after 5 seconds)

Neither of these is counted. A request for http://HOST/PATH, as a proxy gets it, is
answered as /PATH and counted as proxied.

    --delay-ms N      each answer waits so long before it begins
    --rate N          bytes of bodies a second, for all connections together
    --tls CERT,KEY    https
    --stdin           end with standard input, so that no server outlives its test
    --log FILE        a line a request
"""
import argparse
import base64
import datetime
import email.utils
import gzip
import hashlib
import hmac
import http.server
import json
import os
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.parse

CHUNK = 16384


class Stop(Exception):
    """The connection is to be closed now."""


class Stats:
    def __init__(self):
        self.lock = threading.Lock()
        self.reset()
        self.in_flight = 0

    def reset(self):
        self.requests = self.connections = self.bytes = self.proxied = self.in_flight_most = 0
        self.paths, self.ranges, self.last, self.seen, self.not_before = [], [], {}, {}, {}

    def json(self):
        names = "requests connections bytes in_flight_most proxied paths ranges last".split()
        return json.dumps({name: getattr(self, name) for name in names}).encode()


class Link:
    """What all connections share where --rate is given."""

    def __init__(self, rate):
        self.rate, self.lock, self.free_at = rate, threading.Lock(), 0.0

    def send(self, count):
        if not self.rate:
            return
        with self.lock:
            now = time.monotonic()
            self.free_at = max(self.free_at, now - 0.01) + count / self.rate
            wait = self.free_at - now
        if wait > 0:
            time.sleep(wait)


def signature_v4(handler, key, secret, token):
    """None when the request is signed rightly for S3, else what is wrong. Written from Amazon's description."""
    headers = {k.lower(): " ".join(v.split()) for k, v in handler.headers.items()}
    kind, _, rest = headers.get("authorization", "").partition(" ")
    parts = dict(p.strip().split("=", 1) for p in rest.split(",") if "=" in p)
    if kind != "AWS4-HMAC-SHA256" or not {"Credential", "SignedHeaders", "Signature"} <= set(parts):
        return "not signed"
    who, day, region, service, last = parts["Credential"].split("/")
    signed = parts["SignedHeaders"].split(";")
    stamp = headers.get("x-amz-date", "")
    if (who, service, last) != (key, "s3", "aws4_request") or not stamp.startswith(day):
        return "bad credential"
    if token and headers.get("x-amz-security-token") != token:
        return "bad token"
    if [h for h in headers if h.startswith("x-amz-") and h not in signed] or "host" not in signed:
        return "x-amz header is not signed"
    if headers.get("x-amz-content-sha256") != hashlib.sha256(b"").hexdigest():
        return "bad x-amz-content-sha256"
    then = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    if abs(time.time() - then.timestamp()) > 900:
        return "bad time"
    path, _, query = handler.target.partition("?")
    # S3 takes the path as it was sent, each byte but these encoded once.
    if urllib.parse.quote(urllib.parse.unquote(path), safe="/") != path:
        return "path is not in the canonical encoding"
    canonical = "\n".join(["GET", path, query, *(f"{h}:{headers.get(h, '')}" for h in signed), "", ";".join(signed),
                           headers["x-amz-content-sha256"]])
    scope = "/".join([day, region, service, last])
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    mac = ("AWS4" + secret).encode()
    for part in (day, region, service, last):
        mac = hmac.new(mac, part.encode(), "sha256").digest()
    right = hmac.new(mac, text.encode(), "sha256").hexdigest()
    return None if hmac.compare_digest(right, parts["Signature"]) else "wrong signature"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "faulty"
    sys_version = ""

    def setup(self):
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.counted = False

    def log_message(self, text, *args):
        if self.server.log:
            print(text % args, file=self.server.log, flush=True)

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def answer(self):
        try:
            self.answer_or_stop()
        except (Stop, OSError):
            self.close_connection = True

    def answer_or_stop(self):
        stats = self.server.stats
        self.target = self.path
        is_proxied = self.target.startswith("http://")
        if is_proxied:
            self.target = "/" + self.target.split("/", 3)[3]
        if self.target in ("/stats", "/reset"):
            deadline = time.monotonic() + 5
            while self.target == "/reset" and stats.in_flight and time.monotonic() < deadline:
                time.sleep(0.002)
            with stats.lock:
                body = stats.json()
                if self.target == "/reset":
                    stats.reset()
            return self.send(200, {"Content-Type": "application/json"}, body, is_counted=False)
        with stats.lock:
            stats.requests += 1
            stats.proxied += is_proxied
            stats.connections += not self.counted
            self.counted = True
            stats.paths = (stats.paths + [self.target])[-1000:]
            stats.ranges = (stats.ranges + [self.headers.get("Range")])[-1000:]
            stats.last = dict(self.headers.items())
            stats.in_flight += 1
            stats.in_flight_most = max(stats.in_flight_most, stats.in_flight)
        try:
            if self.server.delay:
                time.sleep(self.server.delay)
            self.route()
        finally:
            with stats.lock:
                stats.in_flight -= 1

    # ---- faults ----

    def route(self):
        path = self.target.partition("?")[0]
        faults = {}
        if path.startswith("/fault/"):
            spec, _, rest = path[len("/fault/"):].partition("/")
            path = "/" + rest
            for part in spec.split("+"):
                name, _, args = part.partition(":")
                faults[name] = args.split(",") if args else []
        self.faults = faults
        with self.server.stats.lock:
            seen = self.server.stats.seen
            self.turn = seen[self.target] = seen.get(self.target, 0) + 1
        for name in ("drop", "stall-head", "status", "retry-after", "loop", "to", "redirect", "redirect-once", "auth",
                     "s3", "s3-token", "unchanged"):
            if name in faults or name == "stall-head":
                if getattr(self, "fault_" + name.replace("-", "_"))(path, *faults.get(name, [])):
                    return
        self.serve(path)

    def is_first(self, count):
        return int(count) == 0 or self.turn <= int(count)

    def fault_drop(self, path, count=0):
        if self.is_first(count):
            raise Stop

    def fault_stall_head(self, path):
        args = self.faults.get("stall", ["0"])
        if args[0] == "-1" and self.is_first(*args[1:] or [0]):
            self.hold()

    def fault_status(self, path, code, count=0):
        if self.is_first(count):
            self.send(int(code), {}, b"no\n")
            return True

    def fault_retry_after(self, path, seconds, form=""):
        stats, now = self.server.stats, time.time()
        with stats.lock:
            not_before = stats.not_before.setdefault(self.target, now + int(seconds))
            # A date has whole seconds, and so may lie up to one in the past of what was meant.
            if self.turn > 1 and now < not_before - (1 if form else 0.05):
                stats.not_before[self.target] = float("inf")
        if self.turn == 1:
            value = email.utils.formatdate(not_before, usegmt=True) if form else seconds
            self.send(503, {"Retry-After": value}, b"later\n")
            return True
        if stats.not_before[self.target] == float("inf"):
            self.send(403, {}, b"too early\n")
            return True

    def fault_loop(self, path):
        self.send(302, {"Location": self.target}, b"round\n")
        return True

    def fault_to(self, path, url):
        self.send(302, {"Location": urllib.parse.unquote(url)}, b"there\n")
        return True

    def fault_redirect(self, path, code):
        self.send(int(code), {"Location": path}, b"there\n")
        return True

    def fault_redirect_once(self, path, code):
        self.send(*((int(code), {"Location": path}) if self.turn == 1 else (404, {})), b"there\n")
        return True

    def fault_auth(self, path, user, password):
        want = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        if self.headers.get("Authorization") != want:
            self.send(401, {"WWW-Authenticate": 'Basic realm="test"'}, b"who?\n")
            return True

    def fault_s3_token(self, path):
        return self.fault_s3(path, "TOKEN")

    def fault_s3(self, path, token=""):
        wrong = signature_v4(self, "KEY", "SECRET", token)
        if wrong:
            self.send(403, {}, wrong.encode() + b"\n", reason=wrong)
            return True

    def fault_unchanged(self, path):
        self.send(304, {}, None)
        return True

    # ---- files ----

    def serve(self, path):
        full = os.path.realpath(os.path.join(self.server.top, urllib.parse.unquote(path).lstrip("/")))
        if not full.startswith(self.server.top + os.sep) or not os.path.isfile(full):
            return self.send(404, {}, b"no such file\n")
        with open(full, "rb") as file:
            st = os.fstat(file.fileno())
            self.serve_file(file, st.st_size, int(st.st_mtime), f'"{st.st_mtime_ns:x}-{st.st_size:x}"')

    def changed(self, name):
        return name in self.faults and self.turn >= int(self.faults[name][0])

    def serve_file(self, file, size, mtime, etag):
        faults, headers = self.faults, {}
        invert = self.changed("changes")
        forged = "forged" in faults and os.path.exists(os.path.join(self.server.top, faults["forged"][0]))
        if self.changed("changes-length"):
            size -= 1
        if invert or self.changed("changes-etag"):
            etag = '"other"'
        if invert or self.changed("changes-time"):
            mtime += 3600
        modified = email.utils.formatdate(mtime, usegmt=True)
        if "no-validators" not in faults:
            headers = {"ETag": etag, "Last-Modified": modified}
            asked = self.headers.get("If-None-Match")
            if asked == etag or (asked is None and self.headers.get("If-Modified-Since") == modified):
                return self.send(304, headers, None)
        first, end, status = self.range_of(size)
        if status == 416:
            return self.send(416, {"Content-Range": f"bytes */{size}"}, b"")
        if status == 206:
            first, end = self.range_headers(headers, first, end, size)
        self.body(file, first, end, status, headers, invert or forged)

    def range_of(self, size):
        text = self.headers.get("Range", "")
        faults = self.faults
        if not text.startswith("bytes=") or "," in text:
            return 0, size, 200
        if "no-range" in faults and self.turn >= int((faults["no-range"] or ["1"])[0]):
            return 0, size, 200
        first, _, last = text[len("bytes="):].partition("-")
        if not first:
            first, last = max(size - int(last), 0), size - 1
        first, end = int(first), min(int(last) + 1 if last else size, size)
        if first >= size or "416" in faults:
            return 0, 0, 416
        if "short-range" in faults:
            end = min(end, first + int(faults["short-range"][0]))
        return first, end, 206

    def range_headers(self, headers, first, end, size):
        faults = self.faults
        said, total = first, size
        if "range-start" in faults:
            said += int(faults["range-start"][0])
        if "range-end" in faults:
            end += int(faults["range-end"][0])
        if "range-total" in faults:
            delta = faults["range-total"][0]
            total = delta if delta == "*" else size + int(delta)
        headers["Content-Range"] = f"bytes {said}-{end - 1}/{total}"
        if "bad-content-range" in faults:
            headers["Content-Range"] = f"bytes {first}-99999999999999999999999/x"
        if "no-content-range" in faults:
            del headers["Content-Range"]
        if "multipart" in faults:
            headers["Content-Type"] = "multipart/byteranges; boundary=x"
        return first, end

    def body(self, file, first, end, status, headers, invert):
        faults = self.faults
        while "interim" in faults:
            self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 1000)
        file.seek(first)
        if "gzip" in faults:
            data = gzip.compress(file.read(end - first))
            return self.send(status, {**headers, "Content-Encoding": "gzip"}, data)
        for i in range(int(faults.get("head", [0])[0])):
            headers[f"X-Filler-{i}"] = "x" * 80
        if "chunked" in faults:
            headers["Transfer-Encoding"] = "chunked"
        elif "close" in faults:
            headers["Connection"] = "close"
        else:
            headers["Content-Length"] = str(end - first + int(faults.get("length", [0])[0]))
        self.head(status, headers)
        if self.command != "HEAD":
            self.pour(file, end - first, invert)
        if "length" in faults or "close" in faults:
            raise Stop

    def limit(self, name):
        """After how many bytes that fault strikes; None: it doesn't."""
        args = self.faults.get(name)
        return int(args[0]) if args and self.is_first(*args[1:] or [0]) else None

    def pour(self, file, count, invert):
        sent = 0
        faults = {name: self.limit(name) for name in ("cut", "reset", "stall")}
        faults = {name: at for name, at in faults.items() if at is not None and at < count}
        stop_at = min(faults.values(), default=count)
        step, pause = self.faults.get("drip", [CHUNK, 0])
        while sent < stop_at:
            piece = file.read(min(int(step), stop_at - sent))
            if not piece:
                break
            if invert:
                piece = bytes(b ^ 0xFF for b in piece)
            self.write_body(piece)
            sent += len(piece)
            time.sleep(int(pause) / 1000)
        for name in faults:
            self.strike(name)
        if "chunked" in self.faults:
            self.wfile.write(b"0\r\n")
            while "trailers" in self.faults:
                self.wfile.write(b"X-Filler: xxxxxxxx\r\n" * 1000)
            self.wfile.write(b"\r\n")

    def strike(self, name):
        if name == "stall":
            self.hold()
        if name == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        raise Stop

    def hold(self):
        """Says nothing more until the other side is gone."""
        while self.connection.recv(4096):
            pass
        raise Stop

    # ---- sending ----

    def write_body(self, piece):
        count = len(piece)
        self.server.link.send(count)
        if "chunked" in self.faults:
            piece = b"%x\r\n%b\r\n" % (len(piece), piece)
        self.wfile.write(piece)
        with self.server.stats.lock:
            self.server.stats.bytes += count

    def head(self, status, headers, reason=None):
        self.send_response(status, reason)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def send(self, status, headers, body, is_counted=True, reason=None):
        if body is not None:
            headers = {**headers, "Content-Length": str(len(body))}
        self.head(status, headers, reason)
        if body and self.command != "HEAD":
            self.wfile.write(body)
            if is_counted:
                with self.server.stats.lock:
                    self.server.stats.bytes += len(body)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        # Clients that go away are what this is for; anything else is a fault of ours.
        if not isinstance(sys.exc_info()[1], (OSError, ValueError)):
            super().handle_error(request, client_address)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory")
    parser.add_argument("--delay-ms", type=float, default=0)
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--tls")
    parser.add_argument("--stdin", action="store_true")
    parser.add_argument("--log")
    args = parser.parse_args()

    server = Server(("127.0.0.1", 0), Handler)
    server.top = os.path.realpath(args.directory)
    server.stats, server.link, server.delay = Stats(), Link(args.rate), args.delay_ms / 1000
    server.log = open(args.log, "a") if args.log else None
    if args.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*args.tls.split(","))
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print(server.server_address[1], flush=True)
    if args.stdin:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdin.buffer.read()
    else:
        server.serve_forever()


main()
