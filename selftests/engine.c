// SPDX-License-Identifier: GPL-2.0-only
/*
 * The engine: every opcode against the CPU's own answer, wherever the operands
 * are; order, completion, failure, and contexts side by side.
 */
#include "ferry_fixture.h"

#include <math.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>

#define LEN	(512 * FT_PAGE)

/* Some pages here, some there, some huge, some of them never touched. */
static char *scattered(FIXTURE_DATA(kind) *self, size_t len)
{
	char *p = ft_map_kind(len, ft_below(2));
	size_t from, n, at = 0;

	while (at < len) {
		n = (1 + ft_below(60)) * FT_PAGE;
		if (n > len - at)
			n = len - at;
		if (ft_below(8))
			ft_fill(p + at, n, ft_random());
		at += n;
	}
	for (at = 0; at < len; at += n) {
		n = (1 + ft_below(90)) * FT_PAGE;
		if (n > len - at)
			n = len - at;
		from = ft_below(3);
		if (from == 0)
			ft_move(self->f, p + at, n, self->dev);
		else if (from == 1 && self->peer >= 0)
			ft_move(self->f, p + at, n, self->peer);
	}
	return p;
}

/* A copy of what is there, for reference; the CPU's look brings it home. */
static char *copy_of(const char *p, size_t len)
{
	char *q = ft_map(len);

	memcpy(q, p, len);
	return q;
}

/* Put it in places again after the CPU has looked. */
static void scatter(FIXTURE_DATA(kind) *self, char *p, size_t len)
{
	size_t at, n;

	for (at = 0; at < len; at += n) {
		n = (1 + ft_below(90)) * FT_PAGE;
		if (n > len - at)
			n = len - at;
		if (ft_below(2))
			ft_move(self->f, p + at, n, self->dev);
	}
}

/* A random part of len bytes: offset and size, multiples of @unit. */
static void random_part(size_t len, size_t unit, size_t *from, size_t *n)
{
	*from = ft_below(len / unit) * unit;
	*n = ft_below(3) ? ft_below(3 * FT_PAGE) : ft_below(len);
	*n = *n / unit * unit + unit;
	if (*n > len - *from)
		*n = len - *from;
}

#define RUN(list, results, n)						\
do {									\
	struct ferry_result __r = {};					\
									\
	ASSERT_EQ(0, ferry_run(self->f, list, results, n, &__r))	\
		TH_LOG("command %u at 0x%llx", __r.failed,		\
		       (unsigned long long)__r.fault_addr);		\
	ASSERT_EQ(0, __r.status);					\
} while (0)

/* Each test of an opcode runs this often, each time with other operands. */
#define ROUNDS	ft_loops(12)

TEST_F(kind, nop)
{
	struct ferry_cmd c[3] = {};
	uint64_t results[3] = { 1, 2, 3 };

	ASSERT_EQ(0, ft_run(self->fd, c, 3, results, NULL));
	ASSERT_EQ(0, results[0]);
	ASSERT_EQ(0, results[2]);
}

TEST_F(kind, fill)
{
	struct ferry_list *list;
	unsigned long round;
	size_t from, n, i;

	ASSERT_EQ(0, ferry_list_create(&list));
	for (round = 0; round < ROUNDS; round++) {
		char *p = scattered(self, LEN), *want = copy_of(p, LEN);
		uint64_t pattern = ft_random();

		scatter(self, p, LEN);
		random_part(LEN, 1, &from, &n);
		ferry_list_clear(list);
		ASSERT_EQ(0, ferry_list_fill(list, p + from, pattern, n));
		RUN(list, NULL, 0);
		/* The pattern starts at dst, whatever its alignment. */
		for (i = 0; i < n; i++)
			want[from + i] = pattern >> (i % 8 * 8);
		ASSERT_EQ(0, memcmp(p, want, LEN));
		ft_unmap(p, LEN);
		ft_unmap(want, LEN);
	}
	ferry_list_destroy(list);
}

TEST_F(kind, copy)
{
	struct ferry_list *list;
	unsigned long round;
	size_t from, to, n;

	ASSERT_EQ(0, ferry_list_create(&list));
	for (round = 0; round < ROUNDS; round++) {
		char *p = scattered(self, LEN), *q = scattered(self, LEN);
		char *src = copy_of(p, LEN), *want = copy_of(q, LEN);

		scatter(self, p, LEN);
		scatter(self, q, LEN);
		random_part(LEN, 1, &from, &n);
		to = ft_below(LEN - n + 1);
		ferry_list_clear(list);
		ASSERT_EQ(0, ferry_list_copy(list, q + to, p + from, n));
		RUN(list, NULL, 0);
		memcpy(want + to, src + from, n);
		ASSERT_EQ(0, memcmp(q, want, LEN));
		ASSERT_EQ(0, memcmp(p, src, LEN));
		ft_unmap(p, LEN);
		ft_unmap(q, LEN);
		ft_unmap(src, LEN);
		ft_unmap(want, LEN);
	}
	ferry_list_destroy(list);
}

/* Within one range, side by side, as close as is allowed. */
TEST_F(kind, copy_neighbours)
{
	char *p = ft_map(LEN), *want;

	ft_fill(p, LEN, 1);
	want = copy_of(p, LEN);
	ASSERT_MOVES(p, LEN / 2, self->dev);
	ASSERT_EQ(0, ft_dev_copy(self->fd, p + 1000, p, 1000));
	memcpy(want + 1000, want, 1000);
	ASSERT_EQ(0, ft_dev_copy(self->fd, p + LEN / 2 - 3000, p + LEN / 2,
				 3000));
	memcpy(want + LEN / 2 - 3000, want + LEN / 2, 3000);
	ASSERT_EQ(0, memcmp(p, want, LEN));
}

TEST_F(kind, compare)
{
	char *p = scattered(self, LEN), *q = copy_of(p, LEN);
	struct ferry_list *list;
	unsigned long round;
	uint64_t results[2];
	size_t from, n, at;

	ASSERT_EQ(0, ferry_list_create(&list));
	for (round = 0; round < ROUNDS; round++) {
		random_part(LEN, 1, &from, &n);
		at = ft_below(n);
		scatter(self, p, LEN);
		scatter(self, q, LEN);
		ferry_list_clear(list);
		ASSERT_EQ(0, ferry_list_compare(list, p + from, q + from, n));
		RUN(list, results, 1);
		ASSERT_EQ(n, results[0]);

		q[from + at] ^= 0x10;
		q[from + n - 1] ^= 0x01;
		RUN(list, results, 1);
		ASSERT_EQ(at, results[0]);
		q[from + at] ^= 0x10;
		q[from + n - 1] ^= 0x01;
	}
	ferry_list_destroy(list);
}

