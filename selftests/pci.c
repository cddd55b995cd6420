// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices whose memory is a PCI BAR: bound, unbound, refused, taken out of their
 * slots, and dead, with pages on them and work in progress. What can be brought
 * home comes home; what cannot is SIGBUS, and never zeros or old bytes.
 *
 * The guest has two such devices (ivshmem-plain), and tools/vm/plug works their
 * slots. Each test binds both with the kind of its variant, and leaves them as
 * selftests/run has loaded them.
 */
#define FERRY_OWN_FIXTURE
#include "ferry_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define PCI		"/sys/bus/pci/"
#define DRIVER		PCI "drivers/ferry/"
#define PARAMETERS	"/sys/module/ferry/parameters/"
#define PLUG		"tools/vm/plug"
#define LEN		FT_HUGE

/* PCI_COMMAND and its bit that makes a device answer at its BARs. */
#define COMMAND		4
#define COMMAND_MEMORY	2

static const char * const kind_names[] = { "private", "coherent" };

/* ---- the PCI devices ------------------------------------------------------- */

/* N of the ferryN that a PCI device has become, or -1. */
static int number_of(const char *slot)
{
	DIR *dir = opendir(ft_pci_path(slot, "ferry"));
	struct dirent *d;
	int n = -1;

	if (!dir)
		return -1;
	while (n < 0 && (d = readdir(dir)))
		sscanf(d->d_name, "ferry%d", &n);
	closedir(dir);
	return n;
}

/* Whether it is ferryN, and has a node; a slot does its work by itself. */
static bool is_ready(const char *slot, int n)
{
	return number_of(slot) == n && !access(ft_node(n), F_OK);
}

static bool is_bound(const char *slot)
{
	char target[256] = "";

	return readlink(ft_pci_path(slot, "driver"), target,
			sizeof(target) - 1) > 0 &&
	       strstr(target, "/drivers/ferry");
}

static int bind_slot(const char *slot)
{
	return ft_write_file(DRIVER "bind", "%s", slot);
}

static int unbind_slot(const char *slot)
{
	return ft_write_file(DRIVER "unbind", "%s", slot);
}

static int choose_kind(enum ferry_kind kind)
{
	return ft_write_file(PARAMETERS "pci_kind", "%s", kind_names[kind]);
}

static void plug(const char *what, const char *device)
{
	char command[64];

	snprintf(command, sizeof(command), PLUG " %s %s", what, device);
	if (system(command))
		ft_fatal("%s failed", command);
}

/* From now on it does, or does not, answer where its BARs are. */
static void set_answering(const char *slot, bool on)
{
	int fd = open(ft_pci_path(slot, "config"), O_RDWR | O_CLOEXEC);
	uint16_t command;

	if (fd < 0 || pread(fd, &command, 2, COMMAND) != 2)
		ft_fatal("%s: no configuration space", slot);
	command = on ? command | COMMAND_MEMORY : command & ~COMMAND_MEMORY;
	if (pwrite(fd, &command, 2, COMMAND) != 2)
		ft_fatal("%s: cannot write configuration space", slot);
	close(fd);
}

/* Another sort of device in the slot of the second one: an NVMe controller. */
static void nvme_in(const char *slot)
{
	if (system(PLUG " qmp device_add '{\"driver\":\"nvme\","
		   "\"id\":\"nvme\",\"serial\":\"ferry\",\"cmb_size_mb\":16,"
		   "\"legacy-cmb\":true,\"bus\":\"vram1-slot\"}' >/dev/null") ||
	    !ft_until(ft_read_number(ft_pci_path(slot, "vendor")) == 0x1b36, 60))
		ft_fatal("no NVMe");
}

static void nvme_out(const char *slot)
{
	if (access(ft_pci_path(slot, "vendor"), F_OK))
		return;
	if (system(PLUG " qmp device_del '{\"id\":\"nvme\"}' >/dev/null") ||
	    !ft_until(access(ft_pci_path(slot, "vendor"), F_OK), 60))
		ft_fatal("the NVMe stays");
}

static long long module_references(void)
{
	return ft_read_number("/sys/module/ferry/refcnt");
}

/* ---- the fixture ------------------------------------------------------------- */

FIXTURE(pci)
{
	struct ferry *f;	/* on ferry0, which has RAM for VRAM and stays */
	int fd;
	char slot[2][16];	/* addresses of the PCI devices */
	int dev[2];		/* their numbers now */
	uint64_t used, log;
};

FIXTURE_VARIANT(pci)
{
	enum ferry_kind kind;
};

FIXTURE_VARIANT_ADD(pci, private) { .kind = FERRY_KIND_PRIVATE };
FIXTURE_VARIANT_ADD(pci, coherent) { .kind = FERRY_KIND_COHERENT };

/* Both bound afresh with memory of @kind; false when one cannot be. */
static bool bind_both(FIXTURE_DATA(pci) *self, enum ferry_kind kind)
{
	int i;

	if (choose_kind(kind))
		return false;
	for (i = 0; i < 2; i++)
		if (is_bound(self->slot[i]) && unbind_slot(self->slot[i]))
			return false;
	for (i = 0; i < 2; i++) {
		if (bind_slot(self->slot[i]))
			return false;
		self->dev[i] = number_of(self->slot[i]);
	}
	return true;
}

FIXTURE_SETUP(pci)
{
	self->log = ft_log_position();
	self->used = ft_used_all();
	ASSERT_EQ(2, ft_pci_slots(self->slot));
	ASSERT_TRUE(bind_both(self, variant->kind));
	ASSERT_EQ(0, ferry_open(0, &self->f));
	self->fd = ferry_fd(self->f);
}

FIXTURE_TEARDOWN_PARENT(pci)
{
	int i;

	/* Whatever became of them: as they were. */
	if (access("/sys/module/ferry", F_OK)) {
		EXPECT_EQ(0, ft_load(ft_usual_params()));
	}
	if (!ft_is_ivshmem(self->slot[1])) {
		nvme_out(self->slot[1]);
		plug("in", "vram1");
		ft_until(ft_is_ivshmem(self->slot[1]), 60);
	}
	for (i = 0; i < 2; i++) {
		if (!access(ft_pci_path(self->slot[i], "driver_override"), F_OK)) {
			ft_write_file(ft_pci_path(self->slot[i],
						  "driver_override"), "\n");
		}
	}
	EXPECT_TRUE(bind_both(self, FERRY_KIND_COHERENT));
	EXPECT_EQ(2, self->dev[0]);
	EXPECT_EQ(3, self->dev[1]);
	EXPECT_GE(self->used, ft_wait_used(self->used));
	EXPECT_EQ(0, ft_log_check(self->log));
}

