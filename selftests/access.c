// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may do what: an ordinary user works on its own memory, and on nobody
 * else's.
 */
#include "ferry_fixture.h"

#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define LEN	FT_HUGE
#define NOBODY	65534

/* A child that is nobody. */
static pid_t fork_nobody(void)
{
	pid_t child = ft_fork();

	if (child)
		return child;
	if (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY))
		ft_fatal("cannot drop privileges: %s", strerror(errno));
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	return 0;
}

TEST_F(kind, ordinary_user)
{
	pid_t child = fork_nobody();
	struct ferry *f;

	if (!child) {
		char *p = ft_map(LEN);

		ft_fill(p, LEN, 1);
		ASSERT_EQ(0, ferry_open(self->dev, &f));
		ASSERT_EQ(ft_pages(LEN), ft_moved(f, p, LEN, self->dev));
		ASSERT_EQ(ft_crc_of(p, LEN, 1),
			  ft_dev_crc32c(ferry_fd(f), p, LEN));
		ASSERT_EQ(0, ft_dev_fill(ferry_fd(f), p, 0, LEN / 2));
		ASSERT_ZERO(p, LEN / 2);
		ASSERT_DATA(p + LEN / 2, LEN / 2, 1);
		_exit(0);
	}
	ASSERT_EQ(0, ft_reap(child));
}

TEST_F(kind, query_of_a_stranger)
{
	pid_t parent = getpid(), child = fork_nobody();
	struct ferry_residency r[16];
	char *p = ft_map(16 * FT_PAGE);
	struct ferry *f;

	if (!child) {
		ASSERT_EQ(0, ferry_open(self->dev, &f));
		ASSERT_EQ(-EPERM, ferry_residency_pid(f, parent, (uintptr_t)p,
						      16 * FT_PAGE, r, 16));
		ASSERT_EQ(-EPERM, ferry_residency_pid(f, 1, 0x400000, FT_PAGE,
						      r, 16));
		/* Its own number is itself. */
		ASSERT_EQ(16, ferry_residency_pid(f, getpid(), (uintptr_t)p,
						  16 * FT_PAGE, r, 16));
		_exit(0);
	}
	ASSERT_EQ(0, ft_reap(child));
}

/* A limit on locked memory is no limit here: nothing is locked. */
TEST_F(kind, no_memlock_needed)
{
	pid_t child = fork_nobody();
	struct ferry *f;

	if (!child) {
		const struct rlimit none = {};
		char *p = ft_map_huge(LEN);

		ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &none));
		ft_fill(p, LEN, 2);
		ASSERT_EQ(0, ferry_open(self->dev, &f));
		ASSERT_EQ(ft_pages(LEN), ft_moved(f, p, LEN, self->dev));
		ASSERT_DATA(p, LEN, 2);
		_exit(0);
	}
	ASSERT_EQ(0, ft_reap(child));
}

/* Nobody may not change how the driver works, nor look into debugfs. */
TEST_F(kind, settings)
{
	pid_t child = fork_nobody();
	char path[64];

	if (!child) {
		snprintf(path, sizeof(path), "/sys/class/ferry/ferry%d/policy",
			 self->dev);
		ASSERT_EQ(-EACCES, ft_write_file(path, "map"));
		ASSERT_EQ(-EACCES, ft_write_file
			  ("/sys/module/ferry/parameters/fault_window",
			   "4096"));
		ASSERT_NE(0, access("/sys/kernel/debug/ferry", R_OK));
		_exit(0);
	}
	ASSERT_EQ(0, ft_reap(child));
}

FERRY_TEST_MAIN
