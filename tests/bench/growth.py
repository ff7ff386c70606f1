# SPDX-License-Identifier: GPL-2.0-or-later
"""Growth: what the first look at @20G and @2T costs on each filesystem, beside virt-resize on the same disk.

The templates hold 6 GiB: the guest's (ext4, XFS, btrfs, XFS on LVM), and disks of NTFS and of XFS with the largest log
units, filled with as much. Each stands in the library as xz with blocks of 16 MiB and plain. Times are of a cold lookup: a new daemon, an
empty store, dropped page caches; and, from .xz, of the lookup and the first byte, which waits for the checks of all blocks
that the lookup looked into. What was read, decoded and kept in memory (without what is computed) is in the daemon's log with -v, which a run of
its own writes: bytes that a plain template was asked for, blocks of the xz that were decoded, bytes of patches.
virt-resize makes a whole disk of it, in minutes without KVM, so it runs once and only with BENCH_SLOW=1.
"""
import os
import re
import shutil
import subprocess
import time

from tools import RUNS, Mount, run, timed

SIZES = ("20G", "2T")
KINDS = ("ext4", "xfs", "xfs, log units of 256K", "btrfs", "xfs on lvm", "ntfs")
CONTENT = 400 << 20


def file_of(kind):
    return kind.replace(", ", "-").replace(" ", "-").lower()


def row(kind, size, what):
    return f"{kind}, 6G to {size}: {what}"


PLAIN, PACKED, FIRST_BYTE = "lookup, plain", "lookup, xz", "lookup and first byte, xz"
READ, DECODED, PATCHES = "KiB read", "MiB decoded", "KiB of patches in memory"


# ---- templates ----

def mounted_disk(work, part, *options):
    """Files on the new filesystem in `part`: pieces of the guest's disk. In a mount namespace of its own, see make-guest."""
    point = work / "growth/mnt"
    point.mkdir(exist_ok=True)
    script = ('part=$1 point=$2 from=$3 n=$4; shift 4; mount "$@" "$part" "$point"; for i in $(seq "$n"); do'
              ' dd if="$from" of="$point/file-$i" bs=1M skip="$i" count=1 status=none; done; umount "$point"')
    run("unshare", "--mount", "sh", "-ec", script, "sh", part, point, work / "guest/debian-12.raw", CONTENT >> 20, *options)


