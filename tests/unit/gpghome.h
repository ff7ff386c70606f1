/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_TESTS_GPGHOME_H
#define GOALFS_TESTS_GPGHOME_H

/* A home for gpg, and the tests' own keys in it. */

#define GPGHOME_MAX 128

/*
 * Makes a directory (its path in `ret`) with a home of the user, one of gpg and a
 * TMPDIR in it, enters it, and runs the script there, which has shell functions for
 * gpg:
 *
 *	g ARG...	gpg that asks nobody
 *	past ARG...	the same, on the first of January 2020; later ARG...	an hour after that
 *	fpr NAME [N]	prints the fingerprint of the first (N-th) key of that name
 *	edit NAME COMMAND...	gpg --edit-key
 *	clear OUT ARG...	clear-signs the file "text" as OUT.asc
 *
 * 0, or -1 with the end of its log on standard error.
 */
int gpghome_set_up(const char *script, char ret[static GPGHOME_MAX]);
int gpghome_tear_down(const char *root);

/* The exit status of a shell's command, -1 when there is none. */
int gpghome_run(const char *how);

#endif
