# SPDX-License-Identifier: GPL-2.0-or-later
"""storm.py RIGHT FILE...: opens, reads a little of, and closes each FILE again and again, from many threads.

All must read what RIGHT has there. Ends with a line "N reads, N errors, N wrong".
"""
import os
import random
import sys
import threading

THREADS, ROUNDS, COUNT = 16, 24, 4096
said = {"reads": 0, "errors": 0, "wrong": 0}
lock = threading.Lock()


def once(right, name, at):
    try:
        fd = os.open(name, os.O_RDONLY)
        try:
            return "reads" if os.pread(fd, COUNT, at) == os.pread(right, COUNT, at) else "wrong"
        finally:
            os.close(fd)
    except OSError as e:
        print(name, at, e)
        return "errors"


def client(n, right, names):
    order = random.Random(n)
    size = os.fstat(right).st_size
    for _ in range(ROUNDS):
        what = once(right, order.choice(names), order.randrange(0, size))
        with lock:
            said[what] += 1


right = os.open(sys.argv[1], os.O_RDONLY)
threads = [threading.Thread(target=client, args=(n, right, sys.argv[2:])) for n in range(THREADS)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print(", ".join(f"{n} {what}" for what, n in said.items()))
