// SPDX-License-Identifier: GPL-2.0-only
/*
 * What was measured, as tables for people and as records for programs.
 *
 * A record is one JSON object on a line, with the keys case, subject, unit,
 * value, kernel and commit.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

static const char *const case_names[2][CASES] = {
	{ "to_device_4k", "to_ram_4k", "touch_4k" },
	{ "to_device_2m", "to_ram_2m", "touch_2m" },
};

static const char *const case_titles[CASES] = {
	[CASE_TO_DEVICE] = "to device",
	[CASE_TO_RAM] = "to RAM",
	[CASE_TOUCH] = "CPU touch",
};

static const char *const phase_names[BENCH_PHASES] = {
	[PHASE_COLLECT] = "collect",
	[PHASE_ALLOCATE] = "allocate",
	[PHASE_COPY] = "copy",
	[PHASE_COMMIT] = "commit",
	[PHASE_FINALIZE] = "finalize",
	[PHASE_REST] = "rest",
};

const char *bench_case_name(enum bench_case c, bool huge)
{
	return case_names[huge][c];
}

/* ---- figures -------------------------------------------------------------- */

void cell_add(struct cell *c, int64_t ns)
{
	if (ns >= 0 && c->n < BENCH_ROUNDS)
		c->ns[c->n++] = ns;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

void cell_finish(struct cell *c)
{
	c->median = -1;
	if (!c->n)
		return;
	qsort(c->ns, c->n, sizeof(c->ns[0]), compare);
	c->median = (c->ns[(c->n - 1) / 2] + c->ns[c->n / 2]) / 2;
}

static double pages_of(const struct results *r)
{
	return (double)(r->len / BENCH_PAGE);
}

static const char *unit_name(const struct results *r)
{
	if (r->wall)
		return "MB/s";
	return r->counted ? "instructions/page" : "ns/page";
}

/* Instructions or nanoseconds a page, or MB/s. Negative: none. */
static double figure(const struct results *r, int64_t ns, bool speed)
{
	if (ns <= 0)
		return -1;
	return speed ? r->len * 1e3 / ns : ns / pages_of(r);
}

static const struct column *column_of(const struct results *r, int huge,
				      const struct subject *s)
{
	unsigned int i;

	for (i = 0; r->column[huge][i].subject != s; i++)
		;
	return &r->column[huge][i];
}

/* test_hmm's migration to the device, less what the reading back took. */
static int64_t hmm_net(const struct results *r, int huge)
{
	const struct column *col = column_of(r, huge, &subject_test_hmm);

	if (col->cell[CASE_TO_DEVICE].median < 0 || col->extra.median < 0)
		return -1;
	return col->cell[CASE_TO_DEVICE].median - col->extra.median;
}

/* ---- tables ---------------------------------------------------------------- */

static void print_figure(double v, int width)
{
	if (v < 0)
		printf("%*s", width, "-");
	else
		printf("%*.0f", width, v);
}

static void print_head(const char *first, const char *small, const char *large,
		       int width)
{
	int huge;
	enum bench_case c;

	printf("%-22s%*s%*s\n", "", CASES * width, small, CASES * width + 2, large);
	printf("%-22s", first);
	for (huge = 0; huge < 2; huge++) {
		for (c = 0; c < CASES; c++)
			printf("%*s", width + (huge && !c ? 2 : 0),
			       case_titles[c]);
	}
	putchar('\n');
}

static void print_subject(const struct results *r, unsigned int i, bool speed)
{
	int huge;
	enum bench_case c;

	printf("%-22s", r->column[0][i].subject->title);
	for (huge = 0; huge < 2; huge++) {
		for (c = 0; c < CASES; c++)
			print_figure(figure(r, r->column[huge][i].cell[c].median,
					    speed),
				     11 + (huge && !c ? 2 : 0));
	}
	putchar('\n');
}

static void print_net(const struct results *r, bool speed)
{
	printf("%-22s", "  less reading back");
	print_figure(figure(r, hmm_net(r, 0), speed), 11);
	printf("%*s", 22, "");
	print_figure(figure(r, hmm_net(r, 1), speed), 13);
	putchar('\n');
}

/* Ferry's cells beside test_hmm's: the ratio, and whether it is not worse. */
static void print_verdict(const struct results *r)
{
	char ratio[2][CASES][12], word[2][CASES][12];
	int huge;
	enum bench_case c;

	for (huge = 0; huge < 2; huge++) {
		const struct column *f = column_of(r, huge, &subject_ferry);
		const struct column *h = column_of(r, huge, &subject_test_hmm);

		for (c = 0; c < CASES; c++) {
			int64_t ours = f->cell[c].median, theirs = h->cell[c].median;
			bool both = ours > 0 && theirs > 0;

			snprintf(ratio[huge][c], sizeof(ratio[huge][c]),
				 both ? "%.2f" : "-",
				 both ? (double)ours / theirs : 0.);
			snprintf(word[huge][c], sizeof(word[huge][c]), "%s",
				 !both ? "-" : ours <= theirs ? "met" : "missed");
		}
	}
	printf("%-22s", "ferry / test_hmm");
	for (huge = 0; huge < 2; huge++)
		for (c = 0; c < CASES; c++)
			printf("%*s", 11 + (huge && !c ? 2 : 0), ratio[huge][c]);
	printf("\n%-22s", "not worse than it");
	for (huge = 0; huge < 2; huge++)
		for (c = 0; c < CASES; c++)
			printf("%*s", 11 + (huge && !c ? 2 : 0), word[huge][c]);
	putchar('\n');
}

static void print_cells(const struct results *r, const char *unit, bool speed)
{
	unsigned int i;

	printf("\n%s; %zu MiB moved, median of %u rounds, kernel %s, commit %s\n\n",
	       unit, r->len >> 20, r->rounds, r->kernel, r->commit);
	print_head("", "4 KiB pages", "2 MiB pages", 11);
	for (i = 0; i < SUBJECTS; i++) {
		print_subject(r, i, speed);
		if (r->column[0][i].subject->extra)
			print_net(r, speed);
	}
}

static void print_missing(const struct results *r)
{
	unsigned int i;
	int huge;

	for (huge = 0; huge < 2; huge++) {
		for (i = 0; i < SUBJECTS; i++) {
			const struct column *col = &r->column[huge][i];

			if (col->err)
				printf("No figures of %s, %s pages: %s.\n",
				       col->subject->name,
				       huge ? "2 MiB" : "4 KiB", col->why);
		}
	}
}

/* What tracing added is taken off, the same for each event. */
static double phase_figure(const struct results *r, int huge, enum bench_case c,
			   enum bench_phase p)
{
	const struct phases *ph = &r->phases[huge][c];
	const struct column *col = column_of(r, huge, &subject_ferry);
	double added = ph->total - col->cell[c].median, each;
	unsigned int events = 0, i;

	for (i = 0; i < BENCH_PHASES; i++)
		events += ph->events[i];
	each = events && added > 0 ? added / events : 0;
	return (ph->ns[p] - each * ph->events[p]) / pages_of(r);
}

static void print_phases(const struct results *r)
{
	enum bench_case c;
	enum bench_phase p;
	int huge;

	printf("\nferry by phase; collect includes what lies between two windows\n\n");
	print_head("", "4 KiB pages", "2 MiB pages", 11);
	for (p = 0; p < BENCH_PHASES; p++) {
		printf("%-22s", phase_names[p]);
		for (huge = 0; huge < 2; huge++)
			for (c = 0; c < CASES; c++)
				print_figure(r->has_phases[huge] ?
					     phase_figure(r, huge, c, p) : -1,
					     11 + (huge && !c ? 2 : 0));
		putchar('\n');
	}
}

static double footprint_percent(const struct footprint *f)
{
	return 100. * (f->driver + f->tables) / f->vram;
}

static void print_footprint(const struct footprint *f)
{
	double percent = footprint_percent(f);

	printf("\nMemory beside struct pages, device full of 4 KiB pages:\n");
	printf("driver %llu KiB + page table %llu KiB of %llu MiB: %.2f %% (at most 1 %%: %s)\n",
	       (unsigned long long)f->driver >> 10,
	       (unsigned long long)f->tables >> 10,
	       (unsigned long long)f->vram >> 20, percent,
	       percent <= 1 ? "met" : "missed");
}

void report_print(const struct results *r)
{
	if (r->wall) {
		print_cells(r, "MB/s", true);
		print_missing(r);
		return;
	}
	print_cells(r, r->counted ? "Instructions per 4 KiB page" :
				    "Nanoseconds per 4 KiB page", false);
	print_verdict(r);
	print_missing(r);
	if (r->has_phases[0] || r->has_phases[1])
		print_phases(r);
	if (r->has_footprint)
		print_footprint(&r->footprint);
}

/* ---- records ---------------------------------------------------------------- */

/* The strings are names of ours, a kernel release and a commit: no quotes in them. */
static void record(FILE *f, const struct results *r, const char *name,
		   const char *subject, const char *unit, double value)
{
	fprintf(f, "{\"case\": \"%s\", \"subject\": \"%s\", ", name, subject);
	fprintf(f, "\"unit\": \"%s\", \"value\": %.2f, ", unit, value);
	fprintf(f, "\"kernel\": \"%s\", \"commit\": \"%s\"}\n", r->kernel,
		r->commit);
}

static void record_cell(FILE *f, const struct results *r, int huge,
			enum bench_case c, const char *subject, int64_t ns)
{
	if (ns >= 0)
		record(f, r, case_names[huge][c], subject, unit_name(r),
		       figure(r, ns, r->wall));
}

static void record_phases(FILE *f, const struct results *r, int huge)
{
	enum bench_case c;
	enum bench_phase p;
	char name[48];

	for (c = 0; c < CASES; c++) {
		for (p = 0; p < BENCH_PHASES; p++) {
			snprintf(name, sizeof(name), "%s_%s",
				 case_names[huge][c], phase_names[p]);
			record(f, r, name, "ferry", unit_name(r),
			       phase_figure(r, huge, c, p));
		}
	}
}

static void record_all(FILE *f, const struct results *r)
{
	unsigned int i;
	enum bench_case c;
	int huge;

	for (huge = 0; huge < 2; huge++) {
		for (i = 0; i < SUBJECTS; i++) {
			const struct column *col = &r->column[huge][i];

			for (c = 0; c < CASES; c++)
				record_cell(f, r, huge, c, col->subject->name,
					    col->cell[c].median);
			if (col->subject == &subject_test_hmm)
				record_cell(f, r, huge, CASE_TO_DEVICE,
					    "test_hmm_net", hmm_net(r, huge));
		}
		if (r->has_phases[huge])
			record_phases(f, r, huge);
	}
	if (r->has_footprint)
		record(f, r, "footprint", "ferry", "% of VRAM",
		       footprint_percent(&r->footprint));
}

int report_records(const struct results *r, const char *path)
{
	FILE *f = fopen(path, "we");

	if (!f)
		return -errno;
	record_all(f, r);
	return fclose(f) ? -errno : 0;
}
