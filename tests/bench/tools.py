# SPDX-License-Identifier: GPL-2.0-or-later
"""What all parts of the bench do: run, wait, mount, read."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
RUNS = int(os.environ.get("BENCH_RUNS", "3"))
GOALFS = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("GOALFS", TOP / "build/fs/goalfs")).resolve()
GOAL = "debian-12@20G.qcow2"
RAW = "debian-12.raw"


def run(*command, **more):
    return subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, check=True, **more)


def drop_caches():
    os.sync()
    pathlib.Path("/proc/sys/vm/drop_caches").write_text("3\n")


def timed(work, *args):
    start = time.perf_counter()
    work(*args)
    return time.perf_counter() - start


def wait_until(what, seconds=30):
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            sys.exit("bench: waited for too long")
        time.sleep(0.002)


def mounted(path):
    return f" {path} fuse" in pathlib.Path("/proc/mounts").read_text()


class Mount:
    """A daemon over the library, or another source, in the foreground so that its memory can be read."""

    def __init__(self, work, cold, *options, source=None):
        self.path = work / "mnt"
        self.path.mkdir(exist_ok=True)
        cache = work / "cache"
        if cold:
            shutil.rmtree(cache, ignore_errors=True)
            drop_caches()
        with open(work / "log", "a") as log:
            self.daemon = subprocess.Popen(
                (GOALFS, "-f", "--cache", cache, *options, source or work / "library", self.path), stderr=log,
                stdin=subprocess.DEVNULL)
        wait_until(lambda: mounted(self.path) or self.daemon.poll() is not None)
        if self.daemon.poll() is not None:
            sys.exit(f"bench: goalfs did not mount, see {work}/log")

    def peak_mib(self):
        status = pathlib.Path(f"/proc/{self.daemon.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s*(\d+) kB", status).group(1)) / 1024

    def __enter__(self):
        return self

    def __exit__(self, *_):
        run("fusermount3", "-u", self.path)
        self.daemon.wait(60)


def copy(source, target):
    target.unlink(missing_ok=True)
    run("cp", "--sparse=auto", source, target)


def first_bytes(path):
    with open(path, "rb", buffering=0) as f:
        assert len(f.read(4096)) == 4096
