/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/test.h"

#include "backends/content/ext/geometry.h"

/* The shortcuts against counting. */

static void check_heads(uint32_t compat, uint32_t incompat, uint32_t ro_compat, uint32_t first_meta_bg)
{
	struct ext_super s = {
		.rev = 1,
		.blocks = 400 * UINT64_C(8192) + 1,
		.block_size = 1024,
		.first_data_block = 1,
		.blocks_per_group = 8192,
		.inodes_per_group = 1024,
		.inodes = 400 * 1024,
		.inode_size = 256,
		.desc_size = 64,
		.first_meta_bg = first_meta_bg,
		.backup_groups = { 1, 399 },
		.compat = compat,
		.incompat = incompat,
		.ro_compat = ro_compat,
	};
	struct ext_geometry g;
	uint64_t heads = 0;

	assert_int_equal(ext_geometry_init(&g, &s, NULL), 0);
	assert_int_equal(ext_geometry_grow(&g, (5000 * UINT64_C(8192) + 1) * 1024, NULL), 0);
	assert_int_equal(g.new_groups, 5000);
	for (uint32_t i = 0; i < g.new_groups; i++) {
		assert_int_equal(ext_heads_below(&g, i), heads);
		heads += ext_head_blocks(&g, i);
		for (uint32_t j = i + 1; i % 100 == 0 && j <= ext_next_super(&g, i) && j < g.new_groups; j++)
			assert_int_equal(ext_group_has_super(&g, j), j == ext_next_super(&g, i));
	}
}

static void test_heads_are_summed_right(void **state)
{
	check_heads(0, EXT_INCOMPAT_64BIT, EXT_RO_SPARSE_SUPER, 0);
	check_heads(0, EXT_INCOMPAT_64BIT | EXT_INCOMPAT_META_BG, EXT_RO_SPARSE_SUPER, 0);
	check_heads(0, EXT_INCOMPAT_64BIT | EXT_INCOMPAT_META_BG, EXT_RO_SPARSE_SUPER, 7);
	check_heads(0, EXT_INCOMPAT_64BIT | EXT_INCOMPAT_META_BG, 0, 7);
	check_heads(EXT_COMPAT_SPARSE_SUPER2, EXT_INCOMPAT_64BIT | EXT_INCOMPAT_META_BG, 0, 7);
}

/* In tight groups, too, every new group gets its tables, in new groups, each block once. */
static void check_placement(uint32_t inodes_per_group, uint32_t log_flex, uint32_t reserved)
{
	struct ext_super s = {
		.rev = 1,
		.blocks = 37 * UINT64_C(8192) + 1,
		.block_size = 1024,
		.first_data_block = 1,
		.blocks_per_group = 8192,
		.inodes_per_group = inodes_per_group,
		.inodes = 37 * inodes_per_group,
		.inode_size = 1024,
		.desc_size = 64,
		.reserved_gdt_blocks = reserved,
		.log_groups_per_flex = log_flex,
		.incompat = EXT_INCOMPAT_64BIT | EXT_INCOMPAT_FLEX_BG,
		.ro_compat = EXT_RO_SPARSE_SUPER,
	};
	struct ext_flex flex = { 0 };
	struct ext_geometry g;
	uint64_t blocks = 0, before = 0;
	uint32_t counted = 0;

	assert_int_equal(ext_geometry_init(&g, &s, NULL), 0);
	assert_int_equal(
		ext_geometry_grow(&g, UINT64_C(1024) * (499 * 8192 + 1 + 2 + inodes_per_group + 300), NULL), 0);
	for (uint32_t i = g.old_groups; i < g.new_groups; i++) {
		uint32_t first = flex.first;

		ext_flex_find(&g, i, &flex);
		counted += ext_table_blocks_in(&g, &flex, i);
		assert_true(ext_table_blocks_in(&g, &flex, i) + ext_head_blocks(&g, i) <=
			    ext_group_blocks(&g, i));
		if (flex.first == first)
			continue;
		for (unsigned j = 0; j < flex.n_runs; j++) {
			assert_true(flex.runs[j].block >= before);
			before = flex.runs[j].block + ext_run_blocks(&g, &flex, &flex.runs[j]);
			blocks += before - flex.runs[j].block;
		}
		assert_true(before <= ext_group_first(&g, flex.first + flex.count - 1) + 8192);
	}
	assert_int_equal(blocks, (g.new_groups - g.old_groups) * (2 + (uint64_t)inodes_per_group));
	assert_int_equal(blocks, counted);
}

static void test_tables_fit_their_groups(void **state)
{
	for (uint32_t log_flex = 0; log_flex < 12; log_flex++)
		for (uint32_t reserved = 250; reserved <= 256; reserved += 6) {
			check_placement(256, log_flex, reserved);
			check_placement(3960, log_flex, reserved);
			check_placement(3968, log_flex, reserved);
			check_placement(7800, log_flex, reserved);
			check_placement(7872, log_flex, 250);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_heads_are_summed_right),
		cmocka_unit_test(test_tables_fit_their_groups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
