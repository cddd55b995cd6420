// SPDX-License-Identifier: GPL-2.0-only
/*
 * The engine: runs the command lists of a context, in order.
 *
 * Each context has one work item, so its lists run one after another and the
 * lists of different contexts run in parallel. A command is cut into steps that
 * each need at most one translation an operand; a step is translated and executed
 * under one hold of mirror.lock. A translation that is missing raises a fault and
 * the step is replayed.
 *
 * A job is on the queue until it is done, then among the remembered ones, so that
 * a late waiter finds its result. Waiters hold a reference.
 */
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "ferry.h"

/* Bytes of one step at most: bounds how long mirror.lock is held. */
#define FERRY_STEP	(64UL << 10)
/* Bytes ahead that a fault asks for when the command will touch them. */
#define FERRY_AHEAD	(FERRY_WINDOW << PAGE_SHIFT)
/*
 * A step is replayed so often, and for so long, before its command fails with
 * -EBUSY. A word that all CPUs fight for is got in the end; one operand that evicts
 * the other on a device too small for both is not.
 */
#define FERRY_REPLAYS	4096U
#define FERRY_REPLAY_NS	(20ULL * NSEC_PER_SEC)
#define FERRY_BINS	256

/*
 * An operand of a step: where it is and how much of it is still to come; or a page of
 * the kernel's own.
 */
struct ferry_operand {
	u64 addr;
	u64 left;
	u32 access;
	bool used;
	struct page *page;
};

/* A command in execution. */
struct ferry_command {
	struct ferry_context *ctx;
	const struct ferry_cmd *cmd;
	struct ferry_exec x;
	u64 result;
	u32 access;
	u64 fault_addr;
};

static struct ferry_operand ferry_reads(u64 addr, u64 left)
{
	return (struct ferry_operand){ addr, left, FERRY_ACCESS_READ, true };
}

static struct ferry_operand ferry_writes(u64 addr, u64 left)
{
	return (struct ferry_operand){ addr, left, FERRY_ACCESS_WRITE, true };
}

static const struct ferry_operand ferry_unused;

/* Translate an operand, or say in *missing how many bytes of it would fault. */
static int ferry_operand_translate(struct ferry_context *ctx,
				   const struct ferry_operand *o,
				   struct ferry_span *span, size_t *len,
				   u64 *missing)
{
	u64 vpn = o->addr >> PAGE_SHIFT, pages;

	memset(span, 0, sizeof(*span));
	span->page = o->page;
	if (!o->used ||
	    !ferry_mirror_translate(&ctx->mirror, o->addr, o->access, span, len))
		return 0;
	/* Do not let a range at the end of the address space wrap. */
	*missing = min3(o->left, (u64)FERRY_AHEAD, ~0ULL - o->addr);
	pages = ((o->addr + max(*missing, 1ULL) - 1) >> PAGE_SHIFT) - vpn + 1;
	pages = ferry_mirror_missing(&ctx->mirror, vpn, pages, o->access);
	*missing = (pages << PAGE_SHIFT) - (o->addr & ~PAGE_MASK);
	return -EAGAIN;
}

/* One try: 0 when the step was executed, -EAGAIN with the operand that faults. */
static int ferry_step_try(struct ferry_command *c, const struct ferry_operand *dst,
			  const struct ferry_operand *src, size_t len,
			  const struct ferry_operand **fault, u64 *missing)
{
	struct ferry_context *ctx = c->ctx;
	int ret;

	mutex_lock(&ctx->mirror.lock);
	*fault = dst;
	ret = ferry_operand_translate(ctx, dst, &c->x.dst, &len, missing);
	if (!ret) {
		*fault = src;
		ret = ferry_operand_translate(ctx, src, &c->x.src, &len, missing);
	}
	if (!ret) {
		c->x.len = len;
		ret = ctx->fd->hw->execute(ctx->fd, &c->x);
	}
	mutex_unlock(&ctx->mirror.lock);
	return ret;
}

