/* Models for verbs: our own files, and ONNX files as `bpnet import` would read them. */
#ifndef CLI_LOAD_MODEL_H
#define CLI_LOAD_MODEL_H

#include "cli/verb.h"
#include "nn/model.h"

enum network_kind { NETWORK_MODEL, NETWORK_ENGINE, NETWORK_ONNX };

/* What a file is, by its first bytes; sealed ones are opened with the run's key (*sealed, which may
 * be NULL). A file of no kind counts as a model, and load_model() says what is wrong with it. */
int network_kind(enum network_kind *kind, bool *sealed, const struct run *run, const char *path);

/* model_free() it. */
int load_model(struct model **out, const struct run *run, const char *path);

#endif