TEST_F(kind, crc32c)
{
	char *p = scattered(self, LEN), *q = copy_of(p, LEN), *digits;
	struct ferry_list *list;
	unsigned long round;
	uint64_t result;
	size_t from, n;

	digits = ft_map(FT_PAGE);
	memcpy(digits + 77, "123456789", 9);
	ASSERT_EQ(0xe3069283, ft_crc32c("123456789", 9));
	ASSERT_EQ(0xe3069283, ft_dev_crc32c(self->fd, digits + 77, 9));

	ASSERT_EQ(0, ferry_list_create(&list));
	for (round = 0; round < ROUNDS; round++) {
		random_part(LEN, 1, &from, &n);
		scatter(self, p, LEN);
		ferry_list_clear(list);
		ASSERT_EQ(0, ferry_list_crc32c(list, p + from, n));
		RUN(list, &result, 1);
		ASSERT_EQ(ft_crc32c(q + from, n), result);
	}
	ferry_list_destroy(list);
}

TEST_F(kind, histogram)
{
	char *p = scattered(self, LEN), *q = copy_of(p, LEN);
	uint64_t want[256], *bins;
	struct ferry_list *list;
	unsigned long round;
	size_t from, n, i;

	ASSERT_EQ(0, ferry_list_create(&list));
	for (round = 0; round < ROUNDS; round++) {
		/* Across two pages, and added to what is there. */
		char *room = ft_map(2 * FT_PAGE);

		bins = (uint64_t *)(room + FT_PAGE - 8 * ft_below(257));
		for (i = 0; i < 256; i++)
			bins[i] = want[i] = ft_random();
		random_part(LEN, 1, &from, &n);
		for (i = 0; i < n; i++)
			want[(uint8_t)q[from + i]]++;
		scatter(self, p, LEN);
		ft_move(self->f, room + ft_below(2) * FT_PAGE, FT_PAGE,
			self->dev);
		ferry_list_clear(list);
		ASSERT_EQ(0, ferry_list_histogram(list, bins, p + from, n));
		RUN(list, NULL, 0);
		ASSERT_EQ(0, memcmp(want, bins, sizeof(want)));
		ft_unmap(room, 2 * FT_PAGE);
	}
	ferry_list_destroy(list);
}

TEST_F(kind, saxpy)
{
	const size_t n = 20000, len = 20 * FT_PAGE;
	struct ferry_list *list;
	unsigned long round;
	size_t i;

	ASSERT_EQ(0, ferry_list_create(&list));
	for (round = 0; round < ROUNDS; round++) {
		char *x_room = ft_map(len), *y_room = ft_map(len);
		float *x = (float *)(x_room + 4 * ft_below(64));
		float *y = (float *)(y_room + 4 * ft_below(64));
		float *want = malloc(n * sizeof(*want));
		float a = (float)ft_below(1000) / 8 - 60;

		ASSERT_NE(NULL, want);
		for (i = 0; i < n; i++) {
			/* Exact in float32, so the order of rounding is not. */
			x[i] = (float)ft_below(4096) / 16 - 128;
			y[i] = (float)ft_below(4096) / 16 - 128;
			want[i] = y[i] + a * x[i];
		}
		scatter(self, x_room, len);
		scatter(self, y_room, len);
		ferry_list_clear(list);
		ASSERT_EQ(0, ferry_list_saxpy(list, y, a, x, n));
		RUN(list, NULL, 0);
		for (i = 0; i < n; i++) {
			if (y[i] == want[i])
				continue;
			ASSERT_EQ(want[i], y[i])
				TH_LOG("element %zu: %g, not %g", i, y[i],
				       want[i]);
		}
		free(want);
		ft_unmap(x_room, len);
		ft_unmap(y_room, len);
	}
	ferry_list_destroy(list);
}

/* Values that a careless use of the FPU would get wrong, or leave behind. */
TEST_F(kind, saxpy_extremes)
{
	const float value[] = {
		0.0f, -0.0f, 1.0f, INFINITY, -INFINITY, 1e-45f, 3.4e38f,
		-3.4e38f, 1e-38f,
	};
	const size_t n = ARRAY_SIZE(value);
	float *x = ft_map(FT_PAGE), *y = ft_map(FT_PAGE), want;
	struct ferry_list *list;
	size_t i, j;

	ASSERT_EQ(0, ferry_list_create(&list));
	for (i = 0; i < n; i++) {
		for (j = 0; j < n; j++) {
			x[j] = value[j];
			y[j] = value[(i + j) % n];
		}
		ferry_list_clear(list);
		ASSERT_EQ(0, ferry_list_saxpy(list, y, 2.0f, x, n));
		RUN(list, NULL, 0);
		for (j = 0; j < n; j++) {
			want = value[(i + j) % n] + 2.0f * value[j];
			ASSERT_TRUE(isnan(want) ? isnan(y[j]) : want == y[j])
				TH_LOG("%g + 2 * %g gives %g",
				       value[(i + j) % n], value[j], y[j]);
		}
	}
	ferry_list_destroy(list);
}

TEST_F(kind, gather)
{
	const size_t n = 6000, src_n = 50000;
	struct ferry_list *list;
	unsigned long round;
	size_t i;

	ASSERT_EQ(0, ferry_list_create(&list));
	for (round = 0; round < ROUNDS; round++) {
		uint64_t *src = ft_map(100 * FT_PAGE);
		uint64_t *dst = ft_map(12 * FT_PAGE);
		uint64_t *index = ft_map(12 * FT_PAGE);

		ft_fill(src, 100 * FT_PAGE, round);
		for (i = 0; i < n; i++)
			index[i] = ft_below(src_n);
		scatter(self, (char *)src, 100 * FT_PAGE);
		scatter(self, (char *)index, 12 * FT_PAGE);
		ferry_list_clear(list);
		ASSERT_EQ(0, ferry_list_gather(list, dst, src, src_n, index,
					       n));
		RUN(list, NULL, 0);
		for (i = 0; i < n; i++) {
			if (dst[i] == src[index[i]])
				continue;
			ASSERT_EQ(src[index[i]], dst[i]);
		}
		ft_unmap(src, 100 * FT_PAGE);
		ft_unmap(dst, 12 * FT_PAGE);
		ft_unmap(index, 12 * FT_PAGE);
	}
	ferry_list_destroy(list);
}

