// SPDX-License-Identifier: GPL-2.0-only
/*
 * Round trips: anonymous memory of every shape goes to the device and comes
 * back, with the right counts, sizes and residency, and with every byte.
 */
#include "ferry_fixture.h"

#define SMALL_LEN	(4 * FT_MIB)

/* 2 MiB folios, or the test says why not. */
#define ASSERT_HUGE(p, len, where)					\
	ASSERT_EQ(ft_pages(len), ft_count_huge(self->f, p, len, where))

/* The same on the device, where it has such frames; else none is. */
#define ASSERT_DEVICE_HUGE(p, len)					\
	ASSERT_EQ(FT_HAS_HUGE ? ft_pages(len) : 0,			\
		  ft_count_huge(self->f, p, len, self->dev))

TEST_F(kind, small)
{
	char *p = ft_map(SMALL_LEN);
	struct ferry_moved m;

	ft_fill(p, SMALL_LEN, 1);
	ASSERT_WHERE(p, SMALL_LEN, FERRY_RAM);

	m = ft_move(self->f, p, SMALL_LEN, self->dev);
	ASSERT_EQ(ft_pages(SMALL_LEN), m.moved);
	ASSERT_EQ(0, m.huge);
	ASSERT_WHERE(p, SMALL_LEN, self->dev);
	ASSERT_EQ(0, ft_count_huge(self->f, p, SMALL_LEN, self->dev));
	if (variant->kind == FERRY_KIND_PRIVATE) {
		/* The CPU's own page table agrees. */
		ASSERT_FALSE(ft_present(p));
		ASSERT_FALSE(ft_present(p + SMALL_LEN - FT_PAGE));
	}
	ASSERT_EQ(self->used + ft_pages(SMALL_LEN), ft_used_all());

	ASSERT_DEV_DATA(p, SMALL_LEN, 1);
	ASSERT_WHERE(p, SMALL_LEN, self->dev);

	m = ft_move(self->f, p, SMALL_LEN, FERRY_RAM);
	ASSERT_EQ(ft_pages(SMALL_LEN), m.moved);
	ASSERT_EQ(0, m.huge);
	ASSERT_WHERE(p, SMALL_LEN, FERRY_RAM);
	ASSERT_TRUE(ft_present(p));
	ASSERT_DATA(p, SMALL_LEN, 1);
	ASSERT_EQ(self->used, ft_used_all());
}

TEST_F(kind, thp)
{
	const size_t len = 4 * FT_HUGE;
	char *p = ft_map_huge(len);
	uint64_t split;

	ft_fill(p, len, 2);
	ASSERT_HUGE(p, len, FERRY_RAM);

	split = ft_counter(self->f, FERRY_C_SPLIT_HUGE);
	ASSERT_MOVES_HUGE(p, len, self->dev);
	ASSERT_DEVICE_HUGE(p, len);
	ASSERT_DEV_DATA(p, len, 2);
	ASSERT_DEVICE_HUGE(p, len);
	ASSERT_EQ(self->used + ft_pages(len), ft_used_all());
	ASSERT_EQ(split + (FT_HAS_HUGE ? 0 : 4),
		  ft_counter(self->f, FERRY_C_SPLIT_HUGE));

	ASSERT_MOVES_HUGE(p, len, FERRY_RAM);
	if (FT_HAS_HUGE) {
		ASSERT_HUGE(p, len, FERRY_RAM);
	}
	ASSERT_DATA(p, len, 2);
}

/* By CPU faults alone, without a call that asks for it. */
TEST_F(kind, thp_by_touch)
{
	const size_t len = 4 * FT_HUGE;
	char *p = ft_map_huge(len);

	ft_fill(p, len, 3);
	ASSERT_HUGE(p, len, FERRY_RAM);
	ASSERT_MOVES(p, len, self->dev);
	ASSERT_DATA(p, len, 3);
	ASSERT_WHERE(p, len, FT_TOUCHED);
	ASSERT_EQ(self->used + (FT_IN_PLACE ? ft_pages(len) : 0),
		  ft_used_all());
}

