/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The only place that knows kernel versions.
 *
 * Ferry is written against the ZONE_DEVICE interface of 7.3: folio_free() and
 * folio_split() callbacks, zone_device_folio_init() with a pagemap argument,
 * device-private folios of PMD size.
 */
#ifndef FERRY_COMPAT_H
#define FERRY_COMPAT_H

#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 3, 0)
#error "Ferry needs Linux 7.3 or newer (device-private large folios)"
#endif

#if !IS_ENABLED(CONFIG_DEVICE_PRIVATE)
#error "Ferry needs a kernel with CONFIG_DEVICE_PRIVATE=y"
#endif

#if !IS_ENABLED(CONFIG_HMM_MIRROR)
#error "Ferry needs a kernel with CONFIG_HMM_MIRROR=y"
#endif

#if PAGE_SHIFT != 12
#error "Ferry's device page table has 4 KiB and 2 MiB leaves: 4 KiB base pages only"
#endif

#endif /* FERRY_COMPAT_H */
