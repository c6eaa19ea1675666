/* SPDX-License-Identifier: Apache-2.0
 *
 * See tree.h.
 */
#include "tests/fault/tree.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static tree *taking; /* nftw passes no user parameter */

static int take(const char *path, const struct stat *s, int type, struct FTW *ftw)
{
    (void)ftw;
    if (type != FTW_F)
        return 0;
    if (taking->count == TREE_FILES || strlen(path) >= sizeof taking->files[0].path)
        return 1;
    tree_file *f = &taking->files[taking->count];
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return 1;
    (void)snprintf(f->path, sizeof f->path, "%s", path);
    f->length = (size_t)s->st_size;
    f->mode = s->st_mode & 07777;
    f->bytes = malloc(f->length + 1);
    bool whole = f->bytes != NULL && fread(f->bytes, 1, f->length, file) == f->length;
    (void)fclose(file);
    if (f->bytes != NULL)
        f->bytes[f->length] = '\0';
    taking->count++;
    return whole ? 0 : 1;
}

bool tree_take(tree *t, const char *root)
{
    t->root = root;
    t->count = 0;
    taking = t;
    return nftw(root, take, 16, FTW_PHYS) == 0;
}

void tree_drop(tree *t)
{
    for (size_t i = 0; i < t->count; i++)
        free(t->files[i].bytes);
    t->count = 0;
}

const tree_file *tree_find(const tree *t, const char *end)
{
    for (size_t i = 0; i < t->count; i++) {
        size_t length = strlen(t->files[i].path), tail = strlen(end);
        if (length >= tail && strcmp(t->files[i].path + length - tail, end) == 0)
            return &t->files[i];
    }
    return NULL;
}

static bool same(const tree_file *a, const tree_file *b)
{
    return b != NULL && a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

static bool put(const tree_file *f)
{
    (void)remove(f->path);
    int fd = open(f->path, O_WRONLY | O_CREAT | O_EXCL, f->mode);
    bool written = fd >= 0 && write(fd, f->bytes, f->length) == (ssize_t)f->length;
    return fd >= 0 && close(fd) == 0 && written;
}

bool tree_restore(const tree *t)
{
    static tree now;
    bool good = tree_take(&now, t->root);

    for (size_t i = 0; i < now.count; i++)
        if (tree_find(t, now.files[i].path) == NULL)
            (void)remove(now.files[i].path);
    for (size_t i = 0; i < t->count; i++)
        if (!same(&t->files[i], tree_find(&now, t->files[i].path)))
            good = put(&t->files[i]) && good;
    tree_drop(&now);
    return good;
}

static bool left_out(const char *path, const char *const *but)
{
    for (; but != NULL && *but != NULL; but++)
        if (strstr(path, *but) != NULL)
            return true;
    return false;
}

static bool within(const tree *a, const tree *b, const char *const *but)
{
    for (size_t i = 0; i < a->count; i++)
        if (!left_out(a->files[i].path, but) && !same(&a->files[i], tree_find(b, a->files[i].path)))
            return false;
    return true;
}

bool tree_same(const tree *a, const tree *b, const char *const *but)
{
    return within(a, b, but) && within(b, a, but);
}
