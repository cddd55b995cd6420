// SPDX-License-Identifier: GPL-2.0
/*
 * ferry map: where the pages of a process are.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "picture.h"

/* Pages asked for at a time. */
#define CHUNK		(1UL << 16)
/* Reservations beyond this are left out: asking page by page would take minutes. */
#define LARGEST_VMA	(64ULL << 30)

struct options {
	bool json;
	bool all;
	bool have_range;
	int device;
	int pid;
	uint64_t addr, len;
};

/* A line of /proc/PID/maps, or the range that the user gave. */
struct area {
	uint64_t start, end;
	char perms[5];
	bool anonymous;
	char name[64];
};

struct map {
	const struct options *options;
	struct ferry *f;
	struct ferry_residency *pages;	/* CHUNK of them */
	size_t page_size;
	json_t *areas;			/* in JSON mode */
	struct tally total;
	unsigned int shown, left_out;
};

/* ---- options --------------------------------------------------------- */

#define KEY_PID		'p'
#define KEY_DEVICE	'd'

static const struct argp_option argp_options[] = {
	{ "json", 'j', NULL, 0, "Print JSON", 0 },
	{ "pid", KEY_PID, "PID", 0, "Of this process; of this command itself when left out", 0 },
	{ "device", KEY_DEVICE, "DEV", 0, "Ask this device (ferry0); any of them knows", 0 },
	{ "all", 'a', NULL, 0, "Mappings of files and devices, too", 0 },
	{ 0 }
};

static void parse_position(struct options *o, struct argp_state *state, const char *arg)
{
	if (state->arg_num == 0) {
		o->addr = parse_size(state, "address", arg);
	} else if (state->arg_num == 1) {
		o->len = parse_size(state, "length", arg);
		o->have_range = true;
	} else {
		argp_error(state, "one range at a time, not '%s' too", arg);
	}
}

static void check_options(const struct options *o, struct argp_state *state)
{
	if (state->arg_num == 1)
		argp_error(state, "an address needs a length: ferry map --pid PID ADDR LEN");
	if (o->have_range && o->all)
		argp_error(state, "either ADDR LEN or --all");
	if (o->have_range && (!o->len || o->addr + o->len < o->addr))
		argp_error(state, "the range is empty or leaves the address space");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'j':
		o->json = true;
		return 0;
	case 'a':
		o->all = true;
		return 0;
	case KEY_PID:
		o->pid = parse_number(state, "process", arg, 1, 1L << 22);
		return 0;
	case KEY_DEVICE:
		o->device = parse_device(state, arg);
		return 0;
	case ARGP_KEY_ARG:
		parse_position(o, state, arg);
		return 0;
	case ARGP_KEY_END:
		check_options(o, state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = argp_options,
	.parser = parse,
	.args_doc = "[ADDR LEN]",
	.doc = "Show where the pages of a process are: those of a range, else those of its anonymous memory.",
};

/* ---- /proc/PID/maps -------------------------------------------------- */

static bool parse_area(const char *line, struct area *a)
{
	unsigned long long inode;
	int name = 0;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*x %*s %llu %n",
		   &a->start, &a->end, a->perms, &inode, &name) < 4)
		return false;
	snprintf(a->name, sizeof(a->name), "%.*s", (int)strcspn(line + name, "\n"), line + name);
	/* What the kernel maps into everybody ([vdso]) has no pages of its own. */
	a->anonymous = !inode && strncmp(a->name, "[v", 2) && a->name[0] != '/';
	return true;
}

static FILE *open_maps(int pid)
{
	char path[32];
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	if (maps)
		return maps;
	if (errno == ENOENT)
		complain("no process %d", pid);
	else
		complain("cannot read %s: %s: be root, or the process's owner", path,
			 strerror(errno));
	return NULL;
}

/* ---- one area -------------------------------------------------------- */

