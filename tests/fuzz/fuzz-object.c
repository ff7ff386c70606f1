/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A sidecar of a remote object: what is taken for one packs to one that is taken for the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backends/net/object.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct object o = { 0 }, again = { 0 };
	char *packed, *identity, *identity_again;
	size_t n;

	if (object_unpack(bytes, count, &o) < 0)
		return 0;
	identity = object_identity(&o);
	if (!identity || object_pack(&o, &packed, &n) < 0)
		abort();
	if (n != count || object_unpack(packed, n, &again) < 0)
		abort();
	identity_again = object_identity(&again);
	if (!identity_again || strcmp(identity, identity_again) != 0)
		abort();
	free(packed);
	free(identity);
	free(identity_again);
	object_done(&o);
	object_done(&again);
	return 0;
}
