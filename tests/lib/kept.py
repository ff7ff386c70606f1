#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""kept.py TEMPLATE GROWN NUMBER: nothing but the size of partition NUMBER has changed.

Of the grown disk: the table's kind and id, the boot code, the gap before the first partition, and each
partition's number, type, GUID, name, flags; what blkid finds in each; that those before NUMBER in disk order stand
where they stood and those behind it have moved up together; and every byte of each other one, but for the
place on the disk that the boot sectors of NTFS and FAT tell when they have moved. The last one ends where the disk does.
"""
import json
import os
import subprocess
import sys

from pieces import data_runs

BLKID = ("TYPE", "UUID", "LABEL", "UUID_SUB", "VERSION")
EXTENDED = ("5", "f", "85")
HIDDEN = range(0x1c, 0x20)


def output_of(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def partitions(table, file):
    ret = {}
    for p in table["partitions"]:
        number = int(p["node"].removeprefix(file))
        about = {key: p[key] for key in ("type", "uuid", "name", "attrs", "bootable") if key in p}
        start, size = p["start"] * 512, p["size"] * 512
        if p["type"] not in EXTENDED:
            found = output_of("blkid", "-p", "-o", "export", "-O", str(start), "-S", str(size), file)
            about.update(line.split("=", 1) for line in found.splitlines() if line.split("=")[0] in BLKID)
        ret[number] = (about, start, size)
    return ret


def boot_sectors(number, about, size):
    """Where an NTFS or FAT says what stands in front of it."""
    if about.get("TYPE") == "ntfs":
        return (0, size - 512)
    return (0, 6 * 512) if about.get("TYPE") == "vfat" else ()


def same_content(number, old, new, files):
    about, start, size = old
    sectors = boot_sectors(number, about, size) if new[1] != start else ()
    may_differ = {sector + n for sector in sectors for n in HIDDEN}
    for which, begin in ((0, start), (1, new[1])):
        for run, count in data_runs(files[which], begin, begin + size):
            at = run - begin
            pair = [os.pread(fd, count, first + at) for fd, first in zip(files, (start, new[1]))]
            if pair[0] != pair[1]:
                bad = [at + n for n, (a, b) in enumerate(zip(*pair)) if a != b and at + n not in may_differ]
                assert not bad, f"partition {number} differs at byte {bad[0]}"


def same_range(fds, start, end, sentence):
    old, new = (os.pread(fd, end - start, start) for fd in fds)
    assert old == new, sentence


def check_place(number, old, new, grown, shifts):
    if old[0]["type"] in EXTENDED:
        return
    if old[1] <= grown[1]:
        assert new[1] == old[1], f"partition {number} has moved"
    else:
        shifts.add(new[1] - old[1])
    if number != grown[0]:
        assert new[2] == old[2], f"partition {number} has another size"


def main():
    names, number = sys.argv[1:3], int(sys.argv[3])
    tables = [json.loads(output_of("sfdisk", "--json", name))["partitiontable"] for name in names]
    for key in ("label", "id", "sectorsize"):
        assert tables[0][key] == tables[1][key], key
    old, new = (partitions(table, name) for table, name in zip(tables, names))
    assert list(old) == list(new), "other numbers"
    shifts = set()
    fds = [os.open(name, os.O_RDONLY) for name in names]
    same_range(fds, 0, 446, "the boot code differs")
    same_range(fds, 512 if tables[0]["label"] == "dos" else 34 * 512, min(p[1] for p in old.values()),
               "what stands in front of the first partition differs")
    for n, p in old.items():
        assert p[0] == new[n][0], f"partition {n}: {p[0]} has become {new[n][0]}"
        check_place(n, p, new[n], (number, old[number][1]), shifts)
        if n != number and p[0]["type"] not in EXTENDED:
            same_content(n, p, new[n], fds)
    assert len(shifts) < 2, f"what is behind it moved by {shifts}"
    assert new[number][2] >= old[number][2], "the partition has shrunk"
    end = max(p[1] + p[2] for p in new.values())
    assert end > os.stat(names[1]).st_size - (2 << 20), f"the partitions end at {end}, that is too early"
    if shifts:
        assert new[number][2] - old[number][2] <= shifts.pop() + (1 << 20), "they overlap"


main()
