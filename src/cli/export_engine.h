/* The part of `bpnet export` that makes engines. */
#ifndef CLI_EXPORT_ENGINE_H
#define CLI_EXPORT_ENGINE_H

#include "cli/verb.h"
#include "nn/model.h"

/* As given on the command line; NULL: not given. */
struct engine_request {
    const char *path;      /* to write */
    const char *from;      /* with `rebuild`: the engine to build again */
    const char *data_type; /* "fp32", "fp16", "int8" */
    int h, w;              /* 0: those of training */
    bool rebuild, no_timing;
    const char *timing_cache;
    const char *cal_image_dir, *cal_data_file, *cal_cache_file;
    const char *algorithm; /* "entropy", "max", "percentile", "mse" */
    double percentile;
    int64_t pictures, seed;
    const char *eval_dataset, *eval_annotations, *eval_images; /* the first, or the two others */
    int64_t eval_max_images;
    double max_drop; /* points of AP; negative: whatever it is */
};

/*
 * Build the engine and tell what it is like. `model` is NULL for a rebuild. BPNET_EUSAGE when 8
 * bits cost more than max_drop whatever is kept in floats: then nothing is written.
 */
int export_engine(struct run *run, const struct model *model, const struct engine_request *request);

#endif
