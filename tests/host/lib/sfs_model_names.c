// SPDX-License-Identifier: BSD-2-Clause
//
// The operations of sfs_model.h on names: each changes the model first, which says what must come,
// and then the real file system.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/sfs_model.h"
#include "lib/sfs_model_impl.h"
#include "lib/errno.h"
#include "lib/shim.h"

static struct model_name *find(struct model *m, int dir, const char *name)
{
    for (unsigned i = 0; i < MODEL_NAMES; i++)
        if (m->t.name[i].dir == dir && strcmp(m->t.name[i].name, name) == 0)
            return &m->t.name[i];
    return NULL;
}

static bool empty(struct model *m, int dir)
{
    for (unsigned i = 0; i < MODEL_NAMES; i++)
        if (m->t.name[i].dir == dir)
            return false;
    return true;
}

// Short names that meet each other often, and now and then one of the full length.
static void pick_name(struct model *m, char *name)
{
    unsigned n = rng_below(&m->rng, 16);

    sprintf(name, "n%u", n);
    if (n >= 14) {
        memset(name, 'a' + n, 255);
        name[255] = 0;
    }
}

// ---- Changing the model ----

static int new_node(struct model *m, uint32_t mode, int parent)
{
    for (unsigned i = 1; i < MODEL_NODES; i++) {
        struct model_node *n = &m->t.node[i];
        if (n->used)
            continue;
        memset(n, 0, sizeof(*n));
        n->used = true;
        n->mode = mode;
        n->nlink = model_is_dir(n) ? 2 : 1;
        n->parent = parent;
        n->resized = n->cut = true;
        return i;
    }
    return -1;
}

static bool add_name(struct model *m, int dir, const char *name, int node)
{
    for (unsigned i = 0; i < MODEL_NAMES; i++) {
        if (m->t.name[i].dir >= 0)
            continue;
        m->t.name[i].dir = dir;
        m->t.name[i].node = node;
        strcpy(m->t.name[i].name, name);
        return true;
    }
    return false;
}

static void drop_node(struct model *m, int node)
{
    struct model_node *n = &m->t.node[node];

    n->nlink = model_is_dir(n) ? 0 : n->nlink - 1;
    if (model_is_dir(n))
        m->t.node[n->parent].nlink--;
}

// ---- Operations: each returns what the real one returned, and the model's in *want ----

int model_op_create(struct model *m, int *want)
{
    static const uint32_t modes[] = {SFS_IFREG, SFS_IFREG, SFS_IFDIR, SFS_IFLNK, SFS_IFIFO};
    uint32_t mode = modes[rng_below(&m->rng, array_len(modes))] | 0644;
    int dir = model_pick(m, true), node = 0, error;
    struct vnode *dp, *ip;
    char name[256];

    pick_name(m, name);
    *want = find(m, dir, name) ? EEXIST : 0;
    if (!*want) {
        node = new_node(m, mode, dir);
        if (node < 0 || !add_name(m, dir, name, node))
            return -1;
        m->t.node[dir].nlink += model_is_dir(&m->t.node[node]);
    }
    dp = model_get(m, dir, &error);
    if (error)
        return error;
    if ((mode & SFS_IFMT) == SFS_IFLNK) {
        char target[128];
        unsigned len = 1 + rng_below(&m->rng, 120);
        memset(target, 't', len);
        target[len] = 0;
        mode = SFS_IFLNK | 0777;
        error = sfs_create(&(struct vname){dp, name, strlen(name), false, NULL}, mode, target, &ip);
        if (!error && !*want) {
            strcpy(m->t.node[node].target, target);
            m->t.node[node].size = len;
        }
    } else {
        error = model_create(dp, name, strlen(name), mode, &ip);
    }
    sfs_iput(dp);
    if (error)
        return error;
    if (!*want) {
        m->t.node[node].ino = ip->ino;
        m->t.node[node].generation = sfs_inode_of(ip)->d.generation;
        // A commit within the operation cannot have had it, so its state is noted only now.
        model_note_state(m, false);
    }
    sfs_iput(ip);
    return 0;
}

