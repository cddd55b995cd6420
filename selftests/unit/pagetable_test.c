// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device page table against a model: an array of entries, over a few
 * regions that lie far apart.
 *
 * The model holds an entry a page, and a flag for each 2 MiB that one entry
 * maps. Regions follow each other in the array as they do in the address
 * space, and most lie across the border of two tables of some level.
 */
#include <kselftest_harness.h>

#include "pagetable.h"
#include "unit.h"

#define TABLE		512U
#define REGION		(3 * TABLE)
#define LEAF_BYTES	4096U
#define VPN_END		0x200000000000ULL
#define GIB		0x40000ULL

static const u64 regions[] = {
	0,
	GIB - 2 * TABLE,
	(1ULL << 27) - TABLE,
	0x7f1234600,
	(1ULL << 36) - 2 * TABLE,
	VPN_END - REGION,
};

#define REGIONS		ARRAY_SIZE(regions)
#define PAGES		(REGIONS * REGION)

struct model {
	u64 pte[PAGES];
	bool huge[PAGES / TABLE];
	unsigned long pages;
	unsigned long nr_huge;
};

struct table_test {
	struct ferry_pt pt;
	struct ferry_pt_cache c;
	struct model m;
	size_t node_bytes;
	unsigned long long seed;
};

FIXTURE(pt) {
	struct table_test t;
};

FIXTURE_SETUP(pt)
{
	struct table_test *t = &self->t;

	t->seed = unit_seed();
	ferry_pt_init(&t->pt);
	ASSERT_EQ(0, ferry_pt_cache_fill(&t->c, 0));
	ASSERT_EQ(0, t->c.leaves);
	ASSERT_NE(0, t->c.nodes);
	t->node_bytes = unit_allocated() / t->c.nodes;
	ferry_pt_cache_drain(&t->c);
	ASSERT_EQ(0, unit_allocated());
}

FIXTURE_TEARDOWN(pt)
{
	struct table_test *t = &self->t;

	ferry_pt_cache_drain(&t->c);
	EXPECT_EQ(t->pt.bytes, unit_allocated());
	ferry_pt_fini(&t->pt);
	EXPECT_EQ(0, t->pt.bytes);
	EXPECT_EQ(0, t->pt.pages);
	EXPECT_EQ(0, t->pt.huge);
	EXPECT_EQ(0, unit_allocated());
}

/* ---- the model -------------------------------------------------------- */

static u64 vpn_of(unsigned int i)
{
	return regions[i / REGION] + i % REGION;
}

/* Place in the model of the first page that is not below @vpn. */
static unsigned int place_of(u64 vpn)
{
	unsigned int r;

	for (r = 0; r < REGIONS; r++)
		if (vpn < regions[r] + REGION)
			return r * REGION + (vpn > regions[r] ? vpn - regions[r] : 0);
	return PAGES;
}

/* Whether an operation on places [first, last) cuts a 2 MiB entry. */
static bool cuts(unsigned int i, unsigned int first, unsigned int last)
{
	unsigned int start = i / TABLE * TABLE;

	return first > start || last < start + TABLE;
}

static void model_split(struct model *m, unsigned int i)
{
	m->nr_huge -= m->huge[i / TABLE];
	m->huge[i / TABLE] = false;
}

static void model_clear(struct model *m, unsigned int i)
{
	m->pages -= !!m->pte[i];
	m->pte[i] = 0;
}

static unsigned long model_unmap(struct model *m, unsigned int first,
				 unsigned int last)
{
	unsigned long before = m->pages;
	unsigned int i;

	for (i = first; i < last; i++) {
		model_split(m, i);
		model_clear(m, i);
	}
	return before - m->pages;
}

static unsigned long model_protect(struct model *m, unsigned int first,
				   unsigned int last)
{
	unsigned long changed = 0;
	unsigned int i;

	for (i = first; i < last; i++) {
		if (!(m->pte[i] & FERRY_PTE_WRITE))
			continue;
		if (cuts(i, first, last))
			model_split(m, i);
		m->pte[i] &= ~FERRY_PTE_WRITE;
		changed++;
	}
	return changed;
}

