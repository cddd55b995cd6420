// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes exit, unmap and exec while their pages are evicted. Nobody may walk
 * the reverse map of memory that has no process left; see eviction-race.rst. On
 * a kernel with KASAN the log would tell, and the log is read after each test.
 *
 * A test that never met an eviction has shown nothing: it counts how many ends
 * fell into one, and fails when none did.
 */
#include "ferry_fixture.h"

#include <signal.h>
#include <sys/prctl.h>

#define VICTIMS		16
#define SPAWNERS	3
#define MOVES		4096
#define SHARED		(64 * FT_PAGE)

/* How a victim leaves its memory. */
enum ending {
	END_EXIT,
	END_KILL,
	END_UNMAP,
	END_EXEC,
	END_HEIR,	/* a child goes on with the pages */
	ENDINGS
};

/* What the evictor and its victims both see. */
struct stage {
	uint32_t move;			/* which move is going on, or 0 */
	uint32_t ended[MOVES];		/* ends of victims during each move */
	uint32_t midway[MOVES];		/* of these, with a part already home */
	uint64_t ends;
	uint64_t bad;			/* bytes that an heir found wrong */
	bool stop;
};

/* What came of it, as the evictor sums it up. */
struct tally {
	uint64_t during;
	uint64_t midway;
	uint64_t evicted;
};

static struct stage *stage_new(void)
{
	struct stage *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (s == MAP_FAILED)
		ft_fatal("mmap: %s", strerror(errno));
	/* Heirs are waited for by the test when their parent is gone. */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1))
		ft_fatal("prctl: %s", strerror(errno));
	return s;
}

static size_t pages_present(const char *p, size_t len)
{
	size_t at, n = 0;

	for (at = 0; at < len; at += FT_PAGE)
		n += ft_present(p + at);
	return n;
}

/* The end is near: note what is going on at this moment. */
static void note_end(struct stage *s, const char *p, size_t len)
{
	size_t home = pages_present(p, len);
	uint32_t move = __atomic_load_n(&s->move, __ATOMIC_SEQ_CST);

	__atomic_fetch_add(&s->ends, 1, __ATOMIC_RELAXED);
	if (!move)
		return;
	__atomic_fetch_add(&s->ended[move % MOVES], 1, __ATOMIC_RELAXED);
	if (home && home < ft_pages(len))
		__atomic_fetch_add(&s->midway[move % MOVES], 1,
				   __ATOMIC_RELAXED);
}

/* The pages of a victim outlive it, in its child. */
static void leave_an_heir(struct stage *s, char *p, size_t len, uint64_t salt)
{
	pid_t pid = fork();

	if (pid < 0)
		_exit(1);
	if (pid)
		return;
	ft_sleep_ns(ft_below(20000000));
	if (ft_check(p, len, salt) != len)
		__atomic_fetch_add(&s->bad, 1, __ATOMIC_RELAXED);
	_exit(0);
}

static void __attribute__((noreturn))
end(struct stage *s, char *p, size_t len, enum ending how)
{
	note_end(s, p, len);
	if (how == END_KILL)
		kill(getpid(), SIGKILL);
	if (how == END_UNMAP)
		ft_unmap(p, len);
	if (how == END_EXEC)
		execl("/bin/true", "true", NULL);
	_exit(0);
}

static int end_status(enum ending how)
{
	return how == END_KILL ? 128 + SIGKILL : 0;
}

/*
 * A victim's memory is its own mapping, so that its anon_vma goes with it. With
 * the context closed, eviction takes its pages before those of others.
 */
static char *victim_memory(int dev, size_t *len, bool huge, uint64_t salt)
{
	struct ferry *f;
	char *p;

	*len = huge ? FT_HUGE : FT_PAGE * (8 + ft_below(56));
	p = ft_map_kind(*len, huge);
	ft_fill(p, *len, salt);
	if (ferry_open(dev, &f))
		_exit(1);
	ft_move(f, p, *len, dev);
	ferry_close(f);
	return p;
}

/* One move that evicts; how long it took. */
static uint64_t evict(FIXTURE_DATA(kind) *self, struct stage *s,
		      struct tally *t, char *p, size_t len, uint32_t move)
{
	uint64_t evicted = ft_counter(self->f, FERRY_C_EVICTED_PAGES);
	uint64_t start = ft_now_ns(), took;
	uint32_t i = move % MOVES;

	__atomic_store_n(&s->ended[i], 0, __ATOMIC_RELAXED);
	__atomic_store_n(&s->midway[i], 0, __ATOMIC_RELAXED);
	__atomic_store_n(&s->move, move, __ATOMIC_SEQ_CST);
	ft_move(self->f, p, len, self->dev);
	__atomic_store_n(&s->move, 0, __ATOMIC_SEQ_CST);
	took = ft_now_ns() - start;
	evicted = ft_counter(self->f, FERRY_C_EVICTED_PAGES) - evicted;
	t->evicted += evicted;
	if (evicted) {
		t->during += __atomic_load_n(&s->ended[i], __ATOMIC_RELAXED);
		t->midway += __atomic_load_n(&s->midway[i], __ATOMIC_RELAXED);
	}
	return took;
}

/* Children do not get it: with many mappings of each page it takes for ever. */
static char *fill_device(FIXTURE_DATA(kind) *self, uint64_t salt)
{
	char *p = ft_map_huge(self->vram);

	if (madvise(p, self->vram, MADV_DONTFORK))
		ft_fatal("madvise: %s", strerror(errno));
	ft_fill(p, self->vram, salt);
	ft_move(self->f, p, self->vram, self->dev);
	return p;
}

