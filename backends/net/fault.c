/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What libcurl says went wrong, in our words. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "backends/net/transfer.h"
#include "base/cleanup.h"
#include "base/sandbox.h"
#include "base/text.h"

struct fault {
	CURLcode code;
	int error;
	bool is_passing;
	const char *words; /* behind the URL; with a %s, for what libcurl or the system say in detail */
};

/* What isn't here is -EIO, and for good. */
static const struct fault faults[] = {
	{ CURLE_COULDNT_RESOLVE_HOST, -EHOSTUNREACH, true, "can't be reached: its host has no address" },
	{ CURLE_COULDNT_RESOLVE_PROXY, -EHOSTUNREACH, true, "can't be reached: the proxy has no address" },
	{ CURLE_COULDNT_CONNECT, -EHOSTUNREACH, true, "can't be reached: %s" },
	{ CURLE_OPERATION_TIMEDOUT, -ETIMEDOUT, true, "can't be reached in time" },
	{ CURLE_SEND_ERROR, -EIO, true, "can't be fetched: the connection broke (%s)" },
	{ CURLE_RECV_ERROR, -EIO, true, "can't be fetched: the connection broke (%s)" },
	{ CURLE_GOT_NOTHING, -EIO, true,
	  "can't be fetched: the server ended the connection without an answer" },
	{ CURLE_PARTIAL_FILE, -EIO, true, "can't be fetched: the connection ended in the middle" },
	{ CURLE_SSL_CONNECT_ERROR, -EPROTO, true, "can't be reached: TLS failed (%s)" },
	{ CURLE_PEER_FAILED_VERIFICATION, -EPROTO, false, "shows a certificate that can't be trusted: %s" },
	{ CURLE_SSL_ISSUER_ERROR, -EPROTO, false, "shows a certificate that can't be trusted: %s" },
	{ CURLE_SSL_CACERT_BADFILE, -EPROTO, false,
	  "can't be trusted: the file of CA certificates can't be used" },
	{ CURLE_SSL_CERTPROBLEM, -EPROTO, false, "can't be reached: TLS failed (%s)" },
	{ CURLE_SSL_CIPHER, -EPROTO, false, "can't be reached: TLS failed (%s)" },
	{ CURLE_USE_SSL_FAILED, -EPROTO, false, "can't be reached: TLS failed (%s)" },
	{ CURLE_WEIRD_SERVER_REPLY, -EPROTO, false, "sends an answer that makes no sense (%s)" },
	{ CURLE_UNSUPPORTED_PROTOCOL, -EPROTO, false, "sends an answer that makes no sense (%s)" },
	{ CURLE_BAD_CONTENT_ENCODING, -EPROTO, false, "sends an answer that makes no sense (%s)" },
	{ CURLE_LOGIN_DENIED, -EACCES, false, "can't be fetched: the server knows no such user or password" },
	{ CURLE_REMOTE_ACCESS_DENIED, -EACCES, false, "can't be fetched: the server denies access" },
	{ CURLE_REMOTE_FILE_NOT_FOUND, -ENOENT, false, "can't be fetched: the server has no such file" },
	{ CURLE_FTP_COULDNT_RETR_FILE, -ENOENT, false, "can't be fetched: %s" },
	{ CURLE_FTP_WEIRD_SERVER_REPLY, -EPROTO, false, "sends an answer that makes no sense (%s)" },
	{ CURLE_FTP_WEIRD_PASV_REPLY, -EPROTO, false, "sends an answer that makes no sense (%s)" },
	{ CURLE_FTP_CANT_GET_HOST, -EHOSTUNREACH, true, "can't be reached: %s" },
	{ CURLE_BAD_DOWNLOAD_RESUME, -ERANGE, false, "has no such range" },
	{ CURLE_SSH, -EIO, false, "can't be fetched: %s" },
	{ CURLE_RANGE_ERROR, -EPROTO, false, "can't be fetched in ranges" },
	{ CURLE_OUT_OF_MEMORY, -ENOMEM, false, "can't be fetched: out of memory" },
};

static const struct fault *find_fault(CURLcode code)
{
	static const struct fault other = { .error = -EIO, .words = "can't be fetched: %s" };

	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		if (faults[i].code == code)
			return &faults[i];
	return &other;
}

/* The system's word if there is one, else libcurl's; it goes on in a sentence. */
static void detail_of(const struct net_transfer *t, CURLcode code, char *to, size_t room)
{
	const char *text = t->error_text[0] ? t->error_text : curl_easy_strerror(code);
	char buf[128];
	long os = 0;
	size_t n = 0;

	if (code != CURLE_PEER_FAILED_VERIFICATION &&
	    curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &os) == CURLE_OK && os > 0)
		text = strerror_r((int)os, buf, sizeof(buf));
	/* Parts of it may be the server's own words. */
	for (; *text && n < room - 1; text++)
		if ((unsigned char)*text >= ' ' && *text != 0x7f)
			to[n++] = *text;
	to[n] = '\0';
	if (isupper((unsigned char)to[0]) && islower((unsigned char)to[1]))
		to[0] = tolower((unsigned char)to[0]);
	while (n && to[n - 1] == '.')
		to[--n] = '\0';
}

/* What a kept connection had left over from the answer before passes for the beginning of this one. */
static bool is_leftover(const struct net_transfer *t, CURLcode code)
{
	long connects = 1;

	if (code != CURLE_UNSUPPORTED_PROTOCOL && code != CURLE_WEIRD_SERVER_REPLY)
		return false;
	(void)curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &connects);
	return connects == 0;
}

/*
 * A confined daemon sees the file that was there when it started. Where it is replaced, and no
 * link into /run, whose files are seen all, names can't be looked up any more.
 */
static const char *resolver_hint(CURLcode code)
{
	_cleanup_close_ int fd = -1;

	if (!sandbox_is_up() || (code != CURLE_COULDNT_RESOLVE_HOST && code != CURLE_COULDNT_RESOLVE_PROXY))
		return "";
	fd = open("/etc/resolv.conf", O_RDONLY | O_CLOEXEC);
	return fd >= 0 || errno != EACCES ? ""
					  : "; /etc/resolv.conf was replaced since goalfs started, and can't "
					    "be read: start it anew";
}

void fault_judge(const struct net_transfer *t, CURLcode code, struct verdict *ret)
{
	const struct fault *f = find_fault(code);
	const char *percent = strchr(f->words, '%');
	char detail[160];

	ret->error = f->error;
	ret->is_passing = f->is_passing || is_leftover(t, code);
	ret->pause_ms = 0;
	if (t->is_stalled) {
		(void)fail(&ret->why, ret->error,
			   "%s can't be fetched: the server sends nothing, or next to nothing",
			   t->at_url.quoted);
		return;
	}
	if (!percent) {
		(void)fail(&ret->why, ret->error, "%s %s%s", t->at_url.quoted, f->words, resolver_hint(code));
		return;
	}
	detail_of(t, code, detail, sizeof(detail));
	(void)fail(&ret->why, ret->error, "%s %.*s%s%s", t->at_url.quoted, (int)(percent - f->words), f->words,
		   detail, percent + 2);
}
