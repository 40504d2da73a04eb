/* A model or an engine made ready to find people: what evaluate and inference have in common. */
#ifndef CLI_OPEN_NETWORK_H
#define CLI_OPEN_NETWORK_H

#include "cli/verb.h"
#include "engine/engine.h"
#include "kernel/kernel.h"
#include "nn/exec.h"
#include "pose/predict.h"

struct network {
    char *model_path;
    struct inference_spec *spec; /* NULL when none was named */
    struct predict_options options;
    struct workers *workers;
    struct net net;

    struct model *model; /* a model or checkpoint, and what runs it */
    struct kernels kernels;
    struct exec *exec;

    struct engine *engine; /* or an engine */
    struct engine_context *context;
};

/*
 * Load `model`, or the inference spec's when it is NULL, or the shipped one when there is neither;
 * and predict as `inference_spec` (NULL: the defaults), --set and --compat say.
 */
int network_open(struct network *n, const struct run *run, const char *model,
                 const char *inference_spec);
/* The same with a model that is loaded already; it is taken over, also on failure. */
int network_open_model(struct network *n, const struct run *run, struct model *model,
                       const char *inference_spec);
void network_close(struct network *n); /* a zeroed one is allowed */

#endif