/* Where a page of such a device is after the CPU has touched it. */
#define TOUCHED(device)	(variant->kind == FERRY_KIND_COHERENT ?		\
			 (device) : FERRY_RAM)

/* ---- binding -------------------------------------------------------------------- */

TEST_F(pci, probe)
{
	struct ferry_info info;
	char path[128], line[64];
	struct ferry *f;
	char *p;
	int i;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(2 + i, self->dev[i]);
		ASSERT_EQ(0, ferry_open(self->dev[i], &f));
		ASSERT_EQ(0, ferry_get_info(f, &info));
		ASSERT_EQ(variant->kind, info.kind);
		ASSERT_EQ(FT_MIB * ft_parameter("pci_vram"), info.vram_bytes);
		ASSERT_EQ(4, info.devices);
		snprintf(path, sizeof(path), "/sys/class/ferry/ferry%d/kind",
			 self->dev[i]);
		ASSERT_TRUE(ft_read_line(path, line, sizeof(line)));
		ASSERT_STREQ(kind_names[variant->kind], line);
		/* All of it can be used, and holds what it is given. */
		p = ft_map(info.vram_bytes);
		ft_fill(p, info.vram_bytes, i);
		ASSERT_MOVES(p, info.vram_bytes, self->dev[i]);
		ASSERT_EQ(ft_crc_of(p, info.vram_bytes, i),
			  ft_dev_crc32c(ferry_fd(f), p, info.vram_bytes));
		ASSERT_WHERE(p, info.vram_bytes, self->dev[i]);
		ASSERT_DATA(p, info.vram_bytes, i);
		ASSERT_WHERE(p, info.vram_bytes, TOUCHED(self->dev[i]));
		ft_unmap(p, info.vram_bytes);
		ferry_close(f);
	}
	ASSERT_EQ(2, ft_log_count(self->log, " MiB of "));
}

TEST_F(pci, unbind_and_bind)
{
	unsigned long i;
	int fd;

	for (i = 0; i < ft_loops(10); i++) {
		int n = i & 1;

		ASSERT_EQ(0, unbind_slot(self->slot[n]));
		ASSERT_FALSE(is_bound(self->slot[n]));
		ASSERT_EQ(-1, number_of(self->slot[n]));
		ASSERT_EQ(-ENOENT, ft_open(self->dev[n]));
		/* The other is still there. */
		fd = ft_open(self->dev[!n]);
		ASSERT_LE(0, fd);
		close(fd);
		ASSERT_EQ(-ENODEV, unbind_slot(self->slot[n]));
		ASSERT_EQ(0, bind_slot(self->slot[n]));
		/* The first free number. */
		ASSERT_EQ(self->dev[n], number_of(self->slot[n]));
		fd = ft_open(self->dev[n]);
		ASSERT_LE(0, fd);
		close(fd);
	}
}

/* Between numbers that are there, some are not. */
TEST_F(pci, numbers_have_gaps)
{
	struct ferry_info info;
	struct ferry *f;
	char *p = ft_map(LEN);

	ASSERT_EQ(0, unbind_slot(self->slot[0]));
	ASSERT_EQ(4, ferry_device_count());
	ASSERT_EQ(3, ferry_device_next(1));
	ASSERT_EQ(-ENOENT, ferry_device_next(3));
	ASSERT_EQ(-ENOENT, ferry_open(2, &f));
	ASSERT_EQ(0, ferry_get_info(self->f, &info));
	ASSERT_EQ(4, info.devices);
	ft_fill(p, LEN, 1);
	ASSERT_EQ(-ENODEV, ferry_migrate(self->f, p, LEN, 2, 0, NULL));
	ASSERT_MOVES(p, LEN, 3);
	ASSERT_DEV_DATA(p, LEN, 1);
	ASSERT_EQ(0, system("ferry list | grep -q ferry3 && ! ferry list | grep -q ferry2"));

	/* The highest goes. */
	ASSERT_EQ(0, unbind_slot(self->slot[1]));
	ASSERT_EQ(2, ferry_device_count());
	ASSERT_EQ(0, ferry_get_info(self->f, &info));
	ASSERT_EQ(2, info.devices);
	ASSERT_DATA(p, LEN, 1);

	/* Who comes takes the first free number. */
	ASSERT_EQ(0, bind_slot(self->slot[1]));
	ASSERT_EQ(2, number_of(self->slot[1]));
	ASSERT_EQ(0, bind_slot(self->slot[0]));
	ASSERT_EQ(3, number_of(self->slot[0]));
	ASSERT_EQ(4, ferry_device_count());
}

/* The kind is that of the moment of binding, and stays. */
TEST_F(pci, kind_at_bind)
{
	struct ferry_info info = { .size = sizeof(info) };
	enum ferry_kind other = !variant->kind;
	int fd, i;

	ASSERT_EQ(-EINVAL, ft_write_file(PARAMETERS "pci_kind", "p2p"));
	ASSERT_EQ(-EINVAL, ft_write_file(PARAMETERS "pci_kind", "priv"));
	ASSERT_EQ(0, unbind_slot(self->slot[0]));
	ASSERT_EQ(0, choose_kind(other));
	ASSERT_EQ(0, ft_write_file(PARAMETERS "pci_vram", "4"));
	ASSERT_EQ(0, bind_slot(self->slot[0]));
	for (i = 0; i < 2; i++) {
		fd = ft_open(self->dev[i]);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, ft_ioctl(fd, FERRY_IOC_INFO, &info));
		ASSERT_EQ(i ? variant->kind : other, info.kind);
		ASSERT_EQ((i ? 32 : 4) * FT_MIB, info.vram_bytes);
		close(fd);
	}
	ASSERT_EQ(0, ft_write_file(PARAMETERS "pci_vram", "32"));
}

/* One line of the log says why; everything else goes on. */
TEST_F(pci, refused)
{
	static const char bridge[] = "0000:00:1f.0";
	char *p = ft_map(LEN);

	ft_fill(p, LEN, 2);
	ASSERT_MOVES(p, LEN, self->dev[0]);
	ASSERT_FALSE(is_bound(bridge));
	/* Not its device, as far as it knows. */
	ASSERT_EQ(-ENODEV, bind_slot(bridge));
	ASSERT_EQ(0, ft_log_count(self->log, "refused"));

	ASSERT_EQ(0, ft_write_file(ft_pci_path(bridge, "driver_override"),
				   "ferry\n"));
	ASSERT_EQ(-ENODEV, bind_slot(bridge));
	ASSERT_EQ(1, ft_log_count(self->log, "refused: no prefetchable memory BAR"));
	ASSERT_EQ(1, ft_log_count(self->log, bridge));
	ASSERT_EQ(0, ft_write_file(ft_pci_path(bridge, "driver_override"), "\n"));
	ASSERT_FALSE(is_bound(bridge));

	/* Too small, and somebody else's: its driver does not lose it. */
	ASSERT_EQ(-ENODEV, bind_slot("0000:00:01.0"));
	ASSERT_EQ(0, ft_write_file(ft_pci_path("0000:00:01.0", "driver_override"),
				   "ferry\n"));
	ASSERT_NE(0, bind_slot("0000:00:01.0"));
	ASSERT_EQ(0, ft_write_file(ft_pci_path("0000:00:01.0", "driver_override"),
				   "\n"));
	ASSERT_FALSE(is_bound("0000:00:01.0"));
	ASSERT_EQ(0, access(ft_pci_path("0000:00:01.0", "driver/bind"), F_OK));

	ASSERT_EQ(4, ferry_device_count());
	ASSERT_DEV_DATA(p, LEN, 2);
	ASSERT_DATA(p, LEN, 2);
}

