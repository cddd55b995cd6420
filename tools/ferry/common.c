// SPDX-License-Identifier: GPL-2.0
/*
 * What the subcommands share: arguments, messages, numbers as text.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"

/* argp prints the name it is given in each message. */
void parse_arguments(const struct command *cmd, int argc, char **argv, void *options)
{
	static char name[32];

	snprintf(name, sizeof(name), "ferry %s", cmd->name);
	argv[0] = name;
	program_invocation_name = name;
	argp_err_exit_status = STATUS_USAGE;
	argp_parse(cmd->argp, argc, argv, 0, NULL, options);
}

void complain(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fputs("ferry: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

/* ---- devices --------------------------------------------------------- */

void complain_no_devices(void)
{
	complain("no /dev/ferry0: is the driver loaded? try: modprobe ferry");
}

/* "ferry0", "ferry0, ferry2 and ferry3": the devices there are. */
static void name_devices(char *text, size_t size, int first)
{
	int n = first, next;
	size_t len;

	len = snprintf(text, size, "ferry%d", n);
	for (n = ferry_device_next(n); n >= 0 && len < size; n = next) {
		next = ferry_device_next(n);
		len += snprintf(text + len, size - len, "%sferry%d",
				next < 0 ? " and " : ", ", n);
	}
}

static void complain_no_device(int n)
{
	char text[FERRY_MAX_DEVICES * sizeof(", ferry00") + 8];
	int first = ferry_device_next(-1);

	if (first < 0) {
		complain_no_devices();
		return;
	}
	name_devices(text, sizeof(text), first);
	complain("no /dev/ferry%d: this machine has %s", n, text);
}

struct ferry *open_device(int n)
{
	struct ferry *f = NULL;
	int err = ferry_open(n, &f);

	switch (err) {
	case 0:
		break;
	case -ENOENT:
		complain_no_device(n);
		break;
	case -EACCES:
		complain("no permission to open /dev/ferry%d: be root, or have its mode changed",
			 n);
		break;
	case -EPROTO:
		complain("/dev/ferry%d speaks another ABI than this command (%s): install both from one release",
			 n, ferry_version());
		break;
	default:
		complain("cannot open /dev/ferry%d: %s", n, ferry_strerror(err));
	}
	return f;
}

/* ---- arguments ------------------------------------------------------- */

static const char *skip_prefix(const char *text, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(text, prefix, len) ? text : text + len;
}

int parse_device(struct argp_state *state, const char *text)
{
	const char *digits = skip_prefix(skip_prefix(text, "/dev/"), "ferry");
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(digits, &end, 10);
	if (end == digits || *end || errno || *digits == '-' || n >= FERRY_MAX_DEVICES)
		argp_error(state, "no device '%s': say 0, ferry0 or /dev/ferry0", text);
	return n;
}

/* How far a suffix shifts, or -1. */
static int suffix_shift(const char *suffix)
{
	static const char *const names[] = { "", "K", "M", "G", "T" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (!strcasecmp(suffix, names[i]))
			return 10 * i;
	}
	return -1;
}

uint64_t parse_size(struct argp_state *state, const char *what, const char *text)
{
	unsigned long long n;
	char *end;
	int shift;

	errno = 0;
	n = strtoull(text, &end, 0);
	shift = suffix_shift(end);
	if (end == text || errno || *text == '-' || shift < 0 || n > UINT64_MAX >> shift)
		argp_error(state, "bad %s '%s': say a number such as 4096, 0x1000, 64K, 16M or 2G",
			   what, text);
	return n << shift;
}

long parse_number(struct argp_state *state, const char *what, const char *text,
		  long min, long max)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (end == text || *end || errno || n < min || n > max)
		argp_error(state, "bad %s '%s': say a number from %ld to %ld",
			   what, text, min, max);
	return n;
}

/* ---- numbers as text ------------------------------------------------- */

/* A small number that is not whole gets a fraction. */
static struct text scaled(double v, double step, const char *const *units)
{
	struct text t;

	while (v >= step && units[1]) {
		v /= step;
		units++;
	}
	snprintf(t.s, sizeof(t.s), "%.*f %s", v < 100 && v != (long)v, v, *units);
	return t;
}

struct text size_text(uint64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", NULL };

	return scaled(bytes, 1024, units);
}

struct text time_text(uint64_t ns)
{
	static const char *const units[] = { "ns", "us", "ms", "s", NULL };

	return scaled(ns, 1000, units);
}

/* ---- output ---------------------------------------------------------- */

bool on_terminal(void)
{
	const char *forced = getenv("FERRY_TTY");

	if (forced && *forced)
		return strcmp(forced, "0") != 0;
	return isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
}

json_t *text_json(const char *text)
{
	json_t *json = json_string(text);
	char *ascii;

	if (json)
		return json;
	ascii = strdup(text);
	for (char *p = ascii; p && *p; p++) {
		if (*p & 0x80)
			*p = '?';
	}
	json = json_string(ascii);
	free(ascii);
	return json;
}

int print_json(json_t *json, bool pretty)
{
	int err = json_dumpf(json, stdout, pretty ? JSON_INDENT(2) : JSON_COMPACT);

	if (err)
		complain("cannot write JSON: out of memory?");
	putchar('\n');
	fflush(stdout);
	json_decref(json);
	return err || ferror(stdout) ? STATUS_FAILED : STATUS_OK;
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}
