/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file begins with
 *
 *	header	    72 bytes in version 2; in version 3 header_length, at least 104
 *	extensions  each: type and length, 4 bytes each, then data, padded to 8; type 0 ends them
 *
 * within the first cluster. What follows lies where the header says, anywhere.
 */
#include "backends/decode/qcow2_header.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <xxhash.h>

#include "base/bytes.h"
#include "base/size.h"

struct disk_qcow2_header { /* big-endian */
	uint8_t magic[4];
	uint8_t version[4];
	uint8_t backing_file_offset[8];
	uint8_t backing_file_size[4];
	uint8_t cluster_bits[4];
	uint8_t size[8];
	uint8_t crypt_method[4];
	uint8_t l1_size[4];
	uint8_t l1_table_offset[8];
	uint8_t refcount_table_offset[8];
	uint8_t refcount_table_clusters[4];
	uint8_t nb_snapshots[4];
	uint8_t snapshots_offset[8];
	/* Version 3 only: */
	uint8_t incompatible_features[8];
	uint8_t compatible_features[8];
	uint8_t autoclear_features[8];
	uint8_t refcount_order[4];
	uint8_t header_length[4];
	/* Only when header_length says so: */
	uint8_t compression_type;
	uint8_t padding[7];
};
static_assert(sizeof(struct disk_qcow2_header) == 112, "qcow2 header");

#define V2_LENGTH  72
#define V3_LENGTH  104
#define MAX_LENGTH sizeof(struct disk_qcow2_header)

#define MAGIC 0x514649fb /* "QFI\xfb" */

#define FEATURE_CORRUPT	    (UINT64_C(1) << 1)
#define FEATURE_DATA_FILE   (UINT64_C(1) << 2)
#define FEATURE_COMPRESSION (UINT64_C(1) << 3)
#define FEATURE_EXTENDED_L2 (UINT64_C(1) << 4)
#define FEATURES_KNOWN	    UINT64_C(0x1f)

#define EXTENSION_END	0
#define EXTENSION_NAMES UINT32_C(0x6803f857) /* entries: kind, bit, 46 bytes of name */
#define NAMES_ENTRY	48
/* There are a handful at most in any file; a longer walk is none. */
#define EXTENSIONS_MAX 256

/* QEMU's limits: of clusters (MAX_CLUSTER_BITS), and of the L1 table (QCOW_MAX_L1_SIZE). */
#define CLUSTER_BITS_MIN 9
#define CLUSTER_BITS_MAX 21
#define L1_ENTRIES_MAX	 (32 * MiB / 8)

/* A subcluster has 512 bytes at least. */
#define EXTENDED_BITS_MIN 14

struct reading {
	struct image *below;
	struct disk_qcow2_header disk_hdr; /* what the file doesn't have is zero */
	uint64_t features;
	uint32_t length; /* of the header */
	struct qcow2_header hdr;
};

static int read_disk_header(struct reading *rd, struct why *why)
{
	const uint64_t there = min_u64(rd->below->size, sizeof(rd->disk_hdr));
	int r = image_pread(rd->below, &rd->disk_hdr, there, 0, why);

	if (r < 0)
		return r;
	if (there < 4 || get_be32(rd->disk_hdr.magic) != MAGIC)
		return fail(why, -EBADMSG, "this is not a qcow2 file: it begins otherwise");
	rd->hdr.version = there < V2_LENGTH ? 0 : get_be32(rd->disk_hdr.version);
	if (there < (rd->hdr.version == 3 ? V3_LENGTH : V2_LENGTH))
		return fail(why, -EBADMSG, "the qcow2 file is cut short: it has %" PRIu64 " bytes",
			    rd->below->size);
	if (rd->hdr.version != 2 && rd->hdr.version != 3)
		return fail(why, -EOPNOTSUPP, "the qcow2 file is of version %u, 2 and 3 are known",
			    rd->hdr.version);
	return 0;
}

/* Fields that aren't there count as zero: those of version 3 in version 2, those behind header_length. */
static int cut_to_length(struct reading *rd, struct why *why)
{
	rd->length = rd->hdr.version == 3 ? get_be32(rd->disk_hdr.header_length) : V2_LENGTH;
	if (rd->hdr.version == 3 && (rd->length < V3_LENGTH || rd->length % 8))
		return fail(why, -EBADMSG, "the qcow2 header is damaged: its length is %" PRIu32, rd->length);
	if (rd->length > rd->below->size)
		return fail(why, -EBADMSG, "the qcow2 file is cut short: its header has %" PRIu32 " bytes",
			    rd->length);
	if (rd->length < MAX_LENGTH)
		memset((uint8_t *)&rd->disk_hdr + rd->length, 0, MAX_LENGTH - rd->length);
	rd->features = get_be64(rd->disk_hdr.incompatible_features);
	return 0;
}

