/* Running a network over an annotated set, picture by picture. */
#include "eval/evaluate.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "data/coco_sources.h"
#include "eval/picture_feed.h"
#include "eval/score_set.h"
#include "pose/results.h"

#include <math.h>
#include <stdlib.h>

struct evaluator {
    const struct evaluate_options *options;
    struct evaluation *out;
    struct coco *coco;
    struct score_set set;
    struct predictor *predictor;
    struct people people;
    int to_coco[COCO_KEYPOINTS]; /* joint of each COCO keypoint, or -1 */
    bool compat;
    char **paths;
    struct picture_feed *feed;
    struct results *files[2]; /* detections.json and COCO's list, or NULL */
};

static int open_files(struct evaluator *e, const struct net *net)
{
    const struct evaluate_options *o = e->options;
    const struct results_options how = {.inference_spec = o->spec_text, .compat = e->compat};
    int err = BPNET_OK;
    if (o->detections_path)
        err = results_open(&e->files[0], RESULTS_NATIVE, o->detections_path, net->skeleton, &how);
    if (err == 0 && o->detections_coco_path)
        err =
            results_open(&e->files[1], RESULTS_COCO, o->detections_coco_path, net->skeleton, &how);
    return err;
}

/* What is known of a picture, as detections.json repeats it. */
static int describe_picture(struct json **out, const struct coco_image *image)
{
    struct str text = {0};
    struct json_writer w = {.text = &text};
    json_begin_object(&w);
    json_write_key(&w, "id");
    json_write_integer(&w, image->id);
    json_write_key(&w, "file_name");
    json_write_string(&w, image->file_name);
    json_write_key(&w, "width");
    json_write_integer(&w, image->w);
    json_write_key(&w, "height");
    json_write_integer(&w, image->h);
    json_end_object(&w);
    int err = str_status(&text);
    if (err == 0)
        err = json_parse(out, text.text, text.length, image->file_name);
    str_free(&text);
    return err;
}

/* `people` is NULL for a picture that could not be read. */
static int write_picture(struct evaluator *e, size_t index, const struct people *people)
{
    const struct coco_image *image = &e->coco->images[index];
    struct json *meta = NULL;
    int err = BPNET_OK;
    if (!e->files[0] && !e->files[1])
        return err;
    if ((err = describe_picture(&meta, image)) < 0)
        return err;
    const struct results_picture entry = {
        .path = e->paths[index], .image_id = image->id, .image_meta = meta};
    for (int i = 0; i < 2 && err == 0; i++) {
        if (e->files[i])
            err = results_add(e->files[i], &entry, people);
    }
    json_free(meta);
    return err;
}

/* Complete the files, or leave nothing of them. */
static int close_files(struct evaluator *e, int err)
{
    for (int i = 0; i < 2; i++) {
        if (e->files[i] && err == 0)
            err = results_close(e->files[i]);
        else
            results_abort(e->files[i]);
    }
    return err;
}

static int open_paths(struct evaluator *e)
{
    e->paths = calloc(e->set.n_images ? e->set.n_images : 1, sizeof(*e->paths));
    if (!e->paths)
        return error_set(BPNET_ENOMEM, "no memory for the names of %zu pictures", e->set.n_images);
    for (size_t i = 0; i < e->set.n_images; i++) {
        e->paths[i] = path_join(e->options->images_root, e->coco->images[i].file_name);
        if (!e->paths[i])
            return BPNET_ENOMEM;
    }
    return picture_feed_open(&e->feed, (const char *const *)e->paths, e->set.n_images, NULL);
}

/* One person as a COCO detection (spec 11.2): a missing joint is 0, 0, 0. */
static void convert(struct coco_detection *d, const struct evaluator *e, int person)
{
    const struct joint_position *joints = e->people.joints + person * e->people.n_joints;
    d->score = e->people.scores[person];
    for (int i = 0; i < COCO_KEYPOINTS; i++) {
        if (e->to_coco[i] < 0 || !joints[e->to_coco[i]].found)
            continue;
        const struct joint_position *joint = &joints[e->to_coco[i]];
        /* The original's records hold whole numbers, cut off. */
        d->keypoints[i][0] = e->compat ? trunc((double)joint->x) : (double)joint->x;
        d->keypoints[i][1] = e->compat ? trunc((double)joint->y) : (double)joint->y;
        d->keypoints[i][2] = 1;
    }
}

static int evaluate_picture(struct evaluator *e, size_t index, const struct picture *picture)
{
    int err = predictor_run(e->predictor, &picture->image, &e->people);
    if (err < 0)
        return error_prefix(err, "%s", e->paths[index]);
    int64_t ns[3];
    predictor_times(e->predictor, ns);
    for (int i = 0; i < 3; i++)
        e->out->seconds[i] += (double)ns[i] * 1e-9;
    for (int k = 0; k < e->people.n_people; k++) {
        struct coco_detection *d = score_set_add(&e->set);
        if (!d)
            return BPNET_ENOMEM;
        d->image_id = e->coco->images[index].id;
        convert(d, e, k);
    }
    if ((err = write_picture(e, index, &e->people)) < 0)
        return err;
    e->out->n_images++;
    e->out->n_people += (size_t)e->people.n_people;
    return BPNET_OK;
}

static int evaluate_all(struct evaluator *e)
{
    int err = BPNET_OK;
    for (size_t i = 0; i < e->set.n_images && err == 0; i++) {
        const struct picture *picture;
        if ((err = picture_feed_next(e->feed, &picture)) < 0)
            return err;
        if (picture->err < 0) {
            log_warning("%s; it is left out", picture->message);
            e->out->n_skipped++;
            err = write_picture(e, i, NULL);
        } else {
            err = evaluate_picture(e, i, picture);
        }
        if (err == 0 && e->options->progress)
            err = e->options->progress(e->options->ctx, i + 1, e->set.n_images);
    }
    return err;
}

int evaluate_net(struct evaluation *out, const struct net *net,
                 const struct predict_options *predict, struct workers *workers,
                 const struct evaluate_options *options)
{
    struct evaluator e = {.options = options,
                          .out = out,
                          .people = {.n_joints = net->skeleton->n_joints},
                          .compat = predict->compat};
    const struct coco_options load = {.segmentations = false};
    *out = (struct evaluation){0};
    skeleton_to_coco(net->skeleton, e.to_coco);
    int err = coco_load(&e.coco, options->annotations, &load);
    if (err == BPNET_OK && options->sources)
        err = coco_keep_sources(e.coco, options->sources);
    if (err < 0 || (err = score_set_init(&e.set, e.coco, options->max_images)) < 0 ||
        (err = predictor_open(&e.predictor, net, predict, workers)) < 0 ||
        (err = open_paths(&e)) < 0 || (err = open_files(&e, net)) < 0 ||
        (err = evaluate_all(&e)) < 0)
        goto done;
    if (e.set.n_images > 0 && out->n_images == 0)
        err = error_set(BPNET_ENOENT, "%s: not one of its %zu pictures could be read below %s",
                        options->annotations, e.set.n_images, options->images_root);
    else
        err = score_set_evaluate(&e.set, &out->coco);
done:
    err = close_files(&e, err);
    picture_feed_close(e.feed);
    for (size_t i = 0; e.paths && i < e.set.n_images; i++)
        free(e.paths[i]);
    free(e.paths);
    predictor_close(e.predictor);
    people_free(&e.people);
    score_set_free(&e.set);
    coco_free(e.coco);
    return err;
}
