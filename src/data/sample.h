/* One training sample from one record: picture, mask, joints, draws, labels. For loader.c. */
#ifndef DATA_SAMPLE_H
#define DATA_SAMPLE_H

#include "base/rng.h"
#include "data/joints.h"
#include "data/label.h"
#include "data/record.h"
#include "spec/spec.h"

/* A dataset that records may name. */
struct sample_dataset {
    const char *name;
    struct joint_map map;
};

/* What all samples share; read-only once made. */
struct sample_setup {
    const struct dataloader_spec *spec;
    const struct skeleton *skeleton;
    struct label_shape shape;
    struct sample_dataset *datasets;
    size_t n_datasets;
};

/* BPNET_ECONFIG for sizes without one integer stride, or datasets that do not fit the skeleton. */
int sample_setup_init(struct sample_setup *s, const struct dataloader_spec *spec,
                      const struct skeleton *skeleton);
void sample_setup_free(struct sample_setup *s); /* a zeroed one is allowed */

/*
 * How far the labels of a cell's empty channels can be believed. Outside the picture there is
 * nothing whatever its source labels; outside people's boxes (enlarged by a tenth) there may be
 * someone unless every person is labelled.
 */
enum cell_trust { CELL_SURE, CELL_UNSURE, CELL_OUTSIDE };

/* What one thread needs; grows to the largest sample seen. */
struct sample_scratch {
    float *cells;      /* (h, w) */
    float *mask;       /* (h, w) */
    uint8_t *doubtful; /* (h, w) */
    struct joint *joints;
    int joints_capacity; /* people */
};

int sample_scratch_init(struct sample_scratch *s, const struct label_shape *shape);
void sample_scratch_free(struct sample_scratch *s); /* a zeroed one is allowed */

/*
 * `image` is (H, W, 3), `trust` (h, w) of enum cell_trust. With rng NULL nothing is drawn: the
 * sample as it is, placed as the spec's spatial mode says. `where` opens the messages:
 * "train-fold-000-of-001: record 12".
 */
int sample_make(float *image, const struct label_maps *maps, uint8_t *trust,
                const struct sample_setup *setup, struct sample_scratch *scratch,
                const struct record *record, struct rng *rng, const char *where);

#endif
