# SPDX-License-Identifier: GPL-2.0-or-later
"""The bench's remote half: templates on a server, near and far, and what is asked of it.

The server is a real nginx on loopback, its files in the page cache, as a server's are. Near it is
asked straight, far through tests/lib/link.py. Times begin with the daemon's start
(the peers': with their first process), since what is fetched then counts, too. Bytes and
requests are counted to the end of the daemon: near by nginx, far what came through the link.
"""
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time

from tools import GOAL, RAW, RUNS, TOP, Mount, copy, first_bytes, mounted, run, wait_until

DELAY_MS = 30
RATE = 12500000
TEMPLATES = 50
HEADING = (f"Remote: nginx on loopback; 'far' is {DELAY_MS} ms of round trip and {RATE * 8 // 10**6} Mbit/s by a delaying"
           " TCP proxy with slow start (tests/lib/link.py). MB are 10^6 bytes fetched.")

LS = f"ls of {TEMPLATES} raw"
LS_RAW = f"ls -l of {TEMPLATES} raw"
LS_FIRST = f"ls -l of {TEMPLATES} qcow2, first"
LS_AGAIN = f"ls -l of {TEMPLATES} qcow2, remounted"
FIRST = "first 4 KiB of @20G.qcow2"
CP = "cp of raw"
DISK = "debian-12.vmdk"
FIRST_OF_DISK = "first 4 KiB of a stream-optimized vmdk"
CP_OF_DISK = "cp of a stream-optimized vmdk as raw"
BOOT = "boot of @20G.qcow2"
BEHIND = "goalfs, verified behind"
CURL_THEN_CP = "curl, then cp of raw"
FAR = "far: "
NEAR = "near: "


# ---- what is served ----

def entry(name, file, checksum, size):
    return (f"[{name}]\nname={name}\narch={os.uname().machine}\nfile={file}\nchecksum[sha512]={checksum}\nformat=raw\n"
            f"size={6 << 30}\ncompressed_size={size}\nexpand=/dev/sda2\n")


def make_one(top, xz):
    top.mkdir(parents=True)
    shutil.copy(xz, top / "debian-12.xz")
    checksum = hashlib.sha512(xz.read_bytes()).hexdigest()
    (top / "index").write_text(entry("debian-12", "debian-12.xz", checksum, xz.stat().st_size))


def make_many(top, xz):
    """Copies of the guest that are files of their own: each with more stream padding than the one before."""
    top.mkdir(parents=True)
    common = hashlib.sha512(xz.read_bytes())
    entries = []
    for n in range(TEMPLATES):
        file, padding, checksum = top / f"{n}.xz", bytes(4 * n), common.copy()
        shutil.copy(xz, file)
        with open(file, "ab") as f:
            f.write(padding)
        checksum.update(padding)
        entries.append(entry(f"template-{n}", file.name, checksum.hexdigest(), file.stat().st_size))
    (top / "index").write_text("\n".join(entries))


def make_disk(top, raw):
    """As appliances come. Without a checksum, so that none is waited for."""
    top.mkdir(parents=True)
    run("qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", raw, top / DISK)
    (top / "index").write_text(f"[debian-12]\narch={os.uname().machine}\nfile={DISK}\n")


# ---- who serves ----

def start(*command):
    """A server that prints its port first and ends with its standard input."""
    server = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    line = server.stdout.readline()
    if not line:
        sys.exit(f"bench: {command[0]} did not start")
    return server, int(line.split()[0])


class Server:
    def __init__(self, work, top, is_far, rate=RATE):
        self.log = work / "nginx/access.log"
        self.link = None
        self.nginx, self.port = start("sh", TOP / "tests/lib/nginx.sh", "run", work / "nginx", top)
        if is_far:
            self.link, self.port = start(sys.executable, TOP / "tests/lib/link.py", "--delay-ms", DELAY_MS, "--rate", rate,
                                         self.port)
        self.url = f"http://127.0.0.1:{self.port}"

    def traffic(self):
        """Bytes and requests since the last time."""
        time.sleep(0.3)  # for the log's lines of connections that were cut off
        sent = [int(n) for n in re.findall(r'" \d{3} (\d+) "', self.log.read_text())]
        os.truncate(self.log, 0)
        n_bytes = sum(sent)
        if self.link:
            self.link.stdin.write("\n")
            self.link.stdin.flush()
            n_bytes = json.loads(self.link.stdout.readline())["bytes"]
        return n_bytes, len(sent)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in (self.link, self.nginx):
            if server:
                server.stdin.close()
                server.wait(60)


