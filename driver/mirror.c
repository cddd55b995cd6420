// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mirrors: a context's device page table, kept true by interval notifiers.
 *
 * DOC: Invalidation
 *
 * The address space is cut into granules of FERRY_GRANULE bytes; the first use
 * of one creates its interval notifier. An invalidation removes exactly the
 * entries of its range, and moves the granule's sequence on. Whoever wants to
 * enter a translation remembers the sequence before it looks at the CPU's page
 * table, and enters it under mirror.lock only when the sequence has not moved
 * (mmu_interval_read_begin() and _read_retry(), as Documentation/mm/hmm.rst has
 * it).
 *
 * A migration of our own sends two notifications for pages that were never
 * touched: when it collects, and when it inserts the new pages. The second one
 * finds nothing left to remove, so the TLB is not flushed twice; and it is the
 * task's own doing, so it must not make the task's own entries look outdated.
 * struct ferry_commit is how the callback tells that case from a change by
 * somebody else: it is on record from before the task looks at the CPU's page
 * table until it enters what it found; the task's own notifications move its
 * sequence along, any other one marks it raced. (The sequence alone would not do:
 * all ranges that are open at the same time share one number.)
 *
 * Holding mirror.lock keeps every translation of the mirror in force: the engine
 * uses them only under it, so an invalidation that returns has no access of the
 * device in flight.
 */
#include <linux/delay.h>
#include <linux/hmm.h>
#include <linux/magic.h>
#include <linux/pagemap.h>
#include <linux/rmap.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/userfaultfd_k.h>
#include "ferry.h"
#include "trace.h"

static bool ferry_event_is_own(const struct mmu_notifier_range *range)
{
	return (range->event == MMU_NOTIFY_MIGRATE ||
		range->event == MMU_NOTIFY_EXCLUSIVE) &&
	       range->owner == ferry_owner;
}

/* Tell everybody who is about to enter translations of this granule. */
static void ferry_commits_notice(struct ferry_mirror *m, struct ferry_granule *g,
				 const struct mmu_notifier_range *range,
				 unsigned long cur_seq)
{
	struct ferry_commit *c;

	lockdep_assert_held(&m->lock);
	list_for_each_entry(c, &m->commits, node) {
		if (c->granule != g)
			continue;
		if (c->task == current && ferry_event_is_own(range) &&
		    !mmu_interval_read_retry(&g->mni, c->seq))
			c->seq = cur_seq;
		else
			c->raced = true;
	}
}

static bool ferry_invalidate(struct mmu_interval_notifier *mni,
			     const struct mmu_notifier_range *range,
			     unsigned long cur_seq)
{
	struct ferry_granule *g = container_of(mni, struct ferry_granule, mni);
	struct ferry_mirror *m = g->mirror;
	unsigned long start = max(range->start, mni->interval_tree.start);
	unsigned long last = min(range->end - 1, mni->interval_tree.last);
	unsigned long nr = (last + 1 - start) >> PAGE_SHIFT;
	unsigned long removed;

	if (mmu_notifier_range_blockable(range))
		mutex_lock(&m->lock);
	else if (!mutex_trylock(&m->lock))
		return false;

	ferry_commits_notice(m, g, range, cur_seq);
	mmu_interval_set_seq(mni, cur_seq);

	removed = ferry_pt_unmap(&m->pt, start >> PAGE_SHIFT, nr);
	if (removed)
		m->fd->hw->flush_tlb(m->fd, m->id, start >> PAGE_SHIFT, nr);
	mutex_unlock(&m->lock);

	ferry_count(m->fd, FERRY_C_INVALIDATIONS);
	if (removed) {
		ferry_count_add(m->fd, FERRY_C_INVALIDATED_PAGES, removed);
		ferry_count(m->fd, FERRY_C_TLB_FLUSHES);
	}
	trace_ferry_invalidate(m, start, last + 1, range->event, removed);
	return true;
}

static const struct mmu_interval_notifier_ops ferry_granule_ops = {
	.invalidate = ferry_invalidate,
};

/**
 * ferry_mirror_init - make an empty mirror
 * @m: the mirror
 * @fd: its device
 * @mm: its address space; outlives the mirror (mmgrab)
 */
void ferry_mirror_init(struct ferry_mirror *m, struct ferry_device *fd,
		       struct mm_struct *mm)
{
	m->mm = mm;
	m->fd = fd;
	m->id = atomic_inc_return(&fd->next_id);
	mutex_init(&m->lock);
	mutex_init(&m->grow);
	xa_init(&m->granules);
	INIT_LIST_HEAD(&m->commits);
	ferry_pt_init(&m->pt);
}

