// SPDX-License-Identifier: GPL-2.0-only
/*
 * A plugin for QEMU that counts the guest's instructions by where they are.
 *
 * It counts between the marks that ferry-bench --profile puts around what it
 * measures (see bench.h); the n-th pair of marks is section n. When QEMU ends,
 * it writes a line "section address instructions calls" for each block of code
 * that ran, address being the block's first and calls how often it was entered.
 * `benchmarks/profile-report` makes functions of that.
 *
 * Written against version 7 of the plugin interface, whose header distributions
 * do not ship; so what is used of it is declared here.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define EXPORT	__attribute__((visibility("default")))

struct qemu_plugin_tb;
struct qemu_plugin_insn;

typedef void (*trans_fn)(struct qemu_plugin_tb *tb, void *data);
typedef void (*exec_fn)(unsigned int cpu, void *data);
typedef void (*exit_fn)(void *data);

#define NO_REGISTERS	0

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, trans_fn fn, void *data);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, exec_fn fn,
					  int registers, void *data);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
					    exec_fn fn, int registers, void *data);
void qemu_plugin_register_atexit_cb(uint64_t id, exit_fn fn, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb,
						 size_t i);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *to,
			     size_t len);

EXPORT int qemu_plugin_version = 7;
EXPORT int qemu_plugin_install(uint64_t id, const void *info, int argc,
			       char **argv);

#define SECTIONS	32
#define BUCKETS		(1U << 18)

/* A block of code: @insns instructions from @start. */
struct block {
	struct block *next;
	uint64_t start;
	size_t insns;
	uint64_t *entered;	/* by section; none until it ran in one */
};

static struct block *buckets[BUCKETS];
static unsigned int section;	/* the current one; 0: not counting */
static unsigned int sections;	/* how many there were */
static const char *out_path;

static struct block *block_get(uint64_t start, size_t insns)
{
	uint64_t hash = (start ^ insns << 56) * 0x9e3779b97f4a7c15ULL;
	struct block **slot = &buckets[hash >> 46], *b;

	for (b = *slot; b; b = b->next) {
		if (b->start == start && b->insns == insns)
			return b;
	}
	b = calloc(1, sizeof(*b));
	if (!b)
		abort();
	b->next = *slot;
	b->start = start;
	b->insns = insns;
	*slot = b;
	return b;
}

static void block_entered(unsigned int cpu, void *data)
{
	struct block *b = data;

	(void)cpu;
	if (!section)
		return;
	if (!b->entered)
		b->entered = calloc(SECTIONS, sizeof(*b->entered));
	if (!b->entered)
		abort();
	b->entered[section]++;
}

static void mark_passed(unsigned int cpu, void *data)
{
	(void)cpu;
	section = data && sections < SECTIONS - 1 ? ++sections : 0;
}

/* The mark in an instruction of user space, or 0. */
static uint32_t insn_mark(const struct qemu_plugin_insn *insn)
{
	unsigned char code[7];
	uint32_t mark;

	if (qemu_plugin_insn_vaddr(insn) >> 63 || qemu_plugin_insn_size(insn) != 7)
		return 0;
	qemu_plugin_insn_data(insn, code, sizeof(code));
	/* nopl disp32(%rax) */
	if (code[0] != 0x0f || code[1] != 0x1f || code[2] != 0x80)
		return 0;
	memcpy(&mark, code + 3, sizeof(mark));
	return mark;
}

static void translated(struct qemu_plugin_tb *tb, void *data)
{
	size_t i, n = qemu_plugin_tb_n_insns(tb);
	struct block *b;

	(void)data;
	b = block_get(qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, 0)), n);
	qemu_plugin_register_vcpu_tb_exec_cb(tb, block_entered, NO_REGISTERS, b);
	for (i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint32_t mark = insn_mark(insn);

		if (mark == BENCH_MARK_ON || mark == BENCH_MARK_OFF)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, mark_passed,
							       NO_REGISTERS,
							       mark == BENCH_MARK_ON ? b : NULL);
	}
}

static void block_write(FILE *f, const struct block *b)
{
	unsigned int s;

	for (s = 1; b->entered && s <= sections; s++) {
		if (b->entered[s])
			fprintf(f, "%u %" PRIx64 " %" PRIu64 " %" PRIu64 "\n", s,
				b->start, b->entered[s] * b->insns,
				b->entered[s]);
	}
}

static void write_out(void *data)
{
	const struct block *b;
	unsigned int i;
	FILE *f;

	(void)data;
	f = fopen(out_path, "we");
	if (!f) {
		perror(out_path);
		return;
	}
	for (i = 0; i < BUCKETS; i++) {
		for (b = buckets[i]; b; b = b->next)
			block_write(f, b);
	}
	fclose(f);
}

int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
	(void)info;
	if (argc != 1 || strncmp(argv[0], "out=", 4)) {
		fputs("profile: where to? out=FILE\n", stderr);
		return -1;
	}
	out_path = argv[0] + 4;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated, NULL);
	qemu_plugin_register_atexit_cb(id, write_out, NULL);
	return 0;
}
