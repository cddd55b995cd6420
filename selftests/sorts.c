// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sorts of pages: each either moves or is left in place with its own reason
 * counted, and either way keeps its bytes. Swapped and merged pages are in
 * reclaim.c, what userfaultfd watches is in uffd.c.
 */
#include "ferry_fixture.h"

#include <fcntl.h>
#include <linux/io_uring.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>

#define LEN	(64 * FT_PAGE)
#define PAGES	64UL

/* All pages of a range stay for one reason. */
#define ASSERT_STAYS(p, len, why)					\
do {									\
	struct ferry_moved __m = ft_move(self->f, p, len, self->dev);	\
									\
	ASSERT_EQ(0, __m.moved);					\
	ASSERT_EQ(ft_pages(len), __m.reasons[why])			\
		ft_print_reasons(&__m);					\
	ASSERT_EQ(0, ft_count_devices(self->f, p, len));		\
} while (0)

/* A file of a real file system in the page cache: this program. */
static int open_file(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		ft_fatal("/proc/self/exe: %s", strerror(errno));
	return fd;
}

TEST_F(kind, read_only)
{
	char *p;
	int huge;

	for (huge = 0; huge < 2; huge++) {
		p = ft_map_kind(FT_HUGE, huge);
		ft_fill(p, FT_HUGE, 1);
		ASSERT_EQ(0, mprotect(p, FT_HUGE, PROT_READ));
		ASSERT_MOVES(p, FT_HUGE, self->dev);
		ASSERT_EQ(0, ft_count_flags(self->f, p, FT_HUGE,
					    FERRY_PAGE_WRITE));
		ASSERT_DEV_DATA(p, FT_HUGE, 1);
		ASSERT_DATA(p, FT_HUGE, 1);
		ASSERT_MOVES_BACK(p, FT_HUGE);
		ASSERT_MOVES(p, FT_HUGE, FERRY_RAM);
		ASSERT_DATA(p, FT_HUGE, 1);
		/* Holes of a read-only mapping, too. */
		ASSERT_EQ(0, madvise(p, FT_HUGE, MADV_DONTNEED));
		ASSERT_MOVES(p, FT_HUGE, self->dev);
		ASSERT_ZERO(p, FT_HUGE);
		ft_unmap(p, FT_HUGE);
	}
}

TEST_F(kind, prot_none)
{
	char *p = ft_map(LEN);

	ft_fill(p, LEN, 2);
	ASSERT_EQ(0, mprotect(p, LEN, PROT_NONE));
	ASSERT_MOVES(p, LEN, self->dev);
	ASSERT_EQ(0, mprotect(p, LEN, PROT_READ | PROT_WRITE));
	ASSERT_DATA(p, LEN, 2);
	ft_fill(p, LEN, 3);
	ASSERT_MOVES_BACK(p, LEN);
	ASSERT_DATA(p, LEN, 3);
}

TEST_F(kind, cow_shared)
{
	struct ft_turn go, done;
	pid_t child;
	char *p;
	int huge;

	for (huge = 0; huge < 2; huge++) {
		ft_turn_init(&go);
		ft_turn_init(&done);
		p = ft_map_kind(FT_HUGE, huge);
		ft_fill(p, FT_HUGE, 4);
		child = ft_fork();
		if (!child) {
			ft_turn_take(&go);
			_exit(ft_check(p, FT_HUGE, 4) != FT_HUGE);
		}
		/* Both map them; both see the device's pages after. */
		ASSERT_MOVES(p, FT_HUGE, self->dev);
		ASSERT_WHERE(p, FT_HUGE, self->dev);
		ft_turn_give(&go);
		ASSERT_EQ(0, ft_reap(child));
		ASSERT_DATA(p, FT_HUGE, 4);
		ft_unmap(p, FT_HUGE);
	}
}

TEST_F(kind, mlocked)
{
	char *p;
	int huge;

	for (huge = 0; huge < 2; huge++) {
		p = ft_map_kind(FT_HUGE, huge);
		ft_fill(p, FT_HUGE, 5);
		ASSERT_EQ(0, mlock(p, FT_HUGE));
		ASSERT_MOVES(p, FT_HUGE, self->dev);
		ASSERT_DEV_DATA(p, FT_HUGE, 5);
		ASSERT_DATA(p, FT_HUGE, 5);
		ASSERT_MOVES_BACK(p, FT_HUGE);
		ASSERT_EQ(0, munlock(p, FT_HUGE));
		ASSERT_DATA(p, FT_HUGE, 5);
		ft_unmap(p, FT_HUGE);
	}
	/* Nothing stays locked behind. */
	ASSERT_EQ(0, ft_read_field("/proc/self/status", "VmLck"));
}

