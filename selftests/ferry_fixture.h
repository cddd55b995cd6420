/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fixture of the selftests: a context on a device of one kind of memory.
 *
 * Every test runs once for each kind listed below. After a test its process
 * is gone; then the devices must hold no more frames than before it, and the
 * kernel log no new complaint, or the test has failed.
 */
#ifndef FERRY_FIXTURE_H
#define FERRY_FIXTURE_H

#include <kselftest_harness.h>

#include "ferry_test.h"

/* Generous: TCG on a busy machine, and kernels with KASAN. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	300

/* Larger than any test needs for one piece of work, smaller than a timeout. */
#define FT_PATIENCE		(120 * FT_SECOND)

/* module.c, which takes the devices away, brings its own. */
#ifndef FERRY_OWN_FIXTURE

FIXTURE(kind)
{
	struct ferry *f;	/* context on @dev, opened by the test's process */
	int fd;			/* its descriptor */
	int dev;		/* device of the variant's kind */
	int peer;		/* another of the same kind, or -1 */
	uint64_t vram;		/* bytes of @dev */
	uint64_t window;	/* bytes that a CPU fault brings home */
	uint64_t used;		/* frames used on all devices before the test */
	uint64_t in_place;	/* CPU faults that coherent devices have counted */
	uint64_t log;		/* where the kernel log stood */
};

FIXTURE_VARIANT(kind)
{
	enum ferry_kind kind;
};

/* One line a kind of memory. */
FIXTURE_VARIANT_ADD(kind, private) { .kind = FERRY_KIND_PRIVATE };
FIXTURE_VARIANT_ADD(kind, coherent) { .kind = FERRY_KIND_COHERENT };

FIXTURE_SETUP(kind)
{
	struct ferry_info info = {};
	int devices[2], n;

	self->log = ft_log_position();
	self->used = ft_used_all();
	self->in_place = ft_coherent_faults();
	n = ft_devices(variant->kind, devices, 2);
	if (!n)
		SKIP(return, "no device of this kind");
	self->dev = devices[0];
	self->peer = n > 1 ? devices[1] : -1;
	ASSERT_EQ(0, ferry_open(self->dev, &self->f));
	self->fd = ferry_fd(self->f);
	ASSERT_EQ(0, ferry_get_info(self->f, &info));
	self->vram = info.vram_bytes;
	self->window = info.fault_window;
}

FIXTURE_TEARDOWN_PARENT(kind)
{
	EXPECT_GE(self->used, ft_wait_used(self->used));
	/* Whatever a test does: coherent memory is used where it is. */
	EXPECT_EQ(self->in_place, ft_coherent_faults());
	EXPECT_EQ(0, ft_log_check(self->log));
}

#endif /* FERRY_OWN_FIXTURE */

/* The CPU uses this kind in place: what it touches does not come home. */
#define FT_IN_PLACE	(variant->kind == FERRY_KIND_COHERENT)
/* Where a page of the device is after the CPU has touched it. */
#define FT_TOUCHED	(FT_IN_PLACE ? self->dev : FERRY_RAM)
/* This kind has frames of 2 MiB; on the other what is huge is split. */
#define FT_HAS_HUGE	(variant->kind == FERRY_KIND_PRIVATE)
/*
 * Rounds of a race: a third of them on coherent memory, since most of what races
 * is the same code.
 */
#define FT_ROUNDS(n)							\
	ft_loops(variant->kind == FERRY_KIND_PRIVATE ? (n) : ((n) + 2) / 3)

#define FT_NEED_PEER()							\
do {									\
	if (self->peer < 0)						\
		SKIP(return, "one device of this kind");		\
} while (0)

/* Every byte of a range is as ft_fill left it, or 0. */
#define ASSERT_DATA(p, len, salt)					\
	ASSERT_EQ((size_t)(len), ft_check(p, len, salt))
#define ASSERT_ZERO(p, len)						\
	ASSERT_EQ((size_t)(len), ft_check_zero(p, len))

/* All pages of a range are there. */
#define ASSERT_WHERE(p, len, where)					\
	ASSERT_EQ(ft_pages(len), ft_count(self->f, p, len, where))

/* All pages of a range move there now. */
#define ASSERT_MOVES(p, len, where)					\
	ASSERT_EQ(ft_pages(len), ft_moved(self->f, p, len, where))

/* All pages of a range move, as 2 MiB units where the device has such. */
#define ASSERT_MOVES_HUGE(p, len, where)				\
do {									\
	struct ferry_moved __m = ft_move(self->f, p, len, where);	\
									\
	ASSERT_EQ(ft_pages(len), __m.moved)				\
		ft_print_reasons(&__m);					\
	ASSERT_EQ(FT_HAS_HUGE ? (len) / FT_HUGE : 0, __m.huge);		\
} while (0)

/* What was on the device when the CPU touched all of it goes there again. */
#define ASSERT_MOVES_BACK(p, len)					\
do {									\
	struct ferry_moved __m = ft_move(self->f, p, len, self->dev);	\
									\
	ASSERT_EQ(FT_IN_PLACE ? 0 : ft_pages(len), __m.moved)		\
		ft_print_reasons(&__m);					\
	ASSERT_EQ(FT_IN_PLACE ? ft_pages(len) : 0,			\
		  __m.reasons[FERRY_REASON_RESIDENT]);			\
} while (0)

/* The engine reads what ft_fill wrote, without moving the range home. */
#define ASSERT_DEV_DATA(p, len, salt)					\
	ASSERT_EQ(ft_crc_of(p, len, salt),				\
		  ft_dev_crc32c(self->fd, p, len))

/* The harness's main; it also lists the tests, one name a line, for ./run. */
static inline int ft_main(int argc, char **argv)
{
	struct __fixture_variant_metadata none = { .name = "" };
	struct __fixture_variant_metadata *v;
	struct __fixture_metadata *f;
	struct __test_metadata *t;

	if (argc != 2 || strcmp(argv[1], "--list"))
		return test_harness_run(argc, argv);
	for (f = __fixture_list; f; f = f->next)
		for (v = f->variant ?: &none; v; v = v->next)
			for (t = f->tests; t; t = t->next)
				printf("%s%s%s.%s\n", f->name,
				       v->name[0] ? "." : "", v->name,
				       t->name);
	return 0;
}

#define FERRY_TEST_MAIN							\
int main(int argc, char **argv)						\
{									\
	return ft_main(argc, argv);					\
}

#endif /* FERRY_FIXTURE_H */
