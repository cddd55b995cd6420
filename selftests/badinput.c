// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every call with every wrong input, at the level of ioctl: the errno is the
 * documented one, nothing has changed and nothing is lost.
 */
#include "ferry_fixture.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/eventfd.h>

#define LEN	(16 * FT_PAGE)
#define PAGES	16UL

/* Half of it on the device; what a refused call must leave as it is. */
static char *witness(FIXTURE_DATA(kind) *self)
{
	char *p = ft_map(LEN);

	ft_fill(p, LEN, 1);
	if (ft_moved(self->f, p, LEN / 2, self->dev) != PAGES / 2)
		ft_fatal("migration failed");
	return p;
}

#define ASSERT_WITNESS(p)						\
do {									\
	ASSERT_WHERE(p, LEN / 2, self->dev);				\
	ASSERT_WHERE((p) + LEN / 2, LEN / 2, FERRY_RAM);		\
	ASSERT_DEV_DATA(p, LEN / 2, 1);					\
	ASSERT_DATA(p, LEN, 1);						\
} while (0)

/* Stands for the end of user addresses, which depends on the machine. */
#define LIMIT	0xc0ffee0000ULL

/* Ranges that no call takes. */
static struct {
	uint64_t addr, len;
	int err;
} ranges[] = {
	{ 0x10001, 0x1000, -EINVAL },		/* unaligned start */
	{ 0x10000, 0x1001, -EINVAL },		/* unaligned length */
	{ 0x10008, 0xff8, -EINVAL },
	{ 0x10000, 0, -EINVAL },		/* empty */
	{ 0, 0, -EINVAL },
	{ ~0xfffULL, 0x2000, -EINVAL },		/* wraps */
	{ 0x10000, ~0xfffULL, -EINVAL },
	{ 0xffff888000000000ULL, 0x1000, -EFAULT },	/* the kernel's */
	{ 0xffffffff81000000ULL, 0x200000, -EFAULT },
	{ 1ULL << 63, 0x1000, -EFAULT },	/* nobody's */
	{ 1ULL << 56, 0x1000, -EFAULT },
	{ LIMIT, 0x1000, -EFAULT },		/* the page above the last */
	{ LIMIT - 0x1000, 0x2000, -EFAULT },	/* half above */
	{ 0x10000, 1ULL << 62, -EFAULT },	/* huge count */
	{ 0, 0x7ffffffffffff000ULL, -EFAULT },
};

static void find_limit(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ranges); i++)
		if (ranges[i].addr - (LIMIT - 0x1000) <= 0x1000)
			ranges[i].addr += ft_user_end() - LIMIT;
}

/* ---- migrate --------------------------------------------------------------- */

static struct ferry_migrate good_migrate(FIXTURE_DATA(kind) *self, void *p)
{
	return (struct ferry_migrate) {
		.size = sizeof(struct ferry_migrate),
		.addr = (uintptr_t)p,
		.len = LEN,
		.dst = self->dev,
	};
}

TEST_F(kind, migrate_range)
{
	char *p = witness(self);
	struct ferry_migrate m;
	size_t i;

	find_limit();
	for (i = 0; i < ARRAY_SIZE(ranges); i++) {
		m = good_migrate(self, p);
		m.addr = ranges[i].addr;
		m.len = ranges[i].len;
		ASSERT_EQ(ranges[i].err,
			  ft_ioctl(self->fd, FERRY_IOC_MIGRATE, &m))
			TH_LOG("range %zu", i);
		m.dst = FERRY_RAM;
		m.addr = ranges[i].addr;
		m.len = ranges[i].len;
		ASSERT_EQ(ranges[i].err,
			  ft_ioctl(self->fd, FERRY_IOC_MIGRATE, &m))
			TH_LOG("range %zu", i);
	}
	/* A good start does not make a bad end good, nor is half done. */
	m = good_migrate(self, p);
	m.len |= 1;
	ASSERT_EQ(-EINVAL, ft_ioctl(self->fd, FERRY_IOC_MIGRATE, &m));
	m = good_migrate(self, p);
	m.len = -m.addr;
	ASSERT_NE(0, ft_ioctl(self->fd, FERRY_IOC_MIGRATE, &m));
	ASSERT_WITNESS(p);
}

TEST_F(kind, migrate_device)
{
	const int32_t dst[] = {
		FERRY_NOWHERE, -3, FERRY_MAX_DEVICES - 1, FERRY_MAX_DEVICES,
		FERRY_MAX_DEVICES + 1, 255, 256, 65536, INT_MAX, INT_MIN,
	};
	char *p = witness(self);
	struct ferry_migrate m;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(dst); i++) {
		m = good_migrate(self, p);
		m.dst = dst[i];
		ASSERT_EQ(-ENODEV, ft_ioctl(self->fd, FERRY_IOC_MIGRATE, &m))
			TH_LOG("device %d", dst[i]);
	}
	ASSERT_WITNESS(p);
}

