// SPDX-License-Identifier: GPL-2.0-only
/*
 * One subject in a process of its own, that does a job at a time.
 *
 * Should the kernel kill it in the middle, the benchmark goes on without it.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

static char child_why[160];

int bench_why(int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(child_why, sizeof(child_why), fmt, args);
	va_end(args);
	return err;
}

/* An operation between two looks at the clock. */
static int timed(int (*op)(const struct area *a), const struct area *a,
		 int64_t *ns)
{
	int64_t from = bench_now();
	int err = op(a);

	*ns = bench_now() - from;
	return err;
}

static int touch(const struct area *a)
{
	area_touch(a);
	return 0;
}

/* One case, seen by nobody, by the tracer or by the profiler. */
static int case_run(int (*op)(const struct area *a), const struct area *a,
		    enum child_job job, struct phases *phases, int64_t *ns)
{
	int err = 0;

	if (job == JOB_PHASES)
		err = phases_begin();
	if (err)
		return err;
	if (job == JOB_PROFILE)
		bench_mark_on();
	err = timed(op, a, ns);
	if (job == JOB_PROFILE)
		bench_mark_off();
	if (!err && job == JOB_PHASES)
		err = phases_end(phases);
	return err;
}

/* The three cases on one area. */
static int cases_run(const struct subject *s, const struct area *a,
		     enum child_job job, struct reply *r)
{
	int (*const ops[CASES])(const struct area *a) = {
		[CASE_TO_DEVICE] = s->to_device,
		[CASE_TO_RAM] = s->to_ram,
		[CASE_TOUCH] = touch,
	};
	enum bench_case c;
	int err;

	for (c = 0; c < (s->touch ? CASES : CASE_TOUCH); c++) {
		/* The second time on the device only serves the touch. */
		err = c == CASE_TOUCH ? s->to_device(a) : 0;
		if (!err)
			err = case_run(ops[c], a, job, &r->phases[c], &r->ns[c]);
		if (!err && c == CASE_TO_DEVICE && s->extra)
			err = timed(s->extra, a, &r->extra);
		if (!err && c != CASE_TO_DEVICE)
			err = area_check(a);
		if (err)
			return err;
	}
	return 0;
}

static int round_run(const struct subject *s, size_t len, bool huge,
		     enum child_job job, struct reply *r)
{
	struct area a;
	int err;

	err = area_create(&a, len, huge);
	if (err)
		return err;
	err = s->prepare ? s->prepare(&a) : 0;
	if (!err) {
		err = cases_run(s, &a, job, r);
		if (s->forget)
			s->forget(&a);
	}
	area_destroy(&a);
	return err;
}

static void __attribute__((noreturn))
child_main(const struct subject *s, int sock, size_t len, bool huge)
{
	int open_err = s->open();
	enum child_job job;
	struct reply r;

	while (recv(sock, &job, sizeof(job), 0) == sizeof(job)) {
		r = (struct reply) {
			.err = open_err,
			.ns = { -1, -1, -1 },
			.extra = -1,
		};
		if (!r.err && job == JOB_FOOTPRINT)
			r.err = ferry_measure_footprint(&r.footprint);
		else if (!r.err)
			r.err = round_run(s, len, huge, job, &r);
		memcpy(r.why, child_why, sizeof(r.why));
		if (send(sock, &r, sizeof(r), 0) != sizeof(r))
			break;
	}
	_exit(0);
}

int child_start(struct child *c, const struct subject *s, size_t len, bool huge)
{
	int socks[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks))
		return -errno;
	fflush(NULL);
	c->subject = s;
	c->sock = socks[0];
	c->pid = fork();
	if (!c->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(socks[0]);
		child_main(s, socks[1], len, huge);
	}
	close(socks[1]);
	if (c->pid > 0)
		return 0;
	close(socks[0]);
	return -EAGAIN;
}

void child_do(const struct child *c, enum child_job job, struct reply *out)
{
	*out = (struct reply) {};
	if (send(c->sock, &job, sizeof(job), MSG_NOSIGNAL) == sizeof(job) &&
	    recv(c->sock, out, sizeof(*out), 0) == sizeof(*out))
		return;
	*out = (struct reply) {
		.err = -ECHILD,
		.why = "the process died; see the kernel log",
	};
}

void child_stop(struct child *c)
{
	/* Closing is not enough: later children hold a copy. */
	shutdown(c->sock, SHUT_RDWR);
	close(c->sock);
	waitpid(c->pid, NULL, 0);
}
