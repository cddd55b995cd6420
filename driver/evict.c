// SPDX-License-Identifier: GPL-2.0-only
/*
 * Making room: the pages of the least recently used 2 MiB of frames go home.
 *
 * DOC: Whose page is it
 *
 * Taking pages by physical range (migrate_device_range()) holds no process, so
 * the last one that maps a page can exit while the page is in transit, and the
 * core then walks an anon_vma that is gone. Ferry evicts by virtual address
 * instead: each used frame remembers its owner and page index; the owner's mm is
 * kept alive, its mmap lock held, and the pages are collected through its VMAs.
 *
 * A page can outlive its owner's mapping: a child of fork may be the last to map
 * it. What the owner does not lead to is looked for in all processes; that is
 * slow, and rare.
 */
#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include "ferry.h"
#include "trace.h"

/* Neighbouring frames of a block that hold neighbouring pages of one owner. */
struct ferry_run {
	struct ferry_mm *fm;
	unsigned long index;
	unsigned long nr;
};

struct ferry_eviction {
	struct ferry_device *fd;
	unsigned long block;
	struct ferry_run *runs;
	unsigned int nr_runs;
	struct ferry_migration m;
};

static unsigned int ferry_block_used(struct ferry_device *fd, unsigned long b)
{
	return READ_ONCE(fd->region.frames.used[b]);
}

/* Write down whose pages a block holds; each run keeps its owner's record. */
static void ferry_evict_gather(struct ferry_eviction *e)
{
	struct ferry_region *r = &e->fd->region;
	struct ferry_frame_meta *meta = &r->meta[e->block << FERRY_MAX_ORDER];
	struct ferry_run *run = NULL;
	unsigned int i;

	e->nr_runs = 0;
	spin_lock(&r->lock);
	for (i = 0; i < FERRY_BLOCK_FRAMES; i++) {
		if (!meta[i].owner) {
			run = NULL;
			continue;
		}
		if (run && run->fm == meta[i].owner &&
		    run->index + run->nr == meta[i].index) {
			run->nr++;
			continue;
		}
		run = &e->runs[e->nr_runs++];
		run->fm = meta[i].owner;
		run->index = meta[i].index;
		run->nr = 1;
		refcount_inc(&run->fm->ref);
	}
	spin_unlock(&r->lock);
}

static void ferry_evict_release(struct ferry_eviction *e)
{
	while (e->nr_runs)
		ferry_mm_put(e->runs[--e->nr_runs].fm);
}

/* The part of a run that a VMA could map, window by window. */
static void ferry_evict_vma(struct ferry_eviction *e, struct vm_area_struct *vma,
			    const struct ferry_run *run)
{
	unsigned long first = max(run->index, vma->vm_pgoff);
	unsigned long last = min(run->index + run->nr,
				 vma->vm_pgoff + vma_pages(vma));
	unsigned long addr, end, next;

	if (first >= last || !vma->anon_vma)
		return;
	addr = vma->vm_start + ((first - vma->vm_pgoff) << PAGE_SHIFT);
	end = vma->vm_start + ((last - vma->vm_pgoff) << PAGE_SHIFT);
	/* A folio of 2 MiB moves as one only when all of it is in the window. */
	addr = max(vma->vm_start, ALIGN_DOWN(addr, FERRY_BLOCK_BYTES));
	end = min(vma->vm_end, ALIGN(end, FERRY_BLOCK_BYTES));
	for (; addr < end; addr = next) {
		next = min(end, ALIGN(addr + 1, FERRY_BLOCK_BYTES));
		memset(e->m.why, FERRY_WHY_IGNORE, e->m.max);
		ferry_migrate_window(&e->m, vma, addr, next);
	}
}

static void ferry_evict_run(struct ferry_eviction *e, struct mm_struct *mm,
			    const struct ferry_run *run)
{
	struct vm_area_struct *vma;

	/* Where it was, unless mremap() moved it. */
	vma = vma_lookup(mm, run->index << PAGE_SHIFT);
	if (vma && vma->vm_pgoff == vma->vm_start >> PAGE_SHIFT)
		ferry_evict_vma(e, vma, run);
}

static void ferry_evict_run_anywhere(struct ferry_eviction *e,
				     struct mm_struct *mm,
				     const struct ferry_run *run)
{
	struct vm_area_struct *vma;
	VMA_ITERATOR(vmi, mm, 0);

	for_each_vma(vmi, vma)
		ferry_evict_vma(e, vma, run);
}

