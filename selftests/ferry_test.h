/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Helpers that every selftest program shares; no harness here, so that the
 * programs and ferry_test.c can both include it. ferry_fixture.h adds the
 * harness and the fixture.
 *
 * Data tests fill memory with words that encode their own address and a salt
 * (ft_fill) and compare every byte (ft_check). A helper that meets something a
 * test could not go on from prints a line and aborts; the harness counts that
 * as a failed assertion.
 */
#ifndef FERRY_TEST_H
#define FERRY_TEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

#include <ferry.h>

#define FT_PAGE		4096UL
#define FT_HUGE		(2UL << 20)
#define FT_HUGE_PAGES	(FT_HUGE / FT_PAGE)
#define FT_MIB		(1UL << 20)
#define FT_SECOND	1000000000LL

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ	22
#define MADV_POPULATE_WRITE	23
#endif

/* Say what went wrong and abort. */
void ft_die(const char *file, int line, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 3, 4)));
#define ft_fatal(...)	ft_die(__FILE__, __LINE__, __VA_ARGS__)

/* ---- loops, chance and time ------------------------------------------- */

/* @n, or ten times that with FERRY_LONG=1. */
unsigned long ft_loops(unsigned long n);

/* A random number; the seed is FERRY_SEED or a constant, so runs repeat. */
uint64_t ft_random(void);
/* A random number below @n, which is not 0. */
uint64_t ft_below(uint64_t n);
/* The same from a sequence of the caller's own: ft_random is for one thread. */
uint64_t ft_random_from(uint64_t *seed);
/* Make the sequence of this process differ from its parent's. */
void ft_reseed(uint64_t salt);

uint64_t ft_now_ns(void);
void ft_sleep_ns(uint64_t ns);

/*
 * Loop until @cond holds, or @seconds have passed. A wait for something that
 * must happen, not a guess at how long it takes; true if it happened.
 */
#define ft_until(cond, seconds)						\
({									\
	uint64_t __end = ft_now_ns() + (seconds) * FT_SECOND;		\
	bool __met;							\
									\
	while (!(__met = !!(cond)) && ft_now_ns() < __end)		\
		ft_sleep_ns(2000000);					\
	__met;								\
})

/* ---- memory ------------------------------------------------------------ */

/* Anonymous private memory, 2 MiB aligned, never huge; nothing touched yet. */
void *ft_map(size_t len);
/* The same, with MADV_HUGEPAGE. */
void *ft_map_huge(size_t len);
/* One of the two. */
void *ft_map_kind(size_t len, bool huge);
void ft_unmap(void *p, size_t len);

/* The word that belongs at address @addr. */
static inline uint64_t ft_word(uint64_t addr, uint64_t salt)
{
	uint64_t x = (addr + salt * 0x9e3779b97f4a7c15ULL) *
		     0xff51afd7ed558ccdULL;

	return x ^ (x >> 29);
}

/* Fill with the words of these addresses. @p and @len are multiples of 8. */
void ft_fill(void *p, size_t len, uint64_t salt);
/* The same with the words that belong at @as. */
void ft_fill_as(void *p, size_t len, uint64_t salt, const void *as);
/* Offset of the first byte that is not as ft_fill left it, or @len. */
size_t ft_check(const void *p, size_t len, uint64_t salt);
/* The same for memory that was filled when it was mapped at @as. */
size_t ft_check_as(const void *p, size_t len, uint64_t salt, const void *as);
/* Offset of the first byte that is not 0, or @len. */
size_t ft_check_zero(const void *p, size_t len);

/* CRC32C by the CPU, as FERRY_OP_CRC32C defines it. */
uint32_t ft_crc32c(const void *p, size_t len);
/* CRC32C of what ft_fill writes, without a look at the memory. */
uint32_t ft_crc_of(const void *as, size_t len, uint64_t salt);

/* /proc/self/pagemap of one page: present, swapped, and its frame number. */
bool ft_present(const void *p);
bool ft_swapped(const void *p);
uint64_t ft_pfn(const void *p);
/* /proc/kpageflags of a present page. */
uint64_t ft_kpageflags(const void *p);
#define FT_KPF_KSM	(1ULL << 21)
#define FT_KPF_THP	(1ULL << 22)

