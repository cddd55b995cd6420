/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hardware seam: what a piece of hardware gives to the rest of Ferry.
 *
 * Nothing outside a hw_*.c file touches VRAM. Copies are submitted in batches
 * and complete by a fence, also where a backend completes at once.
 */
#ifndef FERRY_HW_H
#define FERRY_HW_H

#include <linux/mm_types.h>
#include <linux/types.h>
#include <linux/ferry.h>

struct ferry_device;

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
 * @init: bring up @bytes of VRAM; may sleep; 0 or -errno
 * @fini: give everything back; all copies are complete by then
 * @copy: start a batch of copies; never fails: an error shows at the fence.
 *	May sleep. Returns the fence's number. The array may be reused at once.
 * @wait: wait until a fence has passed; 0, or -EIO when data was lost
 * @execute: do one step of a command; called under the mirror's lock, so it
 *	must not sleep for memory or fault; 0 or -errno. @state and @bins of the
 *	step are updated
 * @flush_tlb: forget translations of @nr pages from @vpn of context @id; called
 *	under the mirror's lock, maybe inside reclaim: must not allocate. On
 *	return no access by the old translation is in flight
 * @reset: stop everything and forget all contexts; VRAM keeps its content
 * @footprint: bytes the backend holds beside VRAM itself
 */
struct ferry_hw_ops {
	const char *name;
	int (*init)(struct ferry_device *fd, u64 bytes);
	void (*fini)(struct ferry_device *fd);
	u64 (*copy)(struct ferry_device *fd, const struct ferry_copy *c,
		    unsigned int n);
	int (*wait)(struct ferry_device *fd, u64 fence);
	int (*execute)(struct ferry_device *fd, struct ferry_exec *x);
	void (*flush_tlb)(struct ferry_device *fd, unsigned int id, u64 vpn,
			  u64 nr);
	void (*reset)(struct ferry_device *fd);
	size_t (*footprint)(struct ferry_device *fd);
};

extern const struct ferry_hw_ops ferry_hw_soft;

void ferry_soft_saxpy(float *y, const float *x, u32 a_bits, size_t n);

#endif /* FERRY_HW_H */
