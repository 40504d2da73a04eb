/*
 * From a model to an engine file, all in one: lower, calibrate and quantise where asked for,
 * compile, and measure what came out. Engines keep the model and the ranges they were made from,
 * so that they can be made again for another CPU.
 */
#ifndef DEPLOY_ENGINE_BUILD_H
#define DEPLOY_ENGINE_BUILD_H

#include "deploy/calibrate.h"
#include "nn/model.h"

struct engine;

enum build_precision { BUILD_FP32, BUILD_BF16, BUILD_INT8, BUILD_PRECISIONS };
extern const char *const build_precision_names[BUILD_PRECISIONS]; /* "fp32", "bf16", "int8" */

struct build_options {
    int h, w; /* of the input */
    enum build_precision precision;
    enum cpu_level level;
    struct workers *workers;  /* kernels are timed on these, calibration runs on them; NULL: none */
    const char *timing_cache; /* file, read and extended; NULL: none */
    bool no_timing;           /* kernels by rule, no times in the report: repeatable */
    bool direct;              /* no kernels that transform */
    bool leave_out_model;     /* a smaller file that cannot be built again */
    struct seal_key *key;     /* seals the file; NULL: plain */

    /* Is shown the very engine that is to be written, and what it was made of and how; after a
     * negative code nothing is written. NULL: nobody. */
    int (*judge)(void *ctx, const struct engine *engine, const struct model *model,
                 const struct build_options *how);
    void *judge_ctx;

    /* INT8: what is known from earlier, or else pictures to calibrate on. */
    const struct ranges *ranges;
    const struct channel_means *means; /* with the ranges, of the network of this size; or NULL */
    calibration_feed feed;
    void *feed_ctx;
    enum calibration_algorithm algorithm;
    double percentile;
    bool equalize;                 /* the channels of maps, by the pictures (equalize.h) */
    void (*rewind)(void *ctx);     /* with `equalize`: the feed gives its pictures once more */
    const char *const *keep_float; /* names of tensors whose convolutions stay float */
    size_t n_keep_float;
};

/*
 * Write the engine of `model` to `path`. `found` (may be NULL) gets the ranges of INT8, given or
 * calibrated; ranges_free() them.
 */
int engine_build(const char *path, const struct model *model, const struct build_options *options,
                 struct ranges *found);

/*
 * Build the engine at `from` again from what it keeps, for this CPU. Size, precision and what
 * belongs to INT8 come from the file, the rest from the options; `key` opens the old one and seals
 * the new one. BPNET_EUSAGE when it does not keep its model.
 */
int engine_rebuild(const char *path, const char *from, const struct build_options *options);

#endif
