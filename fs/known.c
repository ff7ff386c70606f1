/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/known.h"

#include <string.h>

#define N_CHAINS (KNOWN_MOST / 8)

struct knowns {
	struct journal *journal;
	struct known *newest, *oldest;
	size_t n;
	struct known *chain[N_CHAINS];
};

static struct known *find(const struct knowns *k, uint64_t id)
{
	for (struct known *known = k->chain[id % N_CHAINS]; known; known = known->next)
		if (known->id == id)
			return known;
	return NULL;
}

static void unlink_used(struct knowns *k, struct known *known)
{
	*(known->newer ? &known->newer->older : &k->newest) = known->older;
	*(known->older ? &known->older->newer : &k->oldest) = known->newer;
}

static void make_newest(struct knowns *k, struct known *known)
{
	known->newer = NULL;
	known->older = k->newest;
	*(k->newest ? &k->newest->newer : &k->oldest) = known;
	k->newest = known;
}

static void forget(struct knowns *k, struct known *known)
{
	struct known **at = &k->chain[known->id % N_CHAINS];

	while (*at != known)
		at = &(*at)->next;
	*at = known->next;
	unlink_used(k, known);
	k->n--;
	free(known->name);
	free(known);
}

static struct known *remember(struct knowns *k, const struct journal_record *record)
{
	struct known **chain = &k->chain[record->id % N_CHAINS], *known = calloc(1, sizeof(*known));

	if (!known || !(known->name = strdup(record->name))) {
		free(known);
		return NULL;
	}
	known->id = record->id;
	known->identity = record->identity;
	known->mtime = record->mtime;
	known->next = *chain;
	*chain = known;
	make_newest(k, known);
	if (++k->n > KNOWN_MOST)
		forget(k, k->oldest);
	return known;
}

static void journal_found(void *arg, const struct journal_record *record)
{
	struct knowns *k = arg;

	/* Of two that have one id the first one counts: it was given out. */
	if (!find(k, record->id))
		(void)remember(k, record);
}

static bool next_record(void *arg, struct journal_record *ret)
{
	const struct known **at = arg;

	if (!*at)
		return false;
	*ret = (struct journal_record){ (*at)->id, (*at)->identity, (*at)->mtime, (*at)->name };
	*at = (*at)->newer;
	return true;
}

/* In the order of their last use, so that the next reader forgets the right ones first. */
static void rewrite(struct knowns *k)
{
	const struct known *at = k->oldest;

	journal_rewrite(k->journal, next_record, &at);
}

struct knowns *knowns_new(int dirfd)
{
	struct knowns *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->journal = journal_open(dirfd, journal_found, k);
	if (journal_is_damaged(k->journal) || journal_records(k->journal) > KNOWN_MOST)
		rewrite(k);
	return k;
}

void knowns_free(struct knowns *k)
{
	if (!k)
		return;
	/* What a full disk did not take may fit now. */
	if (journal_is_damaged(k->journal))
		rewrite(k);
	journal_close(k->journal);
	while (k->oldest)
		forget(k, k->oldest);
	free(k);
}

bool knowns_are_kept(const struct knowns *k)
{
	return k->journal != NULL;
}

int knowns_take_unsynced(struct knowns *k)
{
	return journal_take_unsynced(k->journal);
}

const struct known *knowns_find(struct knowns *k, uint64_t id)
{
	return find(k, id);
}

const struct known *knowns_add(struct knowns *k, const struct journal_record *record)
{
	struct known *known = find(k, record->id);

	if (known) {
		unlink_used(k, known);
		make_newest(k, known);
		return known;
	}
	known = remember(k, record);
	if (!known)
		return NULL;
	if (journal_records(k->journal) >= 2 * KNOWN_MOST && !journal_is_damaged(k->journal))
		rewrite(k);
	else
		journal_add(k->journal, record);
	return known;
}
