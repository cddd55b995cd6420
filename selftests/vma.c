// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a program does to its address space while pages are on the device:
 * move it, cut it, protect it, advise on it, lock it. The bytes stay right,
 * frames are given back, and the device page table forgets what is gone.
 */
#include "ferry_fixture.h"

#include <signal.h>
#include <sys/mman.h>

#define LEN	(2 * FT_HUGE)

#define FOR_BOTH_SIZES(salt)						\
	for (int __huge = 0;						\
	     __huge < 2 && (p = ft_map_kind(LEN, __huge),		\
			    ft_fill(p, LEN, salt), true);		\
	     __huge++)

/* A command of the engine fails at this address, for this access. */
#define ASSERT_DEV_FAULT(command, address, kind)			\
do {									\
	struct ferry_cmd __c = command;					\
	struct ferry_wait __w;						\
									\
	ASSERT_EQ(-EFAULT, ft_run(self->fd, &__c, 1, NULL, &__w));	\
	ASSERT_EQ(0, __w.failed);					\
	ASSERT_EQ((uintptr_t)(address), __w.fault_addr);		\
	ASSERT_EQ(kind, __w.access);					\
} while (0)

static struct ferry_cmd fill(void *p, size_t len)
{
	return (struct ferry_cmd) {
		.op = FERRY_OP_FILL,
		.dst = (uintptr_t)p,
		.len = len,
	};
}

static struct ferry_cmd crc(void *p, size_t len)
{
	return (struct ferry_cmd) {
		.op = FERRY_OP_CRC32C,
		.src = (uintptr_t)p,
		.len = len,
	};
}

TEST_F(kind, mremap_moves)
{
	char *p, *q;

	FOR_BOTH_SIZES(1) {
		ASSERT_MOVES(p, LEN, self->dev);
		/* In the device page table before, too. */
		ASSERT_DEV_DATA(p, LEN, 1);
		q = ft_map_kind(LEN, __huge);
		ASSERT_EQ(q, mremap(p, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED,
				    q));
		ASSERT_WHERE(q, LEN, self->dev);
		ASSERT_EQ(ft_crc_of(p, LEN, 1),
			  ft_dev_crc32c(self->fd, q, LEN));
		ASSERT_DEV_FAULT(crc(p, 8), p, FERRY_ACCESS_READ);
		ASSERT_DEV_FAULT(fill(p + LEN - 8, 8), p + LEN - 8,
				 FERRY_ACCESS_WRITE);
		ASSERT_EQ(LEN, ft_check_as(q, LEN, 1, p));
		ft_unmap(q, LEN);
	}
}

/* To an address where a huge page cannot stay one. */
TEST_F(kind, mremap_unaligned)
{
	char *p, *q, *room;

	FOR_BOTH_SIZES(2) {
		ASSERT_MOVES(p, LEN, self->dev);
		room = ft_map(LEN + FT_HUGE);
		q = room + 5 * FT_PAGE;
		ASSERT_EQ(q, mremap(p, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED,
				    q));
		ASSERT_WHERE(q, LEN, self->dev);
		ASSERT_EQ(ft_crc_of(p, LEN, 2),
			  ft_dev_crc32c(self->fd, q, LEN));
		ASSERT_EQ(LEN, ft_check_as(q, LEN, 2, p));
		ft_unmap(room, LEN + FT_HUGE);
	}
}

TEST_F(kind, mremap_part)
{
	char *p, *q;

	FOR_BOTH_SIZES(3) {
		const size_t from = 77 * FT_PAGE, part = 300 * FT_PAGE;

		ASSERT_MOVES(p, LEN, self->dev);
		q = ft_map(part);
		ASSERT_EQ(q, mremap(p + from, part, part,
				    MREMAP_MAYMOVE | MREMAP_FIXED, q));
		ASSERT_DEV_FAULT(crc(p + from - 8, 16), p + from,
				 FERRY_ACCESS_READ);
		ASSERT_EQ(ft_crc_of(p + from, part, 3),
			  ft_dev_crc32c(self->fd, q, part));
		ASSERT_DATA(p, from, 3);
		ASSERT_DATA(p + from + part, LEN - from - part, 3);
		ASSERT_EQ(part, ft_check_as(q, part, 3, p + from));
		ft_unmap(q, part);
		ft_unmap(p, from);
		ft_unmap(p + from + part, LEN - from - part);
	}
}

