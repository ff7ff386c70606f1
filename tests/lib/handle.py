# SPDX-License-Identifier: GPL-2.0-or-later
"""handle.py save FILE HANDLE | cat MOUNTPOINT HANDLE | forge MOUNTPOINT HANDLE | storm MOUNTPOINT HANDLE | refuses FILE

name_to_handle_at(2) and open_by_handle_at(2), as an NFS server uses a filesystem.
forge changes bytes of the handle and expects ESTALE, or the same file for bytes that don't count.
storm opens it, reads a little and closes it, many times, as clients have a server do that knows no
more than the handle. refuses expects that the file has no handle to give (EOPNOTSUPP).
"""
import ctypes
import errno
import os
import sys

MAX = 128
libc = ctypes.CDLL(None, use_errno=True)


class Handle(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_uint), ("type", ctypes.c_int), ("data", ctypes.c_ubyte * MAX)]


def save(path, out):
    handle, mount_id = Handle(bytes=MAX), ctypes.c_int()
    if libc.name_to_handle_at(-100, path.encode(), ctypes.byref(handle), ctypes.byref(mount_id), 0):
        sys.exit(f"name_to_handle_at {path}: {os.strerror(ctypes.get_errno())}")
    with open(out, "wb") as f:
        f.write(bytes(handle))


def open_handle(mountpoint, handle):
    mount = os.open(mountpoint, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return libc.open_by_handle_at(mount, ctypes.byref(handle), os.O_RDONLY)
    finally:
        os.close(mount)


def load(name):
    with open(name, "rb") as f:
        return Handle.from_buffer_copy(f.read())


def cat(mountpoint, name):
    fd = open_handle(mountpoint, load(name))
    if fd < 0:
        sys.exit(f"open_by_handle_at: {os.strerror(ctypes.get_errno())}")
    while piece := os.read(fd, 1 << 20):
        sys.stdout.buffer.write(piece)


def forge(mountpoint, name):
    refused = 0
    for at in range(load(name).bytes):
        handle = load(name)
        handle.data[at] ^= 0x55
        fd = open_handle(mountpoint, handle)
        if fd >= 0:
            os.close(fd)
        elif ctypes.get_errno() != errno.ESTALE:
            sys.exit(f"byte {at} changed: {os.strerror(ctypes.get_errno())} instead of ESTALE")
        else:
            refused += 1
    if not refused:
        sys.exit("every handle is taken")


def storm(mountpoint, name):
    for _ in range(300):
        fd = open_handle(mountpoint, load(name))
        if fd < 0:
            sys.exit(f"open_by_handle_at: {os.strerror(ctypes.get_errno())}")
        if len(os.pread(fd, 4096, 0)) != 4096:
            sys.exit("no 4096 bytes to be read")
        os.close(fd)


def refuses(path):
    handle, mount_id = Handle(bytes=MAX), ctypes.c_int()
    if libc.name_to_handle_at(-100, path.encode(), ctypes.byref(handle), ctypes.byref(mount_id), 0) == 0:
        sys.exit(f"{path} has a handle")
    if ctypes.get_errno() != errno.EOPNOTSUPP:
        sys.exit(f"{path}: {os.strerror(ctypes.get_errno())} instead of EOPNOTSUPP")


{"save": save, "cat": cat, "forge": forge, "storm": storm, "refuses": refuses}[sys.argv[1]](*sys.argv[2:])
