/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A template on an NBD server. Nothing tells whether an export is tomorrow what it
 * is today: it has no date, no checksum, and no name but the server's word. So all that is kept
 * of such a template is kept for this run of the daemon: its identity is the
 * address, and a word that every daemon draws for itself, so that a later one, or another
 * one beside it, finds nothing of it in the store. In between a server can be
 * given another disk as little as a file under a mounted image can.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>

#include "backends/library/private.h"
#include "backends/nbd/address.h"
#include "base/read.h"

static uint64_t run_word;

static void draw_run_word(void)
{
	if (getrandom(&run_word, sizeof(run_word), 0) != sizeof(run_word)) {
		struct timespec now;

		(void)clock_gettime(CLOCK_REALTIME, &now);
		run_word = (uint64_t)now.tv_sec * 1000000007 + (uint64_t)now.tv_nsec + (uint64_t)getpid();
	}
}

static char *identity_of(const char *canonical, const struct stat *st)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, draw_run_word);
	return text_new("nbd:%s mtime=%" PRId64 ".%09ld inode=%" PRIu64 " run=%016" PRIx64, canonical,
			(int64_t)st->st_mtim.tv_sec, st->st_mtim.tv_nsec, (uint64_t)st->st_ino, run_word);
}

int template_attach_export(struct template *t, struct place *place, const char *relative, const char *shown,
			   const struct spot *spot, bool allow_commands, struct why *why)
{
	_cleanup_(nbd_address_done) struct nbd_address address = { 0 };
	_cleanup_close_ int fd = -1;
	char text[NBD_ADDRESS_MAX + 1];
	struct stat st;
	size_t count = 0;
	int r = spot_open(spot, &fd, &st, why);

	if (r == 0)
		r = template_attach_file(t, place, relative, shown, &st, why);
	if (r == 0)
		r = read_up_to(fd, shown, text, sizeof(text), 0, &count, why);
	if (r == 0)
		r = nbd_address_parse(text, count, shown, &address, why);
	if (r < 0)
		return r;
	if (address.command && !allow_commands)
		return fail(why, -EPERM, "'%s' names a command, and none is run without --allow-commands",
			    shown);
	t->nbd_uri = take(address.uri);
	t->nbd_command = take(address.command);
	t->identity = identity_of(spot->path, &st);
	return t->identity ? template_name_it(t) : -ENOMEM;
}
