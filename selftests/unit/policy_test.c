// SPDX-License-Identifier: GPL-2.0-only
/*
 * The policies: cases with known answers, and what holds for any answer.
 */
#include <kselftest_harness.h>
#include <linux/ferry.h>

#include "policy.h"
#include "unit.h"

#define VPN_END		0x200000000000ULL

static const struct ferry_policy_ops *policy(const char *name)
{
	const struct ferry_policy_ops *p = ferry_policy_find(name);

	if (!p)
		abort();
	return p;
}

TEST(names)
{
	static const char * const names[] = { "default", "map", "demand" };
	static const char * const none[] = { "", "Default", "defaul", "default\n", "mapp" };
	const struct ferry_policy_ops *p;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		p = ferry_policy_at(i);
		ASSERT_NE(NULL, p);
		EXPECT_STREQ(names[i], p->name);
		EXPECT_EQ(p, ferry_policy_find(names[i]));
		EXPECT_TRUE(!!p->place);
		EXPECT_TRUE(!!p->window);
		EXPECT_TRUE(!!p->victim);
	}
	EXPECT_EQ(NULL, ferry_policy_at(ARRAY_SIZE(names)));
	EXPECT_EQ(NULL, ferry_policy_at(~0U));
	for (i = 0; i < ARRAY_SIZE(none); i++)
		EXPECT_EQ(NULL, ferry_policy_find(none[i]));
}

/* The default policy: where a fault ends up, as [start, end). */
static const struct place_case {
	const char *what;
	u64 vpn;
	unsigned long nr;
	u64 vma_start, vma_end;
	u64 start, end;
} place_cases[] = {
	{ "a page takes its 64 KiB",		1000, 1, 0, 5000, 992, 1008 },
	{ "the first page of 64 KiB",		992, 1, 0, 5000, 992, 1008 },
	{ "the last page of 64 KiB",		1007, 1, 0, 5000, 992, 1008 },
	{ "exactly 64 KiB",			992, 16, 0, 5000, 992, 1008 },
	{ "two pages over a border",		1007, 2, 0, 5000, 992, 1024 },
	{ "clipped at the start",		1000, 1, 998, 5000, 998, 1008 },
	{ "clipped at the end",			1000, 1, 0, 1003, 992, 1003 },
	{ "a VMA of one page",			1000, 1, 1000, 1001, 1000, 1001 },
	{ "one less than half of 2 MiB",	512, 255, 0, 5000, 512, 768 },
	{ "half of 2 MiB",			512, 256, 0, 5000, 512, 1024 },
	{ "the other half",			768, 256, 0, 5000, 512, 1024 },
	{ "half, somewhere inside",		600, 256, 0, 5000, 512, 1024 },
	{ "one less, somewhere inside",		600, 255, 0, 5000, 592, 864 },
	{ "all of 2 MiB",			512, 512, 0, 5000, 512, 1024 },
	{ "2 MiB that are just the VMA",	700, 256, 512, 1024, 512, 1024 },
	{ "the VMA starts inside",		768, 256, 513, 5000, 768, 1024 },
	{ "the VMA ends inside",		512, 256, 0, 1023, 512, 768 },
	{ "a long run, little at both ends",	1000, 600, 0, 5000, 992, 1600 },
	{ "a long run, half at the start",	768, 300, 0, 5000, 512, 1072 },
	{ "a long run, half at the end",	1000, 300, 0, 5000, 992, 1536 },
	{ "a long run, half at both ends",	768, 1024, 0, 5000, 512, 2048 },
	{ "half at the end, cut by the VMA",	1000, 300, 0, 1535, 992, 1312 },
	{ "half at the start, cut by the VMA",	768, 300, 600, 5000, 768, 1072 },
	{ "the first page there is",		0, 1, 0, 1, 0, 1 },
	{ "the last page there is",		VPN_END - 1, 1, VPN_END - 600,
						VPN_END, VPN_END - 16, VPN_END },
	{ "the last 1 MiB there is",		VPN_END - 256, 256, VPN_END - 600,
						VPN_END, VPN_END - 512, VPN_END },
};

static struct ferry_policy_fault fault_of(const struct place_case *c)
{
	return (struct ferry_policy_fault){
		.vpn = c->vpn,
		.nr = c->nr,
		.anonymous = true,
		.vma_start = c->vma_start,
		.vma_end = c->vma_end,
		.frames_free = 512,
		.frames_total = 512,
	};
}

static void expect_answer(struct __test_metadata *_metadata, const char *what,
			  const char *name,
			  const struct ferry_policy_fault *f,
			  enum ferry_placement place, u64 start, u64 end)
{
	struct ferry_policy_answer a = { .place = 77 };

	policy(name)->place(f, &a);
	EXPECT_EQ(place, a.place)
		TH_LOG("%s: %s", name, what);
	EXPECT_EQ(start, a.vpn)
		TH_LOG("%s: %s", name, what);
	EXPECT_EQ(end, a.vpn + a.nr)
		TH_LOG("%s: %s", name, what);
}