typedef void (*ferry_evict_fn)(struct ferry_eviction *e, struct mm_struct *mm,
			       const struct ferry_run *run);

/* All runs of one owner under one hold of its mmap lock. */
static void ferry_evict_owner(struct ferry_eviction *e, struct ferry_mm *fm,
			      ferry_evict_fn fn)
{
	struct mm_struct *mm = fm->mm;
	unsigned int i;

	if (!mmget_not_zero(mm))
		return;
	mmap_read_lock(mm);
	for (i = 0; i < e->nr_runs; i++) {
		if (e->runs[i].fm == fm)
			fn(e, mm, &e->runs[i]);
	}
	mmap_read_unlock(mm);
	mmput_async(mm);
}

static void ferry_evict_owners(struct ferry_eviction *e, ferry_evict_fn fn)
{
	unsigned int i, j;

	for (i = 0; i < e->nr_runs; i++) {
		for (j = 0; j < i && e->runs[j].fm != e->runs[i].fm; j++)
			;
		if (j == i)
			ferry_evict_owner(e, e->runs[i].fm, fn);
	}
}

/* The address spaces of all processes; NULL without memory. */
static struct mm_struct **ferry_all_mms(unsigned int *n)
{
	struct mm_struct **mms;
	struct task_struct *p;
	unsigned int room = 64;

	*n = 0;
	rcu_read_lock();
	for_each_process(p)
		room++;
	rcu_read_unlock();

	mms = kvcalloc(room, sizeof(*mms), GFP_KERNEL);
	if (!mms)
		return NULL;
	rcu_read_lock();
	for_each_process(p) {
		struct mm_struct *mm = *n < room ? get_task_mm(p) : NULL;

		if (mm)
			mms[(*n)++] = mm;
	}
	rcu_read_unlock();
	return mms;
}

static void ferry_evict_strangers(struct ferry_eviction *e)
{
	struct mm_struct **mms;
	unsigned int n, i, k;

	mms = ferry_all_mms(&n);
	for (i = 0; i < n; i++) {
		if (ferry_block_used(e->fd, e->block)) {
			mmap_read_lock(mms[i]);
			for (k = 0; k < e->nr_runs; k++)
				ferry_evict_run_anywhere(e, mms[i], &e->runs[k]);
			mmap_read_unlock(mms[i]);
		}
		mmput_async(mms[i]);
		cond_resched();
	}
	kvfree(mms);
}

/*
 * Send the pages of a block home: where their owners had them, then anywhere in
 * the owners, then anywhere at all.
 */
static void ferry_evict_block(struct ferry_eviction *e)
{
	struct ferry_device *fd = e->fd;
	unsigned int used = ferry_block_used(fd, e->block), left;
	bool orphan = READ_ONCE(fd->region.blocks[e->block].orphan);
	u64 t = ktime_get_ns();

	e->m.only_first = e->block << FERRY_MAX_ORDER;
	ferry_evict_gather(e);
	ferry_evict_owners(e, ferry_evict_run);
	ferry_evict_release(e);

	if (ferry_block_used(fd, e->block)) {
		ferry_evict_gather(e);
		ferry_evict_owners(e, ferry_evict_run_anywhere);
		if (ferry_block_used(fd, e->block))
			ferry_evict_strangers(e);
		ferry_evict_release(e);
	}

	left = ferry_block_used(fd, e->block);
	ferry_count(fd, FERRY_C_EVICTIONS);
	if (left < used)
		ferry_count_add(fd, FERRY_C_EVICTED_PAGES, used - left);
	ferry_count_add(fd, FERRY_C_EVICT_FAILED_PAGES, left);
	trace_ferry_evict(fd->index, e->block, orphan, used, left);
	ferry_phase_end(fd, FERRY_PHASE_EVICT, &t);
}

static int ferry_eviction_init(struct ferry_eviction *e, struct ferry_device *fd)
{
	int ret;

	*e = (struct ferry_eviction) {
		.fd = fd,
		.m = {
			.from = fd,
			.max = FERRY_WINDOW,
			.select = MIGRATE_VMA_SELECT_DEVICE_PRIVATE |
				  MIGRATE_VMA_SELECT_COMPOUND,
			.only = fd,
			.only_nr = FERRY_BLOCK_FRAMES,
		},
	};
	e->runs = kvcalloc(FERRY_BLOCK_FRAMES, sizeof(*e->runs), GFP_KERNEL);
	if (!e->runs)
		return -ENOMEM;
	ret = ferry_migration_init(&e->m);
	if (ret)
		kvfree(e->runs);
	return ret;
}

