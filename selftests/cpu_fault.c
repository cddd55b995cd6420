// SPDX-License-Identifier: GPL-2.0-only
/*
 * The CPU touches device pages: how much comes home, by every kind of access,
 * and with many threads at once.
 */
#include "ferry_fixture.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define LEN	FT_HUGE

/*
 * Coherent memory: the CPU's page table points at the device's memory, reads
 * and writes go there without a fault, and the engine sees them at once.
 */
static void check_in_place(struct __test_metadata *_metadata,
			   FIXTURE_DATA(kind) *self, char *p)
{
	uint64_t pfn[2], used;
	size_t i;

	ft_fill(p, LEN, 1);
	pfn[0] = ft_pfn(p);
	ASSERT_MOVES(p, LEN, self->dev);
	ASSERT_TRUE(ft_present(p));
	pfn[1] = ft_pfn(p);
	ASSERT_NE(pfn[0], pfn[1]);
	ASSERT_EQ(ft_pages(LEN),
		  ft_count_flags(self->f, p, LEN, FERRY_PAGE_PRESENT |
				 FERRY_PAGE_MIRRORED));
	used = ft_used(self->f);

	ASSERT_DATA(p, LEN, 1);
	ft_fill(p, LEN, 2);
	ASSERT_DEV_DATA(p, LEN, 2);
	for (i = 0; i < LEN; i += FT_PAGE) {
		struct ferry_cmd c = {
			.op = FERRY_OP_ADD64,
			.dst = (uintptr_t)p + i,
			.arg0 = 1,
		};

		*(volatile uint64_t *)(p + i) = i;
		ASSERT_EQ(0, ft_run(self->fd, &c, 1, NULL, NULL));
		ASSERT_EQ(i + 1, *(volatile uint64_t *)(p + i));
	}
	ASSERT_WHERE(p, LEN, self->dev);
	ASSERT_EQ(pfn[1], ft_pfn(p));
	ASSERT_EQ(used, ft_used(self->f));
	ASSERT_EQ(0, ft_counter(self->f, FERRY_C_CPU_FAULTS));
	ASSERT_EQ(0, ft_counter(self->f, FERRY_C_CPU_FAULT_PAGES));
}

TEST_F(kind, window)
{
	const size_t place[] = { 0, 1, 5, 17, 100, 255, 511 };
	uint64_t faults, pages;
	char *p = ft_map(LEN);
	size_t i;

	if (FT_IN_PLACE) {
		check_in_place(_metadata, self, p);
		return;
	}
	ASSERT_EQ(64 << 10, self->window);
	for (i = 0; i < ARRAY_SIZE(place) * 2; i++) {
		size_t at = place[i / 2] * FT_PAGE + ft_below(FT_PAGE);
		size_t from = at & ~(self->window - 1);

		ft_fill(p, LEN, i);
		ASSERT_MOVES(p, LEN, self->dev);
		faults = ft_counter(self->f, FERRY_C_CPU_FAULTS);
		pages = ft_counter(self->f, FERRY_C_CPU_FAULT_PAGES);
		if (i & 1)
			((volatile char *)p)[at] = 1;
		else
			(void)((volatile char *)p)[at];
		ASSERT_EQ(faults + 1, ft_counter(self->f, FERRY_C_CPU_FAULTS));
		ASSERT_EQ(pages + ft_pages(self->window),
			  ft_counter(self->f, FERRY_C_CPU_FAULT_PAGES));
		ASSERT_EQ(from / FT_PAGE, ft_count(self->f, p, from,
						   self->dev));
		ASSERT_WHERE(p + from, self->window, FERRY_RAM);
		ASSERT_WHERE(p + from + self->window,
			     LEN - from - self->window, self->dev);
		if (i & 1) {
			ASSERT_EQ(1, p[at]);
			p[at] = (char)(ft_word((uintptr_t)(p + at) & ~7UL, i)
				       >> (at % 8 * 8));
		}
		ASSERT_DATA(p + from, self->window, i);
		/* The window holds all of it: nothing else has moved. */
		ASSERT_EQ(ft_pages(LEN - self->window),
			  ft_count(self->f, p, LEN, self->dev));
		ASSERT_DATA(p, LEN, i);
	}
}

