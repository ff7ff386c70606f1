/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/cache/fetched.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "backends/cache/flights.h"
#include "backends/cache/seals.h"
#include "backends/cache/store_private.h"
#include "base/size.h"

/* A shorter hint waits for company, and goes with the next request. */
#define HINT_AT_ONCE (256 * KiB)

#define WINDOW_FIRST (128 * KiB)

/* ---- how the object is cut ---- */

static uint64_t chunks_units(struct image *img)
{
	return div_up(img->size, FETCH_CHUNK);
}

static void chunks_unit(struct image *img, uint64_t offset, struct unit *ret)
{
	const uint64_t at = align_down(offset, FETCH_CHUNK);

	*ret = (struct unit){ at / FETCH_CHUNK, at, min_u64(FETCH_CHUNK, img->size - at) };
}

/* Chunks come many to a request, and by the engine's thread: none is made alone. */
static int chunks_make(struct image *img, const struct unit *unit, struct sink *sink, struct why *why)
{
	return fail(why, -EOPNOTSUPP, "chunk %" PRIu64 " of a remote object can't be made alone", unit->index);
}

static const struct image_ops chunks_ops = {
	.name = "chunks",
	.units = chunks_units,
	.unit = chunks_unit,
	.make = chunks_make,
};

/* ---- reading ---- */

static struct run_of_chunks chunks_of(uint64_t offset, uint64_t count)
{
	return (struct run_of_chunks){ offset / FETCH_CHUNK, div_up(offset + count, FETCH_CHUNK) };
}

/* The stream that the read goes on with, or the one that was not used for longest, begun anew. */
static struct stream *find_stream(struct fetched *f, uint64_t offset)
{
	struct stream *oldest = &f->stream[0];

	for (size_t i = 0; i < STREAMS; i++) {
		struct stream *s = &f->stream[i];

		if (s->used && s->next == offset)
			return s;
		if (s->used < oldest->used)
			oldest = s;
	}
	*oldest = (struct stream){ .begun = offset, .next = offset };
	return oldest;
}

/*
 * What to read ahead behind this read: nothing for the first of a row, nor until the row
 * is a chunk long (a header, read in pieces, leads nowhere), and then ever more. When half
 * of it is used up the whole is asked for again, so that requests are long and the next
 * one is under way before the last one has come in.
 */
static struct run_of_chunks read_on(struct fetched *f, uint64_t offset, uint64_t count)
{
	const uint64_t end = offset + count;
	struct run_of_chunks run = { 0 };
	struct stream *s;
	LOCKED(&f->streams_lock);

	s = find_stream(f, offset);
	s->next = end;
	s->used = ++f->clock;
	s->wished = max_u64(s->wished, end);
	if (s->window && end < f->image.size && s->wished - end <= s->window / 2) {
		run = chunks_of(s->wished, end + s->window - s->wished);
		s->wished = end + s->window;
	}
	if (end - s->begun >= FETCH_CHUNK)
		s->window = min_u64(max_u64(2 * s->window, WINDOW_FIRST), FETCH_REQUEST_MAX);
	return run;
}

/* The start of the range is not on the shelf: reads some of it, at least a byte. */
static int read_slowly(struct fetched *f, void *buf, size_t count, uint64_t offset, size_t *ret_count,
		       struct why *why)
{
	const struct run_of_chunks run = chunks_of(offset, count);
	const uint64_t at = run.from * FETCH_CHUNK;

	for (;;) {
		_cleanup_(held_unrefp) struct held *held =
			memory_find(f->shelf->store->memory, f->shelf, run.from);
		int r;

		if (held) {
			*ret_count = min_u64(count, at + held->length - offset);
			memcpy(buf, held->bytes + (offset - at), *ret_count);
			return 0;
		}
		r = flights_await(f, run, why);
		if (r < 0)
			return r;
		*ret_count = shelf_read(f->shelf, buf, count, offset);
		if (*ret_count)
			return 0;
	}
}

static int fetched_pread(struct image *img, void *buf, size_t count, uint64_t offset, struct why *why)
{
	struct fetched *f = (struct fetched *)img;
	const struct run_of_chunks ahead = read_on(f, offset, count);
	size_t n = shelf_read(f->shelf, buf, count, offset);
	uint8_t *p = buf;

	/* Where something is missing, what is read ahead goes into one request with it. */
	if (ahead.end)
		flights_wish(f, ahead, /* now= */ n == count);
	while (count) {
		int r = 0;

		if (n == 0)
			r = read_slowly(f, p, count, offset, &n, why);
		if (r < 0)
			return r;
		p += n;
		offset += n;
		count -= n;
		n = count ? shelf_read(f->shelf, p, count, offset) : 0;
	}
	return 0;
}

/* ---- what is known without reading ---- */

static void fetched_extent(struct image *img, uint64_t offset, struct extent *ret)
{
	*ret = (struct extent){ img->size - offset, EXTENT_DATA };
}

static int fetched_backing(struct image *img, uint64_t offset, struct backing *ret)
{
	const struct shelf *sh = ((struct fetched *)img)->shelf;
	bool is_ready;
	uint64_t end = shelf_run(sh, offset, img->size, /* seen_zero= */ false, &is_ready);

	if (!is_ready || sh->lost || sh->fd < 0)
		return -ENODATA;
	*ret = (struct backing){ sh->fd, offset, end - offset, .ours = true };
	return 0;
}

static void fetched_hint(struct image *img, uint64_t offset, uint64_t length)
{
	flights_wish((struct fetched *)img, chunks_of(offset, length), length >= HINT_AT_ONCE);
}

static bool fetched_is_here(struct image *img, uint64_t offset, uint64_t length)
{
	struct fetched *f = (struct fetched *)img;
	const struct run_of_chunks run = chunks_of(offset, length);

	return flights_are_there(f, run);
}

