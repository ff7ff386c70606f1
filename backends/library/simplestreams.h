/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_LIBRARY_SIMPLESTREAMS_H
#define GOALFS_LIBRARY_SIMPLESTREAMS_H

/*
 * simplestreams, as cloud vendors publish images (format index:1.0 and
 * products:1.0; virt-builder reads them in builder/simplestreams_parser.ml). Text
 * in, entries out; opens nothing, logs nothing.
 *
 *	streams/v1/index.json    { "format": "index:1.0", "index": { ID: {
 *	                           "format": "products:1.0", "datatype": "image-downloads", "path": PATH } } }
 *	PATH                     { "format": "products:1.0", "products": { ID: {
 *	                           "arch": ..., "os": "ubuntu", "aliases": "24.04,noble", "release_title": ...,
 *	                           "versions": { "20240423": { "pubname": ...,
 *	                             "items": { "disk1.img": {
 *	                               "ftype": "disk1.img", "path": ..., "size": ..., "sha256": ... } } } } } }
 *
 * Bounded like an index, and in what a few bytes can make of themselves in memory.
 * A text in which an object has a key twice is refused as a whole, as
 * virt-builder does: nobody could say which of the two was meant.
 */
#include "backends/library/index.h"

#define STREAMS_PATHS_MAX 1024 /* products files of one tree; Ubuntu's has 2 */

/* Where the products of a tree are: paths relative to the tree's base, checked like an index's file=. */
struct streams {
	char **path; /* n of them, owned */
	size_t n;
};
void streams_done(struct streams *s);

/*
 * The tree's streams/v1/index.json (or the signed text of index.sjson): the members
 * of format products:1.0 and datatype image-downloads. A member that has no path
 * we could follow is complained about. Returns 0; -EBADMSG when this is no such
 * index; -EFBIG; -ENOMEM. On failure `ret` is empty.
 */
int streams_parse(const char *bytes, size_t count, const char *shown, struct streams *ret,
		  struct complaints *complaints, struct why *why);

/*
 * One products file. Adds to `ret`, which holds nothing but the same tree's, one
 * entry per product that has a disk image: of the latest version that has one, by
 * the versions' keys as texts. A product without any is none of ours (CirrOS for
 * arm comes as archives only); a bad one is complained about as
 * "SHOWN: product 'ID': REASON". The errors are streams_parse's; on failure `ret`
 * holds the entries that it held before.
 *
 * The disk image among a version's items is the first one with the key "disk1.img"
 * or "disk.img", as virt-builder has it; else the first whose ftype is one of those,
 * else disk-kvm.img (as LXD's trees call their qcow2), else qcow2, else anything
 * that ends in .img.
 *
 * What becomes of it:
 *	name      pubname (of the version or the product), or the product's id where
 *	          there is none; what can't stand in a file name is a '-':
 *	          ubuntu-noble-24.04-amd64-server-20240423
 *	aliases   that stay the same from version to version. The product's id likewise
 *	          (com.ubuntu.cloud-server-24.04-amd64); and behind the os, unless they
 *	          begin with it, its `aliases` (of two letters and more), or where it has
 *	          none, its release and its version: ubuntu-24.04, ubuntu-noble. None that is
 *	          another product's name. Products of other architectures share them; of
 *	          equal ones the first counts.
 *	title     release_title, behind the os; or pubname
 *	file      path, relative to the tree's base
 *	checksum, checksum256    sha512, sha256
 *	compressed_size          size: it is the download's. size is 0, the image tells it
 *	revision  of a version in digits and dots, 20240423 or 20240423.1: grows with it;
 *	          else 1
 *	line      0
 * Of two products of one name and architecture the first one stays.
 */
int streams_products_parse(const char *bytes, size_t count, const char *shown, struct index *ret,
			   struct complaints *complaints, struct why *why);

#endif