TEST_F(kind, mixed)
{
	const size_t len = 4 * FT_HUGE;
	char *p = ft_map(len), *hole = p + 2 * FT_HUGE;
	struct ferry_moved m;
	int round;

	/* huge, small, never touched, huge: three VMAs. */
	ASSERT_EQ(0, madvise(p, FT_HUGE, MADV_HUGEPAGE));
	ASSERT_EQ(0, madvise(p + 3 * FT_HUGE, FT_HUGE, MADV_HUGEPAGE));
	ft_fill(p, 2 * FT_HUGE, 4);
	ft_fill(p + 3 * FT_HUGE, FT_HUGE, 4);
	ASSERT_HUGE(p, FT_HUGE, FERRY_RAM);
	ASSERT_HUGE(p + 3 * FT_HUGE, FT_HUGE, FERRY_RAM);

	for (round = 0; round < 3; round++) {
		m = ft_move(self->f, p, len, self->dev);
		ASSERT_EQ(ft_pages(len), m.moved);
		ASSERT_EQ(FT_HAS_HUGE ? 2 : 0, m.huge);
		ASSERT_WHERE(p, len, self->dev);
		ASSERT_DEV_DATA(p, 2 * FT_HUGE, 4);
		ASSERT_DEV_DATA(p + 3 * FT_HUGE, FT_HUGE, 4);
		ASSERT_TRUE(ft_dev_zero(self->fd, hole, FT_HUGE));

		m = ft_move(self->f, p, len, FERRY_RAM);
		ASSERT_EQ(ft_pages(len), m.moved);
		ASSERT_EQ(FT_HAS_HUGE ? 2 : 0, m.huge);
		ASSERT_DATA(p, 2 * FT_HUGE, 4);
		ASSERT_ZERO(hole, FT_HUGE);
		ASSERT_DATA(p + 3 * FT_HUGE, FT_HUGE, 4);
	}
}

TEST_F(kind, unaligned)
{
	const size_t len = 2 * FT_HUGE;
	const size_t from = 3 * FT_PAGE, part = 697 * FT_PAGE;
	char *p;
	int huge;

	for (huge = 0; huge < 2; huge++) {
		p = ft_map_kind(len, huge);
		ft_fill(p, len, 5);

		ASSERT_MOVES(p + from, part, self->dev);
		ASSERT_WHERE(p, from, FERRY_RAM);
		ASSERT_WHERE(p + from, part, self->dev);
		ASSERT_WHERE(p + from + part, len - from - part, FERRY_RAM);
		ASSERT_DEV_DATA(p + from, part, 5);

		/* A part of what is there, with RAM on both sides. */
		ASSERT_MOVES(p + from + FT_PAGE, part - 2 * FT_PAGE, FERRY_RAM);
		ASSERT_EQ(2, ft_count(self->f, p, len, self->dev));
		ASSERT_DATA(p, len, 5);
		ft_unmap(p, len);
	}
}

TEST_F(kind, holes)
{
	char *p = ft_map(SMALL_LEN);
	uint64_t cleared;
	size_t i;

	for (i = 0; i < SMALL_LEN; i += 2 * FT_PAGE)
		ft_fill(p + i, FT_PAGE, 6);

	cleared = ft_counter(self->f, FERRY_C_CLEARED_PAGES);
	ASSERT_MOVES(p, SMALL_LEN, self->dev);
	ASSERT_EQ(cleared + ft_pages(SMALL_LEN) / 2,
		  ft_counter(self->f, FERRY_C_CLEARED_PAGES));
	for (i = 0; i < 8 * FT_PAGE; i += 2 * FT_PAGE) {
		ASSERT_DEV_DATA(p + i, FT_PAGE, 6);
		ASSERT_TRUE(ft_dev_zero(self->fd, p + i + FT_PAGE, FT_PAGE));
	}
	ASSERT_WHERE(p, SMALL_LEN, self->dev);
	for (i = 0; i < SMALL_LEN; i += 2 * FT_PAGE) {
		ASSERT_DATA(p + i, FT_PAGE, 6);
		ASSERT_ZERO(p + i + FT_PAGE, FT_PAGE);
	}
}