TEST_F(kind, migrate_flags)
{
	char *p = witness(self);
	struct ferry_migrate m;
	int bit;

	for (bit = 0; bit < 32; bit++) {
		if (FERRY_MIGRATE_FLAGS >> bit & 1)
			continue;
		m = good_migrate(self, p);
		m.flags = 1U << bit;
		ASSERT_EQ(-EINVAL, ft_ioctl(self->fd, FERRY_IOC_MIGRATE, &m))
			TH_LOG("flag 0x%x", m.flags);
	}
	m = good_migrate(self, p);
	m.reserved0 = 1;
	ASSERT_EQ(-EINVAL, ft_ioctl(self->fd, FERRY_IOC_MIGRATE, &m));
	for (bit = 0; bit < 2; bit++) {
		m = good_migrate(self, p);
		m.reserved[bit] = 1ULL << 63;
		ASSERT_EQ(-EINVAL, ft_ioctl(self->fd, FERRY_IOC_MIGRATE, &m));
	}
	ASSERT_WITNESS(p);
}

/* Whole address spaces of holes: counted, in reasonable time. */
TEST_F(kind, migrate_nothing)
{
	struct ferry_migrate m = {
		.size = sizeof(m),
		.addr = 0x100000000000ULL,
		.len = 0x100000000000ULL,
		.dst = self->dev,
	};

	ASSERT_EQ(0, ft_ioctl(self->fd, FERRY_IOC_MIGRATE, &m));
	ASSERT_EQ(0, m.moved);
	ASSERT_EQ(0x100000000ULL, m.failed);
	ASSERT_EQ(0x100000000ULL, m.reasons[FERRY_REASON_UNMAPPED]);
}

/* ---- query ----------------------------------------------------------------- */

static struct ferry_query good_query(void *p, void *out)
{
	return (struct ferry_query) {
		.size = sizeof(struct ferry_query),
		.addr = (uintptr_t)p,
		.len = LEN,
		.pages = (uintptr_t)out,
	};
}

TEST_F(kind, query)
{
	struct ferry_residency *out = ft_map(2 * FT_PAGE);
	char *p = witness(self), *ro = ft_map(FT_PAGE);
	struct ferry_query q;
	size_t i;
	int bit;

	find_limit();
	for (i = 0; i < ARRAY_SIZE(ranges); i++) {
		q = good_query(p, out);
		q.addr = ranges[i].addr;
		q.len = ranges[i].len;
		/* Too many pages may be noticed first. */
		if (ranges[i].len / FT_PAGE > FERRY_MAX_QUERY) {
			ASSERT_NE(0, ft_ioctl(self->fd, FERRY_IOC_QUERY, &q));
			continue;
		}
		ASSERT_EQ(ranges[i].err,
			  ft_ioctl(self->fd, FERRY_IOC_QUERY, &q))
			TH_LOG("range %zu", i);
	}
	q = good_query(p, out);
	q.addr = 0x100000000000ULL;
	q.len = (FERRY_MAX_QUERY + 1) * FT_PAGE;
	bit = ft_ioctl(self->fd, FERRY_IOC_QUERY, &q);
	ASSERT_TRUE(bit == -EINVAL || bit == -E2BIG);

	for (bit = 0; bit < 32; bit++) {
		q = good_query(p, out);
		q.flags = 1U << bit;
		ASSERT_EQ(-EINVAL, ft_ioctl(self->fd, FERRY_IOC_QUERY, &q));
	}
	q = good_query(p, out);
	q.reserved0 = 1;
	ASSERT_EQ(-EINVAL, ft_ioctl(self->fd, FERRY_IOC_QUERY, &q));
	q = good_query(p, out);
	q.reserved[1] = 1;
	ASSERT_EQ(-EINVAL, ft_ioctl(self->fd, FERRY_IOC_QUERY, &q));

	/* Where the answer should go. */
	q = good_query(p, NULL);
	ASSERT_EQ(-EFAULT, ft_ioctl(self->fd, FERRY_IOC_QUERY, &q));
	q = good_query(p, (void *)0xffff888000000000ULL);
	ASSERT_EQ(-EFAULT, ft_ioctl(self->fd, FERRY_IOC_QUERY, &q));
	ASSERT_EQ(0, mprotect(ro, FT_PAGE, PROT_READ));
	q = good_query(p, ro);
	ASSERT_EQ(-EFAULT, ft_ioctl(self->fd, FERRY_IOC_QUERY, &q));
	ft_unmap((char *)out + FT_PAGE, FT_PAGE);
	q = good_query(p, (char *)out + FT_PAGE - 8);
	ASSERT_EQ(-EFAULT, ft_ioctl(self->fd, FERRY_IOC_QUERY, &q));
	/* Room to the last byte, and unaligned, is fine. */
	q = good_query(p, (char *)out + FT_PAGE - LEN / FT_PAGE * 4);
	ASSERT_EQ(0, ft_ioctl(self->fd, FERRY_IOC_QUERY, &q));

	/* Processes that are not. */
	q = good_query(p, out);
	q.pid = INT_MAX;
	ASSERT_EQ(-ESRCH, ft_ioctl(self->fd, FERRY_IOC_QUERY, &q));
	q.pid = -1;
	bit = ft_ioctl(self->fd, FERRY_IOC_QUERY, &q);
	ASSERT_TRUE(bit == -ESRCH || bit == -EINVAL);
	q.pid = 2;	/* a kernel thread: no address space */
	bit = ft_ioctl(self->fd, FERRY_IOC_QUERY, &q);
	ASSERT_TRUE(bit == -ESRCH || bit == -EINVAL || bit == -EPERM);
	ASSERT_WITNESS(p);
}

