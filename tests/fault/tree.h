/* SPDX-License-Identifier: Apache-2.0
 *
 * A directory of files kept in memory, to see what a run changed and to undo it.
 */
#ifndef FAULT_TREE_H
#define FAULT_TREE_H

#include <stdbool.h>
#include <stddef.h>

enum { TREE_FILES = 256 };

typedef struct tree_file {
    char path[512];
    char *bytes;
    size_t length;
    unsigned mode;
} tree_file;

typedef struct tree {
    const char *root;
    tree_file files[TREE_FILES];
    size_t count;
} tree;

/* Reads all files below `root`. False on an error. Release with tree_drop. */
bool tree_take(tree *t, const char *root);
void tree_drop(tree *t);
/* Restores the directory. */
bool tree_restore(const tree *t);
/* The file whose path ends so; NULL: none. */
const tree_file *tree_find(const tree *t, const char *end);
/* True if both have the same files, except those whose path contains one of the words (the list
 * ends with NULL). */
bool tree_same(const tree *a, const tree *b, const char *const *but);

#endif
