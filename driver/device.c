// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices: how they come and how they go.
 *
 * DOC: Coming
 *
 * A device is made, then published: its node appears when everything behind it
 * works. Until the module's own set-up cannot fail any more, devices are only made;
 * a node that somebody has opened would keep a module that failed to load.
 *
 * DOC: Going
 *
 * A device can go at any time: its driver is unbound, its slot is switched off, or
 * the module is unloaded. That cannot fail, so it is done in this order:
 *
 *	1. the node goes, and calls of its contexts end (@users): -ENODEV from now on
 *	2. the contexts' engines and mirrors are taken down; open files stay, dead
 *	3. every page on it goes home, or, when its VRAM does not answer any more, to
 *	   a grave
 *	4. nobody can still be looking at its struct pages (ferry_devices_enter())
 *	5. they are given back, then the hardware
 *
 * Other devices may read its VRAM meanwhile: for a migration, whose pages are locked,
 * so that step 3 waits for it; or by a translation, which step 3 takes away.
 *
 * DOC: Graves
 *
 * A page whose bytes are lost cannot be given back, and must not be replaced by
 * zeros. It moves, without its bytes, to a private region with nothing behind it,
 * where every CPU access ends with SIGBUS, until its owner unmaps it. The module
 * stays as long as there is such a page, unless it is unloading already: then those
 * who map one get the signal at once, and after five seconds SIGKILL.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/wait_bit.h>
#include "ferry.h"

struct ferry_device *ferry_devs[FERRY_MAX_DEVICES];

DEFINE_STATIC_SRCU(ferry_devices_srcu);
/* Guards ferry_devs[], ferry_open_for_all and the graves. */
static DEFINE_MUTEX(ferry_devices_lock);
static LIST_HEAD(ferry_graves);
static bool ferry_open_for_all;
static dev_t ferry_devt;

/* A program works on its own memory only, so everybody may open the node. */
static char *ferry_devnode(const struct device *dev, umode_t *mode)
{
	if (mode)
		*mode = 0666;
	return NULL;
}

const struct class ferry_class = {
	.name = "ferry",
	.devnode = ferry_devnode,
	.dev_groups = ferry_device_groups,
};

/**
 * ferry_devices_enter - keep devices from going away
 *
 * Context: may sleep until ferry_devices_leave(); a device that goes waits.
 * Return: for ferry_devices_leave().
 */
int ferry_devices_enter(void)
{
	return srcu_read_lock(&ferry_devices_srcu);
}

/**
 * ferry_devices_leave - let them go
 * @idx: from ferry_devices_enter()
 */
void ferry_devices_leave(int idx)
{
	srcu_read_unlock(&ferry_devices_srcu, idx);
}

/**
 * ferry_device_use - a device by its number, for a call that uses it
 * @index: from user space
 *
 * Context: may sleep.
 * Return: the device, to be given back by ferry_device_put(), or NULL.
 */
struct ferry_device *ferry_device_use(int index)
{
	struct ferry_device *fd;
	int idx;

	if (index < 0 || index >= FERRY_MAX_DEVICES)
		return NULL;
	idx = ferry_devices_enter();
	fd = READ_ONCE(ferry_devs[array_index_nospec(index, FERRY_MAX_DEVICES)]);
	if (ferry_inject(use_device) || !fd || !fd->published ||
	    !ferry_device_get(fd))
		fd = NULL;
	ferry_devices_leave(idx);
	return fd;
}

/**
 * ferry_devices_top - one more than the highest number of a device
 *
 * Return: 0 to FERRY_MAX_DEVICES.
 */
unsigned int ferry_devices_top(void)
{
	unsigned int n = FERRY_MAX_DEVICES;

	while (n && !READ_ONCE(ferry_devs[n - 1]))
		n--;
	return n;
}

/**
 * ferry_devices_many - whether a page can come from another device
 *
 * Return: true when there are two or more.
 */
bool ferry_devices_many(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < FERRY_MAX_DEVICES; i++)
		n += !!READ_ONCE(ferry_devs[i]);
	return n > 1;
}

