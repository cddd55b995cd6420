// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ferry: pages between system RAM and the memory of a GPU-like device.
 *
 * This file owns the module: its parameters, its devices and their nodes, and
 * the life of a context from open to release. What a device and a context are
 * made of is in ferry.h.
 *
 * Bring-up publishes last: a node appears when everything behind it works.
 * Tear-down cannot fail: open nodes hold the module, so when it goes there is no
 * context; pages that are still on a device belong to processes that closed it,
 * and go home first.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include "ferry.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

#define FERRY_DEFAULT_MIB	256U
#define FERRY_MAX_MIB		(1U << 20)

static unsigned int devices = 1;
module_param(devices, uint, 0444);
MODULE_PARM_DESC(devices, "number of devices, 1 to 16 (default 1)");

static unsigned int vram[FERRY_MAX_DEVICES];
static int nr_vram;
module_param_array(vram, uint, &nr_vram, 0444);
MODULE_PARM_DESC(vram, "VRAM of each device in MiB, even; the last value serves the rest (default 256)");

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

unsigned int ferry_nr_devices;
struct ferry_device *ferry_devs[FERRY_MAX_DEVICES];

static dev_t ferry_devt;

/* ---- the node ------------------------------------------------------------ */

static int ferry_open(struct inode *inode, struct file *file)
{
	struct ferry_device *fd = container_of(inode->i_cdev,
					       struct ferry_device, cdev);
	struct ferry_context *ctx;
	int ret = -ENOMEM;

	if (!current->mm)
		return -EINVAL;
	if (!atomic_add_unless(&fd->contexts, 1, FERRY_MAX_CONTEXTS))
		return -EBUSY;
	ctx = kzalloc_obj(*ctx, GFP_KERNEL_ACCOUNT);
	if (!ctx)
		goto count;
	ctx->fd = fd;
	INIT_LIST_HEAD(&ctx->advice);
	mutex_init(&ctx->advice_lock);
	ctx->fm = ferry_mm_get(current->mm);
	if (!ctx->fm)
		goto free;
	ret = ferry_engine_init(ctx);
	if (ret)
		goto put;
	ferry_mirror_init(&ctx->mirror, fd, current->mm);
	atomic_inc(&ctx->fm->contexts);
	file->private_data = ctx;
	return nonseekable_open(inode, file);

put:
	ferry_mm_put(ctx->fm);
free:
	kfree(ctx);
count:
	atomic_dec(&fd->contexts);
	return ret;
}

static int ferry_release(struct inode *inode, struct file *file)
{
	struct ferry_context *ctx = file->private_data;
	unsigned int i;

	WRITE_ONCE(ctx->closing, true);
	wake_up_all(&ctx->fd->faults.room);
	ferry_engine_fini(ctx);
	ferry_mirror_fini(&ctx->mirror);
	ferry_advice_fini(ctx);
	if (atomic_dec_and_test(&ctx->fm->contexts)) {
		for (i = 0; i < ferry_nr_devices; i++)
			ferry_region_orphan(ferry_devs[i], ctx->fm);
	}
	ferry_mm_put(ctx->fm);
	atomic_dec(&ctx->fd->contexts);
	kfree(ctx);
	return 0;
}

