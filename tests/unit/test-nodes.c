/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/known.h"
#include "fs/nodes.h"
#include "tests/unit/memimage.h"

static int dirfd = -1;
static char dir[] = "/tmp/goalfs-nodes-XXXXXX";

static int setup(void **state)
{
	if (!mkdtemp(dir))
		return -1;
	dirfd = open(dir, O_RDONLY | O_DIRECTORY);
	return dirfd < 0;
}

static int teardown(void **state)
{
	(void)unlinkat(dirfd, "nodes", 0);
	close(dirfd);
	return rmdir(dir);
}

static int forget_journal(void **state)
{
	(void)unlinkat(dirfd, "nodes", 0);
	return 0;
}

/* A text is the simplest thing a name can stand for; its identity is its content. */
static struct node *add(struct nodes *nodes, const char *name, const char *content)
{
	struct resolved r = { .text = strdup(content) };
	struct node *node = nodes_add(nodes, name, &r);

	assert_non_null(node);
	resolved_done(&r);
	return node;
}

static void test_same_name_same_content_same_id(void **state)
{
	struct nodes *a = nodes_new(-1), *b = nodes_new(-1);
	struct node *x = add(a, "x.plan", "one"), *y = add(b, "x.plan", "one");
	struct node *other = add(a, "x.plan", "two"), *named = add(a, "y.plan", "one");

	assert_true(x->id == y->id);
	assert_true(x->id != other->id);
	assert_true(x->id != named->id);
	assert_true(x->id > ROOT_ID);
	node_put(a, x);
	node_put(a, other);
	node_put(a, named);
	node_put(b, y);
	nodes_free(a);
	nodes_free(b);
}

static void test_a_node_lives_until_it_is_forgotten(void **state)
{
	struct nodes *nodes = nodes_new(-1);
	struct node *node = add(nodes, "x.plan", "one"), *again = add(nodes, "x.plan", "one");
	uint64_t id = node->id;

	assert_ptr_equal(node, again);
	node_put(nodes, node);
	node_put(nodes, again);
	nodes_forget(nodes, id, 1);
	node = nodes_get(nodes, id);
	assert_non_null(node);
	node_put(nodes, node);
	nodes_forget(nodes, id, 1);
	assert_null(nodes_get(nodes, id));
	nodes_forget(nodes, id, 1); /* once too often: harmless */
	nodes_free(nodes);
}

/* The node that stands for an image of its own, which the caller may hold, too. */
static struct node *add_image(struct nodes *nodes, struct template *t, const char *name, struct image *img)
{
	struct resolved r = { .template = template_ref(t), .image = img, .size = img->size };
	struct node *node = nodes_add(nodes, name, &r);

	assert_non_null(node);
	resolved_done(&r);
	return node;
}

static void test_images_that_nobody_has_open_are_closed(void **state)
{
	char name[] = "t", identity[] = "sha512:1";
	struct template t = { .name = name, .stands_for = identity, .refs = 1 };
	struct nodes *nodes = nodes_new(-1);
	struct node *open = add_image(nodes, &t, "t.raw", memimage_new("x", 1, 512));
	struct node *unused = add_image(nodes, &t, "t.qcow2", memimage_new("x", 1, 1024));
	struct image *held = node_image(nodes, open);

	assert_non_null(held);
	assert_true(nodes_close_unused(nodes));
	assert_null(node_image(nodes, unused));
	assert_false(nodes_close_unused(nodes));
	image_unref(held);
	held = node_image(nodes, open);
	assert_non_null(held);
	image_unref(held);
	assert_true(nodes_close_unused(nodes));
	assert_null(node_image(nodes, open));
	node_put(nodes, open);
	node_put(nodes, unused);
	nodes_free(nodes);
	assert_int_equal(t.refs, 1);
}

static void count_name(void *arg, uint64_t id, const char *name)
{
	++*(unsigned *)arg;
}

static unsigned each(struct nodes *nodes, const char *template_name)
{
	unsigned n = 0;

	assert_int_equal(nodes_each(nodes, template_name, count_name, &n), 0);
	return n;
}