static void ferry_device_free(struct device *dev)
{
	kfree(container_of(dev, struct ferry_device, dev));
}

static void ferry_device_idle(struct percpu_ref *ref)
{
	complete(&container_of(ref, struct ferry_device, users)->idle);
}

static struct ferry_device *
ferry_device_alloc(const struct ferry_device_desc *desc)
{
	struct ferry_device *fd = ferry_inject(device) ? NULL : kzalloc_obj(*fd);

	if (!fd)
		return NULL;
	fd->index = FERRY_MAX_DEVICES;
	fd->kind = desc->kind;
	fd->hw = desc->hw;
	fd->hw_data = desc->hw_data;
	fd->bytes = desc->bytes;
	fd->range = desc->range;
	fd->policy = ferry_policy_at(0);
	init_completion(&fd->idle);
	mutex_init(&fd->list_lock);
	INIT_LIST_HEAD(&fd->list);
	device_initialize(&fd->dev);
	fd->dev.class = &ferry_class;
	fd->dev.parent = desc->parent;
	fd->dev.release = ferry_device_free;
	cdev_init(&fd->cdev, &ferry_fops);
	fd->cdev.owner = THIS_MODULE;
	return fd;
}

/* Its memory: hardware, struct pages, counters. */
static int ferry_device_memory(struct ferry_device *fd)
{
	int ret;

	ret = ferry_stats_init(fd);
	if (ret)
		return ret;
	ret = ferry_inject(hw_init) ? -ENOMEM : fd->hw->init(fd);
	if (ret)
		goto stats;
	ret = ferry_region_init(fd);
	if (ret)
		goto hw;
	if (fd->hw->start)
		fd->hw->start(fd);
	return 0;

hw:
	fd->hw->fini(fd);
stats:
	ferry_stats_fini(fd);
	return ret;
}

static void ferry_device_memory_fini(struct ferry_device *fd)
{
	ferry_region_fini(fd);
	fd->hw->fini(fd);
	ferry_stats_fini(fd);
}

/* What works on it: engines, the service thread. */
static int ferry_device_workers(struct ferry_device *fd)
{
	int ret;

	ret = ferry_inject(device_users) ? -ENOMEM :
	      percpu_ref_init(&fd->users, ferry_device_idle, 0, GFP_KERNEL);
	if (ret)
		return ret;
	ret = -ENOMEM;
	fd->engine_wq = ferry_inject(device_workqueue) ? NULL :
			alloc_workqueue("ferry%u", WQ_UNBOUND,
					FERRY_MAX_CONTEXTS, fd->index);
	if (!fd->engine_wq)
		goto users;
	ret = ferry_faults_init(fd);
	if (ret)
		goto wq;
	return 0;

wq:
	destroy_workqueue(fd->engine_wq);
users:
	percpu_ref_exit(&fd->users);
	return ret;
}

static void ferry_device_workers_fini(struct ferry_device *fd)
{
	ferry_faults_fini(fd);
	destroy_workqueue(fd->engine_wq);
	percpu_ref_exit(&fd->users);
}

/*
 * The node of a device. Even when this fails somebody may have used it meanwhile: it
 * is taken down as one that goes.
 */
static int ferry_device_publish(struct ferry_device *fd)
{
	int ret;

	WRITE_ONCE(fd->published, true);
	ret = ferry_inject(device_node) ? -ENOMEM :
	      cdev_device_add(&fd->cdev, &fd->dev);
	if (ret) {
		WRITE_ONCE(fd->published, false);
		dev_err(&fd->dev, "no node: error %d\n", ret);
		return ret;
	}
	ferry_debugfs_add(fd);
	dev_info(&fd->dev, "%llu MiB of %s memory, hardware %s\n",
		 fd->bytes >> 20,
		 fd->kind == FERRY_KIND_COHERENT ? "coherent" : "private",
		 fd->hw->name);
	return 0;
}

