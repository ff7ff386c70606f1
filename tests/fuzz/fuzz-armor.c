/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a signed message: what is found lies in them and is one message from BEGIN to END. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backends/library/armor.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

#define BEGIN "-----BEGIN PGP SIGNED MESSAGE-----"
#define END   "-----END PGP SIGNATURE-----"

static void check_part(const char *text, size_t count, struct slice part)
{
	if (!part.p || part.p < text || part.n > count || part.p + part.n > text + count)
		abort();
	if (part.n < strlen(BEGIN) || memcmp(part.p, BEGIN, strlen(BEGIN)) != 0)
		abort();
	if (part.p > text && part.p[-1] != '\n')
		abort();
	if (!memmem(part.p, part.n, END, strlen(END)) || memchr(part.p, '\0', part.n))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	const char *text = (const char *)bytes;
	struct slice part, again;
	struct why why = { 0 };

	if (armor_find_clear(text, count, "m", &part, &why) == 0) {
		check_part(text, count, part);
		/* The part alone is the same message. */
		if (armor_find_clear(part.p, part.n, "m", &again, NULL) < 0 || again.p != part.p ||
		    again.n != part.n)
			abort();
	} else if (!why.text[0]) {
		abort();
	}
	why = (struct why){ 0 };
	if (armor_check_detached(text, count, "m", &why) < 0 && !why.text[0])
		abort();
	return 0;
}
