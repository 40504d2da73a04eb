/* What one call of `bpnet export` found and wrote, told once, at its end. */
#ifndef CLI_EXPORT_REPORT_H
#define CLI_EXPORT_REPORT_H

#include "deploy/quality.h"
#include "deploy/sensitivity.h"

enum export_kind {
    EXPORT_ONNX,
    EXPORT_SAFETENSORS,
    EXPORT_ENGINE,
    EXPORT_TABLE,    /* of calibrated ranges */
    EXPORT_PICTURES, /* of the calibration, as pixels */
    EXPORT_KINDS
};

struct export_file {
    const char *path; /* borrowed */
    enum export_kind kind;
    int64_t bytes; /* -1: it would be written, in a dry run */
};

/* Of an engine; n_steps is 0 when there is none. */
struct export_engine_facts {
    int n_steps;
    size_t weights_bytes, maps_bytes;
};

struct export_report {
    const char *model; /* borrowed path */
    char precision[16];
    int64_t h, w;     /* of the input */
    char weights[33]; /* the hash of the model's; "" while it is unknown */
    struct export_file files[EXPORT_KINDS];
    size_t n_files;
    struct export_engine_facts engine;
    bool evaluated;
    double ap_float, ap_result;     /* of the engine; without one, of the 8 bits that a file has */
    struct quality quality;         /* of the result against floats, map by map; may be empty */
    struct sensitivity sensitivity; /* may be empty */
    char (*kept)[GRAPH_NAME_SIZE];  /* convolutions in floats where others are of 8 bits */
    size_t n_kept;
};

/* One that was just written, of which the size is asked, or in a dry run one that would be. */
void export_report_add(struct export_report *r, enum export_kind kind, const char *path,
                       bool dry_run);

/* Replace the names of what is kept in floats. BPNET_ENOMEM. */
int export_report_keep(struct export_report *r, const char *const *names, size_t n);

/* Lines for people, or one JSON object. Sorts the maps of the quality. */
void export_report_print(struct export_report *r, bool json);
void export_report_free(struct export_report *r); /* a zeroed one is allowed */

#endif
