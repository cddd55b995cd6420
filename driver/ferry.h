/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ferry's own structures, and what the rooms offer each other.
 *
 * Lock order, outermost first:
 *
 *	region.evict_lock -> mmap_lock (read) -> folio lock -> mirror.lock
 *	-> region.lock
 *	mirror.grow -> mmap_lock (write, for the first notifier of an mm)
 *	engine.lock -> an eventfd's wait queue
 *
 * The others are leaves.
 *
 * mirror.lock is taken inside mmu notifier callbacks, so inside memory reclaim:
 * nothing under it allocates with GFP_KERNEL, faults, or waits for anything that
 * does. region.lock is a spinlock; it is taken when the last reference of a
 * device folio goes, under page table locks.
 */
#ifndef FERRY_DRV_H
#define FERRY_DRV_H

#include <linux/cdev.h>
#include <linux/completion.h>
#include <linux/device.h>
#include <linux/eventfd.h>
#include <linux/kref.h>
#include <linux/ktime.h>
#include <linux/memremap.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/nospec.h>
#include <linux/percpu.h>
#include <linux/percpu-refcount.h>
#include <linux/range.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <linux/ferry.h>
#include "client.h"
#include "compat.h"
#include "frame.h"
#include "hw.h"
#include "inject.h"
#include "pagetable.h"
#include "policy.h"

#define FERRY_BLOCK_SHIFT	(PAGE_SHIFT + FERRY_MAX_ORDER)
#define FERRY_BLOCK_BYTES	(1UL << FERRY_BLOCK_SHIFT)
/* Bytes that one interval notifier covers. */
#define FERRY_GRANULE_SHIFT	25
#define FERRY_GRANULE		(1UL << FERRY_GRANULE_SHIFT)
/* Pages that one pass of the five steps handles at most: one 2 MiB unit. */
#define FERRY_WINDOW		512UL

struct ferry_context;
struct ferry_device;

/* ---- stats.c ----------------------------------------------------------- */

struct ferry_stats_cpu {
	u64 counter[FERRY_COUNTERS];
	u64 hist[FERRY_PHASES][FERRY_BUCKETS];
};

/* ---- region.c ---------------------------------------------------------- */

/**
 * struct ferry_mm - an address space that has pages on a device
 * @ref: one for each frame that it owns, one for each context
 * @mm: the mm_struct, kept from being freed (mmgrab), not from exiting
 * @node: in the list of all, guarded by its mutex
 * @contexts: open contexts; at 0 its frames are the first to be evicted
 * @guard: holds off zaps of what is in transit, see guard.c
 * @transit_lock: guards @transits
 * @transits: 2 MiB device folios that leave their device now
 * @transit_wait: woken when one has arrived
 */
struct ferry_mm {
	refcount_t ref;
	struct mm_struct *mm;
	struct list_head node;
	atomic_t contexts;
	struct mmu_notifier guard;
	spinlock_t transit_lock;
	struct list_head transits;
	wait_queue_head_t transit_wait;
};

/**
 * struct ferry_transit - a 2 MiB device folio that leaves its device
 * @node: in ferry_mm.transits
 * @start: its address
 * @task: who moves it; NULL when this record is not in use
 */
struct ferry_transit {
	struct list_head node;
	unsigned long start;
	struct task_struct *task;
};

/**
 * struct ferry_frame_meta - whose page a used frame holds
 * @owner: address space that the frame was allocated for; NULL when free
 * @index: its linear page index there (see linear_page_index())
 *
 * Guarded by region.lock, but for ferry_frames_place().
 */
struct ferry_frame_meta {
	struct ferry_mm *owner;
	unsigned long index;
};

/**
 * struct ferry_block - 2 MiB of frames, the unit of eviction
 * @last_use: region.clock of the last allocation or device access
 * @orphan: its owners had no context left when the last one closed; a hint
 */
