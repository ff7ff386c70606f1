/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_FS_GATE_H
#define GOALFS_FS_GATE_H

/*
 * Keeps some of the loop's threads free: work that may wait long (for a decoder,
 * for a disk) passes a gate that lets in fewer at a time than the loop has
 * threads. What finds it full is queued, and run by the next thread that
 * leaves; no thread ever waits at the gate. So getattr and lookup of what is
 * known are answered at once, however many reads wait for data.
 */
#include "base/cleanup.h"

struct gate;

/* Embedded by the caller; borrowed until `run` is called, which may free it. */
struct gate_work {
	void (*run)(struct gate_work *work);
	struct gate_work *next;
};

struct gate *gate_new(unsigned most_inside);
void gate_free(struct gate *gate); /* nothing may be inside or queued; accepts NULL */

/* Runs the work now, on this thread, or later on another one that is inside. */
void gate_pass(struct gate *gate, struct gate_work *work);

#endif
