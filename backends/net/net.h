/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_NET_H
#define GOALFS_BACKENDS_NET_H

/*
 * Bytes from elsewhere, by URL, through libcurl: one thread, any number of
 * transfers at once over connections that are kept. It knows nothing of images,
 * templates or the store.
 *
 * A transfer is a GET of a range or of the whole object. What is worth trying
 * again (a connection refused or cut, a stall, 408, 429, 5xx) is tried again, after a
 * pause that grows and is never quite the same, from the byte that was reached, and
 * only if the server still says that it is the same object; the callbacks see
 * one unbroken row of bytes, or an error. Every transfer ends: a connection, a
 * stall and all tries together have their time limits.
 *
 * Redirects are followed (a bounded number), from https to https only, and never
 * to other protocols than http, https, ftp, ftps and sftp, as far as the library's
 * build has them. Another host never sees the user, the password or the signature
 * that were for the first. What sftp's host shows must stand in ~/.ssh/known_hosts.
 *
 * s3://BUCKET/KEY is fetched with AWS Signature Version 4, by the environment's AWS_
 * variables (url.h), also from servers other than Amazon's. It wants a libcurl that
 * signs the headers it is given, as 7.88 does. User and password of other URLs come
 * from the URL or from ~/.netrc.
 *
 * In sentences URLs stand without user, password and query.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/why.h"

struct net;

/* Constant while the engine lives. 0 and NULL stand for the defaults. */
struct net_options {
	const char *ca_file;	 /* PEM; NULL: as the environment and the library have it */
	unsigned in_flight;	 /* transfers at work at once, the others queue; default 16 */
	unsigned per_host;	 /* connections to one server; default 8 */
	unsigned connect_ms;	 /* default 15000 */
	unsigned stall_ms;	 /* in which at least 512 bytes, or the head, must come; default 30000 */
	unsigned tries;		 /* in a row without a byte of progress; 20 times as many in all; default 5 */
	unsigned first_pause_ms; /* before the second try, doubling from there; default 250 */
};

/* NULL `options`: the defaults. The thread starts with the first transfer, after the daemon has forked. */
int net_new(const struct net_options *options, struct net **ret, struct why *why);

/*
 * Ends all transfers: their `done` is called with -ECANCELED, soon, and no new one
 * is started. For the end of a daemon: whoever waits for bytes stops waiting.
 */
void net_end(struct net *net);

/* The same, and joins the thread. Accepts NULL. */
void net_free(struct net *net);
DEFINE_CLEANUP(struct net *, net_free);

/* Who goes first where more is asked for than may be in flight. */
enum net_priority {
	NET_WAITED_FOR,
	NET_AHEAD,
	NET_BACKGROUND,
	NET_PRIORITIES, /* count */
};

/* What the server said of the object, redirects behind it. Borrowed for the call. */
struct net_head {
	/*
	 * Where the bytes came from in the end, without user and password: who asks there
	 * again must say them again. An object in a bucket keeps its s3:// name.
	 */
	const char *url;
	const char *etag;	   /* as it stands in the header, strong or weak; NULL when there is none */
	const char *last_modified; /* the header's text; NULL when there is none */
	int64_t mtime;		   /* of the same, seconds since 1970; -1 when there is none */
	bool has_length;
	uint64_t length; /* of the whole object */
	bool is_range;	 /* the server answered with the range; else the bytes start at 0 whatever was asked */
	uint64_t offset; /* of the first byte that `data` will get, in the object */
	bool unchanged;	 /* 304, to `unless_etag` or `unless_modified`: no bytes follow */
};

/*
 * All are called on the engine's thread, without locks, in this order: head once,
 * data any number of times, done once (also when head was never reached). They
 * must not wait. `head` and `data` may be NULL; a negative errno from them ends
 * the transfer with it.
 */