TEST_F(kind, gather_out_of_range)
{
	uint64_t *src = ft_map(FT_PAGE), *dst = ft_map(FT_PAGE);
	uint64_t *index = ft_map(FT_PAGE);
	const uint64_t beyond[] = { 512, 513, 1ULL << 32, 1ULL << 61, ~0ULL };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(beyond); i++) {
		struct ferry_cmd c[2] = {
			{
				.op = FERRY_OP_GATHER,
				.dst = (uintptr_t)dst,
				.src = (uintptr_t)src,
				.len = 16 * 8,
				.arg0 = (uintptr_t)index,
				.arg1 = 512,
			}, {
				.op = FERRY_OP_FILL,
				.dst = (uintptr_t)src,
				.len = 8,
				.arg0 = 5,
			},
		};
		struct ferry_wait w;

		ft_fill(src, FT_PAGE, 2);
		index[9] = beyond[i];
		index[15] = 511;
		ASSERT_EQ(-ERANGE, ft_run(self->fd, c, 2, NULL, &w));
		ASSERT_EQ(0, w.failed);
		ASSERT_DATA(src, FT_PAGE, 2);
		index[9] = 511;
		ASSERT_EQ(0, ft_run(self->fd, c, 1, NULL, &w));
		ASSERT_EQ(src[511], dst[9]);
	}
}

TEST_F(kind, chase)
{
	const size_t n = LEN / 64;
	struct ferry_list *list;
	unsigned long round;
	uint64_t result;
	uint32_t *order;
	size_t i, j;

	order = malloc(n * sizeof(*order));
	ASSERT_NE(NULL, order);
	ASSERT_EQ(0, ferry_list_create(&list));
	for (round = 0; round < ROUNDS / 2; round++) {
		char *p = ft_map_kind(LEN, round & 1);
		uint64_t hops = 1 + ft_below(2 * n), at;

		for (i = 0; i < n; i++)
			order[i] = i;
		for (i = n - 1; i; i--) {
			uint32_t t;

			j = ft_below(i + 1);
			t = order[i];
			order[i] = order[j];
			order[j] = t;
		}
		for (i = 0; i < n; i++)
			*(uint64_t *)(p + 64UL * order[i]) =
				(uintptr_t)p + 64UL * order[(i + 1) % n];
		for (at = (uintptr_t)p, i = 0; i < hops; i++)
			at = *(uint64_t *)at;
		scatter(self, p, LEN);
		ferry_list_clear(list);
		ASSERT_EQ(0, ferry_list_chase(list, p, hops));
		RUN(list, &result, 1);
		ASSERT_EQ(at, result);
		ft_unmap(p, LEN);
	}
	ferry_list_destroy(list);
	free(order);
}

/* A chain that leaves the address space, or what is aligned. */
TEST_F(kind, chase_astray)
{
	const uint64_t wrong[] = {
		0, 8, 0xffff888000000000ULL, 1ULL << 47, ~0ULL - 7,
	};
	uint64_t *cell = ft_map(FT_PAGE);
	struct ferry_cmd c = {
		.op = FERRY_OP_CHASE,
		.src = (uintptr_t)cell,
		.arg0 = 10,
	};
	struct ferry_wait w;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		cell[0] = (uintptr_t)&cell[100];
		cell[100] = wrong[i];
		ASSERT_EQ(-EFAULT, ft_run(self->fd, &c, 1, NULL, &w));
		ASSERT_EQ(wrong[i], w.fault_addr);
		ASSERT_EQ(FERRY_ACCESS_READ, w.access);
	}
	/* A chain that is not aligned fails; how is not said. */
	cell[100] = (uintptr_t)&cell[3] + 1;
	ASSERT_NE(0, ft_run(self->fd, &c, 1, NULL, &w));
}

TEST_F(kind, add64)
{
	const int place[] = { FERRY_RAM, self->dev };
	uint64_t *p = ft_map(FT_PAGE), old[64], want;
	struct ferry_list *list;
	size_t i, j;

	ASSERT_EQ(0, ferry_list_create(&list));
	for (j = 0; j < 4; j++) {
		p[37] = want = ft_random();
		ferry_list_clear(list);
		for (i = 0; i < 64; i++)
			ferry_list_add64(list, &p[37], i * 0x123456789abcdULL);
		ft_move(self->f, p, FT_PAGE, place[j & 1]);
		RUN(list, old, 64);
		for (i = 0; i < 64; i++) {
			ASSERT_EQ(want, old[i]);
			want += i * 0x123456789abcdULL;
		}
		ASSERT_EQ(want, p[37]);
		ASSERT_EQ(0, p[36]);
		ASSERT_EQ(0, p[38]);
	}
	ferry_list_destroy(list);
}

TEST_F(kind, cas64)
{
	const int place[] = { FERRY_RAM, self->dev };
	uint64_t *p = ft_map(FT_PAGE), old[3];
	struct ferry_list *list;
	size_t j;

	ASSERT_EQ(0, ferry_list_create(&list));
	for (j = 0; j < 4; j++) {
		p[511] = 100;
		ferry_list_clear(list);
		ferry_list_cas64(list, &p[511], 99, 1);
		ferry_list_cas64(list, &p[511], 100, ~0ULL);
		ferry_list_cas64(list, &p[511], 100, 2);
		ft_move(self->f, p, FT_PAGE, place[j & 1]);
		RUN(list, old, 3);
		ASSERT_EQ(100, old[0]);
		ASSERT_EQ(100, old[1]);
		ASSERT_EQ(~0ULL, old[2]);
		ASSERT_EQ(~0ULL, p[511]);
	}
	ferry_list_destroy(list);
}

/* ---- the CPU and the engine at one counter ---------------------------------- */

struct counter {
	uint64_t *p;
	uint64_t added;
	bool stop;
};

static void *count(void *arg)
{
	struct counter *c = arg;
	uint64_t n = 0;

	while (!__atomic_load_n(&c->stop, __ATOMIC_ACQUIRE)) {
		__atomic_add_fetch(c->p, 3, __ATOMIC_RELAXED);
		n += 3;
	}
	__atomic_add_fetch(&c->added, n, __ATOMIC_RELAXED);
	return NULL;
}