/**
 * ferry_mirror_fini - take a mirror down
 * @m: the mirror; no engine, fault or migration uses it any more
 *
 * Context: may sleep; not inside a notifier callback.
 */
void ferry_mirror_fini(struct ferry_mirror *m)
{
	struct ferry_granule *g;
	unsigned long i;

	xa_for_each(&m->granules, i, g) {
		mmu_interval_notifier_remove(&g->mni);
		kfree(g);
	}
	xa_destroy(&m->granules);
	ferry_pt_cache_drain(&m->tables);
	ferry_pt_fini(&m->pt);
}

/* Leaf tables that entering one window can need: it may straddle two. */
#define FERRY_LEAVES	2U

/**
 * ferry_mirror_prepare - have tables at hand for one window of entries
 * @m: the mirror
 *
 * Tables are allocated before the lock is taken under which they are used.
 * Another task may use them first; what cannot be entered then only faults again.
 *
 * Context: may sleep; mirror.lock not held.
 * Return: 0 or -ENOMEM.
 */
int ferry_mirror_prepare(struct ferry_mirror *m)
{
	struct ferry_pt_cache fresh;
	int ret;

	mutex_lock(&m->lock);
	if (ferry_pt_cache_ready(&m->tables, FERRY_LEAVES)) {
		mutex_unlock(&m->lock);
		return 0;
	}
	/* Take what is left, so that only the difference is allocated. */
	fresh = m->tables;
	memset(&m->tables, 0, sizeof(m->tables));
	mutex_unlock(&m->lock);

	ret = ferry_pt_cache_fill(&fresh, FERRY_LEAVES);
	mutex_lock(&m->lock);
	swap(fresh, m->tables);
	mutex_unlock(&m->lock);
	ferry_pt_cache_drain(&fresh);
	return ret;
}

static int ferry_granule_add(struct ferry_mirror *m, unsigned long i)
{
	struct ferry_granule *g;
	int ret;

	g = ferry_inject(granule) ? NULL : kzalloc_obj(*g, GFP_KERNEL_ACCOUNT);
	if (!g)
		return -ENOMEM;
	g->mirror = m;
	ret = ferry_inject(granule_notifier) ? -ENOMEM :
	      mmu_interval_notifier_insert(&g->mni, m->mm,
					   i << FERRY_GRANULE_SHIFT,
					   FERRY_GRANULE, &ferry_granule_ops);
	if (ret) {
		kfree(g);
		return ret;
	}
	ret = ferry_inject(granule_store) ? -ENOMEM :
	      xa_err(xa_store(&m->granules, i, g, GFP_KERNEL_ACCOUNT));
	if (ret) {
		mmu_interval_notifier_remove(&g->mni);
		kfree(g);
	}
	return ret;
}

/**
 * ferry_mirror_cover - make sure that notifiers watch a range
 * @m: the mirror
 * @start: first address
 * @end: end of the range, exclusive
 *
 * Context: mm_users held (mmget), mmap_lock not held: the first notifier of an
 * address space takes it for writing.
 * Return: 0, -ENOMEM, or -EINTR.
 */
int ferry_mirror_cover(struct ferry_mirror *m, unsigned long start,
		       unsigned long end)
{
	unsigned long i, last = (end - 1) >> FERRY_GRANULE_SHIFT;
	int ret = 0;

	for (i = start >> FERRY_GRANULE_SHIFT; i <= last && !ret; i++) {
		if (xa_load(&m->granules, i))
			continue;
		mutex_lock(&m->grow);
		if (!xa_load(&m->granules, i))
			ret = ferry_granule_add(m, i);
		mutex_unlock(&m->grow);
	}
	return ret;
}

/**
 * ferry_mirror_granule - the granule of an address
 * @m: the mirror
 * @addr: the address
 *
 * Return: the granule, or NULL when ferry_mirror_cover() was not called for it.
 */
struct ferry_granule *ferry_mirror_granule(struct ferry_mirror *m,
					   unsigned long addr)
{
	return xa_load(&m->granules, addr >> FERRY_GRANULE_SHIFT);
}

/**
 * ferry_commit_begin - from now on, notice changes of a granule
 * @m: the mirror
 * @c: the record; ferry_commit_lock() ends it
 * @g: the granule
 *
 * Context: may sleep; waits for an invalidation in progress, so no folio may be
 * locked here: UFFDIO_MOVE waits for folios in the middle of one.
 */
void ferry_commit_begin(struct ferry_mirror *m, struct ferry_commit *c,
			struct ferry_granule *g)
{
	c->granule = g;
	c->task = current;
	c->raced = false;
	c->seq = mmu_interval_read_begin(&g->mni);
	mutex_lock(&m->lock);
	list_add(&c->node, &m->commits);
	mutex_unlock(&m->lock);
}

