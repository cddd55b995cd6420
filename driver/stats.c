// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counters and histograms: per CPU, summed when somebody looks.
 *
 * They are read as text in sysfs (a file a value below stats/), as tables in
 * debugfs (ferry/ferryN/hist), and in binary by FERRY_IOC_STATS.
 */
#include <linux/debugfs.h>
#include <linux/log2.h>
#include <linux/seq_file.h>
#include <linux/sysfs.h>
#include "ferry.h"

static struct dentry *ferry_debugfs_root;

static const char * const ferry_phase_names[FERRY_PHASES] = {
	[FERRY_PHASE_LOCK] = "lock",
	[FERRY_PHASE_COLLECT] = "collect",
	[FERRY_PHASE_ALLOCATE] = "allocate",
	[FERRY_PHASE_COPY] = "copy",
	[FERRY_PHASE_COMMIT] = "commit",
	[FERRY_PHASE_FINALIZE] = "finalize",
	[FERRY_PHASE_CPU_FAULT] = "cpu_fault",
	[FERRY_PHASE_DEV_FAULT] = "dev_fault",
	[FERRY_PHASE_EVICT] = "evict",
};

/**
 * ferry_stats_counter - one counter, summed over CPUs
 * @fd: the device
 * @i: enum ferry_counter
 *
 * Return: the sum; exact once nothing runs.
 */
u64 ferry_stats_counter(struct ferry_device *fd, unsigned int i)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(fd->stats, cpu)->counter[i]);
	return sum;
}

/**
 * ferry_stats_hist - one bucket of a histogram, summed over CPUs
 * @fd: the device
 * @phase: enum ferry_phase
 * @bucket: log2 of the nanoseconds
 *
 * Return: the sum.
 */
u64 ferry_stats_hist(struct ferry_device *fd, unsigned int phase,
		     unsigned int bucket)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(fd->stats, cpu)->hist[phase][bucket]);
	return sum;
}

/**
 * ferry_stats_phase - note how long a phase took
 * @fd: the device
 * @phase: which
 * @ns: nanoseconds
 *
 * Context: any.
 */
void ferry_stats_phase(struct ferry_device *fd, enum ferry_phase phase, u64 ns)
{
	unsigned int bucket = ns ? ilog2(ns) : 0;

	bucket = min(bucket, FERRY_BUCKETS - 1U);
	this_cpu_inc(fd->stats->hist[phase][bucket]);
}

/**
 * ferry_stats_init - allocate a device's counters
 * @fd: the device
 *
 * Return: 0 or -ENOMEM.
 */
int ferry_stats_init(struct ferry_device *fd)
{
	fd->stats = ferry_inject(stats) ? NULL :
		    alloc_percpu(struct ferry_stats_cpu);
	return fd->stats ? 0 : -ENOMEM;
}

/**
 * ferry_stats_fini - free them
 * @fd: the device
 */
void ferry_stats_fini(struct ferry_device *fd)
{
	free_percpu(fd->stats);
}

/* ---- sysfs: /sys/class/ferry/ferryN ------------------------------------- */

static struct ferry_device *to_ferry(struct device *dev)
{
	return container_of(dev, struct ferry_device, dev);
}

static ssize_t kind_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	static const char * const names[] = {
		[FERRY_KIND_PRIVATE] = "private",
		[FERRY_KIND_COHERENT] = "coherent",
		[FERRY_KIND_P2P] = "p2p",
	};

	return sysfs_emit(buf, "%s\n", names[to_ferry(dev)->kind]);
}
static DEVICE_ATTR_RO(kind);

static ssize_t hw_show(struct device *dev, struct device_attribute *attr,
		       char *buf)
{
	return sysfs_emit(buf, "%s\n", to_ferry(dev)->hw->name);
}
static DEVICE_ATTR_RO(hw);

static ssize_t size_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	return sysfs_emit(buf, "%llu\n",
			  (u64)to_ferry(dev)->region.nr << PAGE_SHIFT);
}
static DEVICE_ATTR_RO(size);

static ssize_t free_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	struct ferry_region *r = &to_ferry(dev)->region;

	return sysfs_emit(buf, "%llu\n",
			  (u64)READ_ONCE(r->frames.free) << PAGE_SHIFT);
}
static DEVICE_ATTR_RO(free);