/* Whether an access that failed @tries times since @begun is tried again. */
static bool ferry_replay(unsigned int tries, u64 begun)
{
	return tries < FERRY_REPLAYS || ktime_get_ns() - begun < FERRY_REPLAY_NS;
}

/* Do a step of at most @len bytes; c->x.len says how many it did. */
static int ferry_step(struct ferry_command *c, struct ferry_operand dst,
		      struct ferry_operand src, size_t len)
{
	const struct ferry_operand *fault, *last = NULL;
	unsigned int tries, replays = 0;
	u64 missing, begun = 0;
	int ret;

	len = min(len, FERRY_STEP);
	for (tries = 0; ferry_replay(tries, begun); tries++) {
		if (READ_ONCE(c->ctx->closing))
			return -ECANCELED;
		ret = ferry_step_try(c, &dst, &src, len, &fault, &missing);
		if (ret != -EAGAIN)
			return ret;
		if (!last)
			begun = ktime_get_ns();
		replays = fault == last ? replays + 1 : 0;
		last = fault;
		ret = ferry_fault_raise(c->ctx, fault->addr, missing,
					fault->access, replays, false);
		if (ret) {
			c->fault_addr = fault->addr;
			c->access = fault->access;
			return ret == -EPERM ? -EFAULT : ret;
		}
		cond_resched();
	}
	c->fault_addr = last->addr;
	c->access = last->access;
	return -EBUSY;
}

/* An op that walks its operands from start to end. */
static int ferry_stream(struct ferry_command *c, bool has_dst, u32 dst_access,
			bool has_src)
{
	const struct ferry_cmd *cmd = c->cmd;
	int ret;

	for (c->x.pos = 0; c->x.pos < cmd->len; c->x.pos += c->x.len) {
		u64 left = cmd->len - c->x.pos;
		struct ferry_operand dst = { cmd->dst + c->x.pos, left,
					     dst_access, has_dst };
		struct ferry_operand src = { cmd->src + c->x.pos, left,
					     FERRY_ACCESS_READ, has_src };

		ret = ferry_step(c, dst, src, min_t(u64, left, FERRY_STEP));
		if (ret)
			return ret;
		cond_resched();
	}
	return 0;
}

static int ferry_do_fill(struct ferry_command *c)
{
	return ferry_stream(c, true, FERRY_ACCESS_WRITE, false);
}

static int ferry_do_copy(struct ferry_command *c)
{
	return ferry_stream(c, true, FERRY_ACCESS_WRITE, true);
}

static int ferry_do_compare(struct ferry_command *c)
{
	const struct ferry_cmd *cmd = c->cmd;
	int ret;

	for (c->x.pos = 0; c->x.pos < cmd->len; c->x.pos += c->x.len) {
		u64 left = cmd->len - c->x.pos;

		ret = ferry_step(c, ferry_reads(cmd->dst + c->x.pos, left),
				 ferry_reads(cmd->src + c->x.pos, left),
				 min_t(u64, left, FERRY_STEP));
		if (ret)
			return ret;
		if (c->x.state < c->x.len) {
			c->result = c->x.pos + c->x.state;
			return 0;
		}
		cond_resched();
	}
	c->result = cmd->len;
	return 0;
}

static int ferry_do_crc32c(struct ferry_command *c)
{
	int ret;

	c->x.state = ~0U;
	ret = ferry_stream(c, false, 0, true);
	c->result = (u32)~c->x.state;
	return ret;
}

static int ferry_do_histogram(struct ferry_command *c)
{
	u64 *bins = c->ctx->engine.bins;
	unsigned int i;
	int ret;

	memset(bins, 0, FERRY_BINS * sizeof(*bins));
	c->x.bins = bins;
	ret = ferry_stream(c, false, 0, true);
	if (ret)
		return ret;
	c->x.op = FERRY_OP_ADD64;
	for (i = 0; i < FERRY_BINS; i++) {
		c->x.arg0 = bins[i];
		ret = ferry_step(c, ferry_writes(c->cmd->dst + i * 8,
						 (FERRY_BINS - i) * 8),
				 ferry_unused, 8);
		if (ret)
			return ret;
	}
	return 0;
}