/* The answer is written into memory that is itself on the device. */
TEST_F(kind, query_onto_device)
{
	struct ferry_residency *out = ft_map(FT_PAGE);
	char *p = witness(self);
	struct ferry_query q = good_query(p, out);

	ASSERT_MOVES(out, FT_PAGE, self->dev);
	ASSERT_EQ(0, ft_ioctl(self->fd, FERRY_IOC_QUERY, &q));
	ASSERT_EQ(self->dev, out[0].where);
	ASSERT_EQ(FERRY_RAM, out[PAGES - 1].where);
	ASSERT_WITNESS(p);
}

/* ---- submit ------------------------------------------------------------------ */

static struct ferry_submit good_submit(const struct ferry_cmd *c, unsigned int n)
{
	return (struct ferry_submit) {
		.size = sizeof(struct ferry_submit),
		.cmds = (uintptr_t)c,
		.count = n,
		.cmd_size = sizeof(*c),
		.eventfd = -1,
	};
}

#define SUBMIT(s)	ft_ioctl(self->fd, FERRY_IOC_SUBMIT, s)

TEST_F(kind, submit)
{
	struct ferry_cmd *c = ft_map(2 * FT_PAGE), *ro = ft_map(FT_PAGE);
	int pipes[2], bit, ret;
	char *p = witness(self);
	struct ferry_submit s;

	s = good_submit(c, 0);
	ASSERT_EQ(-EINVAL, SUBMIT(&s));
	s = good_submit(c, FERRY_MAX_CMDS + 1);
	ASSERT_EQ(-E2BIG, SUBMIT(&s));
	s = good_submit(c, UINT_MAX);
	ASSERT_EQ(-E2BIG, SUBMIT(&s));
	for (bit = 0; bit < 32; bit++) {
		s = good_submit(c, 1);
		s.flags = 1U << bit;
		ASSERT_EQ(-EINVAL, SUBMIT(&s));
	}
	s = good_submit(c, 1);
	s.reserved0 = 1;
	ASSERT_EQ(-EINVAL, SUBMIT(&s));
	s = good_submit(c, 1);
	s.reserved[0] = 1;
	ASSERT_EQ(-EINVAL, SUBMIT(&s));

	s = good_submit(NULL, 1);
	ASSERT_EQ(-EFAULT, SUBMIT(&s));
	s = good_submit((void *)0xffff888000000000ULL, 1);
	ASSERT_EQ(-EFAULT, SUBMIT(&s));
	ft_unmap((char *)c + FT_PAGE, FT_PAGE);
	s = good_submit(c, FT_PAGE / sizeof(*c) + 1);
	ASSERT_EQ(-EFAULT, SUBMIT(&s));
	/* Commands are only read. */
	ASSERT_EQ(0, mprotect(ro, FT_PAGE, PROT_READ));
	s = good_submit(ro, 1);
	ASSERT_EQ(0, SUBMIT(&s));

	s = good_submit(c, 1);
	s.eventfd = 12345;
	ASSERT_EQ(-EBADF, SUBMIT(&s));
	s.eventfd = -2;
	ret = SUBMIT(&s);
	ASSERT_TRUE(ret == -EBADF || ret == -EINVAL);
	ASSERT_EQ(0, pipe(pipes));
	s.eventfd = pipes[0];
	ret = SUBMIT(&s);
	ASSERT_TRUE(ret == -EBADF || ret == -EINVAL);
	s.eventfd = self->fd;
	ret = SUBMIT(&s);
	ASSERT_TRUE(ret == -EBADF || ret == -EINVAL);
	ASSERT_WITNESS(p);
}

/* Commands of another size than the kernel's are nothing it understands. */
TEST_F(kind, submit_cmd_size)
{
	char *room = ft_map(FT_PAGE), *p = witness(self);
	const uint32_t sizes[] = {
		0, 1, 4, 8, 47, 49, 56, 64, FT_PAGE, 1U << 31, UINT_MAX,
	};
	struct ferry_submit s;
	size_t i;

	ASSERT_EQ(48, sizeof(struct ferry_cmd));
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		s = good_submit((void *)room, 1);
		s.cmd_size = sizes[i];
		ASSERT_EQ(-EINVAL, SUBMIT(&s))
			TH_LOG("cmd_size %u", sizes[i]);
	}
	ASSERT_WITNESS(p);
}

