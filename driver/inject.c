// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fault injection: the points of inject.h, and what tells them to fail.
 *
 * DOC: The n-th call
 *
 * The core of it is deterministic. A test writes n to ferry/inject/nth in debugfs,
 * does something, and reads nth again: 0 says that the n-th call of a point since
 * then failed, anything else how many calls were missing. So a sweep over n = 1, 2,
 * ... that ends when something succeeds with calls missing has failed every step of
 * it once. With "run" above 1, as many calls after the n-th fail as well. With "most"
 * above 0, only so many calls of each point count: where one is called for each of
 * many pages, the sweep does not have to go through all of them.
 *
 * Calls are counted whoever makes them: service threads and workers act for the
 * caller. "filter" leaves points out whose names do not contain its text.
 *
 * The module parameter inject_nth does the same from the first call of loading on.
 *
 * DOC: Chance
 *
 * Where the kernel has its own fault injection, ferry/inject/random has the usual
 * files of it: probability, interval, times, and so on.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/fault-inject.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include "ferry.h"

/**
 * struct ferry_point_counts - one point
 * @hits: calls
 * @failed: how many of them failed
 * @since: calls since nth was set
 */
struct ferry_point_counts {
	atomic_long_t hits;
	atomic_long_t failed;
	atomic_t since;
};

#define FERRY_POINT_NAME(name)	#name,
static const char * const ferry_point_names[FERRY_POINTS] = {
	FERRY_POINTS_LIST(FERRY_POINT_NAME)
};

static struct ferry_point_counts ferry_points[FERRY_POINTS];

/* Calls up to the one that fails, 0 when none is to; and how many after it. */
static atomic_t ferry_inject_left;
static atomic_t ferry_inject_more;
static u32 ferry_inject_run = 1;
static u32 ferry_inject_most;
/* The point that failed last, or FERRY_POINTS. */
static enum ferry_point ferry_inject_last = FERRY_POINTS;

/* Text that a point's name must contain. */
static char ferry_inject_only[32];
static DECLARE_BITMAP(ferry_inject_out, FERRY_POINTS);

MODULE_INFO(inject, "y");

static int ferry_inject_set(const char *val, const struct kernel_param *kp)
{
	unsigned int n;
	int ret = kstrtouint(val, 0, &n);

	if (ret)
		return ret;
	if (n > INT_MAX)
		return -EINVAL;
	atomic_set(&ferry_inject_left, n);
	return 0;
}

static int ferry_inject_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%d\n", atomic_read(&ferry_inject_left));
}

static const struct kernel_param_ops ferry_inject_ops = {
	.set = ferry_inject_set,
	.get = ferry_inject_get,
};

module_param_cb(inject_nth, &ferry_inject_ops, NULL, 0444);
MODULE_PARM_DESC(inject_nth, "make the n-th call of an injection point fail (default 0: none)");

#ifdef CONFIG_FAULT_INJECTION
static DECLARE_FAULT_ATTR(ferry_inject_random);

static bool ferry_inject_chance(void)
{
	/* should_fail() also counts for /proc/self/fail-nth, which is not for us. */
	return READ_ONCE(ferry_inject_random.probability) &&
	       should_fail(&ferry_inject_random, 1);
}

static void ferry_inject_random_add(struct dentry *dir)
{
	/* Without it, each failure leaves a stack in the log. */
	ferry_inject_random.verbose = 0;
	fault_create_debugfs_attr("random", dir, &ferry_inject_random);
}
#else
static bool ferry_inject_chance(void)
{
	return false;
}

static void ferry_inject_random_add(struct dentry *dir)
{
}
#endif

static bool ferry_inject_nth(enum ferry_point point)
{
	unsigned int most = READ_ONCE(ferry_inject_most);
	bool due = false;

	if (atomic_inc_return(&ferry_points[point].since) > most && most)
		return false;
	if (atomic_read(&ferry_inject_more))
		due = atomic_dec_if_positive(&ferry_inject_more) >= 0;
	if (!due && atomic_read(&ferry_inject_left) &&
	    !atomic_dec_if_positive(&ferry_inject_left)) {
		atomic_set(&ferry_inject_more, READ_ONCE(ferry_inject_run) - 1);
		due = true;
	}
	if (due)
		pr_info("injected: %s\n", ferry_point_names[point]);
	return due;
}

