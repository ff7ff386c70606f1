# SPDX-License-Identifier: GPL-2.0-or-later
"""Load: long listings, and many readers of a store that is too small for what they read.

Listings: 10,000 templates in a local index, in a signed one on a server, and as plain files in a directory, shown as
raw goals; and 100,000 in two indexes, for a look. Cold is a new daemon, an empty store and dropped page caches. Besides
seconds there are the processor's seconds of the daemon, which a busy machine does not stretch, and its memory (RssAnon: what no
file stands behind, which is what --memory is about).

Readers: 64 on 16 goals for BENCH_LOAD_SECONDS (default 120), by tests/lib/load.py, which compares every byte: of a local
library in a store of 64 MiB, and of one on a server behind a slow link (tests/lib/link.py).
"""
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

from tools import RUNS, TOP, Mount, drop_caches, run, timed

MANY, MORE = 10000, 100000
SECONDS = os.environ.get("BENCH_LOAD_SECONDS", "120")
MIB = 12
CACHE_LIMIT, MEMORY = "64M", "128M"
RATE = 4000000
FILES = 64  # of the indexes; the templates are links to them

MOUNT, LS, FIRST, AGAIN, CPU, MEMORY_OF = ("mount", "ls", "ls -l, cold", "ls -l, warm", "CPU of all that", "MiB of memory after that")
INDEX, SIGNED, DIRECTORY, LOOK = (f"{MANY} in an index: ", f"{MANY} in a signed index on a server: ", f"{MANY} in a directory: ",
                                  f"{MORE} in two indexes: ")
TIGHT, SLOW = "64 readers, 16 goals, small store: ", "64 readers, 16 goals, slow server: "
QUESTIONS = ("stat", "no such name", "listdir", "open")


# ---- what is listed ----

def make_files(top):
    """xz files of a disk with a partition table; each longer by stream padding than the one before."""
    raw = top / "raw"
    with open(raw, "wb") as f:
        f.truncate(64 << 20)
    run("sgdisk", "--clear", "--new=1:2048:0", raw, stdout=subprocess.DEVNULL)
    xz = run("xz", "-1", "--block-size=4MiB", "-T2", "-c", raw, stdout=subprocess.PIPE).stdout
    for n in range(FILES):
        (top / f"{n}.xz").write_bytes(xz + bytes(4 * n))


def entry(number, file, checksum, size):
    return (f"[template-{number:06}]\nname=Template {number}\nosinfo=debian12\narch={os.uname().machine}\nfile={file}\n"
            f"checksum[sha512]={checksum}\nformat=raw\nsize={64 << 20}\ncompressed_size={size}\nexpand=/dev/sda1\n"
            f"notes=Template number {number}.\n It has nothing special.\n")


def make_index(top, files, first, count):
    (top / "t").mkdir(parents=True)
    facts = [(hashlib.sha512(f.read_bytes()).hexdigest(), f.stat().st_size) for f in files]
    entries = []
    for n in range(first, first + count):
        file = f"t/template-{n:06}.xz"
        os.link(files[n % FILES], top / file)
        entries.append(entry(n, file, *facts[n % FILES]))
    (top / "index").write_text("\n".join(entries))


def make_signed(work, top, index):
    """Returns the options that name the key."""
    gnupg = work / "load/gnupg"
    gnupg.mkdir(mode=0o700)
    gpg = ("gpg", "--homedir", gnupg, "--batch", "--quiet", "--yes", "--pinentry-mode", "loopback", "--passphrase", "")
    run(*gpg, "--quick-generate-key", "bench", "ed25519", "sign", "never", stderr=subprocess.DEVNULL)
    run(*gpg, "--output", top / "index.asc", "--clearsign", index)
    run(*gpg, "--output", work / "load/key", "--export", "bench")
    run("gpgconf", "--homedir", gnupg, "--kill", "all")
    return ("--gpgkey", work / "load/key")


def make_directory(top, raw):
    top.mkdir()
    for n in range(MANY):
        os.link(raw, top / f"template-{n:06}.raw")


# ---- what is asked ----

