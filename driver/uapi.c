// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctl table: sizes, checks, and who does the work. Nothing else lives here.
 *
 * A structure is written back to the caller before the work is done, unchanged:
 * a pointer that cannot be written is found while nothing has happened yet.
 */
#include <linux/fs.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "ferry.h"

static bool ferry_zero(const u64 *v, size_t n)
{
	return !memchr_inv(v, 0, n * sizeof(*v));
}

/**
 * ferry_check_range - whether a range is one of whole pages of user addresses
 * @addr: first byte
 * @len: bytes
 *
 * Return: 0, -EINVAL (empty, not aligned, or too long), -EFAULT (not user addresses).
 */
int ferry_check_range(u64 addr, u64 len)
{
	u64 end;

	if (!len || !PAGE_ALIGNED(addr) || !PAGE_ALIGNED(len) ||
	    check_add_overflow(addr, len, &end))
		return -EINVAL;
	return end > TASK_SIZE ? -EFAULT : 0;
}

static int ferry_ioc_info(struct ferry_context *ctx, void *arg)
{
	struct ferry_device *fd = ctx->fd;
	struct ferry_info *i = arg;

	if (i->flags || !ferry_zero(i->reserved, ARRAY_SIZE(i->reserved)))
		return -EINVAL;
	i->abi = FERRY_ABI_VERSION;
	i->device = fd->index;
	i->kind = fd->kind;
	i->devices = ferry_devices_top();
	i->vram_bytes = (u64)fd->region.nr << PAGE_SHIFT;
	i->free_bytes = (u64)READ_ONCE(fd->region.frames.free) << PAGE_SHIFT;
	i->page_size = PAGE_SIZE;
	i->max_order = FERRY_MAX_ORDER;
	i->granule = FERRY_GRANULE;
	i->fault_window = READ_ONCE(ferry_fault_window);
	return 0;
}

static int ferry_ioc_migrate(struct ferry_context *ctx, void *arg)
{
	struct ferry_migrate *req = arg;
	struct ferry_device *dst = NULL;
	int ret;

	if (req->flags & ~FERRY_MIGRATE_FLAGS || req->reserved0 ||
	    !ferry_zero(req->reserved, ARRAY_SIZE(req->reserved)))
		return -EINVAL;
	ret = ferry_check_range(req->addr, req->len);
	if (ret)
		return ret;
	if (req->dst != FERRY_RAM) {
		dst = ferry_device_use(req->dst);
		if (!dst)
			return -ENODEV;
	}
	ret = ferry_migrate_range(ctx, dst, req);
	if (dst)
		ferry_device_put(dst);
	return ret;
}

static int ferry_ioc_query(struct ferry_context *ctx, void *arg)
{
	struct ferry_query *q = arg;
	int ret;

	if (q->flags || q->reserved0 || q->pid < 0 ||
	    !ferry_zero(q->reserved, ARRAY_SIZE(q->reserved)))
		return -EINVAL;
	ret = ferry_check_range(q->addr, q->len);
	if (ret)
		return ret;
	if (q->len >> PAGE_SHIFT > FERRY_MAX_QUERY)
		return -E2BIG;
	return ferry_query_range(ctx, q);
}

static int ferry_ioc_submit(struct ferry_context *ctx, void *arg)
{
	struct ferry_submit *s = arg;

	if (s->flags || s->reserved0 || !s->count ||
	    s->cmd_size != sizeof(struct ferry_cmd) || s->eventfd < -1 ||
	    !ferry_zero(s->reserved, ARRAY_SIZE(s->reserved)))
		return -EINVAL;
	if (s->count > FERRY_MAX_CMDS)
		return -E2BIG;
	return ferry_engine_submit(ctx, s);
}

static int ferry_ioc_wait(struct ferry_context *ctx, void *arg)
{
	struct ferry_wait *w = arg;

	if (w->flags || !ferry_zero(w->reserved, ARRAY_SIZE(w->reserved)))
		return -EINVAL;
	return ferry_engine_wait(ctx, w);
}

