/*
 * Networks whose outputs drown in what 8 bits round off: as many convolutions are kept in floats as
 * it takes, those first that do most harm alone. This needs no labelled pictures; where there are
 * some, gate.h holds the AP itself.
 */
#ifndef DEPLOY_RESCUE_H
#define DEPLOY_RESCUE_H

#include "deploy/sensitivity.h"

struct rescue_options {
    double least_db; /* -10 log10 of the outputs' error (output_error.h) that is good enough */
    int (*progress)(void *ctx, size_t done, size_t total); /* of the ranking; may be NULL */
    void *ctx;
};

struct rescue {
    double before_db, after_db;
    size_t n_kept;                  /* the first of the sensitivity's, in floats */
    bool *kept;                     /* per layer, for subject.kept; NULL when n_kept is 0 */
    struct sensitivity sensitivity; /* each layer alone; measured only when something is kept */
};

/* `subject` keeps nothing yet. The pictures are those that calibration feeds. */
int rescue(struct rescue *out, const struct subject *subject, const struct pictures *pictures,
           const struct rescue_options *options);
void rescue_free(struct rescue *r); /* a zeroed one is allowed */

#endif
