// SPDX-License-Identifier: GPL-2.0-only
/*
 * ferry-bench: options, and the order in which things are measured.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "bench.h"

static const struct subject *const subjects[SUBJECTS] = {
	&subject_copy,
	&subject_move_pages,
	&subject_test_hmm,
	&subject_ferry,
};

static void print_usage(FILE *f)
{
	fprintf(f,
		"usage: ferry-bench [--wall | --profile] [--rounds N] [--mib N] [--json FILE]\n"
		"  --wall      MB/s; else the cost of a page, in instructions where the\n"
		"              clock counts them\n"
		"  --profile   one round, marked for the profiler; prints what is marked\n"
		"  --rounds N  rounds that count, 1 to %u (5)\n"
		"  --mib N     size of what is moved, even (16)\n"
		"  --json FILE write the records there\n"
		"environment: FERRY_COMMIT, for the records\n",
		BENCH_ROUNDS);
}

/* A round's figures into its column, or the reason why it is empty from now on. */
static void column_add(struct column *col, const struct reply *r)
{
	enum bench_case c;

	if (r->err) {
		col->err = r->err;
		memcpy(col->why, r->why, sizeof(col->why));
		return;
	}
	for (c = 0; c < CASES; c++)
		cell_add(&col->cell[c], r->ns[c]);
	cell_add(&col->extra, r->extra);
}

static void column_finish(struct column *col)
{
	enum bench_case c;

	for (c = 0; c < CASES; c++) {
		if (col->err)
			col->cell[c].n = 0;
		cell_finish(&col->cell[c]);
	}
	cell_finish(&col->extra);
}

static void measure_size(struct results *res, bool huge)
{
	struct child child[SUBJECTS] = {};
	unsigned int round, i;
	struct reply r;

	for (i = 0; i < SUBJECTS; i++) {
		struct column *col = &res->column[huge][i];

		col->subject = subjects[i];
		col->err = child_start(&child[i], subjects[i], res->len, huge);
		if (col->err)
			snprintf(col->why, sizeof(col->why), "fork: %s",
				 strerror(-col->err));
	}
	for (round = 0; round <= res->rounds; round++) {
		fprintf(stderr, "%s pages: round %u of %u%s\n",
			huge ? "2 MiB" : "4 KiB", round, res->rounds,
			round ? "" : ", to warm up");
		for (i = 0; i < SUBJECTS; i++) {
			struct column *col = &res->column[huge][i];

			if (col->err)
				continue;
			child_do(&child[i], JOB_ROUND, &r);
			if (round || r.err)
				column_add(col, &r);
		}
	}
	for (i = 0; i < SUBJECTS; i++) {
		struct column *col = &res->column[huge][i];

		if (subjects[i] == &subject_ferry && res->counted && !col->err) {
			child_do(&child[i], JOB_PHASES, &r);
			res->has_phases[huge] = !r.err;
			memcpy(res->phases[huge], r.phases, sizeof(r.phases));
			if (r.err)
				fprintf(stderr, "no phases: %s\n", r.why);
		}
		column_finish(col);
		if (child[i].pid > 0)
			child_stop(&child[i]);
	}
}

static void measure_footprint(struct results *res)
{
	struct child child;
	struct reply r;

	fprintf(stderr, "footprint: filling the device\n");
	if (child_start(&child, &subject_ferry, 0, false))
		return;
	child_do(&child, JOB_FOOTPRINT, &r);
	res->has_footprint = !r.err;
	res->footprint = r.footprint;
	if (r.err)
		fprintf(stderr, "no footprint: %s\n", r.why);
	child_stop(&child);
}

/* A number from @min to @max, or the program ends. */
static unsigned long number(const char *text, unsigned long min,
			    unsigned long max)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || *end || end == text || n < min || n > max) {
		print_usage(stderr);
		exit(2);
	}
	return n;
}

static void options(int argc, char **argv, struct results *res,
		    const char **json, bool *profile)
{
	static const struct option known[] = {
		{ "wall", no_argument, NULL, 'w' },
		{ "profile", no_argument, NULL, 'p' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "mib", required_argument, NULL, 'm' },
		{ "json", required_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 'w':
			res->wall = true;
			break;
		case 'p':
			*profile = true;
			break;
		case 'r':
			res->rounds = number(optarg, 1, BENCH_ROUNDS);
			break;
		case 'm':
			res->len = number(optarg, 2, 1 << 20) << 20;
			res->len &= ~(BENCH_HUGE - 1);
			break;
		case 'j':
			*json = optarg;
			break;
		case 'h':
			print_usage(stdout);
			exit(0);
		default:
			print_usage(stderr);
			exit(2);
		}
	}
	if (optind < argc) {
		print_usage(stderr);
		exit(2);
	}
}

/* The marked rounds: one line each, in the order in which they run. */
static int profile_size(const struct results *res, const struct subject *s,
			bool huge)
{
	struct child child;
	struct reply r;
	enum bench_case c;

	if (child_start(&child, s, res->len, huge))
		return -1;
	child_do(&child, JOB_ROUND, &r);
	if (!r.err)
		child_do(&child, JOB_PROFILE, &r);
	if (r.err)
		fprintf(stderr, "%s: %s\n", s->name, r.why);
	for (c = 0; c < CASES && !r.err; c++)
		printf("%s %s %zu\n", s->name, bench_case_name(c, huge),
		       res->len / BENCH_PAGE);
	child_stop(&child);
	return r.err;
}

static int profile_all(const struct results *res)
{
	static const struct subject *const both[] = {
		&subject_test_hmm,
		&subject_ferry,
	};
	unsigned int i;
	int huge, err = 0;

	for (huge = 0; huge < 2 && !err; huge++) {
		for (i = 0; i < 2 && !err; i++)
			err = profile_size(res, both[i], huge);
	}
	return err ? 1 : 0;
}

/* Whether the clock counts instructions: a known number of them takes as many ns. */
static bool clock_counts(void)
{
	unsigned long loops = 1000000;
	int64_t from = bench_now(), ns;

	__asm__ volatile("1: dec %0\n\tjnz 1b" : "+r" (loops) : : "cc");
	ns = bench_now() - from;
	return ns > 1990000 && ns < 2100000;
}

/* Ferry's own columns must be there; those of the others may be missing. */
static int verdict(const struct results *res)
{
	unsigned int i;
	int huge;

	for (huge = 0; huge < 2; huge++) {
		for (i = 0; i < SUBJECTS; i++) {
			if (subjects[i] == &subject_ferry &&
			    res->column[huge][i].err)
				return 1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct results *res = calloc(1, sizeof(*res));
	const char *json = NULL;
	bool profile = false;
	struct utsname uts;
	int err = 0;

	if (!res || uname(&uts))
		return 1;
	res->len = 16 << 20;
	res->rounds = 5;
	res->kernel = uts.release;
	res->commit = getenv("FERRY_COMMIT");
	if (!res->commit || !*res->commit)
		res->commit = "none";
	options(argc, argv, res, &json, &profile);
	if (profile)
		return profile_all(res);
	res->counted = !res->wall && clock_counts();
	if (!res->counted && !res->wall)
		fprintf(stderr, "the clock does not count instructions: ns it is\n");

	measure_size(res, false);
	measure_size(res, true);
	if (!res->wall)
		measure_footprint(res);

	report_print(res);
	if (json)
		err = report_records(res, json);
	if (err)
		fprintf(stderr, "%s: %s\n", json, strerror(-err));
	err = err ? 1 : verdict(res);
	free(res);
	return err;
}
