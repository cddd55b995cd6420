// SPDX-License-Identifier: GPL-2.0
/*
 * Test of the command's parts that need no device; prints TAP.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compute.h"
#include "picture.h"

static int bad;

#define EXPECT(a, b)							\
	do {								\
		long long a_ = (long long)(a), b_ = (long long)(b);	\
									\
		if (a_ != b_) {						\
			printf("# %s:%d: %s is %lld, expected %lld\n",	\
			       __func__, __LINE__, #a, a_, b_);		\
			bad++;						\
		}							\
	} while (0)

static uint32_t crc32c_by_bits(const unsigned char *p, size_t len)
{
	uint32_t crc = ~0U;

	while (len--) {
		crc ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78U : 0);
	}
	return ~crc;
}

static void test_crc(void)
{
	unsigned char data[257];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = i * 37 + 11;
	EXPECT(crc32c("123456789", 9), 0xe3069283);
	for (size_t len = 0; len <= sizeof(data); len++)
		EXPECT(crc32c(data, len), crc32c_by_bits(data, len));
	for (size_t at = 0; at < 16; at++)
		EXPECT(crc32c(data + at, 100), crc32c_by_bits(data + at, 100));
}

static void test_crc_join(void)
{
	static const char text[] = "the quick brown fox jumps over the lazy dog";
	size_t len = sizeof(text) - 1;

	for (size_t i = 0; i <= len; i++)
		EXPECT(crc32c_join(crc32c(text, i), crc32c(text + i, len - i), len - i),
		       crc32c(text, len));
}

static void test_crc_repeated(void)
{
	static const size_t counts[] = { 0, 1, 2, 3, 7, 100, 1000 };
	uint64_t pattern = 0x0123456789abcdef, words[1000];

	for (int i = 0; i < 1000; i++)
		words[i] = pattern;
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++)
		EXPECT(crc32c_repeated(pattern, counts[i] * 8), crc32c(words, counts[i] * 8));
}

static void test_histogram(void)
{
	uint64_t bins[256] = { [7] = 5 };

	histogram(bins, "\7\7\1", 3);
	EXPECT(bins[7], 7);
	EXPECT(bins[1], 1);
	EXPECT(bins[0], 0);
}

#define NOWHERE		{ .where = FERRY_NOWHERE }
#define RAM		{ .where = FERRY_RAM, .flags = FERRY_PAGE_PRESENT }
#define DEVICE(n, o)	{ .where = n, .order = o, .flags = FERRY_PAGE_PRESENT }

static void test_place(void)
{
	static const struct {
		struct ferry_residency page;
		int place;
	} cases[] = {
		{ NOWHERE, PLACE_NONE },
		{ { .where = FERRY_NOWHERE, .flags = FERRY_PAGE_UNMAPPED }, PLACE_UNMAPPED },
		{ { .where = FERRY_RAM, .flags = FERRY_PAGE_ZERO }, PLACE_NONE },
		{ RAM, PLACE_RAM },
		{ DEVICE(0, 0), PLACE_SMALL },
		{ DEVICE(15, 8), PLACE_SMALL + 15 },
		{ DEVICE(0, 9), PLACE_HUGE },
		{ DEVICE(3, 9), PLACE_HUGE + 3 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		EXPECT(place_of(&cases[i].page), cases[i].place);
}

static void test_cells(void)
{
	static const struct ferry_residency pages[] = {
		NOWHERE, NOWHERE,		/* . */
		RAM, NOWHERE,			/* R */
		DEVICE(0, 0), NOWHERE,		/* d */
		DEVICE(0, 9), DEVICE(0, 9),	/* D */
		DEVICE(1, 0), DEVICE(1, 0),	/* e */
		DEVICE(0, 0), RAM,		/* + */
		DEVICE(0, 0), DEVICE(1, 0),	/* + */
		DEVICE(15, 9),			/* U, half a cell */
	};
	size_t n = sizeof(pages) / sizeof(*pages);
	struct picture p;

	picture_begin(&p, 2);
	EXPECT(picture_add(&p, pages, 3), 1);
	EXPECT(picture_add(&p, pages + 3, n - 3), 1);
	EXPECT(picture_end(&p), 1);
	EXPECT(picture_end(&p), 1);
	EXPECT(strcmp(p.cells, ".RdDe++U"), 0);
	EXPECT(p.count, 8);
	EXPECT(tally_device(&p.total, 0), 5);
	EXPECT(tally_devices(&p.total), 9);
	picture_free(&p);
}

static void test_scale(void)
{
	EXPECT(picture_scale(1), 1);
	EXPECT(picture_scale(64), 1);
	EXPECT(picture_scale(65), 2);
	EXPECT(picture_scale(16384), 256);
	EXPECT(picture_scale(16385), 512);
}

static void expect_printed(size_t cells, bool colour, const char *expected)
{
	struct ferry_residency ram = RAM;
	struct picture p;
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	picture_begin(&p, 1);
	for (size_t i = 0; i < cells; i++)
		picture_add(&p, &ram, 1);
	picture_print(to, &p, "> ", colour);
	fclose(to);
	EXPECT(strcmp(text, expected), 0);
	free(text);
	picture_free(&p);
}

#define R16	"RRRRRRRRRRRRRRRR"

static void test_print(void)
{
	expect_printed(0, false, "");
	expect_printed(2, false, "> [RR]\n");
	expect_printed(1, true, "> [\033[30;48;5;252mR\033[0m]\n");
	expect_printed(2, true, "> [\033[30;48;5;252mRR\033[0m]\n");
	expect_printed(65, false, "> [" R16 R16 R16 R16 "]\n> [R]\n");
}

#define TEST(name)	{ #name, test_##name }

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	TEST(crc),
	TEST(crc_join),
	TEST(crc_repeated),
	TEST(histogram),
	TEST(place),
	TEST(cells),
	TEST(scale),
	TEST(print),
};

#define TESTS	(sizeof(tests) / sizeof(*tests))

int main(void)
{
	int failed = 0;

	printf("TAP version 13\n1..%zu\n", TESTS);
	for (size_t i = 0; i < TESTS; i++) {
		bad = 0;
		tests[i].run();
		printf("%s %zu - ferry: %s\n", bad ? "not ok" : "ok", i + 1, tests[i].name);
		failed += bad != 0;
	}
	return failed != 0;
}
