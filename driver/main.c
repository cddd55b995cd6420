// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ferry: pages between system RAM and the memory of a GPU-like device.
 *
 * This file owns the module and its parameters, and the life of a context from open
 * to release. Devices are in device.c; what a device and a context are made of is in
 * ferry.h.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fs.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>
#include "ferry.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

#define FERRY_DEFAULT_MIB	256U
#define FERRY_MAX_MIB		(1U << 20)
#define FERRY_MAX_RANGES	4

static unsigned int devices = 1;
module_param(devices, uint, 0444);
MODULE_PARM_DESC(devices, "number of devices whose VRAM is RAM, 1 to 16, or 0 beside pci= or range= (default 1)");

static unsigned int vram[FERRY_MAX_DEVICES];
static int nr_vram;
module_param_array(vram, uint, &nr_vram, 0444);
MODULE_PARM_DESC(vram, "VRAM of each of them in MiB, even; the last value serves the rest (default 256)");

static char *range[FERRY_MAX_RANGES];
static int nr_range;
module_param_array(range, charp, &nr_range, 0444);
MODULE_PARM_DESC(range, "a device for each reserved physical range, SIZE@START (memmap=SIZE$START)");

bool ferry_pci_take;
module_param_named(pci, ferry_pci_take, bool, 0444);
MODULE_PARM_DESC(pci, "take QEMU's ivshmem-plain devices; others by driver_override (default 0)");

unsigned int ferry_pci_vram;
module_param_named(pci_vram, ferry_pci_vram, uint, 0644);
MODULE_PARM_DESC(pci_vram, "MiB of the BAR that PCI devices bound from now on use at most, even; 0 for all (default 0)");

static const char * const ferry_kind_names[] = {
	[FERRY_KIND_PRIVATE] = "private",
	[FERRY_KIND_COHERENT] = "coherent",
};

static int ferry_set_kind(const char *val, const struct kernel_param *kp)
{
	int kind = sysfs_match_string(ferry_kind_names, val);

	if (kind < 0)
		return kind;
	WRITE_ONCE(*(enum ferry_kind *)kp->arg, kind);
	return 0;
}

static int ferry_get_kind(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%s\n",
			  ferry_kind_names[READ_ONCE(*(enum ferry_kind *)kp->arg)]);
}

static const struct kernel_param_ops ferry_kind_ops = {
	.set = ferry_set_kind,
	.get = ferry_get_kind,
};

enum ferry_kind ferry_pci_kind = FERRY_KIND_PRIVATE;
module_param_cb(pci_kind, &ferry_kind_ops, &ferry_pci_kind, 0644);
MODULE_PARM_DESC(pci_kind, "memory of PCI devices bound from now on: private or coherent (default private)");

static enum ferry_kind ferry_range_kind = FERRY_KIND_COHERENT;
module_param_cb(range_kind, &ferry_kind_ops, &ferry_range_kind, 0444);
MODULE_PARM_DESC(range_kind, "memory of range= devices: private or coherent (default coherent)");

/* Checked on every store: the page window must stay a power of two. */
static int ferry_set_window(const char *val, const struct kernel_param *kp)
{
	unsigned long bytes;
	int ret;

	ret = kstrtoul(val, 0, &bytes);
	if (ret)
		return ret;
	if (bytes < PAGE_SIZE || bytes > FERRY_BLOCK_BYTES || !is_power_of_2(bytes))
		return -EINVAL;
	WRITE_ONCE(ferry_fault_window, bytes);
	return 0;
}

static const struct kernel_param_ops ferry_window_ops = {
	.set = ferry_set_window,
	.get = param_get_ulong,
};

unsigned long ferry_fault_window = 64 << 10;
module_param_cb(fault_window, &ferry_window_ops, &ferry_fault_window, 0644);
MODULE_PARM_DESC(fault_window, "bytes that a CPU fault brings home, a power of two, 4 KiB to 2 MiB (default 65536)");

