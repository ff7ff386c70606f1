/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_TESTS_CODEC_H
#define GOALFS_TESTS_CODEC_H

/*
 * What the tests of stream decoders have in common: a directory of samples, foreign
 * tools as judges, and comparing what units give with what these tools give.
 */
#include "backends/backend.h"
#include "backends/library/library.h"

extern char codec_dir[]; /* from codec_setup to codec_teardown */

struct bytes {
	uint8_t *p;
	size_t n;
};
void bytes_done(struct bytes *b);
#define _cleanup_bytes_ _cleanup_(bytes_done)

typedef int codec_open_fn(const struct opening *opening, struct image *below, struct image **ret,
			  struct why *why);

/*
 * For cmocka_run_group_tests: the directory, and in it "mixed" (300 kB of a bit of
 * everything), "disk" (24 MiB with long runs of zeros, aligned and not) and "empty".
 */
int codec_setup(void **state);
int codec_teardown(void **state);

/* Runs a command in the directory. */
void codec_sh(const char *format, ...) __attribute__((format(printf, 1, 2)));

struct bytes codec_load(const char *name);
void codec_put(const char *name, const void *p, size_t n);

int codec_open(codec_open_fn *open, const void *p, size_t n, struct image **ret, struct why *why);

/* All bytes of all units, the units in an order of their own; whatever comes of it. */
int codec_decode(codec_open_fn *open, const void *p, size_t n, struct bytes *ret, struct why *why);

/* Makes a unit, and throws it away. */
int codec_make(struct image *img, const struct unit *unit, struct why *why);

/* The open image of the file gives what the judge gives. */
void codec_assert_makes(struct image *img, const char *name, const char *judge);

/* The file gives what the judge, a command that reads it from standard input, gives. */
void codec_assert_like(codec_open_fn *open, const char *name, const char *judge);

/* What is ZERO is zero; with `exact` nothing else that could be is missing. How many bytes are. */
uint64_t codec_assert_zeros(codec_open_fn *open, const char *name, const char *judge, bool exact);

/* Opening or making a unit fails so. */
void codec_assert_refused(codec_open_fn *open, const void *p, size_t n, int error, const char *words);

/* Cut at every `step`th byte, it is refused; a bit flipped at every `step`th byte gives an error or these bytes. */
void codec_assert_cuts_refused(codec_open_fn *open, const char *name, size_t step);
void codec_assert_flips_harmless(codec_open_fn *open, const char *name, const char *judge, size_t step);

/* With a daemon's store and pool. */
struct daemon {
	struct context context;
	struct template template;
	struct opening opening;
};
void daemon_start(struct daemon *d, const char *store_dir, uint64_t memory);
void daemon_stop(struct daemon *d);

/* Opens the file twice, with a new daemon the second time, which reads next to nothing for it. */
void codec_assert_index_kept(codec_open_fn *open, const char *name, const char *judge);

/* Opening ends with -EINTR soon after nobody waits any more. */
void codec_assert_gives_up(codec_open_fn *open, const char *name);

#endif
