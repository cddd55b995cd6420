// SPDX-License-Identifier: GPL-2.0-only
/*
 * No byte of one process is ever seen by another: frames that held a secret
 * are handed to somebody else, who looks at every byte that is not its own,
 * by the engine and by the CPU.
 */
#include "ferry_fixture.h"

#define SECRET	0x5ec4e75ec4e75ec4ULL

/* A process that fills the whole device with the secret, and goes. */
static void leave_secrets(struct __test_metadata *_metadata,
			  FIXTURE_DATA(kind) *self, bool huge, bool by_engine)
{
	pid_t child = ft_fork();

	if (!child) {
		char *p = ft_map_kind(self->vram, huge);
		struct ferry *f;
		size_t i;

		ASSERT_EQ(0, ferry_open(self->dev, &f));
		if (!by_engine)
			for (i = 0; i < self->vram; i += 8)
				*(uint64_t *)(p + i) = SECRET;
		ASSERT_EQ(ft_pages(self->vram),
			  ft_moved(f, p, self->vram, self->dev));
		if (by_engine) {
			ASSERT_EQ(0, ft_dev_fill(ferry_fd(f), p, SECRET,
						 self->vram));
		}
		ASSERT_EQ(ft_pages(self->vram),
			  ft_count(f, p, self->vram, self->dev));
		_exit(0);
	}
	ASSERT_EQ(0, ft_reap(child));
	ASSERT_EQ(self->used, ft_wait_used(self->used));
}

/* Never-touched pages of every frame. */
TEST_F_TIMEOUT(kind, holes, 600)
{
	char *p;
	int i;

	for (i = 0; i < 4; i++) {
		leave_secrets(_metadata, self, i & 1, i & 2);
		p = ft_map_kind(self->vram, i == 1 || i == 2);
		ASSERT_MOVES(p, self->vram, self->dev);
		ASSERT_TRUE(ft_dev_zero(self->fd, p, self->vram));
		ASSERT_ZERO(p, self->vram);
		ft_unmap(p, self->vram);
	}
}

/* Pages that a device fault made, of which one byte was written. */
TEST_F(kind, partly_written)
{
	const size_t len = 16 * FT_MIB;
	size_t i;
	char *p;
	int huge;

	for (huge = 0; huge < 2; huge++) {
		leave_secrets(_metadata, self, huge, true);
		p = ft_map_kind(len, !huge);
		for (i = 0; i < len; i += 256 * FT_PAGE) {
			struct ferry_cmd c[256];
			size_t j;

			for (j = 0; j < 256; j++)
				c[j] = (struct ferry_cmd) {
					.op = FERRY_OP_FILL,
					.dst = (uintptr_t)p + i + j * FT_PAGE +
					       j,
					.len = 1,
					.arg0 = 1,
				};
			ASSERT_EQ(0, ft_run(self->fd, c, 256, NULL, NULL));
		}
		for (i = 0; i < len; i += FT_PAGE) {
			size_t at = i + i / FT_PAGE % 256;

			ASSERT_EQ(1, p[at]);
			p[at] = 0;
		}
		ASSERT_ZERO(p, len);
		ft_unmap(p, len);
	}
}

/* Pages that hold data of their own in part: the rest of a split folio. */
TEST_F(kind, split)
{
	const size_t len = 8 * FT_HUGE;
	size_t i;
	char *p;

	leave_secrets(_metadata, self, true, true);
	p = ft_map_huge(len);
	ASSERT_MOVES(p, len, self->dev);
	for (i = 0; i < len; i += FT_HUGE) {
		ASSERT_EQ(0, madvise(p + i + 7 * FT_PAGE, 90 * FT_PAGE,
				     MADV_DONTNEED));
		ASSERT_MOVES(p + i + 200 * FT_PAGE, FT_PAGE, FERRY_RAM);
	}
	ASSERT_TRUE(ft_dev_zero(self->fd, p, len));
	ASSERT_ZERO(p, len);
}

/* Frames that were evicted, while the owner lives. */
TEST_F_TIMEOUT(kind, evicted, 600)
{
	struct ft_turn ready, done;
	struct ferry *f;
	pid_t child;
	size_t i;
	char *p;

	ft_turn_init(&ready);
	ft_turn_init(&done);
	child = ft_fork();
	if (!child) {
		p = ft_map(self->vram);
		for (i = 0; i < self->vram; i += 8)
			*(uint64_t *)(p + i) = SECRET;
		ASSERT_EQ(0, ferry_open(self->dev, &f));
		ASSERT_EQ(ft_pages(self->vram),
			  ft_moved(f, p, self->vram, self->dev));
		ft_turn_give(&ready);
		ft_turn_take(&done);
		for (i = 0; i < self->vram; i += 8)
			if (*(uint64_t *)(p + i) != SECRET)
				_exit(1);
		_exit(0);
	}
	ft_turn_take(&ready);
	p = ft_map(self->vram);
	ASSERT_EQ(ft_pages(self->vram),
		  ft_moved(self->f, p, self->vram, self->dev));
	ASSERT_TRUE(ft_dev_zero(self->fd, p, self->vram));
	ASSERT_ZERO(p, self->vram);
	ft_turn_give(&done);
	ASSERT_EQ(0, ft_reap(child));
}

/* Pages that come home carry their own bytes and nothing else. */
TEST_F(kind, home_again)
{
	const size_t len = 16 * FT_MIB;
	size_t i;
	char *p;

	leave_secrets(_metadata, self, false, true);
	p = ft_map(len);
	for (i = 0; i < len; i += 2 * FT_PAGE)
		ft_fill(p + i, FT_PAGE, 1);
	ASSERT_MOVES(p, len, self->dev);
	ASSERT_MOVES(p, len, FERRY_RAM);
	for (i = 0; i < len; i += 2 * FT_PAGE) {
		ASSERT_DATA(p + i, FT_PAGE, 1);
		ASSERT_ZERO(p + i + FT_PAGE, FT_PAGE);
	}
}

/* The second device gets no more of it than the first. */
TEST_F(kind, peer)
{
	const size_t len = 16 * FT_MIB;
	char *p;

	FT_NEED_PEER();
	leave_secrets(_metadata, self, true, false);
	p = ft_map_huge(len);
	ASSERT_MOVES(p, len, self->dev);
	ASSERT_MOVES(p, len, self->peer);
	ASSERT_TRUE(ft_dev_zero(self->fd, p, len));
	ASSERT_ZERO(p, len);
}

/* The kernel's structures on the way to user space hold no stale bytes. */
TEST_F(kind, results)
{
	uint64_t results[64], seq;
	struct ferry_cmd c[64] = {};
	size_t i;

	leave_secrets(_metadata, self, false, true);
	for (i = 0; i < 64; i++)
		results[i] = ~0ULL;
	/* The second fails: nothing after it has a result. */
	c[1].op = FERRY_OP_CHASE;
	c[1].src = 8;
	c[1].arg0 = 1;
	ASSERT_EQ(0, ft_submit(self->fd, c, 64, -1, &seq));
	ASSERT_EQ(0, ft_wait(self->fd, seq, FT_PATIENCE, results, 64, NULL));
	/* What the failed one had reached is this program's own number. */
	for (i = 0; i < 64; i++) {
		ASSERT_TRUE(results[i] == 0 || results[i] == ~0ULL ||
			    (i == 1 && results[i] == c[1].src))
			TH_LOG("result %zu: %llx", i,
			       (unsigned long long)results[i]);
	}
}

FERRY_TEST_MAIN
