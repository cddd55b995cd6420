// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ferry, by its library.
 */
#include <errno.h>
#include <string.h>

#include "bench.h"
#include "ferry.h"

static struct ferry *bench_ferry;

static int bench_ferry_open(void)
{
	int err = ferry_open(0, &bench_ferry);

	return err ? bench_why(err, "/dev/ferry0: %s", ferry_strerror(err)) : 0;
}

/* All of it must have moved, as pages of the area's size. */
static int bench_ferry_moved(const struct area *a, int err,
			     const struct ferry_moved *m)
{
	unsigned int i;

	if (err)
		return bench_why(err, "migrate: %s", ferry_strerror(err));
	for (i = 0; m->failed && i < FERRY_REASONS; i++) {
		if (m->reasons[i])
			return bench_why(-EBUSY, "%llu pages stayed: %s",
					 (unsigned long long)m->reasons[i],
					 ferry_reason_name(i));
	}
	if (m->moved != area_pages(a) || m->huge != (a->huge ? a->len / BENCH_HUGE : 0))
		return bench_why(-EBUSY, "%llu of %zu pages moved, %llu huge",
				 (unsigned long long)m->moved, area_pages(a),
				 (unsigned long long)m->huge);
	return 0;
}

static int bench_ferry_to_device(const struct area *a)
{
	struct ferry_moved moved;
	int err;

	err = ferry_to_device(bench_ferry, a->start, a->len, &moved);
	return bench_ferry_moved(a, err, &moved);
}

static int bench_ferry_to_ram(const struct area *a)
{
	struct ferry_moved moved;
	int err;

	err = ferry_to_ram(bench_ferry, a->start, a->len, &moved);
	return bench_ferry_moved(a, err, &moved);
}

/*
 * A full device of small pages is the worst case of the page table: one entry of
 * 8 bytes for each page.
 */
int ferry_measure_footprint(struct footprint *out)
{
	struct ferry_figures figures;
	struct ferry_info info;
	struct area a;
	int err;

	err = ferry_get_info(bench_ferry, &info);
	if (err)
		return bench_why(err, "info: %s", ferry_strerror(err));
	err = area_create(&a, info.free_bytes, false);
	if (err)
		return err;
	err = bench_ferry_to_device(&a);
	if (!err) {
		err = ferry_get_figures(bench_ferry, &figures);
		if (err)
			bench_why(err, "figures: %s", ferry_strerror(err));
	}
	if (!err)
		*out = (struct footprint) {
			.vram = info.vram_bytes,
			.driver = figures.driver_bytes,
			.tables = figures.table_bytes,
		};
	area_destroy(&a);
	return err;
}

const struct subject subject_ferry = {
	.name = "ferry",
	.title = "ferry",
	.touch = true,
	.open = bench_ferry_open,
	.to_device = bench_ferry_to_device,
	.to_ram = bench_ferry_to_ram,
};