/* The window ends where the VMA ends, and holds only device pages. */
TEST_F(kind, window_edges)
{
	char *p = ft_map(LEN);
	size_t w = self->window;

	ft_fill(p, LEN, 1);
	/* A VMA of three pages across a border of windows. */
	ASSERT_EQ(0, mprotect(p + w - FT_PAGE, 3 * FT_PAGE, PROT_READ));
	ASSERT_MOVES(p, LEN, self->dev);

	ASSERT_DATA(p + w - FT_PAGE, FT_PAGE, 1);
	if (FT_IN_PLACE) {
		/* There is no window: nothing came, and the VMA is as it was. */
		ASSERT_WHERE(p, LEN, self->dev);
		ASSERT_DATA(p, LEN, 1);
		return;
	}
	ASSERT_EQ(1, ft_count(self->f, p, LEN, FERRY_RAM));
	ASSERT_EQ(FERRY_RAM, ft_where(self->f, p + w - FT_PAGE));
	ASSERT_DATA(p + w, FT_PAGE, 1);
	ASSERT_EQ(3, ft_count(self->f, p, LEN, FERRY_RAM));
	ASSERT_WHERE(p + w - FT_PAGE, 3 * FT_PAGE, FERRY_RAM);
	ASSERT_DATA(p, FT_PAGE, 1);
	ASSERT_WHERE(p, w, FERRY_RAM);
	ASSERT_EQ(ft_pages(w) + 2, ft_count(self->f, p, LEN, FERRY_RAM));
	ASSERT_DATA(p, LEN, 1);
}

/* Holes in the window stay holes; pages in RAM stay where they are. */
TEST_F(kind, window_with_holes)
{
	char *p = ft_map(LEN);
	size_t i, n = ft_pages(self->window);
	uint64_t pfn;

	for (i = 0; i < n; i += 2)
		ft_fill(p + i * FT_PAGE, FT_PAGE, 2);
	ft_move_flags(self->f, p, self->window, self->dev,
		      FERRY_MIGRATE_NO_HOLES);
	ft_fill(p + FT_PAGE, FT_PAGE, 2);
	pfn = ft_pfn(p + FT_PAGE);
	ASSERT_EQ(n / 2, ft_count(self->f, p, self->window, self->dev));

	ASSERT_DATA(p + 2 * FT_PAGE, FT_PAGE, 2);
	ASSERT_EQ(FT_IN_PLACE ? 1 : n / 2 + 1,
		  ft_count(self->f, p, self->window, FERRY_RAM));
	ASSERT_EQ(FT_IN_PLACE ? n / 2 : 0,
		  ft_count(self->f, p, self->window, self->dev));
	ASSERT_EQ(n / 2 - 1, ft_count(self->f, p, self->window,
				      FERRY_NOWHERE));
	ASSERT_EQ(pfn, ft_pfn(p + FT_PAGE));
}

/*
 * A touched huge page comes home as a whole folio or as a window of it; the
 * touched page comes in any case, and nothing gets lost.
 */
TEST_F(kind, huge)
{
	char *p = ft_map_huge(2 * LEN);
	size_t home;

	ft_fill(p, 2 * LEN, 3);
	ASSERT_MOVES_HUGE(p, 2 * LEN, self->dev);
	ASSERT_EQ(FT_HAS_HUGE ? ft_pages(2 * LEN) : 0,
		  ft_count_huge(self->f, p, 2 * LEN, self->dev));
	ASSERT_DATA(p + 300 * FT_PAGE, FT_PAGE, 3);
	home = ft_count(self->f, p, LEN, FERRY_RAM);
	ASSERT_TRUE(FT_IN_PLACE ? !home :
		    home == ft_pages(LEN) || home == ft_pages(self->window))
		TH_LOG("%zu pages came home", home);
	ASSERT_EQ(FT_TOUCHED, ft_where(self->f, p + 300 * FT_PAGE));
	ASSERT_WHERE(p + LEN, LEN, self->dev);
	ASSERT_DATA(p, 2 * LEN, 3);
}