static int ferry_device_number(struct ferry_device *fd)
{
	unsigned int i;

	for (i = 0; i < FERRY_MAX_DEVICES; i++) {
		if (!ferry_devs[i])
			break;
	}
	if (ferry_inject(device_number) || i == FERRY_MAX_DEVICES)
		return -ENOSPC;
	fd->index = i;
	fd->dev.devt = MKDEV(MAJOR(ferry_devt), i);
	return ferry_inject(device_name) ? -ENOMEM :
	       dev_set_name(&fd->dev, "ferry%u", i);
}

static int ferry_device_make(struct ferry_device *fd)
{
	int ret;

	ret = ferry_device_number(fd);
	if (ret)
		return ret;
	ret = ferry_device_memory(fd);
	if (ret)
		return ret;
	ret = ferry_device_workers(fd);
	if (ret)
		goto memory;
	WRITE_ONCE(ferry_devs[fd->index], fd);
	return 0;

memory:
	ferry_device_memory_fini(fd);
	return ret;
}

/**
 * ferry_device_add - make a device, and publish it when the module is ready
 * @desc: what it is made of
 *
 * Context: may sleep.
 * Return: the device, or an error: -ENOMEM, -ENOSPC (FERRY_MAX_DEVICES are there),
 * or what the backend or the core says of the memory.
 */
struct ferry_device *ferry_device_add(const struct ferry_device_desc *desc)
{
	struct ferry_device *fd = ferry_device_alloc(desc);
	int ret, node = 0;

	if (!fd)
		return ERR_PTR(-ENOMEM);
	mutex_lock(&ferry_devices_lock);
	ret = ferry_device_make(fd);
	if (!ret && ferry_open_for_all)
		node = ferry_device_publish(fd);
	mutex_unlock(&ferry_devices_lock);
	if (node) {
		ferry_device_remove(fd);
		return ERR_PTR(node);
	}
	if (ret) {
		put_device(&fd->dev);
		return ERR_PTR(ret);
	}
	return fd;
}

/* A context that still works. It stays on the list, and is not freed, until it stops. */
static struct ferry_context *ferry_context_working(struct ferry_device *fd)
{
	struct ferry_context *ctx, *found = NULL;

	mutex_lock(&fd->list_lock);
	list_for_each_entry(ctx, &fd->list, node) {
		if (!ctx->stopped) {
			found = ctx;
			break;
		}
	}
	mutex_unlock(&fd->list_lock);
	return found;
}

/*
 * Its contexts stay open, but nothing works for them any more. What an engine waits
 * for may take long, and the others can close meanwhile.
 */
static void ferry_contexts_stop(struct ferry_device *fd)
{
	struct ferry_context *ctx;

	mutex_lock(&fd->list_lock);
	list_for_each_entry(ctx, &fd->list, node)
		WRITE_ONCE(ctx->closing, true);
	mutex_unlock(&fd->list_lock);
	wake_up_all(&fd->faults.room);
	wait_for_completion(&fd->idle);

	while ((ctx = ferry_context_working(fd))) {
		ferry_engine_stop(ctx);
		ferry_mirror_fini(&ctx->mirror);
		mutex_lock(&fd->list_lock);
		/* Pairs with ferry_context_stop(), which waits for the lock as well. */
		smp_store_release(&ctx->stopped, true);
		wake_up_var(&ctx->stopped);
		mutex_unlock(&fd->list_lock);
	}
}

static void ferry_device_bury(struct ferry_device *fd)
{
	struct ferry_device *grave;
	unsigned long lost = fd->region.nr - READ_ONCE(fd->region.frames.free);

	if (!lost)
		return;
	dev_warn(&fd->dev, "does not answer: %lu pages are lost, their owners get SIGBUS\n",
		 lost);
	/* As many frames as there could be holes between 2 MiB folios, and more. */
	while (IS_ERR(grave = ferry_device_make_grave(fd->bytes)))
		msleep(100);
	ferry_evict_all(fd, grave);
	mutex_lock(&ferry_devices_lock);
	grave->filling = false;
	mutex_unlock(&ferry_devices_lock);
	ferry_grave_emptied();
}

struct ferry_emptying {
	struct work_struct work;
	struct ferry_device *fd;
};

