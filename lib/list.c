// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Lists of engine commands, in the program's memory until they are submitted.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define FIRST_ROOM	16

int ferry_list_create(struct ferry_list **out)
{
	struct ferry_list *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	*out = l;
	return 0;
}

void ferry_list_destroy(struct ferry_list *l)
{
	if (!l)
		return;
	free(l->cmds);
	free(l);
}

void ferry_list_clear(struct ferry_list *l)
{
	l->count = 0;
}

size_t ferry_list_count(const struct ferry_list *l)
{
	return l->count;
}

static int grow(struct ferry_list *l)
{
	size_t room = l->room ? l->room * 2 : FIRST_ROOM;
	struct ferry_cmd *cmds = realloc(l->cmds, room * sizeof(*cmds));

	if (!cmds)
		return -ENOMEM;
	l->cmds = cmds;
	l->room = room;
	return 0;
}

int ferry_list_add(struct ferry_list *l, const struct ferry_cmd *cmd)
{
	if (l->count == FERRY_MAX_CMDS)
		return -E2BIG;
	if (l->count == l->room) {
		int err = grow(l);

		if (err)
			return err;
	}
	l->cmds[l->count] = *cmd;
	return l->count++;
}

/* Bytes of @n elements; SIZE_MAX, which no range can have, when that overflows. */
static size_t bytes(size_t n, size_t element)
{
	size_t len;

	return __builtin_mul_overflow(n, element, &len) ? SIZE_MAX : len;
}

int ferry_list_fill(struct ferry_list *l, void *dst, uint64_t pattern, size_t len)
{
	struct ferry_cmd cmd = {
		.op = FERRY_OP_FILL,
		.dst = ferry_address(dst),
		.len = len,
		.arg0 = pattern,
	};

	return ferry_list_add(l, &cmd);
}

int ferry_list_copy(struct ferry_list *l, void *dst, const void *src, size_t len)
{
	struct ferry_cmd cmd = {
		.op = FERRY_OP_COPY,
		.dst = ferry_address(dst),
		.src = ferry_address(src),
		.len = len,
	};

	return ferry_list_add(l, &cmd);
}

int ferry_list_compare(struct ferry_list *l, const void *a, const void *b, size_t len)
{
	struct ferry_cmd cmd = {
		.op = FERRY_OP_COMPARE,
		.dst = ferry_address(a),
		.src = ferry_address(b),
		.len = len,
	};

	return ferry_list_add(l, &cmd);
}

int ferry_list_crc32c(struct ferry_list *l, const void *src, size_t len)
{
	struct ferry_cmd cmd = {
		.op = FERRY_OP_CRC32C,
		.src = ferry_address(src),
		.len = len,
	};

	return ferry_list_add(l, &cmd);
}

int ferry_list_histogram(struct ferry_list *l, uint64_t *bins, const void *src, size_t len)
{
	struct ferry_cmd cmd = {
		.op = FERRY_OP_HISTOGRAM,
		.dst = ferry_address(bins),
		.src = ferry_address(src),
		.len = len,
	};

	return ferry_list_add(l, &cmd);
}

int ferry_list_saxpy(struct ferry_list *l, float *y, float a, const float *x, size_t n)
{
	struct ferry_cmd cmd = {
		.op = FERRY_OP_SAXPY,
		.dst = ferry_address(y),
		.src = ferry_address(x),
		.len = bytes(n, sizeof(*y)),
	};
	uint32_t bits;

	memcpy(&bits, &a, sizeof(bits));
	cmd.arg0 = bits;
	return ferry_list_add(l, &cmd);
}

int ferry_list_gather(struct ferry_list *l, uint64_t *dst, const uint64_t *src,
		      size_t src_n, const uint64_t *index, size_t n)
{
	struct ferry_cmd cmd = {
		.op = FERRY_OP_GATHER,
		.dst = ferry_address(dst),
		.src = ferry_address(src),
		.len = bytes(n, sizeof(*dst)),
		.arg0 = ferry_address(index),
		.arg1 = src_n,
	};

	return ferry_list_add(l, &cmd);
}

int ferry_list_chase(struct ferry_list *l, const void *start, uint64_t hops)
{
	struct ferry_cmd cmd = {
		.op = FERRY_OP_CHASE,
		.src = ferry_address(start),
		.arg0 = hops,
	};

	return ferry_list_add(l, &cmd);
}

int ferry_list_add64(struct ferry_list *l, uint64_t *p, uint64_t v)
{
	struct ferry_cmd cmd = {
		.op = FERRY_OP_ADD64,
		.dst = ferry_address(p),
		.arg0 = v,
	};

	return ferry_list_add(l, &cmd);
}

int ferry_list_cas64(struct ferry_list *l, uint64_t *p, uint64_t expect, uint64_t desire)
{
	struct ferry_cmd cmd = {
		.op = FERRY_OP_CAS64,
		.dst = ferry_address(p),
		.arg0 = expect,
		.arg1 = desire,
	};

	return ferry_list_add(l, &cmd);
}
