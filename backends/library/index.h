/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_LIBRARY_INDEX_H
#define GOALFS_LIBRARY_INDEX_H

/*
 * virt-builder's native index, the grammar of guestfs-tools 1.55.6 and later:
 * text in, entries out. A pure function of the bytes; opens nothing, logs nothing.
 */
#include <stdbool.h>
#include <stddef.h>

#include "backends/library/complaints.h"
#include "backends/library/library.h"
#include "base/bytes.h"

#define INDEX_BYTES_MAX	   (64 * MiB) /* the official one has 50 KB */
#define INDEX_SECTIONS_MAX 65536      /* and 120 sections */

struct index_entry {
	struct template *template; /* owns a ref; without anything that only the file can tell */
	char *file;		   /* relative to the index, checked: no "..", no "/" in front, no URI */
	char *sig; /* of a detached signature, checked likewise; may be NULL. Counts where there is no checksum */
	unsigned line; /* of the section's header, for complaints; 0 where entries have no lines */
};

/* In the order of the text. Zero-initialized it is empty. */
struct index {
	struct index_entry *entry;
	size_t n;
	size_t room;
	bool is_signed; /* it stands in a clear-signed message; the signature itself was not looked at */
};

/*
 * A bad value costs its entry, a bad line the section it stands in; both are
 * complained about as "PATH:LINE: [SECTION]: REASON". `path` serves only that.
 * Returns 0; -EBADMSG when this is no index, or a clear-signed one that is cut
 * off; -EFBIG above the limits; -ENOMEM. On failure `ret` is empty.
 */
int index_parse(const char *bytes, size_t count, const char *path, struct index *ret,
		struct complaints *complaints, struct why *why);
void index_done(struct index *index);

/* Adds an entry, which is taken over in any case. 0 or -ENOMEM. */
int index_add(struct index *index, struct index_entry *e);

#endif
