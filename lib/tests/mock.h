/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A Ferry device in user space: what sys.c of the library would find behind
 * /dev/ferryN, for tests that need no driver. See mock.c for how far it goes.
 */
#ifndef FERRY_MOCK_H
#define FERRY_MOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/ferry.h>

/* What a test may set before the call it is about. */
struct mock {
	int devices;			/* one more than the highest node */
	unsigned int missing;		/* bit N: there is no node N below that */
	uint64_t vram;			/* bytes of each; set before the first open */
	uint32_t abi;			/* what INFO answers */
	int open_error;			/* what opening gives, 0 for success */
	bool place;			/* device faults migrate, else they map in place */
	bool hold;			/* lists never end */
	unsigned int pages_to_signal;	/* MIGRATE gives -EINTR after so many, 0 never */
	unsigned int wait_signals;	/* so many -EINTR from WAIT, each 1 ms later */
	unsigned int query_signals;	/* so many -EINTR from QUERY */
	unsigned int queue_full;	/* so many -EAGAIN from SUBMIT */
	unsigned int nr_counters;	/* counters that the driver has */

	/* What the library asked for last. */
	struct ferry_migrate migrate;
	struct ferry_advise advise;
	struct ferry_wait wait;
	unsigned int migrates, queries, waits;
};

extern struct mock mock;

#endif /* FERRY_MOCK_H */
