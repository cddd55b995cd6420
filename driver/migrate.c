// SPDX-License-Identifier: GPL-2.0-only
/*
 * Migration: every page that moves, for whatever reason, moves here.
 *
 * DOC: The five steps
 *
 * A window of at most FERRY_WINDOW pages of one VMA goes through
 *
 *	collect   the core isolates the pages and puts migration entries in place
 *	allocate  a destination for each: frames, or system pages
 *	copy      the hardware copies or clears, in batches; then the fence
 *	commit    the core moves the struct pages' state; the mirror of the caller
 *		  learns the new places
 *	finalize  the core replaces the migration entries; what stayed is counted
 *
 * The caller holds the mmap lock for reading over all five, and the mm alive.
 * That keeps the VMAs, so also the anon_vma of each collected page until the core
 * is done with it, which is what rule 3 of Documentation/design.rst asks for. It
 * does not keep page table entries: madvise() and others change them meanwhile, so
 * the mirror is entered by the protocol of mirror.c only.
 *
 * A window is at most one PMD: a folio of 2 MiB is one entry, one allocation and
 * one copy. Where a 2 MiB destination cannot be had, the destinations are 4 KiB
 * and the core splits the folio; a folio that others map as well is split before it
 * is collected (ferry_may_split(), and guard.c for one that leaves a device).
 *
 * Best effort is counted: m->why[] says of each page of the window what became of
 * it.
 */
#include <linux/hmm.h>
#include <linux/hugetlb.h>
#include <linux/magic.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include "ferry.h"
#include "trace.h"

/* Copies in one batch; runs of neighbours are one copy. */
#define FERRY_BATCH	64U
/* Frames that are taken under one hold of region.lock. */
#define FERRY_CHUNK	32U
/* How often a window is tried again after room was made or pages read back. */
#define FERRY_WINDOW_TRIES	4

/**
 * ferry_migration_init - get a migration's arrays
 * @m: target, owner and flags filled in, the rest zero
 *
 * Context: may sleep; not under mirror.lock.
 * Return: 0 or -ENOMEM.
 */
int ferry_migration_init(struct ferry_migration *m)
{
	/*
	 * Twice the window: when a page table goes while the core splits a folio, it
	 * collects the window again behind what it has. Such a window is given up.
	 */
	size_t pfns = 2 * m->max * sizeof(unsigned long);
	unsigned int batch = min_t(unsigned long, m->max, FERRY_BATCH);
	void *p;

	p = ferry_inject(migration) ? NULL :
	    kvmalloc(2 * pfns + batch * sizeof(*m->copies) + m->max, GFP_KERNEL);
	if (!p)
		return -ENOMEM;
	m->src = p;
	m->dstp = p + pfns;
	m->copies = p + 2 * pfns;
	m->batch = batch;
	m->why = p + 2 * pfns + batch * sizeof(*m->copies);
	return 0;
}

/**
 * ferry_migration_fini - give them back
 * @m: the migration
 */
void ferry_migration_fini(struct ferry_migration *m)
{
	kvfree(m->src);
	m->src = NULL;
}

/* Why a page that is not anonymous stays. */
static u8 ferry_why_file(const struct vm_area_struct *vma)
{
	bool shmem = vma->vm_file &&
		     file_inode(vma->vm_file)->i_sb->s_magic == TMPFS_MAGIC;

	return shmem ? FERRY_REASON_SHMEM : FERRY_REASON_FILE;
}

/* Device whose histograms a migration is counted in. */
static struct ferry_device *ferry_migration_device(struct ferry_migration *m)
{
	return m->dst ?: m->from;
}

static void ferry_why(struct ferry_migration *m, unsigned long i,
		      unsigned long nr, u8 why)
{
	if (!m->again && nr > 1) {
		memset(&m->why[i], why, nr);
		return;
	}
	for (; nr; nr--, i++) {
		if (m->why[i] != FERRY_WHY_MOVED)
			m->why[i] = why;
	}
}

/* Pages that entry @i of the window stands for. */
static unsigned long ferry_entry_pages(const struct ferry_migration *m,
				       unsigned long i)
{
	return m->src[i] & MIGRATE_PFN_COMPOUND ? HPAGE_PMD_NR : 1;
}

/* ---- collect ------------------------------------------------------------- */

/* The device folio behind the window's first page, as far as one can know. */
static struct folio *ferry_window_folio(struct ferry_migration *m,
					unsigned long start)
{
	struct ferry_device *fd;
	unsigned long pfn;

	if (!m->ctx) {
		pfn = m->only->region.first_pfn + m->only_first;
	} else {
		if (ferry_mirror_snapshot(&m->ctx->mirror, start, 1, &pfn) ||
		    !(pfn & HMM_PFN_VALID))
			return NULL;
		pfn &= ~HMM_PFN_FLAGS;
	}
	fd = ferry_pfn_device(pfn);
	return fd ? page_folio(pfn_to_page(pfn)) : NULL;
}

/**
 * ferry_migrate_alone - whether a 2 MiB folio may leave its device as a whole
 * @m: the migration
 * @vma: the VMA that maps it
 * @folio: the folio
 * @start: its address
 *
 * Only when nobody else maps it, and only under the guard, which this call puts on
 * until the end of the window.
 *
 * Context: mmap_lock held, which keeps fork() from sharing it now.
 * Return: true when it may; otherwise it must be split first.
 */
bool ferry_migrate_alone(struct ferry_migration *m, struct vm_area_struct *vma,
			 struct folio *folio, unsigned long start)
{
	if (ferry_inject(migrate_alone) || !m->fm || m->fm->mm != vma->vm_mm ||
	    folio_mapcount(folio) != 1)
		return false;
	ferry_transit_begin(m->fm, &m->transit, start);
	return true;
}

/* Whether a window may be collected with what is in it as a whole. */
static bool ferry_window_whole(struct ferry_migration *m,
			       struct vm_area_struct *vma, unsigned long start,
			       unsigned long end)
{
	struct folio *folio;

	if (!(m->select & MIGRATE_VMA_SELECT_DEVICE_PRIVATE) ||
	    end - start != FERRY_BLOCK_BYTES || m->fault_page)
		return true;
	folio = ferry_window_folio(m, start);
	return !folio || !folio_test_large(folio) ||
	       ferry_migrate_alone(m, vma, folio, start);
}

