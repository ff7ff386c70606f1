/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/decode/tar.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "backends/costs.h"
#include "backends/map.h"
#include "base/bytes.h"
#include "base/text.h"

#define BLOCK	    512
#define MEMBERS_MAX 10000
#define EXTRAS_MAX  (64 * KiB) /* a pax header, a long name */
#define NAME_MAX_   4096

struct tar {
	struct image *below;
	uint64_t at;		  /* of the next header */
	char name[NAME_MAX_];	  /* of the next member, by an extra header; "" when there was none */
	uint64_t size;		  /* likewise */
	bool has_size, is_sparse; /* likewise */
	struct text disks;	  /* the names of all found */
	unsigned n_disks;
	uint64_t disk_at, disk_size; /* of the first */
	bool disk_is_sparse;
};

static int damaged(const struct tar *t, struct why *why)
{
	return fail(why, -EBADMSG, "the tar is damaged at byte %" PRIu64, t->at);
}

/* Octal, ended by a blank or a NUL; or, by GNU, binary behind a byte of 0x80. False when it is neither, or too large. */
static bool number(const uint8_t *field, size_t count, uint64_t *ret)
{
	uint64_t value = 0;
	size_t i = 0;

	if (field[0] == 0x80) {
		for (i = 1; i < count; i++) {
			if (value >> 55)
				return false;
			value = value << 8 | field[i];
		}
		*ret = value;
		return true;
	}
	while (i < count && field[i] == ' ')
		i++;
	for (; i < count && field[i] >= '0' && field[i] <= '7'; i++) {
		if (value >> 60)
			return false;
		value = value << 3 | (uint64_t)(field[i] - '0');
	}
	*ret = value;
	return i == count || field[i] == ' ' || field[i] == '\0';
}

/* The sum of all bytes, the field of the sum itself taken for blanks. */
static bool is_header(const uint8_t *h)
{
	uint64_t want, sum = 0;

	for (size_t i = 0; i < BLOCK; i++)
		sum += i >= 148 && i < 156 ? ' ' : h[i];
	return number(h + 148, 8, &want) && want == sum;
}

static void header_name(const uint8_t *h, char ret[static NAME_MAX_])
{
	const bool is_ustar = memcmp(h + 257, "ustar\0", 6) == 0;

	if (is_ustar && h[345])
		(void)snprintf(ret, NAME_MAX_, "%.155s/%.100s", (const char *)h + 345, (const char *)h);
	else
		(void)snprintf(ret, NAME_MAX_, "%.100s", (const char *)h);
}

/* One record of a pax header: "LENGTH KEY=VALUE\n". */
static void take_record(struct tar *t, const char *key, const char *value)
{
	char *end;
	unsigned long long n;

	if (strcmp(key, "path") == 0) {
		(void)snprintf(t->name, sizeof(t->name), "%s", value);
	} else if (strcmp(key, "size") == 0) {
		n = strtoull(value, &end, 10);
		t->has_size = *value >= '0' && *value <= '9' && !*end && n <= INT64_MAX;
		t->size = n;
	} else if (strncmp(key, "GNU.sparse.", 11) == 0) {
		t->is_sparse = true;
	}
}

/* `text` has `count` bytes and a NUL behind them. */
static bool take_pax(struct tar *t, char *text, size_t count)
{
	for (size_t at = 0; at < count;) {
		char *key, *value, *end;
		unsigned long long n = strtoull(text + at, &key, 10);

		if (*key != ' ' || n > count - at || n < (size_t)(key - text - at) + 4 ||
		    text[at + n - 1] != '\n')
			return false;
		end = text + at + n - 1;
		*end = '\0';
		value = strchr(++key, '=');
		if (!value ||
		    strlen(key) != (size_t)(end - key)) /* a NUL inside: of no key that matters here */
			return value == NULL ? false : true;
		*value++ = '\0';
		take_record(t, key, value);
		at += n;
	}
	return true;
}

/* A pax header or a long name: what it says is about the member that follows. */
static int take_extra(struct tar *t, char type, uint64_t size, struct why *why)
{
	_cleanup_free_ char *text = NULL;
	int r;

	if (size > EXTRAS_MAX)
		return damaged(t, why);
	text = calloc(1, size + 1);
	if (!text)
		return -ENOMEM;
	r = image_pread(t->below, text, size, t->at + BLOCK, why);
	if (r < 0)
		return r;
	if (type == 'L')
		(void)snprintf(t->name, sizeof(t->name), "%s", text);
	else if (type == 'x' && !take_pax(t, text, size))
		return damaged(t, why);
	return 0;
}