TEST_F(kind, holes_huge)
{
	const size_t len = 3 * FT_HUGE;
	char *p = ft_map_huge(len);

	ASSERT_MOVES_HUGE(p, len, self->dev);
	ASSERT_DEVICE_HUGE(p, len);
	ASSERT_TRUE(ft_dev_zero(self->fd, p, len));
	ASSERT_ZERO(p, len);
	ft_fill(p, len, 7);
	ASSERT_MOVES_BACK(p, len);
	ASSERT_DATA(p, len, 7);
}

TEST_F(kind, leave_holes)
{
	char *p = ft_map(SMALL_LEN);
	const size_t half = ft_pages(SMALL_LEN) / 2;
	struct ferry_moved m;
	size_t i;

	for (i = 0; i < SMALL_LEN; i += 2 * FT_PAGE)
		ft_fill(p + i, FT_PAGE, 8);
	m = ft_move_flags(self->f, p, SMALL_LEN, self->dev,
			  FERRY_MIGRATE_NO_HOLES);
	ASSERT_EQ(half, m.moved);
	ASSERT_EQ(half, m.reasons[FERRY_REASON_EMPTY]);
	ASSERT_EQ(half, ft_count(self->f, p, SMALL_LEN, self->dev));
	ASSERT_EQ(half, ft_count(self->f, p, SMALL_LEN, FERRY_NOWHERE));
	for (i = 0; i < SMALL_LEN; i += 2 * FT_PAGE) {
		ASSERT_DATA(p + i, FT_PAGE, 8);
		ASSERT_ZERO(p + i + FT_PAGE, FT_PAGE);
	}
}

/* Towards RAM a page that was never stored stays what it is. */
TEST_F(kind, holes_to_ram)
{
	char *p = ft_map(64 * FT_PAGE);
	struct ferry_moved m;

	ft_fill(p, 16 * FT_PAGE, 9);
	m = ft_move(self->f, p, 64 * FT_PAGE, FERRY_RAM);
	ASSERT_EQ(0, m.moved);
	ASSERT_EQ(16, m.reasons[FERRY_REASON_RESIDENT]);
	ASSERT_EQ(48, m.reasons[FERRY_REASON_EMPTY]);
	ASSERT_EQ(48, ft_count(self->f, p, 64 * FT_PAGE, FERRY_NOWHERE));
	ASSERT_DATA(p, 16 * FT_PAGE, 9);
}

TEST_F(kind, zero_page)
{
	char *p = ft_map(64 * FT_PAGE), *other = ft_map(FT_PAGE);

	ASSERT_ZERO(p, 64 * FT_PAGE);
	ASSERT_ZERO(other, FT_PAGE);
	ASSERT_EQ(64, ft_count_flags(self->f, p, 64 * FT_PAGE,
				     FERRY_PAGE_PRESENT | FERRY_PAGE_ZERO));
	ASSERT_MOVES(p, 64 * FT_PAGE, self->dev);
	ASSERT_WHERE(p, 64 * FT_PAGE, self->dev);
	ASSERT_EQ(0, ft_count_flags(self->f, p, 64 * FT_PAGE,
				    FERRY_PAGE_ZERO));
	ASSERT_TRUE(ft_dev_zero(self->fd, p, 64 * FT_PAGE));

	/* Writing there must not write into everybody's zero page. */
	ASSERT_EQ(0, ft_dev_fill(self->fd, p, ~0ULL, 64 * FT_PAGE));
	ASSERT_ZERO(other, FT_PAGE);
	ASSERT_FALSE(ft_dev_zero(self->fd, p, FT_PAGE));
	ASSERT_EQ('\xff', p[64 * FT_PAGE - 1]);
}

TEST_F(kind, zero_page_huge)
{
	const size_t len = 2 * FT_HUGE;
	char *p = ft_map_huge(len);

	/* One read a huge page maps the huge zero page. */
	ASSERT_EQ(0, ((volatile char *)p)[0]);
	ASSERT_EQ(0, ((volatile char *)p)[FT_HUGE]);
	ASSERT_MOVES(p, len, self->dev);
	ASSERT_TRUE(ft_dev_zero(self->fd, p, len));
	ASSERT_EQ(0, ft_dev_fill(self->fd, p + 5, 0x4141414141414141ULL, 1));
	ASSERT_ZERO(p + 8, len - 8);
	ASSERT_EQ('A', p[5]);
}

