// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * A Ferry device in user space.
 *
 * Linked in place of sys.c. A page "on the device" is copied to an array that
 * plays VRAM and its address made inaccessible; a SIGSEGV handler then plays
 * the CPU fault. So real programs run on it unchanged, as long as no system
 * call gets a pointer into such a page. Limits: state is of this process only
 * (a child after fork has a copy), aligned 2 MiB of small pages count as a huge
 * page, and lists run inside the submission.
 *
 * With FERRY_MOCK_DEVICES and FERRY_MOCK_VRAM (MiB) the environment sets what
 * a test would set in struct mock.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"
#include "mock.h"

#define PAGE		4096UL
#define HUGE_PAGES	512UL
#define WINDOW_PAGES	16UL
#define REMEMBERED	256
#define CONTEXTS	64

struct mock mock = {
	.devices = 1,
	.vram = 64 << 20,
	.abi = FERRY_ABI_VERSION,
	.nr_counters = FERRY_COUNTERS,
};

struct device {
	char *vram;
	uint64_t *owner;	/* page number by frame, 0: free */
	uint64_t frames, used, hand;
	uint64_t counters[FERRY_COUNTERS];
	uint64_t hist[FERRY_PHASES][FERRY_BUCKETS];
};

struct ended {
	struct ferry_wait end;
	uint64_t *results;
};

struct context {
	int fd;
	pid_t pid;
	struct device *dev;
	uint64_t seq;
	struct ended ended[REMEMBERED];
};

static struct device devices[FERRY_MAX_DEVICES];
static struct context *contexts[CONTEXTS];

/* Recursive: the fault handler may interrupt a thread that holds it. */
static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

/* ---- the table: page number to frame --------------------------------- */

#define LEAF_BITS	18
#define LEAF_SIZE	(1UL << LEAF_BITS)
#define ENTRY_HUGE	(1U << 31)

/* An entry is 1 + device << 24 + frame, or 0; a leaf covers 1 GiB. */
static uint32_t *leaves[1 << 18];

