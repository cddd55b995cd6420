// SPDX-License-Identifier: GPL-2.0-only
/*
 * Preloaded into the kernel's hmm-tests: its harness gives each test a number of
 * seconds, by a poll() on the test's process. FERRY_HMM_PATIENCE multiplies them, for
 * a machine that is emulated, or a kernel that checks what it does.
 */
#include <dlfcn.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>

static int times(int timeout)
{
	const char *patience = getenv("FERRY_HMM_PATIENCE");
	long long longer = patience ? timeout * atoll(patience) : timeout;

	return longer > INT_MAX ? INT_MAX : longer;
}

int poll(struct pollfd *fds, nfds_t n, int timeout)
{
	int (*next)(struct pollfd *fds, nfds_t n, int timeout);

	next = dlsym(RTLD_NEXT, "poll");
	return next(fds, n, timeout > 0 ? times(timeout) : timeout);
}
