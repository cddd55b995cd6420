/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Points at which a test can make the driver fail.
 *
 * Every allocation, and every other step that can fail for a reason that a test
 * cannot bring about at will, asks ferry_inject(POINT) first and behaves as if it had
 * failed when the answer is true. What fails because of its arguments has no point:
 * a test gives it such arguments.
 *
 * The points are there when the kernel has CONFIG_FAULT_INJECTION, or when the
 * module is built with FERRY_INJECT=1. Otherwise the answer is a constant, and the
 * compiler leaves nothing of them. inject.c says how they are used.
 */
#ifndef FERRY_INJECT_H
#define FERRY_INJECT_H

#include <linux/types.h>

struct dentry;

/* The names, file by file; tools/check/inject compares this with the code. */
#define FERRY_POINTS_LIST(P)						\
	/* main.c, region.c, guard.c */					\
	P(open_device)		/* the device is going */		\
	P(context_limit)	/* too many are open */			\
	P(context)							\
	P(mm_record)							\
	P(guard)							\
	P(frames)		/* none is free */			\
	P(frames_some)		/* half as many as wanted are */	\
	P(region_frames)						\
	P(region_meta)							\
	P(region_blocks)						\
	P(region_range)		/* no addresses for it */		\
	P(region_pages)		/* no struct pages */			\
	/* device.c, stats.c */						\
	P(class)							\
	P(devt)								\
	P(device)							\
	P(device_number)	/* as many as there can be */		\
	P(device_name)							\
	P(stats)							\
	P(hw_init)							\
	P(device_users)							\
	P(device_workqueue)						\
	P(device_node)							\
	P(use_device)		/* the destination is going */		\
	P(grave_name)							\
	/* hw_*.c */							\
	P(soft)								\
	P(soft_vram)							\
	P(range)							\
	P(range_region)		/* in use */				\
	P(range_ioremap)						\
	P(range_answers)	/* nothing is there */			\
	P(range_map)							\
	P(pci)								\
	P(pci_enable)							\
	P(pci_region)		/* in use */				\
	P(pci_driver)							\
	P(pci_map)							\
	P(copy_lost)		/* a batch of copies lost data */	\
	P(step_lost)		/* a step of a command did */		\
	/* migrate.c */							\
	P(migration)							\
	P(migrate_mm)		/* it is exiting */			\
	P(migrate_lock)		/* a signal instead of the lock */	\
	P(migrate_trylock)	/* the lock is taken */			\
	P(migrate_write_lock)						\
	P(migrate_signal)						\
	P(migrate_alone)	/* others map the folio */		\
	P(collect)		/* the core collects nothing */		\
	P(folio)							\
	P(folio_huge)							\
	P(folio_bulk)							\
	P(why_ram)		/* a page that stays is freed now */	\
	P(why_coherent)							\
	P(ksm_folio)							\
	/* mirror.c, pagetable.c */					\
	P(granule)							\
	P(granule_notifier)						\
	P(granule_store)						\
	P(commit_raced)		/* the mapping changed meanwhile */	\
	P(hmm)			/* the same, inside the core */		\
	P(map_raced)							\
	P(map_fault)		/* the core cannot fault it in */	\
	P(map_pfns)							\
	P(exclusive)							\
	P(pt_leaf)							\
	P(pt_node)							\
	P(pt_path)		/* no spare table at hand */		\
	P(query_mm)							\
	P(query_task)							\
	P(query_notifier)						\
	P(query_pfns)							\
	P(query_out)							\
	P(query_lock)							\
	P(query_copy)							\
	P(query_signal)							\
	P(zero_folio)							\
	/* engine.c */							\
	P(engine_bins)							\
	P(job)								\
	P(job_commands)							\
	P(job_results)							\
	P(job_copy)							\
	P(job_eventfd)							\
	P(job_queue)		/* it is full */			\
	P(wait_signal)							\
	P(wait_copy)							\
	/* device_fault.c */						\
	P(service_thread)						\
	P(fault_mm)							\
	P(fault_queue)		/* it is full */			\
	P(fault_run_mm)							\
	P(fault_trylock)						\
	/* evict.c */							\
	P(evict_lock)							\
	P(evict_runs)							\
	P(evict_tried)							\
	P(evict_pick)		/* nothing left to evict */		\
	P(evict_signal)							\
	P(evict_mm)		/* an owner is exiting */		\
	P(evict_trylock_mm)						\
	P(evict_lock_mm)						\
	P(evict_mms)							\
	/* advise.c */							\
	P(hint_spare)							\
	P(hint)								\
	P(hint_limit)							\
	P(advise_mm)							\
	P(advise_lock)							\
	P(advise_signal)						\
	/* uapi.c */							\
	P(call_size)							\
	P(call_copy_in)							\
	P(call_copy_back)						\
	P(call_copy_out)						\
	P(call_device)		/* the device is going */		\
	P(stats_counts)							\
	P(stats_counters)						\
	P(stats_hist)

#define FERRY_POINT_ENUM(name)	FERRY_POINT_##name,
enum ferry_point {
	FERRY_POINTS_LIST(FERRY_POINT_ENUM)
	FERRY_POINTS
};

#ifdef FERRY_INJECT
bool ferry_inject_hit(enum ferry_point point);
void ferry_inject_debugfs(struct dentry *parent);
#else
static inline bool ferry_inject_hit(enum ferry_point point)
{
	return false;
}

static inline void ferry_inject_debugfs(struct dentry *parent)
{
}
#endif

/* Whether this call must fail. Any context. */
#define ferry_inject(name)	ferry_inject_hit(FERRY_POINT_##name)

#endif /* FERRY_INJECT_H */
