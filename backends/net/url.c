/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/net/url.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "backends/net/net.h"
#include "base/text.h"

#define URL_MAX	  8192
#define QUOTE_MAX 200 /* bytes of a URL in a sentence: more would push the rest out of it */

static const char *const schemes[] = { "http", "https", "ftp", "ftps", "sftp", "s3" };

static void curlup(CURLU **u)
{
	curl_url_cleanup(*u);
}

static void curl_freep(char **p)
{
	curl_free(*p);
}

void url_done(struct url *url)
{
	free(url->text);
	free(url->name);
	free(url->quoted);
	free(url->origin);
	free(url->scheme);
	free(url->user);
	free(url->password);
	free(url->sigv4);
	free(url->token);
	*url = URL_NONE;
}

int url_copy(const struct url *url, struct url *ret)
{
	struct url u = URL_NONE;

	if (text_copy(&u.text, url->text) < 0 || text_copy(&u.name, url->name) < 0 ||
	    text_copy(&u.quoted, url->quoted) < 0 || text_copy(&u.origin, url->origin) < 0 ||
	    text_copy(&u.scheme, url->scheme) < 0 || text_copy(&u.user, url->user) < 0 ||
	    text_copy(&u.password, url->password) < 0 || text_copy(&u.sigv4, url->sigv4) < 0 ||
	    text_copy(&u.token, url->token) < 0) {
		url_done(&u);
		return -ENOMEM;
	}
	*ret = u;
	return 0;
}

/* ---- text ---- */

int url_hex(const char *p)
{
	const char digits[] = "0123456789abcdef";
	const char *high, *low;

	if (p[0] != '%' || !p[1] || !p[2])
		return -1;
	high = strchr(digits, tolower((unsigned char)p[1]));
	low = strchr(digits, tolower((unsigned char)p[2]));
	return high && low ? (int)(high - digits) * 16 + (int)(low - digits) : -1;
}

void url_encode(struct text *t, const char *bytes, size_t count, const char *also)
{
	for (size_t i = 0; i < count; i++) {
		unsigned char c = bytes[i];

		/* Not isalnum of a locale: the server knows ASCII. */
		if ((c < 0x80 && isalnum(c)) || (c && strchr("-._~", c)) || (c && strchr(also, c)))
			text_add(t, "%c", c);
		else
			text_add(t, "%%%02X", c);
	}
}

/* The length of "SCHEME" in "SCHEME://...", 0 when it doesn't begin so. */
static size_t scheme_length(const char *text)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-");

	return strncmp(text + n, "://", 3) == 0 ? n : 0;
}

bool net_is_url(const char *text)
{
	size_t n = scheme_length(text);

	for (size_t i = 0; n && i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (strlen(schemes[i]) == n && strncasecmp(schemes[i], text, n) == 0)
			return true;
	return false;
}

/* Nothing of a query is shown: tokens stand there. */
static char *quote(const char *name)
{
	size_t n = strcspn(name, "?#");
	const char *tail = name[n] == '?' ? "?..." : "";

	if (n > QUOTE_MAX)
		return text_new("'%.*s...%.*s%s'", QUOTE_MAX / 2, name, QUOTE_MAX / 2, name + n - QUOTE_MAX / 2,
				tail);
	return text_new("'%.*s%s'", (int)n, name, tail);
}

/* ---- whole URLs ---- */

static CURLUcode get_part(CURLU *u, CURLUPart part, unsigned flags, char **ret)
{
	_cleanup_(curl_freep) char *value = NULL;
	CURLUcode c = curl_url_get(u, part, &value, flags);

	*ret = NULL;
	if (c != CURLUE_OK)
		return c;
	*ret = strdup(value);
	return *ret ? CURLUE_OK : CURLUE_OUT_OF_MEMORY;
}

/* Takes user and password out of `u`. */
static CURLUcode take_user(CURLU *u, struct url *url)
{
	CURLUcode c = get_part(u, CURLUPART_USER, CURLU_URLDECODE, &url->user);

	if (c == CURLUE_OK || c == CURLUE_NO_USER)
		c = get_part(u, CURLUPART_PASSWORD, CURLU_URLDECODE, &url->password);
	if (c != CURLUE_OK && c != CURLUE_NO_PASSWORD)
		return c;
	c = curl_url_set(u, CURLUPART_USER, NULL, 0);
	if (c == CURLUE_OK)
		c = curl_url_set(u, CURLUPART_PASSWORD, NULL, 0);
	return c == CURLUE_OK ? curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0) : c;
}

