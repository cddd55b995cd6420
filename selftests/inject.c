// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every step that can fail, fails once: the driver's injection points
 * (driver/inject.h), swept one operation at a time.
 *
 * Of each operation the first call of a point fails, then the second, and so on,
 * until it gets through without meeting one that would. After each failure: the
 * errno is one that the header documents, no frame is in use that holds no page,
 * every byte is right wherever it is, and the same operation works. Calls of one point
 * beyond the first few, and sweeps that resemble others, are left out; FERRY_LONG=1
 * takes them all.
 *
 * The driver must have been built with the points; selftests/run sees to that.
 */
#define FERRY_OWN_FIXTURE
#include "ferry_fixture.h"

#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <linux/mempolicy.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "../driver/dmirror/abi.h"

#define INJECT	"/sys/kernel/debug/ferry/inject/"
/* The tests never have more. */
#define DEVICES	4
#define FAILED	"/tmp/ferry-inject-failed"	/* names of points, one a line */

/* Calls of one point that fail in one sweep, unless FERRY_LONG=1. */
#define MOST_OF_ONE	6
/* More calls than any operation here makes. */
#define MOST	4000

#define SMALL	(40 * FT_PAGE)
/* What an engine is given of memory that is larger. */
#define WORK	(12 * FT_PAGE)
#define OLD	1
#define NEW	2

FIXTURE(kind)
{
	uint64_t log;
	int dev, peer;
	struct ferry *f, *g;	/* contexts on the two */
};

FIXTURE_VARIANT(kind)
{
	enum ferry_kind kind;
	const char *params;
};

/* Small devices are soon full. */
FIXTURE_VARIANT_ADD(kind, private)
{
	.kind = FERRY_KIND_PRIVATE,
	.params = "devices=2 vram=4",
};

FIXTURE_VARIANT_ADD(kind, coherent)
{
	.kind = FERRY_KIND_COHERENT,
	.params = "devices=0 pci=1 pci_kind=coherent pci_vram=4",
};

FIXTURE_SETUP(kind)
{
	int devices[2];

	self->log = ft_log_position();
	if (!access("/sys/module/ferry", F_OK)) {
		ASSERT_EQ(0, ft_unload_soon());
	}
	ASSERT_EQ(0, ft_load(variant->params));
	if (ft_devices(variant->kind, devices, 2) < 2)
		SKIP(return, "no two devices of this kind");
	self->dev = devices[0];
	self->peer = devices[1];
	ASSERT_EQ(0, ferry_open(self->dev, &self->f));
	ASSERT_EQ(0, ferry_open(self->peer, &self->g));
}

FIXTURE_TEARDOWN_PARENT(kind)
{
	FILE *f = fopen(FAILED, "ae");

	EXPECT_LT(0, f ? fprintf(f, "tried\n") : -1);
	EXPECT_EQ(0, f ? fclose(f) : -1);
	EXPECT_EQ(0, ft_wait_used(0));
	if (!access("/sys/module/ferry_dmirror", F_OK)) {
		EXPECT_EQ(0, ft_unload_dmirror());
	}
	if (!access("/sys/module/ferry", F_OK)) {
		EXPECT_EQ(0, ft_unload_soon());
	}
	EXPECT_EQ(0, ft_load(ft_usual_params()));
	/* So the kernel tells that a page fault without memory is tried again. */
	EXPECT_EQ(0, ft_log_check_but(self->log, "VM_FAULT_OOM leaked out"));
}

/* ---- what the header documents ------------------------------------------- */

static char *header(void)
{
	static char text[1 << 16];
	ssize_t n;
	int fd;

	if (text[0])
		return text;
	fd = open("include/uapi/linux/ferry.h", O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0 || n == sizeof(text) - 1)
		ft_fatal("include/uapi/linux/ferry.h cannot be read");
	close(fd);
	return text;
}

/* Whether an errno is named between two texts of the header. */
static bool named(const char *from, const char *to, int err)
{
	const char *name = strerrorname_np(-err), *p, *end;
	size_t len = strlen(name);

	p = strstr(header(), from);
	end = p ? strstr(p, to) : NULL;
	if (!end)
		ft_fatal("the header has no \"%s\" before a \"%s\"", from, to);
	while ((p = strstr(p, name)) && p < end) {
		char next = p[len];

		if (p[-1] == '-' && !(next >= 'A' && next <= 'Z'))
			return true;
		p += len;
	}
	return false;
}

/*
 * @what: a structure of an ioctl, "open", "status" of a list, "write(2)", or
 * "client", a call of a module that uses this one.
 */
static bool documented(const char *what, int err)
{
	const char *doc;
	char line[64];

	if (err >= 0)
		return !err;
	/* Those of client.c, ENOENT for a page that stays, EPERM for one taken. */
	if (!strcmp(what, "client"))
		return err == -EBUSY || err == -EFAULT || err == -EINTR ||
		       err == -EIO || err == -ENODEV || err == -ENOENT ||
		       err == -ENOMEM || err == -EPERM || err == -ESRCH;
	if (!strcmp(what, "write(2)"))
		return err == -EFAULT;
	if (!strcmp(what, "open"))
		return named("open() fails", " *\n", err);
	if (!strcmp(what, "status"))
		return named("@status: out:", "@failed:", err);
	if (err == -ENODEV && strcmp(what, "ferry_wait") &&
	    named("all calls but FERRY_IOC_WAIT", "\n *\n", err))
		return true;
	snprintf(line, sizeof(line), " * struct %s - ", what);
	doc = strstr(header(), line);
	if (!doc)
		ft_fatal("the header does not describe struct %s", what);
	doc = strstr(doc, " * Errors:");
	return doc && named(doc, "*/", err);
}

/* ---- the points ---------------------------------------------------------- */

static void set(const char *file, unsigned int n)
{
	char path[128];

	snprintf(path, sizeof(path), INJECT "%s", file);
	if (ft_write_file(path, "%u", n))
		ft_fatal("%s cannot be written", path);
}

/* What has failed, or was tried, for the test at the end. */
static void record(const char *line)
{
	FILE *f = fopen(FAILED, "ae");

	if (!f || fprintf(f, "%s\n", line) < 0 || fclose(f))
		ft_fatal(FAILED ": %s", strerror(errno));
}

/*
 * The point that failed since a position in the kernel log, or NULL: for what
 * takes debugfs away.
 */