static int ferry_do_saxpy(struct ferry_command *c)
{
	return ferry_stream(c, true, FERRY_ACCESS_WRITE, true);
}

/* The load of one u64, by the op that leaves it in state. */
static int ferry_load64(struct ferry_command *c, u64 addr, u64 left)
{
	return ferry_step(c, ferry_unused, ferry_reads(addr, left), 8);
}

static int ferry_do_gather(struct ferry_command *c)
{
	const struct ferry_cmd *cmd = c->cmd;
	u64 pos;
	int ret;

	for (pos = 0; pos < cmd->len; pos += 8) {
		ret = ferry_load64(c, cmd->arg0 + pos, cmd->len - pos);
		if (ret)
			return ret;
		if (c->x.state >= cmd->arg1)
			return -ERANGE;
		ret = ferry_load64(c, cmd->src + c->x.state * 8, 8);
		if (ret)
			return ret;
		ret = ferry_step(c, ferry_writes(cmd->dst + pos, cmd->len - pos),
				 ferry_unused, 8);
		if (ret)
			return ret;
		cond_resched();
	}
	return 0;
}

static int ferry_do_chase(struct ferry_command *c)
{
	u64 hops;
	int ret;

	c->result = c->cmd->src;
	for (hops = 0; hops < c->cmd->arg0; hops++) {
		if (!IS_ALIGNED(c->result, 8)) {
			c->fault_addr = c->result;
			c->access = FERRY_ACCESS_READ;
			return -EFAULT;
		}
		ret = ferry_load64(c, c->result, 8);
		if (ret)
			return ret;
		c->result = c->x.state;
		cond_resched();
	}
	return 0;
}

static int ferry_do_atomic(struct ferry_command *c)
{
	struct ferry_operand dst = { c->cmd->dst, 8, FERRY_ACCESS_ATOMIC, true };
	int ret;

	ret = ferry_step(c, dst, ferry_unused, 8);
	c->result = c->x.state;
	return ret;
}

static int ferry_do_nop(struct ferry_command *c)
{
	return READ_ONCE(c->ctx->closing) ? -ECANCELED : 0;
}

static int (*const ferry_do[FERRY_OPS])(struct ferry_command *c) = {
	[FERRY_OP_NOP] = ferry_do_nop,
	[FERRY_OP_FILL] = ferry_do_fill,
	[FERRY_OP_COPY] = ferry_do_copy,
	[FERRY_OP_COMPARE] = ferry_do_compare,
	[FERRY_OP_CRC32C] = ferry_do_crc32c,
	[FERRY_OP_HISTOGRAM] = ferry_do_histogram,
	[FERRY_OP_SAXPY] = ferry_do_saxpy,
	[FERRY_OP_GATHER] = ferry_do_gather,
	[FERRY_OP_CHASE] = ferry_do_chase,
	[FERRY_OP_ADD64] = ferry_do_atomic,
	[FERRY_OP_CAS64] = ferry_do_atomic,
};

/* ---- jobs ---------------------------------------------------------------- */

static void ferry_job_release(struct kref *ref)
{
	struct ferry_job *job = container_of(ref, struct ferry_job, ref);

	if (job->eventfd)
		eventfd_ctx_put(job->eventfd);
	kvfree(job->cmds);
	kvfree(job->results);
	kfree(job);
}

static void ferry_job_put(struct ferry_job *job)
{
	kref_put(&job->ref, ferry_job_release);
}