/* "latest" is an alias of "debian"; a template "latest" that comes takes the name over. */
static void test_a_change_is_told_to_aliases_of_that_name(void **state)
{
	struct nodes *nodes = nodes_new(-1);
	struct template debian = { .name = (char *)"debian", .identity = (char *)"1", .refs = 1 };
	struct resolved r = { .text = strdup("notes"), .template = &debian };
	struct node *alias = nodes_add(nodes, "latest.notes", &r);

	r.text = strdup("notes");
	node_put(nodes, nodes_add(nodes, "debian.notes", &r));
	assert_non_null(alias);
	assert_int_equal(each(nodes, "latest"), 1);
	assert_int_equal(each(nodes, "debian"), 2);
	assert_int_equal(each(nodes, "late"), 0);
	assert_int_equal(each(nodes, NULL), 2);
	node_put(nodes, alias);
	nodes_free(nodes);
}

static void test_many_are_told_of_a_change(void **state)
{
	struct nodes *nodes = nodes_new(-1);
	char name[32];

	for (int i = 0; i < 1000; i++) {
		(void)snprintf(name, sizeof(name), "x%d.plan", i);
		node_put(nodes, add(nodes, name, "one"));
	}
	assert_int_equal(each(nodes, NULL), 1000);
	nodes_free(nodes);
}

static void test_ids_are_known_after_a_restart(void **state)
{
	struct nodes *nodes = nodes_new(dirfd);
	struct node *node = add(nodes, "x.plan", "one");
	uint64_t id = node->id;
	char *name;

	node_put(nodes, node);
	nodes_free(nodes);
	nodes = nodes_new(dirfd);
	assert_null(nodes_get(nodes, id));
	name = nodes_name_of(nodes, id);
	assert_non_null(name);
	assert_string_equal(name, "x.plan");
	free(name);
	assert_null(nodes_name_of(nodes, id + 1));
	nodes_free(nodes);
}

/* Whatever a crash leaves of the journal, what it gives back is right. */
static void test_a_damaged_journal_gives_no_wrong_name(void **state)
{
	struct nodes *nodes = nodes_new(dirfd);
	char whole[4096], name[64];
	uint64_t id[3];
	ssize_t size;
	int fd;

	for (int i = 0; i < 3; i++) {
		struct node *node;

		(void)snprintf(name, sizeof(name), "name-%d.plan", i);
		node = add(nodes, name, "one");
		id[i] = node->id;
		node_put(nodes, node);
	}
	nodes_free(nodes);
	fd = openat(dirfd, "nodes", O_RDWR);
	size = pread(fd, whole, sizeof(whole), 0);
	assert_true(size > 0);
	for (ssize_t flip = 0; flip < size; flip++) {
		char damaged[4096];

		memcpy(damaged, whole, size);
		damaged[flip] ^= 0x10;
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(pwrite(fd, damaged, size, 0), size);
		nodes = nodes_new(dirfd);
		for (int i = 0; i < 3; i++) {
			char *found = nodes_name_of(nodes, id[i]);

			(void)snprintf(name, sizeof(name), "name-%d.plan", i);
			if (found)
				assert_string_equal(found, name);
			free(found);
		}
		nodes_free(nodes);
	}
	close(fd);
}

static void test_what_follows_damage_is_written_over(void **state)
{
	struct nodes *nodes = nodes_new(dirfd);
	struct node *node = add(nodes, "first.plan", "one");
	uint64_t first = node->id, second;
	struct stat st;
	char *name;

	node_put(nodes, node);
	nodes_free(nodes);
	assert_int_equal(fstatat(dirfd, "nodes", &st, 0), 0);
	{
		int fd = openat(dirfd, "nodes", O_WRONLY | O_APPEND);

		assert_int_equal(write(fd, "cut short", 9), 9);
		close(fd);
	}
	nodes = nodes_new(dirfd);
	node = add(nodes, "second.plan", "one");
	second = node->id;
	node_put(nodes, node);
	nodes_free(nodes);
	nodes = nodes_new(dirfd);
	name = nodes_name_of(nodes, first);
	assert_string_equal(name, "first.plan");
	free(name);
	name = nodes_name_of(nodes, second);
	assert_string_equal(name, "second.plan");
	free(name);
	nodes_free(nodes);
}

