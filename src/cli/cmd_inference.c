/* bpnet inference: people in photographs. */
#include "cli/cmd.h"

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "cli/open_network.h"
#include "cli/photos.h"
#include "cli/progress.h"
#include "eval/picture_feed.h"
#include "io/file.h"
#include "pose/draw.h"
#include "pose/results.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { JPEG_QUALITY = 92 };

struct args {
    struct common_args common;
    const char *inference_spec, *model, *input_type, *input, *image_root_path, *format;
    bool dump_visualizations, no_drawings;
    double min_score;
};

#define AT(member) offsetof(struct args, member)

static const char *const input_types[] = {"auto", "image", "dir", "json", NULL};
static const char *const formats[] = {"native", "coco", "openpose", NULL};
static const char *const suffixes[] = {".json", ".json", "_keypoints.json"};

static const struct option options[] = {
    {"model_filename", "m", OPTION_TEXT, AT(model), "FILE",
     .help = "network; without: the spec's model_path, or else the shipped one"},
    {"inference_spec", "i", OPTION_TEXT, AT(inference_spec), "FILE",
     .help = "how to run it: input size, scales, thresholds"},
    {"format", NULL, OPTION_TEXT, AT(format), "FORMAT", .help = "of the points", .preset = "native",
     .choices = formats},
    {"min_score", NULL, OPTION_NUMBER, AT(min_score), "S",
     .help = "leave out people who score less; with -i the spec decides", .preset = "0.25"},
    {"no_drawings", NULL, OPTION_FLAG, AT(no_drawings), .help = "write the points only"},
    {"input", NULL, OPTION_TEXT, AT(input), "PATH",
     .help = "as in the original: one detections.json in --results_dir"},
    {"input_type", NULL, OPTION_TEXT, AT(input_type), "TYPE", .help = "what --input is",
     .preset = "auto", .choices = input_types},
    {"image_root_path", NULL, OPTION_TEXT, AT(image_root_path), "DIR",
     .help = "put before each path of a json --input", .preset = ""},
    {"dump_visualizations", NULL, OPTION_FLAG, AT(dump_visualizations),
     .help = "with --input: drawings in images_annotated/"},
};

struct session {
    struct run *run;
    const struct args *args;
    struct network network;
    struct predictor *predictor;
    struct photos photos;
    const char **paths;
    struct picture_feed *feed;
    struct people people;
    bool gathered;           /* one result file for all, as the original writes */
    struct results *results; /* that file */
    enum results_format format;
    struct json_writer json;
    struct progress progress;
    size_t n_read, n_people;
};

/* ---- what is to be looked at --------------------------------------------------------------- */

static bool ends_in(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcasecmp(text + n - m, end) == 0;
}

static int add_input(struct session *s)
{
    const struct args *args = s->args;
    const char *type = args->input_type;
    if (strcmp(type, "auto") == 0)
        type = ends_in(args->input, ".json") ? "json"
               : folder_exists(args->input)  ? "dir"
                                             : "image";
    if (strcmp(type, "json") == 0)
        return photos_add_json(&s->photos, args->input, args->image_root_path);
    if (strcmp(type, "dir") == 0 && !folder_exists(args->input))
        return error_set(BPNET_ENOENT, "%s: there is no such folder", args->input);
    if (strcmp(type, "image") == 0 && folder_exists(args->input))
        return error_set(BPNET_EUSAGE, "%s: a folder, expected an image; say --input_type dir",
                         args->input);
    char *path = path_join(strcmp(type, "image") == 0 ? args->image_root_path : "", args->input);
    const int err = path ? photos_add(&s->photos, path) : BPNET_ENOMEM;
    free(path);
    return err;
}

static int gather_photos(struct session *s)
{
    const struct text_list *operands = &s->run->operands;
    if (!s->args->input && operands->n == 0)
        return error_set(BPNET_EUSAGE,
                         "inference: name a picture or a folder; 'bpnet help inference' "
                         "has examples");
    int err = s->args->input ? add_input(s) : BPNET_OK;
    for (size_t i = 0; i < operands->n && err == 0; i++)
        err = photos_add(&s->photos, operands->items[i]);
    if (err < 0 || (err = photos_name(&s->photos, s->run->common->results_dir)) < 0)
        return err;
    s->paths = calloc(s->photos.n, sizeof(*s->paths));
    if (!s->paths)
        return error_set(BPNET_ENOMEM, "no memory for %zu names", s->photos.n);
    for (size_t i = 0; i < s->photos.n; i++)
        s->paths[i] = s->photos.items[i].path;
    return BPNET_OK;
}

