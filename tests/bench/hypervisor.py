# SPDX-License-Identifier: GPL-2.0-or-later
"""Hypervisors: how fast QEMU's block layer reads goals whose bytes are all in the store, beside a file of the same bytes.

"raw" passes through to the store's file, where the kernel can (see fs/passthrough.h); "raw, held" is the same goal, but
somebody has had it open since before all of it was there, so that goalfs answers each read; it always does so of qcow2.
Reads of 4 KiB are 1 MiB and 4 KiB apart, 32 of them at a time; those of 1 MiB are in sequence, 4 at a time. With cache=none
a file, and what passes through to one, is read from the disk, and what goalfs answers from memory. There are 5 runs at least.
"""
import re
import shutil
import subprocess

from tools import RUNS, Mount, run

MIB = 256
WAYS = (("none", "native"), ("none", "io_uring"), ("writeback", "threads"), ("writeback", "io_uring"))
SHAPES = {
    "4 KiB, scattered, per second": (4096, 32, 5000, ("-S", str((1 << 20) + 4096))),
    "1 MiB, in sequence, per second": (1 << 20, 4, MIB, ()),
}


def row(kind, shape, cache, aio):
    return f"{kind}, cache={cache},aio={aio}: {shape}"


def bench(path, shape, cache, aio):
    """Requests per second, as qemu-img tells."""
    size, depth, count, more = SHAPES[shape]
    said = subprocess.run([str(c) for c in ("qemu-img", "bench", "-f", path.suffix[1:], "-t", cache, "-i", aio, "-s", size,
                                            "-d", depth, "-c", count, *more, path)],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True).stdout
    return count / float(re.search(r"completed in ([\d.]+) seconds", said).group(1))


def make_files(work):
    """Nothing in it is zero, so each read is of bytes that are there."""
    top = work / "hypervisor"
    (top / "library").mkdir(parents=True)
    run("sh", "-c", f'head -c {MIB}M /dev/urandom >"$1"', "sh", top / "dense.raw")
    with open(top / "library/dense.xz", "wb") as out:
        run("xz", "-0", "-T0", "--block-size=4MiB", "--stdout", top / "dense.raw", stdout=out)
    return top


def measure_all(kind, goal, file, add):
    for shape in SHAPES:
        for cache, aio in WAYS:
            for who, path in (("local file", file), ("goalfs", goal)):
                bench(path, shape, cache, aio)
                for _ in range(max(RUNS, 5)):
                    add(row(kind, shape, cache, aio), who, bench(path, shape, cache, aio))


def measure(work, add):
    top = make_files(work)
    with Mount(top, True) as m:
        raw, qcow2 = m.path / "dense.raw", m.path / "dense.qcow2"
        shutil.copyfile(qcow2, top / "dense.qcow2")  # all of it is in the store then, and nobody has opened the raw one
        measure_all("raw", raw, top / "dense.raw", add)
        measure_all("qcow2", qcow2, top / "dense.qcow2", add)
    with Mount(top, True) as m, open(m.path / "dense.raw", "rb"):
        run("cat", m.path / "dense.raw", stdout=subprocess.DEVNULL)
        measure_all("raw, held", m.path / "dense.raw", top / "dense.raw", add)
    shutil.rmtree(top)


def at_least(limit):
    return lambda t: t("goalfs") >= limit * t("local file")


TARGETS = [(row("raw", shape, *way), "at least 0.7 of the local file", at_least(0.7)) for shape in SHAPES for way in WAYS]
TARGETS += [(row(kind, shape, *way), "at least 0.8 of the local file", at_least(0.8))
            for kind in ("qcow2", "raw, held") for shape in SHAPES for way in WAYS if way[0] == "none"]