static size_t area_pages(const struct map *m, const struct area *a)
{
	uint64_t mask = m->page_size - 1;

	return ((a->end + mask) & ~mask) / m->page_size - a->start / m->page_size;
}

static int complain_query(const struct map *m, int err)
{
	int pid = m->options->pid;

	if (err == -EPERM && pid)
		complain("not allowed to look at process %d: be root", pid);
	else if (err == -ESRCH && pid)
		complain("process %d has ended", pid);
	else
		complain("cannot ask where the pages are: %s", ferry_strerror(err));
	return err;
}

static int fill_picture(struct map *m, const struct area *a, struct picture *p)
{
	size_t left = area_pages(m, a);
	uint64_t at = a->start & ~(m->page_size - 1);

	while (left) {
		size_t want = left < CHUNK ? left : CHUNK;
		long n = ferry_residency_pid(m->f, m->options->pid, at, want * m->page_size,
					     m->pages, want);

		if (n <= 0)
			return complain_query(m, n ? n : -EIO);
		if (!picture_add(p, m->pages, n))
			return complain_query(m, -ENOMEM);
		at += n * m->page_size;
		left -= n;
	}
	return picture_end(p) ? 0 : complain_query(m, -ENOMEM);
}

static void print_share(const char *name, uint64_t pages, size_t page_size)
{
	if (pages)
		printf("  %s %s", name, size_text(pages * page_size).s);
}

static void print_tally(const struct map *m, const struct tally *t)
{
	char name[32];

	print_share("RAM", t->pages[PLACE_RAM], m->page_size);
	for (int n = 0; n < FERRY_MAX_DEVICES; n++) {
		snprintf(name, sizeof(name), "ferry%d 4K", n);
		print_share(name, t->pages[PLACE_SMALL + n], m->page_size);
		snprintf(name, sizeof(name), "ferry%d 2M", n);
		print_share(name, t->pages[PLACE_HUGE + n], m->page_size);
	}
	print_share("untouched", t->pages[PLACE_NONE], m->page_size);
	print_share("unmapped", t->pages[PLACE_UNMAPPED], m->page_size);
	putchar('\n');
}

static void print_area(const struct map *m, const struct area *a, const struct picture *p)
{
	printf("%012" PRIx64 "-%012" PRIx64 "%s%s %s%s%s\n ", a->start, a->end,
	       *a->perms ? " " : "", a->perms, size_text(a->end - a->start).s,
	       *a->name ? " " : "", a->name);
	print_tally(m, &p->total);
	picture_print(stdout, p, "   ", on_terminal());
}

static json_t *device_json(const struct tally *t, int n)
{
	return json_pack("{s:i, s:I, s:I}", "device", n,
			 "small_pages", (json_int_t)t->pages[PLACE_SMALL + n],
			 "huge_pages", (json_int_t)t->pages[PLACE_HUGE + n]);
}

static json_t *tally_json(const struct tally *t)
{
	json_t *devices = json_array();

	for (int n = 0; n < FERRY_MAX_DEVICES; n++) {
		if (!tally_device(t, n))
			continue;
		json_array_append_new(devices, device_json(t, n));
	}
	return json_pack("{s:I, s:I, s:I, s:o}",
			 "ram", (json_int_t)t->pages[PLACE_RAM],
			 "untouched", (json_int_t)t->pages[PLACE_NONE],
			 "unmapped", (json_int_t)t->pages[PLACE_UNMAPPED],
			 "devices", devices);
}

static json_t *area_json(const struct map *m, const struct area *a, const struct picture *p)
{
	char start[20], end[20];

	/* JSON numbers do not hold every address exactly in every reader. */
	snprintf(start, sizeof(start), "0x%" PRIx64, a->start);
	snprintf(end, sizeof(end), "0x%" PRIx64, a->end);
	return json_pack("{s:s, s:s, s:s, s:o, s:o, s:I, s:s}",
			 "start", start, "end", end, "perms", a->perms,
			 "name", text_json(a->name),
			 "pages", tally_json(&p->total),
			 "bytes_per_cell", (json_int_t)(p->pages_per_cell * m->page_size),
			 "picture", p->cells ? p->cells : "");
}

