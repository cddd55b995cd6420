// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
// ferry.h from C++.
#include <memory>
#include <ferry.h>
#include "cxx.h"

namespace
{

struct Close {
	void operator()(struct ferry *f) const { ferry_close(f); }
};

} // namespace

int cxx_round_trip(void *data, size_t len)
{
	struct ferry_residency first;
	struct ferry_moved moved;
	struct ferry *handle = nullptr;
	int err = ferry_open(0, &handle);
	std::unique_ptr<struct ferry, Close> f(handle);

	if (!err)
		err = ferry_to_device(f.get(), data, len, &moved);
	if (!err && ferry_residency(f.get(), data, 1, &first, 1) != 1)
		err = -1;
	if (!err)
		err = ferry_advise(f.get(), data, len, FERRY_ADVISE_NORMAL);
	return err ? err : ferry_to_ram(f.get(), data, len, nullptr);
}
