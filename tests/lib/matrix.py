#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""matrix.py MOUNT REFERENCES FORM...: every form of a template in every format and size, judged by qemu-img.

REFERENCES holds own.raw and SIZE.raw for each size asked for: what the disk has to be. Prints one table, a row a form;
exits 1 when a goal is wrong, and says which and why.
"""
import concurrent.futures
import json
import pathlib
import subprocess
import sys

# Ours, QEMU's, and whether qemu-img check knows it.
FORMATS = [("raw", "raw", False), ("qcow2", "qcow2", True), ("vmdk", "vmdk", True), ("vdi", "vdi", True),
           ("vhd", "vpc", False), ("vhdx", "vhdx", True)]


def run(*command):
    done = subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(str(c) for c in command)}: {done.stdout.strip()}")
    return done.stdout


def judge(goal, qemu_format, has_check, reference):
    """None when the goal is right, else the reason."""
    try:
        if has_check:
            run("qemu-img", "check", "-f", qemu_format, goal)
        size = json.loads(run("qemu-img", "info", "--output=json", "-f", qemu_format, goal))["virtual-size"]
        if size != reference.stat().st_size:
            return f"its virtual size is {size}"
        run("qemu-img", "compare", "-f", qemu_format, "-F", "raw", goal, reference)
        return None
    except RuntimeError as error:
        return str(error)


def explanation(mount, name):
    try:
        return (mount / f"{name}.plan").read_text()
    except OSError as error:
        return str(error)


def main():
    mount, references = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    forms = sys.argv[3:]
    sizes = sorted(references.glob("*.raw"), key=lambda r: r.stat().st_size)
    work = {}
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for form in forms:
            for ours, qemu, has_check in FORMATS:
                for reference in sizes:
                    size = "" if reference.stem == "own" else f"@{reference.stem}"
                    name = f"{form}{size}.{ours}"
                    work[name] = pool.submit(judge, mount / name, qemu, has_check, reference)
    print(f"{'':16}" + "".join(f"{ours:>{6 * len(sizes)}}" for ours, _, _ in FORMATS))
    print(f"{'':16}" + "".join(f"{reference.stem:>6}" for reference in sizes) * len(FORMATS))
    names, wrong = iter(work), []
    for form in forms:
        row = [next(names) for _ in range(len(FORMATS) * len(sizes))]
        print(f"{form:16}" + "".join(f"{'WRONG' if work[name].result() else 'ok':>6}" for name in row))
        wrong += [name for name in row if work[name].result()]
    for name in wrong[:20]:
        print(f"{name}: {work[name].result()}\n{explanation(mount, name)}")
    print(f"{len(work)} goals, {len(wrong)} wrong")
    return 1 if wrong or not work else 0


if __name__ == "__main__":
    sys.exit(main())
