#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""disk-formats DIR: one disk in formats that qemu-img reads and can't write: hand.raw, .cloop, .bochs and .dmg."""
import pathlib
import plistlib
import random
import struct
import sys
import zlib

TOP = pathlib.Path(sys.argv[1])
SIZE = 1 << 20
DISK = b"goal " * 30000 + bytes(300000) + random.Random(1).randbytes(200000)
DISK += bytes(SIZE - len(DISK))


def cloop():
    block = 65536
    packed = [zlib.compress(DISK[at:at + block]) for at in range(0, SIZE, block)]
    magic = b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount -r -t iso9660 /dev/cloop $1\n"
    at = 136 + 8 * (len(packed) + 1)
    offsets = b""
    for data in packed + [b""]:
        offsets += struct.pack(">Q", at)
        at += len(data)
    return magic.ljust(128, b"\0") + struct.pack(">II", block, len(packed)) + offsets + b"".join(packed)


def bochs():
    bitmap, extent = 512, 1 << 19
    header = b"Bochs Virtual HD Image".ljust(32, b"\0") + b"Redolog".ljust(16, b"\0") + b"Growing".ljust(16, b"\0")
    header += struct.pack("<IIIIIIQ", 0x00020000, 512, 2, bitmap, extent, 0, SIZE)
    catalog = struct.pack("<II", 1, 0)
    body = b"".join(b"\xff" * bitmap + DISK[at:at + extent] for at in (extent, 0))
    return header.ljust(512, b"\0") + catalog + body


def dmg():
    sectors, data, chunks = 128, b"", b""
    for at in range(0, SIZE, 512 * sectors):
        packed = zlib.compress(DISK[at:at + 512 * sectors])
        chunks += struct.pack(">IIQQQQ", 0x80000005, 0, at // 512, sectors, len(data), len(packed))
        data += packed
    chunks += struct.pack(">IIQQQQ", 0xffffffff, 0, SIZE // 512, 0, len(data), 0)
    mish = (struct.pack(">4sIQQQ", b"mish", 1, 0, SIZE // 512, 0).ljust(200, b"\0") +
            struct.pack(">I", len(chunks) // 40) + chunks)
    plist = plistlib.dumps({"resource-fork": {"blkx": [{"Data": mish, "ID": "0", "Name": "disk"}]}})
    koly = bytearray(512)
    struct.pack_into(">4sII", koly, 0, b"koly", 4, 512)
    struct.pack_into(">QQ", koly, 0x18, 0, len(data))
    struct.pack_into(">QQ", koly, 0xd8, len(data), len(plist))
    struct.pack_into(">Q", koly, 0x1ec, SIZE // 512)
    return data + plist + koly


(TOP / "hand.raw").write_bytes(DISK)
for make in (cloop, bochs, dmg):
    (TOP / f"hand.{make.__name__}").write_bytes(make())
