// SPDX-License-Identifier: GPL-2.0-only
/*
 * Policies: where a page should be, how much comes with it, who goes first.
 *
 * This file owns decisions, not state: each function sees numbers that the
 * caller gathered and gives numbers back, so a policy may be switched between
 * any two calls. Pages are 4 KiB, ranges are page numbers with the end
 * exclusive, and the caller's ranges are not empty and lie inside the VMA.
 *
 * The policies differ in what they answer to a device fault:
 *
 *   default	migrate here, with the pages around that are likely next
 *   map	map system RAM in place
 *   demand	migrate the faulting pages, nothing more
 *
 * No policy migrates what cannot move (memory that is not anonymous), what
 * already failed to, or what advice keeps where it is. A full device is no
 * reason to refuse: eviction makes room.
 */
#include "policy.h"

#include <linux/ferry.h>

#ifdef __KERNEL__
#include <linux/array_size.h>
#include <linux/string.h>
#else
#include <string.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#endif

/* What comes with a faulting page: 64 KiB, or 2 MiB that are half wanted. */
#define AROUND_PAGES	16
#define HUGE_PAGES	512

static inline u64 align_down(u64 page, u64 size)
{
	return page & ~(size - 1);
}

static inline u64 align_up(u64 page, u64 size)
{
	return align_down(page + size - 1, size);
}

static inline u64 larger(u64 a, u64 b)
{
	return a > b ? a : b;
}

static inline u64 smaller(u64 a, u64 b)
{
	return a < b ? a : b;
}

static bool may_migrate(const struct ferry_policy_fault *f)
{
	return f->anonymous && !f->failed_before &&
	       f->advice != FERRY_ADVISE_PREFER_RAM &&
	       f->advice != FERRY_ADVISE_ACCESSED_BY;
}

/*
 * Whether the 2 MiB at @huge, which the fault touches, lie in the VMA and are
 * half covered by the fault.
 */
static bool wants_huge(const struct ferry_policy_fault *f, u64 huge)
{
	u64 start = larger(f->vpn, huge);
	u64 end = smaller(f->vpn + f->nr, huge + HUGE_PAGES);

	return f->vma_start <= huge && huge + HUGE_PAGES <= f->vma_end &&
	       end - start >= HUGE_PAGES / 2;
}

static void place_in_ram(const struct ferry_policy_fault *f,
			 struct ferry_policy_answer *a)
{
	a->place = FERRY_PLACE_MAP;
	a->vpn = f->vpn;
	a->nr = f->nr;
}

static void place_exactly(const struct ferry_policy_fault *f,
			  struct ferry_policy_answer *a)
{
	place_in_ram(f, a);
	if (may_migrate(f))
		a->place = FERRY_PLACE_MIGRATE;
}

/* The two ends of the fault are widened one by one: it may be long. */
static void place_around(const struct ferry_policy_fault *f,
			 struct ferry_policy_answer *a)
{
	u64 start = align_down(f->vpn, AROUND_PAGES);
	u64 end = align_up(f->vpn + f->nr, AROUND_PAGES);
	u64 first_huge = align_down(f->vpn, HUGE_PAGES);
	u64 last_huge = align_down(f->vpn + f->nr - 1, HUGE_PAGES);

	place_exactly(f, a);
	if (a->place != FERRY_PLACE_MIGRATE)
		return;

	if (wants_huge(f, first_huge))
		start = first_huge;
	if (wants_huge(f, last_huge))
		end = last_huge + HUGE_PAGES;
	start = larger(start, f->vma_start);
	end = smaller(end, f->vma_end);
	a->vpn = start;
	a->nr = end - start;
}

static void window_aligned(u64 fault, u64 vma_start, u64 vma_end,
			   unsigned long window, u64 *vpn, unsigned long *nr)
{
	u64 start = larger(align_down(fault, window), vma_start);
	u64 end = smaller(align_down(fault, window) + window, vma_end);

	*vpn = start;
	*nr = end - start;
}

static bool victim_oldest(const struct ferry_policy_block *a,
			  const struct ferry_policy_block *b)
{
	if (!a->used || !b->used)
		return a->used;
	if (a->orphan != b->orphan)
		return a->orphan;
	return a->last_use < b->last_use;
}

static const struct ferry_policy_ops policies[] = {
	{
		.name = "default",
		.place = place_around,
		.window = window_aligned,
		.victim = victim_oldest,
	},
	{
		.name = "map",
		.place = place_in_ram,
		.window = window_aligned,
		.victim = victim_oldest,
	},
	{
		.name = "demand",
		.place = place_exactly,
		.window = window_aligned,
		.victim = victim_oldest,
	},
};

/**
 * ferry_policy_at - policy by number, to list them
 * @i: from 0; the first is the default one
 *
 * Context: any.
 * Return: the policy, or NULL when there are no more.
 */
const struct ferry_policy_ops *ferry_policy_at(unsigned int i)
{
	return i < ARRAY_SIZE(policies) ? &policies[i] : NULL;
}

/**
 * ferry_policy_find - policy by name
 * @name: exact name, without a newline
 *
 * Context: any.
 * Return: the policy, or NULL when there is none of that name.
 */
const struct ferry_policy_ops *ferry_policy_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(policies); i++)
		if (!strcmp(policies[i].name, name))
			return &policies[i];
	return NULL;
}
