/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/library/ending.h"

#include <limits.h>
#include <string.h>

struct row {
	const char *text;
	const char *value;
};

/* In the order in which they are preferred. */
static const struct row formats[] = {
	{ ".raw", "raw" },	 { ".img", NULL }, /* Ubuntu's are qcow2 */
	{ ".iso", "iso" },	 { ".qcow2", "qcow2" }, { ".vmdk", "vmdk" },
	{ ".vdi", "vdi" },	 { ".vhd", "vhd" },	{ ".vpc", "vhd" },
	{ ".vhdx", "vhdx" },	 { ".qed", "qed" },	{ ".parallels", "parallels" },
	{ ".hdd", "parallels" }, { ".dmg", "dmg" },	{ ".qcow", "qcow" },
	{ ".cloop", "cloop" },
};

static const struct row codecs[] = {
	{ ".xz", "xz" },     { ".zst", "zstd" }, { ".gz", "gzip" },
	{ ".bz2", "bzip2" }, { ".tar", "tar" },	 { ".ova", "tar" },
};

#define N_FORMATS  (sizeof(formats) / sizeof(formats[0]))
#define N_CODECS   (sizeof(codecs) / sizeof(codecs[0]))
#define CODECS_MAX 3

/* Takes it off the end of the first `*n` bytes; the row's number, or -1. */
static int take_off(const struct row *rows, size_t n_rows, const char *name, size_t *n)
{
	for (size_t i = 0; i < n_rows; i++) {
		const size_t m = strlen(rows[i].text);

		if (*n > m && memcmp(name + *n - m, rows[i].text, m) == 0) {
			*n -= m;
			return (int)i;
		}
	}
	return -1;
}

#define EXPORT ".nbd"

bool ending_of(const char *name, struct ending *ret)
{
	const size_t count = strlen(name), m = strlen(EXPORT);
	unsigned n_codecs = 0;
	int row = 0;

	*ret = (struct ending){ .base = count };
	if (count > m && strcmp(name + count - m, EXPORT) == 0) {
		*ret = (struct ending){ .base = count - m, .is_export = true, .rank = UINT_MAX };
		return true;
	}
	while (n_codecs < CODECS_MAX && (row = take_off(codecs, N_CODECS, name, &ret->base)) >= 0) {
		ret->codec = ret->codec ? ret->codec : codecs[row].value;
		ret->rank = ret->rank * 8 + (unsigned)row + 1;
		n_codecs++;
	}
	row = take_off(formats, N_FORMATS, name, &ret->base);
	if (row >= 0)
		ret->format = formats[row].value;
	else if (n_codecs == 0)
		return false;
	ret->rank = ret->rank * 32 + (row < 0 ? 31 : (unsigned)row);
	return true;
}
