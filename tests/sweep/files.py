# SPDX-License-Identifier: GPL-2.0-or-later
"""What stands in a filesystem: random files, what they are afterwards, and new ones that use the room."""
import errno
import os

from tools import MIB, Wrong, digest

NEW = "new-"  # begins the names of what was written after growth
# It is full, or has another limit that was met.
ENOUGH = (errno.ENOSPC, errno.EFBIG, errno.ENAMETOOLONG, errno.E2BIG, errno.EOPNOTSUPP, errno.ERANGE)


def put_file(path, dice, size, block):
    """Pieces of one random block, so that their places can be told apart; some behind a hole."""
    with open(path, "wb") as f:
        f.seek(dice.randrange(20 * MIB) if dice.maybe(.1) else 0)
        at = dice.randrange(MIB)
        while size > 0:
            size -= f.write(block[at:at + size])
            at = 0
    if dice.maybe(.1):
        os.setxattr(path, "user.test", dice.randbytes(dice.choice((1, 30, 300, 1500))))


def fill(top, dice, budget, links=True):
    """Files, directories and links, some of them deleted again, until the bytes, or the names, are used up."""
    block, folders, made = dice.randbytes(MIB), [top], []
    try:
        for n in range(dice.choice((5, 40, 150, 400))):
            path = dice.choice(folders) / f"{dice.choice(('f', 'file', 'a' * 60, 'x.y'))}-{n}"
            kind = dice.random()
            if kind < .08:
                path.mkdir()
                folders.append(path)
            elif kind < .12 and made and links:
                os.link(dice.choice(made), path)
            elif kind < .16 and links:
                path.symlink_to("z" * dice.choice((5, 58, 62, 200, 900)))
            else:
                size = min(dice.randrange(dice.choice((1, 2, 200, 5000, 100000, 3 * MIB))), budget)
                put_file(path, dice, size, block)
                made.append(path)
                budget -= size
            if dice.maybe(.15) and len(made) > 3:
                made.pop(dice.randrange(len(made))).unlink()
    except OSError as e:
        if e.errno not in ENOUGH:
            raise


def about(path):
    if os.path.islink(path):
        return os.readlink(path)
    if os.path.isdir(path):
        return "directory"
    attributes = [(name, os.getxattr(path, name)) for name in os.listxattr(path) if name == "user.test"]
    return (os.stat(path).st_size, os.stat(path).st_nlink, digest(path, holes=False), attributes)


def all_files(top):
    """What is to know of each of them, by name; of those that were there before growth."""
    found = {}
    for folder, folders, names in os.walk(top):
        folders[:] = [f for f in folders if f != "lost+found"]
        for name in folders + names:
            path = os.path.join(folder, name)
            if not name.startswith(NEW):
                found[os.path.relpath(path, top)] = about(path)
    return found


def assert_same(before, after, where):
    different = [name for name in sorted({**before, **after}) if before.get(name) != after.get(name)]
    for one in different[:1]:
        raise Wrong(f"{where}: {len(different)} differ; '{one}' was {before.get(one)}, is {after.get(one)}")


def use_room(top, dice, most):
    """Writes a large file, of `most` bytes if they fit, and many small ones. Returns what they are."""
    block = dice.randbytes(MIB)
    sizes = {f"{NEW}large": most, **{f"{NEW}{n}": 3000 for n in range(50)}}
    for name, size in sizes.items():
        try:
            with open(top / name, "wb", buffering=0) as f:
                while size > 0:
                    size -= f.write(block[:size])
        except OSError as e:
            if e.errno != errno.ENOSPC:
                raise Wrong(f"writing '{name}' to the grown filesystem: {e}") from e
    return {name: about(top / name) for name in sizes if (top / name).exists()}
