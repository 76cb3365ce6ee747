// SPDX-License-Identifier: BSD-2-Clause
//
// Names against a model: random trees of directories, files and symlinks, made, renamed, removed
// and walked by paths with dots, double slashes, links that loop and links to nothing.
//
// link: tests/host/lib/vfs_machine.c tests/host/lib/memdev.c kernel/fs/sfs/bdev.c kernel/fs/sfs/buf.c
// link: kernel/fs/sfs/journal.c kernel/fs/sfs/sfs_*.c
// link: kernel/fs/vnode.c kernel/fs/vnode_*.c kernel/fs/sfs/vnode_sfs.c
// link: kernel/fs/namei.c kernel/fs/vfs_ops.c
// link: kernel/fs/file_lock.c kernel/fs/file.c kernel/fs/uio.c
// link: mkfs/format.c mkfs/check.c mkfs/check_files.c mkfs/check_dirs.c
// link: kernel/vm/*.c tests/host/lib/vm_machine.c tests/host/lib/fake_pmap.c
// link: kernel/mem/*.c
// link: kernel/lib/rbtree.c kernel/lib/bitmap.c
// link: tests/host/lib/ram.c tests/host/lib/shim.c tests/host/lib/kstring.c
// link: kernel/lib/printf.c kernel/lib/panic.c kernel/sync/[!i]*.c
#include <stdio.h>
#include <string.h>
#include "lib/shim.h"
#include "fs/vfs_mounts.h"
#include "lib/errno.h"
#include "lib/rng.h"
#include "tests/host/lib/vfs_machine.h"
#include "vm/slab.h"

#define NODES     64
#define STEPS     5000u
#define MAX_LINKS 40

struct node {
    char type; // 'd', 'f', 'l'; 0: unused
    int parent;
    char name;       // one letter
    char target[48]; // of a link
    uint64_t ino;
};

static struct node nodes[NODES]; // 0 is the root
static struct rng rng;

static int child(int dir, char name)
{
    for (int i = 1; i < NODES; i++)
        if (nodes[i].type && nodes[i].parent == dir && nodes[i].name == name)
            return i;
    return -ENOENT;
}

static bool has_children(int dir)
{
    for (int i = 1; i < NODES; i++)
        if (nodes[i].type && nodes[i].parent == dir)
            return true;
    return false;
}

static bool inside(int at, int dir)
{
    while (at != dir && at != 0)
        at = nodes[at].parent;
    return at == dir;
}

// The node that a path means, or an errno, negative.
static int walk(int at, const char *p, bool follow, int *links)
{
    if (*p == '/')
        at = 0;
    for (;;) {
        p += strspn(p, "/");
        if (!*p)
            return at;
        size_t len = strcspn(p, "/");
        bool slash = p[len] == '/', last = p[len + strspn(p + len, "/")] == '\0';
        if (nodes[at].type != 'd')
            return -ENOTDIR;
        int next = len == 2 ? nodes[at].parent : *p == '.' ? at : child(at, *p);
        if (next < 0)
            return next;
        if (nodes[next].type == 'l' && (!last || follow || slash)) {
            if (++*links > MAX_LINKS)
                return -ELOOP;
            next = walk(at, nodes[next].target, true, links);
            if (next < 0)
                return next;
        }
        if (slash && nodes[next].type != 'd')
            return -ENOTDIR;
        at = next;
        p += len;
    }
}

static int find(const char *path, bool follow)
{
    int links = 0;

    return walk(0, path, follow, &links);
}

// A path, in the end a name or whatever else may stand there.
static void random_path(char *path, bool plain_end)
{
    static const char *const parts[] = {"a", "b", "c", "d", ".", "..", "a/", "b//"};
    unsigned n = (unsigned)rng_below(&rng, 4);

    strcpy(path, rng_below(&rng, 2) ? "/" : "");
    for (unsigned i = 0; i < n; i++)
        sprintf(path + strlen(path), "%s/", parts[rng_below(&rng, 8)]);
    strcat(path, parts[rng_below(&rng, plain_end ? 4 : 8)]);
}

// The directory that holds a path's last letter, or an errno.
static int parent_of(const char *path)
{
    char dir[64];

    strcpy(dir, path);
    dir[strlen(dir) - 1] = '.';
    return find(dir, true);
}

static void lookup(const char *path)
{
    bool follow = rng_below(&rng, 2);
    struct vnode *v;
    int want = find(path, follow);
    int err = namei(root_vnode, path, follow ? NAMEI_FOLLOW : 0, &v, NULL);

    CHECK(want < 0 ? err == -want : err == 0, "%s: %d, not %d", path, err, want);
    if (err)
        return;
    CHECK(v->ino == nodes[want].ino, "%s: inode %lu, not %lu", path, v->ino, nodes[want].ino);
    vnode_unref(v);
}

static uint64_t ino_of(const char *path)
{
    struct vnode *v;

    CHECK(namei(root_vnode, path, 0, &v, NULL) == 0, "%s is not there", path);
    uint64_t ino = v->ino;
    vnode_unref(v);
    return ino;
}

static int make(char type, const char *path, const char *target)
{
    struct file *f;

    if (type == 'd')
        return vfs_mkdir(root_vnode, path, 0755);
    if (type == 'l')
        return vfs_symlink(target, root_vnode, path);
    int err = vopen(path, O_CREAT | O_EXCL | O_RDWR, &f);
    if (!err)
        file_unref(f);
    return err;
}