TEST_F(kind, mremap_grows_and_shrinks)
{
	char *p, *q;

	FOR_BOTH_SIZES(4) {
		ASSERT_MOVES(p, LEN, self->dev);
		q = mremap(p, LEN, 4 * LEN, MREMAP_MAYMOVE);
		ASSERT_NE(MAP_FAILED, q);
		ASSERT_EQ(ft_pages(LEN),
			  ft_count(self->f, q, 4 * LEN, self->dev));
		ASSERT_TRUE(ft_dev_zero(self->fd, q + LEN, FT_PAGE));
		ASSERT_EQ(LEN, ft_check_as(q, LEN, 4, p));
		ASSERT_EQ(q, mremap(q, 4 * LEN, LEN / 2, 0));
		ASSERT_EQ(LEN / 2, ft_check_as(q, LEN / 2, 4, p));
		ASSERT_DEV_FAULT(crc(q + LEN / 2, 8), q + LEN / 2,
				 FERRY_ACCESS_READ);
		ft_unmap(q, LEN / 2);
	}
}

/* The old range stays mapped, and empty. */
TEST_F(kind, mremap_dontunmap)
{
	char *p, *q;

	FOR_BOTH_SIZES(5) {
		ASSERT_MOVES(p, LEN, self->dev);
		ASSERT_DEV_DATA(p, LEN, 5);
		q = mremap(p, LEN, LEN, MREMAP_MAYMOVE | MREMAP_DONTUNMAP,
			   NULL);
		ASSERT_NE(MAP_FAILED, q)
			TH_LOG("mremap: %s", strerror(errno));
		ASSERT_NE(p, q);
		ASSERT_TRUE(ft_dev_zero(self->fd, p, LEN));
		ASSERT_EQ(LEN, ft_check_as(q, LEN, 5, p));
		ASSERT_ZERO(p, LEN);
		ft_unmap(p, LEN);
		ft_unmap(q, LEN);
	}
}

TEST_F(kind, munmap_middle)
{
	const size_t from = 111 * FT_PAGE, part = 222 * FT_PAGE;
	char *p;

	FOR_BOTH_SIZES(6) {
		ASSERT_MOVES(p, LEN, self->dev);
		ASSERT_DEV_DATA(p, LEN, 6);
		ft_unmap(p + from, part);
		ASSERT_DEV_FAULT(crc(p, LEN), p + from, FERRY_ACCESS_READ);
		ASSERT_EQ(ft_pages(part),
			  ft_count_flags(self->f, p, LEN,
					 FERRY_PAGE_UNMAPPED));
		ASSERT_WHERE(p, from, self->dev);
		ASSERT_WHERE(p + from + part, LEN - from - part, self->dev);
		ASSERT_DEV_DATA(p, from, 6);
		ASSERT_DEV_DATA(p + from + part, LEN - from - part, 6);
		ASSERT_DATA(p, from, 6);
		ASSERT_DATA(p + from + part, LEN - from - part, 6);
		ft_unmap(p, LEN);
	}
}

/* Frames come back with munmap, not only with exit. */
TEST_F(kind, munmap_frees)
{
	char *p;

	FOR_BOTH_SIZES(7) {
		ASSERT_MOVES(p, LEN, self->dev);
		ASSERT_EQ(self->used + ft_pages(LEN), ft_used_all());
		ft_unmap(p, LEN);
		ASSERT_EQ(self->used, ft_wait_used(self->used));
	}
}