static int check_clusters(struct reading *rd, struct why *why)
{
	const uint32_t bits = get_be32(rd->disk_hdr.cluster_bits);

	rd->hdr.is_extended = rd->features & FEATURE_EXTENDED_L2;
	if (bits < (rd->hdr.is_extended ? EXTENDED_BITS_MIN : CLUSTER_BITS_MIN) || bits > 63)
		return fail(why, -EBADMSG, "the qcow2 header is damaged: clusters of 2^%" PRIu32 " bytes",
			    bits);
	if (bits > CLUSTER_BITS_MAX)
		return fail(why, -EOPNOTSUPP,
			    "the qcow2 file has clusters of 2^%" PRIu32 " bytes, the limit is 2M", bits);
	rd->hdr.cluster_bits = bits;
	if (rd->length > qcow2_cluster_size(&rd->hdr))
		return fail(why, -EBADMSG,
			    "the qcow2 header is damaged: its %" PRIu32 " bytes exceed a cluster", rd->length);
	return 0;
}

/* Looks for the name of a feature in an extension that lists them. */
static int find_name(struct image *below, uint64_t at, uint32_t count, unsigned bit, char ret[static 47],
		     struct why *why)
{
	for (uint32_t done = 0; done + NAMES_ENTRY <= count; done += NAMES_ENTRY) {
		uint8_t entry[NAMES_ENTRY];
		int r = image_pread(below, entry, sizeof(entry), at + done, why);

		if (r < 0)
			return r;
		if (entry[0] != 0 || entry[1] != bit)
			continue;
		memcpy(ret, entry + 2, 46);
		ret[46] = '\0';
		/* A foreign text on its way to a terminal. */
		for (char *c = ret; *c; c++)
			if (*c < ' ' || *c > '~' || *c == '\'')
				*c = '?';
	}
	return 0;
}

/* Walks the extensions; `ret_name` is that of the feature, if they have it. */
static int walk_extensions(const struct reading *rd, unsigned bit, char ret_name[static 47], struct why *why)
{
	const uint64_t end = min_u64(qcow2_cluster_size(&rd->hdr), rd->below->size);
	uint64_t at = rd->length;

	ret_name[0] = '\0';
	for (unsigned n = 0; at + 8 <= end; n++) {
		uint8_t disk_extension[8];
		uint32_t type, count;
		int r = image_pread(rd->below, disk_extension, sizeof(disk_extension), at, why);

		if (r < 0)
			return r;
		type = get_be32(disk_extension);
		count = get_be32(disk_extension + 4);
		if (type == EXTENSION_END)
			return 0;
		if (count > end - at - 8 || n == EXTENSIONS_MAX)
			return fail(why, -EBADMSG,
				    "the qcow2 header is damaged: an extension at byte %" PRIu64
				    " leaves the first cluster",
				    at);
		if (type == EXTENSION_NAMES)
			r = find_name(rd->below, at + 8, count, bit, ret_name, why);
		if (r < 0)
			return r;
		at += 8 + align_up(count, 8);
	}
	return 0;
}

static int check_features(struct reading *rd, struct why *why)
{
	const uint64_t unknown = rd->features & ~FEATURES_KNOWN;
	const unsigned bit = unknown ? __builtin_ctzll(unknown) : 0;
	char name[47];
	int r = walk_extensions(rd, bit, name, why);

	if (r < 0)
		return r;
	if (unknown)
		return fail(why, -EOPNOTSUPP, "the qcow2 file uses a feature that isn't known: bit %u, '%s'",
			    bit, name[0] ? name : "without a name");
	/* Its tables may be wrong in ways that don't show, and there is nothing else to hold them against. */
	if (rd->features & FEATURE_CORRUPT)
		return fail(why, -EBADMSG,
			    "the qcow2 file is damaged: it is marked as corrupt (qemu-img check -r all repairs "
			    "it)");
	if (rd->features & FEATURE_DATA_FILE)
		return fail(why, -EOPNOTSUPP,
			    "the qcow2 file keeps its data in another file, which isn't read");
	return 0;
}

/* What would lead to other files, or ask for a key. */
static int check_stands_alone(struct reading *rd, struct why *why)
{
	if (get_be64(rd->disk_hdr.backing_file_offset))
		return fail(why, -EOPNOTSUPP,
			    "the qcow2 file has a backing file, which isn't read (qemu-img convert makes one "
			    "file of "
			    "both)");
	if (get_be32(rd->disk_hdr.crypt_method))
		return fail(why, -EOPNOTSUPP, "the qcow2 file is encrypted");
	return 0;
}