struct ferry_block {
	u64 last_use;
	bool orphan;
};

/**
 * struct ferry_hold - a frame that must not be given out, whoever frees it
 * @node: in region.holds
 * @frame: the frame, the first of its folio
 * @freed: the folio was freed meanwhile; the frame is the holder's
 */
struct ferry_hold {
	struct list_head node;
	unsigned long frame;
	bool freed;
};

/**
 * struct ferry_region - device memory registered as ZONE_DEVICE pages
 * @pgmap: its pagemap
 * @va: where the CPU maps it, coherent memory only
 * @first_pfn: pfn of frame 0
 * @nr: frames
 * @lock: guards @frames, @meta, @holds and the flags of @blocks
 * @frames: which frames are free
 * @meta: whose page each used frame holds
 * @blocks: one for each FERRY_BLOCK_FRAMES frames
 * @holds: frames held, nearly always none
 * @clock: grows with each use
 * @evict_lock: one eviction at a time
 */
struct ferry_region {
	struct dev_pagemap pgmap;
	void *va;
	unsigned long first_pfn;
	unsigned long nr;
	spinlock_t lock;
	struct ferry_frames frames;
	struct ferry_frame_meta *meta;
	struct ferry_block *blocks;
	struct list_head holds;
	atomic64_t clock;
	struct mutex evict_lock;
};

/* ---- device_fault.c ---------------------------------------------------- */

/**
 * struct ferry_fault - one entry of the fault queue; lives on the engine's stack
 * @node: in the queue, then in the service thread's batch
 * @ctx: context whose engine faulted
 * @vpn: page that must be reachable
 * @nr: pages from there that the command is about to touch; all but the first
 *	are a hint
 * @access: FERRY_ACCESS_*
 * @tries: replays for this operand since another one faulted
 * @patient: the task that raised it may wait for userfaultfd
 * @raised: when it was queued, ns
 * @status: how it was resolved; valid once @done
 * @done: completed by the service thread
 */
struct ferry_fault {
	struct list_head node;
	struct ferry_context *ctx;
	u64 vpn;
	unsigned long nr;
	u32 access;
	unsigned int tries;
	bool patient;
	u64 raised;
	int status;
	struct completion done;
};

#define FERRY_FAULT_QUEUE	256

/**
 * struct ferry_fault_queue - the device's bounded fault queue
 * @lock: guards @list and @len
 * @list: faults not yet taken by the service thread
 * @len: how many
 * @work: wakes the service thread
 * @room: wakes engines that wait for room
 * @thread: the service thread
 */
struct ferry_fault_queue {
	spinlock_t lock;
	struct list_head list;
	unsigned int len;
	wait_queue_head_t work;
	wait_queue_head_t room;
	struct task_struct *thread;
};

/* ---- device.c ---------------------------------------------------------- */

/**
 * struct ferry_device - one accelerator, /dev/ferryN
 * @dev: device in class ferry
 * @cdev: its node
 * @index: N
 * @kind: kind of memory
 * @hw: its backend
 * @hw_data: the backend's
 * @bytes: size of its memory
 * @range: where the CPU reaches it, physical addresses; empty when it cannot
 * @region: its memory
 * @faults: its fault queue
 * @policy: read once for each decision; switchable at run time
 * @stats: per-CPU counters and histograms
 * @debugfs: its directory
 * @next_id: numbers its contexts
 * @contexts: open contexts, at most FERRY_MAX_CONTEXTS
 * @engine_wq: runs the engines of its contexts
 * @published: it has a node
 * @going: it is being removed
 * @users: calls in progress; killed when the device goes
 * @idle: the last of them has ended
 * @list_lock: guards @list
 * @list: its contexts
 * @grave: what is here was lost: a CPU access gets SIGBUS, see device.c
 * @filling: pages are on their way to this grave, so it is not to be reaped;
 *	guarded by the lock of the list
 * @node: in the list of graves
 */
