/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libdeflate rather than zlib: a cluster is at hand as a whole and its size is
 * known, which is all that libdeflate can do, and does in half the time. Nor does
 * zstd need its streaming decoder, and with it no window of a size that the frame
 * claims.
 */
#include "backends/decode/qcow2_cluster.h"

#include <errno.h>
#include <libdeflate.h>
#include <zstd.h>

struct qcow2_unpacker {
	struct libdeflate_decompressor *deflate;
	ZSTD_DCtx *zstd;
};

struct qcow2_unpacker *qcow2_unpacker_new(enum qcow2_compression compression)
{
	_cleanup_(qcow2_unpacker_freep) struct qcow2_unpacker *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	if (compression == QCOW2_ZLIB)
		u->deflate = libdeflate_alloc_decompressor();
	else
		u->zstd = ZSTD_createDCtx();
	return u->deflate || u->zstd ? take(u) : NULL;
}

void qcow2_unpacker_free(struct qcow2_unpacker *u)
{
	if (!u)
		return;
	libdeflate_free_decompressor(u->deflate);
	(void)ZSTD_freeDCtx(u->zstd);
	free(u);
}

/* Streams don't say where they end before they are decoded; libdeflate tells afterwards. */
static int unpack_deflate(struct qcow2_unpacker *u, const void *from, size_t count, void *to, size_t size)
{
	size_t used;

	if (libdeflate_deflate_decompress_ex(u->deflate, from, count, to, size, &used,
					     /* actual_out_nbytes_ret= */ NULL) != LIBDEFLATE_SUCCESS)
		return -EBADMSG;
	return 0;
}

/* Several frames may make one cluster, QEMU's reader has it. */
static int unpack_zstd(struct qcow2_unpacker *u, const uint8_t *from, size_t count, uint8_t *to, size_t size)
{
	while (size) {
		size_t frame = ZSTD_findFrameCompressedSize(from, count), made;

		if (ZSTD_isError(frame) || frame == 0)
			return -EBADMSG;
		made = ZSTD_decompressDCtx(u->zstd, to, size, from, frame);
		if (ZSTD_isError(made))
			return -EBADMSG;
		from += frame;
		count -= frame;
		to += made;
		size -= made;
	}
	return 0;
}

int qcow2_unpack(struct qcow2_unpacker *u, const void *from, size_t count, void *to, size_t size)
{
	return u->deflate ? unpack_deflate(u, from, count, to, size) : unpack_zstd(u, from, count, to, size);
}
