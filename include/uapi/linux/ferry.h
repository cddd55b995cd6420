/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * Ferry: the kernel ABI of /dev/ferryN.
 *
 * Every structure starts with its own size. A caller sets @size to the sizeof
 * it was compiled with; the kernel accepts a smaller known size (the rest
 * reads as zero) and a larger one whose unknown tail is zero (else -E2BIG).
 * Unknown flags and non-zero reserved fields are -EINVAL. All structures have
 * the same layout for 32-bit and 64-bit callers.
 *
 * Opening the node creates a context: one device address space bound to the
 * mm of the opener. Calls from another mm (a child after fork, a process that
 * called exec or got the descriptor over a socket) fail with -EPERM. open() fails
 * with -EBUSY when 256 contexts are open on the device, and with -ENOMEM without
 * memory for one. When the device goes away,
 * all calls but FERRY_IOC_WAIT fail with -ENODEV; what was queued ends with
 * -ECANCELED.
 *
 * The device obeys the protection of the mappings. It does not know the caller's
 * memory protection keys, and it reaches neither secret memory (memfd_secret) nor
 * shadow stacks.
 */
#ifndef _UAPI_LINUX_FERRY_H
#define _UAPI_LINUX_FERRY_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define FERRY_ABI_VERSION	1

/* Longest list of commands one submission takes. */
#define FERRY_MAX_CMDS		4096
/* Most pages one query takes (8 GiB of 4 KiB pages). */
#define FERRY_MAX_QUERY		(1U << 21)
/* Devices a machine can have. */
#define FERRY_MAX_DEVICES	16

/* Where a page is: a device index (0 and up), or one of these. */
#define FERRY_RAM		(-1)
#define FERRY_NOWHERE		(-2)

/**
 * enum ferry_kind - kind of device memory
 * @FERRY_KIND_PRIVATE: the CPU cannot map it; a CPU access brings the page home
 * @FERRY_KIND_COHERENT: the CPU maps it in place
 * @FERRY_KIND_P2P: peer-to-peer memory handed out by mmap of the node
 */
enum ferry_kind {
	FERRY_KIND_PRIVATE = 0,
	FERRY_KIND_COHERENT = 1,
	FERRY_KIND_P2P = 2,
};

/**
 * struct ferry_info - what a device is (FERRY_IOC_INFO)
 * @size: in: sizeof(struct ferry_info)
 * @flags: in: must be 0
 * @abi: out: FERRY_ABI_VERSION of the driver
 * @device: out: index of this device (N of /dev/ferryN)
 * @kind: out: enum ferry_kind
 * @devices: out: one more than the highest number of a device; numbers below it
 *	may be missing, since devices come and go
 * @vram_bytes: out: capacity in bytes; fixed
 * @free_bytes: out: bytes in free frames now
 * @page_size: out: size of the smallest frame in bytes
 * @max_order: out: order of the largest frame (log2 of its pages)
 * @granule: out: bytes covered by one interval notifier of the mirror
 * @fault_window: out: bytes a CPU fault brings back at most for small pages
 * @reserved: must be 0
 *
 * Errors: -EFAULT, -EINVAL, -E2BIG, -EPERM.
 */
struct ferry_info {
	__u32 size;
	__u32 flags;
	__u32 abi;
	__u32 device;
	__u32 kind;
	__u32 devices;
	__u64 vram_bytes;
	__u64 free_bytes;
	__u32 page_size;
	__u32 max_order;
	__u64 granule;
	__u64 fault_window;
	__u64 reserved[2];
};

/**
 * enum ferry_reason - why a page of a migration did not move
 * @FERRY_REASON_RESIDENT: it was at the destination already
 * @FERRY_REASON_UNMAPPED: no mapping at this address
 * @FERRY_REASON_EMPTY: nothing was ever stored at this address (towards RAM, or
 *	with FERRY_MIGRATE_NO_HOLES)
 * @FERRY_REASON_FILE: not anonymous: file-backed
 * @FERRY_REASON_SHMEM: not anonymous: shared memory or tmpfs
 * @FERRY_REASON_HUGETLB: hugetlb mapping
 * @FERRY_REASON_SPECIAL: VM_PFNMAP, VM_IO or another mapping without pages
 * @FERRY_REASON_KSM: merged by KSM
 * @FERRY_REASON_SWAPPED: swapped out, and not asked to be read back
 * @FERRY_REASON_PINNED: pinned or otherwise referenced
 * @FERRY_REASON_LOCKED: locked or off the LRU: somebody else works on it
 * @FERRY_REASON_NO_FRAME: no free frame on the device and nothing evictable
 * @FERRY_REASON_NO_MEMORY: no system page
 * @FERRY_REASON_USERFAULTFD: a hole that userfaultfd watches
 * @FERRY_REASON_OTHER: it belongs to a driver that is not Ferry
 * @FERRY_REASON_RACED: the mapping changed while the migration ran
 * @FERRY_REASONS: number of reasons
 */
