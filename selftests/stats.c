// SPDX-License-Identifier: GPL-2.0-only
/*
 * What can be observed: info, residency flags, counters, histograms, sysfs,
 * debugfs, tracepoints; each tells what has really happened.
 */
#include "ferry_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#define LEN	FT_HUGE
#define CLASS	"/sys/class/ferry/"

static const char *attribute(int device, const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), CLASS "ferry%d/%s", device, name);
	return path;
}

TEST_F(kind, info)
{
	struct ferry_info info;

	ASSERT_EQ(0, ferry_get_info(self->f, &info));
	ASSERT_EQ(sizeof(info), info.size);
	ASSERT_EQ(FERRY_ABI_VERSION, info.abi);
	ASSERT_EQ(self->dev, info.device);
	ASSERT_EQ(variant->kind, info.kind);
	ASSERT_EQ(ferry_device_count(), (int)info.devices);
	ASSERT_EQ(FT_PAGE, info.page_size);
	ASSERT_EQ(9, info.max_order);
	ASSERT_EQ(0, info.vram_bytes % FT_HUGE);
	ASSERT_LE(info.free_bytes, info.vram_bytes);
	ASSERT_LT(0, info.granule);
	ASSERT_EQ(0, info.granule & (info.granule - 1));
	ASSERT_EQ(0, info.fault_window & (info.fault_window - 1));
	ASSERT_EQ(0, info.reserved[0]);
	ASSERT_EQ(0, info.reserved[1]);
}

/* As large as the runner asked for. */
TEST_F(kind, capacity)
{
	struct ferry_info info;
	char *p = ft_map(LEN);
	uint64_t bytes;

	/* Those in RAM have the first numbers; the others are of PCI. */
	bytes = FT_MIB * ft_parameter(self->dev < ft_parameter("devices") ?
				      "vram" : "pci_vram");
	ASSERT_LT(0, bytes);
	ASSERT_EQ(0, ferry_get_info(self->f, &info));
	ASSERT_EQ(bytes, info.vram_bytes);
	ASSERT_EQ(info.vram_bytes - self->used * FT_PAGE, info.free_bytes);
	ASSERT_MOVES(p, LEN, self->dev);
	ASSERT_EQ(0, ferry_get_info(self->f, &info));
	ASSERT_EQ(info.vram_bytes - self->used * FT_PAGE - LEN,
		  info.free_bytes);
	/* Capacity is fixed. */
	ASSERT_EQ(bytes, info.vram_bytes);
}

TEST_F(kind, sysfs)
{
	static const char * const kinds[] = { "private", "coherent", "p2p" };
	unsigned long runs, free, order;
	char line[256], *at, *end;
	char *p = ft_map(LEN);

	ASSERT_TRUE(ft_read_line(attribute(self->dev, "kind"), line,
				 sizeof(line)));
	ASSERT_STREQ(kinds[variant->kind], line);
	ASSERT_EQ((long long)self->vram,
		  ft_read_number(attribute(self->dev, "size")));
	ASSERT_EQ((long long)(self->vram - self->used * FT_PAGE),
		  ft_read_number(attribute(self->dev, "free")));
	ASSERT_MOVES(p + FT_PAGE, 3 * FT_PAGE, self->dev);
	ASSERT_EQ((long long)(self->vram - (self->used + 3) * FT_PAGE),
		  ft_read_number(attribute(self->dev, "free")));

	/* Free runs by order add up to what is free. */
	ASSERT_TRUE(ft_read_line(attribute(self->dev, "orders"), line,
				 sizeof(line)));
	for (at = line, order = 0, free = 0; ; order++, at = end) {
		runs = strtoul(at, &end, 10);
		if (end == at)
			break;
		free += runs << order;
	}
	ASSERT_EQ(10, order);
	ASSERT_EQ(ft_pages(self->vram) - self->used - 3, free);
	ASSERT_TRUE(ft_read_line(attribute(self->dev, "dev"), line,
				 sizeof(line)));
	ASSERT_TRUE(ft_read_line(attribute(self->dev, "uevent"), line,
				 sizeof(line)));
}