static const char *logged(uint64_t since)
{
	static char name[64];
	char buf[8192], *text;
	const char *found = NULL;
	unsigned long long seq;
	ssize_t n;
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		ft_fatal("/dev/kmsg: %s", strerror(errno));
	while ((n = read(fd, buf, sizeof(buf) - 1)) > 0 ||
	       (n < 0 && (errno == EPIPE || errno == EINTR))) {
		if (n < 0)
			continue;
		buf[n] = '\0';
		text = strstr(buf, "ferry: injected: ");
		if (sscanf(buf, "%*u,%llu,", &seq) != 1 || seq < since || !text ||
		    sscanf(text, "ferry: injected: %63s", name) != 1)
			continue;
		record(name);
		found = name;
	}
	close(fd);
	return found;
}

/* The point that failed since, or NULL; from now on none does. */
static const char *disarm(void)
{
	static char last[64];
	long long left = ft_read_number(INJECT "nth");

	set("nth", 0);
	if (left < 0)
		ft_fatal(INJECT "nth cannot be read");
	if (left)
		return NULL;
	if (!ft_read_line(INJECT "last", last, sizeof(last)))
		ft_fatal(INJECT "last cannot be read");
	record(last);
	return last;
}

/* ---- memory, and where it is --------------------------------------------- */

struct world {
	int dev, peer;
	struct ferry *f, *g;
	bool huge;
	size_t len;
	char *p;		/* filled with OLD, the last eighth untouched */
	char *fresh;		/* RAM, with what is NEW at p */
	char *ballast;		/* what fills the device, or NULL */
	size_t ballast_len;
	char *ballast_as;	/* where it was filled */
	pid_t child;		/* shares all of it, or 0 */
	struct ferry *extra;	/* one more context, or NULL */
	int mirror;		/* a node of ferry_dmirror */
	unsigned long mirror_call;
	int pipe[2];		/* holds the first page when it is pinned */
	const char *doc;	/* what the errno of the operation belongs to */
};

struct op {
	const char *doc;
	unsigned int pages;	/* how many, or 0 for the usual */
	int at;			/* where the pages are before: HOME, HERE, THERE */
	bool writes;		/* what is OLD may be NEW after it */
	bool sigbus;		/* a copy that fails is a SIGBUS */
	bool pinned;		/* the first page, since it is where it is */
	bool fresh;		/* with contexts that have done nothing yet */
	bool shared;		/* with a child, since the pages are where they are */
	bool cut;		/* it makes a part of it NEW */
	bool rest;		/* only with FERRY_LONG=1 */
	bool quiet;		/* it is fine when no point is on the way */
	void (*prepare)(struct world *w);
	int (*run)(struct world *w);
	bool (*done)(struct world *w);	/* when nothing failed */
};

enum { HOME, HERE, THERE };

static size_t filled(const struct world *w)
{
	return w->len / 8 * 7;
}

static size_t worked(const struct world *w)
{
	return filled(w) < WORK ? filled(w) : WORK;
}

/* Every word is OLD, or NEW where it may be; the untouched rest is zero. */
static bool data_right(const struct world *w, const struct op *op, bool all_new)
{
	size_t at;

	for (at = 0; at < filled(w); at += 8) {
		uint64_t have = *(volatile uint64_t *)(w->p + at);
		uint64_t addr = (uintptr_t)w->p + at;

		if (op->writes && have == ft_word(addr, NEW))
			continue;
		if (!(op->writes && all_new && at < worked(w)) &&
		    have == ft_word(addr, OLD))
			continue;
		fprintf(stderr, "# data: %p + 0x%zx holds %016llx\n", w->p, at,
			(unsigned long long)have);
		return false;
	}
	if (ft_check_zero(w->p + at, w->len - at) != w->len - at)
		return false;
	return !w->ballast ||
	       ft_check_as(w->ballast, w->ballast_len, 9, w->ballast_as) ==
	       w->ballast_len;
}

/*
 * Frames in use on all devices. From sysfs: ft_used_all() opens contexts, and a
 * debugging kernel takes its time to close them.
 */
static uint64_t used_now(void)
{
	long long used = 0, size;
	char path[64];
	int i;

	for (i = 0; i < DEVICES; i++) {
		snprintf(path, sizeof(path), "/sys/class/ferry/ferry%d/size", i);
		size = ft_read_number(path);
		if (size < 0)
			continue;
		snprintf(path, sizeof(path), "/sys/class/ferry/ferry%d/free", i);
		used += size - ft_read_number(path);
	}
	return used / FT_PAGE;
}

static size_t on_devices(const struct world *w)
{
	size_t n = ft_count_devices(w->f, w->p, w->len);

	if (w->fresh)
		n += ft_count_devices(w->f, w->fresh, WORK);
	if (w->ballast)
		n += ft_count_devices(w->f, w->ballast, w->ballast_len);
	return n;
}

/* Each frame in use holds one of our pages. */
static bool frames_right(const struct world *w)
{
	uint64_t used, held;

	/* The child's pages cannot be counted from here. */
	if (w->child)
		return true;
	if (ft_until(used_now() == on_devices(w), 10))
		return true;
	used = used_now();
	held = on_devices(w);
	fprintf(stderr, "# %llu frames in use for %llu pages\n",
		(unsigned long long)used, (unsigned long long)held);
	return false;
}

static void world_make(struct world *w, const struct op *op)
{
	w->p = ft_map_kind(w->len, w->huge);
	ft_fill(w->p, filled(w), OLD);
	if (op->writes) {
		w->fresh = ft_map(WORK);
		ft_fill_as(w->fresh, worked(w), NEW, w->p);
	}
	w->doc = op->doc;
	if (op->fresh && (ferry_open(w->dev, &w->f) ||
			  ferry_open(w->peer, &w->g)))
		ft_fatal("no contexts");
	if (op->prepare)
		op->prepare(w);
	if (op->at == HERE)
		ft_move(w->f, w->p, w->len, w->dev);
	else if (op->at == THERE)
		ft_move(w->g, w->p, w->len, w->peer);
	if (op->pinned) {
		/* Twice: the core overlooks one reference to device memory. */
		struct iovec v[] = { { w->p, FT_PAGE }, { w->p, FT_PAGE } };

		if (pipe2(w->pipe, O_CLOEXEC) ||
		    vmsplice(w->pipe[1], v, 2, 0) != 2 * FT_PAGE)
			ft_fatal("vmsplice: %s", strerror(errno));
	}
	if (!op->shared)
		return;
	w->child = ft_fork();
	while (!w->child)
		pause();
}

