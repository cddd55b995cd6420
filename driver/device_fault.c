// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device touches a page that its page table does not give: the fault queue.
 *
 * Engines put faults into the device's bounded queue and wait. A service thread
 * takes them in batches, sorts them by context and address, merges neighbours,
 * asks the policy where the pages should be, and migrates what is to come here; the
 * engine then tries its access again (replay). A fault that cannot be resolved
 * fails the command that raised it, nothing else.
 *
 * The engine that faulted maps what does not move, with
 * hmm_range_fault(): that may wait for a disk, a network or a FUSE daemon, and one
 * process must not keep the faults of all others waiting. For the same reason the
 * service thread only tries the locks of an address space, and leaves what it could
 * not get to the engine as well. It holds no lock between the steps, so it may
 * evict.
 */
#include <linux/hmm.h>
#include <linux/hugetlb.h>
#include <linux/kthread.h>
#include <linux/list_sort.h>
#include <linux/memcontrol.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include "ferry.h"
#include "trace.h"

/* Answer of the service thread: map it yourself. */
#define FERRY_FAULT_MAP		1

/* Faults in one batch at most. */
#define FERRY_FAULT_BATCH	64U

/* A run of pages that faults of one context and kind of access ask for. */
struct ferry_fault_run {
	struct ferry_context *ctx;
	u64 vpn;
	unsigned long nr;
	u32 access;
	unsigned int tries;
};

static bool ferry_reachable(struct ferry_mirror *m, u64 vpn, u32 access)
{
	bool missing;

	mutex_lock(&m->lock);
	missing = ferry_mirror_missing(m, vpn, 1, access);
	mutex_unlock(&m->lock);
	return !missing;
}

static bool ferry_run_reachable(const struct ferry_fault_run *run, u64 vpn)
{
	return ferry_reachable(&run->ctx->mirror, vpn, run->access);
}

/* What the VMA allows, in policy terms; -EFAULT or -EPERM when not this access. */
static int ferry_run_check(struct ferry_fault_run *run, struct mm_struct *mm,
			   struct ferry_policy_fault *pf)
{
	unsigned long addr = run->vpn << PAGE_SHIFT;
	struct vm_area_struct *vma = vma_lookup(mm, addr);

	if (!vma || !(vma->vm_flags & VM_READ) || vma->vm_flags & VM_SHADOW_STACK)
		return -EFAULT;
	if (run->access != FERRY_ACCESS_READ && !(vma->vm_flags & VM_WRITE))
		return -EPERM;
	pf->vma_start = vma->vm_start >> PAGE_SHIFT;
	pf->vma_end = vma->vm_end >> PAGE_SHIFT;
	pf->anonymous = vma_is_anonymous(vma);
	run->nr = min_t(u64, run->nr, pf->vma_end - run->vpn);
	return 0;
}

/* Whether the first page is on this device already, ready for the access. */
static bool ferry_run_is_here(struct ferry_fault_run *run)
{
	unsigned long pfn;

	if (ferry_mirror_snapshot(&run->ctx->mirror, run->vpn << PAGE_SHIFT, 1,
				  &pfn) || !(pfn & HMM_PFN_VALID))
		return false;
	if (run->access != FERRY_ACCESS_READ && !(pfn & HMM_PFN_WRITE))
		return false;
	return ferry_pfn_device(pfn & ~HMM_PFN_FLAGS) == run->ctx->fd;
}

static int ferry_run_ask(struct ferry_fault_run *run, struct mm_struct *mm,
			 struct ferry_policy_answer *a)
{
	struct ferry_device *fd = run->ctx->fd;
	struct ferry_policy_fault pf = {
		.vpn = run->vpn,
		.write = run->access != FERRY_ACCESS_READ,
		.atomic = run->access == FERRY_ACCESS_ATOMIC,
		.frames_free = READ_ONCE(fd->region.frames.free),
		.frames_total = fd->region.nr,
		.failed_before = run->tries,
	};
	unsigned long start, end;
	bool here;
	int ret;