TEST_F(kind, atomics_contended)
{
	enum { ADDS = 100 };
	uint64_t old[ADDS], engine = 0, last = 0;
	struct counter c = { .p = ft_map(FT_PAGE) };
	struct ferry_cmd cmd[ADDS];
	pthread_t thread[2];
	unsigned long round;
	size_t i;

	for (i = 0; i < ADDS; i++)
		cmd[i] = (struct ferry_cmd) {
			.op = FERRY_OP_ADD64,
			.dst = (uintptr_t)c.p,
			.arg0 = 1000000007,
		};
	*c.p = 0;
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, count, &c));
	}
	for (round = 0; round < ft_loops(5); round++) {
		ASSERT_EQ(0, ft_run(self->fd, cmd, ADDS, old, NULL));
		for (i = 0; i < ADDS; i++) {
			/* Nobody takes away. */
			if (round || i) {
				ASSERT_LE(last + 1000000007, old[i]);
			}
			last = old[i];
		}
		engine += ADDS * 1000000007ULL;
		ft_move(self->f, c.p, FT_PAGE, self->dev);
	}
	__atomic_store_n(&c.stop, true, __ATOMIC_RELEASE);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, pthread_join(thread[i], NULL));
	}
	ASSERT_EQ(c.added + engine, *c.p);
	ASSERT_LT(0, c.added);
}

/* Two contexts, and the CPU, and compare-and-swap. */
struct swapper {
	int fd;
	uint64_t *p;
	uint64_t done;
	bool stop;
};

static void *swap_in_engine(void *arg)
{
	struct swapper *s = arg;
	uint64_t expect = 0, old;
	int ret;

	while (!__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE)) {
		struct ferry_cmd c = {
			.op = FERRY_OP_CAS64,
			.dst = (uintptr_t)s->p,
			.arg0 = expect,
			.arg1 = expect + 1,
		};

		ret = ft_run(s->fd, &c, 1, &old, NULL);
		if (ret)
			ft_fatal("CAS64: %s", strerror(-ret));
		if (old == expect)
			s->done++;
		expect = old == expect ? old + 1 : old;
	}
	return NULL;
}

TEST_F(kind, cas_contended)
{
	struct swapper s[2] = {};
	uint64_t *p = ft_map(FT_PAGE), mine = 0, now;
	struct ferry *own[2];
	pthread_t thread[2];
	unsigned int i;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, ferry_open(self->dev, &own[i]));
		s[i].fd = ferry_fd(own[i]);
		s[i].p = p;
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, swap_in_engine,
					    &s[i]));
	}
	for (i = 0; i < ft_loops(200); i++) {
		now = __atomic_load_n(p, __ATOMIC_RELAXED);
		mine += __atomic_compare_exchange_n(p, &now, now + 1, false,
						    __ATOMIC_SEQ_CST,
						    __ATOMIC_SEQ_CST);
		ft_sleep_ns(1000000);
	}
	for (i = 0; i < 2; i++) {
		__atomic_store_n(&s[i].stop, true, __ATOMIC_RELEASE);
		ASSERT_EQ(0, pthread_join(thread[i], NULL));
	}
	ASSERT_EQ(mine + s[0].done + s[1].done, *p);
	ASSERT_LT(0, s[0].done);
	ASSERT_LT(0, s[1].done);
	ferry_close(own[0]);
	ferry_close(own[1]);
}

/* ---- failure -------------------------------------------------------------------- */

/* The first bad byte, its access, and nothing after the failed command. */
TEST_F(kind, unmapped_operands)
{
	char *p = ft_map(4 * FT_PAGE), *ok = ft_map(4 * FT_PAGE);
	char *bad = p + 2 * FT_PAGE;
	const uint64_t b = (uintptr_t)bad, g = (uintptr_t)ok;
	const uint64_t edge = b - 100;
	struct {
		struct ferry_cmd c;
		uint64_t addr;
		uint32_t access;
	} t[] = {
		{ { FERRY_OP_FILL, 0, edge, 0, 200, 1, 0 }, b, 1 },
		{ { FERRY_OP_COPY, 0, edge, g, 200, 0, 0 }, b, 1 },
		{ { FERRY_OP_COPY, 0, g, edge, 200, 0, 0 }, b, 0 },
		{ { FERRY_OP_COMPARE, 0, g, b, 8, 0, 0 }, b, 0 },
		{ { FERRY_OP_COMPARE, 0, b + 3, g, 8, 0, 0 }, b + 3, 0 },
		{ { FERRY_OP_CRC32C, 0, 0, edge, 101, 0, 0 }, b, 0 },
		{ { FERRY_OP_HISTOGRAM, 0, g, edge, 300, 0, 0 }, b, 0 },
		{ { FERRY_OP_HISTOGRAM, 0, b - 1024, g, 8, 0, 0 }, b, 1 },
		{ { FERRY_OP_SAXPY, 0, edge, g, 400, 0, 0 }, b, 1 },
		{ { FERRY_OP_SAXPY, 0, g, edge, 400, 0, 0 }, b, 0 },
		{ { FERRY_OP_GATHER, 0, g, b, 8, g + 2048, 512 }, b, 0 },
		{ { FERRY_OP_GATHER, 0, b, g, 8, g + 2048, 512 }, b, 1 },
		{ { FERRY_OP_GATHER, 0, g, g, 8, b, 512 }, b, 0 },
		{ { FERRY_OP_CHASE, 0, 0, b + 16, 0, 1, 0 }, b + 16, 0 },
		{ { FERRY_OP_ADD64, 0, b + 8, 0, 0, 1, 0 }, b + 8, 2 },
		{ { FERRY_OP_CAS64, 0, b + 8, 0, 0, 1, 2 }, b + 8, 2 },
	};
	size_t i, j;

	ft_fill(ok, 4 * FT_PAGE, 3);
	ft_unmap(bad, 2 * FT_PAGE);
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		for (j = 0; j < 2; j++) {
			struct ferry_cmd c[3] = {
				{
					.op = FERRY_OP_FILL,
					.dst = g + 3 * FT_PAGE,
					.len = 8,
					.arg0 = 100 + i,
				},
				t[i].c,
				{
					.op = FERRY_OP_FILL,
					.dst = g + 3 * FT_PAGE,
					.len = 8,
					.arg0 = 7,
				},
			};
			struct ferry_wait w;

			memset(ok, 0, FT_PAGE);
			ft_fill(p, 2 * FT_PAGE, 4);
			ft_move(self->f, ok, 4 * FT_PAGE,
				j ? self->dev : FERRY_RAM);
			ft_move(self->f, p, 2 * FT_PAGE,
				j ? self->dev : FERRY_RAM);
			ASSERT_EQ(-EFAULT, ft_run(self->fd, c, 3, NULL, &w))
				TH_LOG("case %zu", i);
			ASSERT_EQ(1, w.failed);
			ASSERT_EQ(3, w.count);
			ASSERT_EQ(t[i].addr, w.fault_addr)
				TH_LOG("case %zu", i);
			ASSERT_EQ(t[i].access, w.access)
				TH_LOG("case %zu", i);
			/* The one before ran, the one after did not. */
			ASSERT_EQ(100 + i, *(uint64_t *)(ok + 3 * FT_PAGE));
			ASSERT_DATA(p, FT_PAGE, 4);
			*(uint64_t *)(ok + 3 * FT_PAGE) =
				ft_word((uintptr_t)ok + 3 * FT_PAGE, 3);
			ASSERT_DATA(ok + FT_PAGE, 3 * FT_PAGE, 3);
		}
	}
	/* The context goes on. */
	ASSERT_EQ(0, ft_dev_fill(self->fd, ok, 0, FT_PAGE));
}

