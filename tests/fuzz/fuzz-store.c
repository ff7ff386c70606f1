/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files of the store. Every input is tried as it is, and once more with the
 * checksum set right, which would otherwise keep the fuzzer out of all that is
 * behind it.
 */
#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <xxhash.h>

#include "backends/cache/store_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static const struct units_of of = { "sha512:0123", 300 * GRANULE + 5, 77, 5, 6 };

static void try_units(const uint8_t *bytes, size_t count)
{
	struct bits *there = bits_new(of.n_units), *zero = bits_new(units_granules(&of));
	uint8_t *again = malloc(units_bytes(&of));
	bool on;

	/* What is taken says something about these units only, and writing it gives the same file. */
	if (units_decode((struct span){ bytes, count }, &of, there, zero, NULL) == 0) {
		assert(bits_count(there) <= of.n_units && bits_count(zero) <= units_granules(&of));
		assert(bits_run(there, NULL, 0, of.n_units, &on) <= of.n_units);
		units_encode(&of, there, zero, again);
		assert(memcmp(again + UNITS_HEADER, bytes + UNITS_HEADER, strlen(of.identity)) == 0);
	}
	free(there);
	free(zero);
	free(again);
}

static void try_all(const uint8_t *bytes, size_t count)
{
	struct span inner;
	struct units_hint hint;

	(void)units_peek((struct span){ bytes, count }, &hint);
	try_units(bytes, count);
	if (sidecar_decode((struct span){ bytes, count }, of.identity, "zeros", 1, &inner) == 0)
		assert(inner.p >= bytes && inner.len <= count && inner.p + inner.len == bytes + count);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	XXH128_canonical_t canonical;
	uint8_t *copy;

	try_all(bytes, count);
	if (count < 32)
		return 0;
	copy = malloc(count);
	memcpy(copy, bytes, count);
	XXH128_canonicalFromHash(&canonical, XXH3_128bits(copy + 32, count - 32));
	memcpy(copy + 16, canonical.digest, 16);
	try_all(copy, count);
	free(copy);
	return 0;
}