static unsigned long ferry_window_select(struct ferry_migration *m,
					 struct vm_area_struct *vma,
					 unsigned long start, unsigned long end)
{
	if (m->select & MIGRATE_VMA_SELECT_COMPOUND &&
	    (m->small || !ferry_window_whole(m, vma, start, end)))
		return m->select & ~MIGRATE_VMA_SELECT_COMPOUND;
	return m->select;
}

/*
 * Whether the core is about to split a 2 MiB folio because the destination has no
 * room for one as a whole, as coherent memory never has.
 */
static bool ferry_window_splits(struct ferry_migration *m, unsigned long start,
				unsigned long end)
{
	unsigned long hmm;

	if (!m->dst || !m->ctx || ferry_device_has_huge(m->dst) ||
	    end - start != FERRY_BLOCK_BYTES)
		return false;
	return !ferry_mirror_snapshot(&m->ctx->mirror, start, 1, &hmm) &&
	       hmm & HMM_PFN_VALID &&
	       hmm_pfn_to_map_order(hmm) >= FERRY_MAX_ORDER;
}

static int ferry_migrate_collect(struct ferry_migration *m,
				 struct vm_area_struct *vma,
				 unsigned long start, unsigned long end)
{
	struct ferry_hold hold;
	int ret;

	m->args = (struct migrate_vma) {
		.vma = vma,
		.src = m->src,
		.dst = m->dstp,
		.start = start,
		.end = end,
		.pgmap_owner = m->look ? ferry_lost_owner : ferry_owner,
		.flags = ferry_window_select(m, vma, start, end),
		.fault_page = m->fault_page,
	};
	if (ferry_window_splits(m, start, end))
		ferry_count(m->dst, FERRY_C_SPLIT_HUGE);
	if (m->lend)
		ferry_fault_lend(m->fault_page, &hold);
	ret = ferry_inject(collect) ? -EINVAL : migrate_vma_setup(&m->args);
	if (m->lend)
		ferry_fault_regain(m->fault_page, &hold);
	if (m->write_locked) {
		mmap_write_downgrade(vma->vm_mm);
		m->write_locked = false;
	}
	trace_ferry_collect(m, m->args.cpages);
	if (!ret && m->args.npages > (end - start) >> PAGE_SHIFT) {
		migrate_vma_finalize(&m->args);
		m->args.npages = 0;
		m->args.cpages = 0;
	}
	return ret;
}

/* ---- allocate ------------------------------------------------------------ */

/* Whether a page on a device is to leave it now. */
static bool ferry_wanted(struct ferry_migration *m, struct page *page)
{
	struct ferry_device *fd = ferry_page_device(page);

	if (!fd)
		return false;
	if (!m->only)
		return true;
	return fd == m->only &&
	       ferry_page_frame(page) - m->only_first < m->only_nr;
}

/*
 * Whether somebody uses a coherent page by its struct page. The core lets one
 * reference too many pass, which ZONE_DEVICE pages had once. The page is unmapped, so
 * ours is the only one that is expected, and nobody finds it to take another.
 */
static bool ferry_in_use(struct page *page)
{
	struct ferry_device *fd = ferry_page_device(page);

	return fd && fd->kind == FERRY_KIND_COHERENT &&
	       folio_ref_count(page_folio(page)) > 1;
}

/*
 * Why a collected entry must not go to the device, or FERRY_WHY_UNKNOWN when it
 * may.
 */
static u8 ferry_keep_off_device(struct ferry_migration *m, unsigned long src)
{
	struct page *page = migrate_pfn_to_page(src);
	struct folio *folio;

	if (m->only && !(page && ferry_wanted(m, page)))
		return FERRY_WHY_IGNORE;
	if (!page)
		return m->flags & FERRY_MIGRATE_NO_HOLES ? FERRY_REASON_EMPTY :
							   FERRY_WHY_UNKNOWN;
	folio = page_folio(page);
	if (!folio_test_anon(folio))
		return ferry_why_file(m->args.vma);
	if (ferry_page_device(page) == m->dst)
		return FERRY_REASON_RESIDENT;
	if (ferry_in_use(page))
		return FERRY_REASON_PINNED;
	/* KSM compares the pages of its stable tree with the CPU. */
	if (folio_test_ksm(folio))
		return FERRY_REASON_KSM;
	return FERRY_WHY_UNKNOWN;
}

static void ferry_dst_frame(struct ferry_migration *m, unsigned long i,
			    unsigned long frame, unsigned int order)
{
	struct ferry_region *r = &m->dst->region;
	unsigned long pfn = r->first_pfn + frame;

	/*
	 * Not page_folio(): a free frame may still look like the tail of the 2 MiB
	 * folio that it was last a part of.
	 */
	zone_device_folio_init((struct folio *)pfn_to_page(pfn), &r->pgmap, order);
	m->dstp[i] = migrate_pfn(pfn) | (order ? MIGRATE_PFN_COMPOUND : 0);
}

static unsigned long ferry_index_at(struct ferry_migration *m, unsigned long i)
{
	return linear_page_index(m->args.vma, m->args.start + i * PAGE_SIZE);
}

/* Whether the next destination is not to be had, because somebody asked for that. */
static bool ferry_fail_now(struct ferry_migration *m)
{
	return m->ctx && READ_ONCE(m->ctx->fail_next) &&
	       xchg(&m->ctx->fail_next, false);
}

/*
 * 4 KiB frames for the entries @at[0..n); entries that get none are marked.
 * Returns how many got one.
 */
static unsigned int ferry_allocate_frames(struct ferry_migration *m,
					  const u16 *at, unsigned int n)
{
	unsigned long frames[FERRY_CHUNK];
	unsigned long index = ferry_index_at(m, at[0]);
	unsigned int i, got;

	got = ferry_frames_take(m->dst, m->fm, index, 0, n - ferry_fail_now(m),
				frames);
	for (i = 0; i < got; i++) {
		if (at[i] - at[0] != i)
			ferry_frames_place(m->dst, frames[i], m->fm,
					   index + at[i] - at[0]);
		ferry_dst_frame(m, at[i], frames[i], 0);
		ferry_why(m, at[i], 1, FERRY_REASON_RACED);
	}
	for (; i < n; i++)
		ferry_why(m, at[i], 1, FERRY_REASON_NO_FRAME);
	return got;
}

