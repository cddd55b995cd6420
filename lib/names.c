// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Words for numbers.
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "internal.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof(*(a)))

static const char unknown[] = "unknown";

static const char *const kind_names[] = {
	[FERRY_KIND_PRIVATE]		= "private",
	[FERRY_KIND_COHERENT]		= "coherent",
	[FERRY_KIND_P2P]		= "p2p",
};

static const char *const counter_names[] = {
	[FERRY_C_TO_DEVICE_PAGES]	= "to_device_pages",
	[FERRY_C_TO_RAM_PAGES]		= "to_ram_pages",
	[FERRY_C_PEER_PAGES]		= "peer_pages",
	[FERRY_C_CLEARED_PAGES]		= "cleared_pages",
	[FERRY_C_TO_DEVICE_HUGE]	= "to_device_huge",
	[FERRY_C_TO_RAM_HUGE]		= "to_ram_huge",
	[FERRY_C_PEER_HUGE]		= "peer_huge",
	[FERRY_C_SPLIT_HUGE]		= "split_huge",
	[FERRY_C_CPU_FAULTS]		= "cpu_faults",
	[FERRY_C_CPU_FAULT_PAGES]	= "cpu_fault_pages",
	[FERRY_C_DEV_FAULTS]		= "dev_faults",
	[FERRY_C_DEV_FAULT_BATCHES]	= "dev_fault_batches",
	[FERRY_C_DEV_FAULT_DUPS]	= "dev_fault_dups",
	[FERRY_C_DEV_FAULT_MAPPED]	= "dev_fault_mapped",
	[FERRY_C_DEV_FAULT_MIGRATED]	= "dev_fault_migrated",
	[FERRY_C_DEV_FAULT_FAILED]	= "dev_fault_failed",
	[FERRY_C_DEV_FAULT_RETRIES]	= "dev_fault_retries",
	[FERRY_C_FAULT_QUEUE_FULL]	= "fault_queue_full",
	[FERRY_C_EVICTIONS]		= "evictions",
	[FERRY_C_EVICTED_PAGES]		= "evicted_pages",
	[FERRY_C_EVICT_FAILED_PAGES]	= "evict_failed_pages",
	[FERRY_C_INVALIDATIONS]		= "invalidations",
	[FERRY_C_INVALIDATED_PAGES]	= "invalidated_pages",
	[FERRY_C_TLB_FLUSHES]		= "tlb_flushes",
	[FERRY_C_COMMANDS]		= "commands",
	[FERRY_C_COMMANDS_FAILED]	= "commands_failed",
	[FERRY_C_BYTES_TO_DEVICE]	= "bytes_to_device",
	[FERRY_C_BYTES_FROM_DEVICE]	= "bytes_from_device",
	[FERRY_C_BYTES_PEER]		= "bytes_peer",
};

/* Of a counter as well as of a reason, hence the prefix. */
#define REASON_PREFIX	"reason_"

static const char *const reason_names[] = {
	[FERRY_REASON_RESIDENT]		= REASON_PREFIX "resident",
	[FERRY_REASON_UNMAPPED]		= REASON_PREFIX "unmapped",
	[FERRY_REASON_EMPTY]		= REASON_PREFIX "empty",
	[FERRY_REASON_FILE]		= REASON_PREFIX "file",
	[FERRY_REASON_SHMEM]		= REASON_PREFIX "shmem",
	[FERRY_REASON_HUGETLB]		= REASON_PREFIX "hugetlb",
	[FERRY_REASON_SPECIAL]		= REASON_PREFIX "special",
	[FERRY_REASON_KSM]		= REASON_PREFIX "ksm",
	[FERRY_REASON_SWAPPED]		= REASON_PREFIX "swapped",
	[FERRY_REASON_PINNED]		= REASON_PREFIX "pinned",
	[FERRY_REASON_LOCKED]		= REASON_PREFIX "locked",
	[FERRY_REASON_NO_FRAME]		= REASON_PREFIX "no_frame",
	[FERRY_REASON_NO_MEMORY]	= REASON_PREFIX "no_memory",
	[FERRY_REASON_USERFAULTFD]	= REASON_PREFIX "userfaultfd",
	[FERRY_REASON_OTHER]		= REASON_PREFIX "other",
	[FERRY_REASON_RACED]		= REASON_PREFIX "raced",
};

static const char *const phase_names[] = {
	[FERRY_PHASE_LOCK]		= "lock",
	[FERRY_PHASE_COLLECT]		= "collect",
	[FERRY_PHASE_ALLOCATE]		= "allocate",
	[FERRY_PHASE_COPY]		= "copy",
	[FERRY_PHASE_COMMIT]		= "commit",
	[FERRY_PHASE_FINALIZE]		= "finalize",
	[FERRY_PHASE_CPU_FAULT]		= "cpu_fault",
	[FERRY_PHASE_DEV_FAULT]		= "dev_fault",
	[FERRY_PHASE_EVICT]		= "evict",
};

/* A number added to the ABI and forgotten here does not build. */
static_assert(ARRAY_SIZE(counter_names) == FERRY_C_REASON_0, "a counter has no name");
static_assert(ARRAY_SIZE(reason_names) == FERRY_REASONS, "a reason has no name");
static_assert(ARRAY_SIZE(phase_names) == FERRY_PHASES, "a phase has no name");

const char *ferry_version(void)
{
	return FERRY_LIB_VERSION;
}

const char *ferry_kind_name(unsigned int kind)
{
	return kind < ARRAY_SIZE(kind_names) ? kind_names[kind] : unknown;
}

const char *ferry_reason_name(unsigned int reason)
{
	if (reason >= FERRY_REASONS)
		return unknown;
	return reason_names[reason] + strlen(REASON_PREFIX);
}

const char *ferry_counter_name(unsigned int counter)
{
	if (counter >= FERRY_COUNTERS)
		return unknown;
	if (counter >= FERRY_C_REASON_0)
		return reason_names[counter - FERRY_C_REASON_0];
	return counter_names[counter];
}

const char *ferry_phase_name(unsigned int phase)
{
	return phase < FERRY_PHASES ? phase_names[phase] : unknown;
}

/* What these mean when Ferry says them; the C library knows the others. */
static const struct {
	int err;
	const char *text;
} meanings[] = {
	{ 0, "success" },
	{ ENOENT, "no such device (is the driver loaded?), or no such list" },
	{ EACCES, "no permission to open the device" },
	{ EPERM, "not the process that opened the device, or no right to look at that process" },
	{ EPROTO, "the driver speaks another ABI than this library" },
	{ ENODEV, "no such device, or it is gone" },
	{ EINVAL, "bad range, flag or command" },
	{ EFAULT, "an address is outside the program's memory" },
	{ E2BIG, "the list is full, or the driver is older than the program" },
	{ ESRCH, "no such process" },
	{ EAGAIN, "the context's queue is full: wait for a list to end" },
	{ EBUSY, "the range kept changing" },
	{ ERANGE, "an index of a gather is beyond its source" },
	{ ECANCELED, "the context went away before the list ended" },
	{ EIO, "device data was lost" },
	{ ENOSPC, "too many ranges have advice" },
	{ ETIMEDOUT, "the list is still running" },
};

const char *ferry_strerror(int err)
{
	const char *text;

	/* INT_MIN has no positive twin, and means nothing either way. */
	if (err < 0 && err != INT_MIN)
		err = -err;
	for (size_t i = 0; i < ARRAY_SIZE(meanings); i++) {
		if (meanings[i].err == err)
			return meanings[i].text;
	}
	text = strerrordesc_np(err);
	return text ? text : "unknown error";
}
