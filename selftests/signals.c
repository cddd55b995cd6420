// SPDX-License-Identifier: GPL-2.0-only
/*
 * Signals: a wait ends with EINTR and says what is left of its time; a
 * migration ends with EINTR and says where to go on. Both can be resumed, and
 * the library does so by itself.
 */
#include "ferry_fixture.h"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

static volatile sig_atomic_t ticks;

static void on_tick(int sig)
{
	(void)sig;
	ticks++;
}

/* A signal every @us microseconds, without SA_RESTART; 0 stops. */
static void tick(unsigned int us)
{
	struct sigaction act = { .sa_handler = on_tick };
	struct itimerval t = {
		.it_interval = { us / 1000000, us % 1000000 },
		.it_value = { us / 1000000, us % 1000000 },
	};

	if (us)
		sigaction(SIGALRM, &act, NULL);
	if (setitimer(ITIMER_REAL, &t, NULL))
		ft_fatal("setitimer: %s", strerror(errno));
}

TEST_F(kind, wait)
{
	uint64_t *cell = ft_map(FT_PAGE), seq;
	struct ferry_cmd c = ft_endless(cell);
	struct ferry_wait w = { .size = sizeof(w) };
	int64_t left = 3600 * FT_SECOND;
	struct ferry *own;
	int i, fd;

	ASSERT_EQ(0, ferry_open(self->dev, &own));
	fd = ferry_fd(own);
	ASSERT_EQ(0, ft_submit(fd, &c, 1, -1, &seq));
	w.seq = seq;
	w.timeout_ns = left;
	tick(20000);
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(-EINTR, ft_ioctl(fd, FERRY_IOC_WAIT, &w));
		/* Less than before, by no more than what has passed. */
		ASSERT_LT(w.timeout_ns, left);
		ASSERT_GT(w.timeout_ns, left - 60 * FT_SECOND);
		left = w.timeout_ns;
		ASSERT_EQ(seq, w.seq);
	}
	/* For ever stays for ever. */
	w.timeout_ns = -1;
	ASSERT_EQ(-EINTR, ft_ioctl(fd, FERRY_IOC_WAIT, &w));
	ASSERT_GT(0, w.timeout_ns);

	/* Resumed until the time is over. */
	w.timeout_ns = FT_SECOND / 2;
	for (i = 0; ; i++) {
		int ret = ft_ioctl(fd, FERRY_IOC_WAIT, &w);

		if (ret == -ETIMEDOUT)
			break;
		ASSERT_EQ(-EINTR, ret);
		ASSERT_LT(i, 10000);
	}
	ASSERT_LT(0, i);
	tick(0);
	ferry_close(own);
}

/* Opening a node is only delayed, though it takes all locks of the address space. */
TEST_F(kind, open)
{
	unsigned long i;
	struct ferry *f;

	/* The first context of an address space has most to do. */
	ferry_close(self->f);
	tick(1000);
	for (i = 0; i < ft_loops(300); i++) {
		ASSERT_EQ(0, ferry_open(self->dev, &f));
		ferry_close(f);
	}
	tick(0);
	ASSERT_LT(0, ticks);
}

/* Resumed until the list is done: the result is not lost. */
TEST_F(kind, wait_to_the_end)
{
	uint64_t *cell = ft_map(FT_PAGE), seq, result;
	struct ferry_cmd c = ft_endless(cell);
	int i, interrupted = 0, ret;
	struct ferry_wait w;

	ASSERT_EQ(0, ft_submit(self->fd, &c, 1, -1, &seq));
	tick(10000);
	for (i = 0; ; i++) {
		ret = ft_wait(self->fd, seq, -1, &result, 1, &w);
		if (!ret)
			break;
		ASSERT_EQ(-EINTR, ret);
		/* After a few, break the circle. */
		if (++interrupted == 5)
			__atomic_store_n(cell, 0, __ATOMIC_RELEASE);
	}
	tick(0);
	ASSERT_LE(5, interrupted);
	ASSERT_EQ(-EFAULT, w.status);
	ASSERT_EQ(0, w.fault_addr);
}

