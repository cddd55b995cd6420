// SPDX-License-Identifier: GPL-2.0-only
/*
 * Everything at once: processes with threads, each with memory of its own and
 * a model of what every page of it holds, do at random what a program can do
 * to pages, on devices that cannot hold it all. What a page holds is compared
 * before it changes, and all of it at the end.
 *
 * FERRY_SEED chooses what each thread does; how threads meet is up to the
 * machine.
 */
#include "ferry_fixture.h"

#include <signal.h>
#include <sys/mman.h>

#define PROCESSES	3
#define THREADS		2
#define STEPS		120
#define PAGES		6144UL
#define LEN		(PAGES * FT_PAGE)
#define ZEROS_CRC	0x98f94189U	/* of a page */

/* What one thread knows of its memory. */
struct sea {
	struct ferry *f[2];		/* on both devices, or twice on one */
	int dev[2];
	char *p;			/* where it is now */
	char *quay;			/* a page for the engine to copy from */
	uint64_t name;			/* its pattern's addresses begin here */
	uint64_t seed;			/* of its own chances */
	uint32_t salt[PAGES];		/* of a page; 0 is a page of zeros */
	unsigned long steps;		/* how many, and at which it is */
	unsigned long now;
	unsigned int wrong;
};

/* ft_random() is for one thread. */
static uint64_t chance(struct sea *s, uint64_t below)
{
	return ft_random_from(&s->seed) % below;
}

static const void *as(struct sea *s, size_t page)
{
	return (void *)(s->name + page * FT_PAGE);
}

static void wrong(struct sea *s, size_t page, const char *when)
{
	fprintf(stderr, "# memory %llx, step %lu: page %zu, salt %u, %s\n",
		(unsigned long long)s->name, s->now, page, s->salt[page], when);
	s->wrong++;
}

static void look(struct sea *s, size_t from, size_t n, const char *when)
{
	size_t i, good;

	for (i = from; i < from + n; i++) {
		const char *p = s->p + i * FT_PAGE;

		good = s->salt[i] ?
		       ft_check_as(p, FT_PAGE, s->salt[i], as(s, i)) :
		       ft_check_zero(p, FT_PAGE);
		if (good != FT_PAGE)
			wrong(s, i, when);
	}
}

/* The engine's answer for one page. */
static void look_by_engine(struct sea *s, size_t page)
{
	uint32_t want;
	int fd = ferry_fd(s->f[chance(s, 2)]);

	want = s->salt[page] ? ft_crc_of(as(s, page), FT_PAGE, s->salt[page]) :
			       ZEROS_CRC;
	if (ft_dev_crc32c(fd, s->p + page * FT_PAGE, FT_PAGE) != want)
		wrong(s, page, "by the engine");
}

static void write_by_cpu(struct sea *s, size_t from, size_t n, uint32_t salt)
{
	size_t i;

	for (i = from; i < from + n; i++) {
		ft_fill_as(s->p + i * FT_PAGE, FT_PAGE, salt, as(s, i));
		s->salt[i] = salt;
	}
}

static void write_by_engine(struct sea *s, size_t page, uint32_t salt)
{
	int fd = ferry_fd(s->f[chance(s, 2)]);

	ft_fill_as(s->quay, FT_PAGE, salt, as(s, page));
	if (ft_dev_copy(fd, s->p + page * FT_PAGE, s->quay, FT_PAGE))
		ft_fatal("copy failed");
	s->salt[page] = salt;
}

static void must(int ret, const char *what)
{
	if (ret)
		ft_fatal("%s: %s", what, strerror(errno));
}

static void drop(struct sea *s, size_t from, size_t n)
{
	must(madvise(s->p + from * FT_PAGE, n * FT_PAGE, MADV_DONTNEED),
	     "MADV_DONTNEED");
	memset(&s->salt[from], 0, n * sizeof(s->salt[0]));
}

