// SPDX-License-Identifier: GPL-2.0-only
/*
 * The CPU touches a page that is on a device: it comes home, and its neighbours
 * with it.
 *
 * The core calls with the page locked and referenced. Other CPUs may fault on
 * other pages of the same window at that moment; each holds the lock of its own
 * page and only tries the locks of others, so each leaves the others' pages alone.
 */
#include <linux/mm.h>
#include "ferry.h"
#include "trace.h"

/*
 * The window to bring home: the whole folio when the CPU maps it as one and nobody
 * else does.
 */
static void ferry_cpu_window(struct ferry_device *fd, struct vm_fault *vmf,
			     struct ferry_migration *m, unsigned long *start,
			     unsigned long *end)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long nr;
	u64 vpn;

	if (!vmf->pte) {
		*start = ALIGN_DOWN(vmf->address, HPAGE_PMD_SIZE);
		if (ferry_migrate_alone(m, vma, page_folio(vmf->page), *start)) {
			*end = *start + HPAGE_PMD_SIZE;
			m->select |= MIGRATE_VMA_SELECT_COMPOUND;
			return;
		}
		/* Its first page takes the rest apart; the next fault is small. */
		*end = *start + PAGE_SIZE;
		m->lend = true;
		return;
	}
	/*
	 * A 2 MiB folio mapped in parts: the core splits it while it collects, and in
	 * 7.3 loses track of which part it has locked when the window holds others.
	 */
	if (folio_test_large(page_folio(vmf->page))) {
		*start = ALIGN_DOWN(vmf->address, PAGE_SIZE);
		*end = *start + PAGE_SIZE;
		return;
	}
	READ_ONCE(fd->policy)->window(vmf->address >> PAGE_SHIFT,
				      vma->vm_start >> PAGE_SHIFT,
				      vma->vm_end >> PAGE_SHIFT,
				      READ_ONCE(ferry_fault_window) >> PAGE_SHIFT,
				      &vpn, &nr);
	*start = vpn << PAGE_SHIFT;
	*end = *start + (nr << PAGE_SHIFT);
}

static vm_fault_t ferry_cpu_fault_result(const struct ferry_migration *m,
					 unsigned long i, int ret)
{
	if (ret < 0)
		return VM_FAULT_SIGBUS;
	if (m->why[i] == FERRY_REASON_NO_MEMORY)
		return VM_FAULT_OOM;
	/* It moved, or somebody else is moving it: the access is tried again. */
	return 0;
}

/*
 * The record of the address space, when the page was allocated for it: the page is
 * locked and referenced, so its frame keeps the record.
 */
static struct ferry_mm *ferry_fault_mm(struct ferry_device *fd,
				       struct vm_fault *vmf)
{
	struct ferry_mm *fm;

	fm = READ_ONCE(fd->region.meta[ferry_page_frame(vmf->page)].owner);
	return fm && fm->mm == vmf->vma->vm_mm ? fm : NULL;
}

static int ferry_fault_run(struct ferry_migration *m, struct vm_area_struct *vma,
			   unsigned long start, unsigned long end)
{
	int ret;

	m->max = (end - start) >> PAGE_SHIFT;
	ret = ferry_migration_init(m);
	if (ret)
		goto out;
	memset(m->why, FERRY_WHY_UNKNOWN, m->max);
	return ferry_migrate_window(m, vma, start, end);
out:
	ferry_transit_end(m->fm, &m->transit);
	return ret;
}

/**
 * ferry_migrate_to_ram - dev_pagemap_ops.migrate_to_ram
 * @vmf: the fault; vmf->page is locked and referenced
 *
 * Context: mmap_lock held for reading; may sleep.
 * Return: 0 to try the access again, VM_FAULT_OOM without memory, VM_FAULT_SIGBUS
 * when the device lost the page.
 */
vm_fault_t ferry_migrate_to_ram(struct vm_fault *vmf)
{
	struct ferry_device *fd = ferry_page_device(vmf->page);
	struct ferry_migration m = {
		.from = fd,
		.select = MIGRATE_VMA_SELECT_DEVICE_PRIVATE,
		.fault_page = vmf->page,
	};
	unsigned long start, end, page = vmf->address & PAGE_MASK;
	struct ferry_mm *fm = ferry_fault_mm(fd, vmf);
	u64 t = ktime_get_ns();
	vm_fault_t result;
	int ret;

	/* The window may free the frame that keeps the record. */
	if (fm)
		refcount_inc(&fm->ref);
	m.fm = fm;
	ferry_cpu_window(fd, vmf, &m, &start, &end);
	ret = ferry_fault_run(&m, vmf->vma, start, end);
	if (ret == -EIO && vmf->pte && end - start > PAGE_SIZE) {
		/* A neighbour was lost: that is not this page's fault. */
		ferry_migration_fini(&m);
		start = page;
		ret = ferry_fault_run(&m, vmf->vma, page, page + PAGE_SIZE);
	}
	if (ret == -ENOMEM)
		result = VM_FAULT_OOM;
	else
		result = ferry_cpu_fault_result(&m, page < end ?
						(page - start) >> PAGE_SHIFT : 0,
						ret);
	ferry_migration_fini(&m);
	if (fm)
		ferry_mm_put(fm);

	ferry_count(fd, FERRY_C_CPU_FAULTS);
	ferry_count_add(fd, FERRY_C_CPU_FAULT_PAGES, max(ret, 0));
	trace_ferry_cpu_fault(fd->index, vmf->address, start, m.max, max(ret, 0),
			      (__force unsigned int)result);
	ferry_phase_end(fd, FERRY_PHASE_CPU_FAULT, &t);
	return result;
}
