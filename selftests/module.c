// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module comes and goes: refused while in use, emptied when it leaves,
 * fifty times without a leak, and not at all with bad parameters.
 *
 * selftests/run says in the environment where the module is (FERRY_KO) and
 * with what it was loaded (FERRY_PARAMS). Each test leaves it loaded so.
 */
#define FERRY_OWN_FIXTURE
#include "ferry_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/utsname.h>

/*
 * Not the fixture of the other programs: this one may not hold a node open,
 * nor find the driver as the test before left it.
 */
FIXTURE(module)
{
	uint64_t log;
};

FIXTURE_VARIANT(module)
{
	enum ferry_kind kind;
};

FIXTURE_VARIANT_ADD(module, private) { .kind = FERRY_KIND_PRIVATE };
FIXTURE_VARIANT_ADD(module, coherent) { .kind = FERRY_KIND_COHERENT };

FIXTURE_SETUP(module)
{
	self->log = ft_log_position();
	if (access("/sys/module/ferry", F_OK)) {
		ASSERT_EQ(0, ft_load(ft_usual_params()));
	}
}

FIXTURE_TEARDOWN_PARENT(module)
{
	if (access("/sys/module/ferry", F_OK)) {
		EXPECT_EQ(0, ft_load(ft_usual_params()));
	}
	EXPECT_EQ(0, ft_wait_used(0));
	EXPECT_EQ(0, ft_log_check(self->log));
}

static int first_device(FIXTURE_DATA(module) *self, enum ferry_kind kind)
{
	int dev;

	(void)self;
	if (ft_devices(kind, &dev, 1) < 1)
		ft_fatal("no device of this kind");
	return dev;
}

TEST_F(module, refused_while_open)
{
	int dev = first_device(self, variant->kind), fd, copy;

	fd = ft_open(dev);
	ASSERT_LE(0, fd);
	ASSERT_EQ(-EAGAIN, ft_unload());
	copy = dup(fd);
	close(fd);
	ASSERT_EQ(-EAGAIN, ft_unload());
	/* And nothing was hurt by asking. */
	fd = ft_open(dev);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ft_used_all());
	close(fd);
	close(copy);
	ASSERT_EQ(0, ft_unload_soon());
	ASSERT_EQ(-ENOENT, ft_open(dev));
}

TEST_F(module, refused_with_work)
{
	int dev = first_device(self, variant->kind), fd = ft_open(dev);
	uint64_t *cell = ft_map(FT_PAGE), seq;
	struct ferry_cmd c = ft_endless(cell);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ft_submit(fd, &c, 1, -1, &seq));
	ASSERT_EQ(-EAGAIN, ft_unload());
	close(fd);
	ASSERT_EQ(0, ft_unload_soon());
}

/* Pages that are on the device when it leaves come home. */
TEST_F(module, brings_pages_home)
{
	const size_t len = 16 * FT_MIB;
	int dev = first_device(self, variant->kind), round;
	struct ferry *f;
	pid_t child[2];
	char *p;

	for (round = 0; round < 3; round++) {
		struct ft_turn go;
		int c;

		p = ft_map_kind(len, round == 1);
		if (round == 2) {
			ASSERT_EQ(0, madvise(p, len / 2, MADV_HUGEPAGE));
		}
		ft_fill(p, len, round);
		ft_turn_init(&go);
		ASSERT_EQ(0, ferry_open(dev, &f));
		ASSERT_EQ(ft_pages(len), ft_moved(f, p, len, dev));
		/* Others share them, and one has changed some. */
		for (c = 0; c < 2; c++) {
			child[c] = ft_fork();
			if (child[c])
				continue;
			ferry_close(f);
			if (c)
				ft_fill(p, len / 4, 100);
			ft_turn_take(&go);
			if (c) {
				ASSERT_DATA(p, len / 4, 100);
				ASSERT_DATA(p + len / 4, len / 4 * 3, round);
			} else {
				ASSERT_DATA(p, len, round);
			}
			_exit(0);
		}
		ferry_close(f);
		ASSERT_EQ(0, ft_unload_soon());
		ASSERT_DATA(p, len, round);
		ft_turn_give(&go);
		ft_turn_give(&go);
		ASSERT_EQ(0, ft_reap(child[0]));
		ASSERT_EQ(0, ft_reap(child[1]));
		ft_unmap(p, len);
		ASSERT_EQ(0, ft_load(ft_usual_params()));
	}
}