/* A new mapping at the same address is new for the engine, too. */
TEST_F(kind, same_address_again)
{
	char *p;

	FOR_BOTH_SIZES(8) {
		ASSERT_MOVES(p, LEN, self->dev);
		ASSERT_DEV_DATA(p, LEN, 8);
		ASSERT_EQ(p, mmap(p, LEN, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
				  -1, 0));
		ASSERT_TRUE(ft_dev_zero(self->fd, p, LEN));
		ASSERT_ZERO(p, LEN);
		ft_fill(p, LEN, 9);
		ASSERT_DEV_DATA(p, LEN, 9);
		ASSERT_DATA(p, LEN, 9);
		ft_unmap(p, LEN);
	}
}

TEST_F(kind, mprotect_read_only)
{
	char *p;

	FOR_BOTH_SIZES(10) {
		const size_t from = 33 * FT_PAGE;

		ASSERT_MOVES(p, LEN, self->dev);
		/* Writable in the device page table until now. */
		ASSERT_EQ(0, ft_dev_fill(self->fd, p + from, 0, 8));
		ASSERT_EQ(0, mprotect(p + from, LEN - from, PROT_READ));
		ASSERT_DEV_FAULT(fill(p + from, 8), p + from,
				 FERRY_ACCESS_WRITE);
		ASSERT_DEV_FAULT(fill(p + from - 100, 200), p + from,
				 FERRY_ACCESS_WRITE);
		ASSERT_TRUE(ft_dev_zero(self->fd, p + from, 8));
		/* Reading is allowed, by the engine and by the CPU. */
		ASSERT_DEV_DATA(p + from + FT_PAGE, LEN - from - FT_PAGE, 10);
		ASSERT_EQ(0, ft_peek(p + from + FT_PAGE));
		ASSERT_EQ(SIGSEGV, ft_poke(p + LEN - 1, 0));
		ASSERT_DATA(p + from + 8, LEN - from - 8, 10);

		ASSERT_EQ(0, mprotect(p, LEN, PROT_READ | PROT_WRITE));
		ASSERT_EQ(0, ft_poke(p + LEN - 1, 0));
		ASSERT_EQ(0, ft_dev_fill(self->fd, p, 0, LEN));
		ASSERT_ZERO(p, LEN);
		ft_unmap(p, LEN);
	}
}

TEST_F(kind, atomic_on_read_only)
{
	struct ferry_cmd add = { .op = FERRY_OP_ADD64, .arg0 = 1 };
	char *p;

	FOR_BOTH_SIZES(11) {
		ASSERT_MOVES(p, LEN, self->dev);
		ASSERT_EQ(0, mprotect(p, LEN, PROT_READ));
		add.dst = (uintptr_t)p + 64;
		ASSERT_DEV_FAULT(add, p + 64, FERRY_ACCESS_ATOMIC);
		ASSERT_DATA(p, LEN, 11);
		ASSERT_DEV_FAULT(add, p + 64, FERRY_ACCESS_ATOMIC);
		ASSERT_DATA(p, LEN, 11);
		ft_unmap(p, LEN);
	}
}

TEST_F(kind, mprotect_none)
{
	char *p;

	FOR_BOTH_SIZES(12) {
		ASSERT_MOVES(p, LEN, self->dev);
		ASSERT_DEV_DATA(p, LEN, 12);
		ASSERT_EQ(0, mprotect(p, LEN, PROT_NONE));
		ASSERT_DEV_FAULT(crc(p + 24, 8), p + 24, FERRY_ACCESS_READ);
		ASSERT_DEV_FAULT(fill(p + 24, 8), p + 24, FERRY_ACCESS_WRITE);
		ASSERT_EQ(SIGSEGV, ft_peek(p));
		ASSERT_EQ(0, mprotect(p, LEN, PROT_READ | PROT_WRITE));
		ASSERT_DEV_DATA(p, LEN, 12);
		ASSERT_DATA(p, LEN, 12);
		ft_unmap(p, LEN);
	}
}

