// SPDX-License-Identifier: GPL-2.0-only
/*
 * hw_pci: a device whose VRAM is a PCI BAR.
 *
 * The driver knows one device by itself: QEMU's ivshmem-plain, whose BAR 2 is a
 * piece of the host's memory. Somebody else may use it to talk to the host, so it is
 * taken only with the module parameter pci=1, or when driver_override names this
 * driver. Any other device with a prefetchable memory BAR can be bound by
 * driver_override, or by new_id; its largest such BAR is the VRAM.
 *
 * The CPU is the engine (hw_vram.c). Private memory is mapped write-combining, as no
 * process ever sees that mapping; coherent memory is mapped by the core, as memory.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/io.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include "ferry.h"

#define FERRY_IVSHMEM		0x1110
#define FERRY_IVSHMEM_BAR	2

/**
 * struct ferry_pci - a PCI device
 * @vram: its VRAM; must come first
 * @pdev: the device
 * @bar: which BAR it is
 * @fd: the Ferry device
 */
struct ferry_pci {
	struct ferry_vram vram;
	struct pci_dev *pdev;
	int bar;
	struct ferry_device *fd;
};

static int ferry_pci_hw_init(struct ferry_device *fd)
{
	struct ferry_pci *p = fd->hw_data;

	if (fd->kind == FERRY_KIND_COHERENT)
		return 0;
	p->vram.base = ferry_inject(pci_map) ? NULL :
		       memremap(fd->range.start, fd->bytes, MEMREMAP_WC);
	return p->vram.base ? 0 : -ENOMEM;
}

static void ferry_pci_hw_fini(struct ferry_device *fd)
{
	struct ferry_pci *p = fd->hw_data;

	if (fd->kind == FERRY_KIND_PRIVATE)
		memunmap(p->vram.base);
}

/* A device that is gone, or whose memory is switched off, does not decode the BAR. */
static bool ferry_pci_alive(struct ferry_device *fd)
{
	struct ferry_pci *p = fd->hw_data;
	u16 vendor, command;

	if (READ_ONCE(p->vram.dead) || pci_dev_is_disconnected(p->pdev))
		return false;
	if (pci_read_config_word(p->pdev, PCI_VENDOR_ID, &vendor) ||
	    pci_read_config_word(p->pdev, PCI_COMMAND, &command))
		return false;
	return vendor == p->pdev->vendor && command & PCI_COMMAND_MEMORY;
}

static size_t ferry_pci_footprint(struct ferry_device *fd)
{
	return sizeof(struct ferry_pci);
}

static const struct ferry_hw_ops ferry_hw_pci = {
	.name = "pci",
	.init = ferry_pci_hw_init,
	.start = ferry_vram_start,
	.fini = ferry_pci_hw_fini,
	.copy = ferry_vram_copy,
	.wait = ferry_vram_wait,
	.execute = ferry_vram_execute,
	.flush_tlb = ferry_vram_flush_tlb,
	.reset = ferry_vram_reset,
	.alive = ferry_pci_alive,
	.footprint = ferry_pci_footprint,
};

static bool ferry_pci_bar_fits(struct pci_dev *pdev, int bar)
{
	const unsigned long want = IORESOURCE_MEM | IORESOURCE_PREFETCH;
	resource_size_t len = pci_resource_len(pdev, bar);

	return (pci_resource_flags(pdev, bar) & want) == want &&
	       pci_resource_start(pdev, bar) && len >= FERRY_BLOCK_BYTES &&
	       IS_ALIGNED(pci_resource_start(pdev, bar) | len, FERRY_BLOCK_BYTES);
}

/*
 * The device that the driver knows. Not told by driver_data: new_id accepts only
 * numbers that the table has, and 0 is what people leave out.
 */
static bool ferry_pci_is_ivshmem(const struct pci_dev *pdev)
{
	return pdev->vendor == PCI_VENDOR_ID_REDHAT_QUMRANET &&
	       pdev->device == FERRY_IVSHMEM;
}