TEST_F(kind, again)
{
	const size_t len = 2 * FT_HUGE;
	struct ferry_moved m;
	char *p;
	int huge;

	for (huge = 0; huge < 2; huge++) {
		p = ft_map_kind(len, huge);
		ft_fill(p, len, 10);

		m = ft_move(self->f, p, len, FERRY_RAM);
		ASSERT_EQ(0, m.moved);
		ASSERT_EQ(ft_pages(len), m.reasons[FERRY_REASON_RESIDENT]);

		ASSERT_MOVES(p, len, self->dev);
		m = ft_move(self->f, p, len, self->dev);
		ASSERT_EQ(0, m.moved);
		ASSERT_EQ(ft_pages(len), m.reasons[FERRY_REASON_RESIDENT]);
		ASSERT_WHERE(p, len, self->dev);

		/* Some there, some not. */
		ASSERT_MOVES(p, len / 4, FERRY_RAM);
		m = ft_move(self->f, p, len, self->dev);
		ASSERT_EQ(ft_pages(len) / 4, m.moved);
		ASSERT_EQ(ft_pages(len) * 3 / 4,
			  m.reasons[FERRY_REASON_RESIDENT]);
		ASSERT_DATA(p, len, 10);
		ft_unmap(p, len);
	}
}

/* A part of a huge page comes home: it must be split, the rest stays. */
TEST_F(kind, part_of_thp_home)
{
	const size_t from = 100 * FT_PAGE, part = 128 * FT_PAGE;
	char *p = ft_map_huge(FT_HUGE);
	uint64_t split;

	ft_fill(p, FT_HUGE, 11);
	ASSERT_HUGE(p, FT_HUGE, FERRY_RAM);
	split = ft_counter(self->f, FERRY_C_SPLIT_HUGE);
	ASSERT_MOVES(p, FT_HUGE, self->dev);
	ASSERT_DEVICE_HUGE(p, FT_HUGE);

	/* Split here, or on the way there. */
	ASSERT_EQ(split + !FT_HAS_HUGE,
		  ft_counter(self->f, FERRY_C_SPLIT_HUGE));
	ASSERT_MOVES(p + from, part, FERRY_RAM);
	ASSERT_EQ(split + 1, ft_counter(self->f, FERRY_C_SPLIT_HUGE));
	ASSERT_WHERE(p, from, self->dev);
	ASSERT_WHERE(p + from, part, FERRY_RAM);
	ASSERT_WHERE(p + from + part, FT_HUGE - from - part, self->dev);
	ASSERT_EQ(0, ft_count_huge(self->f, p, FT_HUGE, self->dev));
	ASSERT_EQ(self->used + ft_pages(FT_HUGE - part), ft_used_all());
	ASSERT_DEV_DATA(p, from, 11);
	ASSERT_DEV_DATA(p + from + part, FT_HUGE - from - part, 11);
	ASSERT_DATA(p, FT_HUGE, 11);
}

/* A part of a huge page leaves RAM. */
TEST_F(kind, part_of_thp_away)
{
	const size_t from = FT_PAGE, part = 300 * FT_PAGE;
	char *p = ft_map_huge(FT_HUGE);

	ft_fill(p, FT_HUGE, 12);
	ASSERT_HUGE(p, FT_HUGE, FERRY_RAM);
	ASSERT_MOVES(p + from, part, self->dev);
	ASSERT_WHERE(p, from, FERRY_RAM);
	ASSERT_WHERE(p + from, part, self->dev);
	ASSERT_WHERE(p + from + part, FT_HUGE - from - part, FERRY_RAM);
	ASSERT_MOVES(p + from, part, FERRY_RAM);
	ASSERT_DATA(p, FT_HUGE, 12);
}

TEST_F(kind, no_thp)
{
	const size_t len = 2 * FT_HUGE;
	char *p = ft_map_huge(len);
	struct ferry_moved m;

	ft_fill(p, len, 13);
	ASSERT_HUGE(p, len, FERRY_RAM);
	m = ft_move_flags(self->f, p, len, self->dev, FERRY_MIGRATE_NO_THP);
	ASSERT_EQ(ft_pages(len), m.moved);
	ASSERT_EQ(0, m.huge);
	ASSERT_WHERE(p, len, self->dev);
	ASSERT_EQ(0, ft_count_huge(self->f, p, len, self->dev));
	ASSERT_DEV_DATA(p, len, 13);
	m = ft_move(self->f, p, len, FERRY_RAM);
	ASSERT_EQ(ft_pages(len), m.moved);
	ASSERT_DATA(p, len, 13);
}