/* Everybody may open the node; it is a character device of the class. */
TEST_F(kind, node)
{
	char line[64], dev[64];
	struct stat st;

	ASSERT_EQ(0, stat(ft_node(self->dev), &st));
	ASSERT_TRUE(S_ISCHR(st.st_mode));
	ASSERT_EQ(0666, st.st_mode & 07777);
	ASSERT_TRUE(ft_read_line(attribute(self->dev, "dev"), line,
				 sizeof(line)));
	snprintf(dev, sizeof(dev), "%u:%u", (unsigned int)(st.st_rdev >> 8),
		 (unsigned int)(st.st_rdev & 0xff));
	ASSERT_STREQ(line, dev);
}

/* Counters in sysfs have the library's names and the ioctl's values. */
TEST_F(kind, counters_in_sysfs)
{
	struct ferry_figures fig;
	char name[96];
	unsigned int i;
	char *p = ft_map(LEN);

	ft_fill(p, LEN, 1);
	ASSERT_MOVES(p, LEN, self->dev);
	ASSERT_EQ(0, ferry_get_figures(self->f, &fig));
	for (i = 0; i < FERRY_COUNTERS; i++) {
		snprintf(name, sizeof(name), "stats/%s",
			 ferry_counter_name(i));
		ASSERT_EQ((long long)fig.counters[i],
			  ft_read_number(attribute(self->dev, name)))
			TH_LOG("%s", name);
	}
}

/* What one round trip does to the counters. */
TEST_F(kind, counters)
{
	struct ferry_figures a, b;
	char *p = ft_map_huge(2 * LEN);
	uint64_t n = ft_pages(LEN);

#define GREW(c)	(b.counters[FERRY_C_##c] - a.counters[FERRY_C_##c])

	ft_fill(p, LEN, 2);
	ASSERT_EQ(0, ferry_get_figures(self->f, &a));
	ASSERT_MOVES(p, 2 * LEN, self->dev);
	ASSERT_EQ(0, ferry_get_figures(self->f, &b));
	ASSERT_EQ(n, GREW(TO_DEVICE_PAGES));
	ASSERT_EQ(n, GREW(CLEARED_PAGES));
	ASSERT_EQ(FT_HAS_HUGE ? 2 : 0, GREW(TO_DEVICE_HUGE));
	ASSERT_EQ(FT_HAS_HUGE ? 0 : 1, GREW(SPLIT_HUGE));
	ASSERT_EQ(LEN, GREW(BYTES_TO_DEVICE));
	ASSERT_EQ(0, GREW(TO_RAM_PAGES));
	ASSERT_EQ(0, GREW(CPU_FAULTS));
	ASSERT_EQ(2 * n, b.frames_used - a.frames_used);
	ASSERT_EQ(2 * n, a.frames_free - b.frames_free);
	ASSERT_EQ(ft_pages(self->vram), b.frames_free + b.frames_used);

	a = b;
	ASSERT_MOVES(p, 2 * LEN, FERRY_RAM);
	ASSERT_EQ(0, ferry_get_figures(self->f, &b));
	ASSERT_EQ(2 * n, GREW(TO_RAM_PAGES));
	ASSERT_EQ(FT_HAS_HUGE ? 2 : 0, GREW(TO_RAM_HUGE));
	ASSERT_EQ(2 * LEN, GREW(BYTES_FROM_DEVICE));
	ASSERT_EQ(0, GREW(CPU_FAULTS));
	ASSERT_EQ(0, GREW(TO_DEVICE_PAGES));

	a = b;
	ASSERT_EQ(2 * n, ft_move(self->f, p, 2 * LEN, FERRY_RAM)
			 .reasons[FERRY_REASON_RESIDENT]);
	ASSERT_DEV_DATA(p, LEN, 2);
	ASSERT_EQ(0, ferry_get_figures(self->f, &b));
	ASSERT_EQ(1, GREW(COMMANDS));
	ASSERT_EQ(0, GREW(COMMANDS_FAILED));
	ASSERT_LE(1, GREW(DEV_FAULTS));
	ASSERT_LE(1, GREW(DEV_FAULT_BATCHES));
	ASSERT_EQ(n, GREW(DEV_FAULT_MIGRATED));
	ASSERT_EQ(0, GREW(DEV_FAULT_FAILED));
	ASSERT_LT(0, b.table_bytes);
	ASSERT_LT(0, b.driver_bytes);
	/* The rest of the driver beside struct pages: a hundredth. */
	ASSERT_LE(b.driver_bytes, self->vram / 100);

	/* Unmapping takes it out of the device page table. */
	a = b;
	ft_unmap(p, 2 * LEN);
	ASSERT_EQ(0, ferry_get_figures(self->f, &b));
	ASSERT_LE(1, GREW(INVALIDATIONS));
	ASSERT_LE(n, GREW(INVALIDATED_PAGES));
	ASSERT_LE(1, GREW(TLB_FLUSHES));

	a = b;
	ASSERT_EQ(-EFAULT, ft_dev_fill(self->fd, p, 0, 8));
	ASSERT_EQ(0, ferry_get_figures(self->f, &b));
	ASSERT_EQ(1, GREW(COMMANDS_FAILED));
	ASSERT_EQ(1, GREW(DEV_FAULT_FAILED));
#undef GREW
}