static bool is_disk(const char *name)
{
	static const char *const endings[] = { ".vmdk", ".raw", ".img",	    ".qcow2", ".vhd",
					       ".vhdx", ".vdi", ".vmdk.gz", ".iso" };
	const char *base = strrchr(name, '/') ?: name;
	const size_t n = strlen(name);

	/* What macOS adds for its own purposes. */
	if (strncmp(base, "/._", 3) == 0 || strncmp(base, "._", 2) == 0)
		return false;
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
		if (n > strlen(endings[i]) && strcasecmp(name + n - strlen(endings[i]), endings[i]) == 0)
			return true;
	return false;
}

static void note_disk(struct tar *t, const char *name, uint64_t size, bool is_sparse)
{
	text_add(&t->disks, "%s%s", t->n_disks ? ", " : "", name);
	if (t->n_disks++)
		return;
	t->disk_at = t->at + BLOCK;
	t->disk_size = size;
	t->disk_is_sparse = is_sparse;
}

static int take_member(struct tar *t, const uint8_t *h, uint64_t size, struct why *why)
{
	const char type = (char)h[156];
	char name[NAME_MAX_];
	bool is_sparse;

	if (type == 'x' || type == 'g' || type == 'L' || type == 'K')
		return take_extra(t, type, size, why);
	header_name(h, name);
	if (*t->name)
		memcpy(name, t->name, sizeof(name));
	is_sparse = t->is_sparse || type == 'S';
	*t->name = '\0';
	t->has_size = t->is_sparse = false;
	if ((type == '0' || type == '\0' || type == '7' || type == 'S') && is_disk(name))
		note_disk(t, name, size, is_sparse);
	return 0;
}

/* Two blocks of zeros end an archive; one, or the file's end, will do. */
static int walk(struct tar *t, struct why *why)
{
	for (unsigned n = 0; t->at + BLOCK <= t->below->size; n++) {
		uint8_t h[BLOCK];
		uint64_t size;
		int r = n < MEMBERS_MAX
				? image_pread(t->below, h, BLOCK, t->at, why)
				: fail(why, -EOPNOTSUPP, "the tar has more than %u members", MEMBERS_MAX);

		if (r < 0)
			return r;
		if (bytes_are_zero(h, BLOCK))
			return 0;
		if (!is_header(h) || !number(h + 124, 12, &size))
			return damaged(t, why);
		if (t->has_size)
			size = t->size;
		if (size > t->below->size - t->at - BLOCK)
			return damaged(t, why);
		r = take_member(t, h, size, why);
		if (r < 0)
			return r;
		t->at += BLOCK + align_up(size, BLOCK);
	}
	return 0;
}

static int open_disk(struct tar *t, struct image **ret, struct why *why)
{
	int r = walk(t, why);

	if (r < 0)
		return r;
	if (t->n_disks == 0)
		return fail(why, -EOPNOTSUPP, "the tar holds no disk");
	if (t->n_disks > 1)
		return fail(why, -EOPNOTSUPP,
			    "the tar holds %u disks, and which one is meant can't be told: %.200s", t->n_disks,
			    t->disks.chars ?: "");
	if (t->disk_is_sparse)
		return fail(why, -EOPNOTSUPP,
			    "'%.200s' stands in the tar as a sparse file; repack it without -S",
			    t->disks.chars ?: "");
	if (t->disk_size == 0)
		return fail(why, -EBADMSG, "'%.200s' in the tar is empty", t->disks.chars ?: "");
	return map_window(t->below, t->disk_at, t->disk_size, ret, why);
}

int tar_open(const struct opening *opening, struct image *below, struct image **ret, struct why *why)
{
	struct tar *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	t->below = below;
	r = open_disk(t, ret, why);
	text_done(&t->disks);
	free(t);
	return r;
}

static void tar_offer(const struct tags *state, const struct tags *want, struct offers *o)
{
	struct offer x;

	if (!offer_is_wrapped(state, "tar"))
		return;
	offer_begin(&x, o, state);
	offer_unwrap(&x);
	offer_end(&x, cost_of(state, COST_TAR_OPEN, COST_MAP_PER_MIB));
}

const struct backend tar_backend = {
	.name = "tar",
	.offer = tar_offer,
	.open = tar_open,
};
