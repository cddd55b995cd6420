// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/hmm_dmirror0..3: the nodes that the kernel's hmm-tests open, served by Ferry's
 * devices.
 *
 * This module translates one ABI into another. Memory, mirrors, migration and
 * residency are Ferry's: an open file is a context of a Ferry device, and a call is
 * one or two calls of client.h.
 *
 * Nodes 0 and 1 have private memory, 2 and 3 coherent memory, as the tests expect it.
 * Which devices serve them is settled at load; a node whose device has gone since
 * then cannot be opened (-ENODEV), and works again when a device of that number is
 * back. The nodes are for root: they are for tests.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include "abi.h"
#include "client.h"

/* Nodes of one kind of memory. */
#define DMIRROR_OF_A_KIND	2
#define DMIRROR_NODES		(2 * DMIRROR_OF_A_KIND)
/* Largest mapping of a node. */
#define DMIRROR_MAX_MAP		(2UL << 20)

static int private[DMIRROR_OF_A_KIND] = { -1, -1 };
module_param_array(private, int, NULL, 0444);
MODULE_PARM_DESC(private, "Ferry devices behind nodes 0 and 1 (default: the first two with private memory)");

static int coherent[DMIRROR_OF_A_KIND] = { -1, -1 };
module_param_array(coherent, int, NULL, 0444);
MODULE_PARM_DESC(coherent, "Ferry devices behind nodes 2 and 3 (default: the first two with coherent memory)");

/**
 * struct dmirror_node - one node
 * @device: number of the Ferry device behind it, -1 for none
 * @kind: memory of that device
 * @there: it was made
 */
struct dmirror_node {
	int device;
	enum ferry_kind kind;
	bool there;
};

static struct dmirror_node dmirror_nodes[DMIRROR_NODES];
static struct cdev dmirror_cdev;
static dev_t dmirror_devt;

static const struct class dmirror_class = {
	.name = "ferry_dmirror",
};

/**
 * struct dmirror_file - an open node
 * @node: the node
 * @ctx: the context of its device
 */
struct dmirror_file {
	const struct dmirror_node *node;
	struct ferry_context *ctx;
};

/* ---- calls --------------------------------------------------------------- */

static u64 dmirror_bytes(const struct dmirror_cmd *cmd)
{
	return cmd->npages << PAGE_SHIFT;
}

/* The device reads the range into the caller's buffer, or writes it from there. */
static int dmirror_copy(struct dmirror_file *f, struct dmirror_cmd *cmd, u32 access,
			bool patient)
{
	void __user *buf = u64_to_user_ptr(cmd->ptr);
	bool write = access == FERRY_ACCESS_WRITE;
	struct ferry_access a = {
		.addr = cmd->addr,
		.end = cmd->addr + dmirror_bytes(cmd),
		.access = access,
		.patient = patient,
	};
	struct page *page;
	int ret = 0;

	page = alloc_page(GFP_KERNEL_ACCOUNT);
	if (!page)
		return -ENOMEM;
	while (a.addr < a.end) {
		if (write && copy_from_user(page_address(page), buf, PAGE_SIZE))
			ret = -EFAULT;
		ret = ret ?: ferry_client_page(f->ctx, &a, page);
		if (!ret && !write &&
		    copy_to_user(buf, page_address(page), PAGE_SIZE))
			ret = -EFAULT;
		if (!ret && fatal_signal_pending(current))
			ret = -EINTR;
		if (ret)
			break;
		a.addr += PAGE_SIZE;
		buf += PAGE_SIZE;
		cmd->cpages++;
		cond_resched();
	}
	cmd->faults = a.faults;
	__free_page(page);
	return ret;
}

static int dmirror_read(struct dmirror_file *f, struct dmirror_cmd *cmd)
{
	return dmirror_copy(f, cmd, FERRY_ACCESS_READ, false);
}

static int dmirror_read_unlocked(struct dmirror_file *f, struct dmirror_cmd *cmd)
{
	return dmirror_copy(f, cmd, FERRY_ACCESS_READ, true);
}

static int dmirror_write(struct dmirror_file *f, struct dmirror_cmd *cmd)
{
	return dmirror_copy(f, cmd, FERRY_ACCESS_WRITE, false);
}