/* Our own migration is not an invalidation of what it has just entered. */
TEST_F(kind, invalidated_once)
{
	struct ferry_figures a, b;
	char *p = ft_map(LEN);

	ft_fill(p, LEN, 3);
	ASSERT_MOVES(p, LEN, self->dev);
	ASSERT_DEV_DATA(p, LEN, 3);
	ASSERT_EQ(0, ferry_get_figures(self->f, &a));
	ASSERT_MOVES(p, LEN, FERRY_RAM);
	ASSERT_EQ(0, ferry_get_figures(self->f, &b));
	ASSERT_EQ(ft_pages(LEN), b.counters[FERRY_C_INVALIDATED_PAGES] -
				 a.counters[FERRY_C_INVALIDATED_PAGES]);
	/* And the way there enters it: no fault is needed to use it. */
	ASSERT_MOVES(p, LEN, self->dev);
	ASSERT_EQ(0, ferry_get_figures(self->f, &a));
	ASSERT_DEV_DATA(p, LEN, 3);
	ASSERT_EQ(0, ferry_get_figures(self->f, &b));
	ASSERT_EQ(a.counters[FERRY_C_DEV_FAULTS],
		  b.counters[FERRY_C_DEV_FAULTS]);
}

/* An invalidation is exact to its range. */
TEST_F(kind, invalidation_is_exact)
{
	char *p;
	int huge;

	for (huge = 0; huge < 2; huge++) {
		p = ft_map_kind(2 * LEN, huge);
		ft_fill(p, 2 * LEN, 4);
		ASSERT_MOVES(p, 2 * LEN, self->dev);
		ASSERT_DEV_DATA(p, 2 * LEN, 4);
		ASSERT_EQ(ft_pages(2 * LEN),
			  ft_count_flags(self->f, p, 2 * LEN,
					 FERRY_PAGE_MIRRORED));
		ASSERT_EQ(0, madvise(p + 9 * FT_PAGE, 5 * FT_PAGE,
				     MADV_DONTNEED));
		ASSERT_EQ(0, ft_count_flags(self->f, p + 9 * FT_PAGE,
					    5 * FT_PAGE,
					    FERRY_PAGE_MIRRORED));
		/* The second folio is not concerned at all. */
		ASSERT_EQ(ft_pages(LEN),
			  ft_count_flags(self->f, p + LEN, LEN,
					 FERRY_PAGE_MIRRORED));
		if (!huge) {
			ASSERT_EQ(ft_pages(2 * LEN) - 5,
				  ft_count_flags(self->f, p, 2 * LEN,
						 FERRY_PAGE_MIRRORED));
		}
		ft_unmap(p, 2 * LEN);
	}
}

