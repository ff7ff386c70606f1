/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A NAME.nbd: what is taken for an address has one, and is taken for the same again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backends/nbd/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	_cleanup_(nbd_address_done) struct nbd_address a = { 0 }, again = { 0 };
	_cleanup_free_ char *text = malloc(count + 1);

	if (!text)
		abort();
	if (count)
		memcpy(text, bytes, count);
	if (nbd_address_parse(text, count, "x.nbd", &a, NULL) < 0)
		return 0;
	if (!a.uri == !a.command)
		abort();
	if (a.command && (!a.command[0] || !a.command[0][0]))
		abort();
	if (a.uri && (nbd_address_parse(a.uri, strlen(a.uri), "x.nbd", &again, NULL) < 0 ||
		      strcmp(a.uri, again.uri) != 0))
		abort();
	return 0;
}
