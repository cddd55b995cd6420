// SPDX-License-Identifier: GPL-2.0-only
/*
 * Free frames of one region.
 *
 * This file owns which frames of a region are free, and nothing else: who uses
 * a frame, and what is in it, is for the caller to know.
 *
 * A *run* of order o is 2^o frames, aligned to its size. A run is free when its
 * bit in the bitmap of order o is set, and each free frame is in one free run:
 * two free halves of a run are always joined, up to the block (order 9).
 *
 * Over the bitmap of an order lie a summary, a bit for each word of the bitmap
 * that is not zero, and a top, a bit for each word of the summary that is not
 * zero. The lowest free run is then three bit searches away, after a scan of a
 * word of the top for each GiB of region at order 0, and less above.
 *
 * A frame that is not free is *busy*, and has a bit of its own as well, so that
 * freeing what is free already is noticed at once. All of it is one allocation
 * of about three eighths of a byte a frame; runs hold no memory of their own.
 *
 * An allocation takes the smallest run that fits, so blocks in use fill up
 * before a whole block is opened. Nothing remembers how frames were allocated:
 * any run of used frames may be freed.
 *
 * The caller holds the region's lock around each call.
 */
#include "frame.h"

#ifdef __KERNEL__
#include <linux/bitops.h>
#include <linux/bug.h>
#include <linux/errno.h>
#include <linux/slab.h>

#define words_alloc(n)		kvcalloc(n, sizeof(long), GFP_KERNEL)
#define words_free(p)		kvfree(p)
#else
#include <errno.h>
#include <stdlib.h>

#define BITS_PER_LONG		(8 * sizeof(long))
#define BITS_TO_LONGS(n)	(((n) + BITS_PER_LONG - 1) / BITS_PER_LONG)
#define BIT(n)			(1UL << (n))
#define __ffs(w)		((unsigned long)__builtin_ctzl(w))
#define words_alloc(n)		calloc(n, sizeof(long))
#define words_free(p)		free(p)
#define WARN_ON_ONCE(cond)	((cond) ? (++ferry_frames_warnings, true) : false)

/* What would be warnings in the kernel: for the unit test to look at. */
unsigned long ferry_frames_warnings;
#endif

/* Sets bit @i of @map; true when it is the first of its word. */
static inline bool bit_set(unsigned long *map, unsigned long i)
{
	unsigned long *word = &map[i / BITS_PER_LONG];
	bool first = !*word;

	*word |= BIT(i % BITS_PER_LONG);
	return first;
}

/* Clears bit @i of @map; true when it was the last of its word. */
static inline bool bit_clear(unsigned long *map, unsigned long i)
{
	unsigned long *word = &map[i / BITS_PER_LONG];

	*word &= ~BIT(i % BITS_PER_LONG);
	return !*word;
}

static inline bool bit_test(const unsigned long *map, unsigned long i)
{
	return map[i / BITS_PER_LONG] & BIT(i % BITS_PER_LONG);
}

/* Words of the bitmap, the summary and the top of an order. */
static inline unsigned long bits_words(const struct ferry_frames *f,
				       unsigned int order)
{
	return BITS_TO_LONGS(f->nr >> order);
}

static inline unsigned long summary_words(const struct ferry_frames *f,
					  unsigned int order)
{
	return BITS_TO_LONGS(bits_words(f, order));
}

static inline unsigned long top_words(const struct ferry_frames *f,
				      unsigned int order)
{
	return BITS_TO_LONGS(summary_words(f, order));
}

/* The top lies behind the summary. */
static inline unsigned long *top_of(const struct ferry_frames *f,
				    unsigned int order)
{
	return f->summary[order] + summary_words(f, order);
}

/* The word @w of the bitmap was zero, and no longer is. */
static void word_filled(struct ferry_frames *f, unsigned int order,
			unsigned long w)
{
	if (bit_set(f->summary[order], w))
		bit_set(top_of(f, order), w / BITS_PER_LONG);
}

/* The word @w of the bitmap became zero. */
static void word_emptied(struct ferry_frames *f, unsigned int order,
			 unsigned long w)
{
	if (bit_clear(f->summary[order], w))
		bit_clear(top_of(f, order), w / BITS_PER_LONG);
}

/* Lowest word of the bitmap with a free run; there must be one. */
static unsigned long first_word(const struct ferry_frames *f,
				unsigned int order)
{
	const unsigned long *top = top_of(f, order);
	unsigned long t = 0, s;

	while (!top[t])
		t++;
	s = t * BITS_PER_LONG + __ffs(top[t]);
	return s * BITS_PER_LONG + __ffs(f->summary[order][s]);
}

/* The free run of @order that @frame lies in appears, or goes. */
static void run_add(struct ferry_frames *f, unsigned long frame,
		    unsigned int order)
{
	unsigned long run = frame >> order;

	if (bit_set(f->bits[order], run))
		word_filled(f, order, run / BITS_PER_LONG);
	f->nr_free[order]++;
}