/* Each phase of a migration is in its histogram. */
TEST_F(kind, histograms)
{
	static const enum ferry_phase phases[] = {
		FERRY_PHASE_LOCK, FERRY_PHASE_COLLECT, FERRY_PHASE_ALLOCATE,
		FERRY_PHASE_COPY, FERRY_PHASE_COMMIT, FERRY_PHASE_FINALIZE,
	};
	struct ferry_figures *a = calloc(2, sizeof(*a)), *b = a + 1;
	char *p = ft_map(LEN);
	unsigned int i, k;

	ASSERT_NE(NULL, a);
	ft_fill(p, LEN, 5);
	ASSERT_EQ(0, ferry_get_figures(self->f, a));
	ASSERT_MOVES(p, LEN, self->dev);
	ASSERT_EQ(0, ferry_get_figures(self->f, b));
	for (i = 0; i < ARRAY_SIZE(phases); i++) {
		uint64_t n = 0, before = 0;

		for (k = 0; k < FERRY_BUCKETS; k++) {
			n += b->hist[phases[i]][k];
			before += a->hist[phases[i]][k];
		}
		ASSERT_LT(before, n)
			TH_LOG("phase %s", ferry_phase_name(phases[i]));
	}
	/* A CPU fault, where there are such, and a device fault. */
	*a = *b;
	ASSERT_DATA(p, LEN, 5);
	ft_move(self->f, p, LEN, FERRY_RAM);
	ASSERT_DEV_DATA(p, LEN, 5);
	ASSERT_EQ(0, ferry_get_figures(self->f, b));
	for (i = FERRY_PHASE_CPU_FAULT; i <= FERRY_PHASE_DEV_FAULT; i++) {
		uint64_t n = 0;

		for (k = 0; k < FERRY_BUCKETS; k++)
			n += b->hist[i][k] - a->hist[i][k];
		ASSERT_EQ(i == FERRY_PHASE_CPU_FAULT && FT_IN_PLACE, !n);
	}
	free(a);
}

/* The ioctl takes less room, more room and none. */
TEST_F(kind, stats_room)
{
	uint64_t *room = ft_map(FT_PAGE * 4);
	struct ferry_stats s = { .size = sizeof(s) };
	size_t i;

	ASSERT_EQ(0, ft_ioctl(self->fd, FERRY_IOC_STATS, &s));
	ASSERT_EQ(FERRY_COUNTERS, s.nr_counters);
	ASSERT_EQ(FERRY_PHASES, s.nr_phases);

	memset(room, 0xff, FT_PAGE * 4);
	s = (struct ferry_stats) {
		.size = sizeof(s),
		.counters = (uintptr_t)room,
		.nr_counters = 3,
		.hist = (uintptr_t)(room + 512),
		.nr_phases = 2,
	};
	ASSERT_EQ(0, ft_ioctl(self->fd, FERRY_IOC_STATS, &s));
	ASSERT_EQ(FERRY_COUNTERS, s.nr_counters);
	ASSERT_EQ(FERRY_PHASES, s.nr_phases);
	for (i = 0; i < 512; i++) {
		ASSERT_EQ(i < 3, room[i] != ~0ULL)
			TH_LOG("counter %zu", i);
	}
	for (i = 0; i < 512; i++) {
		ASSERT_EQ(i < 2 * FERRY_BUCKETS, room[512 + i] != ~0ULL)
			TH_LOG("bucket %zu", i);
	}
	s = (struct ferry_stats) {
		.size = sizeof(s),
		.counters = (uintptr_t)room,
		.nr_counters = 512,
		.hist = (uintptr_t)(room + 512),
		.nr_phases = 30,
	};
	memset(room, 0xff, FT_PAGE * 4);
	ASSERT_EQ(0, ft_ioctl(self->fd, FERRY_IOC_STATS, &s));
	ASSERT_EQ(~0ULL, room[FERRY_COUNTERS]);
	ASSERT_EQ(~0ULL, room[512 + FERRY_PHASES * FERRY_BUCKETS]);
}

