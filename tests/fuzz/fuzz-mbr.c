/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fuzz/fuzz-table.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	fuzz_table(bytes, count);
	return 0;
}
