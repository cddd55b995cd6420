// SPDX-License-Identifier: GPL-2.0-only
/*
 * ferry_dmirror, where the kernel's hmm-tests do not look: what it refuses, who may
 * open it, and that a call that fails has changed nothing. What it does when it is
 * used rightly is what hmm-tests are for.
 */
#define FERRY_OWN_FIXTURE
#include "ferry_fixture.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "../driver/dmirror/abi.h"

#define LEN	(16 * FT_PAGE)

static const unsigned long all_calls[] = {
	DMIRROR_READ, DMIRROR_WRITE, DMIRROR_TO_DEVICE, DMIRROR_TO_SYSTEM,
	DMIRROR_SNAPSHOT, DMIRROR_EXCLUSIVE, DMIRROR_CHECK_EXCLUSIVE,
	DMIRROR_RELEASE, DMIRROR_READ_UNLOCKED,
};

static char buffer[LEN];

FIXTURE(dmirror)
{
	int node;
	char *p;		/* LEN bytes, the first half on the device */
	struct ferry *f;
	int dev;
	uint64_t used, log;
};

FIXTURE_VARIANT(dmirror)
{
	enum ferry_kind kind;
};

FIXTURE_VARIANT_ADD(dmirror, private) { .kind = FERRY_KIND_PRIVATE };
FIXTURE_VARIANT_ADD(dmirror, coherent) { .kind = FERRY_KIND_COHERENT };

FIXTURE_SETUP(dmirror)
{
	self->log = ft_log_position();
	self->used = ft_used_all();
	ASSERT_EQ(0, ft_load_dmirror());
	self->node = open(ft_dmirror_node(variant->kind), O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->node);
	ASSERT_LE(1, ft_devices(variant->kind, &self->dev, 1));
	ASSERT_EQ(0, ferry_open(self->dev, &self->f));
	self->p = ft_map(LEN);
	ft_fill(self->p, LEN, 1);
	ASSERT_EQ(ft_pages(LEN) / 2,
		  ft_moved(self->f, self->p, LEN / 2, self->dev));
}

FIXTURE_TEARDOWN_PARENT(dmirror)
{
	EXPECT_EQ(0, ft_unload_dmirror());
	EXPECT_GE(self->used, ft_wait_used(self->used));
	EXPECT_EQ(0, ft_log_check(self->log));
}

static int call(int node, unsigned long nr, uint64_t addr, uint64_t npages,
		void *to)
{
	struct dmirror_cmd c = {
		.addr = addr,
		.ptr = (uintptr_t)to,
		.npages = npages,
	};

	return ioctl(node, nr, &c) < 0 ? -errno : 0;
}

/* Calls that do not end with @err for this range. */
static unsigned int wrong(int node, uint64_t addr, uint64_t npages, void *to,
			  int err)
{
	unsigned int i, n = 0;
	int ret;

	for (i = 0; i < ARRAY_SIZE(all_calls); i++) {
		ret = call(node, all_calls[i], addr, npages, to);
		if (ret == err)
			continue;
		fprintf(stderr, "# call %lu: %d, not %d\n",
			_IOC_NR(all_calls[i]), ret, err);
		n++;
	}
	return n;
}

/* Where it was, and as it was. */
static bool untouched(FIXTURE_DATA(dmirror) *self)
{
	return ft_count(self->f, self->p, LEN, self->dev) == ft_pages(LEN) / 2 &&
	       ft_count(self->f, self->p, LEN, FERRY_RAM) == ft_pages(LEN) / 2 &&
	       ft_check(self->p, LEN, 1) == LEN;
}

TEST_F(dmirror, ranges)
{
	const uint64_t addr = (uintptr_t)self->p, end = ft_user_end();

	ASSERT_EQ(0, wrong(self->node, addr + 1, 1, buffer, -EINVAL));
	ASSERT_EQ(0, wrong(self->node, addr, 0, buffer, -EINVAL));
	ASSERT_EQ(0, wrong(self->node, addr, ~0ULL, buffer, -EINVAL));
	ASSERT_EQ(0, wrong(self->node, addr, ~0ULL >> 12, buffer, -EINVAL));
	ASSERT_EQ(0, wrong(self->node, -FT_PAGE, 2, buffer, -EINVAL));
	ASSERT_EQ(0, wrong(self->node, end, 1, buffer, -EFAULT));
	ASSERT_EQ(0, wrong(self->node, end - FT_PAGE, 2, buffer, -EFAULT));
	ASSERT_EQ(0, wrong(self->node, 1ULL << 63, 1, buffer, -EFAULT));
	ASSERT_TRUE(untouched(self));
}

