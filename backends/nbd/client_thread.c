/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/nbd/private.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/random.h>

#include "base/lock.h"
#include "base/log.h"

/* Between two attempts to connect: doubled each time. */
#define PAUSE_MS     100
#define PAUSE_MAX_MS 5000

/* While anybody waits, the clock is looked at so often. */
#define TICK_MS 100

/* A child that dies of what it is asked for would do so for ever. */
#define LOST_MAX 3

/* ---- requests ---- */

/* With the lock held. */
static void push(struct nbd_client *c, struct request *rq)
{
	rq->next = c->queue;
	c->queue = rq;
	if (!rq->next)
		c->queue_end = &rq->next;
}

static struct request *pop(struct nbd_client *c)
{
	struct request *rq = c->queue;

	if (rq) {
		c->queue = rq->next;
		if (!c->queue)
			c->queue_end = &c->queue;
	}
	return rq;
}

/* With the lock held. From then on the request is its asker's. */
static void answer(struct request *rq, int error, const struct why *why)
{
	struct call *call = rq->call;

	if (error < 0 && call->error == 0) {
		call->error = error;
		call->why = *why;
	}
	if (--call->n_left == 0)
		(void)pthread_cond_signal(&call->moved);
}

static void fail_request(struct nbd_client *c, struct request *rq, int error, const char *what)
{
	struct why why;

	(void)fail(&why, error, "'%s': %s", c->name, what);
	answer(rq, error, &why);
}

static void fail_queue(struct nbd_client *c, int error, const char *what)
{
	for (struct request *rq; (rq = pop(c));)
		fail_request(c, rq, error, what);
}

/* Back into the queue with what was in flight; it is asked again on another connection. */
static void put_back(struct nbd_client *c, struct request *list, bool has_died)
{
	LOCKED(&c->lock);

	for (struct request *rq = list, *next; rq; rq = next) {
		next = rq->next;
		if (rq->call->is_cancelled)
			fail_request(c, rq, -EINTR, "given up waiting");
		else if (c->child_options && has_died && ++rq->n_lost > LOST_MAX)
			fail_request(c, rq, -EIO, "its server dies whenever this is read");
		else
			push(c, rq);
	}
}

/* ---- connections ---- */

static unsigned count_links(const struct nbd_client *c, enum link_state state)
{
	unsigned n = 0;

	for (size_t i = 0; i < NBD_CONNECTIONS; i++)
		n += c->link[i].state == state;
	return n;
}

/* Half of it at least, so that not all clients of a server that is back come at the same moment. */
static int64_t jittered(int64_t ms)
{
	uint32_t random = 0;

	(void)getrandom(&random, sizeof(random), GRND_NONBLOCK);
	return ms / 2 + random % (ms / 2 + 1);
}

/* The last connection to a child, or the only one that was being made. */
static void end_child(struct nbd_client *c, struct why *why)
{
	char last[NBD_CHILD_LINE_MAX];

	nbd_child_end(take(c->child), last);
	if (last[0])
		(void)fail(why, -EIO, "%s", last);
}

/*
 * There is no connection, and the last attempt was in vain or the last connection of
 * no use. Whoever opens hears of it at once, others are waited for.
 */
static void pause_after(struct nbd_client *c, int error, const struct why *why)
{
	const int64_t pause = PAUSE_MS << (c->failures < 6 ? c->failures : 6);
	LOCKED(&c->lock);

	c->failures++;
	c->next_try = lock_now_ms() + jittered(pause < PAUSE_MAX_MS ? pause : PAUSE_MAX_MS);
	c->wanted = 1;
	c->why = *why;
	if (!c->is_open) {
		c->open_error = fail_at(&c->why, error, "'%s' can't be opened", c->name);
		(void)pthread_cond_broadcast(&c->opened);
	}
	if (error == -ESTALE) {
		c->is_stale = true;
		fail_queue(c, error, why->text);
	}
}

/*
 * Loses a connection, to be made again when somebody asks for something. -EINTR: it was
 * given up with a request, and is to blame for nothing.
 */
