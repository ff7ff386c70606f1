/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/net/headers.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/bytes.h"

/* Of one head, and of a value that is kept: far above what servers send, far below what would hurt. */
#define HEAD_MAX  (64 * KiB)
#define VALUE_MAX (4 * KiB)

/* ---- numbers and dates ---- */

/* Digits alone, at least one, that fit; moves `p` behind them. */
static bool take_number(const char **p, uint64_t *ret)
{
	const char *at = *p;
	uint64_t n = 0;

	if (!isdigit((unsigned char)*at))
		return false;
	for (; isdigit((unsigned char)*at); at++)
		if (__builtin_mul_overflow(n, UINT64_C(10), &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*at - '0'), &n))
			return false;
	*p = at;
	*ret = n;
	return true;
}

static bool take_char(const char **p, char c)
{
	if (**p != c)
		return false;
	(*p)++;
	return true;
}

int content_range_parse(const char *text, struct content_range *ret)
{
	struct content_range r = { 0 };
	const char *p = text;

	if (strncasecmp(p, "bytes", 5) != 0)
		return -EPROTO;
	p += 5;
	if (*p != ' ' && *p != '\t')
		return -EPROTO;
	p += strspn(p, " \t");
	if (!take_char(&p, '*')) {
		r.has_range = true;
		if (!take_number(&p, &r.first) || !take_char(&p, '-') || !take_number(&p, &r.last))
			return -EPROTO;
	}
	if (!take_char(&p, '/'))
		return -EPROTO;
	r.has_total = *p != '*';
	if (r.has_total ? !take_number(&p, &r.total) : !take_char(&p, '*'))
		return -EPROTO;
	if (*p != '\0' || (!r.has_range && !r.has_total))
		return -EPROTO;
	/* An object of 2^64 bytes would need numbers that its length doesn't fit in. */
	if (r.has_range && (r.last < r.first || r.last == UINT64_MAX || (r.has_total && r.last >= r.total)))
		return -EPROTO;
	*ret = r;
	return 0;
}

int64_t http_date(const char *text)
{
	time_t t = text ? curl_getdate(text, NULL) : -1;

	return t < 0 ? -1 : t;
}

int64_t answer_pause_ms(const struct answer *a, int64_t now, int64_t limit_ms)
{
	const char *p = a->retry_after;
	uint64_t seconds;
	int64_t date;

	if (!p)
		return 0;
	if (isdigit((unsigned char)*p)) {
		if (!take_number(&p, &seconds) || *p != '\0' || seconds > (uint64_t)limit_ms / 1000)
			return limit_ms;
		return (int64_t)seconds * 1000;
	}
	date = http_date(p);
	if (date <= now)
		return 0;
	return date - now > limit_ms / 1000 ? limit_ms : (date - now) * 1000;
}

/* ---- the head ---- */

void answer_done(struct answer *a)
{
	free(a->etag);
	free(a->last_modified);
	free(a->location);
	free(a->encoding);
	free(a->range);
	free(a->retry_after);
	free(a->type);
	free(a->length_text);
	*a = ANSWER_NONE;
}

static void refuse(struct answer *a, const char *fault)
{
	if (!a->error) {
		a->error = -EPROTO;
		a->fault = fault;
	}
}

static bool is_printable(const char *p, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if ((unsigned char)p[i] < 0x20 || p[i] == 0x7f)
			return false;
	return true;
}

/* "HTTP/1.1 404 Not Found", "HTTP/2 200". */
static void status_line(struct answer *a, const char *line, size_t count)
{
	const char *end = line + count, *p = memchr(line, ' ', count);
	size_t n = 0;

	answer_done(a);
	a->bytes = count;
	for (; p && p < end && *p == ' ';)
		p++;
	if (!p || end - p < 3 || (end - p > 3 && p[3] != ' ')) {
		refuse(a, "begins with a status line that has no status");
		return;
	}
	for (int i = 0; i < 3; i++) {
		if (!isdigit((unsigned char)p[i]))
			refuse(a, "begins with a status line that has no status");
		else
			a->status = a->status * 10 + (p[i] - '0');
	}
	/* It is shown to people, in one sentence: plain letters only. */
	for (p += 3; p < end && n < sizeof(a->reason) - 1; p++)
		if ((*p > ' ' && *p < 0x7f) || (*p == ' ' && n > 0))
			a->reason[n++] = *p;
	a->reason[n] = '\0';
}

static void keep(struct answer *a, char **slot, const char *value, size_t count)
{
	char *copy;

	if (count > VALUE_MAX || !is_printable(value, count)) {
		refuse(a, "sends a header that is too long or holds control characters");
		return;
	}
	/* Twice the same is clumsy, twice different is a contradiction. */
	if (*slot) {
		if (strlen(*slot) != count || memcmp(*slot, value, count) != 0)
			refuse(a, "sends a header twice, with different values");
		return;
	}
	copy = strndup(value, count);
	if (!copy)
		a->error = -ENOMEM;
	*slot = copy;
}

static void keep_length(struct answer *a)
{
	const char *p = a->length_text;

	if (!p || a->error)
		return;
	a->has_length = take_number(&p, &a->length) && *p == '\0';
	if (!a->has_length)
		refuse(a, "sends a Content-Length that is no number");
}

static void field_line(struct answer *a, const char *line, size_t count)
{
	const struct {
		const char *name;
		char **slot;
	} fields[] = {
		{ "ETag", &a->etag },
		{ "Last-Modified", &a->last_modified },
		{ "Location", &a->location },
		{ "Content-Encoding", &a->encoding },
		{ "Content-Range", &a->range },
		{ "Content-Type", &a->type },
		{ "Content-Length", &a->length_text },
		{ "Retry-After", &a->retry_after },
	};
	const char *colon = memchr(line, ':', count), *value, *end = line + count;

	if (!colon)
		return; /* the continuation of a line that nobody reads, or worse */
	for (value = colon + 1; value < end && (*value == ' ' || *value == '\t');)
		value++;
	for (; end > value && (end[-1] == ' ' || end[-1] == '\t');)
		end--;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (strlen(fields[i].name) == (size_t)(colon - line) &&
		    strncasecmp(fields[i].name, line, colon - line) == 0)
			keep(a, fields[i].slot, value, end - value);
	keep_length(a);
}

void answer_line(struct answer *a, const char *line, size_t count)
{
	while (count && (line[count - 1] == '\n' || line[count - 1] == '\r'))
		count--;
	if (count >= 5 && strncasecmp(line, "HTTP/", 5) == 0) {
		status_line(a, line, count);
		return;
	}
	a->bytes += count;
	if (a->bytes > HEAD_MAX)
		refuse(a, "sends a head that does not end");
	if (a->error)
		return;
	if (count == 0)
		a->is_complete = true;
	else
		field_line(a, line, count);
}

bool answer_is_identity(const struct answer *a)
{
	return !a->encoding || a->encoding[0] == '\0' || strcasecmp(a->encoding, "identity") == 0;
}
