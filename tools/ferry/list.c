// SPDX-License-Identifier: GPL-2.0
/*
 * ferry list, ferry info: the devices.
 */
#include "cmd.h"

struct options {
	bool json;
	int device;
};

static error_t parse_list(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'j':
		o->json = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "list takes no argument, not '%s'", arg);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static error_t parse_info(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'j':
		o->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num)
			argp_error(state, "one device at a time, not '%s' too", arg);
		o->device = parse_device(state, arg);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option argp_options[] = {
	{ "json", 'j', NULL, 0, "Print JSON", 0 },
	{ 0 }
};

static const struct argp list_argp = {
	.options = argp_options,
	.parser = parse_list,
	.doc = "Show the devices of this machine.",
};

static const struct argp info_argp = {
	.options = argp_options,
	.parser = parse_info,
	.args_doc = "[DEV]",
	.doc = "Show what a device is. DEV is 0, ferry0 or /dev/ferry0; 0 when left out.",
};

static json_t *info_json(const struct ferry_info *info)
{
	return json_pack("{s:i, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
			 "device", (int)info->device,
			 "kind", ferry_kind_name(info->kind),
			 "vram_bytes", (json_int_t)info->vram_bytes,
			 "free_bytes", (json_int_t)info->free_bytes,
			 "page_size", (json_int_t)info->page_size,
			 "max_order", (json_int_t)info->max_order,
			 "granule", (json_int_t)info->granule,
			 "fault_window", (json_int_t)info->fault_window,
			 "abi", (json_int_t)info->abi);
}

static bool get_info(int device, struct ferry_info *info)
{
	struct ferry *f = open_device(device);
	int err;

	if (!f)
		return false;
	err = ferry_get_info(f, info);
	ferry_close(f);
	if (err)
		complain("cannot ask ferry%d what it is: %s", device, ferry_strerror(err));
	return !err;
}

/* ---- list ------------------------------------------------------------ */

static void print_row(const struct ferry_info *info)
{
	uint64_t used = info->vram_bytes - info->free_bytes;

	printf("ferry%-3u %-9s %10s %10s %5.1f%%\n", info->device, ferry_kind_name(info->kind),
	       size_text(info->vram_bytes).s, size_text(info->free_bytes).s,
	       info->vram_bytes ? 100.0 * used / info->vram_bytes : 0);
}

static int run_list(const struct command *cmd, int argc, char **argv)
{
	struct options o = { 0 };
	json_t *all = json_array();
	int first = ferry_device_next(-1);
	int status = first >= 0 ? STATUS_OK : STATUS_FAILED;

	parse_arguments(cmd, argc, argv, &o);
	if (first < 0)
		complain_no_devices();
	else if (!o.json)
		printf("%-8s %-9s %10s %10s %6s\n", "DEVICE", "KIND", "SIZE", "FREE", "USED");
	for (int n = first; n >= 0; n = ferry_device_next(n)) {
		struct ferry_info info;

		if (!get_info(n, &info))
			status = STATUS_FAILED;
		else if (o.json)
			json_array_append_new(all, info_json(&info));
		else
			print_row(&info);
	}
	if (!o.json) {
		json_decref(all);
		return status;
	}
	return print_json(all, true) || status;
}

const struct command list_command = {
	.name = "list",
	.summary = "show the devices of this machine",
	.argp = &list_argp,
	.run = run_list,
};

/* ---- info ------------------------------------------------------------ */

static unsigned int count_devices(void)
{
	unsigned int count = 0;

	for (int n = ferry_device_next(-1); n >= 0; n = ferry_device_next(n))
		count++;
	return count;
}

static void print_info(const struct ferry_info *info)
{
	printf("device        /dev/ferry%u (of %u)\n", info->device, count_devices());
	printf("kind          %s\n", ferry_kind_name(info->kind));
	printf("size          %s\n", size_text(info->vram_bytes).s);
	printf("free          %s\n", size_text(info->free_bytes).s);
	printf("frames        %s to %s\n", size_text(info->page_size).s,
	       size_text((uint64_t)info->page_size << info->max_order).s);
	printf("granule       %s\n", size_text(info->granule).s);
	printf("fault window  %s\n", size_text(info->fault_window).s);
	printf("abi           %u\n", info->abi);
}

static int run_info(const struct command *cmd, int argc, char **argv)
{
	struct options o = { 0 };
	struct ferry_info info;

	parse_arguments(cmd, argc, argv, &o);
	if (!get_info(o.device, &info))
		return STATUS_FAILED;
	if (o.json)
		return print_json(info_json(&info), true);
	print_info(&info);
	return STATUS_OK;
}

const struct command info_command = {
	.name = "info",
	.summary = "show what a device is",
	.argp = &info_argp,
	.run = run_info,
};
