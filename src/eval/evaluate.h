/* The AP of a network: run it over an annotated set, gather people, score them by COCO's rules. */
#ifndef EVAL_EVALUATE_H
#define EVAL_EVALUATE_H

#include "eval/coco_eval.h"
#include "pose/predict.h"

struct evaluate_options {
    const char *annotations;          /* COCO keypoint JSON */
    const char *images_root;          /* prefix of the annotation's file names */
    const char *sources;              /* only pictures of these, "a,b"; NULL: all */
    size_t max_images;                /* 0: all; else the first so many of the file */
    const char *detections_path;      /* native detections.json (spec 10.8), or NULL */
    const char *detections_coco_path; /* COCO result list (spec 11.2), or NULL */
    const char *spec_text; /* the inference spec as JSON, for detections.json; NULL: null */
    /* Called after every picture, for progress; may be NULL. A negative return stops. */
    int (*progress)(void *ctx, size_t done, size_t total);
    void *ctx;
};

/* A missing or unreadable picture is counted in n_skipped with a warning and scores nothing. */
struct evaluation {
    struct coco_result coco;
    size_t n_images, n_skipped, n_people;
    double seconds[3]; /* preprocess, network, decode, summed */
};

int evaluate_net(struct evaluation *out, const struct net *net,
                 const struct predict_options *predict, struct workers *workers,
                 const struct evaluate_options *options);

#endif
