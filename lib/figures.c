// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Counters and histograms.
 */
#include <string.h>

#include "internal.h"

int ferry_get_figures(struct ferry *f, struct ferry_figures *out)
{
	struct ferry_stats req = {
		.size = sizeof(req),
		.counters = ferry_address(out->counters),
		.nr_counters = FERRY_COUNTERS,
		.nr_phases = FERRY_PHASES,
		.hist = ferry_address(out->hist),
	};
	int err;

	/* A driver that has fewer of them leaves the rest alone. */
	memset(out, 0, sizeof(*out));
	err = ferry_sys_ioctl(f->fd, FERRY_IOC_STATS, &req);
	if (err)
		return err;
	out->table_bytes = req.table_bytes;
	out->driver_bytes = req.driver_bytes;
	out->frames_free = req.frames_free;
	out->frames_used = req.frames_used;
	return 0;
}

/* The upper end of bucket @b: a time no greater than this may be in it. */
static uint64_t bucket_end(unsigned int b)
{
	return (2ULL << b) - 1;
}

uint64_t ferry_percentile(const uint64_t *hist, double percent)
{
	uint64_t total = 0, seen = 0;
	unsigned int b;

	for (b = 0; b < FERRY_BUCKETS; b++)
		total += hist[b];
	if (!total)
		return 0;
	for (b = 0; b < FERRY_BUCKETS - 1; b++) {
		seen += hist[b];
		if (seen >= total * (percent / 100.0) && seen)
			break;
	}
	return bucket_end(b);
}