/* A new mapping in the place of a part of the old one. */
static void replace(struct sea *s, size_t from, size_t n)
{
	char *p = s->p + from * FT_PAGE;

	if (mmap(p, n * FT_PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != p)
		ft_fatal("mmap: %s", strerror(errno));
	memset(&s->salt[from], 0, n * sizeof(s->salt[0]));
}

/*
 * All of it to another place. By pieces: mremap moves one VMA at a time, and
 * other steps have made many of them.
 */
static void sail(struct sea *s)
{
	char *to = ft_map(LEN);
	size_t at;

	for (at = 0; at < LEN; at += FT_PAGE)
		if (mremap(s->p + at, FT_PAGE, FT_PAGE,
			   MREMAP_MAYMOVE | MREMAP_FIXED, to + at) != to + at)
			ft_fatal("mremap: %s", strerror(errno));
	s->p = to;
}

/* A piece of 2 MiB, if it is one VMA, moves in one go. */
static void sail_some(struct sea *s)
{
	char *to = ft_map(FT_HUGE);
	size_t at = chance(s, LEN / FT_HUGE) * FT_HUGE;
	char *p = s->p + at;

	if (mremap(p, FT_HUGE, FT_HUGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) !=
	    to)
		ft_unmap(to, FT_HUGE);
	else if (mremap(to, FT_HUGE, FT_HUGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			p) != p)
		ft_fatal("mremap: %s", strerror(errno));
}

/* A child sees the same, changes it for itself, and goes at some moment. */
static void spawn(struct sea *s, size_t from, size_t n, uint32_t salt)
{
	bool killed = chance(s, 2);
	pid_t child = ft_fork();
	int status;

	if (!child) {
		look(s, from, n, "in a child");
		write_by_cpu(s, from, n / 2, salt);
		look(s, from, n, "in a child that wrote");
		_exit(s->wrong != 0);
	}
	if (killed)
		kill(child, SIGKILL);
	else
		write_by_cpu(s, from + n / 2, n - n / 2, salt);
	status = ft_reap(child);
	if (status && !(killed && status == 128 + SIGKILL))
		wrong(s, from, "a child ended badly");
}

static void step(struct sea *s, uint32_t salt)
{
	size_t from = chance(s, PAGES), n = 1 + chance(s, 64), k;
	char *p;

	if (!chance(s, 4))
		n = 1 + chance(s, PAGES / 4);
	if (n > PAGES - from)
		n = PAGES - from;
	p = s->p + from * FT_PAGE;
	k = chance(s, 2);
	switch (chance(s, 20)) {
	case 0:
	case 1:
	case 2:
		ft_move(s->f[k], p, n * FT_PAGE, s->dev[k]);
		break;
	case 3:
		ft_move(s->f[k], p, n * FT_PAGE, FERRY_RAM);
		break;
	case 4:
		ft_move_flags(s->f[k], p, n * FT_PAGE, s->dev[!k],
			      chance(s, FERRY_MIGRATE_FLAGS + 1));
		break;
	case 5:
	case 6:
		look(s, from, n, "before a write");
		write_by_cpu(s, from, n, salt);
		break;
	case 7:
	case 8:
		write_by_engine(s, from, salt);
		break;
	case 9:
	case 10:
		look_by_engine(s, from);
		break;
	case 11:
		look(s, from, n, "by the CPU");
		break;
	case 12:
		drop(s, from, n);
		break;
	case 13:
		replace(s, from, n);
		break;
	case 14:
		must(mprotect(p, n * FT_PAGE, PROT_READ), "mprotect");
		look(s, from, n, "read only");
		must(mprotect(p, n * FT_PAGE, PROT_READ | PROT_WRITE),
		     "mprotect");
		break;
	case 15:
		madvise(p, n * FT_PAGE, k ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
		break;
	case 16:
		madvise(p, n * FT_PAGE, k ? MADV_COLLAPSE : MADV_PAGEOUT);
		break;
	case 17:
		must(mlock(p, n * FT_PAGE), "mlock");
		look(s, from, n, "locked");
		must(munlock(p, n * FT_PAGE), "munlock");
		break;
	case 18:
		if (chance(s, 8))
			sail_some(s);
		else
			sail(s);
		break;
	case 19:
		spawn(s, from, n > 256 ? 256 : n, salt);
		break;
	}
}

static void *storm(void *arg)
{
	struct sea *s = arg;

	s->p = ft_map(LEN);
	s->quay = ft_map(FT_PAGE);
	must(madvise(s->p, LEN / 2, MADV_HUGEPAGE), "madvise");
	for (s->now = 1; s->now <= s->steps && !s->wrong; s->now++)
		step(s, s->now);
	look(s, 0, PAGES, "at the end");
	return NULL;
}

static void one_process(struct __test_metadata *_metadata,
			FIXTURE_DATA(kind) *self, int number)
{
	struct sea *s = calloc(THREADS, sizeof(*s));
	pthread_t thread[THREADS];
	int t;

	ASSERT_NE(NULL, s);
	ft_reseed(number);
	for (t = 0; t < THREADS; t++) {
		s[t].dev[0] = self->dev;
		s[t].dev[1] = self->peer >= 0 ? self->peer : self->dev;
		s[t].name = (number * THREADS + t + 1ULL) << 40;
		s[t].seed = ft_random();
		s[t].steps = ft_loops(STEPS);
		ASSERT_EQ(0, ferry_open(s[t].dev[0], &s[t].f[0]));
		ASSERT_EQ(0, ferry_open(s[t].dev[1], &s[t].f[1]));
	}
	for (t = 0; t < THREADS; t++) {
		ASSERT_EQ(0, pthread_create(&thread[t], NULL, storm, &s[t]));
	}
	for (t = 0; t < THREADS; t++) {
		ASSERT_EQ(0, pthread_join(thread[t], NULL));
		ASSERT_EQ(0, s[t].wrong);
		ferry_close(s[t].f[0]);
		ferry_close(s[t].f[1]);
	}
}

TEST_F_TIMEOUT(kind, storm, 1200)
{
	pid_t child[PROCESSES];
	int i;

	ASSERT_EQ(ZEROS_CRC, ft_crc32c(ft_map(FT_PAGE), FT_PAGE));
	ft_swap_on();
	for (i = 0; i < PROCESSES; i++) {
		child[i] = ft_fork();
		if (!child[i]) {
			one_process(_metadata, self, i);
			_exit(0);
		}
	}
	for (i = 0; i < PROCESSES; i++) {
		ASSERT_EQ(0, ft_reap(child[i]));
	}
	ft_swap_off();
}

FERRY_TEST_MAIN