static void *zeroed(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static uint32_t *entry(uint64_t vpn)
{
	uint32_t **leaf = &leaves[(vpn >> LEAF_BITS) & (LEAF_SIZE - 1)];

	if (!*leaf)
		*leaf = zeroed(LEAF_SIZE * sizeof(uint32_t));
	return *leaf + (vpn & (LEAF_SIZE - 1));
}

static struct device *entry_device(uint32_t e)
{
	return &devices[((e & ~ENTRY_HUGE) - 1) >> 24];
}

static uint64_t entry_frame(uint32_t e)
{
	return ((e & ~ENTRY_HUGE) - 1) & 0xffffff;
}

static char *entry_data(uint32_t e)
{
	return entry_device(e)->vram + entry_frame(e) * PAGE;
}

/* ---- the process's memory -------------------------------------------- */

static int mem_fd, pagemap_fd;

/* These descriptors belong to one address space; a child needs its own. */
static void open_proc(void)
{
	static pid_t owner;

	if (owner == getpid())
		return;
	owner = getpid();
	mem_fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	pagemap_fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
}

/* Whether /proc/self/mem can be written where a program may not. */
static bool write_hidden;

static void probe_write_hidden(void)
{
	void *page = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	open_proc();
	write_hidden = pwrite(mem_fd, "", 1, (uintptr_t)page) == 1;
	munmap(page, PAGE);
}

static bool is_mapped(uint64_t vpn)
{
	return msync((void *)(vpn * PAGE), PAGE, MS_ASYNC) == 0;
}

static uint64_t pagemap(uint64_t vpn)
{
	uint64_t e = 0;

	open_proc();
	if (pread(pagemap_fd, &e, sizeof(e), vpn * sizeof(e)) != sizeof(e))
		return 0;
	return e;
}

static bool is_present(uint64_t vpn)
{
	return pagemap(vpn) >> 63;
}

static bool is_file(uint64_t vpn)
{
	return is_present(vpn) && (pagemap(vpn) >> 61 & 1);
}

/* ---- moving pages ---------------------------------------------------- */

static void drop(uint64_t vpn)
{
	uint32_t *e = entry(vpn);
	struct device *dev = entry_device(*e);

	dev->owner[entry_frame(*e)] = 0;
	dev->used--;
	*e = 0;
}

static bool is_readable(uint64_t vpn)
{
	char byte;
	struct iovec to = { &byte, 1 }, from = { (void *)(vpn * PAGE), 1 };

	return process_vm_readv(getpid(), &to, 1, &from, 1, 0) == 1;
}

/*
 * Nothing tells of munmap. But an address that is unmapped, or readable again,
 * no longer belongs to what once went to the device.
 */
static uint32_t lookup(uint64_t vpn)
{
	if (*entry(vpn) && (!is_mapped(vpn) || is_readable(vpn)))
		drop(vpn);
	return *entry(vpn);
}

/*
 * By /proc/self/mem the data is in place before any thread can see the page.
 * Kernels that let only debuggers do that leave a moment in which another thread
 * sees zeros; what may bring home another thread's pages asks write_hidden.
 */
static void bring_home(uint64_t vpn)
{
	void *page = (void *)(vpn * PAGE);
	uint32_t e = *entry(vpn);
	struct device *dev = entry_device(e);

	open_proc();
	if (!write_hidden)
		mprotect(page, PAGE, PROT_READ | PROT_WRITE);
	if (!write_hidden)
		memcpy(page, entry_data(e), PAGE);
	else if (pwrite(mem_fd, entry_data(e), PAGE, vpn * PAGE) != (ssize_t)PAGE)
		abort();
	mprotect(page, PAGE, PROT_READ | PROT_WRITE);
	drop(vpn);
	dev->counters[FERRY_C_TO_RAM_PAGES]++;
	dev->counters[FERRY_C_BYTES_FROM_DEVICE] += PAGE;
}

static void evict(struct device *dev)
{
	uint64_t start = dev->hand;

	dev->hand = (start + HUGE_PAGES) % dev->frames;
	dev->counters[FERRY_C_EVICTIONS]++;
	for (uint64_t i = start; i < start + HUGE_PAGES; i++) {
		if (!dev->owner[i] || !lookup(dev->owner[i]))
			continue;
		bring_home(dev->owner[i]);
		dev->counters[FERRY_C_EVICTED_PAGES]++;
	}
}

static uint64_t take_frame(struct device *dev)
{
	static uint64_t next;

	while (dev->used == dev->frames)
		evict(dev);
	while (dev->owner[next % dev->frames])
		next++;
	dev->used++;
	return next++ % dev->frames;
}

static void set_entry(struct device *dev, uint64_t vpn, uint64_t frame)
{
	dev->owner[frame] = vpn;
	*entry(vpn) = 1 + ((uint32_t)(dev - devices) << 24) + frame;
}

static void ram_to_device(struct device *dev, uint64_t vpn)
{
	void *page = (void *)(vpn * PAGE);
	uint64_t frame = take_frame(dev);
	char *data = dev->vram + frame * PAGE;
	bool present = is_present(vpn);

	/* Nobody writes from here on. */
	mprotect(page, PAGE, PROT_READ);
	if (present)
		memcpy(data, page, PAGE);
	else
		memset(data, 0, PAGE);
	mprotect(page, PAGE, PROT_NONE);
	madvise(page, PAGE, MADV_DONTNEED);
	set_entry(dev, vpn, frame);
	dev->counters[present ? FERRY_C_TO_DEVICE_PAGES : FERRY_C_CLEARED_PAGES]++;
	dev->counters[FERRY_C_BYTES_TO_DEVICE] += present ? PAGE : 0;
}

static void device_to_device(struct device *dev, uint64_t vpn)
{
	uint64_t frame = take_frame(dev);
	uint32_t old = lookup(vpn);

	/* Making room may just have sent the page home. */
	if (!old) {
		dev->used--;
		ram_to_device(dev, vpn);
		return;
	}
	memcpy(dev->vram + frame * PAGE, entry_data(old), PAGE);
	entry_device(old)->owner[entry_frame(old)] = 0;
	entry_device(old)->used--;
	set_entry(dev, vpn, frame);
	dev->counters[FERRY_C_PEER_PAGES]++;
}

/* Where @vpn goes; FERRY_REASONS when it went. */
static unsigned int move_page(uint64_t vpn, struct device *dev)
{
	uint32_t e = lookup(vpn);

	if (!is_mapped(vpn))
		return FERRY_REASON_UNMAPPED;
	if (!dev && !e)
		return is_present(vpn) ? FERRY_REASON_RESIDENT : FERRY_REASON_EMPTY;
	if (!dev) {
		bring_home(vpn);
		return FERRY_REASONS;
	}
	if (e && entry_device(e) == dev)
		return FERRY_REASON_RESIDENT;
	if (e) {
		device_to_device(dev, vpn);
		return FERRY_REASONS;
	}
	if (is_file(vpn))
		return FERRY_REASON_FILE;
	ram_to_device(dev, vpn);
	return FERRY_REASONS;
}

/* ---- the CPU fault --------------------------------------------------- */

static void home_around(uint64_t vpn)
{
	uint32_t e = *entry(vpn);
	uint64_t n = !write_hidden ? 1 : e & ENTRY_HUGE ? HUGE_PAGES : WINDOW_PAGES;
	struct device *dev = entry_device(e);

	dev->counters[FERRY_C_CPU_FAULTS]++;
	dev->hist[FERRY_PHASE_CPU_FAULT][12]++;
	for (uint64_t p = vpn & ~(n - 1), end = p + n; p < end; p++) {
		if (!lookup(p))
			continue;
		bring_home(p);
		dev->counters[FERRY_C_CPU_FAULT_PAGES]++;
	}
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
	uint64_t vpn = (uintptr_t)info->si_addr / PAGE;
	int saved = errno;

	(void)context;
	pthread_mutex_lock(&lock);
	if (lookup(vpn))
		home_around(vpn);
	else if (!is_present(vpn))
		signal(sig, SIG_DFL);
	pthread_mutex_unlock(&lock);
	errno = saved;
}

static void catch_faults(void)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER };

	sigaction(SIGSEGV, &sa, NULL);
}

