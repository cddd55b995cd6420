// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Handing lists to the engine and waiting for them.
 */
#include <errno.h>

#include "internal.h"

/* Two threads may come back from the kernel in another order than they went. */
static void remember_seq(struct ferry *f, uint64_t seq)
{
	uint_fast64_t last = atomic_load(&f->last_seq);

	while (last < seq && !atomic_compare_exchange_weak(&f->last_seq, &last, seq))
		;
}

int ferry_submit(struct ferry *f, const struct ferry_list *l, int eventfd, uint64_t *seq)
{
	struct ferry_submit req = {
		.size = sizeof(req),
		.cmds = ferry_address(l->cmds),
		.count = l->count,
		.cmd_size = sizeof(struct ferry_cmd),
		.eventfd = eventfd,
	};
	int err;

	do {
		err = ferry_sys_ioctl(f->fd, FERRY_IOC_SUBMIT, &req);
	} while (err == -EINTR);
	if (err)
		return err;
	remember_seq(f, req.seq);
	if (seq)
		*seq = req.seq;
	return 0;
}

/* The kernel leaves in @req what remains of the time-out after a signal. */
static int wait_restart(struct ferry *f, struct ferry_wait *req, uint32_t count)
{
	int err;

	do {
		req->count = count;
		err = ferry_sys_ioctl(f->fd, FERRY_IOC_WAIT, req);
	} while (err == -EINTR);
	return err;
}

int ferry_wait(struct ferry *f, uint64_t seq, int64_t timeout_ns,
	       uint64_t *results, size_t count, struct ferry_result *res)
{
	struct ferry_wait req = {
		.size = sizeof(req),
		.seq = seq,
		.timeout_ns = timeout_ns,
		.results = ferry_address(results),
	};
	int err;

	/* No list is longer. */
	if (count > FERRY_MAX_CMDS)
		count = FERRY_MAX_CMDS;
	err = wait_restart(f, &req, results ? count : 0);
	if (err)
		return err;
	if (res) {
		res->status = req.status;
		res->failed = req.failed;
		res->access = req.access;
		res->fault_addr = req.fault_addr;
	}
	return 0;
}

/*
 * Lists of a context run in order, so waiting for the last one when the queue
 * is full costs a caller who waits for his own anyway nothing.
 */
static int submit_when_room(struct ferry *f, const struct ferry_list *l, uint64_t *seq)
{
	int err;

	for (;;) {
		err = ferry_submit(f, l, -1, seq);
		if (err != -EAGAIN)
			return err;
		err = ferry_wait(f, atomic_load(&f->last_seq), -1, NULL, 0, NULL);
		/* -ENOENT: it ended so long ago that the kernel forgot it. */
		if (err && err != -ENOENT)
			return err;
	}
}

int ferry_run(struct ferry *f, const struct ferry_list *l, uint64_t *results,
	      size_t count, struct ferry_result *res)
{
	struct ferry_result end = { 0 };
	uint64_t seq;
	int err;

	err = submit_when_room(f, l, &seq);
	if (!err)
		err = ferry_wait(f, seq, -1, results, count, &end);
	if (res)
		*res = end;
	return err ? err : end.status;
}
