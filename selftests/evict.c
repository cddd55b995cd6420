// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fixed capacity: a full device evicts, or moves fewer pages and says why.
 * More data than the device holds, by one process and by two.
 */
#include "ferry_fixture.h"

#define CHUNK	(8 * FT_MIB)

/* Fill the device of @self with order-0 pages and with huge ones, half each. */
static char *fill_device(FIXTURE_DATA(kind) *self, uint64_t salt)
{
	char *p = ft_map(self->vram);

	if (madvise(p, self->vram / 2, MADV_HUGEPAGE))
		ft_fatal("madvise: %s", strerror(errno));
	ft_fill(p, self->vram, salt);
	if (ft_moved(self->f, p, self->vram, self->dev) !=
	    ft_pages(self->vram))
		ft_fatal("the device does not fill");
	return p;
}

TEST_F(kind, no_evict)
{
	char *full = fill_device(self, 1), *p;
	uint64_t evictions = ft_counter(self->f, FERRY_C_EVICTIONS);
	struct ferry_moved m;
	int huge;

	for (huge = 0; huge < 2; huge++) {
		p = ft_map_kind(CHUNK, huge);
		ft_fill(p, CHUNK, 2);
		m = ft_move_flags(self->f, p, CHUNK, self->dev,
				  FERRY_MIGRATE_NO_EVICT);
		ASSERT_EQ(0, m.moved);
		ASSERT_EQ(ft_pages(CHUNK), m.reasons[FERRY_REASON_NO_FRAME]);
		ASSERT_WHERE(p, CHUNK, FERRY_RAM);
		ASSERT_DATA(p, CHUNK, 2);
		/* Holes as well. */
		ASSERT_EQ(0, madvise(p, CHUNK, MADV_DONTNEED));
		m = ft_move_flags(self->f, p, CHUNK, self->dev,
				  FERRY_MIGRATE_NO_EVICT);
		ASSERT_EQ(ft_pages(CHUNK), m.reasons[FERRY_REASON_NO_FRAME]);
		ASSERT_ZERO(p, CHUNK);
		ft_unmap(p, CHUNK);
	}
	ASSERT_EQ(evictions, ft_counter(self->f, FERRY_C_EVICTIONS));
	ASSERT_WHERE(full, self->vram, self->dev);
	ASSERT_DEV_DATA(full, self->vram, 1);
	ASSERT_DATA(full, self->vram, 1);
}

/* What still fits goes; only the rest is refused. */
TEST_F(kind, no_evict_but_some_room)
{
	char *full = fill_device(self, 3), *p = ft_map(CHUNK);
	struct ferry_moved m;

	ASSERT_MOVES(full + self->vram - 37 * FT_PAGE, 37 * FT_PAGE,
		     FERRY_RAM);
	ft_fill(p, CHUNK, 4);
	m = ft_move_flags(self->f, p, CHUNK, self->dev, FERRY_MIGRATE_NO_EVICT);
	ASSERT_EQ(37, m.moved);
	ASSERT_EQ(ft_pages(CHUNK) - 37, m.reasons[FERRY_REASON_NO_FRAME]);
	ASSERT_EQ(37, ft_count(self->f, p, CHUNK, self->dev));
	ASSERT_DEV_DATA(p, CHUNK, 4);
	ASSERT_DATA(p, CHUNK, 4);
	ASSERT_DATA(full, self->vram, 3);
}

/* A huge page goes in small pieces when no whole block is free. */
TEST_F(kind, fragmented)
{
	char *full = fill_device(self, 5), *p = ft_map_huge(FT_HUGE);
	struct ferry_moved m;
	size_t i, n = 0;

	/* Every second page of the small half: room, but in no piece. */
	for (i = self->vram / 2; i < self->vram && n < 600;
	     i += 2 * FT_PAGE, n++) {
		ASSERT_MOVES(full + i, FT_PAGE, FERRY_RAM);
	}
	ft_fill(p, FT_HUGE, 6);
	m = ft_move_flags(self->f, p, FT_HUGE, self->dev,
			  FERRY_MIGRATE_NO_EVICT);
	ASSERT_EQ(FT_HUGE_PAGES, m.moved);
	ASSERT_EQ(0, m.huge);
	ASSERT_DEV_DATA(p, FT_HUGE, 6);
	ASSERT_DATA(p, FT_HUGE, 6);
	ASSERT_DATA(full, self->vram, 5);
}