/**
 * ferry_commit_lock - take mirror.lock, and tell whether entries may be made
 * @m: the mirror
 * @c: the record of ferry_commit_begin()
 *
 * Context: returns with mirror.lock held.
 * Return: true when nobody else changed the granule since ferry_commit_begin().
 */
bool ferry_commit_lock(struct ferry_mirror *m, struct ferry_commit *c)
{
	mutex_lock(&m->lock);
	list_del(&c->node);
	c->task = NULL;
	return !ferry_inject(commit_raced) && !c->raced &&
	       !mmu_interval_read_retry(&c->granule->mni, c->seq);
}

/* secretmem pages are not in the kernel's map: no device may reach them. */
static bool ferry_vma_refused(const struct vm_area_struct *vma)
{
	return vma->vm_flags & VM_SHADOW_STACK ||
	       (vma->vm_file &&
		file_inode(vma->vm_file)->i_sb->s_magic == SECRETMEM_MAGIC);
}

/**
 * ferry_range_refused - whether a range holds memory that no device may reach
 * @mm: address space
 * @start: first address
 * @end: end of the range
 *
 * The core checks neither for hmm_range_fault().
 *
 * Context: mmap_lock held.
 * Return: true when a VMA of the range is secret memory or a shadow stack.
 */
bool ferry_range_refused(struct mm_struct *mm, unsigned long start,
			 unsigned long end)
{
	VMA_ITERATOR(vmi, mm, start);
	struct vm_area_struct *vma;

	mmap_assert_locked(mm);
	for_each_vma_range(vmi, vma, end) {
		if (ferry_vma_refused(vma))
			return true;
	}
	return false;
}

/*
 * One defect of hmm_range_fault() in 7.3 undone: for a range that begins in the
 * middle of a PMD-mapped device-private folio it reports the folio's first pages.
 * Only entries before the first PMD boundary can be wrong, and what is stored
 * instead is right on a fixed kernel, too.
 */
static void ferry_hmm_correct(struct hmm_range *range)
{
	unsigned long into = (range->start & ~HPAGE_PMD_MASK) >> PAGE_SHIFT;
	unsigned long i, nr = (range->end - range->start) >> PAGE_SHIFT;

	if (!into)
		return;
	nr = min(nr, HPAGE_PMD_NR - into);
	for (i = 0; i < nr; i++) {
		unsigned long hmm = range->hmm_pfns[i], pfn;

		if (!(hmm & HMM_PFN_VALID) || (hmm & HMM_PFN_ERROR) ||
		    hmm_pfn_to_map_order(hmm) < HPAGE_PMD_ORDER)
			continue;
		pfn = hmm & ~HMM_PFN_FLAGS;
		if (!ferry_pfn_device(pfn))
			continue;
		pfn = ALIGN_DOWN(pfn, HPAGE_PMD_NR) + into + i;
		range->hmm_pfns[i] = (hmm & HMM_PFN_FLAGS) | pfn;
	}
}

static int ferry_hmm_range_fault(struct hmm_range *range)
{
	int ret = ferry_inject(hmm) ? -EBUSY : hmm_range_fault(range);

	if (!ret)
		ferry_hmm_correct(range);
	return ret;
}

/* The device entry for what hmm_range_fault() found; 0 for nothing. */
static u64 ferry_pte_of_hmm(unsigned long hmm, u32 access)
{
	struct ferry_device *fd;
	struct page *page;
	u64 flags = 0;

	if (!(hmm & HMM_PFN_VALID) || (hmm & HMM_PFN_ERROR))
		return 0;
	page = hmm_pfn_to_page(hmm);
	fd = ferry_page_device(page);
	if (fd) {
		if (hmm & HMM_PFN_WRITE)
			flags |= FERRY_PTE_WRITE;
		flags |= FERRY_PTE_DEVICE |
			 ((u64)fd->index << FERRY_PTE_DEV_SHIFT);
		return ferry_pte(ferry_page_frame(page), flags);
	}
	/* A RAM page is dirtied when, and only when, it is mapped for writing. */
	if (access != FERRY_ACCESS_READ && (hmm & HMM_PFN_WRITE)) {
		flags |= FERRY_PTE_WRITE;
		/*
		 * Atomics on what is not anonymous go to the one page that all
		 * share; make_device_exclusive() has nothing to add there.
		 */
		if (access == FERRY_ACCESS_ATOMIC && !PageAnon(page))
			flags |= FERRY_PTE_EXCLUSIVE;
		set_page_dirty(page);
	}
	return ferry_pte(page_to_pfn(page), flags);
}

