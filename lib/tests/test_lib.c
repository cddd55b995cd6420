// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Test of libferry; prints TAP.
 *
 * Built twice: on the mock, with all that needs a driver to misbehave; and with
 * ON_NODE, on /dev/ferry0.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ferry.h>
#include "cxx.h"
#include "mock.h"

#define PAGE	4096UL
#define MIB	(1UL << 20)

static int bad;

#define EXPECT(a, b)							\
	do {								\
		long long a_ = (long long)(a), b_ = (long long)(b);	\
									\
		if (a_ != b_) {						\
			printf("# %s:%d: %s is %lld, expected %lld\n",	\
			       __func__, __LINE__, #a, a_, b_);		\
			bad++;						\
		}							\
	} while (0)

static struct ferry *must_open(void)
{
	struct ferry *f = NULL;
	int err = ferry_open(0, &f);

	if (err) {
		printf("Bail out! cannot open device 0: %s\n", ferry_strerror(err));
		exit(1);
	}
	return f;
}

static struct ferry_list *must_list(void)
{
	struct ferry_list *l = NULL;

	if (ferry_list_create(&l)) {
		printf("Bail out! no memory\n");
		exit(1);
	}
	return l;
}

static void *must_map(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED) {
		printf("Bail out! no memory\n");
		exit(1);
	}
	return p;
}

/* Each word holds its own address, so a page that ends up elsewhere is noticed. */
static void write_pattern(void *p, size_t len, uint64_t salt)
{
	uint64_t *words = p;

	for (size_t i = 0; i < len / sizeof(*words); i++)
		words[i] = (uintptr_t)&words[i] ^ salt;
}

static size_t wrong_words(const void *p, size_t len, uint64_t salt)
{
	const uint64_t *words = p;
	size_t wrong = 0;

	for (size_t i = 0; i < len / sizeof(*words); i++)
		wrong += words[i] != ((uintptr_t)&words[i] ^ salt);
	return wrong;
}

static size_t pages_at(struct ferry *f, const void *p, size_t len, int where)
{
	size_t n = len / PAGE, found = 0;
	struct ferry_residency *pages = calloc(n, sizeof(*pages));

	EXPECT(ferry_residency(f, p, len, pages, n), n);
	for (size_t i = 0; i < n; i++)
		found += pages[i].where == where;
	free(pages);
	return found;
}

/* ---- words ----------------------------------------------------------- */

static void test_version(void)
{
	EXPECT(strcmp(ferry_version(), FERRY_LIB_VERSION), 0);
}

static void expect_names(const char *(*name)(unsigned int), unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		EXPECT(strcmp(name(i), "unknown") != 0, 1);
		for (unsigned int j = 0; j < i; j++)
			EXPECT(strcmp(name(i), name(j)) != 0, 1);
	}
	EXPECT(strcmp(name(n), "unknown"), 0);
	EXPECT(strcmp(name(~0U), "unknown"), 0);
}

static void test_names(void)
{
	expect_names(ferry_counter_name, FERRY_COUNTERS);
	expect_names(ferry_phase_name, FERRY_PHASES);
	expect_names(ferry_reason_name, FERRY_REASONS);
	expect_names(ferry_kind_name, 3);
	EXPECT(strcmp(ferry_counter_name(FERRY_C_REASON_0 + FERRY_REASON_PINNED),
		      "reason_pinned"), 0);
}

static void test_strerror(void)
{
	EXPECT(strcmp(ferry_strerror(0), "success"), 0);
	EXPECT(strcmp(ferry_strerror(-EPROTO), ferry_strerror(EPROTO)), 0);
	EXPECT(strcmp(ferry_strerror(-ENOTTY), strerrordesc_np(ENOTTY)), 0);
	EXPECT(strcmp(ferry_strerror(-99999), "unknown error"), 0);
	EXPECT(strcmp(ferry_strerror(-2147483647 - 1), "unknown error"), 0);
}

