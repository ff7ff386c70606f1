/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_FACTS_H
#define GOALFS_BACKENDS_CONTENT_FACTS_H

/*
 * For the kinds: facts out of foreign bytes into a struct content.
 */
#include "backends/content/content.h"

/*
 * At most `length` bytes of UTF-8, or those before a NUL: each that is no part of a
 * character, or controls a terminal, becomes '?'. Blanks at the end are not part of a label.
 */
void content_set_label(struct content *c, const void *text, size_t length);
void content_set_label_utf16(struct content *c, const uint8_t *text, size_t units, bool big_endian);

void content_set_uuid(struct content *c, const uint8_t uuid[16]);

/* n * of bytes. A size that a damaged header blew up counts as not said. */
void content_set_size(struct content *c, uint64_t n, uint64_t of);

#endif
