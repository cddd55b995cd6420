// SPDX-License-Identifier: GPL-2.0
/*
 * ferry demo: the steps.
 *
 * The data is cut into quarters: the second one stays in 4 KiB pages, so that
 * both sizes are seen to travel. What the CPU knows of the data it computes
 * before anything moves, for its every touch brings pages home.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compute.h"
#include "demo.h"

#define HUGE		(2 * MIB)
#define STRIPE		(64UL << 10)
/* Memory that step 6 leaves to the rest of the system. */
#define SPARE		(64 * MIB)

static size_t mibs(const struct demo *d)
{
	return d->options.size / MIB;
}

static char *stripe(const struct demo *d)
{
	return d->data + d->options.size / 8 * 3;
}

/* ---- before the steps ------------------------------------------------ */

static bool allocate(struct demo *d)
{
	size_t size = d->options.size;

	/* The histogram gets a unit of its own, lest its page pull others along. */
	d->data = aligned_alloc(HUGE, size + HUGE);
	d->crcs = calloc(mibs(d), sizeof(*d->crcs));
	if (!d->data || !d->crcs) {
		complain("no memory for %s of data: say a smaller --size", size_text(size).s);
		return false;
	}
	d->bins = (uint64_t *)(d->data + size);
	madvise(d->data + size / 4, size / 4, MADV_NOHUGEPAGE);
	return true;
}

/* Bytes read, up to @size, or -1. */
static ssize_t read_file(const char *path, char *to, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t done = 0;
	ssize_t n = -1;

	if (fd < 0)
		return -1;
	while (done < size && (n = read(fd, to + done, size - done)) > 0)
		done += n;
	close(fd);
	return n < 0 ? -1 : (ssize_t)done;
}

/* The file, as often as it takes. */
static bool fill_data(struct demo *d)
{
	size_t size = d->options.size, part;
	ssize_t n = read_file(d->options.file, d->data, size);

	if (n <= 0) {
		complain("cannot read %s: %s; say another --file", d->options.file,
			 n ? strerror(errno) : "it is empty");
		return false;
	}
	for (size_t at = n; at < size; at += part) {
		part = size - at < (size_t)n ? size - at : (size_t)n;
		memcpy(d->data + at, d->data, part);
	}
	return true;
}

static void compute_on_cpu(struct demo *d)
{
	uint64_t started = now_ns();
	uint32_t all = 0;

	for (size_t i = 0; i < mibs(d); i++) {
		d->crcs[i] = crc32c(d->data + i * MIB, MIB);
		all = crc32c_join(all, d->crcs[i], MIB);
	}
	d->stripe_crc = crc32c(stripe(d), STRIPE);
	histogram(d->cpu_bins, d->data, d->options.size);
	say(d, "   The CPU took %s for its CRC32C, %08x, and its histogram.",
	    time_text(now_ns() - started).s, all);
}

bool demo_prepare(struct demo *d)
{
	if (!allocate(d) || !fill_data(d))
		return false;
	compute_on_cpu(d);
	draw(d, d->data, d->options.size, NULL);
	return true;
}

/* ---- the engine's part ----------------------------------------------- */

typedef int (*add_fn)(struct ferry_list *l, char *p, size_t mib);

static int add_crc(struct ferry_list *l, char *p, size_t mib)
{
	return ferry_list_crc32c(l, p + mib * MIB, MIB);
}

/* Each MiB of step 6 gets its own. */
static uint64_t pattern(size_t mib)
{
	return (mib + 1) * 0x9e3779b97f4a7c15ULL;
}

static int add_fill(struct ferry_list *l, char *p, size_t mib)
{
	return ferry_list_fill(l, p + mib * MIB, pattern(mib), MIB);
}

/* A command for each of @n MiB at @p, in as many lists as that takes. */
static int each_mib(struct ferry *f, add_fn add, char *p, size_t n, uint64_t *results)
{
	struct ferry_list *l;
	int err = ferry_list_create(&l);

	for (size_t i = 0; i < n && !err; ) {
		size_t first = i;

		ferry_list_clear(l);
		while (i < n && i - first < FERRY_MAX_CMDS && err >= 0)
			err = add(l, p, i++);
		if (err >= 0)
			err = ferry_run(f, l, results ? results + first : NULL, i - first, NULL);
	}
	ferry_list_destroy(l);
	return err;
}