/* Addresses that no process has. */
TEST_F(kind, no_user_address)
{
	const uint64_t addr[] = {
		0, FT_PAGE, 1ULL << 47, 1ULL << 56, 0xffff800000000000ULL,
		0xffffffff81000000ULL, ~0ULL - 4095,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(addr); i++) {
		struct ferry_cmd c = {
			.op = FERRY_OP_FILL,
			.dst = addr[i],
			.len = 8,
		};
		struct ferry_wait w;
		uint64_t seq;
		int ret = ft_submit(self->fd, &c, 1, -1, &seq);

		/* Refused at once, or when its turn comes. */
		if (ret) {
			ASSERT_TRUE(ret == -EFAULT || ret == -EINVAL);
			continue;
		}
		ASSERT_EQ(0, ft_wait(self->fd, seq, FT_PATIENCE, NULL, 0, &w));
		ASSERT_EQ(-EFAULT, w.status);
		ASSERT_EQ(addr[i], w.fault_addr);
	}
}

/* ---- order and completion ------------------------------------------------------- */

TEST_F(kind, in_order)
{
	uint64_t *cell = ft_map(FT_PAGE), seq[8], old;
	struct ferry_cmd slow = ft_busy(cell, 300000);
	uint64_t *p = ft_map(8 * FT_PAGE);
	struct ferry_wait w;
	size_t i;

	/* Each list reads what the one before wrote. */
	p[0] = 1;
	for (i = 0; i < 8; i++) {
		struct ferry_cmd c[3] = {
			slow, {
				.op = FERRY_OP_ADD64,
				.dst = (uintptr_t)&p[i * 512],
				.arg0 = 1,
			}, {
				.op = FERRY_OP_COPY,
				.dst = (uintptr_t)&p[(i + 1) % 8 * 512],
				.src = (uintptr_t)&p[i * 512],
				.len = 8,
			},
		};

		ASSERT_EQ(0, ft_submit(self->fd, c, 3, -1, &seq[i]));
		if (i) {
			ASSERT_LT(seq[i - 1], seq[i]);
		}
	}
	ASSERT_EQ(0, ft_wait(self->fd, seq[7], FT_PATIENCE, NULL, 0, &w));
	ASSERT_EQ(0, w.status);
	/* Those before are done, too. */
	for (i = 0; i < 7; i++) {
		ASSERT_EQ(0, ft_wait(self->fd, seq[i], 0, &old, 1, NULL));
	}
	ASSERT_EQ(9, p[0]);
}

TEST_F(kind, poll_and_timeout)
{
	uint64_t *cell = ft_map(FT_PAGE), seq, from;
	struct ferry_cmd c = ft_endless(cell);
	struct ferry *own;
	struct ferry_wait w;
	int fd;

	ASSERT_EQ(0, ferry_open(self->dev, &own));
	fd = ferry_fd(own);
	ASSERT_EQ(0, ft_submit(fd, &c, 1, -1, &seq));
	ASSERT_EQ(1, seq);
	ASSERT_EQ(-ETIMEDOUT, ft_wait(fd, seq, 0, NULL, 0, &w));
	from = ft_now_ns();
	ASSERT_EQ(-ETIMEDOUT, ft_wait(fd, seq, FT_SECOND / 5, NULL, 0, &w));
	ASSERT_LE(FT_SECOND / 5, ft_now_ns() - from);
	ASSERT_EQ(-ETIMEDOUT, ft_wait(fd, seq, 1, NULL, 0, &w));
	/* Closing cancels it; this test would hang otherwise. */
	ferry_close(own);
}

/* An eventfd tells of the end, once for each list. */
TEST_F(kind, eventfd)
{
	int event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	uint64_t *cell = ft_map(FT_PAGE), seq[3], count;
	struct ferry_cmd c = ft_busy(cell, 200000);
	struct pollfd p = { .fd = event, .events = POLLIN };
	size_t i;

	ASSERT_LE(0, event);
	ASSERT_EQ(0, ft_submit(self->fd, &c, 1, event, &seq[0]));
	ASSERT_EQ(1, poll(&p, 1, 120000));
	ASSERT_EQ(8, read(event, &count, 8));
	ASSERT_EQ(1, count);
	/* Done when signalled. */
	ASSERT_EQ(0, ft_wait(self->fd, seq[0], 0, NULL, 0, NULL));

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, ft_submit(self->fd, &c, 1, event, &seq[i]));
	}
	ASSERT_EQ(0, ft_wait(self->fd, seq[2], FT_PATIENCE, NULL, 0, NULL));
	count = 0;
	ASSERT_TRUE(ft_until(({
		uint64_t one = 0;

		if (read(event, &one, 8) == 8)
			count += one;
		count >= 3;
	}), 20));
	ASSERT_EQ(3, count);

	/* A list that fails has ended, too. */
	c.src = 0;
	ASSERT_EQ(0, ft_submit(self->fd, &c, 1, event, &seq[0]));
	ASSERT_EQ(1, poll(&p, 1, 120000));
	close(event);
}

/* The descriptor may be closed at once; the list holds its own reference. */
TEST_F(kind, eventfd_closed_early)
{
	int event = eventfd(0, EFD_CLOEXEC), other = dup(event);
	uint64_t *cell = ft_map(FT_PAGE), seq, count;
	struct ferry_cmd c = ft_busy(cell, 200000);

	ASSERT_EQ(0, ft_submit(self->fd, &c, 1, event, &seq));
	close(event);
	ASSERT_EQ(8, read(other, &count, 8));
	ASSERT_EQ(1, count);

	event = eventfd(0, EFD_CLOEXEC);
	ASSERT_EQ(0, ft_submit(self->fd, &c, 1, event, &seq));
	close(event);
	ASSERT_EQ(0, ft_wait(self->fd, seq, FT_PATIENCE, NULL, 0, NULL));
	close(other);
}