/* ---- every way in which the kernel itself touches user memory ------------- */

#define FOR_BOTH_SIZES(salt)						\
	for (int __huge = 0;						\
	     __huge < 2 && (p = ft_map_kind(LEN, __huge),		\
			    ft_fill(p, LEN, salt), true);		\
	     __huge++, ft_unmap(p, LEN))

TEST_F(kind, system_calls)
{
	int fd = memfd_create("ferry-selftest", MFD_CLOEXEC);
	char *p;

	ASSERT_LE(0, fd);
	FOR_BOTH_SIZES(4) {
		/* From the device to a file and back onto the device. */
		ASSERT_MOVES(p, LEN, self->dev);
		ASSERT_EQ(LEN, pwrite(fd, p, LEN, 0));
		ft_fill(p, LEN, 5);
		ASSERT_MOVES_BACK(p, LEN);
		ASSERT_EQ(LEN, pread(fd, p, LEN, 0));
		ASSERT_WHERE(p, LEN, FT_TOUCHED);
		ASSERT_DATA(p, LEN, 4);
	}
}

TEST_F(kind, sockets)
{
	int sock[2], size = 1 << 20;
	char *p, *q = ft_map(LEN);

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_DGRAM, 0, sock));
	setsockopt(sock[0], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	FOR_BOTH_SIZES(6) {
		ASSERT_MOVES(p, LEN, self->dev);
		ft_move(self->f, q, 16 * FT_PAGE, self->dev);
		ASSERT_EQ(16 * FT_PAGE, send(sock[0], p, 16 * FT_PAGE, 0));
		ASSERT_EQ(16 * FT_PAGE, recv(sock[1], q, 16 * FT_PAGE, 0));
		ASSERT_EQ(16 * FT_PAGE, ft_check_as(q, 16 * FT_PAGE, 6, p));
	}
}

/* Another process looks: by process_vm_*, /proc/PID/mem and ptrace. */
TEST_F(kind, from_another_process)
{
	struct iovec local, remote;
	pid_t owner = getpid(), child;
	char *p, *q = ft_map(LEN);
	struct ft_turn go;

	ft_turn_init(&go);
	FOR_BOTH_SIZES(1) {
		child = ft_fork();
		if (!child) {
			char path[64];
			int fd;

			/* Not the copy of fork: the owner's own page. */
			ft_turn_take(&go);
			ASSERT_EQ(LEN, ft_check(p, LEN, 1));
			local = (struct iovec){ q, LEN / 2 };
			remote = (struct iovec){ p, LEN / 2 };
			ASSERT_EQ(LEN / 2, process_vm_readv(owner, &local, 1,
							    &remote, 1, 0));
			ASSERT_EQ(LEN / 2, ft_check_as(q, LEN / 2, 7, p));
			snprintf(path, sizeof(path), "/proc/%d/mem", owner);
			fd = open(path, O_RDWR);
			ASSERT_LE(0, fd);
			ASSERT_EQ(LEN / 2, pread(fd, q, LEN / 2,
						 (uintptr_t)p + LEN / 2));
			ASSERT_EQ(LEN / 2, ft_check_as(q, LEN / 2, 7,
						       p + LEN / 2));
			/* Writes: the first page by one way, the last other. */
			memset(q, 0x33, FT_PAGE);
			local = (struct iovec){ q, FT_PAGE };
			remote = (struct iovec){ p, FT_PAGE };
			ASSERT_EQ(FT_PAGE, process_vm_writev(owner, &local, 1,
							     &remote, 1, 0));
			ASSERT_EQ(FT_PAGE, pwrite(fd, q, FT_PAGE,
						  (uintptr_t)p + LEN -
						  FT_PAGE));
			_exit(0);
		}
		/* Written after the fork, so that nobody shares them. */
		ft_fill(p, LEN, 7);
		ASSERT_MOVES(p, LEN, self->dev);
		ft_turn_give(&go);
		ASSERT_EQ(0, ft_reap(child));
		ASSERT_WHERE(p, LEN, FT_TOUCHED);
		ASSERT_EQ(0x33, p[0]);
		ASSERT_EQ(0, memcmp(p, p + 1, FT_PAGE - 1));
		ASSERT_EQ(0, memcmp(p, p + LEN - FT_PAGE, FT_PAGE));
		ASSERT_DATA(p + FT_PAGE, LEN - 2 * FT_PAGE, 7);
		/* And the engine sees what the other process wrote. */
		ASSERT_MOVES_BACK(p, LEN);
		ASSERT_EQ(ft_crc32c(p + LEN - FT_PAGE, FT_PAGE),
			  ft_dev_crc32c(self->fd, p, FT_PAGE));
	}
}

