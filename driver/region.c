// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regions: device memory registered as ZONE_DEVICE pages, and whose page each
 * of its frames holds.
 *
 * A region of private memory spans a free physical range that nothing answers at;
 * the VRAM behind it is reached through the hardware seam by frame number. A region
 * of coherent memory spans the range where the CPU reaches the VRAM. All regions
 * have one owner token, so that a page can move from one Ferry device to another
 * without a stop in RAM; what is lost (device.c) has another, so that nobody takes
 * it for memory.
 *
 * Each used frame remembers the address space it was allocated for and its page
 * index there. Eviction works from that, by virtual address, with the owner's mm
 * held (see evict.c). The record keeps the mm_struct from being freed, never
 * from exiting.
 */
#include <linux/highmem.h>
#include <linux/ioport.h>
#include <linux/rmap.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include "ferry.h"

/* The address is the token; all Ferry pages carry it. */
char ferry_owner[] = "ferry";
char ferry_lost_owner[] = "ferry-lost";

static DEFINE_MUTEX(ferry_mms_lock);
static LIST_HEAD(ferry_mms);

static struct ferry_mm *ferry_mm_make(struct mm_struct *mm)
{
	struct ferry_mm *fm = ferry_inject(mm_record) ? NULL :
			      kzalloc_obj(*fm, GFP_KERNEL_ACCOUNT);
	int ret;

	if (!fm)
		return ERR_PTR(-ENOMEM);
	refcount_set(&fm->ref, 1);
	atomic_set(&fm->contexts, 0);
	mmgrab(mm);
	fm->mm = mm;
	ret = ferry_guard_init(fm);
	if (ret) {
		mmdrop(mm);
		kfree(fm);
		return ERR_PTR(ret);
	}
	return fm;
}

/**
 * ferry_mm_get - find or make the record of an address space
 * @mm: the caller's own address space
 *
 * Context: may sleep; takes the mmap lock for writing.
 * Return: the record with a reference more, -ENOMEM, or -EINTR when a signal is
 * pending.
 */
struct ferry_mm *ferry_mm_get(struct mm_struct *mm)
{
	struct ferry_mm *fm;

	mutex_lock(&ferry_mms_lock);
	list_for_each_entry(fm, &ferry_mms, node) {
		if (fm->mm == mm && refcount_inc_not_zero(&fm->ref))
			goto out;
	}
	fm = ferry_mm_make(mm);
	if (!IS_ERR(fm))
		list_add(&fm->node, &ferry_mms);
out:
	mutex_unlock(&ferry_mms_lock);
	return fm;
}

/*
 * The last frame of an exiting process may be freed under a page table lock;
 * unlinking needs a mutex, so it is done from a worker.
 */
static void ferry_mm_reap(struct work_struct *work)
{
	struct ferry_mm *fm, *next;
	LIST_HEAD(dead);

	mutex_lock(&ferry_mms_lock);
	list_for_each_entry_safe(fm, next, &ferry_mms, node) {
		if (!refcount_read(&fm->ref))
			list_move(&fm->node, &dead);
	}
	mutex_unlock(&ferry_mms_lock);

	list_for_each_entry_safe(fm, next, &dead, node) {
		ferry_guard_fini(fm);
		mmdrop(fm->mm);
		kfree(fm);
	}
}

static DECLARE_WORK(ferry_mm_reaper, ferry_mm_reap);

/**
 * ferry_mms_flush - wait until records that nobody needs any more are gone
 *
 * Context: may sleep.
 */
void ferry_mms_flush(void)
{
	flush_work(&ferry_mm_reaper);
}

/**
 * ferry_mm_put_many - drop references of an address space's record
 * @fm: the record
 * @n: how many, at least 1
 *
 * Context: any that allows spinlocks.
 */
void ferry_mm_put_many(struct ferry_mm *fm, unsigned int n)
{
	if (refcount_sub_and_test(n, &fm->ref))
		schedule_work(&ferry_mm_reaper);
}

static struct ferry_device *ferry_pgmap_device(struct dev_pagemap *pgmap)
{
	return container_of(pgmap, struct ferry_device, region.pgmap);
}

