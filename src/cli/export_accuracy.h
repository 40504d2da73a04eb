/* The labelled pictures that `bpnet export` measures engines on. */
#ifndef CLI_EXPORT_ACCURACY_H
#define CLI_EXPORT_ACCURACY_H

#include "cli/progress.h"
#include "cli/verb.h"
#include "deploy/quality.h"
#include "engine/engine.h"
#include "spec/spec.h"

/* Which ones: a dataset spec's test_data, or a COCO keypoint file and a folder. */
struct labelled {
    const char *dataset;
    const char *annotations, *images;
    int64_t max_images; /* 0: all */
};

/* Zeroed when there are none. */
struct accuracy {
    const struct run *run;
    struct workers *workers;    /* borrowed */
    char *annotations, *images; /* NULL: there are none */
    size_t max_images;
    struct inference_spec *inference;
    struct progress progress;
};

/* BPNET_EUSAGE for annotations without pictures. Nothing given: stays zeroed. */
int accuracy_open(struct accuracy *a, const struct labelled *which, const struct run *run,
                  struct workers *workers);
void accuracy_close(struct accuracy *a);

/* The AP (0 to 1) of an engine: a gate_options.score, `ctx` is the accuracy. */
int accuracy_score(void *ctx, const struct engine *engine, double *ap);

/*
 * The first of the pictures that can be read, n at most, as an engine of h x w sees them, into
 * `pixels` (n, h, w, 3). BPNET_EUSAGE when there is none.
 */
int accuracy_pictures(const struct accuracy *a, size_t n, int h, int w, uint8_t *pixels,
                      size_t *n_read);

#endif
