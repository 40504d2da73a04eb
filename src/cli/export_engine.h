/* The part of `bpnet export` that makes engines, and 8 bits of any kind. */
#ifndef CLI_EXPORT_ENGINE_H
#define CLI_EXPORT_ENGINE_H

#include "cli/export_accuracy.h"
#include "cli/export_report.h"
#include "cli/verb.h"
#include "nn/model.h"
#include "onnx/export.h"

/* As given on the command line; NULL: not given. */
struct engine_request {
    const char *path;                       /* of the engine to write */
    const char *onnx_path;                  /* of an 8-bit ONNX file to write */
    const struct onnx_export_options *onnx; /* and how */
    const char *from;                       /* with `rebuild`: the engine to build again */
    const char *data_type;                  /* "fp32", "fp16", "int8" */
    int h, w;                               /* 0: those of training */
    bool rebuild, no_timing, direct, equalize;
    const char *timing_cache;
    const char *cal_image_dir, *cal_data_file, *cal_cache_file;
    const char *algorithm; /* "entropy", "max", "percentile", "mse" */
    double percentile;
    int64_t pictures, seed;
    struct labelled labelled; /* what the AP is measured on; may be nothing */
    double min_snr;           /* of the outputs, dB; 0: whatever it is */
    double max_drop;          /* points of AP; negative: whatever it is */
};

/*
 * Build the engine; without one, calibrate for int8 and write the table and the ONNX file. `report`
 * gets what was found, also after BPNET_EGOAL: the AP falls by more than max_drop, whatever is kept
 * in floats; then neither engine nor ONNX file is written. `model` is NULL for a rebuild.
 */
int export_engine(struct run *run, const struct model *model, const struct engine_request *request,
                  struct export_report *report);

#endif