/* Without pci=1, only who is named is taken. */
TEST_F(pci, driver_override)
{
	ferry_close(self->f);
	ASSERT_EQ(0, ft_unload_soon());
	ASSERT_EQ(0, ft_load("devices=1 vram=2 pci_vram=2"));
	ASSERT_EQ(0, choose_kind(variant->kind));
	ASSERT_EQ(1, ferry_device_count());
	ASSERT_EQ(-ENODEV, bind_slot(self->slot[0]));
	ASSERT_EQ(0, ft_write_file(ft_pci_path(self->slot[1], "driver_override"),
				   "ferry\n"));
	ASSERT_EQ(0, ft_write_file(PCI "drivers_probe", "%s", self->slot[1]));
	ASSERT_EQ(1, number_of(self->slot[1]));
	ASSERT_EQ(-1, number_of(self->slot[0]));
	ASSERT_EQ(0, unbind_slot(self->slot[1]));
	ASSERT_EQ(0, ft_write_file(ft_pci_path(self->slot[1], "driver_override"),
				   "\n"));
	ASSERT_EQ(-ENODEV, bind_slot(self->slot[1]));
	ASSERT_EQ(0, ft_unload_soon());
	ASSERT_EQ(0, ft_load(ft_usual_params()));
}

/*
 * Any device with such a BAR: an NVMe controller with a memory buffer. It is told
 * to the driver by new_id, and is then as good as the one that the driver knows.
 */
TEST_F(pci, another_device)
{
	char *p = ft_map(LEN);
	int dev, fd;

	plug("out", "vram1");
	ASSERT_NE(0, access(ft_pci_path(self->slot[1], "vendor"), F_OK));
	nvme_in(self->slot[1]);
	ASSERT_EQ(0, ft_write_file(DRIVER "new_id", "1b36 0010"));
	ASSERT_TRUE(ft_until(is_ready(self->slot[1], self->dev[1]), 60));
	dev = self->dev[1];
	fd = ft_open(dev);
	ASSERT_LE(0, fd);
	ft_fill(p, LEN, 3);
	ASSERT_MOVES(p, LEN, dev);
	ASSERT_EQ(ft_crc_of(p, LEN, 3), ft_dev_crc32c(fd, p, LEN));
	close(fd);
	ASSERT_WHERE(p, LEN, dev);
	ASSERT_DATA(p, LEN, 3);
	ASSERT_WHERE(p, LEN, TOUCHED(dev));

	ASSERT_EQ(0, ft_write_file(DRIVER "remove_id", "1b36 0010"));
	nvme_out(self->slot[1]);
	ASSERT_WHERE(p, LEN, FERRY_RAM);
	ASSERT_DATA(p, LEN, 3);
	plug("in", "vram1");
	ASSERT_TRUE(ft_until(is_ready(self->slot[1], dev), 60));
}

/* ---- going with pages on it ----------------------------------------------------- */

/* Memory of every sort, all of it on one device. */
enum { SMALL, THP, READ_ONLY, MOVED, SORTS };

struct cargo {
	char *p[SORTS];
	uint64_t salt;
};

static void load_cargo(struct ferry *f, struct cargo *c, int dev, uint64_t salt)
{
	char *from = ft_map(LEN);
	unsigned int i;

	c->salt = salt;
	for (i = 0; i < SORTS; i++) {
		c->p[i] = ft_map_kind(LEN, i == THP);
		ft_fill(c->p[i], LEN, salt);
	}
	if (mprotect(c->p[READ_ONLY], LEN, PROT_READ))
		ft_fatal("mprotect: %s", strerror(errno));
	/* Filled for where it will be, moved to the device where it is. */
	ft_fill_as(from, LEN, salt, c->p[MOVED]);
	for (i = 0; i < SORTS; i++)
		if (ft_moved(f, i == MOVED ? from : c->p[i], LEN, dev) !=
		    ft_pages(LEN))
			ft_fatal("not everything gets to ferry%d", dev);
	if (mremap(from, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED,
		   c->p[MOVED]) == MAP_FAILED)
		ft_fatal("mremap: %s", strerror(errno));
	for (i = 0; i < SORTS; i++)
		if (ft_count(f, c->p[i], LEN, dev) != ft_pages(LEN))
			ft_fatal("it does not stay on ferry%d", dev);
}

/* Pages of it that are at @where. */
static size_t count_cargo(struct ferry *f, const struct cargo *c, int where)
{
	size_t n = 0;
	unsigned int i;

	for (i = 0; i < SORTS; i++)
		n += ft_count(f, c->p[i], LEN, where);
	return n;
}

#define CARGO_PAGES	(SORTS * ft_pages(LEN))

/* Sorts of which a byte is wrong. */
static unsigned int check_cargo(const struct cargo *c)
{
	unsigned int i, bad = 0;

	for (i = 0; i < SORTS; i++)
		bad += ft_check(c->p[i], LEN, c->salt) != LEN;
	return bad;
}

/*
 * Pages of a range whose first access does not end with SIGBUS. Not each page:
 * looking at memory that does not answer takes its time.
 */
static size_t not_lost(char *p, size_t len, bool write)
{
	size_t i, n = 0;

	for (i = 0; i < len; i += 17 * FT_PAGE)
		n += (write ? ft_poke(p + i + 8, 1) : ft_peek(p + i + 8)) !=
		     SIGBUS;
	return n;
}

static size_t cargo_not_lost(const struct cargo *c)
{
	size_t n = 0;
	unsigned int i;

	for (i = 0; i < SORTS; i++)
		n += not_lost(c->p[i], LEN, false) +
		     (i != READ_ONLY ? not_lost(c->p[i], LEN, true) : 0);
	return n;
}