static void model_map(struct model *m, unsigned int i, unsigned int order,
		      u64 pte)
{
	unsigned int n;

	model_split(m, i);
	for (n = 0; n < 1U << order; n++) {
		model_clear(m, i + n);
		m->pte[i + n] = pte + ((u64)n << FERRY_PTE_PFN_SHIFT);
		m->pages++;
	}
	if (order) {
		m->huge[i / TABLE] = true;
		m->nr_huge++;
	}
}

/* ---- comparing -------------------------------------------------------- */

struct visit {
	struct __test_metadata *metadata;
	const struct model *m;
	unsigned int next, last;
};

/* Moves to the next page that the model says is present. */
static void skip_holes(struct visit *v)
{
	while (v->next < v->last && !v->m->pte[v->next])
		v->next++;
}

static void visit(void *ctx, u64 vpn, u64 pte, unsigned long nr, bool huge)
{
	struct visit *v = ctx;
	struct __test_metadata *_metadata = v->metadata;
	unsigned int end;

	skip_holes(v);
	ASSERT_LT(v->next, v->last);
	ASSERT_EQ(vpn_of(v->next), vpn);
	ASSERT_EQ(v->m->pte[v->next], pte);
	ASSERT_EQ(v->m->huge[v->next / TABLE], huge);
	end = (v->next / TABLE + 1) * TABLE;
	if (!huge)
		end = v->next + 1;
	if (end > v->last)
		end = v->last;
	ASSERT_EQ(end - v->next, nr);
	v->next = end;
}

static void check_walk(struct __test_metadata *_metadata,
		       const struct table_test *t, u64 vpn, u64 nr)
{
	struct visit v = { .metadata = _metadata, .m = &t->m };

	v.next = place_of(vpn);
	v.last = nr < VPN_END - vpn ? place_of(vpn + nr) : PAGES;
	ferry_pt_walk(&t->pt, vpn, nr, visit, &v);
	skip_holes(&v);
	ASSERT_EQ(v.last, v.next);
}

static void check_page(struct __test_metadata *_metadata,
		       const struct table_test *t, unsigned int i)
{
	unsigned int order = ~0U;
	u64 pte = ferry_pt_lookup(&t->pt, vpn_of(i), &order);

	ASSERT_EQ(t->m.pte[i], pte);
	ASSERT_EQ(t->m.huge[i / TABLE] ? 9 : 0, order);
}

static void check_counts(struct __test_metadata *_metadata,
			 const struct table_test *t)
{
	ASSERT_EQ(t->m.pages, t->pt.pages);
	ASSERT_EQ(t->m.nr_huge, t->pt.huge);
	ASSERT_EQ(unit_allocated(), t->pt.bytes +
		  t->c.leaves * LEAF_BYTES + t->c.nodes * t->node_bytes);
}

static void check(struct __test_metadata *_metadata,
		  const struct table_test *t)
{
	unsigned int i;

	check_counts(_metadata, t);
	for (i = 0; i < PAGES; i++)
		check_page(_metadata, t, i);
	for (i = 0; i < REGIONS; i++) {
		if (regions[i])
			ASSERT_EQ(0, ferry_pt_lookup(&t->pt, regions[i] - 1, NULL));
		ASSERT_EQ(0, ferry_pt_lookup(&t->pt, regions[i] + REGION, NULL));
	}
	check_walk(_metadata, t, 0, VPN_END);
}

/* ---- one step --------------------------------------------------------- */

static u64 random_pte(unsigned int order)
{
	u64 flags = unit_random() & (FERRY_PTE_WRITE | FERRY_PTE_DEVICE |
				     FERRY_PTE_EXCLUSIVE | FERRY_PTE_DEV_MASK);

	return ferry_pte(unit_below(1ULL << 40) >> order << order, flags);
}

