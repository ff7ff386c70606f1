/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The library over real servers: fetched, kept, asked again, refused. */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/library/private.h"
#include "backends/net/first.h"
#include "base/lock.h"
#include "base/log.h"
#include "tests/unit/far.h"
#include "tests/unit/gpghome.h"

#define SUM8 "0123456789abcdef"
#define SUM  SUM8 SUM8 SUM8 SUM8 SUM8 SUM8 SUM8 SUM8

#define ENTRY(name, file) "[" name "]\nname=The " name "\narch=x86_64\nsize=1048576\nfile=" file "\n"
#define A		  ENTRY("a", "a.xz") "checksum[sha512]=" SUM "\n\n"
#define B		  ENTRY("b", "sub dir/b.img") "\n"
#define C		  ENTRY("c", "c.xz") "\n"

/* Messages of "good" and "other", and their keys. */
static const char script[] =
	"for name in good other; do past --quick-generate-key $name ed25519 cert,sign never; "
	"done\n"
	"printf '" A B "' >text\n"
	"for name in good other; do\n"
	"	clear $name -u $name\n"
	"	g -o $name.key --armor --export $name\n"
	"done\n"
	"printf '" C "' >text\n"
	"clear later -u good\n"
	"clear evil -u other\n";

static char home[GPGHOME_MAX];

static int setup_group(void **state)
{
	return gpghome_set_up(script, home);
}

static int teardown_group(void **state)
{
	return gpghome_tear_down(home);
}

struct world {
	struct far *far;
	int kept;
	bool watches; /* as a mount does */
	bool checks;
	const char *key; /* the library borrows it */
	struct source_config config;
	struct library *lib;

	pthread_mutex_t lock;
	struct text heard; /* " NAME NAME "; guarded */
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	_cleanup_free_ char *kept = NULL;

	w->far = far_new();
	w->far->options.tries = 2;
	kept = text_new("%s/kept", w->far->bench->dir);
	assert_int_equal(mkdir(kept, 0700), 0);
	w->kept = open(kept, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(w->kept >= 0);
	(void)pthread_mutex_init(&w->lock, NULL);
	far_serve(w->far, NULL);
	far_open_net(w->far);
	*state = w;
	return 0;
}

static void close_library(struct world *w)
{
	library_close(w->lib);
	w->lib = NULL;
	text_done(&w->heard);
	w->heard = TEXT_EMPTY;
}

static int teardown(void **state)
{
	struct world *w = *state;

	close_library(w);
	source_config_done(&w->config);
	far_free(w->far);
	(void)close(w->kept);
	free(w);
	return 0;
}

static void hear(void *arg, const char *name)
{
	struct world *w = arg;
	LOCKED(&w->lock);

	text_add(&w->heard, " %s ", name ? name : "*");
}

static bool was_heard(struct world *w, const char *name)
{
	_cleanup_free_ char *padded = text_new(" %s ", name);
	LOCKED(&w->lock);

	return w->heard.chars && strstr(w->heard.chars, padded);
}

static void await_heard(struct world *w, const char *name)
{
	while (!was_heard(w, name))
		(void)usleep(1000);
}

static void put(struct world *w, const char *name, const char *text)
{
	far_put(w->far, name, text, strlen(text));
}

/* What gpg made, put where the server finds it. */
static void put_made(struct world *w, const char *made)
{
	_cleanup_free_ char *command = text_new("cp '%s' '%s/tmp' && mv '%s/tmp' '%s/index.asc'", made,
						w->far->www, w->far->www, w->far->www);

	assert_int_equal(gpghome_run(command), 0);
}

static int try_open(struct world *w, const char *const *urls, size_t n, struct why *why)
{
	int r = library_open(
		&(struct library_options){
			.sources = urls,
			.n_sources = n,
			.check_signature = w->checks,
			.key_files = &w->key,
			.n_key_files = w->key != NULL,
			.net = w->far->net,
			.kept_dirfd = w->kept,
			.changed = w->watches ? hear : NULL,
			.arg = w,
		},
		&w->lib, why);

	if (r == 0 && w->watches)
		assert_int_equal(library_watch(w->lib, NULL), 0);
	return r;
}

static int open_at(struct world *w, const char *path, struct why *why)
{
	_cleanup_free_ char *url = peer_url(&w->far->peer, "%s", path);
	const char *const urls[] = { url };

	return try_open(w, urls, 1, why);
}

static void open_well(struct world *w, const char *path)
{
	struct why why = { "" };
	int r = open_at(w, path, &why);

	if (r < 0)
		fail_msg("%s", why_text(&why, r));
}

static struct template *find(struct world *w, const char *name)
{
	struct template *t = NULL;

