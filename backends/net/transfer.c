/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/net/transfer.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/log.h"
#include "base/text.h"

#define REDIRECTS_MAX 8

/* A pause grows to this, and no further. */
#define PAUSE_MAX_MS 30000

/* Of a body that nobody wants (an error's page), so much is read, to keep the connection. */
#define DROP_MAX (64 * KiB)

/* Heads, also those of interim answers, trailers, and what an FTP server has to say: all that is no body. */
#define TALK_MAX (256 * KiB)

/* In the time of a stall so much must come: a byte now and then is no progress. */
#define HEARD_MIN 512

/*
 * Each byte of progress forgives the failures before it; but a server that cuts
 * after every few bytes must not keep us for ever. In all there are so many times
 * `tries`, and one for each MiB that came.
 */
#define TRIES_IN_ALL 20

/* ---- birth and death ---- */

void transfer_free(struct net_transfer *t)
{
	if (!t)
		return;
	curl_easy_cleanup(t->easy);
	curl_slist_free_all(t->lines);
	url_done(&t->start);
	url_done(&t->at_url);
	answer_done(&t->answer);
	free(t->proxy);
	free(t->unless_etag);
	free(t->unless_modified);
	free(t->etag);
	free(t->last_modified);
	free(t);
}

/* It becomes a header line of ours. */
static bool is_one_line(const char *text)
{
	return !text || !text[strcspn(text, "\r\n")];
}

int transfer_new(const struct net_request *request, const struct net_events *events, void *arg,
		 struct net_transfer **ret, struct why *why)
{
	_cleanup_(transfer_freep) struct net_transfer *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	r = url_parse(request->url, &t->start, why);
	if (r < 0)
		return r;
	if (request->length > UNKNOWN - 1 - request->offset || !is_one_line(request->unless_etag) ||
	    !is_one_line(request->unless_modified))
		return fail(why, -EINVAL, "%s is asked for in a way that can't be", t->start.quoted);
	if (text_copy(&t->proxy, request->proxy) < 0 || text_copy(&t->unless_etag, request->unless_etag) < 0 ||
	    text_copy(&t->unless_modified, request->unless_modified) < 0)
		return -ENOMEM;
	t->events = *events;
	t->arg = arg;
	t->offset = t->first = t->at = request->offset;
	t->length = request->length;
	t->priority = request->priority;
	t->object_length = t->end = UNKNOWN;
	t->mtime = -1;
	*ret = take(t);
	return 0;
}

/* ---- an attempt ---- */

/* The head may be short and late: from here on the body has its time. */
static void hear_head(struct net_transfer *t)
{
	t->quiet_since = lock_now_ms();
	t->heard = 0;
}

static size_t on_header(char *line, size_t one, size_t count, void *arg)
{
	struct net_transfer *t = arg;

	t->heard += count;
	t->talk += count;
	if (t->talk > TALK_MAX) {
		t->verdict.error =
			fail(&t->verdict.why, -EPROTO, "%s sends lines without end", t->at_url.quoted);
		return 0;
	}
	/* What comes behind a body are a chunked answer's trailers. */
	if (t->is_judged || !url_is_http(&t->at_url))
		return count;
	answer_line(&t->answer, line, count);
	/* Interim answers don't count, or a server could hold us with them. */
	if (t->answer.is_complete && t->answer.status >= 200)
		hear_head(t);
	return count;
}

static int take_body(struct net_transfer *t, const char *buf, size_t count)
{
	uint64_t from = t->body_at, skip, n;
	int r = 0;

	if (t->body_end != UNKNOWN && count > t->body_end - from)
		return fail(&t->verdict.why, -EPROTO, "%s sends more than it promised", t->at_url.quoted);
	t->body_at += count;
	skip = from < t->at ? min_u64(t->at - from, count) : 0;
	n = min_u64(count - skip, t->end - t->at);
	if (n > 0 && t->events.data)
		r = t->events.data(t->arg, buf + skip, n, t->at, &t->verdict.why);
	if (r < 0)
		return r;
	t->at += n;
	/* All of an object comes, where its rest or a part was wanted. */
	t->is_enough = t->at == t->end && t->body_at < t->body_end;
	return 0;
}

