/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/nbd/private.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/lock.h"
#include "base/patience.h"
#include "base/text.h"

/*
 * A long read is asked for in pieces: a server works on several at once, and they come
 * over several connections.
 */
#define PIECE  (256 * KiB)
#define PIECES 16

/* How often a server is asked which ranges are zero; it is asked no more often by a faster host. */
#define STATUS_MAX 65536

/* With the lock held. */
static void ring(struct nbd_client *c)
{
	const uint64_t one = 1;

	if (!c->is_rung && write(c->bell, &one, sizeof(one)) == sizeof(one))
		c->is_rung = true;
}

/* ---- waiting ---- */

/* With the lock held, which is given up meanwhile: whether this thread's patience is lost. */
static bool wait_a_little(struct nbd_client *c, pthread_cond_t *moved, bool (*is_over)(const void *),
			  const void *arg)
{
	bool lost;

	lock_cond_wait_until(moved, &c->lock, lock_now_ms() + PATIENCE_POLL_MS);
	if (is_over(arg))
		return false;
	(void)pthread_mutex_unlock(&c->lock);
	lost = patience_lost();
	(void)pthread_mutex_lock(&c->lock);
	return lost;
}

static bool is_answered(const void *call)
{
	return ((const struct call *)call)->n_left == 0;
}

/*
 * With the lock held: what was not sent yet can be taken back; for the rest its
 * connections have to go, until when its buffers are written to.
 */
static void cancel(struct nbd_client *c, struct call *call)
{
	struct request **at = &c->queue;

	call->is_cancelled = true;
	while (*at)
		if ((*at)->call == call) {
			*at = (*at)->next;
			call->n_left--;
		} else {
			at = &(*at)->next;
		}
	c->queue_end = at;
	ring(c);
}

static int await(struct nbd_client *c, struct call *call, struct why *why)
{
	while (call->n_left)
		if (wait_a_little(c, &call->moved, is_answered, call) && !call->is_cancelled)
			cancel(c, call);
	if (call->is_cancelled)
		return fail(why, -EINTR, "given up waiting for '%s'", c->name);
	if (call->error < 0 && why)
		*why = call->why;
	return call->error;
}

/* Has all of them answered. */
static int ask(struct nbd_client *c, struct request *requests, unsigned n, struct why *why)
{
	struct call call = { .client = c, .n_left = n };
	const int64_t now = lock_now_ms();
	int r;

	lock_cond_init(&call.moved);
	(void)pthread_mutex_lock(&c->lock);
	for (unsigned i = 0; i < n; i++) {
		requests[i].call = &call;
		requests[i].since = now;
		requests[i].next = NULL;
		*c->queue_end = &requests[i];
		c->queue_end = &requests[i].next;
	}
	ring(c);
	r = await(c, &call, why);
	(void)pthread_mutex_unlock(&c->lock);
	(void)pthread_cond_destroy(&call.moved);
	return r;
}

/* ---- reading ---- */

/* Of whole blocks. */
static int read_blocks(struct nbd_client *c, uint8_t *buf, uint64_t count, uint64_t offset, struct why *why)
{
	const uint64_t most = min_u64(c->facts.most, PIECE);
	int r = 0;

	while (r == 0 && count) {
		struct request piece[PIECES] = { 0 };
		unsigned n = 0;

		for (; n < PIECES && count; n++) {
			piece[n].buf = buf;
			piece[n].offset = offset;
			piece[n].count = min_u64(count, most);
			buf += piece[n].count;
			offset += piece[n].count;
			count -= piece[n].count;
		}
		r = ask(c, piece, n, why);
	}
	return r;
}

int nbd_client_pread(struct nbd_client *c, void *buf, size_t count, uint64_t offset, struct why *why)
{
	const uint64_t start = align_down(offset, c->facts.block);
	const uint64_t end = align_up(offset + count, c->facts.block);
	_cleanup_free_ uint8_t *blocks = NULL;
	int r;

	assert(range_ok(offset, count, c->facts.size));
	if (start == offset && end == offset + count)
		return read_blocks(c, buf, count, offset, why);
	blocks = malloc(end - start);
	if (!blocks)
		return -ENOMEM;
	r = read_blocks(c, blocks, end - start, start, why);
	if (r == 0)
		memcpy(buf, blocks + (offset - start), count);
	return r;
}

/* ---- what is zero ---- */

/* Bits of base:allocation. A hole that doesn't say that it reads as zeros may read as anything. */
#define STATE_ZERO 2

/* Adds what the server said of the ranges from `offset` on; returns where that ends. */
static int add_answer(const struct request *rq, uint64_t size, struct zeros *z, uint64_t *ret_end)
{
	uint64_t at = rq->offset;
	int r = 0;

	for (size_t i = 0; r == 0 && i < rq->n_entries && at < size; i++) {
		const uint64_t length = min_u64(rq->entries[2 * i], size - at);

		if (rq->entries[2 * i + 1] & STATE_ZERO)
			r = zeros_add(z, at, at + length, size);
		at += length;
	}
	*ret_end = at;
	return r;
}

