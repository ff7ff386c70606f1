/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CACHE_FETCHED_H
#define GOALFS_BACKENDS_CACHE_FETCHED_H

/*
 * A remote object as an image: what is read of it is fetched, kept on a shelf of
 * the store, and never fetched twice. A complete copy needs no server.
 *
 * Fetching goes by chunks of FETCH_CHUNK bytes, which are the shelf's units. What is
 * wanted and near to each other goes into one request, several requests are
 * under way side by side, and reading on makes them longer. Who reads waits for
 * the chunks he needs, not for the request's end.
 *
 * The object is pinned: an answer about another one (ETag, date, length) ends all
 * reads that are not in the store with -ESTALE, for good; image_is_stale() says so from then on.
 * So does a chunk that comes again and is another one (seals.h), whatever the answer says of it.
 */
#include "backends/net/object.h"
#include "backends/cache/seals.h"
#include "backends/cache/store.h"
#include "backends/image.h"
#include "base/bytes.h"

#define FETCH_CHUNK (64 * KiB)

/* The longest request, and how far reading ahead goes. */
#define FETCH_REQUEST_MAX (8 * MiB)

/* Requests under way for one object. */
#define FETCH_FLIGHTS 4

/* Gaps of so many chunks between what is wanted are fetched along: a request costs more than they do. */
#define FETCH_GAP 1

/*
 * `identity` keys the shelf, `url` is what is asked for (the object's with user and
 * password, if it has some), `proxy` is net_request's; all copied, and so is the object.
 * `first` (may be NULL): the object's first bytes, already fetched; kept when they are a chunk or all there is.
 */
int fetched_image_new(struct store *store, struct net *net, const char *identity, const struct object *object,
		      const char *url, const char *proxy, const void *first, size_t first_count,
		      struct image **ret, struct why *why);

/* How many bytes are there. */
uint64_t fetched_bytes(struct image *img);

/*
 * Whole chunks of it, that somebody has read for a verdict: -ESTALE when one of them is not what it was when it
 * came first. From here on it has to be.
 */
int fetched_note(struct image *img, const void *buf, size_t count, uint64_t offset, struct why *why);

/* What it is as a whole, if all of it has been here; seals_sum's. */
bool fetched_sum(struct image *img, char ret[static SEALS_SUM]);

/* Whether one of its chunks came and was another one. */
bool fetched_is_broken(struct image *img);

/* Keeps what is known of its chunks; closing does so, too. */
void fetched_save(struct image *img);

/* The fetched image that `img` is, or stands on; NULL when there is none. Borrowed from `img`. */
struct image *fetched_below(struct image *img);

#endif