/* One page a call, in an order that is not that of addresses. */
TEST_F(kind, page_by_page)
{
	enum { PAGES = 256 };
	char *p = ft_map(PAGES * FT_PAGE);
	size_t i;

	ft_fill(p, PAGES * FT_PAGE, 14);
	for (i = 0; i < PAGES; i++) {
		ASSERT_MOVES(p + i * 101 % PAGES * FT_PAGE, FT_PAGE, self->dev);
	}
	ASSERT_WHERE(p, PAGES * FT_PAGE, self->dev);
	ASSERT_DEV_DATA(p, PAGES * FT_PAGE, 14);
	for (i = 0; i < PAGES; i++) {
		ASSERT_MOVES(p + i * 37 % PAGES * FT_PAGE, FT_PAGE, FERRY_RAM);
	}
	ASSERT_DATA(p, PAGES * FT_PAGE, 14);
}

/* What the CPU writes between two trips is what the second one carries. */
TEST_F(kind, write_between)
{
	const size_t len = FT_HUGE;
	char *p;
	int huge, round;

	for (huge = 0; huge < 2; huge++) {
		p = ft_map_kind(len, huge);
		for (round = 1; round < 7; round++) {
			ft_fill(p, len, round);
			if (round == 1) {
				ASSERT_MOVES(p, len, self->dev);
			} else {
				ASSERT_MOVES_BACK(p, len);
			}
			/* One page is newer than the others. */
			ft_fill(p + round * 64 * FT_PAGE, FT_PAGE, 100);
			ASSERT_EQ(len / FT_PAGE,
				  ft_count(self->f, p, len, self->dev) +
				  ft_count(self->f, p, len, FERRY_RAM));
			ft_move(self->f, p, len, self->dev);
			ASSERT_DEV_DATA(p, round * 64 * FT_PAGE, round);
			ASSERT_DATA(p + round * 64 * FT_PAGE, FT_PAGE, 100);
			ASSERT_DATA(p + (round * 64 + 1) * FT_PAGE,
				    len - (round * 64 + 1) * FT_PAGE, round);
		}
		ft_unmap(p, len);
	}
}

/* Exactly what the device holds, with no eviction. */
TEST_F(kind, whole_device)
{
	uint64_t evictions = ft_counter(self->f, FERRY_C_EVICTIONS);
	char *p;
	int huge;

	for (huge = 0; huge < 2; huge++) {
		p = ft_map_kind(self->vram, huge);
		ft_fill(p, self->vram, 15);
		ASSERT_MOVES(p, self->vram, self->dev);
		ASSERT_WHERE(p, self->vram, self->dev);
		ASSERT_EQ(evictions, ft_counter(self->f, FERRY_C_EVICTIONS));
		ASSERT_MOVES(p, self->vram, FERRY_RAM);
		ASSERT_DATA(p, self->vram, 15);
		ft_unmap(p, self->vram);
	}
}

/* A hole in the address space is counted, not refused. */
TEST_F(kind, unmapped_middle)
{
	char *p = ft_map(64 * FT_PAGE);
	struct ferry_moved m;

	ft_fill(p, 64 * FT_PAGE, 16);
	ft_unmap(p + 10 * FT_PAGE, 20 * FT_PAGE);
	m = ft_move(self->f, p, 64 * FT_PAGE, self->dev);
	ASSERT_EQ(44, m.moved);
	ASSERT_EQ(20, m.reasons[FERRY_REASON_UNMAPPED]);
	ASSERT_EQ(20, ft_count_flags(self->f, p, 64 * FT_PAGE,
				     FERRY_PAGE_UNMAPPED));
	ASSERT_EQ(20, ft_count(self->f, p, 64 * FT_PAGE, FERRY_NOWHERE));
	m = ft_move(self->f, p, 64 * FT_PAGE, FERRY_RAM);
	ASSERT_EQ(44, m.moved);
	ASSERT_EQ(20, m.reasons[FERRY_REASON_UNMAPPED]);
	ASSERT_DATA(p, 10 * FT_PAGE, 16);
	ASSERT_DATA(p + 30 * FT_PAGE, 34 * FT_PAGE, 16);

	/* Nothing but a hole. */
	m = ft_move(self->f, p + 10 * FT_PAGE, 20 * FT_PAGE, self->dev);
	ASSERT_EQ(20, m.reasons[FERRY_REASON_UNMAPPED]);
}

