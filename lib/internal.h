/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What the files of libferry share and a program never sees.
 *
 * sys.c is the only file that talks to the kernel; the unit test replaces it
 * with a device in user space.
 */
#ifndef FERRY_INTERNAL_H
#define FERRY_INTERNAL_H

/* The library is built with hidden symbols: what ferry.h declares is not. */
#pragma GCC visibility push(default)
#include <ferry.h>
#pragma GCC visibility pop

#include <stdatomic.h>

/*
 * Constant after ferry_open(), but for @last_seq; so every call may be made
 * from several threads without a lock of the library's own.
 */
struct ferry {
	int fd;
	int device;
	size_t page_size;
	atomic_uint_fast64_t last_seq;	/* highest number submitted through this handle */
};

/* Not locked: building a list is for one thread at a time. */
struct ferry_list {
	struct ferry_cmd *cmds;
	size_t count;
	size_t room;
};

/* A range of whole pages. */
struct ferry_pages {
	uint64_t addr;
	uint64_t len;
};

/* Zero or a descriptor, or a negative errno; none is interrupted by a signal but the ioctl. */
int ferry_sys_open(int device);
void ferry_sys_close(int fd);
int ferry_sys_ioctl(int fd, unsigned long request, void *arg);
bool ferry_sys_exists(int device);

int ferry_widen(const struct ferry *f, uint64_t addr, size_t len, struct ferry_pages *out);

static inline uint64_t ferry_address(const void *p)
{
	return (uintptr_t)p;
}

#endif /* FERRY_INTERNAL_H */
