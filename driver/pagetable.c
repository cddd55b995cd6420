// SPDX-License-Identifier: GPL-2.0-only
/*
 * Device page table.
 *
 * This file owns the tables of one device address space: a radix tree over
 * virtual page numbers of 45 bits (addresses of 57), nine bits a level.
 *
 * Level 0 is a *leaf table*: 512 entries, one a page. Levels 1 to 4 are
 * *nodes* of 512 slots, and level 4 is the root. A slot of level l covers
 * 512^l pages and is a pair:
 *
 *   child	the table below, or NULL
 *   entry	at level 1, with the present bit: a 2 MiB entry, and child is
 *		its leaf table in deposit, all zeroes. Otherwise, at each level,
 *		twice the number of present pages below; zero when empty.
 *
 * So an empty subtree is seen in its slot, and counting pages reads no table.
 * A leaf table whose count is zero is all zeroes.
 *
 * Tables come out of a ferry_pt_cache and go back to the system. Unmapping at
 * most a table's worth of pages keeps the tables that it empties, because that
 * is how a migration starts and it maps the same pages again; unmapping more
 * frees each empty table that it meets.
 *
 * The caller holds the mirror's lock around each call, except for those that
 * take only a cache.
 */
#include "pagetable.h"

#ifdef __KERNEL__
#include <linux/build_bug.h>
#include <linux/errno.h>
#include <linux/slab.h>
#include <linux/string.h>
#include "inject.h"

#define table_alloc(size)	kzalloc(size, GFP_KERNEL_ACCOUNT)
#define table_free(p)		kfree(p)
#else
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ferry_inject(point)	false
#define table_alloc(size)	calloc(1, size)
#define table_free(p)		free(p)
#endif

#define SLOT_BITS	9U
#define SLOTS		512U
#define TOP_LEVEL	4U
#define VPN_END		(1ULL << ((TOP_LEVEL + 1) * SLOT_BITS))

/* A root, and two ways from it that share nothing else. */
#define CACHE_NODES	(1 + 2 * (TOP_LEVEL - 1))

static_assert(SLOTS == 1U << SLOT_BITS, "a slot for each value");
static_assert(CACHE_NODES <= FERRY_PT_CACHE, "the cache holds a filling");

struct leaf {
	u64 pte[SLOTS];
};

struct node {
	u64 entry[SLOTS];
	void *child[SLOTS];
};

static inline u64 level_pages(unsigned int level)
{
	return 1ULL << (level * SLOT_BITS);
}

static inline unsigned int slot_of(u64 vpn, unsigned int level)
{
	return vpn >> (level * SLOT_BITS) & (SLOTS - 1);
}

/* Where the part of [vpn, end) in the slot of @vpn ends. */
static inline u64 slot_end(u64 vpn, u64 end, unsigned int level)
{
	u64 next = (vpn | (level_pages(level) - 1)) + 1;

	return next < end ? next : end;
}

/* End of a range, clipped to what the table covers. */
static inline u64 range_end(u64 vpn, u64 nr)
{
	return vpn < VPN_END && nr < VPN_END - vpn ? vpn + nr : VPN_END;
}

static inline bool is_huge(u64 entry)
{
	return entry & FERRY_PTE_PRESENT;
}

/* Entry of a slot with @n present pages below and no 2 MiB entry. */
static inline u64 count_entry(u64 n)
{
	return n << 1;
}

static inline unsigned long entry_pages(u64 entry)
{
	return is_huge(entry) ? SLOTS : entry >> 1;
}

/* A 2 MiB entry, or a part of it, as the entry of its page @i. */
static inline u64 pte_at(u64 pte, unsigned int i)
{
	return pte + ((u64)i << FERRY_PTE_PFN_SHIFT);
}

static inline size_t table_bytes(unsigned int level)
{
	return level ? sizeof(struct node) : sizeof(struct leaf);
}

