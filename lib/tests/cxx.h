/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The part of the test that is written in C++. */
#ifndef FERRY_CXX_H
#define FERRY_CXX_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* To the device and back. Zero or a negative errno. */
int cxx_round_trip(void *data, size_t len);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_CXX_H */