enum ferry_reason {
	FERRY_REASON_RESIDENT = 0,
	FERRY_REASON_UNMAPPED = 1,
	FERRY_REASON_EMPTY = 2,
	FERRY_REASON_FILE = 3,
	FERRY_REASON_SHMEM = 4,
	FERRY_REASON_HUGETLB = 5,
	FERRY_REASON_SPECIAL = 6,
	FERRY_REASON_KSM = 7,
	FERRY_REASON_SWAPPED = 8,
	FERRY_REASON_PINNED = 9,
	FERRY_REASON_LOCKED = 10,
	FERRY_REASON_NO_FRAME = 11,
	FERRY_REASON_NO_MEMORY = 12,
	FERRY_REASON_USERFAULTFD = 13,
	FERRY_REASON_OTHER = 14,
	FERRY_REASON_RACED = 15,
	FERRY_REASONS = 16,
};

/* ferry_migrate.flags */
#define FERRY_MIGRATE_NO_EVICT		(1U << 0) /* never evict to make room */
#define FERRY_MIGRATE_NO_HOLES		(1U << 1) /* leave never-touched pages alone */
#define FERRY_MIGRATE_SWAPIN		(1U << 2) /* read swapped pages back, then move them */
#define FERRY_MIGRATE_NO_THP		(1U << 3) /* split huge pages, use 4 KiB frames */
#define FERRY_MIGRATE_FLAGS		0xfU

/**
 * struct ferry_migrate - move a range of the caller's memory (FERRY_IOC_MIGRATE)
 * @size: in: sizeof(struct ferry_migrate)
 * @flags: in: FERRY_MIGRATE_*
 * @addr: in: first byte, page-aligned. out on -EINTR: where to resume
 * @len: in: bytes, a non-zero multiple of the page size. out on -EINTR: bytes left
 * @dst: in: device index, or FERRY_RAM
 * @reserved0: must be 0
 * @moved: out: pages that moved
 * @failed: out: pages that did not move (RESIDENT and EMPTY included)
 * @huge: out: 2 MiB units among @moved, in units (not pages)
 * @reasons: out: pages per enum ferry_reason; they sum to @failed
 * @reserved: must be 0
 *
 * A page that cannot move is not an error. -EINTR comes with the counts of this
 * call, up to @addr; calling again with the structure's addr and len continues. A
 * page that is swapped out cannot be told from one that was never touched by query.
 *
 * Errors: -EINVAL (unaligned, len 0, wrapping, flags, reserved), -EFAULT (bad
 * pointer, or range outside user space), -ENODEV (no device @dst, or it goes away), -EPERM,
 * -E2BIG, -ENOMEM and -EIO (a device lost data; what was counted is stored),
 * -EINTR, -ESRCH (the address space is exiting).
 */
struct ferry_migrate {
	__u32 size;
	__u32 flags;
	__u64 addr;
	__u64 len;
	__s32 dst;
	__u32 reserved0;
	__u64 moved;
	__u64 failed;
	__u64 huge;
	__u64 reasons[FERRY_REASONS];
	__u64 reserved[2];
};

/* ferry_residency.flags */
#define FERRY_PAGE_PRESENT	(1U << 0) /* somewhere: RAM or a device */
#define FERRY_PAGE_WRITE	(1U << 1) /* the mapping is writable right now */
#define FERRY_PAGE_MIRRORED	(1U << 2) /* in this context's device page table */
#define FERRY_PAGE_DEV_WRITE	(1U << 3) /* ... and writable there */
#define FERRY_PAGE_ZERO		(1U << 4) /* the shared zero page */
#define FERRY_PAGE_ERROR	(1U << 5) /* no device can reach it */
#define FERRY_PAGE_UNMAPPED	(1U << 6) /* no VMA at this address */

