#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""notified.py FILE SERVER [signal]: opens FILE, which waits for what the stopped process SERVER is to send, and meanwhile
something comes for the thread that is no signal: the end of a poll that it asked an io_uring for. To the kernel's waits
that looks like one, and all threads of QEMU that have an event loop live with it. With "signal" a signal with a handler
comes instead. A second later SERVER goes on.

Prints "fine", or the error's name when the open fails.
"""
import ctypes
import errno
import mmap
import os
import signal
import struct
import sys
import threading
import time

IO_URING_SETUP, IO_URING_ENTER, TGKILL = 425, 426, 234
OP_POLL_ADD, OFF_SQ_RING, OFF_SQES = 6, 0, 0x10000000
POLLIN = 1

libc = ctypes.CDLL(None, use_errno=True)


class Ring:
    """An io_uring of which only submitting is used. Offsets are those of struct io_uring_params."""

    def __init__(self):
        params = ctypes.create_string_buffer(120)
        self.fd = libc.syscall(IO_URING_SETUP, 8, params)
        if self.fd < 0:
            sys.exit(f"io_uring: {os.strerror(ctypes.get_errno())}")
        self.tail, self.array = (struct.unpack_from("I", params.raw, 40 + at)[0] for at in (4, 24))
        self.sq = mmap.mmap(self.fd, self.array + 4 * 8, offset=OFF_SQ_RING)
        self.sqes = mmap.mmap(self.fd, 8 * 64, offset=OFF_SQES)

    def poll(self, fd):
        tail = struct.unpack_from("I", self.sq, self.tail)[0]
        slot = tail & 7
        self.sqes[slot * 64:slot * 64 + 64] = struct.pack("BBHiQQII32x", OP_POLL_ADD, 0, 0, fd, 0, 0, 0, POLLIN)
        struct.pack_into("I", self.sq, self.array + 4 * slot, slot)
        struct.pack_into("I", self.sq, self.tail, tail + 1)
        if libc.syscall(IO_URING_ENTER, self.fd, 1, 0, 0, None, 0) != 1:
            sys.exit(f"io_uring: {os.strerror(ctypes.get_errno())}")


def main():
    path, server = sys.argv[1], int(sys.argv[2])
    by_signal = "signal" in sys.argv[3:]
    signal.signal(signal.SIGUSR1, lambda *_: None)
    event, me = os.eventfd(0), threading.get_native_id()
    if not by_signal:
        Ring().poll(event)

    def disturb():
        if by_signal:
            libc.syscall(TGKILL, os.getpid(), me, int(signal.SIGUSR1))
        else:
            os.eventfd_write(event, 1)
        time.sleep(1)
        os.kill(server, signal.SIGCONT)

    timer = threading.Timer(0.5, disturb)
    timer.start()
    # Not os.open, which tries again.
    fd = libc.open(path.encode(), os.O_RDONLY)
    error = ctypes.get_errno()
    timer.join()
    return "fine" if fd >= 0 else errno.errorcode.get(error)


print(main())
