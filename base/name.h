/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BASE_NAME_H
#define GOALFS_BASE_NAME_H

#include <stdbool.h>

/* The bytes that templates' names are made of: safe in file names, URIs and qemu's options. */
#define TEMPLATE_NAME_BYTES "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

/* The longest: an architecture, a size, a format and ".plan" still fit behind it in a file name of 255. */
#define TEMPLATE_NAME_MAX 200

/*
 * Whether the text can be a template's name: of those bytes, not "." nor "..",
 * not too long. The goal grammar and the library share this rule.
 */
bool template_name_ok(const char *name);

#endif