TEST_F(kind, ptrace)
{
	pid_t child;
	struct ferry *f;
	char *p;

	FOR_BOTH_SIZES(8) {
		child = ft_fork();
		if (!child) {
			ASSERT_EQ(0, ferry_open(self->dev, &f));
			ft_fill(p, LEN, 8);
			ASSERT_EQ(ft_pages(LEN), ft_moved(f, p, LEN,
							  self->dev));
			ASSERT_EQ(0, ptrace(PTRACE_TRACEME, 0, NULL, NULL));
			raise(SIGSTOP);
			_exit(*(uint64_t *)(p + 8) != 0x1122334455667788ULL ||
			      ft_check(p + 16, LEN - 16, 8) != LEN - 16);
		}
		ASSERT_EQ(child, waitpid(child, NULL, 0));
		errno = 0;
		ASSERT_EQ(ft_word((uintptr_t)p + 4096, 8),
			  (uint64_t)ptrace(PTRACE_PEEKDATA, child, p + 4096,
					   NULL));
		ASSERT_EQ(0, ptrace(PTRACE_POKEDATA, child, p + 8,
				    0x1122334455667788UL));
		ASSERT_EQ(0, ptrace(PTRACE_CONT, child, NULL, NULL));
		ASSERT_EQ(0, ft_reap(child));
	}
}

struct sleeper {
	uint32_t *word;
	bool asleep, woken;
};

static void *sleep_on(void *arg)
{
	struct sleeper *s = arg;

	__atomic_store_n(&s->asleep, true, __ATOMIC_RELEASE);
	while (!__atomic_load_n(s->word, __ATOMIC_ACQUIRE))
		syscall(SYS_futex, s->word, FUTEX_WAIT, 0, NULL, NULL, 0);
	s->woken = true;
	return NULL;
}

/* A shared futex is named by its page; that page moves under the sleeper. */
TEST_F(kind, futex)
{
	struct sleeper s;
	pthread_t thread;
	char *p = ft_map(LEN);
	unsigned int i;

	for (i = 0; i < 8; i++) {
		s = (struct sleeper) { .word = (uint32_t *)p };
		*s.word = 0;
		ASSERT_EQ(0, pthread_create(&thread, NULL, sleep_on, &s));
		ASSERT_TRUE(ft_until(__atomic_load_n(&s.asleep,
						     __ATOMIC_ACQUIRE), 20));
		ft_move(self->f, p, FT_PAGE, self->dev);
		__atomic_store_n(s.word, 1, __ATOMIC_RELEASE);
		ASSERT_LE(0, syscall(SYS_futex, s.word, FUTEX_WAKE, 1, NULL,
				     NULL, 0));
		ASSERT_EQ(0, pthread_join(thread, NULL));
		ASSERT_TRUE(s.woken);
		ft_move(self->f, p, FT_PAGE, self->dev);
	}
}

static volatile sig_atomic_t handled;

static void on_signal(int sig)
{
	char here[2048];

	memset(here, sig, sizeof(here));
	handled = here[sizeof(here) - 1];
}