TEST_F(kind, submit_commands)
{
	char *p = witness(self), *q = ft_map(LEN);
	const uint64_t a = (uintptr_t)p, b = (uintptr_t)q;
	const struct {
		struct ferry_cmd c;
		const char *what;
	} bad[] = {
		{ { FERRY_OPS, 0, a, b, 8, 0, 0 }, "opcode" },
		{ { ~0U, 0, a, b, 8, 0, 0 }, "opcode" },
		{ { FERRY_OP_FILL, 1, a, 0, 8, 0, 0 }, "flags" },
		{ { FERRY_OP_NOP, 1U << 31, 0, 0, 0, 0, 0 }, "flags" },
		{ { FERRY_OP_NOP, 0, a, 0, 0, 0, 0 }, "nop with dst" },
		{ { FERRY_OP_NOP, 0, 0, 0, 8, 0, 0 }, "nop with len" },
		{ { FERRY_OP_FILL, 0, a, 0, 0, 0, 0 }, "fill of nothing" },
		{ { FERRY_OP_FILL, 0, a, b, 8, 0, 0 }, "fill with src" },
		{ { FERRY_OP_FILL, 0, a, 0, 8, 0, 1 }, "fill with arg1" },
		{ { FERRY_OP_FILL, 0, a, 0, ~0ULL, 0, 0 }, "fill that wraps" },
		{ { FERRY_OP_COPY, 0, a, b, 0, 0, 0 }, "copy of nothing" },
		{ { FERRY_OP_COPY, 0, a, b, 8, 1, 0 }, "copy with arg0" },
		{ { FERRY_OP_COPY, 0, a, a, 8, 0, 0 }, "copy onto itself" },
		{ { FERRY_OP_COPY, 0, a, a + 99, 100, 0, 0 }, "overlap" },
		{ { FERRY_OP_COPY, 0, a + 99, a, 100, 0, 0 }, "overlap" },
		{ { FERRY_OP_COPY, 0, a, b, -b, 0, 0 }, "copy that wraps" },
		{ { FERRY_OP_COMPARE, 0, a, b, 0, 0, 0 }, "compare nothing" },
		{ { FERRY_OP_CRC32C, 0, 0, a, 0, 0, 0 }, "crc of nothing" },
		{ { FERRY_OP_CRC32C, 0, b, a, 8, 0, 0 }, "crc with dst" },
		{ { FERRY_OP_HISTOGRAM, 0, b, a, 0, 0, 0 }, "no histogram" },
		{ { FERRY_OP_HISTOGRAM, 0, b + 4, a, 8, 0, 0 }, "unaligned" },
		{ { FERRY_OP_SAXPY, 0, b + 2, a, 8, 0, 0 }, "unaligned" },
		{ { FERRY_OP_SAXPY, 0, b, a + 1, 8, 0, 0 }, "unaligned" },
		{ { FERRY_OP_SAXPY, 0, b, a, 6, 0, 0 }, "unaligned length" },
		{ { FERRY_OP_SAXPY, 0, b, a, 0, 0, 0 }, "no saxpy" },
		{ { FERRY_OP_GATHER, 0, b + 1, a, 8, a, 1 }, "unaligned" },
		{ { FERRY_OP_GATHER, 0, b, a + 4, 8, a, 1 }, "unaligned" },
		{ { FERRY_OP_GATHER, 0, b, a, 8, a + 2, 1 }, "unaligned" },
		{ { FERRY_OP_GATHER, 0, b, a, 12, a, 1 }, "unaligned length" },
		{ { FERRY_OP_GATHER, 0, b, a, 0, a, 1 }, "no gather" },
		{ { FERRY_OP_CHASE, 0, 0, a + 1, 0, 1, 0 }, "unaligned" },
		{ { FERRY_OP_CHASE, 0, b, a, 0, 1, 0 }, "chase with dst" },
		{ { FERRY_OP_CHASE, 0, 0, a, 8, 1, 0 }, "chase with len" },
		{ { FERRY_OP_ADD64, 0, b + 4, 0, 0, 1, 0 }, "unaligned" },
		{ { FERRY_OP_ADD64, 0, b, a, 0, 1, 0 }, "add with src" },
		{ { FERRY_OP_ADD64, 0, b, 0, 8, 1, 0 }, "add with len" },
		{ { FERRY_OP_ADD64, 0, b, 0, 0, 1, 1 }, "add with arg1" },
		{ { FERRY_OP_CAS64, 0, b + 1, 0, 0, 1, 1 }, "unaligned" },
	};
	struct ferry_submit s;
	struct ferry_wait w;
	size_t i, k;

	ft_fill(q, LEN, 2);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		/* Alone, and behind a good one, which must not run either. */
		for (k = 1; k <= 2; k++) {
			struct ferry_cmd c[2] = {
				{
					.op = FERRY_OP_FILL,
					.dst = b,
					.len = LEN,
				},
			};

			c[k - 1] = bad[i].c;
			s = good_submit(c, k);
			ASSERT_EQ(-EINVAL, SUBMIT(&s))
				TH_LOG("%s, case %zu", bad[i].what, i);
		}
	}
	/* Nothing was queued: the next number is the first. */
	{
		struct ferry_cmd nop = {};
		struct ferry *own;

		ASSERT_EQ(0, ferry_open(self->dev, &own));
		s = good_submit(&bad[0].c, 1);
		ASSERT_EQ(-EINVAL, ft_ioctl(ferry_fd(own), FERRY_IOC_SUBMIT,
					    &s));
		s = good_submit(&nop, 1);
		ASSERT_EQ(0, ft_ioctl(ferry_fd(own), FERRY_IOC_SUBMIT, &s));
		ASSERT_EQ(1, s.seq);
		ASSERT_EQ(0, ft_wait(ferry_fd(own), 1, FT_PATIENCE, NULL, 0,
				     &w));
		ferry_close(own);
	}
	ASSERT_DATA(q, LEN, 2);
	ASSERT_WITNESS(p);
}