TEST(place)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(place_cases); i++) {
		const struct place_case *c = &place_cases[i];
		struct ferry_policy_fault f = fault_of(c);

		expect_answer(_metadata, c->what, "default", &f,
			      FERRY_PLACE_MIGRATE, c->start, c->end);
		expect_answer(_metadata, c->what, "demand", &f,
			      FERRY_PLACE_MIGRATE, c->vpn, c->vpn + c->nr);
		expect_answer(_metadata, c->what, "map", &f,
			      FERRY_PLACE_MAP, c->vpn, c->vpn + c->nr);
	}
}

/* What no policy migrates, and what stops none. */
static const struct reason_case {
	const char *what;
	bool file;
	u32 advice;
	unsigned int failed_before;
	unsigned long frames_free;
	bool write, atomic;
	enum ferry_placement place;
} reason_cases[] = {
	{ .what = "nothing special", .frames_free = 512, .place = FERRY_PLACE_MIGRATE },
	{ .what = "no frame is free", .place = FERRY_PLACE_MIGRATE },
	{ .what = "a write", .write = true, .place = FERRY_PLACE_MIGRATE },
	{ .what = "an atomic", .atomic = true, .place = FERRY_PLACE_MIGRATE },
	{ .what = "prefer device", .advice = FERRY_ADVISE_PREFER_DEVICE,
	  .place = FERRY_PLACE_MIGRATE },
	{ .what = "prefer RAM", .advice = FERRY_ADVISE_PREFER_RAM,
	  .place = FERRY_PLACE_MAP },
	{ .what = "accessed by", .advice = FERRY_ADVISE_ACCESSED_BY,
	  .place = FERRY_PLACE_MAP },
	{ .what = "not anonymous", .file = true, .place = FERRY_PLACE_MAP },
	{ .what = "a file, prefer device", .file = true,
	  .advice = FERRY_ADVISE_PREFER_DEVICE, .place = FERRY_PLACE_MAP },
	{ .what = "it failed once", .failed_before = 1, .frames_free = 512,
	  .place = FERRY_PLACE_MAP },
	{ .what = "it failed often", .failed_before = ~0U, .place = FERRY_PLACE_MAP },
};

TEST(reasons)
{
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(reason_cases); i++) {
		const struct reason_case *r = &reason_cases[i];

		for (j = 0; j < ARRAY_SIZE(place_cases); j++) {
			const struct place_case *c = &place_cases[j];
			struct ferry_policy_fault f = fault_of(c);
			bool moves = r->place == FERRY_PLACE_MIGRATE;

			f.anonymous = !r->file;
			f.advice = r->advice;
			f.failed_before = r->failed_before;
			f.frames_free = r->frames_free;
			f.write = r->write;
			f.atomic = r->atomic;
			expect_answer(_metadata, r->what, "default", &f, r->place,
				      moves ? c->start : c->vpn,
				      moves ? c->end : c->vpn + c->nr);
			expect_answer(_metadata, r->what, "demand", &f, r->place,
				      c->vpn, c->vpn + c->nr);
			expect_answer(_metadata, r->what, "map", &f,
				      FERRY_PLACE_MAP, c->vpn, c->vpn + c->nr);
		}
	}
}

/* A border of an answer is one of the fault, one of the VMA, or aligned. */
static bool good_border(u64 border, u64 fault, u64 vma)
{
	return border == fault || border == vma || border % 16 == 0;
}

TEST(place_properties)
{
	unsigned long long seed = unit_seed();
	unsigned int i, p;

	TH_LOG("FERRY_SEED=%llu", seed);
	for (i = 0; i < 500000; i++) {
		u64 around = unit_below(2) ? unit_below(VPN_END - 8192) : 0;
		struct ferry_policy_fault f = {
			.anonymous = unit_below(8),
			.advice = unit_below(FERRY_ADVICES),
			.failed_before = unit_below(4) ? 0 : unit_below(3),
			.write = unit_below(2),
			.atomic = unit_below(2),
			.frames_free = unit_below(1024),
			.frames_total = 1024,
		};

		f.vma_start = around + unit_below(2048);
		f.vma_end = f.vma_start + 1 + unit_below(2048);
		f.vpn = f.vma_start + unit_below(f.vma_end - f.vma_start);
		f.nr = 1 + unit_below(f.vma_end - f.vpn);
		if (unit_below(2))
			f.nr = 1 + (f.nr - 1) % 40;

		for (p = 0; ferry_policy_at(p); p++) {
			struct ferry_policy_answer a = {};

			ferry_policy_at(p)->place(&f, &a);
			ASSERT_LE(a.vpn, f.vpn);
			ASSERT_GE(a.vpn + a.nr, f.vpn + f.nr);
			ASSERT_GE(a.vpn, f.vma_start);
			ASSERT_LE(a.vpn + a.nr, f.vma_end);
			ASSERT_TRUE(good_border(a.vpn, f.vpn, f.vma_start));
			ASSERT_TRUE(good_border(a.vpn + a.nr, f.vpn + f.nr,
						f.vma_end));
			if (a.place == FERRY_PLACE_MIGRATE) {
				ASSERT_TRUE(f.anonymous);
				ASSERT_EQ(0, f.failed_before);
				ASSERT_NE(FERRY_ADVISE_PREFER_RAM, f.advice);
			} else {
				ASSERT_EQ(FERRY_PLACE_MAP, a.place);
				ASSERT_EQ(f.vpn, a.vpn);
				ASSERT_EQ(f.nr, a.nr);
			}
			/* Never more than as much again as was wanted, in 2 MiB. */
			ASSERT_LT(a.nr, f.nr + 2 * 512);
		}
	}
}

