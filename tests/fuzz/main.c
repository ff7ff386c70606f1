/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Replays a corpus through a fuzz entry: every file of the directories and
 * files named on the command line. An empty corpus is a failure, so that a
 * misplaced directory does not pass for a clean run.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static unsigned replayed;

static void replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct stat st;
	uint8_t *bytes;

	if (!f || fstat(fileno(f), &st) < 0 || !(bytes = malloc(st.st_size + 1)) ||
	    fread(bytes, 1, st.st_size, f) != (size_t)st.st_size) {
		perror(path);
		exit(1);
	}
	(void)fclose(f);
	(void)LLVMFuzzerTestOneInput(bytes, st.st_size);
	free(bytes);
	replayed++;
}

static void replay(const char *path)
{
	struct dirent **names;
	struct stat st;
	int n;

	if (stat(path, &st) < 0) {
		perror(path);
		exit(1);
	}
	if (!S_ISDIR(st.st_mode)) {
		replay_file(path);
		return;
	}
	n = scandir(path, &names, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		char *inner;

		if (names[i]->d_name[0] != '.' && asprintf(&inner, "%s/%s", path, names[i]->d_name) > 0) {
			replay(inner);
			free(inner);
		}
		free(names[i]);
	}
	free(names);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	printf("%u inputs replayed\n", replayed);
	return replayed ? 0 : 1;
}
