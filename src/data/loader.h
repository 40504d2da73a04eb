/*
 * Training batches from records. What step s holds depends on (records, spec, seed, s) alone: the
 * records of epoch e are visited in the permutation drawn from (seed, e), and record i's
 * augmentation is drawn from (seed, e, i). Batches cross epoch boundaries; none is partial. A
 * shuffle_buffer_size of 1 keeps the files' order; with any other the permutation is a full one.
 *
 * With augmentation_config.views V a record has V augmentations, drawn from (seed, view, i), which
 * its visits take in turn; batches then say which.
 *
 * With sampling_weights record i of weight w is visited n w / (sum of weights) times an epoch of n
 * visits on the average, each time with another augmentation (data/order.h). A weight belongs to a
 * name: of the picture's source, of its part before a colon, of the dataset or of a record file.
 *
 * A record or a picture that cannot be used ends the run: loader_next() names the record file, the
 * record's number and what is wrong with it.
 */
#ifndef DATA_LOADER_H
#define DATA_LOADER_H

#include "pose/skeleton.h"
#include "spec/spec.h"

struct batch {
    int n, image_h, image_w, label_h, label_w;
    int heat_channels, paf_channels;
    float *image;     /* (N, H, W, 3) normalised */
    float *heat;      /* (N, h, w, heat_channels) */
    float *heat_mask; /* the same shape, 0..1: weight inside the square (spec 7.1) */
    float *paf;
    float *paf_mask;
    uint8_t *trust; /* (N, h, w), enum cell_trust (data/sample.h) */
    uint64_t *view; /* (N): record * views + its view; NULL where every visit is drawn anew */
};

struct loader;

struct loader_options {
    const struct dataloader_spec *spec;
    const struct skeleton *skeleton;
    uint64_t seed;
    uint64_t first_step; /* where to resume */
    unsigned threads;    /* prefetching threads, at least 1 */
    bool validation;     /* val records, no augmentation draws, no shuffling */
    int batch_size;      /* 0: the spec's */
};

int loader_open(struct loader **out, const struct loader_options *options);
void loader_close(struct loader *l); /* NULL is allowed */

size_t loader_n_records(const struct loader *l);

/* The next batch, valid until the next call. */
int loader_next(struct loader *l, const struct batch **out);

#endif