static void ferry_drop_dst(struct ferry_migration *m, unsigned long i)
{
	struct folio *folio = page_folio(migrate_pfn_to_page(m->dstp[i]));

	m->dstp[i] = 0;
	folio_unlock(folio);
	folio_put(folio);
}

/*
 * Whether the core may be given small destinations for a 2 MiB entry. It splits the
 * mapping of this VMA only: where others map the folio, they would be left with one
 * entry for what is 512 folios. A writable page has one mapping, a hole none.
 */
static bool ferry_may_split(struct ferry_migration *m, unsigned long i)
{
	if (!migrate_pfn_to_page(m->src[i]) || m->src[i] & MIGRATE_PFN_WRITE)
		return true;
	m->split = true;
	return false;
}

/*
 * A 2 MiB entry: one frame of that size, or 512 small ones. The core inserts
 * pages for a 2 MiB hole without looking whether each has a destination, so
 * there it is all or nothing.
 */
static unsigned long ferry_allocate_huge(struct ferry_migration *m,
					 unsigned long i)
{
	bool hole = !migrate_pfn_to_page(m->src[i]);
	unsigned long frame, n, got = 0;
	u16 at[FERRY_CHUNK];

	if (!ferry_fail_now(m) &&
	    ferry_frames_take(m->dst, m->fm, ferry_index_at(m, i),
			      FERRY_MAX_ORDER, 1, &frame)) {
		ferry_dst_frame(m, i, frame, FERRY_MAX_ORDER);
		ferry_why(m, i, HPAGE_PMD_NR, FERRY_REASON_RACED);
		return HPAGE_PMD_NR;
	}
	m->no_huge = true;
	if (!ferry_may_split(m, i)) {
		ferry_why(m, i, HPAGE_PMD_NR, FERRY_REASON_NO_FRAME);
		return 0;
	}
	for (n = 0; n < HPAGE_PMD_NR; n += FERRY_CHUNK) {
		unsigned int k, part;

		for (k = 0; k < FERRY_CHUNK; k++)
			at[k] = i + n + k;
		part = ferry_allocate_frames(m, at, FERRY_CHUNK);
		got += part;
		if (part < FERRY_CHUNK)
			break;
	}
	if (got == HPAGE_PMD_NR || (got && !hole)) {
		if (got < HPAGE_PMD_NR)
			ferry_why(m, i + got, HPAGE_PMD_NR - got,
				  FERRY_REASON_NO_FRAME);
		return got;
	}
	for (n = 0; n < got; n++)
		ferry_drop_dst(m, i + n);
	ferry_why(m, i, HPAGE_PMD_NR, FERRY_REASON_NO_FRAME);
	return 0;
}

static unsigned long ferry_allocate_on_device(struct ferry_migration *m)
{
	unsigned long i, step, pages = 0;
	unsigned int n = 0;
	u16 at[FERRY_CHUNK];

	for (i = 0; i < m->args.npages; i += step) {
		u8 keep;

		step = ferry_entry_pages(m, i);
		if (!(m->src[i] & MIGRATE_PFN_MIGRATE))
			continue;
		keep = ferry_keep_off_device(m, m->src[i]);
		if (keep != FERRY_WHY_UNKNOWN) {
			ferry_why(m, i, step, keep);
			continue;
		}
		if (step > 1) {
			pages += ferry_allocate_huge(m, i);
			continue;
		}
		at[n++] = i;
		if (n == FERRY_CHUNK) {
			pages += ferry_allocate_frames(m, at, n);
			n = 0;
		}
	}
	if (n)
		pages += ferry_allocate_frames(m, at, n);
	return pages;
}

static void ferry_dst_folio(struct ferry_migration *m, unsigned long i,
			    struct folio *folio)
{
	/* Nobody else knows it yet: this never waits. */
	folio_lock(folio);
	m->dstp[i] = migrate_pfn(folio_pfn(folio)) |
		     (folio_test_large(folio) ? MIGRATE_PFN_COMPOUND : 0);
}

static bool ferry_dst_system(struct ferry_migration *m, unsigned long i,
			     unsigned int order)
{
	unsigned long addr = m->args.start + i * PAGE_SIZE;
	gfp_t gfp = order ? GFP_TRANSHUGE_LIGHT | __GFP_NOWARN :
			    GFP_HIGHUSER_MOVABLE;
	struct folio *folio = NULL;

	if (!ferry_fail_now(m) &&
	    !(order ? ferry_inject(folio_huge) : ferry_inject(folio)))
		folio = vma_alloc_folio(gfp, order, m->args.vma, addr);
	if (folio)
		ferry_dst_folio(m, i, folio);
	return folio;
}

/* A memory policy chooses a node for each page; without one, any near page does. */
static bool ferry_has_mempolicy(const struct vm_area_struct *vma)
{
#ifdef CONFIG_NUMA
	return vma->vm_policy || current->mempolicy;
#else
	return false;
#endif
}

/* System pages for the entries @at[0..n); returns how many got one. */
static unsigned int ferry_allocate_pages(struct ferry_migration *m, const u16 *at,
					 unsigned int n)
{
	struct page *pages[FERRY_CHUNK] = {};
	unsigned int i, got = 0;

	if (!ferry_inject(folio_bulk) && !ferry_has_mempolicy(m->args.vma) &&
	    !(m->ctx && READ_ONCE(m->ctx->fail_next)))
		alloc_pages_bulk(GFP_HIGHUSER_MOVABLE, n, pages);
	for (i = 0; i < n; i++) {
		bool ok = true;

		if (pages[i])
			ferry_dst_folio(m, at[i], page_folio(pages[i]));
		else
			ok = ferry_dst_system(m, at[i], 0);
		ferry_why(m, at[i], 1, ok ? FERRY_REASON_RACED :
					    FERRY_REASON_NO_MEMORY);
		got += ok;
	}
	return got;
}

