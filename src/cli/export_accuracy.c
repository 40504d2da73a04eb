/* Engines scored on labelled pictures, and these pictures themselves. */
#include "cli/export_accuracy.h"

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "data/coco.h"
#include "eval/evaluate.h"
#include "pose/resize.h"

#include <stdlib.h>

int accuracy_open(struct accuracy *a, const struct labelled *which, const struct run *run,
                  struct workers *workers)
{
    const struct spec_overrides none = {0};
    struct dataset_spec *dataset = NULL;
    *a = (struct accuracy){.run = run, .workers = workers, .max_images = (size_t)which->max_images};
    if (!which->dataset && !which->annotations)
        return BPNET_OK;
    int err = inference_spec_load(&a->inference, NULL, &none);
    if (err < 0)
        return err;
    if (which->dataset) {
        if ((err = dataset_spec_load(&dataset, which->dataset, &none)) < 0)
            return err;
        a->annotations = path_join(dataset->root, dataset->test.annotation_file);
        a->images = path_join(dataset->root, dataset->test.images_root);
        dataset_spec_free(dataset);
    } else {
        if (!which->images)
            return error_set(BPNET_EUSAGE, "export: --eval_annotations needs --eval_images");
        a->annotations = str_copy(which->annotations);
        a->images = str_copy(which->images);
    }
    return a->annotations && a->images ? BPNET_OK : BPNET_ENOMEM;
}

void accuracy_close(struct accuracy *a)
{
    free(a->annotations);
    free(a->images);
    inference_spec_free(a->inference);
    *a = (struct accuracy){0};
}

/* ---- scores -------------------------------------------------------------------------------- */

static int watch(void *ctx, size_t done, size_t total)
{
    struct accuracy *a = ctx;
    progress_update(&a->progress, done, total, "pictures", "");
    return run_check_stop(a->run);
}

int accuracy_score(void *ctx, const struct engine *engine, double *ap)
{
    struct accuracy *a = ctx;
    struct engine_context *context;
    int err = engine_context_open(&context, engine, a->workers);
    if (err < 0)
        return err;
    struct net net;
    engine_as_net(context, &net);
    struct predict_options how = a->inference->options;
    how.input_h = net.fixed_h;
    how.input_w = net.fixed_w;
    how.aspect = ASPECT_PAD_IMAGE;
    how.cpu = a->run->cpu;
    const struct evaluate_options options = {.annotations = a->annotations,
                                             .images_root = a->images,
                                             .max_images = a->max_images,
                                             .progress = watch,
                                             .ctx = a};
    struct evaluation evaluation;
    progress_start(&a->progress, a->run->common->quiet, 10);
    err = evaluate_net(&evaluation, &net, &how, a->workers, &options);
    progress_clear(&a->progress);
    engine_context_close(context);
    if (err == 0)
        *ap = evaluation.coco.metric[0];
    return err;
}

/* ---- pictures ------------------------------------------------------------------------------ */

static int load(struct resizer *resizer, const struct accuracy *a, const char *name, int h, int w,
                uint8_t *pixels)
{
    struct image image = {0};
    struct letterbox box;
    char *path = path_join(a->images, name);
    int err = path ? image_load(&image, path, 3) : BPNET_ENOMEM;
    if (err == 0)
        err = letterbox_plan(&box, image.w, image.h, w, h, ASPECT_PAD_IMAGE);
    if (err == 0)
        err = resizer_run_bytes(resizer, &image, &box, true, pixels, (size_t)w, a->workers);
    image_free(&image);
    free(path);
    return err;
}

int accuracy_pictures(const struct accuracy *a, size_t n, int h, int w, uint8_t *pixels,
                      size_t *n_read)
{
    const struct coco_options options = {.segmentations = false};
    const size_t each = (size_t)h * (size_t)w * 3;
    struct coco *coco;
    struct resizer resizer;
    int err = coco_load(&coco, a->annotations, &options);
    *n_read = 0;
    if (err < 0)
        return err;
    resizer_init(&resizer, a->run->cpu);
    const size_t last =
        a->max_images && a->max_images < coco->n_images ? a->max_images : coco->n_images;
    for (size_t i = 0; i < last && *n_read < n && err != BPNET_ENOMEM; i++) {
        err = load(&resizer, a, coco->images[i].file_name, h, w, pixels + *n_read * each);
        *n_read += err == 0;
        if (err < 0 && err != BPNET_ENOMEM)
            log_warning("%s; another picture is taken", error_message());
    }
    resizer_free(&resizer);
    coco_free(coco);
    if (err == BPNET_ENOMEM)
        return err;
    return *n_read > 0
               ? BPNET_OK
               : error_set(BPNET_EUSAGE, "%s: none of its pictures can be read", a->annotations);
}