/**
 * ferry_page_device - the device that a page lives on
 * @page: any page that the caller keeps from being freed
 *
 * Return: the Ferry device, or NULL for a page that is not Ferry's.
 */
struct ferry_device *ferry_page_device(const struct page *page)
{
	struct dev_pagemap *pgmap;

	if (!is_zone_device_page(page))
		return NULL;
	pgmap = page_pgmap(page);
	if (pgmap->owner != ferry_owner)
		return NULL;
	return ferry_pgmap_device(pgmap);
}

/**
 * ferry_pfn_device - the device that a pfn belongs to
 * @pfn: any pfn
 *
 * Reads no struct page, so it is right for a page that nobody keeps.
 *
 * Context: any but NMI. Beyond a comparison, the device is good for those between
 * ferry_devices_enter() and _leave(), or with a page of it kept.
 * Return: the Ferry device, or NULL.
 */
struct ferry_device *ferry_pfn_device(unsigned long pfn)
{
	struct ferry_device *found = NULL;
	/* All devices are looked at, not only the one that a caller keeps. */
	int idx = ferry_devices_enter();
	unsigned int i;

	for (i = 0; i < FERRY_MAX_DEVICES; i++) {
		struct ferry_device *fd = READ_ONCE(ferry_devs[i]);

		if (fd && pfn - fd->region.first_pfn < fd->region.nr) {
			found = fd;
			break;
		}
	}
	ferry_devices_leave(idx);
	return found;
}

/**
 * ferry_page_frame - the frame behind a page of a Ferry device
 * @page: the page
 *
 * Return: frame number in its region.
 */
unsigned long ferry_page_frame(const struct page *page)
{
	struct ferry_device *fd = ferry_pgmap_device(page_pgmap(page));

	return page_to_pfn(page) - fd->region.first_pfn;
}

static void ferry_frames_own(struct ferry_region *r, unsigned long frame,
			     unsigned long nr, struct ferry_mm *fm,
			     unsigned long index)
{
	struct ferry_block *b = &r->blocks[frame >> FERRY_MAX_ORDER];
	unsigned long i;

	for (i = 0; i < nr; i++) {
		r->meta[frame + i].owner = fm;
		r->meta[frame + i].index = index + i;
	}
	b->orphan = false;
	b->last_use = atomic64_inc_return_relaxed(&r->clock);
}

/**
 * ferry_frames_take - allocate frames for pages of an address space
 * @fd: the device
 * @fm: the address space; each frame takes a reference of it
 * @index: page index that the first one is for; see ferry_frames_place() to
 *	change it
 * @order: order of each run, 0 or FERRY_MAX_ORDER
 * @n: how many runs
 * @out: frame number of each
 *
 * The frames hold whatever they held before: the caller overwrites or clears
 * every byte before anything can map them.
 *
 * Context: takes region.lock.
 * Return: number of runs allocated, 0 to @n.
 */
unsigned int ferry_frames_take(struct ferry_device *fd, struct ferry_mm *fm,
			       unsigned long index, unsigned int order,
			       unsigned int n, unsigned long *out)
{
	struct ferry_region *r = &fd->region;
	unsigned int i, got = 0;

	if (ferry_inject(frames))
		return 0;
	if (n > 1 && ferry_inject(frames_some))
		n = n / 2;

	spin_lock(&r->lock);
	if (!order) {
		got = ferry_frames_alloc_bulk(&r->frames, n, out);
	} else {
		for (; got < n; got++) {
			out[got] = ferry_frames_alloc(&r->frames, order);
			if (out[got] == FERRY_NO_FRAME)
				break;
		}
	}
	for (i = 0; i < got; i++)
		ferry_frames_own(r, out[i], 1UL << order, fm,
				 index + ((unsigned long)i << order));
	spin_unlock(&r->lock);

	if (got)
		refcount_add(got << order, &fm->ref);
	return got;
}

/**
 * ferry_frames_place - say which page an order-0 frame is for
 * @fd: the device
 * @frame: a frame of ferry_frames_take() that nothing maps yet
 * @fm: its owner
 * @index: page index in that address space
 *
 * A hint for eviction, so it may be stored without region.lock: the frame
 * cannot be freed meanwhile, and a reader that sees the old index only looks in
 * the wrong place.
 */
