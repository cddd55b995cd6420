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
 *
 * DOC: Whom to wait for
 *
 * Another process may hold its mmap lock for writing as long as it likes. Making
 * room first takes only what it gets without waiting; when that was not enough it
 * goes round again and waits, killably, for owners, but never for strangers. Only
 * a device that goes away waits for everybody.
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

/**
 * struct ferry_eviction - an eviction and its scratch
 * @fd: the device
 * @block: the block at hand
 * @whose: take only what this address space owns, or NULL
 * @runs: whose pages it holds
 * @nr_runs: how many
 * @wait_owners: wait for the mmap locks of owners
 * @wait_strangers: and of all others
 * @missed: an mmap lock could not be had
 * @signal: sent to those who map pages of it, which stay where they are
 * @found: there were such pages in the windows looked at
 * @m: the migration home
 */
struct ferry_eviction {
	struct ferry_device *fd;
	unsigned long block;
	struct ferry_mm *whose;
	struct ferry_run *runs;
	unsigned int nr_runs;
	bool wait_owners;
	bool wait_strangers;
	bool missed;
	int signal;
	bool found;
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
		if (!meta[i].owner || (e->whose && meta[i].owner != e->whose)) {
			run = NULL;
			continue;
		}
		if (run && run->fm == meta[i].owner &&
		    run->index + run->nr == READ_ONCE(meta[i].index)) {
			run->nr++;
			continue;
		}
		run = &e->runs[e->nr_runs++];
		run->fm = meta[i].owner;
		run->index = READ_ONCE(meta[i].index);
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

/* Twice when it holds a folio that must be split first. */
static void ferry_evict_window(struct ferry_eviction *e,
			       struct vm_area_struct *vma, unsigned long start,
			       unsigned long end)
{
	e->m.split = false;
	e->m.small = false;
	do {
		e->m.small = e->m.split;
		e->m.split = false;
		memset(e->m.why, FERRY_WHY_IGNORE, e->m.max);
		ferry_migrate_window(&e->m, vma, start, end);
		e->found |= e->m.args.cpages;
	} while (e->m.split && !e->m.small);
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
		ferry_evict_window(e, vma, addr, next);
	}
}

/* VMAs outside, runs inside: there may be many of each. */
static void ferry_evict_mm_anywhere(struct ferry_eviction *e,
				    struct mm_struct *mm)
{
	VMA_ITERATOR(vmi, mm, 0);
	struct vm_area_struct *vma;
	unsigned int i;

	for_each_vma(vmi, vma) {
		if (!ferry_block_used(e->fd, e->block) ||
		    fatal_signal_pending(current))
			return;
		for (i = 0; vma->anon_vma && i < e->nr_runs; i++)
			ferry_evict_vma(e, vma, &e->runs[i]);
		cond_resched();
	}
}

/* Where the owner had them, unless mremap() moved them. */
static void ferry_evict_mm_in_place(struct ferry_eviction *e,
				    struct mm_struct *mm)
{
	struct vm_area_struct *vma;
	unsigned int i;

	for (i = 0; i < e->nr_runs; i++) {
		if (e->runs[i].fm->mm != mm)
			continue;
		vma = vma_lookup(mm, e->runs[i].index << PAGE_SHIFT);
		if (vma && vma->vm_pgoff == vma->vm_start >> PAGE_SHIFT)
			ferry_evict_vma(e, vma, &e->runs[i]);
	}
}

typedef void (*ferry_evict_fn)(struct ferry_eviction *e, struct mm_struct *mm);

static bool ferry_evict_lock(struct ferry_eviction *e, struct mm_struct *mm,
			     bool wait)
{
	bool locked;

	if (wait ? ferry_inject(evict_lock_mm) : ferry_inject(evict_trylock_mm))
		locked = false;
	else if (wait)
		locked = !mmap_read_lock_killable(mm);
	else
		locked = mmap_read_trylock(mm);
	e->missed |= !locked;
	return locked;
}

/* Do something with an address space, if it is still alive. */
static void ferry_evict_mm(struct ferry_eviction *e, struct mm_struct *mm,
			   struct ferry_mm *fm, bool wait, ferry_evict_fn fn)
{
	if (ferry_inject(evict_mm) || !mmget_not_zero(mm))
		return;
	if (ferry_evict_lock(e, mm, wait)) {
		e->m.fm = fm;
		fn(e, mm);
		e->m.fm = NULL;
		mmap_read_unlock(mm);
	}
	mmput_async(mm);
}

static void ferry_evict_owners(struct ferry_eviction *e, ferry_evict_fn fn)
{
	unsigned int i, j;

	for (i = 0; i < e->nr_runs; i++) {
		struct ferry_mm *fm = e->runs[i].fm;

		for (j = 0; j < i && e->runs[j].fm != fm; j++)
			;
		if (j == i)
			ferry_evict_mm(e, fm->mm, fm, e->wait_owners, fn);
	}
}

