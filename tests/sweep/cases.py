# SPDX-License-Identifier: GPL-2.0-or-later
"""A case: a disk that a seed describes, goals of it, and whether they are right."""
import os
import re
import shutil
import subprocess

import disks
import filesystems
import tools
from tools import GIB, MIB, Dice, Wrong, copy_piece, digest, empty_file, succeeds, tool

WHOLE = GIB  # goals up to this size are read byte by byte once, not only where they have data
FORMATS = {"qcow2": "qcow2", "vmdk": "vmdk", "vdi": "vdi", "vhd": "vpc", "vhdx": "vhdx"}  # QEMU's names


class Refused(Exception):
    """The goal does not exist, and its explanation has a reason."""


class Mount:
    """A daemon over the library, with a store of its own or none; its end must be a good one."""

    def __init__(self, goalfs, top, library, *options):
        self.command, self.point, self.log = (goalfs, "-f", *options, library), top / "mnt", top / "log"

    def __enter__(self):
        self.point.mkdir(exist_ok=True)
        with open(self.log, "a", encoding="utf-8") as log:
            self.daemon = subprocess.Popen((*self.command, self.point), stdin=subprocess.DEVNULL, stdout=log,
                                           stderr=log)
        try:
            tools.until(lambda: os.path.ismount(self.point) or self.daemon.poll() is not None,
                        "goalfs does not mount")
        except BaseException:  # of an interrupt, too
            self.daemon.kill()
            raise
        if self.daemon.poll() is not None:
            raise Wrong(f"goalfs does not mount:\n{self.last_words()}")
        return self.point

    def __exit__(self, *_):
        tools.until(lambda: succeeds("fusermount3", "-u", self.point) or not os.path.ismount(self.point),
                    "the mount is not let go of")
        if self.daemon.wait(tools.PATIENCE):
            raise Wrong(f"goalfs ended with {self.daemon.returncode}:\n{self.last_words()}")

    def last_words(self):
        return self.log.read_text(encoding="utf-8", errors="replace")[-3000:]


def kind_of(seed):
    """Known before anything else is, so that others can be passed over."""
    return Dice(seed, "kind").choices(list(filesystems.HOW_OFTEN), filesystems.HOW_OFTEN.values())[0]