	(void)library_find(w->lib, name, "x86_64", &t, NULL);
	return t;
}

static bool find_once(struct world *w, const char *name)
{
	struct template *t = find(w, name);

	template_unref(t);
	return t;
}

/* What is there, names in a row. */
static void assert_lists(struct world *w, const char *want)
{
	struct text have = TEXT_EMPTY;
	struct template **t;
	size_t n;

	assert_int_equal(library_list(w->lib, &t, &n), 0);
	text_add(&have, "%s", "");
	for (size_t i = 0; i < n; i++)
		text_add(&have, "%s%s", i ? " " : "", t[i]->name);
	templates_free(t, n);
	assert_string_equal(have.chars, want);
	text_done(&have);
}

/* ---- what is found ---- */

static void templates_are_found(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *url = NULL;
	struct template *t;

	put(w, "index", A B);
	open_well(w, "/index");
	assert_int_equal(far_stats(w->far).requests, 1);
	assert_lists(w, "a b");
	t = find(w, "a");
	url = peer_url(&w->far->peer, "/a.xz");
	assert_string_equal(t->url, url);
	assert_string_equal(t->title, "The a");
	assert_int_equal(t->size, 1048576);
	assert_string_equal(t->claim, "sha512:" SUM);
	assert_true(t->mtime.tv_sec > 1700000000);
	/* Nobody has looked at it. */
	assert_null(t->identity);
	assert_null(template_met(t));
	template_unref(t);
	t = find(w, "b");
	free(url);
	url = peer_url(&w->far->peer, "/sub%%20dir/b.img");
	assert_string_equal(t->url, url);
	assert_null(t->claim);
	template_unref(t);
	assert_int_equal(far_stats(w->far).requests, 0);
}

static void what_leads_out_costs_its_entry(void **state)
{
	struct world *w = *state;

	put(w, "index",
	    ENTRY("up", "../x.xz") "\n" ENTRY("root", "/x.xz") "\n" ENTRY(
		    "away", "http://example.org/x.xz") "\n" A ENTRY("in", "a/../../x.xz") "\n" B);
	open_well(w, "/index");
	assert_lists(w, "a b");
}

static void an_index_that_is_none(void **state)
{
	struct world *w = *state;
	struct why why = { "" };

	put(w, "index", "<html>Sign in to the hotel's network</html>\n");
	assert_true(open_at(w, "/index", &why) < 0);
	assert_non_null(strstr(why.text, "/index"));
	/* And it is not kept. */
	assert_true(open_at(w, "/fault/status:503/index", &why) < 0);
}

/* ---- asking again ---- */

/* Until that many requests have been made since far_stats. */
static void await_requests(struct world *w, unsigned n)
{
	while (far_peek(w->far).requests < n)
		(void)usleep(1000);
}

static void refresh(struct world *w, unsigned requests)
{
	library_refresh(w->lib);
	await_requests(w, requests);
}

static void what_is_unchanged_is_not_sent_again(void **state)
{
	struct world *w = *state;
	struct template *t, *same;

	w->watches = true;
	put(w, "index", A B);
	open_well(w, "/index");
	t = find(w, "a");
	(void)far_stats(w->far);
	refresh(w, 1);
	/* Another round behind it says that the first one is over. */
	put(w, "index", A B C);
	library_refresh(w->lib);
	await_heard(w, "c");
	assert_false(was_heard(w, "a"));
	assert_false(was_heard(w, "b"));
	same = find(w, "a");
	assert_ptr_equal(same, t);
	template_unref(same);
	template_unref(t);
	assert_int_equal(far_stats(w->far).bytes, strlen(A B C));
}

static void changes_are_told_by_name(void **state)
{
	struct world *w = *state;

	w->watches = true;
	put(w, "index", A B);
	open_well(w, "/index");
	put(w, "index", A C);
	library_refresh(w->lib);
	await_heard(w, "b");
	await_heard(w, "c");
	assert_false(was_heard(w, "a"));
	assert_lists(w, "a c");
}

/* It would be asked for again, and be another one to whoever has it open. */
static void what_was_met_stays_met(void **state)
{
	struct world *w = *state;
	struct template *t, *met, *again, *same;
	struct object *o = calloc(1, sizeof(*o));

	w->watches = true;
	put(w, "index", A B);
	open_well(w, "/index");
	t = find(w, "a");
	*o = (struct object){ .url = strdup(t->url), .etag = strdup("\"1\""), .length = 5, .mtime = -1 };
	assert_int_equal(template_meet(t, o, &met, NULL), 0);
	put(w, "index", "# of today\n" A C);
	library_refresh(w->lib);
	await_heard(w, "c");
	same = find(w, "a");
	assert_ptr_equal(same, t);
	again = template_met(same);
	assert_ptr_equal(again, met);
	template_unref(again);
	template_unref(same);
	/* With another checksum it is another file. */
	put(w, "index",
	    ENTRY("a", "a.xz") "checksum[sha512]=f"
			       "edcba9876543210" SUM8 SUM8 SUM8 SUM8 SUM8 SUM8 SUM8 "\n");
	library_refresh(w->lib);
	await_heard(w, "a");
	same = find(w, "a");
	assert_ptr_not_equal(same, t);
	assert_null(template_met(same));
	template_unref(same);
	template_unref(met);
	template_unref(t);
}

/* ---- down ---- */

static void without_server_and_copy(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *url = peer_url(&w->far->peer, "/index");
	const char *const urls[] = { url };
	struct why why = { "" };

	peer_stop(&w->far->peer);
	assert_int_equal(try_open(w, urls, 1, &why), -EHOSTUNREACH);
	assert_non_null(strstr(why.text, "can't be reached"));
	/* A mount goes on asking. */
	w->watches = true;
	assert_int_equal(try_open(w, urls, 1, &why), 0);
	assert_lists(w, "");
}

static void the_kept_copy_stands_in(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *url = peer_url(&w->far->peer, "/index");
	const char *const urls[] = { url };
	struct template *t;
	struct timespec mtime;

	put(w, "index", A B);
	open_well(w, "/index");
	t = find(w, "a");
	mtime = t->mtime;
	template_unref(t);
	close_library(w);
	peer_stop(&w->far->peer);
	for (int i = 0; i < 2; i++) {
		w->watches = i;
		assert_int_equal(try_open(w, urls, 1, NULL), 0);
		assert_lists(w, "a b");
		t = find(w, "a");
		assert_int_equal(t->mtime.tv_sec, mtime.tv_sec);
		template_unref(t);
		close_library(w);
	}
}

/* A restart asks whether there is a newer one, and takes what it has if not. */
static void the_kept_copy_saves_the_bytes(void **state)
{
	struct world *w = *state;
	struct far_stats s;

	put(w, "index", A B);
	open_well(w, "/index");
	close_library(w);
	(void)far_stats(w->far);
	open_well(w, "/index");
	assert_lists(w, "a b");
	s = far_stats(w->far);
	assert_int_equal(s.requests, 1);
	assert_int_equal(s.bytes, 0);
	close_library(w);
	put(w, "index", C);
	open_well(w, "/index");
	assert_lists(w, "c");
}

static void nothing_is_kept_nowhere(void **state)
{
	struct world *w = *state;
	int kept = w->kept;

	w->kept = -1;
	put(w, "index", A B);
	open_well(w, "/index");
	close_library(w);
	(void)far_stats(w->far);
	open_well(w, "/index");
	assert_int_equal(far_stats(w->far).bytes, strlen(A B));
	w->kept = kept;
}

static void a_server_comes_back(void **state)
{
	struct world *w = *state;

	w->watches = true;
	put(w, "index", A B);
	open_well(w, "/fault/status:503,2/index");
	assert_lists(w, "");
	library_refresh(w->lib);
	await_heard(w, "a");
	await_heard(w, "b");
	assert_lists(w, "a b");
}

/* What was known stays, and says nothing new. */
static void a_server_goes_away(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *path = text_new("%s/index", w->far->www);

	w->watches = true;
	put(w, "index", A B);
	open_well(w, "/index");
	assert_int_equal(remove(path), 0);
	(void)far_stats(w->far);
	refresh(w, 1);
	put(w, "index", A B C);
	library_refresh(w->lib);
	await_heard(w, "c");
	assert_false(was_heard(w, "a"));
	assert_lists(w, "a b c");
}

static void one_of_two_is_down(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *good = peer_url(&w->far->peer, "/index");
	_cleanup_free_ char *bad = peer_url(&w->far->peer, "/fault/status:503/index");
	_cleanup_free_ char *none = peer_url(&w->far->peer, "/no-such-index");
	const char *const urls[] = { bad, good, none };

	put(w, "index", A B);
	for (int i = 0; i < 2; i++) {
		w->watches = i;
		assert_int_equal(try_open(w, urls, 3, NULL), 0);
		assert_lists(w, "a b");
		close_library(w);
	}
}

/* A mount that could never show anything had better say so. */
static void what_is_refused_for_good_is_an_error(void **state)
{
	struct world *w = *state;
	struct why why = { "" };

	for (int i = 0; i < 2; i++) {
		w->watches = i;
		assert_int_equal(open_at(w, "/no-such-index", &why), -ENOENT);
		assert_non_null(strstr(why.text, "answers 404"));
		assert_null(w->lib);
	}
}

static void a_source_that_stalls_can_be_left(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *stalls = peer_url(&w->far->peer, "/fault/stall:-1/index");
	struct source_config config = { .uri = stalls };
	struct given text = { .text = stalls, .leaf = (char *)"index" };
	const struct online_options options = {
		.config = &config,
		.text = &text,
		.kept_dirfd = -1,
		.bell = -1,
	};
	struct online_options o = options;
	struct online *online;
	struct found found;

	far_close_net(w->far);
	w->far->options.stall_ms = 3600 * 1000;
	far_open_net(w->far);
	o.net = w->far->net;
	assert_int_equal(online_new(&o, &online, NULL), 0);
	assert_false(online_wait(online, 0));
	assert_false(online_take(online, &found));
	online_free(online);
}

/* ---- a single file ---- */

/* Whatever stands behind them, these bytes are an xz file's first. */
#define XZ_HEAD \
	"\xfd"  \
	"7zXZ\0\0\4"

static void put_xz(struct world *w, const char *name)
{
	far_put(w->far, name, XZ_HEAD, sizeof(XZ_HEAD) - 1);
}

static void one_file_is_asked_for_once(void **state)
{
	struct world *w = *state;
	_cleanup_(net_first_done) struct net_first first = { 0 };
	struct template *t;

	put(w, "a (b).iso", "what counts as one by its name");
	open_well(w, "/a%20(b).iso?download=1");
	assert_lists(w, "a-b");
	assert_int_equal(far_stats(w->far).requests, 1);
	t = find(w, "a-b");
	assert_string_equal(t->format, "iso");
	assert_string_equal(strrchr(t->path, '/'), "/a%20(b).iso?...");
	assert_true(t->mtime.tv_sec > 1700000000);
	assert_non_null(t->seen);
	assert_null(t->claim);
	/* What was heard is for the first who wants to know. */
	assert_true(template_take_first(t, &first));
	assert_int_equal(first.count, strlen("what counts as one by its name"));
	assert_int_equal(first.object->length, first.count);
	net_first_done(&first);
	assert_false(template_take_first(t, &first));
	template_unref(t);
}

static void bytes_decide_where_the_name_does_not(void **state)
{
	struct world *w = *state;
	char disk[32 * 1024 + 2048] = "";

	memcpy(disk + 32 * 1024 + 1, "CD001", 5);
	far_put(w->far, "download", disk, sizeof(disk));
	put(w, "catalogue", A B);
	put(w, "A.B.TXT", "\xef\xbb\xbf \n# of today\n" C);
	for (int i = 0; i < 2; i++) { /* the second time from what was kept */
		struct template *t;

		open_well(w, "/download");
		assert_lists(w, "download");
		t = find(w, "download");
		assert_string_equal(t->format, "iso");
		template_unref(t);
		close_library(w);
		open_well(w, "/catalogue");
		assert_lists(w, "a b");
		close_library(w);
	}
	(void)far_stats(w->far);
	open_well(w, "/download");
	assert_int_equal(far_stats(w->far).bytes, 0);
}

static void a_large_file_without_a_telling_name_is_not_fetched(void **state)
{
	struct world *w = *state;

	/* More than any index has. */
	far_write(w->far, 80 << 20, 1);
	open_well(w, "/file");
	assert_lists(w, "file");
	assert_true(far_stats(w->far).bytes < 4 << 20); /* with what a closed connection swallowed */
}

static void what_becomes_an_index_is_one(void **state)
{
	struct world *w = *state;

	w->watches = true;
	put_xz(w, "thing");
	open_well(w, "/thing");
	assert_lists(w, "thing");
	put(w, "thing", A B);
	library_refresh(w->lib);
	await_heard(w, "a");
	assert_lists(w, "a b");
	put_xz(w, "thing");
	library_refresh(w->lib);
	while (!find_once(w, "thing"))
		(void)usleep(1000);
	assert_lists(w, "thing");
}

static void assert_no_source(struct world *w, const char *path, const char *part)
{
	struct why why = { "" };

	assert_true(open_at(w, path, &why) < 0);
	if (!strstr(why.text, part))
		fail_msg("%s", why.text);
}

static void a_file_that_cannot_be_is_refused(void **state)
{
	struct world *w = *state;
	const char page[] = "\n<!doctype HTML>\n<a href=\"f.iso\">f.iso</a>\n";

	/* As a mount has it, too: it is no matter of waiting. */
	w->watches = true;
	put(w, "f.iso", page);
	put(w, "list", page);
	put(w, "f.xz", "no xz");
	put(w, "f.zip", "PK\003\004");
	put(w, "f.nbd", "[ rm -rf / ]");
	put(w, "e.iso", "");
	put_xz(w, "()");
	put_xz(w, "index");
	assert_no_source(w, "/f.iso", "/f.iso' is a page of HTML or XML, neither an index nor a disk");
	assert_no_source(w, "/list", "/list' is a page of HTML or XML, neither an index nor a disk");
	assert_no_source(w, "/f.xz", "/f.xz' should be xz data by its name, and is not");
	assert_no_source(w, "/f.zip", "/f.zip' is zip data");
	assert_no_source(w, "/f.nbd", "is read from this machine only");
	assert_no_source(w, "/e.iso", "/e.iso' is empty");
	assert_no_source(w, "/()", "of '()' nothing can be used");
	assert_no_source(w, "/absent.iso", "404");
	assert_no_source(w, "/index", "/index' is not a virt-builder index");
	assert_no_source(w, "/f.xz#sha256=12", "sha256 '12' is not a SHA-256");
	assert_no_source(w, "/f.xz#top", "'#top' behind a source is no checksum");
	assert_no_source(w, "/index#sha256=" SUM8 SUM8 SUM8 SUM8,
			 "a checksum goes with a single template file");
}

static void a_checksum_makes_a_claim(void **state)
{
	struct world *w = *state;
	struct template *t;

	put_xz(w, "f");
	open_well(w, "/f#sha512=" SUM);
	assert_lists(w, "f");
	t = find(w, "f");
	assert_string_equal(t->claim, "sha512:" SUM);
	assert_null(strchr(t->url, '#'));
	assert_null(strchr(t->path, '#'));
	template_unref(t);
	close_library(w);
	open_well(w, "/f#sha256=" SUM8 SUM8 SUM8 SUM8);
	t = find(w, "f");
	assert_string_equal(t->claim, "sha256:" SUM8 SUM8 SUM8 SUM8);
	template_unref(t);
	close_library(w);
	/* Whatever it looks like, it is not believed as an index that nobody has checked. */
	put(w, "catalogue", A B);
	open_well(w, "/catalogue#sha256=" SUM8 SUM8 SUM8 SUM8);
	assert_lists(w, "catalogue");
}

static void one_file_follows_its_server(void **state)
{
	struct world *w = *state;
	struct template *t, *same;
	struct far_stats s;

	w->watches = true;
	put_xz(w, "f.xz");
	open_well(w, "/f.xz");
	t = find(w, "f");
	(void)far_stats(w->far);
	refresh(w, 1);
	refresh(w, 2);
	/* The first of the two is over; nothing was sent, and it is the same as before. */
	s = far_stats(w->far);
	assert_int_equal(s.bytes, 0);
	assert_false(was_heard(w, "f"));
	far_put(w->far, "f.xz", XZ_HEAD " other", sizeof(XZ_HEAD) + 5);
	library_refresh(w->lib);
	await_heard(w, "f");
	same = find(w, "f");
	assert_ptr_not_equal(same, t);
	assert_string_not_equal(same->seen, t->seen);
	template_unref(same);
	template_unref(t);
}

/* Nothing is kept; but what it turned out to be is still known to those who have it open. */
static void a_server_that_goes_away_takes_no_file_with_it(void **state)
{
	struct world *w = *state;
	int kept = w->kept;
	struct template *t, *same;

	w->kept = -1;
	w->watches = true;
	put_xz(w, "f.xz");
	open_well(w, "/f.xz");
	t = find(w, "f");
	peer_stop(&w->far->peer);
	library_refresh(w->lib);
	while (!w->lib->source[0].said.lines.chars)
		(void)usleep(1000);
	same = find(w, "f");
	assert_ptr_equal(same, t);
	template_unref(same);
	template_unref(t);
	w->kept = kept;
}

static void one_file_whose_server_is_away(void **state)
{
	struct world *w = *state;
	struct template *t;
	struct why why = { "" };

	w->watches = true;
	put_xz(w, "f.xz");
	/* By its name it is there; whoever asks for its bytes hears why they can't come. */
	open_well(w, "/fault/status:503,2/f.xz");
	assert_lists(w, "f");
	t = find(w, "f");
	assert_null(t->seen);
	template_unref(t);
	assert_non_null(strstr(w->lib->source[0].said.lines.chars, "its server is asked again"));
	library_refresh(w->lib);
	await_heard(w, "f");
	t = find(w, "f");
	assert_non_null(t->seen);
	template_unref(t);
	close_library(w);
	/* What an unclear name stands for nobody knows, unless it was there before. */
	assert_int_equal(open_at(w, "/fault/status:503,2/thing", &why), 0);
	assert_lists(w, "");
	put_xz(w, "thing");
	library_refresh(w->lib);
	await_heard(w, "thing");
	close_library(w);
	peer_stop(&w->far->peer);
	open_well(w, "/fault/status:503,2/thing");
	assert_lists(w, "thing");
}

/* ---- signatures ---- */

static void what_is_signed_well_is_believed(void **state)
{
	struct world *w = *state;

	w->checks = true;
	w->key = "good.key";
	put_made(w, "good.asc");
	open_well(w, "/index.asc");
	assert_lists(w, "a b");
	close_library(w);
	/* What was kept is what was signed: it is checked again. */
	(void)far_stats(w->far);
	open_well(w, "/index.asc");
	assert_int_equal(far_stats(w->far).bytes, 0);
	assert_lists(w, "a b");
}

/* A server that says "unchanged" must not leave us with it. */
static void a_damaged_copy_is_fetched_again(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *command =
		text_new("printf x | dd of=\"$(echo '%s'/kept/*.index)\" bs=1 seek=300 conv=notrunc 2>>log",
			 w->far->bench->dir);

	w->checks = true;
	w->key = "good.key";
	put_made(w, "good.asc");
	open_well(w, "/index.asc");
	close_library(w);
	assert_int_equal(gpghome_run(command), 0);
	open_well(w, "/index.asc");
	assert_lists(w, "a b");
}

static void assert_refused(struct world *w, const char *path, int error, const char *part)
{
	struct why why = { "" };
	int r = open_at(w, path, &why);

	if (r != error || !strstr(why.text, part))
		fail_msg("%d: %s", r, why.text);
	assert_null(w->lib);
}

static void what_is_not_is_refused(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 2; i++) {
		w->watches = i;
		w->checks = true;
		w->key = "good.key";
		put_made(w, "other.asc");
		assert_refused(w, "/index.asc", -EACCES, "none of the keys given");
		put(w, "index", A B);
		assert_refused(w, "/index", -EBADMSG, "is not signed");
		/* Whose name says nothing can't be exchanged for a disk. */
		put_xz(w, "signed");
		assert_refused(w, "/signed", -EBADMSG, "is not clear-signed");
		assert_int_equal(gpghome_run("sed 's/^name=The a/name=Not a/' good.asc >tampered.asc"), 0);
		put_made(w, "tampered.asc");
		assert_refused(w, "/index.asc", -EBADMSG, "bad signature");
		w->key = NULL;
		put_made(w, "good.asc");
		assert_refused(w, "/index.asc", -EACCES, "is signed, but no key was given");
		w->checks = false;
		open_well(w, "/index.asc");
		assert_lists(w, "a b");
		close_library(w);
		/* What nobody has checked is kept, but not believed by who checks. */
		put_made(w, "other.asc");
		open_well(w, "/index.asc");
		close_library(w);
		w->checks = true;
		w->key = "good.key";
		assert_refused(w, "/index.asc", -EACCES, "none of the keys given");
		put_made(w, "good.asc");
		open_well(w, "/index.asc");
		close_library(w);
	}
}

