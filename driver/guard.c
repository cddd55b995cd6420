// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guard: nobody zaps a 2 MiB device folio while it leaves its device.
 *
 * While a PMD-mapped device-private folio is migrated away, a PMD migration entry
 * stands in its place. In Linux 7.3, zap_huge_pmd() takes such an entry for a
 * mapping of the folio, because the folio it names is device-private: it drops a
 * mapping count and a reference that are gone already. A madvise(MADV_DONTNEED)
 * that races with a page on its way home would thus free the folio under the copy.
 *
 * Until the core tells the two apart, Ferry keeps zaps off. Each address space
 * that uses Ferry has an mmu notifier; a zap that overlaps a folio in transit
 * waits in it until the folio has arrived. The wait has a limit, because an rmap
 * walk of the core may call with an anon_vma locked that the migration needs next:
 * it does not zap, so going on after the limit does no harm.
 *
 * The guard covers one address space. A folio that others map as well is never
 * moved as a whole: the core splits it first, and 4 KiB entries do not have the
 * problem.
 */
#include <linux/sched.h>
#include <linux/slab.h>
#include "ferry.h"

/* Much longer than 2 MiB take, much shorter than the hung task detector. */
#define FERRY_GUARD_LIMIT	(2 * HZ)

static bool ferry_in_transit(struct ferry_mm *fm, unsigned long start,
			     unsigned long end)
{
	struct ferry_transit *t;
	bool found = false;

	spin_lock(&fm->transit_lock);
	list_for_each_entry(t, &fm->transits, node) {
		if (t->task != current && t->start < end &&
		    start < t->start + FERRY_BLOCK_BYTES) {
			found = true;
			break;
		}
	}
	spin_unlock(&fm->transit_lock);
	return found;
}

static int ferry_guard_start(struct mmu_notifier *mn,
			     const struct mmu_notifier_range *range)
{
	struct ferry_mm *fm = container_of(mn, struct ferry_mm, guard);

	if (range->event != MMU_NOTIFY_CLEAR || list_empty(&fm->transits) ||
	    !ferry_in_transit(fm, range->start, range->end))
		return 0;
	if (!mmu_notifier_range_blockable(range))
		return -EAGAIN;
	wait_event_timeout(fm->transit_wait,
			   !ferry_in_transit(fm, range->start, range->end),
			   FERRY_GUARD_LIMIT);
	return 0;
}

static const struct mmu_notifier_ops ferry_guard_ops = {
	.invalidate_range_start = ferry_guard_start,
};

/**
 * ferry_guard_init - put a guard on an address space
 * @fm: its record; fm->mm is the caller's own
 *
 * Context: may sleep; takes the mmap lock for writing.
 * Return: 0, -ENOMEM or -EINTR.
 */
int ferry_guard_init(struct ferry_mm *fm)
{
	spin_lock_init(&fm->transit_lock);
	INIT_LIST_HEAD(&fm->transits);
	init_waitqueue_head(&fm->transit_wait);
	fm->guard.ops = &ferry_guard_ops;
	return ferry_inject(guard) ? -ENOMEM :
	       mmu_notifier_register(&fm->guard, fm->mm);
}

/**
 * ferry_guard_fini - take the guard off
 * @fm: the record; nothing of it is in transit
 *
 * Context: may sleep.
 */
void ferry_guard_fini(struct ferry_mm *fm)
{
	mmu_notifier_unregister(&fm->guard, fm->mm);
}

/**
 * ferry_transit_begin - a 2 MiB device folio is about to leave
 * @fm: the address space that maps it, alone
 * @t: the record; ferry_transit_end() ends it
 * @start: the folio's address
 *
 * Context: before the folio is collected.
 */
void ferry_transit_begin(struct ferry_mm *fm, struct ferry_transit *t,
			 unsigned long start)
{
	t->start = start;
	t->task = current;
	spin_lock(&fm->transit_lock);
	list_add(&t->node, &fm->transits);
	spin_unlock(&fm->transit_lock);
}

/**
 * ferry_transit_end - the folio has arrived, or stays
 * @fm: the address space
 * @t: the record; nothing happens when it is not in use
 */
void ferry_transit_end(struct ferry_mm *fm, struct ferry_transit *t)
{
	if (!t->task)
		return;
	spin_lock(&fm->transit_lock);
	list_del(&t->node);
	spin_unlock(&fm->transit_lock);
	t->task = NULL;
	wake_up_all(&fm->transit_wait);
}
