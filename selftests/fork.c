// SPDX-License-Identifier: GPL-2.0-only
/*
 * fork, copy-on-write and exec with data on the device: each process sees its
 * own bytes, whoever writes first, by CPU or by engine, and whoever ends
 * first. A child and a program after exec may not use the node they inherit.
 */
#include "ferry_fixture.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define LEN	FT_HUGE

/* Run the body for small and for huge pages, at @p, filled and on the device. */
#define FOR_BOTH_SIZES(salt)						\
	for (int __huge = 0;						\
	     __huge < 2 && (p = ft_map_kind(LEN, __huge),		\
			    ft_fill(p, LEN, salt), true);		\
	     __huge++, ft_unmap(p, LEN))

TEST_F(kind, child_reads)
{
	pid_t child;
	char *p;

	FOR_BOTH_SIZES(1) {
		ASSERT_MOVES(p, LEN, self->dev);
		child = ft_fork();
		if (!child)
			_exit(ft_check(p, LEN, 1) != LEN);
		ASSERT_EQ(0, ft_reap(child));
		ASSERT_DATA(p, LEN, 1);
	}
}

TEST_F(kind, child_writes)
{
	pid_t child;
	char *p;

	FOR_BOTH_SIZES(2) {
		ASSERT_MOVES(p, LEN, self->dev);
		child = ft_fork();
		if (!child) {
			ft_fill(p + LEN / 4, LEN / 2, 3);
			_exit(ft_check(p, LEN / 4, 2) != LEN / 4 ||
			      ft_check(p + LEN / 4, LEN / 2, 3) != LEN / 2 ||
			      ft_check(p + LEN / 4 * 3, LEN / 4, 2) != LEN / 4);
		}
		ASSERT_EQ(0, ft_reap(child));
		ASSERT_DATA(p, LEN, 2);
	}
}

TEST_F(kind, parent_writes)
{
	struct ft_turn go;
	pid_t child;
	char *p;

	FOR_BOTH_SIZES(4) {
		ft_turn_init(&go);
		ASSERT_MOVES(p, LEN, self->dev);
		child = ft_fork();
		if (!child) {
			ft_turn_take(&go);
			_exit(ft_check(p, LEN, 4) != LEN);
		}
		ft_fill(p, LEN, 5);
		ft_turn_give(&go);
		ASSERT_EQ(0, ft_reap(child));
		ASSERT_DATA(p, LEN, 5);
	}
}

/*
 * The write of one is a copy for it, in RAM, and leaves the other's page where it
 * is; the last one writes in place again.
 */
TEST_F(kind, copy_on_write_in_place)
{
	struct ft_turn wrote, go;
	pid_t child;
	char *p;

	FOR_BOTH_SIZES(22) {
		ft_turn_init(&wrote);
		ft_turn_init(&go);
		ASSERT_MOVES(p, LEN, self->dev);
		child = ft_fork();
		if (!child) {
			struct ferry *f;

			ASSERT_EQ(0, ferry_open(self->dev, &f));
			/* What the child reads stays shared. */
			ASSERT_DATA(p + LEN / 2, LEN / 2, 22);
			ft_fill(p, LEN / 4, 23);
			ASSERT_EQ(ft_pages(LEN / 4),
				  ft_count(f, p, LEN / 4, FERRY_RAM));
			ft_turn_give(&wrote);
			ft_turn_take(&go);
			ASSERT_DATA(p, LEN / 4, 23);
			ASSERT_DATA(p + LEN / 4, LEN / 4 * 3, 22);
			_exit(0);
		}
		ft_turn_take(&wrote);
		if (FT_IN_PLACE) {
			ASSERT_WHERE(p, LEN, self->dev);
		}
		ASSERT_DATA(p, LEN, 22);
		/* Nobody shares the first quarter any more. */
		ft_fill(p, LEN / 4, 24);
		ASSERT_WHERE(p, LEN / 4, FT_TOUCHED);
		ft_turn_give(&go);
		ASSERT_EQ(0, ft_reap(child));
		ft_fill(p + LEN / 4, LEN / 4, 24);
		ASSERT_WHERE(p, LEN / 2, FT_TOUCHED);
		ASSERT_DATA(p, LEN / 2, 24);
		ASSERT_DATA(p + LEN / 2, LEN / 2, 22);
	}
}