def processor(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def anonymous_mib(pid):
    return int(re.search(r"RssAnon:\s*(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1)) / 1024


def listed(path, count):
    assert len(os.listdir(path)) == count


def listed_long(path, count):
    text = run("ls", "-l", path, stdout=subprocess.PIPE, text=True).stdout
    assert text.count(f" {64 << 20} ") == count


def measure_listing(work, what, count, options, source, add):
    for _ in range(RUNS):
        shutil.rmtree(work / "cache", ignore_errors=True)
        drop_caches()
        start = time.perf_counter()
        with Mount(work, False, "--formats", "raw", *options, source=source) as m:
            add(what + MOUNT, "goalfs", time.perf_counter() - start)
            add(what + LS, "goalfs", timed(listed, m.path, count))
            add(what + FIRST, "goalfs", timed(listed_long, m.path, count))
            add(what + AGAIN, "goalfs", timed(listed_long, m.path, count))
            add(what + CPU, "goalfs", processor(m.daemon.pid))
            add(what + MEMORY_OF, "goalfs", anonymous_mib(m.daemon.pid))


def measure_listings(work, serve, add):
    top = work / "load"
    (top / "files").mkdir()
    make_files(top / "files")
    files = [top / f"files/{n}.xz" for n in range(FILES)]
    make_index(top / "many", files, 0, MANY)
    measure_listing(work, INDEX, MANY, ("--no-check-signature",), top / "many/index", add)
    make_directory(top / "directory", top / "files/raw")
    measure_listing(work, DIRECTORY, MANY, (), top / "directory", add)
    shutil.rmtree(top / "directory")
    if shutil.which("nginx") and shutil.which("gpg"):
        options = make_signed(work, top / "many", top / "many/index")
        with serve(work, top, False) as server:
            measure_listing(work, SIGNED, MANY, options, f"{server.url}/many/index.asc", add)
    shutil.rmtree(top / "many")
    for half in (0, 1):
        make_index(top / f"half-{half}", files, half * MORE // 2, MORE // 2)
    measure_listing(work, LOOK, MORE, ("--no-check-signature", top / "half-0/index"), top / "half-1/index", add)


# ---- readers ----

def measure_readers(work, what, options, source, add):
    with Mount(work, True, "-v", "--memory", MEMORY, *options, source=source) as m:
        said = subprocess.run((str(TOP / "tests/lib/load.py"), "read", m.path, work / "load/known", "--seconds", SECONDS, "--pid",
                               str(m.daemon.pid)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False)
        if said.returncode:
            sys.exit(f"bench: {what}something was wrong")
        figures = json.loads(said.stdout)
        add(what + "MiB read per second", "goalfs", figures["bytes"] / float(SECONDS) / (1 << 20))
        add(what + "MiB of memory, peak", "goalfs", figures["peak_mib"])
        add(what + "CPU", "goalfs", processor(m.daemon.pid))
        for question in QUESTIONS:
            for n in ("p50", "p99", "max"):
                add(f"{what}{question}, {n} in ms", "goalfs", figures[question][n])


def measure_load(work, serve, add):
    library = work / "load/library"
    for d in (library, work / "load/known"):
        d.mkdir()
    run(TOP / "tests/lib/load.py", "templates", library, "16", str(MIB))
    entries = []
    for n in range(16):
        (library / f"t-{n}.raw").rename(work / f"load/known/t-{n}.raw")
        entries.append(f"[t-{n}]\nname=t-{n}\narch={os.uname().machine}\nfile=t-{n}.xz\nformat=raw\nsize={MIB << 20}\n")
    (library / "index").write_text("\n".join(entries))
    measure_readers(work, TIGHT, ("--no-check-signature", "--cache-limit", CACHE_LIMIT), library, add)
    if shutil.which("nginx"):
        with serve(work, library, True, rate=RATE) as server:
            measure_readers(work, SLOW, ("--no-check-signature", "--cache-limit", CACHE_LIMIT), f"{server.url}/index", add)


def measure(work, serve, add):
    """`serve` is remote.Server."""
    (work / "load").mkdir()
    measure_listings(work, serve, add)
    measure_load(work, serve, add)
    shutil.rmtree(work / "load")


def at_most(limit):
    return lambda t: t("goalfs") <= limit


TARGETS = [(what + row, f"at most {limit:g}{unit}", at_most(limit))
           for what in (INDEX, SIGNED, DIRECTORY)
           for row, limit, unit in ((MOUNT, 1, " s"), (LS, 0.3, " s"), (FIRST, 2, " s"), (AGAIN, 0.5, " s"), (MEMORY_OF, 100, ""))]
TARGETS += [(what + "MiB of memory, peak", "at most 128", at_most(128)) for what in (TIGHT, SLOW)]
TARGETS += [(f"{what}{question}, p99 in ms", "at most 50", at_most(50)) for what in (TIGHT, SLOW) for question in QUESTIONS[:3]]
