// SPDX-License-Identifier: BSD-2-Clause
//
// Finds the disks by the command line's words virtio_mmio.device=SIZE@ADDRESS:IRQ, which QEMU's
// microvm adds by itself (with acpi=off). It gives the first -device the highest address, so that
// is disk 0, the root; disk 1 is for swap. Boot parameters disk_fail_read=N, disk_fail_write=N and
// disk_fail_flush=N make the nth request to disk 0 fail.
#pragma once

// After intr_init. At start-up only.
void disks_init(void);

// Offers disk 1, if there is one, to the VM as swap space. Start-up only.
void swap_disk_init(void);
