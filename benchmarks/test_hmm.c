// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's own test driver (lib/test_hmm.c), by its ioctls.
 *
 * Migrating to its device also reads all that was migrated back into a buffer of
 * the caller, by way of a second buffer in the kernel; there is no call that only
 * migrates. HMM_DMIRROR_READ does the same reading alone, so it is timed right
 * after, as the part that can be taken off.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "bench.h"

/* The numbers and the layout of that driver's ABI. */
struct hmm_cmd {
	uint64_t addr;
	uint64_t ptr;
	uint64_t npages;
	uint64_t cpages;
	uint64_t faults;
};

#define HMM_READ	_IOWR('H', 0, struct hmm_cmd)
#define HMM_TO_DEVICE	_IOWR('H', 2, struct hmm_cmd)
#define HMM_TO_SYSTEM	_IOWR('H', 3, struct hmm_cmd)

static int hmm_fd = -1;
static struct area hmm_buffer;

static int hmm_open(void)
{
	hmm_fd = open("/dev/hmm_dmirror0", O_RDWR | O_CLOEXEC);
	if (hmm_fd < 0)
		return bench_why(-errno, "/dev/hmm_dmirror0: %s", strerror(errno));
	return 0;
}

/* Where the data is read back to: huge pages in any case, the cheapest. */
static int hmm_prepare(const struct area *a)
{
	return area_create(&hmm_buffer, a->len, true);
}

static int hmm_call(unsigned long call, const char *what, const struct area *a,
		    size_t expect)
{
	struct hmm_cmd cmd = {
		.addr = (uintptr_t)a->start,
		.ptr = (uintptr_t)hmm_buffer.start,
		.npages = area_pages(a),
	};

	if (ioctl(hmm_fd, call, &cmd))
		return bench_why(-errno, "%s: %s", what, strerror(errno));
	if (cmd.cpages != expect)
		return bench_why(-EBUSY, "%s: %llu of %zu pages", what,
				 (unsigned long long)cmd.cpages, expect);
	return 0;
}

static int hmm_to_device(const struct area *a)
{
	return hmm_call(HMM_TO_DEVICE, "migrate to device", a, area_pages(a));
}

/* This call counts a huge page as one. */
static int hmm_to_ram(const struct area *a)
{
	return hmm_call(HMM_TO_SYSTEM, "migrate to system", a,
			a->huge ? a->len / BENCH_HUGE : area_pages(a));
}

static int hmm_read(const struct area *a)
{
	return hmm_call(HMM_READ, "read", a, area_pages(a));
}

static void hmm_forget(const struct area *a)
{
	(void)a;
	area_destroy(&hmm_buffer);
}

const struct subject subject_test_hmm = {
	.name = "test_hmm",
	.title = "test_hmm",
	.touch = true,
	.open = hmm_open,
	.prepare = hmm_prepare,
	.to_device = hmm_to_device,
	.to_ram = hmm_to_ram,
	.extra = hmm_read,
	.forget = hmm_forget,
};