/* Frees a table and what is below it, whatever it maps. */
static void free_table(struct ferry_pt *pt, void *table, unsigned int level)
{
	const struct node *node = table;
	unsigned int i;

	for (i = 0; level && i < SLOTS; i++) {
		if (!node->child[i])
			continue;
		if (is_huge(node->entry[i]))
			pt->huge--;
		free_table(pt, node->child[i], level - 1);
	}
	pt->bytes -= table_bytes(level);
	table_free(table);
}

/* Takes a table for @level out of the cache. */
static void *take_table(struct ferry_pt *pt, struct ferry_pt_cache *c,
			unsigned int level)
{
	void *table = NULL;

	if (level && c->nodes)
		table = c->node[--c->nodes];
	else if (!level && c->leaves)
		table = c->leaf[--c->leaves];
	if (table)
		pt->bytes += table_bytes(level);
	return table;
}

/* Replaces the 2 MiB entry of slot @i by the table in its deposit. */
static void split_huge(struct ferry_pt *pt, struct node *node, unsigned int i)
{
	struct leaf *leaf = node->child[i];
	unsigned int p;

	for (p = 0; p < SLOTS; p++)
		leaf->pte[p] = pte_at(node->entry[i], p);
	node->entry[i] = count_entry(SLOTS);
	pt->huge--;
}

/**
 * ferry_pt_init - start an empty page table
 * @pt: what to set up
 *
 * Context: any. Allocates nothing.
 */
void ferry_pt_init(struct ferry_pt *pt)
{
	*pt = (struct ferry_pt){};
}

/**
 * ferry_pt_fini - free all tables
 * @pt: page table; empty and usable afterwards
 *
 * Context: any that may call kfree(); nobody else may use @pt.
 */
void ferry_pt_fini(struct ferry_pt *pt)
{
	if (pt->root)
		free_table(pt, pt->root, TOP_LEVEL);
	ferry_pt_init(pt);
}

/**
 * ferry_pt_cache_fill - set tables aside for ferry_pt_map()
 * @c: cache; zeroes is an empty one
 * @leaves: leaf tables wanted, at most FERRY_PT_CACHE
 *
 * Afterwards the cache has at least @leaves leaf tables, and nodes for two
 * regions anywhere in a new page table. A mapping takes at most one leaf table,
 * and only for a region of 2 MiB that never had one.
 *
 * Context: process context, may sleep and enter reclaim; not under the
 * mirror's lock. The caller makes sure that nobody else uses @c.
 * Return: 0, -EINVAL for too many @leaves, or -ENOMEM (what was set aside so
 * far stays in the cache).
 */
int ferry_pt_cache_fill(struct ferry_pt_cache *c, unsigned int leaves)
{
	if (leaves > FERRY_PT_CACHE)
		return -EINVAL;

	while (c->leaves < leaves) {
		void *leaf = ferry_inject(pt_leaf) ? NULL :
			     table_alloc(sizeof(struct leaf));

		if (!leaf)
			return -ENOMEM;
		c->leaf[c->leaves++] = leaf;
	}
	while (c->nodes < CACHE_NODES) {
		void *node = ferry_inject(pt_node) ? NULL :
			     table_alloc(sizeof(struct node));

		if (!node)
			return -ENOMEM;
		c->node[c->nodes++] = node;
	}
	return 0;
}

/**
 * ferry_pt_cache_ready - whether ferry_pt_cache_fill() has nothing to do
 * @c: cache
 * @leaves: leaf tables wanted
 *
 * Context: any; nobody else may use @c.
 * Return: true when the cache has what ferry_pt_cache_fill() promises.
 */
bool ferry_pt_cache_ready(const struct ferry_pt_cache *c, unsigned int leaves)
{
	return c->leaves >= leaves && c->nodes >= CACHE_NODES;
}

/**
 * ferry_pt_cache_drain - free the tables of a cache
 * @c: cache; empty and usable afterwards
 *
 * Context: any that may call kfree(); nobody else may use @c.
 */
void ferry_pt_cache_drain(struct ferry_pt_cache *c)
{
	while (c->leaves)
		table_free(c->leaf[--c->leaves]);
	while (c->nodes)
		table_free(c->node[--c->nodes]);
}

