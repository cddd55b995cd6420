// SPDX-License-Identifier: GPL-2.0-only
/*
 * The frame allocator against a model of a byte a frame.
 *
 * The model knows only which frames are used. What the allocator holds follows
 * from that: its free runs must be the largest aligned ones, each once.
 */
#include <kselftest_harness.h>

#include "frame.h"
#include "unit.h"

#define BULK_MAX	1500U

struct model {
	struct ferry_frames f;
	u8 *used;
	unsigned long nr;
	unsigned long nr_used;
	unsigned long long seed;
};

/* Runs that the model says are free, by order. */
struct runs {
	unsigned long nr[FERRY_NR_ORDERS];
};

static bool none_used(const struct model *m, unsigned long frame,
		      unsigned int order)
{
	return !memchr(m->used + frame, 1, 1U << order);
}

static bool none_free(const struct model *m, unsigned long frame,
		      unsigned int order)
{
	return !memchr(m->used + frame, 0, 1U << order);
}

static void mark(struct model *m, unsigned long frame, unsigned long n,
		 bool used)
{
	memset(m->used + frame, used, n);
	m->nr_used += used ? n : -n;
}

static bool bit_of(const unsigned long *map, unsigned long i)
{
	return map[i / 64] >> i % 64 & 1;
}

static unsigned long nr_words(unsigned long bits)
{
	return (bits + 63) / 64;
}

static void model_start(struct __test_metadata *_metadata, struct model *m,
			unsigned long blocks)
{
	m->seed = unit_seed();
	ferry_frames_warnings = 0;
	m->nr = blocks * FERRY_BLOCK_FRAMES;
	m->nr_used = 0;
	m->used = calloc(1, m->nr);
	ASSERT_NE(NULL, m->used);
	ASSERT_EQ(0, ferry_frames_init(&m->f, m->nr));
}

static void model_stop(struct __test_metadata *_metadata, struct model *m)
{
	ferry_frames_fini(&m->f);
	free(m->used);
	EXPECT_EQ(0, unit_allocated());
}

static void expect_runs(struct __test_metadata *_metadata,
			const struct model *m, struct runs *runs,
			unsigned long frame, unsigned int order)
{
	if (none_used(m, frame, order)) {
		runs->nr[order]++;
		ASSERT_TRUE(bit_of(m->f.bits[order], frame >> order));
	} else if (order && !none_free(m, frame, order)) {
		order--;
		expect_runs(_metadata, m, runs, frame, order);
		expect_runs(_metadata, m, runs, frame + (1UL << order), order);
	}
}

/* Everything that the allocator holds, against the model. */
static void check(struct __test_metadata *_metadata, const struct model *m)
{
	unsigned long block, w, total = 0;
	struct runs runs = {};
	unsigned int o;

	ASSERT_EQ(m->nr - m->nr_used, m->f.free);
	for (block = 0; block < m->nr / FERRY_BLOCK_FRAMES; block++) {
		unsigned long first = block * FERRY_BLOCK_FRAMES, i;
		unsigned int used = 0;

		for (i = first; i < first + FERRY_BLOCK_FRAMES; i++)
			used += m->used[i];
		ASSERT_EQ(used, m->f.used[block]);
		expect_runs(_metadata, m, &runs, first, FERRY_MAX_ORDER);
	}

	/* The expected bits are set: if there are no more of them, all is well. */
	for (o = 0; o < FERRY_NR_ORDERS; o++) {
		unsigned long bits = 0;

		for (w = 0; w < nr_words(m->nr >> o); w++) {
			bits += __builtin_popcountl(m->f.bits[o][w]);
			ASSERT_EQ(!!m->f.bits[o][w], bit_of(m->f.summary[o], w));
		}
		ASSERT_EQ(runs.nr[o], bits);
		ASSERT_EQ(runs.nr[o], m->f.nr_free[o]);
		total += runs.nr[o] << o;
	}
	ASSERT_EQ(m->f.free, total);
}

/* Where a run of @order has to come from: the lowest of the smallest. */
static unsigned long expect_alloc(const struct model *m, unsigned int order)
{
	unsigned long frame;

	for (; order < FERRY_NR_ORDERS; order++)
		for (frame = 0; frame < m->nr; frame += 1UL << order)
			if (none_used(m, frame, order) &&
			    (order == FERRY_MAX_ORDER ||
			     !none_used(m, frame ^ 1UL << order, order)))
				return frame;
	return FERRY_NO_FRAME;
}

