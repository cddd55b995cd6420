// SPDX-License-Identifier: GPL-2.0-only
/*
 * move_pages(2): node 0 plays RAM, node 1 the device.
 *
 * A huge page is named by its first 4 KiB page, which is what a caller that knows
 * its memory does, and the cheapest.
 */
#include <errno.h>
#include <linux/mempolicy.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"

static void **mp_pages;
static int *mp_nodes, *mp_status;
static size_t mp_nr;

static int mp_open(void)
{
	if (access("/sys/devices/system/node/node1", F_OK))
		return bench_why(-ENODEV, "one NUMA node only");
	return 0;
}

static int mp_prepare(const struct area *a)
{
	size_t i, step = a->huge ? BENCH_HUGE : BENCH_PAGE;

	mp_nr = a->len / step;
	mp_pages = calloc(mp_nr, sizeof(*mp_pages));
	mp_nodes = calloc(mp_nr, sizeof(*mp_nodes));
	mp_status = calloc(mp_nr, sizeof(*mp_status));
	if (!mp_pages || !mp_nodes || !mp_status)
		return bench_why(-ENOMEM, "no memory for the lists");
	for (i = 0; i < mp_nr; i++)
		mp_pages[i] = a->start + i * step;
	return 0;
}

static int mp_move(int node)
{
	size_t i;
	long ret;

	for (i = 0; i < mp_nr; i++) {
		mp_nodes[i] = node;
		mp_status[i] = -1;
	}
	ret = syscall(SYS_move_pages, 0, mp_nr, mp_pages, mp_nodes, mp_status,
		      MPOL_MF_MOVE);
	if (ret < 0)
		return bench_why(-errno, "move_pages: %s", strerror(errno));
	for (i = 0; i < mp_nr; i++) {
		if (mp_status[i] != node)
			return bench_why(-EBUSY, "entry %zu of %zu: status %d",
					 i, mp_nr, mp_status[i]);
	}
	return 0;
}

static int mp_to_device(const struct area *a)
{
	(void)a;
	return mp_move(1);
}

static int mp_to_ram(const struct area *a)
{
	(void)a;
	return mp_move(0);
}

static void mp_forget(const struct area *a)
{
	(void)a;
	free(mp_pages);
	free(mp_nodes);
	free(mp_status);
}

const struct subject subject_move_pages = {
	.name = "move_pages",
	.title = "move_pages(2)",
	.open = mp_open,
	.prepare = mp_prepare,
	.to_device = mp_to_device,
	.to_ram = mp_to_ram,
	.forget = mp_forget,
};
