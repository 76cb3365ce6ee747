// SPDX-License-Identifier: BSD-2-Clause
//
// Advisory locks on files: file_lock.h has the contract. Each change of a file's locks ends with
// grant_waiters, so that with the mutex free nobody waits for what can be had.

#include "fs/file_lock.h"

#include "fs/vfs_mounts.h"
#include "fs/vnode_impl.h"
#include "lib/errno.h"
#include "lib/panic.h"
#include "lib/printf.h"
#include "mem/pool.h"
#include "sync/scoped.h"

#define DEADLOCK_STEPS 10 // owners that a search for a deadlock follows, as on Linux

// A wish under way.
struct request {
    struct file_lock want;
    struct list spares;               // records brought along, then those no longer needed
    struct list link;                 // (mutex) among the waiters
    struct waitq wait;                // its thread's
    const struct file_lock *obstacle; // (mutex) what keeps it off; as of the last grant_waiters
    bool done;                        // (mutex) with error; off the list
    int error;
};

static struct mutex mutex;
static struct pool pool;
static struct list all = LIST_INIT(all);         // (mutex) granted locks
static struct list waiters = LIST_INIT(waiters); // (mutex) of all files, oldest first

void file_lock_init(void)
{
    mutex_init(&mutex, "file locks", LOCK_FILE_LOCK, 0);
    pool_init(&pool, "file lock", sizeof(struct file_lock), 0, NULL);
    pool_set_limits(&pool, 0, FILE_LOCKS_MAX);
}

// ---- how two locks of one file stand to each other ----

static bool overlap(const struct file_lock *a, const struct file_lock *b)
{
    return a->start <= b->end && b->start <= a->end;
}

static bool same_owner(const struct file_lock *a, const struct file_lock *b)
{
    return a->owner == b->owner && a->kind == b->kind;
}

// They are, or become, one.
static bool joined(const struct file_lock *a, const struct file_lock *b)
{
    return a->type == b->type && a->start - 1 <= b->end && b->start - 1 <= a->end;
}

static bool covers(const struct file_lock *a, const struct file_lock *b)
{
    return a->start <= b->start && b->end <= a->end;
}

static bool conflict(const struct file_lock *held, const struct file_lock *want)
{
    bool same_space = (held->kind == FILE_LOCK_FLOCK) == (want->kind == FILE_LOCK_FLOCK);

    return want->type != F_UNLCK && (held->type == F_WRLCK || want->type == F_WRLCK) &&
           same_space && !same_owner(held, want) && overlap(held, want);
}

// The first granted lock that is in want's way, or NULL.
static const struct file_lock *find_obstacle(const struct file_lock *want)
{
    KASSERT(mutex_held(&mutex), "vnode %lu", want->vnode->ino);
    list_for_each (l, &want->vnode->locks, struct file_lock, link) {
        if (conflict(l, want))
            return l;
    }
    return NULL;
}

// True if `by', which is in want's way, waits itself, by way of others perhaps, for want's owner.
// Only processes are followed: an open file may be unlocked by anybody who has it.
static bool deadlock(const struct file_lock *want, const struct file_lock *by)
{
    for (unsigned i = 0; i <= DEADLOCK_STEPS && by && by->kind == FILE_LOCK_POSIX; i++) {
        const struct file_lock *next = NULL;
        if (same_owner(by, want))
            return true;
        list_for_each (r, &waiters, struct request, link) {
            if (same_owner(&r->want, by)) {
                next = find_obstacle(&r->want);
                break;
            }
        }
        by = next;
    }
    return false;
}

// ---- records ----

// Brings what the request may need. Less than that is found out by count_records.
static void bring_spares(struct request *r)
{
    const struct file_lock *want = &r->want;
    bool whole = want->start == 0 && want->end == FILE_LOCK_END;
    unsigned n = (want->type != F_UNLCK) + !whole;

    list_init(&r->spares);
    for (; n > 0; n--) {
        struct file_lock *l = pool_get(&pool, PR_WAITOK);
        if (l)
            list_push_back(&r->spares, &l->link);
    }
}

static void free_spares(struct list *spares)
{
    struct file_lock *l;

    while ((l = list_pop(spares, struct file_lock, link)))
        pool_put(&pool, l);
}

