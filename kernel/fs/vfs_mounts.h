// SPDX-License-Identifier: BSD-2-Clause
//
// Start-up of the file systems: the disk's on /, the generated ones on /dev and /proc.
#pragma once

struct mount;

// Fill in a mount and its root; start-up only.
void devfs_mount(struct mount *m);
void procfs_mount(struct mount *m);

// Prepare the modules of kernel/fs; before the first process.
void vfs_init(void);
void file_init(void);
void fdtable_init(void);
void file_lock_init(void);
void pipe_init(void);
