/* The entries of "categories" in dataset specs and pose configs. */
#ifndef SPEC_CATEGORY_H
#define SPEC_CATEGORY_H

#include "pose/skeleton.h"
#include "spec/doc.h"

struct category {
    char *name;
    int n_joints; /* num_joints; equal to n_keypoints */
    char **keypoints;
    size_t n_keypoints;
    bool has_limbs; /* the skeleton was read */
    int n_limbs;
    int16_t limbs[SKELETON_MAX_LIMBS][2]; /* zero-based */
};

/*
 * Read one entry. Names must differ and fit a skeleton's. With `limbs` the skeleton's pairs
 * are read and checked (one-based in the file), and there must be one; without, it is left aside.
 */
int category_read(struct category *out, const struct doc *doc, const struct doc_node *node,
                  bool limbs);
void category_free(struct category *c); /* a zeroed one is allowed */

/* "categories" of a file: a list with at least one entry. */
int category_list(const struct doc_node **out, const struct doc *doc);

#endif
