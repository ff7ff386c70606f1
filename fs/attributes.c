/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/attributes.h"

#include "base/bytes.h"

static struct timespec last_change(struct mount *m)
{
	struct timespec t;

	pthread_mutex_lock(&m->lock);
	t = m->changed;
	pthread_mutex_unlock(&m->lock);
	return t;
}

struct stat attributes_of_root(struct mount *m)
{
	struct timespec changed = last_change(m);

	return (struct stat){
		.st_ino = ROOT_ID,
		.st_mode = S_IFDIR | (0555 & ~m->umask),
		.st_nlink = 2,
		.st_uid = m->uid,
		.st_gid = m->gid,
		.st_mtim = changed,
		.st_ctim = changed,
		.st_atim = changed,
	};
}

/*
 * st_blocks tells cp whether to look for holes: it does if they hold less than
 * st_size. They count what can hold data, but never all (what is found zero
 * while decoding is a hole, too), nor nothing where there is data.
 */
static blkcnt_t blocks_of(const struct node *node)
{
	uint64_t blocks = div_up(node->data, SECTOR), most = node->size / SECTOR;

	if (most && blocks >= most)
		blocks = most - 1;
	return (blkcnt_t)(blocks ? blocks : node->data != 0);
}

struct stat attributes_of(const struct mount *m, const struct node *node)
{
	bool owned = node->template_name != NULL;

	return (struct stat){
		.st_ino = node->id,
		.st_mode = S_IFREG | ((owned ? node->mode : 0444) & ~m->umask),
		.st_nlink = 1,
		.st_uid = owned && !m->has_uid ? node->uid : m->uid,
		.st_gid = owned && !m->has_gid ? node->gid : m->gid,
		.st_size = (off_t)node->size,
		.st_blocks = blocks_of(node),
		.st_blksize = 1 << 17,
		.st_mtim = node->mtime,
		.st_ctim = node->mtime,
		.st_atim = node->mtime,
	};
}
