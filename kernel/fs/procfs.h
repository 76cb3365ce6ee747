// SPDX-License-Identifier: BSD-2-Clause
//
// /proc's mechanism: generated files. The floors above register what the files say, so that this
// one need not know processes: global files by name, and one provider for the per-process
// directories. /proc/vm/* files of the VM's figures and checks are registered at start-up by
// kernel/main.
#pragma once

#include "lib/types.h"

struct strbuf;
struct vnode;

// Writes the file's text; `pid' is 0 for global files. 0 or an errno. May sleep.
typedef int (*procfs_show_fn)(int pid, struct strbuf *out);
// Consumes a write (NUL-terminated copy of what was written). 0 or an errno.
typedef int (*procfs_store_fn)(int pid, const char *text);

// name: "meminfo" or "vm/pv"; there is no other directory. store NULL: read only. Start-up only;
// static lifetime.
void procfs_register(const char *name, procfs_show_fn show, procfs_store_fn store);
// The same in every /proc/<pid>/ (and task-less /proc/self).
void procfs_register_pid(const char *name, procfs_show_fn show, procfs_store_fn store);

struct procfs_pids {
    int (*self)(void);                          // pid of the running process
    int (*next)(int pid);                       // lowest pid > pid, or 0
    bool (*exists)(int pid);
    // Targets of links: "exe", "cwd", "fd/3"; 0 or errno. vnode for opening through it
    // (referenced), and a text for readlink.
    int (*link)(int pid, const char *name, struct vnode **v, char *text, size_t size);
    int (*next_fd)(int pid, int fd);            // lowest open descriptor >= fd, or -1
};
void procfs_set_pids(const struct procfs_pids *ops);
