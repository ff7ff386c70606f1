/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KEY.units, little-endian:
 *
 *	  0  magic "goalfs-u"
 *	  8  version, 4 bytes	STORE_VERSION
 *	 12  identity_len, 4 bytes
 *	 16  check, 16 bytes	XXH3-128 (canonical) of all bytes from 32 to the end
 *	 32  size		of the image, bytes
 *	 40  n_units
 *	 48  granule		GRANULE
 *	 56  layout		XXH3-64 of the units' lengths
 *	 64  inode		of KEY.raw
 *	 72  n_there		how many bits of the first bitmap are set
 *	 80  reserved, 16 bytes	zero
 *	 96  identity		identity_len bytes, padded with zeros to a multiple of 8
 *	     there		one bit a unit, 64 to a word; bit i is bit i % 64 of word i / 64
 *	     zero		one bit a granule, likewise; means nothing where units are not there
 *
 * The check guards against damage, not against malice: who can write into the
 * store's directory can write into its data files just as well.
 */
#include "backends/cache/units.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <xxhash.h>

#define MAGIC "goalfs-u"

struct disk_units {
	uint8_t magic[8];
	uint8_t version[4];
	uint8_t identity_len[4];
	uint8_t check[16];
	uint8_t size[8];
	uint8_t n_units[8];
	uint8_t granule[8];
	uint8_t layout[8];
	uint8_t inode[8];
	uint8_t n_there[8];
	uint8_t reserved[16];
};
static_assert(sizeof(struct disk_units) == UNITS_HEADER, "units header");

#define CHECKED_FROM offsetof(struct disk_units, size)

static size_t identity_room(const struct units_of *of)
{
	return align_up(strlen(of->identity), 8);
}

size_t units_bytes(const struct units_of *of)
{
	return sizeof(struct disk_units) + identity_room(of) +
	       8 * (bits_words(of->n_units) + bits_words(units_granules(of)));
}

static void check_of(const uint8_t *file, size_t count, uint8_t ret[16])
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, XXH3_128bits(file + CHECKED_FROM, count - CHECKED_FROM));
	memcpy(ret, canonical.digest, 16);
}

static uint8_t *put_bits(uint8_t *p, const struct bits *b, uint64_t *ret_count)
{
	for (uint64_t w = 0; w < bits_words(b->n); w++, p += 8) {
		uint64_t word = atomic_load_explicit(&b->word[w], memory_order_acquire);

		put_le64(p, word);
		*ret_count += (uint64_t)__builtin_popcountll(word);
	}
	return p;
}

void units_encode(const struct units_of *of, const struct bits *there, const struct bits *zero, uint8_t *ret)
{
	struct disk_units *disk_hdr = (struct disk_units *)ret;
	size_t identity_len = strlen(of->identity);
	uint64_t n_there = 0, n_zero = 0;
	uint8_t *p = ret + sizeof(*disk_hdr);

	memset(ret, 0, sizeof(*disk_hdr) + identity_room(of));
	memcpy(p, of->identity, identity_len);
	p = put_bits(p + identity_room(of), there, &n_there);
	(void)put_bits(p, zero, &n_zero);
	memcpy(disk_hdr->magic, MAGIC, sizeof(disk_hdr->magic));
	put_le32(disk_hdr->version, STORE_VERSION);
	put_le32(disk_hdr->identity_len, (uint32_t)identity_len);
	put_le64(disk_hdr->size, of->size);
	put_le64(disk_hdr->n_units, of->n_units);
	put_le64(disk_hdr->granule, GRANULE);
	put_le64(disk_hdr->layout, of->layout);
	put_le64(disk_hdr->inode, of->inode);
	put_le64(disk_hdr->n_there, n_there);
	check_of(ret, units_bytes(of), disk_hdr->check);
}