static int ferry_ioc_advise(struct ferry_context *ctx, void *arg)
{
	struct ferry_advise *a = arg;
	int ret;

	if (a->flags || a->reserved0 || a->advice >= FERRY_ADVICES ||
	    !ferry_zero(a->reserved, ARRAY_SIZE(a->reserved)))
		return -EINVAL;
	ret = ferry_check_range(a->addr, a->len);
	return ret ?: ferry_advise_range(ctx, a);
}

/* All that a device counts. */
struct ferry_counts {
	u64 counters[FERRY_COUNTERS];
	u64 hist[FERRY_PHASES][FERRY_BUCKETS];
};

static int ferry_stats_read(struct ferry_context *ctx, struct ferry_stats *s,
			    struct ferry_counts *c)
{
	struct ferry_device *fd = ctx->fd;
	unsigned int i, b;
	int ret;

	ret = ferry_context_use(ctx);
	if (ret)
		return ret;
	for (i = 0; i < FERRY_COUNTERS; i++)
		c->counters[i] = ferry_stats_counter(fd, i);
	for (i = 0; i < FERRY_PHASES; i++) {
		for (b = 0; b < FERRY_BUCKETS; b++)
			c->hist[i][b] = ferry_stats_hist(fd, i, b);
	}
	mutex_lock(&ctx->mirror.lock);
	s->table_bytes = ctx->mirror.pt.bytes;
	mutex_unlock(&ctx->mirror.lock);
	s->driver_bytes = ferry_region_footprint(fd) + fd->hw->footprint(fd);
	s->frames_free = READ_ONCE(fd->region.frames.free);
	s->frames_used = fd->region.nr - s->frames_free;
	ferry_device_put(fd);
	return 0;
}

static int ferry_stats_out(const struct ferry_stats *s,
			   const struct ferry_counts *c)
{
	size_t counters = min_t(size_t, s->nr_counters, FERRY_COUNTERS);
	size_t phases = min_t(size_t, s->nr_phases, FERRY_PHASES);

	if (s->counters &&
	    (ferry_inject(stats_counters) ||
	     copy_to_user(u64_to_user_ptr(s->counters), c->counters,
			  counters * sizeof(c->counters[0]))))
		return -EFAULT;
	if (s->hist &&
	    (ferry_inject(stats_hist) ||
	     copy_to_user(u64_to_user_ptr(s->hist), c->hist,
			  phases * sizeof(c->hist[0]))))
		return -EFAULT;
	return 0;
}

static int ferry_ioc_stats(struct ferry_context *ctx, void *arg)
{
	struct ferry_stats *s = arg;
	struct ferry_counts *c;
	int ret;

	if (s->flags || !ferry_zero(s->reserved, ARRAY_SIZE(s->reserved)))
		return -EINVAL;
	c = ferry_inject(stats_counts) ? NULL : kvmalloc_obj(*c);
	if (!c)
		return -ENOMEM;
	ret = ferry_stats_read(ctx, s, c) ?: ferry_stats_out(s, c);
	kvfree(c);
	if (ret)
		return ret;
	s->nr_counters = FERRY_COUNTERS;
	s->nr_phases = FERRY_PHASES;
	return 0;
}

/* The largest of them bounds the copy on the stack. */
union ferry_arg {
	struct ferry_info info;
	struct ferry_migrate migrate;
	struct ferry_query query;
	struct ferry_submit submit;
	struct ferry_wait wait;
	struct ferry_advise advise;
	struct ferry_stats stats;
};

/**
 * struct ferry_call - one line of the ioctl table
 * @size: of the structure as this driver knows it
 * @min: of its first version, whose fields a caller must have
 * @keeps: keeps the device itself, while it uses it: not while it waits for a job, or
 *	for whoever serves the caller's memory
 * @fn: does it, on a structure whose tail beyond the caller's is zero
 */
