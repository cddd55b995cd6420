// SPDX-License-Identifier: GPL-2.0-only
/*
 * Helpers of the selftests: see ferry_test.h.
 */
#include "ferry_test.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

void ft_die(const char *file, int line, const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "# %s:%d: ", file, line);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	abort();
}

/* ---- loops, chance and time ------------------------------------------- */

unsigned long ft_loops(unsigned long n)
{
	const char *s = getenv("FERRY_LONG");

	return s && *s && strcmp(s, "0") ? n * 10 : n;
}

uint64_t ft_random_from(uint64_t *seed)
{
	uint64_t x = *seed += 0x9e3779b97f4a7c15ULL;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static uint64_t ft_seed;

uint64_t ft_random(void)
{
	if (!ft_seed) {
		const char *s = getenv("FERRY_SEED");

		ft_seed = s ? strtoull(s, NULL, 0) : 0x6665727279ULL;
	}
	return ft_random_from(&ft_seed);
}

uint64_t ft_below(uint64_t n)
{
	return ft_random() % n;
}

void ft_reseed(uint64_t salt)
{
	ft_random();
	ft_seed ^= salt * 0xd6e8feb86659fd93ULL;
}

uint64_t ft_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * FT_SECOND + ts.tv_nsec;
}

void ft_sleep_ns(uint64_t ns)
{
	struct timespec ts = {
		.tv_sec = ns / FT_SECOND,
		.tv_nsec = ns % FT_SECOND,
	};

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

/* ---- memory ------------------------------------------------------------ */

void *ft_map_kind(size_t len, bool huge)
{
	size_t room = (len + FT_HUGE - 1) / FT_HUGE * FT_HUGE;
	char *raw, *p;

	/* A guard of 2 MiB each side keeps VMAs of two calls from merging. */
	raw = mmap(NULL, room + 3 * FT_HUGE, PROT_NONE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (raw == MAP_FAILED)
		ft_fatal("mmap of %zu bytes: %s", len, strerror(errno));
	p = (char *)(((uintptr_t)raw + 2 * FT_HUGE - 1) & ~(FT_HUGE - 1));
	if (munmap(raw, p - raw) ||
	    munmap(p + room, raw + room + 3 * FT_HUGE - (p + room)))
		ft_fatal("munmap: %s", strerror(errno));
	if (mmap(p, len, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		ft_fatal("mmap of %zu bytes: %s", len, strerror(errno));
	if (len < room && munmap(p + len, room - len))
		ft_fatal("munmap: %s", strerror(errno));
	if (madvise(p, len, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE))
		ft_fatal("madvise: %s", strerror(errno));
	return p;
}

void *ft_map(size_t len)
{
	return ft_map_kind(len, false);
}

void *ft_map_huge(size_t len)
{
	return ft_map_kind(len, true);
}

void ft_unmap(void *p, size_t len)
{
	if (munmap(p, len))
		ft_fatal("munmap: %s", strerror(errno));
}

void ft_fill_as(void *p, size_t len, uint64_t salt, const void *as)
{
	volatile uint64_t *w = p;
	size_t i;

	for (i = 0; i < len / 8; i++)
		w[i] = ft_word((uintptr_t)as + i * 8, salt);
}

void ft_fill(void *p, size_t len, uint64_t salt)
{
	ft_fill_as(p, len, salt, p);
}

/* Offset of the first byte in which two words differ. */
static size_t ft_first_byte(uint64_t a, uint64_t b)
{
	return __builtin_ctzll(a ^ b) / 8;
}

size_t ft_check_as(const void *p, size_t len, uint64_t salt, const void *as)
{
	const volatile uint64_t *w = p;
	size_t i;

	for (i = 0; i < len / 8; i++) {
		uint64_t want = ft_word((uintptr_t)as + i * 8, salt);
		uint64_t have = w[i];

		if (have != want) {
			fprintf(stderr,
				"# data: %p + 0x%zx holds %016llx, not %016llx\n",
				p, i * 8, (unsigned long long)have,
				(unsigned long long)want);
			return i * 8 + ft_first_byte(have, want);
		}
	}
	return len;
}

size_t ft_check(const void *p, size_t len, uint64_t salt)
{
	return ft_check_as(p, len, salt, p);
}

size_t ft_check_zero(const void *p, size_t len)
{
	const volatile uint64_t *w = p;
	size_t i;

	for (i = 0; i < len / 8; i++) {
		uint64_t have = w[i];

		if (have) {
			fprintf(stderr, "# data: %p + 0x%zx holds %016llx, not 0\n",
				p, i * 8, (unsigned long long)have);
			return i * 8 + ft_first_byte(have, 0);
		}
	}
	return len;
}

static uint32_t ft_crc_table[8][256];

__attribute__((constructor))
static void ft_crc_init(void)
{
	unsigned int i, j;

	for (i = 0; i < 256; i++) {
		uint32_t c = i;

		for (j = 0; j < 8; j++)
			c = c & 1 ? (c >> 1) ^ 0x82f63b78U : c >> 1;
		ft_crc_table[0][i] = c;
	}
	for (i = 0; i < 256; i++)
		for (j = 1; j < 8; j++)
			ft_crc_table[j][i] =
				(ft_crc_table[j - 1][i] >> 8) ^
				ft_crc_table[0][ft_crc_table[j - 1][i] & 0xff];
}

static uint32_t ft_crc_add(uint32_t crc, const void *p, size_t len)
{
	const uint8_t *b = p;

	for (; len >= 8; b += 8, len -= 8) {
		uint64_t w;

		memcpy(&w, b, 8);
		w ^= crc;
		crc = ft_crc_table[7][w & 0xff] ^
		      ft_crc_table[6][(w >> 8) & 0xff] ^
		      ft_crc_table[5][(w >> 16) & 0xff] ^
		      ft_crc_table[4][(w >> 24) & 0xff] ^
		      ft_crc_table[3][(w >> 32) & 0xff] ^
		      ft_crc_table[2][(w >> 40) & 0xff] ^
		      ft_crc_table[1][(w >> 48) & 0xff] ^
		      ft_crc_table[0][w >> 56];
	}
	for (; len; b++, len--)
		crc = (crc >> 8) ^ ft_crc_table[0][(crc ^ *b) & 0xff];
	return crc;
}

uint32_t ft_crc32c(const void *p, size_t len)
{
	return ~ft_crc_add(~0U, p, len);
}

uint32_t ft_crc_of(const void *as, size_t len, uint64_t salt)
{
	uint64_t page[512];
	uint32_t crc = ~0U;
	size_t at, i, n;

	for (at = 0; at < len; at += n) {
		n = len - at < sizeof(page) ? len - at : sizeof(page);
		for (i = 0; i < (n + 7) / 8; i++)
			page[i] = ft_word((uintptr_t)as + at + i * 8, salt);
		crc = ft_crc_add(crc, page, n);
	}
	return ~crc;
}

uint64_t ft_user_end(void)
{
	void *high = (void *)(1UL << 55), *p;

	/* 57 bits of virtual address where the processor has them, else 48. */
	p = mmap(high, FT_PAGE, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (p != MAP_FAILED)
		munmap(p, FT_PAGE);
	return (p == high ? 1UL << 56 : 1UL << 47) - FT_PAGE;
}

static uint64_t ft_read_entry(const char *path, uint64_t index)
{
	uint64_t entry;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		ft_fatal("%s: %s", path, strerror(errno));
	if (pread(fd, &entry, 8, index * 8) != 8)
		ft_fatal("%s: entry %llu cannot be read", path,
			 (unsigned long long)index);
	close(fd);
	return entry;
}

static uint64_t ft_pagemap(const void *p)
{
	return ft_read_entry("/proc/self/pagemap", (uintptr_t)p / FT_PAGE);
}

bool ft_present(const void *p)
{
	return ft_pagemap(p) >> 63;
}

bool ft_swapped(const void *p)
{
	return (ft_pagemap(p) >> 62) & 1;
}

uint64_t ft_pfn(const void *p)
{
	return ft_pagemap(p) & ((1ULL << 55) - 1);
}

uint64_t ft_kpageflags(const void *p)
{
	return ft_read_entry("/proc/kpageflags", ft_pfn(p));
}

bool ft_find_mapping(const char *name, void **start, size_t *len)
{
	unsigned long from, to;
	bool found = false;
	char line[512];
	FILE *f;

	f = fopen("/proc/self/maps", "re");
	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f)) {
		if (!strstr(line, name))
			continue;
		if (sscanf(line, "%lx-%lx", &from, &to) != 2)
			continue;
		*start = (void *)from;
		*len = to - from;
		found = true;
	}
	fclose(f);
	return found;
}

void ft_touch(void *p, size_t len)
{
	volatile char *c = p;
	size_t i;

	for (i = 0; i < len; i += FT_PAGE)
		c[i] = c[i];
}

static sigjmp_buf ft_fault_jump;

static void ft_on_fault(int sig)
{
	siglongjmp(ft_fault_jump, sig);
}

static int ft_access(volatile char *p, bool write, char value)
{
	struct sigaction act = { .sa_handler = ft_on_fault }, old[2];
	volatile int sig;

	sigaction(SIGSEGV, &act, &old[0]);
	sigaction(SIGBUS, &act, &old[1]);
	sig = sigsetjmp(ft_fault_jump, 1);
	if (!sig) {
		if (write)
			*p = value;
		else
			(void)*p;
	}
	sigaction(SIGSEGV, &old[0], NULL);
	sigaction(SIGBUS, &old[1], NULL);
	return sig;
}

int ft_peek(const void *p)
{
	return ft_access((char *)p, false, 0);
}

int ft_poke(void *p, char value)
{
	return ft_access(p, true, value);
}

/* ---- the driver ---------------------------------------------------------- */

int ft_ioctl(int fd, unsigned long cmd, void *arg)
{
	return ioctl(fd, cmd, arg) < 0 ? -errno : 0;
}

const char *ft_node(int device)
{
	static char path[32];

	snprintf(path, sizeof(path), "/dev/ferry%d", device);
	return path;
}

int ft_open(int device)
{
	int fd = open(ft_node(device), O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int ft_devices(enum ferry_kind kind, int *out, int max)
{
	int device, n = 0;

	for (device = 0; device < FERRY_MAX_DEVICES; device++) {
		struct ferry_info info = { .size = sizeof(info) };
		int fd = ft_open(device);

		if (fd < 0)
			continue;
		if (!ft_ioctl(fd, FERRY_IOC_INFO, &info) && info.kind == kind) {
			if (n < max)
				out[n] = device;
			n++;
		}
		close(fd);
	}
	return n;
}

struct ferry_moved ft_move_flags(struct ferry *f, const void *p, size_t len,
				 int dst, unsigned int flags)
{
	struct ferry_moved m = {};
	uint64_t sum = 0;
	unsigned int i;
	int ret;

	ret = ferry_migrate(f, p, len, dst, flags, &m);
	if (ret)
		ft_fatal("ferry_migrate(%p, %zu, %d): %s", p, len, dst,
			 ferry_strerror(ret));
	for (i = 0; i < FERRY_REASONS; i++)
		sum += m.reasons[i];
	if (m.moved + m.failed != ft_pages(len) || sum != m.failed ||
	    m.huge * FT_HUGE_PAGES > m.moved)
		ft_fatal("migration of %zu pages: moved %llu, failed %llu, reasons %llu, huge %llu",
			 ft_pages(len), (unsigned long long)m.moved,
			 (unsigned long long)m.failed, (unsigned long long)sum,
			 (unsigned long long)m.huge);
	return m;
}

struct ferry_moved ft_move(struct ferry *f, const void *p, size_t len, int dst)
{
	return ft_move_flags(f, p, len, dst, 0);
}

void ft_print_reasons(const struct ferry_moved *m)
{
	unsigned int i;

	for (i = 0; i < FERRY_REASONS; i++)
		if (m->reasons[i])
			fprintf(stderr, "# %llu pages stay: %s\n",
				(unsigned long long)m->reasons[i],
				ferry_reason_name(i));
}

void ft_free_lazily(void *p, size_t len)
{
	if (madvise(p, len, MADV_FREE))
		ft_fatal("MADV_FREE: %s", strerror(errno));
	ft_write_file("/proc/sys/vm/compact_memory", "1");
}

uint64_t ft_moved(struct ferry *f, const void *p, size_t len, int dst)
{
	struct ferry_moved m = ft_move(f, p, len, dst);

	ft_print_reasons(&m);
	return m.moved;
}

/* Residency of a whole range, to be freed. */
static struct ferry_residency *ft_residencies(struct ferry *f, const void *p,
					      size_t len)
{
	struct ferry_residency *r;
	long n;

	r = calloc(ft_pages(len) + 1, sizeof(*r));
	if (!r)
		ft_fatal("no memory");
	if (!len)
		return r;
	n = ferry_residency(f, p, len, r, ft_pages(len));
	if (n != (long)ft_pages(len))
		ft_fatal("ferry_residency(%p, %zu): %ld", p, len, n);
	return r;
}

struct ferry_residency ft_residency(struct ferry *f, const void *p)
{
	struct ferry_residency r;
	long n = ferry_residency(f, p, 1, &r, 1);

	if (n != 1)
		ft_fatal("ferry_residency(%p): %ld", p, n);
	return r;
}

int ft_where(struct ferry *f, const void *p)
{
	return ft_residency(f, p).where;
}

/* Pages of the range for which all that is asked holds; any @where if -9. */
static size_t ft_count_if(struct ferry *f, const void *p, size_t len, int where,
			  unsigned int order, unsigned int flags)
{
	struct ferry_residency *r = ft_residencies(f, p, len);
	size_t i, n = 0;

	for (i = 0; i < ft_pages(len); i++)
		if ((where == -9 || r[i].where == where) &&
		    r[i].order >= order && (r[i].flags & flags) == flags)
			n++;
	free(r);
	return n;
}

size_t ft_count(struct ferry *f, const void *p, size_t len, int where)
{
	return ft_count_if(f, p, len, where, 0, 0);
}

size_t ft_count_devices(struct ferry *f, const void *p, size_t len)
{
	struct ferry_residency *r = ft_residencies(f, p, len);
	size_t i, n = 0;

	for (i = 0; i < ft_pages(len); i++)
		n += r[i].where >= 0;
	free(r);
	return n;
}

size_t ft_count_huge(struct ferry *f, const void *p, size_t len, int where)
{
	return ft_count_if(f, p, len, where, 9, 0);
}

size_t ft_count_flags(struct ferry *f, const void *p, size_t len,
		      unsigned int flags)
{
	return ft_count_if(f, p, len, -9, 0, flags);
}

uint64_t ft_counter(struct ferry *f, enum ferry_counter c)
{
	uint64_t counters[FERRY_COUNTERS] = {};
	struct ferry_stats s = {
		.size = sizeof(s),
		.counters = (uintptr_t)counters,
		.nr_counters = FERRY_COUNTERS,
	};
	int ret = ft_ioctl(ferry_fd(f), FERRY_IOC_STATS, &s);

	if (ret)
		ft_fatal("FERRY_IOC_STATS: %s", strerror(-ret));
	return counters[c];
}

static uint64_t ft_used_fd(int fd)
{
	struct ferry_stats s = { .size = sizeof(s) };
	int ret = ft_ioctl(fd, FERRY_IOC_STATS, &s);

	if (ret)
		ft_fatal("FERRY_IOC_STATS: %s", strerror(-ret));
	return s.frames_used;
}

uint64_t ft_used(struct ferry *f)
{
	return ft_used_fd(ferry_fd(f));
}

uint64_t ft_used_all(void)
{
	uint64_t used = 0;
	int device;

	for (device = 0; device < FERRY_MAX_DEVICES; device++) {
		int fd = ft_open(device);

		if (fd < 0)
			continue;
		used += ft_used_fd(fd);
		close(fd);
	}
	return used;
}

uint64_t ft_coherent_faults(void)
{
	uint64_t counters[FERRY_COUNTERS] = {}, faults = 0;
	int device;

	for (device = 0; device < FERRY_MAX_DEVICES; device++) {
		struct ferry_info info = { .size = sizeof(info) };
		struct ferry_stats s = {
			.size = sizeof(s),
			.counters = (uintptr_t)counters,
			.nr_counters = FERRY_COUNTERS,
		};
		int fd = ft_open(device);

		if (fd < 0)
			continue;
		if (!ft_ioctl(fd, FERRY_IOC_INFO, &info) &&
		    info.kind == FERRY_KIND_COHERENT &&
		    !ft_ioctl(fd, FERRY_IOC_STATS, &s))
			faults += counters[FERRY_C_CPU_FAULTS];
		close(fd);
	}
	return faults;
}

uint64_t ft_parameter(const char *name)
{
	char path[96];
	long long n;

	snprintf(path, sizeof(path), "/sys/module/ferry/parameters/%s", name);
	n = ft_read_number(path);
	if (n < 0)
		ft_fatal("%s: no number", path);
	return n;
}

uint64_t ft_wait_used(uint64_t frames)
{
	uint64_t used;

	/* The last reference to an mm may be dropped by a worker. */
	ft_until((used = ft_used_all()) <= frames, 20);
	return used;
}

/* ---- the engine by raw ioctls --------------------------------------------- */

int ft_submit(int fd, const struct ferry_cmd *cmds, unsigned int n, int eventfd,
	      uint64_t *seq)
{
	struct ferry_submit s = {
		.size = sizeof(s),
		.cmds = (uintptr_t)cmds,
		.count = n,
		.cmd_size = sizeof(*cmds),
		.eventfd = eventfd,
	};
	int ret = ft_ioctl(fd, FERRY_IOC_SUBMIT, &s);

	if (!ret)
		*seq = s.seq;
	return ret;
}

int ft_wait(int fd, uint64_t seq, int64_t timeout_ns, uint64_t *results,
	    unsigned int count, struct ferry_wait *w)
{
	struct ferry_wait own;
	int ret;

	if (!w)
		w = &own;
	*w = (struct ferry_wait) {
		.size = sizeof(*w),
		.seq = seq,
		.timeout_ns = timeout_ns,
		.results = (uintptr_t)results,
		.count = results ? count : 0,
	};
	ret = ft_ioctl(fd, FERRY_IOC_WAIT, w);
	return ret;
}

void *ft_waiter(void *arg)
{
	struct ft_waiter *w = arg;

	__atomic_store_n(&w->started, true, __ATOMIC_RELEASE);
	w->ret = ft_wait(w->fd, w->seq, -1, NULL, 0, &w->w);
	return NULL;
}

int ft_not_failing(int fd, int err)
{
	static char page[FT_PAGE] __attribute__((aligned(4096)));
	struct ferry_residency res[1];
	struct ferry_cmd cmd = {};
	struct ferry_info info = { .size = sizeof(info) };
	struct ferry_migrate migrate = {
		.size = sizeof(migrate),
		.addr = (uintptr_t)page,
		.len = sizeof(page),
		.dst = FERRY_RAM,
	};
	struct ferry_query query = {
		.size = sizeof(query),
		.addr = (uintptr_t)page,
		.len = sizeof(page),
		.pages = (uintptr_t)res,
	};
	struct ferry_submit submit = {
		.size = sizeof(submit),
		.cmds = (uintptr_t)&cmd,
		.count = 1,
		.cmd_size = sizeof(cmd),
		.eventfd = -1,
	};
	struct ferry_advise advise = {
		.size = sizeof(advise),
		.addr = (uintptr_t)page,
		.len = sizeof(page),
	};
	struct ferry_stats stats = { .size = sizeof(stats) };
	struct {
		unsigned long cmd;
		void *arg;
		const char *name;
	} call[] = {
		{ FERRY_IOC_INFO, &info, "info" },
		{ FERRY_IOC_MIGRATE, &migrate, "migrate" },
		{ FERRY_IOC_QUERY, &query, "query" },
		{ FERRY_IOC_SUBMIT, &submit, "submit" },
		{ FERRY_IOC_ADVISE, &advise, "advise" },
		{ FERRY_IOC_STATS, &stats, "stats" },
	};
	int i, bad = 0;

	for (i = 0; i < (int)(sizeof(call) / sizeof(call[0])); i++) {
		int ret = ft_ioctl(fd, call[i].cmd, call[i].arg);

		if (ret != err) {
			fprintf(stderr, "# %s: %s, not %s\n", call[i].name,
				strerror(-ret), strerror(-err));
			bad++;
		}
	}
	return bad;
}

int ft_run(int fd, const struct ferry_cmd *cmds, unsigned int n,
	   uint64_t *results, struct ferry_wait *w)
{
	struct ferry_wait own;
	uint64_t seq;
	int ret;

	if (!w)
		w = &own;
	ret = ft_submit(fd, cmds, n, -1, &seq);
	if (ret)
		ft_fatal("FERRY_IOC_SUBMIT: %s", strerror(-ret));
	do {
		ret = ft_wait(fd, seq, -1, results, n, w);
	} while (ret == -EINTR);
	if (ret)
		ft_fatal("FERRY_IOC_WAIT: %s", strerror(-ret));
	return w->status;
}

int ft_dev_fill(int fd, void *dst, uint64_t pattern, size_t len)
{
	struct ferry_cmd c = {
		.op = FERRY_OP_FILL,
		.dst = (uintptr_t)dst,
		.len = len,
		.arg0 = pattern,
	};

	return ft_run(fd, &c, 1, NULL, NULL);
}

int ft_dev_copy(int fd, void *dst, const void *src, size_t len)
{
	struct ferry_cmd c = {
		.op = FERRY_OP_COPY,
		.dst = (uintptr_t)dst,
		.src = (uintptr_t)src,
		.len = len,
	};

	return ft_run(fd, &c, 1, NULL, NULL);
}

uint32_t ft_dev_crc32c(int fd, const void *src, size_t len)
{
	struct ferry_cmd c = {
		.op = FERRY_OP_CRC32C,
		.src = (uintptr_t)src,
		.len = len,
	};
	struct ferry_wait w;
	uint64_t result = 0;
	int ret;

	ret = ft_run(fd, &c, 1, &result, &w);
	if (ret)
		ft_fatal("CRC32C at %p, %zu bytes: %s at 0x%llx", src, len,
			 strerror(-ret), (unsigned long long)w.fault_addr);
	return result;
}

bool ft_dev_zero(int fd, const void *src, size_t len)
{
	uint64_t *bins = ft_map(FT_PAGE);
	struct ferry_cmd c = {
		.op = FERRY_OP_HISTOGRAM,
		.dst = (uintptr_t)bins,
		.src = (uintptr_t)src,
		.len = len,
	};
	struct ferry_wait w;
	bool zero;
	int ret;

	ret = ft_run(fd, &c, 1, NULL, &w);
	if (ret)
		ft_fatal("HISTOGRAM at %p, %zu bytes: %s at 0x%llx", src, len,
			 strerror(-ret), (unsigned long long)w.fault_addr);
	zero = bins[0] == len;
	ft_unmap(bins, FT_PAGE);
	return zero;
}

struct ferry_cmd ft_busy(uint64_t *cell, uint64_t hops)
{
	*cell = (uintptr_t)cell;
	return (struct ferry_cmd) {
		.op = FERRY_OP_CHASE,
		.src = (uintptr_t)cell,
		.arg0 = hops,
	};
}

struct ferry_cmd ft_endless(uint64_t *cell)
{
	return ft_busy(cell, UINT64_MAX);
}

/* ---- processes and files ------------------------------------------------- */

pid_t ft_fork(void)
{
	pid_t parent = getpid(), pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		ft_fatal("fork: %s", strerror(errno));
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(127);
	}
	return pid;
}

int ft_reap(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			ft_fatal("waitpid: %s", strerror(errno));
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) :
				     WEXITSTATUS(status);
}

void ft_turn_init(struct ft_turn *t)
{
	if (pipe2(t->fd, O_CLOEXEC))
		ft_fatal("pipe: %s", strerror(errno));
}

void ft_turn_give(struct ft_turn *t)
{
	if (write(t->fd[1], "", 1) != 1)
		ft_fatal("pipe: %s", strerror(errno));
}

void ft_turn_take(struct ft_turn *t)
{
	ssize_t n;
	char c;

	do {
		n = read(t->fd[0], &c, 1);
	} while (n < 0 && errno == EINTR);
	if (n != 1)
		ft_fatal("the other process is gone");
}

bool ft_read_line(const char *path, char *buf, size_t size)
{
	FILE *f = fopen(path, "re");
	bool ok;

	if (!f)
		return false;
	ok = fgets(buf, size, f);
	fclose(f);
	if (ok)
		buf[strcspn(buf, "\n")] = '\0';
	return ok;
}

long long ft_read_number(const char *path)
{
	char line[64], *end;
	long long n;

	if (!ft_read_line(path, line, sizeof(line)))
		return -1;
	n = strtoll(line, &end, 0);
	return end == line ? -1 : n;
}

int ft_write_file(const char *path, const char *fmt, ...)
{
	char text[128];
	ssize_t done;
	va_list args;
	int fd, n;

	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	done = write(fd, text, n);
	n = done < 0 ? -errno : 0;
	close(fd);
	return n;
}

long long ft_read_field(const char *path, const char *name)
{
	size_t len = strlen(name);
	long long n = -1;
	char line[256];
	FILE *f;

	f = fopen(path, "re");
	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, name, len) &&
		    (line[len] == ':' || line[len] == ' ')) {
			n = strtoll(line + len + 1, NULL, 10);
			break;
		}
	}
	fclose(f);
	return n;
}