static void ferry_device_empty_work(struct work_struct *work)
{
	struct ferry_device *fd = container_of(work, struct ferry_emptying,
					       work)->fd;

	if (ferry_device_alive(fd))
		ferry_evict_all(fd, NULL);
	ferry_device_bury(fd);
}

/*
 * By a worker: whoever unbinds a device or unloads the module may be killed, and a
 * killed task waits for no lock that it needs here.
 */
static void ferry_device_empty(struct ferry_device *fd)
{
	struct ferry_emptying e = { .fd = fd };

	INIT_WORK_ONSTACK(&e.work, ferry_device_empty_work);
	queue_work(fd->engine_wq, &e.work);
	flush_work(&e.work);
	destroy_work_on_stack(&e.work);
}

/**
 * ferry_device_remove - a device goes
 * @fd: the device
 *
 * Its pages go home first; where its VRAM does not answer any more they are lost,
 * and their owners get SIGBUS at their next access.
 *
 * Context: may sleep, for as long as calls of its contexts and pages in transit
 * take.
 */
void ferry_device_remove(struct ferry_device *fd)
{
	bool published;

	mutex_lock(&ferry_devices_lock);
	published = fd->published;
	fd->going = true;
	mutex_unlock(&ferry_devices_lock);
	if (published) {
		ferry_debugfs_remove(fd);
		cdev_device_del(&fd->cdev, &fd->dev);
	}
	percpu_ref_kill(&fd->users);
	ferry_contexts_stop(fd);
	ferry_device_empty(fd);

	mutex_lock(&ferry_devices_lock);
	WRITE_ONCE(ferry_devs[fd->index], NULL);
	mutex_unlock(&ferry_devices_lock);
	synchronize_srcu(&ferry_devices_srcu);
	ferry_device_workers_fini(fd);
	ferry_device_memory_fini(fd);
	put_device(&fd->dev);
}

/**
 * ferry_devices_publish - give all devices that are made their nodes
 *
 * From now on, ferry_device_add() publishes. A node that cannot be made is left out:
 * another one may be open already, and then the module has to stay.
 */
void ferry_devices_publish(void)
{
	unsigned int i;

	mutex_lock(&ferry_devices_lock);
	for (i = 0; i < FERRY_MAX_DEVICES; i++) {
		if (ferry_devs[i] && !ferry_devs[i]->going)
			ferry_device_publish(ferry_devs[i]);
	}
	ferry_open_for_all = true;
	mutex_unlock(&ferry_devices_lock);
}

/**
 * ferry_devices_remove_soft - all devices go that belong to the module itself
 */
void ferry_devices_remove_soft(void)
{
	unsigned int i;

	for (i = 0; i < FERRY_MAX_DEVICES; i++) {
		if (ferry_devs[i] && !ferry_devs[i]->dev.parent)
			ferry_device_remove(ferry_devs[i]);
	}
}

/* ---- graves --------------------------------------------------------------- */

static int ferry_lost_init(struct ferry_device *fd)
{
	return 0;
}

static void ferry_lost_fini(struct ferry_device *fd)
{
}

static u64 ferry_lost_copy(struct ferry_device *fd, const struct ferry_copy *c,
			   unsigned int n)
{
	return 0;
}

static int ferry_lost_wait(struct ferry_device *fd, u64 fence)
{
	return 0;
}

static int ferry_lost_execute(struct ferry_device *fd, struct ferry_exec *x)
{
	return -EIO;
}

static size_t ferry_lost_footprint(struct ferry_device *fd)
{
	return 0;
}

/* Takes what comes, and has nothing to give: see ferry_lost_to_ram(). */
const struct ferry_hw_ops ferry_hw_lost = {
	.name = "lost",
	.init = ferry_lost_init,
	.fini = ferry_lost_fini,
	.copy = ferry_lost_copy,
	.wait = ferry_lost_wait,
	.execute = ferry_lost_execute,
	.flush_tlb = ferry_vram_flush_tlb,
	.reset = ferry_vram_reset,
	.footprint = ferry_lost_footprint,
};