static void ferry_job_run(struct ferry_context *ctx, struct ferry_job *job)
{
	struct ferry_command c = { .ctx = ctx };
	u32 i;

	for (i = 0; i < job->count && !job->status; i++) {
		c.cmd = &job->cmds[i];
		c.result = 0;
		memset(&c.x, 0, sizeof(c.x));
		c.x.op = c.cmd->op;
		c.x.arg0 = c.cmd->arg0;
		c.x.arg1 = c.cmd->arg1;
		job->status = ferry_do[array_index_nospec(c.cmd->op, FERRY_OPS)](&c);
		job->results[i] = c.result;
		job->failed = i;
		ferry_count(ctx->fd, FERRY_C_COMMANDS);
	}
	if (job->status) {
		ferry_count(ctx->fd, FERRY_C_COMMANDS_FAILED);
		job->fault_addr = c.fault_addr;
		job->access = c.access;
	} else {
		job->failed = 0;
	}
}

/* The job is done: remember it, forget the oldest, tell everybody. */
static void ferry_job_done(struct ferry_engine *e, struct ferry_job *job)
{
	struct ferry_job *old = NULL;

	spin_lock(&e->lock);
	job->done = true;
	e->queued--;
	list_move_tail(&job->node, &e->past);
	if (++e->remembered > FERRY_MAX_REMEMBERED) {
		old = list_first_entry(&e->past, struct ferry_job, node);
		list_del(&old->node);
		e->remembered--;
	}
	if (job->eventfd)
		eventfd_signal(job->eventfd);
	spin_unlock(&e->lock);
	wake_up_all(&e->wait);
	if (old)
		ferry_job_put(old);
}

static void ferry_engine_work(struct work_struct *work)
{
	struct ferry_engine *e = container_of(work, struct ferry_engine, work);
	struct ferry_context *ctx = container_of(e, struct ferry_context, engine);
	struct ferry_job *job;

	for (;;) {
		spin_lock(&e->lock);
		job = list_first_entry_or_null(&e->queue, struct ferry_job, node);
		spin_unlock(&e->lock);
		if (!job)
			return;
		ferry_job_run(ctx, job);
		/* Results are remembered, commands are not. */
		kvfree(job->cmds);
		job->cmds = NULL;
		ferry_job_done(e, job);
	}
}

/**
 * ferry_engine_init - make a context's command queue
 * @ctx: the context
 *
 * Return: 0 or -ENOMEM.
 */
int ferry_engine_init(struct ferry_context *ctx)
{
	struct ferry_engine *e = &ctx->engine;

	spin_lock_init(&e->lock);
	INIT_LIST_HEAD(&e->queue);
	INIT_LIST_HEAD(&e->past);
	init_waitqueue_head(&e->wait);
	INIT_WORK(&e->work, ferry_engine_work);
	e->next_seq = 1;
	e->bins = ferry_inject(engine_bins) ? NULL :
		  kcalloc(FERRY_BINS, sizeof(*e->bins), GFP_KERNEL_ACCOUNT);
	return e->bins ? 0 : -ENOMEM;
}

/**
 * ferry_engine_stop - wait until a context's engine has nothing left to do
 * @ctx: the context, closing: what is queued ends with -ECANCELED
 *
 * Context: may sleep.
 */
void ferry_engine_stop(struct ferry_context *ctx)
{
	flush_work(&ctx->engine.work);
}

/**
 * ferry_engine_fini - forget a context's jobs
 * @ctx: the context; its engine is stopped
 */
void ferry_engine_fini(struct ferry_context *ctx)
{
	struct ferry_engine *e = &ctx->engine;
	struct ferry_job *job, *next;

	list_for_each_entry_safe(job, next, &e->past, node)
		ferry_job_put(job);
	kfree(e->bins);
}

/* ---- submit -------------------------------------------------------------- */

static bool ferry_range_ok(u64 addr, u64 len, u64 align)
{
	u64 end;

	return len && IS_ALIGNED(addr, align) && IS_ALIGNED(len, align) &&
	       !check_add_overflow(addr, len - 1, &end);
}