const char *ft_pci_path(const char *address, const char *name)
{
	static __thread char path[320];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", address, name);
	return path;
}

bool ft_is_ivshmem(const char *address)
{
	return ft_read_number(ft_pci_path(address, "vendor")) == 0x1af4 &&
	       ft_read_number(ft_pci_path(address, "device")) == 0x1110;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

int ft_pci_slots(char slot[2][16])
{
	struct dirent **list;
	int i, n, found = 0;

	n = scandir("/sys/bus/pci/devices", &list, NULL, by_name);
	for (i = 0; i < n; i++) {
		const char *name = list[i]->d_name;

		if (strlen(name) < 16 && ft_is_ivshmem(name) && found < 2)
			strcpy(slot[found++], name);
		free(list[i]);
	}
	free(list);
	return found;
}

int ft_uffd_open(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api))
		ft_fatal("userfaultfd: %s", strerror(errno));
	return fd;
}

void ft_uffd_watch(int fd, void *p, size_t len, uint64_t mode)
{
	struct uffdio_register r = {
		.range = { .start = (uintptr_t)p, .len = len },
		.mode = mode,
	};

	if (ioctl(fd, UFFDIO_REGISTER, &r))
		ft_fatal("UFFDIO_REGISTER: %s", strerror(errno));
}

