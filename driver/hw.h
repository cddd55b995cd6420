/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hardware seam: what a piece of hardware gives to the rest of Ferry.
 *
 * Nothing outside a hw_*.c file touches VRAM. Copies are submitted in batches
 * and complete by a fence, also where a backend completes at once.
 */
#ifndef FERRY_HW_H
#define FERRY_HW_H

#include <linux/bits.h>
#include <linux/mm_types.h>
#include <linux/types.h>
#include <linux/ferry.h>

struct ferry_device;

#define FERRY_FENCE_LOST	BIT_ULL(63)

/* Which way one copy of a batch goes. */
enum ferry_copy_dir {
	FERRY_COPY_TO_VRAM,	/* page to vram */
	FERRY_COPY_FROM_VRAM,	/* vram to page */
	FERRY_COPY_PEER,	/* peer's vram to vram */
	FERRY_COPY_CLEAR,	/* zeros to vram */
};

/**
 * struct ferry_copy - one copy of a batch
 * @dir: which way
 * @nr: 4 KiB pages, physically contiguous on both sides
 * @vram: byte offset in the VRAM of the device that does the work
 * @page: first system page (TO_VRAM, FROM_VRAM)
 * @peer: device at the other end (PEER)
 * @peer_vram: byte offset there
 */
struct ferry_copy {
	enum ferry_copy_dir dir;
	unsigned int nr;
	u64 vram;
	struct page *page;
	struct ferry_device *peer;
	u64 peer_vram;
};

/**
 * struct ferry_span - a piece of an operand, translated
 * @dev: device whose VRAM holds it, or NULL for a system page
 * @vram: byte offset there
 * @page: the system page
 * @offset: byte offset of the piece in @page
 */
struct ferry_span {
	struct ferry_device *dev;
	u64 vram;
	struct page *page;
	unsigned int offset;
};

/**
 * struct ferry_exec - one step of a command, on translated pieces
 * @op: what to do
 * @len: bytes of each piece
 * @dst: where results go, for the ops that write
 * @src: what is read, for the ops that read
 * @arg0: as in struct ferry_cmd
 * @arg1: as in struct ferry_cmd
 * @pos: bytes of the command done before this step
 * @state: carried from step to step (running CRC, value read, offset found)
 * @bins: running counts of a histogram, kept by the engine until it adds them
 *	to memory
 */
struct ferry_exec {
	enum ferry_op op;
	size_t len;
	struct ferry_span dst;
	struct ferry_span src;
	u64 arg0;
	u64 arg1;
	u64 pos;
	u64 state;
	u64 *bins;
};

/**
 * struct ferry_hw_ops - what a piece of hardware gives
 * @name: for sysfs and messages
 * @init: bring up fd->bytes of VRAM; may sleep; 0 or -errno
 * @start: the region is registered; coherent VRAM is at fd->region.va from now
 *	on. May be NULL
 * @fini: give everything back; all copies are complete by then
 * @copy: start a batch of copies; never fails: an error shows at the fence.
 *	May sleep. Returns the fence's number, with FERRY_FENCE_LOST when it is
 *	known already that data was lost; the caller hands that bit on to @wait.
 *	The array may be reused at once.
 * @wait: wait until a fence has passed; 0, or -EIO when data was lost
 * @execute: do one step of a command; called under the mirror's lock, so it
 *	must not sleep for memory or fault; 0 or -errno. @state and @bins of the
 *	step are updated
 * @flush_tlb: forget translations of @nr pages from @vpn of context @id; called
 *	under the mirror's lock, maybe inside reclaim: must not allocate. On
 *	return no access by the old translation is in flight
 * @reset: stop everything and forget all contexts; VRAM keeps its content
 * @alive: whether VRAM still answers; NULL when it always does. Any context that
 *	@execute may be called in
 * @footprint: bytes the backend holds beside VRAM itself
 */
struct ferry_hw_ops {
	const char *name;
	int (*init)(struct ferry_device *fd);
	void (*start)(struct ferry_device *fd);
	void (*fini)(struct ferry_device *fd);
	u64 (*copy)(struct ferry_device *fd, const struct ferry_copy *c,
		    unsigned int n);
	int (*wait)(struct ferry_device *fd, u64 fence);
	int (*execute)(struct ferry_device *fd, struct ferry_exec *x);
	void (*flush_tlb)(struct ferry_device *fd, unsigned int id, u64 vpn,
			  u64 nr);
	void (*reset)(struct ferry_device *fd);
	bool (*alive)(struct ferry_device *fd);
	size_t (*footprint)(struct ferry_device *fd);
};

extern const struct ferry_hw_ops ferry_hw_soft;
extern const struct ferry_hw_ops ferry_hw_range;
extern const struct ferry_hw_ops ferry_hw_lost;

/**
 * struct ferry_vram - VRAM that the CPU reaches, with the CPU as its engine
 * @base: its first byte
 * @fence: of the last batch
 * @dead: it stopped answering
 *
 * The first member of what hw_data points to, for every backend that uses the
 * functions below.
 */
struct ferry_vram {
	char *base;
	atomic64_t fence;
	bool dead;
};

void ferry_vram_start(struct ferry_device *fd);
u64 ferry_vram_copy(struct ferry_device *fd, const struct ferry_copy *c,
		    unsigned int n);
int ferry_vram_wait(struct ferry_device *fd, u64 fence);
int ferry_vram_execute(struct ferry_device *fd, struct ferry_exec *x);
void ferry_vram_flush_tlb(struct ferry_device *fd, unsigned int id, u64 vpn,
			  u64 nr);
void ferry_vram_reset(struct ferry_device *fd);

/* hw_range.c, hw_pci.c: devices that are not made of RAM */
int ferry_range_add(const char *spec, enum ferry_kind kind);
int ferry_pci_init(void);
void ferry_pci_fini(void);

void ferry_soft_saxpy(float *y, const float *x, u32 a_bits, size_t n);

#endif /* FERRY_HW_H */
