# SPDX-License-Identifier: GPL-2.0-or-later
"""cookies.py save DIRECTORY FILE | check DIRECTORY FILE

save notes the names of a directory with what readdir goes on behind. check opens
the directory anew for each of these places, goes there, and expects the names that
came next: those in between may have gone, and new ones come, but none twice nor left out.
"""
import ctypes
import json
import os
import sys

libc = ctypes.CDLL(None, use_errno=True)
libc.fdopendir.restype = ctypes.c_void_p
libc.readdir.argtypes = libc.closedir.argtypes = [ctypes.c_void_p]
libc.readdir.restype = ctypes.c_void_p
libc.seekdir.argtypes = [ctypes.c_void_p, ctypes.c_long]


def read_from(path, cookie):
    directory = libc.fdopendir(os.open(path, os.O_RDONLY | os.O_DIRECTORY))
    if cookie is not None:
        libc.seekdir(directory, cookie)
    while entry := libc.readdir(directory):
        # struct dirent: ino, off, reclen, type, name
        yield ctypes.string_at(entry + 19).decode(), ctypes.c_int64.from_address(entry + 8).value
    libc.closedir(directory)


def save(path, out):
    with open(out, "w") as f:
        json.dump(list(read_from(path, None)), f)


def check(path, saved):
    with open(saved) as f:
        was = json.load(f)
    now = dict(read_from(path, None))
    for name, cookie in was:
        if name in now and now[name] != cookie:
            sys.exit(f"'{name}' has another cookie")
    for at, (name, cookie) in enumerate(was):
        behind = [n for n, _ in read_from(path, cookie)]
        if len(set(behind)) != len(behind):
            sys.exit(f"names come twice behind '{name}'")
        want = [n for n, _ in was[at + 1 :] if n in now]
        have = [n for n in behind if n in {w for w, _ in was}]
        if have != want:
            sys.exit(f"behind '{name}' come {have[:5]}... instead of {want[:5]}...")


{"save": save, "check": check}[sys.argv[1]](*sys.argv[2:])
