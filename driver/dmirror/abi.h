/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ABI that the kernel's hmm-tests speak to their driver.
 *
 * Numbers and layout are those of lib/test_hmm_uapi.h in Linux 7.3; the words are
 * ours. What each call does here is in Documentation/hmm-tests.rst.
 */
#ifndef FERRY_DMIRROR_ABI_H
#define FERRY_DMIRROR_ABI_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * struct dmirror_cmd - what every call takes
 * @addr: in: first byte of the range, page-aligned
 * @ptr: in: buffer in the caller's memory: bytes a page, or one byte a page for
 *	DMIRROR_SNAPSHOT
 * @npages: in: pages of the range; flags for DMIRROR_FLAGS
 * @cpages: out: pages that the call did
 * @faults: out: faults that the device took
 */
struct dmirror_cmd {
	__u64 addr;
	__u64 ptr;
	__u64 npages;
	__u64 cpages;
	__u64 faults;
};

#define DMIRROR_CALL(nr)	_IOWR('H', nr, struct dmirror_cmd)

#define DMIRROR_READ		DMIRROR_CALL(0)
#define DMIRROR_WRITE		DMIRROR_CALL(1)
#define DMIRROR_TO_DEVICE	DMIRROR_CALL(2)
#define DMIRROR_TO_SYSTEM	DMIRROR_CALL(3)
#define DMIRROR_SNAPSHOT	DMIRROR_CALL(4)
#define DMIRROR_EXCLUSIVE	DMIRROR_CALL(5)
#define DMIRROR_CHECK_EXCLUSIVE	DMIRROR_CALL(6)
#define DMIRROR_RELEASE		DMIRROR_CALL(7)
#define DMIRROR_FLAGS		DMIRROR_CALL(8)
#define DMIRROR_READ_UNLOCKED	DMIRROR_CALL(9)

/* DMIRROR_FLAGS: the next allocation of a migration fails */
#define DMIRROR_FLAG_FAIL_ALLOC	1ULL

/* What DMIRROR_SNAPSHOT says of a page: one of the places, and its bits. */
#define DMIRROR_ERROR		0xff	/* no mapping, or one that cannot be read */
#define DMIRROR_READABLE	0x01
#define DMIRROR_WRITABLE	0x02
#define DMIRROR_PMD		0x04	/* mapped by an entry of 2 MiB */
#define DMIRROR_PUD		0x08	/* or of 1 GiB */
#define DMIRROR_SYSTEM		0x00	/* in RAM, or, without bits, nowhere */
#define DMIRROR_ZERO		0x10	/* the page that all zeros share */
#define DMIRROR_PRIVATE_HERE	0x20
#define DMIRROR_PRIVATE_THERE	0x30
#define DMIRROR_COHERENT_HERE	0x40
#define DMIRROR_COHERENT_THERE	0x50

#endif /* FERRY_DMIRROR_ABI_H */