static void do_alloc(struct __test_metadata *_metadata, struct model *m,
		     unsigned int order, bool exact)
{
	unsigned long expected = exact ? expect_alloc(m, order) : 0;
	unsigned long frame = ferry_frames_alloc(&m->f, order);

	if (exact)
		ASSERT_EQ(expected, frame);
	if (frame == FERRY_NO_FRAME)
		return;
	ASSERT_LT(frame, m->nr);
	ASSERT_EQ(0, frame & ((1UL << order) - 1));
	ASSERT_TRUE(none_used(m, frame, order));
	mark(m, frame, 1UL << order, true);
	ASSERT_EQ(m->nr - m->nr_used, m->f.free);
}

static void do_bulk(struct __test_metadata *_metadata, struct model *m,
		    unsigned int n)
{
	static unsigned long out[BULK_MAX + 1];
	unsigned long whole = m->f.nr_free[FERRY_MAX_ORDER];
	unsigned long partial = m->f.free - whole * FERRY_BLOCK_FRAMES;
	unsigned int got, want, i;

	want = n < m->f.free ? n : m->f.free;
	out[want] = FERRY_NO_FRAME;
	got = ferry_frames_alloc_bulk(&m->f, n, out);
	ASSERT_EQ(want, got);
	for (i = 0; i < got; i++) {
		ASSERT_LT(out[i], m->nr);
		ASSERT_EQ(0, m->used[out[i]]);
		mark(m, out[i], 1, true);
	}
	ASSERT_EQ(FERRY_NO_FRAME, out[want]);
	ASSERT_EQ(m->nr - m->nr_used, m->f.free);

	/* No block is opened before those in use are full. */
	if (want > partial)
		whole -= (want - partial + FERRY_BLOCK_FRAMES - 1) /
			 FERRY_BLOCK_FRAMES;
	ASSERT_EQ(whole, m->f.nr_free[FERRY_MAX_ORDER]);
}

/* A legal free if the run is used; if any of it is free, a refused one. */
static void do_free(struct __test_metadata *_metadata, struct model *m,
		    unsigned long frame, unsigned int order)
{
	unsigned long warnings = ferry_frames_warnings;
	bool legal = none_free(m, frame, order);

	ferry_frames_free(&m->f, frame, order);
	if (legal)
		mark(m, frame, 1UL << order, false);
	ASSERT_EQ(warnings + !legal, ferry_frames_warnings);
	ASSERT_EQ(m->nr - m->nr_used, m->f.free);
}

/* Frees what is used of a run, as the largest pieces. */
static void do_free_rest(struct __test_metadata *_metadata, struct model *m,
			 unsigned long frame, unsigned int order)
{
	if (none_used(m, frame, order))
		return;
	if (none_free(m, frame, order)) {
		do_free(_metadata, m, frame, order);
		return;
	}
	order--;
	do_free_rest(_metadata, m, frame, order);
	do_free_rest(_metadata, m, frame + (1UL << order), order);
}

static void free_all(struct __test_metadata *_metadata, struct model *m)
{
	unsigned long frame;

	for (frame = 0; frame < m->nr; frame += FERRY_BLOCK_FRAMES)
		do_free_rest(_metadata, m, frame, FERRY_MAX_ORDER);
	ASSERT_EQ(m->nr, m->f.free);
	ASSERT_EQ(m->nr / FERRY_BLOCK_FRAMES, m->f.nr_free[FERRY_MAX_ORDER]);
	check(_metadata, m);
}

static unsigned int random_order(void)
{
	switch (unit_below(8)) {
	case 0 ... 2:
		return 0;
	case 3:
		return FERRY_MAX_ORDER;
	default:
		return unit_below(FERRY_NR_ORDERS);
	}
}

static unsigned int random_bulk(void)
{
	return unit_below(unit_below(16) ? 64 : BULK_MAX + 1);
}

FIXTURE(random) {
	struct model m;
};

/* Blocks, steps, steps between full checks, and between exact predictions. */
FIXTURE_VARIANT(random) {
	unsigned long blocks, steps, check_every, exact_every;
};

FIXTURE_VARIANT_ADD(random, one_block) {
	.blocks = 1, .steps = 1000000, .check_every = 100, .exact_every = 4,
};

/* The last words of most bitmaps are partly used. */
FIXTURE_VARIANT_ADD(random, three_blocks) {
	.blocks = 3, .steps = 1000000, .check_every = 200, .exact_every = 8,
};

/* More than one word of summary at the lower orders. */
FIXTURE_VARIANT_ADD(random, sixty_blocks) {
	.blocks = 60, .steps = 900000, .check_every = 1000, .exact_every = 64,
};

/* More than one word of top. */
FIXTURE_VARIANT_ADD(random, two_gib) {
	.blocks = 1100, .steps = 200000, .check_every = 2000, .exact_every = 2048,
};

FIXTURE_SETUP(random)
{
	model_start(_metadata, &self->m, variant->blocks);
	TH_LOG("FERRY_SEED=%llu", self->m.seed);
}

