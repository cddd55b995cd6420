// SPDX-License-Identifier: GPL-2.0-only
/*
 * Several devices and several processes: pages go straight from one device to
 * another, each engine reaches what is on the other device, and contexts of
 * one process and of many share a device.
 */
#include "ferry_fixture.h"

#define LEN	(2 * FT_HUGE)

TEST_F(kind, device_to_device)
{
	uint64_t peer, bytes;
	struct ferry_moved m;
	struct ferry *other;
	char *p;
	int huge;

	FT_NEED_PEER();
	ASSERT_EQ(0, ferry_open(self->peer, &other));
	for (huge = 0; huge < 2; huge++) {
		p = ft_map_kind(LEN, huge);
		ft_fill(p, LEN, 1);
		ASSERT_MOVES(p, LEN, self->dev);

		/* No stop in RAM: the peers' own counters move. */
		peer = ft_counter(other, FERRY_C_PEER_PAGES);
		bytes = ft_counter(other, FERRY_C_BYTES_PEER);
		m = ft_move(self->f, p, LEN, self->peer);
		ASSERT_EQ(ft_pages(LEN), m.moved);
		ASSERT_EQ(huge && FT_HAS_HUGE ? 2 : 0, m.huge);
		ASSERT_EQ(peer + ft_pages(LEN),
			  ft_counter(other, FERRY_C_PEER_PAGES));
		ASSERT_EQ(bytes + LEN, ft_counter(other, FERRY_C_BYTES_PEER));
		ASSERT_WHERE(p, LEN, self->peer);
		ASSERT_EQ(huge && FT_HAS_HUGE ? ft_pages(LEN) : 0,
			  ft_count_huge(self->f, p, LEN, self->peer));
		ASSERT_EQ(self->used + ft_pages(LEN), ft_used_all());

		/* By the other context, back, and home. */
		ASSERT_EQ(ft_crc_of(p, LEN, 1),
			  ft_dev_crc32c(ferry_fd(other), p, LEN));
		ASSERT_EQ(ft_pages(LEN), ft_moved(other, p, LEN, self->dev));
		ASSERT_WHERE(p, LEN, self->dev);
		ASSERT_MOVES(p, LEN, self->peer);
		ASSERT_MOVES(p, LEN, FERRY_RAM);
		ASSERT_DATA(p, LEN, 1);
		ft_unmap(p, LEN);
	}
	ferry_close(other);
}

/* A device of the other kind. */
static int other_kind(enum ferry_kind kind)
{
	int dev;

	if (!ft_devices(kind == FERRY_KIND_PRIVATE ? FERRY_KIND_COHERENT :
						     FERRY_KIND_PRIVATE,
			&dev, 1))
		ft_fatal("no device of the other kind");
	return dev;
}

/*
 * Between kinds there is no stop in RAM either. Frames of 2 MiB are split when
 * they get to coherent memory, and do not grow together again.
 */
TEST_F(kind, other_kind)
{
	const int far = other_kind(variant->kind);
	const int place[] = { far, self->dev, far, self->dev };
	uint64_t used, split[2], faults;
	struct ferry_moved m;
	struct ferry *other;
	size_t i;
	char *p;
	int huge;

	ASSERT_EQ(0, ferry_open(far, &other));
	for (huge = 0; huge < 2; huge++) {
		p = ft_map_kind(LEN, huge);
		ft_fill(p, LEN, 10);
		ASSERT_MOVES(p, LEN, self->dev);
		used = ft_used_all();
		split[0] = ft_counter(self->f, FERRY_C_SPLIT_HUGE);
		split[1] = ft_counter(other, FERRY_C_SPLIT_HUGE);
		for (i = 0; i < ARRAY_SIZE(place); i++) {
			struct ferry *to = place[i] == far ? other : self->f;
			uint64_t pages = ft_counter(to, FERRY_C_PEER_PAGES);
			uint64_t bytes = ft_counter(to, FERRY_C_BYTES_PEER);

			m = ft_move(self->f, p, LEN, place[i]);
			ASSERT_EQ(ft_pages(LEN), m.moved)
				ft_print_reasons(&m);
			ASSERT_EQ(0, m.huge);
			ASSERT_WHERE(p, LEN, place[i]);
			ASSERT_EQ(0, ft_count_huge(self->f, p, LEN, place[i]));
			ASSERT_EQ(used, ft_used_all());
			ASSERT_EQ(pages + ft_pages(LEN),
				  ft_counter(to, FERRY_C_PEER_PAGES));
			ASSERT_EQ(bytes + LEN,
				  ft_counter(to, FERRY_C_BYTES_PEER));
			ASSERT_EQ(ft_crc_of(p, LEN, 10),
				  ft_dev_crc32c(ferry_fd(to), p, LEN));
			ASSERT_WHERE(p, LEN, place[i]);
		}
		/* Counted by the device that had it, and by the one that has not. */
		if (huge && FT_HAS_HUGE) {
			split[0] += LEN / FT_HUGE;
			split[1] += LEN / FT_HUGE;
		}
		ASSERT_EQ(split[0], ft_counter(self->f, FERRY_C_SPLIT_HUGE));
		ASSERT_EQ(split[1], ft_counter(other, FERRY_C_SPLIT_HUGE));
		/* Each engine reaches what the other device has. */
		ASSERT_EQ(ft_crc_of(p, LEN, 10),
			  ft_dev_crc32c(ferry_fd(other), p, LEN));
		ASSERT_DEV_DATA(p, LEN, 10);
		/* Where the CPU uses it in place, its writes go along. */
		faults = ft_coherent_faults();
		ft_fill(p, LEN / 2, 11);
		ft_move(self->f, p, LEN, far);
		ft_fill(p + LEN / 4, LEN / 4, 12);
		ft_move(self->f, p, LEN, self->dev);
		ASSERT_WHERE(p, LEN, self->dev);
		ASSERT_DATA(p, LEN / 4, 11);
		ASSERT_DATA(p + LEN / 4, LEN / 4, 12);
		ASSERT_DATA(p + LEN / 2, LEN / 2, 10);
		ASSERT_EQ(faults, ft_coherent_faults());
		ft_unmap(p, LEN);
	}
	ferry_close(other);
}