TEST_F(dmirror, calls)
{
	struct dmirror_cmd c = { .addr = (uintptr_t)self->p, .npages = 1 };
	unsigned int nr;

	for (nr = _IOC_NR(DMIRROR_READ_UNLOCKED) + 1; nr < 256; nr++) {
		ASSERT_EQ(-1, ioctl(self->node, DMIRROR_CALL(nr), &c));
		ASSERT_EQ(ENOTTY, errno);
	}
	/* Another size is another call. */
	ASSERT_EQ(-1, ioctl(self->node, _IOWR('H', 0, __u64), &c));
	ASSERT_EQ(ENOTTY, errno);
	ASSERT_EQ(-1, ioctl(self->node, _IOWR('I', 0, struct dmirror_cmd), &c));
	ASSERT_EQ(ENOTTY, errno);
	ASSERT_EQ(-1, ioctl(self->node, DMIRROR_READ, NULL));
	ASSERT_EQ(EFAULT, errno);
	ASSERT_EQ(-EINVAL, call(self->node, DMIRROR_FLAGS, 0, 2, NULL));
	ASSERT_TRUE(untouched(self));
}

TEST_F(dmirror, memory)
{
	const uint64_t addr = (uintptr_t)self->p;
	char *hole = ft_map(LEN), *none = ft_map(LEN);
	size_t i;

	ft_unmap(hole, LEN);
	for (i = 0; i < ARRAY_SIZE(all_calls); i++) {
		const unsigned long nr = all_calls[i];
		int err = nr == DMIRROR_TO_DEVICE || nr == DMIRROR_TO_SYSTEM ?
			  -EINVAL : -EFAULT;

		if (nr == DMIRROR_SNAPSHOT || nr == DMIRROR_CHECK_EXCLUSIVE ||
		    nr == DMIRROR_RELEASE)
			err = 0;
		ASSERT_EQ(err, call(self->node, nr, (uintptr_t)hole, 1, buffer))
			TH_LOG("call %lu", _IOC_NR(nr));
		/* A release sends home what the address space has there. */
		if (nr == DMIRROR_RELEASE) {
			ASSERT_EQ(ft_pages(LEN) / 2,
				  ft_moved(self->f, self->p, LEN / 2,
					   self->dev));
		}
	}
	/* A buffer that is not there, or not to be written. */
	ASSERT_EQ(-EFAULT, call(self->node, DMIRROR_READ, addr, 1, hole));
	ASSERT_EQ(-EFAULT, call(self->node, DMIRROR_WRITE, addr, 1, hole));
	ASSERT_EQ(-EFAULT, call(self->node, DMIRROR_SNAPSHOT, addr, 1, hole));
	ASSERT_EQ(0, mprotect(none, LEN, PROT_READ));
	ASSERT_EQ(-EFAULT, call(self->node, DMIRROR_READ, addr, 1, none));
	/* Nor does the device write what the program may not. */
	ASSERT_EQ(-EPERM, call(self->node, DMIRROR_WRITE, (uintptr_t)none, 1,
			       buffer));
	ASSERT_ZERO(none, LEN);
	ASSERT_TRUE(untouched(self));
}

TEST_F(dmirror, others)
{
	pid_t child = ft_fork();
	struct stat st;

	if (!child)
		_exit(wrong(self->node, (uintptr_t)self->p, 1, buffer, -EPERM));
	ASSERT_EQ(0, ft_reap(child));
	/* For root: it serves tests. */
	ASSERT_EQ(0, stat(ft_dmirror_node(variant->kind), &st));
	ASSERT_EQ(0, st.st_mode & 0077);
	ASSERT_TRUE(untouched(self));
}

/* A mapping of the node: pages of a driver, as much as it has for that. */
TEST_F(dmirror, mappings)
{
	uint8_t byte = 0;
	char *p;

	ASSERT_EQ(MAP_FAILED, mmap(NULL, FT_HUGE + FT_PAGE, PROT_READ | PROT_WRITE,
				   MAP_SHARED, self->node, 0));
	ASSERT_EQ(EINVAL, errno);
	p = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, self->node, 0);
	ASSERT_NE(MAP_FAILED, p);
	ft_fill(p, LEN, 2);
	ASSERT_EQ(0, call(self->node, DMIRROR_SNAPSHOT, (uintptr_t)p, 1, &byte));
	ASSERT_EQ(DMIRROR_SYSTEM | DMIRROR_WRITABLE,
		  byte & (DMIRROR_SYSTEM | DMIRROR_WRITABLE));
	ASSERT_EQ(-ENOENT, call(self->node, DMIRROR_TO_DEVICE, (uintptr_t)p,
				ft_pages(LEN), buffer));
	ASSERT_DATA(p, LEN, 2);
	ASSERT_TRUE(untouched(self));
}

FERRY_TEST_MAIN