struct ferry_device {
	struct device dev;
	struct cdev cdev;
	unsigned int index;
	enum ferry_kind kind;
	const struct ferry_hw_ops *hw;
	void *hw_data;
	u64 bytes;
	struct range range;
	struct ferry_region region;
	struct ferry_fault_queue faults;
	const struct ferry_policy_ops *policy;
	struct ferry_stats_cpu __percpu *stats;
	struct dentry *debugfs;
	atomic_t next_id;
	atomic_t contexts;
	struct workqueue_struct *engine_wq;
	bool published;
	bool going;
	struct percpu_ref users;
	struct completion idle;
	struct mutex list_lock;
	struct list_head list;
	bool grave;
	bool filling;
	struct list_head node;
};

/**
 * struct ferry_device_desc - what a device is made of
 * @hw: its backend
 * @hw_data: the backend's, or NULL when its init() makes it
 * @kind: private or coherent
 * @parent: the device that it belongs to, or NULL
 * @bytes: size, a multiple of FERRY_BLOCK_BYTES
 * @range: as in struct ferry_device
 */
struct ferry_device_desc {
	const struct ferry_hw_ops *hw;
	void *hw_data;
	enum ferry_kind kind;
	struct device *parent;
	u64 bytes;
	struct range range;
};

/* Each context can run at the same time as all others: one worker each. */
#define FERRY_MAX_CONTEXTS	256

extern struct ferry_device *ferry_devs[FERRY_MAX_DEVICES];
extern const struct class ferry_class;

struct ferry_device *ferry_device_add(const struct ferry_device_desc *desc);
void ferry_device_remove(struct ferry_device *fd);
void ferry_devices_publish(void);
void ferry_devices_remove_soft(void);
struct ferry_device *ferry_device_use(int index);
struct ferry_device *ferry_device_make_grave(u64 bytes);
void ferry_grave_emptied(void);
unsigned int ferry_devices_top(void);
bool ferry_devices_many(void);
int ferry_devices_init(void);
void ferry_devices_fini(void);

static inline bool ferry_device_get(struct ferry_device *fd)
{
	return percpu_ref_tryget_live(&fd->users);
}

static inline void ferry_device_put(struct ferry_device *fd)
{
	percpu_ref_put(&fd->users);
}

/* Whether it goes: calls that use it should end. */
static inline bool ferry_device_is_going(struct ferry_device *fd)
{
	return percpu_ref_is_dying(&fd->users);
}

/* Whether its VRAM still answers. */
static inline bool ferry_device_alive(struct ferry_device *fd)
{
	return !fd->hw->alive || fd->hw->alive(fd);
}

/*
 * Between the two, no device that ferry_devs[] showed goes away: its struct pages
 * stay, even when nothing keeps a page of it. May sleep.
 */
int ferry_devices_enter(void);
void ferry_devices_leave(int idx);

/* ---- main.c ------------------------------------------------------------ */

struct ferry_context *ferry_context_open(struct ferry_device *fd);
int ferry_context_use(struct ferry_context *ctx);
void ferry_context_close(struct ferry_context *ctx);
extern const struct file_operations ferry_fops;
extern unsigned long ferry_fault_window;
extern enum ferry_kind ferry_pci_kind;
extern bool ferry_pci_take;
extern unsigned int ferry_pci_vram;

/* ---- mirror.c ---------------------------------------------------------- */

/**
 * struct ferry_granule - one interval notifier of a mirror
 * @mni: the notifier
 * @mirror: its mirror
 */
struct ferry_granule {
	struct mmu_interval_notifier mni;
	struct ferry_mirror *mirror;
};

/**
 * struct ferry_commit - one task is about to enter translations of a granule
 * @node: in mirror.commits
 * @granule: the granule
 * @seq: its sequence; an invalidation that the task itself causes advances it
 * @task: the task; NULL when this record is not in use
 * @raced: somebody else changed the granule meanwhile
 */