/*
 * What a program freed lazily and the engine has written since is in use: no
 * reclaim may drop it. Here because only a frame's first page since loading
 * shows it: the struct page of a used frame remembers that it was backed by
 * swap, and that protects its later pages by accident.
 */
TEST_F(module, lazily_freed_and_written)
{
	const size_t len = 4 * FT_MIB;
	int dev = first_device(self, variant->kind), huge;
	char *p, *freed = ft_map(len);
	struct ferry *f;

	ASSERT_EQ(0, ft_unload_soon());
	ASSERT_EQ(0, ft_load(ft_usual_params()));
	ASSERT_EQ(0, ferry_open(dev, &f));
	for (huge = 0; huge < 2; huge++) {
		p = ft_map_kind(len, huge);
		ft_fill(p, len, 1);
		ft_free_lazily(p, len);
		ASSERT_EQ(ft_pages(len), ft_moved(f, p, len, dev));
		ASSERT_EQ(0, ft_dev_fill(ferry_fd(f), p, ~0ULL, len));
		ASSERT_EQ(ft_pages(len), ft_moved(f, p, len, FERRY_RAM));

		/* Reclaim does drop what is free to drop. */
		ft_fill(freed, len, 2);
		ASSERT_EQ(0, madvise(freed, len, MADV_FREE));
		ASSERT_TRUE(ft_until((madvise(freed, len, MADV_PAGEOUT),
				      !ft_present(freed)), 20));
		/* This drains the lists on which p's pages may still wait. */
		ft_write_file("/proc/sys/vm/compact_memory", "1");
		ASSERT_EQ(0, madvise(p, len, MADV_PAGEOUT));
		ASSERT_EQ('\xff', p[0]);
		ASSERT_EQ(0, memcmp(p, p + 1, len - 1));
	}
	ferry_close(f);
}

/* In a child: fill memory, move it to the device, and wait for the go. */
static void fill_and_wait(int dev, char *p, size_t len, uint64_t salt,
			  struct ft_turn *ready, struct ft_turn *go)
{
	struct ferry *f;

	ft_fill(p, len, salt);
	if (ferry_open(dev, &f))
		ft_fatal("device %d does not open", dev);
	ft_move(f, p, len, dev);
	ferry_close(f);
	ft_turn_give(ready);
	ft_turn_take(go);
}

/* The processes fault, unmap and exit while the driver empties the device. */
TEST_F(module, leaves_under_load)
{
	const size_t len = 8 * FT_MIB;
	unsigned long round;
	int dev = first_device(self, variant->kind), c;
	pid_t child[3];

	for (round = 0; round < FT_ROUNDS(6); round++) {
		struct ft_turn ready, go;

		ft_turn_init(&ready);
		ft_turn_init(&go);
		for (c = 0; c < 3; c++) {
			char *p;

			child[c] = ft_fork();
			if (child[c])
				continue;
			p = ft_map_kind(len, (c + round) & 1);
			fill_and_wait(dev, p, len, c, &ready, &go);
			if (c == 0) {
				ASSERT_DATA(p, len, c);
			} else if (c == 1) {
				ft_unmap(p + len / 4, len / 2);
				ASSERT_DATA(p, len / 4, c);
			}
			_exit(0);
		}
		for (c = 0; c < 3; c++)
			ft_turn_take(&ready);
		for (c = 0; c < 3; c++)
			ft_turn_give(&go);
		ASSERT_EQ(0, ft_unload_soon());
		for (c = 0; c < 3; c++) {
			ASSERT_EQ(0, ft_reap(child[c]));
		}
		ASSERT_EQ(0, ft_load(ft_usual_params()));
	}
}

/*
 * Processes exit, or unmap, at any moment of the driver's emptying the device;
 * see eviction-race.rst. Says how many did so in time, and fails when none did.
 */