/* Journals with a few records, as a former daemon left them. */

static void nothing_found(void *arg, const struct journal_record *record)
{
}

static void write_records(const struct journal_record *record, size_t n)
{
	struct journal *j = journal_open(dirfd, nothing_found, NULL);

	assert_non_null(j);
	for (size_t i = 0; i < n; i++)
		journal_add(j, &record[i]);
	journal_close(j);
}

static void assert_name(struct nodes *nodes, uint64_t id, const char *name)
{
	char *found = nodes_name_of(nodes, id);

	if (name)
		assert_string_equal(found, name);
	else
		assert_null(found);
	free(found);
}

static const struct journal_record three[] = {
	{ 10, 1, { 100, 1 }, "a.raw" },
	{ 20, 2, { -200, 2 }, "b@20G.qcow2" },
	{ 30, 3, { 300, 999999999 }, "c.raw" },
};

static off_t journal_size(void)
{
	struct stat st;

	assert_int_equal(fstatat(dirfd, "nodes", &st, 0), 0);
	return st.st_size;
}

static void test_damage_in_the_middle_costs_that_record_alone(void **state)
{
	struct nodes *nodes;
	off_t size;
	int fd;

	write_records(three, 3);
	size = journal_size();
	fd = openat(dirfd, "nodes", O_RDWR);
	assert_int_equal(pwrite(fd, "zzzz", 4, 16 + 36 + 5 + 20), 4);
	close(fd);
	nodes = nodes_new(dirfd);
	assert_name(nodes, 10, "a.raw");
	assert_name(nodes, 20, NULL);
	assert_name(nodes, 30, "c.raw");
	nodes_free(nodes);
	/* It was written anew, without what nobody can read. */
	assert_int_equal(journal_size(), size - 36 - 11);
}

/* A daemon that was killed while it wrote, a disk that was full, a machine whose power failed. */
static void test_a_journal_may_be_cut_short_anywhere(void **state)
{
	struct nodes *nodes;
	off_t size;

	write_records(three, 3);
	size = journal_size();
	for (off_t cut = size; cut >= 0; cut--) {
		int fd = openat(dirfd, "nodes", O_RDWR | O_TRUNC | O_CREAT, 0600);

		close(fd);
		write_records(three, 3);
		fd = openat(dirfd, "nodes", O_RDWR);
		assert_int_equal(ftruncate(fd, cut), 0);
		/* What was allocated and not written reads as zeros. */
		assert_int_equal(ftruncate(fd, cut % 2 ? cut : cut + 4096), 0);
		close(fd);
		nodes = nodes_new(dirfd);
		assert_name(nodes, 10, cut >= 16 + 41 ? "a.raw" : NULL);
		assert_name(nodes, 20, cut >= 16 + 41 + 47 ? "b@20G.qcow2" : NULL);
		assert_name(nodes, 30, cut >= size ? "c.raw" : NULL);
		nodes_free(nodes);
	}
}

static void test_a_journal_that_is_none_is_begun_anew(void **state)
{
	struct nodes *nodes;
	struct node *node;
	int fd = openat(dirfd, "nodes", O_RDWR | O_CREAT, 0600);
	uint64_t id;

	assert_int_equal(write(fd, "goalfs nodes 1\n\0more of it", 26), 26);
	close(fd);
	nodes = nodes_new(dirfd);
	node = add(nodes, "x.plan", "one");
	id = node->id;
	node_put(nodes, node);
	nodes_free(nodes);
	nodes = nodes_new(dirfd);
	assert_name(nodes, id, "x.plan");
	assert_true(nodes_are_kept(nodes));
	nodes_free(nodes);
}

static void test_where_no_journal_can_be_nothing_is_kept(void **state)
{
	struct nodes *nodes = nodes_new(-1);

	assert_false(nodes_are_kept(nodes));
	nodes_free(nodes);
	assert_int_equal(mkdirat(dirfd, "nodes", 0700), 0);
	nodes = nodes_new(dirfd);
	assert_non_null(nodes);
	assert_false(nodes_are_kept(nodes));
	node_put(nodes, add(nodes, "x.plan", "one"));
	nodes_free(nodes);
	assert_int_equal(unlinkat(dirfd, "nodes", AT_REMOVEDIR), 0);
}