/* One result a command, at its place, and no more than there is room for. */
TEST_F(kind, results)
{
	char *p = ft_map(16 * FT_PAGE);
	struct ferry_cmd c[16];
	uint64_t results[18], seq;
	struct ferry_wait w;
	size_t i;

	ft_fill(p, 16 * FT_PAGE, 5);
	for (i = 0; i < 16; i++)
		c[i] = (struct ferry_cmd) {
			.op = FERRY_OP_CRC32C,
			.src = (uintptr_t)(p + i * FT_PAGE),
			.len = FT_PAGE,
		};
	ASSERT_EQ(0, ft_submit(self->fd, c, 16, -1, &seq));
	memset(results, 0x55, sizeof(results));
	ASSERT_EQ(0, ft_wait(self->fd, seq, FT_PATIENCE, results, 18, &w));
	ASSERT_EQ(16, w.count);
	for (i = 0; i < 16; i++) {
		ASSERT_EQ(ft_crc32c(p + i * FT_PAGE, FT_PAGE), results[i]);
	}
	ASSERT_EQ(0x5555555555555555ULL, results[16]);

	/* Again, for fewer: still remembered. */
	memset(results, 0x55, sizeof(results));
	ASSERT_EQ(0, ft_wait(self->fd, seq, 0, results, 3, &w));
	ASSERT_EQ(16, w.count);
	ASSERT_EQ(ft_crc32c(p + 2 * FT_PAGE, FT_PAGE), results[2]);
	ASSERT_EQ(0x5555555555555555ULL, results[3]);
}

TEST_F(kind, remembered_lists)
{
	struct ferry_cmd c = {};
	uint64_t first, seq;
	size_t i;

	ASSERT_EQ(0, ft_submit(self->fd, &c, 1, -1, &first));
	for (i = 1; i < 256; i++) {
		ASSERT_EQ(0, ft_submit(self->fd, &c, 1, -1, &seq));
		ASSERT_EQ(first + i, seq);
		ASSERT_EQ(0, ft_wait(self->fd, seq, FT_PATIENCE, NULL, 0,
				     NULL));
	}
	ASSERT_EQ(0, ft_wait(self->fd, first, 0, NULL, 0, NULL));
	for (i = 0; i < 256; i++) {
		ASSERT_EQ(0, ft_submit(self->fd, &c, 1, -1, &seq));
		ASSERT_EQ(0, ft_wait(self->fd, seq, FT_PATIENCE, NULL, 0,
				     NULL));
	}
	ASSERT_EQ(-ENOENT, ft_wait(self->fd, first, 0, NULL, 0, NULL));
	ASSERT_EQ(0, ft_wait(self->fd, seq, 0, NULL, 0, NULL));
	ASSERT_EQ(-ENOENT, ft_wait(self->fd, seq + 1, 0, NULL, 0, NULL));
	ASSERT_EQ(-ENOENT, ft_wait(self->fd, 0, 0, NULL, 0, NULL));
}

/* The longest list there may be. */
TEST_F(kind, longest_list)
{
	struct ferry_cmd *c = calloc(FERRY_MAX_CMDS, sizeof(*c));
	uint64_t *results = calloc(FERRY_MAX_CMDS, 8), *p = ft_map(FT_PAGE);
	size_t i;

	ASSERT_NE(NULL, c);
	ASSERT_NE(NULL, results);
	for (i = 0; i < FERRY_MAX_CMDS; i++)
		c[i] = (struct ferry_cmd) {
			.op = FERRY_OP_ADD64,
			.dst = (uintptr_t)p,
			.arg0 = 1,
		};
	ASSERT_EQ(0, ft_run(self->fd, c, FERRY_MAX_CMDS, results, NULL));
	for (i = 0; i < FERRY_MAX_CMDS; i++) {
		ASSERT_EQ(i, results[i]);
	}
	ASSERT_EQ(FERRY_MAX_CMDS, *p);
	free(c);
	free(results);
}

/* A queue has an end; behind it there is EAGAIN, and later room again. */
TEST_F(kind, queue_full)
{
	uint64_t *cell = ft_map(FT_PAGE), seq = 0, last;
	struct ferry_cmd c = ft_endless(cell), nop = {};
	struct ferry *own;
	unsigned int i;
	int fd, ret = 0;

	ASSERT_EQ(0, ferry_open(self->dev, &own));
	fd = ferry_fd(own);
	ASSERT_EQ(0, ft_submit(fd, &c, 1, -1, &last));
	for (i = 0; i < 100000 && !ret; i++) {
		ret = ft_submit(fd, &nop, 1, -1, &seq);
		if (!ret) {
			ASSERT_EQ(last + 1, seq);
			last = seq;
		}
	}
	ASSERT_EQ(-EAGAIN, ret);
	/* Break the circle: the chain ends in a bad address. */
	__atomic_store_n(cell, 0, __ATOMIC_RELEASE);
	ASSERT_EQ(0, ft_wait(fd, last, FT_PATIENCE, NULL, 0, NULL));
	ASSERT_EQ(0, ft_submit(fd, &nop, 1, -1, &seq));
	ASSERT_EQ(last + 1, seq);
	ASSERT_EQ(0, ft_wait(fd, seq, FT_PATIENCE, NULL, 0, NULL));
	ferry_close(own);
}

/* One context that does not end does not hold up another. */
TEST_F(kind, contexts_in_parallel)
{
	uint64_t *cell = ft_map(FT_PAGE), seq;
	struct ferry_cmd c = ft_endless(cell);
	char *p = ft_map(LEN);
	struct ferry *own;

	ft_fill(p, LEN, 6);
	ASSERT_EQ(0, ferry_open(self->dev, &own));
	ASSERT_EQ(0, ft_submit(ferry_fd(own), &c, 1, -1, &seq));
	ASSERT_DEV_DATA(p, LEN, 6);
	ASSERT_EQ(0, ft_dev_fill(self->fd, p, 0, LEN));
	ASSERT_ZERO(p, LEN);
	ASSERT_EQ(-ETIMEDOUT, ft_wait(ferry_fd(own), seq, 0, NULL, 0, NULL));
	ferry_close(own);
}

/* Many threads submit to one context. */
struct submitter {
	int fd;
	char *p;
	uint64_t salt, wrong;
};

