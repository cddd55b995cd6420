/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The ferry command: what its subcommands share.
 */
#ifndef FERRY_CMD_H
#define FERRY_CMD_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <jansson.h>
#include <ferry.h>

/* Exit statuses, as in the man page. */
#define STATUS_OK	0
#define STATUS_FAILED	1
#define STATUS_USAGE	2

/**
 * struct command - one subcommand
 * @name: what the user types
 * @summary: what it does, in a line
 * @argp: its options and arguments
 * @run: does it, with argv[0] the name; returns an exit status
 */
struct command {
	const char *name;
	const char *summary;
	const struct argp *argp;
	int (*run)(const struct command *cmd, int argc, char **argv);
};

extern const struct command list_command;
extern const struct command info_command;
extern const struct command stat_command;
extern const struct command map_command;
extern const struct command demo_command;

/* Parse into @options by cmd->argp. Does not return when the arguments are wrong. */
void parse_arguments(const struct command *cmd, int argc, char **argv, void *options);

/* Say "ferry: ..." on the standard error. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Open device @n, or say why not and what to do. NULL on failure. */
struct ferry *open_device(int n);
/* Say that there is no device at all. */
void complain_no_devices(void);

/* "1", "ferry1" or "/dev/ferry1"; ends the command when it is none of them. */
int parse_device(struct argp_state *state, const char *text);
/* "0x1000", "64K", "3M", "2G"; ends the command when it is none of them. */
uint64_t parse_size(struct argp_state *state, const char *what, const char *text);
/* A whole number from @min to @max; ends the command when it is not. */
long parse_number(struct argp_state *state, const char *what, const char *text,
		  long min, long max);

/* Text of a size ("64 MiB") or a time ("1.5 ms"), by value. */
struct text {
	char s[24];
};

struct text size_text(uint64_t bytes);
struct text time_text(uint64_t ns);

/* Colours and redrawing are for terminals; FERRY_TTY=1 or 0 decides otherwise. */
bool on_terminal(void);

/* A string, with what is not UTF-8 (a file's name need not be) made readable. */
json_t *text_json(const char *text);
/* Print and release; on one line unless @pretty. */
int print_json(json_t *json, bool pretty);

uint64_t now_ns(void);

#endif /* FERRY_CMD_H */
