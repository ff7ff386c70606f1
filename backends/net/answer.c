/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether an answer is what was asked for. Nothing of a body is let through before
 * this, and the first good answer binds those of later tries: an object that
 * changed between two of them must not be put together from both.
 *
 * There is no If-Range in what we send: an object that changed would then come
 * whole, only to be refused here all the same, and servers differ on weak ETags.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "backends/net/transfer.h"
#include "base/bytes.h"

/* A server that wants to be left alone for longer is tried all the same. */
#define RETRY_AFTER_MAX_MS 60000

/* What an answer says of the object, in one form for all protocols. */
struct told {
	bool is_range;
	uint64_t first, end; /* of the body, in the object; the latter UNKNOWN when not told */
	uint64_t total;	     /* UNKNOWN when not told */
	const char *etag, *last_modified;
	int64_t mtime;
	char date[40]; /* the same as text, where no header says it */
};

static int refuse(struct net_transfer *t, int error, const char *words)
{
	return fail(&t->verdict.why, error, "%s %s", t->at_url.quoted, words);
}

/* The end of what this request asked for, or UNKNOWN. */
static uint64_t asked_end(const struct net_transfer *t)
{
	if (t->has_head)
		return t->end;
	return t->length ? t->offset + t->length : UNKNOWN;
}

static bool asked_range(const struct net_transfer *t)
{
	return t->at > 0 || asked_end(t) != t->object_length;
}

/* ---- by status ---- */

static int status_error(unsigned status)
{
	switch (status) {
	case 401:
	case 403:
	case 407:
		return -EACCES;
	case 404:
	case 410:
		return -ENOENT;
	case 416:
		return -ERANGE;
	}
	return -EIO;
}

static bool status_is_passing(unsigned status)
{
	return status == 408 || status == 429 || status == 500 || (status >= 502 && status <= 504);
}

static int judge_failure(struct net_transfer *t)
{
	const struct answer *a = &t->answer;

	t->verdict.is_passing = status_is_passing(a->status);
	t->verdict.pause_ms = answer_pause_ms(a, time(NULL), RETRY_AFTER_MAX_MS);
	/* Where a redirect led may have been good for a while only: ask again where it began. */
	if (t->is_pinned && a->status >= 400 && a->status < 500 && a->status != 416) {
		t->verdict.is_passing = true;
		t->is_pinned = false;
	}
	return fail(&t->verdict.why, status_error(a->status), "%s answers %03u%s%s", t->at_url.quoted,
		    a->status, a->reason[0] ? " " : "", a->reason);
}

/*
 * Nothing is left: of an object whose length nobody told, all was there; of
 * another it is less than there was.
 */
static int judge_unsatisfiable(struct net_transfer *t)
{
	struct content_range r;

	if (!t->has_head || t->at == t->first)
		return judge_failure(t);
	if (t->object_length != UNKNOWN || (t->answer.range && content_range_parse(t->answer.range, &r) == 0 &&
					    r.has_total && r.total != t->at))
		return refuse(t, -ESTALE, "changed while it was fetched: its length is another now");
	t->is_enough = true;
	return 0;
}

/* ---- a body ---- */

static int read_range(struct net_transfer *t, struct told *told)
{
	const struct answer *a = &t->answer;
	struct content_range r;

	if (!asked_range(t))
		return refuse(t, -EPROTO, "answers with a range that was not asked for");
	if (a->type && strncasecmp(a->type, "multipart/byteranges", 20) == 0)
		return refuse(t, -EPROTO, "answers with several ranges where one was asked for");
	if (!a->range)
		return refuse(t, -EPROTO, "answers with a range and does not say which");
	if (content_range_parse(a->range, &r) < 0 || !r.has_range)
		return fail(&t->verdict.why, -EPROTO,
			    "%s answers with a Content-Range that makes no sense: '%.80s'", t->at_url.quoted,
			    a->range);
	if (r.first != t->at || r.last >= asked_end(t))
		return fail(&t->verdict.why, -EPROTO,
			    "%s answers with another range than was asked for: '%.80s', not from %" PRIu64,
			    t->at_url.quoted, a->range, t->at);
	if (a->has_length && a->length != r.last - r.first + 1)
		return refuse(t, -EPROTO,
			      "answers with a range and a Content-Length that contradict each other");
	told->is_range = true;
	told->first = r.first;
	told->end = r.last + 1;
	told->total = r.has_total ? r.total : UNKNOWN;
	return 0;
}

/* Without a status: ftp or sftp, which can't but begin where they were asked to. */
static void read_plain(struct net_transfer *t, struct told *told)
{
	curl_off_t length = -1, mtime = -1;
	struct tm tm;

	(void)curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
	(void)curl_easy_getinfo(t->easy, CURLINFO_FILETIME_T, &mtime);
	told->is_range = asked_range(t);
	told->first = t->at;
	told->end = length >= 0 ? t->at + length : UNKNOWN;
	if (!told->is_range || asked_end(t) == UNKNOWN)
		told->total = told->end;
	told->mtime = mtime;
	/* So that there is something by which another file is told from this one. */
	if (mtime > 0 && gmtime_r(&(time_t){ mtime }, &tm) &&
	    strftime(told->date, sizeof(told->date), "%a, %d %b %Y %H:%M:%S GMT", &tm) > 0)
		told->last_modified = told->date;
}