/* All of the range is to be on the device then; the device shows what is there. */
static int dmirror_to_device(struct dmirror_file *f, struct dmirror_cmd *cmd)
{
	struct ferry_migrate req = {
		.addr = cmd->addr,
		.len = dmirror_bytes(cmd),
	};
	int ret;

	ret = ferry_client_migrate(f->ctx, &req, true);
	if (ret)
		return ret;
	if (req.moved + req.reasons[FERRY_REASON_RESIDENT] != cmd->npages)
		return -ENOENT;
	return dmirror_read(f, cmd);
}

static int dmirror_to_system(struct dmirror_file *f, struct dmirror_cmd *cmd)
{
	struct ferry_migrate req = {
		.addr = cmd->addr,
		.len = dmirror_bytes(cmd),
	};
	int ret;

	ret = ferry_client_migrate(f->ctx, &req, false);
	cmd->cpages = req.moved;
	return ret;
}

static u8 dmirror_place(const struct dmirror_file *f,
			const struct ferry_residency *r)
{
	bool here = r->where == f->node->device;

	if (r->where == FERRY_RAM)
		return r->flags & FERRY_PAGE_ZERO ? DMIRROR_ZERO : DMIRROR_SYSTEM;
	if (ferry_client_kind(r->where) == FERRY_KIND_COHERENT)
		return here ? DMIRROR_COHERENT_HERE : DMIRROR_COHERENT_THERE;
	return here ? DMIRROR_PRIVATE_HERE : DMIRROR_PRIVATE_THERE;
}

static u8 dmirror_snapshot_byte(const struct dmirror_file *f,
				const struct ferry_residency *r)
{
	u8 byte;

	if (r->flags & (FERRY_PAGE_UNMAPPED | FERRY_PAGE_ERROR))
		return DMIRROR_ERROR;
	if (!(r->flags & FERRY_PAGE_PRESENT))
		return 0;
	byte = dmirror_place(f, r);
	/* No mapping that this device could use: its tests see nothing there. */
	if (byte == DMIRROR_PRIVATE_THERE)
		return 0;
	byte |= r->flags & FERRY_PAGE_WRITE ? DMIRROR_WRITABLE : DMIRROR_READABLE;
	if (r->order == PMD_SHIFT - PAGE_SHIFT)
		byte |= DMIRROR_PMD;
	else if (r->order == PUD_SHIFT - PAGE_SHIFT)
		byte |= DMIRROR_PUD;
	return byte;
}

/* A snapshot on its way to the caller. */
struct dmirror_snapshot {
	const struct dmirror_file *f;
	struct dmirror_cmd *cmd;
};

static int dmirror_snapshot_out(void *arg, const struct ferry_residency *r,
				unsigned long nr)
{
	struct dmirror_snapshot *s = arg;
	u8 __user *to = u64_to_user_ptr(s->cmd->ptr);
	unsigned long i;

	for (i = 0; i < nr; i++) {
		if (put_user(dmirror_snapshot_byte(s->f, &r[i]),
			     to + s->cmd->cpages))
			return -EFAULT;
		s->cmd->cpages++;
	}
	return 0;
}

static int dmirror_snapshot(struct dmirror_file *f, struct dmirror_cmd *cmd)
{
	struct dmirror_snapshot s = { f, cmd };

	return ferry_client_query(f->ctx, cmd->addr, dmirror_bytes(cmd),
				  dmirror_snapshot_out, &s);
}

static int dmirror_exclusive(struct dmirror_file *f, struct dmirror_cmd *cmd)
{
	return ferry_client_take(f->ctx, cmd->addr, dmirror_bytes(cmd)) ?:
	       dmirror_read(f, cmd);
}

static int dmirror_check_exclusive(struct dmirror_file *f, struct dmirror_cmd *cmd)
{
	int taken = ferry_client_taken(f->ctx, cmd->addr, dmirror_bytes(cmd));

	return taken > 0 ? -EPERM : taken;
}

static int dmirror_release(struct dmirror_file *f, struct dmirror_cmd *cmd)
{
	return ferry_client_release(f->ctx);
}