struct ferry_commit {
	struct list_head node;
	struct ferry_granule *granule;
	unsigned long seq;
	struct task_struct *task;
	bool raced;
};

/**
 * struct ferry_mirror - a context's device page table and its notifiers
 * @mm: address space; alive as long as the context's ferry_mm
 * @fd: device whose TLB is flushed
 * @id: number of the context on that device
 * @lock: guards @pt and @commits. An engine holds it while it uses a
 *	translation, so an invalidation that got it has no access in flight
 * @pt: the device page table
 * @tables: spare tables for it, guarded by @lock
 * @granules: notifiers by address >> FERRY_GRANULE_SHIFT; grows only
 * @grow: serialises adding granules
 * @commits: tasks between ferry_commit_begin() and ferry_commit_lock()
 */
struct ferry_mirror {
	struct mm_struct *mm;
	struct ferry_device *fd;
	unsigned int id;
	struct mutex lock;
	struct ferry_pt pt;
	struct ferry_pt_cache tables;
	struct xarray granules;
	struct mutex grow;
	struct list_head commits;
};

/* ---- engine.c ---------------------------------------------------------- */

#define FERRY_MAX_QUEUED	64
#define FERRY_MAX_REMEMBERED	256

/**
 * struct ferry_job - one submitted list of commands
 * @ref: one for its list, one for each waiter
 * @node: in the context's queue, or among the remembered
 * @seq: its number
 * @count: commands
 * @cmds: the commands
 * @results: one value a command
 * @eventfd: signalled when done, or NULL
 * @done: guarded by engine.lock; publishes all below
 * @status: 0 or the errno of the command that failed
 * @failed: its index
 * @access: FERRY_ACCESS_* of the fault
 * @fault_addr: its address
 */
struct ferry_job {
	struct kref ref;
	struct list_head node;
	u64 seq;
	u32 count;
	struct ferry_cmd *cmds;
	u64 *results;
	struct eventfd_ctx *eventfd;
	bool done;
	int status;
	u32 failed;
	u32 access;
	u64 fault_addr;
};

/**
 * struct ferry_engine - a context's command queue
 * @lock: guards the lists and the numbers
 * @queue: jobs not yet run, oldest first; the running one stays at the head
 * @queued: how many
 * @past: jobs that are done, oldest first
 * @remembered: how many
 * @next_seq: number of the next job
 * @wait: woken when a job is done
 * @work: runs the jobs, one after another
 * @bins: scratch of the histogram command
 */
struct ferry_engine {
	spinlock_t lock;
	struct list_head queue;
	unsigned int queued;
	struct list_head past;
	unsigned int remembered;
	u64 next_seq;
	wait_queue_head_t wait;
	struct work_struct work;
	u64 *bins;
};

/* ---- contexts ---------------------------------------------------------- */

/**
 * struct ferry_context - what opening the node gives
 * @fd: the device
 * @fm: the address space
 * @mirror: its device page table
 * @engine: its command queue
 * @closing: stops the engine; set once
 * @node: in its device's list
 * @stopped: its device is gone; engine and mirror are taken down
 * @policy: where its faults put pages, or NULL: the device's policy says
 * @fail_next: the next destination of a migration is not to be had; cleared then
 * @advice: hints by range, guarded by @advice_lock
 * @nr_advice: how many ranges
 * @advice_lock: guards the two
 */
struct ferry_context {
	struct ferry_device *fd;
	struct ferry_mm *fm;
	struct ferry_mirror mirror;
	struct ferry_engine engine;
	bool closing;
	struct list_head node;
	bool stopped;
	const struct ferry_policy_ops *policy;
	bool fail_next;
	struct list_head advice;
	unsigned int nr_advice;
	struct mutex advice_lock;
};

/* ---- migrate.c --------------------------------------------------------- */