static void ferry_eviction_fini(struct ferry_eviction *e)
{
	ferry_migration_fini(&e->m);
	kvfree(e->runs);
}

/* The block to evict next, of those used no later than @before. */
static unsigned long ferry_pick_block(struct ferry_device *fd,
				      const unsigned long *tried)
{
	const struct ferry_policy_ops *policy = READ_ONCE(fd->policy);
	struct ferry_region *r = &fd->region;
	struct ferry_policy_block best = {}, b;
	unsigned long i, pick = FERRY_NO_FRAME;

	for (i = 0; i < r->nr >> FERRY_MAX_ORDER; i++) {
		b.used = ferry_block_used(fd, i);
		if (!b.used || test_bit(i, tried))
			continue;
		b.last_use = READ_ONCE(r->blocks[i].last_use);
		b.orphan = READ_ONCE(r->blocks[i].orphan);
		if (pick == FERRY_NO_FRAME || policy->victim(&b, &best)) {
			best = b;
			pick = i;
		}
	}
	return pick;
}

static bool ferry_has_room(struct ferry_device *fd, unsigned long frames,
			   bool huge)
{
	struct ferry_frames *f = &fd->region.frames;

	return READ_ONCE(f->free) >= frames &&
	       (!huge || READ_ONCE(f->nr_free[FERRY_MAX_ORDER]));
}

static int ferry_evict_until(struct ferry_eviction *e, unsigned long frames,
			     bool huge)
{
	struct ferry_device *fd = e->fd;
	unsigned long *tried;
	int ret = 0;

	tried = bitmap_zalloc(fd->region.nr >> FERRY_MAX_ORDER, GFP_KERNEL);
	if (!tried)
		return -ENOMEM;
	while (!ferry_has_room(fd, frames, huge)) {
		e->block = ferry_pick_block(fd, tried);
		if (e->block == FERRY_NO_FRAME) {
			ret = -ENOSPC;
			break;
		}
		if (fatal_signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		__set_bit(e->block, tried);
		ferry_evict_block(e);
		cond_resched();
	}
	bitmap_free(tried);
	return ret;
}

/**
 * ferry_make_room - evict until frames are free
 * @fd: the device
 * @frames: how many 4 KiB frames
 * @huge: and 2 MiB of them together
 *
 * Nobody reserves what it frees: another migration may be faster.
 *
 * Context: may sleep; no mmap lock held, for any could be waited for here.
 * Return: 0 when there was room at some moment, -ENOSPC when all blocks were
 * tried, -EINTR, -ENOMEM.
 */
int ferry_make_room(struct ferry_device *fd, unsigned long frames, bool huge)
{
	struct ferry_eviction e;
	int ret;

	frames = min(frames, fd->region.nr);
	if (mutex_lock_killable(&fd->region.evict_lock))
		return -EINTR;
	ret = ferry_has_room(fd, frames, huge);
	if (ret) {
		ret = 0;
		goto unlock;
	}
	ret = ferry_eviction_init(&e, fd);
	if (ret)
		goto unlock;
	ret = ferry_evict_until(&e, frames, huge);
	ferry_eviction_fini(&e);
unlock:
	mutex_unlock(&fd->region.evict_lock);
	return ret;
}

/**
 * ferry_evict_all - empty a device before it goes away
 * @fd: the device; nothing allocates its frames any more
 *
 * A page may be in transit elsewhere for a moment, so it is tried until it works:
 * the struct pages cannot be given back before.
 *
 * Context: may sleep, for as long as it takes.
 */
void ferry_evict_all(struct ferry_device *fd)
{
	struct ferry_region *r = &fd->region;
	struct ferry_eviction e;
	unsigned int round = 0;

	while (READ_ONCE(r->frames.free) < r->nr) {
		if (ferry_eviction_init(&e, fd)) {
			msleep(100);
			continue;
		}
		for (e.block = 0; e.block < r->nr >> FERRY_MAX_ORDER; e.block++) {
			if (ferry_block_used(fd, e.block))
				ferry_evict_block(&e);
		}
		ferry_eviction_fini(&e);
		if (READ_ONCE(r->frames.free) == r->nr)
			break;
		if (++round == 100)
			dev_info(&fd->dev, "waiting for %lu pages to come home\n",
				 r->nr - READ_ONCE(r->frames.free));
		msleep(10);
	}
}
