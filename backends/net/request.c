/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is sent. Redirects are not libcurl's: between two hops stand rules of ours
 * (url.c), which it can't be told, such as that https stays https however many hops
 * later, and that what signs for one bucket is not shown to another host.
 *
 * HTTP/1.1 on purpose: several connections carry more than one where packets get
 * lost or windows are small, and one that is cut costs one transfer, not all.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "backends/net/transfer.h"
#include "base/text.h"

#define RECEIVE_BUFFER (128L * 1024)

/* S3 wants the hash of a request's body; libcurl 7.88 does not add it, but signs it when it is there. */
#define SHA256_OF_NOTHING "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

#define SET(easy, option, value) (curl_easy_setopt(easy, option, value) != CURLE_OK)

static int add_line(struct net_transfer *t, const char *name, const char *value)
{
	_cleanup_free_ char *line = text_new("%s: %s", name, value);
	struct curl_slist *lines = line ? curl_slist_append(t->lines, line) : NULL;

	if (!lines)
		return -ENOMEM;
	t->lines = lines;
	return 0;
}

static int set_lines(struct net_transfer *t)
{
	int r = 0;

	curl_slist_free_all(t->lines);
	t->lines = NULL;
	/* Offsets are the object's: nobody on the way may be so kind as to compress it. */
	r = add_line(t, "Accept-Encoding", "identity");
	if (r == 0 && t->unless_etag && !t->has_head)
		r = add_line(t, "If-None-Match", t->unless_etag);
	if (r == 0 && t->unless_modified && !t->has_head)
		r = add_line(t, "If-Modified-Since", t->unless_modified);
	if (r == 0 && t->at_url.sigv4)
		r = add_line(t, "x-amz-content-sha256", SHA256_OF_NOTHING);
	if (r == 0 && t->at_url.token)
		r = add_line(t, "x-amz-security-token", t->at_url.token);
	if (r == 0 && SET(t->easy, CURLOPT_HTTPHEADER, t->lines))
		r = -ENOMEM;
	return r;
}

static int set_range(struct net_transfer *t)
{
	const uint64_t end = t->has_head ? t->end : t->length ? t->offset + t->length : UNKNOWN;
	_cleanup_free_ char *range = NULL;

	if (t->at == 0 && end == t->object_length)
		return 0; /* all of it: no range */
	if (end == UNKNOWN)
		range = text_new("%" PRIu64 "-", t->at);
	else
		range = text_new("%" PRIu64 "-%" PRIu64, t->at, end - 1);
	return !range || SET(t->easy, CURLOPT_RANGE, range) ? -ENOMEM : 0;
}

/* This scheme alone, whatever the library has besides. */
static bool set_protocol(CURL *easy, const char *scheme)
{
#if CURL_AT_LEAST_VERSION(7, 85, 0)
	return curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, scheme) == CURLE_OK;
#else
	static const struct {
		const char *name;
		long bit;
	} all[] = { { "http", CURLPROTO_HTTP },
		    { "https", CURLPROTO_HTTPS },
		    { "ftp", CURLPROTO_FTP },
		    { "ftps", CURLPROTO_FTPS },
		    { "sftp", CURLPROTO_SFTP } };
	long bits = 0;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (strcmp(scheme, all[i].name) == 0)
			bits = all[i].bit;
	return curl_easy_setopt(easy, CURLOPT_PROTOCOLS, bits) == CURLE_OK;
#endif
}

static bool set_trust(struct net_transfer *t)
{
	const struct net_config *c = t->config;
	bool bad = false;

	if (c->ca_file)
		bad |= SET(t->easy, CURLOPT_CAINFO, c->ca_file);
	if (c->ca_dir)
		bad |= SET(t->easy, CURLOPT_CAPATH, c->ca_dir);
	if (strcmp(t->at_url.scheme, "sftp") == 0) {
		/* Without a list libcurl would believe any host. */
		bad |= SET(t->easy, CURLOPT_SSH_KNOWNHOSTS, c->known_hosts ? c->known_hosts : "/dev/null");
		bad |= SET(t->easy, CURLOPT_SSH_COMPRESSION, 0L);
	}
	return !bad;
}

static bool set_user(struct net_transfer *t)
{
	const struct url *u = &t->at_url;
	bool bad = false;

	if (u->user)
		bad |= SET(t->easy, CURLOPT_USERNAME, u->user);
	if (u->password)
		bad |= SET(t->easy, CURLOPT_PASSWORD, u->password);
	if (u->sigv4) {
		bad |= SET(t->easy, CURLOPT_AWS_SIGV4, u->sigv4);
		bad |= SET(t->easy, CURLOPT_PATH_AS_IS, 1L); /* as it was signed */
	} else {
		bad |= SET(t->easy, CURLOPT_NETRC, (long)CURL_NETRC_OPTIONAL);
	}
	return !bad;
}

int request_set(struct net_transfer *t, struct why *why)
{
	CURL *e = t->easy;
	bool bad = false;
	int r;

	if (!set_protocol(e, t->at_url.scheme))
		return fail(why, -EPROTO, "%s can't be fetched: this system's libcurl has no %s",
			    t->at_url.quoted, t->at_url.scheme);
	bad |= SET(e, CURLOPT_URL, t->at_url.text);
	bad |= SET(e, CURLOPT_NOSIGNAL, 1L);
#if CURL_AT_LEAST_VERSION(7, 87, 0)
	/* A name is looked up by a thread of libcurl's, which nothing ends: ours must not wait for it to be through. */
	bad |= SET(e, CURLOPT_QUICK_EXIT, 1L);
#endif
	bad |= SET(e, CURLOPT_FOLLOWLOCATION, 0L);
	bad |= SET(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	bad |= SET(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	bad |= SET(e, CURLOPT_FILETIME, 1L);
	bad |= SET(e, CURLOPT_TCP_KEEPALIVE, 1L);
	bad |= SET(e, CURLOPT_BUFFERSIZE, RECEIVE_BUFFER);
	bad |= SET(e, CURLOPT_CONNECTTIMEOUT_MS, (long)t->config->connect_ms);
	bad |= SET(e, CURLOPT_USERAGENT, "goalfs/" GOALFS_VERSION);
	/* After a range libcurl's ABOR may leave an answer unread, for the next one to trip over. */
	if (!url_is_http(&t->at_url))
		bad |= SET(e, CURLOPT_FORBID_REUSE, 1L);
	if (t->proxy)
		bad |= SET(e, CURLOPT_PROXY, t->proxy);
	bad |= !set_trust(t) || !set_user(t);
	if (bad)
		return -ENOMEM;
	r = set_range(t);
	return r == 0 ? set_lines(t) : r;
}