static void lose(struct nbd_client *c, struct link *l, int error, struct why *why)
{
	const bool was_ready = l->state == LINK_READY, was_useful = l->has_answered;
	struct request *left = link_close(l);

	if (count_links(c, LINK_READY) + count_links(c, LINK_CONNECTING) > 0) {
		/* The others remain, and it may be that the server wants no more. */
		if (error != -EINTR)
			c->wanted = count_links(c, LINK_READY) ?: 1;
		log_detail("nbd: %s: one connection less: %s", c->name, why->text);
	} else {
		if (c->child && error != -EINTR)
			end_child(c, why);
		if (was_ready && error != -EINTR)
			log_note("%s: the connection is lost: %s", c->name, why->text);
		if (was_useful || error == -EINTR)
			c->next_try = 0;
		else
			pause_after(c, error, why);
	}
	put_back(c, left, error != -EINTR);
}

static int start_child(struct nbd_client *c, struct why *why)
{
	if (!c->child_options || c->child)
		return 0;
	return nbd_child_start(c->child_options, &c->child, why);
}

/* A connection is ready: the first one tells what the export is, the others must say the same. */
static int welcome(struct nbd_client *c, struct link *l, struct why *why)
{
	struct facts f;
	int r = link_facts(l, &f, why);
	LOCKED(&c->lock);

	if (r < 0)
		return r;
	if (c->is_open && (f.block > c->facts.block || f.most < c->facts.most))
		return fail(why, -ESTALE, "the server takes other requests by now");
	if (c->is_open && f.size != c->facts.size)
		return fail(why, -ESTALE,
			    "the server has another export by now, of %" PRIu64 " bytes; it had %" PRIu64,
			    f.size, c->facts.size);
	if (c->failures)
		log_note("%s: connected again", c->name);
	if (!c->is_open)
		c->facts = f;
	c->is_open = true;
	c->is_stale = false;
	c->why.text[0] = '\0';
	c->wanted = f.is_multi ? c->connections : 1;
	(void)pthread_cond_broadcast(&c->opened);
	return 0;
}

/* ---- a turn of the thread ---- */

/* Takes out what the server has answered. */
static void harvest(struct nbd_client *c, struct link *l)
{
	struct request *done = NULL;
	LOCKED(&c->lock);

	for (struct request **at = &l->requests, *rq; (rq = *at);) {
		/* A server on its way out: somebody else may know. */
		if (!rq->is_answered || rq->answer == ESHUTDOWN || rq->answer == ENOTCONN) {
			at = &rq->next;
			continue;
		}
		*at = rq->next;
		rq->next = done;
		done = rq;
		l->n--;
		link_forget(l, rq);
	}
	if (!done)
		return;
	l->progress = c->progress = lock_now_ms();
	l->has_answered = true;
	c->failures = 0;
	for (struct request *rq = done, *next; rq; rq = next) {
		char what[128];

		next = rq->next;
		(void)snprintf(what, sizeof(what), "the server can't read %" PRIu64 " bytes at %" PRIu64 ": %s",
			       rq->count, rq->offset, strerror(rq->answer));
		if (rq->answer)
			fail_request(c, rq, -EIO, what);
		else
			answer(rq, 0, NULL);
	}
}

/* Something that was answered and yet not taken out. */
static bool is_shutting_down(const struct link *l)
{
	for (const struct request *rq = l->requests; rq; rq = rq->next)
		if (rq->is_answered)
			return true;
	return false;
}

static void turn_link(struct nbd_client *c, struct link *l, short revents)
{
	struct why why = { "" };
	int r = link_turn(l, revents, &why);

	/* What libnbd gave up with the connection has an error that isn't the server's. */
	if (r == 0)
		harvest(c, l);
	if (r == 0 && is_shutting_down(l))
		r = fail(&why, -EIO, "the server is shutting down");
	if (r == 0 && l->state == LINK_CONNECTING && nbd_aio_is_ready(l->nbd))
		r = welcome(c, l, &why);
	if (r < 0)
		lose(c, l, r, &why);
}

static void note_looking_up(struct nbd_client *c, bool is_looking_up)
{
	LOCKED(&c->lock);

	c->is_looking_up = is_looking_up;
	(void)pthread_cond_broadcast(&c->opened);
}

static int look_up(struct nbd_client *c, struct link *l, struct why *why)
{
	int r;

	if (c->child)
		return link_connect(l, NULL, nbd_child_socket(c->child), why);
	note_looking_up(c, true);
	r = link_connect(l, c->uri, NULL, why);
	note_looking_up(c, false);
	return r;
}