FIXTURE_TEARDOWN(random)
{
	model_stop(_metadata, &self->m);
}

TEST_F_TIMEOUT(random, steps, 120)
{
	struct model *m = &self->m;
	unsigned long step, frame;
	unsigned int fill = 50, order;

	for (step = 1; step <= variant->steps; step++) {
		bool exact = step % variant->exact_every == 0;

		/* Sometimes the region fills up, sometimes it drains. */
		if (!unit_below(4 * variant->blocks + 100))
			fill = 20 + unit_below(70);

		order = random_order();
		frame = unit_below(m->nr) >> order << order;
		if (unit_below(100) < fill) {
			if (unit_below(4))
				do_alloc(_metadata, m, order, exact);
			else
				do_bulk(_metadata, m, random_bulk());
		} else if (unit_below(16)) {
			if (none_free(m, frame, order) || !unit_below(8))
				do_free(_metadata, m, frame, order);
		} else {
			do_free_rest(_metadata, m, frame, order);
		}

		frame = unit_below(m->nr);
		ASSERT_EQ(!m->used[frame], ferry_frames_is_free(&m->f, frame));
		if (step % variant->check_every == 0)
			check(_metadata, m);
		if (!unit_below(50 * variant->check_every))
			free_all(_metadata, m);
	}
	check(_metadata, m);
	free_all(_metadata, m);
}

FIXTURE(frames) {
	struct model m;
};

FIXTURE_SETUP(frames)
{
	model_start(_metadata, &self->m, 70);
}

FIXTURE_TEARDOWN(frames)
{
	model_stop(_metadata, &self->m);
}

TEST_F(frames, starts_free)
{
	struct model *m = &self->m;

	check(_metadata, m);
	EXPECT_EQ(m->nr, m->f.nr);
	EXPECT_EQ(70, m->f.nr_free[FERRY_MAX_ORDER]);
	EXPECT_TRUE(ferry_frames_is_free(&m->f, m->nr - 1));
	EXPECT_FALSE(ferry_frames_is_free(&m->f, m->nr));
	EXPECT_FALSE(ferry_frames_is_free(&m->f, FERRY_NO_FRAME));
}

/* Less than a thousandth of the region. */
TEST_F(frames, memory)
{
	struct model *m = &self->m;

	EXPECT_EQ(m->f.bytes + m->nr, unit_allocated());
	EXPECT_LT(m->f.bytes * 1000, m->nr * 4096);
}

TEST_F(frames, init_refuses)
{
	static const unsigned long bad[] = { 0, 1, 256, 511, 513, 768, ~0UL };
	struct ferry_frames f;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_EQ(-EINVAL, ferry_frames_init(&f, bad[i]));
	unit_fail_after(0);
	EXPECT_EQ(-ENOMEM, ferry_frames_init(&f, FERRY_BLOCK_FRAMES));
	unit_fail_after(-1);
	ferry_frames_fini(&f);

	ASSERT_EQ(0, ferry_frames_init(&f, FERRY_BLOCK_FRAMES));
	ferry_frames_fini(&f);
	EXPECT_EQ(0, f.bytes);
	ferry_frames_fini(&f);
}

/* Each order fills the whole region, upwards, and then there is no more. */
TEST_F(frames, exhaustion)
{
	struct model *m = &self->m;
	unsigned long i, frame;
	unsigned int o;

	for (o = 0; o < FERRY_NR_ORDERS; o++) {
		for (i = 0; i < m->nr >> o; i++) {
			frame = ferry_frames_alloc(&m->f, o);
			ASSERT_EQ(i << o, frame);
			mark(m, frame, 1UL << o, true);
		}
		check(_metadata, m);
		for (i = 0; i < FERRY_NR_ORDERS; i++)
			ASSERT_EQ(FERRY_NO_FRAME, ferry_frames_alloc(&m->f, i));
		ASSERT_EQ(0, ferry_frames_alloc_bulk(&m->f, 1, &frame));

		/* As it was allocated, downwards. */
		for (i = m->nr >> o; i-- > 0;)
			do_free(_metadata, m, i << o, o);
		check(_metadata, m);
		ASSERT_EQ(70, m->f.nr_free[FERRY_MAX_ORDER]);
	}
}

TEST_F(frames, bulk)
{
	struct model *m = &self->m;
	unsigned int n;

	do_bulk(_metadata, m, 0);
	for (n = 1; n < 300; n++) {
		do_bulk(_metadata, m, n % 131);
		check(_metadata, m);
	}
	while (m->f.free)
		do_bulk(_metadata, m, BULK_MAX);
	check(_metadata, m);
	free_all(_metadata, m);
}