/* Whole pictures only where they are drawn on. */
static int open_feed(struct session *s)
{
    const bool drawn = s->gathered ? s->args->dump_visualizations : !s->args->no_drawings;
    const struct image_fit fit = predictor_fit(s->predictor);
    return picture_feed_open(&s->feed, s->paths, s->photos.n, drawn ? NULL : &fit);
}

/* ---- results ------------------------------------------------------------------------------- */

static int open_results(const struct session *s, struct results **out, const char *path)
{
    const struct results_options how = {.inference_spec = s->network.spec->text,
                                        .compat = s->run->common->compat};
    return results_open(out, s->format, path, s->network.net.skeleton, &how);
}

/* The one file of all pictures; for OpenPose, which has a file a picture, a folder. */
static int open_gathered(struct session *s)
{
    static const char *const names[] = {
        [RESULTS_NATIVE] = "detections.json",
        [RESULTS_COCO] = "detections_coco_format.json",
        [RESULTS_OPENPOSE] = "keypoints",
    };
    if (!s->gathered)
        return BPNET_OK;
    char *path = path_join(s->run->common->results_dir, names[s->format]);
    const int err = path ? open_results(s, &s->results, path) : BPNET_ENOMEM;
    free(path);
    return err;
}

/* Points of one picture in a file of its own. */
static int write_points(struct session *s, size_t index, const struct results_picture *picture,
                        const char *path)
{
    struct results *results;
    struct results_picture one = *picture;
    char *folder = NULL;
    const char *stem = s->photos.items[index].stem;
    if (s->format == RESULTS_OPENPOSE) {
        folder = path_folder(stem);
        if (!folder)
            return BPNET_ENOMEM;
        one.name = path_base(stem);
    }
    int err = open_results(s, &results, folder ? folder : path);
    if (err == 0 && (err = results_add(results, &one, &s->people)) < 0)
        results_abort(results);
    else if (err == 0)
        err = results_close(results);
    free(folder);
    return err;
}

static int write_drawing(const struct session *s, const struct image *image, const char *path)
{
    struct image copy;
    int err = image_alloc(&copy, image->w, image->h, 3);
    if (err < 0)
        return err;
    memcpy(copy.pixels, image->pixels, (size_t)image->w * (size_t)image->h * 3);
    err = draw_people(&copy, &s->people, s->network.net.skeleton);
    if (err == 0)
        err = image_save(&copy, path, JPEG_QUALITY);
    image_free(&copy);
    return err;
}

/* Where this picture's outputs go; empty when it has none of that kind. */
static int name_outputs(const struct session *s, size_t index, struct str *drawing,
                        struct str *points)
{
    const struct photo *photo = &s->photos.items[index];
    if (s->run->common->dry_run)
        return BPNET_OK;
    if (s->gathered && s->args->dump_visualizations)
        str_printf(drawing, "%s/images_annotated/%zu.png", s->run->common->results_dir, index);
    if (!s->gathered && !s->args->no_drawings)
        str_printf(drawing, "%s_pose%s", photo->stem,
                   ends_in(photo->path, ".png") ? ".png" : ".jpg");
    if (!s->gathered)
        str_printf(points, "%s%s%s", photo->stem, s->format == RESULTS_OPENPOSE ? "" : "_pose",
                   suffixes[s->format]);
    const int err = str_status(drawing);
    return err < 0 ? err : str_status(points);
}

/* ---- telling ------------------------------------------------------------------------------- */

struct extent {
    int n_joints;
    double low[2], high[2];
};

static struct extent extent_of(const struct session *s, int person)
{
    struct extent e = {0, {INFINITY, INFINITY}, {-INFINITY, -INFINITY}};
    const struct joint_position *joints = s->people.joints + person * s->people.n_joints;
    for (int i = 0; i < s->people.n_joints; i++) {
        if (!joints[i].found)
            continue;
        e.n_joints++;
        e.low[0] = fmin(e.low[0], (double)joints[i].x);
        e.low[1] = fmin(e.low[1], (double)joints[i].y);
        e.high[0] = fmax(e.high[0], (double)joints[i].x);
        e.high[1] = fmax(e.high[1], (double)joints[i].y);
    }
    return e;
}