/* Maps, where the cache may be short: then nothing changes, and a retry works. */
static void do_map(struct __test_metadata *_metadata, struct table_test *t,
		   unsigned int i, unsigned int order)
{
	u64 pte = random_pte(order);
	int err;

	if (order)
		i = i / TABLE * TABLE;
	err = ferry_pt_map(&t->pt, &t->c, vpn_of(i), order, pte);
	if (err) {
		ASSERT_EQ(-ENOMEM, err);
		ASSERT_TRUE(!t->c.leaves || !t->c.nodes);
		ASSERT_EQ(0, t->m.pte[i]);
		check_page(_metadata, t, i);
		check_counts(_metadata, t);
		ASSERT_EQ(0, ferry_pt_cache_fill(&t->c, 1 + unit_below(3)));
		err = ferry_pt_map(&t->pt, &t->c, vpn_of(i), order, pte);
	}
	ASSERT_EQ(0, err);
	model_map(&t->m, i, order, pte);
	check_page(_metadata, t, i);
	check_page(_metadata, t, i + (1U << order) - 1);
}

static void do_unmap(struct __test_metadata *_metadata, struct table_test *t,
		     unsigned int first, unsigned int last)
{
	u64 vpn = vpn_of(first), nr = vpn_of(last - 1) + 1 - vpn;

	ASSERT_EQ(model_unmap(&t->m, first, last),
		  ferry_pt_unmap(&t->pt, vpn, nr));
	if (nr > TABLE && !t->m.pages)
		ASSERT_EQ(0, t->pt.bytes);
}

static void do_protect(struct __test_metadata *_metadata,
		       struct table_test *t, unsigned int first,
		       unsigned int last)
{
	u64 vpn = vpn_of(first), nr = vpn_of(last - 1) + 1 - vpn;

	ASSERT_EQ(model_protect(&t->m, first, last),
		  ferry_pt_protect(&t->pt, vpn, nr));
}

/* Takes nodes out of the cache, so that it runs short of them as well. */
static void do_shorten(struct table_test *t)
{
	unsigned int keep = unit_below(FERRY_PT_CACHE + 1);

	while (t->c.nodes > keep)
		free(t->c.node[--t->c.nodes]);
}

/* Any range, but often a short one, or one of whole tables. */
static void random_range(unsigned int *first, unsigned int *last)
{
	unsigned int a = unit_below(PAGES), b;

	switch (unit_below(8)) {
	case 0:
		b = unit_below(PAGES);
		break;
	case 1:
		b = a + unit_below(REGION);
		break;
	case 2 ... 3:
		a = a / TABLE * TABLE;
		b = a + (1 + unit_below(4)) * TABLE - 1;
		break;
	case 4:
		b = a / TABLE * TABLE + TABLE - 1;
		break;
	case 5:
		b = a;
		a = a / TABLE * TABLE;
		break;
	default:
		b = a + unit_below(24);
	}
	if (b >= PAGES)
		b = PAGES - 1;
	*first = a < b ? a : b;
	*last = (a < b ? b : a) + 1;
}

TEST_F_TIMEOUT(pt, random, 120)
{
	struct table_test *t = &self->t;
	unsigned int step, first, last, busy = 60;

	TH_LOG("FERRY_SEED=%llu", t->seed);
	for (step = 1; step <= 400000; step++) {
		if (!unit_below(1000))
			busy = 10 + unit_below(85);
		random_range(&first, &last);
		if (unit_below(100) < busy) {
			if (unit_below(8))
				do_map(_metadata, t, first, 0);
			else
				do_map(_metadata, t, first, 9);
		} else {
			switch (unit_below(8)) {
			case 0 ... 2:
				do_unmap(_metadata, t, first, last);
				break;
			case 3 ... 4:
				do_protect(_metadata, t, first, last);
				break;
			case 5:
				do_shorten(t);
				break;
			default:
				check_walk(_metadata, t, vpn_of(first),
					   vpn_of(last - 1) + 1 - vpn_of(first));
			}
		}
		check_page(_metadata, t, unit_below(PAGES));
		check_page(_metadata, t, first);
		check_page(_metadata, t, last - 1);
		check_counts(_metadata, t);
		if (step % 500 == 0)
			check(_metadata, t);
		if (!unit_below(5000)) {
			do_unmap(_metadata, t, 0, PAGES);
			check(_metadata, t);
		}
	}
	check(_metadata, t);
}