TEST_F(module, exits_while_it_leaves)
{
	enum { VICTIMS = 16 };
	struct {
		bool leaving;
		uint64_t during;
	} *stage;
	int dev = first_device(self, variant->kind), c;
	const unsigned long rounds = ft_loops(4);
	uint64_t took = 10000000, start;
	unsigned long round;
	pid_t child[VICTIMS];

	stage = mmap(NULL, FT_PAGE, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)stage);
	for (round = 0; round < rounds; round++) {
		struct ft_turn ready, go;

		ft_turn_init(&ready);
		ft_turn_init(&go);
		for (c = 0; c < VICTIMS; c++) {
			size_t len = (c & 3 ? 64 : 512) * FT_PAGE;
			char *p;

			child[c] = ft_fork();
			if (child[c])
				continue;
			ft_reseed(round * VICTIMS + c);
			p = ft_map_kind(len, !(c & 7));
			fill_and_wait(dev, p, len, c, &ready, &go);
			ft_sleep_ns(ft_below(took));
			if (__atomic_load_n(&stage->leaving, __ATOMIC_SEQ_CST))
				__atomic_fetch_add(&stage->during, 1,
						   __ATOMIC_RELAXED);
			if (c % 5 == 0) {
				ASSERT_DATA(p, len, c);
			} else if (c % 5 == 1) {
				ft_unmap(p, len);
			}
			_exit(0);
		}
		for (c = 0; c < VICTIMS; c++)
			ft_turn_take(&ready);
		start = ft_now_ns();
		__atomic_store_n(&stage->leaving, true, __ATOMIC_SEQ_CST);
		for (c = 0; c < VICTIMS; c++)
			ft_turn_give(&go);
		ASSERT_EQ(0, ft_unload_soon());
		__atomic_store_n(&stage->leaving, false, __ATOMIC_SEQ_CST);
		took = ft_now_ns() - start;
		for (c = 0; c < VICTIMS; c++) {
			ASSERT_EQ(0, ft_reap(child[c]));
		}
		close(ready.fd[0]);
		close(ready.fd[1]);
		close(go.fd[0]);
		close(go.fd[1]);
		ASSERT_EQ(0, ft_load(ft_usual_params()));
	}
	TH_LOG("%lu ends, %llu while the device was emptied",
	       rounds * VICTIMS, (unsigned long long)stage->during);
	ASSERT_LT(0, stage->during);
}

