/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ferry-bench: what it costs to move a page, beside the peers.
 *
 * Terms. A *case* is one thing that is measured: to_device, to_ram, or touch (the
 * CPU reads one byte of each page, in order, while all are on the device). A
 * *subject* is what does the work. A *round* is one measurement of all cases of
 * one subject on an *area*: memory that is mapped afresh for the round, of small
 * or of huge pages, and holds a pattern that tells each word's address. An
 * operation that does not move the whole area, or that loses a word, ends the
 * subject with a reason; there are no figures of half a job.
 *
 * Each subject lives in a child process of its own, for each page size, so that
 * notifiers and leftovers of one are not in the way of another. The children
 * take turns: round 1 of all, round 2 of all, and so on (A B A B). Round 0 warms
 * up and is not counted. What is printed and recorded is the median.
 *
 * Times are of CLOCK_MONOTONIC. In a guest that counts instructions, 1 ns is one
 * instruction, and the same figure comes out on any machine.
 */
#ifndef FERRY_BENCH_H
#define FERRY_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define BENCH_PAGE	4096UL
#define BENCH_HUGE	(2UL << 20)
#define BENCH_ROUNDS	32	/* most */

enum bench_case {
	CASE_TO_DEVICE,
	CASE_TO_RAM,
	CASE_TOUCH,
	CASES,
};

/* ---- area.c: the memory that moves -------------------------------------- */

struct area {
	char *start;
	size_t len;
	bool huge;
	uint64_t salt;	/* tells the patterns of two areas apart */
	void *map;
	size_t map_len;
};

/* Map, fill with the pattern, and check that the pages are of the size wanted. */
int area_create(struct area *a, size_t len, bool huge);
void area_destroy(struct area *a);
/* Compare every word with the pattern, and the size of the pages. */
int area_check(const struct area *a);
/* Read one byte of each page, in order. */
void area_touch(const struct area *a);

static inline size_t area_pages(const struct area *a)
{
	return a->len / BENCH_PAGE;
}

/* ---- subjects ------------------------------------------------------------ */

/*
 * All return 0, or a negative errno after bench_why() said what is wrong. The
 * operations are timed from call to return, so they do nothing but the work and
 * the cheapest possible check of its result.
 */
struct subject {
	const char *name;	/* in records */
	const char *title;	/* in the table */
	bool touch;		/* has the touch case */
	int (*open)(void);
	/* Untimed, before the round: whatever else the area needs. May be NULL. */
	int (*prepare)(const struct area *a);
	int (*to_device)(const struct area *a);
	int (*to_ram)(const struct area *a);
	/*
	 * Called, and timed, after to_device: does again what to_device did beside
	 * moving, so that it can be taken off. May be NULL.
	 */
	int (*extra)(const struct area *a);
	/* Undoes prepare. May be NULL. */
	void (*forget)(const struct area *a);
};

extern const struct subject subject_copy;
extern const struct subject subject_move_pages;
extern const struct subject subject_test_hmm;
extern const struct subject subject_ferry;

/* Say why the subject cannot go on; returns err. */
int bench_why(int err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static inline int64_t bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* ---- phases.c: where the time of a case goes ------------------------------ */

enum bench_phase {
	PHASE_COLLECT,	/* and what lies between two windows: entry, lock */
	PHASE_ALLOCATE,
	PHASE_COPY,
	PHASE_COMMIT,
	PHASE_FINALIZE,
	PHASE_REST,
	BENCH_PHASES,
};

struct phases {
	int64_t ns[BENCH_PHASES];
	unsigned int events[BENCH_PHASES];
	int64_t total;
};

int phases_begin(void);
/* Ends what phases_begin() began. */
int phases_end(struct phases *out);

/* ---- marks for profile.c ---------------------------------------------------- */

/*
 * An instruction that does nothing, by which the profiler knows what to count: the
 * address in it is the mark. With BENCH_MARK_OFF counting stops.
 */
#define BENCH_MARK_ON	0x46455201
#define BENCH_MARK_OFF	0x46455200

static inline void bench_mark_on(void)
{
	__asm__ volatile("nopl %c0(%%rax)" : : "i" (BENCH_MARK_ON) : "memory");
}

static inline void bench_mark_off(void)
{
	__asm__ volatile("nopl %c0(%%rax)" : : "i" (BENCH_MARK_OFF) : "memory");
}

/* ---- ferry.c, beyond the cases -------------------------------------------- */

struct footprint {
	uint64_t vram;		/* bytes, all of it in use by small pages */
	uint64_t driver;	/* bytes beside VRAM and struct pages */
	uint64_t tables;	/* bytes of the device page table */
};

int ferry_measure_footprint(struct footprint *out);

/* ---- child.c: subjects in processes of their own -------------------------- */

struct reply {
	int err;
	char why[160];
	int64_t ns[CASES];	/* -1: not a case of this subject */
	int64_t extra;		/* -1: none */
	struct phases phases[CASES];
	struct footprint footprint;
};

enum child_job {
	JOB_ROUND,
	JOB_PHASES,	/* a round that is traced */
	JOB_PROFILE,	/* a round whose cases are marked */
	JOB_FOOTPRINT,
};

struct child {
	const struct subject *subject;
	int sock;
	int pid;
};

int child_start(struct child *c, const struct subject *s, size_t len, bool huge);
/* Have the child do a job; an error of the job is in the reply. */
void child_do(const struct child *c, enum child_job job, struct reply *out);
void child_stop(struct child *c);

/* ---- report.c --------------------------------------------------------------- */

struct cell {
	int64_t ns[BENCH_ROUNDS];
	unsigned int n;
	int64_t median;		/* -1: none */
};

/* What was measured of one subject on pages of one size. */
struct column {
	const struct subject *subject;
	struct cell cell[CASES];
	struct cell extra;
	int err;
	char why[160];
};

#define SUBJECTS	4

struct results {
	bool wall;
	bool counted;		/* 1 ns is one instruction */
	size_t len;
	unsigned int rounds;
	const char *kernel;
	const char *commit;
	struct column column[2][SUBJECTS];	/* [huge][subject] */
	struct phases phases[2][CASES];
	bool has_phases[2];
	struct footprint footprint;
	bool has_footprint;
};

void cell_add(struct cell *c, int64_t ns);
void cell_finish(struct cell *c);
/* Name of a case in records: "to_device_4k". */
const char *bench_case_name(enum bench_case c, bool huge);
void report_print(const struct results *r);
/* One JSON object a line; 0 or -errno. */
int report_records(const struct results *r, const char *path);

#endif /* FERRY_BENCH_H */
