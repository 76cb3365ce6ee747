// SPDX-License-Identifier: BSD-2-Clause
//
// Range checks around usercopy.S.
#include "amd64/usercopy.h"

#include "lib/errno.h"
#include "mem/memlayout.h"
#include "sync/kctx.h"

struct copy_result {
    uint64_t error;
    vaddr_t reached; // the first byte of the destination that was not written
};

// usercopy.S
struct copy_result usercopy_bytes(void *dst, const void *src, size_t len);
int usercopy_zero(void *dst, size_t len);
int usercopy_string(char *dst, const char *src, size_t size, size_t *len);
int usercopy_fetch32(const uint32_t *src, uint32_t *value);
int usercopy_cmpxchg32(uint32_t *dst, uint32_t expect, uint32_t desired, uint32_t *old);

// The check of an aligned word.
static int check_word(vaddr_t va)
{
    if (va % sizeof(uint32_t) != 0)
        return EINVAL;
    return user_range(va, sizeof(uint32_t)) ? 0 : EFAULT;
}

int copyin(void *dst, vaddr_t user_src, size_t n)
{
    assert_may_sleep("copyin");
    if (!user_range(user_src, n))
        return EFAULT;
    return usercopy_bytes(dst, (const void *)user_src, n).error;
}

int copyout(vaddr_t user_dst, const void *src, size_t n)
{
    assert_may_sleep("copyout");
    if (!user_range(user_dst, n))
        return EFAULT;
    return usercopy_bytes((void *)user_dst, src, n).error;
}

// A word across the end of the last page that is there fails as a whole: what of it lies before the
// end is copied apart, so that a caller that goes on byte by byte gets on.
static int copy_nofault(void *dst, const void *src, size_t n, vaddr_t user_va, size_t *done)
{
    struct kctx *ctx = kctx_current();
    ctx->nofault++;
    struct copy_result r = usercopy_bytes(dst, src, n);
    size_t copied = r.reached - (vaddr_t)dst;
    size_t rest = PAGE_SIZE - ((user_va + copied) & PAGE_MASK);
    if (r.error && rest < sizeof(uint64_t) && rest <= n - copied) {
        r.reached = usercopy_bytes((char *)dst + copied, (const char *)src + copied, rest).reached;
        copied = r.reached - (vaddr_t)dst;
    }
    ctx->nofault--;
    if (done)
        *done = copied;
    return r.error;
}

int copyin_nofault(void *dst, vaddr_t user_src, size_t n, size_t *done)
{
    if (user_range(user_src, n))
        return copy_nofault(dst, (const void *)user_src, n, user_src, done);
    if (done)
        *done = 0;
    return EFAULT;
}

int copyout_nofault(vaddr_t user_dst, const void *src, size_t n, size_t *done)
{
    if (user_range(user_dst, n))
        return copy_nofault((void *)user_dst, src, n, user_dst, done);
    if (done)
        *done = 0;
    return EFAULT;
}

int copyinstr(char *dst, vaddr_t user_src, size_t size, size_t *len)
{
    assert_may_sleep("copyinstr");
    if (user_src >= USER_MAX)
        return EFAULT;
    size_t limit = min(size, USER_MAX - user_src), n;
    int error = usercopy_string(dst, (const char *)user_src, limit, &n);
    if (error)
        return error;
    if (n == limit)
        return limit < size ? EFAULT : ENAMETOOLONG;
    if (len)
        *len = n;
    return 0;
}

int clear_user(vaddr_t user_dst, size_t n)
{
    assert_may_sleep("clear_user");
    return user_range(user_dst, n) ? usercopy_zero((void *)user_dst, n) : EFAULT;
}

int fetch_user_u32(vaddr_t user_addr, uint32_t *value)
{
    assert_may_sleep("fetch_user_u32");
    int error = check_word(user_addr);
    return error ? error : usercopy_fetch32((const uint32_t *)user_addr, value);
}

int cmpxchg_user_u32(vaddr_t user_addr, uint32_t expect, uint32_t desired, uint32_t *old)
{
    assert_may_sleep("cmpxchg_user_u32");
    int error = check_word(user_addr);
    return error ? error : usercopy_cmpxchg32((uint32_t *)user_addr, expect, desired, old);
}
