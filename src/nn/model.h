/*
 * A model: graph, parameters, and what is needed to use it without any spec: skeleton,
 * normalisation, input size. Files are containers of kind "model" (io/container.h) with the
 * sections "graph" (JSON: nodes and metadata), "weights" (the block of floats), "spec" (YAML text
 * of the experiment, may be empty).
 */
#ifndef NN_MODEL_H
#define NN_MODEL_H

#include "io/container.h"
#include "nn/graph.h"
#include "nn/param.h"
#include "pose/skeleton.h"
#include "spec/spec.h"

struct model_meta {
    struct skeleton skeleton;
    int input_h, input_w;      /* of training */
    int stride;                /* input pixels per map cell */
    int stages;                /* 0: the outputs are not heatmaps and PAFs */
    float scale[3], offset[3]; /* x / scale - offset, RGB */
    int64_t epoch;             /* training progress, for people */
    char description[512];
};

struct model {
    struct graph graph;
    struct params params;
    struct model_meta meta;
    char *spec_text; /* the experiment's spec; may be "" */
};

/*
 * Build a network from a spec and initialise it from the seed. heat/paf channels that disagree
 * with the skeleton are BPNET_ECONFIG. On failure *out is NULL.
 */
int model_build(struct model **out, const struct experiment_spec *spec);
/* The graph alone, for costs and tests: no skeleton check beyond the channel counts given. */
int model_build_graph(struct model **out, const struct model_spec *spec, uint64_t seed);
/* The same with all parameters zero, which costs next to nothing: for counting. */
int model_build_shape(struct model **out, const struct model_spec *spec);

/* A key seals what is written and opens what is sealed; NULL: none (io/seal.h). */
int model_save(const struct model *m, const char *path, struct seal_key *key);
int model_load(struct model **out, const char *path, struct seal_key *key);
void model_free(struct model *m); /* NULL is allowed */

/* The sections of a model inside any container (a checkpoint is a model plus training state). */
int model_from_container(struct model **out, struct container *c);
/* Fills sections[3]; *keep owns their bytes until model_sections_free(). */
struct model_sections;
int model_sections(const struct model *m, struct section sections[3], struct model_sections **keep);
void model_sections_free(struct model_sections *keep);

/*
 * BPNET_EUNSUPPORTED when people cannot be read from the outputs, because they are no heatmaps and
 * PAFs; `path` begins the message.
 */
int model_need_people(const struct model *m, const char *path);

/* Copy parameters by name where shapes agree; counts what was copied and skipped. */
int model_copy_weights(struct model *to, const struct model *from, int *n_copied, int *n_skipped);

/* safetensors in and out: every parameter under its name, F32. */
int model_save_safetensors(const struct model *m, const char *path);
int model_load_safetensors(struct model *m, const char *path, int *n_loaded);

#endif
