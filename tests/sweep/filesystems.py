# SPDX-License-Identifier: GPL-2.0-or-later
"""Filesystems of random shapes: how each is made and filled, who judges it, how much room it may leave."""
import os
import re
import shutil

import files
from tools import GIB, MIB, Skipped, Wrong, copy_piece, digest, empty_file, loop, mounted, succeeds, tool

# What mkfs is told, with how often, and one of which values. Not all go together: such a case is skipped.
EXT_OPTIONS = {"-I": (.3, (128, 256, 512, 1024)), "-i": (.3, (4096, 8192, 65536, MIB)),
               "-m": (.2, (0, 1, 20, 49.9)), "-g": (.3, (256, 512, 1024, 2048, 4096, 8000, 8192, 1064)),
               "-G": (.15, (1, 2, 4, 8, 32, 128, 1024)), "-J": (.1, ("size=4", "size=8"))}
EXT_EXTENDED = {"num_backup_sb": (.15, (0, 1, 2)), "stride=16,stripe_width": (.2, (16, 64, 96)),
                "lazy_itable_init": (.3, (0, 1)), "packed_meta_blocks": (.1, (1,))}
EXT_FEATURES = {"^resize_inode": .2, "^dir_index": .1, "^sparse_super,^resize_inode": .1,
                "meta_bg,^resize_inode": .1, "sparse_super2": .1}
EXT4_FEATURES = {"^flex_bg": .2, "^metadata_csum": .2, "uninit_bg,^metadata_csum": .1, "^has_journal": .1,
                 "^64bit": .3, "^huge_file": .1, "^extra_isize": .1, "inline_data": .15, "large_dir": .1,
                 "ea_inode": .1, "orphan_file": .1, "metadata_csum_seed": .1}
XFS_META = {"reflink": (.5, (0, 1)), "rmapbt": (.5, (0, 1)), "bigtime": (.5, (0, 1)),
            "finobt=0,inobtcount": (.3, (0,))}
XFS_INODE = {"size": (.3, (512, 512, 1024, 2048)), "maxpct": (.2, (1, 5, 25, 100)), "nrext64": (.2, (1,))}
XFS_DATA = {"agcount": (.3, (2, 3, 5, 8)), "sw=2,su": (.2, (4096, 16384, 65536))}
XFS_LOG = {"su": (.2, (32768, 65536, 262144)), "size": (.2, ("8m", "10m", "20m"))}
BTRFS_OPTIONS = {"-n": (.5, (4096, 8192, 16384, 32768)), "-m": (.5, ("single", "dup")),
                 "-d": (.2, ("single", "dup")), "--csum": (.5, ("xxhash", "sha256", "blake2")),
                 "-O": (.3, ("^no-holes", "^extref")), "-R": (.3, ("^free-space-tree", "quota"))}
FAT_OPTIONS = {"-s": (.5, (1, 2, 4, 8, 32)), "-f": (.3, (1, 2)), "-R": (.3, (32, 33, 100, 6000)),
               "-h": (.3, (63, 2048)), "-S": (.4, (512, 1024, 2048, 4096))}