static void connect_link(struct nbd_client *c)
{
	struct why why = { "" };
	struct link *l = c->link;
	int r = start_child(c, &why);

	/* There is one: connect_more has counted. */
	while (l->state != LINK_NONE)
		l++;
	if (r == 0)
		r = look_up(c, l, &why);
	if (r == 0) {
		/* A server that is fast may have said all there is to say by now. */
		turn_link(c, l, 0);
		return;
	}
	if (count_links(c, LINK_READY)) {
		c->wanted = count_links(c, LINK_READY);
		return;
	}
	if (c->child)
		end_child(c, &why);
	pause_after(c, r, &why);
}

/* Sends what is queued, each on the connection that has the least to do. */
static void dispatch(struct nbd_client *c)
{
	for (;;) {
		struct link *best = NULL;
		struct why why = { "" };
		struct request *rq;

		for (struct link *l = c->link; l < c->link + NBD_CONNECTIONS; l++)
			if (l->state == LINK_READY && l->n < LINK_REQUESTS && (!best || l->n < best->n))
				best = l;
		if (!best)
			return;
		(void)pthread_mutex_lock(&c->lock);
		rq = pop(c);
		(void)pthread_mutex_unlock(&c->lock);
		if (!rq)
			return;
		if (!link_send(best, rq, c->undivided, &why)) {
			rq->next = NULL;
			put_back(c, rq, true);
			lose(c, best, -EIO, &why);
			return;
		}
		/* A connection can be lost as well as answered while it is written to. */
		turn_link(c, best, 0);
	}
}

static void connect_more(struct nbd_client *c, bool has_queue)
{
	const unsigned ready = count_links(c, LINK_READY);
	unsigned busy = 0;

	if (count_links(c, LINK_CONNECTING))
		return;
	for (size_t i = 0; i < NBD_CONNECTIONS; i++)
		busy += c->link[i].state == LINK_READY && c->link[i].n > 0;
	if (ready == 0 ? has_queue && lock_now_ms() >= c->next_try : ready < c->wanted && busy == ready)
		connect_link(c);
}

/* ---- what takes too long ---- */

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static bool is_given_up(const struct link *l, const struct nbd_client *c, int64_t now)
{
	if (l->state == LINK_CONNECTING)
		return now - l->since > c->timeout_ms;
	for (const struct request *rq = l->requests; rq; rq = rq->next)
		if (now - later(rq->since, l->progress) > c->timeout_ms)
			return true;
	return false;
}

static bool has_cancelled(struct nbd_client *c, const struct link *l)
{
	LOCKED(&c->lock);

	for (const struct request *rq = l->requests; rq; rq = rq->next)
		if (rq->call->is_cancelled)
			return true;
	return false;
}

/* Nobody has answered anything for so long: what has waited through all of it has waited enough. */
static bool fail_late(struct nbd_client *c, int64_t now)
{
	struct request *list, **end = &list;
	LOCKED(&c->lock);

	list = NULL;
	for (struct request *rq; (rq = pop(c));) {
		char what[sizeof(c->why.text)];

		if (now - later(rq->since, c->progress) > c->timeout_ms) {
			(void)snprintf(what, sizeof(what), "there has been no answer for %d s%s%.300s",
				       c->timeout_ms / 1000, c->why.text[0] ? ": " : "", c->why.text);
			fail_request(c, rq, -EIO, what);
			continue;
		}
		*end = rq;
		end = &rq->next;
	}
	*end = NULL;
	c->queue = list;
	c->queue_end = list ? end : &c->queue;
	return list != NULL;
}

/* Closes connections that don't get on. True when somebody waits for one. */
static bool expire(struct nbd_client *c)
{
	const int64_t now = lock_now_ms();
	struct why why = { "" };

	for (struct link *l = c->link; l < c->link + NBD_CONNECTIONS; l++) {
		if (l->state == LINK_NONE)
			continue;
		if (is_given_up(l, c, now)) {
			(void)fail(&why, -ETIMEDOUT, "there has been no answer for %d s", c->timeout_ms / 1000);
			lose(c, l, -ETIMEDOUT, &why);
		} else if (has_cancelled(c, l)) {
			(void)fail(&why, -EINTR, "a read was given up");
			lose(c, l, -EINTR, &why);
		}
	}
	return fail_late(c, now);
}

