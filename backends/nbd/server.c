/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All numbers are big-endian. Whoever holds `receiving` reads the next request, and the first one of all shakes
 * hands before; then it is read for and answered without that lock, so that the others go on meanwhile.
 */
#include "backends/nbd/server.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/lock.h"
#include "base/patience.h"

#define MAGIC_SERVER  UINT64_C(0x4e42444d41474943) /* "NBDMAGIC" */
#define MAGIC_OPTION  UINT64_C(0x49484156454f5054) /* "IHAVEOPT" */
#define MAGIC_ANSWER  UINT64_C(0x0003e889045565a9) /* to an option */
#define MAGIC_REQUEST 0x25609513u
#define MAGIC_REPLY   0x67446698u

enum { HELLO_FIXED_NEWSTYLE = 1, HELLO_NO_ZEROES = 2 };
enum { EXPORT_HAS_FLAGS = 1, EXPORT_READ_ONLY = 2 };
enum { OPTION_ABORT = 2, OPTION_INFO = 6, OPTION_GO = 7 };
enum { INFO_EXPORT = 0, INFO_BLOCK_SIZE = 3 };
enum { COMMAND_READ = 0, COMMAND_WRITE = 1, COMMAND_DISCONNECT = 2 };

#define ANSWER_ACK     1u
#define ANSWER_INFO    3u
#define ANSWER_UNKNOWN (1u << 31 | 6)
#define ANSWER_UNSUP   (1u << 31 | 1)
#define ANSWER_INVALID (1u << 31 | 3)

/* An option's data: a name and some numbers. */
#define OPTION_MAX 4096
/* Options before the export is opened. */
#define OPTIONS_MAX 64
/* That read at the same time: QEMU asks for up to 16 at once. */
#define THREADS 4
/*
 * Told of at most: who has read so much in a row may go on. In a row is what lies near what was read before: QEMU
 * reads a compressed cluster with a guess at its length.
 */
#define AHEAD	  (32 * MiB)
#define AHEAD_MIN MiB
#define NEAR	  (256 * KiB)

struct connection {
	struct nbd_server *server;
	struct connection *next;
	int fd;
	pthread_t thread[THREADS];
	unsigned n_threads;
	atomic_uint running;

	pthread_mutex_t receiving; /* guards the next four, and what is received */
	uint64_t at, row;	   /* where the last read ended, and how many bytes were read in a row */
	bool is_open;		   /* they have shaken hands */
	bool is_over;		   /* there won't be another request */
	pthread_mutex_t sending;
};

struct nbd_server {
	struct nbd_export export; /* constant */
	uint64_t size;		  /* that is told, constant */
	atomic_bool ending;

	pthread_mutex_t lock; /* guards all below */
	struct connection *connections;
	uint64_t n_failures;
	int error; /* the last one's */
	struct why why;
};

struct request {
	uint16_t command;
	uint8_t cookie[8];
	uint64_t offset;
	uint32_t count;
	uint64_t ahead; /* as much may follow */
};

/* ---- bytes ---- */

