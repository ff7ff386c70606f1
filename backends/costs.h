/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_COSTS_H
#define GOALFS_BACKENDS_COSTS_H

/*
 * The planner's figures. A step's cost is an estimate in microseconds: setting
 * it up, the latency of the first read, and every byte of the image through it
 * once. They need not be exact; their order decides. Measured on two cores of a
 * cloud machine, the Debian 12 template of tests/guest (6 GiB, 0.4 GiB used).
 */
#include <stdint.h>

#include "planner/tags.h"

#define COST_FILE_OPEN	    50	   /* openat, fstat */
#define COST_FILE_PER_MIB   100	   /* page cache and disk mixed, 10 GB/s and 1 GB/s */
#define COST_HTTP_OPEN	    100000 /* two round trips to somewhere not too far */
#define COST_HTTP_PER_MIB   20000  /* of the image, a fifth of it compressed away: 100 Mbit/s and better */
#define COST_XZ_OPEN	    2000   /* footer and index */
#define COST_XZ_FIRST	    150000 /* one 16 MiB block */
#define COST_XZ_PER_MIB	    500	   /* 3.0 s for 6 GiB, zeros proved, not decoded */
#define COST_QCOW2_OPEN	    2000   /* header and tables */
#define COST_QCOW2_PER_MIB  350	   /* zlib: 0.73 s for 2 GiB, 1.2 of them used */
#define COST_TAR_OPEN	    200	   /* a header or two */
#define COST_QEMU_OPEN	    35000  /* qemu-nbd: 12 to 34 ms for its start, 2 to 12 for what is zero */
#define COST_QEMU_PER_MIB   1200   /* 0.9 GB/s of a sparse vmdk, two readers, at 1 MiB each */
#define COST_CACHE_OPEN	    100
#define COST_CACHE_PER_MIB  150	  /* write once, read once, mostly from the page cache */
#define COST_SPARSE_OPEN    20000 /* the bitmaps of the filesystems read */
#define COST_RESIZE_OPEN    5000  /* table and filesystem metadata read, patches computed */
#define COST_MAP_PER_MIB    1	  /* a binary search every 128 KiB */
#define COST_LAYOUT_OPEN    1000
#define COST_PARTITION_OPEN 1000  /* the table read */
#define COST_LV_OPEN	    2000  /* labels and the text of the group read */
#define COST_GZIP_OPEN	    15000 /* one unit of 4 MiB; the pass counts below, as it takes all of the image */
#define COST_GZIP_PER_MIB   2150  /* 12.1 s for 6 GiB once, 1.0 s for the data among it */
#define COST_BZIP2_OPEN	    60000
#define COST_BZIP2_PER_MIB  2550 /* 8.2 s of all processors together for the pass, 7.4 s for the data */
#define COST_ZSTD_OPEN	    10000
#define COST_ZSTD_PER_MIB   530	 /* 1.7 s, and the same again when it is one frame */
#define COST_NBD_OPEN	    1000 /* connecting, a question for what is zero */
#define COST_NBD_PER_MIB    1000 /* 1 GB/s over a local socket, and what lies behind it */

/* For a state's size; a template whose size is not known yet counts as 1 GiB. */
static inline uint64_t cost_of(const struct tags *state, uint64_t fixed, uint64_t per_mib)
{
	uint64_t bytes = UINT64_C(1) << 30;

	(void)tags_get_u64(state, "size", &bytes);
	return fixed + per_mib * ((bytes >> 20) + 1);
}

#endif
