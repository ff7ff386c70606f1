# SPDX-License-Identifier: GPL-2.0-or-later
"""public-index.py [OPTION...]: an index as builder.libguestfs.org had it in the days of checksum= and SHA-1.

Names, architectures, sizes and partitions are those of the real templates (guestfs-tools,
builder/templates/*.index-fragment); checksums and compressed sizes are made up, or FILE's own. The
armor around it looks right and verifies for nobody: for a real one, sign the --plain text.
"""
import argparse
import base64
import hashlib
import os
import string
import sys

G = 1 << 30
MB = 1000 * 1000
# name, title, arch, compressed MB, what else is not as usual: 6 GiB, revision 1, no lvexpand.
TEMPLATES = [
    ("centos-6", "CentOS 6.6", "x86_64", 199, "sda3", {"revision": 6}),
    ("centos-7.0", "CentOS 7.0", "x86_64", 213, "sda3", {}),
    ("centos-7.1", "CentOS 7.1", "x86_64", 230, "sda3", {}),
    ("centos-7.2", "CentOS 7.2", "x86_64", 277, "sda3", {}),
    ("centos-7.2", "CentOS 7.2 (aarch64)", "aarch64", 268, "sda4", {}),
    ("centos-7.3", "CentOS 7.3", "x86_64", 295, "sda2", {"revision": 2, "lvexpand": "/dev/cl/root"}),
    ("centos-7.4", "CentOS 7.4", "x86_64", 309, "sda3", {}),
    ("cirros-0.3.1", "CirrOS 0.3.1", "x86_64", 11, "sda1", {"size": 41126400}),
    ("cirros-0.3.5", "CirrOS 0.3.5", "x86_64", 11, "sda1", {"size": 41126400}),
    ("debian-6", "Debian 6 (Squeeze)", "x86_64", 140, "sda1", {"size": 4 * G, "revision": 2}),
    ("debian-7", "Debian 7 (wheezy)", "x86_64", 194, "sda1", {"revision": 3}),
    ("debian-7", "Debian 7 (wheezy) (sparc64)", "sparc64", 205, "sda3", {"size": 4 * G}),
    ("debian-8", "Debian 8 (jessie)", "x86_64", 236, "sda1", {"revision": 2}),
    ("debian-9", "Debian 9 (stretch)", "x86_64", 280, "sda1", {"revision": 2}),
    ("fedora-18", "Fedora\u00ae 18", "x86_64", 149, "sda3", {}),
    ("fedora-19", "Fedora\u00ae 19", "x86_64", 173, "sda3", {}),
    ("fedora-20", "Fedora\u00ae 20", "x86_64", 188, "sda3", {}),
    ("fedora-21", "Fedora\u00ae 21 Server", "x86_64", 171, "sda3", {}),
    ("fedora-21", "Fedora\u00ae 21 Server (aarch64)", "aarch64", 166, "sda4", {}),
    ("fedora-21", "Fedora\u00ae 21 Server (armv7l)", "armv7l", 164, "sda3", {}),
    ("fedora-21", "Fedora\u00ae 21 Server (ppc64)", "ppc64", 167, "sda3", {}),
    ("fedora-21", "Fedora\u00ae 21 Server (ppc64le)", "ppc64le", 172, "sda3", {}),
    ("fedora-22", "Fedora\u00ae 22 Server", "x86_64", 202, "sda3", {}),
    ("fedora-22", "Fedora\u00ae 22 Server (aarch64)", "aarch64", 200, "sda4", {}),
    ("fedora-22", "Fedora\u00ae 22 Server (armv7l)", "armv7l", 197, "sda3", {}),
    ("fedora-22", "Fedora\u00ae 22 Server (i686)", "i686", 203, "sda3", {}),
    ("fedora-22", "Fedora\u00ae 22 Server (ppc64)", "ppc64", 199, "sda3", {}),
    ("fedora-23", "Fedora\u00ae 23 Server", "x86_64", 245, "sda3", {}),
    ("fedora-23", "Fedora\u00ae 23 Server (aarch64)", "aarch64", 239, "sda4", {"revision": 3}),
    ("fedora-23", "Fedora\u00ae 23 Server (i686)", "i686", 247, "sda3", {}),
    ("fedora-24", "Fedora\u00ae 24 Server", "x86_64", 301, "sda3", {}),
    ("fedora-24", "Fedora\u00ae 24 Server (aarch64)", "aarch64", 296, "sda4", {}),
    ("fedora-24", "Fedora\u00ae 24 Server (i686)", "i686", 305, "sda3", {}),
    ("fedora-25", "Fedora\u00ae 25 Server", "x86_64", 358, "sda3", {}),
    ("fedora-25", "Fedora\u00ae 25 Server (ppc64)", "ppc64", 337, "sda3",
     {"revision": 3, "lvexpand": "/dev/fedora/root"}),
    ("fedora-25", "Fedora\u00ae 25 Server (ppc64le)", "ppc64le", 341, "sda3",
     {"revision": 3, "lvexpand": "/dev/fedora/root"}),
    ("fedora-26", "Fedora\u00ae 26 Server", "x86_64", 353, "sda3", {}),
    ("freebsd-11.1", "FreeBSD 11.1", "x86_64", 401, "sda5", {}),
    ("scientificlinux-6", "Scientific Linux 6.5", "x86_64", 192, "sda3", {"revision": 5}),
    ("ubuntu-10.04", "Ubuntu 10.04 (Lucid)", "x86_64", 150, "sda1", {"size": 4 * G}),
    ("ubuntu-12.04", "Ubuntu 12.04 (Precise)", "x86_64", 153, "sda1", {"size": 4 * G}),
    ("ubuntu-14.04", "Ubuntu 14.04 (Trusty)", "x86_64", 189, "sda1", {"size": 4 * G}),
    ("ubuntu-16.04", "Ubuntu 16.04 (Xenial)", "x86_64", 233, "sda1", {"size": 4 * G}),
]
NOTES = """{title}.
 
 This image contains what the distribution's own installer puts on a
 minimal system, and nothing else.
 
   * No root password is set.
   * Updates are not applied: [fixed]=no
"""