void ft_swap_on(void)
{
	static const char setup[] =
		"swapon --show=NAME --noheadings | grep -q . && exit 0;"
		"[ -e /sys/block/zram0 ] || modprobe zram num_devices=1 || exit;"
		"if [ \"$(cat /sys/block/zram0/disksize)\" = 0 ]; then "
		"echo 512M >/sys/block/zram0/disksize || exit; fi;"
		"mkswap /dev/zram0 >/dev/null && swapon /dev/zram0";

	if (system(setup))
		ft_fatal("no swap on zram");
}

void ft_swap_off(void)
{
	if (swapoff("/dev/zram0"))
		ft_fatal("swapoff: %s", strerror(errno));
}

/* ---- the module ----------------------------------------------------------- */

const char *ft_usual_params(void)
{
	const char *params = getenv("FERRY_PARAMS");

	if (!params)
		ft_fatal("FERRY_PARAMS does not say how the driver is loaded");
	return params;
}

/* Load the module whose file @variable of the environment names. */
static int ft_load_from(const char *variable, const char *params)
{
	const char *path = getenv(variable);
	int fd, ret;

	fd = open(path ? path : "", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		ft_fatal("%s names no module", variable);
	ret = syscall(SYS_finit_module, fd, params, 0) ? -errno : 0;
	close(fd);
	return ret;
}

int ft_load(const char *params)
{
	return ft_load_from("FERRY_KO", params);
}

int ft_unload(void)
{
	return syscall(SYS_delete_module, "ferry", O_NONBLOCK) ? -errno : 0;
}

int ft_load_dmirror(void)
{
	return ft_load_from("FERRY_DMIRROR_KO", "");
}

int ft_unload_dmirror(void)
{
	return syscall(SYS_delete_module, "ferry_dmirror", O_NONBLOCK) ? -errno :
									 0;
}

const char *ft_dmirror_node(enum ferry_kind kind)
{
	return kind == FERRY_KIND_PRIVATE ? "/dev/hmm_dmirror0" :
					    "/dev/hmm_dmirror2";
}

int ft_unload_soon(void)
{
	int ret;

	ft_until((ret = ft_unload()) != -EAGAIN && ret != -EBUSY, 20);
	return ret;
}

/* ---- the kernel log ------------------------------------------------------ */

/* Texts that only a kernel in trouble prints; selftests/run has the same. */
static const char * const ft_trouble[] = {
	"WARNING:", "BUG:", "BUG ", "Oops", "Call Trace:", "general protection",
	"unable to handle", "Bad page", "bad page", "page dumped because",
	"possible circular locking", "possible recursive locking",
	"inconsistent lock state", "suspicious RCU", "INFO: task ",
	"detected stall", "self-detected", "soft lockup", "hard LOCKUP",
	"refcount_t:", "list_add corruption", "list_del corruption",
	"KASAN:", "UBSAN:", "KCSAN:", "kmemleak: ", "Bad rss-counter",
	"scheduling while atomic", "sleeping function called",
	"Voluntary context switch", "stack guard page", "Kernel panic",
	"double free", "use-after-free", "leaked ",
};

static bool ft_is_trouble(const char *text)
{
	size_t i;

	for (i = 0; i < sizeof(ft_trouble) / sizeof(ft_trouble[0]); i++)
		if (strstr(text, ft_trouble[i]))
			return true;
	return false;
}

static int ft_log_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		ft_fatal("/dev/kmsg: %s", strerror(errno));
	return fd;
}

