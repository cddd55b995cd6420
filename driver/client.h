/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Clients: what ferry.ko offers to other modules.
 *
 * A client opens a context for the address space of the task that calls it, and
 * works on that address space through it, always from a task that has it: like a
 * program through the node, without the node. Symbols are in the namespace FERRY.
 */
#ifndef FERRY_CLIENT_H
#define FERRY_CLIENT_H

#include <linux/ferry.h>
#include <linux/types.h>

struct ferry_context;
struct page;

/**
 * struct ferry_access - a range that a client has the device access
 * @addr: next page; the caller moves it on
 * @end: end of the range
 * @access: FERRY_ACCESS_READ or FERRY_ACCESS_WRITE
 * @patient: a fault may wait for userfaultfd
 * @faults: faults taken, counted up; one takes the rest of the range with it
 */
struct ferry_access {
	u64 addr;
	u64 end;
	u32 access;
	bool patient;
	u64 faults;
};

/* Gets what is known of the next @nr pages; an error ends the query. */
typedef int (*ferry_query_fn)(void *arg, const struct ferry_residency *r,
			      unsigned long nr);

int ferry_client_kind(int device);
struct ferry_context *ferry_client_open(int device);
void ferry_client_close(struct ferry_context *ctx);
int ferry_client_check(struct ferry_context *ctx, u64 addr, u64 len);
int ferry_client_page(struct ferry_context *ctx, struct ferry_access *a,
		      struct page *page);
int ferry_client_take(struct ferry_context *ctx, u64 addr, u64 len);
int ferry_client_taken(struct ferry_context *ctx, u64 addr, u64 len);
int ferry_client_migrate(struct ferry_context *ctx, struct ferry_migrate *req,
			 bool to_device);
int ferry_client_query(struct ferry_context *ctx, u64 addr, u64 len,
		       ferry_query_fn fn, void *arg);
int ferry_client_release(struct ferry_context *ctx);
void ferry_client_fail_next(struct ferry_context *ctx, bool on);

#endif /* FERRY_CLIENT_H */