/* With eviction there is always room, and the oldest go first. */
TEST_F(kind, makes_room)
{
	uint64_t evictions = ft_counter(self->f, FERRY_C_EVICTIONS);
	char *full = fill_device(self, 7), *p;
	int huge;

	for (huge = 0; huge < 2; huge++) {
		p = ft_map_kind(CHUNK, huge);
		ft_fill(p, CHUNK, 8);
		ASSERT_MOVES(p, CHUNK, self->dev);
		ASSERT_WHERE(p, CHUNK, self->dev);
		ASSERT_LT(evictions, ft_counter(self->f, FERRY_C_EVICTIONS));
		ASSERT_DEV_DATA(p, CHUNK, 8);
		ASSERT_DATA(p, CHUNK, 8);
		ft_unmap(p, CHUNK);
	}
	ASSERT_EQ(0, ft_count(self->f, full, self->vram, FERRY_NOWHERE));
	ASSERT_DATA(full, self->vram, 7);
}

/*
 * Least recently used: what the engine has just worked on stays when a little
 * room must be made.
 */
TEST_F(kind, oldest_first)
{
	char *full = fill_device(self, 9), *p = ft_map_huge(FT_HUGE);
	const size_t hot = self->vram / 2;

	/* The first half was moved first; make it the younger one. */
	ASSERT_DEV_DATA(full, hot, 9);
	ft_fill(p, FT_HUGE, 10);
	ASSERT_MOVES(p, FT_HUGE, self->dev);
	ASSERT_WHERE(full, hot, self->dev);
	ASSERT_GT(ft_pages(hot), ft_count(self->f, full + hot, hot,
					  self->dev));
	ASSERT_DATA(full, self->vram, 9);
	ASSERT_DATA(p, FT_HUGE, 10);
}

/* Pages whose process is gone from the device go before all others. */
TEST_F(kind, orphans_first)
{
	const size_t half = self->vram / 2;
	char *mine, *p = ft_map_huge(CHUNK), *theirs;
	struct ft_turn ready, done;
	struct ferry *f;
	pid_t child;

	ft_turn_init(&ready);
	ft_turn_init(&done);
	mine = ft_map_huge(half);
	ft_fill(mine, half, 11);
	ASSERT_MOVES(mine, half, self->dev);
	/* A child fills the rest later, closes its context, and lives on. */
	child = ft_fork();
	if (!child) {
		theirs = ft_map_huge(half);
		ft_fill(theirs, half, 12);
		ASSERT_EQ(0, ferry_open(self->dev, &f));
		ASSERT_EQ(ft_pages(half), ft_moved(f, theirs, half,
						   self->dev));
		ferry_close(f);
		ft_turn_give(&ready);
		ft_turn_take(&done);
		ASSERT_DATA(theirs, half, 12);
		_exit(0);
	}
	ft_turn_take(&ready);
	ft_fill(p, CHUNK, 13);
	ASSERT_MOVES(p, CHUNK, self->dev);
	/* Though older, none of ours went. */
	ASSERT_WHERE(mine, half, self->dev);
	ft_turn_give(&done);
	ASSERT_EQ(0, ft_reap(child));
	ASSERT_DATA(mine, half, 11);
	ASSERT_DATA(p, CHUNK, 13);
}

/* Four times what the device holds, written and read by the engine. */
TEST_F_TIMEOUT(kind, four_times, 900)
{
	const size_t len = 4 * self->vram;
	uint64_t evicted = ft_counter(self->f, FERRY_C_EVICTED_PAGES);
	char *p, *page = ft_map(FT_PAGE);
	size_t at, w;
	int round;

	p = ft_map(len);
	ASSERT_EQ(0, madvise(p, len / 2, MADV_HUGEPAGE));
	/* The engine fills it: each 64 KiB with a word of its own. */
	for (at = 0; at < len; at += 256 << 10) {
		struct ferry_cmd c[4];

		for (w = 0; w < 4; w++)
			c[w] = (struct ferry_cmd) {
				.op = FERRY_OP_FILL,
				.dst = (uintptr_t)p + at + (w << 16),
				.len = 64 << 10,
				.arg0 = ft_word(at + (w << 16), 14),
			};
		ASSERT_EQ(0, ft_run(self->fd, c, 4, NULL, NULL));
	}
	ASSERT_LE(evicted + ft_pages(3 * self->vram),
		  ft_counter(self->f, FERRY_C_EVICTED_PAGES));
	ASSERT_GE(ft_pages(self->vram), ft_count(self->f, p, len, self->dev));
	ASSERT_EQ(0, ft_count(self->f, p, len, FERRY_NOWHERE));

	/* Read by the engine, then by the CPU. */
	for (round = 0; round < 2; round++) {
		uint64_t *want = (uint64_t *)page;
		uint32_t crc;

		for (at = 0; at < len; at += 64 << 10) {
			for (w = 0; w < 512; w++)
				want[w] = ft_word(at, 14);
			if (round) {
				for (w = 0; w < 64 << 10; w += FT_PAGE) {
					if (!memcmp(p + at + w, page, FT_PAGE))
						continue;
					ASSERT_EQ(*want,
						  *(uint64_t *)(p + at + w))
						TH_LOG("at 0x%zx", at + w);
				}
				continue;
			}
			/* Every fourth, to keep the time of this in bounds. */
			if (at >> 16 & 3)
				continue;
			crc = ft_dev_crc32c(self->fd, p + at, FT_PAGE);
			ASSERT_EQ(ft_crc32c(page, FT_PAGE), crc);
			crc = ft_dev_crc32c(self->fd, p + at + (60 << 10),
					    FT_PAGE);
			ASSERT_EQ(ft_crc32c(page, FT_PAGE), crc);
		}
	}
}