/* ---- the engine ------------------------------------------------------ */

/* The bytes at @addr up to the end of its page, wherever they are, or NULL. */
static char *reach(struct context *c, uint64_t addr)
{
	uint64_t vpn = addr / PAGE;
	uint32_t e = lookup(vpn);

	if (!e || entry_device(e) != c->dev) {
		if (!is_mapped(vpn))
			return NULL;
		c->dev->counters[FERRY_C_DEV_FAULTS]++;
		if (mock.place || e) {
			move_page(vpn, c->dev);
			c->dev->counters[FERRY_C_DEV_FAULT_MIGRATED]++;
		}
		e = lookup(vpn);
	}
	return e ? entry_data(e) + addr % PAGE : (char *)addr;
}

struct access {
	struct context *c;
	struct ferry_wait *end;
};

static bool transfer(struct access *a, void *buf, uint64_t addr, size_t len, bool write)
{
	char *bytes = buf;

	while (len) {
		size_t n = PAGE - addr % PAGE;
		char *p = reach(a->c, addr);

		if (!p) {
			a->end->status = -EFAULT;
			a->end->fault_addr = addr;
			a->end->access = write ? FERRY_ACCESS_WRITE : FERRY_ACCESS_READ;
			return false;
		}
		if (n > len)
			n = len;
		memcpy(write ? p : bytes, write ? bytes : p, n);
		addr += n;
		bytes += n;
		len -= n;
	}
	return true;
}

/* The operands go through a buffer, a page at a time. */
static uint64_t part(const struct ferry_cmd *cmd, uint64_t at)
{
	return cmd->len - at < PAGE ? cmd->len - at : PAGE;
}

static bool do_fill(struct access *a, const struct ferry_cmd *cmd)
{
	char buf[PAGE];
	uint64_t at, n;

	for (at = 0; at < PAGE; at += sizeof(cmd->arg0))
		memcpy(buf + at, &cmd->arg0, sizeof(cmd->arg0));
	for (at = 0; at < cmd->len; at += n) {
		n = part(cmd, at);
		if (!transfer(a, buf, cmd->dst + at, n, true))
			return false;
	}
	return true;
}