/* The kernel writes a signal frame onto a stack that is on the device. */
TEST_F(kind, signal_stack)
{
	struct sigaction act = {
		.sa_handler = on_signal,
		.sa_flags = SA_ONSTACK,
	};
	stack_t ss = {};
	char *p;

	ASSERT_EQ(0, sigaction(SIGUSR1, &act, NULL));
	FOR_BOTH_SIZES(9) {
		ss.ss_sp = p;
		ss.ss_size = LEN;
		ss.ss_flags = 0;
		ASSERT_EQ(0, sigaltstack(&ss, NULL));
		ASSERT_MOVES(p, LEN, self->dev);
		handled = 0;
		ASSERT_EQ(0, raise(SIGUSR1));
		ASSERT_EQ(SIGUSR1, handled);
		ss.ss_flags = SS_DISABLE;
		ASSERT_EQ(0, sigaltstack(&ss, NULL));
		ASSERT_DATA(p, LEN / 2, 9);
	}
}

/* Calls about the placement of pages meet device pages and let them be. */
TEST_F(kind, placement_calls)
{
	unsigned char vec[LEN / FT_PAGE];
	void *page[2];
	int status[2], mode;
	char *p;

	FOR_BOTH_SIZES(10) {
		ASSERT_MOVES(p, LEN, self->dev);
		page[0] = p;
		page[1] = p + LEN - FT_PAGE;
		syscall(SYS_move_pages, 0, 2, page, NULL, status, 0);
		status[0] = 0;
		status[1] = 0;
		syscall(SYS_move_pages, 0, 2, page, status, status, 2);
		mincore(p, LEN, vec);
		syscall(SYS_get_mempolicy, &mode, NULL, 0, p, 3);
		syscall(SYS_mbind, p, LEN, 2 /* BIND */, &(unsigned long){ 1 },
			64, 2 /* MOVE */);
		ASSERT_DATA(p, LEN, 10);
		ASSERT_MOVES_BACK(p, LEN);
		ASSERT_DATA(p, LEN, 10);
	}
}

/* A core dump holds what the program had on the device. */
TEST_F(kind, core_dump)
{
	char *p = ft_map(LEN), old[128], path[64];
	size_t at, found = 0;
	struct ferry *f;
	pid_t child;
	char *core;
	FILE *file;
	long size;

	ASSERT_TRUE(ft_read_line("/proc/sys/kernel/core_pattern", old,
				 sizeof(old)));
	snprintf(path, sizeof(path), "/tmp/ferry-core.%d", getpid());
	ASSERT_EQ(0, ft_write_file("/proc/sys/kernel/core_pattern", "%s",
				   path));
	child = ft_fork();
	if (!child) {
		const struct rlimit unlimited = {
			RLIM_INFINITY, RLIM_INFINITY
		};

		setrlimit(RLIMIT_CORE, &unlimited);
		ft_fill(p, LEN, 11);
		if (ferry_open(self->dev, &f) ||
		    ft_moved(f, p, LEN, self->dev) != ft_pages(LEN))
			_exit(1);
		signal(SIGQUIT, SIG_DFL);
		raise(SIGQUIT);
		_exit(2);
	}
	ASSERT_EQ(128 + SIGQUIT, ft_reap(child));
	ASSERT_EQ(0, ft_write_file("/proc/sys/kernel/core_pattern", "%s",
				   old));

	file = fopen(path, "re");
	ASSERT_NE(NULL, file);
	ASSERT_EQ(0, unlink(path));
	ASSERT_EQ(0, fseek(file, 0, SEEK_END));
	size = ftell(file);
	ASSERT_LT((long)LEN, size);
	core = mmap(NULL, size, PROT_READ, MAP_SHARED, fileno(file), 0);
	ASSERT_NE(MAP_FAILED, core);
	/* The range lies in one piece, page-aligned. */
	for (at = 0; at + LEN <= (size_t)size && !found; at += FT_PAGE)
		if (*(uint64_t *)(core + at) == ft_word((uintptr_t)p, 11))
			found = ft_check_as(core + at, LEN, 11, p);
	ASSERT_EQ(LEN, found);
	fclose(file);
}

/* ---- many at once ---------------------------------------------------------- */

#define TOUCHERS	8

struct crowd {
	struct ferry *f;
	int dev;
	bool in_place;
	char *p;
	size_t len;
	bool stop;
	unsigned int ready;
	uint64_t wrong;
	uint64_t turns;
};

struct toucher {
	struct crowd *crowd;
	unsigned int id;
	uint64_t count;		/* what its own counters must hold */
};

