// SPDX-License-Identifier: GPL-2.0-only
/*
 * The one function of hw_soft that computes in floating point. It is built with
 * the compiler's FPU on, so nothing else may live here.
 */
#include <linux/string.h>
#include <linux/types.h>

void ferry_soft_saxpy(float *y, const float *x, u32 a_bits, size_t n);

/**
 * ferry_soft_saxpy - y += a * x
 * @y: destination, @n values
 * @x: source, @n values
 * @a_bits: a, as its 32 bits, for callers without floating point
 * @n: number of values
 *
 * Context: between kernel_fpu_begin() and kernel_fpu_end().
 */
void ferry_soft_saxpy(float *y, const float *x, u32 a_bits, size_t n)
{
	float a;
	size_t i;

	__builtin_memcpy(&a, &a_bits, sizeof(a));
	for (i = 0; i < n; i++)
		y[i] += a * x[i];
}
