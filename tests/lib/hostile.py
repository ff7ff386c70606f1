# SPDX-License-Identifier: GPL-2.0-or-later
"""hostile.py make DIR | peak MIB COMMAND...

make: files that claim more than they hold, each in a directory or under a name of its own.
peak: runs the command, whatever its status, and fails if it took more memory than that at any time.
"""
import lzma
import os
import platform
import struct
import subprocess
import sys
import zlib

ENTRY = f"[NAME]\nname=x\narch={platform.machine()}\nfile=a.raw\nformat=raw\n"


def index(top, name, text):
    os.makedirs(f"{top}/{name}")
    with open(f"{top}/{name}/a.raw", "wb") as f:
        f.write(bytes(1 << 20))
    with open(f"{top}/{name}/index", "w") as f:
        f.write(text)


def sparse(path, size, head=b""):
    with open(path, "wb") as f:
        f.write(head)
        f.truncate(size)


def big_dictionary():
    """The block header of an xz says that it takes 4 GiB to decode it."""
    x = bytearray(lzma.compress(bytes(1000000), format=lzma.FORMAT_XZ))
    n = (x[12] + 1) * 4
    x[x.index(b"\x21\x01", 12, 12 + n) + 2] = 40
    x[12 + n - 4:12 + n] = struct.pack("<I", zlib.crc32(bytes(x[12:12 + n - 4])))
    return bytes(x)


def qcow2(size, l1_entries, cluster_bits=16):
    return struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", 2, 0, 0, cluster_bits, size, 0, l1_entries, 65536, 131072, 1, 0, 0)


def in_pieces(n):
    """A disk every second cluster of which shows the same cluster of the file: n pieces in n * 8 bytes."""
    tables = n >> 13
    data = (3 + tables) << 16
    head = qcow2(n << 16, tables).ljust(1 << 16, b"\0")
    l1 = b"".join(struct.pack(">Q", (3 + k) << 16 | 1 << 63) for k in range(tables))
    return head + l1.ljust(2 << 16, b"\0") + struct.pack(">QQ", data, 0) * (n >> 1) + b"x" * (1 << 16)


def make(top):
    index(top, "aliases", ENTRY + "aliases=" + " ".join("a%x" % k for k in range(7000000)) + "\n")
    index(top, "notes", ENTRY + "notes=" + "x" * 60000000 + "\n")
    index(top, "lines", ENTRY + "notes=x\n" + " y\n" * 15000000)
    index(top, "sections", "".join(ENTRY.replace("NAME", f"t{k}") + "notes=" + "n" * 850 + "\n" for k in range(60000)))
    index(top, "more-sections", "".join(ENTRY.replace("NAME", f"t{k}") for k in range(65537)))
    os.makedirs(f"{top}/big")
    sparse(f"{top}/big/index", 1 << 30)
    sparse(f"{top}/key", 1 << 30)
    os.makedirs(f"{top}/files")
    for k in range(65537):
        if k % 30000 == 0:
            last = f"{top}/files/x{k}.raw"
            sparse(last, 4096)
        else:
            os.link(last, f"{top}/files/x{k}.raw")
    images = f"{top}/images"
    os.makedirs(images)
    sparse(f"{images}/good.raw", 1 << 20, b"good")
    with open(f"{images}/dictionary.raw.xz", "wb") as f:
        f.write(big_dictionary())
    sparse(f"{images}/exbi.qcow2", 1 << 20, qcow2(1 << 60, 1 << 31))
    sparse(f"{images}/table.qcow2", 64 << 20, qcow2(1 << 51, 1 << 22))
    sparse(f"{images}/clusters.qcow2", 64 << 20, qcow2(1 << 61, 1 << 22, 21))
    os.makedirs(f"{top}/pieces")
    with open(f"{top}/pieces/million.qcow2", "wb") as f:
        f.write(in_pieces(1 << 20))
    # As large as the filesystem here takes it.
    for exponent in (62, 50, 43):
        try:
            sparse(f"{images}/huge.raw", 1 << exponent)
            break
        except OSError:
            continue


def peak(mib, *command):
    child = subprocess.Popen(command)
    _, _, used = os.wait4(child.pid, 0)
    print(f"peak: {used.ru_maxrss >> 10} MiB of {mib}: {' '.join(command)}", file=sys.stderr)
    sys.exit(used.ru_maxrss >> 10 > int(mib))


{"make": make, "peak": peak}[sys.argv[1]](*sys.argv[2:])