static void a_forgery_does_not_displace_what_was_known(void **state)
{
	struct world *w = *state;

	w->watches = w->checks = true;
	w->key = "good.key";
	put_made(w, "good.asc");
	open_well(w, "/index.asc");
	(void)far_stats(w->far);
	put_made(w, "evil.asc");
	refresh(w, 1);
	put_made(w, "later.asc");
	library_refresh(w->lib);
	await_heard(w, "c");
	assert_true(was_heard(w, "a")); /* gone with the later one */
	assert_lists(w, "c");
	close_library(w);
	/* Nor what was kept. */
	put_made(w, "evil.asc");
	assert_refused(w, "/index.asc", -EACCES, "none of the keys given");
	w->watches = false;
	{
		_cleanup_free_ char *url = peer_url(&w->far->peer, "/index.asc");
		const char *const urls[] = { url };

		peer_stop(&w->far->peer);
		assert_int_equal(try_open(w, urls, 1, NULL), 0);
	}
	assert_lists(w, "c");
}

/* ---- simplestreams ---- */

#define PRODUCTS "com.ubuntu.cloud:released:download.json"

/* The tree of the parser's corpus. */
static void put_tree(struct world *w)
{
	_cleanup_free_ char *from = source_path("tests/fuzz/corpus/streams");
	_cleanup_free_ char *command = text_new("cd '%s' && mkdir -p streams/v1 && cp '%s/ubuntu-index' "
						"streams/v1/index.json && cp '%s/ubuntu' streams/v1/" PRODUCTS,
						w->far->www, from, from);

	assert_int_equal(gpghome_run(command), 0);
}