static void test_percentile(void)
{
	uint64_t hist[FERRY_BUCKETS] = { 0 };

	EXPECT(ferry_percentile(hist, 50), 0);
	hist[10] = 98;
	hist[20] = 2;
	EXPECT(ferry_percentile(hist, 0), 2047);
	EXPECT(ferry_percentile(hist, 50), 2047);
	EXPECT(ferry_percentile(hist, 98), 2047);
	EXPECT(ferry_percentile(hist, 99), (1 << 21) - 1);
	EXPECT(ferry_percentile(hist, 100), (1 << 21) - 1);
	hist[FERRY_BUCKETS - 1] = 1000;
	EXPECT(ferry_percentile(hist, 100), (1ULL << FERRY_BUCKETS) - 1);
}

/* ---- handles --------------------------------------------------------- */

static void test_open(void)
{
	struct ferry *f = must_open();
	struct ferry_info info;

	EXPECT(ferry_device(f), 0);
	EXPECT(ferry_fd(f) >= 0, 1);
	EXPECT(ferry_get_info(f, &info), 0);
	EXPECT(info.size, sizeof(info));
	EXPECT(info.abi, FERRY_ABI_VERSION);
	EXPECT(info.device, 0);
	EXPECT(info.devices, ferry_device_count());
	EXPECT(info.free_bytes <= info.vram_bytes, 1);
	ferry_close(f);
	ferry_close(NULL);
}

static void test_open_nothing(void)
{
	struct ferry *f = NULL;

	EXPECT(ferry_open(-1, &f), -ENOENT);
	EXPECT(ferry_open(FERRY_MAX_DEVICES, &f), -ENOENT);
	EXPECT(ferry_open(ferry_device_count(), &f), -ENOENT);
	EXPECT(!f, 1);
}

/* Whether the handle, which is the parent's, is refused and a new one works. */
static int child_of_fork(struct ferry *f, void *p)
{
	struct ferry_info info;
	struct ferry *own;

	if (ferry_get_info(f, &info) != -EPERM)
		return 1;
	if (ferry_to_device(f, p, PAGE, NULL) != -EPERM)
		return 2;
	if (ferry_open(0, &own) || ferry_to_device(own, p, PAGE, NULL))
		return 3;
	ferry_close(own);
	return 0;
}

static void test_fork(void)
{
	struct ferry *f = must_open();
	uint64_t *p = must_map(PAGE);
	int status = -1;
	pid_t pid;

	*p = 1;
	pid = fork();
	if (!pid)
		_exit(child_of_fork(f, p));
	waitpid(pid, &status, 0);
	EXPECT(status, 0);
	munmap(p, PAGE);
	ferry_close(f);
}

/* ---- ranges ---------------------------------------------------------- */

static void test_bad_range(void)
{
	struct ferry *f = must_open();
	struct ferry_residency r;
	struct ferry_moved moved;
	void *high = (void *)(UINTPTR_MAX - PAGE);

	EXPECT(ferry_migrate(f, f, 0, 0, 0, &moved), -EINVAL);
	EXPECT(moved.moved, 0);
	EXPECT(ferry_migrate(f, high, 2 * PAGE, 0, 0, NULL), -EINVAL);
	EXPECT(ferry_residency(f, high, SIZE_MAX, &r, 1), -EINVAL);
	EXPECT(ferry_residency(f, f, 0, &r, 1), -EINVAL);
	EXPECT(ferry_residency(f, f, 1, &r, 0), 0);
	EXPECT(ferry_advise(f, f, 0, FERRY_ADVISE_NORMAL), -EINVAL);
	EXPECT(ferry_advise(f, f, 1, (enum ferry_advice)99), -EINVAL);
	EXPECT(ferry_migrate(f, &r, 1, 99, 0, NULL), -ENODEV);
	EXPECT(ferry_migrate(f, &r, 1, 0, 1U << 31, NULL), -EINVAL);
	ferry_close(f);
}

