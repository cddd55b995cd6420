// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The kernel's side of the library: the node and its ioctls.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

struct node_path {
	char text[32];
};

static struct node_path node_path(int device)
{
	struct node_path path;

	snprintf(path.text, sizeof(path.text), "/dev/ferry%d", device);
	return path;
}

int ferry_sys_open(int device)
{
	struct node_path path = node_path(device);
	int fd;

	do {
		fd = open(path.text, O_RDWR | O_CLOEXEC);
	} while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : fd;
}

void ferry_sys_close(int fd)
{
	close(fd);
}

int ferry_sys_ioctl(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) < 0 ? -errno : 0;
}

bool ferry_sys_exists(int device)
{
	struct node_path path = node_path(device);
	struct stat st;

	return stat(path.text, &st) == 0 && S_ISCHR(st.st_mode);
}
