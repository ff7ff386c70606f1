/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/content/ext/features.h"

#include <errno.h>
#include <inttypes.h>

#include "base/bytes.h"
#include "base/crc.h"

int ext_features_check(const struct ext_super *s, struct why *why)
{
	const uint32_t known_incompat = EXT_INCOMPAT_FILETYPE | EXT_INCOMPAT_RECOVER | EXT_INCOMPAT_META_BG |
					EXT_INCOMPAT_EXTENTS | EXT_INCOMPAT_64BIT | EXT_INCOMPAT_MMP |
					EXT_INCOMPAT_FLEX_BG | EXT_INCOMPAT_EA_INODE | EXT_INCOMPAT_CSUM_SEED |
					EXT_INCOMPAT_LARGEDIR | EXT_INCOMPAT_INLINE_DATA |
					EXT_INCOMPAT_ENCRYPT | EXT_INCOMPAT_CASEFOLD;
	const uint32_t known_ro = EXT_RO_SPARSE_SUPER | EXT_RO_LARGE_FILE | EXT_RO_BTREE_DIR |
				  EXT_RO_HUGE_FILE | EXT_RO_GDT_CSUM | EXT_RO_DIR_NLINK | EXT_RO_EXTRA_ISIZE |
				  EXT_RO_QUOTA | EXT_RO_METADATA_CSUM | EXT_RO_PROJECT | EXT_RO_VERITY |
				  EXT_RO_ORPHAN_PRESENT;
	const char *name = ext_super_name(s);

	if (s->incompat & EXT_INCOMPAT_JOURNAL_DEV)
		return fail(why, -EOPNOTSUPP, "this is the journal of an ext filesystem, not a filesystem");
	if (s->ro_compat & EXT_RO_BIGALLOC)
		return fail(why, -EOPNOTSUPP, "%s with bigalloc can't be dealt with here", name);
	if (s->ro_compat & (EXT_RO_READONLY | EXT_RO_SHARED_BLOCKS))
		return fail(why, -EOPNOTSUPP, "%s is marked as never to be written (readonly, shared_blocks)",
			    name);
	if ((s->incompat & ~known_incompat) || (s->ro_compat & ~known_ro))
		return fail(why, -EOPNOTSUPP,
			    "%s has features that are not known here (incompat 0x%" PRIx32
			    ", ro_compat 0x%" PRIx32 ")",
			    name, s->incompat & ~known_incompat, s->ro_compat & ~known_ro);
	return 0;
}

int ext_state_check(const struct ext_super *s, struct why *why)
{
	const char *name = ext_super_name(s);

	if (s->state & EXT_STATE_ERROR)
		return fail(why, -EOPNOTSUPP, "%s is not clean: errors were found in it; run e2fsck", name);
	if (!(s->state & EXT_STATE_VALID))
		return fail(why, -EOPNOTSUPP, "%s is not clean: it was not unmounted; run e2fsck", name);
	if (!(s->compat & EXT_COMPAT_RESIZE_INODE))
		return s->reserved_gdt_blocks == 0
			       ? 0
			       : fail(why, -EBADMSG,
				      "%s reserves %" PRIu32 " blocks for descriptors, without resize_inode",
				      name, s->reserved_gdt_blocks);
	if (s->incompat & EXT_INCOMPAT_META_BG)
		return fail(why, -EBADMSG, "%s has resize_inode and meta_bg, which exclude each other", name);
	if (!(s->ro_compat & EXT_RO_SPARSE_SUPER) && !(s->compat & EXT_COMPAT_SPARSE_SUPER2))
		return fail(why, -EBADMSG, "%s has resize_inode without sparse_super", name);
	return 0;
}

int ext_mmp_check(struct image *img, const struct ext_super *s, struct why *why)
{
	struct disk_ext_mmp disk;
	int r;

	if (!(s->incompat & EXT_INCOMPAT_MMP))
		return 0;
	if (s->mmp_block <= s->first_data_block || s->mmp_block >= s->blocks)
		return fail(why, -EBADMSG, "%s has its mmp block at %" PRIu64 " of %" PRIu64, ext_super_name(s),
			    s->mmp_block, s->blocks);
	r = image_pread(img, &disk, sizeof(disk), s->mmp_block * s->block_size, why);
	if (r < 0)
		return r;
	if (get_le32(disk.magic) != EXT_MMP_MAGIC ||
	    (ext_has_csum(s) && get_le32(disk.checksum) != crc32c(s->checksum_seed, &disk,
								  offsetof(struct disk_ext_mmp, checksum))))
		return fail(why, -EBADMSG, "the mmp block of %s is damaged", ext_super_name(s));
	if (get_le32(disk.sequence) != EXT_MMP_CLEAN)
		return fail(why, -EOPNOTSUPP, "%s is in use elsewhere, says its mmp block", ext_super_name(s));
	return 0;
}