static bool ferry_ranges_overlap(u64 a, u64 b, u64 len)
{
	return a < b ? b - a < len : a - b < len;
}

static bool ferry_cmd_ok(const struct ferry_cmd *c)
{
	u64 bytes;

	if (c->op >= FERRY_OPS || c->flags)
		return false;
	switch ((enum ferry_op)c->op) {
	case FERRY_OP_NOP:
		return !c->dst && !c->src && !c->len && !c->arg0 && !c->arg1;
	case FERRY_OP_FILL:
		return ferry_range_ok(c->dst, c->len, 1) && !c->src && !c->arg1;
	case FERRY_OP_COPY:
		return ferry_range_ok(c->dst, c->len, 1) &&
		       ferry_range_ok(c->src, c->len, 1) &&
		       !ferry_ranges_overlap(c->dst, c->src, c->len) &&
		       !c->arg0 && !c->arg1;
	case FERRY_OP_COMPARE:
		return ferry_range_ok(c->dst, c->len, 1) &&
		       ferry_range_ok(c->src, c->len, 1) && !c->arg0 && !c->arg1;
	case FERRY_OP_CRC32C:
		return ferry_range_ok(c->src, c->len, 1) && !c->dst &&
		       !c->arg0 && !c->arg1;
	case FERRY_OP_HISTOGRAM:
		return ferry_range_ok(c->src, c->len, 1) &&
		       ferry_range_ok(c->dst, FERRY_BINS * 8, 8) &&
		       !c->arg0 && !c->arg1;
	case FERRY_OP_SAXPY:
		return ferry_range_ok(c->dst, c->len, 4) &&
		       ferry_range_ok(c->src, c->len, 4) &&
		       c->arg0 <= U32_MAX && !c->arg1;
	case FERRY_OP_GATHER:
		return ferry_range_ok(c->dst, c->len, 8) &&
		       ferry_range_ok(c->arg0, c->len, 8) &&
		       !check_mul_overflow(c->arg1, 8ULL, &bytes) &&
		       ferry_range_ok(c->src, bytes, 8);
	case FERRY_OP_CHASE:
		return IS_ALIGNED(c->src, 8) && !c->dst && !c->len && !c->arg1;
	case FERRY_OP_ADD64:
		return IS_ALIGNED(c->dst, 8) && !c->src && !c->len && !c->arg1;
	case FERRY_OP_CAS64:
		return IS_ALIGNED(c->dst, 8) && !c->src && !c->len;
	case FERRY_OPS:
		break;
	}
	return false;
}

static int ferry_job_read(struct ferry_job *job, const struct ferry_submit *req)
{
	u32 i;

	job->count = req->count;
	job->cmds = ferry_inject(job_commands) ? NULL :
		    kvmalloc_array(req->count, sizeof(*job->cmds),
				   GFP_KERNEL_ACCOUNT);
	job->results = ferry_inject(job_results) ? NULL :
		       kvcalloc(req->count, sizeof(*job->results),
				GFP_KERNEL_ACCOUNT);
	if (!job->cmds || !job->results)
		return -ENOMEM;
	if (ferry_inject(job_copy) ||
	    copy_from_user(job->cmds, u64_to_user_ptr(req->cmds),
			   array_size(req->count, sizeof(*job->cmds))))
		return -EFAULT;
	for (i = 0; i < job->count; i++) {
		if (!ferry_cmd_ok(&job->cmds[i]))
			return -EINVAL;
	}
	if (req->eventfd >= 0) {
		struct eventfd_ctx *fd = ferry_inject(job_eventfd) ?
					 ERR_PTR(-EBADF) :
					 eventfd_ctx_fdget(req->eventfd);

		if (IS_ERR(fd))
			return -EBADF;
		job->eventfd = fd;
	}
	return 0;
}