struct ferry_call {
	size_t size;
	size_t min;
	bool keeps;
	int (*fn)(struct ferry_context *ctx, void *arg);
};

#define FERRY_CALL(_ioc, _struct, _last, _fn, _keeps)			\
	[_IOC_NR(_ioc) - _IOC_NR(FERRY_IOC_INFO)] = {			\
		.size = sizeof(struct _struct),				\
		.min = offsetofend(struct _struct, _last),		\
		.keeps = _keeps,					\
		.fn = _fn,						\
	}

static const struct ferry_call ferry_calls[] = {
	FERRY_CALL(FERRY_IOC_INFO, ferry_info, fault_window, ferry_ioc_info, false),
	FERRY_CALL(FERRY_IOC_MIGRATE, ferry_migrate, reasons, ferry_ioc_migrate, false),
	FERRY_CALL(FERRY_IOC_QUERY, ferry_query, reserved0, ferry_ioc_query, true),
	FERRY_CALL(FERRY_IOC_SUBMIT, ferry_submit, seq, ferry_ioc_submit, true),
	FERRY_CALL(FERRY_IOC_WAIT, ferry_wait, fault_addr, ferry_ioc_wait, true),
	FERRY_CALL(FERRY_IOC_ADVISE, ferry_advise, reserved0, ferry_ioc_advise, false),
	FERRY_CALL(FERRY_IOC_STATS, ferry_stats, frames_used, ferry_ioc_stats, true),
};

static const struct ferry_call *ferry_call_find(unsigned int cmd)
{
	unsigned int i = _IOC_NR(cmd) - _IOC_NR(FERRY_IOC_INFO);

	if (cmd != _IO(FERRY_IOC_MAGIC, _IOC_NR(cmd)) ||
	    i >= ARRAY_SIZE(ferry_calls))
		return NULL;
	return &ferry_calls[array_index_nospec(i, ARRAY_SIZE(ferry_calls))];
}

/* A device that goes waits for the calls that use it. All its jobs end when it goes. */
static int ferry_call_run(const struct ferry_call *call,
			  struct ferry_context *ctx, void *arg)
{
	int ret;

	if (call->keeps)
		return call->fn(ctx, arg);
	ret = ferry_context_use(ctx);
	if (ret)
		return ret;
	ret = call->fn(ctx, arg);
	ferry_device_put(ctx->fd);
	return ret;
}

/**
 * ferry_ioctl - file_operations.unlocked_ioctl of the node
 * @file: the open node
 * @cmd: FERRY_IOC_*
 * @arg: user pointer to the structure
 *
 * Context: may sleep.
 * Return: 0 or the errno that the uapi header names.
 */
long ferry_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct ferry_context *ctx = file->private_data;
	const struct ferry_call *call = ferry_call_find(cmd);
	void __user *uarg = (void __user *)arg;
	union ferry_arg karg;
	size_t known;
	u32 size;
	int ret, err;

	if (!call)
		return -ENOTTY;
	if (current->mm != ctx->fm->mm)
		return -EPERM;
	if (ferry_inject(call_size) || get_user(size, (u32 __user *)uarg))
		return -EFAULT;
	if (size < call->min)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	ret = ferry_inject(call_copy_in) ? -EFAULT :
	      copy_struct_from_user(&karg, call->size, uarg, size);
	if (ret)
		return ret;
	known = min_t(size_t, size, call->size);
	if (ferry_inject(call_copy_back) || copy_to_user(uarg, &karg, known))
		return -EFAULT;

	ret = ferry_call_run(call, ctx, &karg);
	/* Counts, and where to go on, come back with an error, too. */
	err = ferry_inject(call_copy_out) ? -EFAULT :
	      copy_to_user(uarg, &karg, known);
	return ret || !err ? ret : -EFAULT;
}