/* ---- the node ------------------------------------------------------------ */

/**
 * ferry_context_open - make a context for the address space of the caller
 * @fd: the device, in use by the caller
 *
 * Context: may sleep.
 * Return: the context, or an error: -EBUSY (FERRY_MAX_CONTEXTS are open), -ENOMEM.
 */
struct ferry_context *ferry_context_open(struct ferry_device *fd)
{
	struct ferry_context *ctx;
	int ret = -ENOMEM;

	if (ferry_inject(context_limit) ||
	    !atomic_add_unless(&fd->contexts, 1, FERRY_MAX_CONTEXTS))
		return ERR_PTR(-EBUSY);
	ctx = ferry_inject(context) ? NULL :
	      kzalloc_obj(*ctx, GFP_KERNEL_ACCOUNT);
	if (!ctx)
		goto count;
	ctx->fd = fd;
	INIT_LIST_HEAD(&ctx->advice);
	mutex_init(&ctx->advice_lock);
	ctx->fm = ferry_mm_get(current->mm);
	ret = PTR_ERR_OR_ZERO(ctx->fm);
	/* A signal is pending: the program sees nothing of it but its handler. */
	if (ret == -EINTR)
		ret = -ERESTARTNOINTR;
	if (ret)
		goto free;
	ret = ferry_engine_init(ctx);
	if (ret)
		goto put;
	ferry_mirror_init(&ctx->mirror, fd, current->mm);
	atomic_inc(&ctx->fm->contexts);
	get_device(&fd->dev);
	mutex_lock(&fd->list_lock);
	list_add(&ctx->node, &fd->list);
	mutex_unlock(&fd->list_lock);
	return ctx;

put:
	ferry_mm_put(ctx->fm);
free:
	kfree(ctx);
count:
	atomic_dec(&fd->contexts);
	return ERR_PTR(ret);
}

/**
 * ferry_context_use - keep the device of a context for as long as it is used
 * @ctx: the context
 *
 * Context: any. The device waits, when it goes, for ferry_device_put().
 * Return: 0, or -ENODEV: it has gone, or goes.
 */
int ferry_context_use(struct ferry_context *ctx)
{
	return ferry_inject(call_device) || !ferry_device_get(ctx->fd) ? -ENODEV :
								       0;
}

static int ferry_open(struct inode *inode, struct file *file)
{
	struct ferry_device *fd = container_of(inode->i_cdev,
					       struct ferry_device, cdev);
	struct ferry_context *ctx;

	if (!current->mm)
		return -EINVAL;
	/* Until it is put, the device is not taken down. */
	if (ferry_inject(open_device) || !ferry_device_get(fd))
		return -ENODEV;
	ctx = ferry_context_open(fd);
	ferry_device_put(fd);
	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	file->private_data = ctx;
	return nonseekable_open(inode, file);
}

/* Pages of an address space without contexts are the first to be evicted. */
static void ferry_orphan_all(struct ferry_mm *fm)
{
	int idx = ferry_devices_enter();
	unsigned int i;

	for (i = 0; i < FERRY_MAX_DEVICES; i++) {
		struct ferry_device *fd = READ_ONCE(ferry_devs[i]);

		if (fd)
			ferry_region_orphan(fd, fm);
	}
	ferry_devices_leave(idx);
}

/*
 * Take engine and mirror down, or, when the device goes at this moment, let
 * ferry_device_remove() do it.
 */
static void ferry_context_stop(struct ferry_context *ctx)
{
	struct ferry_device *fd = ctx->fd;
	bool mine;

	mutex_lock(&fd->list_lock);
	mine = ferry_device_get(fd);
	if (mine)
		list_del_init(&ctx->node);
	mutex_unlock(&fd->list_lock);
	if (mine) {
		ferry_engine_stop(ctx);
		ferry_mirror_fini(&ctx->mirror);
		ferry_device_put(fd);
		return;
	}
	/* Pairs with the release in ferry_contexts_stop(). */
	wait_var_event(&ctx->stopped, smp_load_acquire(&ctx->stopped));
	mutex_lock(&fd->list_lock);
	list_del(&ctx->node);
	mutex_unlock(&fd->list_lock);
}