/**
 * ferry_engine_submit - FERRY_IOC_SUBMIT, on checked arguments
 * @ctx: the caller's context
 * @req: the request; its seq is stored in it
 *
 * Context: may sleep.
 * Return: 0 or the errno that the uapi header names.
 */
int ferry_engine_submit(struct ferry_context *ctx, struct ferry_submit *req)
{
	struct ferry_engine *e = &ctx->engine;
	struct ferry_job *job;
	int ret;

	job = ferry_inject(job) ? NULL : kzalloc_obj(*job, GFP_KERNEL_ACCOUNT);
	if (!job)
		return -ENOMEM;
	kref_init(&job->ref);
	ret = ferry_job_read(job, req) ?: ferry_context_use(ctx);
	if (ret)
		goto put;

	spin_lock(&e->lock);
	if (ferry_inject(job_queue) || e->queued >= FERRY_MAX_QUEUED) {
		ret = -EAGAIN;
	} else {
		job->seq = e->next_seq++;
		req->seq = job->seq;
		e->queued++;
		list_add_tail(&job->node, &e->queue);
		queue_work(ctx->fd->engine_wq, &e->work);
	}
	spin_unlock(&e->lock);
	ferry_device_put(ctx->fd);
put:
	if (ret)
		ferry_job_put(job);
	return ret;
}

/* ---- wait ---------------------------------------------------------------- */

static struct ferry_job *ferry_job_find(struct ferry_engine *e, u64 seq)
{
	struct ferry_job *job;

	spin_lock(&e->lock);
	list_for_each_entry(job, &e->queue, node) {
		if (job->seq == seq)
			goto found;
	}
	list_for_each_entry_reverse(job, &e->past, node) {
		if (job->seq == seq)
			goto found;
	}
	spin_unlock(&e->lock);
	return NULL;
found:
	kref_get(&job->ref);
	spin_unlock(&e->lock);
	return job;
}

static bool ferry_job_is_done(struct ferry_engine *e, struct ferry_job *job)
{
	bool done;

	spin_lock(&e->lock);
	done = job->done;
	spin_unlock(&e->lock);
	return done;
}

static int ferry_job_await(struct ferry_engine *e, struct ferry_job *job,
			   s64 *timeout_ns)
{
	ktime_t end;
	int ret;

	if (*timeout_ns < 0)
		return wait_event_interruptible(e->wait,
						ferry_job_is_done(e, job)) ?
		       -EINTR : 0;
	if (!*timeout_ns)
		return ferry_job_is_done(e, job) ? 0 : -ETIMEDOUT;

	end = ktime_add_safe(ktime_get(), ns_to_ktime(*timeout_ns));
	ret = wait_event_interruptible_hrtimeout(e->wait,
						 ferry_job_is_done(e, job),
						 ns_to_ktime(*timeout_ns));
	if (!ret)
		return 0;
	if (ret == -ETIME)
		return -ETIMEDOUT;
	*timeout_ns = max(1LL, ktime_to_ns(ktime_sub(end, ktime_get())));
	return -EINTR;
}

/**
 * ferry_engine_wait - FERRY_IOC_WAIT, on checked arguments
 * @ctx: the caller's context
 * @req: the request; how the list ended is stored in it
 *
 * Context: may sleep.
 * Return: 0 or the errno that the uapi header names.
 */
int ferry_engine_wait(struct ferry_context *ctx, struct ferry_wait *req)
{
	struct ferry_job *job = ferry_job_find(&ctx->engine, req->seq);
	u32 room = req->count;
	int ret;

	if (!job)
		return -ENOENT;
	ret = ferry_inject(wait_signal) ? -EINTR :
	      ferry_job_await(&ctx->engine, job, &req->timeout_ns);
	if (ret)
		goto put;
	req->count = job->count;
	req->status = job->status;
	req->failed = job->failed;
	req->access = job->access;
	req->fault_addr = job->fault_addr;
	if (req->results &&
	    (ferry_inject(wait_copy) ||
	     copy_to_user(u64_to_user_ptr(req->results), job->results,
			  (size_t)min(room, job->count) * sizeof(*job->results))))
		ret = -EFAULT;
put:
	ferry_job_put(job);
	return ret;
}

