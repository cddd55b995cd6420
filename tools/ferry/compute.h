/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the demo lets the CPU compute, to check the engine against.
 */
#ifndef FERRY_COMPUTE_H
#define FERRY_COMPUTE_H

#include <stddef.h>
#include <stdint.h>

/* CRC32C as the engine has it: "123456789" gives 0xe3069283. */
uint32_t crc32c(const void *data, size_t len);
/* The CRC of A followed by B, from those of A and B and the length of B. */
uint32_t crc32c_join(uint32_t a, uint32_t b, uint64_t len_b);
/* The CRC of @len bytes of an 8-byte pattern, @len a multiple of 8, without them. */
uint32_t crc32c_repeated(uint64_t pattern, uint64_t len);

/* bins[b] += number of bytes b. */
void histogram(uint64_t *bins, const void *data, size_t len);

#endif /* FERRY_COMPUTE_H */
