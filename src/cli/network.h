/* A model made ready to find people: what evaluate and inference have in common. */
#ifndef CLI_NETWORK_H
#define CLI_NETWORK_H

#include "cli/verb.h"
#include "kernel/kernel.h"
#include "nn/exec.h"
#include "pose/predict.h"

struct network {
    char *model_path;
    struct inference_spec *spec; /* NULL when none was named */
    struct predict_options options;
    struct model *model;
    struct kernels kernels;
    struct workers *workers;
    struct exec *exec;
    struct net net;
};

/*
 * Load `model`, or the inference spec's when it is NULL, or the shipped one when there is neither;
 * and predict as `inference_spec` (NULL: the defaults), --set and --compat say.
 */
int network_open(struct network *n, const struct run *run, const char *model,
                 const char *inference_spec);
void network_close(struct network *n); /* a zeroed one is allowed */

#endif