static size_t on_body(char *buf, size_t one, size_t count, void *arg)
{
	struct net_transfer *t = arg;

	t->heard += count;
	t->counts->bytes += count;
	if (!t->is_judged)
		answer_judge(t);
	/* Behind an answer that makes no sense the connection is not to be trusted. */
	if (t->verdict.error == -EPROTO || t->is_enough)
		return 0;
	if (t->verdict.error < 0 || t->is_redirect) {
		t->dropped += count;
		return t->dropped > DROP_MAX ? 0 : count;
	}
	t->verdict.error = take_body(t, buf, count);
	return t->verdict.error < 0 || t->is_enough ? 0 : count;
}

static int set_callbacks(struct net_transfer *t)
{
	CURL *e = t->easy;

	if (curl_easy_setopt(e, CURLOPT_PRIVATE, t) != CURLE_OK ||
	    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->error_text) != CURLE_OK ||
	    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header) != CURLE_OK ||
	    curl_easy_setopt(e, CURLOPT_HEADERDATA, t) != CURLE_OK ||
	    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body) != CURLE_OK ||
	    curl_easy_setopt(e, CURLOPT_WRITEDATA, t) != CURLE_OK)
		return -ENOMEM;
	return 0;
}

/* Where the attempt goes: on to where a redirect led, or to the start. */
static int choose_url(struct net_transfer *t)
{
	struct url u;
	int r;

	if (t->is_redirect)
		return 0;
	t->redirects = 0;
	if (t->is_pinned)
		return 0;
	r = url_copy(&t->start, &u);
	if (r < 0)
		return r;
	url_done(&t->at_url);
	t->at_url = u;
	return 0;
}

int transfer_begin(struct net_transfer *t, struct why *why)
{
	int r;

	r = choose_url(t);
	if (r < 0)
		return r;
	/* A new one: after some failures a used handle takes options no more. Connections are not its, but the
	 * engine's. */
	curl_easy_cleanup(t->easy);
	t->easy = curl_easy_init();
	if (!t->easy)
		return -ENOMEM;
	answer_done(&t->answer);
	t->is_judged = t->is_redirect = t->is_enough = t->is_stalled = false;
	t->verdict = (struct verdict){ 0 };
	t->error_text[0] = '\0';
	t->at_before = t->at;
	t->heard = t->dropped = t->talk = 0;
	t->began = t->quiet_since = lock_now_ms();
	r = request_set(t, why);
	if (r == 0)
		r = set_callbacks(t);
	if (r == 0)
		t->counts->requests++;
	return r;
}

/* ---- stalls ---- */

/* Until the request is out, the clock of connecting runs, which is libcurl's; ours is behind it. */
int64_t transfer_deadline(const struct net_transfer *t)
{
	const int64_t stall = t->config->stall_ms;
	curl_off_t sent_us = 0;

	if (t->quiet_since > t->began)
		return t->quiet_since + stall;
	(void)curl_easy_getinfo(t->easy, CURLINFO_PRETRANSFER_TIME_T, &sent_us);
	return t->began + stall + (sent_us > 0 ? sent_us / 1000 : (int64_t)t->config->connect_ms);
}

bool transfer_has_stalled(struct net_transfer *t, int64_t now)
{
	if (now < transfer_deadline(t))
		return false;
	t->is_stalled = t->heard < HEARD_MIN;
	t->heard = 0;
	t->quiet_since = now;
	return t->is_stalled;
}

/* ---- the end of an attempt ---- */

