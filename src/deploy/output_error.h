/*
 * What 8 bits do to a network's outputs, on a few pictures and without labels: the error of floats
 * against which layers are chosen that stay in floats.
 */
#ifndef DEPLOY_OUTPUT_ERROR_H
#define DEPLOY_OUTPUT_ERROR_H

#include "deploy/quality.h"
#include "deploy/quantize.h"

/* What is quantised, and with what. */
struct subject {
    const struct model *model;
    int h, w;
    const struct ranges *ranges;
    const struct channel_means *means; /* may be NULL */
    enum cpu_level level;
    struct workers *workers; /* may be NULL */
    const bool *kept;        /* per layer: stays in floats whatever is tried; NULL: none */
};

/* A lowered network of the subject with these layers kept in floats (NULL: none): network_free() */
int subject_quantize(struct network *out, const struct subject *subject, const bool *keep_float);

struct output_error;

/* Run the subject in floats and keep its outputs. It and the pictures are borrowed until the end.
 */
int output_error_open(struct output_error **out, const struct subject *subject,
                      const struct pictures *pictures);
void output_error_close(struct output_error *e); /* NULL is allowed */
const struct subject *output_error_subject(const struct output_error *e);

/*
 * The mean over outputs of sum (x - y)^2 / sum x^2, y with these layers in floats (NULL: none) and
 * the others in 8 bits: one compilation and one run over the pictures.
 */
int output_error_measure(double *error, struct output_error *e, const bool *keep_float);

#endif
