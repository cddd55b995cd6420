// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ABI as it was published: numbers, layouts, and a 32-bit caller. What is
 * asserted here may grow, but not change.
 */
#include "ferry_fixture.h"

#include <libgen.h>

#define OFFSET(at, type, member)					\
	_Static_assert(offsetof(struct type, member) == (at),		\
		       "struct " #type "." #member)
#define SIZE(bytes, type)						\
	_Static_assert(sizeof(struct type) == (bytes), "struct " #type)

OFFSET(0, ferry_info, size);
OFFSET(4, ferry_info, flags);
OFFSET(8, ferry_info, abi);
OFFSET(12, ferry_info, device);
OFFSET(16, ferry_info, kind);
OFFSET(20, ferry_info, devices);
OFFSET(24, ferry_info, vram_bytes);
OFFSET(32, ferry_info, free_bytes);
OFFSET(40, ferry_info, page_size);
OFFSET(44, ferry_info, max_order);
OFFSET(48, ferry_info, granule);
OFFSET(56, ferry_info, fault_window);
OFFSET(64, ferry_info, reserved);
SIZE(80, ferry_info);

OFFSET(0, ferry_migrate, size);
OFFSET(4, ferry_migrate, flags);
OFFSET(8, ferry_migrate, addr);
OFFSET(16, ferry_migrate, len);
OFFSET(24, ferry_migrate, dst);
OFFSET(28, ferry_migrate, reserved0);
OFFSET(32, ferry_migrate, moved);
OFFSET(40, ferry_migrate, failed);
OFFSET(48, ferry_migrate, huge);
OFFSET(56, ferry_migrate, reasons);
OFFSET(184, ferry_migrate, reserved);
SIZE(200, ferry_migrate);

OFFSET(0, ferry_residency, where);
OFFSET(2, ferry_residency, order);
OFFSET(3, ferry_residency, flags);
SIZE(4, ferry_residency);

OFFSET(0, ferry_query, size);
OFFSET(4, ferry_query, flags);
OFFSET(8, ferry_query, addr);
OFFSET(16, ferry_query, len);
OFFSET(24, ferry_query, pages);
OFFSET(32, ferry_query, pid);
OFFSET(36, ferry_query, reserved0);
OFFSET(40, ferry_query, reserved);
SIZE(56, ferry_query);

OFFSET(0, ferry_cmd, op);
OFFSET(4, ferry_cmd, flags);
OFFSET(8, ferry_cmd, dst);
OFFSET(16, ferry_cmd, src);
OFFSET(24, ferry_cmd, len);
OFFSET(32, ferry_cmd, arg0);
OFFSET(40, ferry_cmd, arg1);
SIZE(48, ferry_cmd);

OFFSET(0, ferry_submit, size);
OFFSET(4, ferry_submit, flags);
OFFSET(8, ferry_submit, cmds);
OFFSET(16, ferry_submit, count);
OFFSET(20, ferry_submit, cmd_size);
OFFSET(24, ferry_submit, eventfd);
OFFSET(28, ferry_submit, reserved0);
OFFSET(32, ferry_submit, seq);
OFFSET(40, ferry_submit, reserved);
SIZE(56, ferry_submit);

OFFSET(0, ferry_wait, size);
OFFSET(4, ferry_wait, flags);
OFFSET(8, ferry_wait, seq);
OFFSET(16, ferry_wait, timeout_ns);
OFFSET(24, ferry_wait, results);
OFFSET(32, ferry_wait, count);
OFFSET(36, ferry_wait, status);
OFFSET(40, ferry_wait, failed);
OFFSET(44, ferry_wait, access);
OFFSET(48, ferry_wait, fault_addr);
OFFSET(56, ferry_wait, reserved);
SIZE(72, ferry_wait);

OFFSET(0, ferry_advise, size);
OFFSET(4, ferry_advise, advice);
OFFSET(8, ferry_advise, addr);
OFFSET(16, ferry_advise, len);
OFFSET(24, ferry_advise, flags);
OFFSET(28, ferry_advise, reserved0);
OFFSET(32, ferry_advise, reserved);
SIZE(48, ferry_advise);

OFFSET(0, ferry_stats, size);
OFFSET(4, ferry_stats, flags);
OFFSET(8, ferry_stats, counters);
OFFSET(16, ferry_stats, nr_counters);
OFFSET(20, ferry_stats, nr_phases);
OFFSET(24, ferry_stats, hist);
OFFSET(32, ferry_stats, table_bytes);
OFFSET(40, ferry_stats, driver_bytes);
OFFSET(48, ferry_stats, frames_free);
OFFSET(56, ferry_stats, frames_used);
OFFSET(64, ferry_stats, reserved);
SIZE(80, ferry_stats);

TEST_F(kind, numbers)
{
	ASSERT_EQ(0x66e0, FERRY_IOC_INFO);
	ASSERT_EQ(0x66e1, FERRY_IOC_MIGRATE);
	ASSERT_EQ(0x66e2, FERRY_IOC_QUERY);
	ASSERT_EQ(0x66e3, FERRY_IOC_SUBMIT);
	ASSERT_EQ(0x66e4, FERRY_IOC_WAIT);
	ASSERT_EQ(0x66e5, FERRY_IOC_ADVISE);
	ASSERT_EQ(0x66e6, FERRY_IOC_STATS);
	ASSERT_EQ(16, FERRY_REASONS);
	ASSERT_EQ(15, FERRY_REASON_RACED);
	ASSERT_EQ(11, FERRY_OPS);
	ASSERT_EQ(10, FERRY_OP_CAS64);
	ASSERT_EQ(4, FERRY_ADVICES);
	ASSERT_EQ(9, FERRY_PHASES);
}

/* The first version of each structure is enough, with the fields it had. */
TEST_F(kind, first_version)
{
	struct ferry_info info = { .size = 64 };
	struct ferry_stats stats = { .size = 64 };

	info.reserved[0] = 0x5a5a;
	stats.reserved[0] = 0x5a5a;
	ASSERT_EQ(0, ft_ioctl(self->fd, FERRY_IOC_INFO, &info));
	ASSERT_EQ(FERRY_ABI_VERSION, info.abi);
	ASSERT_EQ(0x5a5a, info.reserved[0]);
	ASSERT_EQ(0, ft_ioctl(self->fd, FERRY_IOC_STATS, &stats));
	ASSERT_EQ(ft_pages(self->vram), stats.frames_free + stats.frames_used);
	ASSERT_EQ(0x5a5a, stats.reserved[0]);
}

/* A program of 32 bits does a round trip; see abi32.c. */
TEST_F(kind, caller_of_32_bits)
{
	char self_path[512], path[520], dev[8], mib[16];
	pid_t child;
	ssize_t n;
	int code;

	n = readlink("/proc/self/exe", self_path, sizeof(self_path) - 1);
	ASSERT_LT(0, n);
	self_path[n] = '\0';
	snprintf(path, sizeof(path), "%s/abi32", dirname(self_path));
	if (access(path, X_OK))
		SKIP(return, "the compiler made no 32-bit program");
	snprintf(dev, sizeof(dev), "%d", self->dev);
	snprintf(mib, sizeof(mib), "%lu", self->vram / FT_MIB);
	child = ft_fork();
	if (!child) {
		execl(path, "abi32", ft_node(self->dev), dev, mib, NULL);
		_exit(126);
	}
	code = ft_reap(child);
	ASSERT_EQ(0, code)
		TH_LOG("abi32 failed at line %d", code);
}

FERRY_TEST_MAIN
