// SPDX-License-Identifier: GPL-2.0-only
/*
 * Clients: the calls that other modules have into Ferry, and nothing else. Each of
 * them checks what came from user space, keeps the device, and hands on to the room
 * that does the work.
 *
 * The context of a client maps pages where they are: a fault of its device moves
 * nothing, so that what moves is what the client asked for.
 *
 * A device can go while a client has it open. The context stays, and its calls fail
 * with -ENODEV.
 */
#include <linux/export.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include "ferry.h"

/**
 * ferry_client_kind - the kind of memory that a device has
 * @device: its number
 *
 * Context: may sleep.
 * Return: enum ferry_kind, or -ENODEV.
 */
int ferry_client_kind(int device)
{
	struct ferry_device *fd = ferry_device_use(device);
	int kind;

	if (!fd)
		return -ENODEV;
	kind = fd->kind;
	ferry_device_put(fd);
	return kind;
}
EXPORT_SYMBOL_NS_GPL(ferry_client_kind, "FERRY");

/**
 * ferry_client_open - make a context for the address space of the caller
 * @device: number of the device
 *
 * Context: may sleep.
 * Return: the context, or an error: -EINVAL (a kernel thread), -ENODEV, -EBUSY (too
 * many contexts), -ENOMEM.
 */
struct ferry_context *ferry_client_open(int device)
{
	struct ferry_context *ctx;
	struct ferry_device *fd;

	if (!current->mm)
		return ERR_PTR(-EINVAL);
	fd = ferry_device_use(device);
	if (!fd)
		return ERR_PTR(-ENODEV);
	ctx = ferry_context_open(fd);
	if (!IS_ERR(ctx))
		ctx->policy = ferry_policy_find("map");
	ferry_device_put(fd);
	return ctx;
}
EXPORT_SYMBOL_NS_GPL(ferry_client_open, "FERRY");

/**
 * ferry_client_close - take a context down
 * @ctx: the context; no call of it is in progress
 *
 * Context: may sleep. The pages that are on the device stay there.
 */
void ferry_client_close(struct ferry_context *ctx)
{
	ferry_context_close(ctx);
}
EXPORT_SYMBOL_NS_GPL(ferry_client_close, "FERRY");

/* Keep the device for a call; the caller ends it with ferry_client_end(). */
static int ferry_client_begin(struct ferry_context *ctx)
{
	if (current->mm != ctx->fm->mm)
		return -EPERM;
	return ferry_context_use(ctx);
}

static int ferry_client_end(struct ferry_context *ctx, int ret)
{
	ferry_device_put(ctx->fd);
	/* Calls end this way when the device goes. */
	return ret == -ECANCELED ? -ENODEV : ret;
}

/* The same, for a range of whole pages. */
static int ferry_client_begin_range(struct ferry_context *ctx, u64 addr, u64 len)
{
	return ferry_check_range(addr, len) ?: ferry_client_begin(ctx);
}

/**
 * ferry_client_check - whether calls on a range can be answered
 * @ctx: the context
 * @addr: first address
 * @len: bytes
 *
 * Return: 0, -EINVAL (empty, not of whole pages, or too long), -EFAULT (not user
 * addresses), -EPERM (not the caller's context).
 */
int ferry_client_check(struct ferry_context *ctx, u64 addr, u64 len)
{
	if (current->mm != ctx->fm->mm)
		return -EPERM;
	return ferry_check_range(addr, len);
}
EXPORT_SYMBOL_NS_GPL(ferry_client_check, "FERRY");

/**
 * ferry_client_page - the device reads or writes one page
 * @ctx: the context
 * @a: the range; the page at its address is accessed
 * @page: where the bytes go to, or come from
 *
 * Context: may sleep.
 * Return: 0, or an error: those of ferry_client_check(), -EFAULT (no mapping, or one
 * that cannot be read), -EPERM (a mapping forbids the access), -EBUSY (it kept
 * changing), -EINTR, -EIO (the bytes are lost), -ENODEV, -ENOMEM.
 */
int ferry_client_page(struct ferry_context *ctx, struct ferry_access *a,
		      struct page *page)
{
	int ret;

	ret = ferry_client_begin_range(ctx, a->addr, a->end - a->addr);
	if (ret)
		return ret;
	ret = ferry_engine_page(ctx, a, page);
	return ferry_client_end(ctx, ret);
}
EXPORT_SYMBOL_NS_GPL(ferry_client_page, "FERRY");

/**
 * ferry_client_take - have a range ready for atomics of the device
 * @ctx: the context
 * @addr: first address
 * @len: bytes
 *
 * Anonymous RAM is taken from the CPU, until the CPU takes it back. What is on a
 * device, or not anonymous, is ready where it is.
 *
 * Context: may sleep.
 * Return: 0, or an error as ferry_client_page() has it.
 */
