/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/test.h"

#include "tests/unit/lvmtools.h"

#include <stdio.h>

#include "backends/content/lvm/disk.h"
#include "base/bytes.h"
#include "tests/unit/disk.h"
#include "tests/unit/memimage.h"

/* Locks, archives and such stay in the test's directory. */
static void write_lvm_script(void)
{
	sh("mkdir -p etc run && cat > lvm.sh <<'EOT'\n"
	   "set -e\n"
	   "pv=$1; shift\n"
	   "export LVM_SYSTEM_DIR=$PWD/etc LVM_SUPPRESS_FD_WARNINGS=1\n"
	   "l=$(losetup -f --show $pv)\n"
	   "trap 'losetup -d $l' EXIT\n"
	   "lvm() { c=$1; shift; command $c --driverloaded n --config \"devices{use_devicesfile=0 "
	   "filter=[\\\"a|^$l\\$|\\\",\\\"r|.*|\\\"]} backup{backup=0 archive=0} "
	   "global{locking_dir=\\\"$PWD/run\\\"}\" \"$@\"; }\n"
	   "eval \"$1\"\n"
	   "EOT");
}

/* lvm_copy get|put PV FILE: the file "places" says where the extents begin, and of what size they are; then size:device:range. */
static void write_copy_script(void)
{
	sh("cat > copy.py <<'EOT'\n"
	   "import os, sys\n"
	   "how, pv, name = sys.argv[1:]\n"
	   "rows = [line.split(':') for line in open('places').read().split()]\n"
	   "start, extent = (int(n) for n in rows[0])\n"
	   "get = how == 'get'\n"
	   "if get: open(name, 'wb').close()\n"
	   "pv, f = os.open(pv, os.O_RDWR), os.open(name, os.O_RDWR)\n"
	   "a, b, at = (pv, f, 0) if get else (f, pv, 0)\n"
	   "for size, dev, span in rows[1:]:\n"
	   "    where = start + int(span.split('-')[0]) * extent\n"
	   "    for i in range(0, int(size), 1 << 20):\n"
	   "        n = min(1 << 20, int(size) - i)\n"
	   "        data = os.pread(a, n, where + i if get else at + i)\n"
	   "        if data.strip(b'\\0') or not get: os.pwrite(b, data, at + i if get else where + i)\n"
	   "    at += int(size)\n"
	   "if get: os.truncate(f, at)\n"
	   "EOT");
}

int lvm_setup(void **state)
{
	int r = disk_dir_setup(state);

	if (r < 0)
		return r;
	write_lvm_script();
	write_copy_script();
	return 0;
}

void lvm(const char *pv, const char *line)
{
	sh("sh lvm.sh %s '%s' > log 2>&1 || { cat log >&2; false; }", pv, line);
}

void lvm_noise(const char *name, const char *size)
{
	sh("test -e noise-%s || seq -f %%063.0f 0 $(($(numfmt --from=iec %s) / 64 - 1)) > noise-%s; cp "
	   "noise-%s %s",
	   size, size, size, size, name);
}

void lvm_restore(const char *pv, const char *edit)
{
	char line[2048];

	(void)snprintf(line, sizeof(line),
		       "lvm vgcfgbackup -qq -f $PWD/text vg; python3 edit.py; "
		       "lvm vgcfgrestore -qq --force -f $PWD/text vg");
	sh("cat > edit.py <<'EOT'\nimport re\nt = open('text').read()\n%s\nopen('text', 'w').write(t)\nEOT",
	   edit);
	lvm(pv, line);
}

static void copy(const char *pv, const char *lv, const char *how, const char *file)
{
	char line[512];

	(void)snprintf(line, sizeof(line),
		       "show=\"--noheadings --units b --nosuffix --separator :\"; "
		       "lvm pvs $show -o pe_start,vg_extent_size > places; "
		       "lvm lvs $show -o seg_size,seg_pe_ranges %s >> places",
		       lv);
	lvm(pv, line);
	sh("python3 copy.py %s %s %s", how, pv, file);
}

void lvm_get(const char *pv, const char *lv, const char *file)
{
	copy(pv, lv, "get", file);
}

void lvm_put(const char *pv, const char *lv, const char *file)
{
	copy(pv, lv, "put", file);
}

void lvm_put_again(const char *pv, const char *file)
{
	sh("python3 copy.py put %s %s", pv, file);
}

uint8_t lvm_pv_bytes[MiB];

struct image *lvm_pv_of(const char *text)
{
	uint8_t *label = lvm_pv_bytes + 512, *area = lvm_pv_bytes + 4096;
	size_t n = strlen(text) + 1;

	memset(lvm_pv_bytes, 0, sizeof(lvm_pv_bytes));
	memcpy(label, "LABELONE", 8);
	label[8] = 1;
	label[20] = 32;
	memcpy(label + 24, "LVM2 001", 8);
	memcpy(label + 32, "abcdef0123456789abcdefghijklmnop", 32);
	put_le64(label + 64, 64 * MiB);
	put_le64(label + 72, MiB); /* data area */
	put_le64(label + 104, 4096);
	put_le64(label + 112, MiB - 4096);
	put_le32(label + 16, lvm_crc(label + 20, 492));

	memcpy(area + 512, text, n);
	memcpy(area + 4, " LVM2 x[5A%r0N*>", 16);
	put_le32(area + 20, 1);
	put_le64(area + 24, 4096);
	put_le64(area + 32, MiB - 4096);
	put_le64(area + 40, 512);
	put_le64(area + 48, n);
	put_le32(area + 56, lvm_crc(text, n));
	put_le32(area, lvm_crc(area + 4, 508));
	return memimage_new(lvm_pv_bytes, sizeof(lvm_pv_bytes), 64 * MiB);
}