static void ferry_mirror_enter(struct ferry_mirror *m, unsigned long start,
			       unsigned long nr, const unsigned long *pfns,
			       u32 access)
{
	u64 vpn = start >> PAGE_SHIFT;
	unsigned long i, step;

	lockdep_assert_held(&m->lock);
	for (i = 0; i < nr; i += step) {
		u64 pte = ferry_pte_of_hmm(pfns[i], access);
		unsigned int order = 0;

		if (pte && hmm_pfn_to_map_order(pfns[i]) >= FERRY_MAX_ORDER &&
		    IS_ALIGNED(vpn + i, FERRY_BLOCK_FRAMES) &&
		    nr - i >= FERRY_BLOCK_FRAMES)
			order = FERRY_MAX_ORDER;
		step = 1UL << order;
		/* A missing table only costs another fault. */
		if (pte)
			ferry_pt_map(&m->pt, &m->tables, vpn + i, order, pte);
	}
}

/* A range for hmm_range_fault(), to be faulted in; its pfns are the caller's to free. */
static int ferry_hmm_range_init(struct hmm_range *range, struct ferry_mirror *m,
				unsigned long start, unsigned long nr, u32 access,
				void *owner)
{
	*range = (struct hmm_range) {
		.notifier = &ferry_mirror_granule(m, start)->mni,
		.start = start,
		.end = start + (nr << PAGE_SHIFT),
		.default_flags = HMM_PFN_REQ_FAULT,
		.dev_private_owner = owner,
	};
	if (access != FERRY_ACCESS_READ)
		range->default_flags |= HMM_PFN_REQ_WRITE;
	range->hmm_pfns = ferry_inject(map_pfns) ? NULL :
			  kvcalloc(nr, sizeof(*range->hmm_pfns), GFP_KERNEL);
	return range->hmm_pfns ? 0 : -ENOMEM;
}

/* Enter what a range was found to be, unless it changed meanwhile: -EBUSY then. */
static int ferry_hmm_range_enter(const struct hmm_range *range,
				 struct ferry_mirror *m, u32 access)
{
	unsigned long nr = (range->end - range->start) >> PAGE_SHIFT;
	int ret = -EBUSY;

	mutex_lock(&m->lock);
	if (!ferry_inject(map_raced) &&
	    !mmu_interval_read_retry(range->notifier, range->notifier_seq)) {
		ferry_mirror_enter(m, range->start, nr, range->hmm_pfns, access);
		ret = 0;
	}
	mutex_unlock(&m->lock);
	return ret;
}

/* Tries at a page that waits for user space, or for a swap device. */
#define FERRY_WATCHED_TRIES	64

/* Fault in a page that userfaultfd watches, unless user space has to do something. */
static int ferry_watched_fault_in(struct ferry_mirror *m, unsigned long addr,
				  bool write)
{
	unsigned int flags = FOLL_NOWAIT | (write ? FOLL_WRITE : 0), tries;
	unsigned long hmm;
	long ret;

	if (!ferry_mirror_snapshot(m, addr, 1, &hmm) && hmm & HMM_PFN_VALID &&
	    (!write || hmm & HMM_PFN_WRITE))
		return 0;
	for (tries = 0; tries < FERRY_WATCHED_TRIES; tries++) {
		ret = get_user_pages_remote(m->mm, addr, 1, flags, NULL, NULL);
		if (ret)
			return ret == -ENOMEM ? ret : ret < 0 ? -EFAULT : 0;
		usleep_range(100, 200);
	}
	return -EFAULT;
}

static int ferry_watched_fault_in_all(struct ferry_mirror *m, unsigned long addr,
				      unsigned long end, bool write)
{
	int ret = 0;

	for (; !ret && addr < end; addr += PAGE_SIZE)
		ret = ferry_watched_fault_in(m, addr, write);
	return ret;
}

/*
 * Look at the VMAs of a range before hmm_range_fault() does. -EFAULT for those that it
 * does not refuse and should. What userfaultfd watches is asked for in a way that waits
 * for nobody: under the mmap lock hmm_range_fault() cannot wait for user space either,
 * and with CONFIG_DEBUG_VM says so in the log, by a stack.
 */
static int ferry_range_prepare(struct ferry_mirror *m, unsigned long start,
			       unsigned long end, u32 access)
{
	VMA_ITERATOR(vmi, m->mm, start);
	struct vm_area_struct *vma;
	int ret = 0;

	mmap_assert_locked(m->mm);
	for_each_vma_range(vmi, vma, end) {
		if (ferry_vma_refused(vma))
			return -EFAULT;
		if (userfaultfd_armed(vma))
			ret = ferry_watched_fault_in_all(m, max(start, vma->vm_start),
							 min(end, vma->vm_end),
							 access != FERRY_ACCESS_READ);
		if (ret)
			break;
	}
	return ret;
}