/* Every page a VMA of its own. */
TEST_F(kind, many_vmas)
{
	enum { PAGES = 512 };
	char *p = ft_map(PAGES * FT_PAGE);
	size_t i;

	ft_fill(p, PAGES * FT_PAGE, 17);
	for (i = 0; i < PAGES; i += 2) {
		ASSERT_EQ(0, mprotect(p + i * FT_PAGE, FT_PAGE, PROT_READ));
	}
	ASSERT_MOVES(p, PAGES * FT_PAGE, self->dev);
	ASSERT_WHERE(p, PAGES * FT_PAGE, self->dev);
	ASSERT_DEV_DATA(p, PAGES * FT_PAGE, 17);
	ASSERT_MOVES(p, PAGES * FT_PAGE, FERRY_RAM);
	ASSERT_DATA(p, PAGES * FT_PAGE, 17);
}

static char program_bss[64 * FT_PAGE] __attribute__((aligned(4096)));
static char program_data[16 * FT_PAGE] __attribute__((aligned(4096))) = { 1 };

/* Memory that nobody mapped for this: heap, static variables, the stack. */
TEST_F(kind, ordinary_memory)
{
	char on_stack[16 * FT_PAGE] __attribute__((aligned(4096)));
	size_t i, size = 3 * FT_MIB + 12345;
	struct {
		char *p;
		size_t len;
	} area[] = {
		{ program_bss, sizeof(program_bss) },
		{ program_data, sizeof(program_data) },
		{ on_stack, sizeof(on_stack) },
	};
	struct ferry_moved m;
	char *heap, *page;

	for (i = 0; i < ARRAY_SIZE(area); i++) {
		ft_fill(area[i].p, area[i].len, 18 + i);
		/* The call itself runs on this stack: it may come home. */
		m = ft_move(self->f, area[i].p, area[i].len, self->dev);
		ASSERT_EQ(ft_pages(area[i].len), m.moved);
		ASSERT_EQ(0, ft_count(self->f, area[i].p, area[i].len,
				      FERRY_NOWHERE));
		ASSERT_DEV_DATA(area[i].p, area[i].len, 18 + i);
		ASSERT_DATA(area[i].p, area[i].len, 18 + i);
	}

	heap = malloc(size);
	ASSERT_NE(NULL, heap);
	page = (char *)(((uintptr_t)heap + FT_PAGE - 1) & ~(FT_PAGE - 1));
	size = (size - FT_PAGE) & ~(FT_PAGE - 1);
	ft_fill(page, size, 30);
	ASSERT_EQ(ft_pages(size), ft_moved(self->f, page, size, self->dev));
	ASSERT_DEV_DATA(page, size, 30);
	ASSERT_DATA(page, size, 30);
	free(heap);
}

/* The last addresses there are, and those above 47 bits where there are any. */
TEST_F(kind, high_addresses)
{
	const uint64_t end = ft_user_end();
	const uint64_t place[] = { end - FT_HUGE, end / 2, 1UL << 46 };
	size_t i;
	char *p;

	for (i = 0; i < ARRAY_SIZE(place); i++) {
		p = (char *)(place[i] & ~(FT_HUGE - 1));
		if (p != mmap(p, FT_HUGE - FT_PAGE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
			      -1, 0))
			continue;	/* taken by the stack or a library */
		ft_fill(p, FT_HUGE - FT_PAGE, 31 + i);
		ASSERT_MOVES(p, FT_HUGE - FT_PAGE, self->dev);
		ASSERT_DEV_DATA(p, FT_HUGE - FT_PAGE, 31 + i);
		ASSERT_DATA(p, FT_HUGE - FT_PAGE, 31 + i);
		ft_unmap(p, FT_HUGE - FT_PAGE);
	}
	/* Everything there is, home: what is not there takes no time. */
	ft_move(self->f, NULL, end, FERRY_RAM);
}