static bool fetched_is_stale(struct image *img)
{
	return ((struct fetched *)img)->is_stale;
}

static void fetched_describe(struct image *img, struct text *t)
{
	const struct fetched *f = (struct fetched *)img;
	const char *url = f->object.final_url ?: f->object.url;
	char there[SIZE_TEXT_MAX], all[SIZE_TEXT_MAX];

	text_add(t, "    %.*s, %s of %s fetched%s\n", NET_URL_TEXT(url), size_human(there, fetched_bytes(img)),
		 size_human(all, img->size),
		 f->object.has_ranges ? "" : ", from a server that sends all or nothing");
}

static void fetched_close(struct image *img)
{
	struct fetched *f = (struct fetched *)img;

	if (f->flights.last_waiter)
		flights_done(f);
	if (f->shelf) {
		fetched_save(img);
		store_shelf_close(f->shelf);
	}
	object_done(&f->object);
	free(f->url);
	free(f->proxy);
	(void)pthread_mutex_destroy(&f->streams_lock);
	free(f);
}

static const struct image_ops fetched_ops = {
	.name = "http",
	.pread = fetched_pread,
	.extent = fetched_extent,
	.backing = fetched_backing,
	.hint = fetched_hint,
	.is_here = fetched_is_here,
	.is_stale = fetched_is_stale,
	.describe = fetched_describe,
	.close = fetched_close,
};

uint64_t fetched_bytes(struct image *img)
{
	const struct fetched *f = (struct fetched *)img;

	const uint64_t last = fetched_chunks(f) - 1;
	const uint64_t missing =
		bits_get(f->shelf->there, last) ? FETCH_CHUNK - fetched_chunk_bytes(f, last) : 0;

	/* The bits may change between the two: those of a store that is lost are cleared. */
	return max_u64(bits_count(f->shelf->there) * FETCH_CHUNK, missing) - missing;
}

struct image *fetched_below(struct image *img)
{
	while (img && img->ops != &fetched_ops)
		img = img->below;
	return img;
}

/* ---- what it was when it came first ---- */

/* Once for all images of this shelf. */
static int find_seals(struct shelf *sh, uint64_t chunks)
{
	LOCKED(&sh->placing);

	if (sh->seals)
		return 0;
	sh->seals = seals_new(chunks);
	if (!sh->seals)
		return -ENOMEM;
	seals_load(sh->seals, sh->store, sh->identity);
	return 0;
}

int fetched_note(struct image *img, const void *buf, size_t count, uint64_t offset, struct why *why)
{
	struct fetched *f = (struct fetched *)img;
	const uint8_t *p = buf;

	for (size_t n; count; p += n, offset += n, count -= n) {
		const uint64_t chunk = offset / FETCH_CHUNK;

		n = fetched_chunk_bytes(f, chunk);
		assert(offset % FETCH_CHUNK == 0 && count >= n);
		if (seals_note(f->shelf->seals, chunk, p, n))
			continue;
		f->is_stale = true;
		return fail(why, -ESTALE, "'%.*s' is not what it was when it was read before",
			    NET_URL_TEXT(f->object.url));
	}
	return 0;
}

bool fetched_sum(struct image *img, char ret[static SEALS_SUM])
{
	return seals_sum(((struct fetched *)img)->shelf->seals, ret);
}

bool fetched_is_broken(struct image *img)
{
	return seals_are_broken(((struct fetched *)img)->shelf->seals);
}

void fetched_save(struct image *img)
{
	const struct shelf *sh = ((struct fetched *)img)->shelf;

	if (sh->seals)
		seals_save(sh->seals, sh->store, sh->identity);
}

static int copy_object(const struct object *from, struct object *to)
{
	_cleanup_free_ char *bytes = NULL;
	size_t count;
	int r = object_pack(from, &bytes, &count);

	return r < 0 ? r : object_unpack(bytes, count, to);
}

static int chunks_new(uint64_t size, struct image **ret)
{
	struct image *chunks = calloc(1, sizeof(*chunks));

	if (!chunks)
		return -ENOMEM;
	image_init(chunks, &chunks_ops, size, /* below= */ NULL);
	*ret = chunks;
	return 0;
}

static int fetched_fill(struct fetched *f, struct store *store, const char *identity,
			const struct object *object, const char *url, const char *proxy, struct why *why)
{
	int r = copy_object(object, &f->object);

	if (r < 0)
		return r;
	f->url = strdup(url);
	f->proxy = proxy ? strdup(proxy) : NULL;
	if (!f->url || (proxy && !f->proxy))
		return -ENOMEM;
	r = store_shelf_open(store, identity, f->image.below, &f->shelf, why);
	if (r == 0)
		r = find_seals(f->shelf, fetched_chunks(f));
	if (r == 0)
		flights_init(f);
	return r;
}

int fetched_image_new(struct store *store, struct net *net, const char *identity, const struct object *object,
		      const char *url, const char *proxy, const void *first, size_t first_count,
		      struct image **ret, struct why *why)
{
	_cleanup_(image_unrefp) struct image *chunks = NULL, *img = NULL;
	struct fetched *f;
	int r = chunks_new(object->length, &chunks);

	if (r < 0)
		return r;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->net = net;
	(void)pthread_mutex_init(&f->streams_lock, NULL);
	img = &f->image;
	image_init(img, &fetched_ops, object->length, take(chunks));
	r = fetched_fill(f, store, identity, object, url, proxy, why);
	if (r == 0 && first && first_count >= fetched_chunk_bytes(f, 0))
		r = flights_place(f, 0, first, fetched_chunk_bytes(f, 0), why);
	if (r < 0)
		return r;
	*ret = take(img);
	return 0;
}