/**
 * ferry_inject_hit - whether a step must fail
 * @point: which; ferry_inject() takes its name
 *
 * Context: any.
 * Return: true when it must.
 */
bool ferry_inject_hit(enum ferry_point point)
{
	struct ferry_point_counts *p = &ferry_points[point];

	atomic_long_inc(&p->hits);
	if (test_bit(point, ferry_inject_out))
		return false;
	if (!ferry_inject_nth(point) && !ferry_inject_chance())
		return false;
	atomic_long_inc(&p->failed);
	WRITE_ONCE(ferry_inject_last, point);
	return true;
}

/* ---- debugfs: ferry/inject ---------------------------------------------- */

static int ferry_inject_nth_get(void *data, u64 *val)
{
	*val = atomic_read(&ferry_inject_left);
	return 0;
}

static int ferry_inject_nth_set(void *data, u64 val)
{
	unsigned int i;

	if (val > INT_MAX)
		return -EINVAL;
	atomic_set(&ferry_inject_left, 0);
	for (i = 0; i < FERRY_POINTS; i++)
		atomic_set(&ferry_points[i].since, 0);
	atomic_set(&ferry_inject_more, 0);
	atomic_set(&ferry_inject_left, val);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(ferry_inject_nth_fops, ferry_inject_nth_get,
			 ferry_inject_nth_set, "%llu\n");

static int ferry_inject_run_get(void *data, u64 *val)
{
	*val = READ_ONCE(ferry_inject_run);
	return 0;
}

static int ferry_inject_run_set(void *data, u64 val)
{
	if (!val || val > INT_MAX)
		return -EINVAL;
	WRITE_ONCE(ferry_inject_run, val);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(ferry_inject_run_fops, ferry_inject_run_get,
			 ferry_inject_run_set, "%llu\n");

/* A line a point: name, calls, calls that failed. */
static int points_show(struct seq_file *s, void *unused)
{
	unsigned int i;

	for (i = 0; i < FERRY_POINTS; i++)
		seq_printf(s, "%-20s %8ld %8ld\n", ferry_point_names[i],
			   atomic_long_read(&ferry_points[i].hits),
			   atomic_long_read(&ferry_points[i].failed));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(points);

/* The name of the point that failed last. */
static int last_show(struct seq_file *s, void *unused)
{
	enum ferry_point last = READ_ONCE(ferry_inject_last);

	seq_printf(s, "%s\n", last < FERRY_POINTS ? ferry_point_names[last] :
						    "none");
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(last);

static ssize_t ferry_inject_filter_read(struct file *file, char __user *buf,
					size_t count, loff_t *pos)
{
	return simple_read_from_buffer(buf, count, pos, ferry_inject_only,
				       strlen(ferry_inject_only));
}

static ssize_t ferry_inject_filter_write(struct file *file,
					 const char __user *buf, size_t count,
					 loff_t *pos)
{
	char text[sizeof(ferry_inject_only)];
	unsigned int i;

	if (count >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, buf, count))
		return -EFAULT;
	text[count] = '\0';
	strscpy(ferry_inject_only, strim(text));
	for (i = 0; i < FERRY_POINTS; i++)
		assign_bit(i, ferry_inject_out,
			   !strstr(ferry_point_names[i], ferry_inject_only));
	return count;
}

static const struct file_operations ferry_inject_filter_fops = {
	.read = ferry_inject_filter_read,
	.write = ferry_inject_filter_write,
};

/**
 * ferry_inject_debugfs - make the directory
 * @parent: the driver's; goes with all that is in it
 */
void ferry_inject_debugfs(struct dentry *parent)
{
	struct dentry *dir = debugfs_create_dir("inject", parent);

	debugfs_create_file_unsafe("nth", 0600, dir, NULL,
				   &ferry_inject_nth_fops);
	debugfs_create_file_unsafe("run", 0600, dir, NULL,
				   &ferry_inject_run_fops);
	debugfs_create_u32("most", 0600, dir, &ferry_inject_most);
	debugfs_create_file("filter", 0600, dir, NULL,
			    &ferry_inject_filter_fops);
	debugfs_create_file("last", 0400, dir, NULL, &last_fops);
	debugfs_create_file("points", 0400, dir, NULL, &points_fops);
	ferry_inject_random_add(dir);
}