/* Whoever makes up names takes neither memory nor disk without end. */
static void test_very_many_names_are_bounded(void **state)
{
	const unsigned n = 3 * KNOWN_MOST + 1000;
	struct knowns *k = knowns_new(dirfd);
	struct journal_record record = { 0 };
	char name[32], first[32];

	(void)snprintf(first, sizeof(first), "x@%u.raw", n - KNOWN_MOST + 1);
	for (unsigned i = 1; i <= n; i++) {
		record.id = 1 + i;
		record.name = name;
		(void)snprintf(name, sizeof(name), "x@%u.raw", i);
		assert_non_null(knowns_add(k, &record));
	}
	assert_null(knowns_find(k, 2));
	assert_null(knowns_find(k, 1 + n - KNOWN_MOST));
	assert_non_null(knowns_find(k, 2 + n - KNOWN_MOST));
	knowns_free(k);
	assert_in_range(journal_size(), KNOWN_MOST * 46, 2 * KNOWN_MOST * 48);
	k = knowns_new(dirfd);
	assert_null(knowns_find(k, 1 + n - KNOWN_MOST));
	assert_string_equal(knowns_find(k, 2 + n - KNOWN_MOST)->name, first);
	assert_string_equal(knowns_find(k, 1 + n)->name, name);
	knowns_free(k);
	/* What was more than that is gone from the disk, too. */
	assert_true(journal_size() <= 16 + KNOWN_MOST * 48);
}

static void test_what_is_used_is_not_forgotten(void **state)
{
	struct knowns *k = knowns_new(-1);
	struct journal_record record = { .id = 7, .name = "used.raw" };

	assert_non_null(knowns_add(k, &record));
	for (unsigned i = 0; i < 2 * KNOWN_MOST; i++) {
		record.id = 1000 + i;
		record.name = "x.raw";
		assert_non_null(knowns_add(k, &record));
		if (i % 1000 == 0) {
			record.id = 7;
			assert_non_null(knowns_add(k, &record));
		}
	}
	assert_string_equal(knowns_find(k, 7)->name, "used.raw");
	knowns_free(k);
}

/* An id is never another file's: not even if the hash says so. */
static void test_two_names_of_one_hash_have_two_ids(void **state)
{
	const uint64_t id = node_id("b.plan", "one");
	const struct journal_record first = { id, 5, { 1, 0 }, "a.raw" };
	struct nodes *nodes;
	struct node *node, *again;
	uint64_t other;

	write_records(&first, 1);
	nodes = nodes_new(dirfd);
	node = add(nodes, "b.plan", "one");
	again = add(nodes, "b.plan", "one");
	assert_ptr_equal(node, again);
	other = node->id;
	assert_true(other != id);
	assert_name(nodes, id, "a.raw");
	assert_name(nodes, other, "b.plan");
	node_put(nodes, node);
	node_put(nodes, again);
	nodes_forget(nodes, other, 2);
	nodes_free(nodes);

	/* After a restart, too, whichever comes first. */
	nodes = nodes_new(dirfd);
	node = add(nodes, "b.plan", "one");
	assert_true(node->id == other);
	node_put(nodes, node);
	assert_name(nodes, id, "a.raw");
	assert_true(nodes_know_other(nodes, id, "b.plan", "one"));
	assert_false(nodes_know_other(nodes, other, "b.plan", "one"));
	nodes_free(nodes);
}

/* NFS clients take a time that moves for new content. */
static void test_times_of_an_id_stay_over_restarts(void **state)
{
	struct nodes *nodes = nodes_new(dirfd);
	struct node *node = add(nodes, "x.plan", "one");
	const struct timespec was = node->mtime;
	struct timespec now;

	assert_true(was.tv_sec > 0);
	node_put(nodes, node);
	nodes_free(nodes);
	do
		(void)clock_gettime(CLOCK_REALTIME, &now);
	while (now.tv_sec == was.tv_sec && now.tv_nsec == was.tv_nsec);
	nodes = nodes_new(dirfd);
	node = add(nodes, "x.plan", "one");
	assert_memory_equal(&node->mtime, &was, sizeof(was));
	node_put(nodes, node);
	nodes_free(nodes);
}