static void *submit_many(void *arg)
{
	struct submitter *s = arg;
	unsigned long i;

	ft_fill(s->p, 64 * FT_PAGE, s->salt);
	for (i = 0; i < ft_loops(20); i++) {
		if (ft_dev_copy(s->fd, s->p + 32 * FT_PAGE, s->p,
				32 * FT_PAGE))
			s->wrong++;
		if (ft_check_as(s->p + 32 * FT_PAGE, 32 * FT_PAGE, s->salt,
				s->p) != 32 * FT_PAGE)
			s->wrong++;
		memset(s->p + 32 * FT_PAGE, 0, 32 * FT_PAGE);
	}
	return NULL;
}

TEST_F(kind, threads_submit)
{
	struct submitter s[6];
	pthread_t thread[6];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(s); i++) {
		s[i] = (struct submitter) {
			.fd = self->fd,
			.p = ft_map(64 * FT_PAGE),
			.salt = i,
		};
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, submit_many,
					    &s[i]));
	}
	for (i = 0; i < ARRAY_SIZE(s); i++) {
		ASSERT_EQ(0, pthread_join(thread[i], NULL));
		ASSERT_EQ(0, s[i].wrong);
		ASSERT_DATA(s[i].p, 32 * FT_PAGE, i);
	}
}

/* The data moves to and fro while the engine computes on it. */
static void *keep_moving(void *arg)
{
	struct submitter *s = arg;
	struct ferry *own;
	int dev = s->fd;

	if (ferry_open(dev, &own))
		ft_fatal("no context");
	while (!__atomic_load_n(&s->wrong, __ATOMIC_ACQUIRE)) {
		ft_move(own, s->p, LEN, dev);
		ft_move(own, s->p, LEN, FERRY_RAM);
	}
	ferry_close(own);
	return NULL;
}

/*
 * The CPU's atomics and the engine's at the same words, while the page moves or
 * stays: each of them is one step, wherever the page is.
 */
struct counting {
	struct ferry *f;
	int dev;
	uint64_t *p;
	unsigned long n;
	bool stop;
};

static void *count_by_cpu(void *arg)
{
	struct counting *c = arg;
	unsigned long i;

	for (i = 0; i < c->n; i++) {
		uint64_t was = __atomic_load_n(&c->p[8], __ATOMIC_RELAXED);

		__atomic_fetch_add(&c->p[0], 1, __ATOMIC_SEQ_CST);
		while (!__atomic_compare_exchange_n(&c->p[8], &was, was + 1,
						    false, __ATOMIC_SEQ_CST,
						    __ATOMIC_RELAXED))
			;
		if (i % 64 == 0)
			sched_yield();
	}
	return NULL;
}

static void *move_meanwhile(void *arg)
{
	struct counting *c = arg;

	while (!__atomic_load_n(&c->stop, __ATOMIC_ACQUIRE)) {
		ft_move(c->f, c->p, FT_PAGE, c->dev);
		ft_sleep_ns(1000000);
		ft_move(c->f, c->p, FT_PAGE, FERRY_RAM);
	}
	return NULL;
}

/* Add @n to both words by the engine; the second by compare and swap. */
static void count_by_engine(struct __test_metadata *_metadata, int fd,
			    uint64_t *p, unsigned long n)
{
	struct ferry_cmd add = {
		.op = FERRY_OP_ADD64,
		.dst = (uintptr_t)&p[0],
		.arg0 = 1,
	};
	uint64_t was;
	unsigned long i;

	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, ft_run(fd, &add, 1, NULL, NULL));
		for (;;) {
			struct ferry_cmd cas = {
				.op = FERRY_OP_CAS64,
				.dst = (uintptr_t)&p[8],
			};

			cas.arg0 = __atomic_load_n(&p[8], __ATOMIC_RELAXED);
			cas.arg1 = cas.arg0 + 1;
			ASSERT_EQ(0, ft_run(fd, &cas, 1, &was, NULL));
			if (was == cas.arg0)
				break;
		}
	}
}

TEST_F(kind, atomics_of_both)
{
	const unsigned long mine = ft_loops(100), theirs = ft_loops(20000);
	struct counting c = {
		.f = self->f,
		.dev = self->dev,
		.p = ft_map(FT_PAGE),
	};
	pthread_t thread[3];
	uint64_t used;
	int moving, i;

	/* Lying still where the engine takes it, then to and fro. */
	for (moving = 0; moving < 2; moving++) {
		memset(c.p, 0, FT_PAGE);
		ft_move(self->f, c.p, FT_PAGE, self->dev);
		used = ft_coherent_faults();
		c.n = theirs;
		c.stop = false;
		for (i = 0; i < 2; i++) {
			ASSERT_EQ(0, pthread_create(&thread[i], NULL,
						    count_by_cpu, &c));
		}
		if (moving) {
			ASSERT_EQ(0, pthread_create(&thread[2], NULL,
						    move_meanwhile, &c));
		}
		count_by_engine(_metadata, self->fd, c.p, mine);
		ASSERT_EQ(0, pthread_join(thread[0], NULL));
		ASSERT_EQ(0, pthread_join(thread[1], NULL));
		__atomic_store_n(&c.stop, true, __ATOMIC_RELEASE);
		if (moving) {
			ASSERT_EQ(0, pthread_join(thread[2], NULL));
		} else if (FT_IN_PLACE) {
			ASSERT_WHERE(c.p, FT_PAGE, self->dev);
		}
		ASSERT_EQ(mine + 2 * theirs, c.p[0]);
		ASSERT_EQ(mine + 2 * theirs, c.p[8]);
		ASSERT_EQ(used, ft_coherent_faults());
	}
}

TEST_F(kind, data_moves_meanwhile)
{
	struct submitter s = { .fd = self->dev };
	pthread_t thread;
	unsigned long i;
	int huge;

	for (huge = 0; huge < 2; huge++) {
		s.p = ft_map_kind(LEN, huge);
		s.wrong = 0;
		ft_fill(s.p, LEN, 7);
		ASSERT_EQ(0, pthread_create(&thread, NULL, keep_moving, &s));
		for (i = 0; i < FT_ROUNDS(5); i++) {
			ASSERT_DEV_DATA(s.p, LEN, 7);
			ASSERT_EQ(0, ft_dev_fill(self->fd, s.p + LEN / 2, i,
						 LEN / 2));
			ASSERT_EQ(0, ft_dev_copy(self->fd, s.p + LEN / 2, s.p,
						 LEN / 2));
			ASSERT_EQ(LEN / 2, ft_check_as(s.p + LEN / 2, LEN / 2,
						       7, s.p));
			ft_fill(s.p, LEN, 7);
		}
		__atomic_store_n(&s.wrong, 1, __ATOMIC_RELEASE);
		ASSERT_EQ(0, pthread_join(thread, NULL));
		ft_unmap(s.p, LEN);
	}
}