/* Do something with all owners of a block's frames. */
static void ferry_evict_by_owner(struct ferry_eviction *e, ferry_evict_fn fn)
{
	ferry_evict_gather(e);
	ferry_evict_owners(e, fn);
	ferry_evict_release(e);
}

/* The address spaces of all processes, kept from being freed, not from exiting. */
static struct mm_struct **ferry_all_mms(unsigned int *n)
{
	struct task_struct *p, *t;
	struct mm_struct **mms;
	unsigned int room = 64;

	*n = 0;
	rcu_read_lock();
	for_each_process(p)
		room++;
	rcu_read_unlock();

	mms = ferry_inject(evict_mms) ? NULL :
	      kvcalloc(room, sizeof(*mms), GFP_KERNEL);
	if (!mms)
		return NULL;
	rcu_read_lock();
	for_each_process(p) {
		/* The first thread may be gone while others live. */
		for_each_thread(p, t) {
			struct mm_struct *mm = NULL;

			task_lock(t);
			if (t->mm && !(t->flags & PF_KTHREAD) && *n < room) {
				mm = t->mm;
				mmgrab(mm);
			}
			task_unlock(t);
			if (mm) {
				mms[(*n)++] = mm;
				break;
			}
		}
	}
	rcu_read_unlock();
	return mms;
}

