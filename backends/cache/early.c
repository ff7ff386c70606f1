/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/cache/early.h"

#include <errno.h>
#include <stdlib.h>

#include "backends/cache/making.h"
#include "base/bytes.h"
#include "base/lock.h"

struct note {
	struct image *cache;   /* owns a ref, which keeps the making's shelf open */
	struct making *making; /* owns a ref */
};

struct early {
	atomic_uint refs;
	pthread_mutex_t lock; /* guards all below */
	struct note *note;    /* none is taken off before all have ended well */
	size_t n, room;
	uint64_t settled; /* so many were taken off before: the number of the first that is left */
	int error;	  /* of a making, for ever */
	struct why why;
};

static _Thread_local struct early *here;

struct early *early_set(struct early *e)
{
	struct early *was = here;

	here = e;
	return was;
}

struct early *early_here(void)
{
	return here;
}

struct early *early_new(void)
{
	struct early *e = calloc(1, sizeof(*e));

	if (e) {
		e->refs = 1;
		(void)pthread_mutex_init(&e->lock, NULL);
	}
	return e;
}

struct early *early_ref(struct early *e)
{
	atomic_fetch_add(&e->refs, 1);
	return e;
}

static void drop_notes(struct note *note, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		making_put(note[i].making);
		image_unref(note[i].cache);
	}
	free(note);
}

void early_unref(struct early *e)
{
	if (!e || atomic_fetch_sub(&e->refs, 1) > 1)
		return;
	drop_notes(e->note, e->n);
	(void)pthread_mutex_destroy(&e->lock);
	free(e);
}

int early_note(struct early *e, struct image *cache, struct making *m)
{
	LOCKED(&e->lock);

	for (size_t i = 0; i < e->n; i++)
		if (e->note[i].making == m) {
			making_put(m);
			return 0;
		}
	if (e->n == e->room) {
		struct note *more = reallocarray(e->note, 2 * e->room + 8, sizeof(*more));

		if (!more)
			return -ENOMEM;
		e->note = more;
		e->room = 2 * e->room + 8;
	}
	e->note[e->n++] = (struct note){ image_ref(cache), m };
	return 0;
}

/*
 * The first note of at least this number, which becomes its own, with refs of the caller's; false when
 * there are no more. Those that are gone have ended well.
 */
static bool get_note(struct early *e, uint64_t *number, struct note *ret)
{
	const struct note *note;
	LOCKED(&e->lock);

	*number = max_u64(*number, e->settled);
	if (*number >= e->settled + e->n)
		return false;
	note = &e->note[*number - e->settled];
	*ret = (struct note){ image_ref(note->cache), making_ref(note->making) };
	return true;
}

static void put_note(struct note *note)
{
	making_put(note->making);
	image_unref(note->cache);
}

int early_join(struct early *e, struct early *other)
{
	struct note note;
	int r;

	if (e == other)
		return 0;
	for (uint64_t i = 0; get_note(other, &i, &note); i++) {
		r = early_note(e, note.cache, note.making);
		if (r < 0)
			making_put(note.making);
		image_unref(note.cache);
		if (r < 0)
			return r;
	}
	return 0;
}

bool early_waits(struct early *e)
{
	LOCKED(&e->lock);

	return e->n > 0;
}

bool early_failed(struct early *e)
{
	LOCKED(&e->lock);

	return e->error < 0;
}

/* All notes before `end` ended well: unless more came meanwhile, none is needed any more. */
static bool settle(struct early *e, uint64_t end)
{
	struct note *note;
	size_t n;

	{
		LOCKED(&e->lock);

		if (e->settled + e->n > end)
			return false;
		note = e->note;
		e->note = NULL;
		n = e->n;
		e->settled += n;
		e->n = e->room = 0;
	}
	drop_notes(note, n);
	return true;
}

static int known_error(struct early *e, struct why *why)
{
	LOCKED(&e->lock);

	if (e->error < 0 && why)
		*why = e->why;
	return e->error;
}

static int await_note(struct early *e, struct note *note, struct why *why)
{
	struct why reason = { "" };
	int r = making_end(note->making, &reason);

	if (r < 0 && r != -EINTR) {
		LOCKED(&e->lock);

		e->error = r;
		e->why = reason;
	}
	if (r < 0 && why)
		*why = reason;
	return r;
}

int early_await(struct early *e, struct why *why)
{
	int r = known_error(e, why);
	uint64_t i = 0;

	while (r == 0) {
		struct note note;

		if (!get_note(e, &i, &note)) {
			if (settle(e, i))
				break;
			continue;
		}
		r = await_note(e, &note, why);
		put_note(&note);
		i++;
	}
	return r;
}

/* ---- the image ---- */

struct early_image {
	struct image image;
	struct early *early; /* owns a ref */
};

static struct early *early_of(struct image *img)
{
	return ((struct early_image *)img)->early;
}

static int early_image_pread(struct image *img, void *buf, size_t count, uint64_t offset, struct why *why)
{
	int r = early_waits(early_of(img)) ? early_await(early_of(img), why) : 0;

	return r < 0 ? r : image_pread(img->below, buf, count, offset, why);
}

static int early_image_backing(struct image *img, uint64_t offset, struct backing *ret)
{
	return early_waits(early_of(img)) ? -ENODATA : image_backing(img->below, offset, ret);
}

static bool early_image_is_stale(struct image *img)
{
	return early_failed(early_of(img)) || image_is_stale(img->below);
}

static bool early_image_waits(struct image *img)
{
	return early_waits(early_of(img)) || image_waits(img->below);
}

static int early_image_await(struct image *img, struct why *why)
{
	int r = early_await(early_of(img), why);

	return r < 0 ? r : image_await(img->below, why);
}

static void early_image_close(struct image *img)
{
	early_unref(early_of(img));
	free(img);
}

static const struct image_ops early_image_ops = {
	.name = "early",
	.pread = early_image_pread,
	.backing = early_image_backing,
	.is_stale = early_image_is_stale,
	.waits = early_image_waits,
	.await = early_image_await,
	.close = early_image_close,
};

int early_image_new(struct early *e, struct image *below, struct image **ret)
{
	struct early_image *img = calloc(1, sizeof(*img));

	if (!img)
		return -ENOMEM;
	image_init(&img->image, &early_image_ops, below->size, image_ref(below));
	img->early = early_ref(e);
	*ret = &img->image;
	return 0;
}
