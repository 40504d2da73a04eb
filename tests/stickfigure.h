/*
 * A dataset for tests: pictures of stick people whose joints are known, with COCO annotations and
 * spec files, made on the spot. Everything follows from the options, so two calls with the same
 * ones write the same files. A person's left side is red, the right side blue, so that a small
 * network can learn them.
 */
#ifndef STICKFIGURE_H
#define STICKFIGURE_H

#include "base/rng.h"
#include "io/image.h"

#include <stdbool.h>

enum { STICK_KEYPOINTS = 17 };

struct stick_person {
    double keypoints[STICK_KEYPOINTS][3]; /* COCO's order: x, y, 2 */
    double bbox[4];                       /* x, y, w, h */
    double area;
};

/* A person `height` px tall about (x, y), arms and legs in a pose drawn from rng. */
struct stick_person stick_person_make(struct rng *rng, double x, double y, double height);
void stick_person_draw(struct image *image, const struct stick_person *person);

struct stick_dataset {
    int n_train, n_val; /* pictures */
    int w, h;           /* of each; 0: 160 x 128 */
    int max_people;     /* 1 .. this many in a picture; 0: 2 */
    uint64_t seed;
    bool crowds;      /* every third picture has an annotated crowd (box and RLE) as well */
    int net_w, net_h; /* image_dims of train.yaml, multiples of 8; 0: 64 x 64 */
    int num_epoch;    /* 0: 2 */
    int batch_size;   /* 0: 2 */
};

/*
 * Fill `folder` (which must exist):
 *   images/train_0000.jpg …, images/val_0000.jpg …
 *   annotations/train.json, annotations/val.json     COCO keypoint files with polygons
 *   dataset.json, bpnet_18joints.json, train.yaml, infer.yaml
 * Paths in the specs are absolute under `folder`; train.yaml names the records
 * train-fold-000-of-001 and val-fold-000-of-001 (dataset_convert -o <folder>/train -m train …), its
 * checkpoint_dir is <folder>/results, and infer.yaml's model_path
 * <folder>/results/bpnet_model.bpnet. Returns 0 or an error code.
 */
int stick_dataset_write(const char *folder, const struct stick_dataset *options);

/* The people of one of its pictures, for checks; returns how many (at most `max`). */
int stick_dataset_people(const struct stick_dataset *options, bool train, int index,
                         struct stick_person *people, int max);

/* A fresh folder for a test's files; malloc'd, NULL on failure. */
char *stick_folder_make(void);
/* Remove it with all it holds, and free the name. */
void stick_folder_remove(char *folder);

#endif
