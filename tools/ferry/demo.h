/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ferry demo: what its files share.
 *
 * demo.c is the frame: options, the process that works, what comes after its
 * exit. demo_steps.c are the steps. demo_show.c measures and prints.
 */
#ifndef FERRY_DEMO_H
#define FERRY_DEMO_H

#include "cmd.h"
#include "picture.h"

#define MIB		(1UL << 20)
#define STEPS		7
#define MEASURES	4
#define DEVICES		2	/* that the demo uses at most */
/* The longest picture that is kept for JSON. */
#define PICTURE		256

enum state {
	STATE_NOT_RUN,
	STATE_PASSED,
	STATE_SKIPPED,
	STATE_FAILED,
};

/* One timed piece of work, with what the counters of the devices say of it. */
struct measure {
	char what[48];
	uint64_t pages, huge;
	uint64_t bytes;
	uint64_t ns;
	uint64_t counters[DEVICES][FERRY_COUNTERS];
};

struct step {
	enum state state;
	char note[160];		/* why it failed or was skipped */
	int measures;
	struct measure measure[MEASURES];
	size_t bytes_per_cell;
	char picture[PICTURE];
};

/* In memory shared by the process that works and the one that waits for it. */
struct report {
	struct step steps[STEPS];
	uint64_t left_behind[DEVICES];	/* pages in use at exit */
};

struct options {
	bool json;
	size_t size;		/* of the data, 0 for the default */
	unsigned int percent;	/* of the device's memory, for step 6 */
	int device;
	const char *file;
};

/**
 * struct demo - the working process's state
 * @options: from the command line
 * @report: results
 * @step: the one that runs
 * @begun: when the demo began
 * @devices: how many the demo uses, 1 or 2
 * @f, @info: their contexts and what they are
 * @used_before: pages in use on each before the demo
 * @data: the malloc memory that travels, 2 MiB aligned, options->size bytes
 * @bins: where the engine puts its histogram, a page of its own
 * @crcs: of each MiB of @data, by the CPU
 * @cpu_bins: histogram of @data, by the CPU
 * @stripe_crc: of the stripe of step 3, by the CPU
 */
struct demo {
	struct options options;
	struct report *report;
	struct step *step;
	uint64_t begun;
	int devices;
	struct ferry *f[DEVICES];
	struct ferry_info info[DEVICES];
	uint64_t used_before[DEVICES];
	char *data;
	uint64_t *bins;
	uint32_t *crcs;
	uint64_t cpu_bins[256];
	uint32_t stripe_crc;

	/* Of the measure that runs. */
	struct ferry_figures before[DEVICES];
	uint64_t started;
};

/* ---- demo_steps.c ---- */

/* Fill the data; false, with a message, when the demo cannot begin. */
bool demo_prepare(struct demo *d);
/* Steps 1 to 6, and pages left on the device. False when one failed. */
bool demo_work(struct demo *d);

/* ---- demo_show.c ---- */

/* One line, in text mode only. */
void say(const struct demo *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
void step_begin(struct demo *d, int number, const char *what);
/* The step did what it should: say so. */
void step_ok(struct demo *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* It did not; returns false. */
bool step_fail(struct demo *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* It cannot run here; returns true, for that is no failure. */
bool step_skip(struct demo *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

void measure_begin(struct demo *d);
/* @bytes were worked on in @pages pages, @huge units of 2 MiB among them. */
const struct measure *measure_end(struct demo *d, const char *what, uint64_t bytes,
				  const struct ferry_moved *moved);
/* Increase of a counter of the demo's device @n. */
uint64_t measured(const struct measure *m, int n, enum ferry_counter counter);

/* The residency of [p, p + len) as a picture; its sums in @total if not NULL. */
bool draw(struct demo *d, const void *p, size_t len, struct tally *total);

int print_report(const struct demo *d);
void print_verdict(const struct demo *d);
bool all_passed(const struct report *r);

#endif /* FERRY_DEMO_H */