/*
 * A 2 MiB folio on its way home. Without the first page the core leaves it whole,
 * where it is.
 */
static unsigned long ferry_allocate_home(struct ferry_migration *m,
					 unsigned long i, unsigned long nr)
{
	unsigned long n, want = nr;

	if (ferry_dst_system(m, i, HPAGE_PMD_ORDER)) {
		ferry_why(m, i, nr, FERRY_REASON_RACED);
		return nr;
	}
	if (m->fault_page) {
		/*
		 * The fault's own reference keeps the core from splitting the folio,
		 * but it splits the mapping; the next fault is for one small page.
		 */
		want = 1;
	} else if (!ferry_may_split(m, i)) {
		ferry_why(m, i, nr, FERRY_REASON_RACED);
		return 0;
	}
	for (n = 0; n < want; n++) {
		if (!ferry_dst_system(m, i + n, 0))
			break;
	}
	ferry_why(m, i, n, FERRY_REASON_RACED);
	ferry_why(m, i + n, nr - n, n < want ? FERRY_REASON_NO_MEMORY :
					       FERRY_REASON_RACED);
	return n;
}

static unsigned long ferry_allocate_in_ram(struct ferry_migration *m)
{
	unsigned long i, step, pages = 0;
	unsigned int n = 0;
	u16 at[FERRY_CHUNK];

	for (i = 0; i < m->args.npages; i += step) {
		struct page *page = migrate_pfn_to_page(m->src[i]);

		step = ferry_entry_pages(m, i);
		if (!(m->src[i] & MIGRATE_PFN_MIGRATE))
			continue;
		if (!page)
			ferry_why(m, i, step, FERRY_REASON_EMPTY);
		else if (!ferry_wanted(m, page))
			ferry_why(m, i, step, FERRY_WHY_IGNORE);
		else if (ferry_in_use(page))
			ferry_why(m, i, step, FERRY_REASON_PINNED);
		else if (step > 1)
			pages += ferry_allocate_home(m, i, step);
		else
			at[n++] = i;
		if (n == FERRY_CHUNK) {
			pages += ferry_allocate_pages(m, at, n);
			n = 0;
		}
	}
	if (n)
		pages += ferry_allocate_pages(m, at, n);
	return pages;
}

static unsigned long ferry_migrate_allocate(struct ferry_migration *m)
{
	unsigned long pages = m->dst ? ferry_allocate_on_device(m) :
				       ferry_allocate_in_ram(m);

	trace_ferry_allocate(m, pages);
	return pages;
}

/* ---- copy ---------------------------------------------------------------- */

/* Whether @c can go on with @next, which follows it in the window. */
static bool ferry_copy_joins(const struct ferry_copy *c,
			     const struct ferry_copy *next)
{
	u64 bytes = (u64)c->nr << PAGE_SHIFT;

	return c->dir == next->dir && c->peer == next->peer &&
	       c->vram + bytes == next->vram &&
	       (!c->page || page_to_pfn(c->page) + c->nr == page_to_pfn(next->page)) &&
	       (!c->peer || c->peer_vram + bytes == next->peer_vram);
}

/* A batch goes to one device: the destination, or where the pages come from. */
static void ferry_copy_submit(struct ferry_migration *m)
{
	if (!m->nr_copies)
		return;
	m->fence = (m->fence & FERRY_FENCE_LOST) |
		   m->copier->hw->copy(m->copier, m->copies, m->nr_copies);
	m->nr_copies = 0;
}

static int ferry_copy_wait(struct ferry_migration *m)
{
	int ret = 0;

	ferry_copy_submit(m);
	if (m->copier)
		ret = m->copier->hw->wait(m->copier, m->fence);
	m->copier = NULL;
	m->fence = 0;
	return ret;
}

static int ferry_copy_add(struct ferry_migration *m, struct ferry_device *copier,
			  const struct ferry_copy *c)
{
	int ret = 0;

	if (m->copier != copier) {
		ret = ferry_copy_wait(m);
		m->copier = copier;
	}
	if (m->nr_copies && ferry_copy_joins(&m->copies[m->nr_copies - 1], c)) {
		m->copies[m->nr_copies - 1].nr += c->nr;
		return ret;
	}
	if (m->nr_copies == m->batch)
		ferry_copy_submit(m);
	m->copies[m->nr_copies++] = *c;
	return ret;
}

static u64 ferry_page_vram(const struct page *page)
{
	return (u64)ferry_page_frame(page) << PAGE_SHIFT;
}

/* The copy that entry @i needs; @spage is its source page, NULL for a hole. */
static int ferry_copy_entry(struct ferry_migration *m, struct page *spage,
			    struct page *dpage, unsigned int nr)
{
	struct ferry_device *from = spage ? ferry_page_device(spage) : NULL;
	struct ferry_copy c = { .nr = nr };
	u64 bytes = (u64)nr << PAGE_SHIFT;

	if (!m->dst) {
		c.dir = FERRY_COPY_FROM_VRAM;
		c.vram = ferry_page_vram(spage);
		c.page = dpage;
		ferry_count_add(from, FERRY_C_BYTES_FROM_DEVICE, bytes);
		return ferry_copy_add(m, from, &c);
	}
	c.vram = ferry_page_vram(dpage);
	if (!spage) {
		c.dir = FERRY_COPY_CLEAR;
	} else if (from) {
		c.dir = FERRY_COPY_PEER;
		c.peer = from;
		c.peer_vram = ferry_page_vram(spage);
		ferry_count_add(m->dst, FERRY_C_BYTES_PEER, bytes);
	} else {
		c.dir = FERRY_COPY_TO_VRAM;
		c.page = spage;
		ferry_count_add(m->dst, FERRY_C_BYTES_TO_DEVICE, bytes);
	}
	return ferry_copy_add(m, m->dst, &c);
}

/*
 * What the device can't give back stays where it is: without destinations the
 * core puts the old pages back.
 */
static void ferry_copy_failed(struct ferry_migration *m)
{
	unsigned long i;

	for (i = 0; i < m->args.npages; i++) {
		if (m->dstp[i])
			ferry_drop_dst(m, i);
	}
}