TEST(window)
{
	static const struct {
		u64 fault, vma_start, vma_end;
		unsigned long window;
		u64 vpn;
		unsigned long nr;
	} cases[] = {
		{ 1000, 0, 5000, 16, 992, 16 },
		{ 992, 0, 5000, 16, 992, 16 },
		{ 1007, 0, 5000, 16, 992, 16 },
		{ 1008, 0, 5000, 16, 1008, 16 },
		{ 1000, 0, 5000, 1, 1000, 1 },
		{ 1000, 0, 5000, 512, 512, 512 },
		{ 1000, 999, 5000, 16, 999, 9 },
		{ 1000, 0, 1002, 16, 992, 10 },
		{ 1000, 999, 1002, 16, 999, 3 },
		{ 1000, 1000, 1001, 512, 1000, 1 },
		{ VPN_END - 1, 0, VPN_END, 512, VPN_END - 512, 512 },
	};
	unsigned long nr;
	unsigned int i, p;
	u64 vpn;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		for (p = 0; ferry_policy_at(p); p++) {
			ferry_policy_at(p)->window(cases[i].fault,
						   cases[i].vma_start,
						   cases[i].vma_end,
						   cases[i].window, &vpn, &nr);
			EXPECT_EQ(cases[i].vpn, vpn)
				TH_LOG("case %u", i);
			EXPECT_EQ(cases[i].nr, nr)
				TH_LOG("case %u", i);
		}
	}
}

TEST(window_properties)
{
	unsigned long long seed = unit_seed();
	unsigned int i;

	TH_LOG("FERRY_SEED=%llu", seed);
	for (i = 0; i < 500000; i++) {
		u64 vma_start = unit_below(4096), fault, vpn;
		u64 vma_end = vma_start + 1 + unit_below(4096);
		unsigned long window = 1UL << unit_below(10), nr;

		fault = vma_start + unit_below(vma_end - vma_start);
		policy("default")->window(fault, vma_start, vma_end, window,
					  &vpn, &nr);
		ASSERT_LE(vpn, fault);
		ASSERT_GT(vpn + nr, fault);
		ASSERT_LE(nr, window);
		ASSERT_GE(vpn, vma_start);
		ASSERT_LE(vpn + nr, vma_end);
		ASSERT_EQ(vpn / window, (vpn + nr - 1) / window);
		ASSERT_TRUE(vpn == vma_start || vpn % window == 0);
		ASSERT_TRUE(vpn + nr == vma_end || (vpn + nr) % window == 0);
	}
}

/* Best victim first. */
static const struct ferry_policy_block by_rank[] = {
	{ .used = 512, .orphan = true, .last_use = 3 },
	{ .used = 1, .orphan = true, .last_use = 900 },
	{ .used = 512, .last_use = 0 },
	{ .used = 1, .last_use = 1 },
	{ .used = 300, .last_use = 1ULL << 40 },
	{ .used = 1, .last_use = ~0ULL },
	{ .used = 0, .last_use = 0 },
};

TEST(victim)
{
	unsigned int a, b, p;

	for (p = 0; ferry_policy_at(p); p++)
		for (a = 0; a < ARRAY_SIZE(by_rank); a++)
			for (b = 0; b < ARRAY_SIZE(by_rank); b++)
				EXPECT_EQ(a < b, ferry_policy_at(p)->victim(&by_rank[a],
									    &by_rank[b]))
					TH_LOG("%u before %u", a, b);
}

/* Being an orphan, or long unused, does not make an empty block worth it. */
TEST(victim_empty)
{
	static const struct ferry_policy_block empty = { .orphan = true };
	static const struct ferry_policy_block used = { .used = 1, .last_use = ~0ULL };

	EXPECT_FALSE(policy("default")->victim(&empty, &used));
	EXPECT_TRUE(policy("default")->victim(&used, &empty));
	EXPECT_FALSE(policy("default")->victim(&empty, &empty));
	EXPECT_FALSE(policy("default")->victim(&used, &used));
}

TEST_HARNESS_MAIN