/**
 * ferry_mirror_map_hmm - enter a range where its pages are, faulting them in
 * @m: the mirror, covered over the range
 * @start: first address, inside one granule with the rest
 * @nr: pages, at most FERRY_WINDOW
 * @access: FERRY_ACCESS_*; other than read needs the pages writable
 * @local: leave pages that are on a Ferry device there; else they come home
 *
 * Context: mmap_lock held for reading; may sleep.
 * Return: 0, -EFAULT (no mapping, or it forbids the access), -EBUSY (it kept
 * changing), -ENOMEM.
 */
int ferry_mirror_map_hmm(struct ferry_mirror *m, unsigned long start,
			 unsigned long nr, u32 access, bool local)
{
	struct hmm_range range;
	unsigned int tries = 0;
	int ret;

	ret = ferry_range_prepare(m, start, start + (nr << PAGE_SHIFT), access) ?:
	      ferry_hmm_range_init(&range, m, start, nr, access,
				   local ? ferry_owner : NULL);
	if (ret)
		return ret;
	ret = ferry_mirror_prepare(m);
	while (!ret) {
		range.notifier_seq = mmu_interval_read_begin(range.notifier);
		ret = ferry_inject(map_fault) ? -EFAULT :
		      ferry_hmm_range_fault(&range);
		if (!ret)
			ret = ferry_hmm_range_enter(&range, m, access);
		if (!ret)
			break;
		if (ret == -EBUSY && ++tries < 16) {
			ferry_count(m->fd, FERRY_C_DEV_FAULT_RETRIES);
			ret = 0;
		}
	}
	kvfree(range.hmm_pfns);
	return ret;
}

/**
 * ferry_mirror_map_patiently - the same, and wait for user space behind a mapping
 * @m: the mirror, covered over the range
 * @start: first address, inside one granule with the rest
 * @nr: pages, at most FERRY_WINDOW
 * @access: FERRY_ACCESS_*
 *
 * The core drops the mmap lock while it waits, so that userfaultfd is served. What is
 * on a Ferry device stays there.
 *
 * Context: mmap_lock not held; may sleep until a fatal signal.
 * Return: as for ferry_mirror_map_hmm(), or -EINTR.
 */
int ferry_mirror_map_patiently(struct ferry_mirror *m, unsigned long start,
			       unsigned long nr, u32 access)
{
	struct hmm_range range;
	int ret;

	ret = ferry_hmm_range_init(&range, m, start, nr, access, ferry_owner);
	if (ret)
		return ret;
	ret = ferry_mirror_prepare(m) ?:
	      hmm_range_fault_unlocked_timeout(&range,
					       msecs_to_jiffies(HMM_RANGE_DEFAULT_TIMEOUT));
	if (ret)
		goto free;
	ferry_hmm_correct(&range);

	/* A mapping that came meanwhile has moved the sequence on. */
	ret = mmap_read_lock_killable(m->mm);
	if (ret)
		goto free;
	ret = ferry_range_refused(m->mm, range.start, range.end) ? -EFAULT :
	      ferry_hmm_range_enter(&range, m, access);
	mmap_read_unlock(m->mm);
free:
	kvfree(range.hmm_pfns);
	return ret;
}

/**
 * ferry_mirror_map_exclusive - take an anonymous RAM page for atomics
 * @m: the mirror, covered over the page
 * @addr: its address
 *
 * The CPU faults on the page until it takes it back (see
 * make_device_exclusive()).
 *
 * Context: mmap_lock held for reading; may sleep.
 * Return: 0, -EFAULT, -EBUSY, -EOPNOTSUPP (not anonymous), -ENOMEM.
 */
int ferry_mirror_map_exclusive(struct ferry_mirror *m, unsigned long addr)
{
	struct ferry_granule *g = ferry_mirror_granule(m, addr);
	struct ferry_commit c;
	struct folio *folio;
	struct page *page;
	int ret;

	mmap_assert_locked(m->mm);
	ret = ferry_mirror_prepare(m);
	if (ret)
		return ret;
	ferry_commit_begin(m, &c, g);
	page = ferry_inject(exclusive) ? ERR_PTR(-EBUSY) :
	       make_device_exclusive(m->mm, addr, ferry_owner, &folio);
	ret = -EBUSY;
	if (ferry_commit_lock(m, &c) && !IS_ERR(page))
		/* Without a spare table, as when it raced: try again. */
		ret = ferry_pt_map(&m->pt, &m->tables, addr >> PAGE_SHIFT, 0,
				   ferry_pte(page_to_pfn(page),
					     FERRY_PTE_WRITE |
					     FERRY_PTE_EXCLUSIVE)) ? -EBUSY : 0;
	mutex_unlock(&m->lock);
	if (IS_ERR(page))
		return PTR_ERR(page);
	folio_mark_dirty(folio);
	folio_unlock(folio);
	folio_put(folio);
	return ret;
}