/* The first of @n MiB at @p whose CRC the engine finds other than @expected; @n if none. */
static int compare_crcs(struct ferry *f, char *p, size_t n, const uint32_t *expected,
			size_t *wrong)
{
	uint64_t *found = calloc(n, sizeof(*found));
	int err = found ? each_mib(f, add_crc, p, n, found) : -ENOMEM;

	*wrong = 0;
	while (!err && *wrong < n && found[*wrong] == expected[*wrong])
		++*wrong;
	free(found);
	return err;
}

/* True when the engine behind @f finds the data as the CPU did. */
static bool check_data(struct demo *d, struct ferry *f, const char *who)
{
	size_t wrong;
	int err = compare_crcs(f, d->data, mibs(d), d->crcs, &wrong);

	if (err)
		return step_fail(d, "%s cannot read the data: %s", who, ferry_strerror(err));
	if (wrong < mibs(d))
		return step_fail(d, "%s finds other bytes than the CPU in MiB %zu", who, wrong);
	return true;
}

/* ---- 1. migrate half ------------------------------------------------- */

static const char *main_reason(const struct ferry_moved *moved)
{
	int most = 0;

	for (int i = 1; i < FERRY_REASONS; i++) {
		if (i != FERRY_REASON_RESIDENT && moved->reasons[i] > moved->reasons[most])
			most = i;
	}
	return ferry_reason_name(most);
}

static bool tally_range(struct demo *d, const void *p, size_t len, struct tally *t)
{
	size_t n = len / d->info[0].page_size;
	struct ferry_residency *pages = calloc(n, sizeof(*pages));
	bool ok = pages && ferry_residency(d->f[0], p, len, pages, n) == (long)n;

	memset(t, 0, sizeof(*t));
	for (size_t i = 0; ok && i < n; i++)
		t->pages[place_of(&pages[i])]++;
	free(pages);
	return ok;
}

/* The query must agree with the migration, and nearly all must have moved. */
static bool check_arrived(struct demo *d, size_t len, int device, const struct ferry_moved *moved)
{
	uint64_t pages = len / d->info[0].page_size;
	uint64_t expected = moved->moved + moved->reasons[FERRY_REASON_RESIDENT];
	struct tally t;

	if (!tally_range(d, d->data, len, &t))
		return step_fail(d, "cannot ask where the pages are");
	if (tally_device(&t, device) != expected)
		return step_fail(d, "the migration says %llu pages are on ferry%d, the query says %llu",
				 (unsigned long long)expected, device,
				 (unsigned long long)tally_device(&t, device));
	if (pages - expected > pages / 20)
		return step_fail(d, "%llu of %llu pages stayed behind, most because: %s",
				 (unsigned long long)(pages - expected), (unsigned long long)pages,
				 main_reason(moved));
	return true;
}

static bool step_migrate(struct demo *d)
{
	size_t half = d->options.size / 2;
	struct ferry_moved moved;
	struct tally rest;
	int err;

	step_begin(d, 1, "Migrate half of it to the device");
	measure_begin(d);
	err = ferry_to_device(d->f[0], d->data, half, &moved);
	if (err)
		return step_fail(d, "the migration failed: %s", ferry_strerror(err));
	measure_end(d, "RAM to device", 0, &moved);
	draw(d, d->data, d->options.size, NULL);
	if (!check_arrived(d, half, ferry_device(d->f[0]), &moved))
		return false;
	if (!tally_range(d, d->data + half, half, &rest) || tally_devices(&rest))
		return step_fail(d, "pages moved that nobody asked for");
	step_ok(d, "%llu pages are on ferry%d, the other half is still in RAM",
		(unsigned long long)moved.moved, ferry_device(d->f[0]));
	return true;
}

/* ---- 2. the engine computes ------------------------------------------ */

static int engine_histogram(struct demo *d)
{
	struct ferry_list *l;
	int err = ferry_list_create(&l);

	memset(d->bins, 0, sizeof(d->cpu_bins));
	if (!err)
		err = ferry_list_histogram(l, d->bins, d->data, d->options.size);
	if (err >= 0)
		err = ferry_run(d->f[0], l, NULL, 0, NULL);
	ferry_list_destroy(l);
	return err;
}