/* Why a page that was collected must stay: FERRY_REASON_*, or one of these. */
#define FERRY_WHY_UNKNOWN	0xff	/* not collected: find out afterwards */
#define FERRY_WHY_MOVED		0xfe
#define FERRY_WHY_IGNORE	0xfd	/* not part of the request */

/**
 * struct ferry_migration - one migration: its target, its window, its counts
 * @dst: target device, or NULL for system RAM
 * @from: device whose histograms count it when it goes to system RAM
 * @ctx: context whose mirror gets the new translations, or NULL
 * @fm: owner of the frames that are allocated
 * @flags: FERRY_MIGRATE_*
 * @max: pages of the largest window
 * @select: MIGRATE_VMA_SELECT_* of the collect step
 * @fault_page: page that the CPU faulted on, or NULL
 * @only: when evicting: the device whose frames are wanted, else NULL
 * @only_first: first wanted frame
 * @only_nr: number of wanted frames
 * @explain: find the reason of each page that stays
 * @interruptible: stop at a signal
 * @impatient: do not wait for mmap locks
 * @look: only collect, and only what is lost: args.cpages says how much there is
 * @args: for the core
 * @src: args.src
 * @dstp: args.dst
 * @why: what becomes of each page of the window
 * @copies: the window's batch
 * @nr_copies: how many
 * @batch: room in @copies
 * @copier: device that does the batch
 * @fence: of its last batch
 * @no_huge: a 2 MiB frame was wanted and there was none
 * @small: do this window's pages one by one: the core splits what is large
 * @split: the window holds a 2 MiB folio that only @small can move
 * @want_write: the window cannot be collected under the read lock
 * @write_locked: the mmap lock is held for writing; collecting downgrades it
 * @lend: do without the fault's reference while collecting, so that the core can
 *	split the folio, see ferry_fault_lend()
 * @transit: the window's 2 MiB folio, when it leaves a device
 * @again: not the first pass over this window: pages that moved keep that
 * @commit: guards the entries that the commit step makes in the mirror
 * @moved: pages, total of all windows
 * @failed: pages
 * @huge: 2 MiB units
 * @cleared: pages
 * @reasons: pages by reason
 */
struct ferry_migration {
	struct ferry_device *dst;
	struct ferry_device *from;
	struct ferry_context *ctx;
	struct ferry_mm *fm;
	u32 flags;
	unsigned long max;
	unsigned long select;
	struct page *fault_page;
	struct ferry_device *only;
	unsigned long only_first;
	unsigned long only_nr;
	bool explain;
	bool interruptible;
	bool impatient;
	bool look;

	struct migrate_vma args;
	unsigned long *src;
	unsigned long *dstp;
	u8 *why;
	struct ferry_copy *copies;
	unsigned int nr_copies;
	unsigned int batch;
	struct ferry_device *copier;
	u64 fence;
	bool no_huge;
	bool small;
	bool split;
	bool want_write;
	bool write_locked;
	bool lend;
	struct ferry_transit transit;
	bool again;
	struct ferry_commit commit;

	u64 moved;
	u64 failed;
	u64 huge;
	u64 cleared;
	u64 reasons[FERRY_REASONS];
};

/* stats.c */
int ferry_stats_init(struct ferry_device *fd);
void ferry_stats_fini(struct ferry_device *fd);
u64 ferry_stats_counter(struct ferry_device *fd, unsigned int i);
u64 ferry_stats_hist(struct ferry_device *fd, unsigned int phase,
		     unsigned int bucket);
void ferry_stats_phase(struct ferry_device *fd, enum ferry_phase phase, u64 ns);
void ferry_debugfs_init(void);
void ferry_debugfs_fini(void);
void ferry_debugfs_add(struct ferry_device *fd);
void ferry_debugfs_remove(struct ferry_device *fd);
extern const struct attribute_group *ferry_device_groups[];

