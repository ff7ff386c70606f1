# SPDX-License-Identifier: GPL-2.0-or-later
"""nfs-hold.py VERSION SERVER EXPORT NAME OUT

An NFS client (libnfs) that has a file open: copies the first half of NAME to
OUT, prints "half", waits for a line, and copies the rest, by the handle that it
has. Prints "done", or the name of the error.
"""
import ctypes
import errno
import sys

libnfs = ctypes.CDLL("libnfs.so.13")
libnfs.nfs_init_context.restype = ctypes.c_void_p
libnfs.nfs_get_error.restype = ctypes.c_char_p
libnfs.nfs_get_error.argtypes = [ctypes.c_void_p]
libnfs.nfs_set_version.argtypes = [ctypes.c_void_p, ctypes.c_int]
libnfs.nfs_set_autoreconnect.argtypes = [ctypes.c_void_p, ctypes.c_int]
libnfs.nfs_mount.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p]
libnfs.nfs_open.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.POINTER(ctypes.c_void_p)]
libnfs.nfs_pread.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_void_p]
libnfs.nfs_lseek.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int, ctypes.c_void_p]

PIECE = 64 << 10


class Client:
    def __init__(self, version, server, export):
        self.nfs = libnfs.nfs_init_context()
        libnfs.nfs_set_version(self.nfs, int(version))
        libnfs.nfs_set_autoreconnect(self.nfs, -1)
        self.check(libnfs.nfs_mount(self.nfs, server.encode(), export.encode()), "mount")

    def check(self, r, what):
        if r < 0:
            why = libnfs.nfs_get_error(self.nfs)
            # NFS3ERR_STALE is 70: libnfs 4.0 takes the status for the text of an error.
            stale = r == -errno.EFAULT and why.endswith(b'"F"')
            print("ESTALE" if stale else errno.errorcode.get(-r, r), flush=True)
            sys.exit(f"nfs-hold: {what}: {why}")
        return r

    def open(self, name):
        self.file = ctypes.c_void_p()
        self.check(libnfs.nfs_open(self.nfs, f"/{name}".encode(), 0, ctypes.byref(self.file)), "open")
        size = ctypes.c_uint64()
        self.check(libnfs.nfs_lseek(self.nfs, self.file, 0, 2, ctypes.byref(size)), "size")
        return size.value

    def copy(self, out, at, end):
        piece = ctypes.create_string_buffer(PIECE)
        while at < end:
            n = self.check(libnfs.nfs_pread(self.nfs, self.file, at, min(PIECE, end - at), piece), "read")
            if n == 0:
                sys.exit(f"the file ends at {at} instead of {end}")
            out.write(piece.raw[:n])
            at += n


def main(version, server, export, name, out):
    client = Client(version, server, export)
    with open(out, "wb") as f:
        size = client.open(name)
        client.copy(f, 0, size // 2)
        print("half", flush=True)
        sys.stdin.readline()
        client.copy(f, size // 2, size)
    print("done", flush=True)


main(*sys.argv[1:])
