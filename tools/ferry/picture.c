// SPDX-License-Identifier: GPL-2.0
/*
 * Residency as a picture. Pure: no device is asked here.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "picture.h"

#define CELLS_PER_ROW	64
#define HUGE_ORDER	9
#define LETTER_MIXED	'+'
#define LETTERS		(sizeof(small_letters) - 1)

/* A letter a device, without those that would be taken for something else (m, r). */
static const char small_letters[] = "defghijklnopqstu";
static const char huge_letters[] = "DEFGHIJKLNOPQSTU";

static_assert(LETTERS == FERRY_MAX_DEVICES, "a device has no letter");

enum place place_of(const struct ferry_residency *page)
{
	if (page->flags & FERRY_PAGE_UNMAPPED)
		return PLACE_UNMAPPED;
	/* The zero page stands for memory that nothing was stored in. */
	if (page->flags & FERRY_PAGE_ZERO || page->where == FERRY_NOWHERE)
		return PLACE_NONE;
	if (page->where < 0 || page->where >= FERRY_MAX_DEVICES)
		return PLACE_RAM;
	return (page->order >= HUGE_ORDER ? PLACE_HUGE : PLACE_SMALL) + page->where;
}

uint64_t tally_device(const struct tally *t, int n)
{
	return t->pages[PLACE_SMALL + n] + t->pages[PLACE_HUGE + n];
}

uint64_t tally_devices(const struct tally *t)
{
	uint64_t sum = 0;

	for (int n = 0; n < FERRY_MAX_DEVICES; n++)
		sum += tally_device(t, n);
	return sum;
}

static char place_letter(enum place place)
{
	if (place >= PLACE_HUGE)
		return huge_letters[place - PLACE_HUGE];
	if (place >= PLACE_SMALL)
		return small_letters[place - PLACE_SMALL];
	return place == PLACE_RAM ? 'R' : place == PLACE_NONE ? '.' : ' ';
}

/* A cell is mixed when its pages are in more than one memory. */
static bool is_mixed(const struct tally *t)
{
	int memories = t->pages[PLACE_RAM] != 0;

	for (int n = 0; n < FERRY_MAX_DEVICES; n++)
		memories += tally_device(t, n) != 0;
	return memories > 1;
}

/* Else it shows what most of its pages are that are somewhere. */
static char cell_letter(const struct tally *t)
{
	enum place most = t->pages[PLACE_NONE] ? PLACE_NONE : PLACE_UNMAPPED;
	uint64_t pages = 0;

	if (is_mixed(t))
		return LETTER_MIXED;
	for (int place = PLACE_RAM; place < PLACES; place++) {
		if (t->pages[place] > pages) {
			most = place;
			pages = t->pages[place];
		}
	}
	return place_letter(most);
}

/* ---- making ---------------------------------------------------------- */

void picture_begin(struct picture *p, size_t pages_per_cell)
{
	memset(p, 0, sizeof(*p));
	p->pages_per_cell = pages_per_cell;
}

static bool add_cell(struct picture *p, char letter)
{
	if (p->count + 1 >= p->room) {
		size_t room = p->room ? p->room * 2 : 2 * CELLS_PER_ROW;
		char *cells = realloc(p->cells, room);

		if (!cells)
			return false;
		p->cells = cells;
		p->room = room;
	}
	p->cells[p->count++] = letter;
	p->cells[p->count] = 0;
	return true;
}

bool picture_end(struct picture *p)
{
	bool ok = !p->filled || add_cell(p, cell_letter(&p->cell));

	memset(&p->cell, 0, sizeof(p->cell));
	p->filled = 0;
	return ok;
}

bool picture_add(struct picture *p, const struct ferry_residency *pages, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		enum place place = place_of(&pages[i]);

		p->total.pages[place]++;
		p->cell.pages[place]++;
		if (++p->filled == p->pages_per_cell && !picture_end(p))
			return false;
	}
	return true;
}

void picture_free(struct picture *p)
{
	free(p->cells);
	p->cells = NULL;
	p->count = 0;
}

size_t picture_scale(size_t pages)
{
	size_t scale = 1;

	while ((pages + scale - 1) / scale > CELLS_PER_ROW)
		scale *= 2;
	return scale;
}

/* ---- showing --------------------------------------------------------- */

/* Background colours of the terminal's 256: dark for small frames, bright for huge. */
static int letter_colour(char letter)
{
	static const int small[] = { 28, 136, 90, 24 };
	static const int huge[] = { 46, 220, 201, 51 };
	const char *at;

	if (letter == LETTER_MIXED)
		return 196;
	at = strchr(small_letters, letter);
	if (at)
		return small[(at - small_letters) % 4];
	at = strchr(huge_letters, letter);
	if (at)
		return huge[(at - huge_letters) % 4];
	return letter == 'R' ? 252 : 0;
}

static void print_letters(FILE *to, const char *letters, size_t n, bool colour)
{
	int background = colour ? letter_colour(*letters) : 0;

	if (background)
		fprintf(to, "\033[30;48;5;%dm%.*s\033[0m", background, (int)n, letters);
	else
		fprintf(to, "%.*s", (int)n, letters);
}

/* Letters from @p on that are the same. */
static size_t run_length(const char *p, size_t n)
{
	size_t i = 1;

	while (i < n && p[i] == *p)
		i++;
	return i;
}

static void print_row(FILE *to, const char *cells, size_t n, bool colour)
{
	for (size_t i = 0, run; i < n; i += run) {
		run = run_length(cells + i, n - i);
		print_letters(to, cells + i, run, colour);
	}
}

void picture_print(FILE *to, const struct picture *p, const char *indent, bool colour)
{
	for (size_t i = 0; i < p->count; i += CELLS_PER_ROW) {
		size_t left = p->count - i;

		fprintf(to, "%s[", indent);
		print_row(to, p->cells + i, left < CELLS_PER_ROW ? left : CELLS_PER_ROW, colour);
		fputs("]\n", to);
	}
}

static void legend_entry(FILE *to, char letter, bool colour, const char *meaning)
{
	print_letters(to, &letter, 1, colour);
	fprintf(to, " %s   ", meaning);
}

void picture_legend(FILE *to, unsigned int devices, bool colour)
{
	legend_entry(to, 'R', colour, "RAM");
	for (int n = 0; n < FERRY_MAX_DEVICES; n++) {
		if (!(devices >> n & 1))
			continue;
		print_letters(to, &small_letters[n], 1, colour);
		fputc(' ', to);
		print_letters(to, &huge_letters[n], 1, colour);
		fprintf(to, " ferry%d in 4 KiB, 2 MiB   ", n);
	}
	legend_entry(to, LETTER_MIXED, colour, "both");
	fputs(". untouched\n", to);
}