/* A signal whose handler restarts calls: the library, or the caller, goes on. */
TEST_F(kind, library_restarts)
{
	uint64_t *cell = ft_map(FT_PAGE), result;
	struct ferry_cmd c = ft_busy(cell, 3000000);
	char *p = ft_map(self->vram / 2);
	struct ferry_list *list;
	struct ferry_result r;
	struct ferry_moved m;

	ASSERT_EQ(0, ferry_list_create(&list));
	ASSERT_EQ(0, ferry_list_add(list, &c));
	ft_fill(p, self->vram / 2, 1);
	tick(5000);
	ASSERT_EQ(0, ferry_run(self->f, list, &result, 1, &r));
	ASSERT_EQ((uintptr_t)cell, result);
	ASSERT_EQ(0, ferry_to_device(self->f, p, self->vram / 2, &m));
	ASSERT_EQ(ft_pages(self->vram / 2), m.moved);
	ASSERT_EQ(0, ferry_to_ram(self->f, p, self->vram / 2, &m));
	ASSERT_EQ(ft_pages(self->vram / 2), m.moved);
	tick(0);
	ASSERT_LT(0, ticks);
	ASSERT_DATA(p, self->vram / 2, 1);
	ferry_list_destroy(list);
}

TEST_F(kind, migrate)
{
	const size_t len = self->vram;
	uint64_t moved, last, interrupted = 0;
	struct ferry_migrate m;
	unsigned long i, calls;
	char *p = ft_map(len);
	int ret;

	ft_fill(p, len, 2);
	tick(2000);
	for (i = 0; i < ft_loops(6); i++) {
		m = (struct ferry_migrate) {
			.size = sizeof(m),
			.addr = (uintptr_t)p,
			.len = len,
			.dst = i & 1 ? FERRY_RAM : self->dev,
		};
		moved = 0;
		for (calls = 0; ; calls++) {
			uint64_t sum = 0;
			int r;

			last = m.addr;
			ret = ft_ioctl(self->fd, FERRY_IOC_MIGRATE, &m);
			for (r = 0; r < FERRY_REASONS; r++)
				sum += m.reasons[r];
			ASSERT_EQ(sum, m.failed);
			ASSERT_EQ(0, m.failed);
			moved += m.moved;
			if (!ret)
				break;
			ASSERT_EQ(-EINTR, ret);
			/* What is reported done is done, and no more. */
			ASSERT_EQ((uintptr_t)p + len, m.addr + m.len);
			ASSERT_EQ(0, m.addr % FT_PAGE);
			ASSERT_EQ(last + m.moved * FT_PAGE, m.addr);
			/* And it gets on. */
			ASSERT_LT(calls, 100000);
			interrupted++;
		}
		ASSERT_EQ(ft_pages(len), moved);
	}
	tick(0);
	ASSERT_LT(0, interrupted);
	ASSERT_DATA(p, len, 2);
}

/* Signals while the engine faults pages in, and while the CPU does. */
TEST_F(kind, faults)
{
	const size_t len = 8 * FT_MIB;
	char *p = ft_map(len);
	int i;

	ft_fill(p, len, 3);
	tick(1000);
	for (i = 0; i < 4; i++) {
		ASSERT_DEV_DATA(p, len, 3);
		ASSERT_DATA(p, len, 3);
	}
	tick(0);
	ASSERT_LT(0, ticks);
}

/* A thread that waits is stopped and continued. */
TEST_F(kind, stop_and_continue)
{
	uint64_t *cell = ft_map(FT_PAGE);
	struct ft_turn ready;
	pid_t child;
	int i;

	ft_turn_init(&ready);
	child = ft_fork();
	if (!child) {
		struct ferry_cmd c = ft_busy(cell, 2000000);
		struct ferry *f;

		ASSERT_EQ(0, ferry_open(self->dev, &f));
		ft_turn_give(&ready);
		ASSERT_EQ(0, ft_run(ferry_fd(f), &c, 1, NULL, NULL));
		_exit(0);
	}
	ft_turn_take(&ready);
	for (i = 0; i < 5; i++) {
		kill(child, SIGSTOP);
		ft_sleep_ns(2000000);
		kill(child, SIGCONT);
		ft_sleep_ns(2000000);
	}
	ASSERT_EQ(0, ft_reap(child));
}

FERRY_TEST_MAIN