/* ---- wait ---------------------------------------------------------------------- */

TEST_F(kind, wait)
{
	uint64_t *ro = ft_map(FT_PAGE), result, seq;
	struct ferry_cmd c = {};
	struct ferry_wait w;
	int bit;

	ASSERT_EQ(0, ft_submit(self->fd, &c, 1, -1, &seq));
	ASSERT_EQ(0, ft_wait(self->fd, seq, FT_PATIENCE, &result, 1, NULL));
	ASSERT_EQ(-ENOENT, ft_wait(self->fd, seq + 1, 0, NULL, 0, NULL));
	ASSERT_EQ(-ENOENT, ft_wait(self->fd, seq + 1, -1, NULL, 0, NULL));
	ASSERT_EQ(-ENOENT, ft_wait(self->fd, 0, 0, NULL, 0, NULL));
	ASSERT_EQ(-ENOENT, ft_wait(self->fd, ~0ULL, 0, NULL, 0, NULL));

	for (bit = 0; bit < 32; bit++) {
		w = (struct ferry_wait) { .size = sizeof(w), .seq = seq };
		w.flags = 1U << bit;
		ASSERT_EQ(-EINVAL, ft_ioctl(self->fd, FERRY_IOC_WAIT, &w));
	}
	for (bit = 0; bit < 2; bit++) {
		w = (struct ferry_wait) { .size = sizeof(w), .seq = seq };
		w.reserved[bit] = 1;
		ASSERT_EQ(-EINVAL, ft_ioctl(self->fd, FERRY_IOC_WAIT, &w));
	}
	ASSERT_EQ(-EFAULT, ft_wait(self->fd, seq, 0,
				   (void *)0xffff888000000000ULL, 1, NULL));
	ASSERT_EQ(-EFAULT, ft_wait(self->fd, seq, 0, (void *)8, 1, NULL));
	ASSERT_EQ(0, mprotect(ro, FT_PAGE, PROT_READ));
	ASSERT_EQ(-EFAULT, ft_wait(self->fd, seq, 0, ro, 1, NULL));
	/* More room than results, at the edge of what is mapped. */
	ft_unmap(ro, FT_PAGE);
	ro = ft_map(2 * FT_PAGE);
	ft_unmap((char *)ro + FT_PAGE, FT_PAGE);
	ASSERT_EQ(0, ft_wait(self->fd, seq, 0, ro + 511, UINT_MAX, &w));
	ASSERT_EQ(1, w.count);
	/* Asked again it is still there. */
	ASSERT_EQ(0, ft_wait(self->fd, seq, 0, &result, 1, NULL));
}

/* ---- advise --------------------------------------------------------------------- */

TEST_F(kind, advise)
{
	char *p = witness(self);
	const struct ferry_advise good = {
		.size = sizeof(good),
		.advice = FERRY_ADVISE_PREFER_RAM,
		.addr = (uintptr_t)p,
		.len = LEN,
	};
	struct ferry_advise a;
	size_t i;
	int bit;

	find_limit();
	for (i = 0; i < ARRAY_SIZE(ranges); i++) {
		a = good;
		a.addr = ranges[i].addr;
		a.len = ranges[i].len;
		ASSERT_EQ(ranges[i].err,
			  ft_ioctl(self->fd, FERRY_IOC_ADVISE, &a))
			TH_LOG("range %zu", i);
	}
	for (i = FERRY_ADVICES; i < 40; i++) {
		a = good;
		a.advice = i;
		ASSERT_EQ(-EINVAL, ft_ioctl(self->fd, FERRY_IOC_ADVISE, &a));
	}
	a = good;
	a.advice = ~0U;
	ASSERT_EQ(-EINVAL, ft_ioctl(self->fd, FERRY_IOC_ADVISE, &a));
	for (bit = 0; bit < 32; bit++) {
		a = good;
		a.flags = 1U << bit;
		ASSERT_EQ(-EINVAL, ft_ioctl(self->fd, FERRY_IOC_ADVISE, &a));
	}
	a = good;
	a.reserved0 = 1;
	ASSERT_EQ(-EINVAL, ft_ioctl(self->fd, FERRY_IOC_ADVISE, &a));
	a = good;
	a.reserved[1] = 1;
	ASSERT_EQ(-EINVAL, ft_ioctl(self->fd, FERRY_IOC_ADVISE, &a));
	ASSERT_WITNESS(p);
}