/* Mixed sources of one call: RAM, here, there, holes. */
TEST_F(kind, mixed_sources)
{
	const size_t q = LEN / 4;
	struct ferry_moved m;
	char *p;
	int huge;

	FT_NEED_PEER();
	for (huge = 0; huge < 2; huge++) {
		p = ft_map_kind(LEN, huge);
		ft_fill(p, 3 * q, 2);
		ASSERT_MOVES(p, q, self->dev);
		ASSERT_MOVES(p + q, q, self->peer);
		m = ft_move(self->f, p, LEN, self->peer);
		ASSERT_EQ(ft_pages(LEN - q), m.moved);
		ASSERT_EQ(ft_pages(q), m.reasons[FERRY_REASON_RESIDENT]);
		ASSERT_WHERE(p, LEN, self->peer);
		ASSERT_DATA(p, 3 * q, 2);
		ASSERT_ZERO(p + 3 * q, q);
		ft_unmap(p, LEN);
	}
}

/* The engine of one device works on pages of the other. */
TEST_F(kind, engine_reaches_peer)
{
	char *p, *q;
	int huge;

	FT_NEED_PEER();
	for (huge = 0; huge < 2; huge++) {
		p = ft_map_kind(LEN, huge);
		q = ft_map_kind(LEN, huge);
		ft_fill(p, LEN, 3);
		ft_fill(q, LEN, 4);
		ASSERT_MOVES(p, LEN, self->peer);
		ASSERT_MOVES(q, LEN, self->dev);
		ASSERT_EQ(0, ft_dev_copy(self->fd, q, p, LEN));
		ASSERT_EQ(0, ft_dev_fill(self->fd, p, 0, LEN / 2));
		ASSERT_EQ(LEN, ft_check_as(q, LEN, 3, p));
		ASSERT_ZERO(p, LEN / 2);
		ASSERT_DATA(p + LEN / 2, LEN / 2, 3);
		ft_unmap(p, LEN);
		ft_unmap(q, LEN);
	}
}

/* Both engines at one counter. */
struct adder {
	int fd;
	uint64_t *p;
	unsigned long n;
};

static void *add(void *arg)
{
	struct adder *a = arg;
	struct ferry_cmd c = {
		.op = FERRY_OP_ADD64,
		.dst = (uintptr_t)a->p,
		.arg0 = 1,
	};
	unsigned long i;

	for (i = 0; i < a->n; i++)
		if (ft_run(a->fd, &c, 1, NULL, NULL))
			ft_fatal("ADD64 failed");
	return NULL;
}

TEST_F(kind, both_engines_add)
{
	uint64_t *p = ft_map(FT_PAGE);
	struct ferry *other;
	struct adder a[2];
	pthread_t thread[2];
	int i;

	FT_NEED_PEER();
	ASSERT_EQ(0, ferry_open(self->peer, &other));
	for (i = 0; i < 2; i++) {
		a[i] = (struct adder) {
			.fd = i ? ferry_fd(other) : self->fd,
			.p = p,
			.n = ft_loops(200),
		};
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, add, &a[i]));
	}
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, pthread_join(thread[i], NULL));
	}
	ASSERT_EQ(2 * ft_loops(200), *p);
	ferry_close(other);
}

/* Two devices pull at the same pages. */
static void *pull(void *arg)
{
	struct adder *a = arg;
	unsigned long i;
	struct ferry *f;

	if (ferry_open(a->fd, &f))
		ft_fatal("no context");
	for (i = 0; i < a->n; i++)
		ft_move(f, a->p, LEN, a->fd);
	ferry_close(f);
	return NULL;
}

