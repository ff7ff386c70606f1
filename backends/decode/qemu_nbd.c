/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/decode/qemu_nbd.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "backends/cache/pool.h"
#include "backends/costs.h"
#include "backends/decode/disk_header.h"
#include "backends/decode/disk_tables.h"
#include "backends/decode/vhdx.h"
#include "backends/library/library.h"
#include "backends/nbd/client.h"
#include "backends/nbd/server.h"
#include "base/bytes.h"
#include "base/lock.h"
#include "base/patience.h"
#include "base/text.h"

/* Our names of formats and QEMU's. */
static const struct format {
	const char *name, *driver;
} formats[] = {
	{ "vmdk", "vmdk" },   { "vdi", "vdi" },	    { "vhd", "vpc" },
	{ "vhdx", "vhdx" },   { "qed", "qed" },	    { "parallels", "parallels" },
	{ "dmg", "dmg" },     { "qcow2", "qcow2" }, { "qcow", "qcow" },
	{ "cloop", "cloop" }, { "bochs", "bochs" },
};

static const struct format *find_format(const char *name)
{
	for (size_t i = 0; name && i < sizeof(formats) / sizeof(formats[0]); i++)
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
	return NULL;
}

/* Units that were brought and are to be made: few more are under way at a time. */
#define BROUGHT 16

/* What it reads may come from a server, and this one answers or fails at last, and says why. */
#define SERVER_TIMEOUT_MS 600000

struct brought {
	uint64_t index;
	uint8_t *buf; /* NULL: there is none */
};

struct qemu_nbd {
	struct image image;
	const struct format *format;
	char *name;		   /* the template's, begins the child's lines in the log */
	char *node;		   /* what QEMU opens, as it wants to be told */
	int fd;			   /* borrowed from the image below; -1: it does not stand in a file, */
	struct nbd_server *server; /* and QEMU reads it from us */
	bool is_near;		   /* no server is asked for what it reads; constant */

	pthread_mutex_t lock; /* guards `brought` */
	struct brought brought[BROUGHT];

	const char *argv[6];
	struct nbd_child_options child; /* borrows those; for the client */
	struct nbd_client *client;
	struct zeros zeros;
};

static void qemu_nbd_close(struct image *img)
{
	struct qemu_nbd *q = (struct qemu_nbd *)img;

	/* A read that waits is not to keep the child from ending. */
	nbd_server_end(q->server);
	nbd_client_close(q->client);
	nbd_server_free(q->server);
	for (size_t i = 0; i < BROUGHT; i++)
		free(q->brought[i].buf);
	(void)pthread_mutex_destroy(&q->lock);
	zeros_done(&q->zeros);
	free(q->name);
	free(q->node);
	free(q);
}

static void qemu_nbd_extent(struct image *img, uint64_t offset, struct extent *ret)
{
	bool is_zero;

	ret->length = zeros_at(&((struct qemu_nbd *)img)->zeros, offset, img->size, &is_zero);
	ret->kind = is_zero ? EXTENT_ZERO : EXTENT_DATA;
}

/* The bytes below are others. */
static int qemu_nbd_backing(struct image *img, uint64_t offset, struct backing *ret)
{
	return -ENODATA;
}

/* Where it would have to be read below, nobody knows. */
static void qemu_nbd_hint(struct image *img, uint64_t offset, uint64_t length)
{
}

static uint64_t qemu_nbd_units(struct image *img)
{
	return div_up(img->size, QEMU_NBD_UNIT);
}

static void qemu_nbd_unit(struct image *img, uint64_t offset, struct unit *ret)
{
	const uint64_t index = offset / QEMU_NBD_UNIT, start = index * QEMU_NBD_UNIT;

	*ret = (struct unit){ index, start, min_u64(QEMU_NBD_UNIT, img->size - start) };
}

/* Whether it can be made without waiting for a server. */
static bool is_ready(struct qemu_nbd *q, uint64_t index)
{
	const struct brought *b = &q->brought[index % BROUGHT];
	LOCKED(&q->lock);

	return q->is_near || (b->buf && b->index == index);
}