/* There is a limit to what the kernel remembers, and forgetting makes room. */
TEST_F(kind, advise_too_much)
{
	const size_t len = 10000 * FT_PAGE;
	char *p = ft_map(len);
	size_t i;
	int ret = 0;

	for (i = 0; i < 10000 && !ret; i += 2)
		ret = ferry_advise(self->f, p + i * FT_PAGE, 1,
				   FERRY_ADVISE_PREFER_RAM);
	ASSERT_EQ(-ENOSPC, ret);
	ASSERT_EQ(4096, (i - 2) / 2);
	ASSERT_EQ(0, ferry_advise(self->f, p, len, FERRY_ADVISE_NORMAL));
	ASSERT_EQ(0, ferry_advise(self->f, p, 1, FERRY_ADVISE_PREFER_RAM));
}

/* ---- info and statistics ----------------------------------------------------------- */

TEST_F(kind, info)
{
	struct ferry_info info;
	int bit;

	for (bit = 0; bit < 32; bit++) {
		info = (struct ferry_info) { .size = sizeof(info) };
		info.flags = 1U << bit;
		ASSERT_EQ(-EINVAL, ft_ioctl(self->fd, FERRY_IOC_INFO, &info));
	}
	info = (struct ferry_info) { .size = sizeof(info) };
	info.reserved[1] = 1;
	ASSERT_EQ(-EINVAL, ft_ioctl(self->fd, FERRY_IOC_INFO, &info));
}

TEST_F(kind, stats)
{
	uint64_t *ro = ft_map(FT_PAGE);
	struct ferry_stats s;
	int bit;

	for (bit = 0; bit < 32; bit++) {
		s = (struct ferry_stats) { .size = sizeof(s) };
		s.flags = 1U << bit;
		ASSERT_EQ(-EINVAL, ft_ioctl(self->fd, FERRY_IOC_STATS, &s));
	}
	s = (struct ferry_stats) { .size = sizeof(s) };
	s.reserved[0] = 1;
	ASSERT_EQ(-EINVAL, ft_ioctl(self->fd, FERRY_IOC_STATS, &s));
	ASSERT_EQ(0, mprotect(ro, FT_PAGE, PROT_READ));
	s = (struct ferry_stats) {
		.size = sizeof(s),
		.counters = (uintptr_t)ro,
		.nr_counters = 1,
	};
	ASSERT_EQ(-EFAULT, ft_ioctl(self->fd, FERRY_IOC_STATS, &s));
	s = (struct ferry_stats) {
		.size = sizeof(s),
		.hist = 0xffff888000000000ULL,
		.nr_phases = 1,
	};
	ASSERT_EQ(-EFAULT, ft_ioctl(self->fd, FERRY_IOC_STATS, &s));
	/* Room for more than there is: only what there is gets written. */
	ft_unmap(ro, FT_PAGE);
	ro = ft_map(2 * FT_PAGE);
	ft_unmap((char *)ro + FT_PAGE, FT_PAGE);
	s = (struct ferry_stats) {
		.size = sizeof(s),
		.counters = (uintptr_t)(ro + 512 - FERRY_COUNTERS),
		.nr_counters = UINT_MAX,
	};
	ASSERT_EQ(0, ft_ioctl(self->fd, FERRY_IOC_STATS, &s));
	ASSERT_EQ(FERRY_COUNTERS, s.nr_counters);
}

/* ---- what all calls have in common ---------------------------------------------------- */

static const struct {
	unsigned long cmd;
	uint32_t size;
	const char *name;
} calls[] = {
	{ FERRY_IOC_INFO, sizeof(struct ferry_info), "info" },
	{ FERRY_IOC_MIGRATE, sizeof(struct ferry_migrate), "migrate" },
	{ FERRY_IOC_QUERY, sizeof(struct ferry_query), "query" },
	{ FERRY_IOC_SUBMIT, sizeof(struct ferry_submit), "submit" },
	{ FERRY_IOC_WAIT, sizeof(struct ferry_wait), "wait" },
	{ FERRY_IOC_ADVISE, sizeof(struct ferry_advise), "advise" },
	{ FERRY_IOC_STATS, sizeof(struct ferry_stats), "stats" },
};

/* A good argument for call @i at @room; @size is put in front. */
static void good_call(FIXTURE_DATA(kind) *self, size_t i, void *room,
		      char *p, uint32_t size)
{
	static struct ferry_residency out[PAGES];
	static struct ferry_cmd nop;
	static uint64_t seq;

	switch (calls[i].cmd) {
	case FERRY_IOC_MIGRATE:
		*(struct ferry_migrate *)room = good_migrate(self, p);
		break;
	case FERRY_IOC_QUERY:
		*(struct ferry_query *)room = good_query(p, out);
		break;
	case FERRY_IOC_SUBMIT:
		*(struct ferry_submit *)room = good_submit(&nop, 1);
		break;
	case FERRY_IOC_WAIT:
		if (!seq && ft_submit(self->fd, &nop, 1, -1, &seq))
			ft_fatal("submit failed");
		((struct ferry_wait *)room)->seq = seq;
		((struct ferry_wait *)room)->timeout_ns = FT_PATIENCE;
		break;
	case FERRY_IOC_ADVISE:
		((struct ferry_advise *)room)->addr = (uintptr_t)p;
		((struct ferry_advise *)room)->len = LEN;
		break;
	}
	*(uint32_t *)room = size;
}