static bool step_compute(struct demo *d)
{
	int err;

	step_begin(d, 2, "The engine computes on all of it, by the same pointers");
	measure_begin(d);
	if (!check_data(d, d->f[0], "the engine"))
		return false;
	measure_end(d, "CRC32C, half of it not there yet", d->options.size, NULL);
	measure_begin(d);
	err = engine_histogram(d);
	if (err)
		return step_fail(d, "the engine cannot do the histogram: %s", ferry_strerror(err));
	measure_end(d, "histogram, all of it there", d->options.size, NULL);
	draw(d, d->data, d->options.size, NULL);
	if (memcmp(d->bins, d->cpu_bins, sizeof(d->cpu_bins)))
		return step_fail(d, "the engine's histogram is not the CPU's");
	step_ok(d, "CRC32C of each MiB and the histogram are the CPU's");
	return true;
}

/* ---- 3. the CPU reads a stripe --------------------------------------- */

/* What a fault may bring home beside the page it is about. */
static size_t neighbourhood(const struct demo *d, const struct ferry_residency *page)
{
	return page->order >= 9 ? HUGE : d->info[0].fault_window;
}

static bool was_on_device(const struct ferry_residency *page)
{
	return page->where >= 0;
}

/* Pages that left the device: @near the stripe and @far from it. */
static void count_home(const struct demo *d, const struct ferry_residency *before,
		       const struct ferry_residency *after, size_t *near, size_t *far)
{
	size_t page_size = d->info[0].page_size, n = d->options.size / page_size;
	size_t first = (stripe(d) - d->data) / page_size, last = first + STRIPE / page_size;
	size_t slack = neighbourhood(d, &before[first]) / page_size;

	*near = 0;
	*far = 0;
	for (size_t i = 0; i < n; i++) {
		if (!was_on_device(&before[i]) || was_on_device(&after[i]))
			continue;
		if (i + slack >= first && i < last + slack)
			++*near;
		else
			++*far;
	}
}

static bool check_stripe(struct demo *d, const struct ferry_residency *before,
			 const struct ferry_residency *after, uint32_t crc)
{
	size_t near, far;

	count_home(d, before, after, &near, &far);
	if (crc != d->stripe_crc)
		return step_fail(d, "the CPU reads other bytes than were there");
	if (far)
		return step_fail(d, "%zu pages far from the stripe came home too", far);
	if (!near && d->info[0].kind == FERRY_KIND_PRIVATE)
		return step_fail(d, "no page came home, though the CPU read there");
	step_ok(d, "right bytes; %zu pages around the stripe came home, none from elsewhere", near);
	return true;
}

static bool read_stripe(struct demo *d, struct ferry_residency *before,
			struct ferry_residency *after, size_t n)
{
	uint32_t crc;

	if (ferry_residency(d->f[0], d->data, d->options.size, before, n) != (long)n)
		return step_fail(d, "cannot ask where the pages are");
	measure_begin(d);
	crc = crc32c(stripe(d), STRIPE);
	measure_end(d, "read by the CPU", STRIPE, NULL);
	if (ferry_residency(d->f[0], d->data, d->options.size, after, n) != (long)n)
		return step_fail(d, "cannot ask where the pages are");
	draw(d, d->data, d->options.size, NULL);
	return check_stripe(d, before, after, crc);
}

static bool step_stripe(struct demo *d)
{
	size_t n = d->options.size / d->info[0].page_size;
	struct ferry_residency *before = calloc(n, sizeof(*before));
	struct ferry_residency *after = calloc(n, sizeof(*after));
	bool ok;

	step_begin(d, 3, "The CPU reads a stripe of 64 KiB");
	if (before && after)
		ok = read_stripe(d, before, after, n);
	else
		ok = step_fail(d, "out of memory");
	free(before);
	free(after);
	return ok;
}

/* ---- 4. fork --------------------------------------------------------- */

/*
 * The child writes a MiB of huge pages and a MiB of small ones, the parent a
 * stripe elsewhere. Each must see its own writes and none of the other's.
 */