TEST_F(kind, hugetlb)
{
	long long before = ft_read_number("/proc/sys/vm/nr_hugepages");
	char *p;

	ASSERT_EQ(0, ft_write_file("/proc/sys/vm/nr_hugepages", "%lld",
				   before + 2));
	p = mmap(NULL, 2 * FT_HUGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	ASSERT_NE(MAP_FAILED, p);
	ft_fill(p, 2 * FT_HUGE, 6);
	ASSERT_STAYS(p, 2 * FT_HUGE, FERRY_REASON_HUGETLB);
	ASSERT_STAYS(p + FT_HUGE / 2, FT_HUGE, FERRY_REASON_HUGETLB);
	ASSERT_DATA(p, 2 * FT_HUGE, 6);

	/* The engine reaches it where it is, for reading and writing. */
	ASSERT_DEV_DATA(p, 2 * FT_HUGE, 6);
	ASSERT_EQ(0, ft_dev_fill(self->fd, p + FT_HUGE, 0, FT_HUGE));
	ASSERT_DATA(p, FT_HUGE, 6);
	ASSERT_ZERO(p + FT_HUGE, FT_HUGE);
	ft_unmap(p, 2 * FT_HUGE);
	ASSERT_EQ(0, ft_write_file("/proc/sys/vm/nr_hugepages", "%lld",
				   before));
}

TEST_F(kind, file_private)
{
	int fd = open_file();
	char *file, *p;

	p = mmap(NULL, 4 * FT_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	file = mmap(NULL, 4 * FT_PAGE, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_NE(MAP_FAILED, file);
	ASSERT_EQ(0, memcmp(p, file, 4 * FT_PAGE));

	/* Clean pages belong to the page cache. */
	ASSERT_STAYS(p, 4 * FT_PAGE, FERRY_REASON_FILE);
	ASSERT_EQ(0, memcmp(p, file, 4 * FT_PAGE));
	ASSERT_EQ(ft_crc32c(file, 4 * FT_PAGE),
		  ft_dev_crc32c(self->fd, p, 4 * FT_PAGE));

	/* Written ones are anonymous. */
	ft_fill(p + FT_PAGE, 2 * FT_PAGE, 7);
	{
		struct ferry_moved m = ft_move(self->f, p, 4 * FT_PAGE,
					       self->dev);

		ASSERT_EQ(2, m.moved);
		ASSERT_EQ(2, m.reasons[FERRY_REASON_FILE]);
	}
	ASSERT_WHERE(p + FT_PAGE, 2 * FT_PAGE, self->dev);
	ASSERT_DEV_DATA(p + FT_PAGE, 2 * FT_PAGE, 7);
	ASSERT_DATA(p + FT_PAGE, 2 * FT_PAGE, 7);
	ASSERT_EQ(0, memcmp(p, file, FT_PAGE));
	ASSERT_EQ(0, memcmp(p + 3 * FT_PAGE, file + 3 * FT_PAGE, FT_PAGE));

	/* The engine's write to a clean page is a copy, not the file. */
	ASSERT_EQ(0, ft_dev_fill(self->fd, p, 0x5a5a5a5a5a5a5a5aULL, FT_PAGE));
	ASSERT_EQ(0x5a, p[FT_PAGE - 1]);
	ASSERT_NE(0, memcmp(p, file, FT_PAGE));
	ASSERT_EQ('E', file[1]);

	/* Dropped, the file shows through again. */
	ASSERT_EQ(0, madvise(p, 4 * FT_PAGE, MADV_DONTNEED));
	ASSERT_EQ(0, memcmp(p, file, 4 * FT_PAGE));
	close(fd);
}

TEST_F(kind, file_shared)
{
	uint32_t crc;
	int fd = open_file();
	char *p;

	p = mmap(NULL, 4 * FT_PAGE, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	crc = ft_crc32c(p, 4 * FT_PAGE);
	ASSERT_STAYS(p, 4 * FT_PAGE, FERRY_REASON_FILE);
	ASSERT_EQ(crc, ft_crc32c(p, 4 * FT_PAGE));
	ASSERT_EQ(crc, ft_dev_crc32c(self->fd, p, 4 * FT_PAGE));
	close(fd);
}

/* Pages of a file that is not in memory yet count like the others. */
TEST_F(kind, file_untouched)
{
	int fd = open_file();
	struct ferry_moved m;
	char *p;

	p = mmap(NULL, 4 * FT_PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	m = ft_move(self->f, p, 4 * FT_PAGE, self->dev);
	ASSERT_EQ(0, m.moved);
	ASSERT_EQ(4, m.reasons[FERRY_REASON_FILE] +
		     m.reasons[FERRY_REASON_EMPTY]);
	ASSERT_EQ(0, memcmp(p, "\x7f" "ELF", 4));
	close(fd);
}

TEST_F(kind, shmem)
{
	char *p = mmap(NULL, LEN, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child;

	ASSERT_NE(MAP_FAILED, p);
	ft_fill(p, LEN, 8);
	ASSERT_STAYS(p, LEN, FERRY_REASON_SHMEM);
	ASSERT_DATA(p, LEN, 8);

	/* In place the engine and both processes share it. */
	child = ft_fork();
	if (!child) {
		ft_fill(p, FT_PAGE, 9);
		_exit(0);
	}
	ASSERT_EQ(0, ft_reap(child));
	ASSERT_DEV_DATA(p, FT_PAGE, 9);
	ASSERT_EQ(0, ft_dev_fill(self->fd, p, 0, FT_PAGE));
	ASSERT_ZERO(p, FT_PAGE);
	ASSERT_DATA(p + FT_PAGE, LEN - FT_PAGE, 8);
}

TEST_F(kind, memfd)
{
	int fd = memfd_create("ferry-selftest", MFD_CLOEXEC);
	char *shared, *private;
	struct ferry_moved m;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, LEN));
	shared = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	private = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ASSERT_NE(MAP_FAILED, shared);
	ASSERT_NE(MAP_FAILED, private);
	ft_fill(shared, LEN, 10);
	ASSERT_EQ(LEN, ft_check_as(private, LEN, 10, shared));

	ASSERT_STAYS(shared, LEN, FERRY_REASON_SHMEM);
	ASSERT_STAYS(private, LEN, FERRY_REASON_SHMEM);

	/* A private page that was written is anonymous. */
	ft_fill(private + FT_PAGE, FT_PAGE, 11);
	m = ft_move(self->f, private, LEN, self->dev);
	ASSERT_EQ(1, m.moved);
	ASSERT_EQ(PAGES - 1, m.reasons[FERRY_REASON_SHMEM]);
	ASSERT_DATA(private + FT_PAGE, FT_PAGE, 11);
	ASSERT_DATA(shared, LEN, 10);
	close(fd);
}

/* Buffers of io_uring: pinned for as long as they are registered. */
struct ring {
	int fd;
};

static int ring_open(struct ring *r)
{
	struct io_uring_params params = {};

	ft_write_file("/proc/sys/kernel/io_uring_disabled", "0");
	r->fd = syscall(__NR_io_uring_setup, 4, &params);
	return r->fd < 0 ? -errno : 0;
}

static int ring_pin(struct ring *r, void *p, size_t len)
{
	struct iovec v = { .iov_base = p, .iov_len = len };

	return syscall(__NR_io_uring_register, r->fd, IORING_REGISTER_BUFFERS,
		       &v, 1) < 0 ? -errno : 0;
}

static int ring_unpin(struct ring *r)
{
	return syscall(__NR_io_uring_register, r->fd,
		       IORING_UNREGISTER_BUFFERS, NULL, 0) < 0 ? -errno : 0;
}

/*
 * Pins go when the kernel frees the buffers, which may be a little after the
 * call; until then the range stays for the reason that is expected of it.
 */
#define ASSERT_MOVES_SOON(p, len)					\
do {									\
	struct ferry_moved __m = {};					\
	uint64_t __moved = 0;						\
									\
	ASSERT_TRUE(ft_until((__m = ft_move(self->f, p, len, self->dev), \
			      __moved += __m.moved,			\
			      __m.failed ==				\
			      __m.reasons[FERRY_REASON_RESIDENT]), 20)); \
	ASSERT_EQ(ft_pages(len), __moved);				\
} while (0)

TEST_F(kind, pinned)
{
	struct ring r;
	char *p;
	int huge;

	ASSERT_EQ(0, ring_open(&r));
	for (huge = 0; huge < 2; huge++) {
		p = ft_map_kind(FT_HUGE, huge);
		ft_fill(p, FT_HUGE, 12);
		ASSERT_EQ(0, ring_pin(&r, p, FT_HUGE));
		ASSERT_STAYS(p, FT_HUGE, FERRY_REASON_PINNED);
		ASSERT_DATA(p, FT_HUGE, 12);

		/* The engine still reaches them, where they are. */
		ASSERT_DEV_DATA(p, FT_HUGE, 12);
		ASSERT_EQ(0, ft_dev_fill(self->fd, p, 0, FT_PAGE));
		ASSERT_ZERO(p, FT_PAGE);
		ft_fill(p, FT_PAGE, 12);
		ASSERT_WHERE(p, FT_HUGE, FERRY_RAM);

		ASSERT_EQ(0, ring_unpin(&r));
		ASSERT_MOVES_SOON(p, FT_HUGE);
		ASSERT_DATA(p, FT_HUGE, 12);
		ft_unmap(p, FT_HUGE);
	}
}

/* One pinned page among others: it alone stays. */
TEST_F(kind, pinned_one)
{
	char *p = ft_map(LEN);
	struct ferry_moved m;
	struct ring r;

	ASSERT_EQ(0, ring_open(&r));
	ft_fill(p, LEN, 13);
	ASSERT_EQ(0, ring_pin(&r, p + 7 * FT_PAGE, FT_PAGE));
	m = ft_move(self->f, p, LEN, self->dev);
	ASSERT_EQ(PAGES - 1, m.moved);
	ASSERT_EQ(1, m.reasons[FERRY_REASON_PINNED]);
	ASSERT_EQ(FERRY_RAM, ft_where(self->f, p + 7 * FT_PAGE));
	ASSERT_DEV_DATA(p, LEN, 13);
	ASSERT_DATA(p, LEN, 13);
}

/* Pinning what is on the device brings it home, whole and for good. */
TEST_F(kind, pin_on_device)
{
	struct ring r;
	char *p;
	int huge;

	ASSERT_EQ(0, ring_open(&r));
	for (huge = 0; huge < 2; huge++) {
		p = ft_map_kind(FT_HUGE, huge);
		ft_fill(p, FT_HUGE, 14);
		ASSERT_MOVES(p, FT_HUGE, self->dev);
		ASSERT_EQ(0, ring_pin(&r, p, FT_HUGE));
		ASSERT_WHERE(p, FT_HUGE, FERRY_RAM);
		ASSERT_STAYS(p, FT_HUGE, FERRY_REASON_PINNED);
		ASSERT_DATA(p, FT_HUGE, 14);
		ASSERT_EQ(0, ring_unpin(&r));
		ft_unmap(p, FT_HUGE);
	}
}

/* Pages in a pipe are referenced, not pinned; the effect is the same. */
TEST_F(kind, in_a_pipe)
{
	char *p = ft_map(4 * FT_PAGE), *q = ft_map(4 * FT_PAGE);
	struct iovec v = { .iov_base = p, .iov_len = 4 * FT_PAGE };
	struct ferry_moved m;
	int fd[2];

	ft_fill(p, 4 * FT_PAGE, 15);
	ASSERT_EQ(0, pipe(fd));
	ASSERT_EQ(4 * FT_PAGE, vmsplice(fd[1], &v, 1, 0));
	ASSERT_STAYS(p, 4 * FT_PAGE, FERRY_REASON_PINNED);
	ASSERT_EQ(4 * FT_PAGE, read(fd[0], q, 4 * FT_PAGE));
	ASSERT_EQ(4 * FT_PAGE, ft_check_as(q, 4 * FT_PAGE, 15, p));
	ASSERT_MOVES_SOON(p, 4 * FT_PAGE);
	ASSERT_DATA(p, 4 * FT_PAGE, 15);

	/* From the device into a pipe; coherent pages are used where they are. */
	ASSERT_MOVES_BACK(p, 4 * FT_PAGE);
	ASSERT_EQ(4 * FT_PAGE, vmsplice(fd[1], &v, 1, 0));
	ASSERT_WHERE(p, 4 * FT_PAGE, FT_TOUCHED);
	if (FT_IN_PLACE) {
		m = ft_move(self->f, p, 4 * FT_PAGE, FERRY_RAM);
		ASSERT_EQ(4, m.reasons[FERRY_REASON_PINNED]);
		ASSERT_WHERE(p, 4 * FT_PAGE, self->dev);
	}
	ASSERT_EQ(4 * FT_PAGE, read(fd[0], q, 4 * FT_PAGE));
	ASSERT_EQ(4 * FT_PAGE, ft_check_as(q, 4 * FT_PAGE, 15, p));
	ASSERT_TRUE(ft_until((ft_move(self->f, p, 4 * FT_PAGE, FERRY_RAM),
			      ft_count(self->f, p, 4 * FT_PAGE, FERRY_RAM))
			     == 4, 20));
	ASSERT_DATA(p, 4 * FT_PAGE, 15);
}

/*
 * Direct I/O pins pages for the length of a request. Private pages come home for
 * that; coherent ones are read and written where they are.
 */
static int open_disk(unsigned int mib)
{
	char path[64];
	long long n;

	if (system("[ -d /sys/class/zram-control ] || modprobe zram"))
		ft_fatal("no zram");
	n = ft_read_number("/sys/class/zram-control/hot_add");
	snprintf(path, sizeof(path), "/sys/block/zram%lld/disksize", n);
	if (n < 0 || ft_write_file(path, "%uM", mib))
		ft_fatal("no disk");
	snprintf(path, sizeof(path), "/dev/zram%lld", n);
	return open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
}

static void close_disk(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		ft_fatal("fstat: %s", strerror(errno));
	close(fd);
	ft_until(!ft_write_file("/sys/class/zram-control/hot_remove", "%u",
				minor(st.st_rdev)), 20);
}

TEST_F(kind, direct_io)
{
	int disk = open_disk(4), huge;
	char *p, *q;

	ASSERT_LE(0, disk);
	for (huge = 0; huge < 2; huge++) {
		p = ft_map_kind(FT_HUGE, huge);
		q = ft_map_kind(FT_HUGE, huge);
		ft_fill(p, FT_HUGE, 16 + huge);
		ASSERT_MOVES(p, FT_HUGE, self->dev);
		ASSERT_MOVES(q, FT_HUGE, self->dev);
		ASSERT_EQ(FT_HUGE, pwrite(disk, p, FT_HUGE, 0));
		ASSERT_WHERE(p, FT_HUGE, FT_TOUCHED);
		ASSERT_EQ(FT_HUGE, pread(disk, q, FT_HUGE, 0));
		ASSERT_WHERE(q, FT_HUGE, FT_TOUCHED);
		/* The engine sees what the disk wrote, and the CPU, too. */
		ASSERT_EQ(ft_crc_of(p, FT_HUGE, 16 + huge),
			  ft_dev_crc32c(self->fd, q, FT_HUGE));
		ASSERT_EQ(FT_HUGE, ft_check_as(q, FT_HUGE, 16 + huge, p));
		ft_unmap(p, FT_HUGE);
		ft_unmap(q, FT_HUGE);
	}
	close_disk(disk);
}

struct reader {
	int disk;
	char *p;
	bool stop;
	unsigned int wrong, done;
};

static void *read_directly(void *arg)
{
	struct reader *r = arg;

	while (!__atomic_load_n(&r->stop, __ATOMIC_ACQUIRE)) {
		if (pread(r->disk, r->p, LEN, 0) != LEN ||
		    pwrite(r->disk, r->p, LEN, 0) != LEN)
			r->wrong++;
		__atomic_add_fetch(&r->done, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

/* Moved in the middle of it: a page goes, or stays because it is in use. */
TEST_F(kind, direct_io_while_moving)
{
	struct reader r = { .disk = open_disk(4), .p = ft_map(LEN) };
	struct ferry_moved m;
	unsigned int seen;
	unsigned long i;
	pthread_t thread;

	ASSERT_LE(0, r.disk);
	ft_fill(r.p, LEN, 18);
	ASSERT_EQ(LEN, pwrite(r.disk, r.p, LEN, 0));
	ASSERT_EQ(0, pthread_create(&thread, NULL, read_directly, &r));
	for (i = 0; i < ft_loops(40); i++) {
		m = ft_move(self->f, r.p, LEN, i & 1 ? FERRY_RAM : self->dev);
		ASSERT_EQ(m.failed, m.reasons[FERRY_REASON_PINNED] +
				    m.reasons[FERRY_REASON_LOCKED] +
				    m.reasons[FERRY_REASON_RACED] +
				    m.reasons[FERRY_REASON_RESIDENT])
			ft_print_reasons(&m);
		seen = __atomic_load_n(&r.done, __ATOMIC_ACQUIRE);
		ASSERT_TRUE(ft_until(__atomic_load_n(&r.done, __ATOMIC_ACQUIRE)
				     != seen, 60));
	}
	__atomic_store_n(&r.stop, true, __ATOMIC_RELEASE);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	ASSERT_EQ(0, r.wrong);
	ASSERT_DATA(r.p, LEN, 18);
	close_disk(r.disk);
}

/* Mappings without pages of their own. */
TEST_F(kind, special)
{
	struct ferry_moved m;
	size_t len;
	void *p;

	/* VM_PFNMAP of the kernel's own. */
	ASSERT_TRUE(ft_find_mapping("[vvar", &p, &len));
	m = ft_move(self->f, p, len, self->dev);
	ASSERT_EQ(ft_pages(len), m.reasons[FERRY_REASON_SPECIAL]);

	/* Code that the kernel maps. */
	ASSERT_TRUE(ft_find_mapping("[vdso]", &p, &len));
	m = ft_move(self->f, p, len, self->dev);
	ASSERT_EQ(0, m.moved);
	ASSERT_EQ(ft_pages(len), m.failed);
	ASSERT_LT(0, ft_now_ns());
}

TEST_F(kind, physical)
{
	int fd = open("/dev/mem", O_RDONLY | O_CLOEXEC);
	char *p;

	ASSERT_LE(0, fd);
	/* The BIOS: mappable also with STRICT_DEVMEM. */
	p = mmap(NULL, 16 * FT_PAGE, PROT_READ, MAP_SHARED, fd, 0xf0000);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_STAYS(p, 16 * FT_PAGE, FERRY_REASON_SPECIAL);
	ft_unmap(p, 16 * FT_PAGE);
	close(fd);
}

/* All sorts in one call, so that each reason counts only its own. */
TEST_F(kind, all_at_once)
{
	enum { ANON, SHMEM, UNMAPPED, FILE_, RO, HOLE, SORTS };
	char *p = ft_map(SORTS * LEN);
	int fd = open_file();
	struct ferry_moved m;

	ft_fill(p + ANON * LEN, LEN, 20);
	ASSERT_NE(MAP_FAILED,
		  mmap(p + SHMEM * LEN, LEN, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	ft_fill(p + SHMEM * LEN, LEN, 21);
	ft_unmap(p + UNMAPPED * LEN, LEN);
	ASSERT_NE(MAP_FAILED,
		  mmap(p + FILE_ * LEN, 4 * FT_PAGE, PROT_READ,
		       MAP_PRIVATE | MAP_FIXED, fd, 0));
	ASSERT_EQ(0, memcmp(p + FILE_ * LEN, "\x7f" "ELF", 4));
	ASSERT_EQ(0, madvise(p + FILE_ * LEN, 4 * FT_PAGE, MADV_POPULATE_READ));
	ft_fill(p + RO * LEN, LEN, 23);
	ASSERT_EQ(0, mprotect(p + RO * LEN, LEN, PROT_READ));

	m = ft_move(self->f, p, SORTS * LEN, self->dev);
	ASSERT_EQ(PAGES, m.reasons[FERRY_REASON_SHMEM]);
	ASSERT_EQ(PAGES, m.reasons[FERRY_REASON_UNMAPPED]);
	ASSERT_EQ(4, m.reasons[FERRY_REASON_FILE]);
	ASSERT_EQ(2 * PAGES + 4, m.failed);
	ASSERT_EQ(4 * PAGES - 4, m.moved);
	ASSERT_DATA(p + ANON * LEN, LEN, 20);
	ASSERT_DATA(p + SHMEM * LEN, LEN, 21);
	ASSERT_ZERO(p + FILE_ * LEN + 4 * FT_PAGE, LEN - 4 * FT_PAGE);
	ASSERT_DATA(p + RO * LEN, LEN, 23);
	ASSERT_ZERO(p + HOLE * LEN, LEN);
	close(fd);
}

/* The reasons of a device add up in its counters, too. */
TEST_F(kind, reasons_counted)
{
	const enum ferry_counter c = FERRY_C_REASON_0 + FERRY_REASON_SHMEM;
	char *p = mmap(NULL, LEN, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t before = ft_counter(self->f, c);

	ASSERT_NE(MAP_FAILED, p);
	ft_fill(p, LEN, 24);
	ASSERT_STAYS(p, LEN, FERRY_REASON_SHMEM);
	ASSERT_EQ(before + PAGES, ft_counter(self->f, c));
}

FERRY_TEST_MAIN
