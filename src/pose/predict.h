/*
 * From a picture to people, whoever runs the network: letterbox, normalise, run, decode. The
 * network is a callback, so that the training graph and the engine share one decoder.
 */
#ifndef POSE_PREDICT_H
#define POSE_PREDICT_H

#include "base/cpu.h"
#include "base/workers.h"
#include "io/image.h"
#include "pose/people.h"
#include "pose/skeleton.h"

#include <stdbool.h>
#include <stdint.h>

/* One picture's maps: (h, w, heat_channels) and (h, w, paf_channels), pixels at `pitch` floats. */
struct maps {
    int h, w;
    const float *heat;
    int heat_channels, heat_pitch;
    const float *paf;
    int paf_channels, paf_pitch;
};

/*
 * How to run a network on one picture, (h, w, 3) RGB: `run` reads normalised floats, `run_pixels`
 * bytes; one of the two is there. `out` stays valid until the next run. They return 0 or an error
 * code.
 */
struct net {
    int (*run)(void *ctx, const float *input, int h, int w, struct maps *out);
    int (*run_pixels)(void *ctx, const uint8_t *input, int h, int w, struct maps *out);
    void *ctx;
    int stride;      /* input pixels per map cell */
    bool fixed_size; /* an engine: only fixed_h x fixed_w; always so with run_pixels */
    int fixed_h, fixed_w;
    float scale[3]; /* x / scale - offset, per RGB channel */
    float offset[3];
    const struct skeleton *skeleton;
};

enum aspect_mode { ASPECT_STRETCH, ASPECT_ADJUST_NETWORK, ASPECT_PAD_IMAGE };
enum peak_method { PEAKS_SUBPIXEL, PEAKS_FRAMEWORK, PEAKS_ENGINE }; /* see peaks.h */

enum { PREDICT_MAX_SCALES = 16 };

struct predict_options {
    int input_h, input_w;
    enum aspect_mode aspect;
    int upsample_y, upsample_x; /* 0: the stride */
    int output_stage;           /* for the owner of the net; unused here */
    float heat_threshold;
    float paf_threshold;
    int n_scales; /* 1 with scales[0] = 1: single scale */
    float scales[PREDICT_MAX_SCALES];
    bool flip_test;
    enum peak_method peaks;
    /*
     * Reproduce the original: its slips in assembly and its score (assemble.h), no averaging before
     * a strong reduction (resize.h), an input that is not padded to whole cells for a single scale.
     */
    bool compat;
    int min_joints;            /* 4 */
    float min_score_per_joint; /* 0.4 */
    float min_limb_share;      /* 0.8, strictly more than */
    float person_threshold;    /* people who score less are left out; 0: none */
    int max_people;            /* 0: no limit but memory */
    enum cpu_level cpu;        /* instructions of the resize; results do not depend on it */
};

/* The original's defaults, with our sub-pixel peaks. */
void predict_options_default(struct predict_options *o);

struct predictor;

int predictor_open(struct predictor **out, const struct net *net,
                   const struct predict_options *options, struct workers *workers);
void predictor_close(struct predictor *p); /* NULL is allowed */

/*
 * How a picture for this predictor may be decoded: as much smaller as no view of it is larger than
 * what is then there; whole with `compat`. Then people_enlarge() brings people to the whole
 * picture. Valid as long as the predictor.
 */
struct image_fit predictor_fit(const struct predictor *p);

/* People of one RGB picture; `people` is cleared first and belongs to the caller. */
int predictor_run(struct predictor *p, const struct image *image, struct people *people);

/* Nanoseconds of the last run: preprocess, network, decode. */
void predictor_times(const struct predictor *p, int64_t ns[3]);

#endif