/*
 * A page is 512 words: word 8 + 8 * id counts what thread id did there, all
 * others keep their pattern. Counters are not atomic: only their owner writes.
 */
static void *touch(void *arg)
{
	struct toucher *t = arg;
	struct crowd *c = t->crowd;
	uint64_t x = t->id * 7919 + 1;

	while (!__atomic_load_n(&c->stop, __ATOMIC_ACQUIRE)) {
		volatile uint64_t *page, w;
		size_t word;

		x = x * 6364136223846793005ULL + 1442695040888963407ULL;
		page = (uint64_t *)(c->p + (x >> 33) % ft_pages(c->len) *
				    FT_PAGE);
		page[8 + 8 * t->id]++;
		t->count++;
		word = 256 + (x >> 20) % 256;
		w = page[word];
		if (w != ft_word((uintptr_t)&page[word], 12))
			__atomic_add_fetch(&c->wrong, 1, __ATOMIC_RELAXED);
		__atomic_add_fetch(&c->turns, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void run_crowd(struct __test_metadata *_metadata, struct crowd *c,
		      bool huge, unsigned long rounds)
{
	struct toucher t[TOUCHERS];
	pthread_t thread[TOUCHERS];
	uint64_t sum, seen;
	unsigned long i;
	size_t page;
	unsigned int id;

	c->p = ft_map_kind(c->len, huge);
	ft_fill(c->p, c->len, 12);
	for (page = 0; page < c->len; page += FT_PAGE)
		for (id = 0; id < TOUCHERS; id++)
			((uint64_t *)(c->p + page))[8 + 8 * id] = 0;
	for (id = 0; id < TOUCHERS; id++) {
		t[id] = (struct toucher) { .crowd = c, .id = id };
		ASSERT_EQ(0, pthread_create(&thread[id], NULL, touch, &t[id]));
	}
	for (i = 0; i < rounds; i++) {
		size_t from = ft_below(ft_pages(c->len)) * FT_PAGE;

		/* What is used in place comes home only by a call. */
		if (c->in_place && i & 1)
			ft_move(c->f, c->p, c->len, FERRY_RAM);
		else if (i % 4)
			ft_move(c->f, c->p, c->len, c->dev);
		else
			ft_move(c->f, c->p + from, c->len - from, c->dev);
		/* Somebody gets on between two moves. */
		seen = __atomic_load_n(&c->turns, __ATOMIC_RELAXED);
		ASSERT_TRUE(ft_until(__atomic_load_n(&c->turns,
						     __ATOMIC_RELAXED) > seen,
				     60));
	}
	__atomic_store_n(&c->stop, true, __ATOMIC_RELEASE);
	for (id = 0; id < TOUCHERS; id++) {
		ASSERT_EQ(0, pthread_join(thread[id], NULL));
	}
	ASSERT_EQ(0, c->wrong);
	for (id = 0; id < TOUCHERS; id++) {
		sum = 0;
		for (page = 0; page < c->len; page += FT_PAGE)
			sum += ((uint64_t *)(c->p + page))[8 + 8 * id];
		ASSERT_EQ(t[id].count, sum);
	}
	/* Every other word. */
	for (page = 0; page < c->len; page += FT_PAGE) {
		for (id = 0; id < TOUCHERS; id++)
			((uint64_t *)(c->p + page))[8 + 8 * id] =
				ft_word((uintptr_t)c->p + page + 64 + 64 * id,
					12);
		ASSERT_DATA(c->p + page, FT_PAGE, 12);
	}
	ft_unmap(c->p, c->len);
}

TEST_F(kind, eight_touch_what_a_ninth_moves)
{
	struct crowd c = {
		.f = self->f,
		.dev = self->dev,
		.in_place = FT_IN_PLACE,
		.len = LEN,
	};

	run_crowd(_metadata, &c, false, FT_ROUNDS(30));
}

TEST_F(kind, eight_touch_huge)
{
	struct crowd c = {
		.f = self->f,
		.dev = self->dev,
		.in_place = FT_IN_PLACE,
		.len = 2 * LEN,
	};

	run_crowd(_metadata, &c, true, FT_ROUNDS(20));
}

struct herd {
	pthread_barrier_t start, end;
	char *p;
	size_t span;
	unsigned int rounds;
	uint64_t wrong;
};

struct beast {
	struct herd *herd;
	unsigned int id;
};

/* All at the same moment, each another page of one block. */
static void *stampede(void *arg)
{
	struct beast *b = arg;
	struct herd *h = b->herd;
	unsigned int i;

	for (i = 0; i < h->rounds; i++) {
		size_t at = (b->id + i) % TOUCHERS * (h->span / TOUCHERS);
		volatile uint64_t *w = (uint64_t *)(h->p + at);

		pthread_barrier_wait(&h->start);
		if (*w != ft_word((uintptr_t)w, 13))
			__atomic_add_fetch(&h->wrong, 1, __ATOMIC_RELAXED);
		if (i & 1)
			*w = *w;
		pthread_barrier_wait(&h->end);
	}
	return NULL;
}

TEST_F(kind, same_block_at_once)
{
	struct beast beast[TOUCHERS];
	pthread_t thread[TOUCHERS];
	unsigned int i, id;
	struct herd h;
	size_t span;

	/* One window; one 2 MiB folio; eight windows of small pages. */
	for (i = 0; i < 3; i++) {
		span = i ? FT_HUGE : self->window;
		h = (struct herd) {
			.p = ft_map_kind(FT_HUGE, i == 1),
			.span = span,
			.rounds = ft_loops(60),
		};
		ft_fill(h.p, FT_HUGE, 13);
		pthread_barrier_init(&h.start, NULL, TOUCHERS + 1);
		pthread_barrier_init(&h.end, NULL, TOUCHERS + 1);
		for (id = 0; id < TOUCHERS; id++) {
			beast[id] = (struct beast) { .herd = &h, .id = id };
			ASSERT_EQ(0, pthread_create(&thread[id], NULL,
						    stampede, &beast[id]));
		}
		for (unsigned int round = 0; round < h.rounds; round++) {
			ft_move(self->f, h.p, FT_HUGE,
				FT_IN_PLACE && round & 1 ? FERRY_RAM :
							   self->dev);
			pthread_barrier_wait(&h.start);
			pthread_barrier_wait(&h.end);
		}
		for (id = 0; id < TOUCHERS; id++) {
			ASSERT_EQ(0, pthread_join(thread[id], NULL));
		}
		ASSERT_EQ(0, h.wrong);
		ASSERT_DATA(h.p, FT_HUGE, 13);
		ft_unmap(h.p, FT_HUGE);
	}
}

/* Two movers pull the same pages in opposite directions, touchers watch. */
static void *pull(void *arg)
{
	struct crowd *c = arg;

	while (!__atomic_load_n(&c->stop, __ATOMIC_ACQUIRE))
		ft_move(c->f, c->p, c->len, FERRY_RAM);
	return NULL;
}

TEST_F(kind, tug_of_war)
{
	struct crowd c = { .f = self->f, .dev = self->dev, .len = LEN };
	pthread_t thread[2];
	unsigned long i;
	int huge;

	for (huge = 0; huge < 2; huge++) {
		c.p = ft_map_kind(LEN, huge);
		c.stop = false;
		ft_fill(c.p, LEN, 14);
		ASSERT_EQ(0, pthread_create(&thread[0], NULL, pull, &c));
		ASSERT_EQ(0, pthread_create(&thread[1], NULL, pull, &c));
		for (i = 0; i < ft_loops(10); i++) {
			ft_move(self->f, c.p, LEN, self->dev);
			if (self->peer >= 0)
				ft_move(self->f, c.p, LEN, self->peer);
		}
		__atomic_store_n(&c.stop, true, __ATOMIC_RELEASE);
		ASSERT_EQ(0, pthread_join(thread[0], NULL));
		ASSERT_EQ(0, pthread_join(thread[1], NULL));
		ASSERT_DATA(c.p, LEN, 14);
		ft_unmap(c.p, LEN);
	}
}

FERRY_TEST_MAIN
