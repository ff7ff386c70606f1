# SPDX-License-Identifier: GPL-2.0-or-later
"""What the rest of the sweep does again and again: dice, foreign tools, loop devices, copies with holes."""
import contextlib
import hashlib
import os
import pathlib
import random
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "tests/lib"))
from pieces import data_runs  # noqa: E402 (known only now)

MIB, GIB = 1 << 20, 1 << 30
PATIENCE = 600  # seconds; a tool that takes longer hangs


class Wrong(Exception):
    """A judge has found fault. Says which, in its own words."""


class Skipped(Exception):
    """Such a disk can't be made: mkfs doesn't like its options, the kernel or a checker not what it made."""


class Dice(random.Random):
    """Thrown by name: what one part of a case draws doesn't change what the others draw."""

    def __init__(self, seed, name):
        super().__init__(f"{seed} {name}")

    def maybe(self, probability):
        return self.random() < probability


def tool(*command, error=Wrong, stdin=None):
    """What it prints, on both streams. `error` is raised with that when it fails."""
    command = [str(c) for c in command]
    try:
        done = subprocess.run(command, input=stdin or "", stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              encoding="utf-8", errors="replace", timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired as e:
        raise Wrong(f"{' '.join(command)} has not ended after {PATIENCE} s") from e
    if done.returncode:
        words = done.stdout if len(done.stdout) < 3000 else f"{done.stdout[:1000]}\n...\n{done.stdout[-2000:]}"
        raise error(f"{' '.join(command)} ended with {done.returncode}:\n{words.strip()}")
    return done.stdout


def until(done, sentence, seconds=30):
    """Others look at what is new, too, and letting go of it may take a moment."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise Wrong(sentence)
        time.sleep(0.05)


def succeeds(*command):
    """Whether it does, where failing is no fault."""
    return subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, check=False).returncode == 0


@contextlib.contextmanager
def loop(path, start=0, length=None, writable=False):
    """A device that ends where the piece of the file ends."""
    limit = () if length is None else ("--sizelimit", length)
    read_only = () if writable else ("--read-only",)
    device = tool("losetup", "--find", "--show", "--offset", start, *limit, *read_only, path).strip()
    try:
        yield device
    finally:
        tool("losetup", "--detach", device)


@contextlib.contextmanager
def mounted(device, point, *options, error=Wrong):
    """At that point, by mount(8), until the block ends."""
    point.mkdir(exist_ok=True)
    tool("mount", *options, device, point, error=error)
    try:
        yield point
    finally:
        until(lambda: succeeds("umount", point), f"'{point}' can't be unmounted")


def undo_all(top):
    """Mounts and loop devices of what is below that directory, found by it: an interrupt leaves no list."""
    lines = pathlib.Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    for point, kind in reversed([line.split()[1:3] for line in lines]):
        if point.startswith(f"{top}/"):
            succeeds(*(("fusermount3", "-uz") if kind.startswith("fuse") else ("umount", "--lazy")), point)
    for line in tool("losetup", "--noheadings", "--raw", "--list", "--output", "NAME,BACK-FILE").splitlines():
        device, _, file = line.partition(" ")
        if file.startswith(f"{top}/"):
            succeeds("losetup", "--detach", device)


def empty_file(path, size):
    path.unlink(missing_ok=True)
    with open(path, "wb") as f:
        f.truncate(size)
    return path


def copy_piece(source, start, length, target, at=0):
    """Into a file that exists. Neither holes nor zeros are written over what that has."""
    with open(source, "rb", buffering=0) as f, open(target, "r+b") as out:
        for run, count in data_runs(f.fileno(), start, start + length):
            chunk = os.pread(f.fileno(), count, run)
            if len(chunk) != count:
                raise Wrong(f"'{source}' ends early, at {run + len(chunk)}")
            if chunk.count(0) != count:
                out.seek(at + run - start)
                out.write(chunk)


def digest(path, start=0, length=None, holes=True):
    """Of the bytes alone: a hole is as good as zeros. Without `holes` they are read like everything else."""
    size = os.stat(path).st_size - start if length is None else length
    found, chunks = hashlib.sha256(b"%d" % size), set()
    with open(path, "rb", buffering=0) as f:
        for run, count in data_runs(f.fileno(), start, start + size) if holes else ((start, size),):
            chunks.update(range((run - start) // MIB, (run - start + count - 1) // MIB + 1))
        for n in sorted(chunks):
            chunk = os.pread(f.fileno(), min(MIB, size - n * MIB), start + n * MIB)
            if chunk.count(0) != len(chunk):
                found.update(b"%d " % n + chunk)
    return found.hexdigest()


def only_zeros_differ(plain, sparse):
    """What @sparse may do: every byte is the other's, or zero."""
    with open(plain, "rb", buffering=0) as a, open(sparse, "rb", buffering=0) as b:
        for run, count in data_runs(b.fileno(), 0, os.stat(sparse).st_size):
            chunk, was = os.pread(b.fileno(), count, run), os.pread(a.fileno(), count, run)
            # Pages at a time: most of a chunk is one or the other.
            for at in range(0, len(chunk) if chunk != was else 0, 4096):
                page, page_was = chunk[at:at + 4096], was[at:at + 4096]
                if page != page_was and any(x not in (0, y) for x, y in zip(page, page_was)):
                    raise Wrong(f"@sparse changed a byte near {run + at} to another than zero")