static void test_round_trip(void)
{
	struct ferry *f = must_open();
	size_t len = 4 * MIB;
	struct ferry_moved there, back;
	void *p = must_map(len);

	write_pattern(p, len, 1);
	EXPECT(ferry_to_device(f, p, len, &there), 0);
	EXPECT(there.moved + there.failed, len / PAGE);
	EXPECT(pages_at(f, p, len, 0), there.moved);
	EXPECT(ferry_to_ram(f, p, len, &back), 0);
	EXPECT(back.moved, there.moved);
	EXPECT(back.reasons[FERRY_REASON_RESIDENT], there.failed);
	EXPECT(pages_at(f, p, len, FERRY_RAM), len / PAGE);
	EXPECT(wrong_words(p, len, 1), 0);
	munmap(p, len);
	ferry_close(f);
}

static void test_cpu_touch(void)
{
	struct ferry *f = must_open();
	void *p = must_map(MIB);

	write_pattern(p, MIB, 2);
	EXPECT(ferry_to_device(f, p, MIB, NULL), 0);
	EXPECT(wrong_words(p, MIB, 2), 0);
	EXPECT(pages_at(f, p, MIB, FERRY_RAM), MIB / PAGE);
	munmap(p, MIB);
	ferry_close(f);
}

static void test_residency_max(void)
{
	struct ferry *f = must_open();
	struct ferry_residency pages[4] = { { .where = 77 }, { .where = 77 }, { .where = 77 } };
	char *p = must_map(3 * PAGE);

	memset(p, 1, PAGE);
	/* Two bytes on two pages. */
	EXPECT(ferry_residency(f, p + PAGE - 1, 2, pages, 4), 2);
	EXPECT(pages[0].where, FERRY_RAM);
	EXPECT(pages[1].where, FERRY_NOWHERE);
	EXPECT(pages[2].where, 77);
	EXPECT(ferry_residency(f, p, 3 * PAGE, pages, 1), 1);
	EXPECT(ferry_residency_pid(f, getpid(), (uintptr_t)p, PAGE, pages, 4), 1);
	EXPECT(pages[0].where, FERRY_RAM);
	munmap(p, 3 * PAGE);
	ferry_close(f);
}

/* ---- lists ----------------------------------------------------------- */

static void test_list(void)
{
	struct ferry_list *l = must_list();
	struct ferry_cmd nop = { .op = FERRY_OP_NOP };

	for (int i = 0; i < FERRY_MAX_CMDS; i++)
		EXPECT(ferry_list_add(l, &nop), i);
	EXPECT(ferry_list_add(l, &nop), -E2BIG);
	EXPECT(ferry_list_fill(l, l, 0, 1), -E2BIG);
	EXPECT(ferry_list_count(l), FERRY_MAX_CMDS);
	ferry_list_clear(l);
	EXPECT(ferry_list_count(l), 0);
	EXPECT(ferry_list_add(l, &nop), 0);
	ferry_list_destroy(l);
	ferry_list_destroy(NULL);
}

static void test_empty_list(void)
{
	struct ferry *f = must_open();
	struct ferry_list *l = must_list();

	EXPECT(ferry_submit(f, l, -1, NULL), -EINVAL);
	EXPECT(ferry_run(f, l, NULL, 0, NULL), -EINVAL);
	ferry_list_destroy(l);
	ferry_close(f);
}

struct operands {
	char text[16];
	char copy[16];
	uint64_t bins[256];
	float x[4], y[4];
	uint64_t source[4], index[4], gathered[4];
	uint64_t chain[3];
	uint64_t sum, swap;
};

static void set_up_operands(struct operands *o)
{
	memset(o, 0, sizeof(*o));
	memcpy(o->text, "123456789", 9);
	for (int i = 0; i < 4; i++) {
		o->x[i] = i;
		o->y[i] = 1;
		o->source[i] = 100 + i;
		o->index[i] = 3 - i;
	}
	for (int i = 0; i < 3; i++)
		o->chain[i] = (uintptr_t)&o->chain[(i + 1) % 3];
	o->sum = 40;
	o->swap = 7;
}

