// SPDX-License-Identifier: GPL-2.0-only
/*
 * Provoke a use after free in the kernel: an anon_vma goes away while pages that
 * point at it are evicted from device memory by physical range.
 *
 *	evict-exit exit|munmap ROUNDS [PAGES [VICTIMS]]
 *
 * It needs the kernel's own HMM test driver (test_hmm.ko), a kernel with KASAN
 * to see anything, and root. Each round some processes, the victims, put PAGES
 * pages each on the device. Then a descriptor of the device is closed, at which
 * that driver evicts all of its memory, and the victims exit, or unmap, at a
 * random moment while this goes on. ../eviction-race.rst has the whole story.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
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
#define DMIRROR_NODE		"/dev/hmm_dmirror0"

#define PAGE			4096UL
#define MAX_VICTIMS		64

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000ULL + t.tv_nsec / 1000;
}

static int open_device(void)
{
	int fd = open(DMIRROR_NODE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		die(DMIRROR_NODE);
	return fd;
}

/*
 * The memory is mapped after fork, between two pages that keep it from being
 * merged with another mapping, so its anon_vma is this process's alone.
 */
static void victim(size_t pages, int unmap, int ready, int go)
{
	struct dmirror_cmd cmd = { .npages = pages };
	size_t len = pages * PAGE;
	uint32_t delay;
	char *p, *copy;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	p = mmap(NULL, len + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		 -1, 0);
	copy = mmap(NULL, len, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED || copy == MAP_FAILED)
		die("mmap");
	p += PAGE;
	if (mprotect(p, len, PROT_READ | PROT_WRITE) ||
	    madvise(p, len, MADV_NOHUGEPAGE))
		die("mprotect");
	memset(p, 1, len);
	cmd.addr = (uintptr_t)p;
	cmd.ptr = (uintptr_t)copy;
	if (ioctl(open_device(), DMIRROR_TO_DEVICE, &cmd))
		die("to the device");
	if (write(ready, "", 1) != 1 ||
	    read(go, &delay, sizeof(delay)) != sizeof(delay))
		die("pipe");
	usleep(delay);
	if (unmap && munmap(p, len))
		die("munmap");
	_exit(0);
}

int main(int argc, char **argv)
{
	size_t pages = argc > 3 ? atoi(argv[3]) : 1024;
	int victims = argc > 4 ? atoi(argv[4]) : 2;
	int rounds = argc > 2 ? atoi(argv[2]) : 0;
	int ready[2], go[2], round, i, fd, status;
	uint64_t start, took = 0, begin = now_us();
	uint32_t delay;
	char byte;

	if (rounds < 1 || pages < 1 || victims < 1 || victims > MAX_VICTIMS ||
	    (strcmp(argv[1], "exit") && strcmp(argv[1], "munmap"))) {
		fprintf(stderr, "usage: %s exit|munmap ROUNDS [PAGES [VICTIMS]]\n",
			argv[0]);
		return 2;
	}
	srandom(begin);
	if (pipe(ready) || pipe(go))
		die("pipe");

	for (round = 0; round <= rounds; round++) {
		for (i = 0; i < victims; i++) {
			pid_t pid = fork();

			if (pid < 0)
				die("fork");
			if (!pid)
				victim(pages, !strcmp(argv[1], "munmap"),
				       ready[1], go[0]);
		}
		fd = open_device();
		for (i = 0; i < victims; i++)
			if (read(ready[0], &byte, 1) != 1)
				die("pipe");
		/* Nobody goes in the first round: it tells how long it takes. */
		for (i = 0; round && i < victims; i++) {
			delay = random() % (took + 1);
			if (write(go[1], &delay, sizeof(delay)) < 0)
				die("pipe");
		}
		start = now_us();
		close(fd);
		if (!round) {
			took = now_us() - start;
			printf("an eviction takes %llu us\n",
			       (unsigned long long)took);
			for (i = 0; i < victims; i++) {
				delay = 0;
				if (write(go[1], &delay, sizeof(delay)) < 0)
					die("pipe");
			}
		}
		for (i = 0; i < victims; i++)
			if (wait(&status) < 0 || status)
				die("a victim failed");
		printf("round %d, %llu ms\n", round,
		       (unsigned long long)(now_us() - begin) / 1000);
		fflush(stdout);
	}
	return 0;
}