static const struct file_operations ferry_fops = {
	.owner = THIS_MODULE,
	.open = ferry_open,
	.release = ferry_release,
	.unlocked_ioctl = ferry_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

/* A program works on its own memory only, so everybody may open the node. */
static char *ferry_devnode(const struct device *dev, umode_t *mode)
{
	if (mode)
		*mode = 0666;
	return NULL;
}

static const struct class ferry_class = {
	.name = "ferry",
	.devnode = ferry_devnode,
	.dev_groups = ferry_device_groups,
};

/* ---- devices --------------------------------------------------------------- */

static u64 ferry_vram_bytes(unsigned int index)
{
	unsigned int mib = FERRY_DEFAULT_MIB;

	if (nr_vram)
		mib = vram[min_t(unsigned int, index, nr_vram - 1)];
	return (u64)mib << 20;
}

static void ferry_device_free(struct device *dev)
{
	kfree(container_of(dev, struct ferry_device, dev));
}

static struct ferry_device *ferry_device_alloc(unsigned int index)
{
	struct ferry_device *fd = kzalloc_obj(*fd);

	if (!fd)
		return NULL;
	fd->index = index;
	fd->kind = FERRY_KIND_PRIVATE;
	fd->hw = &ferry_hw_soft;
	fd->policy = ferry_policy_at(0);
	device_initialize(&fd->dev);
	fd->dev.class = &ferry_class;
	fd->dev.devt = MKDEV(MAJOR(ferry_devt), index);
	fd->dev.release = ferry_device_free;
	cdev_init(&fd->cdev, &ferry_fops);
	fd->cdev.owner = THIS_MODULE;
	return fd;
}

/* Everything behind the node; the node itself comes when all devices are there. */
static int ferry_device_make(unsigned int index)
{
	u64 bytes = ferry_vram_bytes(index);
	struct ferry_device *fd;
	int ret;

	fd = ferry_device_alloc(index);
	if (!fd)
		return -ENOMEM;
	ret = dev_set_name(&fd->dev, "ferry%u", index);
	if (ret)
		goto put;
	ret = ferry_stats_init(fd);
	if (ret)
		goto put;
	ret = -ENOMEM;
	fd->engine_wq = alloc_workqueue("ferry%u", WQ_UNBOUND,
					FERRY_MAX_CONTEXTS, index);
	if (!fd->engine_wq)
		goto stats;
	ret = fd->hw->init(fd, bytes);
	if (ret)
		goto wq;
	ret = ferry_region_init(fd, bytes);
	if (ret)
		goto hw;
	ret = ferry_faults_init(fd);
	if (ret)
		goto region;
	ferry_devs[index] = fd;
	return 0;

region:
	ferry_region_fini(fd);
hw:
	fd->hw->fini(fd);
wq:
	destroy_workqueue(fd->engine_wq);
stats:
	ferry_stats_fini(fd);
put:
	put_device(&fd->dev);
	return ret;
}

static void ferry_device_free_all(struct ferry_device *fd)
{
	ferry_faults_fini(fd);
	ferry_region_fini(fd);
	fd->hw->fini(fd);
	destroy_workqueue(fd->engine_wq);
	ferry_stats_fini(fd);
	ferry_devs[fd->index] = NULL;
	put_device(&fd->dev);
}

/*
 * A node can be open as soon as it is there, and then the module must stay. So a
 * node that cannot be made is left out, once another one is out in the world.
 */
static int ferry_device_publish(struct ferry_device *fd)
{
	int ret = cdev_device_add(&fd->cdev, &fd->dev);

	if (ret)
		return ret;
	fd->published = true;
	ferry_debugfs_add(fd);
	dev_info(&fd->dev, "%llu MiB of private memory, hardware %s\n",
		 ferry_vram_bytes(fd->index) >> 20, fd->hw->name);
	return 0;
}

/* All nodes go before any device does: peers read each other's memory. */
static void ferry_devices_remove(unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (ferry_devs[i]->published)
			cdev_device_del(&ferry_devs[i]->cdev, &ferry_devs[i]->dev);
	}
	for (i = 0; i < n; i++)
		ferry_evict_all(ferry_devs[i]);
	for (i = 0; i < n; i++)
		ferry_device_free_all(ferry_devs[i]);
}

static int ferry_devices_make(void)
{
	unsigned int i;
	int ret;

	for (i = 0; i < devices; i++) {
		ret = ferry_device_make(i);
		if (ret) {
			pr_err("device %u with %llu MiB: error %d\n", i,
			       ferry_vram_bytes(i) >> 20, ret);
			ferry_devices_remove(i);
			return ret;
		}
	}
	ferry_nr_devices = devices;
	return 0;
}

static int ferry_devices_publish(void)
{
	unsigned int i, n = 0;
	int ret = 0;

	for (i = 0; i < devices; i++) {
		int err = ferry_device_publish(ferry_devs[i]);

		if (err)
			pr_err("device %u has no node: error %d\n", i, err);
		ret = ret ?: err;
		n += !err;
	}
	return n ? 0 : ret;
}

static int ferry_params_check(void)
{
	unsigned int i;

	if (!devices || devices > FERRY_MAX_DEVICES) {
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
	ret = class_register(&ferry_class);
	if (ret)
		return ret;
	ret = alloc_chrdev_region(&ferry_devt, 0, FERRY_MAX_DEVICES, "ferry");
	if (ret)
		goto class;
	ret = ferry_devices_make();
	if (ret)
		goto region;
	ferry_debugfs_init();
	ret = ferry_devices_publish();
	if (ret)
		goto devices;
	return 0;

devices:
	ferry_debugfs_fini();
	ferry_devices_remove(devices);
region:
	unregister_chrdev_region(ferry_devt, FERRY_MAX_DEVICES);
class:
	class_unregister(&ferry_class);
	return ret;
}

static void __exit ferry_exit(void)
{
	ferry_debugfs_fini();
	ferry_devices_remove(devices);
	unregister_chrdev_region(ferry_devt, FERRY_MAX_DEVICES);
	class_unregister(&ferry_class);
}

module_init(ferry_init);
module_exit(ferry_exit);

MODULE_DESCRIPTION("Ferry: moves pages between system RAM and device memory");
MODULE_LICENSE("GPL");