void ferry_frames_place(struct ferry_device *fd, unsigned long frame,
			struct ferry_mm *fm, unsigned long index)
{
	WRITE_ONCE(fd->region.meta[frame].index, index);
}

/**
 * ferry_block_touch - note that a device used a frame
 * @fd: device that the frame is on
 * @frame: the frame
 *
 * Context: any; lockless, a lost update only makes the order of eviction a
 * little older.
 */
void ferry_block_touch(struct ferry_device *fd, unsigned long frame)
{
	struct ferry_region *r = &fd->region;
	struct ferry_block *b = &r->blocks[frame >> FERRY_MAX_ORDER];

	WRITE_ONCE(b->last_use, atomic64_inc_return_relaxed(&r->clock));
	if (READ_ONCE(b->orphan))
		WRITE_ONCE(b->orphan, false);
}

/* Whether all owners of a block's frames are without a context, @fm among them. */
static bool ferry_block_is_orphan(const struct ferry_frame_meta *m,
				  const struct ferry_mm *fm)
{
	bool found = false;
	unsigned int i;

	for (i = 0; i < FERRY_BLOCK_FRAMES; i++) {
		if (!m[i].owner)
			continue;
		if (atomic_read(&m[i].owner->contexts))
			return false;
		found |= m[i].owner == fm;
	}
	return found;
}

/**
 * ferry_region_orphan - an address space lost its last context
 * @fd: the device to look through
 * @fm: the address space
 *
 * Marks the blocks that hold its pages, and no pages of an address space that
 * still has a context, to be evicted before all others.
 *
 * Context: may sleep.
 */
void ferry_region_orphan(struct ferry_device *fd, struct ferry_mm *fm)
{
	struct ferry_region *r = &fd->region;
	unsigned long b;

	/* The caller's reference is the only one: it has no frames. */
	if (refcount_read(&fm->ref) == 1)
		return;
	for (b = 0; b < r->nr >> FERRY_MAX_ORDER; b++) {
		if (!READ_ONCE(r->frames.used[b]))
			continue;
		spin_lock(&r->lock);
		if (ferry_block_is_orphan(&r->meta[b << FERRY_MAX_ORDER], fm))
			r->blocks[b].orphan = true;
		spin_unlock(&r->lock);
		cond_resched();
	}
}

/* Frames of one folio that nobody uses any more; all have the same owner. */
static void ferry_frames_release(struct ferry_region *r, unsigned long frame,
				 unsigned long nr)
{
	unsigned long i;

	lockdep_assert_held(&r->lock);
	for (i = 0; i < nr; i++)
		r->meta[frame + i].owner = NULL;
	if (nr == FERRY_BLOCK_FRAMES) {
		ferry_frames_free(&r->frames, frame, FERRY_MAX_ORDER);
		return;
	}
	for (i = 0; i < nr; i++)
		ferry_frames_free(&r->frames, frame + i, 0);
}

static bool ferry_frame_is_held(struct ferry_region *r, unsigned long frame)
{
	struct ferry_hold *h;

	list_for_each_entry(h, &r->holds, node) {
		if (h->frame == frame) {
			h->freed = true;
			return true;
		}
	}
	return false;
}

/* The last reference of a device folio went: its frames are free again. */
static void ferry_folio_free(struct folio *folio)
{
	struct page *page = folio_page(folio, 0);
	struct ferry_device *fd = ferry_pgmap_device(folio->pgmap);
	struct ferry_region *r = &fd->region;
	unsigned long frame = ferry_page_frame(page);
	unsigned long nr = folio_nr_pages(folio);
	struct ferry_mm *fm;
	bool emptied;

	spin_lock(&r->lock);
	fm = r->meta[frame].owner;
	if (unlikely(!list_empty(&r->holds)) && ferry_frame_is_held(r, frame)) {
		frame++;
		nr--;
	}
	ferry_frames_release(r, frame, nr);
	emptied = fd->grave && r->frames.free == r->nr;
	spin_unlock(&r->lock);

	if (fm && nr)
		ferry_mm_put_many(fm, nr);
	if (emptied)
		ferry_grave_emptied();
}