static bool do_copy(struct access *a, const struct ferry_cmd *cmd)
{
	char buf[PAGE];
	uint64_t at, n;

	for (at = 0; at < cmd->len; at += n) {
		n = part(cmd, at);
		if (!transfer(a, buf, cmd->src + at, n, false) ||
		    !transfer(a, buf, cmd->dst + at, n, true))
			return false;
	}
	return true;
}

static bool do_compare(struct access *a, const struct ferry_cmd *cmd, uint64_t *result)
{
	unsigned char x, y;

	for (*result = 0; *result < cmd->len; ++*result) {
		if (!transfer(a, &x, cmd->dst + *result, 1, false) ||
		    !transfer(a, &y, cmd->src + *result, 1, false))
			return false;
		if (x != y)
			break;
	}
	return true;
}

static bool do_crc32c(struct access *a, const struct ferry_cmd *cmd, uint64_t *result)
{
	static uint32_t table[256];
	unsigned char buf[PAGE];
	uint32_t crc = ~0U;
	uint64_t at, n;

	for (uint32_t i = 0; !table[255] && i < 256; i++) {
		table[i] = i;
		for (int bit = 0; bit < 8; bit++)
			table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0x82f63b78 : 0);
	}
	for (at = 0; at < cmd->len; at += n) {
		n = part(cmd, at);
		if (!transfer(a, buf, cmd->src + at, n, false))
			return false;
		for (uint64_t i = 0; i < n; i++)
			crc = crc >> 8 ^ table[(crc ^ buf[i]) & 0xff];
	}
	*result = (uint32_t)~crc;
	return true;
}

static bool do_histogram(struct access *a, const struct ferry_cmd *cmd)
{
	unsigned char buf[PAGE];
	uint64_t bins[256];
	uint64_t at, n;

	if (!transfer(a, bins, cmd->dst, sizeof(bins), false))
		return false;
	for (at = 0; at < cmd->len; at += n) {
		n = part(cmd, at);
		if (!transfer(a, buf, cmd->src + at, n, false))
			return false;
		for (uint64_t i = 0; i < n; i++)
			bins[buf[i]]++;
	}
	return transfer(a, bins, cmd->dst, sizeof(bins), true);
}

static bool do_saxpy(struct access *a, const struct ferry_cmd *cmd)
{
	uint32_t bits = cmd->arg0;
	float f, x, y;

	memcpy(&f, &bits, sizeof(f));
	for (uint64_t at = 0; at < cmd->len; at += sizeof(x)) {
		if (!transfer(a, &x, cmd->src + at, sizeof(x), false) ||
		    !transfer(a, &y, cmd->dst + at, sizeof(y), false))
			return false;
		y += f * x;
		if (!transfer(a, &y, cmd->dst + at, sizeof(y), true))
			return false;
	}
	return true;
}

static bool do_gather(struct access *a, const struct ferry_cmd *cmd)
{
	uint64_t index, v;

	for (uint64_t at = 0; at < cmd->len; at += sizeof(v)) {
		if (!transfer(a, &index, cmd->arg0 + at, sizeof(index), false))
			return false;
		if (index >= cmd->arg1) {
			a->end->status = -ERANGE;
			return false;
		}
		if (!transfer(a, &v, cmd->src + index * sizeof(v), sizeof(v), false) ||
		    !transfer(a, &v, cmd->dst + at, sizeof(v), true))
			return false;
	}
	return true;
}

static bool do_chase(struct access *a, const struct ferry_cmd *cmd, uint64_t *result)
{
	*result = cmd->src;
	for (uint64_t i = 0; i < cmd->arg0; i++) {
		if (!transfer(a, result, *result, sizeof(*result), false))
			return false;
	}
	return true;
}

static bool do_atomic(struct access *a, const struct ferry_cmd *cmd, uint64_t *result)
{
	uint64_t v;

	if (!transfer(a, result, cmd->dst, sizeof(*result), false))
		return false;
	if (cmd->op == FERRY_OP_ADD64)
		v = *result + cmd->arg0;
	else
		v = *result == cmd->arg0 ? cmd->arg1 : *result;
	return transfer(a, &v, cmd->dst, sizeof(v), true);
}

