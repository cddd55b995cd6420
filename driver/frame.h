/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Frame allocator of one region: a power-of-two buddy over frame numbers.
 *
 * Pure logic: no mm header, no struct page, no lock of its own (the caller
 * holds the region's lock), so the same file builds into a user-space test.
 *
 * A frame is one 4 KiB page of the region. A block is 2 MiB of frames, aligned:
 * the unit of eviction. An allocated run need not be freed as it was allocated:
 * a folio of order 9 may be split, and its parts freed one by one.
 */
#ifndef FERRY_FRAME_H
#define FERRY_FRAME_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
typedef uint64_t u64;
typedef uint32_t u32;
typedef uint16_t u16;
typedef uint8_t u8;
#endif

#define FERRY_MAX_ORDER		9U
#define FERRY_NR_ORDERS		(FERRY_MAX_ORDER + 1)
#define FERRY_BLOCK_FRAMES	(1U << FERRY_MAX_ORDER)
#define FERRY_NO_FRAME		(~0UL)

/**
 * struct ferry_frames - free frames of one region
 * @nr: frames in the region, a multiple of FERRY_BLOCK_FRAMES
 * @free: free frames now
 * @nr_free: free runs by order
 * @used: used frames by block, nr / FERRY_BLOCK_FRAMES entries
 * @busy: internal: bitmap of used frames
 * @bits: internal: bitmaps of free runs by order
 * @summary: internal: their summaries
 * @bytes: what the allocator holds in memory
 */
struct ferry_frames {
	unsigned long nr;
	unsigned long free;
	unsigned long nr_free[FERRY_NR_ORDERS];
	u16 *used;
	unsigned long *busy;
	unsigned long *bits[FERRY_NR_ORDERS];
	unsigned long *summary[FERRY_NR_ORDERS];
	size_t bytes;
};

int ferry_frames_init(struct ferry_frames *f, unsigned long nr);
void ferry_frames_fini(struct ferry_frames *f);
unsigned long ferry_frames_alloc(struct ferry_frames *f, unsigned int order);
unsigned int ferry_frames_alloc_bulk(struct ferry_frames *f, unsigned int n,
				     unsigned long *out);
void ferry_frames_free(struct ferry_frames *f, unsigned long frame,
		       unsigned int order);
bool ferry_frames_is_free(const struct ferry_frames *f, unsigned long frame);

#endif /* FERRY_FRAME_H */