/**
 * struct ferry_residency - where one page is
 * @where: device index, FERRY_RAM or FERRY_NOWHERE
 * @order: log2 of the pages that the CPU page table maps here in one entry
 * @flags: FERRY_PAGE_*
 */
struct ferry_residency {
	__s16 where;
	__u8 order;
	__u8 flags;
};

/**
 * struct ferry_query - where the pages of a range are (FERRY_IOC_QUERY)
 * @size: in: sizeof(struct ferry_query)
 * @flags: in: must be 0
 * @addr: in: first byte, page-aligned
 * @len: in: bytes, non-zero multiple of the page size, at most FERRY_MAX_QUERY pages
 * @pages: in: user pointer to len / page_size struct ferry_residency, filled by the call
 * @pid: in: 0 for the caller, or a process; another's needs CAP_SYS_PTRACE
 * @reserved0: must be 0
 * @reserved: must be 0
 *
 * A snapshot: nothing is faulted in or moved. Unmapped addresses are reported,
 * not refused.
 *
 * Errors: -EINVAL, -EFAULT, -E2BIG, -EPERM, -ESRCH (no such process), -ENOMEM,
 * -EINTR, -EBUSY (the range kept changing).
 */
struct ferry_query {
	__u32 size;
	__u32 flags;
	__u64 addr;
	__u64 len;
	__u64 pages;
	__s32 pid;
	__u32 reserved0;
	__u64 reserved[2];
};

/**
 * enum ferry_op - what the engine does with a command
 * @FERRY_OP_NOP: nothing
 * @FERRY_OP_FILL: dst[0..len) = the 8 bytes of arg0, repeated
 * @FERRY_OP_COPY: dst[0..len) = src[0..len); the ranges must not overlap
 * @FERRY_OP_COMPARE: result = offset of the first byte that differs, or len
 * @FERRY_OP_CRC32C: result = CRC32C of src[0..len), seed ~0, inverted at the
 *	end (the iSCSI CRC: "123456789" gives 0xe3069283)
 * @FERRY_OP_HISTOGRAM: dst, 256 __u64: dst[b] += number of bytes b in src[0..len)
 * @FERRY_OP_SAXPY: float32: dst[i] += a * src[i], len bytes, a = low 32 bits of arg0
 * @FERRY_OP_GATHER: __u64: dst[i] = src[index[i]] for len / 8 elements; arg0 is
 *	the address of the __u64 indices, arg1 the number of elements at src (an
 *	index beyond it fails the command with -ERANGE)
 * @FERRY_OP_CHASE: follow arg0 __u64 pointers starting at src; result = the last
 * @FERRY_OP_ADD64: atomic: the __u64 at dst += arg0; result = the old value
 * @FERRY_OP_CAS64: atomic compare arg0, swap arg1 at dst; result = the old value
 * @FERRY_OPS: number of opcodes
 */
enum ferry_op {
	FERRY_OP_NOP = 0,
	FERRY_OP_FILL = 1,
	FERRY_OP_COPY = 2,
	FERRY_OP_COMPARE = 3,
	FERRY_OP_CRC32C = 4,
	FERRY_OP_HISTOGRAM = 5,
	FERRY_OP_SAXPY = 6,
	FERRY_OP_GATHER = 7,
	FERRY_OP_CHASE = 8,
	FERRY_OP_ADD64 = 9,
	FERRY_OP_CAS64 = 10,
	FERRY_OPS = 11,
};

/**
 * struct ferry_cmd - one engine command; addresses are the program's pointers
 * @op: enum ferry_op
 * @flags: must be 0
 * @dst: destination address (unused: 0)
 * @src: source address (unused: 0)
 * @len: bytes (unused: 0); non-zero for the ops that use it
 * @arg0: see enum ferry_op (unused: 0)
 * @arg1: see enum ferry_op (unused: 0)
 *
 * FILL may start and end at any byte (the pattern starts at dst). HISTOGRAM,
 * GATHER, CHASE, ADD64 and CAS64 need 8-byte aligned 8-byte operands, SAXPY
 * 4-byte ones.
 */
struct ferry_cmd {
	__u32 op;
	__u32 flags;
	__u64 dst;
	__u64 src;
	__u64 len;
	__u64 arg0;
	__u64 arg1;
};

