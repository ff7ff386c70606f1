#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""ftp.py DIRECTORY [REFUSED...]: as much FTP as fetching takes, to test against.

Prints its port of 127.0.0.1 and serves until standard input ends: anybody, binary,
passive (EPSV, PASV), SIZE, MDTM, REST, RETR. Commands that are REFUSED get a 502.
"""
import os
import socket
import socketserver
import sys
import threading
import time

TOP = os.path.realpath(sys.argv[1])
REFUSED = sys.argv[2:]


class Handler(socketserver.StreamRequestHandler):
    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self):
        self.at, self.cwd, self.data = 0, "/", None
        self.say("220 ready")
        for line in self.rfile:
            name, _, arg = line.decode().rstrip("\r\n").partition(" ")
            do = None if name in REFUSED else getattr(self, "do_" + name.lower(), None)
            try:
                self.say("502 not here") if do is None else do(arg)
            except OSError:
                self.say("550 no such file")

    def file(self, name):
        path = os.path.realpath(TOP + os.path.join(self.cwd, name))
        if not path.startswith(TOP + os.sep) or not os.path.isfile(path):
            raise FileNotFoundError
        return path

    def do_user(self, arg):
        self.say("331 password?")

    def do_pass(self, arg):
        self.say("230 welcome")

    def do_pwd(self, arg):
        self.say('257 "/"')

    def do_cwd(self, arg):
        self.cwd = os.path.join(self.cwd, arg)
        self.say("250 fine")

    def do_type(self, arg):
        self.say("200 fine")

    def listen(self):
        self.data = socket.create_server(("127.0.0.1", 0))
        return self.data.getsockname()[1]

    def do_epsv(self, arg):
        self.say(f"229 come (|||{self.listen()}|)")

    def do_pasv(self, arg):
        port = self.listen()
        self.say(f"227 come (127,0,0,1,{port >> 8},{port & 255})")

    def do_size(self, arg):
        self.say(f"213 {os.path.getsize(self.file(arg))}")

    def do_mdtm(self, arg):
        self.say(time.strftime("213 %Y%m%d%H%M%S", time.gmtime(os.path.getmtime(self.file(arg)))))

    def do_rest(self, arg):
        self.at = int(arg)
        self.say("350 from there")

    def do_retr(self, arg):
        path = self.file(arg)
        self.say("150 here it comes")
        connection = self.data.accept()[0]
        self.data.close()
        try:
            with open(path, "rb") as file, connection:
                file.seek(self.at)
                connection.sendfile(file, self.at)
            self.say("226 that was it")
        except OSError:
            self.say("426 you did not want more")
        self.at = 0

    def do_quit(self, arg):
        self.say("221 bye")


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


server = Server(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.buffer.read()
