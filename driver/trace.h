/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints: the five steps of a migration, faults, evictions, invalidations.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM ferry

#if !defined(FERRY_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define FERRY_TRACE_H

#include <linux/tracepoint.h>
#include "ferry.h"

DECLARE_EVENT_CLASS(ferry_step,
	TP_PROTO(const struct ferry_migration *m, unsigned long pages),
	TP_ARGS(m, pages),
	TP_STRUCT__entry(
		__field(int, dst)
		__field(unsigned long, start)
		__field(unsigned long, nr)
		__field(unsigned long, pages)
	),
	TP_fast_assign(
		__entry->dst = m->dst ? (int)m->dst->index : FERRY_RAM;
		__entry->start = m->args.start;
		__entry->nr = m->args.npages;
		__entry->pages = pages;
	),
	TP_printk("to=%s%d start=%#lx window=%lu pages=%lu",
		  __entry->dst < 0 ? "ram" : "ferry", __entry->dst,
		  __entry->start, __entry->nr, __entry->pages)
);

DEFINE_EVENT(ferry_step, ferry_collect,
	TP_PROTO(const struct ferry_migration *m, unsigned long pages),
	TP_ARGS(m, pages));
DEFINE_EVENT(ferry_step, ferry_allocate,
	TP_PROTO(const struct ferry_migration *m, unsigned long pages),
	TP_ARGS(m, pages));
DEFINE_EVENT(ferry_step, ferry_copy,
	TP_PROTO(const struct ferry_migration *m, unsigned long pages),
	TP_ARGS(m, pages));
DEFINE_EVENT(ferry_step, ferry_commit,
	TP_PROTO(const struct ferry_migration *m, unsigned long pages),
	TP_ARGS(m, pages));
DEFINE_EVENT(ferry_step, ferry_finalize,
	TP_PROTO(const struct ferry_migration *m, unsigned long pages),
	TP_ARGS(m, pages));

TRACE_EVENT(ferry_cpu_fault,
	TP_PROTO(unsigned int dev, unsigned long addr, unsigned long start,
		 unsigned long nr, unsigned long moved, unsigned int ret),
	TP_ARGS(dev, addr, start, nr, moved, ret),
	TP_STRUCT__entry(
		__field(unsigned int, dev)
		__field(unsigned long, addr)
		__field(unsigned long, start)
		__field(unsigned long, nr)
		__field(unsigned long, moved)
		__field(unsigned int, ret)
	),
	TP_fast_assign(
		__entry->dev = dev;
		__entry->addr = addr;
		__entry->start = start;
		__entry->nr = nr;
		__entry->moved = moved;
		__entry->ret = ret;
	),
	TP_printk("ferry%u addr=%#lx start=%#lx window=%lu moved=%lu %s",
		  __entry->dev, __entry->addr, __entry->start, __entry->nr,
		  __entry->moved,
		  __print_flags(__entry->ret, "|", VM_FAULT_RESULT_TRACE))
);

TRACE_EVENT(ferry_device_fault,
	TP_PROTO(unsigned int dev, unsigned int ctx, u64 addr, unsigned long nr,
		 u32 access, int status, u64 ns),
	TP_ARGS(dev, ctx, addr, nr, access, status, ns),
	TP_STRUCT__entry(
		__field(unsigned int, dev)
		__field(unsigned int, ctx)
		__field(u64, addr)
		__field(unsigned long, nr)
		__field(u32, access)
		__field(int, status)
		__field(u64, ns)
	),
	TP_fast_assign(
		__entry->dev = dev;
		__entry->ctx = ctx;
		__entry->addr = addr;
		__entry->nr = nr;
		__entry->access = access;
		__entry->status = status;
		__entry->ns = ns;
	),
	TP_printk("ferry%u ctx=%u addr=%#llx pages=%lu %s status=%d ns=%llu",
		  __entry->dev, __entry->ctx, __entry->addr, __entry->nr,
		  __print_symbolic(__entry->access,
				   { FERRY_ACCESS_READ, "read" },
				   { FERRY_ACCESS_WRITE, "write" },
				   { FERRY_ACCESS_ATOMIC, "atomic" }),
		  __entry->status, __entry->ns)
);

TRACE_EVENT(ferry_evict,
	TP_PROTO(unsigned int dev, unsigned long block, bool orphan,
		 unsigned int used, unsigned int left),
	TP_ARGS(dev, block, orphan, used, left),
	TP_STRUCT__entry(
		__field(unsigned int, dev)
		__field(unsigned long, block)
		__field(bool, orphan)
		__field(unsigned int, used)
		__field(unsigned int, left)
	),
	TP_fast_assign(
		__entry->dev = dev;
		__entry->block = block;
		__entry->orphan = orphan;
		__entry->used = used;
		__entry->left = left;
	),
	TP_printk("ferry%u block=%lu%s used=%u left=%u", __entry->dev,
		  __entry->block, __entry->orphan ? " orphan" : "",
		  __entry->used, __entry->left)
);

TRACE_EVENT(ferry_invalidate,
	TP_PROTO(const struct ferry_mirror *m, unsigned long start,
		 unsigned long end, unsigned int event, unsigned long removed),
	TP_ARGS(m, start, end, event, removed),
	TP_STRUCT__entry(
		__field(unsigned int, dev)
		__field(unsigned int, ctx)
		__field(unsigned long, start)
		__field(unsigned long, end)
		__field(unsigned int, event)
		__field(unsigned long, removed)
	),
	TP_fast_assign(
		__entry->dev = m->fd->index;
		__entry->ctx = m->id;
		__entry->start = start;
		__entry->end = end;
		__entry->event = event;
		__entry->removed = removed;
	),
	TP_printk("ferry%u ctx=%u [%#lx, %#lx) %s removed=%lu", __entry->dev,
		  __entry->ctx, __entry->start, __entry->end,
		  __print_symbolic(__entry->event,
				   { MMU_NOTIFY_UNMAP, "unmap" },
				   { MMU_NOTIFY_CLEAR, "clear" },
				   { MMU_NOTIFY_PROTECTION_VMA, "protect_vma" },
				   { MMU_NOTIFY_PROTECTION_PAGE, "protect_page" },
				   { MMU_NOTIFY_SOFT_DIRTY, "soft_dirty" },
				   { MMU_NOTIFY_RELEASE, "release" },
				   { MMU_NOTIFY_MIGRATE, "migrate" },
				   { MMU_NOTIFY_EXCLUSIVE, "exclusive" }),
		  __entry->removed)
);

#endif /* FERRY_TRACE_H */

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
