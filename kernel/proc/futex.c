// SPDX-License-Identifier: BSD-2-Clause
//
// Futexes: a hash table of sleepers. No wake-up is lost, because the word is compared and the
// sleeper queued under the bucket's lock, which a waker takes after it changed the word.
#include "proc/futex.h"

#include "amd64/usercopy.h"
#include "lib/errno.h"
#include "lib/list.h"
#include "mem/memlayout.h"
#include "proc/process.h"
#include "proc/thread.h"
#include "sync/scoped.h"
#include "vm/vm_space.h"

#define NBUCKETS   64
#define OWNER_DIED 0x40000000u
#define WAITERS    0x80000000u
#define TID_MASK   0x3fffffffu
#define ROBUST_MAX 2048 // entries of a robust list that are looked at

struct futex_key {
    const void *base; // the vm_object, or the vm_space
    uint64_t offset;  // in it: bytes, or the address
};

struct sleeper {
    struct list link;      // (bucket)
    struct futex_key key;  // (bucket)
    struct bucket *bucket; // (a) changed by requeue with both buckets locked
    uint32_t bits;
    bool woken; // (bucket)
    struct waitq wait;
};

struct bucket {
    struct mutex lock;
    struct list sleepers;
};

static struct bucket buckets[NBUCKETS];

void futex_init(void)
{
    for (unsigned i = 0; i < NBUCKETS; i++) {
        mutex_init(&buckets[i].lock, "futex", LOCK_FUTEX, LOCK_NESTED);
        list_init(&buckets[i].sleepers);
    }
}

static struct bucket *bucket_of(const struct futex_key *k)
{
    uint64_t h = ((uint64_t)k->base >> 4) + (k->offset >> 2);

    return &buckets[(h * 0x9e3779b97f4a7c15ul) >> 58];
}

static bool same(const struct futex_key *a, const struct futex_key *b)
{
    return a->base == b->base && a->offset == b->offset;
}

static int get_key(vaddr_t va, bool shared, struct futex_key *k)
{
    struct vm_space *vs = process_current()->space;

    if (va % sizeof(uint32_t))
        return EINVAL;
    if (va >= USER_MAX)
        return EFAULT;
    *k = (struct futex_key){vs, va};
    if (!shared)
        return 0;
    struct vm_map_entry *e;
    uint32_t word;
    if (copyin(&word, va, sizeof(word)) != 0) // no such page, or none that may be read
        return EFAULT;
    rw_lock_read(&vs->map.lock);
    bool mapped = vm_map_lookup(&vs->map, va, &e);
    if (mapped && e->attr.object && !(e->flags & ME_COW))
        *k = (struct futex_key){e->attr.object, e->attr.offset + (va - e->start_va)};
    rw_unlock_read(&vs->map.lock);
    return mapped ? 0 : EFAULT;
}

// ---- waiting ----

// Locks the bucket that s is in now.
static struct bucket *lock_sleeper(struct sleeper *s)
{
    for (;;) {
        struct bucket *b = load_acquire(&s->bucket);
        mutex_lock(&b->lock);
        if (s->bucket == b)
            return b;
        mutex_unlock(&b->lock);
    }
}

static int sleep(struct sleeper *s, uint64_t deadline_ns)
{
    struct bucket *b = s->bucket;
    int error = 0;

    while (!s->woken && !error) {
        struct waiter w;
        waitq_add(&s->wait, &w);
        mutex_unlock(&b->lock);
        error = waitq_block(WAIT_INTR, deadline_ns);
        waitq_remove(&w);
        b = lock_sleeper(s);
    }
    if (s->woken)
        error = 0;
    else
        list_remove(&s->link);
    mutex_unlock(&b->lock);
    return error;
}

int futex_wait(vaddr_t va, uint32_t expect, uint32_t bits, uint64_t deadline_ns, bool shared)
{
    struct sleeper s = {.bits = bits};
    uint32_t value;
    int error = bits ? get_key(va, shared, &s.key) : EINVAL;

    if (error)
        return error;
    waitq_init(&s.wait, "futex");
    s.bucket = bucket_of(&s.key);
    mutex_lock(&s.bucket->lock);
    error = fetch_user_u32(va, &value);
    if (!error && value != expect)
        error = EAGAIN;
    if (error) {
        mutex_unlock(&s.bucket->lock);
        return error;
    }
    list_push_back(&s.bucket->sleepers, &s.link);
    return sleep(&s, deadline_ns);
}

