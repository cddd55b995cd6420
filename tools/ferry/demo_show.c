// SPDX-License-Identifier: GPL-2.0
/*
 * ferry demo: measuring and printing.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "demo.h"

/* Counters worth a word when a piece of work made them grow. */
static const struct {
	enum ferry_counter counter;
	const char *word;
} shown[] = {
	{ FERRY_C_DEV_FAULTS, "device faults" },
	{ FERRY_C_DEV_FAULT_MIGRATED, "pages faulted in" },
	{ FERRY_C_CPU_FAULTS, "CPU faults" },
	{ FERRY_C_CPU_FAULT_PAGES, "pages faulted home" },
	{ FERRY_C_EVICTIONS, "evictions" },
	{ FERRY_C_EVICTED_PAGES, "pages evicted" },
};

#define SHOWN	(sizeof(shown) / sizeof(*shown))

static const char *const state_names[] = {
	[STATE_NOT_RUN] = "not run",
	[STATE_PASSED] = "passed",
	[STATE_SKIPPED] = "skipped",
	[STATE_FAILED] = "FAILED",
};

/* ---- lines ----------------------------------------------------------- */

void say(const struct demo *d, const char *format, ...)
{
	va_list args;

	if (d->options.json)
		return;
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

static const char *colour(const char *code)
{
	return on_terminal() ? code : "";
}

void step_begin(struct demo *d, int number, const char *what)
{
	d->step = &d->report->steps[number - 1];
	say(d, "\n%s%d. %s%s", colour("\033[1m"), number, what, colour("\033[0m"));
}

/* How the step ended: a coloured word and a sentence. */
static void verdict(struct demo *d, enum state how, const char *code, const char *word)
{
	d->step->state = how;
	say(d, "   %s%s%s: %s", colour(code), word, colour("\033[0m"), d->step->note);
}

void step_ok(struct demo *d, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(d->step->note, sizeof(d->step->note), format, args);
	va_end(args);
	verdict(d, STATE_PASSED, "\033[32m", "ok");
}

bool step_fail(struct demo *d, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(d->step->note, sizeof(d->step->note), format, args);
	va_end(args);
	verdict(d, STATE_FAILED, "\033[31m", "FAILED");
	return false;
}

bool step_skip(struct demo *d, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(d->step->note, sizeof(d->step->note), format, args);
	va_end(args);
	verdict(d, STATE_SKIPPED, "\033[33m", "skipped");
	return true;
}

/* ---- measuring ------------------------------------------------------- */

void measure_begin(struct demo *d)
{
	for (int n = 0; n < d->devices; n++)
		ferry_get_figures(d->f[n], &d->before[n]);
	d->started = now_ns();
}

uint64_t measured(const struct measure *m, int n, enum ferry_counter counter)
{
	return m->counters[n][counter];
}

static void count(struct demo *d, struct measure *m)
{
	static struct ferry_figures now;

	for (int n = 0; n < d->devices; n++) {
		ferry_get_figures(d->f[n], &now);
		for (int c = 0; c < FERRY_COUNTERS; c++)
			m->counters[n][c] = now.counters[c] - d->before[n].counters[c];
	}
}

static double mb_per_second(const struct measure *m)
{
	return m->ns ? m->bytes * 1e3 / m->ns : 0;
}

static void print_counters(const struct demo *d, const struct measure *m)
{
	const char *before = "      ";

	for (size_t i = 0; i < SHOWN; i++) {
		uint64_t sum = 0;

		for (int n = 0; n < d->devices; n++)
			sum += measured(m, n, shown[i].counter);
		if (!sum)
			continue;
		printf("%s%s %llu", before, shown[i].word, (unsigned long long)sum);
		before = ", ";
	}
	if (*before == ',')
		putchar('\n');
}

static void print_measure(const struct demo *d, const struct measure *m)
{
	printf("   %-34s %8llu pages", m->what, (unsigned long long)m->pages);
	if (m->huge)
		printf(" (%llu x 2 MiB)", (unsigned long long)m->huge);
	printf(" in %s, %.0f MB/s\n", time_text(m->ns).s, mb_per_second(m));
	print_counters(d, m);
}

const struct measure *measure_end(struct demo *d, const char *what, uint64_t bytes,
				  const struct ferry_moved *moved)
{
	uint64_t ended = now_ns();
	int last = d->step->measures < MEASURES ? d->step->measures++ : MEASURES - 1;
	struct measure *m = &d->step->measure[last];

	memset(m, 0, sizeof(*m));
	snprintf(m->what, sizeof(m->what), "%s", what);
	m->ns = ended - d->started;
	m->pages = moved ? moved->moved : bytes / d->info[0].page_size;
	m->huge = moved ? moved->huge : 0;
	m->bytes = moved ? moved->moved * d->info[0].page_size : bytes;
	count(d, m);
	if (!d->options.json)
		print_measure(d, m);
	return m;
}

/* ---- pictures -------------------------------------------------------- */

static void keep_picture(struct step *step, const struct picture *p, size_t page_size)
{
	step->bytes_per_cell = p->pages_per_cell * page_size;
	snprintf(step->picture, sizeof(step->picture), "%s", p->cells ? p->cells : "");
}

/* A MiB a cell, or more when that makes too many cells. */
static size_t demo_scale(size_t pages, size_t page_size)
{
	size_t scale = picture_scale(pages), mib = MIB / page_size;

	return scale > mib ? scale : mib;
}

static void print_picture(const struct picture *p, size_t page_size)
{
	size_t cell = p->pages_per_cell * page_size;

	picture_print(stdout, p, "   ", on_terminal());
	if (cell != MIB)
		printf("   (here a letter is %s)\n", size_text(cell).s);
}

bool draw(struct demo *d, const void *p, size_t len, struct tally *total)
{
	size_t page_size = d->info[0].page_size, n = len / page_size;
	struct ferry_residency *pages = calloc(n, sizeof(*pages));
	struct picture picture;
	bool ok;

	picture_begin(&picture, demo_scale(n, page_size));
	ok = pages && ferry_residency(d->f[0], p, len, pages, n) == (long)n &&
	     picture_add(&picture, pages, n) && picture_end(&picture);
	if (ok && !d->options.json)
		print_picture(&picture, page_size);
	if (ok && d->step)
		keep_picture(d->step, &picture, page_size);
	if (total)
		*total = picture.total;
	picture_free(&picture);
	free(pages);
	return ok;
}

/* ---- the end --------------------------------------------------------- */

static int count_state(const struct report *r, enum state state)
{
	int n = 0;

	for (int i = 0; i < STEPS; i++)
		n += r->steps[i].state == state;
	return n;
}

bool all_passed(const struct report *r)
{
	return !count_state(r, STATE_FAILED) && !count_state(r, STATE_NOT_RUN);
}

void print_verdict(const struct demo *d)
{
	const struct report *r = d->report;
	int not_run = count_state(r, STATE_NOT_RUN);

	printf("\nferry demo: %d passed, %d failed, %d skipped", count_state(r, STATE_PASSED),
	       count_state(r, STATE_FAILED), count_state(r, STATE_SKIPPED));
	if (not_run)
		printf(", %d not run", not_run);
	printf(" in %s\n", time_text(now_ns() - d->begun).s);
}

static json_t *counters_json(const struct measure *m, int n)
{
	json_t *counters = json_object();

	for (int c = 0; c < FERRY_COUNTERS; c++) {
		if (m->counters[n][c])
			json_object_set_new(counters, ferry_counter_name(c),
					    json_integer(m->counters[n][c]));
	}
	return counters;
}

static json_t *measure_json(const struct demo *d, const struct measure *m)
{
	json_t *counters = json_array();

	for (int n = 0; n < d->devices; n++)
		json_array_append_new(counters, counters_json(m, n));
	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:f, s:o}", "what", m->what,
			 "pages", (json_int_t)m->pages, "huge", (json_int_t)m->huge,
			 "bytes", (json_int_t)m->bytes, "ns", (json_int_t)m->ns,
			 "mb_per_second", mb_per_second(m), "counters", counters);
}

static json_t *step_json(const struct demo *d, int i)
{
	const struct step *s = &d->report->steps[i];
	json_t *measures = json_array();

	for (int m = 0; m < s->measures; m++)
		json_array_append_new(measures, measure_json(d, &s->measure[m]));
	return json_pack("{s:i, s:s, s:s, s:I, s:s, s:o}", "step", i + 1,
			 "state", state_names[s->state], "note", s->note,
			 "bytes_per_cell", (json_int_t)s->bytes_per_cell,
			 "picture", s->picture, "measures", measures);
}

int print_report(const struct demo *d)
{
	const struct report *r = d->report;
	json_t *steps = json_array();

	for (int i = 0; i < STEPS; i++)
		json_array_append_new(steps, step_json(d, i));
	return print_json(json_pack("{s:o, s:I, s:i, s:i, s:i, s:i, s:o}",
				    "file", text_json(d->options.file),
				    "bytes", (json_int_t)d->options.size,
				    "devices", d->devices,
				    "passed", count_state(r, STATE_PASSED),
				    "failed", count_state(r, STATE_FAILED),
				    "skipped", count_state(r, STATE_SKIPPED),
				    "steps", steps), true);
}