static void run_del(struct ferry_frames *f, unsigned long frame,
		    unsigned int order)
{
	unsigned long run = frame >> order;

	if (bit_clear(f->bits[order], run))
		word_emptied(f, order, run / BITS_PER_LONG);
	f->nr_free[order]--;
}

/*
 * Gives back all but the first @keep frames of a run that is in no bitmap, as
 * the largest runs that the rest is made of. The other half of each has the
 * last frame that is kept in it, so there is nothing to join.
 */
static void run_trim(struct ferry_frames *f, unsigned long frame,
		     unsigned int order, unsigned int keep)
{
	while (keep < 1U << order) {
		unsigned int part = __ffs(keep);

		run_add(f, frame + keep, part);
		keep += 1U << part;
	}
}

/*
 * The busy bitmap, for @nr frames that lie in one word or start one: their bits
 * in the last word, after as many whole words as there are before.
 */
static inline unsigned long busy_mask(unsigned long frame, unsigned int nr)
{
	return ~0UL >> (BITS_PER_LONG - nr) << (frame % BITS_PER_LONG);
}

static void busy_set(struct ferry_frames *f, unsigned long frame,
		     unsigned int nr)
{
	unsigned long *word = &f->busy[frame / BITS_PER_LONG];

	for (; nr > BITS_PER_LONG; nr -= BITS_PER_LONG)
		*word++ = ~0UL;
	*word |= busy_mask(frame, nr);
}

static void busy_clear(struct ferry_frames *f, unsigned long frame,
		       unsigned int nr)
{
	unsigned long *word = &f->busy[frame / BITS_PER_LONG];

	for (; nr > BITS_PER_LONG; nr -= BITS_PER_LONG)
		*word++ = 0;
	*word &= ~busy_mask(frame, nr);
}

static bool all_busy(const struct ferry_frames *f, unsigned long frame,
		     unsigned int nr)
{
	const unsigned long *word = &f->busy[frame / BITS_PER_LONG];

	for (; nr > BITS_PER_LONG; nr -= BITS_PER_LONG)
		if (*word++ != ~0UL)
			return false;
	return !(~*word & busy_mask(frame, nr));
}

/**
 * ferry_frames_init - set up the allocator of a region, all frames free
 * @f: what to set up
 * @nr: frames in the region, a non-zero multiple of FERRY_BLOCK_FRAMES
 *
 * Context: process context, may sleep.
 * Return: 0, -EINVAL for a bad @nr, -ENOMEM.
 */
int ferry_frames_init(struct ferry_frames *f, unsigned long nr)
{
	unsigned long blocks = nr / FERRY_BLOCK_FRAMES;
	unsigned long words = 0, block;
	unsigned long *mem;
	unsigned int o;

	*f = (struct ferry_frames){};
	if (!nr || nr % FERRY_BLOCK_FRAMES)
		return -EINVAL;

	f->nr = nr;
	for (o = 0; o < FERRY_NR_ORDERS; o++)
		words += bits_words(f, o) + summary_words(f, o) + top_words(f, o);
	words += BITS_TO_LONGS(nr);
	words += (blocks * sizeof(*f->used) + sizeof(long) - 1) / sizeof(long);

	mem = words_alloc(words);
	if (!mem) {
		f->nr = 0;
		return -ENOMEM;
	}
	f->bytes = words * sizeof(long);

	for (o = 0; o < FERRY_NR_ORDERS; o++) {
		f->bits[o] = mem;
		mem += bits_words(f, o);
		f->summary[o] = mem;
		mem += summary_words(f, o) + top_words(f, o);
	}
	f->busy = mem;
	f->used = (u16 *)(mem + BITS_TO_LONGS(nr));

	for (block = 0; block < blocks; block++)
		run_add(f, block * FERRY_BLOCK_FRAMES, FERRY_MAX_ORDER);
	f->free = nr;
	return 0;
}

/**
 * ferry_frames_fini - free what the allocator holds
 * @f: allocator, or zeroes
 *
 * Frames in use are forgotten. Calling it twice is harmless.
 *
 * Context: any that may call kvfree().
 */
void ferry_frames_fini(struct ferry_frames *f)
{
	words_free(f->bits[0]);
	*f = (struct ferry_frames){};
}

/**
 * ferry_frames_alloc - allocate a run
 * @f: allocator
 * @order: log2 of the frames wanted, at most FERRY_MAX_ORDER
 *
 * Takes the lowest of the smallest free runs that fit.
 *
 * Context: any; the caller holds the region's lock.
 * Return: the first frame, aligned to 2^@order, or FERRY_NO_FRAME.
 */