static void add_every_op(struct ferry_list *l, struct operands *o)
{
	EXPECT(ferry_list_crc32c(l, o->text, 9), 0);
	EXPECT(ferry_list_copy(l, o->copy, o->text, 8), 1);
	EXPECT(ferry_list_compare(l, o->copy, o->text, 16), 2);
	EXPECT(ferry_list_histogram(l, o->bins, o->text, 9), 3);
	EXPECT(ferry_list_saxpy(l, o->y, 2.5f, o->x, 4), 4);
	EXPECT(ferry_list_gather(l, o->gathered, o->source, 4, o->index, 4), 5);
	EXPECT(ferry_list_chase(l, &o->chain[0], 4), 6);
	EXPECT(ferry_list_add64(l, &o->sum, 2), 7);
	EXPECT(ferry_list_cas64(l, &o->swap, 7, 8), 8);
	EXPECT(ferry_list_cas64(l, &o->swap, 7, 9), 9);
	EXPECT(ferry_list_fill(l, o->copy + 9, 0x6867666564636261, 5), 10);
}

static void check_every_op(const struct operands *o, const uint64_t *results)
{
	EXPECT(results[0], 0xe3069283);
	EXPECT(memcmp(o->copy, "12345678", 8), 0);
	EXPECT(results[2], 8);
	EXPECT(o->bins['1'], 1);
	EXPECT(o->bins[0], 0);
	for (int i = 0; i < 4; i++) {
		EXPECT(o->y[i] * 2, 2 + 5 * i);
		EXPECT(o->gathered[i], 103 - i);
	}
	EXPECT(results[6], (uintptr_t)&o->chain[1]);
	EXPECT(results[7], 40);
	EXPECT(o->sum, 42);
	EXPECT(results[8], 7);
	EXPECT(results[9], 8);
	EXPECT(o->swap, 8);
	EXPECT(memcmp(o->copy + 9, "abcde", 6), 0);
}

static void test_every_op(void)
{
	struct ferry *f = must_open();
	struct ferry_list *l = must_list();
	struct operands *o = must_map(sizeof(*o));
	struct ferry_result res = { .status = 77 };
	uint64_t results[11];

	set_up_operands(o);
	add_every_op(l, o);
	EXPECT(ferry_run(f, l, results, 11, &res), 0);
	EXPECT(res.status, 0);
	check_every_op(o, results);
	munmap(o, sizeof(*o));
	ferry_list_destroy(l);
	ferry_close(f);
}

static void test_failed_command(void)
{
	struct ferry *f = must_open();
	struct ferry_list *l = must_list();
	char *p = must_map(2 * PAGE);
	struct ferry_result res;
	uint64_t seq = 0;

	munmap(p + PAGE, PAGE);
	ferry_list_fill(l, p, 0, PAGE);
	ferry_list_fill(l, p, 0, PAGE + 8);
	ferry_list_fill(l, p, ~0ULL, PAGE);
	EXPECT(ferry_run(f, l, NULL, 0, &res), -EFAULT);
	EXPECT(res.status, -EFAULT);
	EXPECT(res.failed, 1);
	EXPECT(res.access, FERRY_ACCESS_WRITE);
	EXPECT(res.fault_addr & ~(PAGE - 1), (uintptr_t)p + PAGE);
	EXPECT(*p, 0);

	/* The list ended, so the wait is a success. */
	EXPECT(ferry_submit(f, l, -1, &seq), 0);
	EXPECT(ferry_wait(f, seq, -1, NULL, 0, &res), 0);
	EXPECT(res.status, -EFAULT);
	munmap(p, PAGE);
	ferry_list_destroy(l);
	ferry_close(f);
}

static void test_wait_unknown(void)
{
	struct ferry *f = must_open();

	EXPECT(ferry_wait(f, 0, 0, NULL, 0, NULL), -ENOENT);
	EXPECT(ferry_wait(f, 1000000, 0, NULL, 0, NULL), -ENOENT);
	ferry_close(f);
}

static void test_eventfd(void)
{
	struct ferry *f = must_open();
	struct ferry_list *l = must_list();
	struct pollfd p = { .fd = eventfd(0, EFD_CLOEXEC), .events = POLLIN };
	struct ferry_cmd nop = { .op = FERRY_OP_NOP };
	uint64_t seq = 0;

	ferry_list_add(l, &nop);
	EXPECT(ferry_submit(f, l, p.fd, &seq), 0);
	EXPECT(poll(&p, 1, 10000), 1);
	EXPECT(ferry_wait(f, seq, 0, NULL, 0, NULL), 0);
	close(p.fd);
	ferry_list_destroy(l);
	ferry_close(f);
}