static int read_answer(struct net_transfer *t, struct told *told)
{
	const struct answer *a = &t->answer;

	*told = (struct told){ .end = UNKNOWN, .total = UNKNOWN, .mtime = -1 };
	if (!url_is_http(&t->at_url)) {
		read_plain(t, told);
		return 0;
	}
	told->etag = a->etag;
	told->last_modified = a->last_modified;
	told->mtime = http_date(a->last_modified);
	if (!answer_is_identity(a))
		return fail(&t->verdict.why, -EPROTO, "%s comes encoded as '%.40s', which was not asked for",
			    t->at_url.quoted, a->encoding);
	if (a->status == 206)
		return read_range(t, told);
	if (a->has_length)
		told->end = told->total = a->length;
	return 0;
}

/* ---- the same object? ---- */

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static int compare(struct net_transfer *t, const struct told *told)
{
	if (!same_text(t->etag, told->etag))
		return refuse(t, -ESTALE, "changed while it was fetched: its ETag is another now");
	if (!same_text(t->last_modified, told->last_modified) || t->mtime != told->mtime)
		return refuse(t, -ESTALE, "changed while it was fetched: its time is another now");
	if (told->total != UNKNOWN && t->object_length != UNKNOWN && told->total != t->object_length)
		return refuse(t, -ESTALE, "changed while it was fetched: its length is another now");
	if (t->at > t->first && !t->etag && t->mtime < 0)
		return refuse(
			t, -EIO,
			"was cut, and can't go on: without ETag and Last-Modified nothing says that the rest "
			"would be of the same object");
	return 0;
}

/* A length that is told late is taken as if it had come at once. */
static void learn_total(struct net_transfer *t, uint64_t total)
{
	if (t->object_length != UNKNOWN || total == UNKNOWN)
		return;
	t->object_length = total;
	t->end = min_u64(t->end, total);
}

static int keep_text(char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return from && !*to ? -ENOMEM : 0;
}

static int call_head(struct net_transfer *t, bool unchanged)
{
	const struct net_head head = {
		.url = t->at_url.name,
		.etag = t->etag,
		.last_modified = t->last_modified,
		.mtime = t->mtime,
		.has_length = t->object_length != UNKNOWN,
		.length = t->object_length == UNKNOWN ? 0 : t->object_length,
		.is_range = t->is_range,
		.offset = t->first,
		.unchanged = unchanged,
	};

	return t->events.head ? t->events.head(t->arg, &head, &t->verdict.why) : 0;
}

static int take_first(struct net_transfer *t, const struct told *told)
{
	const uint64_t wanted = asked_end(t);
	int r;

	r = keep_text(&t->etag, told->etag);
	if (r == 0)
		r = keep_text(&t->last_modified, told->last_modified);
	if (r < 0)
		return r;
	t->mtime = told->mtime;
	t->is_range = told->is_range;
	t->first = t->at = told->first;
	t->end = told->is_range ? wanted : UNKNOWN;
	t->has_head = true;
	learn_total(t, told->total);
	return call_head(t, /* unchanged= */ false);
}

static int judge_body(struct net_transfer *t)
{
	struct told told;
	int r;

	r = read_answer(t, &told);
	if (r < 0)
		return r;
	if (!t->has_head) {
		r = take_first(t, &told);
	} else {
		r = compare(t, &told);
		if (r == 0)
			learn_total(t, told.total);
	}
	t->body_at = told.first;
	t->body_end = told.end;
	/* What proved good is where the rest comes from as well. */
	t->is_pinned = t->is_pinned || t->redirects > 0;
	return r;
}

static int judge_unchanged(struct net_transfer *t)
{
	const char *etag = t->answer.etag ? t->answer.etag : t->unless_etag;
	int r;

	if (t->has_head || (!t->unless_etag && !t->unless_modified))
		return refuse(t, -EPROTO, "answers that it is unchanged, which was not asked");
	r = keep_text(&t->etag, etag);
	if (r == 0)
		r = keep_text(&t->last_modified,
			      t->answer.last_modified ? t->answer.last_modified : t->unless_modified);
	if (r < 0)
		return r;
	t->mtime = http_date(t->last_modified);
	t->has_head = t->is_enough = true;
	return call_head(t, /* unchanged= */ true);
}

static int judge_status(struct net_transfer *t)
{
	const struct answer *a = &t->answer;

	if (a->error == -ENOMEM)
		return -ENOMEM;
	if (a->error)
		return refuse(t, a->error, a->fault);
	switch (a->status) {
	case 200:
	case 206:
		return judge_body(t);
	case 301:
	case 302:
	case 303:
	case 307:
	case 308:
		if (!a->location)
			return refuse(t, -EPROTO, "redirects, and does not say where");
		t->is_redirect = true;
		return 0;
	case 304:
		return judge_unchanged(t);
	case 416:
		return judge_unsatisfiable(t);
	}
	return judge_failure(t);
}

void answer_judge(struct net_transfer *t)
{
	t->is_judged = true;
	t->verdict.error = url_is_http(&t->at_url) ? judge_status(t) : judge_body(t);
}