static void unload_cargo(struct cargo *c)
{
	unsigned int i;

	for (i = 0; i < SORTS; i++)
		ft_unmap(c->p[i], LEN);
}

/* Calls on @fd that do not say that the device is gone. */
static int not_gone(int fd)
{
	return ft_not_failing(fd, -ENODEV);
}

/* A process that shares the cargo and looks at it when told. */
static pid_t start_sharer(FIXTURE_DATA(pci) *self, const struct cargo *c,
			  int dev, struct ft_turn *ready, struct ft_turn *go,
			  bool lost)
{
	pid_t child;

	ft_turn_init(ready);
	ft_turn_init(go);
	child = ft_fork();
	if (!child) {
		int fd = ft_open(dev);

		/* The parent's are not for it. */
		ferry_close(self->f);
		if (fd < 0)
			_exit(100);
		ft_turn_give(ready);
		ft_turn_take(go);
		if (not_gone(fd))
			_exit(101);
		_exit(lost ? cargo_not_lost(c) != 0 : check_cargo(c));
	}
	ft_turn_take(ready);
	return child;
}

TEST_F(pci, unbind_with_pages)
{
	struct cargo on, other, soft;
	struct ft_turn ready, go;
	struct ft_waiter w = {};
	uint64_t *cell = ft_map(FT_PAGE), seq, count;
	struct ferry_cmd endless = ft_endless(cell), next = {
		.op = FERRY_OP_CRC32C,
		.src = (uintptr_t)cell,
		.len = FT_PAGE,
	};
	int event = eventfd(0, EFD_CLOEXEC), fd;
	pthread_t thread;
	struct ferry *f;
	pid_t child;

	ASSERT_EQ(0, ferry_open(self->dev[0], &f));
	load_cargo(f, &on, self->dev[0], 4);
	load_cargo(self->f, &other, self->dev[1], 5);
	load_cargo(self->f, &soft, 0, 6);
	child = start_sharer(self, &on, self->dev[0], &ready, &go, false);

	/* An engine that would never end, lists behind it, somebody who waits. */
	w.fd = ferry_fd(f);
	ASSERT_EQ(0, ft_submit(w.fd, &endless, 1, -1, &seq));
	ASSERT_EQ(0, ft_submit(w.fd, &next, 1, event, &w.seq));
	ASSERT_EQ(0, pthread_create(&thread, NULL, ft_waiter, &w));
	ASSERT_TRUE(ft_until(__atomic_load_n(&w.started, __ATOMIC_ACQUIRE),
			     20));

	ASSERT_EQ(0, unbind_slot(self->slot[0]));

	ASSERT_EQ(0, pthread_join(thread, NULL));
	ASSERT_EQ(0, w.ret);
	ASSERT_EQ(-ECANCELED, w.w.status);
	ASSERT_EQ(8, read(event, &count, 8));
	ASSERT_EQ(0, ft_wait(w.fd, seq, 0, NULL, 0, &w.w));
	ASSERT_EQ(-ECANCELED, w.w.status);
	ASSERT_EQ(0, not_gone(w.fd));
	ASSERT_EQ(-ENOENT, ft_open(self->dev[0]));

	ASSERT_EQ(CARGO_PAGES, count_cargo(self->f, &on, FERRY_RAM));
	ASSERT_EQ(CARGO_PAGES, count_cargo(self->f, &other, self->dev[1]));
	ASSERT_EQ(CARGO_PAGES, count_cargo(self->f, &soft, 0));
	ASSERT_EQ(0, check_cargo(&on));
	ft_turn_give(&go);
	ASSERT_EQ(0, ft_reap(child));
	ASSERT_EQ(0, ft_log_count(self->log, "does not answer"));

	/* It comes back; who had the old one open has not the new one. */
	ASSERT_EQ(0, bind_slot(self->slot[0]));
	ASSERT_EQ(self->dev[0], number_of(self->slot[0]));
	ASSERT_EQ(0, not_gone(w.fd));
	fd = ft_open(self->dev[0]);
	ASSERT_LE(0, fd);
	ASSERT_MOVES(on.p[SMALL], LEN, self->dev[0]);
	ASSERT_EQ(ft_crc_of(on.p[SMALL], LEN, 4),
		  ft_dev_crc32c(fd, on.p[SMALL], LEN));
	ASSERT_EQ(0, not_gone(w.fd));
	ferry_close(f);
	ASSERT_EQ(ft_crc_of(on.p[SMALL], LEN, 4),
		  ft_dev_crc32c(fd, on.p[SMALL], LEN));
	close(fd);
	ASSERT_EQ(0, check_cargo(&on));
	ASSERT_EQ(0, check_cargo(&other));
	ASSERT_EQ(0, check_cargo(&soft));
}

struct unbinder {
	const char *slot;
	int ret;
	bool done;
};

static void *unbind_now(void *arg)
{
	struct unbinder *u = arg;

	u->ret = unbind_slot(u->slot);
	__atomic_store_n(&u->done, true, __ATOMIC_RELEASE);
	return NULL;
}

/*
 * Somebody uses a coherent page in place, by its struct page: it cannot be given
 * back before. (What is private came home for that.)
 */
TEST_F(pci, unbind_waits_for_users)
{
	const size_t len = 4 * FT_PAGE;
	char *p = ft_map(len), *q = ft_map(len);
	struct iovec v = { .iov_base = p, .iov_len = len };
	struct unbinder u = { .slot = self->slot[0] };
	const bool in_place = variant->kind == FERRY_KIND_COHERENT;
	pthread_t thread;
	int fd[2];

	ft_fill(p, len, 7);
	ASSERT_MOVES(p, len, self->dev[0]);
	ASSERT_EQ(0, pipe(fd));
	ASSERT_EQ(len, vmsplice(fd[1], &v, 1, 0));
	ASSERT_WHERE(p, len, TOUCHED(self->dev[0]));
	ASSERT_EQ(0, pthread_create(&thread, NULL, unbind_now, &u));
	if (in_place) {
		ASSERT_TRUE(ft_until(ft_log_count(self->log,
						  "pages to come home"), 60));
		ASSERT_FALSE(__atomic_load_n(&u.done, __ATOMIC_ACQUIRE));
		ASSERT_DATA(p, len, 7);
	}
	ASSERT_EQ(len, read(fd[0], q, len));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	ASSERT_EQ(0, u.ret);
	ASSERT_EQ(len, ft_check_as(q, len, 7, p));
	ASSERT_WHERE(p, len, FERRY_RAM);
	ASSERT_DATA(p, len, 7);
}

/* A query whose answer nobody takes. */
struct stuck_query {
	int fd;
	struct ferry_query q;
	int ret;
};