// Records that the change takes, less those that it sets free before it takes one.
static int count_records(const struct file_lock *want)
{
    int n = want->type != F_UNLCK;

    list_for_each (l, &want->vnode->locks, struct file_lock, link) {
        if (!same_owner(l, want))
            continue;
        if (joined(l, want) || covers(want, l))
            n--;
        else if (l->start < want->start && l->end > want->end)
            n++;
    }
    return n;
}

static void take_off(struct file_lock *l, struct list *spares)
{
    list_remove(&l->link);
    list_remove(&l->all_link);
    list_push_back(spares, &l->link);
}

static void put_on(struct list *spares, const struct file_lock *value, struct list *before)
{
    struct file_lock *l = list_pop(spares, struct file_lock, link);

    KASSERT(l, "no record for bytes %ld to %ld", value->start, value->end);
    *l = *value;
    list_insert_between(&l->link, before->prev, before);
    list_push_back(&all, &l->all_link);
}

// ---- changes ----

// Takes want's range out of l, of the same owner and another type.
// Returns what then comes after it.
static struct list *cut(struct file_lock *l, const struct file_lock *want, struct list *spares)
{
    if (l->start >= want->start) {
        l->start = want->end + 1;
        return &l->link;
    }
    if (l->end > want->end) {
        struct file_lock tail = *l;
        tail.start = want->end + 1;
        put_on(spares, &tail, l->link.next);
    }
    l->end = min(l->end, want->start - 1);
    return l->link.next;
}

// Makes the change that r wants; nothing is in its way.
static int apply(struct request *r)
{
    const struct file_lock *want = &r->want;
    struct file_lock new = *want;
    struct list *at = NULL; // what the new lock is to stand before
    int missing = count_records(want);

    list_for_each (s, &r->spares, struct file_lock, link)
        missing--;
    if (missing > 0)
        return ENOLCK;
    list_for_each_safe (l, &want->vnode->locks, struct file_lock, link) {
        if (!same_owner(l, want))
            continue;
        struct list *next = l->link.next;
        if (joined(l, want)) {
            new.start = min(new.start, l->start);
            new.end = max(new.end, l->end);
            take_off(l, &r->spares);
        } else if (covers(want, l)) {
            take_off(l, &r->spares);
        } else if (overlap(l, want)) {
            next = cut(l, want, &r->spares);
        } else if (l->start > want->end) {
            at = at ? at : &l->link;
            break;
        }
        at = next;
    }
    if (want->type != F_UNLCK)
        put_on(&r->spares, &new, at ? at : &want->vnode->locks);
    return 0;
}

// Gives the lock, in the order of coming, to each that waits for v and can have it now. What it
// gives may let go of something, so another one may have its turn. EDEADLK is for who came upon
// another obstacle behind its first one, whose owner waits for it.
static void grant_waiters(const struct vnode *v)
{
    bool again = true;

    KASSERT(mutex_held(&mutex), "vnode %lu", v->ino);
    while (again) {
        again = false;
        list_for_each_safe (r, &waiters, struct request, link) {
            if (r->want.vnode != v)
                continue;
            const struct file_lock *before = r->obstacle, *now = find_obstacle(&r->want);
            r->obstacle = now;
            if (now && (now == before || !deadlock(&r->want, now)))
                continue;
            r->error = now ? EDEADLK : apply(r);
            r->done = again = true;
            list_remove(&r->link);
            waitq_wake_all(&r->wait);
        }
    }
}

// The mutex is held, and released while the thread sleeps. The change may have begun (an flock of
// the other type is gone), so it ends here, too.
static int wait_for_grant(struct request *r)
{
    int error = 0;

    waitq_init(&r->wait, "file lock");
    list_push_back(&waiters, &r->link);
    grant_waiters(r->want.vnode);
    while (!r->done && !error)
        error = waitq_wait_mutex(&r->wait, &mutex, WAIT_INTR, WAIT_FOREVER);
    if (r->done)
        return r->error;
    list_remove(&r->link);
    return error;
}

// As Linux has it: who wants to change an flock's type first loses what it has.
static void give_up_other_type(struct request *r)
{
    list_for_each_safe (l, &r->want.vnode->locks, struct file_lock, link) {
        if (same_owner(l, &r->want) && l->type != r->want.type)
            take_off(l, &r->spares);
    }
}