/* An image that counts how often one like it was closed. */

static unsigned n_closed;

static void count_close(struct image *img)
{
	n_closed++;
	free(img);
}

static const struct image_ops counting_ops = { .name = "counting", .close = count_close };

static struct node *add_counted(struct nodes *nodes, const char *name)
{
	struct template t = { .name = (char *)"t", .stands_for = (char *)"1", .refs = 1 };
	struct resolved r = { .template = &t, .image = calloc(1, sizeof(struct image)), .size = 512 };
	struct node *node;

	assert_non_null(r.image);
	image_init(r.image, &counting_ops, 512, NULL);
	node = nodes_add(nodes, name, &r);
	assert_non_null(node);
	r.template = NULL;
	resolved_done(&r);
	return node;
}

/* What an NFS server does at each request of a client that has nothing but a handle. */
static void test_an_image_outlives_being_forgotten(void **state)
{
	struct nodes *nodes = nodes_new(-1);
	struct node *node = add_counted(nodes, "t.raw");
	uint64_t id = node->id;

	n_closed = 0;
	for (int i = 0; i < 1000; i++) {
		struct image *img = node_image(nodes, node);

		assert_non_null(img);
		node_put(nodes, node);
		image_unref(img);
		nodes_forget(nodes, id, 1);
		node = nodes_look_up(nodes, "t.raw", "1");
		assert_non_null(node);
	}
	assert_int_equal(n_closed, 0);
	nodes_let_go(nodes, node);
	assert_int_equal(n_closed, 1);
	assert_null(node_image(nodes, node));
	node_put(nodes, node);
	nodes_forget(nodes, id, 1);
	assert_null(nodes_get(nodes, id));
	nodes_free(nodes);
}

static void test_what_is_let_go_while_open_is_closed_after_the_last(void **state)
{
	struct nodes *nodes = nodes_new(-1);
	struct node *node = add_counted(nodes, "t.raw");
	struct image *img = node_image(nodes, node), *again;

	n_closed = 0;
	nodes_let_go(nodes, node);
	again = node_image(nodes, node);
	assert_ptr_equal(again, img);
	image_unref(again);
	image_unref(img);
	assert_null(node_image(nodes, node));
	assert_int_equal(n_closed, 1);
	/* What it then gets stays. */
	node_put(nodes, add_counted(nodes, "t.raw"));
	img = node_image(nodes, node);
	assert_non_null(img);
	image_unref(img);
	again = node_image(nodes, node);
	assert_ptr_equal(again, img);
	image_unref(again);
	node_put(nodes, node);
	nodes_free(nodes);
}

static void test_images_in_use_make_no_room_for_others(void **state)
{
	struct nodes *nodes = nodes_new(-1);
	struct node *used[100];
	struct image *img[100];
	char name[32];

	n_closed = 0;
	for (int i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof(name), "t@%d.raw", i);
		used[i] = add_counted(nodes, name);
		img[i] = node_image(nodes, used[i]);
	}
	for (int i = 100; i < 300; i++) {
		(void)snprintf(name, sizeof(name), "t@%d.raw", i);
		node_put(nodes, add_counted(nodes, name));
	}
	/* Of the others so many are open as may be: those came last. */
	assert_in_range(n_closed, 100, 200);
	for (int i = 0; i < 100; i++) {
		struct image *again = node_image(nodes, used[i]);

		assert_ptr_equal(again, img[i]);
		image_unref(again);
		image_unref(img[i]);
		node_put(nodes, used[i]);
	}
	nodes_close_images(nodes);
	assert_int_equal(n_closed, 300);
	nodes_free(nodes);
}

static struct resolved resolved_of_size(struct template *t, uint64_t size)
{
	return (struct resolved){ .template = template_ref(t),
				  .image = memimage_new("x", 1, size),
				  .size = size };
}

