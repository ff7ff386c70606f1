/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/cache/shelf.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "backends/cache/seals.h"
#include "backends/cache/store_private.h"
#include "base/log.h"

/*
 * Bits for more than that are memory that a header must not make us take: 32 MiB
 * a bitmap of granules (calloc'ed: only what is touched counts), 2 MiB of units.
 */
#define SIZE_LIMIT  (16 * TiB)
#define UNITS_LIMIT (UINT64_C(1) << 24)

#define IDENTITY_LIMIT (64 * KiB)

/* ---- what the image below is like ---- */

struct survey {
	uint64_t n_units, layout;
	uint64_t n_proved;
};

/* Where the run of ZERO extents that starts at `at` ends; `at` itself where there is DATA. */
static uint64_t proved_end(struct image *below, uint64_t at)
{
	while (at < below->size) {
		struct extent e = image_extent(below, at);

		if (e.kind != EXTENT_ZERO)
			break;
		at += e.length;
	}
	return at;
}

/* Every unit once: that they cover the image, where they begin, which are zero as a whole. */
static int survey_units(struct image *below, struct survey *ret, struct why *why)
{
	struct survey sv = { .n_units = image_units(below) };
	uint64_t at = 0, zero_to = 0;

	for (uint64_t i = 0; i < sv.n_units; i++) {
		struct unit u;
		uint8_t length[8];

		if (at >= below->size)
			return fail(why, -EBADMSG, "unit %" PRIu64 " begins behind the end", i);
		u = image_unit(below, at);
		if (u.index != i || u.offset != at)
			return fail(why, -EBADMSG, "unit %" PRIu64 " is not where unit %" PRIu64 " ends",
				    u.index, i);
		put_le64(length, u.length);
		sv.layout = XXH3_64bits_withSeed(length, sizeof(length), sv.layout);
		if (zero_to <= at)
			zero_to = proved_end(below, at);
		at += u.length;
		sv.n_proved += zero_to >= at;
	}
	if (at != below->size)
		return fail(why, -EBADMSG, "%" PRIu64 " units end at %" PRIu64 " of %" PRIu64, sv.n_units, at,
			    below->size);
	*ret = sv;
	return 0;
}

static int check_bounds(const char *identity, struct image *below, struct why *why)
{
	if (strlen(identity) > IDENTITY_LIMIT)
		return fail(why, -EINVAL, "template's identity is %zu bytes long", strlen(identity));
	if (below->size == 0 || below->size > SIZE_LIMIT)
		return fail(why, -EFBIG, "image of %" PRIu64 " bytes can't be stored, the limit is 16T",
			    below->size);
	if (image_units(below) > UNITS_LIMIT)
		return fail(why, -EFBIG, "image is made in %" PRIu64 " units, the limit is %" PRIu64,
			    image_units(below), UNITS_LIMIT);
	return 0;
}

int shelf_check(const struct shelf *sh, const char *identity, struct image *below, struct why *why)
{
	struct survey sv;
	int r;

	if (strcmp(sh->identity, identity) != 0)
		return fail(why, -EBUSY, "another template has the same key in the store");
	r = check_bounds(identity, below, why);
	if (r == 0)
		r = survey_units(below, &sv, why);
	if (r < 0)
		return r;
	if (below->size != sh->of.size || sv.n_units != sh->of.n_units || sv.layout != sh->of.layout)
		return fail(why, -ESTALE, "two templates claim to be '%.*s', but their units differ",
			    STORE_SHOWN(identity));
	return 0;
}

/* ---- bits ---- */

/*
 * Whether every byte of the granule is in a unit that is there, or proved zero.
 * The last byte is asked first: units are mostly made in order, and then it is
 * the one that is missing.
 */
static bool granule_is_whole(const struct shelf *sh, struct image *below, uint64_t granule)
{
	const uint64_t start = granule * GRANULE, end = min_u64(start + GRANULE, sh->of.size);
	struct unit last = image_unit(below, end - 1);
	uint64_t at = start;

	if (!bits_get(sh->there, last.index) && image_extent(below, end - 1).kind != EXTENT_ZERO)
		return false;
	while (at < end) {
		struct unit u = image_unit(below, at);

		if (bits_get(sh->there, u.index))
			at = u.offset + u.length;
		else if (image_extent(below, at).kind == EXTENT_ZERO)
			at = min_u64(proved_end(below, at), u.offset + u.length);
		else
			return false;
	}
	return true;
}

/* The granules that lie in [offset, end) as a whole; the image's last one may be short. */
static void granules_inside(const struct shelf *sh, uint64_t offset, uint64_t end, uint64_t *ret_from,
			    uint64_t *ret_to)
{
	*ret_from = div_up(offset, GRANULE);
	*ret_to = end == sh->of.size ? units_granules(&sh->of) : end / GRANULE;
}

