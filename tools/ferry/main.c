// SPDX-License-Identifier: GPL-2.0
/*
 * The ferry command: the table of subcommands and its help.
 */
#include <string.h>

#include "cmd.h"

static const struct command *const commands[] = {
	&list_command,
	&info_command,
	&stat_command,
	&map_command,
	&demo_command,
};

#define COMMANDS	(sizeof(commands) / sizeof(*commands))

static void print_help(FILE *to)
{
	fputs("Usage: ferry COMMAND [OPTION...]\n"
	      "Look at Ferry devices and at the pages that are on them.\n\n", to);
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(to, "  %-6s %s\n", commands[i]->name, commands[i]->summary);
	fputs("\n'ferry COMMAND --help' shows the options of a command, 'man ferry-COMMAND'\n"
	      "explains them. Exit status: 0 success, 1 failure, 2 wrong usage.\n", to);
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		if (!strcmp(name, commands[i]->name))
			return commands[i];
	}
	return NULL;
}

static bool is_one_of(const char *word, const char *a, const char *b, const char *c)
{
	return !strcmp(word, a) || !strcmp(word, b) || !strcmp(word, c);
}

/* The other way to say "ferry COMMAND --help". */
static int show_help(const char *name)
{
	const struct command *cmd = name ? find_command(name) : NULL;
	char title[32];

	if (!cmd) {
		print_help(stdout);
		return STATUS_OK;
	}
	snprintf(title, sizeof(title), "ferry %s", cmd->name);
	argp_help(cmd->argp, stdout, ARGP_HELP_STD_HELP, title);
	return STATUS_OK;
}

int main(int argc, char **argv)
{
	const struct command *cmd;

	/* Progress is read as it happens, from pipes too. */
	setlinebuf(stdout);
	if (argc < 2) {
		print_help(stderr);
		return STATUS_USAGE;
	}
	if (is_one_of(argv[1], "--help", "-h", "help"))
		return show_help(argv[2]);
	if (is_one_of(argv[1], "--version", "-V", "version")) {
		printf("ferry %s\n", ferry_version());
		return STATUS_OK;
	}
	cmd = find_command(argv[1]);
	if (!cmd) {
		complain("no command '%s'; 'ferry --help' lists them", argv[1]);
		return STATUS_USAGE;
	}
	return cmd->run(cmd, argc - 1, argv + 1);
}