/**
 * struct ferry_submit - queue a list of commands (FERRY_IOC_SUBMIT)
 * @size: in: sizeof(struct ferry_submit)
 * @flags: in: must be 0
 * @cmds: in: user pointer to @count struct ferry_cmd
 * @count: in: number of commands, 1 to FERRY_MAX_CMDS
 * @cmd_size: in: sizeof(struct ferry_cmd)
 * @eventfd: in: descriptor signalled by 1 when the list is done, or -1
 * @reserved0: must be 0
 * @seq: out: the list's number, for FERRY_IOC_WAIT; grows from 1 in a context
 * @reserved: must be 0
 *
 * Lists of a context run in order; contexts run in parallel. The whole list is
 * checked before any of it is queued.
 *
 * Errors: -EINVAL (count 0, bad opcode, length, alignment, flags), -EFAULT,
 * -E2BIG (count above FERRY_MAX_CMDS), -EBADF (eventfd), -EAGAIN (the context's
 * queue is full: wait for some), -ENOMEM, -EPERM.
 */
struct ferry_submit {
	__u32 size;
	__u32 flags;
	__u64 cmds;
	__u32 count;
	__u32 cmd_size;
	__s32 eventfd;
	__u32 reserved0;
	__u64 seq;
	__u64 reserved[2];
};

/* ferry_wait.access */
#define FERRY_ACCESS_READ	0U
#define FERRY_ACCESS_WRITE	1U
#define FERRY_ACCESS_ATOMIC	2U

/**
 * struct ferry_wait - wait for a list (FERRY_IOC_WAIT)
 * @size: in: sizeof(struct ferry_wait)
 * @flags: in: must be 0
 * @seq: in: number from ferry_submit
 * @timeout_ns: in: 0 polls, negative waits for ever, else nanoseconds.
 *	out on -EINTR: what is left
 * @results: in: user pointer to __u64 results, one a command, or 0
 * @count: in: room at @results. out: number of commands in the list
 * @status: out: 0, or the negative errno of the first command that failed:
 *	-EFAULT (an address could not be reached), -EBUSY (it could not be kept
 *	reachable), -ERANGE (gather index),
 *	-ECANCELED (the context or the process went away first), -ENOMEM,
 *	-EIO (device data lost)
 * @failed: out: index of that command; the commands after it did not run
 * @access: out: FERRY_ACCESS_* of the fault behind -EFAULT and -EBUSY
 * @fault_addr: out: address of that fault
 * @reserved: must be 0
 *
 * The last 256 completed lists of a context are remembered.
 *
 * Errors: -EINVAL, -EFAULT, -E2BIG, -EPERM, -ENOENT (seq never submitted or
 * forgotten), -ETIMEDOUT (also from a poll that finds it running), -EINTR.
 */
struct ferry_wait {
	__u32 size;
	__u32 flags;
	__u64 seq;
	__s64 timeout_ns;
	__u64 results;
	__u32 count;
	__s32 status;
	__u32 failed;
	__u32 access;
	__u64 fault_addr;
	__u64 reserved[2];
};

/**
 * enum ferry_advice - hints for a range (FERRY_IOC_ADVISE)
 * @FERRY_ADVISE_NORMAL: forget earlier advice
 * @FERRY_ADVISE_PREFER_DEVICE: a device fault migrates here (the default)
 * @FERRY_ADVISE_PREFER_RAM: a device fault maps system RAM in place
 * @FERRY_ADVISE_ACCESSED_BY: map the range into this context's device page
 *	table now, wherever its pages are; later device faults map in place too
 * @FERRY_ADVICES: number of hints
 */
enum ferry_advice {
	FERRY_ADVISE_NORMAL = 0,
	FERRY_ADVISE_PREFER_DEVICE = 1,
	FERRY_ADVISE_PREFER_RAM = 2,
	FERRY_ADVISE_ACCESSED_BY = 3,
	FERRY_ADVICES = 4,
};

/**
 * struct ferry_advise - give a hint for a range (FERRY_IOC_ADVISE)
 * @size: in: sizeof(struct ferry_advise)
 * @advice: in: enum ferry_advice
 * @addr: in: first byte, page-aligned
 * @len: in: bytes, non-zero multiple of the page size
 * @flags: in: must be 0
 * @reserved0: must be 0
 * @reserved: must be 0
 *
 * Errors: -EINVAL, -EFAULT (range outside user space), -E2BIG, -EPERM,
 * -ENOMEM, -ENOSPC (more than 4096 advised ranges), -EINTR, -ESRCH (the address
 * space is exiting). The last two come from ACCESSED_BY only.
 */