	a->place = FERRY_PLACE_MAP;
	if (ferry_inject(fault_trylock) || !mmap_read_trylock(mm))
		return 0;
	ret = ferry_run_check(run, mm, &pf);
	here = !ret && ferry_run_is_here(run);
	mmap_read_unlock(mm);
	if (ret || here)
		return ret;
	/* What comes with a page obeys the same hint. */
	pf.advice = ferry_advice_at(run->ctx, run->vpn << PAGE_SHIFT, &start,
				    &end);
	pf.vma_start = max_t(u64, pf.vma_start, start >> PAGE_SHIFT);
	pf.vma_end = min_t(u64, pf.vma_end, end >> PAGE_SHIFT);
	run->nr = min_t(u64, run->nr, pf.vma_end - run->vpn);
	pf.nr = run->nr;
	if (pf.advice == FERRY_ADVISE_ACCESSED_BY)
		pf.advice = FERRY_ADVISE_PREFER_RAM;
	(run->ctx->policy ?: READ_ONCE(fd->policy))->place(&pf, a);
	return 0;
}

static int ferry_run_migrate(struct ferry_fault_run *run, struct mm_struct *mm,
			     const struct ferry_policy_answer *a)
{
	struct ferry_context *ctx = run->ctx;
	struct ferry_migration m = {
		.dst = ctx->fd,
		.ctx = ctx,
		.fm = ctx->fm,
		.max = FERRY_WINDOW,
		.impatient = true,
		.select = MIGRATE_VMA_SELECT_SYSTEM |
			  MIGRATE_VMA_SELECT_COMPOUND,
	};
	unsigned long reached;
	int ret;

	if (ferry_devices_many())
		m.select |= FERRY_SELECT_DEVICES;
	if (!ferry_device_has_huge(ctx->fd))
		m.select &= ~MIGRATE_VMA_SELECT_COMPOUND;
	ret = ferry_migration_init(&m);
	if (ret)
		return ret;
	ret = ferry_migrate_run(&m, mm, a->vpn << PAGE_SHIFT,
				(a->vpn + a->nr) << PAGE_SHIFT, &reached);
	ferry_count_add(ctx->fd, FERRY_C_DEV_FAULT_MIGRATED, m.moved);
	ferry_migration_fini(&m);
	return ret;
}

static int ferry_run_resolve_mm(struct ferry_fault_run *run,
				struct mm_struct *mm)
{
	struct ferry_policy_answer a;
	int ret;

	ret = ferry_run_ask(run, mm, &a);
	if (ret)
		return ret;
	if (a.place == FERRY_PLACE_MIGRATE) {
		ret = ferry_run_migrate(run, mm, &a);
		if (ret == -EIO)
			return ret;
	}
	return ferry_run_reachable(run, run->vpn) ? 0 : FERRY_FAULT_MAP;
}

/* Resolve a run: its first page for certain, the others as far as it goes. */
static int ferry_run_resolve(struct ferry_fault_run *run)
{
	struct mm_struct *mm = run->ctx->fm->mm;
	struct mem_cgroup *memcg, *old;
	int ret;

	if (ferry_inject(fault_run_mm) || READ_ONCE(run->ctx->closing) ||
	    !mmget_not_zero(mm))
		return -ECANCELED;
	/* What it allocates is the owner's. */
	memcg = get_mem_cgroup_from_mm(mm);
	old = set_active_memcg(memcg);
	ret = ferry_run_resolve_mm(run, mm);
	set_active_memcg(old);
	mem_cgroup_put(memcg);
	/* The last user's exit must not be run by the service thread. */
	mmput_async(mm);
	return ret;
}

static int ferry_fault_cmp(void *priv, const struct list_head *a,
			   const struct list_head *b)
{
	const struct ferry_fault *x = list_entry(a, struct ferry_fault, node);
	const struct ferry_fault *y = list_entry(b, struct ferry_fault, node);

	if (x->ctx != y->ctx)
		return x->ctx < y->ctx ? -1 : 1;
	if (x->access != y->access)
		return x->access < y->access ? -1 : 1;
	return x->vpn < y->vpn ? -1 : x->vpn > y->vpn;
}

static bool ferry_run_takes(const struct ferry_fault_run *run,
			    const struct ferry_fault *f)
{
	return run->ctx == f->ctx && run->access == f->access &&
	       f->vpn <= run->vpn + run->nr &&
	       f->vpn + f->nr <= run->vpn + FERRY_WINDOW;
}