/* ---- cases ------------------------------------------------------------ */

TEST_F(pt, refuses)
{
	struct table_test *t = &self->t;
	static const unsigned int orders[] = { 1, 8, 10, 18, 31, 32, 64, ~0U };
	u64 pte = ferry_pte(512, FERRY_PTE_WRITE);
	unsigned int i;

	ASSERT_EQ(0, ferry_pt_cache_fill(&t->c, 1));
	for (i = 0; i < ARRAY_SIZE(orders); i++)
		EXPECT_EQ(-EINVAL, ferry_pt_map(&t->pt, &t->c, 0,
						orders[i], pte));
	EXPECT_EQ(-EINVAL, ferry_pt_map(&t->pt, &t->c, 1, 9, pte));
	EXPECT_EQ(-EINVAL, ferry_pt_map(&t->pt, &t->c, 256, 9, pte));
	EXPECT_EQ(-EINVAL, ferry_pt_map(&t->pt, &t->c, VPN_END, 0, pte));
	EXPECT_EQ(-EINVAL, ferry_pt_map(&t->pt, &t->c, VPN_END, 9, pte));
	EXPECT_EQ(-EINVAL, ferry_pt_map(&t->pt, &t->c, ~0ULL, 0, pte));
	EXPECT_EQ(-EINVAL, ferry_pt_map(&t->pt, &t->c, 0, 0,
					pte & ~FERRY_PTE_PRESENT));
	EXPECT_EQ(-EINVAL, ferry_pt_map(&t->pt, &t->c, 0, 9,
					ferry_pte(513, 0)));
	EXPECT_EQ(-EINVAL, ferry_pt_map(&t->pt, &t->c, 0, 9,
					ferry_pte(256, 0)));
	EXPECT_EQ(0, t->pt.bytes);
	check(_metadata, t);

	EXPECT_EQ(0, ferry_pt_map(&t->pt, &t->c, VPN_END - TABLE, 9, pte));
	EXPECT_EQ(0, ferry_pt_map(&t->pt, &t->c, VPN_END - 1, 0, pte));
	EXPECT_EQ(pte, ferry_pt_lookup(&t->pt, VPN_END - 1, NULL));
	/* Bits above the 45 are not cut off. */
	EXPECT_EQ(0, ferry_pt_lookup(&t->pt, 2 * VPN_END - 1, NULL));
	EXPECT_EQ(0, ferry_pt_lookup(&t->pt, ~0ULL, NULL));
}

TEST_F(pt, cache)
{
	struct table_test *t = &self->t;
	unsigned int total, n;
	int err;

	EXPECT_EQ(-EINVAL, ferry_pt_cache_fill(&t->c, FERRY_PT_CACHE + 1));
	EXPECT_EQ(0, unit_allocated());

	ASSERT_EQ(0, ferry_pt_cache_fill(&t->c, FERRY_PT_CACHE));
	EXPECT_EQ(FERRY_PT_CACHE, t->c.leaves);
	EXPECT_LE(t->c.nodes, FERRY_PT_CACHE);
	total = t->c.leaves + t->c.nodes;
	check_counts(_metadata, t);

	/* Filling a full cache allocates nothing, and less is no reason to shrink. */
	unit_fail_after(0);
	EXPECT_EQ(0, ferry_pt_cache_fill(&t->c, FERRY_PT_CACHE));
	EXPECT_EQ(0, ferry_pt_cache_fill(&t->c, 1));
	unit_fail_after(-1);
	EXPECT_EQ(FERRY_PT_CACHE, t->c.leaves);
	ferry_pt_cache_drain(&t->c);
	EXPECT_EQ(0, unit_allocated());

	/* Each allocation fails once; what came before it stays. */
	for (n = 0; n < total; n++) {
		unit_fail_after(n);
		err = ferry_pt_cache_fill(&t->c, FERRY_PT_CACHE);
		unit_fail_after(-1);
		EXPECT_EQ(-ENOMEM, err);
		EXPECT_EQ(n, t->c.leaves + t->c.nodes);
		check_counts(_metadata, t);
		if (n % 2)
			ferry_pt_cache_drain(&t->c);
		ASSERT_EQ(0, ferry_pt_cache_fill(&t->c, FERRY_PT_CACHE));
		EXPECT_EQ(total, t->c.leaves + t->c.nodes);
		ferry_pt_cache_drain(&t->c);
	}
}

