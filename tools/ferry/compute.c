// SPDX-License-Identifier: GPL-2.0
/*
 * CRC32C and histogram on the CPU, in portable C.
 */
#include <stdbool.h>
#include <string.h>

#include "compute.h"

/* The polynomial, bit-reversed: bit 31 is the coefficient of x^0. */
#define POLYNOMIAL	0x82f63b78U
#define X0		(1U << 31)
#define X8		(1U << 23)

/* tables[k][b]: the CRC of byte b followed by k zero bytes. */
static uint32_t tables[8][256];

static uint32_t times_x(uint32_t a)
{
	return a >> 1 ^ (a & 1 ? POLYNOMIAL : 0);
}

static void make_tables(void)
{
	if (tables[0][1])
		return;
	for (uint32_t b = 0; b < 256; b++) {
		uint32_t crc = b;

		for (int bit = 0; bit < 8; bit++)
			crc = times_x(crc);
		tables[0][b] = crc;
	}
	for (int k = 1; k < 8; k++) {
		for (int b = 0; b < 256; b++) {
			uint32_t crc = tables[k - 1][b];

			tables[k][b] = crc >> 8 ^ tables[0][crc & 0xff];
		}
	}
}

static uint32_t crc_byte(uint32_t crc, uint8_t byte)
{
	return crc >> 8 ^ tables[0][(crc ^ byte) & 0xff];
}

/* Eight bytes at once: each goes through the table of the zeros behind it. */
static uint32_t crc_eight(uint32_t crc, const uint8_t *p)
{
	uint32_t low, high;

	memcpy(&low, p, sizeof(low));
	memcpy(&high, p + 4, sizeof(high));
	low ^= crc;
	return tables[7][low & 0xff] ^ tables[6][low >> 8 & 0xff] ^
	       tables[5][low >> 16 & 0xff] ^ tables[4][low >> 24] ^
	       tables[3][high & 0xff] ^ tables[2][high >> 8 & 0xff] ^
	       tables[1][high >> 16 & 0xff] ^ tables[0][high >> 24];
}

uint32_t crc32c(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t crc = ~0U;

	make_tables();
	for (; len >= 8; len -= 8, p += 8)
		crc = crc_eight(crc, p);
	while (len--)
		crc = crc_byte(crc, *p++);
	return ~crc;
}

/* Product of two polynomials modulo the CRC's. */
static uint32_t multiply(uint32_t a, uint32_t b)
{
	uint32_t product = 0;

	for (; a; a <<= 1) {
		if (a & X0)
			product ^= b;
		b = times_x(b);
	}
	return product;
}

/* x to the power of 8 * @bytes. */
static uint32_t power(uint64_t bytes)
{
	uint32_t result = X0, square = X8;

	for (; bytes; bytes >>= 1) {
		if (bytes & 1)
			result = multiply(result, square);
		square = multiply(square, square);
	}
	return result;
}

uint32_t crc32c_join(uint32_t a, uint32_t b, uint64_t len_b)
{
	return multiply(power(len_b), a) ^ b;
}

uint32_t crc32c_repeated(uint64_t pattern, uint64_t len)
{
	uint32_t piece = crc32c(&pattern, sizeof(pattern)), sum = 0;
	uint64_t size = sizeof(pattern);

	/* Pieces of 1, 2, 4 ... patterns, those that the length is made of. */
	for (uint64_t n = len / size; n; n >>= 1) {
		if (n & 1)
			sum = crc32c_join(sum, piece, size);
		piece = crc32c_join(piece, piece, size);
		size *= 2;
	}
	return sum;
}

void histogram(uint64_t *bins, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len--)
		bins[*p++]++;
}
