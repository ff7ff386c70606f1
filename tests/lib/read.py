# SPDX-License-Identifier: GPL-2.0-or-later
"""read.py HOW FILE: writes the file's bytes to standard output, read in some unusual way.

mmap       through a shared read-only mapping
sendfile   sendfile(2)
splice     through a pipe
backwards  odd sizes from the end to the start (standard output must be a file)
holes      SEEK_HOLE/SEEK_DATA: what is said to be a hole must read as zeros; writes the data bytes alone
random     N reads of 4 KiB at scattered offsets, the same at every call; writes them all
"""
import mmap
import os
import random
import sys

MIB = 1 << 20
ZEROS = bytes(4 * MIB)


def by_mmap(fd, size, out):
    with mmap.mmap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ) as m:
        for start in range(0, size, MIB):
            os.write(out, m[start:start + MIB])


def by_sendfile(fd, size, out):
    sent = 0
    while sent < size:
        n = os.sendfile(out, fd, sent, size - sent)
        if n == 0:
            sys.exit(f"sendfile ends at {sent} of {size}")
        sent += n


def by_splice(fd, size, out):
    r, w = os.pipe()
    done = 0
    while done < size:
        n = os.splice(fd, w, 65536) if hasattr(os, "splice") else os.sendfile(w, fd, done, 65536)
        if n == 0:
            sys.exit(f"splice ends at {done} of {size}")
        left = n
        while left:
            left -= os.write(out, os.read(r, left))
        done += n


def backwards(fd, size, out):
    end, step = size, 1000003
    while end:
        start = max(0, end - step)
        os.pwrite(out, os.pread(fd, end - start, start), start)
        end = start


def next_data(fd, at, size):
    try:
        return os.lseek(fd, at, os.SEEK_DATA)
    except OSError:
        return size


def holes(fd, size, out):
    at = 0
    n_holes = 0
    while at < size:
        data = next_data(fd, at, size)
        if data < at:
            sys.exit(f"SEEK_DATA from {at} went back to {data}")
        n_holes += data > at
        while at < data:
            piece = os.pread(fd, min(len(ZEROS), data - at), at)
            if piece != ZEROS[:len(piece)]:
                sys.exit(f"the hole at {at} is not zero")
            at += len(piece)
        if at == size:
            break
        hole = os.lseek(fd, at, os.SEEK_HOLE)
        # What was data while nobody knew better may be decoded, and known to be zero, since then.
        if hole == at and at < next_data(fd, at, size):
            continue
        if not at < hole <= size:
            sys.exit(f"SEEK_HOLE from data at {at} gave {hole}, size {size}")
        while at < hole:
            piece = os.pread(fd, min(MIB, hole - at), at)
            os.write(out, piece)
            at += len(piece)
    print(n_holes, "holes", file=sys.stderr)


def scattered(fd, size, out, count=200):
    order = random.Random(1)
    for _ in range(count):
        at = order.randrange(0, size)
        os.write(out, os.pread(fd, 4096, at))


HOW = {"mmap": by_mmap, "sendfile": by_sendfile, "splice": by_splice, "backwards": backwards, "holes": holes,
       "random": scattered}

if __name__ == "__main__":
    fd = os.open(sys.argv[2], os.O_RDONLY)
    HOW[sys.argv[1]](fd, os.fstat(fd).st_size, 1)
