// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices over physical ranges that the kernel was started without (range=): what
 * is reserved serves, as private memory and as coherent; everything else is
 * refused, with its errno and one line of the log.
 *
 * Needs a kernel that was started with BOOT; tools/vm/test does that.
 */
#define FERRY_OWN_FIXTURE
#include "ferry_fixture.h"

#define BOOT	"memmap=64M$0x140000000 memmap=32M%0x150000000-1+0xefffffff"
#define LEN	FT_HUGE

FIXTURE(range)
{
	struct ferry *f;	/* context on @dev */
	int fd;
	int dev;
	uint64_t log;
};

FIXTURE_VARIANT(range)
{
	enum ferry_kind kind;
};

FIXTURE_VARIANT_ADD(range, private) { .kind = FERRY_KIND_PRIVATE };
FIXTURE_VARIANT_ADD(range, coherent) { .kind = FERRY_KIND_COHERENT };

/* Whether /proc/iomem has a line with both. */
static bool has_resource(const char *range, const char *name)
{
	char line[256];
	bool found = false;
	FILE *f = fopen("/proc/iomem", "re");

	if (!f)
		ft_fatal("/proc/iomem: %s", strerror(errno));
	while (!found && fgets(line, sizeof(line), f))
		found = strstr(line, range) && strstr(line, name);
	fclose(f);
	return found;
}

FIXTURE_SETUP(range)
{
	char line[4096];

	if (!ft_read_line("/proc/cmdline", line, sizeof(line)) ||
	    !strstr(line, BOOT))
		SKIP(return, "start the kernel with %s", BOOT);
	self->log = ft_log_position();
	ASSERT_EQ(0, ft_unload_soon());
}

FIXTURE_TEARDOWN_PARENT(range)
{
	if (access("/sys/module/ferry", F_OK)) {
		EXPECT_EQ(0, ft_load(ft_usual_params()));
	}
	EXPECT_EQ(0, ft_wait_used(0));
	if (self->log) {
		EXPECT_EQ(0, ft_log_check(self->log));
	}
}

static int load(const char *params, enum ferry_kind kind)
{
	char all[256];

	snprintf(all, sizeof(all), "%s range_kind=%s", params,
		 kind == FERRY_KIND_COHERENT ? "coherent" : "private");
	return ft_load(all);
}

/* A device of @mib MiB holds what it is given, all of it, and gives it back. */
static void check_device(struct __test_metadata *_metadata,
			 FIXTURE_DATA(range) *self, int dev, uint64_t mib,
			 enum ferry_kind kind)
{
	const bool in_place = kind == FERRY_KIND_COHERENT;
	struct ferry_info info;
	const size_t len = mib * FT_MIB;
	char *p;
	int huge;

	self->dev = dev;
	ASSERT_EQ(0, ferry_open(dev, &self->f));
	self->fd = ferry_fd(self->f);
	ASSERT_EQ(0, ferry_get_info(self->f, &info));
	ASSERT_EQ(kind, info.kind);
	ASSERT_EQ(len, info.vram_bytes);
	for (huge = 0; huge < 2; huge++) {
		p = ft_map_kind(len, huge);
		ft_fill(p, len, dev);
		ASSERT_MOVES(p, len, dev);
		ASSERT_EQ(huge && !in_place ? ft_pages(len) : 0,
			  ft_count_huge(self->f, p, len, dev));
		ASSERT_DEV_DATA(p, len, dev);
		ASSERT_DATA(p, len, dev);
		ASSERT_WHERE(p, len, in_place ? dev : FERRY_RAM);
		/* More than it holds: it evicts. */
		ft_move(self->f, p, len, dev);
		ASSERT_EQ(0, ft_dev_fill(self->fd, ft_map(LEN), 0, LEN));
		ASSERT_DATA(p, len, dev);
		ft_unmap(p, len);
	}
	ferry_close(self->f);
}

/* One that memmap= took away from RAM. */
TEST_F(range, reserved)
{
	char *p = ft_map(LEN);

	ASSERT_EQ(0, load("devices=1 vram=2 range=64M@0x140000000",
			  variant->kind));
	ASSERT_EQ(1, ft_log_count(self->log, "64 MiB of "));
	ASSERT_EQ(1, ft_log_count(self->log, "hardware range"));
	ASSERT_TRUE(has_resource("140000000-143ffffff", "ferry"));
	check_device(_metadata, self, 1, 64, variant->kind);

	/* Unloading brings home what is on it, and leaves no trace. */
	ASSERT_EQ(0, ferry_open(1, &self->f));
	ft_fill(p, LEN, 3);
	ASSERT_MOVES(p, LEN, 1);
	ferry_close(self->f);
	ASSERT_EQ(0, ft_unload_soon());
	ASSERT_DATA(p, LEN, 3);
	ASSERT_FALSE(has_resource("", "ferry"));
}

