/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_SOURCE_HTTP_H
#define GOALFS_BACKENDS_SOURCE_HTTP_H

/*
 * A remote file (http, https, ftp, sftp, s3) as an image: fetched in ranges, kept
 * in the store (backends/cache/fetched.h), pinned to the object that was met.
 */
#include "backends/backend.h"

/* For registry_meet and registry_recheck, which say what they do. */
int http_meet(struct context *context, struct template *t, struct template **ret, struct why *why);
int http_recall(struct context *context, struct template *t, struct template **ret);
int http_recheck(struct context *context, struct template *t, struct template *met, struct why *why);
int http_fetched(struct context *context, struct template *t, uint64_t *ret_there, uint64_t *ret_all);
void http_forget(struct context *context, struct template *t);

extern const struct backend http_backend;

#endif
