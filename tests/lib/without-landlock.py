# SPDX-License-Identifier: GPL-2.0-or-later
"""without-landlock.py COMMAND...: runs it as a kernel without Landlock would: its calls give ENOSYS."""
import ctypes
import os
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD, IF_LESS, IF_MORE, RETURN = 0x20, 0x35, 0x25, 0x06
ENOSYS, ALLOW = 0x50000 | 38, 0x7FFF0000
# The same three numbers on all processors: 444 to 446.
program = b"".join(struct.pack("=HBBI", *line) for line in (
    (LOAD, 0, 0, 0),
    (IF_LESS, 0, 2, 444),
    (IF_MORE, 1, 0, 446),
    (RETURN, 0, 0, ENOSYS),
    (RETURN, 0, 0, ALLOW),
))


class Program(ctypes.Structure):
    _fields_ = [("count", ctypes.c_ushort), ("lines", ctypes.c_char_p)]


libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(Program(len(program) // 8, program))):
    sys.exit(f"seccomp: {os.strerror(ctypes.get_errno())}")
os.execvp(sys.argv[1], sys.argv[1:])