static int ferry_migrate_copy(struct ferry_migration *m, unsigned long pages)
{
	struct page *head = NULL;
	unsigned long i, base = 0, end = 0;
	unsigned int nr;
	int ret = 0, err;

	for (i = 0; i < m->args.npages; i += nr) {
		struct page *spage = migrate_pfn_to_page(m->src[i]);

		nr = m->dstp[i] & MIGRATE_PFN_COMPOUND ? HPAGE_PMD_NR : 1;
		/* Small destinations for a large source: its tails are implied. */
		if (m->src[i] & MIGRATE_PFN_COMPOUND) {
			head = spage;
			base = i;
			end = i + HPAGE_PMD_NR;
		}
		if (!m->dstp[i])
			continue;
		if (!spage && head && i < end)
			spage = head + (i - base);
		err = ferry_copy_entry(m, spage, migrate_pfn_to_page(m->dstp[i]),
				       nr);
		ret = ret ?: err;
		/* A write by the device leaves no trace in the page: assume one. */
		if (!m->dst)
			folio_set_dirty(page_folio(migrate_pfn_to_page(m->dstp[i])));
	}
	err = ferry_copy_wait(m);
	ret = ret ?: err;
	if (ret)
		ferry_copy_failed(m);
	trace_ferry_copy(m, ret ? 0 : pages);
	return ret;
}

/* ---- commit -------------------------------------------------------------- */

static bool ferry_entry_moved(const struct ferry_migration *m, unsigned long i)
{
	return m->dstp[i] && (m->src[i] & MIGRATE_PFN_MIGRATE);
}

/* Enter the new places into the mirror; a page left out faults later. */
static void ferry_commit_enter(struct ferry_migration *m)
{
	struct ferry_mirror *mirror = &m->ctx->mirror;
	struct vm_area_struct *vma = m->args.vma;
	u64 vpn = m->args.start >> PAGE_SHIFT;
	unsigned long i, nr;

	lockdep_assert_held(&mirror->lock);
	for (i = 0; i < m->args.npages; i += nr) {
		struct page *dpage = migrate_pfn_to_page(m->dstp[i]);
		bool huge = m->dstp[i] & MIGRATE_PFN_COMPOUND;
		u64 flags = FERRY_PTE_DEVICE |
			    ((u64)m->dst->index << FERRY_PTE_DEV_SHIFT);

		nr = huge ? HPAGE_PMD_NR : 1;
		if (!ferry_entry_moved(m, i))
			continue;
		if (m->src[i] & MIGRATE_PFN_VALID ?
		    m->src[i] & MIGRATE_PFN_WRITE : vma->vm_flags & VM_WRITE)
			flags |= FERRY_PTE_WRITE;
		ferry_pt_map(&mirror->pt, &mirror->tables, vpn + i,
			     huge ? FERRY_MAX_ORDER : 0,
			     ferry_pte(ferry_page_frame(dpage), flags));
	}
}

/*
 * Go on record before the CPU's page table is read, if the caller's mirror is to
 * learn what is moved.
 */
static void ferry_migrate_watch(struct ferry_migration *m, unsigned long start)
{
	struct ferry_mirror *mirror = m->ctx ? &m->ctx->mirror : NULL;
	struct ferry_granule *g;

	if (!mirror || m->dst != mirror->fd || ferry_mirror_prepare(mirror))
		return;
	g = ferry_mirror_granule(mirror, start);
	if (g)
		ferry_commit_begin(mirror, &m->commit, g);
}

/* Enter what moved, when nobody else changed the granule since the watch began. */
static void ferry_migrate_enter(struct ferry_migration *m, bool moved)
{
	if (!m->commit.task)
		return;
	if (ferry_commit_lock(&m->ctx->mirror, &m->commit) && moved)
		ferry_commit_enter(m);
	mutex_unlock(&m->ctx->mirror.lock);
}

static void ferry_migrate_commit(struct ferry_migration *m)
{
	migrate_vma_pages(&m->args);
	ferry_migrate_enter(m, true);
	trace_ferry_commit(m, m->args.cpages);
}

/* ---- finalize ------------------------------------------------------------ */

static void ferry_count_moved(struct ferry_migration *m, unsigned long i,
			      unsigned long nr)
{
	struct page *spage = migrate_pfn_to_page(m->src[i]);
	struct ferry_device *from = spage ? ferry_page_device(spage) : NULL;
	bool huge = nr > 1;

	if (!m->dst) {
		ferry_count_add(from, FERRY_C_TO_RAM_PAGES, nr);
		ferry_count_add(from, FERRY_C_TO_RAM_HUGE, huge);
	} else if (from) {
		ferry_count_add(m->dst, FERRY_C_PEER_PAGES, nr);
		ferry_count_add(m->dst, FERRY_C_PEER_HUGE, huge);
	} else {
		ferry_count_add(m->dst, spage ? FERRY_C_TO_DEVICE_PAGES :
						FERRY_C_CLEARED_PAGES, nr);
		ferry_count_add(m->dst, FERRY_C_TO_DEVICE_HUGE, huge);
	}
}

static unsigned long ferry_migrate_finalize(struct ferry_migration *m)
{
	unsigned long i, nr, moved = 0;

	for (i = 0; i < m->args.npages; i += nr) {
		nr = m->dstp[i] & MIGRATE_PFN_COMPOUND ? HPAGE_PMD_NR : 1;
		if (ferry_entry_moved(m, i)) {
			ferry_why(m, i, nr, FERRY_WHY_MOVED);
			ferry_count_moved(m, i, nr);
			moved += nr;
			m->huge += nr > 1;
		} else if (m->dstp[i] && !migrate_pfn_to_page(m->src[i]) &&
			   userfaultfd_missing(m->args.vma)) {
			ferry_why(m, i, nr, FERRY_REASON_USERFAULTFD);
		}
	}
	migrate_vma_finalize(&m->args);
	trace_ferry_finalize(m, moved);
	return moved;
}

/* ---- why pages stayed ---------------------------------------------------- */