/**
 * ferry_fault_lend - give the core back the reference that a CPU fault holds
 * @page: vmf->page, the first one of a 2 MiB folio, locked by the fault
 * @h: the record; ferry_fault_regain() ends it
 *
 * The core refuses to split a folio that has a reference too many, and the fault
 * holds one. Without it nothing but the mappings keeps the folio, and those may go
 * at any moment; so the frame is held: when its folio is freed meanwhile, the frame
 * is not given to anybody.
 *
 * Context: the fault's; the folio is locked.
 */
void ferry_fault_lend(struct page *page, struct ferry_hold *h)
{
	struct ferry_region *r = &ferry_page_device(page)->region;

	h->frame = ferry_page_frame(page);
	h->freed = false;
	spin_lock(&r->lock);
	list_add(&h->node, &r->holds);
	spin_unlock(&r->lock);
	folio_put(page_folio(page));
}

/**
 * ferry_fault_regain - take the fault's reference again
 * @page: as for ferry_fault_lend(); now maybe a folio of its own
 * @h: the record
 *
 * Context: the fault's. On return @page is referenced and locked, as the core
 * expects it after the fault.
 */
void ferry_fault_regain(struct page *page, struct ferry_hold *h)
{
	unsigned long pfn = page_to_pfn(page);
	struct ferry_device *fd = ferry_pfn_device(pfn);
	struct ferry_region *r = &fd->region;
	struct folio *folio = (struct folio *)page;
	bool freed;

	/* It is freed under the lock, or it gets a reference under the lock. */
	spin_lock(&r->lock);
	freed = h->freed || !folio_try_get(folio);
	if (!freed)
		list_del(&h->node);
	spin_unlock(&r->lock);
	if (!freed)
		return;

	/* The last reference is gone, but its owner may not be here yet. */
	while (!READ_ONCE(h->freed))
		cpu_relax();
	spin_lock(&r->lock);
	list_del(&h->node);
	spin_unlock(&r->lock);
	/* Let the core unlock and free a page of its own. */
	clear_bit_unlock(PG_locked, &page->flags.f);
	zone_device_folio_init(folio, &r->pgmap, 0);
}

/* The core splits a device folio: the parts stay frames of the same region. */
static void ferry_folio_split(struct folio *head, struct folio *tail)
{
	if (!tail) {
		struct ferry_device *fd = ferry_pgmap_device(head->pgmap);

		ferry_count(fd, FERRY_C_SPLIT_HUGE);
		return;
	}
	tail->pgmap = head->pgmap;
	tail->page.mapping = head->page.mapping;
}

/* A page that is lost: nobody gets it back. */
static vm_fault_t ferry_lost_to_ram(struct vm_fault *vmf)
{
	return VM_FAULT_SIGBUS;
}

static const struct dev_pagemap_ops ferry_private_ops = {
	.folio_free = ferry_folio_free,
	.migrate_to_ram = ferry_migrate_to_ram,
	.folio_split = ferry_folio_split,
};

static const struct dev_pagemap_ops ferry_coherent_ops = {
	.folio_free = ferry_folio_free,
};

static const struct dev_pagemap_ops ferry_lost_ops = {
	.folio_free = ferry_folio_free,
	.migrate_to_ram = ferry_lost_to_ram,
	.folio_split = ferry_folio_split,
};

/* A physical range that nothing answers at, for pages that no CPU can map. */
static int ferry_region_private(struct ferry_device *fd)
{
	struct dev_pagemap *pgmap = &fd->region.pgmap;
	struct resource *res;

	res = ferry_inject(region_range) ? ERR_PTR(-ERANGE) :
	      request_free_mem_region(&iomem_resource, fd->bytes, "ferry");
	if (IS_ERR(res))
		return PTR_ERR(res);
	pgmap->type = MEMORY_DEVICE_PRIVATE;
	pgmap->range.start = res->start;
	pgmap->range.end = res->end;
	pgmap->ops = fd->grave ? &ferry_lost_ops : &ferry_private_ops;
	pgmap->owner = fd->grave ? ferry_lost_owner : ferry_owner;
	return 0;
}

