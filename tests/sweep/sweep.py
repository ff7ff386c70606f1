# SPDX-License-Identifier: GPL-2.0-or-later
"""Random disks grow through a mount, and foreign tools judge them.

A case follows from its SEED alone, but for UUIDs and times: a filesystem of random options and content, where
it stands, how far it grows and under which names. COUNT of them are run, from that seed on. One is right,
refused (its .plan has a reason), skipped (mkfs doesn't take such options, or its checker not what it made) or
wrong, which is told with the line that runs it again. Ends with status 1 when one is wrong or none right.
"""
import argparse
import os
import pathlib
import shlex
import shutil
import signal
import sys
import tempfile
import time
import traceback

import cases
import filesystems
import tools

ending = []  # the signal that was told to us
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def options():
    parser = argparse.ArgumentParser(prog="run", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--goalfs", type=pathlib.Path, metavar="G", help="the program; default build/fs/goalfs",
                        default=os.environ.get("GOALFS", tools.TOP / "build/fs/goalfs"))
    parser.add_argument("--only", choices=list(filesystems.KINDS), metavar="KIND",
                        help=f"passes over seeds of other kinds than this: {', '.join(filesystems.KINDS)}")
    parser.add_argument("--minutes", type=float, default=0, metavar="M",
                        help="begins no other case after them; without COUNT, as many cases as fit")
    parser.add_argument("--keep", action="store_true", help="keeps the directory of each case")
    parser.add_argument("seed", type=int)
    parser.add_argument("count", type=int, nargs="?")
    chosen = parser.parse_args()
    chosen.goalfs = chosen.goalfs.resolve()
    if not os.access(chosen.goalfs, os.X_OK):
        parser.error(f"there is no program '{chosen.goalfs}'")
    return chosen


def seeds(chosen):
    """As many as asked for, one by default; time may end them."""
    end = time.monotonic() + chosen.minutes * 60 if chosen.minutes else float("inf")
    left = chosen.count or (1 if not chosen.minutes else float("inf"))
    seed = chosen.seed
    while left > 0 and time.monotonic() < end:
        if chosen.only in (None, cases.kind_of(seed)):
            yield seed
            left -= 1
        seed += 1


def explain(case, chosen, words):
    run = tools.TOP / "tests/sweep/run"
    again = shlex.join((str(run), "--goalfs", str(chosen.goalfs), "--keep", str(case.seed)))
    facts = (f"made by  {shlex.join(case.made_by)}", f"goal     {case.goal}")
    print(*(f"    {line}" for line in (*facts, *words.splitlines(), f"again    {again}")), sep="\n", flush=True)


def judge(seed, chosen):
    """Which of the four it is."""
    where = os.environ.get("TMPDIR", "/var/tmp")
    top = pathlib.Path(tempfile.mkdtemp(prefix=f"goalfs-sweep-{seed}-", dir=where))
    case, verdict, words = cases.Case(seed, chosen.goalfs, top), "wrong", ""
    start = time.monotonic()
    try:
        case.run()
        verdict = "right"
    except (tools.Skipped, cases.Refused) as e:
        verdict, words = type(e).__name__.lower(), " ".join(str(e).split())
    except tools.Wrong as e:
        words = str(e)
    except Exception:  # pylint: disable=broad-except
        words = traceback.format_exc()  # of the sweep, or an error of the mount that no judge expected
    finally:
        tools.undo_all(top)
        if chosen.keep:
            print(f"{seed}: kept in {top}")
        else:
            shutil.rmtree(top, ignore_errors=True)
    short = f": {words.rpartition(' ended with ')[2][:200]}" if words and verdict != "wrong" else ""
    print(f"{seed}: {case}, {time.monotonic() - start:.1f} s: {verdict}{short}", flush=True)
    if verdict == "wrong":
        explain(case, chosen, words)
    return verdict


def interrupted(number, _):
    """Once; what is undone then is not interrupted again."""
    for end in ENDS:
        signal.signal(end, signal.SIG_IGN)
    ending.append(number)
    sys.exit()


def main():
    chosen = options()
    for end in ENDS:
        signal.signal(end, interrupted)
    counts = dict.fromkeys(("right", "refused", "skipped", "wrong"), 0)
    try:
        for seed in seeds(chosen):
            counts[judge(seed, chosen)] += 1
            if ending:  # undoing went wrong, and that was told instead
                break
    finally:
        print(", ".join(f"{n} {verdict}" for verdict, n in counts.items()))
        if ending:
            sys.exit(128 + ending[0])
    sys.exit(1 if counts["wrong"] or not counts["right"] else 0)


if __name__ == "__main__":
    main()