int ferry_client_take(struct ferry_context *ctx, u64 addr, u64 len)
{
	int ret;

	ret = ferry_client_begin_range(ctx, addr, len);
	if (ret)
		return ret;
	ret = ferry_engine_reach(ctx, addr, addr + len, FERRY_ACCESS_ATOMIC,
				 false);
	return ferry_client_end(ctx, ret);
}
EXPORT_SYMBOL_NS_GPL(ferry_client_take, "FERRY");

/**
 * ferry_client_taken - whether any of a range is still taken from the CPU
 * @ctx: the context
 * @addr: first address
 * @len: bytes
 *
 * Context: may sleep.
 * Return: 0 or 1, or an error: those of ferry_client_check(), -EINTR, -ENODEV.
 */
int ferry_client_taken(struct ferry_context *ctx, u64 addr, u64 len)
{
	u64 end = addr + len;
	int ret;

	ret = ferry_client_begin_range(ctx, addr, len);
	if (ret)
		return ret;
	while (!ret && addr < end) {
		unsigned long nr = min_t(u64, FERRY_WINDOW,
					 (end - addr) >> PAGE_SHIFT);

		ret = ferry_mirror_exclusive(&ctx->mirror, addr >> PAGE_SHIFT, nr);
		addr += (u64)nr << PAGE_SHIFT;
		cond_resched();
		if (!ret && fatal_signal_pending(current))
			ret = -EINTR;
		if (!ret && READ_ONCE(ctx->closing))
			ret = -ECANCELED;
	}
	return ferry_client_end(ctx, ret);
}
EXPORT_SYMBOL_NS_GPL(ferry_client_taken, "FERRY");

/* Whether a range is mapped without holes, and may be read. */
static int ferry_client_mapped(struct mm_struct *mm, u64 addr, u64 end)
{
	VMA_ITERATOR(vmi, mm, addr);
	struct vm_area_struct *vma;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	for_each_vma_range(vmi, vma, end) {
		if (vma->vm_start > addr || !(vma->vm_flags & VM_READ))
			break;
		addr = vma->vm_end;
	}
	mmap_read_unlock(mm);
	return addr < end ? -EINVAL : 0;
}

/**
 * ferry_client_migrate - move a range
 * @ctx: the context
 * @req: as for FERRY_IOC_MIGRATE; its destination is not looked at
 * @to_device: from RAM to the device of the context, or the other way; what is on
 *	another device stays there
 *
 * Context: may sleep.
 * Return: 0, with the counts in @req, or an error: those of ferry_client_check(),
 * -EINVAL (a part is not mapped, or not to be read), -EINTR, -ENOMEM, -EIO (the bytes
 * are lost), -ENODEV.
 */
int ferry_client_migrate(struct ferry_context *ctx, struct ferry_migrate *req,
			 bool to_device)
{
	int ret;

	ret = ferry_client_begin_range(ctx, req->addr, req->len);
	if (ret)
		return ret;
	ret = ferry_client_mapped(ctx->fm->mm, req->addr, req->addr + req->len);
	if (!ret) {
		req->flags |= FERRY_MIGRATE_LOCAL;
		ret = ferry_migrate_range(ctx, to_device ? ctx->fd : NULL, req);
	}
	return ferry_client_end(ctx, ret);
}
EXPORT_SYMBOL_NS_GPL(ferry_client_migrate, "FERRY");

/**
 * ferry_client_query - where the pages of a range are
 * @ctx: the context
 * @addr: first address
 * @len: bytes
 * @fn: is given what is known of the next pages
 * @arg: for @fn
 *
 * Context: may sleep.
 * Return: 0, or an error: those of ferry_client_check(), -EINTR, -EBUSY (it kept
 * changing), -ENOMEM, -ENODEV, or what @fn says.
 */
int ferry_client_query(struct ferry_context *ctx, u64 addr, u64 len,
		       ferry_query_fn fn, void *arg)
{
	return ferry_client_check(ctx, addr, len) ?:
	       ferry_query_pages(ctx, ctx->fm->mm, addr, len, fn, arg);
}
EXPORT_SYMBOL_NS_GPL(ferry_client_query, "FERRY");

/**
 * ferry_client_release - send home what the address space has on the device
 * @ctx: the context
 *
 * Context: may sleep.
 * Return: 0, or an error: -EPERM (not the caller's context), -EINTR, -ENOMEM,
 * -ENODEV.
 */
int ferry_client_release(struct ferry_context *ctx)
{
	int ret;

	ret = ferry_client_begin(ctx);
	if (ret)
		return ret;
	ret = ferry_evict_owned(ctx->fd, ctx->fm);
	return ferry_client_end(ctx, ret);
}
EXPORT_SYMBOL_NS_GPL(ferry_client_release, "FERRY");

/**
 * ferry_client_fail_next - have an allocation fail
 * @ctx: the context
 * @on: the next frame, or system page, that a call of the context wants is not to be
 *	had; or forget about it
 */
void ferry_client_fail_next(struct ferry_context *ctx, bool on)
{
	WRITE_ONCE(ctx->fail_next, on);
}
EXPORT_SYMBOL_NS_GPL(ferry_client_fail_next, "FERRY");