static bool receive(const struct connection *c, void *buf, size_t count)
{
	uint8_t *p = buf;

	while (count) {
		const ssize_t n = recv(c->fd, p, count, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		count -= (size_t)n;
	}
	return true;
}

static bool send_all(const struct connection *c, const void *buf, size_t count)
{
	const uint8_t *p = buf;

	while (count) {
		const ssize_t n = send(c->fd, p, count, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		count -= (size_t)n;
	}
	return true;
}

/* ---- the handshake ---- */

static bool answer(const struct connection *c, uint32_t option, uint32_t what, const void *bytes,
		   uint32_t count)
{
	uint8_t head[20];

	put_be64(head + 0, MAGIC_ANSWER);
	put_be32(head + 8, option);
	put_be32(head + 12, what);
	put_be32(head + 16, count);
	return send_all(c, head, sizeof(head)) && send_all(c, bytes, count);
}

static bool answer_export(const struct connection *c, uint32_t option)
{
	uint8_t export[12], block[14];

	put_be16(export + 0, INFO_EXPORT);
	put_be64(export + 2, c->server->size);
	put_be16(export + 10, EXPORT_HAS_FLAGS | EXPORT_READ_ONLY);
	put_be16(block + 0, INFO_BLOCK_SIZE);
	put_be32(block + 2, 1);
	put_be32(block + 6, 4096);
	put_be32(block + 10, NBD_SERVER_READ_MAX);
	return answer(c, option, ANSWER_INFO, export, sizeof(export)) &&
	       answer(c, option, ANSWER_INFO, block, sizeof(block)) && answer(c, option, ANSWER_ACK, NULL, 0);
}

/* The length of the name, the name, how many kinds of information are wanted, and which. */
static uint32_t judge_option(const uint8_t *data, uint32_t count)
{
	uint32_t name;

	if (count < 6)
		return ANSWER_INVALID;
	name = get_be32(data);
	if (name > count - 6 || count != 6 + name + 2u * get_be16(data + 4 + name))
		return ANSWER_INVALID;
	return name ? ANSWER_UNKNOWN : ANSWER_ACK;
}

/* `ret_go`: the export is open. False when the connection is over. */
static bool take_option(const struct connection *c, bool *ret_go)
{
	uint8_t head[16], data[OPTION_MAX];
	uint32_t option, count, judged;

	if (!receive(c, head, sizeof(head)))
		return false;
	option = get_be32(head + 8);
	count = get_be32(head + 12);
	if (get_be64(head) != MAGIC_OPTION || count > sizeof(data) || !receive(c, data, count))
		return false;
	if (option == OPTION_ABORT) {
		(void)answer(c, option, ANSWER_ACK, NULL, 0);
		return false;
	}
	if (option != OPTION_GO && option != OPTION_INFO)
		return answer(c, option, ANSWER_UNSUP, NULL, 0);
	judged = judge_option(data, count);
	if (judged != ANSWER_ACK)
		return answer(c, option, judged, NULL, 0);
	*ret_go = option == OPTION_GO;
	return answer_export(c, option);
}

static bool shake_hands(const struct connection *c)
{
	uint8_t hello[18], flags[4];
	bool go = false;

	put_be64(hello + 0, MAGIC_SERVER);
	put_be64(hello + 8, MAGIC_OPTION);
	put_be16(hello + 16, HELLO_FIXED_NEWSTYLE | HELLO_NO_ZEROES);
	if (!send_all(c, hello, sizeof(hello)) || !receive(c, flags, sizeof(flags)) ||
	    get_be32(flags) & ~(uint32_t)(HELLO_FIXED_NEWSTYLE | HELLO_NO_ZEROES))
		return false;
	for (int i = 0; i < OPTIONS_MAX && !go; i++)
		if (!take_option(c, &go))
			return false;
	return go;
}

/* ---- requests ---- */

static void count_row(struct connection *c, struct request *rq)
{
	const uint64_t gap = rq->offset > c->at ? rq->offset - c->at : c->at - rq->offset;

	c->row = gap <= NEAR ? c->row + rq->count : 0;
	c->at = rq->offset + rq->count;
	rq->ahead = c->row < AHEAD_MIN ? 0 : min_u64(c->row, AHEAD);
}

/* With `receiving` held. */
static bool take_request(struct connection *c, struct request *ret)
{
	uint8_t head[28];

	c->is_open = c->is_open || shake_hands(c);
	if (!c->is_open || !receive(c, head, sizeof(head)) || get_be32(head) != MAGIC_REQUEST)
		return false;
	ret->command = get_be16(head + 6);
	memcpy(ret->cookie, head + 8, sizeof(ret->cookie));
	ret->offset = get_be64(head + 16);
	ret->count = get_be32(head + 24);
	count_row(c, ret);
	/* What is to be written would follow, and nobody reads it. */
	return ret->command != COMMAND_DISCONNECT && ret->command != COMMAND_WRITE;
}

static bool receive_request(struct connection *c, struct request *ret)
{
	LOCKED(&c->receiving);

	c->is_over = c->is_over || !take_request(c, ret);
	return !c->is_over;
}

/* `error` is 0 or one of the protocol's, which are Linux's. */
static bool reply(struct connection *c, const struct request *rq, uint32_t error, const void *buf)
{
	uint8_t head[16];
	LOCKED(&c->sending);

	put_be32(head + 0, MAGIC_REPLY);
	put_be32(head + 4, error);
	memcpy(head + 8, rq->cookie, sizeof(rq->cookie));
	return send_all(c, head, sizeof(head)) && (error || send_all(c, buf, rq->count));
}

static void note_failure(struct nbd_server *s, int error, const struct why *why)
{
	LOCKED(&s->lock);

	s->n_failures++;
	s->error = error;
	s->why = *why;
}

static void tell_ahead(const struct nbd_export *x, const struct request *rq)
{
	const uint64_t end = rq->offset + rq->count;

	if (x->ahead && rq->ahead && end < x->size)
		x->ahead(x->arg, end, min_u64(rq->ahead, x->size - end));
}

/* Behind its end there are zeros, up to the whole sector. */
static int read_export(const struct nbd_export *x, uint8_t *buf, size_t count, uint64_t offset, struct why *why)
{
	const size_t inside = offset < x->size ? min_u64(count, x->size - offset) : 0;

	memset(buf + inside, 0, count - inside);
	return inside ? x->read(x->arg, buf, inside, offset, why) : 0;
}

static bool serve(struct connection *c, const struct request *rq)
{
	const struct nbd_export *x = &c->server->export;
	_cleanup_free_ uint8_t *buf = NULL;
	struct why why = { "" };
	int r;

	if (rq->command != COMMAND_READ || rq->count == 0 || rq->count > NBD_SERVER_READ_MAX ||
	    !range_ok(rq->offset, rq->count, c->server->size))
		return reply(c, rq, EINVAL, NULL);
	buf = malloc(rq->count);
	if (!buf)
		return reply(c, rq, ENOMEM, NULL);
	tell_ahead(x, rq);
	r = read_export(x, buf, rq->count, rq->offset, &why);
	if (r < 0)
		note_failure(c->server, r, &why);
	return reply(c, rq, r < 0 ? EIO : 0, buf);
}

/* ---- threads ---- */

static bool is_ending(void *server)
{
	return atomic_load(&((struct nbd_server *)server)->ending);
}

static void *run(void *arg)
{
	struct connection *c = arg;
	struct request rq;

	patience_set(is_ending, c->server);
	if (c->server->export.begin)
		c->server->export.begin();
	while (receive_request(c, &rq) && serve(c, &rq))
		;
	/* Then all is answered. */
	if (atomic_fetch_sub(&c->running, 1) == 1)
		(void)shutdown(c->fd, SHUT_RDWR);
	return NULL;
}

/* Waits for its threads, which end by themselves once it is shut down. */
static void connection_free(struct connection *c)
{
	for (unsigned i = 0; i < c->n_threads; i++)
		(void)pthread_join(c->thread[i], NULL);
	(void)close(c->fd);
	(void)pthread_mutex_destroy(&c->receiving);
	(void)pthread_mutex_destroy(&c->sending);
	free(c);
}

/* One thread is enough; the others come if they can. */
static int start_threads(struct connection *c)
{
	int r = 0;

	while (c->n_threads < THREADS && r == 0) {
		atomic_fetch_add(&c->running, 1);
		r = lock_thread_start(&c->thread[c->n_threads], "nbd-server", run, c);
		if (r == 0)
			c->n_threads++;
		else
			atomic_fetch_sub(&c->running, 1);
	}
	return c->n_threads ? 0 : r;
}

static struct connection *connection_new(struct nbd_server *s, int fd)
{
	struct connection *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->server = s;
	c->fd = fd;
	(void)pthread_mutex_init(&c->receiving, NULL);
	(void)pthread_mutex_init(&c->sending, NULL);
	return c;
}

/* ---- the server ---- */

struct nbd_server *nbd_server_new(const struct nbd_export *export)
{
	struct nbd_server *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->export = *export;
	s->size = align_up(export->size, SECTOR);
	(void)pthread_mutex_init(&s->lock, NULL);
	return s;
}

/* Those whose client has gone. With the lock held. */
static struct connection *take_ended(struct nbd_server *s)
{
	struct connection *ended = NULL;

	for (struct connection **at = &s->connections; *at;) {
		struct connection *c = *at;

		if (atomic_load(&c->running)) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		c->next = ended;
		ended = c;
	}
	return ended;
}

static void free_all(struct connection *c)
{
	while (c) {
		struct connection *next = c->next;

		connection_free(c);
		c = next;
	}
}

/* With the lock held. Takes the descriptor over, unless memory ran out. */
static int add_connection(struct nbd_server *s, int *fd)
{
	struct connection *c = connection_new(s, *fd);
	int r;

	if (!c)
		return -ENOMEM;
	*fd = -1;
	r = start_threads(c);
	if (r < 0) {
		connection_free(c);
		return r;
	}
	c->next = s->connections;
	s->connections = c;
	return 0;
}

int nbd_server_connect(void *server, int *ret_fd, struct why *why)
{
	struct nbd_server *s = server;
	_cleanup_close_ int ours = -1, theirs = -1;
	struct connection *ended;
	int ends[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return fail(why, -errno, "a pair of sockets: %s", strerror(errno));
	ours = ends[0];
	theirs = ends[1];
	(void)pthread_mutex_lock(&s->lock);
	ended = take_ended(s);
	r = atomic_load(&s->ending) ? -ECANCELED : add_connection(s, &ours);
	(void)pthread_mutex_unlock(&s->lock);
	free_all(ended);
	if (r < 0)
		return fail(why, r, "no thread can be started: %s", strerror(-r));
	*ret_fd = take_fd(theirs);
	return 0;
}

uint64_t nbd_server_failures(struct nbd_server *s)
{
	LOCKED(&s->lock);

	return s->n_failures;
}

int nbd_server_failure(struct nbd_server *s, uint64_t since, struct why *why)
{
	LOCKED(&s->lock);

	if (s->n_failures == since)
		return 0;
	if (why)
		*why = s->why;
	return s->error;
}

void nbd_server_end(struct nbd_server *s)
{
	if (!s)
		return;
	LOCKED(&s->lock);

	atomic_store(&s->ending, true);
	for (struct connection *c = s->connections; c; c = c->next)
		(void)shutdown(c->fd, SHUT_RDWR);
}

void nbd_server_free(struct nbd_server *s)
{
	if (!s)
		return;
	nbd_server_end(s);
	free_all(s->connections);
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
}