TEST_F(kind, dontneed)
{
	const size_t from = 50 * FT_PAGE, part = 400 * FT_PAGE;
	char *p;

	FOR_BOTH_SIZES(13) {
		ASSERT_MOVES(p, LEN, self->dev);
		ASSERT_DEV_DATA(p, LEN, 13);
		ASSERT_EQ(0, madvise(p + from, part, MADV_DONTNEED));
		ASSERT_TRUE(ft_dev_zero(self->fd, p + from, part));
		ASSERT_DEV_DATA(p, from, 13);
		ASSERT_ZERO(p + from, part);
		ASSERT_DATA(p, from, 13);
		ASSERT_DATA(p + from + part, LEN - from - part, 13);

		ASSERT_MOVES_BACK(p, LEN);
		ASSERT_EQ(0, madvise(p, LEN, MADV_DONTNEED));
		ASSERT_EQ(self->used, ft_wait_used(self->used));
		ASSERT_ZERO(p, LEN);
		ft_unmap(p, LEN);
	}
}

/* Freed lazily: each page is old or zero, never anything else. */
TEST_F(kind, lazy_free)
{
	size_t i;
	char *p;

	FOR_BOTH_SIZES(14) {
		ASSERT_MOVES(p, LEN, self->dev);
		ASSERT_EQ(0, madvise(p, LEN / 2, MADV_FREE));
		for (i = 0; i < LEN / 2; i += FT_PAGE) {
			if (*(uint64_t *)(p + i)) {
				ASSERT_DATA(p + i, FT_PAGE, 14);
			} else {
				ASSERT_ZERO(p + i, FT_PAGE);
			}
		}
		ASSERT_DATA(p + LEN / 2, LEN / 2, 14);

		/* Freed in RAM, then moved: the same. */
		ft_move(self->f, p, LEN, FERRY_RAM);
		ft_fill(p, LEN, 15);
		ASSERT_EQ(0, madvise(p, LEN / 2, MADV_FREE));
		ft_move(self->f, p, LEN, self->dev);
		for (i = 0; i < LEN / 2; i += FT_PAGE) {
			if (*(uint64_t *)(p + i)) {
				ASSERT_DATA(p + i, FT_PAGE, 15);
			} else {
				ASSERT_ZERO(p + i, FT_PAGE);
			}
		}
		ASSERT_DATA(p + LEN / 2, LEN / 2, 15);

		/* Freed in RAM, moved and written by the engine: it stays. */
		ft_move(self->f, p, LEN, FERRY_RAM);
		ft_fill(p, LEN, 16);
		ft_free_lazily(p, LEN);
		ASSERT_MOVES(p, LEN, self->dev);
		ASSERT_EQ(0, ft_dev_fill(self->fd, p, 0x1717171717171717ULL,
					 LEN));
		ft_move(self->f, p, LEN, FERRY_RAM);
		/* Reclaim drops what is still free to drop: none of this. */
		ASSERT_EQ(0, madvise(p, LEN, MADV_PAGEOUT));
		ASSERT_EQ(0x17, p[0]);
		ASSERT_EQ(0, memcmp(p, p + 1, LEN - 1));
		ft_unmap(p, LEN);
	}
}

/* Advice that is about RAM leaves device pages and their bytes alone. */
TEST_F(kind, other_advice)
{
	const int advice[] = {
		MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED,
		MADV_COLD, MADV_PAGEOUT, MADV_DONTDUMP, MADV_DODUMP,
		MADV_UNMERGEABLE, MADV_HUGEPAGE, MADV_NOHUGEPAGE,
	};
	size_t i;
	char *p;

	FOR_BOTH_SIZES(17) {
		for (i = 0; i < ARRAY_SIZE(advice); i++) {
			ft_move(self->f, p, LEN, self->dev);
			ASSERT_EQ(0, madvise(p, LEN, advice[i]))
				TH_LOG("advice %d", advice[i]);
			ASSERT_DATA(p, LEN, 17);
		}
		ft_unmap(p, LEN);
	}
}