/* @folio is kept by one reference of ours. */
static u8 ferry_why_folio(struct ferry_migration *m, struct folio *folio)
{
	int refs = folio_mapcount(folio) + 1;

	if (folio_test_ksm(folio))
		return FERRY_REASON_KSM;
	if (!folio_test_anon(folio))
		return ferry_why_file(m->args.vma);
	if (folio_test_swapcache(folio))
		refs += folio_nr_pages(folio);
	/* On its way to the LRU, where the core has just put it back: one more. */
	if (!folio_test_lru(folio))
		refs++;
	if (folio_maybe_dma_pinned(folio) || folio_ref_count(folio) > refs)
		return FERRY_REASON_PINNED;
	if (folio_test_locked(folio) || !folio_test_lru(folio))
		return FERRY_REASON_LOCKED;
	return FERRY_REASON_RACED;
}

/* A page of coherent memory: whoever has pinned it keeps it where it is. */
static u8 ferry_why_coherent_pfn(unsigned long pfn)
{
	struct folio *folio = page_folio(pfn_to_page(pfn));
	u8 why = FERRY_REASON_RACED;

	if (ferry_inject(why_coherent) || !folio_try_get(folio))
		return why;
	if (folio_maybe_dma_pinned(folio) ||
	    folio_ref_count(folio) > folio_mapcount(folio) + 1)
		why = FERRY_REASON_PINNED;
	else if (folio_test_locked(folio))
		why = FERRY_REASON_LOCKED;
	folio_put(folio);
	return why;
}

static u8 ferry_why_ram_pfn(struct ferry_migration *m, unsigned long pfn)
{
	struct folio *folio;
	u8 why;

	if (!m->dst)
		return FERRY_REASON_RESIDENT;
	if (is_zero_pfn(pfn))
		return FERRY_REASON_RACED;
	folio = page_folio(pfn_to_page(pfn));
	if (ferry_inject(why_ram) || !folio_try_get(folio))
		return FERRY_REASON_RACED;
	if (folio_is_zone_device(folio))
		why = FERRY_REASON_OTHER;
	else
		why = ferry_why_folio(m, folio);
	folio_put(folio);
	return why;
}

static u8 ferry_why_pfn(struct ferry_migration *m, unsigned long hmm)
{
	unsigned long pfn = hmm & ~HMM_PFN_FLAGS;
	struct ferry_device *fd;

	if (hmm & HMM_PFN_ERROR)
		return m->args.vma->vm_flags & VM_READ ? FERRY_REASON_SPECIAL :
							 FERRY_REASON_RACED;
	if (!(hmm & HMM_PFN_VALID))
		return vma_is_anonymous(m->args.vma) ?
		       FERRY_REASON_SWAPPED : ferry_why_file(m->args.vma);
	fd = ferry_pfn_device(pfn);
	if (fd == m->dst && fd)
		return FERRY_REASON_RESIDENT;
	if (fd && fd->kind == FERRY_KIND_COHERENT)
		return ferry_why_coherent_pfn(pfn);
	return fd ? FERRY_REASON_RACED : ferry_why_ram_pfn(m, pfn);
}

/* A guess after the fact, but a good one: nothing but the page table is read. */
static void ferry_migrate_explain(struct ferry_migration *m)
{
	unsigned long nr = m->args.npages, i;
	unsigned long *pfns = m->src;
	bool unknown = false;
	int ret;

	for (i = 0; i < nr; i++)
		unknown |= m->why[i] == FERRY_WHY_UNKNOWN;
	if (!unknown)
		return;

	/* The core is done with the array. */
	ret = ferry_mirror_snapshot(&m->ctx->mirror, m->args.start, nr, pfns);
	for (i = 0; i < nr; i++) {
		if (m->why[i] == FERRY_WHY_UNKNOWN)
			m->why[i] = ret ? FERRY_REASON_RACED :
					  ferry_why_pfn(m, pfns[i]);
	}
}

/**
 * ferry_migrate_window - take one window through the five steps
 * @m: the migration; m->why[] of the window says what to do: pages that are
 *	FERRY_WHY_MOVED keep that, whatever happens now
 * @vma: the VMA
 * @start: first address, inside @vma
 * @end: end of the window, inside @vma, at most m->max pages on and within one
 *	2 MiB unit
 *
 * Context: mmap_lock held for reading, or the mmap lock of a fault.
 * Return: number of pages that moved, or -EINVAL for a VMA that the core does
 * not migrate, or -EIO when the device lost data.
 */
int ferry_migrate_window(struct ferry_migration *m, struct vm_area_struct *vma,
			 unsigned long start, unsigned long end)
{
	struct ferry_device *fd = ferry_migration_device(m);
	u64 t = ktime_get_ns();
	unsigned long pages;
	int ret;

	ferry_migrate_watch(m, start);
	ret = ferry_migrate_collect(m, vma, start, end);
	ferry_phase_end(fd, FERRY_PHASE_COLLECT, &t);
	if (ret || !m->args.cpages || m->look) {
		ferry_migrate_enter(m, false);
		pages = 0;
		if (ret)
			goto out;
		goto finalize;
	}

	pages = ferry_migrate_allocate(m);
	ferry_phase_end(fd, FERRY_PHASE_ALLOCATE, &t);
	ret = ferry_migrate_copy(m, pages);
	ferry_phase_end(fd, FERRY_PHASE_COPY, &t);
	ferry_migrate_commit(m);
	ferry_phase_end(fd, FERRY_PHASE_COMMIT, &t);
finalize:
	pages = ferry_migrate_finalize(m);
	ferry_phase_end(fd, FERRY_PHASE_FINALIZE, &t);
out:
	ferry_transit_end(m->fm, &m->transit);
	return ret ?: (int)pages;
}

/* ---- ranges --------------------------------------------------------------- */

static void ferry_count_stayed(struct ferry_migration *m, unsigned long nr,
			       enum ferry_reason reason)
{
	m->failed += nr;
	m->reasons[reason] += nr;
	ferry_count_add(ferry_migration_device(m), FERRY_C_REASON_0 + reason, nr);
}

static void ferry_count_window(struct ferry_migration *m, unsigned long nr)
{
	unsigned long i, run;

	for (i = 0; i < nr; i += run) {
		u8 why = m->why[i];

		for (run = 1; i + run < nr && m->why[i + run] == why; run++)
			;
		if (why == FERRY_WHY_MOVED)
			m->moved += run;
		else if (why != FERRY_WHY_UNKNOWN && why != FERRY_WHY_IGNORE)
			ferry_count_stayed(m, run, why);
		else if (m->explain)
			ferry_count_stayed(m, run, FERRY_REASON_RACED);
	}
}

