/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_LIBRARY_COMPLAINTS_H
#define GOALFS_LIBRARY_COMPLAINTS_H

/*
 * What was wrong with a source, one line each. Collected rather than logged on
 * the spot: a watched source is read many times over, and the same complaint
 * shall be heard once.
 */
#include <stddef.h>

#include "base/text.h"

struct complaints {
	struct text lines; /* each ends with a newline */
	unsigned n;
};

/* After these one more line says that there are more: a hostile index must not fill the log. */
#define COMPLAINTS_MAX 200

#define COMPLAINTS_NONE ((struct complaints){ .lines = { 0 } })

void complain(struct complaints *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* log_warn for each line that `said` does not hold; then `said` is what `c` was, and `c` is empty. */
void complaints_say(struct complaints *c, struct complaints *said);

void complaints_done(struct complaints *c);

/* Room for 48 bytes, each as \xNN, an ellipsis and the NUL. */
#define QUOTE_MAX 200

/*
 * Foreign bytes made fit for a sentence: control characters, backslashes and
 * bytes above ASCII as \xNN, cut at 48. Returns `buf`.
 */
const char *quote(char buf[static QUOTE_MAX], const char *bytes, size_t count);

#endif