/* Free runs by order, smallest first, as /proc/buddyinfo has them. */
static ssize_t orders_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	struct ferry_region *r = &to_ferry(dev)->region;
	int len = 0, i;

	for (i = 0; i < FERRY_NR_ORDERS; i++)
		len += sysfs_emit_at(buf, len, "%lu%c",
				     READ_ONCE(r->frames.nr_free[i]),
				     i == FERRY_MAX_ORDER ? '\n' : ' ');
	return len;
}
static DEVICE_ATTR_RO(orders);

static ssize_t footprint_show(struct device *dev,
			      struct device_attribute *attr, char *buf)
{
	struct ferry_device *fd = to_ferry(dev);

	return sysfs_emit(buf, "%zu\n", ferry_region_footprint(fd) +
			  fd->hw->footprint(fd));
}
static DEVICE_ATTR_RO(footprint);

static ssize_t policy_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	return sysfs_emit(buf, "%s\n", READ_ONCE(to_ferry(dev)->policy)->name);
}

static ssize_t policy_store(struct device *dev, struct device_attribute *attr,
			    const char *buf, size_t count)
{
	const struct ferry_policy_ops *ops;
	char name[32];

	if (strscpy(name, buf, sizeof(name)) < 0)
		return -EINVAL;
	ops = ferry_policy_find(strim(name));
	if (!ops)
		return -EINVAL;
	WRITE_ONCE(to_ferry(dev)->policy, ops);
	return count;
}
static DEVICE_ATTR_RW(policy);

static struct attribute *ferry_attrs[] = {
	&dev_attr_kind.attr,
	&dev_attr_hw.attr,
	&dev_attr_size.attr,
	&dev_attr_free.attr,
	&dev_attr_orders.attr,
	&dev_attr_footprint.attr,
	&dev_attr_policy.attr,
	NULL
};

static const struct attribute_group ferry_group = {
	.attrs = ferry_attrs,
};

/* Counters: a file each, in stats/. */

struct ferry_counter_attr {
	struct device_attribute attr;
	unsigned int counter;
};

static ssize_t ferry_counter_show(struct device *dev,
				  struct device_attribute *attr, char *buf)
{
	struct ferry_counter_attr *c =
		container_of(attr, struct ferry_counter_attr, attr);

	return sysfs_emit(buf, "%llu\n",
			  ferry_stats_counter(to_ferry(dev), c->counter));
}

#define FERRY_COUNTER(_name, _counter)					\
	static struct ferry_counter_attr ferry_counter_##_name = {	\
		.attr = __ATTR(_name, 0444, ferry_counter_show, NULL),	\
		.counter = _counter,					\
	}

