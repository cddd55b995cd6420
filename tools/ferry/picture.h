/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Residency as a picture: a row of cells, each a letter for so many pages.
 */
#ifndef FERRY_PICTURE_H
#define FERRY_PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <ferry.h>

/* Where a page can be, as far as a picture tells. */
enum place {
	PLACE_NONE,		/* nothing was stored there, or it is swapped out */
	PLACE_UNMAPPED,
	PLACE_RAM,
	PLACE_SMALL,		/* on device 0 in small frames, then the other devices */
	PLACE_HUGE = PLACE_SMALL + FERRY_MAX_DEVICES,	/* in 2 MiB frames */
	PLACES = PLACE_HUGE + FERRY_MAX_DEVICES,
};

struct tally {
	uint64_t pages[PLACES];
};

/**
 * struct picture - made from the residency of pages in order of address
 * @pages_per_cell: pages that one letter stands for
 * @cells: finished cells, a letter each, as a string
 * @count: how many
 * @total: of all pages
 * @cell: of the cell that is being filled
 * @filled: pages in it
 */
struct picture {
	size_t pages_per_cell;
	char *cells;
	size_t count, room;
	struct tally total;
	struct tally cell;
	size_t filled;
};

void picture_begin(struct picture *p, size_t pages_per_cell);
/* False when memory ran out. */
bool picture_add(struct picture *p, const struct ferry_residency *pages, size_t n);
/* Finish a cell that is not full. */
bool picture_end(struct picture *p);
void picture_free(struct picture *p);

/* Rows of at most 64 cells, each after @indent; in colour if @colour. */
void picture_print(FILE *to, const struct picture *p, const char *indent, bool colour);
/* What the letters of the picture mean. */
void picture_legend(FILE *to, unsigned int devices, bool colour);

enum place place_of(const struct ferry_residency *page);
/* Pages on device @n, in frames of any size. */
uint64_t tally_device(const struct tally *t, int n);
uint64_t tally_devices(const struct tally *t);

/* Pages a cell, a power of two, for a picture of @pages in at most 64 cells. */
size_t picture_scale(size_t pages);

#endif /* FERRY_PICTURE_H */