/* Nothing of it is left; false when there is. */
static bool world_end(struct world *w, const struct op *op)
{
	if (op->pinned) {
		close(w->pipe[0]);
		close(w->pipe[1]);
	}
	if (w->extra)
		ferry_close(w->extra);
	if (w->child) {
		kill(w->child, SIGKILL);
		ft_reap(w->child);
	}
	/* Advice belongs to addresses. */
	if (ferry_advise(w->f, w->p, w->len, FERRY_ADVISE_NORMAL))
		ft_fatal("advice cannot be taken back");
	if (op->fresh) {
		ferry_close(w->f);
		ferry_close(w->g);
	}
	ft_unmap(w->p, w->len);
	if (w->fresh)
		ft_unmap(w->fresh, WORK);
	if (w->ballast)
		ft_unmap(w->ballast, w->ballast_len);
	w->fresh = NULL;
	w->ballast = NULL;
	w->extra = NULL;
	w->child = 0;
	return ft_until(!used_now(), 20);
}

/* ---- the sweep ----------------------------------------------------------- */

/*
 * After a failure, the bytes are looked at first, or the operation is done again
 * first: by turns, as looking moves pages.
 */
static bool after(struct world *w, const struct op *op, unsigned int n)
{
	int err;

	if (!frames_right(w))
		return false;
	if (n & 1 && !data_right(w, op, false))
		return false;
	err = op->run(w);
	if (err) {
		fprintf(stderr, "# the second time: %s\n", strerror(-err));
		return false;
	}
	return frames_right(w) && data_right(w, op, !op->cut);
}

static void sweep(struct __test_metadata *_metadata, struct world *w,
		  const struct op *op, unsigned int run)
{
	unsigned int n, failures = 0;
	const char *point;
	bool right;
	int err;

	set("run", run);
	set("most", ft_loops(1) > 1 ? 0 : MOST_OF_ONE);
	for (n = 1; n < MOST; n++) {
		world_make(w, op);
		set("nth", n);
		err = op->run(w);
		point = disarm();
		if (!point) {
			ASSERT_EQ(0, err);
			ASSERT_TRUE(frames_right(w));
			ASSERT_TRUE(!op->done || op->done(w));
			ASSERT_TRUE(data_right(w, op, !op->cut));
			ASSERT_TRUE(world_end(w, op));
			break;
		}
		failures += !!err;
		right = op->sigbus ? !err || run > 1 ||
				     !strcmp(point, "copy_lost") ||
				     !strcmp(point, "collect") :
				     documented(w->doc, err);
		ASSERT_TRUE(right)
			TH_LOG("call %u, %s: %s of %s is not documented", n,
			       point, strerrorname_np(-err), w->doc);
		ASSERT_TRUE(after(w, op, n))
			TH_LOG("call %u, %s, which gave %s", n, point,
			       err ? strerrorname_np(-err) : "no error");
		ASSERT_TRUE(world_end(w, op))
			TH_LOG("call %u, %s: frames are still in use", n,
			       point);
	}
	set("run", 1);
	ASSERT_LT(n, MOST);
	/* The points were on the way at all. */
	ASSERT_TRUE(n > 1 || op->quiet);
	TH_LOG("%u calls failed, and %u times the operation", n - 1, failures);
}

static void sweep_world(struct __test_metadata *_metadata,
			FIXTURE_DATA(kind) *self, bool huge, unsigned int run,
			const struct op *op)
{
	struct world w = {
		.dev = self->dev,
		.peer = self->peer,
		.f = self->f,
		.g = self->g,
		.huge = huge,
		.len = op->pages ? op->pages * FT_PAGE :
		       huge ? FT_HUGE : SMALL,
	};

	if (op->rest && ft_loops(1) == 1)
		return;
	sweep(_metadata, &w, op, run);
}

/* One call fails; or that one and the next few, as many as a retry makes. */
#define SWEEP_RUN(huge, run, ...)					\
	sweep_world(_metadata, self, huge, run,				\
		    &(const struct op) { __VA_ARGS__ })
#define SWEEP(huge, ...)	SWEEP_RUN(huge, 1, __VA_ARGS__)
#define SWEEP_BOTH(...)							\
do {									\
	SWEEP(false, __VA_ARGS__);					\
	SWEEP(true, __VA_ARGS__);					\
} while (0)
#define BURST(huge, ...)	SWEEP_RUN(huge, 12, __VA_ARGS__)

/* ---- migration ----------------------------------------------------------- */

static int migrate(struct world *w, struct ferry *f, int dst, unsigned int flags)
{
	struct ferry_migrate m = {
		.size = sizeof(m),
		.addr = (uintptr_t)w->p,
		.len = w->len,
		.dst = dst,
		.flags = flags,
	};
	uint64_t sum = 0;
	int err, i;

	err = ft_ioctl(ferry_fd(f), FERRY_IOC_MIGRATE, &m);
	for (i = 0; i < FERRY_REASONS; i++)
		sum += m.reasons[i];
	if (sum != m.failed || (!err && m.moved + m.failed != ft_pages(w->len)))
		ft_fatal("%s: moved %llu, failed %llu, reasons %llu",
			 strerror(-err), (unsigned long long)m.moved,
			 (unsigned long long)m.failed, (unsigned long long)sum);
	return err;
}

static int to_device(struct world *w)
{
	return migrate(w, w->f, w->dev, 0);
}

static int to_device_small(struct world *w)
{
	return migrate(w, w->f, w->dev, FERRY_MIGRATE_NO_THP);
}

static int to_ram(struct world *w)
{
	return migrate(w, w->f, FERRY_RAM, 0);
}

static bool all_here(struct world *w)
{
	return ft_count(w->f, w->p, w->len, w->dev) == ft_pages(w->len);
}

static bool all_home(struct world *w)
{
	return ft_count(w->f, w->p, filled(w), FERRY_RAM) ==
	       ft_pages(filled(w));
}

TEST_F_TIMEOUT(kind, to_device, 900)
{
	SWEEP_BOTH(.doc = "ferry_migrate", .at = HOME, .run = to_device,
		   .done = all_here);
	SWEEP(true, .doc = "ferry_migrate", .at = HOME, .run = to_device_small,
	      .done = all_here, .rest = true);
	SWEEP(false, .doc = "ferry_migrate", .at = HOME, .pages = 8,
	      .fresh = true, .run = to_device, .done = all_here);
	SWEEP(false, .doc = "ferry_migrate", .at = HOME, .pages = 8,
	      .pinned = true, .run = to_device);
	BURST(false, .doc = "ferry_migrate", .at = HOME, .run = to_device);
	BURST(true, .doc = "ferry_migrate", .at = HOME, .run = to_device);
}

/* With a memory policy, each page at home is had by itself. */
static void on_node_0(struct world *w)
{
	unsigned long node_0 = 1;

	if (syscall(SYS_mbind, w->p, w->len, MPOL_PREFERRED, &node_0,
		    8 * sizeof(node_0), 0))
		ft_fatal("mbind: %s", strerror(errno));
}