class Filesystem:
    """A content of `size` bytes in a file of its own; `case` lends dice and a directory."""
    mount_type = ()
    least = 5 * MIB  # what mkfs can do with
    may_be_unclean = False  # when it has a log, which growth replays
    is_mountable = True

    def __init__(self, case, size):
        self.case, self.dice, self.size, self.files = case, case.dice("filesystem"), size, {}
        self.is_unclean = False

    def drawn(self, table):
        """Option and value, one behind the other."""
        return [word for option, (often, values) in table.items() if self.dice.maybe(often)
                for word in (option, self.dice.choice(values))]

    def pairs(self, table):
        words = self.drawn(table)
        return [f"{key}={value}" for key, value in zip(words[::2], words[1::2])]

    def smaller(self, block):
        """Its size in bytes: sometimes not all of what it stands in."""
        share = self.dice.choice((block, 7 * block, 100 * block, self.size // 10, self.size // 3))
        return (self.size - (share if self.dice.maybe(.3) else 0)) // block * block

    def make(self, path):
        self.case.made_by = [str(c) for c in self.command(path)]
        tool(*self.case.made_by, error=Skipped)
        os.truncate(path, self.size)
        self.put_files(path)
        try:
            with loop(path) as device:
                if not self.is_unclean:
                    self.check(device)
        except Wrong as e:  # from the start, which proves nothing
            raise Skipped(f"the template is no good: {e}") from e

    def mounted(self, device, *options, error=Wrong):
        return mounted(device, self.case.top / "mnt-content", *self.mount_type, *options, error=error)

    def put_files(self, path):
        if not self.is_mountable:
            return
        self.is_unclean = self.dice.maybe(.1) and self.may_be_unclean
        snapshot = empty_file(self.case.top / "snapshot", self.size)
        with loop(path, writable=True) as device, self.mounted(device, error=Skipped) as top:
            room = os.statvfs(top)
            share = self.dice.choice((.02, .1, .3, .8))
            files.fill(top, self.dice, min(int(room.f_bavail * room.f_frsize * share), 40 * MIB))
            self.change(top, device)
            tool("sync", "-f", top)
            self.files = files.all_files(top)
            if self.is_unclean:
                copy_piece(path, 0, self.size, snapshot)
        if self.is_unclean:
            os.replace(snapshot, path)

    def change(self, top, device):
        """What the tools of that kind do to a mounted one."""

    def judge(self, device, room):
        """It is sound, stays in its room, and has its files. Returns how much of the room it leaves out."""
        self.check(device)
        size = self.bytes(device)
        if size > room:
            raise Wrong(f"the filesystem has {size} bytes on {room}")
        self.judge_files(device)
        return room - size

    def judge_files(self, device):
        if self.is_mountable:
            with self.mounted(device, "-o", "ro") as top:
                files.assert_same(self.files, files.all_files(top), "mounted")

    def use(self, device, room):
        """The kernel writes to it, sometimes until it is full; all is there afterwards."""
        if not self.is_mountable:
            return
        fill_up = room < GIB // 2 and self.dice.maybe(.5)
        with self.mounted(device) as top:
            self.judge_mounted(top)
            written = files.use_room(top, self.dice, room if fill_up else min(room // 8, 32 * MIB))
            if not fill_up:  # in all its groups, and at once
                succeeds("fallocate", "-l", room // 2, top / f"{files.NEW}room")
        with self.mounted(device, "-o", "ro") as top:
            files.assert_same(self.files, files.all_files(top), "mounted again")
            files.assert_same(written, {name: files.about(top / name) for name in written}, "what was written")

    def judge_mounted(self, top):
        """By what needs it mounted."""


class Ext(Filesystem):
    mount_type = ("-t", "ext4", "-o", "noinit_itable")  # nothing is written while it is copied
    rest = 12 * MIB  # a group that has only its tables is none

    def command(self, path):
        dice = self.dice
        kind = dice.choice(("ext2", "ext3", "ext4", "ext4", "ext4"))
        block = dice.choice((1024, 2048, 4096, 4096))
        known = {**EXT_FEATURES, **(EXT4_FEATURES if kind == "ext4" else {})}
        features = [feature for feature, often in known.items() if dice.maybe(often)]
        self.may_be_unclean = kind != "ext2" and "^has_journal" not in features
        extended = ["nodiscard", *self.pairs(EXT_EXTENDED)]
        if dice.maybe(.25) and "^resize_inode" not in ",".join(features):
            extended.append(f"resize={self.size // block * dice.choice((2, 3, 10, 100, 2000))}")
        return ["mke2fs", "-q", "-F", "-t", kind, "-b", block, "-L", "root", *self.drawn(EXT_OPTIONS),
                *(["-O", ",".join(features)] if features else []), "-E", ",".join(extended), path,
                self.smaller(block) // block]

    def change(self, top, device):
        if self.dice.maybe(.15):
            succeeds("resize2fs", device)

    def check(self, device):
        words = tool("e2fsck", "-fn", device)
        if "? no" in words:  # wrong counts in the superblock it calls no error
            raise Wrong(f"e2fsck: {words}")

    def bytes(self, device):
        facts = dict(re.findall(r"^(Block count|Block size): *(\d+)", tool("dumpe2fs", "-h", device), re.M))
        return int(facts["Block count"]) * int(facts["Block size"])


class Xfs(Filesystem):
    least = 34 * MIB
    rest = 5 * MIB  # the smallest group has 64 blocks, and what xfs_repair reads of one

    def command(self, path):
        self.is_mountable = self.dice.maybe(.85)  # kernels no longer take the format without checksums
        block = self.dice.choice((1024, 2048, 4096, 4096, 65536) if self.is_mountable else (512, 1024, 4096))
        options = {"-m": [f"crc={self.is_mountable:d}", *(self.pairs(XFS_META) if self.is_mountable else [])],
                   "-d": [f"size={self.smaller(block)}", *self.pairs(XFS_DATA)], "-l": self.pairs(XFS_LOG),
                   "-i": self.pairs(XFS_INODE),
                   "-s": [f"size={min(block, self.dice.choice((512, 512, 4096)))}"]}
        more = [word for option, values in options.items() if values for word in (option, ",".join(values))]
        return ["env", "TEST_DIR=/", "TEST_DEV=/", "QA_CHECK_FS=1",  # small ones as well
                "mkfs.xfs", "-q", "-f", "-K", "-L", "root", "-b", f"size={block}", *more, path]

    def change(self, top, device):
        if self.dice.maybe(.4):
            succeeds("xfs_growfs", top)

    def check(self, device):
        tool("xfs_repair", "-n", "-o", "force_geometry", device)  # of a single group, too

    def geometry(self, device, group):
        words = tool("xfs_db", "-r", "-c", f"sb {group}", "-c", "print dblocks blocksize agcount agblocks",
                     device)
        return [int(n) for n in re.findall(r"= (\d+)", words)]

    def bytes(self, device):
        first = self.geometry(device, 0)
        last = self.geometry(device, first[2] - 1)
        if first != last:
            raise Wrong(f"xfs_db: the first superblock has {first}, the last group's {last}")
        return first[0] * first[1]


class Btrfs(Filesystem):
    least = 130 * MIB
    may_be_unclean = True
    rest = MIB

    def __init__(self, case, size):
        super().__init__(case, size)
        self.options = self.dice.choice(("rw", "rw", "space_cache=v2", "compress-force=zstd"))

    def command(self, path):
        is_mixed = self.dice.maybe(.15)
        more = ["--mixed", "-m", "single", "-d", "single"] if is_mixed else self.drawn(BTRFS_OPTIONS)
        return ["mkfs.btrfs", "-q", "-f", "-K", "-L", "root", *more, "-b", self.smaller(4096), path]

    def mounted(self, device, *options, error=Wrong):
        # The kernel remembers what it has seen, and takes a copy for the same one.
        succeeds("btrfs", "device", "scan", "--forget")
        return super().mounted(device, *(options or ("-o", self.options)), error=error)

    def change(self, top, device):
        if self.dice.maybe(.3):
            tool("btrfs", "subvolume", "snapshot", "-r", top, top / "snapshot")
        if self.dice.maybe(.3):
            succeeds("btrfs", "filesystem", "resize", "max", top)
        if self.dice.maybe(.3):
            succeeds("btrfs", "balance", "start", "--full-balance", top)

    def check(self, device):
        words = tool("btrfs", "check", "--readonly", device)
        if re.search("ERROR|corrupt|mismatch", words):
            raise Wrong(f"btrfs check: {words}")

    def bytes(self, device):
        words = tool("btrfs", "inspect-internal", "dump-super", "--all", device)
        sizes = set(re.findall(r"^(?:dev_item\.)?total_bytes\s+(\d+)", words, re.M))
        if len(sizes) != 1 or "DON'T MATCH" in words:
            raise Wrong(f"btrfs: its superblocks tell {sizes}: {words}")
        return int(sizes.pop())

    def judge_mounted(self, top):
        words = tool("btrfs", "scrub", "start", "-B", top)
        if "no errors found" not in words:
            raise Wrong(f"btrfs scrub: {words}")


class Ntfs(Filesystem):
    mount_type = ("-t", "ntfs-3g")
    rest = MIB

    def command(self, path):
        sector = self.dice.choice((512, 512, 512, 1024, 4096))
        cluster = max(sector, self.dice.choice((512, 1024, 2048, 4096, 4096, 4096, 8192, 16384, 65536)))
        return ["mkntfs", "-F", "-Q", "-L", "root", "-s", sector, "-c", cluster,
                "-p", self.dice.choice((0, 63, 2048)), "-H", 255, "-S", 63,
                *self.drawn({"-z": (.2, (1, 2, 3, 4))}), path]

    def facts(self, device):
        """ntfsresize looks at all of it; a volume that is full it can't shrink, which nobody wants."""
        try:
            return tool("ntfsresize", "--info", "--force", "--force", "--no-progress-bar", device)
        except Wrong as e:
            if "ERROR: Volume is full" not in str(e):
                raise
            return str(e).replace("ERROR: Volume is full", "")

    def check(self, device):
        words = self.facts(device)
        if re.search("error|inconsisten|mismatch|corrupt", words, re.I):
            raise Wrong(f"ntfsresize: {words}")
        tool("ntfsfix", "--no-action", device)

    def bytes(self, device):
        return int(re.search(r"^Current volume size: (\d+)", self.facts(device), re.M).group(1))


class Fat(Filesystem):
    """Filled and read by mtools: it has neither links nor holes."""
    least = 3 * MIB
    rest = 2 * MIB

    def command(self, path):
        return ["mkfs.vfat", "-F", self.dice.choice((16, 32, 32, 32, 32, 32)), "-n", "ROOT",
                *self.drawn(FAT_OPTIONS), path]

    def put_files(self, path):
        tree = self.case.top / "tree"
        tree.mkdir()
        files.fill(tree, self.dice, min(40 * MIB, self.size // 3), links=False)
        for name in sorted(os.listdir(tree)):
            succeeds("mcopy", "-i", path, "-s", "-Q", tree / name, "::")
            if self.dice.maybe(.2):
                succeeds("mdeltree", "-i", path, f"::{name}")
        self.files = self.read(path)

    def read(self, path):
        out = self.case.top / "out"
        out.mkdir()
        succeeds("mcopy", "-i", path, "-s", "-n", "::*", out)  # fails on one that is empty
        found = files.all_files(out)
        shutil.rmtree(out)
        return found

    def judge_files(self, device):
        files.assert_same(self.files, self.read(device), "mtools")

    def use(self, device, room):
        new, back = self.case.top / f"{files.NEW}file", self.case.top / "back"
        new.write_bytes(self.dice.randbytes(max(MIB, min(room // 2, 64 * MIB))))
        if succeeds("mcopy", "-i", device, new, "::"):
            tool("mcopy", "-n", "-i", device, f"::{new.name}", back)
            if digest(new) != digest(back):
                raise Wrong("mtools: what was written is something else")
        self.judge_files(device)

    def check(self, device):
        words = tool("fsck.vfat", "-n", device)
        if re.search("differ|wrong", words):
            raise Wrong(f"fsck.vfat: {words}")

    def bytes(self, device):
        with open(device, "rb") as f:
            boot = f.read(512)
        sectors = int.from_bytes(boot[19:21], "little") or int.from_bytes(boot[32:36], "little")
        return sectors * int.from_bytes(boot[11:13], "little")


class Swap(Filesystem):
    least = 2 * MIB
    rest = 65536
    is_mountable = False

    def command(self, path):
        return ["mkswap", "-L", "swap", "-p", self.dice.choice((4096, 4096, 8192, 65536)), path]

    def check(self, device):
        if tool("blkid", "-p", "-s", "TYPE", "-o", "value", device).strip() != "swap":
            raise Wrong("blkid finds no swap")

    def bytes(self, device):
        with open(device, "rb") as f:
            head = f.read(65536)
        page = next(page for page in (4096, 8192, 65536) if head[page - 10:page] == b"SWAPSPACE2")
        return (int.from_bytes(head[1028:1032], "little") + 1) * page


KINDS = {"ext": Ext, "xfs": Xfs, "btrfs": Btrfs, "ntfs": Ntfs, "fat": Fat, "swap": Swap}
HOW_OFTEN = {"ext": 40, "xfs": 22, "btrfs": 18, "ntfs": 12, "fat": 8, "swap": 3}
