# SPDX-License-Identifier: GPL-2.0-or-later
"""Templates in qcow2: read whole, cold and warm, beside qemu-img convert and nbdfuse over qemu-nbd."""
import shutil
import subprocess

from tools import RUNS, Mount, copy, drop_caches, mounted, run, timed, wait_until

FORMS = {"plain": [], "zlib": ["-c"], "zstd": ["-c", "-o", "compression_type=zstd"]}


def cold(form):
    return f"cp of qcow2 ({form}) as raw, cold"


def warm(form):
    return f"cp of qcow2 ({form}) as raw, warm"


class Peer:
    """nbdfuse over qemu-nbd: the disk as one file."""

    def __init__(self, work, qcow2):
        self.file = work / "nbd"
        self.file.touch()
        drop_caches()
        self.daemon = subprocess.Popen(("nbdfuse", "-r", self.file, "--socket-activation", "qemu-nbd", "-r", "-f", "qcow2",
                                        qcow2), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: mounted(self.file) and self.file.stat().st_size > 0)

    def __enter__(self):
        return self.file

    def __exit__(self, *_):
        run("fusermount3", "-u", self.file)
        self.daemon.wait(60)


def measure(work, add):
    raw, out, forms = work / "guest/debian-12.raw", work / "out", work / "forms"
    forms.mkdir()
    run("cp", "--sparse=always", raw, forms / "raw.raw")
    for form, options in FORMS.items():
        run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", *options, raw, forms / f"{form}.qcow2")
    for _ in range(RUNS):
        with Mount(work, True, source=forms) as m:
            copy(m.path / "raw.raw", out)
            as_raw = timed(copy, m.path / "raw.raw", out)
        for form in FORMS:
            out.unlink(missing_ok=True)
            with Mount(work, True, source=forms) as m:
                add(cold(form), "goalfs", timed(copy, m.path / f"{form}.raw", out))
                add(warm(form), "goalfs", timed(copy, m.path / f"{form}.raw", out))
            add(warm(form), "goalfs, raw template", as_raw)
            out.unlink(missing_ok=True)
            drop_caches()
            add(cold(form), "qemu-img convert",
                timed(run, "qemu-img", "convert", "-f", "qcow2", "-O", "raw", forms / f"{form}.qcow2", out))
            if shutil.which("nbdfuse"):
                out.unlink(missing_ok=True)
                with Peer(work, forms / f"{form}.qcow2") as file:
                    add(cold(form), "nbdfuse", timed(copy, file, out))
    shutil.rmtree(forms)


TARGETS = [(cold(form), "at most 0.8 of qemu-img convert", lambda t: t("goalfs") <= 0.8 * t("qemu-img convert"))
           for form in ("zlib", "zstd")]
TARGETS += [(warm(form), "at most 1.2 of a raw template", lambda t: t("goalfs") <= 1.2 * t("goalfs, raw template"))
            for form in FORMS]
