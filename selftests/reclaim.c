// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's own movers of pages: swap-out (to zram), reclaim under a memory
 * limit, KSM, khugepaged and compaction, against data that is on the device
 * or on its way.
 */
#include "ferry_fixture.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define LEN	FT_HUGE
#define PAGES	FT_HUGE_PAGES

/* Ask for a range to go to swap; whether all of it is there. */
static bool paged_out(char *p, size_t len)
{
	size_t i;

	if (madvise(p, len, MADV_PAGEOUT))
		ft_fatal("MADV_PAGEOUT: %s", strerror(errno));
	for (i = 0; i < len; i += FT_PAGE) {
		if (ft_swapped(p + i))
			continue;
		/* It may wait on a list of another CPU: this drains them all. */
		ft_write_file("/proc/sys/vm/compact_memory", "1");
		return false;
	}
	return true;
}

static void page_out(char *p, size_t len)
{
	if (!ft_until(paged_out(p, len), 30))
		ft_fatal("%zu pages do not go to swap", ft_pages(len));
}

TEST_F(kind, swapped)
{
	struct ferry_moved m;
	char *p;
	int huge;

	ft_swap_on();
	for (huge = 0; huge < 2; huge++) {
		p = ft_map_kind(LEN, huge);
		ft_fill(p, LEN, 1);
		page_out(p, LEN);

		/* Left where they are unless asked for. */
		m = ft_move(self->f, p, LEN, self->dev);
		ASSERT_EQ(0, m.moved);
		ASSERT_EQ(PAGES, m.reasons[FERRY_REASON_SWAPPED]);
		ASSERT_TRUE(ft_swapped(p));
		ASSERT_EQ(PAGES, ft_count(self->f, p, LEN, FERRY_NOWHERE));

		m = ft_move_flags(self->f, p, LEN, self->dev,
				  FERRY_MIGRATE_SWAPIN);
		ASSERT_EQ(PAGES, m.moved);
		ASSERT_WHERE(p, LEN, self->dev);
		ASSERT_DEV_DATA(p, LEN, 1);
		ASSERT_DATA(p, LEN, 1);
		ft_unmap(p, LEN);
	}
	ft_swap_off();
}

TEST_F(kind, swapped_some)
{
	char *p = ft_map(LEN);
	struct ferry_moved m;
	size_t i;

	ft_swap_on();
	ft_fill(p, LEN, 2);
	for (i = 0; i < LEN; i += 4 * FT_PAGE)
		page_out(p + i, FT_PAGE);
	m = ft_move(self->f, p, LEN, self->dev);
	ASSERT_EQ(PAGES / 4 * 3, m.moved);
	ASSERT_EQ(PAGES / 4, m.reasons[FERRY_REASON_SWAPPED]);
	m = ft_move_flags(self->f, p, LEN, self->dev, FERRY_MIGRATE_SWAPIN);
	ASSERT_EQ(PAGES / 4, m.moved);
	ASSERT_EQ(PAGES / 4 * 3, m.reasons[FERRY_REASON_RESIDENT]);
	ASSERT_DATA(p, LEN, 2);
	ft_swap_off();
}

/* The engine reads what is swapped out, in one way or another. */
TEST_F(kind, engine_reads_swapped)
{
	char *p = ft_map(LEN);

	ft_swap_on();
	ft_fill(p, LEN, 3);
	page_out(p, LEN);
	ASSERT_DEV_DATA(p, LEN, 3);
	ft_move(self->f, p, LEN, FERRY_RAM);
	page_out(p, LEN);
	ASSERT_EQ(0, ft_dev_fill(self->fd, p, 0, LEN / 2));
	ASSERT_ZERO(p, LEN / 2);
	ASSERT_DATA(p + LEN / 2, LEN / 2, 3);
	ft_swap_off();
}

/* Swapped by one process, on the device by another: shared after fork. */
TEST_F(kind, swapped_shared)
{
	char *p = ft_map(LEN);
	struct ft_turn go;
	pid_t child;

	ft_swap_on();
	ft_turn_init(&go);
	ft_fill(p, LEN, 4);
	page_out(p, LEN);
	child = ft_fork();
	if (!child) {
		ft_turn_take(&go);
		_exit(ft_check(p, LEN, 4) != LEN);
	}
	ft_move_flags(self->f, p, LEN, self->dev, FERRY_MIGRATE_SWAPIN);
	ASSERT_EQ(0, ft_dev_fill(self->fd, p, 0, LEN / 2));
	ft_turn_give(&go);
	ASSERT_EQ(0, ft_reap(child));
	ASSERT_ZERO(p, LEN / 2);
	ASSERT_DATA(p + LEN / 2, LEN / 2, 4);
	ft_swap_off();
}