class Case:
    """All of it follows from the seed. `made_by` and `goal` say how far it came."""

    def __init__(self, seed, goalfs, top):
        self.seed, self.goalfs, self.top = seed, goalfs, top
        self.kind, self.made_by, self.goal, self.grown_to, self.has_sparse = kind_of(seed), [], "", [], False
        dice = self.dice("case")
        has_lvm = self.kind in ("ext", "xfs", "btrfs", "swap") and dice.maybe(.2)
        kind = filesystems.KINDS[self.kind]
        size = max(kind.least, dice.choice((kind.least, 40 * MIB, 70 * MIB, 120 * MIB, 300 * MIB)))
        size = int(size * dice.uniform(1, 1.3)) // 512 * 512
        self.disk = disks.Disk(self, self.kind, has_lvm, size // MIB * MIB if dice.maybe(.5) else size)
        self.content = kind(self, self.disk.size)

    def dice(self, name):
        return Dice(self.seed, name)

    def __str__(self):
        about = {"lvm": self.disk.extent, "unclean": self.content.is_unclean, "sparse": self.has_sparse,
                 **{f"{what} moved": True for what in self.disk.moved}}
        words = [self.kind, f"table {self.disk.table}", *(word for word, holds in about.items() if holds)]
        return ", ".join(words + [f"{size / MIB:.1f}M" for size in self.grown_to])

    def run(self):
        """Raises Wrong, Skipped or Refused."""
        dice = self.dice("growth")
        template, again = self.top / "library/t.raw", self.top / "again/t.raw"
        for path in (template, again):
            path.parent.mkdir()
        self.make(template)
        grown = self.grow(template, dice)
        # What was grown and written to is as good a template as any; but NTFS is marked for Windows to check.
        if dice.maybe(.25) and self.grown_to[-1] < 2 * GIB and self.kind != "ntfs":
            os.rename(grown, again)
            self.grow(again, dice)

    def make(self, template):
        self.disk.make(template)
        part = empty_file(self.top / "part", self.disk.size)
        dice = self.dice("junk")
        if dice.maybe(.5):  # it was used before
            with open(part, "r+b") as f:
                for _ in range(dice.choice((3, 20, 60))):
                    f.seek(dice.randrange(self.disk.size - MIB))
                    f.write(dice.randbytes(dice.choice((512, 4096, 65536, MIB))))
        self.content.make(part)
        self.disk.put(part, template)

    # ---- one goal ----

    def growth(self, dice, have):
        kind = dice.random()
        if kind < .25:
            more = dice.choice((512, 4096, 65536, MIB, 2 * MIB, 3 * MIB + 512))
        elif kind < .6:
            more = dice.randrange(1, 600) * MIB + dice.choice((0, 0, 512, 12345 * 512))
        elif kind < .9:
            more = int(have * dice.uniform(.2, 7)) // 512 * 512
        else:
            more = dice.randrange(2, 20) * GIB
        return have + more

    def name_of(self, dice, size):
        """The tags, in any order. Who takes the room is said where it would not be the target."""
        tags = [str(size)]
        if self.disk.number and (self.disk.behind or self.kind in ("fat", "swap") or dice.maybe(.2)):
            tags.append(f"expand={self.disk.number}")
        if self.disk.extent:
            tags.append("lvexpand=vg-root")
        dice.shuffle(tags)
        return "@".join(("t", *tags))

    def grow(self, template, dice):
        """A copy of the grown disk, that was written to."""
        size = self.growth(dice, template.stat().st_size)
        self.grown_to.append(size)
        name = self.name_of(dice, size)
        copy, library = self.top / "copy.raw", template.parent
        with Mount(self.goalfs, self.top, library, "--cache", self.top / "cache") as mnt:
            self.copy_of(mnt, name, size, copy)
            self.judge(template, copy)
            self.judge_neighbouring_goals(mnt, name, copy, dice)
            if dice.maybe(.4):
                sparse, self.has_sparse = self.top / "sparse.raw", True
                self.copy_of(mnt, f"{name}@sparse", size, sparse)
                tools.only_zeros_differ(copy, sparse)
                self.judge(template, sparse, is_sparse=True)
                sparse.unlink()
        self.goal = f"{name}.raw"
        with Mount(self.goalfs, self.top, library, "--no-cache") as mnt:
            if digest(mnt / self.goal, holes=size > WHOLE) != digest(copy):
                raise Wrong("another mount, without a store, serves other bytes")
        with self.disk.target(copy, writable=True) as (device, room):
            self.content.use(device, room)
        if self.disk.extent:
            self.disk.put(self.top / "volume", copy)
        with self.disk.target(copy) as (device, room):
            self.content.check(device)
        shutil.rmtree(self.top / "cache")
        return copy

    def copy_of(self, mnt, name, size, copy):
        self.goal = f"{name}.raw"
        goal = mnt / self.goal
        if not goal.exists():
            explained = (mnt / f"{self.goal}.plan").read_text(encoding="utf-8")
            reason = re.search(r"^refused +(\S.*)$", explained, re.M)
            if not reason:
                raise Wrong(f"it is refused without a reason:\n{explained}")
            raise Refused(reason[1])
        if goal.stat().st_size != size:
            raise Wrong(f"its size is {goal.stat().st_size}, not {size}")
        copy_piece(goal, 0, size, empty_file(copy, size))

    def judge(self, template, copy, is_sparse=False):
        self.disk.judge(template, copy, is_sparse)
        has_grown = self.disk.piece(copy)[1] > self.disk.piece(template)[1]
        if self.content.is_unclean and not has_grown:
            return  # it is as unclean as it was
        with self.disk.target(copy) as (device, room):
            rest = self.content.judge(device, room)
            if has_grown and rest > self.content.rest:
                raise Wrong(f"{rest} bytes behind the grown filesystem are left out")

    def judge_neighbouring_goals(self, mnt, name, copy, dice):
        """The same disk in another format; its partition; its volume."""
        suffix = dice.choice(list(FORMATS))
        self.goal = f"{name}.{suffix}"
        tool("qemu-img", "compare", "-f", "raw", "-F", FORMATS[suffix], copy, mnt / self.goal)
        if self.disk.number:
            everyone = disks.partitions(copy, with_extended=False)
            number = dice.choice(sorted(everyone))
            self.goal = f"{name}@p{number}.raw"
            if digest(mnt / self.goal) != digest(copy, *everyone[number]):
                raise Wrong(f"it is not partition {number} of the grown disk")
        if self.disk.extent:
            self.goal = f"{name}@lv=vg-root.raw"
            with self.disk.target(copy):
                if digest(mnt / self.goal) != digest(self.top / "volume"):
                    raise Wrong("it is not the volume of the grown disk")
