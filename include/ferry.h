/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * libferry: move a program's pages to device memory and back, and let the
 * device compute on them by the program's own pointers.
 *
 * Functions return 0 (or a count, or a descriptor) or a negative errno; they
 * never report in errno. A struct ferry is safe to use from several threads at
 * once; a struct ferry_list is built by one thread at a time, and may be
 * submitted by many. A handle belongs to the process that opened it: a child
 * after fork gets -EPERM and opens its own.
 *
 * Some functions bear the name of a structure (ferry_residency), so the
 * structures are always written with "struct", in C++ too.
 */
#ifndef FERRY_H
#define FERRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/ferry.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ferry;		/* one context on one device */
struct ferry_list;	/* a list of engine commands being built */

/* The version of the library, as "major.minor.patch". */
const char *ferry_version(void);

/* What a negative errno of this library means, for people. Never NULL. */
const char *ferry_strerror(int err);

/*
 * One more than the highest number of a device (of its node in /dev); 0 when the
 * driver is not loaded. Devices come and go, so numbers below it may be missing.
 */
int ferry_device_count(void);

/*
 * The number of the first device after number @device, -1 for the first of all;
 * -ENOENT when there is none. All devices, in order of their numbers:
 *
 *	for (int n = ferry_device_next(-1); n >= 0; n = ferry_device_next(n))
 */
int ferry_device_next(int device);

/*
 * Open device @device (N of /dev/ferryN). *out is set on success only.
 * -ENOENT: no such device (driver not loaded?), -EACCES, -ENOMEM, -EPROTO:
 * the driver speaks another ABI.
 */
int ferry_open(int device, struct ferry **out);

/*
 * Close. Waits for queued commands to stop. Pages stay where they are. No other
 * thread may be using @f. NULL is fine.
 */
void ferry_close(struct ferry *f);

/* The descriptor of the node, for poll loops and raw ioctls. */
int ferry_fd(const struct ferry *f);

/* Index of the device behind @f. */
int ferry_device(const struct ferry *f);

/* What the device is. info->size is set by the call. */
int ferry_get_info(struct ferry *f, struct ferry_info *info);

/* Name of an enum ferry_kind ("private"). Never NULL. */
const char *ferry_kind_name(unsigned int kind);

/* ---- moving ---------------------------------------------------------- */

/* What a migration did. */
struct ferry_moved {
	uint64_t moved;			/* pages that moved */
	uint64_t failed;		/* pages that did not, for a reason below */
	uint64_t huge;			/* 2 MiB units among moved */
	uint64_t reasons[FERRY_REASONS];
};

/*
 * Move [addr, addr + len) to @dst: a device index or FERRY_RAM. The range is
 * widened to whole pages. Signals are restarted inside; a page that stays is
 * counted in @res (may be NULL), not an error. After an error @res holds what
 * had been done by then. @flags: FERRY_MIGRATE_*.
 */
int ferry_migrate(struct ferry *f, const void *addr, size_t len, int dst,
		  unsigned int flags, struct ferry_moved *res);

/* ferry_migrate to the device of @f, or home, with no flags. */
int ferry_to_device(struct ferry *f, const void *addr, size_t len,
		    struct ferry_moved *res);
int ferry_to_ram(struct ferry *f, const void *addr, size_t len,
		 struct ferry_moved *res);

/* Name of a reason ("pinned"), for people and JSON. Never NULL. */
const char *ferry_reason_name(unsigned int reason);

/* ---- where pages are ------------------------------------------------- */

/*
 * Residency of the pages that [addr, addr + len) touches: fills up to @max
 * entries of @pages, the first for the page that holds @addr. Returns the
 * number of entries filled.
 */
long ferry_residency(struct ferry *f, const void *addr, size_t len,
		     struct ferry_residency *pages, size_t max);

/* The same for another process (0: the caller), addresses of that process. */
long ferry_residency_pid(struct ferry *f, int pid, uint64_t addr, size_t len,
			 struct ferry_residency *pages, size_t max);

