// SPDX-License-Identifier: GPL-2.0
/*
 * ferry stat: counters and histograms, once or again and again.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cmd.h"

#define LONGEST_WATCH	86400.0
#define BAR_WIDTH	40

struct options {
	bool json;
	bool all;
	bool histograms;
	int device;
	double interval;	/* seconds, 0 for once */
	long count;		/* of intervals, 0 for ever */
};

/* Two moments; @before is all zero for the first. */
struct sample {
	struct ferry_figures now, before;
	double seconds;		/* between them, 0 for the first */
};

/* ---- options --------------------------------------------------------- */

#define KEY_WATCH	'w'
#define KEY_COUNT	'n'

static const struct argp_option argp_options[] = {
	{ "json", 'j', NULL, 0, "Print JSON; with --watch an object a line", 0 },
	{ "all", 'a', NULL, 0, "Show counters that are zero, too", 0 },
	{ "histograms", 'H', NULL, 0, "Draw the histogram of each phase", 0 },
	{ "watch", KEY_WATCH, "SECONDS", OPTION_ARG_OPTIONAL,
	  "Show figures and rates again every SECONDS (1)", 0 },
	{ "count", KEY_COUNT, "N", 0, "With --watch, end after N intervals", 0 },
	{ 0 }
};

static double parse_seconds(struct argp_state *state, const char *text)
{
	char *end;
	double s;

	if (!text)
		return 1;
	s = strtod(text, &end);
	if (end == text || *end || !(s >= 0.01 && s <= LONGEST_WATCH))
		argp_error(state, "bad interval '%s': say seconds, from 0.01 to %.0f",
			   text, LONGEST_WATCH);
	return s;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'j':
		o->json = true;
		return 0;
	case 'a':
		o->all = true;
		return 0;
	case 'H':
		o->histograms = true;
		return 0;
	case KEY_WATCH:
		o->interval = parse_seconds(state, arg);
		return 0;
	case KEY_COUNT:
		o->count = parse_number(state, "count", arg, 1, 1000000000);
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num)
			argp_error(state, "one device at a time, not '%s' too", arg);
		o->device = parse_device(state, arg);
		return 0;
	case ARGP_KEY_END:
		if (o->count && !o->interval)
			argp_error(state, "--count needs --watch");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = argp_options,
	.parser = parse,
	.args_doc = "[DEV]",
	.doc = "Show the counters and histograms of a device. DEV is 0, ferry0 or /dev/ferry0; 0 when left out.",
};

/* ---- sums ------------------------------------------------------------ */

static double rate(const struct sample *s, unsigned int counter)
{
	if (!s->seconds)
		return 0;
	return (s->now.counters[counter] - s->before.counters[counter]) / s->seconds;
}

/* The histogram of what happened since the moment before. */
static void recent(const struct sample *s, unsigned int phase, uint64_t *hist)
{
	for (unsigned int b = 0; b < FERRY_BUCKETS; b++)
		hist[b] = s->now.hist[phase][b] - s->before.hist[phase][b];
}

static uint64_t events(const uint64_t *hist)
{
	uint64_t n = 0;

	for (unsigned int b = 0; b < FERRY_BUCKETS; b++)
		n += hist[b];
	return n;
}

/* ---- text ------------------------------------------------------------ */

static void print_use(int device, const struct ferry_figures *now)
{
	uint64_t frames = now->frames_used + now->frames_free;

	printf("ferry%d: %llu of %llu pages in use (%.1f%%), the driver holds %s\n", device,
	       (unsigned long long)now->frames_used, (unsigned long long)frames,
	       frames ? 100.0 * now->frames_used / frames : 0,
	       size_text(now->driver_bytes).s);
}

static void print_counters(const struct options *o, const struct sample *s)
{
	printf("%-22s %16s%s\n", "counter", "total", s->seconds ? "     per second" : "");
	for (unsigned int i = 0; i < FERRY_COUNTERS; i++) {
		if (!s->now.counters[i] && !o->all)
			continue;
		printf("%-22s %16llu", ferry_counter_name(i),
		       (unsigned long long)s->now.counters[i]);
		if (s->seconds)
			printf(" %14.0f", rate(s, i));
		putchar('\n');
	}
}

static void print_phases(const struct options *o, const struct sample *s)
{
	uint64_t hist[FERRY_BUCKETS];

	printf("%-22s %16s %10s %10s\n", "phase", "events", "p50", "p99");
	for (unsigned int i = 0; i < FERRY_PHASES; i++) {
		recent(s, i, hist);
		if (!events(hist) && !o->all)
			continue;
		printf("%-22s %16llu %10s %10s\n", ferry_phase_name(i),
		       (unsigned long long)events(hist),
		       time_text(ferry_percentile(hist, 50)).s,
		       time_text(ferry_percentile(hist, 99)).s);
	}
}

static uint64_t largest(const uint64_t *hist)
{
	uint64_t most = 0;

	for (unsigned int b = 0; b < FERRY_BUCKETS; b++)
		most = hist[b] > most ? hist[b] : most;
	return most;
}