static bool ferry_pte_allows(u64 pte, u32 access)
{
	if (!(pte & FERRY_PTE_PRESENT))
		return false;
	if (access == FERRY_ACCESS_READ)
		return true;
	if (!(pte & FERRY_PTE_WRITE))
		return false;
	return access == FERRY_ACCESS_WRITE ||
	       (pte & (FERRY_PTE_DEVICE | FERRY_PTE_EXCLUSIVE));
}

/**
 * ferry_mirror_translate - what the device's MMU does with an address
 * @m: the mirror
 * @addr: the address
 * @access: FERRY_ACCESS_*
 * @span: where the bytes are; valid until mirror.lock is dropped
 * @len: in: bytes wanted; out: bytes that lie together from there
 *
 * Context: mirror.lock held.
 * Return: 0, or -EAGAIN: raise a fault.
 */
int ferry_mirror_translate(struct ferry_mirror *m, u64 addr, u32 access,
			   struct ferry_span *span, size_t *len)
{
	size_t offset = addr & ~PAGE_MASK, room = PAGE_SIZE - offset;
	unsigned int order = 0;
	u64 pte;

	lockdep_assert_held(&m->lock);
	pte = ferry_pt_lookup(&m->pt, addr >> PAGE_SHIFT, &order);
	if (!ferry_pte_allows(pte, access))
		return -EAGAIN;

	if (pte & FERRY_PTE_DEVICE) {
		unsigned long frame = ferry_pte_pfn(pte);

		/* Its device cannot go while the entry is here. */
		span->dev = READ_ONCE(ferry_devs[ferry_pte_dev(pte)]);
		span->vram = ((u64)frame << PAGE_SHIFT) + offset;
		span->page = NULL;
		if (order)
			room = FERRY_BLOCK_BYTES - (addr & (FERRY_BLOCK_BYTES - 1));
		ferry_block_touch(span->dev, frame);
	} else {
		span->dev = NULL;
		span->page = pfn_to_page(ferry_pte_pfn(pte));
		span->offset = offset;
	}
	*len = min(*len, room);
	return 0;
}

/**
 * ferry_mirror_missing - how much of what a command will touch would fault
 * @m: the mirror
 * @vpn: first page
 * @nr: pages that the command will touch
 * @access: FERRY_ACCESS_*
 *
 * Context: mirror.lock held.
 * Return: pages from @vpn on, one after another, that would fault.
 */
unsigned long ferry_mirror_missing(struct ferry_mirror *m, u64 vpn,
				   unsigned long nr, u32 access)
{
	unsigned long i;

	lockdep_assert_held(&m->lock);
	for (i = 0; i < nr; i++) {
		unsigned int order;

		if (ferry_pte_allows(ferry_pt_lookup(&m->pt, vpn + i, &order),
				     access))
			break;
	}
	return i;
}

/**
 * ferry_mirror_exclusive - whether the device has taken RAM for its atomics
 * @m: the mirror
 * @vpn: first page
 * @nr: pages
 *
 * Context: takes mirror.lock.
 * Return: true when a page of the range is still taken.
 */
bool ferry_mirror_exclusive(struct ferry_mirror *m, u64 vpn, unsigned long nr)
{
	bool taken = false;
	unsigned long i;

	mutex_lock(&m->lock);
	for (i = 0; i < nr && !taken; i++) {
		u64 pte = ferry_pt_lookup(&m->pt, vpn + i, NULL);

		taken = pte & FERRY_PTE_PRESENT && pte & FERRY_PTE_EXCLUSIVE;
	}
	mutex_unlock(&m->lock);
	return taken;
}

static int ferry_snapshot(struct mmu_interval_notifier *mni, struct mm_struct *mm,
			  unsigned long start, unsigned long nr,
			  unsigned long *pfns)
{
	struct hmm_range range = {
		.notifier = mni,
		.start = start,
		.end = start + (nr << PAGE_SHIFT),
		.hmm_pfns = pfns,
		.dev_private_owner = ferry_owner,
	};
	unsigned int tries;
	int ret = -EBUSY;

	mmap_assert_locked(mm);
	for (tries = 0; ret == -EBUSY && tries < 64; tries++) {
		memset(pfns, 0, nr * sizeof(*pfns));
		range.notifier_seq = mmu_interval_read_begin(mni);
		ret = ferry_hmm_range_fault(&range);
	}
	return ret;
}

