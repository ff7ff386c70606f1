/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_LIBRARY_ENDING_H
#define GOALFS_BACKENDS_LIBRARY_ENDING_H

/*
 * What a file's name says by what it ends in: NAME.qcow2.xz is a template NAME, a
 * qcow2 in an xz.
 */
#include <stdbool.h>
#include <stddef.h>

struct ending {
	size_t base;	    /* length of the name without it */
	const char *codec;  /* the outermost one; NULL: none */
	const char *format; /* a static string; NULL: it doesn't say */
	bool is_export;	    /* the file only says where the template is */
	unsigned rank;	    /* of two files for one name the lower one is cheaper to read */
};

/* False when the name doesn't end in anything that is known, or is nothing but that. */
bool ending_of(const char *name, struct ending *ret);

#endif
