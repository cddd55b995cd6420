// SPDX-License-Identifier: GPL-2.0-only
/*
 * hw_soft: a device whose VRAM is a piece of RAM, and the reference of the seam.
 *
 * The VRAM is vmalloc memory of fixed size, huge-mapped where the kernel can. It
 * has no struct page that a process could ever map, so the only way to its bytes
 * is hw_vram.c.
 */
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include "ferry.h"

static int ferry_soft_init(struct ferry_device *fd)
{
	struct ferry_vram *v;

	v = ferry_inject(soft) ? NULL : kzalloc_obj(*v);
	if (!v)
		return -ENOMEM;
	v->base = ferry_inject(soft_vram) ? NULL :
		  vmalloc_huge_node(fd->bytes, GFP_KERNEL | __GFP_NOWARN |
				    __GFP_ZERO, NUMA_NO_NODE);
	if (!v->base) {
		kfree(v);
		return -ENOMEM;
	}
	fd->hw_data = v;
	return 0;
}

static void ferry_soft_fini(struct ferry_device *fd)
{
	struct ferry_vram *v = fd->hw_data;

	vfree(v->base);
	kfree(v);
	fd->hw_data = NULL;
}

static size_t ferry_soft_footprint(struct ferry_device *fd)
{
	return sizeof(struct ferry_vram);
}

const struct ferry_hw_ops ferry_hw_soft = {
	.name = "soft",
	.init = ferry_soft_init,
	.fini = ferry_soft_fini,
	.copy = ferry_vram_copy,
	.wait = ferry_vram_wait,
	.execute = ferry_vram_execute,
	.flush_tlb = ferry_vram_flush_tlb,
	.reset = ferry_vram_reset,
	.footprint = ferry_soft_footprint,
};