static int dmirror_flags(struct dmirror_file *f, struct dmirror_cmd *cmd)
{
	if (cmd->npages & ~DMIRROR_FLAG_FAIL_ALLOC)
		return -EINVAL;
	ferry_client_fail_next(f->ctx, cmd->npages & DMIRROR_FLAG_FAIL_ALLOC);
	return 0;
}

static int (*const dmirror_calls[])(struct dmirror_file *f,
				    struct dmirror_cmd *cmd) = {
	[_IOC_NR(DMIRROR_READ)] = dmirror_read,
	[_IOC_NR(DMIRROR_WRITE)] = dmirror_write,
	[_IOC_NR(DMIRROR_TO_DEVICE)] = dmirror_to_device,
	[_IOC_NR(DMIRROR_TO_SYSTEM)] = dmirror_to_system,
	[_IOC_NR(DMIRROR_SNAPSHOT)] = dmirror_snapshot,
	[_IOC_NR(DMIRROR_EXCLUSIVE)] = dmirror_exclusive,
	[_IOC_NR(DMIRROR_CHECK_EXCLUSIVE)] = dmirror_check_exclusive,
	[_IOC_NR(DMIRROR_RELEASE)] = dmirror_release,
	[_IOC_NR(DMIRROR_FLAGS)] = dmirror_flags,
	[_IOC_NR(DMIRROR_READ_UNLOCKED)] = dmirror_read_unlocked,
};

static long dmirror_ioctl(struct file *file, unsigned int call, unsigned long arg)
{
	struct dmirror_cmd __user *to = (struct dmirror_cmd __user *)arg;
	struct dmirror_file *f = file->private_data;
	unsigned int nr = _IOC_NR(call);
	struct dmirror_cmd cmd;
	int ret;

	if (nr >= ARRAY_SIZE(dmirror_calls) || call != DMIRROR_CALL(nr))
		return -ENOTTY;
	nr = array_index_nospec(nr, ARRAY_SIZE(dmirror_calls));
	if (copy_from_user(&cmd, to, sizeof(cmd)))
		return -EFAULT;
	if (call != DMIRROR_FLAGS && cmd.npages > U64_MAX >> PAGE_SHIFT)
		return -EINVAL;
	ret = ferry_client_check(f->ctx, cmd.addr,
				 call == DMIRROR_FLAGS ? PAGE_SIZE :
							 dmirror_bytes(&cmd));
	if (ret)
		return ret;
	cmd.cpages = 0;
	cmd.faults = 0;
	ret = dmirror_calls[nr](f, &cmd);
	if (ret)
		return ret;
	return copy_to_user(to, &cmd, sizeof(cmd)) ? -EFAULT : 0;
}

/* ---- files ---------------------------------------------------------------- */

static int dmirror_open(struct inode *inode, struct file *file)
{
	unsigned int i = iminor(inode) - MINOR(dmirror_devt);
	struct dmirror_file *f;

	f = kzalloc_obj(*f, GFP_KERNEL_ACCOUNT);
	if (!f)
		return -ENOMEM;
	f->node = &dmirror_nodes[array_index_nospec(i, DMIRROR_NODES)];
	f->ctx = ferry_client_kind(f->node->device) == f->node->kind ?
		 ferry_client_open(f->node->device) : ERR_PTR(-ENODEV);
	if (IS_ERR(f->ctx)) {
		int ret = PTR_ERR(f->ctx);

		kfree(f);
		return ret;
	}
	file->private_data = f;
	return nonseekable_open(inode, file);
}

static int dmirror_close(struct inode *inode, struct file *file)
{
	struct dmirror_file *f = file->private_data;

	ferry_client_close(f->ctx);
	kfree(f);
	return 0;
}

/* Pages that a driver has put into a mapping, for a snapshot to find. */
static int dmirror_mmap(struct file *file, struct vm_area_struct *vma)
{
	unsigned long addr;
	int ret = 0;

	if (vma->vm_end - vma->vm_start > DMIRROR_MAX_MAP)
		return -EINVAL;
	for (addr = vma->vm_start; addr < vma->vm_end && !ret; addr += PAGE_SIZE) {
		struct page *page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);

		if (!page)
			return -ENOMEM;
		ret = vm_insert_page(vma, addr, page);
		/* The mapping has a reference of its own. */
		put_page(page);
	}
	return ret;
}