/* One filling is enough for two regions that share the root only. */
TEST_F(pt, cache_two_regions)
{
	struct table_test *t = &self->t;
	u64 pte = ferry_pte(0, 0);

	ASSERT_EQ(0, ferry_pt_cache_fill(&t->c, 2));
	EXPECT_EQ(0, ferry_pt_map(&t->pt, &t->c, (1ULL << 36) - TABLE, 9, pte));
	EXPECT_EQ(0, ferry_pt_map(&t->pt, &t->c, 1ULL << 36, 9, pte));
	EXPECT_EQ(0, t->c.leaves);
	EXPECT_EQ(1024, t->pt.pages);
	EXPECT_EQ(2, t->pt.huge);
}

/* Tables linked by a call that failed are not lost: one at a time is enough. */
TEST_F(pt, cache_trickle)
{
	struct table_test *t = &self->t;
	struct ferry_pt_cache one = {};
	unsigned int nodes;

	ASSERT_EQ(0, ferry_pt_cache_fill(&t->c, 1));
	for (nodes = 0; nodes < 4; nodes++) {
		ASSERT_EQ(-ENOMEM, ferry_pt_map(&t->pt, &one, 1000, 0,
						ferry_pte(1, 0)));
		ASSERT_EQ(nodes * t->node_bytes, t->pt.bytes);
		one.node[one.nodes++] = t->c.node[--t->c.nodes];
	}
	ASSERT_EQ(-ENOMEM, ferry_pt_map(&t->pt, &one, 1000, 0, ferry_pte(1, 0)));
	check(_metadata, t);
	ASSERT_EQ(0, ferry_pt_map(&t->pt, &t->c, 1000, 0, ferry_pte(1, 0)));
	EXPECT_EQ(4 * t->node_bytes + LEAF_BYTES, t->pt.bytes);
	EXPECT_EQ(ferry_pte(1, 0), ferry_pt_lookup(&t->pt, 1000, NULL));
	EXPECT_EQ(1, t->pt.pages);
}

/* A part of a 2 MiB entry is unmapped out of its deposit: no table is needed. */
TEST_F(pt, deposit)
{
	struct table_test *t = &self->t;
	unsigned int i;

	for (i = 0; i < PAGES; i += TABLE) {
		do_map(_metadata, t, i, 9);
		ferry_pt_cache_drain(&t->c);
	}
	check(_metadata, t);
	ASSERT_EQ(PAGES / TABLE, t->pt.huge);

	unit_fail_after(0);
	for (i = 0; i < PAGES; i += TABLE) {
		do_unmap(_metadata, t, i + i / TABLE * 28, i + i / TABLE * 29 + 1);
		check(_metadata, t);
	}
	ASSERT_EQ(0, t->pt.huge);
	/* And the table of the pages becomes the deposit again. */
	for (i = 0; i < PAGES; i += TABLE) {
		do_map(_metadata, t, i, 9);
		check(_metadata, t);
	}
	ASSERT_EQ(PAGES / TABLE, t->pt.huge);
	/* Nothing stale in it, when the entry goes as a whole. */
	for (i = 0; i < PAGES; i += TABLE) {
		do_unmap(_metadata, t, i, i + TABLE);
		do_map(_metadata, t, i + 77, 0);
		check(_metadata, t);
	}
	unit_fail_after(-1);
	ASSERT_EQ(PAGES / TABLE, t->pt.pages);
}

