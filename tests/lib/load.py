#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""load.py templates DIR N MIB       templates t-0.xz ... of known bytes, t-0.raw ... beside them
load.py read MNT KNOWN [OPTION...]    readers on the files of MNT that KNOWN holds copies of

    --seconds N     how long (default 10)
    --readers N     at the same time (default 64), dealt out to the files
    --pid N         the daemon: its memory is looked at
    --hup N         and it gets SIGHUP every so many seconds (default 0: never)

A reader opens a file, reads here and there or a long run of it, each byte compared with the copy, closes it and
begins anew. Every other one reads past the kernel's cache, the others drop what it has first, so that all
ask the daemon. Meanwhile one lists the directory, which must show the same names each time, and one
measures what stat of known and of fresh names and open and listing take. Any error, wrong byte or name
ends it with status 1. Prints one line of JSON: reads, bytes, opens, peak_mib (of the daemon's memory that no file
stands behind, as --memory bounds it: RssAnon), and in ms p50, p99 and max of each kind of question.
"""
import argparse
import itertools
import json
import mmap
import multiprocessing
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import threading
import time
import zlib

PIECE = 64 << 10
PROCESSES = 4  # of readers: threads of one interpreter would wait for each other


# ---- templates ----

def content(number, size):
    """Half of it can't be compressed, a quarter can, a quarter is zero; all of it differs from other numbers'."""
    rng = random.Random(number)
    for n in range(size // PIECE):
        kind = n % 4
        if kind == 3:
            yield bytes(PIECE)
        elif kind == 2:
            line = f"template {number}, piece {n}\n".encode()
            yield (line * (PIECE // len(line) + 1))[:PIECE]
        else:
            yield rng.randbytes(PIECE)


def make_templates(top, count, mib):
    for number in range(count):
        raw = top / f"t-{number}.raw"
        with open(raw, "wb") as f:
            for piece in content(number, mib << 20):
                f.write(piece)
        with open(top / f"t-{number}.xz", "wb") as out:
            subprocess.run(("xz", "-0", "-T2", "--block-size=1MiB", "-c", raw), stdout=out, check=True)


# ---- load ----

class Part:
    """What one process does of it: threads that go on until the time is over, or one fails anywhere."""

    def __init__(self, options, until, failed):
        self.options, self.until, self.failed, self.lock = options, until, failed, threading.Lock()
        self.mnt, self.known = pathlib.Path(options.mnt), {}
        self.reads = self.bytes = self.opens = 0
        self.took, self.failures, self.peak_kib = {}, [], 0
        for copy in sorted(pathlib.Path(options.known).iterdir()):
            with open(copy, "rb") as f:
                self.known[copy.name] = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)

    def goes_on(self):
        return time.monotonic() < self.until and not self.failed.is_set()

    def thread(self, work, *args):
        def run():
            try:
                while self.goes_on():
                    work(*args)
            except Exception as e:  # whatever it is, it fails the run
                self.failures.append(f"{work.__name__}{args[:1]}: {e!r}")
                self.failed.set()
        return threading.Thread(target=run)

    # Readers.

    def compare(self, name, fd, buf, offset):
        known = self.known[name]
        want = min(len(buf), len(known) - offset)
        got = os.preadv(fd, [buf], offset)
        if got != want or memoryview(buf)[:got] != memoryview(known)[offset:offset + got]:
            raise ValueError(f"{name}: {got} bytes at {offset} are not the {want} that were there before")
        with self.lock:
            self.reads += 1
            self.bytes += got

    def read_once(self, number):
        name = sorted(self.known)[number % len(self.known)]
        rng = random.Random(zlib.crc32(f"{number} {time.monotonic()}".encode()))
        fd = os.open(self.mnt / name, os.O_RDONLY | (os.O_DIRECT if number // len(self.known) % 2 else 0))
        try:
            with self.lock:
                self.opens += 1
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            size = len(self.known[name])
            buf = mmap.mmap(-1, rng.choice((4, 64, 256, 1024)) << 10)
            run = rng.choice((False, True))
            offset = rng.randrange(size) & ~4095
            for _ in range(16):
                if not self.goes_on():
                    break
                self.compare(name, fd, buf, offset)
                offset = offset + len(buf) if run else rng.randrange(size) & ~4095
                if offset >= size:
                    break
        finally:
            os.close(fd)

    # Questions.

    def ask(self, kind, question, *args):
        start = time.perf_counter()
        try:
            return question(*args)
        finally:
            self.took.setdefault(kind, []).append(1000 * (time.perf_counter() - start))

    def list_all(self, names):
        found = set(self.ask("listdir", os.listdir, self.mnt))
        if found != names:
            raise ValueError(f"the listing has {len(found)} names, not {len(names)}: {sorted(found ^ names)[:5]}")
        time.sleep(0.05)

    def question(self, serial):
        for name, known in self.known.items():
            if self.ask("stat", os.stat, self.mnt / name).st_size != len(known):
                raise ValueError(f"{name} has another size now")
            try:
                self.ask("no such name", os.stat, self.mnt / f"nothing-{os.getpid()}-{next(serial)}.raw")
                raise ValueError("a name that can't be exists")
            except FileNotFoundError:
                pass
            os.close(self.ask("open", os.open, self.mnt / name, os.O_RDONLY))
            time.sleep(0.02)
            if not self.goes_on():
                break

    # The daemon.

    def watch(self, proc):
        status = (proc / "status").read_text()
        self.peak_kib = max(self.peak_kib, int(re.search(r"RssAnon:\s*(\d+) kB", status).group(1)))
        time.sleep(0.1)

    def hang_up(self):
        time.sleep(self.options.hup)
        os.kill(self.options.pid, signal.SIGHUP)

    def run(self, works):
        threads = [self.thread(work, *args) for work, *args in works]
        for t in threads:
            t.start()
        for t in threads:
            t.join()


def part(options, until, failed, works, end):
    p = Part(options, until, failed)
    p.run([(getattr(p, name), *args) for name, *args in works])
    end.send((p.reads, p.bytes, p.opens, p.peak_kib, p.took, p.failures))


def load(options):
    """Figures and failures. What asks has a process to itself: it is the daemon that it shall wait for."""
    context = multiprocessing.get_context("fork")
    failed, until = context.Event(), time.monotonic() + options.seconds
    works = [[("read_once", n) for n in range(i, options.readers, PROCESSES)] for i in range(PROCESSES)]
    works += [[("question", itertools.count())], [("list_all", set(os.listdir(options.mnt)))]]
    if options.pid:
        works[-1].append(("watch", pathlib.Path(f"/proc/{options.pid}")))
    if options.hup:
        works[-1].append(("hang_up",))
    running = []
    for w in works:
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=part, args=(options, until, failed, w, theirs))
        process.start()
        theirs.close()
        running.append((process, ours))
    answers = [ours.recv() for _, ours in running]
    for process, _ in running:
        process.join()
    reads, n_bytes, opens, peaks, tooks, failures = zip(*answers)
    figures = {"reads": sum(reads), "bytes": sum(n_bytes), "opens": sum(opens), "peak_mib": max(peaks) / 1024}
    for took in tooks:
        for kind, times in took.items():
            times.sort()
            figures[kind] = {"n": len(times), "p50": times[len(times) // 2], "p99": times[len(times) * 99 // 100], "max": times[-1]}
    return figures, sum(failures, [])


def main():
    if sys.argv[1:2] == ["templates"]:
        make_templates(pathlib.Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["read"])
    parser.add_argument("mnt")
    parser.add_argument("known")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--readers", type=int, default=64)
    parser.add_argument("--pid", type=int)
    parser.add_argument("--hup", type=float, default=0)
    figures, failures = load(parser.parse_args())
    print(json.dumps(figures))
    if failures:
        sys.exit("\n".join(failures[:10]))


main()