/* A range of this process by its name in /proc/self/maps; false if absent. */
bool ft_find_mapping(const char *name, void **start, size_t *len);

/* The first address that no program can have. */
uint64_t ft_user_end(void);

/*
 * The signal (SIGSEGV, SIGBUS) that reading or writing a byte raises, or 0. Not for
 * several threads at once.
 */
int ft_peek(const void *p);
int ft_poke(void *p, char value);

/* Write-fault every page so that it is private to this process. */
void ft_touch(void *p, size_t len);

/* ---- the driver ---------------------------------------------------------- */

static inline size_t ft_pages(size_t len)
{
	return len / FT_PAGE;
}

/* An ioctl that returns a negative errno. */
int ft_ioctl(int fd, unsigned long cmd, void *arg);

/* Indices of devices of @kind; how many there are (at most @max are stored). */
int ft_devices(enum ferry_kind kind, int *out, int max);
/* Path of the node of @device. */
const char *ft_node(int device);
/* Open the node of @device; the descriptor or a negative errno. */
int ft_open(int device);

/*
 * MADV_FREE, and then a drain of the lists of all CPUs: a page that waits on one of
 * them has a reference, by which it stays where it is.
 */
void ft_free_lazily(void *p, size_t len);

/*
 * ferry_migrate that also checks what holds for every call: it succeeds,
 * moved + failed are the pages of the range, the reasons sum to failed, huge
 * units are among moved.
 */
struct ferry_moved ft_move_flags(struct ferry *f, const void *p, size_t len,
				 int dst, unsigned int flags);
struct ferry_moved ft_move(struct ferry *f, const void *p, size_t len, int dst);
/* Tell why pages stayed. */
void ft_print_reasons(const struct ferry_moved *m);
/* Pages that moved; tells why others did not. */
uint64_t ft_moved(struct ferry *f, const void *p, size_t len, int dst);

/* Residency of a page or a range. */
struct ferry_residency ft_residency(struct ferry *f, const void *p);
int ft_where(struct ferry *f, const void *p);
/* Pages of the range that are at @where. */
size_t ft_count(struct ferry *f, const void *p, size_t len, int where);
/* Pages of the range that are on any device. */
size_t ft_count_devices(struct ferry *f, const void *p, size_t len);
/* Pages of the range at @where that one 2 MiB entry maps. */
size_t ft_count_huge(struct ferry *f, const void *p, size_t len, int where);
/* Pages of the range with all of @flags (FERRY_PAGE_*). */
size_t ft_count_flags(struct ferry *f, const void *p, size_t len,
		      unsigned int flags);

/* Counters of the device of @f. */
uint64_t ft_counter(struct ferry *f, enum ferry_counter c);
/* 4 KiB frames in use on the device of @f. */
uint64_t ft_used(struct ferry *f);
/* The same summed over all devices, by contexts of its own. */
uint64_t ft_used_all(void);
/* CPU faults that the devices with coherent memory have counted: none, ever. */
uint64_t ft_coherent_faults(void);
/* A number among the parameters that the module was loaded with. */
uint64_t ft_parameter(const char *name);
/* Wait until at most @frames are in use on all devices; what is in use. */
uint64_t ft_wait_used(uint64_t frames);

/* ---- the engine by raw ioctls --------------------------------------------- */

/* Queue @n commands: 0 or a negative errno. @eventfd -1 for none. */
int ft_submit(int fd, const struct ferry_cmd *cmds, unsigned int n, int eventfd,
	      uint64_t *seq);
/* One FERRY_IOC_WAIT: 0 or a negative errno; @w (may be NULL) has the rest. */
int ft_wait(int fd, uint64_t seq, int64_t timeout_ns, uint64_t *results,
	    unsigned int count, struct ferry_wait *w);
/* A thread that waits for a list as long as it takes: ft_waiter() with its argument. */
struct ft_waiter {
	int fd;
	uint64_t seq;
	int ret;
	struct ferry_wait w;
	bool started;		/* it is about to call, if it has not yet */
};