TEST_F_TIMEOUT(kind, to_ram, 900)
{
	SWEEP_BOTH(.doc = "ferry_migrate", .at = HERE, .run = to_ram,
		   .done = all_home);
	SWEEP_BOTH(.doc = "ferry_migrate", .at = HERE, .shared = true,
		   .run = to_ram, .done = all_home);
	SWEEP(false, .doc = "ferry_migrate", .at = HERE, .pages = 8,
	      .pinned = true, .run = to_ram);
	SWEEP(false, .doc = "ferry_migrate", .at = HERE, .pages = 8,
	      .prepare = on_node_0, .run = to_ram, .done = all_home);
	/* More than one window. */
	SWEEP(false, .doc = "ferry_migrate", .at = HERE,
	      .pages = FT_HUGE_PAGES + 8, .run = to_ram, .done = all_home);
	BURST(false, .doc = "ferry_migrate", .at = HERE, .run = to_ram);
	BURST(true, .doc = "ferry_migrate", .at = HERE, .run = to_ram);
}

TEST_F_TIMEOUT(kind, to_peer, 900)
{
	SWEEP_BOTH(.doc = "ferry_migrate", .at = THERE, .run = to_device,
		   .done = all_here);
}

static int swap_in(struct world *w)
{
	return migrate(w, w->f, w->dev, FERRY_MIGRATE_SWAPIN);
}

static void page_out(struct world *w)
{
	if (!ft_until((madvise(w->p, w->len, MADV_PAGEOUT),
		       ft_swapped(w->p)), 20))
		ft_fatal("nothing is swapped out");
}

TEST_F_TIMEOUT(kind, from_swap, 900)
{
	ft_swap_on();
	SWEEP(false, .doc = "ferry_migrate", .at = HOME, .pages = 8,
	      .prepare = page_out, .run = swap_in);
	ft_swap_off();
}

/* Merged by KSM one day: collected with the lock held for writing. */
static void mergeable(struct world *w)
{
	if (madvise(w->p, w->len, MADV_MERGEABLE))
		ft_fatal("MADV_MERGEABLE: %s", strerror(errno));
}

TEST_F_TIMEOUT(kind, mergeable, 900)
{
	SWEEP(false, .doc = "ferry_migrate", .at = HOME, .pages = 16,
	      .prepare = mergeable, .run = to_device, .done = all_here);
}

/* ---- faults of the CPU --------------------------------------------------- */

static sigjmp_buf no_bus;

static void on_sigbus(int sig)
{
	(void)sig;
	siglongjmp(no_bus, 1);
}

static int look(const char *p)
{
	int err = 0;

	signal(SIGBUS, on_sigbus);
	if (sigsetjmp(no_bus, 1))
		err = -EIO;
	else
		*(volatile const char *)p;
	signal(SIGBUS, SIG_DFL);
	return err;
}

static int touch(struct world *w, bool write)
{
	volatile uint64_t *word = (uint64_t *)(w->p + w->len / 2);
	int err = 0;

	signal(SIGBUS, on_sigbus);
	if (sigsetjmp(no_bus, 1))
		err = -EIO;
	else if (write)
		*word = ft_word((uintptr_t)word, NEW);
	else if (*word != ft_word((uintptr_t)word, OLD))
		ft_fatal("%p holds something else", word);
	signal(SIGBUS, SIG_DFL);
	return err;
}

static int cpu_reads(struct world *w)
{
	return touch(w, false);
}

static int cpu_writes(struct world *w)
{
	return touch(w, true);
}

TEST_F_TIMEOUT(kind, cpu_fault, 900)
{
	/* Coherent memory is there for the CPU: it does not fault. */
	bool quiet = variant->kind == FERRY_KIND_COHERENT;

	SWEEP_BOTH(.at = HERE, .sigbus = true, .quiet = quiet,
		   .run = cpu_reads);
	SWEEP_BOTH(.at = HERE, .sigbus = true, .quiet = quiet, .writes = true,
		   .cut = true, .run = cpu_writes, .shared = true);
	BURST(false, .at = HERE, .sigbus = true, .quiet = quiet,
	      .run = cpu_reads);
	BURST(true, .at = HERE, .sigbus = true, .quiet = quiet,
	      .run = cpu_reads);
}

/* The kernel reads for a system call: where it cannot, EFAULT. */
static int kernel_reads(struct world *w)
{
	int pipe[2], err = 0;

	if (pipe2(pipe, O_CLOEXEC))
		ft_fatal("pipe: %s", strerror(errno));
	if (write(pipe[1], w->p + w->len / 2, FT_PAGE) < 0)
		err = -errno;
	close(pipe[0]);
	close(pipe[1]);
	return err;
}

TEST_F_TIMEOUT(kind, kernel_fault, 900)
{
	bool quiet = variant->kind == FERRY_KIND_COHERENT;

	SWEEP_BOTH(.doc = "write(2)", .at = HERE, .quiet = quiet,
		   .run = kernel_reads);
}

/* ---- the engine, and its faults ------------------------------------------ */

/*
 * Submit a list and wait for its end. A wait that fails is done again, so that
 * nothing runs any more on return; its error is the result all the same.
 */
static int run_list(struct world *w, const struct ferry_cmd *cmds, unsigned int n,
		    uint64_t *results, int eventfd)
{
	int fd = ferry_fd(w->f), first, err;
	struct ferry_wait wait;
	uint64_t seq;

	w->doc = "ferry_submit";
	err = ft_submit(fd, cmds, n, eventfd, &seq);
	if (err)
		return err;
	w->doc = "ferry_wait";
	first = ft_wait(fd, seq, FT_PATIENCE, results, n, &wait);
	for (err = first; err == -EINTR || err == -EFAULT; )
		err = ft_wait(fd, seq, FT_PATIENCE, results, n, &wait);
	if (first)
		return first;
	w->doc = "status";
	return wait.status;
}

static int engine_writes(struct world *w)
{
	const struct ferry_cmd c = {
		.op = FERRY_OP_COPY,
		.dst = (uintptr_t)w->p,
		.src = (uintptr_t)w->fresh,
		.len = worked(w),
	};
	uint64_t result;

	return run_list(w, &c, 1, &result, -1);
}

static int engine_reads(struct world *w)
{
	const struct ferry_cmd c = {
		.op = FERRY_OP_CRC32C,
		.src = (uintptr_t)w->p,
		.len = worked(w),
	};
	int efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), err;
	uint64_t result, count;

	if (efd < 0)
		ft_fatal("eventfd: %s", strerror(errno));
	err = run_list(w, &c, 1, &result, efd);
	if (!err && (result != ft_crc_of(w->p, worked(w), OLD) ||
		     read(efd, &count, 8) != 8))
		ft_fatal("the sum is wrong, or the eventfd is silent");
	close(efd);
	return err;
}

