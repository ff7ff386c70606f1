/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/nbd/private.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/lock.h"

/* What a server must take when it doesn't say, see NBD's protocol, "block size constraints". */
#define MOST_UNSAID (32 * MiB)

/* libnbd's sentence, without the name of its function in front. */
static const char *said(void)
{
	const char *text = nbd_get_error(), *colon = text ? strstr(text, ": ") : NULL;

	if (text && strncmp(text, "nbd_", 4) == 0 && colon)
		return colon + 2;
	return text ?: "it is not known why";
}

static int said_errno(void)
{
	switch (nbd_get_errno()) {
	case ENOENT:
		return -ENOENT;
	case ENOMEM:
		return -ENOMEM;
	case ECONNREFUSED:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case ETIMEDOUT:
		return -EHOSTUNREACH;
	default:
		return -EIO;
	}
}

/*
 * The transports are those that address.c knows; what else this libnbd may have learnt
 * would run programs. The text comes from whoever owns the library, so it may name key files.
 */
static int prepare(struct nbd_handle *h)
{
	const uint32_t transports =
		LIBNBD_ALLOW_TRANSPORT_TCP | LIBNBD_ALLOW_TRANSPORT_UNIX | LIBNBD_ALLOW_TRANSPORT_VSOCK;

	if (nbd_set_uri_allow_transports(h, transports) < 0 || nbd_set_uri_allow_local_file(h, true) < 0)
		return -1;
	return nbd_add_meta_context(h, LIBNBD_CONTEXT_BASE_ALLOCATION);
}

int link_connect(struct link *l, const char *uri, const char *socket, struct why *why)
{
	int r;

	l->nbd = nbd_create();
	l->state = LINK_CONNECTING;
	l->since = l->progress = lock_now_ms();
	l->has_answered = false;
	r = l->nbd ? prepare(l->nbd) : -1;
	if (r == 0)
		r = uri ? nbd_aio_connect_uri(l->nbd, uri) : nbd_aio_connect_unix(l->nbd, socket);
	if (r == 0)
		return 0;
	r = fail(why, said_errno(), "%s", said());
	(void)link_close(l);
	return r;
}

short link_events(const struct link *l)
{
	const unsigned direction = l->nbd ? nbd_aio_get_direction(l->nbd) : 0;

	return (short)((direction & LIBNBD_AIO_DIRECTION_READ ? POLLIN : 0) |
		       (direction & LIBNBD_AIO_DIRECTION_WRITE ? POLLOUT : 0));
}

int link_fd(const struct link *l)
{
	return l->nbd ? nbd_aio_get_fd(l->nbd) : -1;
}

static bool is_lost(const struct link *l)
{
	return nbd_aio_is_dead(l->nbd) || nbd_aio_is_closed(l->nbd);
}

int link_turn(struct link *l, short revents, struct why *why)
{
	const short events = link_events(l);
	int r = 0;

	/* What comes first: an answer may change what the connection waits for. */
	if ((events & POLLIN) && (revents & (POLLIN | POLLHUP | POLLERR)))
		r = nbd_aio_notify_read(l->nbd);
	else if ((events & POLLOUT) && (revents & (POLLOUT | POLLHUP | POLLERR)))
		r = nbd_aio_notify_write(l->nbd);
	if (r == 0 && !is_lost(l))
		return 0;
	if (r == 0)
		return fail(why, -EIO, "the server has closed the connection");
	return fail(why, said_errno(), "%s", said());
}

/*
 * A server that is gone without a word is found out while nobody waits for it: on the
 * day after, a read then begins by connecting, and not by waiting for an answer.
 */
static void keep_alive(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },	  { IPPROTO_TCP, TCP_KEEPIDLE, 20 },
		{ IPPROTO_TCP, TCP_KEEPINTVL, 5 },	  { IPPROTO_TCP, TCP_KEEPCNT, 3 },
		{ IPPROTO_TCP, TCP_USER_TIMEOUT, 20000 },
	};

	/* Other sockets know none of this, and need it no more. */
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		(void)setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(int));
}

static uint64_t block_size(struct nbd_handle *h, int type, uint64_t unsaid)
{
	const int64_t n = nbd_get_block_size(h, type);

	return n > 0 ? (uint64_t)n : unsaid;
}