static unsigned long ferry_window_count(struct ferry_migration *m,
					unsigned long nr, u8 why)
{
	unsigned long i, n = 0;

	for (i = 0; i < nr; i++)
		n += m->why[i] == why;
	return n;
}

/* A VMA that never migrates counts as a whole, however large it is. */
static int ferry_vma_never(struct vm_area_struct *vma)
{
	if (is_vm_hugetlb_page(vma))
		return FERRY_REASON_HUGETLB;
	if (vma->vm_flags & (VM_SPECIAL | VM_SHADOW_STACK) || vma_is_dax(vma))
		return FERRY_REASON_SPECIAL;
	/* Only what was written privately is anonymous, and only that moves. */
	if (vma->vm_flags & VM_SHARED ||
	    (!vma_is_anonymous(vma) && !vma->anon_vma))
		return ferry_why_file(vma);
	return -1;
}

/* Read back what the last pass found swapped out; tells whether any came. */
static bool ferry_window_swapin(struct ferry_migration *m, unsigned long start,
				unsigned long nr)
{
	bool any = false;
	unsigned long i;

	for (i = 0; i < nr && !signal_pending(current); i++) {
		if (m->why[i] != FERRY_REASON_SWAPPED)
			continue;
		if (ferry_mirror_map_hmm(&m->ctx->mirror, start + i * PAGE_SIZE,
					 1, FERRY_ACCESS_READ, true))
			continue;
		any = true;
	}
	return any;
}

/* The page may be gone by now, so it is kept to ask. */
static bool ferry_hmm_is_ksm(unsigned long hmm)
{
	struct folio *folio;
	bool ksm;

	if (!(hmm & HMM_PFN_VALID) || hmm & HMM_PFN_ERROR ||
	    ferry_pfn_device(hmm & ~HMM_PFN_FLAGS))
		return false;
	folio = page_folio(hmm_pfn_to_page(hmm));
	if (ferry_inject(ksm_folio) || !folio_try_get(folio))
		return false;
	ksm = folio_test_ksm(folio);
	folio_put(folio);
	return ksm;
}

/*
 * ksmd lets a page table point at a merged page before the page knows of it. A
 * migration entry put there in between would never be found again, so merged pages
 * are left out before the core collects: the window ends at the first of them, or
 * after a run of them, which is then counted. The mmap lock is held for writing, so
 * no page becomes a merged one meanwhile.
 *
 * Returns the end of the window, and why all of it stays, or FERRY_WHY_UNKNOWN.
 */
static unsigned long ferry_window_unmerged(struct ferry_migration *m,
					   unsigned long start, unsigned long end,
					   u8 *why)
{
	unsigned long nr = (end - start) >> PAGE_SHIFT, i;
	unsigned long *pfns = m->src;
	bool merged;

	*why = FERRY_REASON_RACED;
	if (ferry_mirror_snapshot(&m->ctx->mirror, start, nr, pfns))
		return end;
	merged = ferry_hmm_is_ksm(pfns[0]);
	*why = merged ? FERRY_REASON_KSM : FERRY_WHY_UNKNOWN;
	for (i = 1; i < nr && ferry_hmm_is_ksm(pfns[i]) == merged; i++)
		;
	return start + (i << PAGE_SHIFT);
}

/*
 * One pass over a window, with the mmap lock taken. Returns the window's end, and
 * in *room how many frames another pass could use once the lock is dropped: 0 when
 * the window is done and counted, ~0 when it needs another pass as it is.
 */
static unsigned long ferry_window_pass(struct ferry_migration *m,
				       struct mm_struct *mm, unsigned long start,
				       unsigned long end, bool first,
				       unsigned long *room, int *err)
{
	struct vm_area_struct *vma = find_vma(mm, start);
	unsigned long nr;
	int never, ret;

	*room = 0;
	*err = 0;
	if (!vma || vma->vm_start > start) {
		end = vma ? min(end, vma->vm_start) : end;
		ferry_count_stayed(m, (end - start) >> PAGE_SHIFT,
				   FERRY_REASON_UNMAPPED);
		return end;
	}
	end = min(end, vma->vm_end);
	never = ferry_vma_never(vma);
	if (never >= 0) {
		ferry_count_stayed(m, (end - start) >> PAGE_SHIFT, never);
		return end;
	}

	end = min(end, ALIGN(start + 1, FERRY_BLOCK_BYTES));
	if (vma->vm_flags & VM_MERGEABLE &&
	    m->select & MIGRATE_VMA_SELECT_SYSTEM) {
		u8 why;

		m->want_write = !m->write_locked;
		if (m->want_write) {
			*room = ~0UL;
			return start;
		}
		end = ferry_window_unmerged(m, start, end, &why);
		if (why != FERRY_WHY_UNKNOWN) {
			ferry_count_stayed(m, (end - start) >> PAGE_SHIFT, why);
			return end;
		}
	}
	nr = (end - start) >> PAGE_SHIFT;
	m->again = !first;
	m->no_huge = false;
	/* A folio that must be split first, or a process that wants none. */
	m->small = m->split || vma_thp_disabled(vma, vma->vm_flags, false);
	m->split = false;
	ferry_why(m, 0, m->max, FERRY_WHY_UNKNOWN);
	ret = ferry_migrate_window(m, vma, start, end);
	if (ret == -EIO)
		*err = ret;
	if (m->explain)
		ferry_migrate_explain(m);
	if (m->split || (m->flags & FERRY_MIGRATE_SWAPIN &&
			 ferry_window_swapin(m, start, nr)))
		*room = ~0UL;
	else if (!(m->flags & FERRY_MIGRATE_NO_EVICT))
		*room = ferry_window_count(m, nr, FERRY_REASON_NO_FRAME);
	/* Somebody had a page off the LRU list, say, for a moment. */
	if (!*room && !*err && ferry_window_count(m, nr, FERRY_REASON_RACED))
		*room = ~0UL;
	if (!*room)
		ferry_count_window(m, nr);
	return end;
}