int file_lock_set(const struct file_lock *want, bool wait)
{
    struct request r = {.want = *want};
    int error;

    KASSERT(0 <= want->start && want->start <= want->end, "%ld to %ld", want->start, want->end);
    bring_spares(&r);
    mutex_lock(&mutex);
    if (want->kind == FILE_LOCK_FLOCK)
        give_up_other_type(&r);
    r.obstacle = find_obstacle(want);
    if (!r.obstacle)
        error = apply(&r);
    else if (!wait)
        error = EAGAIN;
    else
        error = deadlock(want, r.obstacle) ? EDEADLK : wait_for_grant(&r);
    grant_waiters(want->vnode);
    mutex_unlock(&mutex);
    free_spares(&r.spares);
    return error;
}

void file_lock_get(struct file_lock *want)
{
    SCOPED_MUTEX(&mutex);
    const struct file_lock *l = find_obstacle(want);
    if (l)
        *want = *l;
    else
        want->type = F_UNLCK;
}

void file_lock_release(struct vnode *v, const void *owner)
{
    struct list spares = LIST_INIT(spares);

    mutex_lock(&mutex);
    list_for_each_safe (l, &v->locks, struct file_lock, link) {
        if (l->owner == owner)
            take_off(l, &spares);
    }
    grant_waiters(v);
    mutex_unlock(&mutex);
    free_spares(&spares);
}

// ---- looking ----

static void show_lock(const struct file_lock *l, unsigned n, const char *arrow, struct strbuf *out)
{
    static const char *const kinds[] = {"POSIX ", "OFDLCK", "FLOCK "};
    const struct vnode *v = l->vnode;
    uint64_t dev = v->mount ? v->mount->dev : 0;

    strbuf_printf(out, "%u: %s%s ADVISORY  %s %d %02lx:%02lx:%lu %ld ", n, arrow, kinds[l->kind],
                  l->type == F_WRLCK ? "WRITE" : "READ", l->pid, dev >> 8, dev & 0xff, v->ino,
                  l->start);
    if (l->end == FILE_LOCK_END)
        strbuf_printf(out, "EOF\n");
    else
        strbuf_printf(out, "%ld\n", l->end);
}

int file_lock_show(int pid UNUSED, struct strbuf *out)
{
    unsigned n = 0;

    SCOPED_MUTEX(&mutex);
    list_for_each (l, &all, struct file_lock, all_link) {
        show_lock(l, ++n, "", out);
        list_for_each (r, &waiters, struct request, link) {
            if (r->obstacle == l)
                show_lock(&r->want, n, "-> ", out);
        }
    }
    return 0;
}

// What is wrong with l, or NULL.
static const char *fault_of(const struct file_lock *l)
{
    bool listed = false;

    if (l->start < 0 || l->end < l->start || l->type > F_WRLCK)
        return "has no such range or type";
    list_for_each (o, &l->vnode->locks, struct file_lock, link) {
        listed |= o == l;
        if (conflict(o, l))
            return "conflicts with another one";
        if (o != l && same_owner(o, l) && (overlap(o, l) || joined(o, l)))
            return "overlaps or touches another one of its owner's";
    }
    return listed ? NULL : "is not on its file's list";
}

unsigned file_lock_check(struct strbuf *out)
{
    unsigned faults = 0;

    if (!mutex_trylock(&mutex))
        return 0;
    list_for_each (l, &all, struct file_lock, all_link) {
        const char *fault = fault_of(l);
        faults += fault != NULL;
        if (fault)
            strbuf_printf(out, "file_lock_check: vnode %lu, %d's lock of bytes %ld to %ld %s\n",
                          l->vnode->ino, l->pid, l->start, l->end, fault);
    }
    list_for_each (r, &waiters, struct request, link) {
        bool right = r->obstacle && r->obstacle == find_obstacle(&r->want);
        faults += !right;
        if (!right)
            strbuf_printf(out, "file_lock_check: vnode %lu, %d waits for %p, not the obstacle\n",
                          r->want.vnode->ino, r->want.pid, (const void *)r->obstacle);
    }
    mutex_unlock(&mutex);
    return faults;
}