static void *query_stuck(void *arg)
{
	struct stuck_query *s = arg;

	s->ret = ft_ioctl(s->fd, FERRY_IOC_QUERY, &s->q);
	return NULL;
}

/* Nor for a call that waits for whoever serves the memory of its caller. */
TEST_F(pci, unbind_beside_a_stuck_call)
{
	const size_t len = FT_HUGE + FT_PAGE;
	const size_t out_len = 2 * FT_PAGE;	/* 8 bytes a page */
	char *p = ft_map(len), *out = ft_map(out_len);
	int watch = ft_uffd_open();
	struct pollfd pending = { .fd = watch, .events = POLLIN };
	struct uffdio_zeropage zero = {
		.range = { .start = (uintptr_t)out, .len = out_len },
	};
	struct stuck_query s = {
		.q = { .size = sizeof(s.q), .addr = (uintptr_t)p, .len = len,
		       .pages = (uintptr_t)out },
	};
	pthread_t thread;
	struct ferry *f;

	ASSERT_EQ(0, ferry_open(self->dev[0], &f));
	s.fd = ferry_fd(f);
	ft_uffd_watch(watch, out, out_len, UFFDIO_REGISTER_MODE_MISSING);
	ASSERT_EQ(0, pthread_create(&thread, NULL, query_stuck, &s));
	ASSERT_EQ(1, poll(&pending, 1, 60000));
	/* Neither its own device nor another one waits. */
	ASSERT_EQ(0, unbind_slot(self->slot[1]));
	ASSERT_EQ(0, unbind_slot(self->slot[0]));
	ASSERT_EQ(0, ioctl(watch, UFFDIO_ZEROPAGE, &zero));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	ASSERT_EQ(-ENODEV, s.ret);
	close(watch);
	ferry_close(f);
	ASSERT_EQ(0, bind_slot(self->slot[0]));
	ASSERT_EQ(0, bind_slot(self->slot[1]));
}

/* ---- going in the middle of anything ------------------------------------------- */

static volatile sig_atomic_t *stop_flag;

/*
 * What a program may see when its device goes at any moment: a call that says so,
 * a list that was cancelled; and its data, always. Exits with a line number.
 */