def osinfo(name):
    return None if name.startswith("cirros") else name.replace("-", "")


def entry(number, options):
    name, title, arch, megabytes, expand, more = TEMPLATES[number % len(TEMPLATES)]
    copy = number // len(TEMPLATES)
    if copy:
        name, title = f"{name}-copy{copy}", f"{title}, copy {copy}"
    stem = name if arch == "x86_64" else f"{name}-{arch}"
    arch = options.arch or arch
    fields = [("name", title)]
    if osinfo(name):
        fields.append(("osinfo", osinfo(name)))
    fields += [
        ("arch", arch),
        ("file", options.file.format(stem=stem, name=name, arch=arch, number=number)),
    ]
    if "revision" in more:
        fields.append(("revision", more["revision"]))
    fields += [
        ("checksum", options.checksum or hashlib.sha512(stem.encode()).hexdigest()),
        ("format", "raw"),
        ("size", options.size or more.get("size", 6 * G)),
        ("compressed_size", options.compressed_size or megabytes * MB + number),
        ("expand", f"/dev/{options.expand or expand}"),
    ]
    if "lvexpand" in more and not options.expand:
        fields.append(("lvexpand", more["lvexpand"]))
    fields.append(("notes", NOTES.format(title=title).rstrip("\n")))
    return f"[{name if not options.arch else stem}]\n" + "".join(f"{key}={value}\n" for key, value in fields)


def armored(text):
    noise = b"".join(hashlib.sha512(bytes([i])).digest() for i in range(8))
    lines = base64.b64encode(noise).decode()
    return ("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA1\n\n" + text
            + "-----BEGIN PGP SIGNATURE-----\nVersion: GnuPG v1\n\n"
            + "".join(lines[at:at + 64] + "\n" for at in range(0, len(lines), 64))
            + "=aB3d\n-----END PGP SIGNATURE-----\n")


def sha512_of(path):
    checksum = hashlib.sha512()
    with open(path, "rb") as f:
        while piece := f.read(1 << 20):
            checksum.update(piece)
    return checksum.hexdigest()


def check_pattern(pattern):
    known = {"stem", "name", "arch", "number"}
    for _, field, _, _ in string.Formatter().parse(pattern):
        if field is not None and field not in known:
            raise argparse.ArgumentTypeError(f"'{{{field}}}' is none of {sorted(known)}")
    return pattern


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=len(TEMPLATES), metavar="N",
                        help=f"so many (default {len(TEMPLATES)}); above that, copies under other names")
    parser.add_argument("--file", type=check_pattern, default="{stem}.xz", metavar="PATTERN",
                        help="file=, out of {stem} {name} {arch} {number} (default %(default)s)")
    parser.add_argument("--like", metavar="FILE", help="every template is a copy of FILE, with its checksum")
    parser.add_argument("--size", type=int, metavar="BYTES", help="of every template's disk")
    parser.add_argument("--expand", metavar="sdaN", help="of every template, and no lvexpand")
    parser.add_argument("--arch", metavar="ARCH", help="every template's; variants then differ by name")
    parser.add_argument("--plain", action="store_true", help="no armor around it")
    options = parser.parse_args()
    options.checksum = sha512_of(options.like) if options.like else None
    options.compressed_size = os.path.getsize(options.like) if options.like else None
    text = "\n".join(entry(number, options) for number in range(options.entries))
    sys.stdout.reconfigure(encoding="utf-8")
    sys.stdout.write(text if options.plain else armored(text))


if __name__ == "__main__":
    main()