static int open_streams(struct world *w, struct why *why)
{
	_cleanup_free_ char *url = peer_url(&w->far->peer, "/");
	/* Borrowed by the library: it is closed before. */
	struct source_config *config = &w->config;

	source_config_done(config);
	*config = (struct source_config){
		.name = strdup("ubuntu"),
		.where = strdup("a.conf:1"),
		.uri = take(url),
		.proxy = strdup(""),
		.format = SOURCE_SIMPLESTREAMS,
	};
	return library_open(
		&(struct library_options){
			.configs = config, .n_configs = 1, .net = w->far->net, .kept_dirfd = w->kept },
		&w->lib, why);
}

static void streams_are_fetched_and_kept(void **state)
{
	struct world *w = *state;
	struct template *t;

	put_tree(w);
	assert_int_equal(open_streams(w, NULL), 0);
	assert_int_equal(far_stats(w->far).requests, 2);
	assert_int_equal(library_find(w->lib, "ubuntu-noble-24.04-amd64-server-20240423", "x86_64", &t, NULL),
			 0);
	assert_non_null(strstr(t->url, "/server/releases/noble/release-20240423/ubuntu-24.04-server-"));
	assert_string_equal(t->claim,
			    "sha256:32a9d30d18803da72f5936cf2b7b9efcb4d0bb63c67933f17e3bdfd1751de3f3");
	template_unref(t);
	close_library(w);
	assert_int_equal(open_streams(w, NULL), 0);
	assert_int_equal(far_stats(w->far).bytes, 0);
	close_library(w);
	peer_stop(&w->far->peer);
	assert_int_equal(open_streams(w, NULL), 0);
	assert_int_equal(library_find(w->lib, "ubuntu-noble-24.04-amd64-server-20240423", "x86_64", &t, NULL),
			 0);
	template_unref(t);
}