static int check_compression(struct reading *rd, struct why *why)
{
	const unsigned type = rd->disk_hdr.compression_type;

	if (!(rd->features & FEATURE_COMPRESSION) != !type)
		return fail(why, -EBADMSG,
			    "the qcow2 header is damaged: its compression type is %u, and the feature bit "
			    "disagrees",
			    type);
	if (type > QCOW2_ZSTD)
		return fail(why, -EOPNOTSUPP,
			    "the qcow2 file has clusters compressed by method %u, zlib and zstd are known",
			    type);
	rd->hdr.compression = type;
	return 0;
}

static int check_size(struct reading *rd, struct why *why)
{
	rd->hdr.size = get_be64(rd->disk_hdr.size);
	if (rd->hdr.size == 0)
		return fail(why, -EBADMSG, "the qcow2 file holds an empty image");
	/* QEMU cuts the rest off, the format doesn't say so. */
	if (rd->hdr.size % SECTOR)
		return fail(why, -EOPNOTSUPP,
			    "the qcow2 file holds %" PRIu64 " bytes, which is not a multiple of 512",
			    rd->hdr.size);
	return 0;
}

static int check_l1(struct reading *rd, struct why *why)
{
	const uint64_t cluster = qcow2_cluster_size(&rd->hdr), have = get_be32(rd->disk_hdr.l1_size);
	const uint64_t need = div_up(div_up(rd->hdr.size, cluster), qcow2_table_clusters(&rd->hdr));

	rd->hdr.l1_at = get_be64(rd->disk_hdr.l1_table_offset);
	if (have > L1_ENTRIES_MAX)
		return fail(why, -EOPNOTSUPP,
			    "the L1 table of the qcow2 file has %" PRIu64 " entries, the limit is "
			    "%" PRIu64,
			    have, L1_ENTRIES_MAX);
	if (have < need)
		return fail(why, -EBADMSG,
			    "the qcow2 header is damaged: an L1 table of %" PRIu64
			    " entries, the disk needs %" PRIu64,
			    have, need);
	if (rd->hdr.l1_at == 0 || rd->hdr.l1_at % cluster)
		return fail(why, -EBADMSG, "the qcow2 header is damaged: an L1 table at byte %" PRIu64,
			    rd->hdr.l1_at);
	if (!range_ok(rd->hdr.l1_at, need * 8, rd->below->size))
		return fail(why, -EBADMSG,
			    "the qcow2 file is cut short: its L1 table ends behind byte %" PRIu64
			    " of %" PRIu64,
			    rd->hdr.l1_at, rd->below->size);
	rd->hdr.l1_entries = need;
	return 0;
}

/* It isn't read, but nothing else may stand where it does. */
static int check_refcounts(struct reading *rd, struct why *why)
{
	const uint32_t order = get_be32(rd->disk_hdr.refcount_order);

	rd->hdr.refcounts_at = get_be64(rd->disk_hdr.refcount_table_offset);
	rd->hdr.refcounts_length = (uint64_t)get_be32(rd->disk_hdr.refcount_table_clusters)
				   << rd->hdr.cluster_bits;
	if (rd->hdr.version == 3 && order > 6)
		return fail(why, -EBADMSG, "the qcow2 header is damaged: refcounts of 2^%" PRIu32 " bits",
			    order);
	if (rd->hdr.refcounts_at % qcow2_cluster_size(&rd->hdr) || rd->hdr.refcounts_at >> 56)
		return fail(why, -EBADMSG, "the qcow2 header is damaged: a refcount table at byte %" PRIu64,
			    rd->hdr.refcounts_at);
	return 0;
}

static uint64_t digest_of(const struct reading *rd)
{
	return XXH3_64bits_withSeed(&rd->disk_hdr, sizeof(rd->disk_hdr), rd->below->size);
}

int qcow2_header_read(struct image *below, struct qcow2_header *ret, struct why *why)
{
	/* In the order in which one stands on the other. */
	static int (*const checks[])(struct reading * rd, struct why * why) = {
		read_disk_header,  cut_to_length, check_clusters, check_stands_alone, check_features,
		check_compression, check_size,	  check_l1,	  check_refcounts,
	};
	struct reading rd = { .below = below, .hdr.file = below->size };

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		int r = checks[i](&rd, why);

		if (r < 0)
			return r;
	}
	rd.hdr.digest = digest_of(&rd);
	*ret = rd.hdr;
	return 0;
}
