// SPDX-License-Identifier: GPL-2.0
/*
 * ferry demo: the frame.
 *
 * The steps run in a child, whose death then is the last step: it leaves pages
 * on the device, and the parent looks whether they are gone.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "demo.h"

#define DEFAULT_SIZE	(64 * MIB)
/* Quarters of whole 2 MiB units. */
#define SIZE_STEP	(8 * MIB)
#define DEFAULT_PERCENT	150
/* How long a device may take to clean up after a process. */
#define EMPTY_SECONDS	10

/* ---- options --------------------------------------------------------- */

#define KEY_SIZE	's'
#define KEY_FILE	'f'
#define KEY_DEVICE	'd'
#define KEY_PERCENT	'o'

static const struct argp_option argp_options[] = {
	{ "json", 'j', NULL, 0, "Print nothing but a report in JSON", 0 },
	{ "size", KEY_SIZE, "BYTES", 0, "Of the data (64M, at most half of the device)", 0 },
	{ "file", KEY_FILE, "FILE", 0, "To fill it with (the running kernel's image)", 0 },
	{ "device", KEY_DEVICE, "DEV", 0, "The first device to use (ferry0)", 0 },
	{ "oversubscribe", KEY_PERCENT, "PERCENT", 0,
	  "Of the device's memory, for step 6 (150)", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'j':
		o->json = true;
		return 0;
	case KEY_SIZE:
		o->size = parse_size(state, "size", arg);
		if (!o->size || o->size % SIZE_STEP)
			argp_error(state, "bad size '%s': say a multiple of %s", arg,
				   size_text(SIZE_STEP).s);
		return 0;
	case KEY_FILE:
		o->file = arg;
		return 0;
	case KEY_DEVICE:
		o->device = parse_device(state, arg);
		return 0;
	case KEY_PERCENT:
		o->percent = parse_number(state, "percentage", arg, 101, 1000);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "demo takes no argument, not '%s'", arg);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = argp_options,
	.parser = parse,
	.doc = "Show pages move to a device and back while a program uses them, and check every byte.",
};

/* ---- the file -------------------------------------------------------- */

static bool is_readable(const char *path)
{
	return access(path, R_OK) == 0;
}

/* The running kernel's image, or else something large that every system has. */
static const char *default_file(void)
{
	static const char *const others[] = {
		"/vmlinuz", "/boot/vmlinuz",
		"/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
		"/usr/lib/x86_64-linux-gnu/libc.so.6", "/usr/lib64/libc.so.6",
	};
	static const char *const kernels[] = {
		"/boot/vmlinuz-%s", "/boot/vmlinux-%s", "/usr/lib/modules/%s/vmlinuz",
	};
	static char path[256];
	struct utsname name;

	uname(&name);
	for (size_t i = 0; i < sizeof(kernels) / sizeof(*kernels); i++) {
		snprintf(path, sizeof(path), kernels[i], name.release);
		if (is_readable(path))
			return path;
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		if (is_readable(others[i]))
			return others[i];
	}
	return "/proc/self/exe";
}

/* ---- devices --------------------------------------------------------- */

static bool pages_in_use(struct demo *d, uint64_t *used)
{
	static struct ferry_figures figures;

	for (int n = 0; n < d->devices; n++) {
		int err = ferry_get_figures(d->f[n], &figures);

		if (err) {
			complain("cannot read the figures of ferry%d: %s",
				 ferry_device(d->f[n]), ferry_strerror(err));
			return false;
		}
		used[n] = figures.frames_used;
	}
	return true;
}

static bool open_one(struct demo *d, int n, int device)
{
	int err;

	d->f[n] = open_device(device);
	if (!d->f[n])
		return false;
	err = ferry_get_info(d->f[n], &d->info[n]);
	if (err)
		complain("cannot ask ferry%d what it is: %s", ferry_device(d->f[n]),
			 ferry_strerror(err));
	return !err;
}

/* The device asked for, and the one after it if there is one. */
static bool open_devices(struct demo *d)
{
	int second = ferry_device_next(d->options.device);

	d->devices = second < 0 ? 1 : 2;
	return open_one(d, 0, d->options.device) &&
	       (second < 0 || open_one(d, 1, second));
}

static void close_devices(struct demo *d)
{
	for (int n = 0; n < DEVICES; n++) {
		ferry_close(d->f[n]);
		d->f[n] = NULL;
	}
}