/* The BAR that is the VRAM, or -ENODEV. */
static int ferry_pci_pick_bar(struct pci_dev *pdev, bool ivshmem)
{
	int bar, best = -ENODEV;

	if (ivshmem)
		return ferry_pci_bar_fits(pdev, FERRY_IVSHMEM_BAR) ?
		       FERRY_IVSHMEM_BAR : -ENODEV;
	for (bar = 0; bar < PCI_STD_NUM_BARS; bar++) {
		if (ferry_pci_bar_fits(pdev, bar) &&
		    (best < 0 || pci_resource_len(pdev, bar) >
				 pci_resource_len(pdev, best)))
			best = bar;
	}
	return best;
}

static int ferry_pci_add(struct ferry_pci *p)
{
	u64 most = (u64)READ_ONCE(ferry_pci_vram) << 20;
	struct pci_dev *pdev = p->pdev;
	struct ferry_device_desc desc = {
		.hw = &ferry_hw_pci,
		.hw_data = p,
		.kind = READ_ONCE(ferry_pci_kind),
		.parent = &pdev->dev,
		.bytes = pci_resource_len(pdev, p->bar),
	};

	if (most)
		desc.bytes = min(desc.bytes, ALIGN(most, FERRY_BLOCK_BYTES));
	desc.range.start = pci_resource_start(pdev, p->bar);
	desc.range.end = desc.range.start + desc.bytes - 1;
	p->fd = ferry_device_add(&desc);
	return PTR_ERR_OR_ZERO(p->fd);
}

static int ferry_pci_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	bool ivshmem = ferry_pci_is_ivshmem(pdev);
	struct ferry_pci *p;
	int ret;

	if (ivshmem && !ferry_pci_take && !device_has_driver_override(&pdev->dev))
		return -ENODEV;
	p = ferry_inject(pci) ? NULL : kzalloc_obj(*p);
	if (!p)
		return -ENOMEM;
	p->pdev = pdev;
	ret = ferry_inject(pci_enable) ? -ENOMEM : pci_enable_device_mem(pdev);
	if (ret)
		goto free;
	p->bar = ferry_pci_pick_bar(pdev, ivshmem);
	if (p->bar < 0) {
		ret = p->bar;
		pci_err(pdev, "refused: no prefetchable memory BAR of 2 MiB or more, with an address\n");
		goto disable;
	}
	ret = ferry_inject(pci_region) ? -EBUSY :
	      pci_request_region(pdev, p->bar, "ferry");
	if (ret)
		goto disable;
	ret = ferry_pci_add(p);
	if (ret) {
		pci_err(pdev, "BAR %d: error %d\n", p->bar, ret);
		goto release;
	}
	pci_set_drvdata(pdev, p);
	return 0;

release:
	pci_release_region(pdev, p->bar);
disable:
	pci_disable_device(pdev);
free:
	kfree(p);
	return ret;
}

static void ferry_pci_remove(struct pci_dev *pdev)
{
	struct ferry_pci *p = pci_get_drvdata(pdev);

	ferry_device_remove(p->fd);
	pci_release_region(pdev, p->bar);
	pci_disable_device(pdev);
	kfree(p);
}

static const struct pci_device_id ferry_pci_ids[] = {
	{ PCI_DEVICE(PCI_VENDOR_ID_REDHAT_QUMRANET, FERRY_IVSHMEM) },
	{}
};
MODULE_DEVICE_TABLE(pci, ferry_pci_ids);

static struct pci_driver ferry_pci_driver = {
	.name = "ferry",
	.id_table = ferry_pci_ids,
	.probe = ferry_pci_probe,
	.remove = ferry_pci_remove,
};

/**
 * ferry_pci_init - take the PCI devices that are there, and those that come
 *
 * Return: 0 or -errno.
 */
int ferry_pci_init(void)
{
	return ferry_inject(pci_driver) ? -ENOMEM :
	       pci_register_driver(&ferry_pci_driver);
}

/**
 * ferry_pci_fini - let them go; their pages go home first
 *
 * Context: may sleep.
 */
void ferry_pci_fini(void)
{
	pci_unregister_driver(&ferry_pci_driver);
}