int link_facts(struct link *l, struct facts *ret, struct why *why)
{
	const int64_t size = nbd_get_size(l->nbd);

	if (size < 0)
		return fail(why, -EIO, "%s", said());
	*ret = (struct facts){
		.size = (uint64_t)size,
		.block = block_size(l->nbd, LIBNBD_SIZE_MINIMUM, 1),
		.most = block_size(l->nbd, LIBNBD_SIZE_MAXIMUM, MOST_UNSAID),
		.has_status = nbd_can_meta_context(l->nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) > 0,
		.is_multi = nbd_can_multi_conn(l->nbd) > 0,
		.is_tls = nbd_get_tls_negotiated(l->nbd) > 0,
	};
	if (ret->size == 0)
		return fail(why, -EBADMSG, "the export is empty");
	/* Bytes behind the last whole block could not be asked for. */
	if (ret->block > 64 * KiB || (ret->block & (ret->block - 1)) || ret->size % ret->block)
		return fail(why, -EIO, "blocks of %llu bytes can't be read", (unsigned long long)ret->block);
	ret->most = min_u64(max_u64(align_down(ret->most, ret->block), ret->block), MOST_UNSAID);
	keep_alive(nbd_aio_get_fd(l->nbd));
	l->state = LINK_READY;
	return 0;
}

/* ---- requests ---- */

/*
 * By libnbd, on the client's thread, out of link_turn or link_send. Not 1, by which libnbd would forget the
 * request at once: nbd_aio_pread (of 1.14) looks at it once more when its connection is lost meanwhile.
 */
static int on_answer(void *arg, int *error)
{
	struct request *rq = arg;

	rq->is_answered = true;
	rq->answer = *error;
	return 0;
}

void link_forget(struct link *l, const struct request *rq)
{
	(void)nbd_aio_command_completed(l->nbd, (uint64_t)rq->cookie);
}

static int on_extents(void *arg, const char *context, uint64_t offset, uint32_t *entries, size_t n, int *error)
{
	struct request *rq = arg;

	if (strcmp(context, LIBNBD_CONTEXT_BASE_ALLOCATION) != 0 || n == 0 || n > 2 * STATUS_ENTRIES)
		return 0;
	free(rq->entries);
	rq->n_entries = 0;
	rq->entries = malloc(n * sizeof(*entries));
	if (!rq->entries) {
		*error = ENOMEM;
		return -1;
	}
	memcpy(rq->entries, entries, n * sizeof(*entries));
	rq->n_entries = n / 2;
	return 0;
}

/* libnbd has put the bytes into the buffer. */
static int on_piece(void *arg, const void *bytes, size_t count, uint64_t offset, unsigned status, int *error)
{
	return 0;
}

static int64_t send_read(const struct link *l, struct request *rq, bool undivided,
			 nbd_completion_callback answered)
{
	const nbd_chunk_callback piece = { .callback = on_piece };

	/* Only with structured replies, which an old QEMU doesn't have; then it answers as it should. */
	if (undivided && nbd_can_df(l->nbd) > 0)
		return nbd_aio_pread_structured(l->nbd, rq->buf, rq->count, rq->offset, piece, answered,
						LIBNBD_CMD_FLAG_DF);
	return nbd_aio_pread(l->nbd, rq->buf, rq->count, rq->offset, answered, 0);
}

bool link_send(struct link *l, struct request *rq, bool undivided, struct why *why)
{
	const nbd_completion_callback answered = { .callback = on_answer, .user_data = rq };
	const nbd_extent_callback extents = { .callback = on_extents, .user_data = rq };

	rq->is_answered = false;
	rq->cookie = rq->buf ? send_read(l, rq, undivided, answered)
			     : nbd_aio_block_status(l->nbd, rq->count, rq->offset, extents, answered, 0);
	if (rq->cookie < 0) {
		(void)fail(why, said_errno(), "%s", said());
		return false;
	}
	if (l->n == 0)
		l->progress = lock_now_ms();
	rq->next = l->requests;
	l->requests = rq;
	l->n++;
	return true;
}

struct request *link_close(struct link *l)
{
	struct request *left = l->requests;

	nbd_close(l->nbd);
	*l = (struct link){ .state = LINK_NONE };
	return left;
}