static bool choose_size(struct demo *d)
{
	size_t most = d->info[0].vram_bytes / 2;

	if (d->devices == 2 && d->info[1].vram_bytes / 2 < most)
		most = d->info[1].vram_bytes / 2;
	most -= most % SIZE_STEP;
	if (!most) {
		complain("the device has %s: the demo needs %s at least; load the driver with a larger vram=",
			 size_text(d->info[0].vram_bytes).s, size_text(2 * SIZE_STEP).s);
		return false;
	}
	if (d->options.size > most) {
		complain("--size is %s, more than half of the device: say %s or less",
			 size_text(d->options.size).s, size_text(most).s);
		return false;
	}
	if (!d->options.size)
		d->options.size = most < DEFAULT_SIZE ? most : DEFAULT_SIZE;
	return true;
}

/* ---- the working process --------------------------------------------- */

/* Ends without cleaning up: that is what step 7 is about. */
static void __attribute__((noreturn)) work(struct demo *d)
{
	bool ok = open_devices(d) && demo_prepare(d) && demo_work(d);

	if (ok)
		ok = pages_in_use(d, d->report->left_behind);
	fflush(NULL);
	_exit(ok ? STATUS_OK : STATUS_FAILED);
}

static bool wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return false;
	}
	if (WIFSIGNALED(status))
		complain("the demo's process was killed by signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	return WIFEXITED(status) && WEXITSTATUS(status) == STATUS_OK;
}

static bool run_steps(struct demo *d)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0)
		work(d);
	if (pid < 0)
		complain("cannot start a process: %s", strerror(errno));
	return pid > 0 && wait_for(pid);
}

/* ---- step 7 ---------------------------------------------------------- */

static bool is_empty(struct demo *d, uint64_t *used)
{
	if (!pages_in_use(d, used))
		return false;
	for (int n = 0; n < d->devices; n++) {
		if (used[n] > d->used_before[n])
			return false;
	}
	return true;
}

static bool becomes_empty(struct demo *d, uint64_t *used)
{
	const struct timespec tick = { .tv_nsec = 50000000 };
	uint64_t end = now_ns() + EMPTY_SECONDS * 1000000000ULL;

	while (!is_empty(d, used)) {
		if (now_ns() > end)
			return false;
		nanosleep(&tick, NULL);
	}
	return true;
}

static bool step_exit(struct demo *d)
{
	uint64_t used[DEVICES] = { 0 };
	const uint64_t *left = d->report->left_behind;

	step_begin(d, 7, "The process exits, and the device is empty");
	if (!becomes_empty(d, used))
		return step_fail(d, "%llu pages are still in use (%llu before the demo)",
				 (unsigned long long)(used[0] + used[1]),
				 (unsigned long long)(d->used_before[0] + d->used_before[1]));
	step_ok(d, "it left %llu pages there; %llu are in use now%s",
		(unsigned long long)(left[0] + left[1]), (unsigned long long)(used[0] + used[1]),
		used[0] + used[1] ? ", by others, as before" : "");
	return true;
}

/* ---- the command ----------------------------------------------------- */

static void introduce(const struct demo *d)
{
	unsigned int letters = 0;

	say(d, "ferry demo: %s of malloc memory, filled with %s",
	    size_text(d->options.size).s, d->options.file);
	for (int n = 0; n < d->devices; n++)
		say(d, "   ferry%u: %s, %s of it free, %s", d->info[n].device,
		    size_text(d->info[n].vram_bytes).s, size_text(d->info[n].free_bytes).s,
		    ferry_kind_name(d->info[n].kind));
	if (d->options.json)
		return;
	printf("   A letter is 1 MiB: ");
	for (int n = 0; n < d->devices; n++)
		letters |= 1U << d->info[n].device;
	picture_legend(stdout, letters, on_terminal());
}

static bool set_up(struct demo *d)
{
	d->report = mmap(NULL, sizeof(*d->report), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (d->report == MAP_FAILED) {
		complain("out of memory");
		return false;
	}
	return open_devices(d) && pages_in_use(d, d->used_before) && choose_size(d);
}

static int conclude(struct demo *d, bool ok)
{
	if (d->options.json) {
		if (print_report(d))
			ok = false;
	} else {
		print_verdict(d);
	}
	return ok && all_passed(d->report) ? STATUS_OK : STATUS_FAILED;
}

static int run(const struct command *cmd, int argc, char **argv)
{
	static struct demo d = { .options = { .percent = DEFAULT_PERCENT } };
	bool ok;

	parse_arguments(cmd, argc, argv, &d.options);
	d.begun = now_ns();
	if (!d.options.file)
		d.options.file = default_file();
	if (!set_up(&d)) {
		close_devices(&d);
		return STATUS_FAILED;
	}
	introduce(&d);
	/* A context is of the process that opened it: the child opens its own. */
	close_devices(&d);
	ok = run_steps(&d);
	if (open_devices(&d))
		ok = step_exit(&d) && ok;
	close_devices(&d);
	return conclude(&d, ok);
}

const struct command demo_command = {
	.name = "demo",
	.summary = "show pages move, step by step, and check every byte",
	.argp = &argp,
	.run = run,
};