/* Lines of a file of /proc that name the driver. */
static unsigned int mentions(const char *path, const char *name)
{
	unsigned int n = 0;
	char line[1024];
	FILE *f;

	f = fopen(path, "re");
	if (!f)
		ft_fatal("%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), f))
		if (strstr(line, name))
			n++;
	fclose(f);
	return n;
}

/* The least that is free over a while in which nothing of ours runs. */
static long long settled(const char *field)
{
	long long now, best = -1;
	int i;

	ft_write_file("/proc/sys/vm/drop_caches", "3");
	for (i = 0; i < 10; i++) {
		ft_sleep_ns(50000000);
		now = ft_read_field("/proc/meminfo", field);
		if (best < 0 || now > best)
			best = now;
	}
	return best;
}

/* A bit of everything, so that it is taken down again. */
static void use(struct __test_metadata *_metadata, enum ferry_kind kind)
{
	int dev = first_device(NULL, kind);
	struct ferry *f;
	pid_t child;

	child = ft_fork();
	if (!child) {
		char *p = ft_map_huge(2 * FT_HUGE);

		ft_fill(p, 2 * FT_HUGE, 1);
		ASSERT_EQ(0, ferry_open(dev, &f));
		ASSERT_EQ(0, ft_dev_fill(ferry_fd(f), p, 0, FT_HUGE));
		ASSERT_EQ(ft_pages(FT_HUGE), ft_moved(f, p + FT_HUGE, FT_HUGE,
						      dev));
		ASSERT_ZERO(p, FT_HUGE);
		ASSERT_DATA(p + FT_HUGE, FT_HUGE, 1);
		_exit(0);
	}
	ASSERT_EQ(0, ft_reap(child));
}

TEST_F_TIMEOUT(module, fifty_times, 900)
{
	const char *params = variant->kind == FERRY_KIND_PRIVATE ?
		"devices=2 vram=16" :
		"devices=0 pci=1 pci_kind=coherent pci_vram=16";
	unsigned long i, n = FT_ROUNDS(50);
	long long available, slab, vmalloc;
	const long long slack_kib = 8192;

	/* The first few warm caches that stay. */
	ASSERT_EQ(0, ft_unload_soon());
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, ft_load(params));
		use(_metadata, variant->kind);
		ASSERT_EQ(0, ft_unload_soon());
	}
	available = settled("MemAvailable");
	slab = ft_read_field("/proc/meminfo", "SUnreclaim");
	vmalloc = ft_read_field("/proc/meminfo", "VmallocUsed");

	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, ft_load(params));
		use(_metadata, variant->kind);
		ASSERT_EQ(0, ft_unload_soon());
		/* Nothing of it is left anywhere. */
		ASSERT_NE(0, access("/dev/ferry0", F_OK));
		ASSERT_NE(0, access("/sys/class/ferry", F_OK));
		ASSERT_NE(0, access("/sys/module/ferry", F_OK));
		ASSERT_NE(0, access("/sys/kernel/debug/ferry", F_OK));
	}
	ASSERT_EQ(0, mentions("/proc/modules", "ferry"));
	ASSERT_EQ(0, mentions("/proc/iomem", "ferry"));
	ASSERT_EQ(0, mentions("/proc/devices", "ferry"));
	ASSERT_EQ(0, mentions("/proc/vmallocinfo", "ferry"));
	ASSERT_EQ(0, mentions("/proc/slabinfo", "ferry"));

	/*
	 * A leak of one frame array, of struct pages or of VRAM in each turn
	 * is far above these; what the rest of the system does is below.
	 */
	TH_LOG("after %lu turns: MemAvailable %+lld, SUnreclaim %+lld, VmallocUsed %+lld KiB",
	       n, settled("MemAvailable") - available,
	       ft_read_field("/proc/meminfo", "SUnreclaim") - slab,
	       ft_read_field("/proc/meminfo", "VmallocUsed") - vmalloc);
	/* Caches of the machine come and go; what has leaked never comes back. */
	ft_until(settled("MemAvailable") >= available - slack_kib, 30);
	ASSERT_LE(available - slack_kib, settled("MemAvailable"));
	ASSERT_GE(slab + 2048, ft_read_field("/proc/meminfo", "SUnreclaim"));
	ASSERT_GE(vmalloc + 1024, ft_read_field("/proc/meminfo",
						"VmallocUsed"));
}

static void refused(struct __test_metadata *_metadata,
		    const char * const *params, size_t n)
{
	size_t i;

	ASSERT_EQ(0, ft_unload_soon());
	for (i = 0; i < n; i++) {
		ASSERT_NE(0, ft_load(params[i]))
			TH_LOG("%s", params[i]);
		ASSERT_NE(0, access("/sys/module/ferry", F_OK));
		ASSERT_NE(0, access("/sys/class/ferry", F_OK));
	}
}

/* Bytes of the BAR of a PCI device in the guest; both have as many. */
static uint64_t bar_bytes(void)
{
	char slot[2][16];
	struct stat st;

	if (!ft_pci_slots(slot) || stat(ft_pci_path(slot[0], "resource2"), &st))
		return 0;
	return st.st_size;
}

