// SPDX-License-Identifier: GPL-2.0-only
/*
 * The CPU touches a page that is on a device: it comes home, and its neighbours
 * with it.
 *
 * The core calls with the page locked and referenced. Other CPUs may fault on
 * other pages of the same window at that moment; each holds the lock of its own
 * page, collecting only tries locks, so each leaves the others' pages alone.
 */
#include <linux/mm.h>
#include "ferry.h"
#include "trace.h"

/* The window to bring home: the whole folio when the CPU maps it as one. */
static void ferry_cpu_window(struct ferry_device *fd, struct vm_fault *vmf,
			     struct ferry_migration *m, unsigned long *start,
			     unsigned long *end)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long nr;
	u64 vpn;

	if (!vmf->pte) {
		*start = ALIGN_DOWN(vmf->address, HPAGE_PMD_SIZE);
		*end = *start + HPAGE_PMD_SIZE;
		m->select |= MIGRATE_VMA_SELECT_COMPOUND;
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
	if (ret == -EIO)
		return VM_FAULT_SIGBUS;
	if (m->why[i] == FERRY_REASON_NO_MEMORY)
		return VM_FAULT_OOM;
	/* It moved, or somebody else is moving it: the access is tried again. */
	return 0;
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
	unsigned long start, end;
	u64 t = ktime_get_ns();
	vm_fault_t result;
	int ret;

	ferry_cpu_window(fd, vmf, &m, &start, &end);
	m.max = (end - start) >> PAGE_SHIFT;
	if (ferry_migration_init(&m))
		return VM_FAULT_OOM;
	memset(m.why, FERRY_WHY_UNKNOWN, m.max);
	ret = ferry_migrate_window(&m, vmf->vma, start, end);
	result = ferry_cpu_fault_result(&m, (vmf->address - start) >> PAGE_SHIFT,
					ret);
	ferry_migration_fini(&m);

	ferry_count(fd, FERRY_C_CPU_FAULTS);
	ferry_count_add(fd, FERRY_C_CPU_FAULT_PAGES, max(ret, 0));
	trace_ferry_cpu_fault(fd->index, vmf->address, start, m.max, max(ret, 0),
			      result);
	ferry_phase_end(fd, FERRY_PHASE_CPU_FAULT, &t);
	return result;
}