TEST_F(pt, page_in_huge)
{
	struct table_test *t = &self->t;
	unsigned int i;

	do_map(_metadata, t, TABLE, 9);
	ferry_pt_cache_drain(&t->c);
	for (i = TABLE; i < 2 * TABLE; i += 73) {
		do_map(_metadata, t, i, 0);
		check(_metadata, t);
	}
	EXPECT_EQ(TABLE, t->pt.pages);
	EXPECT_EQ(0, t->pt.huge);
}

TEST_F(pt, protect_huge)
{
	struct table_test *t = &self->t;
	u64 pte = ferry_pte(TABLE, FERRY_PTE_WRITE | FERRY_PTE_DEVICE);
	unsigned int order;

	ASSERT_EQ(0, ferry_pt_cache_fill(&t->c, 2));
	ASSERT_EQ(0, ferry_pt_map(&t->pt, &t->c, 0, 9, pte));
	ASSERT_EQ(0, ferry_pt_map(&t->pt, &t->c, TABLE, 9, pte));

	/* As a whole, it stays one entry; and once is enough. */
	EXPECT_EQ(512, ferry_pt_protect(&t->pt, 0, TABLE));
	EXPECT_EQ(0, ferry_pt_protect(&t->pt, 0, TABLE));
	EXPECT_EQ(2, t->pt.huge);
	/* One that is read-only anyway is not split for it. */
	EXPECT_EQ(0, ferry_pt_protect(&t->pt, 5, 7));
	EXPECT_EQ(2, t->pt.huge);
	EXPECT_EQ(pte - FERRY_PTE_WRITE, ferry_pt_lookup(&t->pt, 0, &order));
	EXPECT_EQ(9, order);

	EXPECT_EQ(2, ferry_pt_protect(&t->pt, TABLE - 10, 12));
	EXPECT_EQ(1, t->pt.huge);
	EXPECT_EQ(ferry_pte(TABLE + 1, FERRY_PTE_DEVICE),
		  ferry_pt_lookup(&t->pt, TABLE + 1, &order));
	EXPECT_EQ(0, order);
	EXPECT_EQ(ferry_pte(TABLE + 2, FERRY_PTE_DEVICE | FERRY_PTE_WRITE),
		  ferry_pt_lookup(&t->pt, TABLE + 2, &order));
	EXPECT_EQ(1024, t->pt.pages);
}

/* A migration unmaps and maps again: the tables wait for it. */
TEST_F(pt, small_unmap_keeps_tables)
{
	struct table_test *t = &self->t;
	size_t bytes;

	do_map(_metadata, t, 0, 9);
	do_map(_metadata, t, TABLE, 0);
	ferry_pt_cache_drain(&t->c);
	bytes = t->pt.bytes;
	do_unmap(_metadata, t, 0, TABLE);
	do_unmap(_metadata, t, TABLE, TABLE + 1);
	EXPECT_EQ(bytes, t->pt.bytes);
	EXPECT_EQ(0, t->pt.pages);
	unit_fail_after(0);
	do_map(_metadata, t, 0, 9);
	do_map(_metadata, t, TABLE, 0);
	unit_fail_after(-1);
	EXPECT_EQ(bytes, t->pt.bytes);
	check(_metadata, t);
}