/* The same by migration calls instead of faults, with the full pattern. */
TEST_F_TIMEOUT(kind, four_times_by_calls, 900)
{
	const size_t len = 4 * self->vram;
	char *p = ft_map(len);
	struct ferry_moved m;
	size_t at;

	ASSERT_EQ(0, madvise(p, len / 2, MADV_HUGEPAGE));
	ft_fill(p, len, 15);
	/* One call for it all: what fits at its end is there. */
	m = ft_move(self->f, p, len, self->dev);
	ASSERT_LE(ft_pages(self->vram), m.moved);
	ASSERT_GE(ft_pages(self->vram), ft_count(self->f, p, len, self->dev));
	for (at = 0; at < len; at += CHUNK) {
		ASSERT_DEV_DATA(p + at, CHUNK, 15);
	}
	ASSERT_DATA(p, len, 15);
}

/* Two processes want all of it at the same time. */
TEST_F_TIMEOUT(kind, two_processes, 900)
{
	const size_t len = self->vram;
	unsigned long i;
	struct ferry *f;
	pid_t child[2];
	size_t at;
	char *p;
	int c;

	for (c = 0; c < 2; c++) {
		child[c] = ft_fork();
		if (child[c])
			continue;
		ft_reseed(c);
		ASSERT_EQ(0, ferry_open(self->dev, &f));
		p = ft_map_kind(len, c);
		ft_fill(p, len, 16 + c);
		for (i = 0; i < FT_ROUNDS(4); i++) {
			ft_move(f, p, len, self->dev);
			at = ft_below(len / CHUNK) * CHUNK;
			ASSERT_EQ(ft_crc_of(p + at, CHUNK, 16 + c),
				  ft_dev_crc32c(ferry_fd(f), p + at, CHUNK));
			at = ft_below(len / CHUNK) * CHUNK;
			ASSERT_DATA(p + at, CHUNK, 16 + c);
		}
		ASSERT_DATA(p, len, 16 + c);
		ferry_close(f);
		_exit(0);
	}
	for (c = 0; c < 2; c++) {
		ASSERT_EQ(0, ft_reap(child[c]));
	}
}

/*
 * Eviction meets an owner that exits, unmaps or faults at that moment. The
 * owner's rmap must not be walked after it is freed: KASAN would tell.
 */
TEST_F_TIMEOUT(kind, owner_exits, 600)
{
	char *p = ft_map_huge(self->vram);
	unsigned long i;
	struct ferry *f;
	pid_t child;

	ft_fill(p, self->vram, 18);
	for (i = 0; i < FT_ROUNDS(20); i++) {
		struct ft_turn ready;

		ft_turn_init(&ready);
		child = ft_fork();
		if (!child) {
			char *q = ft_map_kind(self->vram / 2, i & 1);

			if (ferry_open(self->dev, &f))
				_exit(1);
			ft_move(f, q, self->vram / 2, self->dev);
			ft_turn_give(&ready);
			ft_sleep_ns(i % 5 * 3000000);
			_exit(0);
		}
		ft_turn_take(&ready);
		/* This evicts the child's, while the child goes. */
		ft_move(self->f, p, self->vram, self->dev);
		ASSERT_EQ(0, ft_reap(child));
		if (i % 5 == 4) {
			ASSERT_DATA(p, self->vram, 18);
		}
		close(ready.fd[0]);
		close(ready.fd[1]);
	}
}

/* Evicted pages that several processes share. */
TEST_F(kind, shared_pages)
{
	const size_t half = self->vram / 2;
	char *p = ft_map_huge(half), *q = ft_map(self->vram);
	struct ft_turn go;
	pid_t child[3];
	int i;

	ft_turn_init(&go);
	ft_fill(p, half, 19);
	ASSERT_MOVES(p, half, self->dev);
	for (i = 0; i < 3; i++) {
		child[i] = ft_fork();
		if (child[i])
			continue;
		ft_turn_take(&go);
		_exit(ft_check(p, half, 19) != half);
	}
	ft_fill(q, self->vram, 20);
	ASSERT_MOVES(q, self->vram, self->dev);
	ASSERT_EQ(0, ft_count(self->f, p, half, self->dev));
	for (i = 0; i < 3; i++)
		ft_turn_give(&go);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, ft_reap(child[i]));
	}
	ASSERT_DATA(p, half, 19);
	ASSERT_DATA(q, self->vram, 20);
}

FERRY_TEST_MAIN