/*
 * Finds the nodes on the way to @vpn, and links those that are missing. Links
 * a leaf table as well, if there is none.
 */
static int make_path(struct ferry_pt *pt, struct ferry_pt_cache *c, u64 vpn,
		     struct node **path)
{
	void **link = &pt->root;
	unsigned int level = TOP_LEVEL + 1;

	while (level--) {
		if (!*link)
			*link = take_table(pt, c, level);
		if (!*link)
			return -ENOMEM;
		if (level) {
			path[level] = *link;
			link = &path[level]->child[slot_of(vpn, level)];
		}
	}
	return 0;
}

/* Writes a 2 MiB entry; returns the pages that were present before. */
static unsigned long set_huge(struct ferry_pt *pt, struct node *node,
			      unsigned int i, u64 pte)
{
	unsigned long before = entry_pages(node->entry[i]);

	if (!is_huge(node->entry[i])) {
		if (before)
			memset(node->child[i], 0, sizeof(struct leaf));
		pt->huge++;
	}
	node->entry[i] = pte;
	return before;
}

/* Writes the entry of a page; returns the pages that were present before. */
static unsigned long set_page(struct ferry_pt *pt, struct node *node,
			      unsigned int i, u64 *pte, u64 new)
{
	unsigned long before;

	if (is_huge(node->entry[i]))
		split_huge(pt, node, i);
	before = *pte & FERRY_PTE_PRESENT;
	*pte = new;
	node->entry[i] += count_entry(1 - before);
	return before;
}

/**
 * ferry_pt_map - write one entry
 * @pt: page table
 * @c: where missing tables come from
 * @vpn: virtual page number, a multiple of 512 for @order 9
 * @order: 0 for a page, 9 for 2 MiB
 * @pte: a present entry; for @order 9 its pfn is a multiple of 512
 *
 * Replaces what was mapped there. A page inside a 2 MiB entry splits it, a
 * 2 MiB entry takes the place of the pages under it.
 *
 * Context: any; the caller holds the mirror's lock. Allocates nothing.
 * Return: 0, -EINVAL for an argument that is not as above, or -ENOMEM when the
 * cache is short: then no entry has changed; fill the cache and call again.
 */
int ferry_pt_map(struct ferry_pt *pt, struct ferry_pt_cache *c, u64 vpn,
		 unsigned int order, u64 pte)
{
	unsigned long pages = order ? SLOTS : 1, added;
	unsigned int i = slot_of(vpn, 1), level;
	struct node *path[TOP_LEVEL + 1];
	struct leaf *leaf;
	int err;

	if (order && order != SLOT_BITS)
		return -EINVAL;
	if (vpn >= VPN_END || !(pte & FERRY_PTE_PRESENT) ||
	    (vpn | ferry_pte_pfn(pte)) & (pages - 1))
		return -EINVAL;

	err = ferry_inject(pt_path) ? -ENOMEM : make_path(pt, c, vpn, path);
	if (err)
		return err;

	leaf = path[1]->child[i];
	if (order)
		added = pages - set_huge(pt, path[1], i, pte);
	else
		added = pages - set_page(pt, path[1], i,
					 &leaf->pte[slot_of(vpn, 0)], pte);

	pt->pages += added;
	for (level = 2; level <= TOP_LEVEL; level++)
		path[level]->entry[slot_of(vpn, level)] += count_entry(added);
	return 0;
}

/* Clears entries [from, from + nr) of a leaf table with @count present ones. */
static unsigned long clear_leaf(struct leaf *leaf, unsigned int from,
				unsigned int nr, unsigned long count)
{
	unsigned long removed = 0;
	unsigned int i;

	if (nr == SLOTS)
		removed = count;
	for (i = from; i < from + nr && removed < count; i++)
		removed += leaf->pte[i] & FERRY_PTE_PRESENT;
	memset(&leaf->pte[from], 0, nr * sizeof(leaf->pte[0]));
	return removed;
}