static int ferry_migrate_lock(struct ferry_migration *m, struct mm_struct *mm)
{
	int ret;

	if (!m->want_write) {
		if (m->impatient)
			return !ferry_inject(migrate_trylock) &&
			       mmap_read_trylock(mm) ? 0 : -EAGAIN;
		return ferry_inject(migrate_lock) ? -EINTR :
		       mmap_read_lock_killable(mm);
	}
	/* There is no trylock for writing; what is merged may stay in RAM. */
	ret = m->impatient ? -EAGAIN : ferry_inject(migrate_write_lock) ? -EINTR :
	      mmap_write_lock_killable(mm);
	m->write_locked = !ret;
	return ret;
}

static void ferry_migrate_unlock(struct ferry_migration *m, struct mm_struct *mm)
{
	if (m->write_locked)
		mmap_write_unlock(mm);
	else
		mmap_read_unlock(mm);
	m->write_locked = false;
}

/* One window until it is done: passes, with room made between them. */
static int ferry_window_run(struct ferry_migration *m, struct mm_struct *mm,
			    unsigned long start, unsigned long end,
			    unsigned long *next)
{
	struct ferry_device *fd = ferry_migration_device(m);
	unsigned int tries;
	unsigned long room;
	int err, ret, idx;

	m->split = false;
	m->want_write = false;
	for (tries = 1; ; tries++) {
		u64 t = ktime_get_ns();

		ret = ferry_migrate_lock(m, mm);
		if (ret)
			return ret;
		ferry_phase_end(fd, FERRY_PHASE_LOCK, &t);
		/* It looks at pages of devices that nobody keeps. */
		idx = ferry_devices_enter();
		*next = ferry_window_pass(m, mm, start, end, tries == 1, &room,
					  &err);
		ferry_devices_leave(idx);
		ferry_migrate_unlock(m, mm);
		if (err || !room)
			return err;
		if (*next == start) {
			tries = 0;
			continue;
		}
		if (tries == FERRY_WINDOW_TRIES ||
		    (room != ~0UL &&
		     ferry_make_room(fd, room, m->no_huge, m->impatient))) {
			ferry_count_window(m, (*next - start) >> PAGE_SHIFT);
			return 0;
		}
	}
}

/**
 * ferry_migrate_run - move a range
 * @m: the migration, initialised
 * @mm: address space, with mm_users held
 * @start: first address, page-aligned
 * @end: end of the range
 * @reached: out: how far it got
 *
 * Context: may sleep; no locks held.
 * Return: 0, -EINTR (a signal, or the context is closing; what is counted is up to
 * *@reached), -ENODEV (a device goes), -EAGAIN (impatient, and the mmap lock was
 * taken), -ENOMEM, -EIO.
 */
int ferry_migrate_run(struct ferry_migration *m, struct mm_struct *mm,
		      unsigned long start, unsigned long end,
		      unsigned long *reached)
{
	unsigned long next;
	int ret = 0;

	for (*reached = start; *reached < end; *reached = next) {
		unsigned long unit = min(end, ALIGN(*reached + 1,
						    FERRY_BLOCK_BYTES));

		/* One window is done first, whatever timers the caller runs. */
		if (m->interruptible && *reached != start &&
		    (ferry_inject(migrate_signal) || signal_pending(current)))
			return -EINTR;
		if (m->dst && ferry_device_is_going(m->dst))
			return -ENODEV;
		if (m->ctx && READ_ONCE(m->ctx->closing))
			return ferry_device_is_going(m->ctx->fd) ? -ENODEV :
								   -EINTR;
		if (m->ctx && !m->impatient) {
			ret = ferry_mirror_cover(&m->ctx->mirror, *reached, unit);
			if (ret)
				return ret;
		}
		ret = ferry_window_run(m, mm, *reached, end, &next);
		if (ret)
			return ret;
		cond_resched();
	}
	return 0;
}

/**
 * ferry_migrate_range - FERRY_IOC_MIGRATE, on checked arguments
 * @ctx: the caller's context
 * @dst: the device that req->dst names, in use by the caller; NULL for RAM
 * @req: the request; counts and, on -EINTR, where to go on are stored in it
 *
 * Context: may sleep.
 * Return: 0 or the errno that the uapi header names.
 */
int ferry_migrate_range(struct ferry_context *ctx, struct ferry_device *dst,
			struct ferry_migrate *req)
{
	struct ferry_migration m = {
		.dst = dst,
		.from = ctx->fd,
		.ctx = ctx,
		.fm = ctx->fm,
		.flags = req->flags,
		.max = FERRY_WINDOW,
		.explain = true,
		.interruptible = true,
	};
	struct mm_struct *mm = ctx->fm->mm;
	unsigned long reached;
	int ret;

	m.select = dst ? MIGRATE_VMA_SELECT_SYSTEM : 0;
	if (!dst || ferry_devices_many())
		m.select |= FERRY_SELECT_DEVICES;
	if (m.flags & FERRY_MIGRATE_LOCAL) {
		m.select = dst ? MIGRATE_VMA_SELECT_SYSTEM :
				 ferry_kind_select(ctx->fd->kind);
		if (!dst) {
			m.only = ctx->fd;
			m.only_nr = ctx->fd->region.nr;
		}
	}
	if (!(m.flags & FERRY_MIGRATE_NO_THP) && (!dst || ferry_device_has_huge(dst)))
		m.select |= MIGRATE_VMA_SELECT_COMPOUND;

	ret = ferry_migration_init(&m);
	if (ret)
		return ret;
	if (ferry_inject(migrate_mm) || !mmget_not_zero(mm)) {
		ret = -ESRCH;
		goto out;
	}
	ret = ferry_migrate_run(&m, mm, req->addr, req->addr + req->len,
				&reached);
	mmput(mm);

	if (ret == -EINTR) {
		req->len -= reached - req->addr;
		req->addr = reached;
	}
	req->moved = m.moved;
	req->failed = m.failed;
	req->huge = m.huge;
	memcpy(req->reasons, m.reasons, sizeof(m.reasons));
out:
	ferry_migration_fini(&m);
	return ret;
}