static void reap_heirs(struct __test_metadata *_metadata, unsigned int heirs)
{
	while (heirs--) {
		ASSERT_EQ(0, ft_reap(-1));
	}
}

static void report(struct __test_metadata *_metadata, struct stage *s,
		   const struct tally *t)
{
	TH_LOG("%llu ends, %llu during an eviction (%llu with a part of their pages home), %llu pages evicted",
	       (unsigned long long)s->ends, (unsigned long long)t->during,
	       (unsigned long long)t->midway, (unsigned long long)t->evicted);
	ASSERT_EQ(0, s->bad);
	ASSERT_LT(0, t->during);
}

/*
 * Rounds: all victims are on the device, then they go, each at some moment of
 * the eviction that takes their pages. A little memory is shared by all of them.
 */
TEST_F_TIMEOUT(kind, rounds, 1800)
{
	const unsigned long rounds = ft_loops(12);
	struct stage *s = stage_new();
	char *mine = fill_device(self, 1), *shared = ft_map(SHARED);
	uint64_t took = 10000000;
	struct tally t = {};
	unsigned long round;
	unsigned int i;

	ft_fill(shared, SHARED, 4);
	for (round = 1; round <= rounds; round++) {
		enum ending how[VICTIMS];
		struct ft_turn ready, go;
		pid_t victim[VICTIMS];
		unsigned int heirs = 0;

		ft_turn_init(&ready);
		ft_turn_init(&go);
		ft_move(self->f, shared, SHARED, self->dev);
		for (i = 0; i < VICTIMS; i++) {
			how[i] = ft_below(ENDINGS);
			heirs += how[i] == END_HEIR;
			victim[i] = ft_fork();
			if (!victim[i]) {
				size_t len;
				char *p;

				ft_reseed(round * VICTIMS + i);
				p = victim_memory(self->dev, &len,
						  !ft_below(16), round + i);
				ft_turn_give(&ready);
				ft_turn_take(&go);
				ft_sleep_ns(ft_below(took));
				if (how[i] == END_HEIR)
					leave_an_heir(s, p, len, round + i);
				end(s, p, len, how[i]);
			}
		}
		for (i = 0; i < VICTIMS; i++)
			ft_turn_take(&ready);
		for (i = 0; i < VICTIMS; i++)
			ft_turn_give(&go);
		/* Full again: what the victims have must leave. */
		took = evict(self, s, &t, mine, self->vram, round);
		for (i = 0; i < VICTIMS; i++) {
			ASSERT_EQ(end_status(how[i]), ft_reap(victim[i]));
		}
		reap_heirs(_metadata, heirs);
		close(ready.fd[0]);
		close(ready.fd[1]);
		close(go.fd[0]);
		close(go.fd[1]);
		/* A part of the survivors, to keep the time of this in bounds. */
		i = ft_below(self->vram / FT_HUGE);
		ASSERT_DATA(mine + i * FT_HUGE, FT_HUGE, 1);
		ASSERT_DATA(shared, SHARED, 4);
	}
	ASSERT_DATA(mine, self->vram, 1);
	report(_metadata, s, &t);
}

/* One victim after the other, until the test is over. */
static void __attribute__((noreturn))
spawn(FIXTURE_DATA(kind) *self, struct stage *s, unsigned int number)
{
	unsigned long i;

	ft_reseed(number);
	for (i = 0; !__atomic_load_n(&s->stop, __ATOMIC_RELAXED); i++) {
		enum ending how = ft_below(END_HEIR);
		uint64_t life = ft_below(10000000), salt = ft_random();
		bool huge = !ft_below(16);
		pid_t pid = ft_fork();

		if (!pid) {
			size_t len;
			char *p = victim_memory(self->dev, &len, huge, salt);

			ft_sleep_ns(life);
			end(s, p, len, how);
		}
		if (ft_reap(pid) != end_status(how))
			_exit(1);
	}
	_exit(0);
}

/*
 * Victims come and go as they like, while more than the device holds goes round
 * and round. A part of that is shared with a bystander.
 */
TEST_F_TIMEOUT(kind, storm, 1800)
{
	const size_t len = self->vram / 8;
	const unsigned long moves = ft_loops(60);
	struct stage *s = stage_new();
	char *first = fill_device(self, 2), *second = ft_map_huge(len);
	pid_t spawner[SPAWNERS], bystander;
	struct ft_turn over;
	struct tally t = {};
	unsigned long i;

	ft_fill(second, len, 3);
	ft_turn_init(&over);
	bystander = ft_fork();
	if (!bystander) {
		ft_turn_take(&over);
		ASSERT_DATA(second, len, 3);
		_exit(0);
	}
	ASSERT_EQ(0, madvise(second, len, MADV_DONTFORK));
	for (i = 0; i < SPAWNERS; i++) {
		spawner[i] = ft_fork();
		if (!spawner[i])
			spawn(self, s, i);
	}
	for (i = 1; i <= moves; i++) {
		char *p = i % 9 ? first + (i % 9 - 1) * len : second;

		evict(self, s, &t, p, len, i);
	}
	s->stop = true;
	for (i = 0; i < SPAWNERS; i++) {
		ASSERT_EQ(0, ft_reap(spawner[i]));
	}
	ASSERT_DATA(first, self->vram, 2);
	ft_turn_give(&over);
	ASSERT_EQ(0, ft_reap(bystander));
	ASSERT_DATA(second, len, 3);
	report(_metadata, s, &t);
}

FERRY_TEST_MAIN
