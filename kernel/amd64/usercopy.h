// SPDX-License-Identifier: BSD-2-Clause
//
// Copies between kernel and user memory. The user range is checked against USER_MAX first; a bad
// address gives EFAULT, never a kernel fault. Lengths are bytes; 0 bytes always succeed.
//
// Locks: the plain forms may sleep (page faults), so no lock after LOCK_MAP may be held, nor one
// that the fault handler takes. The nofault forms never sleep: EFAULT where a fault would be
// needed, and *done (if not NULL) says how many bytes were copied before it.
#pragma once

#include "lib/types.h"

int copyin(void *dst, vaddr_t user_src, size_t n);
int copyout(vaddr_t user_dst, const void *src, size_t n);
int copyin_nofault(void *dst, vaddr_t user_src, size_t n, size_t *done);
int copyout_nofault(vaddr_t user_dst, const void *src, size_t n, size_t *done);

// A NUL-terminated string into dst; ENAMETOOLONG if it does not fit in size. *len without the NUL.
int copyinstr(char *dst, vaddr_t user_src, size_t size, size_t *len);

int clear_user(vaddr_t user_dst, size_t n);

// Aligned 32-bit words of futexes; atomic. compare_exchange stores the value found in *old.
int fetch_user_u32(vaddr_t user_addr, uint32_t *value);
int cmpxchg_user_u32(vaddr_t user_addr, uint32_t expect, uint32_t desired, uint32_t *old);

// For the trap code: whether an instruction is one of the copy's, and where it goes on when its
// fault cannot be resolved.
extern const char usercopy_text_start[], usercopy_text_end[], usercopy_failure[];
static inline bool usercopy_contains(vaddr_t rip)
{
    return rip >= (vaddr_t)usercopy_text_start && rip < (vaddr_t)usercopy_text_end;
}
