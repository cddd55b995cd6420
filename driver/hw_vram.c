// SPDX-License-Identifier: GPL-2.0-only
/*
 * VRAM that the CPU reaches, with the CPU as its engine: what hw_soft, hw_pci and
 * hw_range share.
 *
 * Work is done by the calling CPU and is complete when the call returns; the fence
 * is a number that has always passed.
 *
 * VRAM on a bus can stop answering. Reads then give zeros or ones, and writes go
 * nowhere, without an error. So the last word of what was read, or read back after
 * it was written, is looked at: when it is one of the two, the backend is asked
 * whether its device still answers. A device that is gone for the last word may be
 * gone for all; one that answers for the last word answered for all.
 */
#include <linux/crc32.h>
#include <linux/fpu.h>
#include <linux/highmem.h>
#include <linux/unaligned.h>
#include "ferry.h"

static struct ferry_vram *ferry_vram(struct ferry_device *fd)
{
	return fd->hw_data;
}

static void *ferry_vram_at(struct ferry_device *fd, u64 vram)
{
	return ferry_vram(fd)->base + vram;
}

/**
 * ferry_vram_start - ferry_hw_ops.start
 * @fd: the device; private VRAM is mapped already
 */
void ferry_vram_start(struct ferry_device *fd)
{
	if (fd->kind == FERRY_KIND_COHERENT)
		ferry_vram(fd)->base = fd->region.va;
}

/* Whether a device gave, or took, the @len bytes that end in VRAM here. */
static bool ferry_vram_answered(struct ferry_device *fd, u64 vram, size_t len)
{
	struct ferry_vram *v = ferry_vram(fd);
	char *end = v->base + vram + len;
	u64 last = 0;

	if (!fd->hw->alive)
		return true;
	if (READ_ONCE(v->dead))
		return false;
	/* A byte at a time where a word would not be inside. */
	if (len >= sizeof(last))
		last = get_unaligned((u64 *)(end - sizeof(last)));
	if (last && ~last)
		return true;
	if (fd->hw->alive(fd))
		return true;
	WRITE_ONCE(v->dead, true);
	return false;
}

