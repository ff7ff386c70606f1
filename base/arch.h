/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BASE_ARCH_H
#define GOALFS_BASE_ARCH_H

/*
 * Names of architectures. The normal form is uname's, with the names that
 * virt-builder, Debian and Go use for the same machine folded into it.
 */

/* The normal form ("amd64" is "x86_64", "i686" is "i386"), constant; NULL when `name` is not the name of one.
 */
const char *arch_normal(const char *name);

/* Every normal form, sorted, NULL-terminated: for --help, completions and the manual's test. */
const char *const *arch_known(void);

/* This machine's, normalised; what uname says when that is no name we know. Never NULL. */
const char *arch_host(void);

#endif
