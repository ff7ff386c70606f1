# SPDX-License-Identifier: GPL-2.0-or-later
"""The bench's live installs: a medium by its URL, beside nbdkit's curl plugin with readahead and cache behind a cdrom.

The link is remote.py's far one. Times begin with the daemon's start.
"""
import os
import random
import shutil
import subprocess
import sys
import time

from remote import FAR, RATE, Server, has_nbdkit
from tools import RUNS, Mount, copy, mounted, run, wait_until

CP = FAR + "cp of an ISO"
BOOT = FAR + "boot of an ISO to its kernel"
INSTALL = FAR + "24 of an ISO's 96 files"
HEADING = (f"Media: an ISO of 112 MiB on the far link of {RATE * 8 // 10**6} Mbit/s; nbdkit is curl, readahead and cache over"
           " nbdfuse. MB are 10^6 bytes fetched.")
KERNEL, FILES, FILE, READ = 16 << 20, 96, 1 << 20, 128 << 10
CFG = """serial --unit=0
terminal_output serial
sha256sum /boot/kernel
echo kernel-is-here
halt
"""


def make_medium(work, top):
    tree = work / "medium"
    (tree / "boot/grub").mkdir(parents=True)
    (tree / "boot/grub/grub.cfg").write_text(CFG)
    (tree / "boot/kernel").write_bytes(os.urandom(KERNEL))
    for n in range(FILES):
        (tree / f"{n:03}").write_bytes(os.urandom(FILE))
    top.mkdir(parents=True)
    run("grub-mkrescue", "-o", top / "f.iso", tree, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    image = (top / "f.iso").read_bytes()
    # Where each file lies: all are in one piece, on a sector of 2 KiB.
    return [image.index((tree / f"{n:03}").read_bytes()[:64]) for n in range(FILES)]


class Peer:
    """nbdfuse over nbdkit, in the way that was told of virt-install."""

    def __init__(self, work, url):
        self.file = work / "nbd"
        self.file.touch()
        self.daemon = subprocess.Popen(("nbdfuse", "-r", self.file, "--command", "nbdkit", "-s", "--filter=readahead",
                                        "--filter=cache", "curl", url, "cache-on-read=true"),
                                       stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: mounted(self.file) and self.file.stat().st_size > 0)

    def __enter__(self):
        return self.file

    def __exit__(self, *_):
        run("fusermount3", "-u", self.file)
        try:
            self.daemon.wait(60)
        except subprocess.TimeoutExpired:  # seen on a loaded machine; the time was taken before
            self.daemon.kill()
            self.daemon.wait()


def boot(work, medium):
    console = work / "console"
    console.write_text("")
    machine = subprocess.Popen(("qemu-system-x86_64", "-accel", "tcg", "-m", "256", "-nodefaults", "-display", "none",
                                "-no-reboot", "-serial", f"file:{console}", "-cdrom", medium), stdin=subprocess.DEVNULL)
    wait_until(lambda: "kernel-is-here" in console.read_text(errors="replace") or machine.poll() is not None, 300)
    if machine.poll() is not None:
        sys.exit("bench: the medium does not boot")
    machine.kill()
    machine.wait()


def install(places, medium):
    """Some of the files, each from its beginning to its end, the same ones for everybody."""
    fd = os.open(medium, os.O_RDONLY)
    for place in random.Random(1).sample(places, 24):
        for at in range(place, place + FILE, READ):
            assert len(os.pread(fd, READ, at)) == READ
    os.close(fd)


def measure_once(work, server, add, what, do):
    url = f"{server.url}/f.iso"

    def forget():
        shutil.rmtree(work / "cache", ignore_errors=True)
        (work / "out").unlink(missing_ok=True)
        server.traffic()
        return time.perf_counter()

    start = forget()
    with Mount(work, False, source=url) as m:
        do(m.path / "f.iso")
        seconds = time.perf_counter() - start
    add(what, "goalfs", seconds, server.traffic())
    start = forget()
    run("curl", "-sf", "-o", work / "out", url)
    if what != CP:
        do(work / "out")
    add(what, "curl alone" if what == CP else "download first", time.perf_counter() - start, server.traffic())
    if has_nbdkit():
        start = forget()
        with Peer(work, url) as medium:
            do(medium)
            seconds = time.perf_counter() - start
        add(what, "nbdkit curl", seconds, server.traffic())


def measure(work, add):
    places = make_medium(work, work / "media-www")
    with Server(work, work / "media-www", is_far=True) as server:
        for _ in range(RUNS):
            measure_once(work, server, add, CP, lambda medium: copy(medium, work / "out"))
            measure_once(work, server, add, INSTALL, lambda medium: install(places, medium))
            if shutil.which("qemu-system-x86_64"):
                measure_once(work, server, add, BOOT, lambda medium: boot(work, medium))


def targets(results):
    """As remote.py's."""
    if CP not in results.values:
        return
    times = results.median(CP, "goalfs") / results.median(CP, "curl alone")
    yield CP, "at most 1.1 of curl alone", times <= 1.1, f"{times:.2f}"
    times = results.bytes(INSTALL, "goalfs") / (24 * FILE)
    yield INSTALL, "at most 3 times the bytes that are read", times <= 3, f"{times:.2f}"
    for what in (CP, INSTALL, BOOT):
        if "nbdkit curl" in results.values.get(what, {}):
            times = results.median(what, "goalfs") / results.median(what, "nbdkit curl")
            yield what, "at most 0.7 of nbdkit curl", times <= 0.7, f"{times:.2f}"
