/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the unit tests share: random numbers that can be repeated, and an
 * allocator that is watched.
 */
#ifndef FERRY_UNIT_H
#define FERRY_UNIT_H

#include <stddef.h>

/* Starts the sequence from FERRY_SEED, or from a fixed seed, and returns it. */
unsigned long long unit_seed(void);

/* Next number of the sequence, and one below @n (not 0). */
unsigned long long unit_random(void);
unsigned long long unit_below(unsigned long long n);

/* Bytes that calloc() gave out and free() did not get back. */
size_t unit_allocated(void);

/* Lets @n calls of calloc() succeed and the rest fail; negative: all succeed. */
void unit_fail_after(long n);

/* The linker's names for the two, by --wrap. */
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void __real_free(void *p);
void __wrap_free(void *p);

/* Warnings of frame.c, which has no WARN_ON_ONCE() here. */
extern unsigned long ferry_frames_warnings;

#endif /* FERRY_UNIT_H */