/* More than a table's worth frees what it leaves empty, kept tables as well. */
TEST_F(pt, large_unmap_frees_tables)
{
	struct table_test *t = &self->t;
	size_t one;

	do_map(_metadata, t, 0, 0);
	ferry_pt_cache_drain(&t->c);
	one = t->pt.bytes;

	/* A table in the same node, emptied and kept, then freed. */
	do_map(_metadata, t, TABLE, 0);
	do_unmap(_metadata, t, TABLE, 2 * TABLE);
	EXPECT_EQ(one + LEAF_BYTES, t->pt.bytes);
	do_unmap(_metadata, t, TABLE, REGION);
	EXPECT_EQ(one, t->pt.bytes);

	/* A table that the range only cuts, but empties. */
	do_map(_metadata, t, 2 * TABLE - 1, 0);
	do_map(_metadata, t, 2 * TABLE, 0);
	do_map(_metadata, t, 3 * TABLE - 1, 0);
	EXPECT_EQ(one + 2 * LEAF_BYTES, t->pt.bytes);
	do_unmap(_metadata, t, 2 * TABLE - 2, 3 * TABLE - 1);
	EXPECT_EQ(one + LEAF_BYTES, t->pt.bytes);
	check(_metadata, t);
	do_unmap(_metadata, t, TABLE, REGION);
	EXPECT_EQ(one, t->pt.bytes);

	/* The whole span of a node: with its own last pages, and its node. */
	do_map(_metadata, t, place_of(GIB), 9);
	do_map(_metadata, t, place_of(GIB - TABLE), 9);
	do_map(_metadata, t, place_of(GIB - TABLE - 1), 0);
	EXPECT_EQ(GIB >> 9, TABLE);
	EXPECT_EQ(TABLE, ferry_pt_unmap(&t->pt, GIB, GIB));
	EXPECT_EQ(one + 2 * LEAF_BYTES, t->pt.bytes);
	EXPECT_EQ(1, t->pt.huge);
	EXPECT_EQ(TABLE + 2, ferry_pt_unmap(&t->pt, 0, GIB));
	EXPECT_EQ(0, t->pt.bytes);
	EXPECT_EQ(0, t->pt.huge);
	memset(&t->m, 0, sizeof(t->m));
	check(_metadata, t);
}

TEST_F(pt, ranges)
{
	struct table_test *t = &self->t;
	unsigned int i;

	/* An empty table has no root to look at. */
	EXPECT_EQ(0, ferry_pt_unmap(&t->pt, 0, ~0ULL));
	EXPECT_EQ(0, ferry_pt_protect(&t->pt, 0, ~0ULL));
	check(_metadata, t);

	for (i = 0; i < PAGES; i += TABLE - 1)
		do_map(_metadata, t, i, 0);
	do_map(_metadata, t, PAGES - 1, 0);
	check_walk(_metadata, t, 0, ~0ULL);
	check_walk(_metadata, t, 1, ~0ULL);
	check_walk(_metadata, t, VPN_END - 1, 1);
	check_walk(_metadata, t, VPN_END - 1, ~0ULL);

	EXPECT_EQ(0, ferry_pt_unmap(&t->pt, 0, 0));
	EXPECT_EQ(0, ferry_pt_unmap(&t->pt, VPN_END, 1));
	EXPECT_EQ(0, ferry_pt_unmap(&t->pt, VPN_END, ~0ULL));
	EXPECT_EQ(0, ferry_pt_unmap(&t->pt, ~0ULL, 1));
	EXPECT_EQ(0, ferry_pt_unmap(&t->pt, ~0ULL, ~0ULL));
	EXPECT_EQ(0, ferry_pt_protect(&t->pt, 0, 0));
	EXPECT_EQ(0, ferry_pt_protect(&t->pt, VPN_END, 1));
	ferry_pt_walk(&t->pt, 0, 0, NULL, NULL);
	ferry_pt_walk(&t->pt, VPN_END, ~0ULL, NULL, NULL);
	check(_metadata, t);

	EXPECT_EQ(t->m.pages - 1, ferry_pt_unmap(&t->pt, 1, ~0ULL));
	EXPECT_EQ(1, t->pt.pages);
	EXPECT_EQ(1, ferry_pt_unmap(&t->pt, 0, ~0ULL));
	EXPECT_EQ(0, t->pt.bytes);
}

/* The whole address space costs as much as what is in it. */
TEST_F(pt, sparse_is_fast)
{
	struct table_test *t = &self->t;
	unsigned int i;

	for (i = 0; i < 1000; i++) {
		do_map(_metadata, t, i % PAGES, i % 3 ? 0 : 9);
		do_map(_metadata, t, PAGES - 1 - i % PAGES, 0);
		check_walk(_metadata, t, 0, VPN_END);
		do_protect(_metadata, t, 0, PAGES);
		do_unmap(_metadata, t, 0, PAGES);
	}
}

TEST_HARNESS_MAIN