/* ---- figures --------------------------------------------------------- */

static void test_figures(void)
{
	struct ferry *f = must_open();
	struct ferry_figures before, after;
	struct ferry_moved moved;
	void *p = must_map(MIB);
	uint64_t went;

	write_pattern(p, MIB, 0);
	EXPECT(ferry_get_figures(f, &before), 0);
	EXPECT(ferry_to_device(f, p, MIB, &moved), 0);
	EXPECT(ferry_get_figures(f, &after), 0);
	went = after.counters[FERRY_C_TO_DEVICE_PAGES] - before.counters[FERRY_C_TO_DEVICE_PAGES];
	EXPECT(went >= moved.moved, 1);
	EXPECT(after.frames_used >= moved.moved, 1);
	EXPECT(after.frames_free + after.frames_used,
	       before.frames_free + before.frames_used);
	munmap(p, MIB);
	ferry_close(f);
}

/* ---- threads --------------------------------------------------------- */

#define THREADS	4
#define ROUNDS	20

static void *thread(void *arg)
{
	struct ferry *f = arg;
	struct ferry_list *l = must_list();
	uint64_t *p = must_map(16 * PAGE);
	uint64_t result = 0;
	long failures = 0;

	for (uint64_t i = 0; i < ROUNDS; i++) {
		ferry_list_clear(l);
		ferry_list_fill(l, p, i, 16 * PAGE);
		ferry_list_compare(l, p, p + PAGE, PAGE);
		ferry_list_add64(l, p, 1);
		failures += ferry_run(f, l, NULL, 0, NULL) != 0;
		failures += ferry_migrate(f, p, 16 * PAGE, i % 2 ? 0 : FERRY_RAM, 0, NULL) != 0;
		ferry_list_clear(l);
		ferry_list_add64(l, p, 1);
		failures += ferry_run(f, l, &result, 1, NULL) != 0;
		failures += result != i + 1 || *p != i + 2;
	}
	munmap(p, 16 * PAGE);
	ferry_list_destroy(l);
	return (void *)failures;
}

static void test_threads(void)
{
	struct ferry *f = must_open();
	pthread_t threads[THREADS];
	void *failures;

	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, thread, f);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &failures);
		EXPECT((long)failures, 0);
	}
	ferry_close(f);
}

static void test_cxx(void)
{
	void *p = must_map(MIB);

	write_pattern(p, MIB, 3);
	EXPECT(cxx_round_trip(p, MIB), 0);
	EXPECT(wrong_words(p, MIB, 3), 0);
	munmap(p, MIB);
}

/* ---- a driver that misbehaves ---------------------------------------- */

#ifndef ON_NODE

static void test_no_driver(void)
{
	struct ferry *f = NULL;

	mock.devices = 0;
	EXPECT(ferry_device_count(), 0);
	EXPECT(ferry_open(0, &f), -ENOENT);
	mock.devices = 1;
	EXPECT(ferry_device_count(), 1);
	mock.devices = 1000;
	EXPECT(ferry_device_count(), FERRY_MAX_DEVICES);
}