static void streams_that_are_not_complete(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *path = text_new("%s/streams/v1/" PRODUCTS, w->far->www);
	struct why why = { "" };

	put_tree(w);
	assert_int_equal(remove(path), 0);
	assert_int_equal(open_streams(w, &why), -ENOENT);
	assert_non_null(strstr(why.text, "answers 404"));
}

/* ---- a real server ---- */

static void nginx_serves_as_well(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *prefix = text_new("%s/nginx", w->far->bench->dir);
	struct peer nginx = peer_nginx(prefix, w->far->www);
	_cleanup_free_ char *url = NULL, *moved = peer_url(&nginx, "/moved/index");
	const char *const urls[] = { moved };
	struct template *t;

	put(w, "index", A B);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(try_open(w, urls, 1, NULL), 0);
		assert_lists(w, "a b");
		/* Below what was asked for, not below where that led. */
		t = find(w, "a");
		free(url);
		url = peer_url(&nginx, "/moved/a.xz");
		assert_string_equal(t->url, url);
		template_unref(t);
		close_library(w);
	}
	peer_stop(&nginx);
	assert_int_equal(try_open(w, urls, 1, NULL), 0);
	assert_lists(w, "a b");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(templates_are_found),
		TEST(what_leads_out_costs_its_entry),
		TEST(an_index_that_is_none),
		TEST(what_is_unchanged_is_not_sent_again),
		TEST(changes_are_told_by_name),
		TEST(what_was_met_stays_met),
		TEST(without_server_and_copy),
		TEST(the_kept_copy_stands_in),
		TEST(the_kept_copy_saves_the_bytes),
		TEST(nothing_is_kept_nowhere),
		TEST(a_server_comes_back),
		TEST(a_server_goes_away),
		TEST(one_of_two_is_down),
		TEST(what_is_refused_for_good_is_an_error),
		TEST(a_source_that_stalls_can_be_left),
		TEST(one_file_is_asked_for_once),
		TEST(bytes_decide_where_the_name_does_not),
		TEST(a_large_file_without_a_telling_name_is_not_fetched),
		TEST(what_becomes_an_index_is_one),
		TEST(a_file_that_cannot_be_is_refused),
		TEST(a_checksum_makes_a_claim),
		TEST(one_file_follows_its_server),
		TEST(a_server_that_goes_away_takes_no_file_with_it),
		TEST(one_file_whose_server_is_away),
		TEST(what_is_signed_well_is_believed),
		TEST(a_damaged_copy_is_fetched_again),
		TEST(what_is_not_is_refused),
		TEST(a_forgery_does_not_displace_what_was_known),
		TEST(streams_are_fetched_and_kept),
		TEST(streams_that_are_not_complete),
		TEST(nginx_serves_as_well),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