/* Clears the pages [vpn, end), inside slot @i of a node of level 1. */
static unsigned long clear_slot(struct ferry_pt *pt, struct node *node,
				unsigned int i, u64 vpn, u64 end)
{
	unsigned long removed;

	if (is_huge(node->entry[i])) {
		if (end - vpn == SLOTS) {
			node->entry[i] = 0;
			pt->huge--;
			return SLOTS;
		}
		split_huge(pt, node, i);
	}
	removed = clear_leaf(node->child[i], slot_of(vpn, 0), end - vpn,
			     entry_pages(node->entry[i]));
	node->entry[i] -= count_entry(removed);
	return removed;
}

/* Drops slot @i of a node of @level, with all that is below. */
static unsigned long drop_slot(struct ferry_pt *pt, struct node *node,
			       unsigned int level, unsigned int i)
{
	unsigned long removed = entry_pages(node->entry[i]);

	if (is_huge(node->entry[i]))
		pt->huge--;
	free_table(pt, node->child[i], level - 1);
	node->child[i] = NULL;
	node->entry[i] = 0;
	return removed;
}

/* Unmaps [vpn, end) under a node; with @prune, frees the tables left empty. */
static unsigned long unmap_node(struct ferry_pt *pt, struct node *node,
				unsigned int level, u64 vpn, u64 end,
				bool prune)
{
	unsigned long removed = 0;
	u64 next;

	for (; vpn < end; vpn = next) {
		unsigned int i = slot_of(vpn, level);
		unsigned long n = 0;

		next = slot_end(vpn, end, level);
		if (!node->child[i])
			continue;
		if (prune && next - vpn == level_pages(level)) {
			removed += drop_slot(pt, node, level, i);
			continue;
		}

		if (node->entry[i] && level == 1) {
			n = clear_slot(pt, node, i, vpn, next);
		} else if (node->entry[i]) {
			n = unmap_node(pt, node->child[i], level - 1, vpn, next,
				       prune);
			node->entry[i] -= count_entry(n);
		}
		removed += n;
		if (prune && !node->entry[i])
			drop_slot(pt, node, level, i);
	}
	return removed;
}

/**
 * ferry_pt_unmap - remove the entries of a range
 * @pt: page table
 * @vpn: first virtual page number
 * @nr: pages; what lies beyond the end of the table is ignored
 *
 * Exact: of a 2 MiB entry that the range cuts, the pages outside stay mapped.
 * The time grows with the tables that exist in the range, not with @nr.
 *
 * Context: any that may call kfree(); the caller holds the mirror's lock.
 * Allocates nothing and cannot fail.
 * Return: number of present pages removed.
 */
unsigned long ferry_pt_unmap(struct ferry_pt *pt, u64 vpn, u64 nr)
{
	u64 end = range_end(vpn, nr);
	bool prune = nr > SLOTS;
	unsigned long removed;

	if (!pt->root || vpn >= end)
		return 0;

	removed = unmap_node(pt, pt->root, TOP_LEVEL, vpn, end, prune);
	pt->pages -= removed;
	if (prune && !pt->pages)
		ferry_pt_fini(pt);
	return removed;
}

static inline bool clear_write(u64 *pte)
{
	if (!(*pte & FERRY_PTE_WRITE))
		return false;
	*pte &= ~FERRY_PTE_WRITE;
	return true;
}

/* Write-protects the pages [vpn, end), inside slot @i of a node of level 1. */
static unsigned long protect_slot(struct ferry_pt *pt, struct node *node,
				  unsigned int i, u64 vpn, u64 end)
{
	struct leaf *leaf = node->child[i];
	unsigned long changed = 0;

	if (is_huge(node->entry[i])) {
		if (end - vpn == SLOTS)
			return clear_write(&node->entry[i]) ? SLOTS : 0;
		if (!(node->entry[i] & FERRY_PTE_WRITE))
			return 0;
		split_huge(pt, node, i);
	}
	for (; vpn < end; vpn++)
		changed += clear_write(&leaf->pte[slot_of(vpn, 0)]);
	return changed;
}