/* The range where the CPU reaches the VRAM; the backend has reserved it. */
static void ferry_region_coherent(struct ferry_device *fd)
{
	struct dev_pagemap *pgmap = &fd->region.pgmap;

	pgmap->type = MEMORY_DEVICE_COHERENT;
	pgmap->range = fd->range;
	pgmap->ops = &ferry_coherent_ops;
	pgmap->owner = ferry_owner;
}

static void ferry_region_release(struct ferry_device *fd)
{
	struct range *range = &fd->region.pgmap.range;

	if (fd->kind == FERRY_KIND_PRIVATE)
		release_mem_region(range->start, range_len(range));
}

/* struct pages for the range. */
static int ferry_region_map(struct ferry_device *fd)
{
	struct ferry_region *r = &fd->region;
	int nid = fd->dev.parent ? dev_to_node(fd->dev.parent) : NUMA_NO_NODE;
	void *va;
	int ret = 0;

	if (fd->kind == FERRY_KIND_COHERENT)
		ferry_region_coherent(fd);
	else
		ret = ferry_region_private(fd);
	if (ret)
		return ret;
	r->pgmap.nr_range = 1;
	r->first_pfn = PHYS_PFN(r->pgmap.range.start);

	va = ferry_inject(region_pages) ? ERR_PTR(-ENOMEM) :
	     memremap_pages(&r->pgmap, nid == NUMA_NO_NODE ? numa_node_id() : nid);
	if (IS_ERR(va)) {
		ferry_region_release(fd);
		return PTR_ERR(va);
	}
	r->va = fd->kind == FERRY_KIND_COHERENT ? va : NULL;
	return 0;
}

/**
 * ferry_region_init - register a device's memory
 * @fd: the device; fd->bytes is a multiple of FERRY_BLOCK_BYTES
 *
 * Context: may sleep.
 * Return: 0, -ENOMEM, or what the core says of the range.
 */
int ferry_region_init(struct ferry_device *fd)
{
	struct ferry_region *r = &fd->region;
	int ret;

	spin_lock_init(&r->lock);
	mutex_init(&r->evict_lock);
	INIT_LIST_HEAD(&r->holds);
	atomic64_set(&r->clock, 0);
	r->nr = fd->bytes >> PAGE_SHIFT;

	ret = ferry_inject(region_frames) ? -ENOMEM :
	      ferry_frames_init(&r->frames, r->nr);
	if (ret)
		return ret;
	ret = -ENOMEM;
	r->meta = ferry_inject(region_meta) ? NULL :
		  kvcalloc(r->nr, sizeof(*r->meta), GFP_KERNEL);
	r->blocks = ferry_inject(region_blocks) ? NULL :
		    kvcalloc(r->nr >> FERRY_MAX_ORDER, sizeof(*r->blocks),
			     GFP_KERNEL);
	if (!r->meta || !r->blocks)
		goto free;
	ret = ferry_region_map(fd);
	if (ret)
		goto free;
	return 0;

free:
	kvfree(r->blocks);
	kvfree(r->meta);
	ferry_frames_fini(&r->frames);
	return ret;
}

/**
 * ferry_region_fini - give the range back
 * @fd: the device; all its frames are free, see ferry_evict_all()
 *
 * Context: may sleep.
 */
void ferry_region_fini(struct ferry_device *fd)
{
	struct ferry_region *r = &fd->region;

	memunmap_pages(&r->pgmap);
	ferry_region_release(fd);
	kvfree(r->blocks);
	kvfree(r->meta);
	ferry_frames_fini(&r->frames);
	flush_work(&ferry_mm_reaper);
}

/**
 * ferry_region_footprint - memory that a region costs beside its struct pages
 * @fd: the device
 *
 * Return: bytes.
 */
size_t ferry_region_footprint(struct ferry_device *fd)
{
	struct ferry_region *r = &fd->region;

	return r->frames.bytes + r->nr * sizeof(*r->meta) +
	       (r->nr >> FERRY_MAX_ORDER) * sizeof(*r->blocks);
}