static bool execute(struct access *a, const struct ferry_cmd *cmd, uint64_t *result)
{
	switch (cmd->op) {
	case FERRY_OP_FILL:
		return do_fill(a, cmd);
	case FERRY_OP_COPY:
		return do_copy(a, cmd);
	case FERRY_OP_COMPARE:
		return do_compare(a, cmd, result);
	case FERRY_OP_CRC32C:
		return do_crc32c(a, cmd, result);
	case FERRY_OP_HISTOGRAM:
		return do_histogram(a, cmd);
	case FERRY_OP_SAXPY:
		return do_saxpy(a, cmd);
	case FERRY_OP_GATHER:
		return do_gather(a, cmd);
	case FERRY_OP_CHASE:
		return do_chase(a, cmd, result);
	case FERRY_OP_ADD64:
	case FERRY_OP_CAS64:
		return do_atomic(a, cmd, result);
	}
	return true;
}

static void run_list(struct context *c, struct ended *e, const struct ferry_cmd *cmds)
{
	struct access a = { .c = c, .end = &e->end };

	for (uint32_t i = 0; i < e->end.count; i++) {
		c->dev->counters[FERRY_C_COMMANDS]++;
		if (!execute(&a, &cmds[i], &e->results[i])) {
			c->dev->counters[FERRY_C_COMMANDS_FAILED]++;
			e->end.failed = i;
			return;
		}
	}
}

/* ---- the calls ------------------------------------------------------- */

static int call_info(struct context *c, struct ferry_info *req)
{
	if (req->size != sizeof(*req) || req->flags)
		return -EINVAL;
	req->abi = mock.abi;
	req->device = c->dev - devices;
	req->kind = FERRY_KIND_PRIVATE;
	req->devices = mock.devices;
	req->vram_bytes = c->dev->frames * PAGE;
	req->free_bytes = (c->dev->frames - c->dev->used) * PAGE;
	req->page_size = PAGE;
	req->max_order = 9;
	req->granule = HUGE_PAGES * PAGE;
	req->fault_window = WINDOW_PAGES * PAGE;
	return 0;
}

static bool bad_range(uint64_t addr, uint64_t len)
{
	return !len || addr % PAGE || len % PAGE || addr + len < addr;
}

/* A whole unit of small or untouched pages is taken for a huge page. */
static bool is_unit(uint64_t vpn, uint64_t end)
{
	if (vpn % HUGE_PAGES || end - vpn < HUGE_PAGES)
		return false;
	for (uint64_t p = vpn; p < vpn + HUGE_PAGES; p++) {
		if (lookup(p) || !is_mapped(p) || is_file(p))
			return false;
	}
	return true;
}

static void mark_unit(uint64_t vpn, struct ferry_migrate *req)
{
	/* Unless making room for the end of it sent the beginning home. */
	for (uint64_t p = vpn; p < vpn + HUGE_PAGES; p++) {
		if (!*entry(p))
			return;
	}
	for (uint64_t p = vpn; p < vpn + HUGE_PAGES; p++)
		*entry(p) |= ENTRY_HUGE;
	req->huge++;
}

static int call_migrate(struct context *c, struct ferry_migrate *req)
{
	uint64_t vpn = req->addr / PAGE, end = vpn + req->len / PAGE;
	uint64_t unit = 0;
	struct device *dev;
	unsigned int pages = 0;

	(void)c;
	mock.migrate = *req;
	mock.migrates++;
	if (bad_range(req->addr, req->len) || req->flags & ~FERRY_MIGRATE_FLAGS)
		return -EINVAL;
	if (req->dst != FERRY_RAM && (req->dst < 0 || !ferry_sys_exists(req->dst)))
		return -ENODEV;
	dev = req->dst == FERRY_RAM ? NULL : &devices[req->dst];
	for (; vpn < end; vpn++, pages++) {
		unsigned int reason;

		if (mock.pages_to_signal && pages == mock.pages_to_signal) {
			req->addr = vpn * PAGE;
			req->len = (end - vpn) * PAGE;
			return -EINTR;
		}
		if (dev && is_unit(vpn, end))
			unit = vpn + HUGE_PAGES;
		reason = move_page(vpn, dev);
		if (reason == FERRY_REASONS) {
			req->moved++;
		} else {
			req->failed++;
			req->reasons[reason]++;
		}
		if (vpn + 1 == unit)
			mark_unit(vpn + 1 - HUGE_PAGES, req);
	}
	return 0;
}

