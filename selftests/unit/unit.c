// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random numbers that can be repeated, and an allocator that is watched: the
 * programs are linked with --wrap, so calloc() and free() end up here.
 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#define DEFAULT_SEED	20160406
#define MAGIC		0x6672727966657272ULL

struct header {
	unsigned long long magic;
	unsigned long long size;
};

static unsigned long long state;
static size_t allocated;
static long fail_after = -1;

unsigned long long unit_seed(void)
{
	const char *env = getenv("FERRY_SEED");
	unsigned long long seed = env ? strtoull(env, NULL, 0) : DEFAULT_SEED;

	state = seed;
	return seed;
}

/* A counter of odd stride, its bits mixed by two multiplications. */
unsigned long long unit_random(void)
{
	unsigned long long x = state += 0x9e6c63d0876a9a47ULL;

	x = (x ^ x >> 32) * 0xd6e8feb86659fd93ULL;
	x = (x ^ x >> 29) * 0xca5a826395121157ULL;
	return x ^ x >> 32;
}

unsigned long long unit_below(unsigned long long n)
{
	return unit_random() % n;
}

size_t unit_allocated(void)
{
	return allocated;
}

void unit_fail_after(long n)
{
	fail_after = n;
}

void *__wrap_calloc(size_t n, size_t size)
{
	struct header *h;

	if (!fail_after)
		return NULL;
	if (fail_after > 0)
		fail_after--;
	if (__builtin_mul_overflow(n, size, &size))
		return NULL;
	h = __real_calloc(1, sizeof(*h) + size);
	if (!h)
		return NULL;
	h->magic = MAGIC;
	h->size = size;
	allocated += size;
	return h + 1;
}

void __wrap_free(void *p)
{
	struct header *h = p;

	if (!p)
		return;
	h--;
	if (h->magic != MAGIC) {
		fprintf(stderr, "# free of %p, which calloc did not return\n", p);
		abort();
	}
	h->magic = 0;
	allocated -= h->size;
	__real_free(h);
}