// ---- waking ----

static void wake_sleeper(struct sleeper *s)
{
    list_remove(&s->link);
    s->woken = true;
    waitq_wake_all(&s->wait);
}

// b locked.
static unsigned wake_matching(struct bucket *b, const struct futex_key *k, unsigned most,
                              uint32_t bits)
{
    unsigned n = 0;

    list_for_each_safe (s, &b->sleepers, struct sleeper, link) {
        if (n == most)
            break;
        if (same(&s->key, k) && (s->bits & bits)) {
            wake_sleeper(s);
            n++;
        }
    }
    return n;
}

int futex_wake(vaddr_t va, unsigned most, uint32_t bits, bool shared, unsigned *n)
{
    struct futex_key k;
    int error = bits ? get_key(va, shared, &k) : EINVAL;

    if (error)
        return error;
    struct bucket *b = bucket_of(&k);
    SCOPED_MUTEX(&b->lock);
    unsigned woken = wake_matching(b, &k, most, bits);
    if (n)
        *n = woken;
    return 0;
}

static void lock_two(struct bucket *a, struct bucket *b)
{
    mutex_lock(a < b ? &a->lock : &b->lock);
    if (a != b)
        mutex_lock(a < b ? &b->lock : &a->lock);
}

static void unlock_two(struct bucket *a, struct bucket *b)
{
    mutex_unlock(&a->lock);
    if (a != b)
        mutex_unlock(&b->lock);
}

static unsigned move_matching(struct bucket *from, const struct futex_key *k, struct bucket *to,
                              const struct futex_key *to_key, unsigned most)
{
    unsigned n = 0;

    list_for_each_safe (s, &from->sleepers, struct sleeper, link) {
        if (n == most)
            break;
        if (!same(&s->key, k))
            continue;
        n++;
        if (same(k, to_key))
            continue;
        list_remove(&s->link);
        s->key = *to_key;
        list_push_back(&to->sleepers, &s->link);
        store_release(&s->bucket, to);
    }
    return n;
}

int futex_requeue(vaddr_t va, vaddr_t to_va, unsigned wake, unsigned move, const uint32_t *expect,
                  bool shared, unsigned *n)
{
    struct futex_key k, to_key;
    uint32_t value;
    int error = get_key(va, shared, &k);

    if (!error)
        error = get_key(to_va, shared, &to_key);
    if (error)
        return error;
    struct bucket *b = bucket_of(&k), *to = bucket_of(&to_key);
    lock_two(b, to);
    if (expect) {
        error = fetch_user_u32(va, &value);
        if (!error && value != *expect)
            error = EAGAIN;
    }
    if (!error) {
        *n = wake_matching(b, &k, wake, FUTEX_MATCH_ANY);
        *n += move_matching(b, &k, to, &to_key, move);
    }
    unlock_two(b, to);
    return error;
}

// ---- robust mutexes ----

// The word of a mutex that tid may hold: OWNER_DIED takes its place.
static void owner_died(vaddr_t va, uint32_t tid)
{
    uint32_t value, found;

    if (va % sizeof(uint32_t) || fetch_user_u32(va, &value) != 0)
        return;
    while ((value & TID_MASK) == tid) {
        if (cmpxchg_user_u32(va, value, (value & WAITERS) | OWNER_DIED, &found) != 0)
            return;
        if (found == value) {
            if (value & WAITERS)
                futex_wake(va, 1, FUTEX_MATCH_ANY, true, NULL);
            return;
        }
        value = found;
    }
}

void futex_exit_robust(vaddr_t list_va, uint32_t tid)
{
    struct {
        vaddr_t next_va;
        int64_t word_offset;
        vaddr_t pending_va;
    } head;
    vaddr_t entry_va, next_va;

    if (copyin(&head, list_va, sizeof(head)) != 0)
        return;
    entry_va = head.next_va & ~1ul;
    for (unsigned n = 0; entry_va != list_va && n < ROBUST_MAX; n++) {
        if (copyin(&next_va, entry_va, sizeof(next_va)) != 0)
            return;
        if (entry_va != (head.pending_va & ~1ul))
            owner_died(entry_va + (uint64_t)head.word_offset, tid);
        entry_va = next_va & ~1ul;
    }
    if (head.pending_va)
        owner_died((head.pending_va & ~1ul) + (uint64_t)head.word_offset, tid);
}
