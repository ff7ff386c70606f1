/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_LIBRARY_INDEX_ENTRY_H
#define GOALFS_LIBRARY_INDEX_ENTRY_H

/*
 * From a section's fields to an entry: which keys mean something, and what their
 * values may be. Knows nothing of what stands between or around the sections.
 */
#include "backends/library/complaints.h"
#include "backends/library/index.h"
#include "backends/library/section.h"

/*
 * Makes an entry of a complete section that had no bad line; sorts its fields.
 * Returns 1, and then `ret` is the caller's to drop; 0 when it can't be an entry,
 * which has been complained about; -ENOMEM.
 */
int index_entry_build(struct section *s, const char *path, struct complaints *complaints,
		      struct index_entry *ret);

/* Frees what the entry owns and empties it; accepts an empty one. */
void index_entry_drop(struct index_entry *e);

#endif