static unsigned long protect_node(struct ferry_pt *pt, struct node *node,
				  unsigned int level, u64 vpn, u64 end)
{
	unsigned long changed = 0;
	u64 next;

	for (; vpn < end; vpn = next) {
		unsigned int i = slot_of(vpn, level);

		next = slot_end(vpn, end, level);
		if (!node->entry[i])
			continue;
		if (level == 1)
			changed += protect_slot(pt, node, i, vpn, next);
		else
			changed += protect_node(pt, node->child[i], level - 1,
						vpn, next);
	}
	return changed;
}

/**
 * ferry_pt_protect - make the entries of a range read-only
 * @pt: page table
 * @vpn: first virtual page number
 * @nr: pages; what lies beyond the end of the table is ignored
 *
 * Exact: a writable 2 MiB entry that the range cuts is split.
 *
 * Context: any; the caller holds the mirror's lock. Allocates nothing and
 * cannot fail.
 * Return: number of pages that were writable.
 */
unsigned long ferry_pt_protect(struct ferry_pt *pt, u64 vpn, u64 nr)
{
	u64 end = range_end(vpn, nr);

	if (!pt->root || vpn >= end)
		return 0;
	return protect_node(pt, pt->root, TOP_LEVEL, vpn, end);
}

/**
 * ferry_pt_lookup - translate one page
 * @pt: page table
 * @vpn: virtual page number
 * @order: out, may be NULL: 9 when the page lies in a 2 MiB entry, else 0
 *
 * Context: any; the caller holds the mirror's lock.
 * Return: the entry of the page, with the pfn of the page itself also inside a
 * 2 MiB entry; 0 when there is none.
 */
u64 ferry_pt_lookup(const struct ferry_pt *pt, u64 vpn, unsigned int *order)
{
	const struct node *node = pt->root;
	const struct leaf *leaf;
	unsigned int level;
	bool huge = false;
	u64 pte = 0;

	for (level = TOP_LEVEL; node && level > 1; level--)
		node = node->child[slot_of(vpn, level)];

	if (node && vpn < VPN_END) {
		u64 entry = node->entry[slot_of(vpn, 1)];

		huge = is_huge(entry);
		leaf = node->child[slot_of(vpn, 1)];
		if (huge)
			pte = pte_at(entry, slot_of(vpn, 0));
		else if (leaf)
			pte = leaf->pte[slot_of(vpn, 0)];
	}
	if (order)
		*order = huge ? SLOT_BITS : 0;
	return pte;
}

static void walk_leaf(const struct leaf *leaf, u64 vpn, u64 end,
		      ferry_pt_fn fn, void *ctx)
{
	for (; vpn < end; vpn++) {
		u64 pte = leaf->pte[slot_of(vpn, 0)];

		if (pte)
			fn(ctx, vpn, pte, 1, false);
	}
}

static void walk_node(const struct node *node, unsigned int level, u64 vpn,
		      u64 end, ferry_pt_fn fn, void *ctx)
{
	u64 next;

	for (; vpn < end; vpn = next) {
		unsigned int i = slot_of(vpn, level);
		u64 entry = node->entry[i];

		next = slot_end(vpn, end, level);
		if (!entry)
			continue;
		if (is_huge(entry))
			fn(ctx, vpn, pte_at(entry, slot_of(vpn, 0)), next - vpn,
			   true);
		else if (level == 1)
			walk_leaf(node->child[i], vpn, next, fn, ctx);
		else
			walk_node(node->child[i], level - 1, vpn, next, fn, ctx);
	}
}

/**
 * ferry_pt_walk - visit the present entries of a range, in order
 * @pt: page table
 * @vpn: first virtual page number
 * @nr: pages; what lies beyond the end of the table is ignored
 * @fn: called for each entry, or the part of it inside the range; must not
 *	change @pt
 * @ctx: first argument of @fn
 *
 * Context: any; the caller holds the mirror's lock.
 */
void ferry_pt_walk(const struct ferry_pt *pt, u64 vpn, u64 nr, ferry_pt_fn fn,
		   void *ctx)
{
	u64 end = range_end(vpn, nr);

	if (pt->root && vpn < end)
		walk_node(pt->root, TOP_LEVEL, vpn, end, fn, ctx);
}
