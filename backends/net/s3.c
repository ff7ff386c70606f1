/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bucket's object, by the rules of Amazon's S3 and of those who speak like it:
 *
 *	with an endpoint	ENDPOINT/BUCKET/KEY
 *	else			https://BUCKET.s3.REGION.amazonaws.com/KEY
 *	a bucket with a dot	https://s3.REGION.amazonaws.com/BUCKET/KEY
 *
 * The last because Amazon's certificate is for one label before ".s3". libcurl signs
 * what it is given, so the key is encoded here as the signature wants it: all but
 * letters, digits and "-._~/".
 */
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/net/url.h"
#include "base/text.h"

/* NULL for a variable that is empty as well. */
static const char *variable(const char *name, const char *other)
{
	const char *value = getenv(name);

	if (value && *value)
		return value;
	return other ? variable(other, NULL) : NULL;
}

/* Three to 63 small letters, digits, dots and hyphens. */
static bool bucket_ok(const char *bucket, size_t count)
{
	return count >= 3 && count <= 63 && strspn(bucket, "abcdefghijklmnopqrstuvwxyz0123456789.-") >= count &&
	       bucket[0] != '.' && bucket[0] != '-';
}

static bool region_ok(const char *region)
{
	size_t n = strlen(region);

	return n > 0 && n <= 63 && strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

static void add_place(struct text *t, const char *bucket, size_t count, const char *region)
{
	const char *endpoint = variable("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL");

	if (endpoint) {
		size_t n = strlen(endpoint);

		while (n && endpoint[n - 1] == '/')
			n--;
		text_add(t, "%.*s/%.*s/", (int)n, endpoint, (int)count, bucket);
	} else if (memchr(bucket, '.', count)) {
		text_add(t, "https://s3.%s.amazonaws.com/%.*s/", region, (int)count, bucket);
	} else {
		text_add(t, "https://%.*s.s3.%s.amazonaws.com/", (int)count, bucket, region);
	}
}

static void add_key(struct text *t, const char *key)
{
	while (*key) {
		int hex = url_hex(key);
		char c = hex >= 0 ? (char)hex : *key;

		url_encode(t, &c, 1, "/");
		key += hex >= 0 ? 3 : 1;
	}
}

static int add_keys(struct url *url, const char *region, struct why *why)
{
	const char *id = variable("AWS_ACCESS_KEY_ID", NULL), *token = variable("AWS_SESSION_TOKEN", NULL);
	const char *secret = variable("AWS_SECRET_ACCESS_KEY", NULL);

	if (!id || !secret)
		return fail(why, -EACCES, "'%s' is in a bucket, and the environment has no %s to sign with",
			    url->name, id ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
	url->user = strdup(id);
	url->password = strdup(secret);
	url->sigv4 = text_new("aws:amz:%s:s3", region);
	if (token)
		url->token = strdup(token);
	return url->user && url->password && url->sigv4 && (!token || url->token) ? 0 : -ENOMEM;
}

static int fill(const char *text, struct url *url, struct why *why)
{
	const char *bucket = text + strlen("s3://"), *region = variable("AWS_REGION", "AWS_DEFAULT_REGION");
	const size_t count = strcspn(bucket, "/");
	struct text t = TEXT_EMPTY;
	int r;

	region = region ? region : "us-east-1";
	if (!bucket_ok(bucket, count) || !bucket[count] || !bucket[count + 1])
		return fail(why, -EINVAL, "'%.200s' is not of the form s3://BUCKET/KEY", text);
	if (!region_ok(region))
		return fail(why, -EINVAL, "AWS_REGION '%.80s' is no region's name", region);
	url->name = strdup(text);
	if (!url->name)
		return -ENOMEM;
	add_place(&t, bucket, count, region);
	add_key(&t, bucket + count + 1);
	r = text_take(&t, &url->text);
	if (r == 0)
		r = add_keys(url, region, why);
	if (r < 0)
		return r;
	r = url_finish(url);
	if (r == -EINVAL || (r == 0 && !url_is_http(url)))
		return fail(why, -EINVAL, "the endpoint of '%.200s' in the environment is no http or https URL",
			    text);
	return r;
}

int s3_parse(const char *text, struct url *ret, struct why *why)
{
	struct url url = URL_NONE;
	int r = fill(text, &url, why);

	if (r < 0)
		url_done(&url);
	else
		*ret = url;
	return r;
}