/* Devices come and go, so their numbers have gaps. */
static void test_gaps(void)
{
	struct ferry *f = NULL;

	mock.devices = 0;
	EXPECT(ferry_device_next(-1), -ENOENT);
	mock.devices = 2;
	EXPECT(ferry_device_next(-1), 0);
	EXPECT(ferry_device_next(0), 1);
	EXPECT(ferry_device_next(1), -ENOENT);

	mock.devices = 5;
	mock.missing = 1 << 0 | 1 << 2 | 1 << 3;
	EXPECT(ferry_device_count(), 5);
	EXPECT(ferry_device_next(-1), 1);
	EXPECT(ferry_device_next(1), 4);
	EXPECT(ferry_device_next(4), -ENOENT);
	EXPECT(ferry_open(0, &f), -ENOENT);
	EXPECT(ferry_open(3, &f), -ENOENT);
	EXPECT(ferry_open(4, &f), 0);
	EXPECT(ferry_device(f), 4);
	ferry_close(f);

	/* The highest goes: the count is smaller. */
	mock.missing |= 1 << 4;
	EXPECT(ferry_device_count(), 2);
	mock.missing = ~0U;
	EXPECT(ferry_device_count(), 0);

	EXPECT(ferry_device_next(INT_MIN), -ENOENT);
	mock.devices = 1000;
	mock.missing = 0;
	EXPECT(ferry_device_next(INT_MIN), 0);
	EXPECT(ferry_device_next(FERRY_MAX_DEVICES - 2), FERRY_MAX_DEVICES - 1);
	EXPECT(ferry_device_next(FERRY_MAX_DEVICES - 1), -ENOENT);
	EXPECT(ferry_device_next(INT_MAX), -ENOENT);
}

static void test_open_errors(void)
{
	struct ferry *f = NULL;

	mock.open_error = -ENXIO;
	EXPECT(ferry_open(0, &f), -ENOENT);
	mock.open_error = -ENODEV;
	EXPECT(ferry_open(0, &f), -ENOENT);
	mock.open_error = -ENOTDIR;
	EXPECT(ferry_open(0, &f), -ENOENT);
	mock.open_error = -EACCES;
	EXPECT(ferry_open(0, &f), -EACCES);
	mock.open_error = 0;
	mock.abi = FERRY_ABI_VERSION + 1;
	EXPECT(ferry_open(0, &f), -EPROTO);
	EXPECT(!f, 1);
}

static void test_widen(void)
{
	struct ferry *f = must_open();
	char *p = must_map(4 * PAGE);

	EXPECT(ferry_to_device(f, p + PAGE - 1, PAGE + 2, NULL), 0);
	EXPECT(mock.migrate.addr, (uintptr_t)p);
	EXPECT(mock.migrate.len, 3 * PAGE);
	EXPECT(mock.migrate.dst, 0);
	EXPECT(ferry_to_ram(f, p + PAGE, PAGE, NULL), 0);
	EXPECT(mock.migrate.addr, (uintptr_t)p + PAGE);
	EXPECT(mock.migrate.len, PAGE);
	EXPECT(mock.migrate.dst, FERRY_RAM);
	EXPECT(ferry_advise(f, p + 5, 1, FERRY_ADVISE_PREFER_RAM), 0);
	EXPECT(mock.advise.addr, (uintptr_t)p);
	EXPECT(mock.advise.len, PAGE);
	EXPECT(mock.advise.advice, FERRY_ADVISE_PREFER_RAM);
	EXPECT(ferry_migrate(f, p, 1, 0, FERRY_MIGRATE_NO_THP, NULL), 0);
	EXPECT(mock.migrate.flags, FERRY_MIGRATE_NO_THP);
	munmap(p, 4 * PAGE);
	ferry_close(f);
}

static void test_migrate_signals(void)
{
	struct ferry *f = must_open();
	struct ferry_moved moved;
	char *p = must_map(10 * PAGE);

	memset(p, 1, 10 * PAGE);
	munmap(p + 4 * PAGE, PAGE);
	mock.pages_to_signal = 3;
	mock.migrates = 0;
	EXPECT(ferry_to_device(f, p, 10 * PAGE, &moved), 0);
	EXPECT(mock.migrates, 4);
	EXPECT(mock.migrate.moved, 0);
	EXPECT(moved.moved, 9);
	EXPECT(moved.failed, 1);
	EXPECT(moved.reasons[FERRY_REASON_UNMAPPED], 1);
	munmap(p, 10 * PAGE);
	ferry_close(f);
}

static void test_long_query(void)
{
	size_t n = FERRY_MAX_QUERY + 5;
	struct ferry_residency *pages = must_map(n * sizeof(*pages));
	char *p = must_map(n * PAGE);
	struct ferry *f = must_open();

	mock.queries = 0;
	mock.query_signals = 2;
	p[(n - 1) * PAGE] = 1;
	EXPECT(ferry_residency(f, p, n * PAGE, pages, n), n);
	EXPECT(mock.queries, 4);
	EXPECT(pages[n - 1].where, FERRY_RAM);
	EXPECT(pages[n - 2].where, FERRY_NOWHERE);
	ferry_close(f);
	munmap(p, n * PAGE);
	munmap(pages, n * sizeof(*pages));
}