/* Reclaim is asked to take what is on the device, and cannot. */
TEST_F(kind, device_pages_stay)
{
	char *p;
	int huge;

	ft_swap_on();
	for (huge = 0; huge < 2; huge++) {
		p = ft_map_kind(LEN, huge);
		ft_fill(p, LEN, 5);
		ASSERT_MOVES(p, LEN, self->dev);
		ASSERT_EQ(0, madvise(p, LEN, MADV_COLD));
		ASSERT_EQ(0, madvise(p, LEN, MADV_PAGEOUT));
		ASSERT_WHERE(p, LEN, self->dev);
		ASSERT_DEV_DATA(p, LEN, 5);
		ASSERT_DATA(p, LEN, 5);
		/* Advice on what is there, when it is mapped by the CPU. */
		ASSERT_EQ(0, madvise(p, LEN, MADV_PAGEOUT));
		ASSERT_EQ(FT_IN_PLACE ? PAGES : 0,
			  ft_count(self->f, p, LEN, self->dev));
		ft_move(self->f, p, LEN, FERRY_RAM);
		/* Home again they can be swapped out as ever. */
		page_out(p, LEN);
		ASSERT_DATA(p, LEN, 5);
		ft_unmap(p, LEN);
	}
	ft_swap_off();
}

#define GROUP	"/sys/fs/cgroup/ferry-selftest"