/* It adds nothing, but it takes the page for itself. */
static int engine_adds(struct world *w)
{
	const struct ferry_cmd c = {
		.op = FERRY_OP_ADD64,
		.dst = (uintptr_t)w->p,
	};
	uint64_t result;
	int err = run_list(w, &c, 1, &result, -1);

	if (!err && result != ft_word((uintptr_t)w->p, OLD))
		ft_fatal("the old value is wrong");
	return err;
}

static void stay_in_ram(struct world *w)
{
	if (ferry_advise(w->f, w->p, w->len, FERRY_ADVISE_PREFER_RAM))
		ft_fatal("no advice");
}

TEST_F_TIMEOUT(kind, engine_reads, 900)
{
	SWEEP_BOTH(.at = HOME, .run = engine_reads);
	SWEEP(false, .at = HERE, .run = engine_reads);
	SWEEP(false, .at = THERE, .run = engine_reads);
	SWEEP(false, .at = HOME, .prepare = stay_in_ram, .run = engine_reads,
	      .rest = true);
}

TEST_F_TIMEOUT(kind, engine_writes, 900)
{
	SWEEP_BOTH(.at = HOME, .writes = true, .run = engine_writes);
	SWEEP_BOTH(.at = HERE, .writes = true, .run = engine_writes,
		   .rest = true);
	SWEEP(false, .at = THERE, .writes = true, .run = engine_writes,
	      .rest = true);
	SWEEP(false, .at = HOME, .writes = true, .prepare = stay_in_ram,
	      .run = engine_writes);
	SWEEP(false, .at = HERE, .writes = true, .shared = true,
	      .run = engine_writes);
	BURST(false, .at = HOME, .writes = true, .run = engine_writes,
	      .rest = true);
}

TEST_F_TIMEOUT(kind, engine_adds, 900)
{
	SWEEP(false, .at = HOME, .run = engine_adds);
	SWEEP(false, .at = HERE, .run = engine_adds);
	SWEEP(false, .at = HOME, .prepare = stay_in_ram, .run = engine_adds);
}

/* ---- the other calls ----------------------------------------------------- */

static int query(struct world *w)
{
	struct ferry_residency pages[FT_HUGE_PAGES];
	struct ferry_query q = {
		.size = sizeof(q),
		.addr = (uintptr_t)w->p,
		.len = w->len,
		.pages = (uintptr_t)pages,
	};

	return ft_ioctl(ferry_fd(w->f), FERRY_IOC_QUERY, &q);
}

static int query_by_pid(struct world *w)
{
	struct ferry_residency page;
	struct ferry_query q = {
		.size = sizeof(q),
		.addr = (uintptr_t)w->p,
		.len = FT_PAGE,
		.pages = (uintptr_t)&page,
		.pid = getpid(),
	};

	return ft_ioctl(ferry_fd(w->f), FERRY_IOC_QUERY, &q);
}

TEST_F_TIMEOUT(kind, query, 900)
{
	SWEEP_BOTH(.doc = "ferry_query", .at = HERE, .run = query,
		   .done = all_here);
	SWEEP(false, .doc = "ferry_query", .at = HOME, .run = query);
	SWEEP(false, .doc = "ferry_query", .at = HERE, .run = query_by_pid);
}

static int advise(struct world *w, unsigned int advice)
{
	struct ferry_advise a = {
		.size = sizeof(a),
		.advice = advice,
		.addr = (uintptr_t)w->p,
		.len = w->len,
	};

	return ft_ioctl(ferry_fd(w->f), FERRY_IOC_ADVISE, &a);
}

static int advise_ram(struct world *w)
{
	return advise(w, FERRY_ADVISE_PREFER_RAM);
}

static int advise_access(struct world *w)
{
	return advise(w, FERRY_ADVISE_ACCESSED_BY);
}

TEST_F_TIMEOUT(kind, advise, 900)
{
	SWEEP(false, .doc = "ferry_advise", .at = HOME, .run = advise_ram);
	SWEEP_BOTH(.doc = "ferry_advise", .at = HOME, .run = advise_access);
	SWEEP(false, .doc = "ferry_advise", .at = HERE, .run = advise_access);
}

static int stats(struct world *w)
{
	uint64_t counters[4], hist[FERRY_BUCKETS];
	struct ferry_stats s = {
		.size = sizeof(s),
		.counters = (uintptr_t)counters,
		.nr_counters = 4,
		.hist = (uintptr_t)hist,
		.nr_phases = 1,
	};

	return ft_ioctl(ferry_fd(w->f), FERRY_IOC_STATS, &s);
}

static int info(struct world *w)
{
	struct ferry_info i = { .size = sizeof(i) };

	return ft_ioctl(ferry_fd(w->f), FERRY_IOC_INFO, &i);
}

TEST_F_TIMEOUT(kind, stats, 900)
{
	SWEEP(false, .doc = "ferry_stats", .at = HOME, .run = stats);
	SWEEP(false, .doc = "ferry_info", .at = HOME, .run = info);
}

/* ---- open and close ------------------------------------------------------ */

/* By a process that has none open yet. */
static int opens(struct world *w)
{
	pid_t child = ft_fork();
	int fd;

	if (!child) {
		fd = ft_open(w->dev);
		_exit(fd < 0 ? -fd : 0);
	}
	return -ft_reap(child);
}