/* A run of each order, freed as runs of each smaller order. */
TEST_F(frames, split_free)
{
	struct model *m = &self->m;
	unsigned long i, frame;
	unsigned int o, part;

	for (o = 0; o < FERRY_NR_ORDERS; o++) {
		for (part = 0; part <= o; part++) {
			frame = ferry_frames_alloc(&m->f, o);
			ASSERT_NE(FERRY_NO_FRAME, frame);
			mark(m, frame, 1UL << o, true);
			for (i = 0; i < 1UL << (o - part); i++) {
				unsigned long odd = (i * 5 + 3) & ((1UL << (o - part)) - 1);

				do_free(_metadata, m, frame + (odd << part), part);
				check(_metadata, m);
			}
			ASSERT_EQ(70, m->f.nr_free[FERRY_MAX_ORDER]);
		}
	}
}

/* A free of anything that has a free frame in it changes not a bit. */
TEST_F(frames, double_free)
{
	struct model *m = &self->m;
	unsigned long *before = calloc(1, m->f.bytes);
	unsigned long frame;
	unsigned int hole, o;

	ASSERT_NE(NULL, before);
	for (hole = 0; hole < FERRY_NR_ORDERS; hole++) {
		frame = ferry_frames_alloc(&m->f, FERRY_MAX_ORDER);
		ASSERT_EQ(0, frame);
		mark(m, frame, FERRY_BLOCK_FRAMES, true);
		frame = (FERRY_BLOCK_FRAMES - 1) >> hole << hole;
		do_free(_metadata, m, frame, hole);
		memcpy(before, m->f.bits[0], m->f.bytes);
		for (o = 0; o < FERRY_NR_ORDERS; o++) {
			do_free(_metadata, m, frame >> o << o, o);
			do_free(_metadata, m, (FERRY_BLOCK_FRAMES - 1) >> o << o, o);
			ASSERT_EQ(0, memcmp(before, m->f.bits[0], m->f.bytes));
		}
		EXPECT_EQ(20 * (hole + 1), ferry_frames_warnings);
		check(_metadata, m);
		free_all(_metadata, m);
	}
	free(before);
}

TEST_F(frames, bad_free)
{
	static const struct {
		unsigned long frame;
		unsigned int order;
	} bad[] = {
		{ 1, 1 }, { 2, 2 }, { 256, 9 }, { 0, 10 }, { 0, 63 }, { 0, 64 },
		{ 0, ~0U }, { 70 * 512, 0 }, { 70 * 512, 9 }, { ~0UL, 0 },
		{ ~511UL, 9 },
	};
	struct model *m = &self->m;
	unsigned int i;

	do_bulk(_metadata, m, FERRY_BLOCK_FRAMES - 1);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		ferry_frames_free(&m->f, bad[i].frame, bad[i].order);
		EXPECT_EQ(i + 1, ferry_frames_warnings);
	}
	check(_metadata, m);
}

TEST_F(frames, bad_order)
{
	static const unsigned int bad[] = { 10, 31, 32, 63, 64, ~0U };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_EQ(FERRY_NO_FRAME, ferry_frames_alloc(&self->m.f, bad[i]));
	check(_metadata, &self->m);
}

/* What is far behind a full part of the region is found as well. */
TEST(far_away)
{
	static const unsigned long last[] = { 1, 8, 9, 511, 512, 513, 1024, 4099 };
	unsigned long frame, nr;
	struct ferry_frames f;
	unsigned int i, o;

	for (i = 0; i < ARRAY_SIZE(last); i++) {
		nr = last[i] * FERRY_BLOCK_FRAMES;
		ASSERT_EQ(0, ferry_frames_init(&f, nr));
		while (ferry_frames_alloc(&f, FERRY_MAX_ORDER) != FERRY_NO_FRAME)
			;
		for (o = 0; o < FERRY_NR_ORDERS; o++) {
			frame = nr - (1UL << o);
			ferry_frames_free(&f, frame, o);
			ASSERT_EQ(frame, ferry_frames_alloc(&f, o));
			ferry_frames_free(&f, frame, o);
			ASSERT_EQ(1, ferry_frames_alloc_bulk(&f, 1, &frame));
			ASSERT_EQ(nr - (1UL << o), frame);
			/* One frame of the run is used, the rest is free. */
			ferry_frames_free(&f, frame, 0);
			ASSERT_EQ(1, f.nr_free[o]);
			ASSERT_EQ(frame, ferry_frames_alloc(&f, o));
		}
		EXPECT_EQ(0, f.free);
		ferry_frames_fini(&f);
	}
	EXPECT_EQ(0, ferry_frames_warnings);
	EXPECT_EQ(0, unit_allocated());
}

TEST_HARNESS_MAIN
