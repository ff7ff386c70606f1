/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_TESTS_LVMTOOLS_H
#define GOALFS_TESTS_LVMTOOLS_H

/*
 * LVM's own tools on files in the test's directory (disk.h), through loop devices and
 * without a device mapper; and physical volumes made here, around any text.
 */
#include "backends/image.h"

/* For cmocka's group setup, in place of disk_dir_setup. */
int lvm_setup(void **state);

/* A shell's line about the file PV; it may run `lvm COMMAND...` on $l, its loop device, and on no other. */
void lvm(const char *pv, const char *line);

/* What lvcreate and lvextend need, where there is no device mapper. */
#define LVM_LINEAR " -an -Zn -Wn -qq "

/* A file in which every sector is another, so that a wrong place shows. */
void lvm_noise(const char *name, const char *size);

/* The group vg's text as the variable t of a Python script, changed by `edit`, written back by vgcfgrestore. */
void lvm_restore(const char *pv, const char *edit);

/* Copies a volume ("vg/root") to a file or back, by what lvs says of its segments. */
void lvm_get(const char *pv, const char *lv, const char *file);
void lvm_put(const char *pv, const char *lv, const char *file);
void lvm_put_again(const char *pv, const char *file); /* to the same places as the last of these */

/* For lvm_restore: a thin pool on extents 8 to 11, and a thin volume. */
#define LVM_THIN                                                                                           \
	"pool = '''\n"                                                                                     \
	"pool { id = \"aaaaaa-aaaa-aaaa-aaaa-aaaa-aaaa-aaaaaa\"\n status = [\"READ\", \"WRITE\", "         \
	"\"VISIBLE\"]\n flags = []\n"                                                                      \
	"segment_count = 1\n segment1 { start_extent = 0\n extent_count = 2\n type = \"thin-pool\"\n"      \
	"metadata = \"pool_tmeta\"\n pool = \"pool_tdata\"\n transaction_id = 1\n chunk_size = 128\n "     \
	"discards = \"passdown\"\n zero_new_blocks = 1 } }\n"                                              \
	"thin { id = \"bbbbbb-bbbb-bbbb-bbbb-bbbb-bbbb-bbbbbb\"\n status = [\"READ\", \"WRITE\", "         \
	"\"VISIBLE\"]\n flags = []\n"                                                                      \
	"segment_count = 1\n segment1 { start_extent = 0\n extent_count = 25\n type = \"thin\"\n "         \
	"thin_pool = \"pool\"\n transaction_id = 0\n device_id = 1 } }\n"                                  \
	"pool_tmeta { id = \"cccccc-cccc-cccc-cccc-cccc-cccc-cccccc\"\n status = [\"READ\", \"WRITE\"]\n " \
	"flags = []\n"                                                                                     \
	"segment_count = 1\n segment1 { start_extent = 0\n extent_count = 1\n type = \"striped\"\n "       \
	"stripe_count = 1\n stripes = [\"pv0\", 8] } }\n"                                                  \
	"pool_tdata { id = \"dddddd-dddd-dddd-dddd-dddd-dddd-dddddd\"\n status = [\"READ\", \"WRITE\"]\n " \
	"flags = []\n"                                                                                     \
	"segment_count = 1\n segment1 { start_extent = 0\n extent_count = 2\n type = \"striped\"\n "       \
	"stripe_count = 1\n stripes = [\"pv0\", 10] } }\n'''\n"                                            \
	"t = t.replace('logical_volumes {', 'logical_volumes {' + pool)\n"

/* A snapshot of root, of 6 extents, with its store on extent 8. */
#define LVM_SNAPSHOT(store)                                                                               \
	"snap = '''\n"                                                                                    \
	"snap { id = \"aaaaaa-aaaa-aaaa-aaaa-aaaa-aaaa-aaaaaa\"\n status = [\"READ\", \"WRITE\", "        \
	"\"VISIBLE\"]\n flags = []\n"                                                                     \
	"segment_count = 1\n segment1 { start_extent = 0\n extent_count = 1\n type = \"striped\"\n "      \
	"stripe_count = 1\n stripes = [\"pv0\", 8] } }\n"                                                 \
	"snapshot0 { id = \"bbbbbb-bbbb-bbbb-bbbb-bbbb-bbbb-bbbbbb\"\n status = [\"READ\", \"WRITE\"]\n " \
	"flags = []\n"                                                                                    \
	"segment_count = 1\n segment1 { start_extent = 0\n extent_count = 6\n type = \"snapshot\"\n "     \
	"chunk_size = 8\n origin = \"root\"\n " store " = \"snap\" } }\n'''\n"                            \
	"t = t.replace('logical_volumes {', 'logical_volumes {' + snap)\n"

#define LVM_UUID "abcdef-0123-4567-89ab-cdef-ghij-klmnop"

#define LVM_PV0		       "pv0 { id = \"" LVM_UUID "\" pe_start = 2048 pe_count = 15 }"
#define LVM_LV(name, segments) name " { id = \"x\" status = [\"VISIBLE\"] segment_count = 1 " segments " }\n"
#define LVM_SEGMENT(first, count, stripes)                                                                  \
	"segment1 { start_extent = " first " extent_count = " count " type = \"striped\" stripe_count = 1 " \
	"stripes = [" stripes "] }"
#define LVM_GROUP(pvs, lvs)                                                            \
	"contents = \"Text Format Volume Group\"\nvg { seqno = 1 extent_size = 8192\n" \
	"physical_volumes { " pvs " }\nlogical_volumes { " lvs " } }\n"

/* The first MiB of what lvm_pv_of made last, to be damaged. */
extern uint8_t lvm_pv_bytes[1 << 20];

/* A physical volume of 64 MiB with that text, its checksums right; one at a time. */
struct image *lvm_pv_of(const char *text);

#endif
