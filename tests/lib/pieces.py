#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""pieces.py DISK START COPY [AT]: copies pieces of a disk behind each other, holes as holes.

Standard input has "OFFSET LENGTH" of each piece in a line, the offset counted from START. With AT they are put there,
in a file that exists; zeros are not written over what it has.
"""
import errno
import os
import sys

CHUNK = 1 << 20


def data_runs(fd, start, end):
    """What is not a hole, in pieces of a chunk at most."""
    while start < end:
        try:
            start = os.lseek(fd, start, os.SEEK_DATA)
        except OSError as e:
            if e.errno == errno.ENXIO:
                return
            raise
        stop = min(os.lseek(fd, start, os.SEEK_HOLE), end)
        while start < stop:
            length = min(CHUNK, stop - start)
            yield start, length
            start += length


def main():
    disk, start, copy = sys.argv[1:4]
    fd, at = os.open(disk, os.O_RDONLY), int(sys.argv[4]) if len(sys.argv) > 4 else 0
    with open(copy, "r+b" if len(sys.argv) > 4 else "wb") as out:
        for line in sys.stdin:
            offset, length = map(int, line.split())
            offset += int(start)
            for run, count in data_runs(fd, offset, offset + length):
                chunk = os.pread(fd, count, run)
                assert len(chunk) == count, f"{disk} ends early"
                if chunk.count(0) != count:
                    out.seek(at + run - offset)
                    out.write(chunk)
            at += length
        if len(sys.argv) == 4:
            out.truncate(at)


if __name__ == "__main__":
    main()
