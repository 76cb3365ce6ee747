// SPDX-License-Identifier: BSD-2-Clause
//
// The files of /proc/<pid>, in Linux's formats, and the links there (exe, cwd, root, fd/<n>).
#pragma once

#include "lib/types.h"

struct process;
struct strbuf;
struct vm_space;

void proc_files_init(void);     // registers them

// proc_maps.c
int show_maps_of(struct process *p, struct strbuf *out);
// The process's space, referenced, or NULL; give it back with vm_space_unref.
struct vm_space *proc_space(struct process *p);