/* Its bytes, the caller's from then on; NULL. */
static uint8_t *take_brought(struct qemu_nbd *q, uint64_t index)
{
	struct brought *b = &q->brought[index % BROUGHT];
	LOCKED(&q->lock);

	return b->buf && b->index == index ? take(b->buf) : NULL;
}

/* Takes `buf` over. */
static void put_brought(struct qemu_nbd *q, uint64_t index, uint8_t *buf)
{
	struct brought *b = &q->brought[index % BROUGHT];
	LOCKED(&q->lock);

	free(b->buf);
	*b = (struct brought){ index, buf };
}

static bool qemu_nbd_is_here(struct image *img, uint64_t offset, uint64_t length)
{
	for (uint64_t i = offset / QEMU_NBD_UNIT; i * QEMU_NBD_UNIT < offset + length; i++)
		if (!is_ready((struct qemu_nbd *)img, i))
			return false;
	return true;
}

static bool qemu_nbd_is_far(struct image *img, const struct unit *unit)
{
	return !is_ready((struct qemu_nbd *)img, unit->index);
}

/* What we could not give it, since there were so many failures, is an input/output error to QEMU. */
static int blame(struct qemu_nbd *q, uint64_t since, int r, struct why *why)
{
	struct why cause = { "" };
	const int error = r < 0 && r != -EINTR && q->server ? nbd_server_failure(q->server, since, &cause) : 0;

	if (error == 0)
		return r;
	if (why)
		*why = cause;
	return error;
}

static int read_unit(struct qemu_nbd *q, const struct unit *unit, uint8_t *buf, struct why *why)
{
	const uint64_t since = q->server ? nbd_server_failures(q->server) : 0;

	return blame(q, since, nbd_client_pread(q->client, buf, unit->length, unit->offset, why), why);
}

/* To learn what it takes it has to be read. */
static int qemu_nbd_bring(struct image *img, const struct unit *unit, struct why *why)
{
	struct qemu_nbd *q = (struct qemu_nbd *)img;
	_cleanup_free_ uint8_t *buf = malloc(unit->length);
	int r = buf ? read_unit(q, unit, buf, why) : -ENOMEM;

	if (r == 0)
		put_brought(q, unit->index, take(buf));
	return r;
}

static int qemu_nbd_make(struct image *img, const struct unit *unit, struct sink *sink, struct why *why)
{
	struct qemu_nbd *q = (struct qemu_nbd *)img;
	_cleanup_free_ uint8_t *buf = take_brought(q, unit->index);
	uint8_t probe;
	int r = 0;

	if (!buf) {
		buf = malloc(unit->length);
		r = buf ? read_unit(q, unit, buf, why) : -ENOMEM;
	}
	/* Afterwards: what was read until now is of the file that was opened. */
	if (r == 0)
		r = image_pread(img->below, &probe, 1, 0, why);
	return r < 0 ? r : sink->write(sink, buf, unit->length, unit->offset, why);
}

static uint64_t qemu_nbd_make_memory(struct image *img)
{
	return QEMU_NBD_UNIT;
}

static void qemu_nbd_describe(struct image *img, struct text *t)
{
	struct qemu_nbd *q = (struct qemu_nbd *)img;

	text_add(t, "    %s, read by %s\n", q->format->name, QEMU_NBD_PROGRAM);
}

static const struct image_ops qemu_nbd_ops = {
	.name = "qemu-nbd",
	.extent = qemu_nbd_extent,
	.backing = qemu_nbd_backing,
	.hint = qemu_nbd_hint,
	.is_here = qemu_nbd_is_here,
	.units = qemu_nbd_units,
	.unit = qemu_nbd_unit,
	.make = qemu_nbd_make,
	.make_memory = qemu_nbd_make_memory,
	.is_far = qemu_nbd_is_far,
	.bring = qemu_nbd_bring,
	.describe = qemu_nbd_describe,
	.close = qemu_nbd_close,
};

/* ---- the child ---- */

