// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ends: exit, exec, close and kill -9 in the middle of anything. Afterwards
 * nothing is left of the process on the device, and its neighbours have lost
 * nothing.
 */
#include "ferry_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#define LEN	(4 * FT_MIB)

/* Everything a program does with a device, for ever. */
static void *busy_loop(void *arg)
{
	FIXTURE_DATA(kind) *self = arg;
	struct ferry *f;
	char *p;

	/* Only what works: the parent's aim is random, not this loop. */
	p = ft_map_kind(LEN, ft_below(2));
	for (;;) {
		if (ferry_open(self->dev, &f))
			ft_fatal("no context");
		ft_fill(p, LEN, 1);
		ft_move(f, p, LEN, self->dev);
		if (ft_dev_crc32c(ferry_fd(f), p, LEN) !=
		    ft_crc_of(p, LEN, 1))
			ft_fatal("wrong data on the device");
		if (ft_dev_fill(ferry_fd(f), p + FT_PAGE, 1, LEN / 2))
			ft_fatal("fill failed");
		if (self->peer >= 0)
			ft_move(f, p, LEN / 2, self->peer);
		ft_touch(p, LEN / 4);
		ft_move(f, p + LEN / 2, LEN / 2, FERRY_RAM);
		if (ft_below(2)) {
			struct ferry_cmd c = ft_endless((uint64_t *)p);
			uint64_t seq;

			ft_submit(ferry_fd(f), &c, 1, -1, &seq);
		}
		ferry_close(f);
		madvise(p + LEN / 4, LEN / 2, MADV_DONTNEED);
	}
	return NULL;
}

/*
 * Kills at random moments. The moments are spread over a bit more
 * than one turn of the loop, whatever the speed of the machine: the first
 * child measures it.
 */
static void kill_at_random(struct __test_metadata *_metadata,
			   FIXTURE_DATA(kind) *self, unsigned int threads,
			   unsigned long times)
{
	char *mine = ft_map(LEN);
	unsigned long i;
	uint64_t turn;
	pid_t child;

	ft_fill(mine, LEN, 2);
	ASSERT_MOVES(mine, LEN, self->dev);
	turn = ft_now_ns();
	ft_move(self->f, mine, LEN, FERRY_RAM);
	ft_move(self->f, mine, LEN, self->dev);
	turn = 4 * (ft_now_ns() - turn);
	for (i = 0; i < times; i++) {
		child = ft_fork();
		if (!child) {
			pthread_t thread;
			unsigned int t;

			ft_reseed(i);
			for (t = 1; t < threads; t++)
				pthread_create(&thread, NULL, busy_loop, self);
			busy_loop(self);
			_exit(1);
		}
		ft_sleep_ns(ft_below(turn));
		ASSERT_EQ(0, kill(child, SIGKILL));
		ASSERT_EQ(128 + SIGKILL, ft_reap(child));
	}
	ASSERT_EQ(self->used + ft_pages(LEN),
		  ft_wait_used(self->used + ft_pages(LEN)));
	ASSERT_DEV_DATA(mine, LEN, 2);
	ASSERT_DATA(mine, LEN, 2);
}

TEST_F_TIMEOUT(kind, kill, 900)
{
	kill_at_random(_metadata, self, 1, FT_ROUNDS(200));
}

TEST_F_TIMEOUT(kind, kill_threads, 900)
{
	kill_at_random(_metadata, self, 3, FT_ROUNDS(50));
}

/* The engine runs for ever; the process ends all the same. */
TEST_F(kind, exit_with_work)
{
	unsigned int i;
	pid_t child;

	for (i = 0; i < 4; i++) {
		child = ft_fork();
		if (!child) {
			uint64_t *cell = ft_map(FT_PAGE), seq;
			struct ferry_cmd c = ft_endless(cell);
			struct ferry *f;

			ASSERT_EQ(0, ferry_open(self->dev, &f));
			if (i & 1) {
				ft_move(f, cell, FT_PAGE, self->dev);
			}
			ASSERT_EQ(0, ft_submit(ferry_fd(f), &c, 1, -1, &seq));
			if (i & 2)
				kill(getpid(), SIGKILL);
			_exit(0);
		}
		ASSERT_EQ(i & 2 ? 128 + SIGKILL : 0, ft_reap(child));
	}
}

/*
 * Somebody waits for a list when its context is closed by another thread: the
 * descriptor is closed under the waiter. A call in progress holds the
 * file, so the list ends only when the waiter is done: it is killed by exit.
 */