/* Do something with all address spaces that there are. */
static void ferry_evict_strangers(struct ferry_eviction *e, ferry_evict_fn fn)
{
	/* A frame in a grave needs an owner, too. */
	struct ferry_mm *fm = e->m.dst && e->nr_runs ? e->runs[0].fm : NULL;
	struct mm_struct **mms;
	unsigned int n, i;

	mms = ferry_all_mms(&n);
	for (i = 0; i < n; i++) {
		if (ferry_block_used(e->fd, e->block) &&
		    !fatal_signal_pending(current))
			ferry_evict_mm(e, mms[i], fm, e->wait_strangers, fn);
		mmdrop(mms[i]);
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
	ferry_evict_by_owner(e, ferry_evict_mm_in_place);

	if (ferry_block_used(fd, e->block)) {
		ferry_evict_gather(e);
		ferry_evict_owners(e, ferry_evict_mm_anywhere);
		if (ferry_block_used(fd, e->block))
			ferry_evict_strangers(e, ferry_evict_mm_anywhere);
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
			.select = ferry_kind_select(fd->kind),
			.only = fd,
			.only_nr = FERRY_BLOCK_FRAMES,
		},
	};
	if (ferry_device_has_huge(fd))
		e->m.select |= MIGRATE_VMA_SELECT_COMPOUND;
	e->runs = ferry_inject(evict_runs) ? NULL :
		  kvcalloc(FERRY_BLOCK_FRAMES, sizeof(*e->runs), GFP_KERNEL);
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

/* The block to evict next. */
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

	tried = ferry_inject(evict_tried) ? NULL :
		bitmap_zalloc(fd->region.nr >> FERRY_MAX_ORDER, GFP_KERNEL);
	if (!tried)
		return -ENOMEM;
	while (!ferry_has_room(fd, frames, huge)) {
		e->block = ferry_pick_block(fd, tried);
		if (ferry_inject(evict_pick) || e->block == FERRY_NO_FRAME) {
			ret = -ENOSPC;
			break;
		}
		if (ferry_inject(evict_signal) || fatal_signal_pending(current)) {
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
 * @impatient: do not wait for any mmap lock
 *
 * Nobody reserves what it frees: another migration may be faster.
 *
 * Context: may sleep; no mmap lock held, for any could be waited for here.
 * Return: 0 when there was room at some moment, -ENOSPC when all blocks were
 * tried, -EINTR, -ENOMEM.
 */
int ferry_make_room(struct ferry_device *fd, unsigned long frames, bool huge,
		    bool impatient)
{
	struct ferry_eviction e;
	int ret;

	frames = min(frames, fd->region.nr);
	if (ferry_inject(evict_lock) ||
	    mutex_lock_killable(&fd->region.evict_lock))
		return -EINTR;
	ret = 0;
	if (ferry_has_room(fd, frames, huge))
		goto unlock;
	ret = ferry_eviction_init(&e, fd);
	if (ret)
		goto unlock;
	ret = ferry_evict_until(&e, frames, huge);
	if (ret == -ENOSPC && e.missed && !impatient) {
		e.wait_owners = true;
		ret = ferry_evict_until(&e, frames, huge);
	}
	ferry_eviction_fini(&e);
unlock:
	mutex_unlock(&fd->region.evict_lock);
	return ret;
}

/**
 * ferry_evict_owned - send home what an address space has on a device
 * @fd: the device
 * @fm: the address space
 *
 * What it no longer maps itself, but a child of its, stays.
 *
 * Context: may sleep; no mmap lock held.
 * Return: 0, -EINTR, -ENOMEM.
 */
int ferry_evict_owned(struct ferry_device *fd, struct ferry_mm *fm)
{
	struct ferry_region *r = &fd->region;
	struct ferry_eviction e;
	int ret;

	if (mutex_lock_killable(&r->evict_lock))
		return -EINTR;
	ret = ferry_eviction_init(&e, fd);
	if (ret)
		goto unlock;
	e.whose = fm;
	e.wait_owners = true;
	for (e.block = 0; e.block < r->nr >> FERRY_MAX_ORDER; e.block++) {
		if (!ferry_block_used(fd, e.block))
			continue;
		e.m.only_first = e.block << FERRY_MAX_ORDER;
		ferry_evict_by_owner(&e, ferry_evict_mm_in_place);
		ferry_evict_by_owner(&e, ferry_evict_mm_anywhere);
		if (fatal_signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		cond_resched();
	}
	ferry_eviction_fini(&e);
unlock:
	mutex_unlock(&r->evict_lock);
	return ret;
}

/* One round over a device that goes away. */
static void ferry_evict_round(struct ferry_device *fd, struct ferry_device *grave)
{
	struct ferry_region *r = &fd->region;
	struct ferry_eviction e;

	if (ferry_eviction_init(&e, fd))
		return;
	e.m.dst = grave;
	e.wait_owners = true;
	e.wait_strangers = true;
	for (e.block = 0; e.block < r->nr >> FERRY_MAX_ORDER; e.block++) {
		if (ferry_block_used(fd, e.block))
			ferry_evict_block(&e);
	}
	ferry_eviction_fini(&e);
}

/**
 * ferry_evict_all - empty a device before it goes away
 * @fd: the device; nothing allocates its frames any more
 * @grave: where its pages go when its VRAM does not answer any more, or NULL to
 *	send them home; without it, ends early when the VRAM stops answering
 *
 * A page may be in transit elsewhere for a moment, so it is tried until it works:
 * the struct pages cannot be given back before.
 *
 * Context: may sleep, for as long as it takes.
 */
void ferry_evict_all(struct ferry_device *fd, struct ferry_device *grave)
{
	struct ferry_region *r = &fd->region;
	unsigned int round = 0;

	while (READ_ONCE(r->frames.free) < r->nr) {
		if (!grave && !ferry_device_alive(fd))
			return;
		ferry_evict_round(fd, grave);
		if (READ_ONCE(r->frames.free) == r->nr)
			break;
		if (++round == 100)
			dev_info(&fd->dev, "waiting for %lu pages to come home\n",
				 r->nr - READ_ONCE(r->frames.free));
		msleep(20);
	}
}

static void ferry_signal_mm(struct mm_struct *mm, int sig)
{
	struct task_struct *p, *t;

	rcu_read_lock();
	for_each_process(p) {
		/* The first thread may be gone while others live. */
		for_each_thread(p, t) {
			if (!(t->flags & PF_KTHREAD) && READ_ONCE(t->mm) == mm) {
				send_sig(sig, t, 1);
				break;
			}
		}
	}
	rcu_read_unlock();
}

/* Whether an address space maps what is lost, as far as the block at hand leads to. */
static void ferry_signal_mapper(struct ferry_eviction *e, struct mm_struct *mm)
{
	e->found = false;
	ferry_evict_mm_anywhere(e, mm);
	if (e->found)
		ferry_signal_mm(mm, e->signal);
}

/**
 * ferry_signal_mappers - send a signal to those who map pages of a grave
 * @fd: the grave, when nobody can wait for them to find out
 * @sig: the signal
 *
 * Whose mmap lock is taken at this moment is left out.
 *
 * Context: may sleep.
 */
void ferry_signal_mappers(struct ferry_device *fd, int sig)
{
	struct ferry_eviction e;

	if (ferry_eviction_init(&e, fd))
		return;
	e.signal = sig;
	e.m.look = true;
	for (e.block = 0; e.block < fd->region.nr >> FERRY_MAX_ORDER; e.block++) {
		if (!ferry_block_used(fd, e.block))
			continue;
		e.m.only_first = e.block << FERRY_MAX_ORDER;
		ferry_evict_gather(&e);
		ferry_evict_strangers(&e, ferry_signal_mapper);
		ferry_evict_release(&e);
	}
	ferry_eviction_fini(&e);
}
