/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BASE_PATIENCE_H
#define GOALFS_BASE_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A read may have to wait: for a decoder, later for a network. Whoever asked
 * may have gone away meanwhile (Ctrl-C in cp). A thread that serves a request
 * lends its patience to all the layers under it; long waits look at it every
 * PATIENCE_POLL_MS and end with -EINTR when it is lost. A thread that set none
 * is endlessly patient.
 */
#define PATIENCE_POLL_MS 100

typedef bool patience_lost_fn(void *arg);

/* For this thread, until set again; NULL takes it away. `arg` is borrowed. */
void patience_set(patience_lost_fn *lost, void *arg);

bool patience_lost(void);

/*
 * A shorter patience within this thread's: lost as well once `ms` milliseconds have gone
 * by. They nest; the innermost ends first. `limit` is the caller's storage until then.
 */
struct patience_limit {
	patience_lost_fn *outer;
	void *outer_arg;
	int64_t until; /* lock_now_ms */
};

void patience_limit_begin(struct patience_limit *limit, int64_t ms);
void patience_limit_end(struct patience_limit *limit);

/*
 * Whoever only looks around (a listing, a survey of all templates) is no reason to read
 * all of a file: what would need that is refused to him (-EAGAIN), and done for who
 * asks for the file itself. Returns what it was, for this thread.
 */
bool patience_casual(bool casual);
bool patience_is_casual(void);

#endif