static struct ferry_residency residency(struct context *c, uint64_t vpn)
{
	struct ferry_residency r = { .where = FERRY_NOWHERE };
	uint32_t e = lookup(vpn);

	if (!is_mapped(vpn)) {
		r.flags = FERRY_PAGE_UNMAPPED;
	} else if (e) {
		r.where = entry_device(e) - devices;
		r.order = e & ENTRY_HUGE ? 9 : 0;
		r.flags = FERRY_PAGE_PRESENT | FERRY_PAGE_WRITE;
		if (entry_device(e) == c->dev)
			r.flags |= FERRY_PAGE_MIRRORED | FERRY_PAGE_DEV_WRITE;
	} else if (is_present(vpn)) {
		r.where = FERRY_RAM;
		r.flags = FERRY_PAGE_PRESENT | FERRY_PAGE_WRITE;
	}
	return r;
}

static int call_query(struct context *c, struct ferry_query *req)
{
	struct ferry_residency *out = (void *)req->pages;

	mock.queries++;
	if (mock.query_signals) {
		mock.query_signals--;
		return -EINTR;
	}
	if (bad_range(req->addr, req->len) || req->len / PAGE > FERRY_MAX_QUERY)
		return -EINVAL;
	if (req->pid && req->pid != getpid())
		return kill(req->pid, 0) < 0 && errno == ESRCH ? -ESRCH : -EPERM;
	for (uint64_t i = 0; i < req->len / PAGE; i++)
		out[i] = residency(c, req->addr / PAGE + i);
	return 0;
}

static int call_submit(struct context *c, struct ferry_submit *req)
{
	const struct ferry_cmd *cmds = (void *)req->cmds;
	struct ended *e;
	uint64_t one = 1;

	if (mock.queue_full) {
		mock.queue_full--;
		return -EAGAIN;
	}
	if (!req->count || req->cmd_size != sizeof(*cmds))
		return -EINVAL;
	for (uint32_t i = 0; i < req->count; i++) {
		if (cmds[i].op >= FERRY_OPS || cmds[i].flags)
			return -EINVAL;
	}
	req->seq = ++c->seq;
	e = &c->ended[req->seq % REMEMBERED];
	free(e->results);
	memset(&e->end, 0, sizeof(e->end));
	e->end.seq = req->seq;
	e->end.count = req->count;
	e->results = calloc(req->count, sizeof(*e->results));
	run_list(c, e, cmds);
	if (req->eventfd >= 0 && write(req->eventfd, &one, sizeof(one)) < 0)
		return -EBADF;
	return 0;
}

static int call_wait(struct context *c, struct ferry_wait *req)
{
	struct ended *e = &c->ended[req->seq % REMEMBERED];
	uint64_t *results = (void *)req->results;

	mock.wait = *req;
	mock.waits++;
	if (mock.wait_signals) {
		mock.wait_signals--;
		if (req->timeout_ns > 0)
			req->timeout_ns -= 1000000;
		return -EINTR;
	}
	if (!req->seq || e->end.seq != req->seq)
		return -ENOENT;
	if (mock.hold)
		return -ETIMEDOUT;
	for (uint32_t i = 0; i < req->count && i < e->end.count; i++)
		results[i] = e->results[i];
	req->count = e->end.count;
	req->status = e->end.status;
	req->failed = e->end.failed;
	req->access = e->end.access;
	req->fault_addr = e->end.fault_addr;
	return 0;
}

static int call_advise(struct context *c, struct ferry_advise *req)
{
	(void)c;
	mock.advise = *req;
	if (bad_range(req->addr, req->len) || req->advice >= FERRY_ADVICES)
		return -EINVAL;
	return 0;
}