def make_disk(work, name, mkfs, *options):
    """GPT with one partition, like the guest's, and filled as that is: behind less it would be looked for a raid's records."""
    disk, part = work / "growth/plain" / name, work / "growth/part"
    with open(disk, "wb") as f:
        f.truncate(6 << 30)
    run("sgdisk", "--clear", "--new=1:2048:+1M", "--typecode=1:ef02", "--new=2:4096:0", disk, stdout=subprocess.DEVNULL)
    with open(part, "wb") as f:
        f.truncate((6 << 30) - (4096 + 33) * 512)
    run(*mkfs, part, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    mounted_disk(work, part, *options)
    run("dd", f"if={part}", f"of={disk}", "bs=1M", "seek=2", "conv=notrunc,sparse", "status=none")
    part.unlink()


def make_templates(work):
    for form in ("plain", "xz"):
        (work / "growth" / form).mkdir(parents=True)
    for kind, name in (("ext4", "debian-12"), ("xfs", "debian-12-xfs"), ("btrfs", "debian-12-btrfs"),
                       ("xfs on lvm", "debian-12-lvm")):
        packed = work / "growth/xz" / f"{file_of(kind)}.xz"
        shutil.copy(work / "guest" / f"{name}.xz", packed)
        run("sh", "-c", 'xz -T0 -dc "$1" | dd of="$2" bs=1M iflag=fullblock conv=sparse status=none && truncate -s 6G "$2"', "sh",
            packed, work / "growth/plain" / f"{file_of(kind)}.raw")
    make_disk(work, "ntfs.raw", ("mkntfs", "-Q", "-F"), "-t", "ntfs-3g")
    make_disk(work, f"{file_of(KINDS[2])}.raw", ("mkfs.xfs", "-K", "-l", "su=256k"), "-o", "loop,logbsize=256k")
    for kind in (KINDS[2], "ntfs"):
        raw = work / "growth/plain" / f"{file_of(kind)}.raw"
        with open(work / "growth/xz" / f"{file_of(kind)}.xz", "wb") as out:
            run("xz", "--lzma2=preset=1,dict=8MiB", "-T0", "--block-size=16MiB", "--stdout", raw, stdout=out)


# ---- what is measured ----

def goal_of(kind, size):
    return f"{file_of(kind)}@{size}.raw"


def read_byte(path):
    with open(path, "rb", buffering=0) as f:
        f.read(1)


def log_of(work, form, kind, size):
    """What a daemon says of one lookup, and of the end of all that it begins."""
    log = work / "log"
    log.write_text("")
    with Mount(work, True, "-v", source=work / "growth" / form) as m:
        os.stat(m.path / goal_of(kind, size))
        read_byte(m.path / goal_of(kind, size))
    return log.read_text()


def measure_figures(work, kind, size, add):
    said = log_of(work, "plain", kind, size)
    lookup, figures = re.search(r"\A(.*)^goalfs: resize: map segments=\d+ (.*?)$", said, re.M | re.S).groups()
    n_read = sum(map(int, re.findall(r"^goalfs: file: pread count=(\d+)", lookup, re.M)))
    add(row(kind, size, READ), "goalfs", n_read / 1024)
    add(row(kind, size, PATCHES), "goalfs", int(re.search(r"memory=(\d+)", figures).group(1)) / 1024)
    made = re.findall(r"^goalfs: xz: make unit=\d+ offset=\d+ length=(\d+)$", log_of(work, "xz", kind, size), re.M)
    add(row(kind, size, DECODED), "goalfs", sum(map(int, made)) / (1 << 20))


def measure_lookup(work, kind, size, add):
    for what, form in ((PLAIN, "plain"), (PACKED, "xz")):
        with Mount(work, True, source=work / "growth" / form) as m:
            add(row(kind, size, what), "goalfs", timed(os.stat, m.path / goal_of(kind, size)))
    with Mount(work, True, source=work / "growth/xz") as m:
        add(row(kind, size, FIRST_BYTE), "goalfs", timed(read_byte, m.path / goal_of(kind, size)))


def measure_virt_resize(work, kind, size, add):
    out = work / "out"
    out.unlink(missing_ok=True)
    with open(out, "wb") as f:
        f.truncate({"20G": 20 << 30, "2T": 2 << 40}[size])
    volume = ("--LV-expand", "/dev/goalfs/root") if kind == "xfs on lvm" else ()
    env = dict(os.environ, LIBGUESTFS_BACKEND="direct", LIBGUESTFS_BACKEND_SETTINGS="force_tcg")
    command = ("virt-resize", "--quiet", "--expand", "/dev/sda2", *volume, work / "growth/plain" / f"{file_of(kind)}.raw", out)
    start = time.perf_counter()
    done = subprocess.run([str(c) for c in command], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode == 0:
        add(row(kind, size, PLAIN), "virt-resize", time.perf_counter() - start)
    else:
        print(f"virt-resize can't: {kind} to {size}: {' '.join(done.stderr.split())[:200]}", flush=True)
    out.unlink(missing_ok=True)


def measure(work, add):
    make_templates(work)
    for kind in KINDS:
        for size in SIZES:
            measure_figures(work, kind, size, add)
            for _ in range(RUNS):
                measure_lookup(work, kind, size, add)
            if os.environ.get("BENCH_SLOW") and size == "20G" and shutil.which("virt-resize"):
                measure_virt_resize(work, kind, size, add)
    shutil.rmtree(work / "growth")


def at_most(limit):
    return lambda t: t("goalfs") <= limit


def targets_of(kind):
    most_read = 600 if "log units" in kind else 64
    for size, times, most_patched in (("20G", 1, 1000), ("2T", 2, 8000)):
        for what, limit, unit in ((PLAIN, 0.3 * times, " s"), (PACKED, 0.3 * times, " s"), (READ, most_read * times, ""),
                                  (DECODED, 64 * times, ""), (PATCHES, most_patched, "")):
            yield row(kind, size, what), f"at most {limit:g}{unit}", at_most(limit)


TARGETS = [target for kind in KINDS for target in targets_of(kind)]
