/*
 * How near a network of 8 bits (or any types) is to the same network in floats: both run on the
 * same pictures, and what they make is compared tensor by tensor.
 */
#ifndef DEPLOY_QUALITY_H
#define DEPLOY_QUALITY_H

#include "base/workers.h"
#include "deploy/network.h"
#include "io/json.h"

struct tensor_quality {
    char name[GRAPH_NAME_SIZE];
    bool output;
    double snr_db; /* 10 log10 (sum x^2 / sum (x - y)^2); QUALITY_MAX_DB when nothing differs */
    double cosine; /* sum x y / sqrt(sum x^2 sum y^2); 1 when both are all zero */
};

enum { QUALITY_MAX_DB = 200 };

struct quality {
    struct tensor_quality *items; /* in the order of the exact network's tensors */
    size_t n;
};

/* Pixels as calibration feeds give them. */
struct pictures {
    const uint8_t *pixels; /* (n, h, w, 3) */
    size_t n;
};

struct quality_options {
    enum cpu_level level;
    struct workers *workers; /* may be NULL */
};

/*
 * `exact` is all F32, `net` the same network with types and scales. Memory holds every map of one
 * picture. What one of them does not make is left out.
 */
int quality_measure(struct quality *out, const struct network *exact, const struct network *net,
                    const struct pictures *pictures, const struct quality_options *options);
void quality_free(struct quality *q); /* a zeroed one is allowed */

/* The worst of the outputs; QUALITY_MAX_DB and 1 when there is none. */
double quality_output_snr(const struct quality *q);
double quality_output_cosine(const struct quality *q);

/* An array of {"name", "output", "snr_db", "cosine"}. */
void quality_print(struct json_writer *w, const struct quality *q);

#endif