FERRY_COUNTER(to_device_pages, FERRY_C_TO_DEVICE_PAGES);
FERRY_COUNTER(to_ram_pages, FERRY_C_TO_RAM_PAGES);
FERRY_COUNTER(peer_pages, FERRY_C_PEER_PAGES);
FERRY_COUNTER(cleared_pages, FERRY_C_CLEARED_PAGES);
FERRY_COUNTER(to_device_huge, FERRY_C_TO_DEVICE_HUGE);
FERRY_COUNTER(to_ram_huge, FERRY_C_TO_RAM_HUGE);
FERRY_COUNTER(peer_huge, FERRY_C_PEER_HUGE);
FERRY_COUNTER(split_huge, FERRY_C_SPLIT_HUGE);
FERRY_COUNTER(cpu_faults, FERRY_C_CPU_FAULTS);
FERRY_COUNTER(cpu_fault_pages, FERRY_C_CPU_FAULT_PAGES);
FERRY_COUNTER(dev_faults, FERRY_C_DEV_FAULTS);
FERRY_COUNTER(dev_fault_batches, FERRY_C_DEV_FAULT_BATCHES);
FERRY_COUNTER(dev_fault_dups, FERRY_C_DEV_FAULT_DUPS);
FERRY_COUNTER(dev_fault_mapped, FERRY_C_DEV_FAULT_MAPPED);
FERRY_COUNTER(dev_fault_migrated, FERRY_C_DEV_FAULT_MIGRATED);
FERRY_COUNTER(dev_fault_failed, FERRY_C_DEV_FAULT_FAILED);
FERRY_COUNTER(dev_fault_retries, FERRY_C_DEV_FAULT_RETRIES);
FERRY_COUNTER(fault_queue_full, FERRY_C_FAULT_QUEUE_FULL);
FERRY_COUNTER(evictions, FERRY_C_EVICTIONS);
FERRY_COUNTER(evicted_pages, FERRY_C_EVICTED_PAGES);
FERRY_COUNTER(evict_failed_pages, FERRY_C_EVICT_FAILED_PAGES);
FERRY_COUNTER(invalidations, FERRY_C_INVALIDATIONS);
FERRY_COUNTER(invalidated_pages, FERRY_C_INVALIDATED_PAGES);
FERRY_COUNTER(tlb_flushes, FERRY_C_TLB_FLUSHES);
FERRY_COUNTER(commands, FERRY_C_COMMANDS);
FERRY_COUNTER(commands_failed, FERRY_C_COMMANDS_FAILED);
FERRY_COUNTER(bytes_to_device, FERRY_C_BYTES_TO_DEVICE);
FERRY_COUNTER(bytes_from_device, FERRY_C_BYTES_FROM_DEVICE);
FERRY_COUNTER(bytes_peer, FERRY_C_BYTES_PEER);
FERRY_COUNTER(reason_resident, FERRY_C_REASON_0 + FERRY_REASON_RESIDENT);
FERRY_COUNTER(reason_unmapped, FERRY_C_REASON_0 + FERRY_REASON_UNMAPPED);
FERRY_COUNTER(reason_empty, FERRY_C_REASON_0 + FERRY_REASON_EMPTY);
FERRY_COUNTER(reason_file, FERRY_C_REASON_0 + FERRY_REASON_FILE);
FERRY_COUNTER(reason_shmem, FERRY_C_REASON_0 + FERRY_REASON_SHMEM);
FERRY_COUNTER(reason_hugetlb, FERRY_C_REASON_0 + FERRY_REASON_HUGETLB);
FERRY_COUNTER(reason_special, FERRY_C_REASON_0 + FERRY_REASON_SPECIAL);
FERRY_COUNTER(reason_ksm, FERRY_C_REASON_0 + FERRY_REASON_KSM);
FERRY_COUNTER(reason_swapped, FERRY_C_REASON_0 + FERRY_REASON_SWAPPED);
FERRY_COUNTER(reason_pinned, FERRY_C_REASON_0 + FERRY_REASON_PINNED);
FERRY_COUNTER(reason_locked, FERRY_C_REASON_0 + FERRY_REASON_LOCKED);
FERRY_COUNTER(reason_no_frame, FERRY_C_REASON_0 + FERRY_REASON_NO_FRAME);
FERRY_COUNTER(reason_no_memory, FERRY_C_REASON_0 + FERRY_REASON_NO_MEMORY);
FERRY_COUNTER(reason_userfaultfd, FERRY_C_REASON_0 + FERRY_REASON_USERFAULTFD);
FERRY_COUNTER(reason_other, FERRY_C_REASON_0 + FERRY_REASON_OTHER);
FERRY_COUNTER(reason_raced, FERRY_C_REASON_0 + FERRY_REASON_RACED);