/* One that the firmware would have set aside. */
TEST_F(range, soft_reserved)
{
	ASSERT_EQ(0, load("devices=0 range=32M@0x150000000", variant->kind));
	check_device(_metadata, self, 0, 32, variant->kind);
	ASSERT_EQ(0, ft_unload_soon());
}

/* Several, side by side, beside devices of other sorts. */
TEST_F(range, several)
{
	ASSERT_EQ(0, load("devices=1 vram=2 pci=1 pci_vram=2 "
			  "range=2M@0x140000000,30M@0x140200000,32M@0x142000000",
			  variant->kind));
	ASSERT_EQ(6, ferry_device_count());
	check_device(_metadata, self, 1, 2, variant->kind);
	check_device(_metadata, self, 2, 30, variant->kind);
	check_device(_metadata, self, 3, 32, variant->kind);
	ASSERT_EQ(0, ft_unload_soon());
}

TEST_F(range, refused)
{
	static const char misfit[] = "not SIZE@START in multiples of 2 MiB";
	static const char ram[] = "refused: it is System RAM";
	static const char hole[] = "refused: it is not reserved: "
				   "start the kernel with memmap=SIZE$START";
	static const char used[] = "refused: it is in use";
	static const struct {
		const char *range;
		int err;
		const char *why;
	} bad[] = {
		{ "64M", -EINVAL, misfit },
		{ "64M@", -EINVAL, misfit },
		{ "@0x140000000", -EINVAL, misfit },
		{ "0@0x140000000", -EINVAL, misfit },
		{ "64M$0x140000000", -EINVAL, misfit },
		{ "64M@0x140000000x", -EINVAL, misfit },
		{ "1M@0x140000000", -EINVAL, misfit },
		{ "64M@0x140100000", -EINVAL, misfit },
		{ "4M@0xffffffffffe00000", -EINVAL, misfit },
		{ "2M@0xfffffffffffff000", -EINVAL, misfit },
		{ "64M@0x10000000000000", -EINVAL, misfit },
		{ "64M@0x100000000", -EBUSY, ram },
		{ "2M@0", -EBUSY, ram },
		/* It begins well, or ends well. */
		{ "66M@0x140000000", -EBUSY, ram },
		{ "64M@0x13fe00000", -EBUSY, ram },
		/* Nothing is there, or nothing that the kernel was kept off. */
		{ "64M@0xe00000000", -EBUSY, hole },
		{ "2M@0xc000000000", -EBUSY, hole },
		/* The kernel reaches configuration space there. */
		{ "2M@0xb0000000", -EBUSY, "refused: " },
		/* Reserved by the firmware, and nothing is there. */
		{ "64M@0xfd00000000", -ENXIO, "refused: nothing answers" },
		{ "32M@0x140000000,32M@0x140000000", -EBUSY, used },
		{ "32M@0x140000000,32M@0x141000000", -EBUSY, used },
		/* All or none. */
		{ "2M@0x140000000,2M@0x100000000", -EBUSY, ram },
	};
	char params[128];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		uint64_t log = ft_log_position();

		/* What is no range is none for either kind. */
		if (variant->kind == FERRY_KIND_COHERENT && i &&
		    bad[i].err == -EINVAL)
			continue;
		snprintf(params, sizeof(params), "devices=1 vram=2 range=%s",
			 bad[i].range);
		ASSERT_EQ(bad[i].err, load(params, variant->kind))
			TH_LOG("range=%s", bad[i].range);
		ASSERT_EQ(1, ft_log_count(log, bad[i].why))
			TH_LOG("range=%s", bad[i].range);
		ASSERT_EQ(1, ft_log_count(log, "range="))
			TH_LOG("range=%s", bad[i].range);
		ASSERT_NE(0, access("/sys/module/ferry", F_OK));
		ASSERT_FALSE(has_resource("", "ferry"))
			TH_LOG("range=%s", bad[i].range);
	}
	/* And nothing of it is in the way. */
	ASSERT_EQ(0, load("devices=0 range=64M@0x140000000", variant->kind));
	ASSERT_EQ(0, ft_unload_soon());
}

FERRY_TEST_MAIN
