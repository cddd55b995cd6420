/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Device page table: virtual page numbers to entries, with leaves of 4 KiB and
 * 2 MiB.
 *
 * Pure logic: no mm header and no lock of its own (the caller holds the
 * mirror's lock). Nothing here allocates while mapping or unmapping: tables
 * come from a cache that the caller fills before it takes that lock, because
 * the lock is also taken inside memory reclaim. A 2 MiB leaf keeps a table of
 * 4 KiB entries in deposit, so that unmapping a part of it cannot fail.
 */
#ifndef FERRY_PAGETABLE_H
#define FERRY_PAGETABLE_H

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

/*
 * An entry: bit 0 present, 1 write, 2 on a device (else system RAM), 3 exclusive
 * (an atomic owns the RAM page), 4-7 device index, 12 and up the frame number
 * on that device, or the pfn in system RAM.
 */
#define FERRY_PTE_PRESENT	(1ULL << 0)
#define FERRY_PTE_WRITE		(1ULL << 1)
#define FERRY_PTE_DEVICE	(1ULL << 2)
#define FERRY_PTE_EXCLUSIVE	(1ULL << 3)
#define FERRY_PTE_DEV_SHIFT	4
#define FERRY_PTE_DEV_MASK	(0xfULL << FERRY_PTE_DEV_SHIFT)
#define FERRY_PTE_PFN_SHIFT	12
#define FERRY_PTE_FLAGS		((1ULL << FERRY_PTE_PFN_SHIFT) - 1)

static inline u64 ferry_pte(u64 pfn, u64 flags)
{
	return (pfn << FERRY_PTE_PFN_SHIFT) | flags | FERRY_PTE_PRESENT;
}

static inline u64 ferry_pte_pfn(u64 pte)
{
	return pte >> FERRY_PTE_PFN_SHIFT;
}

static inline unsigned int ferry_pte_dev(u64 pte)
{
	return (pte & FERRY_PTE_DEV_MASK) >> FERRY_PTE_DEV_SHIFT;
}

/* Tables set aside before the mirror's lock is taken. */
#define FERRY_PT_CACHE	8

struct ferry_pt_cache {
	unsigned int leaves, nodes;
	void *leaf[FERRY_PT_CACHE];
	void *node[FERRY_PT_CACHE];
};

/**
 * struct ferry_pt - one device page table
 * @root: internal
 * @pages: present 4 KiB pages (a 2 MiB leaf counts 512)
 * @huge: 2 MiB leaves
 * @bytes: memory held by tables
 */
struct ferry_pt {
	void *root;
	unsigned long pages;
	unsigned long huge;
	size_t bytes;
};

/**
 * typedef ferry_pt_fn - called for each present leaf of a walk
 * @ctx: the caller's pointer
 * @vpn: first virtual page number of the part of the leaf inside the range
 * @pte: entry that belongs to @vpn (for a part of a 2 MiB leaf its pfn is advanced)
 * @nr: pages of that leaf inside the range
 * @huge: whether it is (a part of) a 2 MiB leaf
 */
typedef void (*ferry_pt_fn)(void *ctx, u64 vpn, u64 pte, unsigned long nr,
			    bool huge);

void ferry_pt_init(struct ferry_pt *pt);
void ferry_pt_fini(struct ferry_pt *pt);
int ferry_pt_cache_fill(struct ferry_pt_cache *c, unsigned int leaves);
bool ferry_pt_cache_ready(const struct ferry_pt_cache *c, unsigned int leaves);
void ferry_pt_cache_drain(struct ferry_pt_cache *c);
int ferry_pt_map(struct ferry_pt *pt, struct ferry_pt_cache *c, u64 vpn,
		 unsigned int order, u64 pte);
unsigned long ferry_pt_unmap(struct ferry_pt *pt, u64 vpn, u64 nr);
unsigned long ferry_pt_protect(struct ferry_pt *pt, u64 vpn, u64 nr);
u64 ferry_pt_lookup(const struct ferry_pt *pt, u64 vpn, unsigned int *order);
void ferry_pt_walk(const struct ferry_pt *pt, u64 vpn, u64 nr, ferry_pt_fn fn,
		   void *ctx);

#endif /* FERRY_PAGETABLE_H */