#define MUST(condition)							\
do {									\
	if (!(condition)) {						\
		fprintf(stderr, "# %s:%d: not %s\n", __FILE__, __LINE__,	\
			#condition);					\
		_exit(1);						\
	}								\
} while (0)

static bool is_gone(int err)
{
	if (err != -ENODEV && err != -ENOENT)
		fprintf(stderr, "# error %d\n", err);
	return err == -ENODEV || err == -ENOENT;
}

/* One turn on a device that may go; false when it was not there. */
static bool use_device(int dev, int away, char *p, char *q, uint64_t salt)
{
	struct ferry_cmd cmd[] = {
		{ .op = FERRY_OP_COPY, .dst = (uintptr_t)q,
		  .src = (uintptr_t)p, .len = LEN },
		{ .op = FERRY_OP_CRC32C, .src = (uintptr_t)q, .len = LEN },
	};
	uint64_t result[2], seq;
	struct ferry_wait w;
	struct ferry *f;
	int ret;

	ret = ferry_open(dev, &f);
	MUST(!ret || is_gone(ret));
	if (ret)
		return false;
	ret = ferry_migrate(f, p, LEN, dev, 0, NULL);
	MUST(!ret || is_gone(ret));
	/* Read before, written by the engine, or only half so. */
	memset(q, 0, LEN);
	ret = ft_submit(ferry_fd(f), cmd, 2, -1, &seq);
	MUST(!ret || is_gone(ret));
	if (!ret) {
		ret = ft_wait(ferry_fd(f), seq, -1, result, 2, &w);
		MUST(!ret);
		MUST(!w.status || w.status == -ECANCELED);
		if (!w.status) {
			MUST(result[1] == ft_crc_of(p, LEN, salt));
			MUST(ft_check_as(q, LEN, salt, p) == LEN);
		}
	}
	MUST(ft_check(p, LEN, salt) == LEN);
	ret = ferry_migrate(f, p, LEN, away, 0, NULL);
	MUST(!ret || is_gone(ret));
	MUST(ft_check(p, LEN, salt) == LEN);
	ferry_close(f);
	return true;
}

struct user {
	const FIXTURE_DATA(pci) *self;
	unsigned int id;
};

static void *use_for_long(void *arg)
{
	const struct user *u = arg;
	char *p = ft_map_kind(LEN, u->id & 1), *q = ft_map_kind(LEN, u->id & 2);
	unsigned int i;

	ft_fill(p, LEN, u->id);
	for (i = 0; !*stop_flag; i++) {
		int away = i % 3 ? i % 3 == 1 ? FERRY_RAM : 0 :
				   u->self->dev[1];

		if (!use_device(u->self->dev[0], away, p, q, u->id))
			ft_sleep_ns(2000000);
		if (i % 4 == 3) {
			pid_t child = fork();

			if (!child)
				_exit(ft_check(p, LEN, u->id) != LEN);
			MUST(child > 0 && !ft_reap(child));
		}
	}
	return NULL;
}

/* A process with two threads that do @use until the flag says stop. */
static pid_t start_users(FIXTURE_DATA(pci) *self, unsigned int first,
			 void *(*use)(void *arg))
{
	struct user u[2] = {
		{ .self = self, .id = first },
		{ .self = self, .id = first + 1 },
	};
	pid_t child = ft_fork();
	pthread_t thread;

	if (child)
		return child;
	ferry_close(self->f);
	MUST(!ferry_open(0, &self->f));
	MUST(!pthread_create(&thread, NULL, use, &u[1]));
	use(&u[0]);
	MUST(!pthread_join(thread, NULL));
	_exit(0);
}

static void make_stop_flag(void)
{
	void *p = mmap(NULL, FT_PAGE, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	MUST(p != MAP_FAILED);
	stop_flag = p;
}

TEST_F_TIMEOUT(pci, unbind_under_load, 600)
{
	unsigned long i;
	pid_t child[2];
	int c;

	make_stop_flag();
	for (c = 0; c < 2; c++)
		child[c] = start_users(self, 2 * c, use_for_long);
	for (i = 0; i < FT_ROUNDS(12); i++) {
		ft_sleep_ns(ft_below(200) * 1000000);
		ASSERT_EQ(0, unbind_slot(self->slot[0]));
		ASSERT_EQ(-1, number_of(self->slot[0]));
		if (i & 1)
			ft_sleep_ns(ft_below(20) * 1000000);
		ASSERT_EQ(0, bind_slot(self->slot[0]));
		ASSERT_EQ(self->dev[0], number_of(self->slot[0]));
	}
	*stop_flag = 1;
	for (c = 0; c < 2; c++) {
		ASSERT_EQ(0, ft_reap(child[c]));
	}
	ASSERT_EQ(0, ft_log_count(self->log, "does not answer"));
}

/* Whoever unbinds it may be killed meanwhile; all is done that was begun. */
TEST_F(pci, unbinder_is_killed)
{
	unsigned long i, unbound = 0;
	struct cargo on;
	uint64_t turn;
	pid_t child;

	/* The moments are spread over the time that it takes. */
	load_cargo(self->f, &on, self->dev[0], 19);
	turn = ft_now_ns();
	ASSERT_EQ(0, unbind_slot(self->slot[0]));
	turn = ft_now_ns() - turn;
	for (i = 0; i < ft_loops(10); i++) {
		if (!is_bound(self->slot[0])) {
			ASSERT_EQ(0, bind_slot(self->slot[0]));
		}
		unload_cargo(&on);
		load_cargo(self->f, &on, self->dev[0], 19 + i);
		child = ft_fork();
		if (!child)
			_exit(unbind_slot(self->slot[0]) ? 1 : 0);
		ft_sleep_ns(ft_below(turn));
		ASSERT_EQ(0, kill(child, SIGKILL));
		ft_reap(child);
		unbound += !is_bound(self->slot[0]);
		ASSERT_EQ(is_bound(self->slot[0]) ? 0 : CARGO_PAGES,
			  count_cargo(self->f, &on, FERRY_RAM));
		ASSERT_EQ(0, check_cargo(&on));
	}
	TH_LOG("unbound %lu times of %lu", unbound, i);
	ASSERT_EQ(0, ft_log_count(self->log, "does not answer"));
}

/* Out of its slot, and another one into it, with pages and an open context. */
TEST_F(pci, unplug)
{
	struct cargo on, other;
	struct ft_turn ready, go;
	struct ferry *f;
	pid_t child;
	int fd;

	ASSERT_EQ(0, ferry_open(self->dev[1], &f));
	load_cargo(f, &on, self->dev[1], 8);
	load_cargo(self->f, &other, self->dev[0], 9);
	child = start_sharer(self, &on, self->dev[1], &ready, &go, false);
	plug("out", "vram1");
	ASSERT_NE(0, access(ft_pci_path(self->slot[1], "vendor"), F_OK));
	ASSERT_EQ(-ENOENT, ft_open(self->dev[1]));
	ASSERT_EQ(0, not_gone(ferry_fd(f)));
	ASSERT_EQ(CARGO_PAGES, count_cargo(self->f, &on, FERRY_RAM));
	ASSERT_EQ(CARGO_PAGES, count_cargo(self->f, &other, self->dev[0]));
	ASSERT_EQ(0, check_cargo(&on));
	ft_turn_give(&go);
	ASSERT_EQ(0, ft_reap(child));

	/* The driver takes the new one as it comes. */
	plug("in", "vram1");
	ASSERT_TRUE(ft_until(is_ready(self->slot[1], self->dev[1]), 60));
	fd = ft_open(self->dev[1]);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, not_gone(ferry_fd(f)));
	ASSERT_MOVES(on.p[THP], LEN, self->dev[1]);
	ASSERT_EQ(ft_crc_of(on.p[THP], LEN, 8),
		  ft_dev_crc32c(fd, on.p[THP], LEN));
	close(fd);
	ferry_close(f);
	ASSERT_EQ(0, check_cargo(&on));
	ASSERT_EQ(0, check_cargo(&other));
	ASSERT_EQ(0, ft_log_count(self->log, "does not answer"));

	/* The bus lets go of it, and finds it again. */
	load_cargo(self->f, &on, self->dev[1], 10);
	ASSERT_EQ(0, ft_write_file(ft_pci_path(self->slot[1], "remove"), "1"));
	ASSERT_EQ(CARGO_PAGES, count_cargo(self->f, &on, FERRY_RAM));
	ASSERT_EQ(0, check_cargo(&on));
	ASSERT_EQ(0, ft_write_file(PCI "rescan", "1"));
	ASSERT_TRUE(ft_until(is_ready(self->slot[1], self->dev[1]), 60));
}

/* ---- a device that does not answer any more ---------------------------------------- */

TEST_F(pci, dead_takes_nothing)
{
	char *p = ft_map(LEN), *h = ft_map_huge(LEN), *hole = ft_map(LEN);
	struct ferry_cmd c = { .op = FERRY_OP_CRC32C, .len = FT_PAGE };
	struct ferry_moved m;
	struct ferry *f;

	ASSERT_EQ(0, ferry_open(self->dev[0], &f));
	ft_fill(p, LEN, 11);
	ft_fill(h, LEN, 11);
	set_answering(self->slot[0], false);
	/* What it is given is not lost, and what it clears is not made up. */
	ASSERT_EQ(-EIO, ferry_migrate(f, p, LEN, self->dev[0], 0, &m));
	ASSERT_EQ(0, m.moved);
	ASSERT_EQ(-EIO, ferry_migrate(f, h, LEN, self->dev[0], 0, &m));
	ASSERT_EQ(-EIO, ferry_migrate(self->f, hole, LEN, self->dev[0], 0, &m));
	ASSERT_WHERE(p, LEN, FERRY_RAM);
	ASSERT_WHERE(h, LEN, FERRY_RAM);
	ASSERT_EQ(0, ft_count_devices(self->f, hole, LEN));
	ASSERT_DATA(p, LEN, 11);
	ASSERT_DATA(h, LEN, 11);
	ASSERT_ZERO(hole, LEN);

	/* From another device it does not take anything either. */
	ASSERT_MOVES(p, LEN, self->dev[1]);
	ASSERT_EQ(-EIO, ferry_migrate(f, p, LEN, self->dev[0], 0, &m));
	ASSERT_WHERE(p, LEN, self->dev[1]);
	ASSERT_DATA(p, LEN, 11);

	/* Its engine still works, in RAM. */
	ASSERT_EQ(0, ferry_advise(f, h, LEN, FERRY_ADVISE_PREFER_RAM));
	c.src = (uintptr_t)h;
	ASSERT_EQ(0, ft_run(ferry_fd(f), &c, 1, NULL, NULL));
	ferry_close(f);
	/* Nothing was on it, so nothing is lost. */
	ASSERT_EQ(0, unbind_slot(self->slot[0]));
	ASSERT_EQ(0, ft_log_count(self->log, "does not answer"));
	/* Binding switches it on again. */
	ASSERT_EQ(0, bind_slot(self->slot[0]));
	ASSERT_MOVES(h, LEN, self->dev[0]);
	ASSERT_DATA(h, LEN, 11);
}

/* Private memory: the first access tells, long before anybody unbinds it. */
TEST_F(pci, dead_and_touched)
{
	struct iovec local, remote;
	char *q = ft_map(LEN);
	struct ferry_cmd c = { .op = FERRY_OP_CRC32C, .len = FT_PAGE };
	struct ferry_wait w;
	struct cargo on;
	struct ferry *f;
	uint64_t seen;

	ASSERT_EQ(0, ferry_open(self->dev[0], &f));
	load_cargo(f, &on, self->dev[0], 12);
	set_answering(self->slot[0], false);

	/* The engine has nothing to read, and nothing goes anywhere. */
	c.src = (uintptr_t)on.p[SMALL];
	ASSERT_EQ(-EIO, ft_run(ferry_fd(f), &c, 1, &seen, &w));
	ASSERT_EQ(-EIO, ferry_migrate(f, on.p[SMALL], LEN, FERRY_RAM, 0, NULL));
	ASSERT_EQ(-EIO, ferry_migrate(f, on.p[THP], LEN, self->dev[1], 0,
				      NULL));
	ASSERT_EQ(CARGO_PAGES, count_cargo(self->f, &on, self->dev[0]));
	if (variant->kind == FERRY_KIND_PRIVATE) {
		ASSERT_EQ(0, cargo_not_lost(&on));
		local = (struct iovec){ q, LEN };
		remote = (struct iovec){ on.p[THP], LEN };
		ASSERT_EQ(-1, process_vm_readv(getpid(), &local, 1, &remote, 1,
					       0));
		ASSERT_EQ(EFAULT, errno);
		ASSERT_ZERO(q, LEN);
	}
	ASSERT_EQ(CARGO_PAGES, count_cargo(self->f, &on, self->dev[0]));
	ASSERT_EQ(0, ft_log_count(self->log, "does not answer"));
	ferry_close(f);
	/* The program can drop what it has lost. */
	ASSERT_EQ(0, madvise(on.p[SMALL], LEN, MADV_DONTNEED));
	ASSERT_ZERO(on.p[SMALL], LEN);
	unload_cargo(&on);
	ASSERT_EQ(0, unbind_slot(self->slot[0]));
	ASSERT_EQ(0, ft_log_count(self->log, "does not answer"));
	ASSERT_EQ(0, bind_slot(self->slot[0]));
}

/* Unbound, its pages are lost: SIGBUS for all who have them, until they unmap them. */
TEST_F(pci, lost)
{
	struct ferry_cmd c = { .op = FERRY_OP_CRC32C, .len = FT_PAGE };
	char *half = ft_map_huge(2 * LEN), *q = ft_map(LEN), *moved;
	struct cargo on, other;
	struct ft_turn ready, go;
	struct ferry_moved m;
	struct ferry_wait w;
	char line[64];
	long long references;
	struct ferry *f;
	pid_t child;

	references = module_references();
	ASSERT_EQ(0, ferry_open(self->dev[0], &f));
	load_cargo(f, &on, self->dev[0], 13);
	load_cargo(f, &other, self->dev[1], 14);
	ft_fill(half, 2 * LEN, 15);
	ASSERT_MOVES(half + LEN / 2, LEN, self->dev[0]);
	child = start_sharer(self, &on, self->dev[0], &ready, &go, true);

	set_answering(self->slot[0], false);
	ASSERT_EQ(0, unbind_slot(self->slot[0]));

	/* One line says it, with all of them. */
	snprintf(line, sizeof(line), "does not answer: %lu pages are lost",
		 CARGO_PAGES + ft_pages(LEN));
	ASSERT_EQ(1, ft_log_count(self->log, line));
	ASSERT_EQ(1, ft_log_count(self->log, "does not answer"));
	ASSERT_EQ(-ENOENT, ft_open(self->dev[0]));
	ASSERT_EQ(0, not_gone(ferry_fd(f)));
	ferry_close(f);

	/* No byte of it can be read or written, by whoever shares it. */
	ASSERT_EQ(0, cargo_not_lost(&on));
	ft_turn_give(&go);
	ASSERT_EQ(0, ft_reap(child));
	ASSERT_EQ(0, not_lost(half + LEN / 2, LEN, false));
	child = ft_fork();
	if (!child)
		_exit(cargo_not_lost(&on) != 0);
	ASSERT_EQ(0, ft_reap(child));
	ASSERT_EQ(CARGO_PAGES - count_cargo(self->f, &on, FERRY_NOWHERE), 0);

	/* Not by system calls, nor by the engine, and it goes nowhere. */
	errno = 0;
	ASSERT_EQ(-1, write(memfd_create("ferry", MFD_CLOEXEC), on.p[THP],
			    FT_PAGE));
	ASSERT_EQ(EFAULT, errno);
	c.src = (uintptr_t)on.p[SMALL];
	ASSERT_EQ(-EFAULT, ft_run(self->fd, &c, 1, NULL, &w));
	ASSERT_EQ(c.src, w.fault_addr);
	m = ft_move(self->f, on.p[SMALL], LEN, 0);
	ASSERT_EQ(0, m.moved);
	m = ft_move(self->f, on.p[THP], LEN, FERRY_RAM);
	ASSERT_EQ(0, m.moved);
	moved = mremap(on.p[SMALL], LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, q);
	ASSERT_EQ(q, moved);
	ASSERT_EQ(0, not_lost(q, LEN, true));
	/* One can drop it and go on. */
	ASSERT_EQ(0, madvise(q, LEN / 2, MADV_DONTNEED));
	ASSERT_ZERO(q, LEN / 2);
	ASSERT_EQ(0, not_lost(q + LEN / 2, LEN / 2, false));

	/* What was not on it is as it was. */
	ASSERT_DATA(half, LEN / 2, 15);
	ASSERT_DATA(half + LEN + LEN / 2, LEN / 2, 15);
	ASSERT_EQ(CARGO_PAGES, count_cargo(self->f, &other, self->dev[1]));
	ASSERT_EQ(0, check_cargo(&other));

	/* The module stays for what is lost, and not a moment longer. */
	ASSERT_LT(references, module_references());
	ft_unmap(on.p[THP], LEN);
	ft_unmap(on.p[READ_ONLY], LEN);
	ft_unmap(on.p[MOVED], LEN);
	ft_unmap(half, 2 * LEN);
	ASSERT_LT(references, module_references());
	ft_unmap(q, LEN);
	ASSERT_TRUE(ft_until(module_references() == references, 20));

	/* The device itself can be used again. */
	ASSERT_EQ(0, bind_slot(self->slot[0]));
	ft_fill(q = ft_map(LEN), LEN, 16);
	ASSERT_MOVES(q, LEN, self->dev[0]);
	ASSERT_DATA(q, LEN, 16);
}

/* Who has lost pages may exit without ever touching them. */
TEST_F(pci, lost_and_exit)
{
	long long references;
	struct ft_turn ready, go;
	pid_t child[2];
	int c;

	ferry_close(self->f);
	references = module_references();
	ft_turn_init(&ready);
	ft_turn_init(&go);
	for (c = 0; c < 2; c++) {
		child[c] = ft_fork();
		if (!child[c]) {
			struct cargo on;
			struct ferry *f;

			ASSERT_EQ(0, ferry_open(0, &f));
			load_cargo(f, &on, self->dev[0], 17);
			ferry_close(f);
			ft_turn_give(&ready);
			ft_turn_take(&go);
			if (c)
				_exit(*(volatile char *)on.p[THP]);
			_exit(0);
		}
	}
	ft_turn_take(&ready);
	ft_turn_take(&ready);
	set_answering(self->slot[0], false);
	ASSERT_EQ(0, unbind_slot(self->slot[0]));
	ASSERT_EQ(1, ft_log_count(self->log, "does not answer"));
	/* Until then the module is in use. */
	ASSERT_EQ(-EAGAIN, ft_unload());
	ft_turn_give(&go);
	ft_turn_give(&go);
	ASSERT_EQ(0, ft_reap(child[0]));
	ASSERT_EQ(128 + SIGBUS, ft_reap(child[1]));
	ASSERT_TRUE(ft_until(module_references() == references, 20));
	ASSERT_EQ(0, ft_unload_soon());
	ASSERT_EQ(0, ft_load(ft_usual_params()));
}

/*
 * The module unloads with lost pages that a process and its child share; @dropped: only
 * the child has them by then. Returns how the process ends, which waits for its child.
 */
static int unload_with_lost(struct __test_metadata *_metadata,
			    FIXTURE_DATA(pci) *self, bool dropped)
{
	pid_t child, grandchild;
	struct ft_turn ready;
	int end;

	ferry_close(self->f);
	ft_turn_init(&ready);
	child = ft_fork();
	if (!child) {
		struct cargo on;
		struct ferry *f;

		ASSERT_EQ(0, ferry_open(0, &f));
		load_cargo(f, &on, self->dev[0], 18);
		ferry_close(f);
		grandchild = ft_fork();
		if (!grandchild) {
			ft_turn_give(&ready);
			for (;;)
				pause();
		}
		if (dropped)
			unload_cargo(&on);
		ft_turn_give(&ready);
		_exit(ft_reap(grandchild) == 128 + SIGBUS ? 0 : 1);
	}
	ft_turn_take(&ready);
	ft_turn_take(&ready);
	set_answering(self->slot[0], false);
	ASSERT_EQ(0, ft_unload_soon());
	ASSERT_EQ(1, ft_log_count(self->log, "does not answer"));
	end = ft_reap(child);
	ASSERT_NE(0, access("/sys/module/ferry", F_OK));
	ASSERT_EQ(0, ft_load(ft_usual_params()));
	return end;
}

/* Unloading does not wait for those who will never look. */
TEST_F(pci, lost_by_unloading)
{
	ASSERT_EQ(128 + SIGBUS, unload_with_lost(_metadata, self, false));
}

/* It is who maps a page that gets the signal, not who once had it. */
TEST_F(pci, lost_by_unloading_to_a_child)
{
	ASSERT_EQ(0, unload_with_lost(_metadata, self, true));
}

/*
 * It dies while it is used: a call fails or a signal comes, but no byte that a
 * program gets to see is wrong.
 */
static __thread sigjmp_buf lost_jump;

static void on_lost(int sig)
{
	siglongjmp(lost_jump, sig);
}

/*
 * Whether what was found in RAM is right. A coherent page may have been in transit when
 * it was asked for, and back on its dead device when it was looked at. That does not
 * last: then it is there for the query to see, or it is lost and a look is SIGBUS. What
 * is wrong in RAM stays so.
 */
static bool right_or_lost(struct ferry *f, const char *p, int id)
{
	unsigned int i;

	for (i = 0; i < 100; i++) {
		if (ft_check(p, LEN, id) == LEN || ft_count_devices(f, p, LEN))
			return true;
		ft_sleep_ns(20000000);
	}
	return false;
}

static void *use_until_lost(void *arg)
{
	const struct sigaction act = { .sa_handler = on_lost };
	const struct user *u = arg;
	char *p = ft_map_kind(LEN, u->id & 1);
	struct ferry *f;
	unsigned int i;
	uint32_t crc;

	MUST(!sigaction(SIGBUS, &act, NULL));
	ft_fill(p, LEN, u->id);
	crc = ft_crc_of(p, LEN, u->id);
	if (ferry_open(u->self->dev[0], &f))
		return NULL;
	/* To look is enough to find out; no coherent page is looked at. */
	if (sigsetjmp(lost_jump, 1))
		return NULL;
	for (i = 0; !*stop_flag; i++) {
		struct ferry_cmd c = {
			.op = FERRY_OP_CRC32C,
			.src = (uintptr_t)p,
			.len = LEN,
		};
		struct ferry_wait w;
		uint64_t result, seq;
		int ret = ferry_migrate(f, p, LEN, u->self->dev[0], 0, NULL);

		MUST(!ret || ret == -ENODEV || ret == -EIO || ret == -EINTR);
		if (!ft_submit(ferry_fd(f), &c, 1, -1, &seq) &&
		    !ft_wait(ferry_fd(f), seq, -1, &result, 1, &w) &&
		    !w.status)
			MUST(result == crc);
		ferry_migrate(f, p, LEN, FERRY_RAM, 0, NULL);
		if (ft_count_devices(u->self->f, p, LEN))
			continue;
		MUST(right_or_lost(u->self->f, p, u->id));
	}
	return NULL;
}

TEST_F_TIMEOUT(pci, dies_under_load, 600)
{
	unsigned long i;
	pid_t child[2];
	int c;

	make_stop_flag();
	for (i = 0; i < ft_loops(4); i++) {
		*stop_flag = 0;
		for (c = 0; c < 2; c++)
			child[c] = start_users(self, 2 * c, use_until_lost);
		ft_sleep_ns((50 + ft_below(400)) * 1000000);
		set_answering(self->slot[0], false);
		ft_sleep_ns(ft_below(50) * 1000000);
		ASSERT_EQ(0, unbind_slot(self->slot[0]));
		*stop_flag = 1;
		for (c = 0; c < 2; c++) {
			ASSERT_EQ(0, ft_reap(child[c]));
		}
		ASSERT_EQ(0, bind_slot(self->slot[0]));
		ASSERT_EQ(self->dev[0], number_of(self->slot[0]));
	}
}

FERRY_TEST_MAIN
