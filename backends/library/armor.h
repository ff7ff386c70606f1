/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_LIBRARY_ARMOR_H
#define GOALFS_LIBRARY_ARMOR_H

/*
 * What a signed message looks like from outside, before gpg sees it: RFC 4880,
 * sections 4.2 (packet headers), 6.2 (armor) and 7 (cleartext signatures). gpg
 * takes many kinds of messages where one kind is meant, and skips what it doesn't
 * know; whoever can change a message must not choose how gpg understands it.
 * Pure functions of the bytes; `shown` names the message in sentences.
 */
#include <stddef.h>

#include "backends/library/index_line.h"
#include "base/why.h"

/* gpg cuts longer lines (at 20000 bytes in 2.2). */
#define ARMOR_LINE_MAX 16384

/* In one message: each costs gpg an operation with a public key. */
#define ARMOR_SIGNATURES_MAX 16

/*
 * Finds the one clear-signed message in the bytes: `ret` is from its BEGIN line to
 * its END line, borrowed. What stands before and behind it is left out. -EBADMSG
 * when there is none, or more than one; when it is cut off, or its
 * text could be read in two ways; when its signature is something else.
 */
int armor_find_clear(const char *bytes, size_t count, const char *shown, struct slice *ret, struct why *why);

/* Whether the bytes, armored or not, are detached signatures and nothing else: 0 or -EBADMSG; -ENOMEM. */
int armor_check_detached(const char *bytes, size_t count, const char *shown, struct why *why);

#endif