static void drop_stale(struct device *dev)
{
	for (uint64_t i = 0; i < dev->frames; i++) {
		if (dev->owner[i])
			lookup(dev->owner[i]);
	}
}

static int call_stats(struct context *c, struct ferry_stats *req)
{
	uint32_t n = req->nr_counters < mock.nr_counters ? req->nr_counters : mock.nr_counters;

	drop_stale(c->dev);
	if (req->counters)
		memcpy((void *)req->counters, c->dev->counters, n * sizeof(uint64_t));
	if (req->hist && req->nr_phases >= FERRY_PHASES)
		memcpy((void *)req->hist, c->dev->hist, sizeof(c->dev->hist));
	req->nr_counters = mock.nr_counters;
	req->nr_phases = FERRY_PHASES;
	req->frames_used = c->dev->used;
	req->frames_free = c->dev->frames - c->dev->used;
	req->driver_bytes = 4096;
	return 0;
}

static int call(struct context *c, unsigned long request, void *arg)
{
	switch (request) {
	case FERRY_IOC_INFO:
		return call_info(c, arg);
	case FERRY_IOC_MIGRATE:
		return call_migrate(c, arg);
	case FERRY_IOC_QUERY:
		return call_query(c, arg);
	case FERRY_IOC_SUBMIT:
		return call_submit(c, arg);
	case FERRY_IOC_WAIT:
		return call_wait(c, arg);
	case FERRY_IOC_ADVISE:
		return call_advise(c, arg);
	case FERRY_IOC_STATS:
		return call_stats(c, arg);
	}
	return -ENOTTY;
}

/* ---- in place of sys.c ----------------------------------------------- */

static struct context **find(int fd)
{
	for (int i = 0; i < CONTEXTS; i++) {
		if (contexts[i] && contexts[i]->fd == fd)
			return &contexts[i];
	}
	return NULL;
}

static void set_up_device(struct device *dev)
{
	if (dev->vram)
		return;
	dev->frames = mock.vram / PAGE;
	dev->vram = zeroed(mock.vram);
	dev->owner = zeroed(dev->frames * sizeof(*dev->owner));
	probe_write_hidden();
	catch_faults();
}

bool ferry_sys_exists(int device)
{
	return device < mock.devices && !(mock.missing >> device & 1);
}

static int open_locked(int device)
{
	struct context *c = NULL;
	int i = 0;

	if (mock.open_error)
		return mock.open_error;
	if (!ferry_sys_exists(device))
		return -ENOENT;
	while (i < CONTEXTS && contexts[i])
		i++;
	if (i < CONTEXTS)
		c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	set_up_device(&devices[device]);
	c->fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	c->pid = getpid();
	c->dev = &devices[device];
	contexts[i] = c;
	return c->fd;
}

int ferry_sys_open(int device)
{
	int fd;

	pthread_mutex_lock(&lock);
	fd = open_locked(device);
	pthread_mutex_unlock(&lock);
	return fd;
}

void ferry_sys_close(int fd)
{
	struct context **c;

	pthread_mutex_lock(&lock);
	c = find(fd);
	for (int i = 0; i < REMEMBERED; i++)
		free((*c)->ended[i].results);
	free(*c);
	*c = NULL;
	close(fd);
	pthread_mutex_unlock(&lock);
}

int ferry_sys_ioctl(int fd, unsigned long request, void *arg)
{
	struct context **c;
	int err;

	pthread_mutex_lock(&lock);
	c = find(fd);
	if (!c)
		err = -EBADF;
	else
		err = (*c)->pid == getpid() ? call(*c, request, arg) : -EPERM;
	pthread_mutex_unlock(&lock);
	return err;
}

static void __attribute__((constructor)) read_environment(void)
{
	const char *n = getenv("FERRY_MOCK_DEVICES");
	const char *mib = getenv("FERRY_MOCK_VRAM");
	const char *missing = getenv("FERRY_MOCK_MISSING");

	if (n) {
		mock.devices = atoi(n);
		mock.place = true;
	}
	if (missing)
		mock.missing = strtoul(missing, NULL, 0);
	if (mib)
		mock.vram = strtoull(mib, NULL, 0) << 20;
}