/**
 * ferry_context_close - take a context down
 * @ctx: the context; no call of it is in progress
 *
 * Context: may sleep.
 */
void ferry_context_close(struct ferry_context *ctx)
{
	struct ferry_device *fd = ctx->fd;

	WRITE_ONCE(ctx->closing, true);
	wake_up_all(&fd->faults.room);
	ferry_context_stop(ctx);
	ferry_engine_fini(ctx);
	ferry_advice_fini(ctx);
	if (atomic_dec_and_test(&ctx->fm->contexts))
		ferry_orphan_all(ctx->fm);
	ferry_mm_put(ctx->fm);
	atomic_dec(&fd->contexts);
	put_device(&fd->dev);
	kfree(ctx);
}

static int ferry_release(struct inode *inode, struct file *file)
{
	ferry_context_close(file->private_data);
	return 0;
}

const struct file_operations ferry_fops = {
	.owner = THIS_MODULE,
	.open = ferry_open,
	.release = ferry_release,
	.unlocked_ioctl = ferry_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

/* ---- the module ------------------------------------------------------------ */

static u64 ferry_vram_bytes(unsigned int index)
{
	unsigned int mib = FERRY_DEFAULT_MIB;

	if (nr_vram)
		mib = vram[min_t(unsigned int, index, nr_vram - 1)];
	return (u64)mib << 20;
}

static int ferry_soft_add(unsigned int index)
{
	const struct ferry_device_desc desc = {
		.hw = &ferry_hw_soft,
		.kind = FERRY_KIND_PRIVATE,
		.bytes = ferry_vram_bytes(index),
	};
	struct ferry_device *fd = ferry_device_add(&desc);

	if (IS_ERR(fd))
		pr_err("device %u with %llu MiB: error %ld\n", index,
		       desc.bytes >> 20, PTR_ERR(fd));
	return PTR_ERR_OR_ZERO(fd);
}

static int ferry_devices_make(void)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < devices && !ret; i++)
		ret = ferry_soft_add(i);
	for (i = 0; i < nr_range && !ret; i++)
		ret = ferry_range_add(range[i], ferry_range_kind);
	return ret;
}

static int ferry_params_check(void)
{
	unsigned int i;

	if ((!devices && !nr_range && !ferry_pci_take) ||
	    devices > FERRY_MAX_DEVICES) {
		pr_err("devices=%u: 1 to %u\n", devices, FERRY_MAX_DEVICES);
		return -EINVAL;
	}
	for (i = 0; i < nr_vram; i++) {
		if (!vram[i] || vram[i] > FERRY_MAX_MIB || vram[i] % 2) {
			pr_err("vram=%u: an even number of MiB, 2 to %u\n",
			       vram[i], FERRY_MAX_MIB);
			return -EINVAL;
		}
	}
	return 0;
}

static int __init ferry_init(void)
{
	int ret;

	ret = ferry_params_check();
	if (ret)
		return ret;
	ret = ferry_devices_init();
	if (ret)
		return ret;
	ret = ferry_devices_make();
	if (ret)
		goto remove;
	ret = ferry_pci_init();
	if (ret)
		goto remove;
	ferry_devices_publish();
	return 0;

remove:
	ferry_devices_remove_soft();
	ferry_devices_fini();
	return ret;
}

static void __exit ferry_exit(void)
{
	ferry_pci_fini();
	ferry_devices_remove_soft();
	ferry_devices_fini();
}

module_init(ferry_init);
module_exit(ferry_exit);

MODULE_DESCRIPTION("Ferry: moves pages between system RAM and device memory");
MODULE_LICENSE("GPL");