/* Fills in the verdict on an attempt that ended with `code`. */
static void judge_end(struct net_transfer *t, CURLcode code)
{
	if (!t->is_judged && (t->answer.is_complete || code == CURLE_OK))
		answer_judge(t);
	if (t->verdict.error < 0 || t->is_redirect || t->is_enough)
		return;
	if (code == CURLE_OK && url_is_http(&t->at_url) && t->answer.status == 0)
		code = CURLE_GOT_NOTHING;
	/* ftp's way to say 416, at the end of a file whose size it did not tell. */
	if (code == CURLE_BAD_DOWNLOAD_RESUME && t->has_head && t->at > t->first && t->object_length == UNKNOWN)
		t->is_enough = true;
	else if (code != CURLE_OK)
		fault_judge(t, code, &t->verdict);
}

static bool is_whole(const struct net_transfer *t)
{
	if (t->is_enough || t->at == t->end)
		return true;
	/* What ftp and sftp give is all there is: libcurl has compared it with what they promised. */
	if (!url_is_http(&t->at_url))
		return true;
	/* A whole object ends where its bytes do, if nobody said otherwise. */
	return t->end == UNKNOWN && t->body_end == UNKNOWN;
}

static int64_t pause_ms(const struct net_transfer *t, unsigned jitter)
{
	unsigned doublings = t->failures > 1 ? t->failures - 1 : 0;
	int64_t pause = (int64_t)t->config->first_pause_ms << (doublings < 16 ? doublings : 16);

	pause = pause < PAUSE_MAX_MS ? pause : PAUSE_MAX_MS;
	/* From three quarters to one and a quarter: those who failed together don't come back together. */
	pause = pause * 3 / 4 + (int64_t)(jitter % 1024) * (pause / 2) / 1024;
	return pause > t->verdict.pause_ms ? pause : t->verdict.pause_ms;
}

/* Counts an attempt that did not bring all. False when it was the last. */
static bool has_try_left(struct net_transfer *t)
{
	const uint64_t tries = t->config->tries;

	t->attempts++;
	t->failures = t->at > t->at_before ? 1 : t->failures + 1;
	return t->failures < tries && t->attempts < TRIES_IN_ALL * tries + (t->at - t->first) / MiB;
}

static int follow(struct net_transfer *t, struct why *why)
{
	struct url to;
	int r;

	if (++t->redirects > REDIRECTS_MAX)
		return fail(why, -EPROTO, "%s redirects, for the %uth time", t->at_url.quoted, t->redirects);
	r = url_follow(&t->at_url, t->answer.location, &to, why);
	if (r < 0)
		return r;
	url_done(&t->at_url);
	t->at_url = to;
	t->not_before = 0;
	return 0;
}

/* The sentence that ends it, with the number of tries where it says something. */
static void tell(const struct net_transfer *t, struct why *why)
{
	if (t->verdict.is_passing && t->attempts > 1)
		(void)fail(why, t->verdict.error, "%.400s (tried %u times)",
			   why_text(&t->verdict.why, t->verdict.error), t->attempts);
	else
		*why = t->verdict.why;
}

/* It may be better next time, or the answer was right and only less than all. */
static bool try_again(struct net_transfer *t, unsigned jitter)
{
	bool came_short = t->verdict.error == 0;

	if (came_short) {
		t->verdict.error =
			fail(&t->verdict.why, -EPROTO, "%s sends less than was asked for", t->at_url.quoted);
		t->verdict.is_passing = true;
	}
	if (!t->verdict.is_passing || !has_try_left(t))
		return false;
	t->not_before = came_short && t->at > t->at_before ? 0 : lock_now_ms() + pause_ms(t, jitter);
	log_detail("net: %s; again from byte %" PRIu64, why_text(&t->verdict.why, t->verdict.error), t->at);
	return true;
}

bool transfer_end(struct net_transfer *t, CURLcode code, unsigned jitter, int *ret_error, struct why *why)
{
	judge_end(t, code);
	if (t->verdict.error == 0 && t->is_redirect) {
		*ret_error = follow(t, why);
		return *ret_error == 0;
	}
	if (t->verdict.error == 0 && is_whole(t)) {
		*ret_error = 0;
		return false;
	}
	if (try_again(t, jitter))
		return true;
	*ret_error = t->verdict.error;
	tell(t, why);
	return false;
}
