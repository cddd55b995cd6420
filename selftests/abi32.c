// SPDX-License-Identifier: GPL-2.0-only
/*
 * A caller of 32 bits, without a C library: the machine that builds this need
 * not have one of that width. Exits with 0, or with the number of a check that
 * failed (see the log, which names it).
 *
 * Arguments: node, device index.
 */
#include <asm/unistd_32.h>
#include <linux/ferry.h>

#define PAGE	4096U
#define PAGES	1024U
#define LEN	(PAGES * PAGE)

static long call(long nr, long a, long b, long c, long d, long e, long f)
{
	long args[2] = { nr, f };
	long ret;

	/* The sixth argument goes in the frame pointer. */
	asm volatile("push %%ebp\n\t"
		     "mov 4(%[args]), %%ebp\n\t"
		     "mov (%[args]), %%eax\n\t"
		     "int $0x80\n\t"
		     "pop %%ebp"
		     : "=&a" (ret)
		     : "b" (a), "c" (b), "d" (c), "S" (d), "D" (e),
		       [args] "0" (args)
		     : "memory");
	return ret;
}

static void say(const char *s)
{
	int n = 0;

	while (s[n])
		n++;
	call(__NR_write, 2, (long)s, n, 0, 0, 0);
}

static void leave(int code)
{
	call(__NR_exit, code, 0, 0, 0, 0, 0);
}

#define CHECK(number, cond)						\
do {									\
	if (!(cond)) {							\
		say("# abi32: " #cond "\n");				\
		leave(number);						\
	}								\
} while (0)

static long ioc(int fd, unsigned int cmd, void *arg)
{
	return call(__NR_ioctl, fd, cmd, (long)arg, 0, 0, 0);
}

static __u32 word(unsigned int addr)
{
	return (addr ^ 0x5bd1e995U) * 0x9e3779b1U;
}

static struct ferry_residency where[PAGES];

static void run(const char *node, int dev, unsigned int mib)
{
	struct ferry_info info = { .size = sizeof(info) };
	struct ferry_migrate m = { .size = sizeof(m), .dst = dev };
	struct ferry_query q = { .size = sizeof(q) };
	struct ferry_submit s = { .size = sizeof(s) };
	struct ferry_wait w = { .size = sizeof(w) };
	struct ferry_stats st = { .size = sizeof(st) };
	struct ferry_advise adv = { .size = sizeof(adv) };
	struct ferry_cmd cmd[2] = {};
	__u64 results[2] = { 1, 1 };
	volatile __u32 *p;
	unsigned int i;
	long fd, addr;

	fd = call(__NR_open, (long)node, 2, 0, 0, 0, 0);
	CHECK(1, fd >= 0);
	CHECK(2, sizeof(void *) == 4);
	CHECK(3, !ioc(fd, FERRY_IOC_INFO, &info));
	CHECK(4, info.abi == FERRY_ABI_VERSION && (int)info.device == dev);
	CHECK(5, info.vram_bytes == (__u64)mib << 20);

	addr = call(__NR_mmap2, 0, LEN, 3, 0x22, -1, 0);
	CHECK(6, (unsigned long)addr < 0xfffff000UL);
	p = (__u32 *)addr;
	for (i = 0; i < LEN / 4; i++)
		p[i] = word(addr + i * 4);

	m.addr = (unsigned long)addr;
	m.len = LEN;
	CHECK(10, !ioc(fd, FERRY_IOC_MIGRATE, &m));
	CHECK(11, m.moved == PAGES && !m.failed);

	q.addr = (unsigned long)addr;
	q.len = LEN;
	q.pages = (unsigned long)where;
	CHECK(20, !ioc(fd, FERRY_IOC_QUERY, &q));
	for (i = 0; i < PAGES; i++)
		CHECK(21, where[i].where == dev);

	cmd[0].op = FERRY_OP_FILL;
	cmd[0].dst = (unsigned long)addr;
	cmd[0].len = PAGE;
	cmd[0].arg0 = 0x0123456789abcdefULL;
	cmd[1].op = FERRY_OP_COMPARE;
	cmd[1].dst = (unsigned long)addr;
	cmd[1].src = (unsigned long)addr + PAGE;
	cmd[1].len = PAGE;
	s.cmds = (unsigned long)cmd;
	s.count = 2;
	s.cmd_size = sizeof(cmd[0]);
	s.eventfd = -1;
	CHECK(30, !ioc(fd, FERRY_IOC_SUBMIT, &s));
	w.seq = s.seq;
	w.timeout_ns = -1;
	w.results = (unsigned long)results;
	w.count = 2;
	CHECK(31, !ioc(fd, FERRY_IOC_WAIT, &w));
	CHECK(32, !w.status && w.count == 2);
	CHECK(33, !results[0] && !results[1]);

	adv.advice = FERRY_ADVISE_PREFER_RAM;
	adv.addr = (unsigned long)addr;
	adv.len = LEN;
	CHECK(40, !ioc(fd, FERRY_IOC_ADVISE, &adv));
	CHECK(41, !ioc(fd, FERRY_IOC_STATS, &st));
	CHECK(42, st.frames_used >= PAGES);

	/* Above what 32 bits reach there is nothing of this process. */
	m.addr = 0x100000000ULL;
	m.len = PAGE;
	i = -ioc(fd, FERRY_IOC_MIGRATE, &m);
	CHECK(50, i == 14 || m.reasons[FERRY_REASON_UNMAPPED] == 1);
	m.addr = 0xfffffffff000ULL;
	CHECK(51, ioc(fd, FERRY_IOC_MIGRATE, &m) == -14);

	for (i = 0; i < PAGE / 8; i++)
		CHECK(60, p[2 * i] == 0x89abcdefU && p[2 * i + 1] == 0x01234567U);
	for (i = PAGE / 4; i < LEN / 4; i++)
		CHECK(61, p[i] == word(addr + i * 4));
}

static unsigned int number(const char *text)
{
	unsigned int n = 0;

	while (*text)
		n = n * 10 + *text++ - '0';
	return n;
}

/* The stack at entry: argc, argv[0], ... */
__attribute__((used)) static void start(long *sp)
{
	const char **argv = (const char **)(sp + 1);

	if (sp[0] != 4)
		leave(99);
	run(argv[1], number(argv[2]), number(argv[3]));
	leave(0);
}

asm(".globl _start\n"
    "_start:\n"
    "	mov %esp, %eax\n"
    "	and $-16, %esp\n"
    "	sub $12, %esp\n"
    "	push %eax\n"
    "	call start\n");

/* The compiler may call these for copies and clears that it makes up. */
void *memset(void *p, int c, __SIZE_TYPE__ n)
{
	volatile char *to = p;

	while (n--)
		*to++ = c;
	return p;
}

void *memcpy(void *d, const void *s, __SIZE_TYPE__ n)
{
	volatile char *to = d;
	const volatile char *from = s;

	while (n--)
		*to++ = *from++;
	return d;
}