static int opens_another(struct world *w)
{
	int fd = ft_open(w->peer);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static void open_extra(struct world *w)
{
	if (ferry_open(w->dev, &w->extra))
		ft_fatal("no context");
}

/* With work in progress. */
static int closes(struct world *w)
{
	const struct ferry_cmd c = {
		.op = FERRY_OP_COPY,
		.dst = (uintptr_t)w->p,
		.src = (uintptr_t)w->fresh,
		.len = worked(w),
	};
	uint64_t seq;
	int err;

	/* The second time there is none: it is closed. */
	if (!w->extra)
		return engine_writes(w);
	err = ft_submit(ferry_fd(w->extra), &c, 1, -1, &seq);
	ferry_close(w->extra);
	w->extra = NULL;
	return err;
}

TEST_F_TIMEOUT(kind, open, 900)
{
	SWEEP(false, .doc = "open", .at = HOME, .run = opens);
	SWEEP(false, .doc = "open", .at = HERE, .run = opens_another);
}

TEST_F_TIMEOUT(kind, close, 900)
{
	SWEEP(false, .doc = "ferry_submit", .at = HOME, .writes = true,
	      .cut = true, .prepare = open_extra, .run = closes);
}

/* ---- eviction ------------------------------------------------------------ */

static void fill_device(struct world *w, bool huge)
{
	struct ferry_info i = {};

	ferry_get_info(w->f, &i);
	w->ballast_len = i.vram_bytes;
	w->ballast = ft_map_kind(w->ballast_len, huge);
	w->ballast_as = w->ballast;
	ft_fill(w->ballast, w->ballast_len, 9);
	if (ft_moved(w->f, w->ballast, w->ballast_len, w->dev) !=
	    ft_pages(w->ballast_len))
		ft_fatal("the device does not get full");
}

static void fill_small(struct world *w)
{
	fill_device(w, false);
}

static void fill_huge(struct world *w)
{
	fill_device(w, true);
}

/* It is not where it was when it went to the device. */
static void fill_moved(struct world *w)
{
	char *to;

	fill_device(w, false);
	to = ft_map(w->ballast_len);
	if (mremap(w->ballast, w->ballast_len, w->ballast_len,
		   MREMAP_MAYMOVE | MREMAP_FIXED, to) != to)
		ft_fatal("mremap: %s", strerror(errno));
	w->ballast = to;
}

/* It is a child's alone, of whom the driver has never heard. */
static void fill_left(struct world *w)
{
	fill_device(w, false);
	w->child = ft_fork();
	while (!w->child)
		pause();
	ft_unmap(w->ballast, w->ballast_len);
	w->ballast = NULL;
}

TEST_F_TIMEOUT(kind, evict, 1200)
{
	SWEEP_BOTH(.doc = "ferry_migrate", .at = HOME, .prepare = fill_small,
		   .run = to_device, .done = all_here);
	SWEEP(true, .doc = "ferry_migrate", .at = HOME, .prepare = fill_huge,
	      .run = to_device, .done = all_here, .rest = true);
	SWEEP(false, .at = HOME, .prepare = fill_small, .run = engine_reads);
	SWEEP(false, .doc = "ferry_migrate", .at = HOME, .prepare = fill_moved,
	      .run = to_device, .done = all_here);
	SWEEP(false, .doc = "ferry_migrate", .at = HOME, .prepare = fill_left,
	      .run = to_device, .done = all_here);
	BURST(false, .doc = "ferry_migrate", .at = HOME, .prepare = fill_small,
	      .run = to_device, .rest = true);
}

/* ---- a client in the kernel ---------------------------------------------- */

static int mirror_call(struct world *w)
{
	static char buffer[SMALL];
	struct dmirror_cmd c = {
		.addr = (uintptr_t)w->p,
		.ptr = (uintptr_t)buffer,
		.npages = ft_pages(w->len),
	};

	return ioctl(w->mirror, w->mirror_call, &c) < 0 ? -errno : 0;
}

TEST_F_TIMEOUT(kind, client, 900)
{
	/* The last three are of pages that are on the device. */
	static const unsigned long calls[] = {
		DMIRROR_READ, DMIRROR_READ_UNLOCKED, DMIRROR_TO_DEVICE,
		DMIRROR_EXCLUSIVE, DMIRROR_CHECK_EXCLUSIVE,
		DMIRROR_TO_SYSTEM, DMIRROR_SNAPSHOT, DMIRROR_RELEASE,
	};
	struct world w = {
		.dev = self->dev,
		.peer = self->peer,
		.f = self->f,
		.g = self->g,
		.len = 8 * FT_PAGE,
	};
	int i;

	ASSERT_EQ(0, ft_load_dmirror());
	w.mirror = open(ft_dmirror_node(variant->kind), O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, w.mirror);
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		w.mirror_call = calls[i];
		sweep(_metadata, &w, &(const struct op) {
			.doc = "client",
			.at = i < ARRAY_SIZE(calls) - 3 ? HOME : HERE,
			.run = mirror_call }, 1);
	}
	close(w.mirror);
}

/* ---- devices come and go ------------------------------------------------- */

static void let_go(FIXTURE_DATA(kind) *self)
{
	ferry_close(self->f);
	ferry_close(self->g);
	if (ft_unload_soon())
		ft_fatal("the driver does not unload");
}

static bool mentioned(const char *path)
{
	char line[1024];
	bool found = false;
	FILE *f = fopen(path, "re");

	if (!f)
		ft_fatal("%s: %s", path, strerror(errno));
	while (!found && fgets(line, sizeof(line), f))
		found = strstr(line, "ferry");
	fclose(f);
	return found;
}

static bool nothing_left(void)
{
	return access("/sys/module/ferry", F_OK) &&
	       access("/sys/class/ferry", F_OK) &&
	       access("/sys/kernel/debug/ferry", F_OK) &&
	       access("/sys/bus/pci/drivers/ferry", F_OK) &&
	       !mentioned("/proc/iomem") && !mentioned("/proc/devices");
}

static void sweep_load(struct __test_metadata *_metadata, const char *params)
{
	unsigned int n, failures = 0;
	char line[256];

	for (n = 1; n < MOST; n++) {
		uint64_t since = ft_log_position();
		const char *point;
		int err;

		snprintf(line, sizeof(line), "%s inject_nth=%u", params, n);
		err = ft_load(line);
		point = logged(since);
		if (err) {
			failures++;
			ASSERT_NE(NULL, point)
				TH_LOG("%s", strerrorname_np(-err));
			ASSERT_TRUE(nothing_left())
				TH_LOG("call %u, %s", n, point);
			continue;
		}
		/* Some is there all the same, and goes. */
		ASSERT_EQ(0, used_now());
		ASSERT_EQ(0, ft_unload_soon());
		ASSERT_TRUE(nothing_left());
		if (!point)
			break;
	}
	ASSERT_LT(1, n);
	TH_LOG("%s: %u points on the way, %u failures", params, n - 1, failures);
}

/* SIZE@START of memory that the kernel was told to leave alone, or false. */
static bool reserved_memory(char *spec, size_t size)
{
	unsigned long long start;
	char line[4096], *p;

	if (!ft_read_line("/proc/cmdline", line, sizeof(line)))
		return false;
	p = strstr(line, "memmap=");
	p = p ? strchr(p, '$') : NULL;
	if (!p || sscanf(p, "$%llx", &start) != 1)
		return false;
	snprintf(spec, size, "4M@0x%llx", start);
	return true;
}

TEST_F_TIMEOUT(kind, load, 900)
{
	const char *kind = ferry_kind_name(variant->kind);
	char spec[64], params[128];

	let_go(self);
	sweep_load(_metadata, variant->params);
	if (reserved_memory(spec, sizeof(spec))) {
		snprintf(params, sizeof(params),
			 "devices=0 range=%s range_kind=%s", spec, kind);
		sweep_load(_metadata, params);
	}
}