enum child_trouble {
	CHILD_FINE,
	CHILD_MISREADS,
	CHILD_SEES_WRONG,
	CHILD_SEES_PARENT,
	CHILD_LOSES,
	CHILD_NO_DEVICE,
	CHILD_ENGINE_DIFFERS,
	CHILD_TROUBLES,
};

static const char *const child_troubles[] = {
	[CHILD_MISREADS] = "the child does not read what it wrote",
	[CHILD_SEES_WRONG] = "the child sees wrong bytes where nobody wrote",
	[CHILD_SEES_PARENT] = "the child sees what the parent wrote",
	[CHILD_LOSES] = "the child lost what it wrote",
	[CHILD_NO_DEVICE] = "the child cannot use the device by a context of its own",
	[CHILD_ENGINE_DIFFERS] = "the engine sees other bytes than the child",
};

#define CHILD_BYTE	0xc5
#define PARENT_BYTE	0x3a

struct family {
	char *child[2];		/* MiBs that the child writes */
	char *parent;		/* stripe that the parent writes, first of its MiB */
	char *nobody;		/* MiB that nobody writes */
	int end[2];		/* of a socket: the parent's and the child's */
};

static uint32_t original_crc(const struct demo *d, const char *p)
{
	return d->crcs[(p - d->data) / MIB];
}

static bool is_all(const char *p, size_t len, int byte)
{
	return (unsigned char)*p == byte && !memcmp(p, p + 1, len - 1);
}

/* Both fail when the other one is dead. */
static bool tell(int fd)
{
	return send(fd, "x", 1, MSG_NOSIGNAL) == 1;
}

static bool listen_to(int fd)
{
	char c;

	return recv(fd, &c, 1, 0) == 1;
}

static enum child_trouble child_writes(const struct demo *d, const struct family *fam)
{
	for (int i = 0; i < 2; i++)
		memset(fam->child[i], CHILD_BYTE, MIB);
	for (int i = 0; i < 2; i++) {
		if (!is_all(fam->child[i], MIB, CHILD_BYTE))
			return CHILD_MISREADS;
	}
	if (crc32c(fam->nobody, MIB) != original_crc(d, fam->nobody))
		return CHILD_SEES_WRONG;
	return CHILD_FINE;
}

static enum child_trouble child_looks_again(const struct demo *d, const struct family *fam)
{
	if (crc32c(fam->parent, MIB) != original_crc(d, fam->parent))
		return CHILD_SEES_PARENT;
	for (int i = 0; i < 2; i++) {
		if (!is_all(fam->child[i], MIB, CHILD_BYTE))
			return CHILD_LOSES;
	}
	return CHILD_FINE;
}

static enum child_trouble child_computes(const struct demo *d, const struct family *fam)
{
	uint32_t expected = crc32c(fam->child[0], MIB);
	struct ferry *f;
	size_t wrong[2] = { 0 };
	int err = ferry_open(d->options.device, &f);

	for (int i = 0; i < 2 && !err; i++)
		err = compare_crcs(f, fam->child[i], 1, &expected, &wrong[i]);
	if (err)
		return CHILD_NO_DEVICE;
	ferry_close(f);
	return wrong[0] && wrong[1] ? CHILD_FINE : CHILD_ENGINE_DIFFERS;
}

static void __attribute__((noreturn)) child(const struct demo *d, const struct family *fam)
{
	enum child_trouble trouble;

	close(fam->end[0]);
	trouble = child_writes(d, fam);
	if (!tell(fam->end[1]) || !listen_to(fam->end[1]))
		_exit(CHILD_TROUBLES);
	if (trouble == CHILD_FINE)
		trouble = child_looks_again(d, fam);
	if (trouble == CHILD_FINE)
		trouble = child_computes(d, fam);
	_exit(trouble);
}

/* While the child waits. NULL, or what is wrong. */
static const char *parent_writes(const struct demo *d, const struct family *fam)
{
	for (int i = 0; i < 2; i++) {
		if (crc32c(fam->child[i], MIB) != original_crc(d, fam->child[i]))
			return "the parent sees what the child wrote";
	}
	memset(fam->parent, PARENT_BYTE, STRIPE);
	return NULL;
}