/* [offset, end) is there: what it fills as a whole is ready, what it touches may be. */
static void add_ready(struct shelf *sh, struct image *below, uint64_t offset, uint64_t end)
{
	uint64_t from, to;

	granules_inside(sh, offset, end, &from, &to);
	bits_put_range(sh->ready, from, to, true);
	if (offset % GRANULE && granule_is_whole(sh, below, offset / GRANULE))
		bits_put(sh->ready, offset / GRANULE, true);
	if (end % GRANULE && end != sh->of.size && granule_is_whole(sh, below, end / GRANULE))
		bits_put(sh->ready, end / GRANULE, true);
}

static void add_proved(struct shelf *sh, struct image *below)
{
	for (uint64_t at = 0; at < sh->of.size;) {
		uint64_t end = proved_end(below, at), from, to;

		if (end == at) {
			at += image_extent(below, at).length;
			continue;
		}
		granules_inside(sh, at, end, &from, &to);
		bits_put_range(sh->zero, from, max_u64(from, to), true);
		bits_put_range(sh->ready, from, to, true);
		at = end;
	}
}

void shelf_add_unit(struct shelf *sh, struct image *below, const struct unit *unit)
{
	if (sh->lost)
		return;
	bits_put(sh->there, unit->index, true);
	add_ready(sh, below, unit->offset, unit->offset + unit->length);
}

/* ---- the data file ---- */

static int punch_or_write(int fd, uint64_t offset, uint64_t length)
{
	static const uint8_t zeros[64 * KiB];
	const uint64_t end = offset + length;

	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)length) == 0)
		return 0;
	if (errno != EOPNOTSUPP && errno != ENOSYS)
		return -errno;
	/* A filesystem without holes on demand: zeros do, where there is anything at all. */
	while (offset < end) {
		off_t data = lseek(fd, (off_t)offset, SEEK_DATA);
		ssize_t n;

		if (data < 0)
			return errno == ENXIO ? 0 : -errno;
		offset = max_u64(offset, (uint64_t)data);
		if (offset >= end)
			return 0;
		n = pwrite(fd, zeros, min_u64(end - offset, sizeof(zeros)), (off_t)offset);
		if (n < 0)
			return -errno;
		offset += (uint64_t)n;
	}
	return 0;
}

/*
 * The directory's lock keeps other daemons out, unless somebody removes it. What we have open none of
 * them may put in order then: it would punch holes where it knows of no unit, under our readers.
 * Who can't have the file takes a new one, and the other is left with one that has no name.
 */