/* Pages are on the devices while the module goes. */
TEST_F_TIMEOUT(kind, unload, 900)
{
	const char *point = "";
	unsigned int n;
	struct world w;

	let_go(self);
	for (n = 1; point; n++) {
		const struct op op = { .at = HERE };
		uint64_t since;
		char *huge;

		ASSERT_EQ(0, ft_load(variant->params));
		w = (struct world) {
			.dev = self->dev,
			.peer = self->peer,
			.len = SMALL,
		};
		ASSERT_EQ(0, ferry_open(w.dev, &w.f));
		world_make(&w, &op);
		huge = ft_map_huge(FT_HUGE);
		ft_fill(huge, FT_HUGE, 5);
		ft_move(w.f, huge, FT_HUGE, w.dev);
		ferry_close(w.f);

		since = ft_log_position();
		set("nth", n);
		ASSERT_EQ(0, ft_unload_soon());
		point = logged(since);
		ASSERT_TRUE(nothing_left());
		ASSERT_DATA(huge, FT_HUGE, 5);
		ASSERT_TRUE(data_right(&w, &op, false))
			TH_LOG("call %u, %s", n, point);
		ft_unmap(huge, FT_HUGE);
		ft_unmap(w.p, w.len);
		ASSERT_LT(n, MOST);
	}
	ASSERT_LT(2, n);
	TH_LOG("%u points on the way", n - 2);
}

#define PCI_DRIVER	"/sys/bus/pci/drivers/ferry"

/* Load the driver so that it has a PCI device of the kind; its name. */
static bool load_pci(enum ferry_kind kind, char *name, size_t size)
{
	char params[128];
	glob_t found;
	bool ok;

	snprintf(params, sizeof(params),
		 "devices=1 vram=4 pci=1 pci_vram=4 pci_kind=%s",
		 ferry_kind_name(kind));
	if (ft_load(params))
		ft_fatal("the driver does not load");
	ok = !glob(PCI_DRIVER "/*:*", 0, NULL, &found);
	if (ok)
		snprintf(name, size, "%s", basename(found.gl_pathv[0]));
	globfree(&found);
	return ok;
}

/* The index of the device that a PCI device became, or -1. */
static int pci_index(const char *name)
{
	char path[128];
	int index = -1;
	glob_t found;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/ferry/ferry*",
		 name);
	if (!glob(path, 0, NULL, &found))
		sscanf(basename(found.gl_pathv[0]), "ferry%d", &index);
	globfree(&found);
	return index;
}

static int bind_pci(const char *name)
{
	return ft_write_file(PCI_DRIVER "/bind", "%s", name);
}

static int unbind_pci(const char *name)
{
	return ft_write_file(PCI_DRIVER "/unbind", "%s", name);
}

TEST_F_TIMEOUT(kind, bind, 900)
{
	unsigned int n, failures = 0;
	const char *point = "";
	char name[64];

	let_go(self);
	if (!load_pci(variant->kind, name, sizeof(name)))
		SKIP(return, "no PCI device with memory");
	for (n = 1; point; n++) {
		int err;

		ASSERT_EQ(0, unbind_pci(name));
		ASSERT_EQ(-1, pci_index(name));
		set("nth", n);
		err = bind_pci(name);
		point = disarm();
		if (err) {
			failures++;
			ASSERT_NE(NULL, point);
			ASSERT_EQ(-1, pci_index(name));
			ASSERT_EQ(0, bind_pci(name))
				TH_LOG("call %u, %s", n, point);
		}
		ASSERT_LE(0, pci_index(name));
		ASSERT_LT(n, MOST);
	}
	ASSERT_LT(2, n);
	TH_LOG("%u points on the way, %u failures", n - 2, failures);
}

/* The device goes under a context, with pages on it. */
TEST_F_TIMEOUT(kind, unbind, 900)
{
	const struct op op = { .at = HERE };
	const char *point = "";
	char name[64];
	unsigned int n;

	let_go(self);
	if (!load_pci(variant->kind, name, sizeof(name)))
		SKIP(return, "no PCI device with memory");
	for (n = 1; point; n++) {
		struct world w = { .len = SMALL };
		char *huge;

		w.dev = pci_index(name);
		ASSERT_EQ(0, ferry_open(w.dev, &w.f));
		world_make(&w, &op);
		huge = ft_map_huge(FT_HUGE);
		ft_fill(huge, FT_HUGE, 5);
		ft_move(w.f, huge, FT_HUGE, w.dev);

		set("nth", n);
		ASSERT_EQ(0, unbind_pci(name));
		point = disarm();
		ASSERT_EQ(-ENODEV, info(&w));
		ASSERT_DATA(huge, FT_HUGE, 5);
		ASSERT_TRUE(data_right(&w, &op, false))
			TH_LOG("call %u, %s", n, point);
		ferry_close(w.f);
		ft_unmap(huge, FT_HUGE);
		ft_unmap(w.p, w.len);
		ASSERT_EQ(0, bind_pci(name));
		ASSERT_LT(n, MOST);
	}
	ASSERT_LT(2, n);
	TH_LOG("%u points on the way", n - 2);
}

/* Bit 1 of the command register: the memory of the device answers. */
static void switch_memory_off(const char *name)
{
	char path[128];
	uint16_t command;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || pread(fd, &command, 2, 4) != 2)
		ft_fatal("%s cannot be read", path);
	command &= ~2;
	if (pwrite(fd, &command, 2, 4) != 2)
		ft_fatal("%s cannot be written", path);
	close(fd);
}

/* The device goes, and its memory has gone before: SIGBUS, and nothing else. */
TEST_F_TIMEOUT(kind, bury, 900)
{
	const struct op op = { .at = HERE };
	const char *point = "";
	char name[64];
	unsigned int n;

	let_go(self);
	if (!load_pci(variant->kind, name, sizeof(name)))
		SKIP(return, "no PCI device with memory");
	for (n = 1; point; n++) {
		struct world w = { .len = SMALL };
		size_t at;

		w.dev = pci_index(name);
		ASSERT_EQ(0, ferry_open(w.dev, &w.f));
		world_make(&w, &op);
		ferry_close(w.f);
		switch_memory_off(name);
		set("nth", n);
		ASSERT_EQ(0, unbind_pci(name));
		point = disarm();
		for (at = 0; at < w.len; at += FT_PAGE) {
			ASSERT_EQ(-EIO, look(w.p + at))
				TH_LOG("call %u, %s, page %zu", n, point,
				       at / FT_PAGE);
		}
		ft_unmap(w.p, w.len);
		ASSERT_EQ(0, bind_pci(name));
		ASSERT_LT(n, MOST);
	}
	ASSERT_LT(2, n);
	TH_LOG("%u points on the way", n - 2);
}