/* NULL, or what is wrong. */
static const char *child_end(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status) || WEXITSTATUS(status) >= CHILD_TROUBLES)
		return "the child died";
	return child_troubles[WEXITSTATUS(status)];
}

static const char *run_family(const struct demo *d, const struct family *fam)
{
	const char *wrong, *trouble;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0)
		child(d, fam);
	if (pid < 0)
		return "cannot fork";
	close(fam->end[1]);
	wrong = listen_to(fam->end[0]) ? parent_writes(d, fam) : NULL;
	tell(fam->end[0]);
	trouble = child_end(pid);
	if (!wrong && !is_all(fam->parent, STRIPE, PARENT_BYTE))
		wrong = "the parent lost what it wrote";
	return wrong ? wrong : trouble;
}

static const char *set_up_family(const struct demo *d, struct family *fam)
{
	char *middle = d->data + d->options.size / 2;

	fam->child[0] = d->data;
	fam->child[1] = d->data + d->options.size / 4;
	fam->parent = middle;
	fam->nobody = middle + MIB;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fam->end))
		return "cannot make a socket";
	return NULL;
}

static bool step_fork(struct demo *d)
{
	static char saved[STRIPE];
	struct family fam;
	const char *wrong;

	step_begin(d, 4, "fork: the child writes, the parent writes, both see the right bytes");
	wrong = set_up_family(d, &fam);
	if (wrong)
		return step_fail(d, "%s", wrong);
	memcpy(saved, fam.parent, STRIPE);
	if (ferry_to_device(d->f[0], d->data, d->options.size, NULL))
		return step_fail(d, "cannot bring the data to the device before the fork");
	measure_begin(d);
	wrong = run_family(d, &fam);
	measure_end(d, "written by child and parent", 2 * MIB + STRIPE, NULL);
	close(fam.end[0]);
	memcpy(fam.parent, saved, STRIPE);
	draw(d, d->data, d->options.size, NULL);
	if (wrong)
		return step_fail(d, "%s", wrong);
	if (!check_data(d, d->f[0], "the engine"))
		return false;
	step_ok(d, "each sees its own writes only, and so does the engine for each");
	return true;
}

/* ---- 5. device to device --------------------------------------------- */

static bool check_peer(struct demo *d, const struct measure *m, uint64_t pages)
{
	uint64_t peer = measured(m, 1, FERRY_C_PEER_PAGES);
	uint64_t stopped = measured(m, 0, FERRY_C_TO_RAM_PAGES);

	if (peer < pages - pages / 20)
		return step_fail(d, "only %llu of %llu pages came straight from ferry%d",
				 (unsigned long long)peer, (unsigned long long)pages,
				 ferry_device(d->f[0]));
	if (stopped)
		return step_fail(d, "%llu pages stopped in RAM on the way",
				 (unsigned long long)stopped);
	if (!check_data(d, d->f[1], "the second engine"))
		return false;
	step_ok(d, "%llu pages without a stop in RAM, and the second engine finds the CPU's CRC32C",
		(unsigned long long)peer);
	return true;
}

static bool step_peer(struct demo *d)
{
	struct ferry_moved moved;
	const struct measure *m;
	struct tally before;
	int err;

	step_begin(d, 5, "A second device takes the pages straight from the first");
	if (d->devices < 2)
		return step_skip(d, "there is no device after ferry%d: load the driver with devices=2",
				 ferry_device(d->f[0]));
	err = ferry_to_device(d->f[0], d->data, d->options.size, NULL);
	if (err || !tally_range(d, d->data, d->options.size, &before))
		return step_fail(d, "cannot bring the data to the first device");
	measure_begin(d);
	err = ferry_to_device(d->f[1], d->data, d->options.size, &moved);
	if (err)
		return step_fail(d, "the migration failed: %s", ferry_strerror(err));
	m = measure_end(d, "device to device", 0, &moved);
	draw(d, d->data, d->options.size, NULL);
	if (!check_arrived(d, d->options.size, ferry_device(d->f[1]), &moved))
		return false;
	return check_peer(d, m, tally_device(&before, ferry_device(d->f[0])));
}

/* ---- 6. more than the device holds ----------------------------------- */

