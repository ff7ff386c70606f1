# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a filesystem stands: partition tables, neighbours on both sides, volumes of LVM; and their judges."""
import contextlib
import json
import os
import re
import sys

from tools import MIB, TOP, Wrong, copy_piece, empty_file, loop, tool

TABLES = {"none": 15, "gpt": 40, "mbr": 25, "logical": 20}  # and how often
EXTENDED = ("5", "f", "85")
# Types of partitions, in a GPT and in an MBR.
LINUX = ("0FC63DAF-8483-4772-8E79-3D69D8477DE4", "83")
MICROSOFT = ("EBD0A0A2-B9E5-4433-87C0-68B6B72699C7", "7")
SWAP = ("0657FD6D-A4AB-43C4-84E5-0933C84B4F4F", "82")
TYPES = {"boot": LINUX, "esp": ("C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "ef"), "page": SWAP,
         "recovery": ("DE94BBA4-06D1-4D40-A16A-BFD50179D6AC", "27"),
         "junk": ("21686148-6449-6E6F-744E-656564454649", "da"),
         "ext": LINUX, "xfs": LINUX, "btrfs": LINUX, "ntfs": MICROSOFT, "fat": MICROSOFT, "swap": SWAP,
         "lvm": ("E6D6D379-F507-44C2-A23C-238F2A3DF928", "8e")}
NEIGHBOURS = {"boot": 24, "esp": 34, "page": 16, "recovery": 20, "junk": 1}  # MiB
MOVABLE = [what for what in NEIGHBOURS if what != "junk"]


def partitions(path, with_extended=True):
    """Start and length in bytes, by number."""
    table = json.loads(tool("sfdisk", "--json", path))["partitiontable"]
    return {int(re.search(r"\d+$", p["node"])[0]): (p["start"] * 512, p["size"] * 512)
            for p in table["partitions"] if with_extended or p["type"] not in EXTENDED}


class Disk:
    """A table of one kind or none, the target among neighbours, and perhaps a volume group in it."""

    def __init__(self, case, kind, has_lvm, size):
        self.case, self.dice, self.what = case, case.dice("disk"), "lvm" if has_lvm else kind
        self.table = self.dice.choices(list(TABLES), TABLES.values())[0]
        self.extent = self.dice.choice((MIB, 4 * MIB, 4 * MIB, MIB // 2)) if has_lvm else 0
        self.size = size // self.extent * self.extent if has_lvm else size  # of the filesystem
        self.number, self.behind, self.rows, self.moved = 0, [], [], set()

    # ---- making one ----

    def make(self, path):
        """The table, what stands beside the target, and the group. The target itself comes by put()."""
        room = self.size + (24 + self.dice.choice((0, 3, 50))) * MIB if self.extent else self.size
        if self.table == "none":
            empty_file(path, room)
        else:
            self.partition(path, self.place(room))
            for what, _, start, length in self.rows:
                if what in NEIGHBOURS:
                    part = self.neighbour(what, empty_file(self.case.top / "part", length), start // 512)
                    copy_piece(part, 0, length, path, start)
        if self.extent:
            with loop(path, *self.piece(path), writable=True) as device:
                self.make_group(device)

    def place(self, room):
        """Draws `rows`: what, number, start, length of each, in the disk's order. Returns the extended one."""
        dice, align = self.dice, self.dice.choice((MIB, MIB, 512, 4096))
        is_logical = self.table == "logical"
        before = dice.choices(list(NEIGHBOURS), k=dice.choice((0, 1) if is_logical else (0, 0, 1, 2)))
        self.behind = dice.choices(MOVABLE, k=dice.choice((0, 0, 0, 1, 1, 2) if len(before) < 2 else (0, 1)))
        names = [*before, self.what, *self.behind]
        # Logical ones are those from `primaries` to `end`; the last partition may stand behind them.
        primaries, end = len(before), len(names) - bool(self.behind and dice.maybe(.4))
        numbers = list(range(1, len(names) + 1))
        if is_logical:
            numbers = [*range(1, primaries + 1), *range(5, 5 + end - primaries), primaries + 2][:len(names)]
        elif self.table == "gpt" and dice.maybe(.4):
            numbers = dice.sample((1, 2, 3, 4, 5, 14, 15, 128), len(names))
        at = dice.choice((2048, 2048, 63, 34, 4103)) * 512
        for n, what in enumerate(names):
            # In front of a logical one stands the record that tells of it.
            at = -(-at // align) * align + (align if is_logical and primaries <= n < end else 0)
            length = room if what == self.what else NEIGHBOURS[what] * MIB + dice.choice((0, 512, 63 * 512))
            self.rows.append((what, numbers[n], at, length // 512 * 512))
            at += length // 512 * 512
        self.number = numbers[primaries]
        if not is_logical:
            return {}
        start = self.rows[primaries][2] - align
        return {primaries + 1: (start, sum(self.rows[end - 1][2:]) - start, dice.choice(EXTENDED))}

    def partition(self, path, extended):
        end = sum(self.rows[-1][2:])
        end += self.dice.choice((0, 0, 3, 40)) * MIB + (34 * 512 if self.table == "gpt" else 0)
        empty_file(path, -(-end // MIB) * MIB if self.dice.maybe(.6) else end)
        which = 0 if self.table == "gpt" else 1
        rows = {number: (start, length, TYPES[what][which]) for what, number, start, length in self.rows}
        rows.update(extended)
        lines = ["label: gpt\nfirst-lba: 34" if self.table == "gpt" else "label: dos"]
        lines += [f"{number} : start={start // 512}, size={length // 512}, type={kind}"
                  for number, (start, length, kind) in sorted(rows.items())]
        tool("sfdisk", "--quiet", "--no-tell-kernel", "--wipe", "never", path, stdin="\n".join(lines) + "\n")

    def neighbour(self, what, part, sector):
        """FAT and NTFS know where they stand, and must be told when they move."""
        file = self.case.top / "FILE"
        file.write_bytes(self.case.dice("FILE").randbytes(70000))
        if what == "boot":
            tool("mke2fs", "-q", "-F", "-t", "ext4", "-L", "boot", part)
            tool("debugfs", "-w", "-R", f"write {file} FILE", part)
        elif what == "esp":
            tool("mkfs.vfat", "-n", "ESP", "-h", sector, part)
            tool("mcopy", "-i", part, file, "::")
        elif what == "page":
            tool("mkswap", "-L", "page", part)
        elif what == "recovery":
            tool("mkntfs", "-F", "-Q", "-L", "Recovery", "-p", sector, "-H", 255, "-S", 63, part)
        else:
            part.write_bytes(self.dice.randbytes(part.stat().st_size))
        return part

    def make_group(self, device):
        """A volume in one piece or two, with others before, between and behind."""
        dice, total = self.dice, self.size // self.extent
        more = ["--dataalignment", dice.choice(("64k", "1m", "4m"))] if dice.maybe(.3) else []
        more += ["--pvmetadatacopies", "2"] if dice.maybe(.2) else []
        self.lvm(device, "pvcreate", *more, device)
        self.lvm(device, "vgcreate", "-s", f"{self.extent}b", "vg", device)
        first = total // 2 if dice.maybe(.4) and total > 4 else total
        names = {"before": 2 * dice.maybe(.5), "root": first, "between": first < total,
                 "behind": dice.maybe(.4)}
        for name, extents in names.items():
            if extents:
                self.lvm(device, "lvcreate", "-an", "-Zn", "-Wn", "-l", int(extents), "-n", name, "vg")
        if first < total:
            self.lvm(device, "lvextend", "-n", "-l", total, "vg/root")

    # ---- reading and judging one ----

    def lvm_sh(self, *words):
        """A function of tests/lib/lvm.sh: no device-mapper, and none of this machine's own groups."""
        return tool("sh", "-c", 'LVM_HOME=$1 && . "$2" && shift 2 && "$@"', "sh", self.case.top / "lvm",
                    TOP / "tests/lib/lvm.sh", *words)

    def lvm(self, device, *command):
        return self.lvm_sh("lvm_tool", device, *command)

    def piece(self, path):
        """Start and length of the target's partition."""
        return partitions(path)[self.number] if self.number else (0, os.stat(path).st_size)

    def segments(self, path):
        """Start and length of each piece of the target, on the disk."""
        start, length = self.piece(path)
        if not self.extent:
            return [(start, length)]
        with loop(path, start, length) as device:
            lines = self.lvm_sh("lv_segments", device, "vg/root").splitlines()
        return [(start + int(at), int(count)) for at, count in (line.split() for line in lines)]

    def put(self, part, path):
        at = 0
        for start, length in self.segments(path):
            tool("fallocate", "--punch-hole", "--offset", start, "--length", length, path)
            copy_piece(part, at, length, path, start)
            at += length

    @contextlib.contextmanager
    def target(self, path, writable=False):
        """A device with the filesystem, and its length. A volume's pieces are joined in a file, `volume`."""
        segments = self.segments(path)
        size = sum(length for _, length in segments)
        if self.extent:
            volume, at = empty_file(self.case.top / "volume", size), 0
            for start, length in segments:
                copy_piece(path, start, length, volume, at)
                at += length
            path, segments = volume, [(0, size)]
        with loop(path, *segments[0], writable=writable) as device:
            yield device, size

    def judge(self, template, grown, is_sparse=False):
        """All around the filesystem: tables, neighbours, the group; and that no room was left to nobody."""
        if self.table != "none":
            self.judge_table(template, grown)
            self.judge_neighbours(grown)
            if not is_sparse:
                tool(sys.executable, "-B", TOP / "tests/lib/kept.py", template, grown, self.number)
        if self.extent and self.piece(grown)[1] > self.piece(template)[1]:
            self.judge_group(grown)

    def judge_table(self, template, grown):
        words = tool("sfdisk", "--verify", grown)
        bad = "corrupt|mismatch|overlap|not in agreement|invalid|does not contain"
        # What sfdisk did not like of the template is not growth's fault.
        if re.search(bad, words, re.I) and not re.search(bad, tool("sfdisk", "--verify", template), re.I):
            raise Wrong(f"sfdisk --verify: {words}")
        if self.table == "gpt" and "No problems found" not in (words := tool("sgdisk", "-v", grown)):
            raise Wrong(f"sgdisk: {words}")

    def judge_neighbours(self, grown):
        """Those with a file: by their own checkers, and by it."""
        file, out, part = (self.case.top / name for name in ("FILE", "OUT", "part"))
        judges = {"boot": (("e2fsck", "-fn", part), ("debugfs", "-R", f"dump FILE {out}", part)),
                  "esp": (("fsck.vfat", "-n", part), ("mcopy", "-n", "-i", part, "::FILE", out))}
        for what, number, start, length in self.rows:
            if partitions(grown)[number][0] != start:
                self.moved.add(what)
            if what in judges:
                copy_piece(grown, *partitions(grown)[number], empty_file(part, length))
                for command in judges[what]:
                    tool(*command)
                if not out.exists() or out.read_bytes() != file.read_bytes():
                    raise Wrong(f"the file in partition {number} ({what}) has changed")
                out.unlink()

    def judge_group(self, grown):
        """LVM reads it, and everything there is belongs to the volume now."""
        with loop(grown, *self.piece(grown)) as device:
            self.lvm(device, "vgck", "vg")
            words = self.lvm(device, "pvs", "--noheadings", "--units", "b", "--nosuffix",
                             "-o", "dev_size,pv_size,pv_free")
        room, has, free = (int(n) for n in words.split())
        if free or room - has > 2 * self.extent + 8 * MIB:
            raise Wrong(f"lvm: of {room} bytes the group has {has}, and {free} of them are free")