static void ferry_vram_copy_pages(void *vram, struct page *page,
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

/* Whether both ends of a batch were there to its end. */
static bool ferry_vram_batch_ok(struct ferry_device *fd,
				const struct ferry_copy *c, unsigned int n)
{
	const struct ferry_copy *last = &c[n - 1];
	unsigned int i;

	/* What is still in a write-combining buffer must be on its way before. */
	if (fd->hw->alive)
		mb(); /* also between those writes and the reads below */
	if (!ferry_vram_answered(fd, last->vram, (size_t)last->nr << PAGE_SHIFT))
		return false;
	for (i = 0; i < n; i++, c++) {
		if (c->dir == FERRY_COPY_PEER &&
		    !ferry_vram_answered(c->peer, c->peer_vram,
					 (size_t)c->nr << PAGE_SHIFT))
			return false;
	}
	return true;
}

/**
 * ferry_vram_copy - ferry_hw_ops.copy
 * @fd: the device
 * @c: the batch
 * @n: how many
 *
 * Return: the fence.
 */
u64 ferry_vram_copy(struct ferry_device *fd, const struct ferry_copy *c,
		    unsigned int n)
{
	struct ferry_vram *v = ferry_vram(fd);
	const struct ferry_copy *first = c;
	unsigned int i;
	u64 fence;

	/* Nothing is copied, so that whoever overlooks it has lost it. */
	if (ferry_inject(copy_lost))
		return FERRY_FENCE_LOST;
	for (i = 0; i < n; i++, c++) {
		void *vram = v->base + c->vram;
		size_t len = (size_t)c->nr << PAGE_SHIFT;

		switch (c->dir) {
		case FERRY_COPY_TO_VRAM:
			ferry_vram_copy_pages(vram, c->page, c->nr, true);
			break;
		case FERRY_COPY_FROM_VRAM:
			ferry_vram_copy_pages(vram, c->page, c->nr, false);
			break;
		case FERRY_COPY_PEER:
			memcpy(vram, ferry_vram_at(c->peer, c->peer_vram), len);
			break;
		case FERRY_COPY_CLEAR:
			memset(vram, 0, len);
			break;
		}
	}
	fence = atomic64_inc_return(&v->fence);
	return ferry_vram_batch_ok(fd, first, n) ? fence : fence | FERRY_FENCE_LOST;
}

/**
 * ferry_vram_wait - ferry_hw_ops.wait
 * @fd: the device
 * @fence: of a batch
 *
 * Return: 0, or -EIO when the device is gone.
 */
int ferry_vram_wait(struct ferry_device *fd, u64 fence)
{
	return fence & FERRY_FENCE_LOST ? -EIO : 0;
}

/* A span of at most one page in RAM, or any length in VRAM. */
static void *ferry_vram_map(const struct ferry_span *s)
{
	if (s->dev)
		return ferry_vram_at(s->dev, s->vram);
	if (!s->page)
		return NULL;
	return kmap_local_page(s->page) + s->offset;
}

static void ferry_vram_unmap(const struct ferry_span *s, void *p)
{
	if (p && !s->dev)
		kunmap_local(p);
}

static void ferry_vram_fill(u8 *dst, size_t len, u64 pattern, u64 pos)
{
	/* The pattern starts at the command's first byte, not at this piece's. */
	u64 turned = ror64(pattern, 8 * (pos % 8));
	size_t i;

	for (i = 0; i + 8 <= len; i += 8)
		put_unaligned_le64(turned, dst + i);
	for (; i < len; i++)
		dst[i] = turned >> (8 * (i % 8));
}

static u64 ferry_vram_differ(const u8 *a, const u8 *b, size_t len)
{
	size_t i;

	if (!memcmp(a, b, len))
		return len;
	for (i = 0; i < len && a[i] == b[i]; i++)
		;
	return i;
}

static void ferry_vram_count(u64 *bins, const u8 *src, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		bins[src[i]]++;
}

static void ferry_vram_axpy(float *y, const float *x, u32 a, size_t n)
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

/* Whether the VRAM behind an operand was there to the end of a step. */
static bool ferry_vram_span_ok(const struct ferry_span *s, size_t len)
{
	return !s->dev || ferry_vram_answered(s->dev, s->vram, len);
}

/**
 * ferry_vram_execute - ferry_hw_ops.execute
 * @fd: the device
 * @x: the step
 *
 * Context: under the mirror's lock.
 * Return: 0, or -EIO when the VRAM of an operand is gone.
 */
int ferry_vram_execute(struct ferry_device *fd, struct ferry_exec *x)
{
	void *dst = ferry_vram_map(&x->dst);
	void *src = ferry_vram_map(&x->src);
	int ret = 0;

	switch (x->op) {
	case FERRY_OP_FILL:
		ferry_vram_fill(dst, x->len, x->arg0, x->pos);
		break;
	case FERRY_OP_COPY:
		memcpy(dst, src, x->len);
		break;
	case FERRY_OP_COMPARE:
		x->state = ferry_vram_differ(dst, src, x->len);
		break;
	case FERRY_OP_CRC32C:
		x->state = crc32c((u32)x->state, src, x->len);
		break;
	case FERRY_OP_HISTOGRAM:
		ferry_vram_count(x->bins, src, x->len);
		break;
	case FERRY_OP_SAXPY:
		ferry_vram_axpy(dst, src, (u32)x->arg0, x->len / sizeof(float));
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

	if (!ret && (ferry_inject(step_lost) ||
		     !(ferry_vram_span_ok(&x->dst, x->len) &&
		       ferry_vram_span_ok(&x->src, x->len))))
		ret = -EIO;

	/* kmap_local mappings nest: last in, first out. */
	ferry_vram_unmap(&x->src, src);
	ferry_vram_unmap(&x->dst, dst);
	return ret;
}

/**
 * ferry_vram_flush_tlb - ferry_hw_ops.flush_tlb
 * @fd: the device
 * @id: context
 * @vpn: first page
 * @nr: pages
 *
 * Translations are used under the mirror's lock only: nothing is in flight.
 */
void ferry_vram_flush_tlb(struct ferry_device *fd, unsigned int id, u64 vpn,
			  u64 nr)
{
}

/**
 * ferry_vram_reset - ferry_hw_ops.reset
 * @fd: the device
 */
void ferry_vram_reset(struct ferry_device *fd)
{
}
