// SPDX-License-Identifier: GPL-2.0-only
/*
 * userfaultfd over memory that Ferry moves: a watched hole is never filled
 * behind the watcher's back, a write-protected page stays so over a trip, and
 * the calls that install or move pages meet device pages without losing one.
 */
#include "ferry_fixture.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/syscall.h>

#define LEN	(128 * FT_PAGE)

#ifndef UFFDIO_MOVE
#define UFFD_FEATURE_MOVE		(1 << 16)
#define _UFFDIO_MOVE			(0x05)
struct uffdio_move {
	__u64 dst;
	__u64 src;
	__u64 len;
	__u64 mode;
	__s64 move;
};

#define UFFDIO_MOVE	_IOWR(UFFDIO, _UFFDIO_MOVE, struct uffdio_move)
#endif

static int uffd_protect(int fd, void *p, size_t len, bool on)
{
	struct uffdio_writeprotect wp = {
		.range = { .start = (uintptr_t)p, .len = len },
		.mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	return ioctl(fd, UFFDIO_WRITEPROTECT, &wp) ? -errno : 0;
}

/* Serves faults until told to stop: holes get ft_fill's words of salt 1. */
struct server {
	int fd, stop[2];
	unsigned int missing, protected;
	pthread_t thread;
};

static void *serve(void *arg)
{
	struct server *s = arg;
	uint64_t page[512];
	size_t i;

	for (;;) {
		struct pollfd p[2] = {
			{ .fd = s->fd, .events = POLLIN },
			{ .fd = s->stop[0], .events = POLLIN },
		};
		struct uffd_msg msg;
		uint64_t addr;

		if (poll(p, 2, -1) < 0)
			ft_fatal("poll: %s", strerror(errno));
		if (p[1].revents)
			return NULL;
		if (read(s->fd, &msg, sizeof(msg)) != sizeof(msg))
			continue;
		if (msg.event != UFFD_EVENT_PAGEFAULT)
			continue;
		addr = msg.arg.pagefault.address & ~(FT_PAGE - 1);
		if (msg.arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP) {
			__atomic_add_fetch(&s->protected, 1, __ATOMIC_RELEASE);
			uffd_protect(s->fd, (void *)addr, FT_PAGE, false);
			continue;
		}
		__atomic_add_fetch(&s->missing, 1, __ATOMIC_RELEASE);
		for (i = 0; i < 512; i++)
			page[i] = ft_word(addr + i * 8, 1);
		struct uffdio_copy copy = {
			.dst = addr,
			.src = (uintptr_t)page,
			.len = FT_PAGE,
		};

		if (ioctl(s->fd, UFFDIO_COPY, &copy) && errno != EEXIST)
			ft_fatal("UFFDIO_COPY: %s", strerror(errno));
	}
}

static void server_start(struct server *s, int fd)
{
	*s = (struct server) { .fd = fd };
	if (pipe(s->stop) || pthread_create(&s->thread, NULL, serve, s))
		ft_fatal("no server");
}

static void server_stop(struct server *s)
{
	if (write(s->stop[1], "", 1) != 1 || pthread_join(s->thread, NULL))
		ft_fatal("no end of the server");
}

TEST_F(kind, holes_stay_watched)
{
	char *p = ft_map(LEN);
	int fd = ft_uffd_open();
	struct ferry_moved m;
	struct server s;

	ft_fill(p, LEN / 2, 1);
	ft_uffd_watch(fd, p, LEN, UFFDIO_REGISTER_MODE_MISSING);
	m = ft_move(self->f, p, LEN, self->dev);
	ASSERT_EQ(ft_pages(LEN) / 2, m.moved);
	ASSERT_EQ(ft_pages(LEN) / 2, m.reasons[FERRY_REASON_USERFAULTFD]);
	ASSERT_EQ(ft_pages(LEN) / 2, ft_count(self->f, p, LEN, FERRY_NOWHERE));

	server_start(&s, fd);
	ASSERT_DATA(p, LEN, 1);
	server_stop(&s);
	ASSERT_EQ(ft_pages(LEN) / 2, s.missing);
	/* What was filled in now goes too; the others are there or go again. */
	ASSERT_MOVES(p + LEN / 2, LEN / 2, self->dev);
	ASSERT_MOVES_BACK(p, LEN / 2);
	ASSERT_DATA(p, LEN, 1);
	close(fd);
}

TEST_F(kind, holes_huge)
{
	char *p = ft_map_huge(FT_HUGE);
	int fd = ft_uffd_open();
	struct ferry_moved m;

	ft_uffd_watch(fd, p, FT_HUGE, UFFDIO_REGISTER_MODE_MISSING);
	m = ft_move(self->f, p, FT_HUGE, self->dev);
	ASSERT_EQ(0, m.moved);
	ASSERT_EQ(ft_pages(FT_HUGE), m.reasons[FERRY_REASON_USERFAULTFD]);
	close(fd);
}

/*
 * The engine at a watched hole: it gets the watcher's bytes or fails at that
 * address; it does not hang, and does not make up zeros.
 */
TEST_F(kind, engine_at_a_hole)
{
	struct ferry_cmd c = { .op = FERRY_OP_CRC32C, .len = LEN };
	char *p = ft_map(LEN);
	int fd = ft_uffd_open();
	struct ferry_wait w;
	uint64_t result;
	struct server s;

	ft_uffd_watch(fd, p, LEN, UFFDIO_REGISTER_MODE_MISSING);
	server_start(&s, fd);
	c.src = (uintptr_t)p;
	if (ft_run(self->fd, &c, 1, &result, &w)) {
		ASSERT_EQ(-EFAULT, w.status);
		ASSERT_EQ((uintptr_t)p, w.fault_addr);
		ASSERT_EQ(FERRY_ACCESS_READ, w.access);
		ASSERT_EQ(ft_pages(LEN), ft_count(self->f, p, LEN,
						  FERRY_NOWHERE));
	} else {
		ASSERT_EQ(ft_crc_of(p, LEN, 1), result);
		ASSERT_EQ(ft_pages(LEN), s.missing);
	}
	ASSERT_DATA(p, LEN, 1);
	ASSERT_EQ(ft_pages(LEN), s.missing);
	server_stop(&s);
	close(fd);
}

/* Nobody answers: an engine that cannot be served must still be stoppable. */
TEST_F(kind, nobody_answers)
{
	struct ferry_cmd c = { .op = FERRY_OP_CRC32C, .len = LEN };
	char *p = ft_map(LEN);
	int fd = ft_uffd_open();
	struct ferry *own;
	uint64_t seq;
	int ret;

	ft_uffd_watch(fd, p, LEN, UFFDIO_REGISTER_MODE_MISSING);
	c.src = (uintptr_t)p;
	ASSERT_EQ(0, ferry_open(self->dev, &own));
	ASSERT_EQ(0, ft_submit(ferry_fd(own), &c, 1, -1, &seq));
	ret = ft_wait(ferry_fd(own), seq, FT_SECOND / 2, NULL, 0, NULL);
	ASSERT_TRUE(!ret || ret == -ETIMEDOUT);
	ferry_close(own);
	close(fd);
	ASSERT_ZERO(p, LEN);
}

/* A protected page is protected after a trip. */
TEST_F(kind, write_protected)
{
	struct server s;
	int fd, huge;
	size_t i;
	char *p;

	for (huge = 0; huge < 2; huge++) {
		fd = ft_uffd_open();
		p = ft_map_kind(FT_HUGE, huge);
		ft_fill(p, FT_HUGE, 2);
		ft_uffd_watch(fd, p, FT_HUGE, UFFDIO_REGISTER_MODE_WP);
		ASSERT_EQ(0, uffd_protect(fd, p, FT_HUGE, true));
		ft_move(self->f, p, FT_HUGE, self->dev);
		ft_move(self->f, p, FT_HUGE, FERRY_RAM);
		ft_move(self->f, p, FT_HUGE, self->dev);
		server_start(&s, fd);
		/* Reading asks nobody, writing does. */
		ASSERT_DATA(p, FT_HUGE, 2);
		ASSERT_EQ(0, s.protected);
		for (i = 0; i < FT_HUGE; i += 64 * FT_PAGE) {
			p[i]++;
			ASSERT_EQ(i / (64 * FT_PAGE) + 1, s.protected);
			p[i]--;
		}
		server_stop(&s);
		ASSERT_DATA(p, FT_HUGE, 2);
		close(fd);
		ft_unmap(p, FT_HUGE);
	}
}

/* Protection of what is on the device already. */
TEST_F(kind, protect_on_device)
{
	struct server s;
	int fd, huge;
	char *p;

	for (huge = 0; huge < 2; huge++) {
		fd = ft_uffd_open();
		p = ft_map_kind(FT_HUGE, huge);
		ft_fill(p, FT_HUGE, 3);
		ASSERT_MOVES(p, FT_HUGE, self->dev);
		ft_uffd_watch(fd, p, FT_HUGE, UFFDIO_REGISTER_MODE_WP);
		ASSERT_EQ(0, uffd_protect(fd, p, FT_HUGE, true));
		server_start(&s, fd);
		ASSERT_DEV_DATA(p, FT_HUGE, 3);
		p[5 * FT_PAGE]++;
		ASSERT_EQ(1, s.protected);
		p[5 * FT_PAGE]--;
		server_stop(&s);
		ASSERT_DATA(p, FT_HUGE, 3);
		close(fd);
		ft_unmap(p, FT_HUGE);
	}
}

/*
 * The engine writes where a watcher protects: it asks, or fails there; it
 * never writes past the protection.
 */
TEST_F(kind, engine_writes_protected)
{
	const int place[] = { FERRY_RAM, self->dev };
	struct server s;
	int fd, i, ret;
	char *p;

	for (i = 0; i < 4; i++) {
		struct ferry_cmd c = { .op = FERRY_OP_FILL, .len = FT_PAGE };
		struct ferry_wait w;

		fd = ft_uffd_open();
		p = ft_map(LEN);
		ft_fill(p, LEN, 4);
		ft_move(self->f, p, LEN, place[i % 2]);
		if (i / 2) {
			/* Writable in the device page table before. */
			ASSERT_EQ(0, ft_dev_copy(self->fd, p, p + FT_PAGE, 8));
			ASSERT_EQ(0, ft_dev_copy(self->fd, p + 3 * FT_PAGE,
						 p + FT_PAGE, 8));
			ft_fill(p, LEN, 4);
			ft_move(self->f, p, LEN, place[i % 2]);
		}
		ft_uffd_watch(fd, p, LEN, UFFDIO_REGISTER_MODE_WP);
		ASSERT_EQ(0, uffd_protect(fd, p, LEN, true));
		server_start(&s, fd);
		c.dst = (uintptr_t)(p + 3 * FT_PAGE);
		ret = ft_run(self->fd, &c, 1, NULL, &w);
		server_stop(&s);
		if (ret) {
			ASSERT_EQ(-EFAULT, ret);
			ASSERT_EQ(c.dst, w.fault_addr);
			ASSERT_EQ(FERRY_ACCESS_WRITE, w.access);
			ASSERT_EQ(0, s.protected);
			ASSERT_DATA(p, LEN, 4);
		} else {
			ASSERT_EQ(1, s.protected);
			ASSERT_DATA(p, 3 * FT_PAGE, 4);
			ASSERT_ZERO(p + 3 * FT_PAGE, FT_PAGE);
		}
		close(fd);
		ft_unmap(p, LEN);
	}
}

/* UFFDIO_COPY onto a device page is refused: there is a page. */
TEST_F(kind, copy_onto_device)
{
	char *p = ft_map(LEN), *q = ft_map(LEN);
	struct uffdio_copy copy = { .len = FT_PAGE };
	struct uffdio_zeropage zero = {};
	int fd = ft_uffd_open();

	ft_fill(p, LEN, 5);
	ft_fill(q, LEN, 6);
	ft_uffd_watch(fd, p, LEN, UFFDIO_REGISTER_MODE_MISSING);
	ASSERT_MOVES(p, LEN, self->dev);
	copy.dst = (uintptr_t)p;
	copy.src = (uintptr_t)q;
	ASSERT_NE(0, ioctl(fd, UFFDIO_COPY, &copy));
	ASSERT_EQ(EEXIST, errno);
	zero.range.start = (uintptr_t)p;
	zero.range.len = FT_PAGE;
	ASSERT_NE(0, ioctl(fd, UFFDIO_ZEROPAGE, &zero));
	ASSERT_EQ(EEXIST, errno);
	ASSERT_DATA(p, LEN, 5);

	/* From a source that is on the device. */
	ASSERT_MOVES(q, LEN, self->dev);
	ASSERT_EQ(0, madvise(p, FT_PAGE, MADV_DONTNEED));
	ASSERT_EQ(0, ioctl(fd, UFFDIO_COPY, &copy));
	ASSERT_EQ(FT_PAGE, ft_check_as(p, FT_PAGE, 6, q));
	ASSERT_DATA(q, LEN, 6);
	close(fd);
}

/* UFFDIO_MOVE of a device page: it moves or it stays, but it is somewhere. */
TEST_F(kind, move_from_device)
{
	struct uffdio_move move = {};
	int fd, huge, ret;
	char *p, *q;

	for (huge = 0; huge < 2; huge++) {
		fd = ft_uffd_open();
		p = ft_map_kind(FT_HUGE, huge);
		q = ft_map_kind(FT_HUGE, huge);
		ft_fill(p, FT_HUGE, 7);
		ASSERT_MOVES(p, FT_HUGE, self->dev);
		ft_uffd_watch(fd, q, FT_HUGE, UFFDIO_REGISTER_MODE_MISSING);
		move.dst = (uintptr_t)q;
		move.src = (uintptr_t)p;
		move.len = FT_HUGE;
		move.mode = 0;
		move.move = 0;
		ret = ioctl(fd, UFFDIO_MOVE, &move);
		if (ret && errno == EINVAL)
			SKIP(return, "no UFFDIO_MOVE");
		if (ret && move.move < 0)
			move.move = 0;
		ASSERT_EQ(0, move.move % FT_PAGE);
		ASSERT_EQ(move.move, ft_check_as(q, move.move, 7, p));
		ASSERT_DATA(p + move.move, FT_HUGE - move.move, 7);
		close(fd);
		ft_unmap(p, FT_HUGE);
		ft_unmap(q, FT_HUGE);
	}
}

FERRY_TEST_MAIN
