/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_NET_URL_H
#define GOALFS_BACKENDS_NET_URL_H

/* Where a request goes, and what it may show there. Pure functions, but that s3:// looks into the environment. */
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/why.h"

/* Whoever is not at this origin never sees user, password, or what S3 signs with. All texts are owned. */
struct url {
	char *text;	       /* what is fetched: a protocol of libcurl's, without user and password */
	char *name;	       /* what others are told: s3://... for a bucket, else as `text` */
	char *quoted;	       /* for sentences: 'name', with "?..." for its query, shortened */
	char *origin;	       /* SCHEME://HOST:PORT */
	char *scheme;	       /* in small letters */
	char *user, *password; /* decoded; NULL: none. With sigv4: the access key and its secret */
	char *sigv4;	       /* how to sign, for CURLOPT_AWS_SIGV4; NULL: not at all */
	char *token;	       /* AWS session token; NULL: none */
};

#define URL_NONE ((struct url){ 0 })

/* -EINVAL for what isn't a URL that we fetch; -EACCES when keys for a bucket are missing. */
int url_parse(const char *text, struct url *ret, struct why *why);
int url_copy(const struct url *url, struct url *ret);
void url_done(struct url *url);

static inline bool url_is_http(const struct url *url)
{
	return strncmp(url->scheme, "http", 4) == 0;
}

/*
 * Where a redirect leads, absolute or relative: -EPROTO when we don't go there:
 * from https to https only, never to what net_is_url() denies.
 */
int url_follow(const struct url *from, const char *location, struct url *ret, struct why *why);

/*
 * s3://BUCKET/KEY: where that is, and what signs for it, from the environment as
 * Amazon's own tools read it: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN,
 * AWS_REGION or AWS_DEFAULT_REGION, AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL.
 */
int s3_parse(const char *text, struct url *ret, struct why *why);

/* Adds `count` bytes percent-encoded, but for letters, digits, "-._~" and those in `also`. */
struct text;
void url_encode(struct text *t, const char *bytes, size_t count, const char *also);

/* The value of %XX at `p`, or -1. */
int url_hex(const char *p);

/* Sets `name`, `quoted`, `origin` and `scheme`, from `text` and, when it is set already, `name`. */
int url_finish(struct url *url);

#endif
