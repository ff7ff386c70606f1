#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""qmp.py SOCKET [--pass FILE] COMMAND [ARGUMENTS] [COMMAND [ARGUMENTS]]...: commands for a QEMU or qemu-storage-daemon, one
after the other, their answers on standard output, a line of JSON each.

ARGUMENTS are a JSON object. With --pass the file is opened, read-only, and its descriptor goes along with the first
command, as add-fd and getfd want it; with --pass-direct it is opened with O_DIRECT. When a command is refused the reason
is on standard error, the others are left, and the status is 1.
"""
import json
import os
import socket
import sys


def answer(stream):
    """The next line that is no event."""
    for line in stream:
        said = json.loads(line)
        if "event" not in said:
            return said
    sys.exit("qmp: it hung up")


def execute(s, stream, name, arguments, fds):
    command = {"execute": name}
    if arguments:
        command["arguments"] = json.loads(arguments)
    text = json.dumps(command).encode() + b"\n"
    if fds:
        socket.send_fds(s, [text], fds)
    else:
        s.sendall(text)
    said = answer(stream)
    if "error" in said:
        sys.exit(f"qmp: {name}: {said['error']['desc']}")
    return said["return"]


def main():
    path, *rest = sys.argv[1:]
    fds = []
    if rest[0] in ("--pass", "--pass-direct"):
        fds.append(os.open(rest[1], os.O_RDONLY | (os.O_DIRECT if rest[0] == "--pass-direct" else 0)))
        rest = rest[2:]
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(300)
        s.connect(path)
        stream = s.makefile("r")
        stream.readline()
        execute(s, stream, "qmp_capabilities", None, [])
        while rest:
            name = rest.pop(0)
            arguments = rest.pop(0) if rest and rest[0].startswith("{") else None
            print(json.dumps(execute(s, stream, name, arguments, fds)))
            fds = []


main()