static void add(const char *path)
{
    char type = "dfl"[rng_below(&rng, 3)], target[64];
    int dir = parent_of(path), at = 1;

    while (at < NODES && nodes[at].type)
        at++;
    if (at == NODES)
        return;
    random_path(target, false);
    target[sizeof(nodes[at].target) - 1] = '\0';
    int want = dir < 0 ? -dir : nodes[dir].type != 'd' ? ENOTDIR : 0;
    char name = path[strlen(path) - 1];
    if (!want && child(dir, name) >= 0)
        want = EEXIST;
    int err = make(type, path, target);
    CHECK(err == want, "make %c %s: %d, not %d", type, path, err, want);
    if (err)
        return;
    nodes[at] = (struct node){.type = type, .parent = dir, .name = name, .ino = ino_of(path)};
    strcpy(nodes[at].target, target);
}

static void drop(const char *path)
{
    bool as_dir = rng_below(&rng, 2);
    int at = find(path, false);
    bool dir = at >= 0 && nodes[at].type == 'd';
    int want = at < 0           ? -at
               : as_dir && !dir ? ENOTDIR
               : as_dir         ? (has_children(at) ? ENOTEMPTY : 0)
               : dir            ? EISDIR
                                : 0;
    int err = as_dir ? vfs_rmdir(root_vnode, path) : vfs_unlink(root_vnode, path);

    CHECK(err == want, "remove %s: %d, not %d", path, err, want);
    if (!err)
        nodes[at].type = 0;
}

static void move(const char *from, const char *to)
{
    int at = find(from, false), dir = parent_of(to), over = find(to, false);
    bool both = at >= 0 && over >= 0;
    bool good = at >= 0 && dir >= 0 && nodes[dir].type == 'd' && !inside(dir, at) &&
                (over < 0 || at == over ||
                 ((nodes[at].type == 'd') == (nodes[over].type == 'd') && !has_children(over)));
    int err = vfs_rename(root_vnode, from, root_vnode, to, 0);

    CHECK((err == 0) == good, "rename %s to %s: %d, good %d", from, to, err, good);
    if (err || at == over)
        return;
    if (both)
        nodes[over].type = 0;
    nodes[at].parent = dir;
    nodes[at].name = to[strlen(to) - 1];
}

// getcwd's way up leads back down.
static void check_path(const char *path)
{
    char buf[256];
    struct vnode *v;
    int at = find(path, true);

    if (at < 0 || nodes[at].type != 'd')
        return;
    CHECK(namei(root_vnode, path, NAMEI_FOLLOW, &v, NULL) == 0, "%s", path);
    CHECK(vnode_path(v, buf, sizeof(buf)) == 0, "%s has no path", path);
    CHECK(find(buf, false) == at && !strstr(buf, "."), "%s is %s", path, buf);
    vnode_unref(v);
}

static void test_random(void)
{
    char path[64], other[64];

    rng = (struct rng){shim_seed};
    nodes[0] = (struct node){.type = 'd', .ino = root_vnode->ino};
    for (unsigned i = 0; i < STEPS; i++) {
        uint64_t what = rng_below(&rng, 16);
        random_path(path, what < 8);
        random_path(other, true);
        if (what < 4)
            add(path);
        else if (what < 6)
            drop(path);
        else if (what < 8)
            move(path, other);
        else if (what < 15)
            lookup(path);
        else
            check_path(path);
    }
    vfs_check();
}

static void expect(const char *path, unsigned flags, int want)
{
    struct slab_stats before, after;
    struct vname last = {0};
    struct vnode *v;

    // Once before, so that the vnodes are in memory.
    int err = namei(root_vnode, path, flags, &v, &last);
    if (!err)
        vnode_unref(v);
    slab_free(last.buf);
    last.buf = NULL;
    slab_get_stats(&before);
    err = namei(root_vnode, path, flags, &v, &last);
    slab_free(last.buf);
    slab_get_stats(&after);
    CHECK(after.objects == before.objects && after.large_bytes == before.large_bytes, "a leak");
    CHECK(err == want, "%.20s with flags %x: %d, not %d", path, flags, err, want);
    if (!err)
        vnode_unref(v);
}

// A chain of as many links as may be followed, and one more; a name as long as may be, and longer.
static void test_limits(void)
{
    char name[NAME_MAX + 2], target[16] = ".";

    for (unsigned i = 1; i <= MAX_LINKS + 1; i++) {
        sprintf(name, "link%u", i);
        CHECK(vfs_symlink(target, root_vnode, name) == 0, "%s", name);
        expect(name, NAMEI_FOLLOW, i > MAX_LINKS ? ELOOP : 0);
        strcpy(target, name);
    }
    for (unsigned i = 1; i <= MAX_LINKS + 1; i++) {
        sprintf(name, "link%u", i);
        CHECK(vfs_unlink(root_vnode, name) == 0, "%s", name);
    }
    memset(name, 'n', NAME_MAX);
    name[NAME_MAX] = '\0';
    expect(name, 0, ENOENT);
    expect(name, NAMEI_PARENT, 0);
    strcat(name, "n");
    expect(name, 0, ENAMETOOLONG);
    expect(name, NAMEI_PARENT, ENAMETOOLONG);
}

int main(int argc, char **argv)
{
    shim_main(argc, argv);
    shim_watchdog(120);
    vfs_start(3000, 1000, 8);
    RUN(test_limits);
    RUN(test_random);
    machine_check();
    return shim_done();
}