/* The child ends while the pages are still on the device, shared. */
TEST_F(kind, child_exits_first)
{
	pid_t child;
	char *p;

	FOR_BOTH_SIZES(6) {
		ASSERT_MOVES(p, LEN, self->dev);
		child = ft_fork();
		if (!child)
			_exit(0);
		ASSERT_EQ(0, ft_reap(child));
		ASSERT_WHERE(p, LEN, self->dev);
		ASSERT_DEV_DATA(p, LEN, 6);
		ft_fill(p, FT_PAGE, 7);
		ASSERT_DATA(p, FT_PAGE, 7);
		ASSERT_DATA(p + FT_PAGE, LEN - FT_PAGE, 6);
	}
}

/*
 * The process that put the pages on the device, and its context, go first;
 * the child's data is still there.
 */
TEST_F(kind, parent_exits_first)
{
	struct ferry *f;
	int result[2], huge;
	pid_t owner;
	char ok;
	char *p;

	for (huge = 0; huge < 2; huge++) {
		ASSERT_EQ(0, pipe(result));
		owner = ft_fork();
		if (!owner) {
			struct ft_turn gone;

			p = ft_map_kind(LEN, huge);
			ft_fill(p, LEN, 8);
			ASSERT_EQ(0, ferry_open(self->dev, &f));
			ASSERT_EQ(LEN / FT_PAGE,
				  ft_moved(f, p, LEN, self->dev));
			ft_turn_init(&gone);
			if (!fork()) {
				/* End of file once the owner is gone. */
				close(gone.fd[1]);
				if (read(gone.fd[0], &ok, 1))
					_exit(1);
				ft_until(getppid() != owner, 20);
				ok = ft_check(p, LEN, 8) == LEN;
				ft_fill(p, LEN, 9);
				ok = ok && ft_check(p, LEN, 9) == LEN;
				if (write(result[1], &ok, 1) != 1)
					_exit(1);
				_exit(0);
			}
			_exit(0);
		}
		ASSERT_EQ(0, ft_reap(owner));
		close(result[1]);
		ok = 0;
		ASSERT_EQ(1, read(result[0], &ok, 1));
		ASSERT_EQ(1, ok);
		close(result[0]);
	}
}

/* The engine's write is a write: it must not show in the other process. */
TEST_F(kind, engine_of_parent_writes)
{
	const int place[] = { FERRY_RAM, self->dev };
	struct ft_turn go;
	pid_t child;
	char *p;
	int i;

	/* Shared in RAM, then shared on the device. */
	for (i = 0; i < 2; i++) {
		FOR_BOTH_SIZES(10) {
			ft_turn_init(&go);
			ft_move(self->f, p, LEN, place[i]);
			child = ft_fork();
			if (!child) {
				ft_turn_take(&go);
				_exit(ft_check(p, LEN, 10) != LEN);
			}
			ASSERT_EQ(0, ft_dev_fill(self->fd, p + FT_PAGE, 0,
						 LEN / 2));
			ASSERT_TRUE(ft_dev_zero(self->fd, p + FT_PAGE,
						LEN / 2));
			ft_turn_give(&go);
			ASSERT_EQ(0, ft_reap(child));
			ASSERT_DATA(p, FT_PAGE, 10);
			ASSERT_ZERO(p + FT_PAGE, LEN / 2);
			ASSERT_DATA(p + FT_PAGE + LEN / 2,
				    LEN / 2 - FT_PAGE, 10);
		}
	}
}