static double milliseconds(const struct session *s)
{
    int64_t ns[3];
    predictor_times(s->predictor, ns);
    return (double)(ns[0] + ns[1] + ns[2]) * 1e-6;
}

static void tell(struct session *s, const char *path, const struct image_scale *size,
                 const char *drawing, const char *points)
{
    progress_clear(&s->progress);
    const int n = s->people.n_people;
    printf("%s  %dx%d, %d %s, %.0f ms\n", path, size->w, size->h, n, n == 1 ? "person" : "people",
           milliseconds(s));
    for (int k = 0; k < n; k++) {
        const struct extent e = extent_of(s, k);
        printf("  person %-3d  score %.2f  %2d joints  x %5.0f ..%5.0f  y %5.0f ..%5.0f\n", k + 1,
               (double)s->people.scores[k], e.n_joints, e.low[0], e.high[0], e.low[1], e.high[1]);
    }
    if (*drawing || *points)
        printf("  -> %s%s%s\n", drawing, *drawing && *points ? ", " : "", points);
}

static void tell_json(struct session *s, const char *path, const struct image_scale *size,
                      const char *drawing, const char *points)
{
    struct json_writer *w = &s->json;
    json_begin_object(w);
    json_write_key(w, "picture");
    json_write_string(w, path);
    json_write_key(w, "width");
    json_write_integer(w, size->w);
    json_write_key(w, "height");
    json_write_integer(w, size->h);
    json_write_key(w, "milliseconds");
    json_write_number(w, milliseconds(s));
    json_write_key(w, "drawing");
    json_write_string(w, drawing);
    json_write_key(w, "points");
    json_write_string(w, points);
    json_write_key(w, "people");
    json_begin_array(w);
    for (int k = 0; k < s->people.n_people; k++) {
        const struct extent e = extent_of(s, k);
        json_begin_object(w);
        json_write_key(w, "score");
        json_write_float(w, s->people.scores[k]);
        json_write_key(w, "joints");
        json_write_integer(w, e.n_joints);
        json_write_key(w, "box");
        json_begin_array(w);
        json_write_number(w, e.low[0]);
        json_write_number(w, e.low[1]);
        json_write_number(w, e.high[0] - e.low[0]);
        json_write_number(w, e.high[1] - e.low[1]);
        json_end_array(w);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
}

/* ---- the loop ------------------------------------------------------------------------------ */

static int look_at(struct session *s, size_t index, const struct picture *picture)
{
    const struct photo *photo = &s->photos.items[index];
    struct str drawing = {0}, points = {0};
    int err = predictor_run(s->predictor, &picture->image, &s->people);
    if (err < 0)
        return error_prefix(err, "%s", photo->path);
    people_enlarge(&s->people, &picture->scale);
    if ((err = name_outputs(s, index, &drawing, &points)) < 0)
        goto done;
    const struct results_picture entry = {.path = photo->path,
                                          .image_id = (int64_t)index,
                                          .drawn = drawing.length ? path_base(drawing.text) : NULL,
                                          .input = photo->entry};
    if (drawing.length)
        err = write_drawing(s, &picture->image, drawing.text);
    if (err == 0 && points.length)
        err = write_points(s, index, &entry, points.text);
    if (err == 0 && s->results)
        err = results_add(s->results, &entry, &s->people);
    if (err < 0)
        goto done;
    s->n_read++;
    s->n_people += (size_t)s->people.n_people;
    (s->run->common->json ? tell_json : tell)(s, photo->path, &picture->scale, str_text(&drawing),
                                              str_text(&points));
done:
    str_free(&drawing);
    str_free(&points);
    return err;
}

/* A picture that cannot be read is passed over, unless there is no other. */
static int pass_over(struct session *s, size_t index, const struct picture *picture)
{
    const struct photo *photo = &s->photos.items[index];
    if (s->photos.n == 1)
        return error_set(picture->err, "%s", picture->message);
    log_warning("%s; it is left out", picture->message);
    const struct results_picture entry = {
        .path = photo->path, .image_id = (int64_t)index, .input = photo->entry};
    return s->results ? results_add(s->results, &entry, NULL) : BPNET_OK;
}

static int look_at_all(struct session *s)
{
    for (size_t i = 0; i < s->photos.n; i++) {
        const struct picture *picture;
        int err = picture_feed_next(s->feed, &picture);
        if (err == 0)
            err = picture->err < 0 ? pass_over(s, i, picture) : look_at(s, i, picture);
        if (err == 0)
            err = run_check_stop(s->run);
        if (err < 0)
            return err;
        progress_update(&s->progress, i + 1, s->photos.n, "pictures", "");
    }
    if (s->n_read == 0)
        return error_set(BPNET_EFORMAT, "inference: not one of %zu pictures could be read",
                         s->photos.n);
    return BPNET_OK;
}

static int open_session(struct session *s)
{
    int err = gather_photos(s);
    if (err < 0 ||
        (err = network_open(&s->network, s->run, s->args->model, s->args->inference_spec)) < 0)
        return err;
    if (!s->args->inference_spec)
        s->network.options.person_threshold = (float)s->args->min_score;
    if ((err = predictor_open(&s->predictor, &s->network.net, &s->network.options,
                              s->network.workers)) < 0 ||
        (err = open_feed(s)) < 0)
        return err;
    s->people.n_joints = s->network.net.skeleton->n_joints;
    const char *folder = s->run->common->results_dir;
    if (!folder || s->run->common->dry_run)
        return BPNET_OK;
    struct str drawings = {0};
    str_printf(&drawings, "%s%s", folder,
               s->gathered && s->args->dump_visualizations ? "/images_annotated" : "");
    err = str_status(&drawings);
    if (err == 0)
        err = folder_create(drawings.text);
    str_free(&drawings);
    return err < 0 ? err : open_gathered(s);
}

static int run_inference(struct run *run, const void *a)
{
    const struct args *args = a;
    struct session s = {.run = run,
                        .args = args,
                        .gathered = args->input && run->common->results_dir,
                        .json = {.stream = stdout, .indent = 2}};
    while (strcmp(formats[s.format], args->format) != 0)
        s.format++;
    progress_start(&s.progress, run->common->quiet, 30);
    int err = open_session(&s);
    if (err == 0) {
        if (run->common->json)
            json_begin_array(&s.json);
        err = look_at_all(&s);
        if (run->common->json) {
            json_end_array(&s.json);
            printf("\n");
        }
    }
    progress_clear(&s.progress);
    if (s.results && err == 0)
        err = results_close(s.results);
    else
        results_abort(s.results);
    run_add_kpi(run, "pictures", (double)s.n_read);
    run_add_kpi(run, "people", (double)s.n_people);
    picture_feed_close(s.feed);
    predictor_close(s.predictor);
    network_close(&s.network);
    people_free(&s.people);
    photos_free(&s.photos);
    free(s.paths);
    return err;
}

static const char *const examples[] = {
    "bpnet inference photo.jpg",
    "people drawn in photo_pose.jpg, their points in photo_pose.json",
    "bpnet inference holiday/ --results_dir out --format coco",
    "every picture of a folder; points as a COCO result list",
    "bpnet inference -i infer.yaml -m model.bpnet --input list.json -r out --dump_visualizations",
    "as in the original: out/detections.json, out/images_annotated/0.png ...",
    "bpnet inference photo.jpg --set heatmap_threshold=0.2 --set multi_scale_inference=true",
    "other thresholds; several scales find smaller people, slowly",
    NULL,
};

const struct verb cmd_inference = {
    .name = "inference",
    .group = "Find people",
    .summary = "find people in photographs",
    .operands = "PHOTO|FOLDER ...",
    .description =
        "Find people in JPEG and PNG pictures: who is where, drawn on a copy and as JSON, "
        "beside each picture or in --results_dir. Needs no spec and no model file: one is "
        "shipped.",
    .examples = examples,
    .options = {options, sizeof(options) / sizeof(options[0])},
    .args_size = sizeof(struct args),
    .max_operands = SIZE_MAX,
    .run = run_inference,
};
