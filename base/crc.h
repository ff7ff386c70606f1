/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BASE_CRC_H
#define GOALFS_BASE_CRC_H

#include <stddef.h>
#include <stdint.h>

/*
 * The checksums of partition tables and filesystems (CRC-32 comes from liblzma's
 * lzma_crc32). Neither inverts at the start or the end: ext4 stores the raw
 * register, XFS and btrfs its complement, so the caller says both.
 */

/* CRC-32C (Castagnoli, reflected 0x82F63B78), register in, register out. */
uint32_t crc32c(uint32_t crc, const void *buf, size_t count);

/* CRC-16 (reflected 0xA001) of ext4's gdt_csum, register in, register out. */
uint16_t crc16(uint16_t crc, const void *buf, size_t count);

#endif