struct ferry_advise {
	__u32 size;
	__u32 advice;
	__u64 addr;
	__u64 len;
	__u32 flags;
	__u32 reserved0;
	__u64 reserved[2];
};

/**
 * enum ferry_counter - index into the counters of a device
 * @FERRY_C_TO_DEVICE_PAGES: pages that came from RAM
 * @FERRY_C_TO_RAM_PAGES: pages that went home, for all causes
 * @FERRY_C_PEER_PAGES: pages that came from another Ferry device
 * @FERRY_C_CLEARED_PAGES: holes and zero pages that were cleared on the device
 * @FERRY_C_TO_DEVICE_HUGE: 2 MiB units among the pages from RAM and the cleared ones
 * @FERRY_C_TO_RAM_HUGE: 2 MiB units among the pages that went home
 * @FERRY_C_PEER_HUGE: 2 MiB units among the pages from another device
 * @FERRY_C_SPLIT_HUGE: 2 MiB device folios that the kernel split
 * @FERRY_C_CPU_FAULTS: faults of the CPU on pages of the device
 * @FERRY_C_CPU_FAULT_PAGES: pages that these brought home
 * @FERRY_C_DEV_FAULTS: faults that engines put into the queue
 * @FERRY_C_DEV_FAULT_BATCHES: batches that the service thread took
 * @FERRY_C_DEV_FAULT_DUPS: faults that were merged with another of their batch
 * @FERRY_C_DEV_FAULT_MAPPED: pages that device faults mapped in place
 * @FERRY_C_DEV_FAULT_MIGRATED: pages that device faults migrated
 * @FERRY_C_DEV_FAULT_FAILED: faults that could not be resolved
 * @FERRY_C_DEV_FAULT_RETRIES: mappings begun again because the page table changed
 * @FERRY_C_FAULT_QUEUE_FULL: times that an engine waited for room in the queue
 * @FERRY_C_EVICTIONS: blocks of 2 MiB that were evicted
 * @FERRY_C_EVICTED_PAGES: pages that left with them
 * @FERRY_C_EVICT_FAILED_PAGES: pages that could not leave
 * @FERRY_C_INVALIDATIONS: notifications that met a granule of a context
 * @FERRY_C_INVALIDATED_PAGES: entries that these removed from device page tables
 * @FERRY_C_TLB_FLUSHES: notifications that had something to remove
 * @FERRY_C_COMMANDS: engine commands that were run
 * @FERRY_C_COMMANDS_FAILED: engine commands that failed
 * @FERRY_C_BYTES_TO_DEVICE: bytes copied from RAM
 * @FERRY_C_BYTES_FROM_DEVICE: bytes copied to RAM
 * @FERRY_C_BYTES_PEER: bytes copied from another device
 * @FERRY_C_REASON_0: the first of FERRY_REASONS counters of pages that did not
 *	move, by enum ferry_reason
 * @FERRY_C_REASON_LAST: the last of them
 * @FERRY_COUNTERS: number of counters
 *
 * In sysfs and in the library they have these names without the prefix, in lower
 * case, and reason_NAME for those of reasons. A page is 4 KiB.
 */
enum ferry_counter {
	FERRY_C_TO_DEVICE_PAGES = 0,
	FERRY_C_TO_RAM_PAGES,
	FERRY_C_PEER_PAGES,
	FERRY_C_CLEARED_PAGES,
	FERRY_C_TO_DEVICE_HUGE,
	FERRY_C_TO_RAM_HUGE,
	FERRY_C_PEER_HUGE,
	FERRY_C_SPLIT_HUGE,
	FERRY_C_CPU_FAULTS,
	FERRY_C_CPU_FAULT_PAGES,
	FERRY_C_DEV_FAULTS,
	FERRY_C_DEV_FAULT_BATCHES,
	FERRY_C_DEV_FAULT_DUPS,
	FERRY_C_DEV_FAULT_MAPPED,
	FERRY_C_DEV_FAULT_MIGRATED,
	FERRY_C_DEV_FAULT_FAILED,
	FERRY_C_DEV_FAULT_RETRIES,
	FERRY_C_FAULT_QUEUE_FULL,
	FERRY_C_EVICTIONS,
	FERRY_C_EVICTED_PAGES,
	FERRY_C_EVICT_FAILED_PAGES,
	FERRY_C_INVALIDATIONS,
	FERRY_C_INVALIDATED_PAGES,
	FERRY_C_TLB_FLUSHES,
	FERRY_C_COMMANDS,
	FERRY_C_COMMANDS_FAILED,
	FERRY_C_BYTES_TO_DEVICE,
	FERRY_C_BYTES_FROM_DEVICE,
	FERRY_C_BYTES_PEER,
	FERRY_C_REASON_0,
	FERRY_C_REASON_LAST = FERRY_C_REASON_0 + FERRY_REASONS - 1,
	FERRY_COUNTERS,
};