TEST_F(kind, engine_of_child_writes)
{
	const int place[] = { FERRY_RAM, self->dev };
	struct ferry *f;
	pid_t child;
	char *p;
	int i;

	for (i = 0; i < 2; i++) {
		FOR_BOTH_SIZES(11) {
			ft_move(self->f, p, LEN, place[i]);
			child = ft_fork();
			if (!child) {
				ASSERT_EQ(0, ferry_open(self->dev, &f));
				ASSERT_EQ(0, ft_dev_fill(ferry_fd(f), p, 0,
							 LEN / 2));
				ASSERT_TRUE(ft_dev_zero(ferry_fd(f), p,
							LEN / 2));
				ASSERT_DATA(p + LEN / 2, LEN / 2, 11);
				_exit(0);
			}
			ASSERT_EQ(0, ft_reap(child));
			ASSERT_DATA(p, LEN, 11);
		}
	}
}

/* Both engines write into what they share, at the same time. */
TEST_F(kind, both_engines_write)
{
	struct ft_turn go;
	struct ferry *f;
	pid_t child;
	char *p;

	FOR_BOTH_SIZES(12) {
		ft_turn_init(&go);
		ASSERT_MOVES(p, LEN, self->dev);
		child = ft_fork();
		if (!child) {
			ASSERT_EQ(0, ferry_open(self->dev, &f));
			ft_turn_take(&go);
			ASSERT_EQ(0, ft_dev_fill(ferry_fd(f), p, 0, LEN / 2));
			ASSERT_DATA(p + LEN / 2, LEN / 2, 12);
			ASSERT_ZERO(p, LEN / 2);
			_exit(0);
		}
		ft_turn_give(&go);
		ASSERT_EQ(0, ft_dev_fill(self->fd, p + LEN / 2, 0, LEN / 2));
		ASSERT_EQ(0, ft_reap(child));
		ASSERT_DATA(p, LEN / 2, 12);
		ASSERT_ZERO(p + LEN / 2, LEN / 2);
	}
}

/* Migration of pages that another process shares, in both directions. */
TEST_F(kind, moves_while_shared)
{
	struct ft_turn go, done;
	struct ferry *f;
	pid_t child;
	char *p;
	int i;

	FOR_BOTH_SIZES(13) {
		ft_turn_init(&go);
		ft_turn_init(&done);
		child = ft_fork();
		if (!child) {
			ASSERT_EQ(0, ferry_open(self->dev, &f));
			for (i = 0; i < 4; i++) {
				ft_turn_take(&go);
				/* On the device by the parent; home by this. */
				ASSERT_EQ(LEN / FT_PAGE,
					  ft_count(f, p, LEN, self->dev));
				ft_move(f, p, LEN, FERRY_RAM);
				ASSERT_DATA(p, LEN, 13);
				ft_turn_give(&done);
			}
			_exit(0);
		}
		for (i = 0; i < 4; i++) {
			ASSERT_MOVES(p, LEN, self->dev);
			ASSERT_DEV_DATA(p, LEN, 13);
			ft_turn_give(&go);
			ft_turn_take(&done);
			ASSERT_WHERE(p, LEN, FERRY_RAM);
			ASSERT_DATA(p, LEN, 13);
		}
		ASSERT_EQ(0, ft_reap(child));
	}
}

/* Eight children, each with its own change. */
TEST_F(kind, family)
{
	enum { CHILDREN = 8 };
	pid_t child[CHILDREN];
	struct ft_turn go;
	char *p;
	int i, j;

	FOR_BOTH_SIZES(14) {
		ft_turn_init(&go);
		ASSERT_MOVES(p, LEN, self->dev);
		for (i = 0; i < CHILDREN; i++) {
			size_t part = LEN / CHILDREN;

			child[i] = ft_fork();
			if (child[i])
				continue;
			ft_turn_take(&go);
			ft_fill(p + i * part, part, 100 + i);
			for (j = 0; j < CHILDREN; j++) {
				ASSERT_DATA(p + j * part, part,
					    i == j ? 100 + i : 14);
			}
			_exit(0);
		}
		for (i = 0; i < CHILDREN; i++)
			ft_turn_give(&go);
		for (i = 0; i < CHILDREN; i++) {
			ASSERT_EQ(0, ft_reap(child[i]));
		}
		ASSERT_DATA(p, LEN, 14);
	}
}