/* Flags of residency: each in a state that is known. */
TEST_F(kind, residency_flags)
{
	char *p = ft_map(8 * FT_PAGE);
	struct ferry_residency r;

	r = ft_residency(self->f, p);
	ASSERT_EQ(FERRY_NOWHERE, r.where);
	ASSERT_EQ(0, r.flags);

	ASSERT_EQ(0, ((volatile char *)p)[0]);
	r = ft_residency(self->f, p);
	ASSERT_EQ(FERRY_PAGE_PRESENT | FERRY_PAGE_ZERO,
		  r.flags & (FERRY_PAGE_PRESENT | FERRY_PAGE_ZERO |
			     FERRY_PAGE_WRITE));

	ft_fill(p, 8 * FT_PAGE, 6);
	r = ft_residency(self->f, p);
	ASSERT_EQ(FERRY_RAM, r.where);
	ASSERT_EQ(0, r.order);
	ASSERT_EQ(FERRY_PAGE_PRESENT | FERRY_PAGE_WRITE, r.flags);

	ASSERT_MOVES(p, 8 * FT_PAGE, self->dev);
	r = ft_residency(self->f, p);
	ASSERT_EQ(self->dev, r.where);
	ASSERT_EQ(FERRY_PAGE_PRESENT | FERRY_PAGE_WRITE |
		  FERRY_PAGE_MIRRORED | FERRY_PAGE_DEV_WRITE, r.flags);

	ASSERT_EQ(0, mprotect(p, FT_PAGE, PROT_READ));
	r = ft_residency(self->f, p);
	ASSERT_EQ(0, r.flags & (FERRY_PAGE_WRITE | FERRY_PAGE_DEV_WRITE));
	ASSERT_EQ(FERRY_PAGE_PRESENT, r.flags & FERRY_PAGE_PRESENT);
	ASSERT_EQ(ft_crc_of(p, FT_PAGE, 6),
		  ft_dev_crc32c(self->fd, p, FT_PAGE));
	r = ft_residency(self->f, p);
	ASSERT_EQ(FERRY_PAGE_MIRRORED, r.flags & (FERRY_PAGE_MIRRORED |
						  FERRY_PAGE_DEV_WRITE));

	ft_unmap(p, FT_PAGE);
	r = ft_residency(self->f, p);
	ASSERT_EQ(FERRY_NOWHERE, r.where);
	ASSERT_EQ(FERRY_PAGE_UNMAPPED, r.flags);
	ASSERT_DATA(p + FT_PAGE, 7 * FT_PAGE, 6);
}

/* A query moves nothing and faults nothing in. */
TEST_F(kind, query_is_passive)
{
	struct ferry_residency *r = calloc(FERRY_MAX_QUERY, sizeof(*r));
	char *p = ft_map(LEN), *base;
	struct ferry_figures a, b;
	long n;

	ASSERT_NE(NULL, r);
	ft_fill(p, LEN / 4, 7);
	ASSERT_MOVES(p, LEN / 8, self->dev);
	ASSERT_EQ(0, ferry_get_figures(self->f, &a));
	ASSERT_EQ(ft_pages(LEN) / 8, ft_count(self->f, p, LEN, self->dev));
	ASSERT_EQ(ft_pages(LEN) / 8, ft_count(self->f, p, LEN, FERRY_RAM));
	ASSERT_EQ(ft_pages(LEN) * 3 / 4, ft_count(self->f, p, LEN,
						  FERRY_NOWHERE));
	/* The longest there is, most of it no mapping at all. */
	base = p - (uint64_t)FERRY_MAX_QUERY / 2 * FT_PAGE;
	n = ferry_residency(self->f, base, (size_t)FERRY_MAX_QUERY * FT_PAGE,
			    r, FERRY_MAX_QUERY);
	if (n != -EFAULT) {
		ASSERT_EQ(FERRY_MAX_QUERY, n);
		ASSERT_EQ(self->dev, r[FERRY_MAX_QUERY / 2].where);
		ASSERT_EQ(FERRY_RAM,
			  r[FERRY_MAX_QUERY / 2 + ft_pages(LEN) / 8].where);
	}
	ASSERT_EQ(0, ferry_get_figures(self->f, &b));
	ASSERT_EQ(a.counters[FERRY_C_CPU_FAULTS],
		  b.counters[FERRY_C_CPU_FAULTS]);
	ASSERT_EQ(a.counters[FERRY_C_TO_RAM_PAGES],
		  b.counters[FERRY_C_TO_RAM_PAGES]);
	ASSERT_EQ(a.frames_used, b.frames_used);
	free(r);
}

