// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the time of a case goes, by ferry's tracepoints.
 *
 * Each of the five steps ends with an event, so the time from one event to the
 * next is one phase, and nothing is left out. The events cost time themselves,
 * so a traced round is one of its own, and the report takes off what it took
 * longer than the others. The trace's clock is the time stamp counter, because
 * that is printed to the last digit; with counted instructions it ticks once each.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <x86intrin.h>

#include "bench.h"

#define TRACEFS "/sys/kernel/tracing/"

static const struct {
	const char *event;
	enum bench_phase phase;
} phase_events[] = {
	{ "ferry_collect", PHASE_COLLECT },
	{ "ferry_allocate", PHASE_ALLOCATE },
	{ "ferry_copy", PHASE_COPY },
	{ "ferry_commit", PHASE_COMMIT },
	{ "ferry_finalize", PHASE_FINALIZE },
	{ "ferry_cpu_fault", PHASE_REST },
};

#define EVENTS (sizeof(phase_events) / sizeof(phase_events[0]))

static int64_t phases_start;

static int trace_write(const char *file, const char *text)
{
	char path[128];
	int fd, err = 0;

	snprintf(path, sizeof(path), TRACEFS "%s", file);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0)
		return bench_why(-errno, "%s: %s", path, strerror(errno));
	if (*text && write(fd, text, strlen(text)) < 0)
		err = bench_why(-errno, "%s: %s", path, strerror(errno));
	close(fd);
	return err;
}

static int trace_events(const char *on)
{
	unsigned int i;
	char file[64];
	int err = 0;

	for (i = 0; i < EVENTS && !err; i++) {
		snprintf(file, sizeof(file), "events/ferry/%s/enable",
			 phase_events[i].event);
		err = trace_write(file, on);
	}
	return err;
}

int phases_begin(void)
{
	int err = trace_write("trace_clock", "x86-tsc");

	if (!err)
		err = trace_write("trace", "");
	if (!err)
		err = trace_events("1");
	if (!err)
		err = trace_write("tracing_on", "1");
	phases_start = (int64_t)__rdtsc();
	return err;
}

/*
 * A line is "task-pid [cpu] flags stamp: event: ...". Returns the phase that
 * the event ends and its stamp, or BENCH_PHASES for other lines.
 */
static enum bench_phase trace_line(const char *line, int64_t *stamp)
{
	const char *event = strstr(line, ": ferry_"), *digits = event;
	size_t len;
	unsigned int i;

	if (!event)
		return BENCH_PHASES;
	while (digits > line && digits[-1] >= '0' && digits[-1] <= '9')
		digits--;
	*stamp = strtoll(digits, NULL, 10);
	event += 2;
	len = strcspn(event, ":");
	for (i = 0; i < EVENTS; i++) {
		if (strlen(phase_events[i].event) == len &&
		    !strncmp(event, phase_events[i].event, len))
			return phase_events[i].phase;
	}
	return BENCH_PHASES;
}

static void trace_add(struct phases *p, enum bench_phase phase, int64_t *last,
		      int64_t stamp)
{
	p->ns[phase] += stamp - *last;
	*last = stamp;
}

int phases_end(struct phases *out)
{
	int64_t end = (int64_t)__rdtsc(), last = phases_start, stamp = 0;
	char line[512];
	FILE *f;

	*out = (struct phases) { .total = end - last };
	trace_write("tracing_on", "0");
	trace_events("0");
	f = fopen(TRACEFS "trace", "re");
	if (!f)
		return bench_why(-errno, TRACEFS "trace: %s", strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		enum bench_phase phase = trace_line(line, &stamp);

		if (phase == BENCH_PHASES)
			continue;
		trace_add(out, phase, &last, stamp);
		out->events[phase]++;
	}
	fclose(f);
	trace_add(out, PHASE_REST, &last, end);
	if (!out->events[PHASE_FINALIZE])
		return bench_why(-ENODATA, "nothing was traced");
	return 0;
}
