#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A text that would be another one by now is stale for whom knows it by its handle, but goes on for who has it open.
. "${0%/*}/../lib/common.sh"
require_root
require_prog xz
head -c 1M /dev/urandom >"$TEST_TMP/one"
head -c 2M /dev/urandom >"$TEST_TMP/two"
xz -c "$TEST_TMP/one" >"$TEST_LIB/x.xz"
mount_library
python3 - "$TEST_MNT/x.raw.plan" "$TEST_MNT/x.json" "$TEST_TMP/two" "$TEST_LIB/x.xz" <<'E2'
import errno
import os
import subprocess
import sys
import time

paths, content, template = sys.argv[1:3], sys.argv[3], sys.argv[4]
# A place in the tree, as an NFS server has one for a handle; nothing is opened by that.
places = [os.open(path, os.O_PATH) for path in paths]
reader = open(paths[0])
was = [open(path).read() for path in paths]
stats = [os.fstat(place) for place in places]
deadline = time.monotonic() + 60


def still(place):
    try:
        os.fstat(place)
        return True
    except OSError as e:
        if e.errno != errno.ESTALE:
            raise
        return False


# As long as nothing changed they stay what they are, however often they are looked at.
time.sleep(1.5)
for place, stat in zip(places, stats):
    now = os.fstat(place)
    if (now.st_mtime_ns, now.st_ctime_ns, now.st_size) != (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size):
        sys.exit("attributes changed")

with open(template + ".part", "wb") as out:
    subprocess.run(("xz", "-c", content), stdout=out, check=True)
os.rename(template + ".part", template)
while any(open(path).read() == text for path, text in zip(paths, was)):
    if time.monotonic() > deadline:
        sys.exit("the texts do not change")
    time.sleep(0.1)
os.fstat(reader.fileno())
if reader.read() != was[0]:
    sys.exit("an open text has changed")
reader.close()
while any(still(place) for place in places):
    if time.monotonic() > deadline:
        sys.exit("a handle of what was said before is not stale")
    time.sleep(0.1)
if any(os.stat(path).st_ino == stat.st_ino for path, stat in zip(paths, stats)):
    sys.exit("another text has the same node id")
E2
umount_library