static struct attribute *ferry_stats_attrs[] = {
	&ferry_counter_to_device_pages.attr.attr,
	&ferry_counter_to_ram_pages.attr.attr,
	&ferry_counter_peer_pages.attr.attr,
	&ferry_counter_cleared_pages.attr.attr,
	&ferry_counter_to_device_huge.attr.attr,
	&ferry_counter_to_ram_huge.attr.attr,
	&ferry_counter_peer_huge.attr.attr,
	&ferry_counter_split_huge.attr.attr,
	&ferry_counter_cpu_faults.attr.attr,
	&ferry_counter_cpu_fault_pages.attr.attr,
	&ferry_counter_dev_faults.attr.attr,
	&ferry_counter_dev_fault_batches.attr.attr,
	&ferry_counter_dev_fault_dups.attr.attr,
	&ferry_counter_dev_fault_mapped.attr.attr,
	&ferry_counter_dev_fault_migrated.attr.attr,
	&ferry_counter_dev_fault_failed.attr.attr,
	&ferry_counter_dev_fault_retries.attr.attr,
	&ferry_counter_fault_queue_full.attr.attr,
	&ferry_counter_evictions.attr.attr,
	&ferry_counter_evicted_pages.attr.attr,
	&ferry_counter_evict_failed_pages.attr.attr,
	&ferry_counter_invalidations.attr.attr,
	&ferry_counter_invalidated_pages.attr.attr,
	&ferry_counter_tlb_flushes.attr.attr,
	&ferry_counter_commands.attr.attr,
	&ferry_counter_commands_failed.attr.attr,
	&ferry_counter_bytes_to_device.attr.attr,
	&ferry_counter_bytes_from_device.attr.attr,
	&ferry_counter_bytes_peer.attr.attr,
	&ferry_counter_reason_resident.attr.attr,
	&ferry_counter_reason_unmapped.attr.attr,
	&ferry_counter_reason_empty.attr.attr,
	&ferry_counter_reason_file.attr.attr,
	&ferry_counter_reason_shmem.attr.attr,
	&ferry_counter_reason_hugetlb.attr.attr,
	&ferry_counter_reason_special.attr.attr,
	&ferry_counter_reason_ksm.attr.attr,
	&ferry_counter_reason_swapped.attr.attr,
	&ferry_counter_reason_pinned.attr.attr,
	&ferry_counter_reason_locked.attr.attr,
	&ferry_counter_reason_no_frame.attr.attr,
	&ferry_counter_reason_no_memory.attr.attr,
	&ferry_counter_reason_userfaultfd.attr.attr,
	&ferry_counter_reason_other.attr.attr,
	&ferry_counter_reason_raced.attr.attr,
	NULL
};

static_assert(ARRAY_SIZE(ferry_stats_attrs) == FERRY_COUNTERS + 1);

static const struct attribute_group ferry_stats_group = {
	.name = "stats",
	.attrs = ferry_stats_attrs,
};

const struct attribute_group *ferry_device_groups[] = {
	&ferry_group,
	&ferry_stats_group,
	NULL
};

/* ---- debugfs: ferry/ferryN ---------------------------------------------- */

/* One line a phase: name, then "2^b:count" for each bucket that has any. */
static int hist_show(struct seq_file *s, void *unused)
{
	struct ferry_device *fd = s->private;
	unsigned int p, b;

	for (p = 0; p < FERRY_PHASES; p++) {
		seq_printf(s, "%-12s", ferry_phase_names[p]);
		for (b = 0; b < FERRY_BUCKETS; b++) {
			u64 n = ferry_stats_hist(fd, p, b);

			if (n)
				seq_printf(s, " %llu:%llu", 1ULL << b, n);
		}
		seq_putc(s, '\n');
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(hist);

static int counters_show(struct seq_file *s, void *unused)
{
	struct ferry_device *fd = s->private;
	unsigned int i;

	for (i = 0; i < FERRY_COUNTERS; i++)
		seq_printf(s, "%s %llu\n", ferry_stats_attrs[i]->name,
			   ferry_stats_counter(fd, i));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(counters);

/**
 * ferry_debugfs_add - make a device's directory
 * @fd: the device
 */
void ferry_debugfs_add(struct ferry_device *fd)
{
	fd->debugfs = debugfs_create_dir(dev_name(&fd->dev), ferry_debugfs_root);
	debugfs_create_file("hist", 0444, fd->debugfs, fd, &hist_fops);
	debugfs_create_file("counters", 0444, fd->debugfs, fd, &counters_fops);
}

/**
 * ferry_debugfs_remove - remove it
 * @fd: the device
 *
 * Context: may sleep until nobody reads a file of it.
 */
void ferry_debugfs_remove(struct ferry_device *fd)
{
	debugfs_remove_recursive(fd->debugfs);
}

/**
 * ferry_debugfs_init - make the top directory
 */
void ferry_debugfs_init(void)
{
	ferry_debugfs_root = debugfs_create_dir("ferry", NULL);
	ferry_inject_debugfs(ferry_debugfs_root);
}

/**
 * ferry_debugfs_fini - remove it and all below
 */
void ferry_debugfs_fini(void)
{
	debugfs_remove_recursive(ferry_debugfs_root);
}