static void ferry_fault_done(struct ferry_device *fd, struct ferry_fault *f,
			     int status)
{
	u64 ns = ktime_get_ns() - f->raised;

	ferry_stats_phase(fd, FERRY_PHASE_DEV_FAULT, ns);
	if (status < 0)
		ferry_count(fd, FERRY_C_DEV_FAULT_FAILED);
	trace_ferry_device_fault(fd->index, f->ctx->mirror.id,
				 f->vpn << PAGE_SHIFT, f->nr, f->access, status,
				 ns);
	list_del(&f->node);
	f->status = status;
	/* The engine's stack owns it from here on. */
	complete(&f->done);
}

/* Take the first faults of the batch that make one run; resolve; complete. */
static void ferry_serve_run(struct ferry_device *fd, struct list_head *batch)
{
	struct ferry_fault *f = list_first_entry(batch, struct ferry_fault, node);
	struct ferry_fault_run run = {
		.ctx = f->ctx,
		.vpn = f->vpn,
		.nr = f->nr,
		.access = f->access,
		.tries = f->tries,
	};
	struct ferry_fault *next;
	LIST_HEAD(mine);
	int ret;

	list_move_tail(&f->node, &mine);
	list_for_each_entry_safe(f, next, batch, node) {
		if (!ferry_run_takes(&run, f))
			break;
		run.nr = max(run.nr, (unsigned long)(f->vpn + f->nr - run.vpn));
		list_move_tail(&f->node, &mine);
		ferry_count(fd, FERRY_C_DEV_FAULT_DUPS);
	}

	ret = ferry_run_resolve(&run);
	list_for_each_entry_safe(f, next, &mine, node) {
		struct ferry_fault_run one = run;

		if (f->vpn != run.vpn) {
			one.vpn = f->vpn;
			one.nr = 1;
			ret = ferry_run_reachable(&one, f->vpn) ? 0 :
			      ferry_run_resolve(&one);
		}
		ferry_fault_done(fd, f, ret);
	}
}

static bool ferry_take_batch(struct ferry_fault_queue *q, struct list_head *batch)
{
	unsigned int n;

	spin_lock(&q->lock);
	for (n = 0; n < FERRY_FAULT_BATCH && q->len; n++) {
		list_move_tail(q->list.next, batch);
		WRITE_ONCE(q->len, q->len - 1);
	}
	spin_unlock(&q->lock);
	if (n)
		wake_up_all(&q->room);
	return n;
}

static bool ferry_queue_wakes(struct ferry_fault_queue *q)
{
	return READ_ONCE(q->len) || kthread_should_stop();
}

static int ferry_service_thread(void *data)
{
	struct ferry_device *fd = data;
	struct ferry_fault_queue *q = &fd->faults;
	LIST_HEAD(batch);

	while (!kthread_should_stop()) {
		wait_event_idle(q->work, ferry_queue_wakes(q));
		if (!ferry_take_batch(q, &batch))
			continue;
		ferry_count(fd, FERRY_C_DEV_FAULT_BATCHES);
		list_sort(NULL, &batch, ferry_fault_cmp);
		while (!list_empty(&batch)) {
			ferry_serve_run(fd, &batch);
			cond_resched();
		}
	}
	return 0;
}

/**
 * ferry_faults_init - start a device's service thread
 * @fd: the device
 *
 * Return: 0 or -errno.
 */
int ferry_faults_init(struct ferry_device *fd)
{
	struct ferry_fault_queue *q = &fd->faults;
	struct task_struct *t;

	spin_lock_init(&q->lock);
	INIT_LIST_HEAD(&q->list);
	q->len = 0;
	init_waitqueue_head(&q->work);
	init_waitqueue_head(&q->room);
	t = ferry_inject(service_thread) ? ERR_PTR(-ENOMEM) :
	    kthread_run(ferry_service_thread, fd, "ferry%u-fault", fd->index);
	if (IS_ERR(t))
		return PTR_ERR(t);
	q->thread = t;
	return 0;
}

/**
 * ferry_faults_fini - stop it
 * @fd: the device; it has no contexts, so no faults
 */
void ferry_faults_fini(struct ferry_device *fd)
{
	kthread_stop(fd->faults.thread);
}

static bool ferry_fault_queue(struct ferry_fault_queue *q, struct ferry_fault *f)
{
	bool room;

	spin_lock(&q->lock);
	room = !ferry_inject(fault_queue) && q->len < FERRY_FAULT_QUEUE;
	if (room) {
		list_add_tail(&f->node, &q->list);
		WRITE_ONCE(q->len, q->len + 1);
	}
	spin_unlock(&q->lock);
	return room;
}