struct mover {
	struct ferry *f;
	char *p;
	int dev;
	bool stop;
};

static void *move_back_and_forth(void *arg)
{
	struct mover *m = arg;

	while (!__atomic_load_n(&m->stop, __ATOMIC_ACQUIRE)) {
		ft_move(m->f, m->p, LEN, m->dev);
		ft_move(m->f, m->p, LEN, FERRY_RAM);
	}
	return NULL;
}

/* fork in the middle of migrations. */
TEST_F(kind, fork_while_moving)
{
	pid_t child[4];
	pthread_t thread;
	struct mover m;
	unsigned long i, j;
	char *p;

	FOR_BOTH_SIZES(15) {
		m = (struct mover) {
			.f = self->f,
			.p = p,
			.dev = self->dev,
		};
		ASSERT_EQ(0, pthread_create(&thread, NULL, move_back_and_forth,
					    &m));
		for (i = 0; i < ft_loops(10); i++) {
			for (j = 0; j < ARRAY_SIZE(child); j++) {
				child[j] = ft_fork();
				if (!child[j])
					_exit(ft_check(p, LEN, 15) != LEN);
			}
			for (j = 0; j < ARRAY_SIZE(child); j++) {
				ASSERT_EQ(0, ft_reap(child[j]));
			}
		}
		__atomic_store_n(&m.stop, true, __ATOMIC_RELEASE);
		ASSERT_EQ(0, pthread_join(thread, NULL));
		ASSERT_DATA(p, LEN, 15);
	}
}

TEST_F(kind, madvise_of_fork)
{
	pid_t child;
	char *p;

	FOR_BOTH_SIZES(16) {
		ASSERT_MOVES(p, LEN, self->dev);
		ASSERT_EQ(0, madvise(p, LEN, MADV_WIPEONFORK));
		child = ft_fork();
		if (!child)
			_exit(ft_check_zero(p, LEN) != LEN);
		ASSERT_EQ(0, ft_reap(child));
		ASSERT_EQ(0, madvise(p, LEN, MADV_KEEPONFORK));
		ASSERT_EQ(0, madvise(p, LEN, MADV_DONTFORK));
		child = ft_fork();
		if (!child) {
			unsigned char vec;

			_exit(!mincore(p, FT_PAGE, &vec) || errno != ENOMEM);
		}
		ASSERT_EQ(0, ft_reap(child));
		ASSERT_WHERE(p, LEN, self->dev);
		ASSERT_DATA(p, LEN, 16);
	}
}

/* Every call on @fd is refused; how many were not. */
static int not_refused(int fd)
{
	int bad = ft_not_failing(fd, -EPERM), ret;

	ret = ft_wait(fd, 1, 0, NULL, 0, NULL);
	if (ret != -EPERM) {
		fprintf(stderr, "# wait: %s, not EPERM\n", strerror(-ret));
		bad++;
	}
	return bad;
}

TEST_F(kind, child_is_refused)
{
	pid_t child;
	char *p;

	FOR_BOTH_SIZES(17) {
		ASSERT_MOVES(p, LEN, self->dev);
		child = ft_fork();
		if (!child) {
			ASSERT_EQ(0, not_refused(self->fd));
			/* Closing it is its own business, not the parent's. */
			ASSERT_EQ(0, close(self->fd));
			ASSERT_DATA(p, LEN, 17);
			_exit(0);
		}
		ASSERT_EQ(0, ft_reap(child));
		ASSERT_WHERE(p, FT_PAGE, variant->kind == FERRY_KIND_PRIVATE ?
			     FERRY_RAM : self->dev);
		ASSERT_DEV_DATA(p, LEN, 17);
	}
}