/* ---- where a device fault takes its page ------------------------------------------ */

/* By default a fault migrates; the page is then in the device's own memory. */
TEST_F(kind, fault_migrates)
{
	uint64_t faults = ft_counter(self->f, FERRY_C_DEV_FAULTS);
	char *p = ft_map(LEN);

	ft_fill(p, LEN, 8);
	ASSERT_DEV_DATA(p, LEN, 8);
	ASSERT_WHERE(p, LEN, self->dev);
	ASSERT_LT(faults, ft_counter(self->f, FERRY_C_DEV_FAULTS));
	ASSERT_EQ(ft_pages(LEN), ft_count_flags(self->f, p, LEN,
						FERRY_PAGE_MIRRORED));
	/* No second fault for what is mapped. */
	faults = ft_counter(self->f, FERRY_C_DEV_FAULTS);
	ASSERT_DEV_DATA(p, LEN, 8);
	ASSERT_EQ(faults, ft_counter(self->f, FERRY_C_DEV_FAULTS));
	/* The CPU takes them away, or uses them where they are. */
	ASSERT_DATA(p, LEN, 8);
	ASSERT_EQ(FT_IN_PLACE ? ft_pages(LEN) : 0,
		  ft_count_flags(self->f, p, LEN, FERRY_PAGE_MIRRORED));
	ft_fill(p, LEN, 9);
	ASSERT_DEV_DATA(p, LEN, 9);
	ASSERT_EQ(FT_IN_PLACE,
		  ft_counter(self->f, FERRY_C_DEV_FAULTS) == faults);
}

TEST_F(kind, prefer_ram)
{
	char *p;
	int huge;

	for (huge = 0; huge < 2; huge++) {
		p = ft_map_kind(LEN, huge);
		ft_fill(p, LEN, 9);
		ASSERT_EQ(0, ferry_advise(self->f, p, LEN,
					  FERRY_ADVISE_PREFER_RAM));
		ASSERT_DEV_DATA(p, LEN, 9);
		ASSERT_WHERE(p, LEN, FERRY_RAM);
		ASSERT_EQ(ft_pages(LEN),
			  ft_count_flags(self->f, p, LEN,
					 FERRY_PAGE_PRESENT |
					 FERRY_PAGE_MIRRORED));
		ASSERT_EQ(0, ft_dev_fill(self->fd, p, 0, LEN / 2));
		ASSERT_WHERE(p, LEN, FERRY_RAM);
		ASSERT_LE(ft_pages(LEN) / 2,
			  ft_count_flags(self->f, p, LEN / 2,
					 FERRY_PAGE_DEV_WRITE));
		ASSERT_ZERO(p, LEN / 2);
		ASSERT_DATA(p + LEN / 2, LEN / 2, 9);

		/* Asked for by name it moves in spite of the hint. */
		ASSERT_MOVES(p, LEN, self->dev);
		ASSERT_DATA(p + LEN / 2, LEN / 2, 9);

		ASSERT_EQ(0, ferry_advise(self->f, p, LEN,
					  FERRY_ADVISE_NORMAL));
		ft_fill(p, LEN, 10);
		ASSERT_DEV_DATA(p, LEN, 10);
		ASSERT_WHERE(p, LEN, self->dev);
		ft_unmap(p, LEN);
	}
}

TEST_F(kind, prefer_device)
{
	char *p = ft_map(LEN);

	ft_fill(p, LEN, 11);
	ASSERT_EQ(0, ferry_advise(self->f, p, LEN, FERRY_ADVISE_PREFER_RAM));
	ASSERT_EQ(0, ferry_advise(self->f, p + LEN / 2, LEN / 2,
				  FERRY_ADVISE_PREFER_DEVICE));
	ASSERT_DEV_DATA(p, LEN, 11);
	ASSERT_WHERE(p, LEN / 2, FERRY_RAM);
	ASSERT_WHERE(p + LEN / 2, LEN / 2, self->dev);
	ASSERT_DATA(p, LEN, 11);
}

/* Mapped now, wherever its pages are, so that no fault comes later. */
TEST_F(kind, accessed_by)
{
	char *p = ft_map(LEN);
	uint64_t faults;

	ft_fill(p, LEN, 12);
	ASSERT_MOVES(p, LEN / 2, self->dev);
	ASSERT_EQ(0, ferry_advise(self->f, p, LEN, FERRY_ADVISE_ACCESSED_BY));
	ASSERT_WHERE(p, LEN / 2, self->dev);
	ASSERT_WHERE(p + LEN / 2, LEN / 2, FERRY_RAM);
	ASSERT_EQ(ft_pages(LEN), ft_count_flags(self->f, p, LEN,
						FERRY_PAGE_MIRRORED));
	faults = ft_counter(self->f, FERRY_C_DEV_FAULTS);
	ASSERT_DEV_DATA(p, LEN, 12);
	ASSERT_EQ(faults, ft_counter(self->f, FERRY_C_DEV_FAULTS));
	ASSERT_WHERE(p + LEN / 2, LEN / 2, FERRY_RAM);
	ASSERT_DATA(p, LEN, 12);
}

/* What is shared cannot move and is mapped in place, whatever the hint. */
TEST_F(kind, in_place)
{
	char *p = mmap(NULL, LEN, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t mapped;

	ASSERT_NE(MAP_FAILED, p);
	ft_fill(p, LEN, 13);
	mapped = ft_counter(self->f, FERRY_C_DEV_FAULT_MAPPED);
	ASSERT_DEV_DATA(p, LEN, 13);
	ASSERT_LE(mapped + ft_pages(LEN),
		  ft_counter(self->f, FERRY_C_DEV_FAULT_MAPPED));
	ASSERT_WHERE(p, LEN, FERRY_RAM);
	/* Coherent both ways without a word. */
	ft_fill(p, LEN, 14);
	ASSERT_DEV_DATA(p, LEN, 14);
	ASSERT_EQ(0, ft_dev_fill(self->fd, p, 0, LEN));
	ASSERT_ZERO(p, LEN);
	ft_unmap(p, LEN);
}

FERRY_TEST_MAIN
