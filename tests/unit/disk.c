/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/test.h"

#include "tests/unit/disk.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "tests/unit/memimage.h"

static char dir[64];

/* Descriptors of open disks: memimage borrows them, the teardown closes them. */
static int opened[256];
static unsigned n_opened;

int disk_dir_setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)snprintf(dir, sizeof(dir), "%s/goalfs-test-XXXXXX", tmp ? tmp : "/tmp");
	return mkdtemp(dir) ? 0 : -1;
}

int disk_dir_teardown(void **state)
{
	while (n_opened)
		(void)close(opened[--n_opened]);
	return sh_status("rm -rf '%s'", dir);
}

const char *disk_path(const char *name)
{
	static char paths[8][128];
	static unsigned next;
	char *path = paths[next++ % 8];

	(void)snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

/* With `cd` to the directory before it. */
__attribute__((format(printf, 1, 0))) static char *in_dir(const char *format, va_list ap)
{
	_cleanup_free_ char *command = NULL;
	char *line;

	if (vasprintf(&command, format, ap) < 0 ||
	    asprintf(&line, "cd '%s' && export PATH=\"$PATH:/usr/sbin:/sbin\" && { %s\n}", dir, command) < 0)
		abort();
	return line;
}

static int run(const char *line)
{
	int status = system(line);

	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int sh_status(const char *format, ...)
{
	_cleanup_free_ char *line = NULL;
	va_list ap;

	va_start(ap, format);
	line = in_dir(format, ap);
	va_end(ap);
	return run(line);
}

void sh(const char *format, ...)
{
	_cleanup_free_ char *line = NULL;
	va_list ap;

	va_start(ap, format);
	line = in_dir(format, ap);
	va_end(ap);
	if (run(line) != 0)
		fail_msg("failed: %s", line);
}

char *sh_text(const char *format, ...)
{
	_cleanup_free_ char *line = NULL;
	char *text = NULL;
	size_t room = 0;
	va_list ap;
	FILE *f;

	va_start(ap, format);
	line = in_dir(format, ap);
	va_end(ap);
	f = popen(line, "r");
	if (!f || getdelim(&text, &room, '\0', f) < 0) {
		free(text);
		text = strdup("");
	}
	if (!f || pclose(f) != 0)
		fail_msg("failed: %s", line);
	return text;
}

struct image *disk_open(const char *name)
{
	int fd = open(disk_path(name), O_RDONLY | O_CLOEXEC);

	if (fd < 0 || n_opened == sizeof(opened) / sizeof(*opened))
		fail_msg("%s can't be opened", name);
	opened[n_opened++] = fd;
	return fdimage_new(fd, 0);
}

void disk_save(struct image *img, const char *name)
{
	int r = unlink(disk_path(name)) < 0 && errno != ENOENT ? -errno : testimage_save(img, disk_path(name));

	if (r < 0)
		fail_msg("%s can't be saved: %s", name, strerror(-r));
}