/* Guard pages: what was on the device is dropped, an access is a fault. */
TEST_F(kind, guard_pages)
{
	const int install = 102, removal = 103;
	char *p;

	FOR_BOTH_SIZES(18) {
		ASSERT_MOVES(p, LEN, self->dev);
		ASSERT_DEV_DATA(p, LEN, 18);
		ASSERT_EQ(0, madvise(p + FT_PAGE, 4 * FT_PAGE, install));
		ASSERT_DEV_FAULT(crc(p, LEN), p + FT_PAGE, FERRY_ACCESS_READ);
		ASSERT_EQ(SIGSEGV, ft_peek(p + FT_PAGE));
		ft_move(self->f, p, LEN, FERRY_RAM);
		ft_move(self->f, p, LEN, self->dev);
		ASSERT_EQ(SIGSEGV, ft_peek(p + 4 * FT_PAGE));
		ASSERT_EQ(0, madvise(p + FT_PAGE, 4 * FT_PAGE, removal));
		ASSERT_ZERO(p + FT_PAGE, 4 * FT_PAGE);
		ASSERT_DATA(p, FT_PAGE, 18);
		ASSERT_DATA(p + 5 * FT_PAGE, LEN - 5 * FT_PAGE, 18);
		ft_unmap(p, LEN);
	}
}

TEST_F(kind, collapse)
{
	size_t i;
	char *p;
	int ret;

	p = ft_map(LEN);
	ft_fill(p, LEN, 19);
	ASSERT_EQ(0, madvise(p, LEN, MADV_HUGEPAGE));

	/*
	 * All on the device, then every second page. Private pages are fetched for
	 * it as if they were swapped; coherent ones are not taken.
	 */
	ASSERT_MOVES(p, LEN, self->dev);
	ret = madvise(p, LEN, MADV_COLLAPSE);
	if (FT_IN_PLACE) {
		ASSERT_NE(0, ret);
		ASSERT_WHERE(p, LEN, self->dev);
	}
	ASSERT_DATA(p, LEN, 19);

	ft_move(self->f, p, LEN, FERRY_RAM);
	for (i = 0; i < LEN; i += 2 * FT_PAGE)
		ft_move(self->f, p + i, FT_PAGE, self->dev);
	ret = madvise(p, LEN, MADV_COLLAPSE);
	if (FT_IN_PLACE) {
		ASSERT_NE(0, ret);
		ASSERT_EQ(ft_pages(LEN) / 2,
			  ft_count(self->f, p, LEN, self->dev));
	}
	ASSERT_DEV_DATA(p, LEN, 19);
	ASSERT_DATA(p, LEN, 19);

	/* In RAM it becomes huge, and moves as such. */
	ft_move(self->f, p, LEN, FERRY_RAM);
	ASSERT_EQ(0, madvise(p, LEN, MADV_COLLAPSE));
	ASSERT_EQ(ft_pages(LEN), ft_count_huge(self->f, p, LEN, FERRY_RAM));
	ASSERT_MOVES_HUGE(p, LEN, self->dev);
	ASSERT_EQ(FT_HAS_HUGE ? ft_pages(LEN) : 0,
		  ft_count_huge(self->f, p, LEN, self->dev));
	ASSERT_DATA(p, LEN, 19);
}

/*
 * Locked pages are those that the CPU reaches: private ones come home for it,
 * coherent ones are where they should be.
 */
