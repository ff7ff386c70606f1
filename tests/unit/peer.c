/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/peer.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "tests/unit/test.h"

char *source_path(const char *path)
{
	const char *root = getenv("GOALFS_SOURCE_ROOT");

	return text_new("%s/%s", root ? root : ".", path);
}

/* Runs it, and reads the one or two ports that it prints first. */
static struct peer start(char *const *argv)
{
	struct peer peer = { 0 };
	int in[2], out[2];
	char line[64];
	FILE *f;

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	peer.pid = fork();
	assert_true(peer.pid >= 0);
	if (peer.pid == 0) {
		(void)dup2(in[0], STDIN_FILENO);
		(void)dup2(out[1], STDOUT_FILENO);
		(void)execvp(argv[0], argv);
		_exit(127);
	}
	(void)close(in[0]);
	(void)close(out[1]);
	peer.in = in[1];
	f = fdopen(out[0], "r");
	assert_non_null(f);
	if (!fgets(line, sizeof(line), f) || sscanf(line, "%u %u", &peer.port, &peer.secure_port) < 1)
		fail_msg("'%s' did not start", argv[1]);
	(void)fclose(f);
	return peer;
}

struct peer peer_faulty(const char *directory, const char *const *options)
{
	_cleanup_free_ char *script = source_path("tests/lib/faulty.py");
	const char *argv[16] = { "python3", script, "--stdin", directory };

	for (unsigned n = 4; options && *options && n < 15; n++)
		argv[n] = *options++;
	return start((char *const *)argv);
}

struct peer peer_ftp(const char *directory, const char *refused)
{
	_cleanup_free_ char *script = source_path("tests/lib/ftp.py");
	const char *argv[] = { "python3", script, directory, refused, NULL };

	return start((char *const *)argv);
}

struct peer peer_nginx(const char *prefix, const char *directory)
{
	_cleanup_free_ char *script = source_path("tests/lib/nginx.sh");
	const char *argv[] = { "sh", script, "run", prefix, directory, NULL };

	return start((char *const *)argv);
}

void peer_stop(struct peer *peer)
{
	if (peer->pid <= 0)
		return;
	(void)close(peer->in);
	(void)waitpid(peer->pid, NULL, 0);
	peer->pid = 0;
}

char *peer_url(const struct peer *peer, const char *format, ...)
{
	_cleanup_free_ char *rest = NULL;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vasprintf(&rest, format, ap);
	va_end(ap);
	assert_true(n >= 0);
	return text_new("http://127.0.0.1:%u%s", peer->port, rest);
}