static int errno_of(CURLUcode c)
{
	return c == CURLUE_OK ? 0 : c == CURLUE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
}

int url_finish(struct url *url)
{
	_cleanup_(curlup) CURLU *u = curl_url();
	_cleanup_free_ char *host = NULL;
	_cleanup_free_ char *port = NULL;
	CURLUcode c;

	if (!u)
		return -ENOMEM;
	c = curl_url_set(u, CURLUPART_URL, url->text, CURLU_NON_SUPPORT_SCHEME);
	if (c == CURLUE_OK)
		c = get_part(u, CURLUPART_SCHEME, 0, &url->scheme);
	if (c == CURLUE_OK)
		c = get_part(u, CURLUPART_HOST, 0, &host);
	if (c == CURLUE_OK)
		c = get_part(u, CURLUPART_PORT, CURLU_DEFAULT_PORT, &port);
	if (c != CURLUE_OK)
		return errno_of(c);
	for (char *p = host; *p; p++)
		*p = tolower((unsigned char)*p);
	url->origin = text_new("%s://%s:%s", url->scheme, host, port);
	if (!url->name)
		url->name = strdup(url->text);
	url->quoted = url->name ? quote(url->name) : NULL;
	return url->origin && url->quoted ? 0 : -ENOMEM;
}

/* From a parsed URL, whose user and password go to their own places. */
static int url_from(CURLU *u, struct url *ret)
{
	struct url url = URL_NONE;
	CURLUcode c = take_user(u, &url);
	int r;

	if (c == CURLUE_OK)
		c = get_part(u, CURLUPART_URL, 0, &url.text);
	r = c == CURLUE_OK ? url_finish(&url) : errno_of(c);
	if (r < 0) {
		url_done(&url);
		return r;
	}
	*ret = url;
	return 0;
}

/* Bytes that no URL has; libcurl's parser lets some of them through. */
static bool is_clean(const char *text)
{
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f)
			return false;
	return true;
}

int url_parse(const char *text, struct url *ret, struct why *why)
{
	_cleanup_(curlup) CURLU *u = NULL;
	CURLUcode c;
	int r;

	/* What is quoted here may hold a password: no more than the scheme is shown. */
	if (!net_is_url(text))
		return fail(why, -EINVAL,
			    "'%.*s' is no URL that can be fetched (http, https, ftp, ftps, sftp, s3)",
			    (int)scheme_length(text) + 3 * (scheme_length(text) > 0), text);
	if (strlen(text) > URL_MAX || !is_clean(text))
		return fail(why, -EINVAL, "the %.*s URL is too long or holds blanks or control characters",
			    (int)scheme_length(text), text);
	if (strncasecmp(text, "s3:", 3) == 0)
		return s3_parse(text, ret, why);
	u = curl_url();
	if (!u)
		return -ENOMEM;
	c = curl_url_set(u, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME);
	r = c == CURLUE_OK ? url_from(u, ret) : errno_of(c);
	if (r == -EINVAL)
		return fail(why, r, "the %.*s URL has no host, or a port or an escape that makes no sense",
			    (int)scheme_length(text), text);
	return r;
}

/* ---- redirects ---- */

static bool may_follow(const struct url *from, const struct url *to)
{
	if (strcmp(from->scheme, "https") == 0)
		return strcmp(to->scheme, "https") == 0;
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (strcmp(schemes[i], to->scheme) == 0)
			return true;
	return false;
}

/* What was for the same origin goes on with it, unless the redirect brought its own. */
static int inherit(const struct url *from, struct url *to)
{
	if (to->user || strcmp(from->origin, to->origin) != 0)
		return 0;
	if (text_copy(&to->user, from->user) < 0 || text_copy(&to->password, from->password) < 0 ||
	    text_copy(&to->sigv4, from->sigv4) < 0 || text_copy(&to->token, from->token) < 0)
		return -ENOMEM;
	return 0;
}