static void test_wait_signals(void)
{
	struct ferry *f = must_open();
	struct ferry_list *l = must_list();
	struct ferry_cmd nop = { .op = FERRY_OP_NOP };
	uint64_t seq = 0;

	ferry_list_add(l, &nop);
	mock.hold = true;
	EXPECT(ferry_submit(f, l, -1, &seq), 0);
	EXPECT(ferry_wait(f, seq, 0, NULL, 0, NULL), -ETIMEDOUT);
	mock.wait_signals = 3;
	mock.waits = 0;
	EXPECT(ferry_wait(f, seq, 10000000, NULL, 100, NULL), -ETIMEDOUT);
	EXPECT(mock.waits, 4);
	EXPECT(mock.wait.timeout_ns, 7000000);
	EXPECT(mock.wait.count, 0);
	mock.hold = false;
	EXPECT(ferry_wait(f, seq, 0, NULL, 0, NULL), 0);
	ferry_list_destroy(l);
	ferry_close(f);
}

static void test_queue_full(void)
{
	struct ferry *f = must_open();
	struct ferry_list *l = must_list();
	struct ferry_cmd nop = { .op = FERRY_OP_NOP };

	ferry_list_add(l, &nop);
	mock.queue_full = 1;
	EXPECT(ferry_submit(f, l, -1, NULL), -EAGAIN);
	mock.queue_full = 3;
	EXPECT(ferry_run(f, l, NULL, 0, NULL), 0);
	EXPECT(mock.queue_full, 0);
	ferry_list_destroy(l);
	ferry_close(f);
}

static void test_older_driver(void)
{
	struct ferry *f = must_open();
	struct ferry_figures figures;

	memset(&figures, 0xff, sizeof(figures));
	mock.nr_counters = 3;
	EXPECT(ferry_get_figures(f, &figures), 0);
	EXPECT(figures.counters[3], 0);
	EXPECT(figures.counters[FERRY_COUNTERS - 1], 0);
	EXPECT(figures.counters[0] != UINT64_MAX, 1);
	ferry_close(f);
}

#endif /* !ON_NODE */

#define TEST(name)	{ #name, test_##name }

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	TEST(version),
	TEST(names),
	TEST(strerror),
	TEST(percentile),
	TEST(open),
	TEST(open_nothing),
	TEST(fork),
	TEST(bad_range),
	TEST(round_trip),
	TEST(cpu_touch),
	TEST(residency_max),
	TEST(list),
	TEST(empty_list),
	TEST(every_op),
	TEST(failed_command),
	TEST(wait_unknown),
	TEST(eventfd),
	TEST(figures),
	TEST(threads),
	TEST(cxx),
#ifndef ON_NODE
	TEST(no_driver),
	TEST(gaps),
	TEST(open_errors),
	TEST(widen),
	TEST(migrate_signals),
	TEST(long_query),
	TEST(wait_signals),
	TEST(queue_full),
	TEST(older_driver),
#endif
};

#define TESTS	(sizeof(tests) / sizeof(*tests))

static int run(size_t i)
{
	bad = 0;
	tests[i].run();
	printf("%s %zu - libferry: %s\n", bad ? "not ok" : "ok", i + 1, tests[i].name);
	fflush(stdout);
	return bad;
}

int main(void)
{
	int failed = 0;

#ifdef ON_NODE
	if (!ferry_device_count()) {
		printf("1..0 # SKIP no /dev/ferry0: is the driver loaded?\n");
		return 0;
	}
#else
	struct mock normal = mock;
#endif
	printf("TAP version 13\n1..%zu\n", TESTS);
	for (size_t i = 0; i < TESTS; i++) {
#ifndef ON_NODE
		mock = normal;
#endif
		failed += run(i) != 0;
	}
	return failed != 0;
}