/* The library widens a range to whole pages; residency of them is one answer. */
TEST_F(kind, widened)
{
	char *p = ft_map(8 * FT_PAGE);
	struct ferry_moved m;

	ft_fill(p, 8 * FT_PAGE, 31);
	ASSERT_EQ(0, ferry_to_device(self->f, p + FT_PAGE + 5, FT_PAGE, &m));
	ASSERT_EQ(2, m.moved);
	ASSERT_WHERE(p, FT_PAGE, FERRY_RAM);
	ASSERT_WHERE(p + FT_PAGE, 2 * FT_PAGE, self->dev);
	ASSERT_WHERE(p + 3 * FT_PAGE, 5 * FT_PAGE, FERRY_RAM);
	ASSERT_EQ(0, ferry_to_ram(self->f, p + 2 * FT_PAGE - 1, 1, NULL));
	ASSERT_EQ(1, ft_count(self->f, p, 8 * FT_PAGE, self->dev));
	ASSERT_DATA(p, 8 * FT_PAGE, 31);
}

/*
 * A model of every page's salt beside random moves, writes by the CPU, writes
 * by the engine, DONTNEED and splits; all bytes are compared now and then.
 */
TEST_F_TIMEOUT(kind, random_walk, 600)
{
	enum { PAGES = 2048 };
	const size_t len = PAGES * FT_PAGE;
	char *p = ft_map(len);
	uint64_t salt[PAGES];	/* of a page; 0 is a page of zeros */
	size_t i, from, n;
	unsigned long step, steps = ft_loops(400);
	char *fresh = ft_map(64 * FT_PAGE);

	ASSERT_EQ(0, madvise(p, len / 2, MADV_HUGEPAGE));
	memset(salt, 0, sizeof(salt));
	for (step = 1; step <= steps; step++) {
		from = ft_below(PAGES);
		n = 1 + ft_below(ft_below(4) ? 40 : PAGES);
		if (n > PAGES - from)
			n = PAGES - from;
		switch (ft_below(8)) {
		case 0:
		case 1:
			ft_move(self->f, p + from * FT_PAGE, n * FT_PAGE,
				self->dev);
			break;
		case 2:
			ft_move(self->f, p + from * FT_PAGE, n * FT_PAGE,
				FERRY_RAM);
			break;
		case 3:
			if (self->peer >= 0)
				ft_move(self->f, p + from * FT_PAGE,
					n * FT_PAGE, self->peer);
			break;
		case 4:
			ft_move_flags(self->f, p + from * FT_PAGE, n * FT_PAGE,
				      self->dev,
				      ft_below(FERRY_MIGRATE_FLAGS + 1));
			break;
		case 5:
			for (i = from; i < from + n; i++) {
				ft_fill(p + i * FT_PAGE, FT_PAGE, step);
				salt[i] = step;
			}
			break;
		case 6:
			if (n > 64)
				n = 64;
			/* By the engine: what belongs there is copied there. */
			ft_fill_as(fresh, n * FT_PAGE, step,
				   p + from * FT_PAGE);
			ASSERT_EQ(0, ft_dev_copy(self->fd, p + from * FT_PAGE,
						 fresh, n * FT_PAGE));
			for (i = from; i < from + n; i++)
				salt[i] = step;
			break;
		case 7:
			if (n > 40)
				n = 40;
			ASSERT_EQ(0, madvise(p + from * FT_PAGE, n * FT_PAGE,
					     MADV_DONTNEED));
			for (i = from; i < from + n; i++)
				salt[i] = 0;
			break;
		}
		if (step % 100 && step != steps)
			continue;
		for (i = 0; i < PAGES; i++) {
			if (salt[i]) {
				ASSERT_DATA(p + i * FT_PAGE, FT_PAGE, salt[i])
					TH_LOG("page %zu, step %lu", i, step);
			} else {
				ASSERT_ZERO(p + i * FT_PAGE, FT_PAGE)
					TH_LOG("page %zu, step %lu", i, step);
			}
		}
	}
}

FERRY_TEST_MAIN