static void pull_from_both(struct __test_metadata *_metadata,
			   FIXTURE_DATA(kind) *self, int other,
			   unsigned long rounds)
{
	pthread_t thread[2];
	struct adder a[2];
	char *p;
	int i, huge;

	for (huge = 0; huge < 2; huge++) {
		p = ft_map_kind(LEN, huge);
		ft_fill(p, LEN, 5);
		for (i = 0; i < 2; i++) {
			a[i] = (struct adder) {
				.fd = i ? other : self->dev,
				.p = (uint64_t *)p,
				.n = rounds,
			};
			ASSERT_EQ(0, pthread_create(&thread[i], NULL, pull,
						    &a[i]));
		}
		for (i = 0; i < 2; i++) {
			ASSERT_EQ(0, pthread_join(thread[i], NULL));
		}
		ASSERT_EQ(0, ft_count(self->f, p, LEN, FERRY_NOWHERE));
		ASSERT_DATA(p, LEN, 5);
		ft_unmap(p, LEN);
	}
}

TEST_F(kind, both_pull)
{
	FT_NEED_PEER();
	pull_from_both(_metadata, self, self->peer, FT_ROUNDS(30));
}

TEST_F(kind, both_kinds_pull)
{
	pull_from_both(_metadata, self, other_kind(variant->kind),
		       FT_ROUNDS(10));
}

/* Several contexts of one process on one device: the same address space. */
TEST_F(kind, contexts_of_one_process)
{
	struct ferry *f[4];
	char *p = ft_map(LEN);
	size_t i;

	ft_fill(p, LEN, 6);
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, ferry_open(self->dev, &f[i]));
	}
	ASSERT_EQ(ft_pages(LEN), ft_moved(f[0], p, LEN, self->dev));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(ft_pages(LEN), ft_count(f[i], p, LEN, self->dev));
		ASSERT_EQ(ft_crc_of(p, LEN, 6),
			  ft_dev_crc32c(ferry_fd(f[i]), p, LEN));
	}
	/* Where one writes the others read. */
	ASSERT_EQ(0, ft_dev_fill(ferry_fd(f[1]), p, 0, FT_PAGE));
	ASSERT_TRUE(ft_dev_zero(ferry_fd(f[2]), p, FT_PAGE));
	/* The mapping of each goes when the pages go. */
	ASSERT_EQ(ft_pages(LEN), ft_moved(f[3], p, LEN, FERRY_RAM));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, ft_count_flags(f[i], p, LEN, FERRY_PAGE_MIRRORED));
	}
	ft_fill(p, LEN, 7);
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(ft_crc_of(p, LEN, 7),
			  ft_dev_crc32c(ferry_fd(f[i]), p, LEN));
		ferry_close(f[i]);
	}
	/* The pages outlive the contexts. */
	ASSERT_EQ(ft_pages(LEN), ft_count_devices(self->f, p, LEN));
	ASSERT_DATA(p, LEN, 7);
}

/* Processes on one device do not see each other, whatever they do. */
TEST_F(kind, processes)
{
	pid_t child[4];
	unsigned long i;
	struct ferry *f;
	char *p;
	int c;

	for (c = 0; c < 4; c++) {
		child[c] = ft_fork();
		if (child[c])
			continue;
		ft_reseed(c);
		ASSERT_EQ(0, ferry_open(self->dev, &f));
		/* The same addresses in each of them. */
		p = mmap((void *)0x600000000000UL, LEN, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
			 -1, 0);
		ASSERT_EQ((void *)0x600000000000UL, p);
		for (i = 0; i < ft_loops(6); i++) {
			ft_fill(p, LEN, 8 + c);
			/* Where the CPU uses it in place, it stays there. */
			ASSERT_EQ(i && FT_IN_PLACE ? 0 : ft_pages(LEN),
				  ft_moved(f, p, LEN, self->dev));
			ASSERT_EQ(ft_pages(LEN), ft_count(f, p, LEN,
							  self->dev));
			ASSERT_EQ(ft_crc_of(p, LEN, 8 + c),
				  ft_dev_crc32c(ferry_fd(f), p, LEN));
			ASSERT_EQ(0, ft_dev_fill(ferry_fd(f), p, c, FT_PAGE));
			ASSERT_EQ(c, *(uint64_t *)p);
			ASSERT_DATA(p + FT_PAGE, LEN - FT_PAGE, 8 + c);
		}
		_exit(0);
	}
	for (c = 0; c < 4; c++) {
		ASSERT_EQ(0, ft_reap(child[c]));
	}
}

/* Opening and closing in quick succession, with work in flight. */
TEST_F(kind, open_and_close)
{
	uint64_t *cell = ft_map(FT_PAGE), seq;
	struct ferry_cmd c = ft_endless(cell);
	char *p = ft_map(LEN);
	unsigned long i;
	int fd;

	ft_fill(p, LEN, 9);
	for (i = 0; i < ft_loops(50); i++) {
		fd = ft_open(self->dev);
		ASSERT_LE(0, fd);
		if (i & 1) {
			ASSERT_EQ(0, ft_submit(fd, &c, 1, -1, &seq));
		}
		if (i & 2) {
			struct ferry_migrate m = {
				.size = sizeof(m),
				.addr = (uintptr_t)p,
				.len = LEN,
				.dst = i & 4 ? self->dev : FERRY_RAM,
			};

			ASSERT_EQ(0, ft_ioctl(fd, FERRY_IOC_MIGRATE, &m));
		}
		close(fd);
	}
	ASSERT_DATA(p, LEN, 9);
}

FERRY_TEST_MAIN