static inline void ferry_count_add(struct ferry_device *fd,
				   enum ferry_counter c, u64 n)
{
	this_cpu_add(fd->stats->counter[c], n);
}

static inline void ferry_count(struct ferry_device *fd, enum ferry_counter c)
{
	ferry_count_add(fd, c, 1);
}

/* Ends a phase that began at *t, and begins the next. */
static inline void ferry_phase_end(struct ferry_device *fd,
				   enum ferry_phase phase, u64 *t)
{
	u64 now = ktime_get_ns();

	ferry_stats_phase(fd, phase, now - *t);
	*t = now;
}

/* guard.c */
int ferry_guard_init(struct ferry_mm *fm);
void ferry_guard_fini(struct ferry_mm *fm);
void ferry_transit_begin(struct ferry_mm *fm, struct ferry_transit *t,
			 unsigned long start);
void ferry_transit_end(struct ferry_mm *fm, struct ferry_transit *t);

/* region.c */
extern char ferry_owner[];
extern char ferry_lost_owner[];
int ferry_region_init(struct ferry_device *fd);
void ferry_mms_flush(void);
void ferry_region_fini(struct ferry_device *fd);
size_t ferry_region_footprint(struct ferry_device *fd);
struct ferry_device *ferry_page_device(const struct page *page);
struct ferry_device *ferry_pfn_device(unsigned long pfn);
unsigned long ferry_page_frame(const struct page *page);
unsigned int ferry_frames_take(struct ferry_device *fd, struct ferry_mm *fm,
			       unsigned long index, unsigned int order,
			       unsigned int n, unsigned long *out);
void ferry_frames_place(struct ferry_device *fd, unsigned long frame,
			struct ferry_mm *fm, unsigned long index);
void ferry_block_touch(struct ferry_device *fd, unsigned long frame);
void ferry_fault_lend(struct page *page, struct ferry_hold *h);
void ferry_fault_regain(struct page *page, struct ferry_hold *h);
void ferry_region_orphan(struct ferry_device *fd, struct ferry_mm *fm);
struct ferry_mm *ferry_mm_get(struct mm_struct *mm);
void ferry_mm_put_many(struct ferry_mm *fm, unsigned int n);

static inline void ferry_mm_put(struct ferry_mm *fm)
{
	ferry_mm_put_many(fm, 1);
}

/* mirror.c */
void ferry_mirror_init(struct ferry_mirror *m, struct ferry_device *fd,
		       struct mm_struct *mm);
void ferry_mirror_fini(struct ferry_mirror *m);
int ferry_mirror_cover(struct ferry_mirror *m, unsigned long start,
		       unsigned long end);
struct ferry_granule *ferry_mirror_granule(struct ferry_mirror *m,
					   unsigned long addr);
int ferry_mirror_prepare(struct ferry_mirror *m);
void ferry_commit_begin(struct ferry_mirror *m, struct ferry_commit *c,
			struct ferry_granule *g);
bool ferry_commit_lock(struct ferry_mirror *m, struct ferry_commit *c);
bool ferry_range_refused(struct mm_struct *mm, unsigned long start,
			 unsigned long end);
int ferry_mirror_map_hmm(struct ferry_mirror *m, unsigned long start,
			 unsigned long nr, u32 access, bool local);
int ferry_mirror_map_patiently(struct ferry_mirror *m, unsigned long start,
			       unsigned long nr, u32 access);
bool ferry_mirror_exclusive(struct ferry_mirror *m, u64 vpn, unsigned long nr);
int ferry_mirror_map_exclusive(struct ferry_mirror *m, unsigned long addr);
int ferry_mirror_translate(struct ferry_mirror *m, u64 addr, u32 access,
			   struct ferry_span *span, size_t *len);
unsigned long ferry_mirror_missing(struct ferry_mirror *m, u64 vpn,
				   unsigned long nr, u32 access);
int ferry_mirror_snapshot(struct ferry_mirror *m, unsigned long start,
			  unsigned long nr, unsigned long *pfns);