/* Told before all was checked that it was computed from, and then another one: the kernel goes on going by the first. */
static void test_another_size_is_another_node(void **state)
{
	char name[] = "t", identity[] = "sha512:1";
	struct template t = { .name = name, .stands_for = identity, .refs = 1 };
	struct nodes *nodes = nodes_new(-1);
	struct node *early = add_image(nodes, &t, "t.qcow2", memimage_new("x", 1, 512)), *right, *again;
	struct resolved r = resolved_of_size(&t, 1024);
	struct image *img = NULL;

	nodes_let_go(nodes, early);
	assert_null(node_image(nodes, early));
	assert_int_equal(node_set_image(nodes, early, &r, &img), -ESTALE);
	resolved_done(&r);
	assert_null(nodes_look_up(nodes, "t.qcow2", identity));

	right = add_image(nodes, &t, "t.qcow2", memimage_new("x", 1, 1024));
	assert_true(right->id != early->id);
	assert_int_equal(right->size, 1024);
	assert_int_equal(early->size, 512);
	again = nodes_look_up(nodes, "t.qcow2", identity);
	assert_ptr_equal(again, right);
	node_put(nodes, early);
	node_put(nodes, right);
	node_put(nodes, again);
	nodes_free(nodes);
	assert_int_equal(t.refs, 1);
}

/* Nobody has opened it meanwhile, and its image was closed. */
static void test_a_node_gets_no_image_of_another_size(void **state)
{
	char name[] = "t", identity[] = "sha512:1";
	struct template t = { .name = name, .stands_for = identity, .refs = 1 };
	struct nodes *nodes = nodes_new(-1);
	struct node *early = add_image(nodes, &t, "t.qcow2", memimage_new("x", 1, 512)), *right;
	struct image *img;

	nodes_let_go(nodes, early);
	right = add_image(nodes, &t, "t.qcow2", memimage_new("x", 1, 1024));
	assert_ptr_not_equal(right, early);
	assert_null(node_image(nodes, early));
	img = node_image(nodes, right);
	assert_int_equal(img->size, right->size);
	image_unref(img);
	node_put(nodes, early);
	node_put(nodes, right);
	nodes_free(nodes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_name_same_content_same_id),
		cmocka_unit_test(test_a_node_lives_until_it_is_forgotten),
		cmocka_unit_test(test_images_that_nobody_has_open_are_closed),
		cmocka_unit_test(test_a_change_is_told_to_aliases_of_that_name),
		cmocka_unit_test(test_many_are_told_of_a_change),
		cmocka_unit_test_setup(test_ids_are_known_after_a_restart, forget_journal),
		cmocka_unit_test_setup(test_a_damaged_journal_gives_no_wrong_name, forget_journal),
		cmocka_unit_test_setup(test_what_follows_damage_is_written_over, forget_journal),
		cmocka_unit_test_setup(test_damage_in_the_middle_costs_that_record_alone, forget_journal),
		cmocka_unit_test_setup(test_a_journal_may_be_cut_short_anywhere, forget_journal),
		cmocka_unit_test_setup(test_a_journal_that_is_none_is_begun_anew, forget_journal),
		cmocka_unit_test_setup(test_where_no_journal_can_be_nothing_is_kept, forget_journal),
		cmocka_unit_test_setup(test_very_many_names_are_bounded, forget_journal),
		cmocka_unit_test(test_what_is_used_is_not_forgotten),
		cmocka_unit_test_setup(test_two_names_of_one_hash_have_two_ids, forget_journal),
		cmocka_unit_test_setup(test_times_of_an_id_stay_over_restarts, forget_journal),
		cmocka_unit_test(test_an_image_outlives_being_forgotten),
		cmocka_unit_test(test_what_is_let_go_while_open_is_closed_after_the_last),
		cmocka_unit_test(test_images_in_use_make_no_room_for_others),
		cmocka_unit_test(test_another_size_is_another_node),
		cmocka_unit_test(test_a_node_gets_no_image_of_another_size),
	};

	return cmocka_run_group_tests_name("nodes", tests, setup, teardown);
}
