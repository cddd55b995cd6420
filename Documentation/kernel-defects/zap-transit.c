// SPDX-License-Identifier: GPL-2.0-only
/*
 * Zap a 2 MiB folio of device-private memory while it is on its way home.
 *
 *	zap-transit ROUNDS
 *
 * It needs the kernel's own HMM test driver (test_hmm.ko), CONFIG_DEBUG_VM to see
 * it at once, and root. See ../kernel-defects.rst.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* The ABI of test_hmm, as far as it is needed: one structure for all calls. */
struct dmirror_cmd {
	uint64_t addr;		/* a range of the caller's memory */
	uint64_t ptr;		/* where the driver copies it to when it is done */
	uint64_t npages;
	uint64_t done;		/* pages copied */
	uint64_t faults;
};

#define DMIRROR_TO_DEVICE	_IOWR('H', 2, struct dmirror_cmd)
#define DMIRROR_TO_SYSTEM	_IOWR('H', 3, struct dmirror_cmd)

#define HUGE			(2UL << 20)

static char *area, *copy;
static pthread_barrier_t go;
static uint64_t took;		/* us a way home takes */

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000ULL + t.tv_nsec / 1000;
}

static void move(int fd, unsigned long how)
{
	struct dmirror_cmd cmd = {
		.addr = (uintptr_t)area,
		.ptr = (uintptr_t)copy,
		.npages = HUGE / 4096,
	};

	/* Pages that are zapped do not arrive: no error of ours. */
	ioctl(fd, how, &cmd);
}

static void *zap(void *unused)
{
	for (;;) {
		pthread_barrier_wait(&go);
		usleep(random() % (took + 1));
		madvise(area, HUGE, MADV_DONTNEED);
		pthread_barrier_wait(&go);
	}
	return unused;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 50, round, fd;
	pthread_t thread;
	uint64_t start;

	fd = open("/dev/hmm_dmirror0", O_RDWR);
	area = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	copy = mmap(NULL, HUGE, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (fd < 0 || area == MAP_FAILED || copy == MAP_FAILED) {
		perror("zap-transit");
		return 2;
	}
	area = (char *)(((uintptr_t)area + HUGE - 1) & ~(HUGE - 1));
	madvise(area, HUGE, MADV_HUGEPAGE);
	pthread_barrier_init(&go, NULL, 2);
	pthread_create(&thread, NULL, zap, NULL);

	for (round = 0; round < rounds; round++) {
		memset(area, 1, HUGE);
		move(fd, DMIRROR_TO_DEVICE);
		if (round)
			pthread_barrier_wait(&go);
		start = now_us();
		move(fd, DMIRROR_TO_SYSTEM);
		if (round)
			pthread_barrier_wait(&go);
		else
			took = now_us() - start;
		printf("round %d, a way home takes %llu us\n", round,
		       (unsigned long long)took);
		fflush(stdout);
	}
	return 0;
}
