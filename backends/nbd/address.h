/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_NBD_ADDRESS_H
#define GOALFS_BACKENDS_NBD_ADDRESS_H

/*
 * Where an NBD export is: what a small text file says in one line. Either a URI as
 * libnbd reads it (nbd_connect_uri(3)):
 *
 *	nbd://server/export    nbds://server/export?tls-certificates=/etc/pki/nbd
 *	nbd+unix:///export?socket=/run/nbd.sock    nbds+unix://...    nbd+vsock://2:10809/
 *
 * or a command between brackets that stand apart, as nbdfuse(1) takes it, which serves
 * the export on a socket that it is handed (systemd's socket activation):
 *
 *	[ nbdkit --foreground curl https://server/disk.img ]
 *
 * A command is split at blanks; no shell reads it, and nothing in it is expanded. '...'
 * holds its characters as they are; in "..." and outside, a backslash takes the next one as it is.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/why.h"

/* One of the two is NULL. */
struct nbd_address {
	char *uri;
	char **command; /* NULL-terminated, at least one word */
};

/* The longest file that holds an address, and the most words of a command. */
#define NBD_ADDRESS_MAX 4096
#define NBD_WORDS_MAX	256

/*
 * Pure. -EINVAL when the text is neither; `shown` names it in the sentence. Whether a URI
 * leads anywhere shows when it is connected to.
 */
int nbd_address_parse(const char *text, size_t count, const char *shown, struct nbd_address *ret,
		      struct why *why);
void nbd_address_done(struct nbd_address *a);

#endif