/* Another process, by its number. */
TEST_F(kind, query_of_another)
{
	char *p = ft_map(LEN);
	struct ferry_residency *r = calloc(ft_pages(LEN), sizeof(*r));
	struct ft_turn ready, done;
	struct ferry *f;
	pid_t child;
	size_t i;

	ft_turn_init(&ready);
	ft_turn_init(&done);
	child = ft_fork();
	if (!child) {
		ft_fill(p, LEN / 2, 8);
		ASSERT_EQ(0, ferry_open(self->dev, &f));
		ASSERT_EQ(ft_pages(LEN) / 4, ft_moved(f, p, LEN / 4,
						      self->dev));
		ft_turn_give(&ready);
		ft_turn_take(&done);
		_exit(0);
	}
	ft_turn_take(&ready);
	ASSERT_EQ((long)ft_pages(LEN),
		  ferry_residency_pid(self->f, child, (uintptr_t)p, LEN, r,
				      ft_pages(LEN)));
	for (i = 0; i < ft_pages(LEN); i++) {
		ASSERT_EQ(i < ft_pages(LEN) / 4 ? self->dev :
			  i < ft_pages(LEN) / 2 ? FERRY_RAM : FERRY_NOWHERE,
			  r[i].where)
			TH_LOG("page %zu", i);
	}
	/* Its own pages were not asked for. */
	ASSERT_WHERE(p, LEN, FERRY_NOWHERE);
	ft_turn_give(&done);
	ASSERT_EQ(0, ft_reap(child));
	ASSERT_EQ(-ESRCH, ferry_residency_pid(self->f, child, (uintptr_t)p,
					      LEN, r, ft_pages(LEN)));
	free(r);
}

static bool has_line(const char *path, const char *text)
{
	bool found = false;
	char line[1024];
	FILE *f;

	f = fopen(path, "re");
	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f))
		found = strstr(line, text);
	fclose(f);
	return found;
}

TEST_F(kind, debugfs)
{
	char path[96];
	unsigned int i;

	for (i = 0; i < FERRY_PHASES; i++) {
		snprintf(path, sizeof(path),
			 "/sys/kernel/debug/ferry/ferry%d/hist", self->dev);
		ASSERT_TRUE(has_line(path, ferry_phase_name(i)))
			TH_LOG("%s", ferry_phase_name(i));
	}
	snprintf(path, sizeof(path),
		 "/sys/kernel/debug/ferry/ferry%d/counters", self->dev);
	for (i = 0; i < FERRY_COUNTERS; i++) {
		ASSERT_TRUE(has_line(path, ferry_counter_name(i)));
	}
}

#define TRACING	"/sys/kernel/tracing/"