/* Hint for a range, widened to whole pages. See enum ferry_advice. */
int ferry_advise(struct ferry *f, const void *addr, size_t len,
		 enum ferry_advice advice);

/* ---- computing ------------------------------------------------------- */

/* A list of commands; append with the ferry_list_* calls, submit once or often. */
int ferry_list_create(struct ferry_list **out);
void ferry_list_destroy(struct ferry_list *l);
/* Forget the commands, keep the memory. */
void ferry_list_clear(struct ferry_list *l);
size_t ferry_list_count(const struct ferry_list *l);

/*
 * Each returns the index of the command in the list (its place in the results
 * of ferry_wait), or -ENOMEM, or -E2BIG when the list is full.
 */
int ferry_list_add(struct ferry_list *l, const struct ferry_cmd *cmd);
int ferry_list_fill(struct ferry_list *l, void *dst, uint64_t pattern, size_t len);
int ferry_list_copy(struct ferry_list *l, void *dst, const void *src, size_t len);
int ferry_list_compare(struct ferry_list *l, const void *a, const void *b, size_t len);
int ferry_list_crc32c(struct ferry_list *l, const void *src, size_t len);
int ferry_list_histogram(struct ferry_list *l, uint64_t *bins, const void *src, size_t len);
int ferry_list_saxpy(struct ferry_list *l, float *y, float a, const float *x, size_t n);
int ferry_list_gather(struct ferry_list *l, uint64_t *dst, const uint64_t *src,
		      size_t src_n, const uint64_t *index, size_t n);
int ferry_list_chase(struct ferry_list *l, const void *start, uint64_t hops);
int ferry_list_add64(struct ferry_list *l, uint64_t *p, uint64_t v);
int ferry_list_cas64(struct ferry_list *l, uint64_t *p, uint64_t expect, uint64_t desire);

/*
 * Queue the list. *seq names it for ferry_wait (@seq may be NULL). @eventfd: -1
 * for none. The list may be changed or destroyed as soon as the call returns.
 * -EAGAIN: the queue is full, wait for a list.
 */
int ferry_submit(struct ferry *f, const struct ferry_list *l, int eventfd,
		 uint64_t *seq);

/* How a list ended. */
struct ferry_result {
	int status;		/* 0, or the negative errno of the command that failed */
	uint32_t failed;	/* its index */
	uint32_t access;	/* FERRY_ACCESS_* of the fault behind -EFAULT */
	uint64_t fault_addr;
};

/*
 * Wait for a list. @timeout_ns: 0 polls, negative waits for ever. @results:
 * room for @count values, or NULL. @res may be NULL. Signals are restarted inside. Returns 0
 * when the list ended, however it ended: see @res->status. -ETIMEDOUT.
 */
int ferry_wait(struct ferry *f, uint64_t seq, int64_t timeout_ns,
	       uint64_t *results, size_t count, struct ferry_result *res);

/*
 * Submit, if need be when there is room in the queue, and wait for ever; returns
 * the status of the list as well.
 */
int ferry_run(struct ferry *f, const struct ferry_list *l, uint64_t *results,
	      size_t count, struct ferry_result *res);

/* ---- figures --------------------------------------------------------- */

struct ferry_figures {
	uint64_t counters[FERRY_COUNTERS];
	uint64_t hist[FERRY_PHASES][FERRY_BUCKETS];
	uint64_t table_bytes, driver_bytes, frames_free, frames_used;
};

int ferry_get_figures(struct ferry *f, struct ferry_figures *out);
/* Names as in sysfs ("to_device_pages", "copy"). Never NULL. */
const char *ferry_counter_name(unsigned int counter);
const char *ferry_phase_name(unsigned int phase);

/*
 * The time in ns that @percent of the events of a histogram of FERRY_BUCKETS did
 * not exceed, to the accuracy of its buckets (rounded up); 0 when there are none.
 */
uint64_t ferry_percentile(const uint64_t *hist, double percent);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_H */
