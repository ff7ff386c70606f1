/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_IMAGE_H
#define GOALFS_BACKENDS_IMAGE_H

/*
 * An image: the open, readable result of some steps, standing on the image
 * below. This is the contract between all backends.
 *
 * Every call goes through the functions below, never straight into `ops`: they
 * check ranges, hold the defaults ("a missing operation means: ask the image
 * below") and log. All of them may be called from any thread at any time
 * between image_init and the last image_unref. An operation must not hold a
 * lock while it reads from the image below, waits or decodes.
 *
 * Promises that every image keeps: the same bytes for ever at the same offset
 * (nothing random, nothing that depends on what was read before); right bytes
 * or an error; an error is not remembered as data.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "base/why.h"

struct image;

enum extent_kind {
	EXTENT_DATA,
	/*
	 * Proved zero from the template alone: every host at every time gives the
	 * same answer, so that a layout may decide allocation by it.
	 */
	EXTENT_ZERO,
	/*
	 * Found zero when it was made. True, and worth a hole to a reader, but a
	 * daemon that has not made it yet can't know it: it must not decide a
	 * layout, nor anything else that shows in bytes or sizes.
	 */
	EXTENT_SEEN_ZERO,
};

struct extent {
	uint64_t length; /* bytes from the offset asked for, at least 1; neighbours may be of the same kind */
	enum extent_kind kind;
};

/* These bytes of the image stand as they are in an open file. */
struct backing {
	int fd;		 /* borrowed from the image, open as long as it is */
	uint64_t offset; /* in the file */
	uint64_t length; /* bytes from the offset asked for, at least 1 */
	/*
	 * Nobody but us writes to the file: a reader may be handed the descriptor for
	 * good. A library's own file may be replaced in place at any time, and then
	 * reads must fail, which only our pread sees to.
	 */
	bool ours;
};

/* Bytes that are made together: to have one costs as much as to have all. */
struct unit {
	uint64_t index;	 /* 0 .. image_units() - 1, in order of offset, without gaps */
	uint64_t offset; /* in the image */
	uint64_t length; /* bytes, at least 1 */
};

/* Where a unit that is being made goes. */
struct sink {
	/*
	 * Takes the next bytes of the unit; calls are in order and without gaps.
	 * `offset` is that of the image. An error ends the making and is returned
	 * by image_make as it is.
	 */
	int (*write)(struct sink *sink, const void *buf, size_t count, uint64_t offset, struct why *why);
};

struct image_ops {
	const char *name; /* the backend's, for log lines */

	/*
	 * Required, except in images that have `make`: reads the whole range or
	 * returns a negative errno, whatever the alignment. The wrapper has
	 * checked that 0 < count and offset + count <= size.
	 */
	int (*pread)(struct image *img, void *buf, size_t count, uint64_t offset, struct why *why);

	/*
	 * Optional (default: DATA up to the end at a source; else ask the image
	 * below, at the same offset). Cheap: answers from metadata in memory, no
	 * decoding, no network. offset < size. Longer than size is cut by the wrapper.
	 */
	void (*extent)(struct image *img, uint64_t offset, struct extent *ret);

	/* Optional (default: none at a source; else ask the image below). 0, or -ENODATA. */
	int (*backing)(struct image *img, uint64_t offset, struct backing *ret);

	/* Optional (default: ask the image below). The range will be wanted soon; never waits. */
	void (*hint)(struct image *img, uint64_t offset, uint64_t length);

	/*
	 * Optional (default: yes at a source; else ask the image below). Whether the
	 * range can be read without waiting for a server. A moment later it may be otherwise.
	 */
	bool (*is_here)(struct image *img, uint64_t offset, uint64_t length);

	/*
	 * Optional, all three or none; no default. An image whose bytes come in
	 * units; the `cache` backend stands on such images and keeps the units.
	 *
	 * units:  how many there are; they cover the image.
	 * unit:   the one that holds `offset` (< size).
	 * make:   decodes it, forward, into the sink. Returns 0 only when every
	 *         check that the format carries for these bytes was right; what the
	 *         sink was given before an error is worthless. Called from decoder
	 *         threads, several at once for different units.
	 */
	uint64_t (*units)(struct image *img);
	void (*unit)(struct image *img, uint64_t offset, struct unit *ret);
	int (*make)(struct image *img, const struct unit *unit, struct sink *sink, struct why *why);