int url_follow(const struct url *from, const char *location, struct url *ret, struct why *why)
{
	_cleanup_(curlup) CURLU *u = curl_url();
	struct url to = URL_NONE;
	CURLUcode c;
	int r;

	if (!u)
		return -ENOMEM;
	c = curl_url_set(u, CURLUPART_URL, from->text, CURLU_NON_SUPPORT_SCHEME);
	/* Blanks in a Location are wrong and common. */
	if (c == CURLUE_OK)
		c = curl_url_set(u, CURLUPART_URL, location, CURLU_NON_SUPPORT_SCHEME | CURLU_URLENCODE);
	r = c == CURLUE_OK ? url_from(u, &to) : errno_of(c);
	if (r == -EINVAL)
		return fail(why, -EPROTO, "%s redirects to something that is no URL of a server", from->quoted);
	if (r == 0 && !may_follow(from, &to))
		r = fail(why, -EPROTO, "%s redirects to '%s://', where goalfs does not follow", from->quoted,
			 to.scheme);
	if (r == 0)
		r = inherit(from, &to);
	if (r < 0)
		url_done(&to);
	else
		*ret = to;
	return r;
}

/* ---- paths below a URL ---- */

/* `path` with each %XX as its byte; NULL: out of memory. Bytes of 0 end the text, which the caller finds. */
static char *decoded(const char *path, size_t *ret_count)
{
	char *to = malloc(strlen(path) + 1);
	size_t n = 0;

	for (const char *p = path; to && *p;) {
		int hex = url_hex(p);

		to[n++] = hex >= 0 ? hex : *p;
		p += hex >= 0 ? 3 : 1;
	}
	if (to)
		to[n] = '\0';
	*ret_count = n;
	return to;
}

char *net_url_shown(const char *url)
{
	const char *host = strstr(url, "://"), *at;

	if (!host)
		return strdup(url);
	host += 3;
	at = memrchr(host, '@', strcspn(host, "/?#"));
	return at ? text_new("%.*s%s", (int)(host - url), url, at + 1) : strdup(url);
}

int net_url_text(const char *url)
{
	size_t n = strcspn(url, "?#");

	return (int)(n < QUOTE_MAX ? n : QUOTE_MAX);
}

char *net_url_brief(const char *url)
{
	char *shown = net_url_shown(url);
	_cleanup_free_ char *whole = NULL;
	size_t n;

	if (!shown || !net_is_url(shown))
		return shown;
	n = strcspn(shown, "?#");
	if (shown[n] != '?') {
		shown[n] = '\0';
		return shown;
	}
	whole = shown;
	return text_new("%.*s?...", (int)n, whole);
}

/* What the server may understand as a way up or out, however it was written. */
static bool leads_out(const char *path)
{
	if (path[0] == '/' || path[0] == '\\' || strstr(path, "://"))
		return true;
	for (const char *p = path; *p;) {
		size_t n = strcspn(p, "/\\");

		if (n == 2 && p[0] == '.' && p[1] == '.')
			return true;
		p += n + (p[n] != '\0');
	}
	return false;
}

/* Where the last directory of the base ends, behind its '/'; 0: there is no path at all. */
static size_t directory_length(const char *base)
{
	size_t host = scheme_length(base) + 3, end = host + strcspn(base + host, "?#");

	while (end > host && base[end - 1] != '/')
		end--;
	return end > host ? end : 0;
}

int net_url_below(const char *base, const char *path, char **ret, struct why *why)
{
	struct text t = TEXT_EMPTY;
	_cleanup_free_ char *plain = NULL;
	size_t n, keep;

	if (!net_is_url(base))
		return fail(why, -EINVAL, "'%s' can't be found relative to something that is no URL", path);
	plain = decoded(path, &n);
	if (!plain)
		return -ENOMEM;
	if (n == 0 || n != strlen(plain) || leads_out(path) || leads_out(plain))
		return fail(why, -EINVAL, "'%s' is empty or leads out of the index's directory", path);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)plain[i] < 0x20 || plain[i] == 0x7f)
			return fail(why, -EINVAL, "a path below the index holds control characters");
	keep = directory_length(base);
	if (keep > 0)
		text_add(&t, "%.*s", (int)keep, base);
	else
		text_add(&t, "%.*s/", (int)strcspn(base, "?#"), base);
	/* An escape stays what it is: publishers wrote it for a program that hands paths on as they are. */
	for (const char *p = path; *p;) {
		size_t step = url_hex(p) >= 0 ? 3 : 1;

		if (step == 3)
			text_add(&t, "%.3s", p);
		else
			url_encode(&t, p, 1, "/!$&'()*+,;=:@");
		p += step;
	}
	return text_take(&t, ret);
}