/* The first descriptor that the child gets, behind its socket. Opened anew: it shares no position with ours. */
#define FILE_NODE   "{\"driver\":\"file\",\"filename\":\"/proc/self/fd/4\",\"locking\":\"off\"}"
#define SERVER_NODE "{\"driver\":\"nbd\",\"server\":{\"type\":\"fd\",\"str\":\"4\"}}"

/*
 * The file, or the part of it where the image is: QEMU takes only whole sectors of one. What lies between the
 * image's end and the next sector's is padding in all that holds images (tar).
 */
static int make_file_node(const struct backing *b, uint64_t size, char **ret, struct why *why)
{
	const uint64_t sectors = align_up(size, SECTOR);
	struct stat st;

	if (fstat(b->fd, &st) < 0)
		return fail(why, -errno, "its file can't be examined: %s", strerror(errno));
	if (b->offset == 0 && (uint64_t)st.st_size == size)
		*ret = strdup(FILE_NODE);
	else if (!range_ok(b->offset, sectors, (uint64_t)st.st_size) || b->offset % SECTOR)
		return fail(why, -EOPNOTSUPP, "it does not lie in whole sectors of its file");
	else
		*ret = text_new("{\"driver\":\"raw\",\"offset\":%" PRIu64 ",\"size\":%" PRIu64
				",\"file\":" FILE_NODE "}",
				b->offset, sectors);
	return *ret ? 0 : -ENOMEM;
}

/* ---- what QEMU reads from us ---- */

static int read_below(void *arg, void *buf, size_t count, uint64_t offset, struct why *why)
{
	return image_pread(arg, buf, count, offset, why);
}

static void hint_below(void *arg, uint64_t offset, uint64_t length)
{
	image_hint(arg, offset, length);
}

/*
 * A decoder thread that makes a unit waits for QEMU, and that for a thread of the server: which must not wait for
 * decoder threads in its turn.
 */
static int make_server_node(struct qemu_nbd *q, struct image *below, char **ret)
{
	const struct nbd_export export = {
		.size = below->size,
		.read = read_below,
		.ahead = hint_below,
		.begin = pool_stand_in,
		.arg = below,
	};

	q->server = nbd_server_new(&export);
	*ret = q->server ? strdup(SERVER_NODE) : NULL;
	return *ret ? 0 : -ENOMEM;
}

/*
 * Backing files were refused by their headers; QEMU is told so, too. "json:" because a key=value
 * list has no word for null.
 */
static int make_node(struct qemu_nbd *q, struct image *below, struct why *why)
{
	_cleanup_free_ char *file = NULL;
	struct backing b;
	int r = image_backing(below, 0, &b);

	if (r < 0 && r != -ENODATA)
		return r;
	if (r < 0 || b.length < below->size) {
		r = make_server_node(q, below, &file);
	} else {
		q->fd = b.fd;
		r = make_file_node(&b, below->size, &file, why);
	}
	if (r < 0)
		return r;
	q->node = text_new("json:{\"driver\":\"%s\",\"backing\":null,\"read-only\":true,\"file\":%s}",
			   q->format->driver, file);
	return q->node ? 0 : -ENOMEM;
}

/* It complains of connections that are closed in the middle. It has no clients but us, and we know. */
static bool is_of_connection(const char *line)
{
	return strstr(line, "qemu-nbd: Disconnect client, due to:") ||
	       strstr(line, "qemu-nbd: option negotiation failed:");
}