int model_op_remove(struct model *m, int *want)
{
    int dir = model_pick(m, true), error;
    bool rm_dir = rng_below(&m->rng, 3) == 0;
    struct model_name *found;
    struct vnode *dp, *ip;
    char name[256];

    pick_name(m, name);
    found = find(m, dir, name);
    if (!found)
        return -1;
    int node = found->node;
    if (rm_dir != model_is_dir(&m->t.node[node]))
        return -1; // those above know what they remove
    *want = rm_dir && !empty(m, node) ? ENOTEMPTY : 0;
    dp = model_get(m, dir, &error);
    if (error)
        return error;
    ip = model_get(m, node, &error);
    if (!error) {
        if (!*want) {
            found->dir = -1;
            drop_node(m, node);
            model_note_state(m, false);
        }
        error = model_remove(dp, name, strlen(name), ip);
        sfs_iput(ip);
    }
    sfs_iput(dp);
    return error;
}

int model_op_link(struct model *m, int *want)
{
    int dir = model_pick(m, true), node = model_pick(m, rng_below(&m->rng, 8) == 0), error;
    struct vnode *dp, *ip;
    char name[256];

    pick_name(m, name);
    if (node < 0 || model_is_dir(&m->t.node[node]))
        return -1;
    *want = find(m, dir, name) ? EEXIST : m->t.node[node].nlink == 0 ? ENOENT : 0;
    dp = model_get(m, dir, &error);
    if (error)
        return error;
    ip = model_get(m, node, &error);
    if (!error) {
        if (!*want) {
            if (!add_name(m, dir, name, node)) {
                sfs_iput(ip);
                sfs_iput(dp);
                return -1;
            }
            m->t.node[node].nlink++;
            model_note_state(m, false);
        }
        error = model_link(dp, name, strlen(name), ip);
        sfs_iput(ip);
    }
    sfs_iput(dp);
    return error;
}

static bool is_below(struct model *m, int dir, int ancestor)
{
    for (; dir != 0; dir = m->t.node[dir].parent)
        if (dir == ancestor)
            return true;
    return dir == ancestor;
}

static int rename_result(struct model *m, int node, int to_dir, int over)
{
    struct model_node *n = &m->t.node[node], *o = over < 0 ? NULL : &m->t.node[over];

    if (node == over)
        return 0;
    if (model_is_dir(n) && is_below(m, to_dir, node))
        return EINVAL;
    return o && model_is_dir(o) && !empty(m, over) ? ENOTEMPTY : 0;
}

int model_op_rename(struct model *m, int *want)
{
    int from = model_pick(m, true), to = model_pick(m, true), error;
    struct vnode *ip = NULL, *over = NULL, *fp, *tp;
    struct model_name *f, *t;
    char fname[256], tname[256];

    pick_name(m, fname);
    pick_name(m, tname);
    f = find(m, from, fname);
    t = find(m, to, tname);
    if (!f)
        return -1;
    int node = f->node, over_node = t ? t->node : -1;
    if (t && model_is_dir(&m->t.node[node]) != model_is_dir(&m->t.node[over_node]))
        return -1;
    *want = rename_result(m, node, to, over_node);
    fp = model_get(m, from, &error);
    if (error)
        return error;
    tp = model_get(m, to, &error);
    if (!error)
        ip = model_get(m, node, &error);
    if (!error && over_node >= 0)
        over = model_get(m, over_node, &error);
    if (!error) {
        struct vname a = {fp, fname, strlen(fname), false, NULL},
                     b = {tp, tname, strlen(tname), false, NULL};
        if (!*want && node != over_node) {
            f->dir = -1;
            if (t)
                t->dir = -1;
            add_name(m, to, tname, node);
            if (over_node >= 0)
                drop_node(m, over_node);
            if (model_is_dir(&m->t.node[node])) {
                m->t.node[from].nlink--;
                m->t.node[to].nlink++;
                m->t.node[node].parent = to;
            }
            model_note_state(m, false);
        }
        error = sfs_rename(&a, ip, &b, over, false);
    }
    if (over)
        sfs_iput(over);
    if (ip)
        sfs_iput(ip);
    if (tp)
        sfs_iput(tp);
    sfs_iput(fp);
    return error;
}
