// SPDX-License-Identifier: GPL-2.0-only
/*
 * hw_range: a device whose VRAM is a physical range that the kernel keeps out of.
 *
 * The range is one that the machine was started with (memmap=512M$0x140000000), or
 * that the firmware set aside (soft-reserved). Everything else is refused: System
 * RAM, what a driver has, and addresses where nothing is known to be.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include "ferry.h"

/* Whether a page keeps what is written to it, past all caches. */
static bool ferry_range_page_answers(u64 addr)
{
	static const u64 patterns[] = { 0x5aa5f00fc33c9669ULL,
					~0x5aa5f00fc33c9669ULL };
	void __iomem *page = ferry_inject(range_ioremap) ? NULL :
			     ioremap(addr, PAGE_SIZE);
	bool answers = page;
	unsigned int i;
	u64 old;

	if (!page)
		return false;
	old = readq(page);
	for (i = 0; i < ARRAY_SIZE(patterns) && answers; i++) {
		writeq(patterns[i], page);
		answers = readq(page) == patterns[i];
	}
	writeq(old, page);
	iounmap(page);
	return answers;
}

/* Firmware reserves addresses, too, that have no memory behind them. */
static bool ferry_range_answers(const struct range *r)
{
	return ferry_range_page_answers(r->start) &&
	       ferry_range_page_answers(r->end + 1 - PAGE_SIZE);
}

static int ferry_range_hw_init(struct ferry_device *fd)
{
	struct ferry_vram *v;
	int ret = -ENOMEM;

	v = ferry_inject(range) ? NULL : kzalloc_obj(*v);
	if (!v)
		return -ENOMEM;
	if (ferry_inject(range_region) ||
	    !request_mem_region(fd->range.start, fd->bytes, "ferry")) {
		ret = -EBUSY;
		goto free;
	}
	if (ferry_inject(range_answers) || !ferry_range_answers(&fd->range)) {
		ret = -ENXIO;
		goto release;
	}
	if (fd->kind == FERRY_KIND_PRIVATE) {
		v->base = ferry_inject(range_map) ? NULL :
			  memremap(fd->range.start, fd->bytes, MEMREMAP_WB);
		if (!v->base)
			goto release;
	}
	fd->hw_data = v;
	return 0;

release:
	release_mem_region(fd->range.start, fd->bytes);
free:
	kfree(v);
	return ret;
}

static void ferry_range_fini(struct ferry_device *fd)
{
	struct ferry_vram *v = fd->hw_data;

	if (fd->kind == FERRY_KIND_PRIVATE)
		memunmap(v->base);
	release_mem_region(fd->range.start, fd->bytes);
	kfree(v);
	fd->hw_data = NULL;
}

static size_t ferry_range_footprint(struct ferry_device *fd)
{
	return sizeof(struct ferry_vram);
}

const struct ferry_hw_ops ferry_hw_range = {
	.name = "range",
	.init = ferry_range_hw_init,
	.start = ferry_vram_start,
	.fini = ferry_range_fini,
	.copy = ferry_vram_copy,
	.wait = ferry_vram_wait,
	.execute = ferry_vram_execute,
	.flush_tlb = ferry_vram_flush_tlb,
	.reset = ferry_vram_reset,
	.footprint = ferry_range_footprint,
};

/* SIZE@START, as memmap= has it. */
static int ferry_range_parse(const char *spec, struct range *range)
{
	char *end;
	u64 size, start;

	size = memparse(spec, &end);
	if (end == spec || *end != '@')
		return -EINVAL;
	spec = end + 1;
	start = memparse(spec, &end);
	if (end == spec || *end)
		return -EINVAL;
	if (!size || !IS_ALIGNED(start | size, FERRY_BLOCK_BYTES) ||
	    check_add_overflow(start, size - 1, &range->end) ||
	    range->end >> MAX_PHYSMEM_BITS)
		return -EINVAL;
	range->start = start;
	return 0;
}

/* Why a range is refused, or NULL. */
static const char *ferry_range_refused_why(const struct range *r)
{
	u64 len = range_len(r);

	if (region_intersects(r->start, len, IORESOURCE_SYSTEM_RAM,
			      IORES_DESC_NONE) != REGION_DISJOINT)
		return "it is System RAM";
	if (region_intersects(r->start, len, IORESOURCE_MEM,
			      IORES_DESC_RESERVED) != REGION_INTERSECTS &&
	    region_intersects_soft_reserve(r->start, len) != REGION_INTERSECTS)
		return "it is not reserved: start the kernel with memmap=SIZE$START";
	return NULL;
}

/**
 * ferry_range_add - add a device over a physical range
 * @spec: SIZE@START, both multiples of 2 MiB, as module parameter range= has it
 * @kind: kind of memory
 *
 * Context: may sleep.
 * Return: 0; -EINVAL (not a range), -EBUSY (System RAM, not reserved, or in use),
 * -ENXIO (no memory there), -ENOMEM, -ENOSPC; the log says which.
 */
int ferry_range_add(const char *spec, enum ferry_kind kind)
{
	struct ferry_device_desc desc = {
		.hw = &ferry_hw_range,
		.kind = kind,
	};
	struct ferry_device *fd;
	const char *why;

	if (ferry_range_parse(spec, &desc.range)) {
		pr_err("range=%s: not SIZE@START in multiples of 2 MiB\n", spec);
		return -EINVAL;
	}
	desc.bytes = range_len(&desc.range);
	why = ferry_range_refused_why(&desc.range);
	if (why) {
		pr_err("range=%s refused: %s\n", spec, why);
		return -EBUSY;
	}
	fd = ferry_device_add(&desc);
	if (!IS_ERR(fd))
		return 0;
	if (PTR_ERR(fd) == -EBUSY)
		pr_err("range=%s refused: it is in use\n", spec);
	else if (PTR_ERR(fd) == -ENXIO)
		pr_err("range=%s refused: nothing answers there\n", spec);
	else
		pr_err("range=%s: error %ld\n", spec, PTR_ERR(fd));
	return PTR_ERR(fd);
}
