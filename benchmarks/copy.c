// SPDX-License-Identifier: GPL-2.0-only
/*
 * The floor: memcpy between two buffers that are there already.
 */
#include <string.h>

#include "bench.h"

static struct area copy_other;

static int copy_open(void)
{
	return 0;
}

static int copy_prepare(const struct area *a)
{
	return area_create(&copy_other, a->len, a->huge);
}

static int copy_out(const struct area *a)
{
	memcpy(copy_other.start, a->start, a->len);
	return 0;
}

static int copy_back(const struct area *a)
{
	memcpy(a->start, copy_other.start, a->len);
	return 0;
}

static void copy_forget(const struct area *a)
{
	(void)a;
	area_destroy(&copy_other);
}

const struct subject subject_copy = {
	.name = "copy",
	.title = "raw copy (memcpy)",
	.open = copy_open,
	.prepare = copy_prepare,
	.to_device = copy_out,
	.to_ram = copy_back,
	.forget = copy_forget,
};