/*
 * Read one record: its sequence number and its text. False at the end. A
 * reader that the ring has overtaken gets -EPIPE and goes on with the oldest.
 */
static bool ft_log_next(int fd, uint64_t *seq, char *buf, size_t size,
			char **text)
{
	ssize_t n;

	do {
		n = read(fd, buf, size - 1);
	} while (n < 0 && (errno == EPIPE || errno == EINTR));
	if (n <= 0)
		return false;
	buf[n] = '\0';
	if (sscanf(buf, "%*u,%llu,", (unsigned long long *)seq) != 1)
		*seq = 0;
	*text = strchr(buf, ';');
	*text = *text ? *text + 1 : buf;
	(*text)[strcspn(*text, "\n")] = '\0';
	return true;
}

uint64_t ft_log_position(void)
{
	char buf[8192], *text;
	uint64_t seq, last = 0;
	int fd = ft_log_open();

	while (ft_log_next(fd, &seq, buf, sizeof(buf), &text))
		last = seq + 1;
	close(fd);
	return last;
}

unsigned int ft_log_count(uint64_t position, const char *what)
{
	char buf[8192], *text;
	unsigned int n = 0;
	int fd = ft_log_open();
	uint64_t seq;

	while (ft_log_next(fd, &seq, buf, sizeof(buf), &text))
		n += seq >= position && strstr(text, what);
	close(fd);
	return n;
}

unsigned int ft_log_check_but(uint64_t position, const char *expected)
{
	unsigned int bad = 0, context = 0;
	char buf[8192], *text;
	int fd = ft_log_open();
	uint64_t seq;

	while (ft_log_next(fd, &seq, buf, sizeof(buf), &text)) {
		if (seq < position || (expected && strstr(text, expected)))
			continue;
		if (ft_is_trouble(text)) {
			bad++;
			context = 40;
		}
		if (context) {
			context--;
			fprintf(stderr, "# kernel log: %s\n", text);
		}
	}
	close(fd);
	return bad;
}

unsigned int ft_log_check(uint64_t position)
{
	return ft_log_check_but(position, NULL);
}
