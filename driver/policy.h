/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Policy: where should a page be, how much comes with it, who goes first.
 *
 * Pure logic: decisions over numbers; no mm header, so the same file builds
 * into a user-space test.
 */
#ifndef FERRY_POLICY_H
#define FERRY_POLICY_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
typedef uint64_t u64;
typedef uint32_t u32;
#endif

/* What the service thread knows of a fault when it asks. */
struct ferry_policy_fault {
	u64 vpn;			/* first faulting page */
	unsigned long nr;		/* consecutive faulting pages, >= 1 */
	bool write;
	bool atomic;
	bool anonymous;			/* the VMA holds anonymous memory */
	u32 advice;			/* enum ferry_advice of the range */
	u64 vma_start, vma_end;		/* pages that may come along, end exclusive */
	unsigned long frames_free;	/* of this device */
	unsigned long frames_total;
	unsigned int failed_before;	/* migrations of this fault that moved nothing */
};

enum ferry_placement {
	FERRY_PLACE_MAP,		/* map where it is */
	FERRY_PLACE_MIGRATE,		/* move [vpn, vpn + nr) here */
};

struct ferry_policy_answer {
	enum ferry_placement place;
	u64 vpn;
	unsigned long nr;
};

/* What eviction knows of a 2 MiB block when it chooses. */
struct ferry_policy_block {
	u64 last_use;			/* device clock, grows */
	unsigned int used;		/* frames in use, 0 to 512 */
	bool orphan;			/* its contexts are gone */
};

/**
 * struct ferry_policy_ops - one policy
 * @name: as written to sysfs
 * @place: where the pages of a device fault go, and how many with them
 * @window: pages [*vpn, *vpn + *nr) that a CPU fault at @fault brings home, at
 *	most @window pages (a power of two), inside the VMA
 * @victim: true when block @a should be evicted before block @b
 */
struct ferry_policy_ops {
	const char *name;
	void (*place)(const struct ferry_policy_fault *f,
		      struct ferry_policy_answer *a);
	void (*window)(u64 fault, u64 vma_start, u64 vma_end,
		       unsigned long window, u64 *vpn, unsigned long *nr);
	bool (*victim)(const struct ferry_policy_block *a,
		       const struct ferry_policy_block *b);
};

const struct ferry_policy_ops *ferry_policy_find(const char *name);
const struct ferry_policy_ops *ferry_policy_at(unsigned int i);

#endif /* FERRY_POLICY_H */