int nbd_client_zeros(struct nbd_client *c, struct zeros *ret, struct why *why)
{
	const uint64_t size = c->facts.size;
	struct zeros z = { 0 };
	int r = 0;

	*ret = z;
	if (!c->facts.has_status)
		return 0;
	for (uint64_t at = 0, asked = 0; r == 0 && at < size && asked < STATUS_MAX && z.n < ZEROS_RUNS_MAX;
	     asked++) {
		struct request rq = { .offset = at, .count = min_u64(size - at, STATUS_BYTES) };

		r = ask(c, &rq, 1, why);
		if (r == 0)
			r = add_answer(&rq, size, &z, &at);
		free(rq.entries);
		/* Behind an answer that leads nowhere nothing is known. */
		if (r == 0 && at == rq.offset)
			break;
	}
	if (r == 0)
		r = zeros_end(&z, size);
	if (r < 0)
		zeros_done(&z);
	*ret = z;
	return r;
}

/* ---- the client ---- */

uint64_t nbd_client_size(const struct nbd_client *c)
{
	return c->facts.size;
}

bool nbd_client_is_stale(struct nbd_client *c)
{
	LOCKED(&c->lock);

	return c->is_stale;
}

void nbd_client_describe(struct nbd_client *c, char *buf, size_t count)
{
	const unsigned most = c->facts.is_multi ? c->connections : 1;

	(void)snprintf(buf, count, "%s%u connection%s%s%s", most > 1 ? "up to " : "", most, most > 1 ? "s" : "",
		       c->facts.is_tls ? ", TLS" : "", c->facts.has_status ? "" : ", zeros not known");
}

static int client_new(const struct nbd_client_options *options, struct nbd_client **ret, struct why *why)
{
	struct nbd_client *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	(void)pthread_mutex_init(&c->lock, NULL);
	lock_cond_init(&c->opened);
	c->queue_end = &c->queue;
	c->wanted = 1;
	c->connections = options->connections && options->connections < NBD_CONNECTIONS ? options->connections
											: NBD_CONNECTIONS;
	c->timeout_ms = options->timeout_ms ?: NBD_TIMEOUT_MS;
	c->child_options = options->child;
	c->undivided = options->undivided;
	c->bell = eventfd(0, EFD_CLOEXEC);
	r = c->bell < 0 ? -errno : text_copy(&c->name, options->name);
	if (r == 0)
		r = text_copy(&c->uri, options->uri);
	if (r == 0)
		r = lock_thread_start(&c->thread, "nbd", serve, c);
	if (r == 0) {
		*ret = c;
		return 0;
	}
	closep(&c->bell);
	free(c->name);
	free(c->uri);
	free(c);
	return fail(why, r, "'%s' can't be opened: %s", options->name, strerror(-r));
}

void client_free(struct nbd_client *c)
{
	(void)pthread_cond_destroy(&c->opened);
	(void)pthread_mutex_destroy(&c->lock);
	closep(&c->bell);
	free(c->name);
	free(c->uri);
	free(c);
}

/* True: the thread is stuck in a look-up, and will free what is left when it is through. */
static bool end_or_orphan(struct nbd_client *c)
{
	LOCKED(&c->lock);

	c->is_ending = true;
	ring(c);
	while (!c->has_ended && !c->is_looking_up)
		(void)pthread_cond_wait(&c->opened, &c->lock);
	c->is_orphan = !c->has_ended;
	return c->is_orphan;
}

void nbd_client_close(struct nbd_client *c)
{
	pthread_t thread;

	if (!c)
		return;
	thread = c->thread;
	if (end_or_orphan(c)) {
		(void)pthread_detach(thread);
		return;
	}
	(void)pthread_join(thread, NULL);
	client_free(c);
}

static bool is_decided(const void *client)
{
	const struct nbd_client *c = client;

	return c->is_open || c->open_error < 0;
}

static int await_open(struct nbd_client *c, struct why *why)
{
	LOCKED(&c->lock);

	ring(c);
	while (!is_decided(c))
		if (wait_a_little(c, &c->opened, is_decided, c))
			return fail(why, -EINTR, "given up waiting for '%s'", c->name);
	if (c->is_open)
		return 0;
	if (why)
		*why = c->why;
	return c->open_error;
}

int nbd_client_open(const struct nbd_client_options *options, struct nbd_client **ret, struct why *why)
{
	_cleanup_(nbd_client_closep) struct nbd_client *c = NULL;
	int r = client_new(options, &c, why);

	if (r == 0)
		r = await_open(c, why);
	if (r == 0)
		*ret = take(c);
	return r;
}