static void tally_sum(struct tally *sum, const struct tally *t)
{
	for (int i = 0; i < PLACES; i++)
		sum->pages[i] += t->pages[i];
}

static int map_area(struct map *m, const struct area *a)
{
	struct picture p;
	int err;

	picture_begin(&p, picture_scale(area_pages(m, a)));
	err = fill_picture(m, a, &p);
	if (!err) {
		tally_sum(&m->total, &p.total);
		m->shown++;
		if (m->options->json)
			json_array_append_new(m->areas, area_json(m, a, &p));
		else
			print_area(m, a, &p);
	}
	picture_free(&p);
	return err;
}

/* ---- the whole process ----------------------------------------------- */

static bool is_wanted(struct map *m, const struct area *a)
{
	if (!a->anonymous && !m->options->all)
		return false;
	if (a->end - a->start > LARGEST_VMA) {
		m->left_out++;
		return false;
	}
	/* [vsyscall] is beyond user space. */
	return strcmp(a->name, "[vsyscall]") != 0;
}

static int map_process(struct map *m)
{
	FILE *maps = open_maps(m->options->pid ? m->options->pid : getpid());
	struct area a;
	char *line = NULL;
	size_t size = 0;
	int err = 0;

	if (!maps)
		return -ENOENT;
	while (!err && getline(&line, &size, maps) > 0) {
		if (parse_area(line, &a) && is_wanted(m, &a))
			err = map_area(m, &a);
	}
	free(line);
	fclose(maps);
	return err;
}

static int map_range(struct map *m)
{
	struct area a = {
		.start = m->options->addr,
		.end = m->options->addr + m->options->len,
	};

	return map_area(m, &a);
}

/* A bit for each device. */
static unsigned int devices_there(void)
{
	unsigned int bits = 0;

	for (int n = ferry_device_next(-1); n >= 0; n = ferry_device_next(n))
		bits |= 1U << n;
	return bits;
}

static int print_sum(struct map *m)
{
	if (m->options->json)
		return print_json(json_pack("{s:i, s:I, s:I, s:O, s:o}",
					    "pid", m->options->pid ? m->options->pid : getpid(),
					    "page_size", (json_int_t)m->page_size,
					    "left_out", (json_int_t)m->left_out,
					    "areas", m->areas, "total", tally_json(&m->total)),
				  true);
	if (m->shown != 1) {
		printf("total");
		print_tally(m, &m->total);
	}
	picture_legend(stdout, devices_there(), on_terminal());
	if (m->left_out)
		complain("left out %u mappings larger than %s: name a part of them as ADDR LEN",
			 m->left_out, size_text(LARGEST_VMA).s);
	return ferror(stdout) ? STATUS_FAILED : STATUS_OK;
}

static int map_device(const struct options *o, struct ferry *f)
{
	struct map m = { .options = o, .f = f, .page_size = sysconf(_SC_PAGESIZE) };
	int status = STATUS_FAILED;

	m.areas = json_array();
	m.pages = calloc(CHUNK, sizeof(*m.pages));
	if (!m.pages)
		complain("out of memory");
	else if (!(o->have_range ? map_range(&m) : map_process(&m)))
		status = print_sum(&m);
	free(m.pages);
	json_decref(m.areas);
	return status;
}

static int run(const struct command *cmd, int argc, char **argv)
{
	struct options o = { 0 };
	struct ferry *f;
	int status;

	parse_arguments(cmd, argc, argv, &o);
	f = open_device(o.device);
	if (!f)
		return STATUS_FAILED;
	status = map_device(&o, f);
	ferry_close(f);
	return status;
}

const struct command map_command = {
	.name = "map",
	.summary = "show where the pages of a process are",
	.argp = &argp,
	.run = run,
};