static const struct file_operations dmirror_fops = {
	.owner = THIS_MODULE,
	.open = dmirror_open,
	.release = dmirror_close,
	.mmap = dmirror_mmap,
	.unlocked_ioctl = dmirror_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

/* ---- the module ------------------------------------------------------------ */

/* The next device of a kind from number @from on, or -1. */
static int dmirror_find(enum ferry_kind kind, int from)
{
	for (; from < FERRY_MAX_DEVICES; from++) {
		if (ferry_client_kind(from) == kind)
			return from;
	}
	return -1;
}

/* Settle which devices serve the nodes of a kind: those asked for, or the first. */
static int dmirror_choose(struct dmirror_node *nodes, const int *asked,
			  enum ferry_kind kind)
{
	bool any = asked[0] < 0 && asked[1] < 0;
	int i, next = 0;

	for (i = 0; i < DMIRROR_OF_A_KIND; i++) {
		nodes[i].kind = kind;
		nodes[i].device = any ? dmirror_find(kind, next) : asked[i];
		if (nodes[i].device < 0)
			continue;
		if (ferry_client_kind(nodes[i].device) != kind) {
			pr_err("there is no device %d with %s memory\n",
			       nodes[i].device, kind == FERRY_KIND_COHERENT ?
			       "coherent" : "private");
			return -ENODEV;
		}
		next = nodes[i].device + 1;
	}
	return 0;
}

static void dmirror_nodes_remove(void)
{
	unsigned int i;

	for (i = 0; i < DMIRROR_NODES; i++) {
		if (dmirror_nodes[i].there)
			device_destroy(&dmirror_class, dmirror_devt + i);
	}
}

static int dmirror_nodes_make(void)
{
	struct device *dev;
	unsigned int i;

	for (i = 0; i < DMIRROR_NODES; i++) {
		if (dmirror_nodes[i].device < 0)
			continue;
		dev = device_create(&dmirror_class, NULL, dmirror_devt + i, NULL,
				    "hmm_dmirror%u", i);
		if (IS_ERR(dev)) {
			dmirror_nodes_remove();
			return PTR_ERR(dev);
		}
		dmirror_nodes[i].there = true;
		pr_info("hmm_dmirror%u is device %d\n", i, dmirror_nodes[i].device);
	}
	return 0;
}

static int __init dmirror_init(void)
{
	unsigned int i, n = 0;
	int ret;

	ret = dmirror_choose(dmirror_nodes, private, FERRY_KIND_PRIVATE) ?:
	      dmirror_choose(dmirror_nodes + DMIRROR_OF_A_KIND, coherent,
			     FERRY_KIND_COHERENT);
	if (ret)
		return ret;
	for (i = 0; i < DMIRROR_NODES; i++)
		n += dmirror_nodes[i].device >= 0;
	if (!n)
		return -ENODEV;

	ret = class_register(&dmirror_class);
	if (ret)
		return ret;
	ret = alloc_chrdev_region(&dmirror_devt, 0, DMIRROR_NODES, "ferry_dmirror");
	if (ret)
		goto class;
	cdev_init(&dmirror_cdev, &dmirror_fops);
	dmirror_cdev.owner = THIS_MODULE;
	ret = cdev_add(&dmirror_cdev, dmirror_devt, DMIRROR_NODES);
	if (ret)
		goto region;
	ret = dmirror_nodes_make();
	if (ret)
		goto cdev;
	return 0;

cdev:
	cdev_del(&dmirror_cdev);
region:
	unregister_chrdev_region(dmirror_devt, DMIRROR_NODES);
class:
	class_unregister(&dmirror_class);
	return ret;
}

static void __exit dmirror_exit(void)
{
	dmirror_nodes_remove();
	cdev_del(&dmirror_cdev);
	unregister_chrdev_region(dmirror_devt, DMIRROR_NODES);
	class_unregister(&dmirror_class);
}

module_init(dmirror_init);
module_exit(dmirror_exit);

MODULE_DESCRIPTION("Ferry behind the nodes of the kernel's hmm-tests");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS("FERRY");