static int start(struct qemu_nbd *q, const struct template *t, struct why *why)
{
	static const char shared[] = "--shared=4";
	const struct nbd_client_options options = {
		.name = t->path,
		.child = &q->child,
		.timeout_ms = q->server ? SERVER_TIMEOUT_MS : 0,
		.undivided = true,
	};
	int r = text_copy(&q->name, t->name);

	static_assert(NBD_CONNECTIONS == 4, "--shared");
	if (r < 0)
		return r;
	/* Without --persistent: it ends with its last connection, should it survive us. */
	q->argv[0] = QEMU_NBD_PROGRAM;
	q->argv[1] = "--read-only";
	q->argv[2] = shared;
	q->argv[3] = q->node;
	q->child = (struct nbd_child_options){ .name = q->name,
					       .argv = q->argv,
					       .fds = &q->fd,
					       .n_fds = q->fd >= 0,
					       .connect = q->server ? nbd_server_connect : NULL,
					       .arg = q->server,
					       .is_dull = is_of_connection,
					       .confined = true };
	r = nbd_client_open(&options, &q->client, why);
	if (r == -ENOENT)
		return fail(why, -EOPNOTSUPP,
			    "'%s' is a %s image, which is read by " QEMU_NBD_PROGRAM
			    ", and that is not installed (package qemu-utils, or qemu-img)",
			    t->path, q->format->name);
	return r;
}

/* QEMU tells them of all formats but this. */
static int find_zeros(struct qemu_nbd *q, const char *path, struct image *below, struct why *why)
{
	int r;

	if (strcmp(q->format->name, "vhdx") != 0)
		return nbd_client_zeros(q->client, &q->zeros, why);
	r = vhdx_zeros(below, nbd_client_size(q->client), &q->zeros, why);
	return r < 0 ? fail_at(why, r, "'%s'", path) : 0;
}

/* To look at its first byte is to have all of a unit decoded. Not that much for who only looks around. */
#define LOOK_MAX (64 * MiB)

static bool is_long_to_look_at(struct image *below)
{
	for (struct image *img = below; img; img = img->below)
		if (image_units(img) && image_unit(img, 0).length > LOOK_MAX)
			return true;
		else if (image_units(img) == 0 && image_is_here(img, 0, 1))
			return false;
	return false;
}

static int fill(struct qemu_nbd *q, const struct template *t, const struct step *step, struct image *below,
		struct why *why)
{
	int r;

	q->format = find_format(tags_get(&step->args, "format"));
	if (!q->format)
		return fail(why, -EINVAL, "'%s': a step without a format", t->path);
	if (patience_is_casual() && is_long_to_look_at(below))
		return fail(why, -EAGAIN, "to know what is in '%s' most of it would have to be decoded",
			    t->path);
	r = disk_header_check(below, q->format->name, why);
	if (r == 0)
		r = disk_tables_check(below, q->format->name, why);
	if (r == 0)
		r = make_node(q, below, why);
	if (r < 0)
		return fail_at(why, r, "'%s'", t->path);
	r = start(q, t, why);
	if (r == 0)
		r = find_zeros(q, t->path, below, why);
	return blame(q, /* since= */ 0, r, why);
}

static int qemu_nbd_open(const struct opening *opening, struct image *below, struct image **ret,
			 struct why *why)
{
	struct qemu_nbd *q = calloc(1, sizeof(*q));
	int r;

	if (!q)
		return -ENOMEM;
	(void)pthread_mutex_init(&q->lock, NULL);
	q->fd = -1;
	q->is_near = image_is_here(below, 0, below->size);
	r = fill(q, opening->template, opening->step, below, why);
	if (r < 0) {
		qemu_nbd_close(&q->image);
		return r;
	}
	image_init(&q->image, &qemu_nbd_ops, nbd_client_size(q->client), image_ref(below));
	*ret = &q->image;
	return 0;
}

static void qemu_nbd_offer(const struct tags *state, const struct tags *want, struct offers *o)
{
	const char *name = tags_get(state, "format");
	struct offer x;

	if (!name || !offer_is_disk(state, name))
		return;
	if (strcmp(name, "luks") == 0)
		offer_refusal(o, "a LUKS image can't be read without its key");
	if (!find_format(name))
		return;
	offer_begin(&x, o, state);
	offer_arg(&x, "format", name);
	offer_read_disk(&x);
	offer_set(&x, "made", "unit");
	offer_end(&x, cost_of(state, COST_QEMU_OPEN, COST_QEMU_PER_MIB));
}

const struct backend qemu_nbd_backend = {
	.name = "qemu-nbd",
	.offer = qemu_nbd_offer,
	.open = qemu_nbd_open,
};