void *ft_waiter(void *arg);
/* How many of all calls but FERRY_IOC_WAIT do not fail with @err; says which. */
int ft_not_failing(int fd, int err);
/*
 * Submit one list and wait for it, past signals. Returns the status of the
 * list, so a command that fails is seen; aborts if the ioctls themselves fail.
 */
int ft_run(int fd, const struct ferry_cmd *cmds, unsigned int n,
	   uint64_t *results, struct ferry_wait *w);

/* Single commands through ft_run. */
int ft_dev_fill(int fd, void *dst, uint64_t pattern, size_t len);
int ft_dev_copy(int fd, void *dst, const void *src, size_t len);
/* CRC32C by the engine; aborts if the command fails. */
uint32_t ft_dev_crc32c(int fd, const void *src, size_t len);
/* True if the engine sees only zero bytes; aborts if the command fails. */
bool ft_dev_zero(int fd, const void *src, size_t len);

/*
 * A command that keeps the engine busy until it is cancelled: a pointer that
 * points at itself, followed for ever. @cell is 8 bytes of the caller's.
 */
struct ferry_cmd ft_endless(uint64_t *cell);
/* A command that takes a while: @hops hops round the same cell. */
struct ferry_cmd ft_busy(uint64_t *cell, uint64_t hops);

/* ---- processes and files ------------------------------------------------- */

/* fork, and the child dies with its parent. */
pid_t ft_fork(void);
/* waitpid: exit code, or 128 + signal. */
int ft_reap(pid_t pid);

/* Two processes taking turns: a byte through a pipe. */
struct ft_turn {
	int fd[2];
};

void ft_turn_init(struct ft_turn *t);
void ft_turn_give(struct ft_turn *t);
void ft_turn_take(struct ft_turn *t);

/* First line of a file; false if it cannot be read. */
bool ft_read_line(const char *path, char *buf, size_t size);
/* A number from a file, or -1. */
long long ft_read_number(const char *path);
/* 0 or a negative errno. */
int ft_write_file(const char *path, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* A number behind "name" in a file such as /proc/meminfo, or -1. */
long long ft_read_field(const char *path, const char *name);

/* A file of a PCI device in sysfs; good until the thread's next call. */
const char *ft_pci_path(const char *address, const char *name);
/* Whether there is one of the guest's devices with memory at an address. */
bool ft_is_ivshmem(const char *address);
/* Their addresses, lowest first; how many there are, two at most. */
int ft_pci_slots(char slot[2][16]);

/* A userfaultfd that does not block; memory that it watches. */
int ft_uffd_open(void);
void ft_uffd_watch(int fd, void *p, size_t len, uint64_t mode);

/* Swap to a zram disk, until ft_swap_off. */
void ft_swap_on(void);
void ft_swap_off(void);

/* ---- the module ----------------------------------------------------------- */

/* Parameters that selftests/run loads the module with. */
const char *ft_usual_params(void);
/* Load and unload it: 0 or a negative errno. */
int ft_load(const char *params);
int ft_unload(void);
/*
 * The same with patience: a context of a process that has just gone may hold the
 * module for a moment, as its last reference can be with a worker.
 */
int ft_unload_soon(void);

/* ferry_dmirror comes, and goes unless it is in use; its first node of a kind. */
int ft_load_dmirror(void);
int ft_unload_dmirror(void);
const char *ft_dmirror_node(enum ferry_kind kind);

/* ---- the kernel log ------------------------------------------------------ */

/* Sequence number that the next line of the kernel log will have or exceed. */
uint64_t ft_log_position(void);
/* How many new lines contain @text. */
unsigned int ft_log_count(uint64_t position, const char *text);
/* Print new lines that tell of a bug in the kernel; how many. */
unsigned int ft_log_check(uint64_t position);
/* The same without lines that contain @expected, unless that is NULL. */
unsigned int ft_log_check_but(uint64_t position, const char *expected);

#endif /* FERRY_TEST_H */
