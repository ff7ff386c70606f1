/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

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
	};

	return cmocka_run_group_tests_name("nodes", tests, setup, teardown);
}