static uint64_t available_memory(void)
{
	FILE *meminfo = fopen("/proc/meminfo", "re");
	unsigned long long kib = 0;
	char line[128];

	while (meminfo && fgets(line, sizeof(line), meminfo)) {
		if (sscanf(line, "MemAvailable: %llu", &kib) == 1)
			break;
	}
	if (meminfo)
		fclose(meminfo);
	return (uint64_t)kib << 10;
}

static bool is_pattern(const char *p, size_t mib)
{
	const uint64_t *words = (const uint64_t *)(p + mib * MIB);
	uint64_t expected = pattern(mib), wrong = 0;

	for (size_t i = 0; i < MIB / sizeof(*words); i++)
		wrong |= words[i] ^ expected;
	return !wrong;
}

static bool check_on_engine(struct demo *d, char *p, size_t n)
{
	uint32_t *expected = calloc(n, sizeof(*expected));
	size_t wrong = 0;
	int err = -ENOMEM;

	for (size_t i = 0; expected && i < n; i++)
		expected[i] = crc32c_repeated(pattern(i), MIB);
	measure_begin(d);
	if (expected)
		err = compare_crcs(d->f[0], p, n, expected, &wrong);
	measure_end(d, "CRC32C by the engine", n * MIB, NULL);
	free(expected);
	if (err)
		return step_fail(d, "the engine cannot read it back: %s", ferry_strerror(err));
	if (wrong < n)
		return step_fail(d, "the engine finds wrong bytes in MiB %zu", wrong);
	return true;
}

static bool check_on_cpu(struct demo *d, const char *p, size_t n)
{
	size_t i = 0;

	measure_begin(d);
	while (i < n && is_pattern(p, i))
		i++;
	measure_end(d, "read by the CPU", i * MIB, NULL);
	return i == n || step_fail(d, "the CPU finds wrong bytes in MiB %zu", i);
}

static bool oversubscribe(struct demo *d, char *p, size_t n)
{
	struct step *s = d->step;
	uint64_t evicted = 0;
	int err;

	measure_begin(d);
	err = each_mib(d->f[0], add_fill, p, n, NULL);
	measure_end(d, "filled by the engine", n * MIB, NULL);
	if (err)
		return step_fail(d, "the engine cannot fill it: %s", ferry_strerror(err));
	draw(d, p, n * MIB, NULL);
	if (!check_on_engine(d, p, n) || !check_on_cpu(d, p, n))
		return false;
	for (int i = 0; i < s->measures; i++)
		evicted += measured(&s->measure[i], 0, FERRY_C_EVICTED_PAGES);
	if (!evicted)
		return step_fail(d, "nothing was evicted: does the policy of ferry%d migrate at all?",
				 ferry_device(d->f[0]));
	/* What was there before went through all this, too. */
	if (!check_data(d, d->f[d->devices - 1], "the engine"))
		return false;
	step_ok(d, "%llu pages were evicted, and every byte is right", (unsigned long long)evicted);
	return true;
}

static bool step_oversubscribe(struct demo *d)
{
	size_t n = d->info[0].vram_bytes * d->options.percent / 100 / MIB;
	uint64_t available = available_memory();
	char title[80];
	char *p;
	bool ok;

	snprintf(title, sizeof(title), "More than the device holds: %s on %s",
		 size_text(n * MIB).s, size_text(d->info[0].vram_bytes).s);
	step_begin(d, 6, title);
	if (available < n * MIB + SPARE)
		return step_skip(d, "needs %s of RAM, %s is available: load the driver with a smaller vram=",
				 size_text(n * MIB + SPARE).s, size_text(available).s);
	p = aligned_alloc(HUGE, n * MIB);
	if (!p)
		return step_fail(d, "out of memory");
	ok = oversubscribe(d, p, n);
	free(p);
	return ok;
}

/* ---- all of them ----------------------------------------------------- */

bool demo_work(struct demo *d)
{
	static bool (*const steps[])(struct demo *d) = {
		step_migrate,
		step_compute,
		step_stripe,
		step_fork,
		step_peer,
		step_oversubscribe,
	};

	/* After a failed step the next ones would only repeat it. */
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		if (!steps[i](d))
			return false;
	}
	/* For step 7 to see them go. */
	return !ferry_to_device(d->f[0], d->data, d->options.size / 2, NULL);
}