TEST_F(kind, wait_and_exit)
{
	pid_t child = ft_fork();

	if (!child) {
		uint64_t *cell = ft_map(FT_PAGE);
		struct ferry_cmd c = ft_endless(cell);
		struct ft_waiter w = {};
		pthread_t thread;
		struct ferry *f;

		ASSERT_EQ(0, ferry_open(self->dev, &f));
		w.fd = ferry_fd(f);
		ASSERT_EQ(0, ft_submit(w.fd, &c, 1, -1, &w.seq));
		ASSERT_EQ(0, pthread_create(&thread, NULL, ft_waiter, &w));
		ASSERT_TRUE(ft_until(__atomic_load_n(&w.started,
						     __ATOMIC_ACQUIRE), 20));
		close(w.fd);
		_exit(0);
	}
	ASSERT_EQ(0, ft_reap(child));
}

/* exit_group while other threads migrate, fault and wait. */
TEST_F(kind, exit_under_threads)
{
	unsigned long i;
	pid_t child;

	for (i = 0; i < ft_loops(10); i++) {
		child = ft_fork();
		if (!child) {
			pthread_t thread;
			int t;

			ft_reseed(i);
			for (t = 0; t < 4; t++)
				pthread_create(&thread, NULL, busy_loop, self);
			ft_sleep_ns(ft_below(30000000));
			_exit(0);
		}
		ASSERT_EQ(0, ft_reap(child));
	}
}

/* The context is closed; what is on the device is still the program's. */
TEST_F(kind, data_outlives_context)
{
	struct ferry *f;
	char *p;
	int huge;

	for (huge = 0; huge < 2; huge++) {
		p = ft_map_kind(LEN, huge);
		ft_fill(p, LEN, 3);
		ASSERT_EQ(0, ferry_open(self->dev, &f));
		ASSERT_EQ(ft_pages(LEN), ft_moved(f, p, LEN, self->dev));
		ferry_close(f);
		ASSERT_WHERE(p, LEN, self->dev);
		ASSERT_DATA(p, LEN, 3);
		ft_unmap(p, LEN);
	}
}

/* The last mapping goes by exit while a context of another process works. */
TEST_F(kind, exit_beside_another)
{
	char *mine = ft_map(LEN);
	unsigned long i;
	pid_t child;

	ft_fill(mine, LEN, 4);
	for (i = 0; i < ft_loops(20); i++) {
		child = ft_fork();
		if (!child) {
			char *p = ft_map_kind(LEN, i & 1);
			struct ferry *f;

			ASSERT_EQ(0, ferry_open(self->dev, &f));
			ft_fill(p, LEN, 5);
			ft_move(f, p, LEN, self->dev);
			_exit(0);
		}
		ft_move(self->f, mine, LEN, i & 1 ? FERRY_RAM : self->dev);
		ASSERT_EQ(0, ft_reap(child));
	}
	ASSERT_DATA(mine, LEN, 4);
}

/* vfork, and a child that runs another program at once. */
TEST_F(kind, run_a_program)
{
	char *p = ft_map(LEN);
	int i;

	ft_fill(p, LEN, 6);
	for (i = 0; i < 3; i++) {
		if (i) {
			ASSERT_MOVES_BACK(p, LEN);
		} else {
			ASSERT_MOVES(p, LEN, self->dev);
		}
		ASSERT_EQ(0, system("true"));
		ASSERT_WHERE(p, LEN, self->dev);
		ASSERT_DATA(p, LEN, 6);
	}
}

/* The node without a program behind it: open descriptors in other tables. */
TEST_F(kind, descriptor_lives_on)
{
	struct ft_turn ready, done;
	pid_t owner, keeper;
	int fd;

	ft_turn_init(&ready);
	ft_turn_init(&done);
	owner = ft_fork();
	if (!owner) {
		char *p = ft_map(LEN);

		fd = ft_open(self->dev);
		ASSERT_LE(0, fd);
		struct ferry_migrate m = {
			.size = sizeof(m),
			.addr = (uintptr_t)p,
			.len = LEN,
			.dst = self->dev,
		};
		ASSERT_EQ(0, ft_ioctl(fd, FERRY_IOC_MIGRATE, &m));
		keeper = fork();
		if (!keeper) {
			/* Holds the owner's context after the owner is gone. */
			ft_turn_give(&ready);
			ft_turn_take(&done);
			_exit(0);
		}
		_exit(0);
	}
	ASSERT_EQ(0, ft_reap(owner));
	ft_turn_take(&ready);
	/* The keeper's copy of the address space still has the pages. */
	ft_turn_give(&done);
	ASSERT_EQ(self->used, ft_wait_used(self->used));
}

FERRY_TEST_MAIN