/* The library says the same, and the child opens its own. */
TEST_F(kind, child_opens_its_own)
{
	struct ferry_moved m;
	struct ferry *own;
	pid_t child;
	char *p;

	FOR_BOTH_SIZES(18) {
		child = ft_fork();
		if (!child) {
			ASSERT_EQ(-EPERM, ferry_to_device(self->f, p, LEN, &m));
			ferry_close(self->f);
			ASSERT_EQ(0, ferry_open(self->dev, &own));
			ASSERT_EQ(0, ferry_to_device(own, p, LEN, &m));
			ASSERT_EQ(LEN / FT_PAGE, m.moved);
			ASSERT_DATA(p, LEN, 18);
			_exit(0);
		}
		ASSERT_EQ(0, ft_reap(child));
		ASSERT_DATA(p, LEN, 18);
		ASSERT_EQ(0, ferry_to_device(self->f, p, LEN, &m));
	}
}

/* A program after exec has the descriptor, but not the address space. */
TEST_F(kind, exec_is_refused)
{
	pid_t child;
	char *p;

	FOR_BOTH_SIZES(19) {
		ASSERT_MOVES(p, LEN, self->dev);
		child = ft_fork();
		if (!child) {
			char arg[16];
			int fd = dup(self->fd);

			snprintf(arg, sizeof(arg), "%d", fd);
			execl("/proc/self/exe", "fork", "--after-exec", arg,
			      NULL);
			_exit(126);
		}
		ASSERT_EQ(0, ft_reap(child));
		ASSERT_DATA(p, LEN, 19);
	}
}

/* exec of the very process that opened the node and has data on the device. */
TEST_F(kind, exec_of_the_owner)
{
	pid_t child = ft_fork();
	struct ferry *f;

	if (!child) {
		char *p = ft_map(LEN), arg[16];

		ft_fill(p, LEN, 20);
		ASSERT_EQ(0, ferry_open(self->dev, &f));
		ASSERT_EQ(LEN / FT_PAGE, ft_moved(f, p, LEN, self->dev));
		snprintf(arg, sizeof(arg), "%d", dup(ferry_fd(f)));
		execl("/proc/self/exe", "fork", "--after-exec", arg, NULL);
		_exit(126);
	}
	ASSERT_EQ(0, ft_reap(child));
	/* The old address space is gone, and its frames with it. */
	ASSERT_EQ(self->used, ft_wait_used(self->used));
}

TEST_F(kind, socket_is_refused)
{
	char space[CMSG_SPACE(sizeof(int))] = {}, byte = 0;
	struct iovec v = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = space,
		.msg_controllen = sizeof(space),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	int sock[2], fd;
	pid_t child;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	child = ft_fork();
	if (!child) {
		close(self->fd);
		ASSERT_EQ(1, recvmsg(sock[1], &msg, 0));
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
		ASSERT_EQ(0, not_refused(fd));
		_exit(0);
	}
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &self->fd, sizeof(int));
	ASSERT_EQ(1, sendmsg(sock[0], &msg, 0));
	ASSERT_EQ(0, ft_reap(child));
}

static int same_mm(void *arg)
{
	struct mover *m = arg;

	return ft_moved(m->f, m->p, LEN, m->dev) != LEN / FT_PAGE ||
	       ft_dev_crc32c(ferry_fd(m->f), m->p, LEN) !=
	       ft_crc_of(m->p, LEN, 21);
}

/* Another process in the same address space is the same address space. */
TEST_F(kind, clone_vm)
{
	char *stack = ft_map(FT_MIB);
	struct mover m = { .f = self->f, .dev = self->dev };
	pid_t child;
	char *p;

	FOR_BOTH_SIZES(21) {
		m.p = p;
		child = clone(same_mm, stack + FT_MIB, CLONE_VM | SIGCHLD, &m);
		ASSERT_LT(0, child);
		ASSERT_EQ(0, ft_reap(child));
		ASSERT_WHERE(p, LEN, self->dev);
		ASSERT_DATA(p, LEN, 21);
	}
}

static int after_exec(const char *arg)
{
	int fd = atoi(arg);

	/* The number is open and is a node, so EPERM is not EBADF. */
	return fcntl(fd, F_GETFD) < 0 || not_refused(fd);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "--after-exec"))
		return after_exec(argv[2]);
	return ft_main(argc, argv);
}