static void print_histogram(const char *name, const uint64_t *hist)
{
	static const char bar[BAR_WIDTH + 1] = "########################################";
	uint64_t most = largest(hist);

	printf("\n%s\n", name);
	for (unsigned int b = 0; b < FERRY_BUCKETS; b++) {
		if (!hist[b])
			continue;
		printf("  %8s to %8s %12llu %.*s\n", time_text(1ULL << b).s,
		       time_text(2ULL << b).s, (unsigned long long)hist[b],
		       (int)((hist[b] * BAR_WIDTH + most - 1) / most), bar);
	}
}

static void print_histograms(const struct sample *s)
{
	uint64_t hist[FERRY_BUCKETS];

	for (unsigned int i = 0; i < FERRY_PHASES; i++) {
		recent(s, i, hist);
		if (events(hist))
			print_histogram(ferry_phase_name(i), hist);
	}
}

static void print_text(const struct options *o, const struct sample *s)
{
	if (o->interval && on_terminal())
		fputs("\033[H\033[J", stdout);
	print_use(o->device, &s->now);
	putchar('\n');
	print_counters(o, s);
	putchar('\n');
	print_phases(o, s);
	if (o->histograms)
		print_histograms(s);
	if (o->interval)
		putchar('\n');
	fflush(stdout);
}

/* ---- JSON ------------------------------------------------------------ */

static json_t *counters_json(const struct sample *s)
{
	json_t *counters = json_object();

	for (unsigned int i = 0; i < FERRY_COUNTERS; i++)
		json_object_set_new(counters, ferry_counter_name(i),
				    json_integer(s->now.counters[i]));
	return counters;
}

static json_t *rates_json(const struct sample *s)
{
	json_t *rates = json_object();

	for (unsigned int i = 0; i < FERRY_COUNTERS; i++)
		json_object_set_new(rates, ferry_counter_name(i), json_real(rate(s, i)));
	return rates;
}

static json_t *phase_json(const uint64_t *hist)
{
	json_t *buckets = json_array();

	for (unsigned int b = 0; b < FERRY_BUCKETS; b++)
		json_array_append_new(buckets, json_integer(hist[b]));
	return json_pack("{s:I, s:I, s:I, s:o}",
			 "events", (json_int_t)events(hist),
			 "p50_ns", (json_int_t)ferry_percentile(hist, 50),
			 "p99_ns", (json_int_t)ferry_percentile(hist, 99),
			 "log2_ns", buckets);
}

static json_t *phases_json(const struct sample *s)
{
	json_t *phases = json_object();
	uint64_t hist[FERRY_BUCKETS];

	for (unsigned int i = 0; i < FERRY_PHASES; i++) {
		recent(s, i, hist);
		json_object_set_new(phases, ferry_phase_name(i), phase_json(hist));
	}
	return phases;
}

static int print_sample_json(const struct options *o, const struct sample *s)
{
	json_t *j = json_pack("{s:i, s:f, s:I, s:I, s:I, s:o, s:o}",
			      "device", o->device,
			      "seconds", s->seconds,
			      "frames_used", (json_int_t)s->now.frames_used,
			      "frames_free", (json_int_t)s->now.frames_free,
			      "driver_bytes", (json_int_t)s->now.driver_bytes,
			      "counters", counters_json(s),
			      "phases", phases_json(s));

	if (s->seconds)
		json_object_set_new(j, "rates", rates_json(s));
	return print_json(j, !o->interval);
}

/* ---- the command ----------------------------------------------------- */

static int show(const struct options *o, const struct sample *s)
{
	if (o->json)
		return print_sample_json(o, s);
	print_text(o, s);
	return ferror(stdout) ? STATUS_FAILED : STATUS_OK;
}

static int take(struct ferry *f, struct ferry_figures *figures)
{
	int err = ferry_get_figures(f, figures);

	if (err)
		complain("cannot read the figures of ferry%d: %s",
			 ferry_device(f), ferry_strerror(err));
	return err;
}

static void sleep_for(double seconds)
{
	struct timespec ts = { .tv_sec = seconds };

	ts.tv_nsec = (seconds - ts.tv_sec) * 1e9;
	nanosleep(&ts, NULL);
}

static int watch(struct ferry *f, const struct options *o, struct sample *s, uint64_t at)
{
	for (long i = 0; !o->count || i < o->count; i++) {
		uint64_t last = at;

		sleep_for(o->interval);
		s->before = s->now;
		if (take(f, &s->now))
			return STATUS_FAILED;
		at = now_ns();
		s->seconds = (at - last) / 1e9;
		if (show(o, s))
			return STATUS_FAILED;
	}
	return STATUS_OK;
}

static int stat_device(struct ferry *f, const struct options *o)
{
	struct sample s = { 0 };
	uint64_t at = now_ns();

	if (take(f, &s.now) || show(o, &s))
		return STATUS_FAILED;
	return o->interval ? watch(f, o, &s, at) : STATUS_OK;
}

static int run(const struct command *cmd, int argc, char **argv)
{
	struct options o = { 0 };
	struct ferry *f;
	int status;

	parse_arguments(cmd, argc, argv, &o);
	f = open_device(o.device);
	if (!f)
		return STATUS_FAILED;
	status = stat_device(f, &o);
	ferry_close(f);
	return status;
}

const struct command stat_command = {
	.name = "stat",
	.summary = "show counters and histograms",
	.argp = &argp,
	.run = run,
};
