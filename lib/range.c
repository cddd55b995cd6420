// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Ranges of the program's memory: widening, migration, residency, advice.
 */
#include <errno.h>
#include <string.h>

#include "internal.h"

/* The pages that [addr, addr + len) touches. */
int ferry_widen(const struct ferry *f, uint64_t addr, size_t len, struct ferry_pages *out)
{
	uint64_t mask = f->page_size - 1;
	uint64_t last;

	if (!len || __builtin_add_overflow(addr, len - 1, &last))
		return -EINVAL;
	out->addr = addr & ~mask;
	/* A range up to the very end of the address space wraps; the kernel refuses it. */
	out->len = (last | mask) + 1 - out->addr;
	return 0;
}

/* ---- moving ---------------------------------------------------------- */

static void moved_add(struct ferry_moved *sum, const struct ferry_migrate *req)
{
	sum->moved += req->moved;
	sum->failed += req->failed;
	sum->huge += req->huge;
	for (int i = 0; i < FERRY_REASONS; i++)
		sum->reasons[i] += req->reasons[i];
}

static void moved_clear(struct ferry_migrate *req)
{
	req->moved = 0;
	req->failed = 0;
	req->huge = 0;
	memset(req->reasons, 0, sizeof(req->reasons));
}

/* The kernel leaves in @req where to go on after a signal. */
static int migrate_restart(struct ferry *f, struct ferry_migrate *req, struct ferry_moved *sum)
{
	int err;

	do {
		moved_clear(req);
		err = ferry_sys_ioctl(f->fd, FERRY_IOC_MIGRATE, req);
		if (!err || err == -EINTR)
			moved_add(sum, req);
	} while (err == -EINTR && req->len);
	return err == -EINTR ? 0 : err;
}

int ferry_migrate(struct ferry *f, const void *addr, size_t len, int dst,
		  unsigned int flags, struct ferry_moved *res)
{
	struct ferry_migrate req = { .size = sizeof(req), .flags = flags, .dst = dst };
	struct ferry_moved sum = { 0 };
	struct ferry_pages pages;
	int err;

	err = ferry_widen(f, ferry_address(addr), len, &pages);
	if (!err) {
		req.addr = pages.addr;
		req.len = pages.len;
		err = migrate_restart(f, &req, &sum);
	}
	if (res)
		*res = sum;
	return err;
}

int ferry_to_device(struct ferry *f, const void *addr, size_t len, struct ferry_moved *res)
{
	return ferry_migrate(f, addr, len, f->device, 0, res);
}

int ferry_to_ram(struct ferry *f, const void *addr, size_t len, struct ferry_moved *res)
{
	return ferry_migrate(f, addr, len, FERRY_RAM, 0, res);
}

/* ---- where pages are ------------------------------------------------- */

static int query(struct ferry *f, int pid, uint64_t addr, size_t count,
		 struct ferry_residency *pages)
{
	struct ferry_query req = {
		.size = sizeof(req),
		.addr = addr,
		.len = (uint64_t)count * f->page_size,
		.pages = ferry_address(pages),
		.pid = pid,
	};
	int err;

	do {
		err = ferry_sys_ioctl(f->fd, FERRY_IOC_QUERY, &req);
	} while (err == -EINTR);
	return err;
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

long ferry_residency_pid(struct ferry *f, int pid, uint64_t addr, size_t len,
			 struct ferry_residency *pages, size_t max)
{
	struct ferry_pages range;
	size_t want, done, n;
	int err;

	err = ferry_widen(f, addr, len, &range);
	if (err)
		return err;
	want = smaller(range.len / f->page_size, max);
	for (done = 0; done < want; done += n) {
		n = smaller(want - done, FERRY_MAX_QUERY);
		err = query(f, pid, range.addr + done * f->page_size, n, pages + done);
		if (err)
			return err;
	}
	return done;
}

long ferry_residency(struct ferry *f, const void *addr, size_t len,
		     struct ferry_residency *pages, size_t max)
{
	return ferry_residency_pid(f, 0, ferry_address(addr), len, pages, max);
}

/* ---- hints ----------------------------------------------------------- */

int ferry_advise(struct ferry *f, const void *addr, size_t len, enum ferry_advice advice)
{
	struct ferry_advise req = { .size = sizeof(req), .advice = advice };
	struct ferry_pages pages;
	int err;

	err = ferry_widen(f, ferry_address(addr), len, &pages);
	if (err)
		return err;
	req.addr = pages.addr;
	req.len = pages.len;
	do {
		err = ferry_sys_ioctl(f->fd, FERRY_IOC_ADVISE, &req);
	} while (err == -EINTR);
	return err;
}