unsigned long ferry_frames_alloc(struct ferry_frames *f, unsigned int order)
{
	unsigned int nr, from = order;
	unsigned long w, frame;

	while (from < FERRY_NR_ORDERS && !f->nr_free[from])
		from++;
	if (from >= FERRY_NR_ORDERS)
		return FERRY_NO_FRAME;

	nr = 1U << order;
	w = first_word(f, from);
	frame = (w * BITS_PER_LONG + __ffs(f->bits[from][w])) << from;
	run_del(f, frame, from);
	run_trim(f, frame, from, nr);
	busy_set(f, frame, nr);
	f->used[frame / FERRY_BLOCK_FRAMES] += nr;
	f->free -= nr;
	return frame;
}

/* What remains of word @w, after @taken runs of it are gone. */
static void word_taken(struct ferry_frames *f, unsigned int order,
		       unsigned long w, unsigned long left, unsigned int taken)
{
	f->bits[order][w] = left;
	if (!left)
		word_emptied(f, order, w);
	f->nr_free[order] -= taken;
}

/* Takes up to @n single frames out of word @w of their bitmap, not zero. */
static unsigned int take_frames(struct ferry_frames *f, unsigned long w,
				unsigned int n, unsigned long *out)
{
	unsigned long frame = w * BITS_PER_LONG;
	unsigned long word = f->bits[0][w], left = word;
	unsigned int done = 0;

	do {
		out[done++] = frame + __ffs(left);
		left &= left - 1;
	} while (left && done < n);

	f->busy[w] |= word & ~left;
	f->used[frame / FERRY_BLOCK_FRAMES] += done;
	word_taken(f, 0, w, left, done);
	return done;
}

/* Takes up to @n frames out of the runs in word @w of a bitmap, not zero. */
static unsigned int take_runs(struct ferry_frames *f, unsigned int order,
			      unsigned long w, unsigned int n,
			      unsigned long *out)
{
	unsigned long left = f->bits[order][w];
	unsigned int runs = 0, done = 0, size = 1U << order;

	do {
		unsigned long frame = (w * BITS_PER_LONG + __ffs(left)) << order;
		unsigned int i, take = n - done < size ? n - done : size;

		for (i = 0; i < take; i++)
			out[done + i] = frame + i;
		f->used[frame / FERRY_BLOCK_FRAMES] += take;
		busy_set(f, frame, take);
		run_trim(f, frame, order, take);
		done += take;
		left &= left - 1;
		runs++;
	} while (left && done < n);

	word_taken(f, order, w, left, runs);
	return done;
}

/**
 * ferry_frames_alloc_bulk - allocate many single frames
 * @f: allocator
 * @n: frames wanted
 * @out: room for @n frame numbers
 *
 * Empties the smallest free runs first, so a block in use is filled before a
 * free one is opened, and takes a word of a bitmap at a time.
 *
 * Context: any; the caller holds the region's lock.
 * Return: how many frames were allocated: @n, or all there were.
 */
unsigned int ferry_frames_alloc_bulk(struct ferry_frames *f, unsigned int n,
				     unsigned long *out)
{
	unsigned int done = 0, o;

	while (done < n && f->nr_free[0])
		done += take_frames(f, first_word(f, 0), n - done, out + done);
	for (o = 1; o < FERRY_NR_ORDERS && done < n; o++)
		while (done < n && f->nr_free[o])
			done += take_runs(f, o, first_word(f, o), n - done,
					  out + done);
	f->free -= done;
	return done;
}

/**
 * ferry_frames_free - free a run
 * @f: allocator
 * @frame: first frame, aligned to 2^@order
 * @order: log2 of the frames, at most FERRY_MAX_ORDER
 *
 * The run may be part of what one allocation returned, or made of several. A
 * run that is bad, or that has a free frame in it, is a bug of the caller: it
 * warns, and changes nothing.
 *
 * Context: any; the caller holds the region's lock.
 */
void ferry_frames_free(struct ferry_frames *f, unsigned long frame,
		       unsigned int order)
{
	unsigned int nr;

	if (WARN_ON_ONCE(order > FERRY_MAX_ORDER || frame >= f->nr))
		return;
	nr = 1U << order;
	if (WARN_ON_ONCE(frame % nr || !all_busy(f, frame, nr)))
		return;

	busy_clear(f, frame, nr);
	f->used[frame / FERRY_BLOCK_FRAMES] -= nr;
	f->free += nr;

	for (; order < FERRY_MAX_ORDER; order++) {
		unsigned long other = frame ^ BIT(order);

		if (!bit_test(f->bits[order], other >> order))
			break;
		run_del(f, other, order);
	}
	run_add(f, frame, order);
}

/**
 * ferry_frames_is_free - whether a frame is free
 * @f: allocator
 * @frame: frame number; one beyond the region is not free
 *
 * Context: any; the caller holds the region's lock.
 * Return: true when @frame is free.
 */
bool ferry_frames_is_free(const struct ferry_frames *f, unsigned long frame)
{
	return frame < f->nr && !all_busy(f, frame, 1);
}
