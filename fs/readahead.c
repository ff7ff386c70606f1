/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/readahead.h"

#include <stdbool.h>

#include "base/bytes.h"

/* Requests of one sequential reader may overtake each other by as much as the kernel reads ahead. */
#define DISORDER (4 * MiB)

/* Before this much was read in a row nothing is told: a boot reads many short runs. */
#define LEAST_RUN (512 * KiB)

void readahead_init(struct readahead *ra, uint64_t most)
{
	*ra = (struct readahead){ .most = most };
	pthread_mutex_init(&ra->lock, NULL);
}

void readahead_done(struct readahead *ra)
{
	pthread_mutex_destroy(&ra->lock);
}

/* Whether nothing but zeros lies between: cp skips holes. Looks at a few extents only. */
static bool only_zeros(struct image *img, uint64_t from, uint64_t to)
{
	for (int i = 0; i < 16 && from < to; i++) {
		struct extent e = image_extent(img, from);

		if (e.kind == EXTENT_DATA)
			return false;
		from += e.length;
	}
	return from >= to;
}

/* Tells of `*window` bytes of data from `from` on, holes not counted; lowers it by as many. Returns where it ended. */
static uint64_t tell(struct image *img, uint64_t from, uint64_t *window)
{
	for (int i = 0; i < 64 && *window && from < img->size; i++) {
		struct extent e = image_extent(img, from);
		uint64_t n = e.length;

		if (e.kind == EXTENT_DATA) {
			n = min_u64(n, *window);
			image_hint(img, from, n);
			*window -= n;
		}
		from += n;
	}
	return from;
}

/* Counts the read; the bytes to tell of are returned, from *ret_from on. */
static uint64_t note_locked(struct readahead *ra, struct image *img, uint64_t offset, uint64_t count,
			    uint64_t *ret_from)
{
	bool near = offset + DISORDER >= ra->next && offset <= ra->next + DISORDER;
	uint64_t want;

	if (near || (offset > ra->next && only_zeros(img, ra->next, offset))) {
		ra->run += count;
		ra->told -= min_u64(ra->told, count);
	} else {
		ra->run = count;
		ra->told_to = ra->told = 0;
	}
	ra->next = near ? max_u64(ra->next, offset + count) : offset + count;
	want = min_u64(4 * ra->run, ra->most);
	/* In large steps: not before half of what was told is read. */
	if (ra->run < LEAST_RUN || ra->told >= want / 2)
		return 0;
	*ret_from = max_u64(ra->next, ra->told_to);
	want -= ra->told;
	ra->told += want;
	return want;
}

void readahead_note(struct readahead *ra, struct image *img, uint64_t offset, uint64_t count)
{
	uint64_t from = 0, window;

	pthread_mutex_lock(&ra->lock);
	window = note_locked(ra, img, offset, count, &from);
	pthread_mutex_unlock(&ra->lock);
	if (!window)
		return;
	from = tell(img, from, &window);
	pthread_mutex_lock(&ra->lock);
	ra->told_to = max_u64(ra->told_to, from);
	ra->told -= min_u64(ra->told, window); /* what could not be told of: the image ends */
	pthread_mutex_unlock(&ra->lock);
}
