/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unitimage.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"

#define GRANULE (64 * KiB)

static uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= UINT64_C(0xbf58476d1ce4e5b9);
	x ^= x >> 27;
	x *= UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static bool is_proved(const struct unitimage *u, uint64_t offset)
{
	return u->proved_every && offset / u->unit % u->proved_every == u->proved_every - 1;
}

static bool is_zero(const struct unitimage *u, uint64_t offset)
{
	return is_proved(u, offset) || (u->zero_every && offset / GRANULE % u->zero_every == u->zero_every - 1);
}

void unitimage_bytes(const struct unitimage *u, void *buf, size_t count, uint64_t offset)
{
	uint8_t *p = buf;

	while (count) {
		/* As far as the answer to is_zero is the same. */
		uint64_t same = min_u64(GRANULE - offset % GRANULE, u->unit - offset % u->unit);
		size_t n = min_u64(count, same);

		if (is_zero(u, offset)) {
			memset(p, 0, n);
		} else {
			for (size_t i = 0; i < n;) {
				uint64_t word = mix((offset + i) / 8 + u->seed * UINT64_C(0x9e3779b97f4a7c15));
				size_t skip = (offset + i) % 8, m = min_u64(n - i, 8 - skip);

				memcpy(p + i, (uint8_t *)&word + skip, m);
				i += m;
			}
		}
		p += n;
		offset += n;
		count -= n;
	}
}

static uint64_t unit_units(struct image *img)
{
	return div_up(img->size, ((struct unitimage *)img)->unit);
}

static void unit_unit(struct image *img, uint64_t offset, struct unit *ret)
{
	struct unitimage *u = (struct unitimage *)img;

	ret->index = offset / u->unit;
	ret->offset = ret->index * u->unit;
	ret->length = min_u64(u->unit, img->size - ret->offset);
}

static void unit_extent(struct image *img, uint64_t offset, struct extent *ret)
{
	struct unitimage *u = (struct unitimage *)img;

	*ret = (struct extent){ u->unit - offset % u->unit, is_proved(u, offset) ? EXTENT_ZERO : EXTENT_DATA };
}

static void pass_gate(struct unitimage *u)
{
	(void)pthread_mutex_lock(&u->lock);
	u->stopped++;
	(void)pthread_cond_broadcast(&u->moved);
	while (u->closed)
		(void)pthread_cond_wait(&u->moved, &u->lock);
	u->stopped--;
	(void)pthread_mutex_unlock(&u->lock);
}

static bool takes(atomic_int *n)
{
	int have = *n;

	while (have > 0)
		if (atomic_compare_exchange_weak(n, &have, have - 1))
			return true;
	return false;
}

static int make_bytes(struct unitimage *u, const struct unit *unit, struct sink *sink, bool bad,
		      struct why *why)
{
	const uint64_t end = unit->offset + unit->length;
	uint8_t *buf = malloc(u->chunk);
	int r = 0;

	for (uint64_t at = unit->offset; at < end && r == 0;) {
		size_t n = min_u64(u->chunk, end - at);

		unitimage_bytes(u, buf, n, at);
		if (bad)
			for (size_t i = 0; i < n; i++)
				buf[i] = (uint8_t)~buf[i];
		r = sink->write(sink, buf, n, at, why);
		at += n;
		if (u->slow_us)
			(void)usleep(u->slow_us);
		if (at >= unit->offset + unit->length / 2 && at < unit->offset + unit->length / 2 + n)
			pass_gate(u);
	}
	free(buf);
	if (r == 0 && bad)
		r = fail(why, u->error ? u->error : -EBADMSG, "unit %" PRIu64 " is damaged", unit->index);
	return r;
}

static int unit_make(struct image *img, const struct unit *unit, struct sink *sink, struct why *why)
{
	struct unitimage *u = (struct unitimage *)img;
	unsigned nth = u->makes++, now = ++u->making, most = u->most_making;
	int r;

	if (nth < 64)
		u->order[nth] = (unsigned)unit->index;
	while (now > most && !atomic_compare_exchange_weak(&u->most_making, &most, now))
		;
	r = make_bytes(u, unit, sink, takes(&u->fail), why);
	u->making--;
	return r;
}

static uint64_t unit_make_memory(struct image *img)
{
	return ((struct unitimage *)img)->memory;
}

static void unit_close(struct image *img)
{
	struct unitimage *u = (struct unitimage *)img;

	(void)pthread_cond_destroy(&u->moved);
	(void)pthread_mutex_destroy(&u->lock);
	free(u);
}

static const struct image_ops unit_ops = {
	.name = "unit",
	.extent = unit_extent,
	.units = unit_units,
	.unit = unit_unit,
	.make = unit_make,
	.make_memory = unit_make_memory,
	.close = unit_close,
};

struct unitimage *unitimage_new(uint64_t size, uint64_t unit, uint64_t seed)
{
	struct unitimage *u = calloc(1, sizeof(*u));

	if (!u)
		abort();
	image_init(&u->image, &unit_ops, size, NULL);
	u->unit = unit;
	u->seed = seed;
	u->chunk = 100000; /* no divisor of anything */
	(void)pthread_mutex_init(&u->lock, NULL);
	(void)pthread_cond_init(&u->moved, NULL);
	return u;
}

static void set_gate(struct unitimage *u, bool closed)
{
	(void)pthread_mutex_lock(&u->lock);
	u->closed = closed;
	(void)pthread_cond_broadcast(&u->moved);
	(void)pthread_mutex_unlock(&u->lock);
}

void unitimage_close_gate(struct unitimage *u)
{
	set_gate(u, true);
}

void unitimage_open_gate(struct unitimage *u)
{
	set_gate(u, false);
}

void unitimage_wait_stopped(struct unitimage *u, unsigned n)
{
	(void)pthread_mutex_lock(&u->lock);
	while (u->stopped < n)
		(void)pthread_cond_wait(&u->moved, &u->lock);
	(void)pthread_mutex_unlock(&u->lock);
}