/* ---- the thread ---- */

enum { POLL_BELL, POLL_OUTPUT, POLL_CHILD, POLL_LINKS };

static bool is_busy(const struct nbd_client *c)
{
	for (size_t i = 0; i < NBD_CONNECTIONS; i++)
		if (c->link[i].state == LINK_CONNECTING || c->link[i].n)
			return true;
	return false;
}

static void wait_for_news(struct nbd_client *c, struct pollfd *p, bool has_queue)
{
	const int64_t now = lock_now_ms();
	int timeout = has_queue || is_busy(c) ? TICK_MS : -1;

	if (has_queue && c->next_try > now && c->next_try - now < timeout)
		timeout = (int)(c->next_try - now);
	p[POLL_BELL] = (struct pollfd){ c->bell, POLLIN, 0 };
	p[POLL_OUTPUT] = (struct pollfd){ c->child ? nbd_child_output_fd(c->child) : -1, POLLIN, 0 };
	p[POLL_CHILD] = (struct pollfd){ c->child ? nbd_child_pidfd(c->child) : -1, POLLIN, 0 };
	for (size_t i = 0; i < NBD_CONNECTIONS; i++)
		p[POLL_LINKS + i] = (struct pollfd){ link_fd(&c->link[i]), link_events(&c->link[i]), 0 };
	if (poll(p, POLL_LINKS + NBD_CONNECTIONS, timeout) < 0)
		for (size_t i = 0; i < POLL_LINKS + NBD_CONNECTIONS; i++)
			p[i].revents = 0;
}

/* It has ended by itself, and its connections with it. */
static void lose_child(struct nbd_client *c)
{
	for (struct link *l = c->link; l < c->link + NBD_CONNECTIONS; l++) {
		struct why why = { "its server has ended" };

		if (l->state != LINK_NONE)
			lose(c, l, -EIO, &why);
	}
	/* One that nobody was connected to. */
	nbd_child_end(take(c->child), /* ret_last= */ NULL);
}

static void take_news(struct nbd_client *c, const struct pollfd *p)
{
	uint64_t rings;

	if (p[POLL_BELL].revents && read(c->bell, &rings, sizeof(rings)) < 0)
		log_detail("nbd: %s: a bell that did not ring", c->name);
	if (p[POLL_OUTPUT].revents)
		nbd_child_output(c->child);
	for (size_t i = 0; i < NBD_CONNECTIONS; i++)
		if (p[POLL_LINKS + i].revents && c->link[i].state != LINK_NONE)
			turn_link(c, &c->link[i], p[POLL_LINKS + i].revents);
	if (p[POLL_CHILD].revents && c->child && nbd_child_pidfd(c->child) == p[POLL_CHILD].fd)
		lose_child(c);
}

/* What was asked for since the last time. False when the client is to end. */
static bool look(struct nbd_client *c, bool *ret_wants)
{
	LOCKED(&c->lock);

	c->is_rung = false;
	*ret_wants = c->queue || (!c->is_open && c->open_error == 0);
	return !c->is_ending;
}

static void end(struct nbd_client *c)
{
	bool is_orphan;

	{
		LOCKED(&c->lock);

		c->has_ended = true;
		is_orphan = c->is_orphan;
		(void)pthread_cond_broadcast(&c->opened);
	}
	if (is_orphan)
		client_free(c);
}

void *serve(void *client)
{
	struct nbd_client *c = client;
	struct pollfd polled[POLL_LINKS + NBD_CONNECTIONS];
	bool wants;

	while (look(c, &wants)) {
		wants |= expire(c);
		connect_more(c, wants);
		dispatch(c);
		wait_for_news(c, polled, wants);
		take_news(c, polled);
	}
	for (struct link *l = c->link; l < c->link + NBD_CONNECTIONS; l++)
		assert(!l->requests);
	for (struct link *l = c->link; l < c->link + NBD_CONNECTIONS; l++)
		if (l->state != LINK_NONE)
			(void)link_close(l);
	nbd_child_end(take(c->child), /* ret_last= */ NULL);
	end(c);
	return NULL;
}