static void group_enter(unsigned int mib)
{
	ft_write_file("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	if (mkdir(GROUP, 0755) && errno != EEXIST)
		ft_fatal("%s: %s", GROUP, strerror(errno));
	if (ft_write_file(GROUP "/memory.max", "%uM", mib) ||
	    ft_write_file(GROUP "/cgroup.procs", "0"))
		ft_fatal("no memory limit");
}

/* The group goes when nothing is charged to it any more. */
static void group_leave(void)
{
	ft_write_file("/sys/fs/cgroup/cgroup.procs", "0");
	ft_until(!rmdir(GROUP) || errno != EBUSY, 20);
}

/*
 * More data than the process may have in RAM, windows of it going to the
 * device and home: every byte comes back from wherever it was.
 */
TEST_F_TIMEOUT(kind, under_pressure, 600)
{
	enum { MIB = 96 };
	const size_t len = MIB * FT_MIB, window = 8 * FT_MIB;
	unsigned long i, loops = FT_ROUNDS(24);
	size_t from, last = 0;
	long long swapped;
	char *p;

	ft_swap_on();
	group_enter(64);
	p = ft_map(len);
	ASSERT_EQ(0, madvise(p, len / 2, MADV_HUGEPAGE));
	ft_fill(p, len, 6);
	swapped = ft_read_field("/proc/vmstat", "pswpout");
	for (i = 0; i < loops; i++) {
		/*
		 * Device pages are charged like others and cannot be
		 * reclaimed, so no more than two windows are there at once.
		 */
		from = ft_below(len / window) * window;
		ft_move_flags(self->f, p + from, window, self->dev,
			      i % 3 ? FERRY_MIGRATE_SWAPIN : 0);
		if (i % 4 == 0) {
			ASSERT_DEV_DATA(p + from, window / 2, 6);
		}
		ft_move(self->f, p + last, window, FERRY_RAM);
		last = from;
		from = ft_below(len / window) * window;
		ASSERT_DATA(p + from, window, 6);
	}
	ASSERT_DATA(p, len, 6);
	/* Or there was no pressure. */
	ASSERT_LT(swapped, ft_read_field("/proc/vmstat", "pswpout"));
	ft_unmap(p, len);
	group_leave();
	ft_swap_off();
}

/* ---- KSM ------------------------------------------------------------------- */

#define KSM	"/sys/kernel/mm/ksm/"

static void ksm_start(void)
{
	if (ft_write_file(KSM "sleep_millisecs", "0") ||
	    ft_write_file(KSM "pages_to_scan", "10000") ||
	    ft_write_file(KSM "run", "1"))
		ft_fatal("no KSM");
	ft_write_file(KSM "smart_scan", "0");
	ft_write_file(KSM "use_zero_pages", "0");
}

static void ksm_stop(void)
{
	/* 2: also unmerge what is merged. */
	ft_write_file(KSM "run", "2");
	ft_write_file(KSM "run", "0");
	ft_write_file(KSM "sleep_millisecs", "20");
	ft_write_file(KSM "pages_to_scan", "100");
}

static size_t ksm_pages(char *p, size_t len)
{
	size_t i, n = 0;

	for (i = 0; i < len; i += FT_PAGE)
		n += ft_present(p + i) &&
		     ft_kpageflags(p + i) & FT_KPF_KSM;
	return n;
}

/* Two full rounds of the scanner after now. */
static bool ksm_scanned(void)
{
	long long now = ft_read_number(KSM "full_scans");

	return ft_until(ft_read_number(KSM "full_scans") >= now + 2, 60);
}

/* Pages that are pairwise the same: page i of both halves. */
static void fill_pairs(char *p, uint64_t salt)
{
	ft_fill(p, LEN / 2, salt);
	memcpy(p + LEN / 2, p, LEN / 2);
}

#define ASSERT_PAIRS(p, salt)						\
do {									\
	ASSERT_DATA(p, LEN / 2, salt);					\
	ASSERT_EQ(LEN / 2, ft_check_as((p) + LEN / 2, LEN / 2, salt, p)); \
} while (0)

TEST_F(kind, merged)
{
	char *p = ft_map(LEN);
	struct ferry_moved m;

	fill_pairs(p, 7);
	ASSERT_EQ(0, madvise(p, LEN, MADV_MERGEABLE));
	ksm_start();
	ASSERT_TRUE(ft_until(ksm_pages(p, LEN) == PAGES, 60));
	ASSERT_EQ(0, ft_write_file(KSM "run", "0"));
	m = ft_move(self->f, p, LEN, self->dev);
	ASSERT_EQ(0, m.moved);
	ASSERT_EQ(PAGES, m.reasons[FERRY_REASON_KSM]);
	ASSERT_PAIRS(p, 7);

	/* The engine reads them there, and its write is to a copy. */
	ASSERT_DEV_DATA(p, LEN / 2, 7);
	ASSERT_EQ(0, ft_dev_fill(self->fd, p, 0, FT_PAGE));
	ASSERT_ZERO(p, FT_PAGE);
	ASSERT_EQ(LEN / 2, ft_check_as(p + LEN / 2, LEN / 2, 7, p));
	ft_fill(p, FT_PAGE, 7);

	/* Unmerged they are ordinary pages again. */
	ASSERT_EQ(0, madvise(p, LEN, MADV_UNMERGEABLE));
	ASSERT_MOVES(p, LEN, self->dev);
	ASSERT_PAIRS(p, 7);
	ksm_stop();
}

/* The scanner passes over what is on the device. */
TEST_F(kind, merge_on_device)
{
	char *p;
	int huge;

	for (huge = 0; huge < 2; huge++) {
		p = ft_map_kind(LEN, huge);
		fill_pairs(p, 8);
		ASSERT_EQ(0, madvise(p, LEN, MADV_MERGEABLE));
		ASSERT_MOVES(p, LEN, self->dev);
		ksm_start();
		ASSERT_TRUE(ksm_scanned());
		ASSERT_WHERE(p, LEN, self->dev);
		ASSERT_EQ(ft_crc_of(p, LEN / 2, 8),
			  ft_dev_crc32c(self->fd, p + LEN / 2, LEN / 2));
		ASSERT_PAIRS(p, 8);
		ksm_stop();
		ft_unmap(p, LEN);
	}
}

/* Merging, unmerging by writes, and migration, all at once. */
TEST_F(kind, merge_while_moving)
{
	unsigned long i;
	char *p = ft_map(LEN);

	fill_pairs(p, 9);
	ASSERT_EQ(0, madvise(p, LEN, MADV_MERGEABLE));
	ksm_start();
	for (i = 0; i < FT_ROUNDS(30); i++) {
		ft_move(self->f, p, LEN, self->dev);
		ASSERT_EQ(ft_crc_of(p, LEN / 2, 9),
			  ft_dev_crc32c(self->fd, p + LEN / 2, LEN / 2));
		ft_move(self->f, p + LEN / 4, LEN / 2, FERRY_RAM);
		ft_touch(p + LEN / 4, LEN / 4);
		if (i % 5 == 0) {
			ASSERT_PAIRS(p, 9);
		}
	}
	ASSERT_PAIRS(p, 9);
	ksm_stop();
}

/* ---- khugepaged and compaction -------------------------------------------------- */

#define KHUGE	"/sys/kernel/mm/transparent_hugepage/khugepaged/"

TEST_F(kind, khugepaged)
{
	long long sleep_ms = ft_read_number(KHUGE "scan_sleep_millisecs");
	long long alloc_ms = ft_read_number(KHUGE "alloc_sleep_millisecs");
	long long scan = ft_read_number(KHUGE "pages_to_scan");
	long long full;
	char *p = ft_map(4 * FT_HUGE);
	size_t i;

	ft_fill(p, 4 * FT_HUGE, 10);
	/* All, half, one page of each, and none of it on the device. */
	ASSERT_MOVES(p, FT_HUGE, self->dev);
	for (i = 0; i < FT_HUGE; i += 2 * FT_PAGE) {
		ASSERT_MOVES(p + FT_HUGE + i, FT_PAGE, self->dev);
	}
	ASSERT_MOVES(p + 2 * FT_HUGE + 7 * FT_PAGE, FT_PAGE, self->dev);
	ASSERT_EQ(0, madvise(p, 4 * FT_HUGE, MADV_HUGEPAGE));
	ASSERT_EQ(0, ft_write_file(KHUGE "scan_sleep_millisecs", "1"));
	ASSERT_EQ(0, ft_write_file(KHUGE "alloc_sleep_millisecs", "1"));
	ASSERT_EQ(0, ft_write_file(KHUGE "pages_to_scan", "8192"));

	/* It takes the one that is wholly in RAM, so it was here. */
	ASSERT_TRUE(ft_until(ft_count_huge(self->f, p + 3 * FT_HUGE, FT_HUGE,
					   FERRY_RAM) == FT_HUGE_PAGES, 60));
	full = ft_read_number(KHUGE "full_scans");
	ASSERT_TRUE(ft_until(ft_read_number(KHUGE "full_scans") >= full + 2,
			     60));
	/*
	 * And not what is on the device. A few private pages it fetches as if they
	 * were swapped; coherent ones it never takes.
	 */
	ASSERT_WHERE(p, FT_HUGE, self->dev);
	ASSERT_EQ(FT_HUGE_PAGES / 2,
		  ft_count(self->f, p + FT_HUGE, FT_HUGE, self->dev));
	ASSERT_EQ(0, ft_count_huge(self->f, p, 2 * FT_HUGE, self->dev));
	ASSERT_EQ(0, ft_count_huge(self->f, p, 2 * FT_HUGE, FERRY_RAM));
	if (FT_IN_PLACE) {
		ASSERT_EQ(1, ft_count(self->f, p + 2 * FT_HUGE, FT_HUGE,
				      self->dev));
		ASSERT_EQ(0, ft_count_huge(self->f, p + 2 * FT_HUGE, FT_HUGE,
					   FERRY_RAM));
	}
	ASSERT_DEV_DATA(p, 4 * FT_HUGE, 10);
	ASSERT_DATA(p, 4 * FT_HUGE, 10);

	/* And while it works. */
	for (i = 0; i < FT_ROUNDS(20); i++) {
		size_t from = ft_below(4 * FT_HUGE_PAGES) * FT_PAGE;

		ft_move_flags(self->f, p + from, 4 * FT_HUGE - from, self->dev,
			      FERRY_MIGRATE_NO_THP);
		ft_move(self->f, p, 4 * FT_HUGE, FERRY_RAM);
		ASSERT_DATA(p, 4 * FT_HUGE, 10);
	}
	ft_write_file(KHUGE "scan_sleep_millisecs", "%lld", sleep_ms);
	ft_write_file(KHUGE "alloc_sleep_millisecs", "%lld", alloc_ms);
	ft_write_file(KHUGE "pages_to_scan", "%lld", scan);
}

static void *compact(void *arg)
{
	bool *stop = arg;

	while (!__atomic_load_n(stop, __ATOMIC_ACQUIRE))
		ft_write_file("/proc/sys/vm/compact_memory", "1");
	return NULL;
}

TEST_F(kind, compaction)
{
	bool stop = false;
	pthread_t thread;
	unsigned long i;
	char *p = ft_map(4 * LEN);

	ASSERT_EQ(0, madvise(p, 2 * LEN, MADV_HUGEPAGE));
	ft_fill(p, 4 * LEN, 11);
	ASSERT_EQ(0, pthread_create(&thread, NULL, compact, &stop));
	for (i = 0; i < FT_ROUNDS(20); i++) {
		ft_move(self->f, p, 4 * LEN, self->dev);
		ASSERT_DEV_DATA(p, 4 * LEN, 11);
		ft_move(self->f, p + LEN, 2 * LEN, FERRY_RAM);
		ASSERT_DATA(p, 4 * LEN, 11);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	ASSERT_EQ(0, pthread_join(thread, NULL));
}

FERRY_TEST_MAIN
