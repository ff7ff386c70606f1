/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/gpghome.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"

static const char functions[] =
	"g() { gpg --batch --quiet --no-tty --yes --passphrase '' --pinentry-mode loopback \"$@\"; }\n"
	"past() { g --faked-system-time 20200101T120000 \"$@\"; }\n"
	"later() { g --faked-system-time 20200101T130000 \"$@\"; }\n"
	"fpr() { gpg --batch --with-colons --list-keys $1 | awk -F: '/^fpr/ {print $10}' | sed -n ${2-1}p; }\n"
	"edit() { key=$1; shift; printf '%s\\n' \"$@\" save | g --command-fd 0 --edit-key $key; }\n"
	"clear() { out=$1; shift; g -o $out.asc --clearsign \"$@\" text; }\n";

int gpghome_run(const char *how)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		(void)execl("/bin/sh", "sh", "-c", how, (char *)NULL);
		_exit(127);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int make_home(const char *variable, const char *root, const char *name)
{
	_cleanup_free_ char *path = text_new("%s/%s", root, name);

	return path && mkdir(path, 0700) == 0 && setenv(variable, path, 1) == 0 ? 0 : -1;
}

int gpghome_set_up(const char *script, char root[static GPGHOME_MAX])
{
	const char *tmp = getenv("TMPDIR");
	_cleanup_free_ char *all = text_new("set -e; exec 2>log; set -x\n%s%s", functions, script);

	/* The agent's sockets lie in it, and their paths have to fit into 108 bytes. */
	(void)snprintf(root, GPGHOME_MAX, "%s/goalfs-gpg.XXXXXX", tmp && strlen(tmp) < 60 ? tmp : "/tmp");
	if (!all || !mkdtemp(root) || chdir(root) < 0 || make_home("GNUPGHOME", root, "gnupg") < 0 ||
	    make_home("HOME", root, "home") < 0 || make_home("TMPDIR", root, "tmp") < 0)
		return -1;
	if (gpghome_run(all) == 0)
		return 0;
	(void)gpghome_run("tail -n 20 log >&2");
	return -1;
}

int gpghome_tear_down(const char *root)
{
	_cleanup_free_ char *command = text_new("rm -rf '%s'", root);

	(void)gpghome_run("gpgconf --kill all; gpgconf --remove-socketdir 2>/dev/null");
	return command && chdir("/") == 0 ? gpghome_run(command) : -1;
}