	/*
	 * Optional: bytes of memory that one `make` takes at most, the sink's not
	 * included. 0 stands for negligible.
	 */
	uint64_t (*make_memory)(struct image *img);

	/*
	 * Optional, both or none, beside those three (default: nothing is far). What
	 * `make` reads may be on a server, and decoders must not wait for one: all of them
	 * could come to wait for the same that has stalled, and nobody else be served.
	 *
	 * is_far: to make the unit now would mean to wait for bytes that are still
	 *         elsewhere. Never waits itself.
	 * bring:  waits until they are here (on the reader's thread: -EINTR when its
	 *         patience is lost), or fails as reading them does.
	 */
	bool (*is_far)(struct image *img, const struct unit *unit);
	int (*bring)(struct image *img, const struct unit *unit, struct why *why);

	/*
	 * Optional (default: no at a source; else ask the image below). What it was
	 * opened from has been replaced: reads fail, and whoever opens it anew gets the new one.
	 */
	bool (*is_stale)(struct image *img);

	/*
	 * Optional, both or none (default: nothing to wait for at a source; else ask the
	 * image below). Reads may have to wait for something once, a verdict: whoever opens
	 * a file waits for it before, so that it is opened with all that is ready by then.
	 *
	 * waits: whether reads still would. Never waits itself.
	 * await: waits; 0, or what a read would fail with (-EINTR when this thread's patience is lost).
	 */
	bool (*waits)(struct image *img);
	int (*await)(struct image *img, struct why *why);

	/*
	 * Optional: adds what opening this step found out, for people who read a
	 * plan: whole lines, each indented by four blanks ("    gpt, 2 partitions; ...\n").
	 */
	void (*describe)(struct image *img, struct text *t);

	/* Optional: releases what the image owns besides `below`, and the image itself. Default: free(img). */
	void (*close)(struct image *img);
};

/*
 * Embedded as the first member of each backend's own struct, so that
 * `(struct xz *)img` is the way back. All fields are constant after image_init.
 */
struct image {
	const struct image_ops *ops;
	uint64_t size;	     /* bytes */
	struct image *below; /* owns a ref; NULL at a source */
	atomic_uint refs;
	/*
	 * Called when the last ref was given back, before the image closes: whoever
	 * keeps a list of open images (the registry) takes it off. May be NULL.
	 */
	void (*gone)(void *arg);
	void *gone_arg;
};

/* `below` (may be NULL) becomes owned by the image: the caller's ref is taken over. */
void image_init(struct image *img, const struct image_ops *ops, uint64_t size, struct image *below);

struct image *image_ref(struct image *img);
/* A ref, or NULL when the last one has been given back already: for lists that hold no refs. */
struct image *image_ref_alive(struct image *img);
/* Whether somebody besides the caller holds a ref, just now. */
bool image_is_shared(struct image *img);
void image_unref(struct image *img); /* accepts NULL; the last one closes, then unrefs the image below */
DEFINE_CLEANUP(struct image *, image_unref);

/* count may be 0. A range that is not inside the image is -EINVAL: a caller's mistake, not a reader's. */
int image_pread(struct image *img, void *buf, size_t count, uint64_t offset, struct why *why);

/*
 * Reads the range for the sake of the images below, which keep what they fetch, and throws it
 * away. A length of 0 is none; errors are those of reading.
 */
int image_fetch(struct image *img, uint64_t offset, uint64_t length, struct why *why);

/* At the end of the image or behind it: a ZERO extent of length 0. */
struct extent image_extent(struct image *img, uint64_t offset);

int image_backing(struct image *img, uint64_t offset, struct backing *ret);
void image_hint(struct image *img, uint64_t offset, uint64_t length);
bool image_is_here(struct image *img, uint64_t offset, uint64_t length); /* the range lies in the image */

bool image_is_stale(struct image *img);
bool image_waits(struct image *img);
int image_await(struct image *img, struct why *why);

uint64_t image_units(struct image *img); /* 0 for an image that is not made in units */
struct unit image_unit(struct image *img, uint64_t offset);
int image_make(struct image *img, const struct unit *unit, struct sink *sink, struct why *why);
uint64_t image_make_memory(struct image *img);
bool image_is_far(struct image *img, const struct unit *unit);
int image_bring(struct image *img, const struct unit *unit, struct why *why);

/* The image's own lines and those of all below it, the lowest first. */
void image_describe(struct image *img, struct text *t);

/* How many bytes of the image are not EXTENT_ZERO: the same on every host. */
uint64_t image_data_bytes(struct image *img);

#endif