/**
 * enum ferry_phase - the histograms of a device, of nanoseconds
 * @FERRY_PHASE_LOCK: waiting for the mmap lock
 * @FERRY_PHASE_COLLECT: isolating the pages of a window
 * @FERRY_PHASE_ALLOCATE: finding destinations for them
 * @FERRY_PHASE_COPY: copying and clearing
 * @FERRY_PHASE_COMMIT: moving the pages' state, entering the mirror
 * @FERRY_PHASE_FINALIZE: mapping them again
 * @FERRY_PHASE_CPU_FAULT: a whole fault of the CPU
 * @FERRY_PHASE_DEV_FAULT: a fault of an engine, from the queue to the answer
 * @FERRY_PHASE_EVICT: one block
 * @FERRY_PHASES: number of histograms
 */
enum ferry_phase {
	FERRY_PHASE_LOCK = 0,
	FERRY_PHASE_COLLECT = 1,
	FERRY_PHASE_ALLOCATE = 2,
	FERRY_PHASE_COPY = 3,
	FERRY_PHASE_COMMIT = 4,
	FERRY_PHASE_FINALIZE = 5,
	FERRY_PHASE_CPU_FAULT = 6,
	FERRY_PHASE_DEV_FAULT = 7,
	FERRY_PHASE_EVICT = 8,
	FERRY_PHASES = 9,
};

/* Bucket b of a histogram counts times of 2^b to 2^(b+1)-1 ns. */
#define FERRY_BUCKETS	40

/**
 * struct ferry_stats - counters and histograms of this device (FERRY_IOC_STATS)
 * @size: in: sizeof(struct ferry_stats)
 * @flags: in: must be 0
 * @counters: in: user pointer to __u64, or 0
 * @nr_counters: in: room there. out: number the driver has (it fills the smaller)
 * @nr_phases: in: room at @hist in phases. out: number the driver has
 * @hist: in: user pointer to nr_phases * FERRY_BUCKETS __u64, or 0
 * @table_bytes: out: bytes of device page tables of this context
 * @driver_bytes: out: bytes this device holds beside VRAM and struct pages
 * @frames_free: out: free 4 KiB frames
 * @frames_used: out: used 4 KiB frames
 * @reserved: must be 0
 *
 * Errors: -EINVAL, -EFAULT, -E2BIG, -EPERM, -ENOMEM.
 */
struct ferry_stats {
	__u32 size;
	__u32 flags;
	__u64 counters;
	__u32 nr_counters;
	__u32 nr_phases;
	__u64 hist;
	__u64 table_bytes;
	__u64 driver_bytes;
	__u64 frames_free;
	__u64 frames_used;
	__u64 reserved[2];
};

/*
 * The numbers carry no size, so a structure can grow without a new number;
 * each call reads and writes the structure of its description above.
 */
#define FERRY_IOC_MAGIC		'f'
#define FERRY_IOC_INFO		_IO(FERRY_IOC_MAGIC, 0xe0)
#define FERRY_IOC_MIGRATE	_IO(FERRY_IOC_MAGIC, 0xe1)
#define FERRY_IOC_QUERY		_IO(FERRY_IOC_MAGIC, 0xe2)
#define FERRY_IOC_SUBMIT	_IO(FERRY_IOC_MAGIC, 0xe3)
#define FERRY_IOC_WAIT		_IO(FERRY_IOC_MAGIC, 0xe4)
#define FERRY_IOC_ADVISE	_IO(FERRY_IOC_MAGIC, 0xe5)
#define FERRY_IOC_STATS		_IO(FERRY_IOC_MAGIC, 0xe6)

#endif /* _UAPI_LINUX_FERRY_H */