TEST_F(kind, sizes)
{
	const uint32_t bad[] = { 0, 1, 3, 4, 7 };
	char *p = ft_map(LEN), *room = ft_map(4 * FT_PAGE);
	uint32_t size;
	size_t i, j;
	int ret;

	ft_fill(p, LEN, 3);
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		size = calls[i].size;
		/* As it is. */
		memset(room, 0, FT_PAGE);
		good_call(self, i, room, p, size);
		ASSERT_EQ(0, ft_ioctl(self->fd, calls[i].cmd, room))
			TH_LOG("%s", calls[i].name);
		/* Too small for any. */
		for (j = 0; j < ARRAY_SIZE(bad); j++) {
			memset(room, 0, FT_PAGE);
			good_call(self, i, room, p, bad[j]);
			ASSERT_EQ(-EINVAL, ft_ioctl(self->fd, calls[i].cmd,
						    room))
				TH_LOG("%s, size %u", calls[i].name, bad[j]);
		}
		/* Larger, and the rest is zero. */
		memset(room, 0, 4 * FT_PAGE);
		good_call(self, i, room, p, size + 8);
		ASSERT_EQ(0, ft_ioctl(self->fd, calls[i].cmd, room))
			TH_LOG("%s", calls[i].name);
		memset(room, 0, 4 * FT_PAGE);
		good_call(self, i, room, p, 2048);
		ASSERT_EQ(0, ft_ioctl(self->fd, calls[i].cmd, room))
			TH_LOG("%s", calls[i].name);
		/* Larger, and the rest is not. */
		for (j = 1; j <= 64; j += 21) {
			memset(room, 0, FT_PAGE);
			good_call(self, i, room, p, size + j);
			room[size + j - 1] = 1;
			ASSERT_EQ(-E2BIG, ft_ioctl(self->fd, calls[i].cmd,
						   room))
				TH_LOG("%s, %zu more", calls[i].name, j);
		}
		/* Larger than anything. */
		memset(room, 0, FT_PAGE);
		good_call(self, i, room, p, UINT_MAX);
		ret = ft_ioctl(self->fd, calls[i].cmd, room);
		ASSERT_TRUE(ret == -E2BIG || ret == -EFAULT || ret == -EINVAL)
			TH_LOG("%s: %s", calls[i].name, strerror(-ret));
	}
	ASSERT_DATA(p, LEN, 3);
}

/* An old program's shorter structure: its bytes are written, no others. */
TEST_F(kind, size_of_a_shorter_struct)
{
	char *p = ft_map(LEN), *room = ft_map(FT_PAGE);
	size_t i, j;

	ft_fill(p, LEN, 4);
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		/* Without the reserved fields at the end. */
		uint32_t size = calls[i].size - 16;

		memset(room, 0x5a, FT_PAGE);
		memset(room, 0, calls[i].size);
		good_call(self, i, room, p, size);
		memset(room + size, 0x5a, 16);
		ASSERT_EQ(0, ft_ioctl(self->fd, calls[i].cmd, room))
			TH_LOG("%s", calls[i].name);
		for (j = size; j < FT_PAGE; j++) {
			ASSERT_EQ(0x5a, room[j])
				TH_LOG("%s, byte %zu", calls[i].name, j);
		}
	}
	ASSERT_DATA(p, LEN, 4);
}

TEST_F(kind, pointers)
{
	char *p = ft_map(LEN), *room = ft_map(2 * FT_PAGE);
	size_t i;
	int ret;

	ft_fill(p, LEN, 5);
	ft_unmap(room + FT_PAGE, FT_PAGE);
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		char *edge = room + FT_PAGE - calls[i].size;

		ASSERT_EQ(-EFAULT, ft_ioctl(self->fd, calls[i].cmd, NULL));
		ASSERT_EQ(-EFAULT, ft_ioctl(self->fd, calls[i].cmd,
					    (void *)0xffff888000000000ULL));
		ASSERT_EQ(-EFAULT, ft_ioctl(self->fd, calls[i].cmd,
					    room + FT_PAGE));
		/* Up to the last byte is enough; one less is not. */
		memset(room, 0, FT_PAGE);
		good_call(self, i, edge, p, calls[i].size);
		ASSERT_EQ(0, ft_ioctl(self->fd, calls[i].cmd, edge))
			TH_LOG("%s", calls[i].name);
		memset(room, 0, FT_PAGE);
		*(uint32_t *)(edge + 4) = calls[i].size;
		ASSERT_EQ(-EFAULT, ft_ioctl(self->fd, calls[i].cmd, edge + 4))
			TH_LOG("%s", calls[i].name);

		/* It can be read, but the answer cannot be written. */
		memset(room, 0, FT_PAGE);
		good_call(self, i, room, p, calls[i].size);
		ASSERT_EQ(0, mprotect(room, FT_PAGE, PROT_READ));
		ret = ft_ioctl(self->fd, calls[i].cmd, room);
		/* A call without an answer may succeed. */
		ASSERT_TRUE(ret == -EFAULT ||
			    (!ret && calls[i].cmd == FERRY_IOC_ADVISE))
			TH_LOG("%s: %s", calls[i].name, strerror(-ret));
		ASSERT_EQ(0, mprotect(room, FT_PAGE, PROT_READ | PROT_WRITE));
	}
	ASSERT_DATA(p, LEN, 5);
}