/* Opening it so is what empties it; a write alone does nothing. */
static bool empty_trace(void)
{
	int fd = open(TRACING "trace", O_WRONLY | O_TRUNC | O_CLOEXEC);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

/* Each tracepoint fires, and its line can be printed. */
TEST_F(kind, tracepoints)
{
	char path[300];
	struct dirent *d;
	char *p = ft_map(LEN), *q;
	unsigned int n = 0;
	DIR *dir;

	ASSERT_TRUE(empty_trace());
	ASSERT_EQ(0, ft_write_file(TRACING "tracing_on", "1"));
	ASSERT_EQ(0, ft_write_file(TRACING "events/ferry/enable", "1"));
	ft_fill(p, LEN, 9);
	ASSERT_MOVES(p, LEN, self->dev);
	ASSERT_DATA(p, LEN, 9);
	ft_move(self->f, p, LEN, FERRY_RAM);
	ASSERT_DEV_DATA(p, LEN, 9);
	q = ft_map(self->vram);
	ASSERT_MOVES(q, self->vram, self->dev);
	ft_unmap(q, self->vram);
	ASSERT_EQ(0, ft_write_file(TRACING "events/ferry/enable", "0"));
	ASSERT_DATA(p, LEN, 9);

	dir = opendir(TRACING "events/ferry");
	ASSERT_NE(NULL, dir);
	while ((d = readdir(dir))) {
		if (d->d_type != DT_DIR || d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s: ", d->d_name);
		/* Coherent memory is used without a fault. */
		EXPECT_EQ(!FT_IN_PLACE || strcmp(d->d_name, "ferry_cpu_fault"),
			  has_line(TRACING "trace", path))
			TH_LOG("%s", d->d_name);
		n++;
	}
	closedir(dir);
	/* The five steps, both faults, eviction. */
	ASSERT_LE(8, n);
	ASSERT_TRUE(empty_trace());
}

/* Policies are switched while they are in use. */
TEST_F(kind, policy)
{
	static const char * const names[] = { "map", "demand", "default" };
	char was[64], now[64], *p;
	size_t i;

	ASSERT_TRUE(ft_read_line(attribute(self->dev, "policy"), was,
				 sizeof(was)));
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		ASSERT_EQ(0, ft_write_file(attribute(self->dev, "policy"),
					   "%s\n", names[i]));
		ASSERT_TRUE(ft_read_line(attribute(self->dev, "policy"), now,
					 sizeof(now)));
		ASSERT_STREQ(names[i], now);
		/* New to the device: what is mapped is not asked about. */
		p = ft_map(LEN);
		ft_fill(p, LEN, 10 + i);
		ASSERT_DEV_DATA(p, LEN, 10 + i);
		ASSERT_WHERE(p, LEN, i ? self->dev : FERRY_RAM);
		ASSERT_DATA(p, LEN, 10 + i);
		ft_unmap(p, LEN);
	}
	ASSERT_EQ(-EINVAL, ft_write_file(attribute(self->dev, "policy"),
					 "no such policy"));
	ASSERT_EQ(0, ft_write_file(attribute(self->dev, "policy"), "%s", was));
}

/* The window of CPU faults can be changed, within reason. */
TEST_F(kind, fault_window)
{
	static const char path[] = "/sys/module/ferry/parameters/fault_window";
	static const unsigned long good[] = {
		4096, 16384, 1 << 20, 2 << 20, 65536
	};
	static const unsigned long bad[] = { 0, 1, 4095, 12288, 4 << 20 };
	struct ferry_info info;
	char *p = ft_map(LEN);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(good); i++) {
		ASSERT_EQ(0, ft_write_file(path, "%lu", good[i]));
		ASSERT_EQ(0, ferry_get_info(self->f, &info));
		ASSERT_EQ(good[i], info.fault_window);
		ft_fill(p, LEN, 20 + i);
		ft_move(self->f, p, LEN, self->dev);
		ASSERT_WHERE(p, LEN, self->dev);
		ASSERT_DATA(p + LEN / 2, 8, 20 + i);
		/* Where nothing comes home, however large it is. */
		ASSERT_EQ(FT_IN_PLACE ? 0 : good[i] / FT_PAGE,
			  ft_count(self->f, p, LEN, FERRY_RAM));
		ASSERT_DATA(p, LEN, 20 + i);
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		ASSERT_EQ(-EINVAL, ft_write_file(path, "%lu", bad[i]));
	}
	ASSERT_EQ(65536, ft_read_number(path));
}

FERRY_TEST_MAIN
