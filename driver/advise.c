// SPDX-License-Identifier: GPL-2.0-only
/*
 * Advice: what a program says of its ranges, kept as disjoint intervals.
 */
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include "ferry.h"

#define FERRY_MAX_ADVICE	4096U

struct ferry_hint {
	struct list_head node;
	unsigned long start;
	unsigned long end;
	u32 advice;
};

/**
 * ferry_advice_at - the hint for an address
 * @ctx: the context
 * @addr: the address
 * @start: out: from where on it is the hint
 * @end: out: up to where, at the most ULONG_MAX
 *
 * Context: may sleep.
 * Return: enum ferry_advice.
 */
u32 ferry_advice_at(struct ferry_context *ctx, unsigned long addr,
		    unsigned long *start, unsigned long *end)
{
	u32 advice = FERRY_ADVISE_NORMAL;
	struct ferry_hint *h;

	*start = 0;
	*end = ULONG_MAX;
	mutex_lock(&ctx->advice_lock);
	list_for_each_entry(h, &ctx->advice, node) {
		if (addr >= h->start && addr < h->end) {
			advice = h->advice;
			*start = h->start;
			*end = h->end;
			break;
		}
		if (h->start > addr)
			*end = min(*end, h->start);
		else
			*start = max(*start, h->end);
	}
	mutex_unlock(&ctx->advice_lock);
	return advice;
}

/* Take [start, end) out of the list. @spare is used when a hint falls in two. */
static void ferry_advice_cut(struct ferry_context *ctx, unsigned long start,
			     unsigned long end, struct ferry_hint **spare)
{
	struct ferry_hint *h, *next;

	list_for_each_entry_safe(h, next, &ctx->advice, node) {
		if (h->end <= start || h->start >= end)
			continue;
		if (h->start < start && h->end > end) {
			**spare = *h;
			(*spare)->start = end;
			list_add(&(*spare)->node, &h->node);
			*spare = NULL;
			h->end = start;
			ctx->nr_advice++;
		} else if (h->start < start) {
			h->end = start;
		} else if (h->end > end) {
			h->start = end;
		} else {
			list_del(&h->node);
			kfree(h);
			ctx->nr_advice--;
		}
	}
}

/* Whether taking [start, end) out makes two hints of one. */
static bool ferry_advice_splits(struct ferry_context *ctx, unsigned long start,
				unsigned long end)
{
	struct ferry_hint *h;

	list_for_each_entry(h, &ctx->advice, node) {
		if (h->start < start && h->end > end)
			return true;
	}
	return false;
}

static int ferry_advice_set(struct ferry_context *ctx, unsigned long start,
			    unsigned long end, u32 advice)
{
	struct ferry_hint *spare, *h;
	unsigned int more;
	int ret = 0;

	spare = ferry_inject(hint_spare) ? NULL :
		kzalloc_obj(*spare, GFP_KERNEL_ACCOUNT);
	h = ferry_inject(hint) ? NULL : kzalloc_obj(*h, GFP_KERNEL_ACCOUNT);
	if (!spare || !h) {
		ret = -ENOMEM;
		goto free;
	}
	mutex_lock(&ctx->advice_lock);
	more = ferry_advice_splits(ctx, start, end);
	if (!more)
		ferry_advice_cut(ctx, start, end, &spare);
	more += advice != FERRY_ADVISE_NORMAL;
	if (ferry_inject(hint_limit) || ctx->nr_advice + more > FERRY_MAX_ADVICE) {
		ret = -ENOSPC;
		goto unlock;
	}
	ferry_advice_cut(ctx, start, end, &spare);
	if (advice != FERRY_ADVISE_NORMAL) {
		h->start = start;
		h->end = end;
		h->advice = advice;
		list_add(&h->node, &ctx->advice);
		ctx->nr_advice++;
		h = NULL;
	}
unlock:
	mutex_unlock(&ctx->advice_lock);
free:
	kfree(spare);
	kfree(h);
	return ret;
}

/* Map what there is of a range; what cannot be mapped faults later, and says so. */
static int ferry_advice_map(struct ferry_context *ctx, unsigned long start,
			    unsigned long end)
{
	struct mm_struct *mm = ctx->fm->mm;
	unsigned long addr, next;
	int ret = 0;

	if (ferry_inject(advise_mm) || !mmget_not_zero(mm))
		return -ESRCH;
	for (addr = start; addr < end && !ret; addr = next) {
		struct vm_area_struct *vma;

		if (ferry_inject(advise_signal) || signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		next = min(end, ALIGN(addr + 1, FERRY_BLOCK_BYTES));
		ret = ferry_mirror_cover(&ctx->mirror, addr, next);
		if (ret || ferry_inject(advise_lock) ||
		    mmap_read_lock_killable(mm)) {
			ret = ret ?: -EINTR;
			break;
		}
		vma = find_vma(mm, addr);
		if (!vma || vma->vm_start >= end) {
			next = end;
		} else if (vma->vm_start > addr) {
			next = vma->vm_start;
		} else {
			next = min(next, vma->vm_end);
			ferry_mirror_map_hmm(&ctx->mirror, addr,
					     (next - addr) >> PAGE_SHIFT,
					     vma->vm_flags & VM_WRITE ?
					     FERRY_ACCESS_WRITE :
					     FERRY_ACCESS_READ, true);
		}
		mmap_read_unlock(mm);
		cond_resched();
	}
	mmput(mm);
	return ret;
}

/**
 * ferry_advise_range - FERRY_IOC_ADVISE, on checked arguments
 * @ctx: the caller's context
 * @req: the request
 *
 * Context: may sleep.
 * Return: 0 or the errno that the uapi header names.
 */
int ferry_advise_range(struct ferry_context *ctx, const struct ferry_advise *req)
{
	unsigned long end = req->addr + req->len;
	int ret;

	ret = ferry_advice_set(ctx, req->addr, end, req->advice);
	if (!ret && req->advice == FERRY_ADVISE_ACCESSED_BY)
		ret = ferry_advice_map(ctx, req->addr, end);
	return ret;
}

/**
 * ferry_advice_fini - forget all hints of a context
 * @ctx: the context; nobody asks any more
 */
void ferry_advice_fini(struct ferry_context *ctx)
{
	struct ferry_hint *h, *next;

	list_for_each_entry_safe(h, next, &ctx->advice, node)
		kfree(h);
}