static bool ferry_queue_lets_in(struct ferry_fault_queue *q,
				struct ferry_context *ctx)
{
	return READ_ONCE(q->len) < FERRY_FAULT_QUEUE || READ_ONCE(ctx->closing);
}

/* Queue a fault and wait; returns what the service thread made of it. */
static int ferry_fault_ask(struct ferry_context *ctx, struct ferry_fault *f)
{
	struct ferry_fault_queue *q = &ctx->fd->faults;

	init_completion(&f->done);
	while (!ferry_fault_queue(q, f)) {
		ferry_count(ctx->fd, FERRY_C_FAULT_QUEUE_FULL);
		wait_event_idle(q->room, ferry_queue_lets_in(q, ctx));
		if (READ_ONCE(ctx->closing))
			return -ECANCELED;
	}
	ferry_count(ctx->fd, FERRY_C_DEV_FAULTS);
	wake_up(&q->work);
	wait_for_completion_state(&f->done, TASK_IDLE);
	return f->status;
}

/* Whether the first page is on some device, where fork left it read-only. */
static bool ferry_fault_is_shared(struct ferry_mirror *m, u64 vpn)
{
	u64 pte;

	mutex_lock(&m->lock);
	pte = ferry_pt_lookup(&m->pt, vpn, NULL);
	mutex_unlock(&m->lock);
	return pte & FERRY_PTE_DEVICE && !(pte & FERRY_PTE_WRITE);
}

/*
 * A page on any device is good for atomics where it is, and so is memory that is not
 * anonymous. Two devices that fight for a word thus end up at the same one, instead
 * of taking it from each other. Anonymous RAM is taken from the CPU.
 */
static int ferry_fault_map_atomic(struct ferry_context *ctx,
				  const struct ferry_fault *f,
				  const struct vm_area_struct *vma)
{
	struct ferry_mirror *m = &ctx->mirror;
	unsigned long addr = f->vpn << PAGE_SHIFT;
	int ret;

	ret = ferry_mirror_map_hmm(m, addr, 1, f->access, true);
	if (ret || ferry_reachable(m, f->vpn, f->access))
		return ret;
	ret = ferry_mirror_map_exclusive(m, addr);
	/* Private hugetlb pages are neither taken nor shared. */
	return ret == -EOPNOTSUPP && !is_vm_hugetlb_page(vma) ? -EBUSY : ret;
}

/* Map the pages where they are; the first one counts, the rest is a hint. */
static int ferry_fault_map_locked(struct ferry_context *ctx,
				  const struct ferry_fault *f,
				  const struct vm_area_struct *vma,
				  unsigned long nr)
{
	struct ferry_mirror *m = &ctx->mirror;
	unsigned long addr = f->vpn << PAGE_SHIFT;
	int ret;

	if (f->access == FERRY_ACCESS_ATOMIC)
		return ferry_fault_map_atomic(ctx, f, vma);
	ret = ferry_mirror_map_hmm(m, addr, nr, f->access, true);
	if (ret && ret != -EBUSY && nr > 1) {
		nr = 1;
		ret = ferry_mirror_map_hmm(m, addr, nr, f->access, true);
	}
	if (!ret)
		ferry_count_add(ctx->fd, FERRY_C_DEV_FAULT_MAPPED, nr);
	/* At home, the CPU's write fault unshares them: all that come next as well. */
	if (!ret && f->access != FERRY_ACCESS_READ &&
	    ferry_fault_is_shared(m, f->vpn)) {
		ret = ferry_mirror_map_hmm(m, addr, nr, f->access, false);
		if (ret && ret != -EBUSY && nr > 1)
			ret = ferry_mirror_map_hmm(m, addr, 1, f->access, false);
	}
	return ret;
}

/*
 * The same for a task that may be kept waiting by the user space behind a mapping:
 * the mmap lock is dropped meanwhile, and what is shared at the device stays there.
 */
static int ferry_fault_map_patiently(struct ferry_context *ctx,
				     const struct ferry_fault *f,
				     unsigned long nr)
{
	int ret = ferry_mirror_map_patiently(&ctx->mirror, f->vpn << PAGE_SHIFT,
					     nr, f->access);

	if (!ret)
		ferry_count_add(ctx->fd, FERRY_C_DEV_FAULT_MAPPED, nr);
	return ret;
}