/* Parameters of PCI devices: kind and size; 0 is all that the BAR has. */
static void check_pci(struct __test_metadata *_metadata)
{
	static const char * const bad[] = {
		"pci_kind=", "pci_kind=p2p", "pci_kind=0", "pci=2",
		"pci_vram=-1", "devices=0 pci=0 pci_kind=coherent",
	};
	static const struct {
		const char *params;
		uint32_t kind;
		uint64_t mib;
	} good[] = {
		{ "devices=0 pci=1", FERRY_KIND_PRIVATE, 0 },
		{ "devices=0 pci=1 pci_kind=coherent", FERRY_KIND_COHERENT,
		  0 },
		{ "devices=0 pci=1 pci_kind=private pci_vram=2",
		  FERRY_KIND_PRIVATE, 2 },
		/* Rounded up to whole frames, and down to what there is. */
		{ "devices=0 pci=1 pci_kind=coherent pci_vram=17",
		  FERRY_KIND_COHERENT, 18 },
		{ "devices=0 pci=1 pci_kind=coherent pci_vram=100000",
		  FERRY_KIND_COHERENT, 0 },
	};
	struct ferry_info info = { .size = sizeof(info) };
	const uint64_t bar = bar_bytes();
	size_t i;
	int fd, n;

	ASSERT_LT(0, bar);
	refused(_metadata, bad, ARRAY_SIZE(bad));
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		ASSERT_EQ(0, ft_load(good[i].params));
		for (n = 0; n < 2; n++) {
			fd = ft_open(n);
			ASSERT_LE(0, fd);
			ASSERT_EQ(0, ft_ioctl(fd, FERRY_IOC_INFO, &info));
			ASSERT_EQ(good[i].kind, info.kind)
				TH_LOG("%s", good[i].params);
			ASSERT_EQ(good[i].mib ? good[i].mib * FT_MIB : bar,
				  info.vram_bytes)
				TH_LOG("%s", good[i].params);
			ASSERT_EQ(2, info.devices);
			close(fd);
		}
		ASSERT_EQ(-ENOENT, ft_open(2));
		ASSERT_EQ(0, ft_unload_soon());
	}
	/* Not asked for, they are left alone. */
	ASSERT_EQ(0, ft_load("devices=1 vram=2 pci_kind=coherent"));
	ASSERT_EQ(-ENOENT, ft_open(1));
	ASSERT_EQ(0, ft_unload_soon());
	ASSERT_EQ(0, ft_load(ft_usual_params()));
}

/* Parameters: what is refused, and what comes of what is not. */
TEST_F(module, parameters)
{
	static const char * const bad[] = {
		"devices=0", "devices=17", "devices=-1", "devices=2 vram=0",
		"vram=3", "vram=64,0", "vram=4294967294",
		"fault_window=0", "fault_window=5000",
		"fault_window=4194304",
	};
	struct ferry_info info = { .size = sizeof(info) };
	const uint64_t mib[] = { 16, 32, 32 };
	size_t i;
	int fd;

	if (variant->kind == FERRY_KIND_COHERENT) {
		check_pci(_metadata);
		return;
	}
	refused(_metadata, bad, ARRAY_SIZE(bad));
	/* A list of sizes; the last serves the rest. */
	ASSERT_EQ(0, ft_load("devices=3 vram=16,32 fault_window=8192"));
	for (i = 0; i < 3; i++) {
		fd = ft_open(i);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, ft_ioctl(fd, FERRY_IOC_INFO, &info));
		ASSERT_EQ(mib[i] * FT_MIB, info.vram_bytes);
		ASSERT_EQ(3, info.devices);
		ASSERT_EQ(8192, info.fault_window);
		close(fd);
	}
	ASSERT_EQ(-ENOENT, ft_open(3));
	ASSERT_EQ(0, ft_unload_soon());
	/* As many as there may be. */
	ASSERT_EQ(0, ft_load("devices=16 vram=2"));
	for (i = 0; i < 16; i++) {
		fd = ft_open(i);
		ASSERT_LE(0, fd);
		close(fd);
	}
	ASSERT_EQ(0, ft_unload_soon());
	/* Without parameters: one of 256 MiB. */
	ASSERT_EQ(0, ft_load(""));
	fd = ft_open(0);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ft_ioctl(fd, FERRY_IOC_INFO, &info));
	ASSERT_EQ(256 * FT_MIB, info.vram_bytes);
	ASSERT_EQ(1, info.devices);
	close(fd);
	ASSERT_EQ(0, ft_unload_soon());
	ASSERT_EQ(0, ft_load(ft_usual_params()));
}

/*
 * No memory for so much VRAM, or for more devices than there may be with those
 * of PCI: a clean refusal, and the next try works.
 */
TEST_F(module, too_large)
{
	ASSERT_EQ(0, ft_unload_soon());
	if (variant->kind == FERRY_KIND_PRIVATE) {
		ASSERT_NE(0, ft_load("devices=1 vram=1048576"));
	} else {
		/* The module stays; the device is refused, and said so. */
		ASSERT_EQ(0, ft_load("devices=15 vram=2 pci=1 pci_vram=2"));
		ASSERT_EQ(1, ft_log_count(self->log, ": BAR 2: error -28"));
		ASSERT_EQ(0, ft_unload_soon());
	}
	ASSERT_NE(0, access("/sys/module/ferry", F_OK));
	ASSERT_EQ(0, ft_load(ft_usual_params()));
}

FERRY_TEST_MAIN
