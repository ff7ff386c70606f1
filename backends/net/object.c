/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sidecar: five texts, each with a NUL behind it (empty: none), then mtime,
 * length and flags, little-endian, 8 bytes each, then the first bytes.
 */
#include "backends/net/object.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/text.h"

#define HAS_RANGES 1

#define TEXT_LIMIT (16 * KiB)

void object_done(struct object *o)
{
	free(o->url);
	free(o->final_url);
	free(o->etag);
	free(o->last_modified);
	*o = (struct object){ 0 };
}

void object_free(struct object *o)
{
	if (o)
		object_done(o);
	free(o);
}

static int copy_text(char **to, const char *text)
{
	*to = NULL;
	if (!text || !*text)
		return 0;
	*to = strdup(text);
	return *to ? 0 : -ENOMEM;
}

/* A URL that carries a password is asked again each time: where it led to stands there without it. */
static const char *final_url(const char *url, const struct net_head *head)
{
	const char *authority = strstr(url, "://");
	size_t n = authority ? strcspn(authority + 3, "/") : 0;

	if (!authority || memchr(authority + 3, '@', n) || strcmp(url, head->url) == 0 ||
	    strncmp(url, "s3:", 3) == 0)
		return NULL;
	return head->url;
}

static int object_fill(const char *url, const struct net_head *head, struct object *o)
{
	o->mtime = head->mtime;
	o->length = head->length;
	o->has_ranges = head->is_range;
	o->url = net_url_shown(url);
	if (!o->url || copy_text(&o->final_url, final_url(url, head)) < 0 ||
	    copy_text(&o->etag, head->etag) < 0 || copy_text(&o->last_modified, head->last_modified) < 0)
		return -ENOMEM;
	return 0;
}

int object_new(const char *url, const struct net_head *head, struct object *ret, struct why *why)
{
	_cleanup_(object_done) struct object o = { 0 };
	int r;

	if (!head->has_length)
		return fail(why, -EOPNOTSUPP, "the server does not say how long '%.*s' is",
			    NET_URL_TEXT(head->url));
	if (head->length == 0)
		return fail(why, -EBADMSG, "'%.*s' is empty", NET_URL_TEXT(head->url));
	r = object_fill(url, head, &o);
	if (r < 0)
		return r;
	*ret = o;
	o = (struct object){ 0 };
	return 0;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool is_strong(const char *etag)
{
	return etag && strncmp(etag, "W/", 2) != 0;
}

int object_check(const struct object *o, const struct net_head *head, struct why *why)
{
	if (head->has_length && head->length != o->length)
		return fail(why, -ESTALE,
			    "'%.*s' changed on its server: it had %" PRIu64 " bytes, now %" PRIu64,
			    NET_URL_TEXT(o->url), o->length, head->length);
	if (!same_text(o->etag, head->etag))
		return fail(why, -ESTALE, "'%.*s' changed on its server: its ETag was %s, now it is %s",
			    NET_URL_TEXT(o->url), o->etag ?: "missing", head->etag ?: "missing");
	if (!is_strong(o->etag) && !same_text(o->last_modified, head->last_modified))
		return fail(why, -ESTALE, "'%.*s' changed on its server: it was of %s, now it is of %s",
			    NET_URL_TEXT(o->url), o->last_modified ?: "no date",
			    head->last_modified ?: "no date");
	return 0;
}

char *object_identity(const struct object *o)
{
	return text_new("url:%s bytes=%" PRIu64 " etag=%s modified=%s", o->url, o->length, o->etag ?: "",
			is_strong(o->etag) || !o->last_modified ? "" : o->last_modified);
}

static size_t text_count(const char *text)
{
	return (text ? strlen(text) : 0) + 1;
}

static uint8_t *put_text(uint8_t *to, const char *text)
{
	return mempcpy(to, text ?: "", text_count(text));
}

int object_pack(const struct object *o, char **ret, size_t *ret_count)
{
	const size_t count = text_count(o->url) + text_count(o->final_url) + text_count(o->etag) +
			     text_count(o->last_modified) + 24 + OBJECT_HEAD;
	uint8_t *bytes = malloc(count), *p;

	if (!bytes)
		return -ENOMEM;
	p = put_text(bytes, o->url);
	p = put_text(p, o->final_url);
	p = put_text(p, o->etag);
	p = put_text(p, o->last_modified);
	put_le64(p, (uint64_t)o->mtime);
	put_le64(p + 8, o->length);
	put_le64(p + 16, o->has_ranges ? HAS_RANGES : 0);
	memcpy(p + 24, o->head, OBJECT_HEAD);
	*ret = (char *)bytes;
	*ret_count = count;
	return 0;
}

/* Takes a text off the front. */
static int get_text(const char **p, size_t *count, char **ret)
{
	const size_t n = strnlen(*p, *count);

	if (n == *count || n > TEXT_LIMIT)
		return -EBADMSG;
	if (copy_text(ret, *p) < 0)
		return -ENOMEM;
	*p += n + 1;
	*count -= n + 1;
	return 0;
}

int object_unpack(const void *bytes, size_t count, struct object *ret)
{
	_cleanup_(object_done) struct object o = { 0 };
	const char *p = bytes;
	int r = get_text(&p, &count, &o.url);

	if (r == 0)
		r = get_text(&p, &count, &o.final_url);
	if (r == 0)
		r = get_text(&p, &count, &o.etag);
	if (r == 0)
		r = get_text(&p, &count, &o.last_modified);
	if (r < 0)
		return r;
	if (count != 24 + OBJECT_HEAD || !o.url || get_le64(p + 8) == 0)
		return -EBADMSG;
	o.mtime = (int64_t)get_le64(p);
	o.length = get_le64(p + 8);
	o.has_ranges = get_le64(p + 16) & HAS_RANGES;
	memcpy(o.head, p + 24, OBJECT_HEAD);
	*ret = o;
	o = (struct object){ 0 };
	return 0;
}