static int lock_data(struct shelf *sh)
{
	return flock(sh->fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
}

static int open_data(struct shelf *sh, struct why *why)
{
	char file[FILE_TEXT];
	struct stat st;

	store_file(sh->entry, "raw", file);
	sh->fd = openat(sh->store->dirfd, file, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (sh->fd < 0)
		return -errno;
	if (fstat(sh->fd, &st) < 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != sh->of.size)
		return fail(why, -ESTALE, "data file is not a file of %" PRIu64 " bytes", sh->of.size);
	if (lock_data(sh) < 0)
		return fail(why, -EBUSY, "data file is in use by another goalfs");
	sh->of.inode = st.st_ino;
	return 0;
}

/* A new data file. The old units file must be gone for good before one can stand beside it. */
static int create_data(struct shelf *sh)
{
	struct store *s = sh->store;
	char file[FILE_TEXT];
	struct stat st;

	if (s->keeps) {
		store_remove_data(s, sh->entry);
		store_file(sh->entry, "raw", file);
		sh->fd = openat(s->dirfd, file, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	} else {
		sh->fd = store_temporary(s);
	}
	if (sh->fd < 0 || ftruncate(sh->fd, (off_t)sh->of.size) < 0 || fstat(sh->fd, &st) < 0)
		return -errno;
	if (s->keeps && lock_data(sh) < 0)
		return -errno;
	sh->of.inode = st.st_ino;
	return 0;
}

static int read_units(struct shelf *sh, struct why *why)
{
	_cleanup_free_ uint8_t *bytes = NULL;
	size_t count;
	int r;

	r = store_read(sh->store, sh->entry, "units", units_bytes(&sh->of), &bytes, &count);
	if (r < 0)
		return fail(why, r, "units file can't be read: %s", strerror(-r));
	return units_decode((struct span){ bytes, count }, &sh->of, sh->there, sh->zero, why);
}

/* Makes the bits say what they promise: runs of units there become ready, all else a hole. */
static int settle(struct shelf *sh, struct image *below)
{
	uint64_t start = 0;
	bool there = false;

	for (uint64_t at = 0; at <= sh->of.size;) {
		struct unit u = { 0 };
		bool ends = at == sh->of.size;

		if (!ends)
			u = image_unit(below, at);
		if (at > start && (ends || bits_get(sh->there, u.index) != there)) {
			int r = 0;

			if (there)
				add_ready(sh, below, start, at);
			else
				r = punch_or_write(sh->fd, start, at - start);
			if (r < 0)
				return r;
			start = at;
		}
		if (ends)
			break;
		there = bits_get(sh->there, u.index);
		at += u.length;
	}
	bits_mask(sh->zero, sh->ready);
	return 0;
}

static void forget_bits(struct shelf *sh)
{
	bits_put_range(sh->there, 0, sh->there->n, false);
	bits_put_range(sh->ready, 0, sh->ready->n, false);
	bits_put_range(sh->zero, 0, sh->zero->n, false);
}

/* What is on disk and fits, or a new file, or none at all. */
static void open_files(struct shelf *sh, struct image *below)
{
	struct why why = { 0 };
	int r = -ENOENT;

	if (sh->store->keeps) {
		r = open_data(sh, &why);
		if (r == 0)
			r = read_units(sh, &why);
		if (r == 0)
			r = settle(sh, below);
		if (r < 0 && r != -ENOENT)
			log_note("store: '%.*s' starts anew: %s", STORE_SHOWN(sh->identity), why_text(&why, r));
	}
	if (r < 0) {
		closep(&sh->fd);
		sh->fd = -1;
		forget_bits(sh);
		r = create_data(sh);
	}
	if (r < 0) {
		log_warn("store: '%.*s' can't be stored in '%s': %s", STORE_SHOWN(sh->identity),
			 sh->store->name, strerror(-r));
		sh->lost = true;
	}
}

static int shelf_new(struct store *store, struct entry *entry, const char *identity, const struct survey *sv,
		     uint64_t size, struct shelf **ret)
{
	_cleanup_(shelf_freep) struct shelf *sh = calloc(1, sizeof(*sh));

	if (!sh)
		return -ENOMEM;
	sh->fd = -1;
	sh->store = store;
	sh->entry = entry;
	(void)pthread_mutex_init(&sh->lock, NULL);
	(void)pthread_mutex_init(&sh->placing, NULL);
	sh->identity = strdup(identity);
	sh->of = (struct units_of){ sh->identity, size, sv->n_units, sv->layout, 0 };
	sh->n_proved = sv->n_proved;
	sh->there = bits_new(sv->n_units);
	sh->ready = bits_new(units_granules(&sh->of));
	sh->zero = bits_new(units_granules(&sh->of));
	if (!sh->identity || !sh->there || !sh->ready || !sh->zero)
		return -ENOMEM;
	*ret = take(sh);
	return 0;
}

int shelf_load(struct store *store, struct entry *entry, const char *identity, struct image *below,
	       struct shelf **ret, struct why *why)
{
	_cleanup_(shelf_freep) struct shelf *sh = NULL;
	struct survey sv;
	struct stat st;
	int r;

	r = check_bounds(identity, below, why);
	if (r == 0)
		r = survey_units(below, &sv, why);
	if (r == 0)
		r = shelf_new(store, entry, identity, &sv, below->size, &sh);
	if (r < 0)
		return r;
	open_files(sh, below);
	add_proved(sh, below);
	if (sh->fd >= 0 && fstat(sh->fd, &st) == 0)
		store_count_data(store, entry, (uint64_t)st.st_blocks * SECTOR);
	*ret = take(sh);
	return 0;
}

void shelf_unseal(struct shelf *sh)
{
	LOCKED(&sh->placing);

	if (sh->seals)
		seals_clear(sh->seals);
}

void shelf_free(struct shelf *sh)
{
	if (!sh)
		return;
	memory_forget(sh->store->memory, sh);
	/* Whoever still has a copy of the descriptor (the kernel, a child) must not keep us from opening it anew. */
	if (sh->fd >= 0)
		(void)flock(sh->fd, LOCK_UN);
	seals_free(sh->seals);
	closep(&sh->fd);
	free(sh->there);
	free(sh->ready);
	free(sh->zero);
	free(sh->identity);
	(void)pthread_mutex_destroy(&sh->lock);
	(void)pthread_mutex_destroy(&sh->placing);
	free(sh);
}

static int read_all(int fd, uint8_t *buf, size_t count, uint64_t offset)
{
	while (count) {
		ssize_t n = pread(fd, buf, count, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENODATA; /* shorter than we left it */
		buf += n;
		count -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

static int read_or_lose(struct shelf *sh, void *buf, size_t count, uint64_t offset)
{
	int r = read_all(sh->fd, buf, count, offset);

	if (r == 0)
		return 0;
	shelf_lose(sh, r == -ENODATA ? "somebody shortened its data file" : strerror(-r));
	return -EIO;
}

/* The hit path: no lock, a few loads a granule, one pread a run. */
size_t shelf_read(struct shelf *sh, void *buf, size_t count, uint64_t offset)
{
	const uint64_t end = offset + count;
	uint64_t at = offset;

	while (at < end && bits_get(sh->ready, at / GRANULE)) {
		uint64_t stop = align_down(at, GRANULE) + GRANULE;
		bool zero = bits_get(sh->zero, at / GRANULE);
		uint8_t *p = (uint8_t *)buf + (at - offset);

		while (stop < end && bits_get(sh->ready, stop / GRANULE) &&
		       bits_get(sh->zero, stop / GRANULE) == zero)
			stop += GRANULE;
		stop = min_u64(stop, end);
		if (zero)
			memset(p, 0, stop - at);
		else if (read_or_lose(sh, p, stop - at, at) < 0)
			break;
		at = stop;
	}
	return at - offset;
}

int shelf_read_unit(struct shelf *sh, void *buf, size_t count, uint64_t offset)
{
	return read_or_lose(sh, buf, count, offset);
}

uint64_t shelf_run(const struct shelf *sh, uint64_t offset, uint64_t end, bool seen_zero, bool *ret_is)
{
	uint64_t to = bits_run(sh->ready, seen_zero ? sh->zero : NULL, offset / GRANULE, div_up(end, GRANULE),
			       ret_is);

	return min_u64(to * GRANULE, end);
}

bool shelf_is_sound(struct shelf *sh)
{
	struct stat st;

	if (sh->lost)
		return false;
	if (fstat(sh->fd, &st) < 0 || (uint64_t)st.st_size != sh->of.size) {
		shelf_lose(sh, "somebody changed its data file's length");
		return false;
	}
	return true;
}

int shelf_write(struct shelf *sh, const void *buf, size_t count, uint64_t offset)
{
	const uint8_t *p = buf;

	/* A write behind the end of a file that somebody shortened would make it look as long as it was. */
	if (!shelf_is_sound(sh))
		return -EIO;
	while (count) {
		ssize_t n = pwrite(sh->fd, p, count, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int r = -errno;

			if (r != -ENOSPC && r != -EDQUOT)
				shelf_lose(sh, strerror(-r));
			return r;
		}
		p += n;
		count -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

void shelf_wipe(struct shelf *sh, uint64_t offset, uint64_t length)
{
	int r;

	if (sh->lost)
		return;
	r = punch_or_write(sh->fd, offset, length);
	if (r < 0)
		shelf_lose(sh, strerror(-r));
}

static void remove_units(struct shelf *sh)
{
	if (sh->store->keeps)
		store_remove_units(sh->store, sh->entry);
}

void shelf_lose(struct shelf *sh, const char *reason)
{
	{
		LOCKED(&sh->lock);

		if (sh->lost)
			return;
		sh->lost = true;
		forget_bits(sh);
	}
	log_warn("store: what was stored of '%.*s' is dropped: %s", STORE_SHOWN(sh->identity), reason);
	remove_units(sh);
}

/*
 * The order is the point: the snapshot, then the sync of the data, then the file
 * that claims it. A unit that was added while the data was being synced is not in
 * the snapshot and waits for the next turn.
 */
int shelf_flush(struct shelf *sh)
{
	const size_t count = units_bytes(&sh->of);
	_cleanup_free_ uint8_t *bytes = malloc(count);
	struct stat st;
	int r;

	if (!bytes)
		return -ENOMEM;
	units_encode(&sh->of, sh->there, sh->zero, bytes);
	if (!shelf_is_sound(sh))
		return 0;
	if (fdatasync(sh->fd) < 0) {
		/* The kernel has dropped the pages it could not write: what is there, nobody knows. */
		shelf_lose(sh, strerror(errno));
		return 0;
	}
	/* A file that somebody unlinked is read to the end, but has no future to speak of. */
	if (fstat(sh->fd, &st) < 0 || st.st_nlink == 0)
		return 0;
	r = store_replace(sh->store, sh->entry, "units", DURABLE, bytes, count);
	/* Lost meanwhile: then this file must not stay, whoever of the two came last. */
	if (sh->lost)
		remove_units(sh);
	return r;
}
