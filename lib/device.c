// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Handles: opening and closing a device, and what it says of itself.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

int ferry_device_next(int device)
{
	int n;

	for (n = 0; n < FERRY_MAX_DEVICES; n++) {
		if (n > device && ferry_sys_exists(n))
			return n;
	}
	return -ENOENT;
}

int ferry_device_count(void)
{
	int n = FERRY_MAX_DEVICES;

	while (n && !ferry_sys_exists(n - 1))
		n--;
	return n;
}

/* A node that nothing stands behind (left over in a static /dev) is no device. */
static int open_node(int device)
{
	int fd;

	if (device < 0 || device >= FERRY_MAX_DEVICES)
		return -ENOENT;
	fd = ferry_sys_open(device);
	if (fd == -ENXIO || fd == -ENODEV || fd == -ENOTDIR)
		return -ENOENT;
	return fd;
}

static int get_info(int fd, struct ferry_info *info)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	return ferry_sys_ioctl(fd, FERRY_IOC_INFO, info);
}

/*
 * A driver of another ABI refuses the structure or answers another number; a
 * node that is not Ferry's does not know the call.
 */
static int check_abi(int fd)
{
	struct ferry_info info;
	int err = get_info(fd, &info);

	if (err == -ENOTTY || err == -EINVAL || err == -E2BIG)
		return -EPROTO;
	if (err)
		return err;
	return info.abi == FERRY_ABI_VERSION ? 0 : -EPROTO;
}

int ferry_open(int device, struct ferry **out)
{
	struct ferry *f;
	int err;

	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->device = device;
	f->page_size = sysconf(_SC_PAGESIZE);
	f->fd = open_node(device);
	err = f->fd < 0 ? f->fd : check_abi(f->fd);
	if (err) {
		ferry_close(f);
		return err;
	}
	*out = f;
	return 0;
}

void ferry_close(struct ferry *f)
{
	if (!f)
		return;
	if (f->fd >= 0)
		ferry_sys_close(f->fd);
	free(f);
}

int ferry_fd(const struct ferry *f)
{
	return f->fd;
}

int ferry_device(const struct ferry *f)
{
	return f->device;
}

int ferry_get_info(struct ferry *f, struct ferry_info *info)
{
	return get_info(f->fd, info);
}