/* ---- the kernel's own allocations ---------------------------------------- */

static bool kernel_fails(void)
{
	static const char * const files[][2] = {
		{ "failslab/ignore-gfp-wait", "N" },
		{ "failslab/verbose", "0" },
		{ "fail_page_alloc/ignore-gfp-wait", "N" },
		{ "fail_page_alloc/ignore-gfp-highmem", "N" },
		{ "fail_page_alloc/min-order", "0" },
		{ "fail_page_alloc/verbose", "0" },
	};
	char path[128];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s",
			 files[i][0]);
		if (ft_write_file(path, "%s", files[i][1]))
			return false;
	}
	return !access("/proc/thread-self/fail-nth", W_OK);
}

/*
 * The n-th allocation that this task causes fails, wherever in the kernel it is
 * made. What other tasks do for it is not concerned.
 */
static void sweep_kernel(struct __test_metadata *_metadata,
			 FIXTURE_DATA(kind) *self, bool huge,
			 const struct op *op)
{
	unsigned int n, failures = 0;
	struct world w = {
		.dev = self->dev,
		.peer = self->peer,
		.f = self->f,
		.g = self->g,
		.huge = huge,
		.len = huge ? FT_HUGE : 16 * FT_PAGE,
	};
	int fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);

	ASSERT_LE(0, fd);
	for (n = 1; n < MOST; n++) {
		char text[16] = {};
		int err, len;

		world_make(&w, op);
		len = snprintf(text, sizeof(text), "%u", n);
		ASSERT_EQ(len, pwrite(fd, text, len, 0));
		err = op->run(&w);
		memset(text, 0, sizeof(text));
		ASSERT_LT(0, pread(fd, text, sizeof(text) - 1, 0));
		ASSERT_EQ(1, pwrite(fd, "0", 1, 0));
		if (atoi(text)) {
			ASSERT_EQ(0, err);
			ASSERT_TRUE(frames_right(&w));
			ASSERT_TRUE(data_right(&w, op, !op->cut));
			ASSERT_TRUE(world_end(&w, op));
			break;
		}
		failures += !!err;
		ASSERT_TRUE(op->sigbus ? !err : documented(w.doc, err))
			TH_LOG("allocation %u: %s of %s is not documented", n,
			       strerrorname_np(-err), w.doc);
		ASSERT_TRUE(after(&w, op, n))
			TH_LOG("allocation %u, which gave %s", n,
			       err ? strerrorname_np(-err) : "no error");
		ASSERT_TRUE(world_end(&w, op));
	}
	close(fd);
	ASSERT_LT(n, MOST);
	TH_LOG("%u allocations failed, and %u times the operation", n - 1,
	       failures);
}

#define KERNEL(huge, ...)						\
	sweep_kernel(_metadata, self, huge,				\
		     &(const struct op) { __VA_ARGS__ })

TEST_F_TIMEOUT(kind, kernel, 1200)
{
	if (!kernel_fails())
		SKIP(return, "the kernel has no failslab and fail_page_alloc");
	KERNEL(false, .doc = "ferry_migrate", .at = HOME, .run = to_device);
	KERNEL(true, .doc = "ferry_migrate", .at = HOME, .run = to_device);
	KERNEL(false, .doc = "ferry_migrate", .at = HERE, .run = to_ram);
	KERNEL(true, .doc = "ferry_migrate", .at = HERE, .run = to_ram);
	KERNEL(true, .doc = "ferry_migrate", .at = THERE, .run = to_device);
	KERNEL(false, .at = HERE, .sigbus = true, .run = cpu_reads);
	KERNEL(true, .at = HERE, .sigbus = true, .run = cpu_reads);
	KERNEL(false, .at = HOME, .writes = true, .run = engine_writes);
	KERNEL(false, .doc = "ferry_query", .at = HERE, .run = query);
	KERNEL(false, .doc = "ferry_advise", .at = HOME, .run = advise_access);
	KERNEL(true, .doc = "ferry_advise", .at = HOME, .run = advise_access);
	KERNEL(false, .doc = "open", .at = HOME, .run = opens_another);
	KERNEL(false, .doc = "ferry_migrate", .at = HOME, .prepare = fill_small,
	       .run = to_device);
}

/* ---- which have failed --------------------------------------------------- */

FIXTURE(points) {
};

FIXTURE_SETUP(points)
{
}

FIXTURE_TEARDOWN(points)
{
}

static unsigned int lines(const char *text)
{
	char line[64];
	unsigned int n = 0;
	FILE *f = fopen(FAILED, "re");

	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		n += !strcmp(line, text);
	}
	if (f)
		fclose(f);
	return n;
}

/* How many sweeps there are in this program. */
static unsigned int sweeps(void)
{
	struct __fixture_variant_metadata *v;
	struct __fixture_metadata *f;
	struct __test_metadata *t;
	unsigned int n = 0;

	for (f = __fixture_list; f; f = f->next)
		for (v = f->variant; v; v = v->next)
			for (t = f->tests; t; t = t->next)
				n++;
	return n;
}

/* Each point has failed in one of the sweeps above. */
TEST_F(points, complete)
{
	const struct {
		const char *names, *needs;
		bool have;
	} parts[] = {
		{ "range", "memory that memmap= reserves",
		  reserved_memory((char[64]) {}, 64) },
		{ "pci", "a PCI device with memory",
		  !access("/sys/bus/pci/drivers/ferry", F_OK) && lines("pci") },
	};
	char line[128], name[64];
	unsigned int never = 0;
	bool partly;
	size_t i;
	FILE *f;

	partly = lines("tried") < sweeps();
	f = fopen(INJECT "points", "re");
	ASSERT_NE(NULL, f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s", name) != 1 || lines(name))
			continue;
		for (i = 0; i < ARRAY_SIZE(parts); i++)
			if (!parts[i].have && !strncmp(name, parts[i].names,
						       strlen(parts[i].names)))
				break;
		if (i < ARRAY_SIZE(parts)) {
			TH_LOG("%s is not tried: it needs %s", name,
			       parts[i].needs);
			continue;
		}
		if (!partly)
			TH_LOG("%s has never failed", name);
		never++;
	}
	fclose(f);
	unlink(FAILED);
	if (partly)
		SKIP(return, "only some of the sweeps were run");
	ASSERT_EQ(0, never);
}

FERRY_TEST_MAIN