int ferry_query_range(struct ferry_context *ctx, const struct ferry_query *q);
int ferry_query_pages(struct ferry_context *ctx, struct mm_struct *mm, u64 addr,
		      u64 len, ferry_query_fn fn, void *arg);

/*
 * Beside the flags that user space has: towards a device, only what is in RAM;
 * towards RAM, only what is on the device of the context.
 */
#define FERRY_MIGRATE_LOCAL	(1U << 31)

/* migrate.c */
int ferry_migration_init(struct ferry_migration *m);
void ferry_migration_fini(struct ferry_migration *m);
bool ferry_migrate_alone(struct ferry_migration *m, struct vm_area_struct *vma,
			 struct folio *folio, unsigned long start);
int ferry_migrate_window(struct ferry_migration *m, struct vm_area_struct *vma,
			 unsigned long start, unsigned long end);
int ferry_migrate_range(struct ferry_context *ctx, struct ferry_device *dst,
			struct ferry_migrate *req);
int ferry_migrate_run(struct ferry_migration *m, struct mm_struct *mm,
		      unsigned long start, unsigned long end,
		      unsigned long *reached);

/* cpu_fault.c */
vm_fault_t ferry_migrate_to_ram(struct vm_fault *vmf);

/* device_fault.c */
int ferry_faults_init(struct ferry_device *fd);
void ferry_faults_fini(struct ferry_device *fd);
int ferry_fault_raise(struct ferry_context *ctx, u64 addr, u64 len, u32 access,
		      unsigned int tries, bool patient);

/* Which pages of devices of a kind the core collects. */
static inline unsigned long ferry_kind_select(enum ferry_kind kind)
{
	return kind == FERRY_KIND_COHERENT ? MIGRATE_VMA_SELECT_DEVICE_COHERENT :
					     MIGRATE_VMA_SELECT_DEVICE_PRIVATE;
}

#define FERRY_SELECT_DEVICES	(MIGRATE_VMA_SELECT_DEVICE_PRIVATE |	\
				 MIGRATE_VMA_SELECT_DEVICE_COHERENT)

/*
 * Coherent memory has no large folios: the core cannot split one, and it has to
 * whenever a part of it is unmapped, pinned or migrated.
 */
static inline bool ferry_device_has_huge(const struct ferry_device *fd)
{
	return fd->kind == FERRY_KIND_PRIVATE;
}

/* evict.c */
int ferry_make_room(struct ferry_device *fd, unsigned long frames, bool huge,
		    bool impatient);
void ferry_evict_all(struct ferry_device *fd, struct ferry_device *grave);
int ferry_evict_owned(struct ferry_device *fd, struct ferry_mm *fm);
void ferry_signal_mappers(struct ferry_device *fd, int sig);

/* engine.c */
int ferry_engine_init(struct ferry_context *ctx);
void ferry_engine_stop(struct ferry_context *ctx);
void ferry_engine_fini(struct ferry_context *ctx);
int ferry_engine_submit(struct ferry_context *ctx, struct ferry_submit *req);
int ferry_engine_wait(struct ferry_context *ctx, struct ferry_wait *req);
int ferry_engine_reach(struct ferry_context *ctx, u64 addr, u64 end, u32 access,
		       bool patient);
int ferry_engine_page(struct ferry_context *ctx, struct ferry_access *a,
		      struct page *page);

/* advise, in policy terms; uapi.c asks, device_fault.c reads */
int ferry_advise_range(struct ferry_context *ctx, const struct ferry_advise *req);
u32 ferry_advice_at(struct ferry_context *ctx, unsigned long addr,
		    unsigned long *start, unsigned long *end);
void ferry_advice_fini(struct ferry_context *ctx);

/* uapi.c */
int ferry_check_range(u64 addr, u64 len);
long ferry_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

#endif /* FERRY_DRV_H */