/**
 * ferry_mirror_snapshot - what the CPU's page table says of a range
 * @m: the mirror, covered over the range
 * @start: first address, inside one granule with the rest
 * @nr: pages
 * @pfns: out: HMM_PFN_* a page; true when it was read, maybe no more
 *
 * Context: mmap_lock held for reading; may sleep.
 * Return: 0, or -EBUSY.
 */
int ferry_mirror_snapshot(struct ferry_mirror *m, unsigned long start,
			  unsigned long nr, unsigned long *pfns)
{
	struct ferry_granule *g = ferry_mirror_granule(m, start);

	return ferry_snapshot(&g->mni, m->mm, start, nr, pfns);
}

/* ---- query --------------------------------------------------------------- */

static bool ferry_query_invalidate(struct mmu_interval_notifier *mni,
				   const struct mmu_notifier_range *range,
				   unsigned long cur_seq)
{
	mmu_interval_set_seq(mni, cur_seq);
	return true;
}

static const struct mmu_interval_notifier_ops ferry_query_ops = {
	.invalidate = ferry_query_invalidate,
};

/*
 * The huge zero folio is not exported, but nothing else that is not anonymous is
 * mapped in an anonymous VMA. The page may be gone by now, so it is kept to ask.
 */
static bool ferry_pfn_is_zero(const struct vm_area_struct *vma, unsigned long pfn)
{
	struct folio *folio;
	bool zero;

	if (is_zero_pfn(pfn))
		return true;
	if (!vma_is_anonymous(vma))
		return false;
	folio = page_folio(pfn_to_page(pfn));
	if (ferry_inject(zero_folio) || !folio_try_get(folio))
		return false;
	zero = folio == page_folio(pfn_to_page(pfn)) && !folio_test_anon(folio);
	folio_put(folio);
	return zero;
}

static void ferry_residency_of(struct ferry_residency *r, unsigned long hmm,
			       const struct vm_area_struct *vma, u64 pte)
{
	struct ferry_device *fd;
	unsigned long pfn;

	memset(r, 0, sizeof(*r));
	r->where = FERRY_NOWHERE;
	if (!vma) {
		r->flags = FERRY_PAGE_UNMAPPED;
		return;
	}
	if (hmm & HMM_PFN_ERROR) {
		r->flags = FERRY_PAGE_ERROR;
		return;
	}
	if (pte & FERRY_PTE_PRESENT) {
		r->flags |= FERRY_PAGE_MIRRORED;
		if (pte & FERRY_PTE_WRITE)
			r->flags |= FERRY_PAGE_DEV_WRITE;
	}
	if (!(hmm & HMM_PFN_VALID))
		return;
	pfn = hmm & ~HMM_PFN_FLAGS;
	fd = ferry_pfn_device(pfn);
	r->where = fd ? fd->index : FERRY_RAM;
	r->order = hmm_pfn_to_map_order(hmm);
	r->flags |= FERRY_PAGE_PRESENT;
	if (hmm & HMM_PFN_WRITE)
		r->flags |= FERRY_PAGE_WRITE;
	if (!fd && ferry_pfn_is_zero(vma, pfn))
		r->flags |= FERRY_PAGE_ZERO;
}

static int ferry_query_window(struct mmu_interval_notifier *mni,
			      struct mm_struct *mm, struct ferry_mirror *m,
			      unsigned long start, unsigned long nr,
			      unsigned long *pfns, struct ferry_residency *out)
{
	struct vm_area_struct *vma = NULL;
	unsigned long i;
	int ret, idx;

	if (ferry_inject(query_lock) || mmap_read_lock_killable(mm))
		return -EINTR;
	idx = ferry_devices_enter();
	ret = ferry_snapshot(mni, mm, start, nr, pfns);
	if (ret)
		goto unlock;
	if (m)
		mutex_lock(&m->lock);
	for (i = 0; i < nr; i++) {
		unsigned long addr = start + (i << PAGE_SHIFT);
		unsigned int order;
		u64 pte = 0;

		if (!vma || addr >= vma->vm_end)
			vma = find_vma(mm, addr);
		if (m)
			pte = ferry_pt_lookup(&m->pt, addr >> PAGE_SHIFT, &order);
		ferry_residency_of(&out[i], pfns[i],
				   vma && addr >= vma->vm_start ? vma : NULL,
				   pte);
	}
	if (m)
		mutex_unlock(&m->lock);
unlock:
	ferry_devices_leave(idx);
	mmap_read_unlock(mm);
	return ret;
}