TEST_F(kind, mlock)
{
	char *p;

	FOR_BOTH_SIZES(20) {
		ASSERT_MOVES(p, LEN, self->dev);
		ASSERT_EQ(0, mlock(p, LEN));
		ASSERT_WHERE(p, LEN, FT_TOUCHED);
		ASSERT_DATA(p, LEN, 20);
		/* Locked or not, whoever asks for it gets them moved. */
		ft_move(self->f, p, LEN, FERRY_RAM);
		ASSERT_WHERE(p, LEN, FERRY_RAM);
		ASSERT_DATA(p, LEN, 20);
		ASSERT_EQ(0, munlock(p, LEN));

		/* Lock on fault: later, when they come. */
		ASSERT_MOVES(p, LEN, self->dev);
		ASSERT_EQ(0, mlock2(p, LEN, MLOCK_ONFAULT));
		ASSERT_WHERE(p, LEN, self->dev);
		ASSERT_DATA(p, LEN, 20);
		ASSERT_EQ(0, munlock(p, LEN));
		ft_unmap(p, LEN);
	}
	ASSERT_EQ(0, ft_read_field("/proc/self/status", "VmLck"));
}

TEST_F(kind, populate)
{
	char *p;

	FOR_BOTH_SIZES(21) {
		ASSERT_MOVES(p, LEN, self->dev);
		ASSERT_EQ(0, madvise(p, LEN / 2, MADV_POPULATE_READ));
		ASSERT_WHERE(p, LEN / 2, FT_TOUCHED);
		ASSERT_EQ(0, madvise(p + LEN / 2, LEN / 2,
				     MADV_POPULATE_WRITE));
		ASSERT_WHERE(p, LEN, FT_TOUCHED);
		ASSERT_DATA(p, LEN, 21);
		ft_unmap(p, LEN);
	}
}

/* The heap's own way to give memory back. */
TEST_F(kind, brk)
{
	char *old = sbrk(0), *p;

	p = (char *)(((uintptr_t)old + FT_PAGE - 1) & ~(FT_PAGE - 1));
	ASSERT_EQ(0, brk(p + LEN));
	ft_fill(p, LEN, 22);
	ASSERT_MOVES(p, LEN, self->dev);
	ASSERT_DEV_DATA(p, LEN, 22);
	ASSERT_EQ(0, brk(p + LEN / 2));
	ASSERT_DEV_FAULT(crc(p, LEN), p + LEN / 2, FERRY_ACCESS_READ);
	ASSERT_DATA(p, LEN / 2, 22);
	ASSERT_EQ(0, brk(p + LEN));
	ASSERT_ZERO(p + LEN / 2, LEN / 2);
	ASSERT_EQ(0, brk(old));
}

/* A read of the address space's own description passes over device pages. */
TEST_F(kind, proc_files)
{
	static const char * const name[] = {
		"maps", "smaps", "smaps_rollup", "numa_maps", "status", "statm",
	};
	char line[512], path[64], *p;
	size_t i, lines;
	FILE *file;

	FOR_BOTH_SIZES(23) {
		ASSERT_MOVES(p, LEN, self->dev);
		for (i = 0; i < ARRAY_SIZE(name); i++) {
			snprintf(path, sizeof(path), "/proc/self/%s", name[i]);
			file = fopen(path, "re");
			ASSERT_NE(NULL, file)
				TH_LOG("%s", path);
			for (lines = 0; fgets(line, sizeof(line), file);)
				lines++;
			fclose(file);
			ASSERT_LT(0, lines);
		}
		for (i = 1; i <= 5; i++) {
			ft_write_file("/proc/self/clear_refs", "%zu", i);
		}
		ASSERT_DATA(p, LEN, 23);
		ft_unmap(p, LEN);
	}
}

/*
 * One thread unmaps and maps while the engine works on the same range: a
 * command ends well or with a fault inside the range, never otherwise, and
 * other memory keeps its bytes.
 */
struct worker {
	int fd;
	char *p;
	bool stop;
	unsigned int bad, done;
};