class Peer:
    """nbdfuse over nbdkit's curl plugin: what was fetched is cached, what comes next is read ahead, xz on top."""

    def __init__(self, work, url):
        self.file = work / "nbd"
        self.file.touch()
        self.daemon = subprocess.Popen(("nbdfuse", "-r", self.file, "--command", "nbdkit", "-s", "--filter=xz",
                                        "--filter=readahead", "--filter=cache", "curl", url, "cache-on-read=true"),
                                       stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: mounted(self.file) and self.file.stat().st_size > 0)

    def __enter__(self):
        return self.file

    def __exit__(self, *_):
        run("fusermount3", "-u", self.file)
        self.daemon.wait(60)


def has_nbdkit():
    return shutil.which("nbdfuse") and shutil.which("nbdkit") and subprocess.run(
        ("nbdkit", "--dump-plugin", "curl"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


# ---- what is measured ----

def listed(path):
    assert len(os.listdir(path)) == TEMPLATES


def listed_long(path):
    text = run("ls", "-l", path, stdout=subprocess.PIPE, text=True).stdout
    assert len(text.splitlines()) == TEMPLATES + 1 and "?" not in text


def booted(file, form):
    """Until the guest powers off. The same machine as tests/lib/boot.sh makes."""
    said = run("qemu-system-x86_64", "-accel", "tcg", "-m", "512", "-nographic", "-no-reboot", "-snapshot",
               "-drive", f"file={file},format={form},if=virtio", stdout=subprocess.PIPE).stdout
    assert b"BOOT-OK" in said


class Bench:
    def __init__(self, work, server, where, add):
        self.work, self.server, self.where, self.out, self.add_row = work, server, where, work / "out", add

    def forget(self):
        shutil.rmtree(self.work / "cache", ignore_errors=True)
        for old in self.work.glob("out*"):
            old.unlink()
        os.sync()

    def add(self, what, who, seconds):
        traffic = self.server.traffic()
        self.add_row(self.where + what, who, seconds, traffic)
        return traffic[0]

    def goalfs(self, what, who, top, options, work, cold=True):
        if cold:
            self.forget()
        start_time = time.perf_counter()
        with Mount(self.work, False, "--no-check-signature", *options, source=f"{self.server.url}/{top}/index") as m:
            work(m.path)
            seconds = time.perf_counter() - start_time
        return self.add(what, who, seconds)

    def nbdfuse(self, what, url, work):
        self.forget()
        start_time = time.perf_counter()
        with Peer(self.work, url) as file:
            work(file)
            seconds = time.perf_counter() - start_time
        self.add(what, "nbdfuse", seconds)

    def command(self, what, who, command, work=lambda: None):
        self.forget()
        start_time = time.perf_counter()
        run("sh", "-c", command)
        work()
        self.add(what, who, time.perf_counter() - start_time)

    def measure_lists(self):
        self.goalfs(LS, "goalfs", "many", ("--formats", "raw"), listed)
        self.goalfs(LS_RAW, "goalfs", "many", ("--formats", "raw"), listed_long)
        n_bytes = self.goalfs(LS_FIRST, "goalfs", "many", ("--formats", "qcow2"), listed_long)
        self.goalfs(LS_AGAIN, "goalfs", "many", ("--formats", "qcow2"), listed_long, cold=False)
        self.command(LS_FIRST, "curl of as many",
                     f"curl -sf -r 0-{n_bytes - 1} -o '{self.out}' {self.server.url}/many/0.xz")

    def measure_reads(self):
        url = f"{self.server.url}/one/debian-12.xz"
        first = f"curl -sf -o '{self.out}.xz' {url} && xz -T0 -dc '{self.out}.xz'"
        first += f" | dd of='{self.out}' bs=1M conv=sparse iflag=fullblock status=none"
        convert = f"{first} && qemu-img convert -f raw -O qcow2 '{self.out}' '{self.out}.qcow2'"
        self.goalfs(FIRST, "goalfs", "one", ("--verify=off",), lambda m: first_bytes(m / GOAL))
        self.goalfs(CP, "goalfs", "one", (), lambda m: copy(m / RAW, self.out))
        self.goalfs(CP, BEHIND, "one", ("--verify=behind",), lambda m: copy(m / RAW, self.out))
        self.command(CP, "curl alone", f"curl -sf -o '{self.out}' {url}")
        # Whoever reads nothing before all of it was checked has both to wait for, one after the other.
        raw = self.work / "guest/debian-12.raw"
        run("cat", raw, stdout=subprocess.DEVNULL)
        self.command(CP, CURL_THEN_CP, f"curl -sf -o '{self.out}.xz' {url} && cp --sparse=auto '{raw}' '{self.out}'")
        self.command(CP, "download first", first)
        # What decoding takes of the processors: behind a fast line they are what a copy waits for.
        self.command(CP, "xz alone, nothing fetched", f"xz -T0 -dc '{self.work}/guest/debian-12.xz' >/dev/null")
        if shutil.which("qemu-img"):
            self.command(FIRST, "download first", convert, lambda: first_bytes(f"{self.out}.qcow2"))
        if has_nbdkit():
            self.nbdfuse(FIRST, url, first_bytes)
            self.nbdfuse(CP, url, lambda file: copy(file, self.out))

    def measure_disks(self):
        url = f"{self.server.url}/disk/{DISK}"
        first = f"curl -sf -o '{self.out}.vmdk' {url}"
        whole = f"{first} && qemu-img convert -f vmdk -O raw '{self.out}.vmdk' '{self.out}'"
        self.goalfs(FIRST_OF_DISK, "goalfs", "disk", (), lambda m: first_bytes(m / RAW))
        self.command(FIRST_OF_DISK, "download first",
                     f"{first} && qemu-img dd -f vmdk -O raw bs=4096 count=1 if='{self.out}.vmdk' of='{self.out}'")
        self.goalfs(CP_OF_DISK, "goalfs", "disk", (), lambda m: copy(m / RAW, self.out))
        self.command(CP_OF_DISK, "curl, then qemu-img convert", whole)

    def measure_boots(self):
        url = f"{self.server.url}/one/debian-12.xz"
        self.goalfs(BOOT, "goalfs", "one", (), lambda m: booted(m / GOAL, "qcow2"))
        self.goalfs(BOOT, "goalfs, not verified", "one", ("--verify=off",), lambda m: booted(m / GOAL, "qcow2"))
        self.command(BOOT, "download first", f"curl -sf {url} | xz -T0 -dc | dd of='{self.out}' bs=1M conv=sparse"
                     " iflag=fullblock status=none", lambda: booted(self.out, "raw"))
        if has_nbdkit():
            self.nbdfuse(BOOT, url, lambda file: booted(file, "raw"))


def measure(work, add):
    xz = work / "guest/debian-12.xz"
    make_one(work / "www/one", xz)
    make_many(work / "www/many", xz)
    make_disk(work / "www/disk", work / "guest/debian-12.raw")
    for where in (NEAR, FAR):
        with Server(work, work / "www", where == FAR) as server:
            bench = Bench(work, server, where, add)
            for _ in range(RUNS):
                bench.measure_lists()
                bench.measure_reads()
                bench.measure_disks()
            if os.environ.get("BENCH_SLOW") and shutil.which("qemu-system-x86_64"):
                bench.measure_boots()


def targets(results):
    """What, target, whether it was met, and what was found."""
    if FAR + CP not in results.values:
        return
    size = results.bytes(FAR + CP, "curl alone")
    index = results.bytes(NEAR + LS, "goalfs")
    for where in (NEAR, FAR):
        for what in (LS, LS_RAW):
            n = results.requests(where + what, "goalfs")
            yield where + what, "no request but the index's", n <= 1, f"{n:.0f} requests"
        n = results.requests(where + LS_AGAIN, "goalfs")
        yield where + LS_AGAIN, "no request but the index's", n <= 1, f"{n:.0f} requests"
        each = (results.bytes(where + LS_FIRST, "goalfs") - index) / TEMPLATES
        n = results.requests(where + LS_FIRST, "goalfs") / TEMPLATES
        yield (where + LS_FIRST, "about 0.9 MB and at most 12 requests each", each <= 1.2e6 and n <= 12,
               f"{each / 1e6:.2f} MB, {n:.1f} requests")
        share = results.bytes(where + FIRST, "goalfs") / size
        yield where + FIRST, "at most 5% of the file", share <= 0.05, f"{share:.1%}"
        share = results.bytes(where + FIRST_OF_DISK, "goalfs") / results.bytes(where + FIRST_OF_DISK, "download first")
        yield where + FIRST_OF_DISK, "at most 10% of the file", share <= 0.1, f"{share:.1%}"
    times = results.median(FAR + CP_OF_DISK, "goalfs") / results.median(FAR + CP_OF_DISK, "curl, then qemu-img convert")
    yield FAR + CP_OF_DISK, "no slower than a download first", times <= 1, f"{times:.2f}"
    times = results.median(FAR + LS_FIRST, "goalfs") / (results.bytes(FAR + LS_FIRST, "goalfs") / RATE)
    yield FAR + LS_FIRST, "at most 1.5 of the time of its bytes", times <= 1.5, f"{times:.2f}"
    for who, peer in (("goalfs", "curl alone"), (BEHIND, "curl alone"), ("goalfs", CURL_THEN_CP)):
        times = results.median(FAR + CP, who) / results.median(FAR + CP, peer)
        yield f"{FAR}{CP}, {who}", f"at most 1.1 of {peer}", times <= 1.1, f"{times:.2f}"