/*
 * ptrace_may_access() is not exported. CAP_SYS_PTRACE is what it asks of a
 * stranger at most, so this allows no more than it would.
 */
static struct mm_struct *ferry_query_mm(struct ferry_context *ctx, pid_t pid)
{
	struct task_struct *task;
	struct mm_struct *mm;
	struct pid *p;

	if (!pid)
		return !ferry_inject(query_mm) && mmget_not_zero(ctx->fm->mm) ?
		       ctx->fm->mm : ERR_PTR(-ESRCH);

	p = find_get_pid(pid);
	task = ferry_inject(query_task) ? NULL : get_pid_task(p, PIDTYPE_PID);
	put_pid(p);
	if (!task)
		return ERR_PTR(-ESRCH);
	mm = get_task_mm(task);
	put_task_struct(task);
	if (!mm)
		return ERR_PTR(-ESRCH);
	if (mm != current->mm && !capable(CAP_SYS_PTRACE)) {
		mmput(mm);
		return ERR_PTR(-EPERM);
	}
	return mm;
}

/**
 * ferry_query_pages - where the pages of a range are, window by window
 * @ctx: the context that asks
 * @mm: whose range, with mm_users held
 * @addr: first address
 * @len: bytes
 * @fn: is given what is known of the next pages; may sleep, ends it by an error
 * @arg: for @fn
 *
 * The device of the context is kept for one window at a time, and not while @fn runs,
 * which may wait for whoever serves its caller's memory.
 *
 * Context: may sleep.
 * Return: 0, -ENODEV, -ENOMEM, -EINTR, -EBUSY, or what @fn says.
 */
int ferry_query_pages(struct ferry_context *ctx, struct mm_struct *mm, u64 addr,
		      u64 len, ferry_query_fn fn, void *arg)
{
	struct mmu_interval_notifier mni = {};
	struct ferry_residency *out = NULL;
	unsigned long *pfns = NULL;
	u64 end = addr + len;
	int ret;

	ret = ferry_inject(query_notifier) ? -ENOMEM :
	      mmu_interval_notifier_insert(&mni, mm, addr, len,
					   &ferry_query_ops);
	if (ret)
		return ret;
	ret = -ENOMEM;
	pfns = ferry_inject(query_pfns) ? NULL :
	       kvcalloc(FERRY_WINDOW, sizeof(*pfns), GFP_KERNEL);
	out = ferry_inject(query_out) ? NULL :
	      kvcalloc(FERRY_WINDOW, sizeof(*out), GFP_KERNEL);
	if (!pfns || !out)
		goto remove;

	while (addr < end) {
		unsigned long nr = min_t(u64, (end - addr) >> PAGE_SHIFT,
					 FERRY_WINDOW);

		ret = ferry_context_use(ctx);
		if (ret)
			break;
		ret = ferry_query_window(&mni, mm, mm == ctx->fm->mm ?
					 &ctx->mirror : NULL, addr, nr, pfns,
					 out);
		ferry_device_put(ctx->fd);
		ret = ret ?: fn(arg, out, nr);
		if (ret)
			break;
		addr += (u64)nr << PAGE_SHIFT;
		cond_resched();
		if (ferry_inject(query_signal) || fatal_signal_pending(current)) {
			ret = -EINTR;
			break;
		}
	}
remove:
	mmu_interval_notifier_remove(&mni);
	kvfree(pfns);
	kvfree(out);
	return ret;
}

static int ferry_query_to_user(void *arg, const struct ferry_residency *r,
			       unsigned long nr)
{
	struct ferry_residency __user **to = arg;

	if (ferry_inject(query_copy) || copy_to_user(*to, r, nr * sizeof(*r)))
		return -EFAULT;
	*to += nr;
	return 0;
}

/**
 * ferry_query_range - FERRY_IOC_QUERY, on checked arguments
 * @ctx: the caller's context
 * @q: the request
 *
 * Context: may sleep.
 * Return: 0 or the errno that the uapi header names.
 */
int ferry_query_range(struct ferry_context *ctx, const struct ferry_query *q)
{
	struct ferry_residency __user *to = u64_to_user_ptr(q->pages);
	struct mm_struct *mm;
	int ret;

	mm = ferry_query_mm(ctx, q->pid);
	if (IS_ERR(mm))
		return PTR_ERR(mm);
	ret = ferry_query_pages(ctx, mm, q->addr, q->len, ferry_query_to_user,
				&to);
	mmput(mm);
	return ret;
}
