// SPDX-License-Identifier: BSD-2-Clause
//
// Calls on the system as a whole, and those that are refused.
#include "amd64/clock.h"
#include "amd64/usercopy.h"
#include "dev/power.h"
#include "dev/random.h"
#include "fs/file.h"
#include "fs/vnode.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mem/vm_page.h"
#include "proc/process.h"
#include "proc/sched.h"
#include "sys/syscall.h"
#include "vm/slab.h"
#include "vm/swap.h"

struct utsname {
    char sysname[65], nodename[65], release[65], version[65], machine[65], domainname[65];
};

// C libraries ask for a Linux release that is new enough for them.
static const struct utsname names = {"Strata", "strata", "6.1.0-strata",
                                     "#1 SMP", "x86_64", "(none)"};

static int sys_uname(vaddr_t va)
{
    return copyout(va, &names, sizeof(names));
}

struct sysinfo {
    int64_t uptime;
    uint64_t loads[3], totalram, freeram, sharedram, bufferram, totalswap, freeswap;
    uint16_t procs, pad;
    uint64_t totalhigh, freehigh;
    uint32_t mem_unit;
    uint32_t pad2;
};
_Static_assert(sizeof(struct sysinfo) == 112, "Linux's size");

#define LOAD_SHIFT 5 // from 1/LOAD_ONE to 1/65536

static int sys_sysinfo(vaddr_t va)
{
    struct vm_page_stats pages;
    struct swap_stats swap;
    uint64_t loads[3];

    sched_loads(loads);
    vm_page_get_stats(&pages);
    swap_get_stats(&swap);
    const struct sysinfo info = {
        .uptime = (int64_t)(clock_ns() / NS_PER_SEC),
        .loads = {loads[0] << LOAD_SHIFT, loads[1] << LOAD_SHIFT, loads[2] << LOAD_SHIFT},
        .totalram = pages.npages * PAGE_SIZE,
        .freeram = pages.nfree * PAGE_SIZE,
        .bufferram = pages.by_owner[PAGE_BUF] * PAGE_SIZE,
        .totalswap = swap.nslots * PAGE_SIZE,
        .freeswap = (swap.nslots - swap.nused) * PAGE_SIZE,
        .procs = (uint16_t)process_count(),
        .mem_unit = 1,
    };
    return copyout(va, &info, sizeof(info));
}

static int sys_getrandom(vaddr_t buf_va, size_t len, unsigned flags)
{
    uint8_t chunk[256];
    size_t done = 0;

    if (flags & ~7u)
        return EINVAL;
    len = min(len, (size_t)INT32_MAX);
    while (done < len) {
        size_t n = min(len - done, sizeof(chunk));
        random_bytes(chunk, n);
        if (copyout(buf_va + done, chunk, n) != 0)
            return done ? answer((long)done) : EFAULT;
        done += n;
        if (signal_pending())
            break;
    }
    return answer((long)done);
}

enum { REBOOT_MAGIC = (int)0xfee1dead };
enum { MAGIC2 = 0x28121969, MAGIC2A = 0x05121996, MAGIC2B = 0x16041998, MAGIC2C = 0x20112000 };
enum { CMD_RESTART = 0x01234567, CMD_HALT = (int)0xcdef0123, CMD_POWER_OFF = 0x4321fedc };
enum { CMD_CAD_OFF = 0, CMD_CAD_ON = (int)0x89abcdef };

static int sys_reboot(int magic, int magic2, int cmd)
{
    if (magic != REBOOT_MAGIC ||
        (magic2 != MAGIC2 && magic2 != MAGIC2A && magic2 != MAGIC2B && magic2 != MAGIC2C))
        return EINVAL;
    switch (cmd) {
    case CMD_CAD_OFF:
    case CMD_CAD_ON:
        return 0;
    case CMD_RESTART:
    case CMD_HALT:
    case CMD_POWER_OFF:
        vfs_sync();
        power_off();
    default:
        return EINVAL;
    }
}

// ---- file systems ----

struct statfs64 {
    uint64_t type, bsize, blocks, bfree, bavail, files, ffree, fsid, namelen, frsize, flags,
        spare[4];
};
_Static_assert(sizeof(struct statfs64) == 120, "Linux's size");

static int sys_statfs(struct vnode *v, vaddr_t va)
{
    struct fs_usage u;
    int error = vfs_statfs(v, &u);

    if (error)
        return error;
    const struct statfs64 st = {.type = u.magic,
                                .bsize = u.block_size,
                                .blocks = u.blocks,
                                .bfree = u.free,
                                .bavail = u.free,
                                .files = u.files,
                                .ffree = u.free_files,
                                .namelen = NAME_MAX,
                                .frsize = u.block_size};
    return copyout(va, &st, sizeof(st));
}

// clang-format off
const struct call misc_calls[] = {
    CALL(63, uname), CALL(99, sysinfo), CALL_ON(137, statfs, VNODE, sys_statfs),
    CALL_ON(138, fstatfs, ANY_FD_VNODE, sys_statfs), CALL(169, reboot), CALL(318, getrandom), {0},
};
// clang-format on