static int check_head(const struct disk_units *disk_hdr, const struct units_of *of, struct why *why)
{
	if (memcmp(disk_hdr->magic, MAGIC, sizeof(disk_hdr->magic)) != 0)
		return fail(why, -EBADMSG, "not a units file");
	if (get_le32(disk_hdr->version) != STORE_VERSION)
		return fail(why, -ESTALE, "units file of version %" PRIu32 ", not %d",
			    get_le32(disk_hdr->version), STORE_VERSION);
	if (get_le64(disk_hdr->size) != of->size || get_le64(disk_hdr->n_units) != of->n_units ||
	    get_le64(disk_hdr->layout) != of->layout)
		return fail(why, -ESTALE,
			    "units file for %" PRIu64 " units in %" PRIu64 " bytes, not for these %" PRIu64
			    " in %" PRIu64,
			    get_le64(disk_hdr->n_units), get_le64(disk_hdr->size), of->n_units, of->size);
	if (get_le64(disk_hdr->granule) != GRANULE)
		return fail(why, -ESTALE, "units file with granules of %" PRIu64 " bytes",
			    get_le64(disk_hdr->granule));
	if (get_le64(disk_hdr->inode) != of->inode)
		return fail(why, -ESTALE, "units file for another data file");
	return 0;
}

/* The words are there; a bit past the last unit is damage that the check missed. */
static const uint8_t *words_ok(const uint8_t *p, uint64_t n)
{
	uint64_t words = bits_words(n);

	if (n % 64 && get_le64(p + 8 * (words - 1)) >> n % 64)
		return NULL;
	return p + 8 * words;
}

static void set_bits(struct bits *b, const uint8_t *p)
{
	for (uint64_t w = 0; w < bits_words(b->n); w++)
		atomic_store_explicit(&b->word[w], get_le64(p + 8 * w), memory_order_relaxed);
}

int units_decode(struct span s, const struct units_of *of, struct bits *there, struct bits *zero,
		 struct why *why)
{
	const struct disk_units *disk_hdr = (const struct disk_units *)s.p;
	size_t identity_len = strlen(of->identity);
	const uint8_t *identity = s.p + sizeof(*disk_hdr), *there_at, *zero_at;
	uint8_t check[16];
	int r;

	if (s.len < sizeof(*disk_hdr))
		return fail(why, -EBADMSG, "units file of %zu bytes", s.len);
	r = check_head(disk_hdr, of, why);
	if (r < 0)
		return r;
	if (s.len != units_bytes(of) || get_le32(disk_hdr->identity_len) != identity_len)
		return fail(why, -EBADMSG, "units file of %zu bytes, not %zu", s.len, units_bytes(of));
	check_of(s.p, s.len, check);
	if (memcmp(check, disk_hdr->check, sizeof(check)) != 0)
		return fail(why, -EBADMSG, "units file does not match its checksum");
	if (memcmp(identity, of->identity, identity_len) != 0)
		return fail(why, -ESTALE, "units file for another template");
	there_at = identity + identity_room(of);
	zero_at = words_ok(there_at, there->n);
	if (!zero_at || !words_ok(zero_at, zero->n))
		return fail(why, -EBADMSG, "units file claims units past the last");
	set_bits(there, there_at);
	set_bits(zero, zero_at);
	return 0;
}

bool units_peek(struct span s, struct units_hint *ret)
{
	const struct disk_units *disk_hdr = (const struct disk_units *)s.p;
	const uint8_t *identity = s.p + sizeof(*disk_hdr);

	if (s.len < sizeof(*disk_hdr) || memcmp(disk_hdr->magic, MAGIC, sizeof(disk_hdr->magic)) != 0 ||
	    get_le32(disk_hdr->version) != STORE_VERSION)
		return false;
	*ret = (struct units_hint){ .n_there = get_le64(disk_hdr->n_there) };
	memcpy(ret->identity, identity, min_u64(sizeof(ret->identity) - 1, s.len - sizeof(*disk_hdr)));
	return true;
}