/**
 * ferry_device_make_grave - make room for pages that are lost
 * @bytes: size
 *
 * Context: may sleep.
 * Return: the grave, which lives until its last page is gone, or an error.
 */
struct ferry_device *ferry_device_make_grave(u64 bytes)
{
	const struct ferry_device_desc desc = {
		.hw = &ferry_hw_lost,
		.kind = FERRY_KIND_PRIVATE,
		.bytes = bytes,
	};
	struct ferry_device *fd = ferry_device_alloc(&desc);
	int ret;

	if (!fd)
		return ERR_PTR(-ENOMEM);
	fd->grave = true;
	fd->filling = true;
	ret = ferry_inject(grave_name) ? -ENOMEM : dev_set_name(&fd->dev, "lost");
	if (!ret)
		ret = ferry_device_memory(fd);
	if (ret) {
		put_device(&fd->dev);
		return ERR_PTR(ret);
	}
	/* While the module unloads it has its last reference; then exit waits. */
	__module_get(THIS_MODULE);
	mutex_lock(&ferry_devices_lock);
	list_add(&fd->node, &ferry_graves);
	mutex_unlock(&ferry_devices_lock);
	return fd;
}

static void ferry_graves_reap(struct work_struct *work)
{
	struct ferry_device *fd, *next;
	LIST_HEAD(empty);

	mutex_lock(&ferry_devices_lock);
	list_for_each_entry_safe(fd, next, &ferry_graves, node) {
		if (!fd->filling &&
		    READ_ONCE(fd->region.frames.free) == fd->region.nr)
			list_move(&fd->node, &empty);
	}
	mutex_unlock(&ferry_devices_lock);

	list_for_each_entry_safe(fd, next, &empty, node) {
		ferry_device_memory_fini(fd);
		put_device(&fd->dev);
		/* ferry_devices_fini() waits for this function to return. */
		module_put(THIS_MODULE);
	}
}

static DECLARE_WORK(ferry_grave_reaper, ferry_graves_reap);

/**
 * ferry_grave_emptied - the last page may have left a grave
 *
 * Context: any.
 */
void ferry_grave_emptied(void)
{
	schedule_work(&ferry_grave_reaper);
}

static void ferry_graves_clear(void)
{
	unsigned int round = 0;

	for (;;) {
		struct ferry_device *fd;
		bool empty;

		schedule_work(&ferry_grave_reaper);
		flush_work(&ferry_grave_reaper);
		/* The lock keeps them: the signal may free the last page of one. */
		mutex_lock(&ferry_devices_lock);
		empty = list_empty(&ferry_graves);
		/* A handler may go on as if nothing was: not for long. */
		if (!(round % 50)) {
			list_for_each_entry(fd, &ferry_graves, node)
				ferry_signal_mappers(fd, round < 250 ? SIGBUS :
								       SIGKILL);
		}
		mutex_unlock(&ferry_devices_lock);
		if (empty)
			break;
		round++;
		msleep(20);
	}
}

/**
 * ferry_devices_init - get ready for devices
 *
 * Return: 0 or -errno.
 */
int ferry_devices_init(void)
{
	int ret = ferry_inject(class) ? -ENOMEM : class_register(&ferry_class);

	if (ret)
		return ret;
	ret = ferry_inject(devt) ? -EBUSY :
	      alloc_chrdev_region(&ferry_devt, 0, FERRY_MAX_DEVICES, "ferry");
	if (ret)
		class_unregister(&ferry_class);
	else
		ferry_debugfs_init();
	return ret;
}

/**
 * ferry_devices_fini - no devices any more
 *
 * Context: all are removed; may sleep until the last lost page is gone.
 */
void ferry_devices_fini(void)
{
	ferry_graves_clear();
	/* A page may have asked for it while it ran, or a context that outlived its device. */
	cancel_work_sync(&ferry_grave_reaper);
	ferry_mms_flush();
	ferry_debugfs_fini();
	unregister_chrdev_region(ferry_devt, FERRY_MAX_DEVICES);
	class_unregister(&ferry_class);
}
