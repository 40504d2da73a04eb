/*
 * A teacher: a trained network that looks at every batch before it is learned from. It sees the
 * same augmented pictures, normalised as it is used to and enlarged by teacher.scale, and its
 * maps become targets together with the labels (train/targets.h). Any model file will do whose
 * skeleton shares joints with the network's: size, stride, order of joints and limbs may differ.
 * Where the loader's batches have views, it looks at each of them once (train/view_cache.h).
 */
#ifndef TRAIN_TEACHER_H
#define TRAIN_TEACHER_H

#include "base/workers.h"
#include "data/loader.h"
#include "kernel/kernel.h"

struct teacher;
struct seal_key;

struct teacher_options {
    const struct kernels *kernels; /* borrowed */
    struct workers *workers;       /* borrowed */
    struct seal_key *key;          /* of a sealed file; NULL: none */
};

/* The spec, which names the teacher, is borrowed. */
int teacher_open(struct teacher **out, const struct experiment_spec *spec,
                 const struct teacher_options *options);
void teacher_close(struct teacher *t); /* NULL is allowed */

/*
 * From here on what it says of views is kept in this file, if the spec has views. The level is that
 * of its kernels, mixed precision counted. Once, before the first teacher_run().
 */
int teacher_keep_views(struct teacher *t, const char *path, enum cpu_level level);

/* A fingerprint of graph, metadata and weights, 32 hex digits. */
const char *teacher_fingerprint(const struct teacher *t);

/* `*out` is the batch with targets in place of its labels and masks, valid until the next call. */
int teacher_run(struct teacher *t, const struct batch *batch, const struct batch **out);

#endif
