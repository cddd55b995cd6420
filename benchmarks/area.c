// SPDX-License-Identifier: GPL-2.0-only
/*
 * Areas: memory of a known page size with a known content.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "bench.h"

static uint64_t area_word(const struct area *a, size_t i)
{
	return (uintptr_t)(a->start + i * sizeof(uint64_t)) ^ a->salt;
}

static void area_fill(struct area *a)
{
	uint64_t *p = (uint64_t *)a->start;
	size_t i, n = a->len / sizeof(*p);

	for (i = 0; i < n; i++)
		p[i] = area_word(a, i);
}

/* Bytes of the area that are in huge pages in RAM, or -errno. */
static int64_t area_huge_bytes(const struct area *a)
{
	uintptr_t start = (uintptr_t)a->start, end = start + a->len;
	unsigned long from, to, kb;
	int64_t bytes = 0;
	bool inside = false;
	char line[256];
	FILE *f;

	f = fopen("/proc/self/smaps", "re");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			inside = from < end && to > start;
		else if (inside && sscanf(line, "AnonHugePages: %lu kB", &kb) == 1)
			bytes += kb * 1024L;
	}
	fclose(f);
	return bytes;
}

static int area_check_size(const struct area *a)
{
	int64_t bytes = area_huge_bytes(a);

	if (bytes == (a->huge ? (int64_t)a->len : 0))
		return 0;
	return bench_why(-ENOMEM, "%" PRId64 " of %zu MiB in huge pages",
			 bytes >> 20, a->len >> 20);
}

int area_create(struct area *a, size_t len, bool huge)
{
	static uint64_t salt;
	uintptr_t start;
	int err;

	*a = (struct area) { .len = len, .huge = huge };
	a->salt = (salt += 0x9e3779b97f4a7c15ULL);
	a->map_len = len + BENCH_HUGE;
	a->map = mmap(NULL, a->map_len, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (a->map == MAP_FAILED)
		return bench_why(-errno, "no memory for the area");
	start = ((uintptr_t)a->map + BENCH_HUGE - 1) & ~(BENCH_HUGE - 1);
	a->start = (char *)start;
	madvise(a->start, len, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	area_fill(a);

	err = area_check_size(a);
	if (err)
		area_destroy(a);
	return err;
}

void area_destroy(struct area *a)
{
	munmap(a->map, a->map_len);
}

int area_check(const struct area *a)
{
	const uint64_t *p = (const uint64_t *)a->start;
	size_t i, n = a->len / sizeof(*p);

	for (i = 0; i < n; i++) {
		if (p[i] != area_word(a, i))
			return bench_why(-EIO, "data lost: byte %zu of the area",
					 i * sizeof(*p));
	}
	return area_check_size(a);
}

void area_touch(const struct area *a)
{
	size_t i;

	for (i = 0; i < a->len; i += BENCH_PAGE)
		(void)*(volatile char *)(a->start + i);
}