/* ---- clients -------------------------------------------------------------- */

/*
 * Pages from @addr on that need no fault, a window at most; *missing says how many
 * after them do.
 */
static unsigned long ferry_reach_scan(struct ferry_context *ctx, u64 addr, u64 end,
				      u32 access, unsigned long *missing)
{
	unsigned long nr = min_t(u64, FERRY_WINDOW, (end - addr) >> PAGE_SHIFT);
	struct ferry_mirror *m = &ctx->mirror;
	u64 vpn = addr >> PAGE_SHIFT;
	unsigned long i;

	mutex_lock(&m->lock);
	for (i = 0; i < nr; i++) {
		if (ferry_mirror_missing(m, vpn + i, 1, access))
			break;
	}
	*missing = ferry_mirror_missing(m, vpn + i, nr - i, access);
	mutex_unlock(&m->lock);
	return i;
}

/**
 * ferry_engine_reach - have a range made reachable before it is accessed
 * @ctx: the context
 * @addr: first address, page-aligned
 * @end: end of the range, page-aligned
 * @access: FERRY_ACCESS_*
 * @patient: faults may wait for userfaultfd
 *
 * Each page was reachable at some moment; none is kept so.
 *
 * Context: the caller's own task, on its own address space; may sleep.
 * Return: 0, or what ferry_fault_raise() says, -EPERM when a mapping forbids the
 * access, -EBUSY when it kept changing, -EINTR.
 */
int ferry_engine_reach(struct ferry_context *ctx, u64 addr, u64 end, u32 access,
		       bool patient)
{
	u64 begun = ktime_get_ns();
	unsigned long have, missing;
	unsigned int tries = 0;
	int ret;

	for (;;) {
		have = ferry_reach_scan(ctx, addr, end, access, &missing);
		addr += (u64)have << PAGE_SHIFT;
		if (addr == end)
			return 0;
		if (have) {
			tries = 0;
			begun = ktime_get_ns();
		}
		if (!missing)
			continue;
		if (!ferry_replay(tries, begun))
			return -EBUSY;
		if (fatal_signal_pending(current))
			return -EINTR;
		ret = ferry_fault_raise(ctx, addr, (u64)missing << PAGE_SHIFT,
					access, tries++, patient);
		if (ret)
			return ret;
		cond_resched();
	}
}

/**
 * ferry_engine_page - the device reads or writes a page for a client in the kernel
 * @ctx: the context
 * @a: the range; the page at its address is accessed. Its faults are counted
 * @page: where the bytes go to, or come from
 *
 * A fault takes the rest of the range with it.
 *
 * Context: as for ferry_engine_reach().
 * Return: 0, or an error as ferry_engine_reach() has it.
 */
int ferry_engine_page(struct ferry_context *ctx, struct ferry_access *a,
		      struct page *page)
{
	const struct ferry_operand mem = {
		a->addr, PAGE_SIZE, a->access, true, NULL,
	};
	const struct ferry_operand own = { .page = page };
	struct ferry_command c = { .ctx = ctx, .x.op = FERRY_OP_COPY };
	bool write = a->access != FERRY_ACCESS_READ;
	const struct ferry_operand *fault;
	u64 begun = ktime_get_ns(), missing;
	unsigned int tries;
	int ret;

	for (tries = 0; ferry_replay(tries, begun); tries++) {
		ret = ferry_step_try(&c, write ? &mem : &own, write ? &own : &mem,
				     PAGE_SIZE, &fault, &missing);
		if (ret != -EAGAIN)
			return ret;
		a->faults++;
		ret = ferry_engine_reach(ctx, a->addr, a->end, a->access,
					 a->patient);
		if (ret)
			return ret;
	}
	return -EBUSY;
}