static void *work(void *arg)
{
	struct worker *w = arg;

	while (!__atomic_load_n(&w->stop, __ATOMIC_ACQUIRE)) {
		struct ferry_cmd c = fill(w->p, LEN);
		struct ferry_wait wait;
		int ret = ft_run(w->fd, &c, 1, NULL, &wait);

		if (ret && (ret != -EFAULT ||
			    wait.fault_addr - (uintptr_t)w->p >= LEN))
			w->bad++;
		__atomic_add_fetch(&w->done, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

TEST_F(kind, munmap_under_the_engine)
{
	struct worker w = { .fd = self->fd, .p = ft_map(LEN) };
	char *other = ft_map(LEN);
	unsigned int i, seen;
	pthread_t thread;

	ft_fill(other, LEN, 24);
	ASSERT_MOVES(other, LEN, self->dev);
	ASSERT_EQ(0, pthread_create(&thread, NULL, work, &w));
	for (i = 0; i < ft_loops(30); i++) {
		size_t from = ft_below(ft_pages(LEN)) * FT_PAGE;
		size_t part = LEN - from;

		ft_unmap(w.p + from, part);
		/* What else may land in the hole is this test's own. */
		ASSERT_EQ(w.p + from,
			  mmap(w.p + from, part, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS |
			       MAP_FIXED_NOREPLACE, -1, 0));
		if (i & 1) {
			madvise(w.p, LEN, MADV_HUGEPAGE);
		}
		seen = __atomic_load_n(&w.done, __ATOMIC_ACQUIRE);
		ASSERT_TRUE(ft_until(__atomic_load_n(&w.done, __ATOMIC_ACQUIRE)
				     != seen, 60));
	}
	__atomic_store_n(&w.stop, true, __ATOMIC_RELEASE);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	ASSERT_EQ(0, w.bad);
	ASSERT_DATA(other, LEN, 24);
}

/* Protection changes under the engine: what it wrote before is all there is. */
TEST_F(kind, mprotect_under_the_engine)
{
	struct worker w = { .fd = self->fd, .p = ft_map(LEN) };
	pthread_t thread;
	unsigned int i;

	ASSERT_EQ(0, pthread_create(&thread, NULL, work, &w));
	for (i = 0; i < ft_loops(30); i++) {
		char *last = w.p + LEN - FT_PAGE;

		ASSERT_EQ(0, mprotect(w.p, LEN, PROT_READ));
		/* From here on nobody may write. */
		ASSERT_EQ(0, last[0]);
		ASSERT_EQ(0, mprotect(w.p, LEN, PROT_READ | PROT_WRITE));
	}
	ASSERT_TRUE(ft_until(__atomic_load_n(&w.done, __ATOMIC_ACQUIRE) > 4,
			     60));
	__atomic_store_n(&w.stop, true, __ATOMIC_RELEASE);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	ASSERT_EQ(0, w.bad);
	ASSERT_ZERO(w.p, LEN);

	/* The rule itself: no write lands after mprotect has returned. */
	for (i = 0; i < ft_loops(20); i++) {
		struct ferry_cmd c = {
			.op = FERRY_OP_FILL,
			.dst = (uintptr_t)w.p,
			.len = LEN,
			.arg0 = i + 1,
		};
		struct ferry_wait wait;
		uint32_t before;
		uint64_t seq;

		ASSERT_EQ(0, ft_submit(self->fd, &c, 1, -1, &seq));
		ASSERT_EQ(0, mprotect(w.p, LEN, PROT_READ));
		before = ft_crc32c(w.p, LEN);
		ASSERT_EQ(0, ft_wait(self->fd, seq, FT_PATIENCE, NULL, 0,
				     &wait));
		if (wait.status) {
			ASSERT_EQ(-EFAULT, wait.status);
			ASSERT_EQ(FERRY_ACCESS_WRITE, wait.access);
		}
		ASSERT_EQ(before, ft_crc32c(w.p, LEN));
		ASSERT_EQ(0, mprotect(w.p, LEN, PROT_READ | PROT_WRITE));
	}
}

FERRY_TEST_MAIN