struct net_events {
	int (*head)(void *arg, const struct net_head *head, struct why *why);
	/* Without gaps; `offset` in the object. Never more than was asked for, unless the head says !is_range. */
	int (*data)(void *arg, const void *buf, size_t count, uint64_t offset, struct why *why);
	/*
	 * 0: all bytes that were asked for have come (of a range that reaches behind
	 * the object's end: those up to the end). Else a negative errno and a sentence:
	 * -ENOENT (404, 410), -EACCES (401, 403, 407), -ERANGE (416), -ETIMEDOUT,
	 * -EHOSTUNREACH (no address, no connection), -ESTALE (the object changed between two tries),
	 * -EPROTO (an answer that makes no sense, TLS), -ECANCELED, -EIO for the rest.
	 */
	void (*done)(void *arg, int error, const struct why *why);
};

/* Texts are copied by net_start. */
struct net_request {
	const char *url;
	const char *proxy;	 /* NULL: as the environment says; "": none; else its URL */
	uint64_t offset;	 /* in the object */
	uint64_t length;	 /* bytes; 0: to the end, and then with offset 0 the request is for no range */
	const char *unless_etag; /* may be NULL; answered by `unchanged` */
	const char *unless_modified; /* may be NULL */
	enum net_priority priority;
};

struct net_transfer;

/*
 * `ret` (may be NULL) is good for net_cancel and net_raise until `done` was called,
 * and no longer; it is set before that. -EINVAL for what is no URL, -EACCES for a
 * bucket without keys in the environment: then nothing is called. From any thread, callbacks included.
 */
int net_start(struct net *net, const struct net_request *request, const struct net_events *events, void *arg,
	      struct net_transfer **ret, struct why *why);

/*
 * Asks for the end of the transfer, in which `data` may still be called: `done` comes with -ECANCELED, soon, unless it
 * ended by itself meanwhile. From any thread; the caller sees to it that `done` has not been called yet.
 */
void net_cancel(struct net *net, struct net_transfer *transfer);

/* More urgent than it was; less is not listened to. From any thread, on the terms of net_cancel. */
void net_raise(struct net *net, struct net_transfer *transfer, enum net_priority priority);

/* Whether this is the engine's own thread, which must never wait for a transfer. */
bool net_is_here(struct net *net);

/* A whole small object, in memory. */
struct net_body {
	char *bytes; /* owned, with a NUL behind them that is not counted; NULL when unchanged */
	size_t count;
	char *url, *etag, *last_modified; /* owned; as in net_head */
	bool unchanged;
};
void net_body_done(struct net_body *body);

/*
 * Fetches the whole object (offset and length are 0) and waits for it; -EFBIG above `limit` bytes, -EINTR
 * when this thread's patience (base/patience.h) is lost. Not on the engine's own thread.
 */
int net_get(struct net *net, const struct net_request *request, size_t limit, struct net_body *ret,
	    struct why *why);

/*
 * The same, if it is wanted: `look` sees the first bytes, GET_LOOK of them or all there
 * are, on the engine's thread. When it returns false the transfer ends with
 * -EMEDIUMTYPE, however large the object is.
 */
#define GET_LOOK 512
int net_get_if(struct net *net, const struct net_request *request, size_t limit,
	       bool (*look)(const void *head, size_t count), struct net_body *ret, struct why *why);

/* Figures for tests and the bench. */
struct net_figures {
	uint64_t requests; /* sent, those of redirects and tries included */
	uint64_t bytes;	   /* of bodies received */
};
void net_figures(struct net *net, struct net_figures *ret);

/* Whether this is a URL that the engine fetches (http://, ...); file:// and paths are not. */
bool net_is_url(const char *text);

/*
 * The URL as it may be shown, logged and written to disk: without user and
 * password. malloc'ed; what is no URL is copied. NULL when memory ran out.
 */
char *net_url_shown(const char *url);

/* For "%.*s" in a sentence: of a URL without user and password, what stands before the query, and not too much. */
#define NET_URL_TEXT(url) net_url_text(url), url
int net_url_text(const char *url);

/* The same for people: no more of a query than that there is one, since tokens stand there, and no fragment. */
char *net_url_brief(const char *url);

/*
 * `path` relative to the object at `base`: what stands up to the base's last '/'
 * and then the path, percent-encoded where it must be. -EINVAL when the path leads out: "://", a '/' in front, a ".."
 */
int net_url_below(const char *base, const char *path, char **ret, struct why *why);

#endif