static int ferry_fault_map(struct ferry_context *ctx, const struct ferry_fault *f,
			   struct mm_struct *mm)
{
	unsigned long addr = f->vpn << PAGE_SHIFT;
	unsigned long granule_end = ALIGN(addr + 1, FERRY_GRANULE);
	struct vm_area_struct *vma;
	unsigned long nr, start, end;
	int ret = -EFAULT;

	ferry_advice_at(ctx, addr, &start, &end);
	end = min(end, granule_end);

	mmap_read_lock(mm);
	vma = vma_lookup(mm, addr);
	if (vma) {
		nr = min3(f->nr, FERRY_WINDOW,
			  (min(end, vma->vm_end) - addr) >> PAGE_SHIFT);
		if (f->patient && f->access != FERRY_ACCESS_ATOMIC) {
			mmap_read_unlock(mm);
			return ferry_fault_map_patiently(ctx, f, nr);
		}
		ret = ferry_fault_map_locked(ctx, f, vma, nr);
	}
	mmap_read_unlock(mm);
	return ret;
}

/*
 * Notifiers must be there before anything is entered; the service thread cannot
 * wait for the lock that the first one of an address space takes.
 */
static int ferry_fault_cover(struct ferry_context *ctx, const struct ferry_fault *f,
			     struct mm_struct *mm)
{
	unsigned long start = ALIGN_DOWN(f->vpn << PAGE_SHIFT, FERRY_BLOCK_BYTES);
	unsigned long end = ALIGN((f->vpn + f->nr) << PAGE_SHIFT,
				  FERRY_BLOCK_BYTES);

	if (f->vpn >= mm->task_size >> PAGE_SHIFT)
		return -EFAULT;
	return ferry_mirror_cover(&ctx->mirror, start, end);
}

static int ferry_fault_resolve(struct ferry_context *ctx, struct ferry_fault *f,
			       struct mm_struct *mm)
{
	int ret;

	ret = ferry_fault_cover(ctx, f, mm);
	if (ret)
		return ret;
	ret = ferry_fault_ask(ctx, f);
	if (ret == FERRY_FAULT_MAP)
		ret = ferry_fault_map(ctx, f, mm);
	switch (ret) {
	case -EBUSY:
	case -EAGAIN:
		/* It kept changing: the engine tries again, and counts its tries. */
		return 0;
	case -EINVAL:
	case -EOPNOTSUPP:
		return -EFAULT;
	default:
		return ret;
	}
}

/**
 * ferry_fault_raise - have a page made reachable
 * @ctx: the context
 * @addr: address that must be reachable
 * @len: bytes from there that the command would fault on next; at least 1
 * @access: FERRY_ACCESS_*
 * @tries: replays of this access before this one
 * @patient: the caller may wait for userfaultfd, and be killed while it does
 *
 * Context: the context's engine, or a task of its address space; may sleep; no locks
 * held.
 * Return: 0 to try the access again, -EFAULT, -EPERM (a mapping forbids it),
 * -ECANCELED, -ENOMEM, -EIO, -EINTR.
 */
int ferry_fault_raise(struct ferry_context *ctx, u64 addr, u64 len, u32 access,
		      unsigned int tries, bool patient)
{
	u64 vpn = addr >> PAGE_SHIFT;
	struct ferry_fault f = {
		.ctx = ctx,
		.vpn = vpn,
		.nr = min_t(u64, ((addr + len - 1) >> PAGE_SHIFT) - vpn + 1,
			    FERRY_WINDOW),
		.access = access,
		.tries = tries,
		.patient = patient,
		.raised = ktime_get_ns(),
	};
	struct mm_struct *mm = ctx->fm->mm;
	struct mem_cgroup *memcg, *old;
	int ret;

	if (ferry_inject(fault_mm) || !mmget_not_zero(mm))
		return -ECANCELED;
	memcg = get_mem_cgroup_from_mm(mm);
	old = set_active_memcg(memcg);
	ret = ferry_fault_resolve(ctx, &f, mm);
	set_active_memcg(old);
	mem_cgroup_put(memcg);
	mmput_async(mm);
	return ret;
}
