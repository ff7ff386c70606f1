#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""vhdi-compare FILE RAW KIND

Judges a vhd or vhdx file by libvhdi (the package of its binding: tests/packages): it is
of this KIND, fixed or dynamic, and has the size and the bytes of RAW, rounded up to a
sector. Without arguments: whether libvhdi is there.
"""
import os
import sys

import pyvhdi

PIECE = 1 << 20
KINDS = {"fixed": 2, "dynamic": 3}  # the specification's numbers of vhd; libvhdi has them for vhdx, too


def main(name, raw, kind):
    judged = pyvhdi.file()
    judged.open(name)
    size = judged.get_media_size()
    want = -(-os.path.getsize(raw) // 512) * 512
    if size != want:
        sys.exit(f"{name}: size {size}, not {want}")
    if judged.get_disk_type() != KINDS[kind]:
        sys.exit(f"{name}: type {judged.get_disk_type()}, which is not {kind}")
    with open(raw, "rb") as file:
        for at in range(0, size, PIECE):
            count = min(PIECE, size - at)
            if judged.read_buffer_at_offset(count, at) != file.read(PIECE).ljust(count, b"\0"):
                sys.exit(f"{name}: other bytes than {raw} in the MiB at {at}")


if sys.argv[1:]:
    main(*sys.argv[1:])