/* Structures that lie on the device themselves. */
TEST_F(kind, struct_on_device)
{
	char *p = ft_map(LEN), *room = ft_map(FT_PAGE);
	size_t i;

	ft_fill(p, LEN, 6);
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		memset(room, 0, FT_PAGE);
		good_call(self, i, room, p, calls[i].size);
		ft_move(self->f, room, FT_PAGE, self->dev);
		ASSERT_WHERE(room, FT_PAGE, self->dev);
		ASSERT_EQ(0, ft_ioctl(self->fd, calls[i].cmd, room))
			TH_LOG("%s", calls[i].name);
	}
	/* A migration that takes its own argument along. */
	memset(room, 0, FT_PAGE);
	*(struct ferry_migrate *)room = good_migrate(self, room);
	((struct ferry_migrate *)room)->len = FT_PAGE;
	ASSERT_EQ(0, ft_ioctl(self->fd, FERRY_IOC_MIGRATE, room));
	ASSERT_EQ(1, ((struct ferry_migrate *)room)->moved +
		     ((struct ferry_migrate *)room)->failed);
	ASSERT_DATA(p, LEN, 6);
}

TEST_F(kind, unknown_calls)
{
	const unsigned long cmd[] = {
		_IO(FERRY_IOC_MAGIC, 0xdf), _IO(FERRY_IOC_MAGIC, 0xe7),
		_IO(FERRY_IOC_MAGIC, 0xff), _IO(FERRY_IOC_MAGIC, 0),
		_IO('g', 0xe0), _IO(0, 0), ~0UL, 0x5401 /* TCGETS */,
		_IOWR(FERRY_IOC_MAGIC, 0xe0, struct ferry_info),
		_IOR(FERRY_IOC_MAGIC, 0xe1, int),
	};
	struct ferry_info info = { .size = sizeof(info) };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cmd); i++) {
		ASSERT_EQ(-ENOTTY, ft_ioctl(self->fd, cmd[i], &info))
			TH_LOG("0x%lx", cmd[i]);
	}
}

/* The node is no file: what other calls say about it. */
TEST_F(kind, other_calls_on_the_node)
{
	char byte = 0;
	void *p;

	ASSERT_GT(0, read(self->fd, &byte, 1));
	ASSERT_GT(0, write(self->fd, &byte, 1));
	ASSERT_GT(0, ftruncate(self->fd, 4096));
	p = mmap(NULL, FT_PAGE, PROT_READ, MAP_SHARED, self->fd, 0);
	if (variant->kind == FERRY_KIND_PRIVATE) {
		ASSERT_EQ(MAP_FAILED, p);
		ASSERT_EQ(ENODEV, errno);
	}
}

/* Random bytes: nothing but an errno may come of them. */
TEST_F(kind, noise)
{
	char *p = ft_map(LEN), *room = ft_map(FT_PAGE);
	unsigned long n;
	size_t i, k;

	ft_fill(p, LEN, 7);
	for (n = 0; n < ft_loops(3000); n++) {
		i = ft_below(ARRAY_SIZE(calls));
		memset(room, 0, FT_PAGE);
		good_call(self, i, room, p, calls[i].size);
		/* No endless wait by accident, and nothing of p is written. */
		for (k = 1 + ft_below(3); k; k--) {
			size_t at = 4 + ft_below(calls[i].size - 4);

			if (calls[i].cmd == FERRY_IOC_WAIT && at >= 8 &&
			    at < 24)
				continue;
			room[at] = ft_below(3) ? 1 << ft_below(8) :
						 (char)ft_random();
		}
		/* What may be written is only what this test can lose. */
		if (calls[i].cmd == FERRY_IOC_QUERY)
			((struct ferry_query *)room)->pages =
				(uintptr_t)room + 2048;
		if (calls[i].cmd == FERRY_IOC_STATS) {
			((struct ferry_stats *)room)->counters = 0;
			((struct ferry_stats *)room)->hist = 0;
		}
		if (calls[i].cmd == FERRY_IOC_WAIT)
			((struct ferry_wait *)room)->results = 0;
		if (calls[i].cmd == FERRY_IOC_QUERY &&
		    ((struct ferry_query *)room)->len > 400 * FT_PAGE)
			continue;
		ft_ioctl(self->fd, calls[i].cmd, room);
	}
	ASSERT_DATA(p, LEN, 7);
	/*
	 * Some of it may have moved pages that this process shares with the
	 * harness: they are to come home, too.
	 */
	ft_move(self->f, NULL, ft_user_end(), FERRY_RAM);
	ASSERT_DATA(p, LEN, 7);
}

FERRY_TEST_MAIN
