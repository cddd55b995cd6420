// SPDX-License-Identifier: GPL-2.0-only
/*
 * hw_soft: a device whose VRAM is a piece of RAM, and the reference of the seam.
 *
 * The VRAM is vmalloc memory of fixed size, huge-mapped where the kernel can. It
 * has no struct page that a process could ever map, so the only way to its bytes
 * is this file. Work is done by the calling CPU and is complete when the call
 * returns; the fence is a number that has always passed.
 */
#include <linux/crc32.h>
#include <linux/fpu.h>
#include <linux/highmem.h>
#include <linux/slab.h>
#include <linux/unaligned.h>
#include <linux/vmalloc.h>
#include "ferry.h"

struct ferry_soft {
	char *vram;
	u64 bytes;
	atomic64_t fence;
};

static void *ferry_soft_at(struct ferry_device *fd, u64 vram)
{
	struct ferry_soft *s = fd->hw_data;

	return s->vram + vram;
}

static int ferry_soft_init(struct ferry_device *fd, u64 bytes)
{
	struct ferry_soft *s;

	s = kzalloc_obj(*s);
	if (!s)
		return -ENOMEM;
	s->vram = vmalloc_huge_node(bytes, GFP_KERNEL | __GFP_NOWARN | __GFP_ZERO,
				    NUMA_NO_NODE);
	if (!s->vram) {
		kfree(s);
		return -ENOMEM;
	}
	s->bytes = bytes;
	fd->hw_data = s;
	return 0;
}

static void ferry_soft_fini(struct ferry_device *fd)
{
	struct ferry_soft *s = fd->hw_data;

	vfree(s->vram);
	kfree(s);
	fd->hw_data = NULL;
}

static void ferry_soft_copy_pages(void *vram, struct page *page,
				  unsigned int nr, bool to_vram)
{
	unsigned int i;

	for (i = 0; i < nr; i++, vram += PAGE_SIZE) {
		void *ram = kmap_local_page(page + i);

		if (to_vram)
			copy_page(vram, ram);
		else
			copy_page(ram, vram);
		kunmap_local(ram);
	}
}

static u64 ferry_soft_copy(struct ferry_device *fd, const struct ferry_copy *c,
			   unsigned int n)
{
	struct ferry_soft *s = fd->hw_data;
	unsigned int i;

	for (i = 0; i < n; i++, c++) {
		void *vram = s->vram + c->vram;
		size_t len = (size_t)c->nr << PAGE_SHIFT;

		switch (c->dir) {
		case FERRY_COPY_TO_VRAM:
			ferry_soft_copy_pages(vram, c->page, c->nr, true);
			break;
		case FERRY_COPY_FROM_VRAM:
			ferry_soft_copy_pages(vram, c->page, c->nr, false);
			break;
		case FERRY_COPY_PEER:
			memcpy(vram, ferry_soft_at(c->peer, c->peer_vram), len);
			break;
		case FERRY_COPY_CLEAR:
			memset(vram, 0, len);
			break;
		}
	}
	return atomic64_inc_return(&s->fence);
}

static int ferry_soft_wait(struct ferry_device *fd, u64 fence)
{
	return 0;
}

/* A span of at most one page in RAM, or any length in VRAM. */
static void *ferry_soft_map(const struct ferry_span *s)
{
	if (s->dev)
		return ferry_soft_at(s->dev, s->vram);
	if (!s->page)
		return NULL;
	return kmap_local_page(s->page) + s->offset;
}

static void ferry_soft_unmap(const struct ferry_span *s, void *p)
{
	if (p && !s->dev)
		kunmap_local(p);
}

static void ferry_soft_fill(u8 *dst, size_t len, u64 pattern, u64 pos)
{
	/* The pattern starts at the command's first byte, not at this piece's. */
	u64 turned = ror64(pattern, 8 * (pos % 8));
	size_t i;

	for (i = 0; i + 8 <= len; i += 8)
		put_unaligned_le64(turned, dst + i);
	for (; i < len; i++)
		dst[i] = turned >> (8 * (i % 8));
}

static u64 ferry_soft_differ(const u8 *a, const u8 *b, size_t len)
{
	size_t i;

	if (!memcmp(a, b, len))
		return len;
	for (i = 0; i < len && a[i] == b[i]; i++)
		;
	return i;
}

static void ferry_soft_count(u64 *bins, const u8 *src, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		bins[src[i]]++;
}

static void ferry_soft_axpy(float *y, const float *x, u32 a, size_t n)
{
	/* In page-sized steps: nothing preempts while the FPU is taken. */
	while (n) {
		size_t step = min_t(size_t, n, PAGE_SIZE / sizeof(float));

		kernel_fpu_begin();
		ferry_soft_saxpy(y, x, a, step);
		kernel_fpu_end();
		y += step;
		x += step;
		n -= step;
	}
}

static int ferry_soft_execute(struct ferry_device *fd, struct ferry_exec *x)
{
	void *dst = ferry_soft_map(&x->dst);
	void *src = ferry_soft_map(&x->src);
	int ret = 0;

	switch (x->op) {
	case FERRY_OP_FILL:
		ferry_soft_fill(dst, x->len, x->arg0, x->pos);
		break;
	case FERRY_OP_COPY:
		memcpy(dst, src, x->len);
		break;
	case FERRY_OP_COMPARE:
		x->state = ferry_soft_differ(dst, src, x->len);
		break;
	case FERRY_OP_CRC32C:
		x->state = crc32c((u32)x->state, src, x->len);
		break;
	case FERRY_OP_HISTOGRAM:
		ferry_soft_count(x->bins, src, x->len);
		break;
	case FERRY_OP_SAXPY:
		ferry_soft_axpy(dst, src, (u32)x->arg0, x->len / sizeof(float));
		break;
	case FERRY_OP_GATHER:
		/* One element: the load half left it in state. */
		if (src)
			x->state = READ_ONCE(*(u64 *)src);
		else
			WRITE_ONCE(*(u64 *)dst, x->state);
		break;
	case FERRY_OP_CHASE:
		x->state = READ_ONCE(*(u64 *)src);
		break;
	case FERRY_OP_ADD64:
		x->state = atomic64_fetch_add((s64)x->arg0, (atomic64_t *)dst);
		break;
	case FERRY_OP_CAS64:
		x->state = atomic64_cmpxchg((atomic64_t *)dst, (s64)x->arg0,
					    (s64)x->arg1);
		break;
	default:
		ret = -EINVAL;
	}

	/* kmap_local mappings nest: last in, first out. */
	ferry_soft_unmap(&x->src, src);
	ferry_soft_unmap(&x->dst, dst);
	return ret;
}

/* Translations are used under the mirror's lock only: nothing is in flight. */
static void ferry_soft_flush_tlb(struct ferry_device *fd, unsigned int id,
				 u64 vpn, u64 nr)
{
}

static void ferry_soft_reset(struct ferry_device *fd)
{
}

static size_t ferry_soft_footprint(struct ferry_device *fd)
{
	return sizeof(struct ferry_soft);
}

const struct ferry_hw_ops ferry_hw_soft = {
	.name = "soft",
	.init = ferry_soft_init,
	.fini = ferry_soft_fini,
	.copy = ferry_soft_copy,
	.wait = ferry_soft_wait,
	.execute = ferry_soft_execute,
	.flush_tlb = ferry_soft_flush_tlb,
	.reset = ferry_soft_reset,
	.footprint = ferry_soft_footprint,
};
