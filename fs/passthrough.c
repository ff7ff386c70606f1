/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libfuse offers passthrough from 3.16 on; this works with older ones too. Two
 * things are done behind its back, both on the wire: the INIT reply is given its
 * flags and a stack depth while it is written, and an OPEN is answered with a raw
 * struct fuse_open_out.
 *
 * The INIT reply says as well that look-ups and listings may come side by side, which
 * libfuse before 3.17 forgets to hand on: without it one name whose server
 * takes its time holds up every other.
 */
#include "fs/passthrough.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "base/log.h"
#include "config.h"
#include "fs/warden.h"

/* The kernel's include/uapi/linux/fuse.h, 7.40; older ones lack half of it. In host byte order. */
#define OP_INIT		  26
#define INIT_PARALLEL_DIR (UINT32_C(1) << 18)
#define INIT_EXT	  (UINT32_C(1) << 30)
#define INIT2_PASSTHROUGH (UINT32_C(1) << 5) /* bit 37 */
#define INIT2_NO_EXPORT	  (UINT32_C(1) << 6) /* bit 38 */
#define OPEN_PASSTHROUGH  (UINT32_C(1) << 7)

struct wire_in_header {
	uint32_t len, opcode;
	uint64_t unique, nodeid;
	uint32_t uid, gid, pid, padding;
};

struct wire_init_in {
	uint32_t major, minor, max_readahead, flags, flags2, unused[11];
};

struct wire_out_header {
	uint32_t len;
	int32_t error;
	uint64_t unique;
};

struct wire_init_out {
	uint32_t major, minor, max_readahead, flags;
	uint16_t max_background, congestion_threshold;
	uint32_t max_write, time_gran;
	uint16_t max_pages, map_alignment;
	uint32_t flags2, max_stack_depth, unused[6];
};

struct wire_open_out {
	uint64_t fh;
	uint32_t open_flags;
	int32_t backing_id;
};

_Static_assert(sizeof(struct wire_in_header) == 40, "fuse_in_header");
_Static_assert(sizeof(struct wire_init_out) == 64, "fuse_init_out");
_Static_assert(sizeof(struct wire_open_out) == 16, "fuse_open_out");

struct passthrough {
	struct fuse_session *session;
	struct warden *warden;
	bool wanted; /* passthrough, which takes root */
	bool exportable;
	uint32_t offered;     /* by the kernel, in INIT: what of INIT2_* is wanted, */
	uint32_t offered_dir; /* and INIT_PARALLEL_DIR */
	bool on;	      /* answered, and not refused since */
	uint64_t init_unique; /* of the INIT that has not been answered yet; 0: none */
};

#if HAVE_CUSTOM_IO

/* There is one session a process, and libfuse hands its custom I/O no argument of ours before INIT. */
static struct passthrough *the;

static void see_request(const void *buf, ssize_t n)
{
	const struct wire_in_header *in = buf;
	const struct wire_init_in *init = (const void *)(in + 1);

	if (n < (ssize_t)(sizeof(*in) + sizeof(*init)) || in->opcode != OP_INIT)
		return;
	the->init_unique = in->unique;
	the->offered = init->flags & INIT_EXT ? init->flags2 : 0;
	the->offered &= (the->wanted ? INIT2_PASSTHROUGH : 0) | (the->exportable ? 0 : INIT2_NO_EXPORT);
	the->offered_dir = init->flags & INIT_PARALLEL_DIR;
}

static ssize_t read_device(int fd, void *buf, size_t count, void *userdata)
{
	ssize_t n = read(fd, buf, count);

	see_request(buf, n);
	return n;
}

static ssize_t write_device(int fd, struct iovec *iov, int count, void *userdata)
{
	const struct wire_out_header *out = iov[0].iov_base;
	struct wire_init_out init;
	struct iovec changed[2];

	if (!the->init_unique || out->unique != the->init_unique)
		return writev(fd, iov, count);
	the->init_unique = 0;
	if (count != 2 || iov[1].iov_len != sizeof(init) || out->error)
		return writev(fd, iov, count);
	memcpy(&init, iov[1].iov_base, sizeof(init));
	init.flags |= the->offered_dir | (the->offered ? INIT_EXT : 0);
	init.flags2 |= the->offered;
	the->on = the->offered & INIT2_PASSTHROUGH;
	if (the->on)
		init.max_stack_depth = 1; /* the backing file is no stacked filesystem's itself */
	changed[0] = iov[0];
	changed[1] = (struct iovec){ &init, sizeof(init) };
	return writev(fd, changed, 2);
}

static void watch_init(struct passthrough *p)
{
	static const struct fuse_custom_io io = { .writev = write_device, .read = read_device };

	the = p;
	if (fuse_session_custom_io(p->session, &io, fuse_session_fd(p->session)) < 0)
		the = NULL;
}

#else

static void watch_init(struct passthrough *p)
{
}

#endif

struct passthrough *passthrough_new(struct fuse_session *session, struct warden *warden, bool exportable)
{
	struct passthrough *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->session = session;
	p->warden = warden;
	p->wanted = geteuid() == 0;
	p->exportable = exportable;
	watch_init(p);
	return p;
}

void passthrough_free(struct passthrough *p)
{
	free(p);
}

/* The whole image in one file of our own, at the same offsets; else -1. */
static int whole_backing(struct image *img)
{
	struct backing backing;
	struct stat st;

	if (image_backing(img, 0, &backing) < 0 || !backing.ours || backing.offset != 0 ||
	    backing.length != img->size || fstat(backing.fd, &st) < 0 || (uint64_t)st.st_size != img->size)
		return -1;
	return backing.fd;
}

static int32_t backing_open(struct passthrough *p, int fd)
{
	int id = warden_backing_open(p->warden, fd);

	if (id <= 0) {
		/* EPERM, ELOOP (a stacked filesystem), ...: not worth trying at each open. */
		log_detail("passthrough: %s", strerror(-id));
		p->on = false;
		return 0;
	}
	return id;
}

bool passthrough_opened(struct passthrough *p, struct passing *passing, struct image *img)
{
	int fd;

	if (passing->opens++ == 0) {
		passing->backing_id = 0;
		fd = p && p->on && img ? whole_backing(img) : -1;
		if (fd >= 0)
			passing->backing_id = backing_open(p, fd);
	}
	return passing->backing_id > 0;
}

void passthrough_closed(struct passthrough *p, struct passing *passing)
{
	if (--passing->opens || !passing->backing_id)
		return;
	warden_backing_close(p->warden, passing->backing_id);
	passing->backing_id = 0;
}

int passthrough_reply_open(fuse_req_t req, const struct passing *passing, const struct fuse_file_info *fi)
{
	/* No other flag: KEEP_CACHE beside it makes the open fail with EIO. */
	struct wire_open_out out = {
		.fh = fi->fh,
		.open_flags = OPEN_PASSTHROUGH,
		.backing_id = passing->backing_id,
	};

	return fuse_reply_buf(req, (const char *)&out, sizeof(out));
}
