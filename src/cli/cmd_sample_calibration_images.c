/* bpnet sample_calibration_images: copy some pictures with people, for calibration (spec 13). */
#include "cli/cmd.h"

#include "base/error.h"
#include "base/log.h"
#include "base/rng.h"
#include "base/str.h"
#include "base/workers.h"
#include "cli/progress.h"
#include "data/coco.h"
#include "io/file.h"
#include "io/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct args {
    struct common_args common;
    const char *annotations, *images, *output;
    int64_t n, min_people, min_keypoints, seed;
    bool randomize;
};

#define AT(member) offsetof(struct args, member)

static const struct option options[] = {
    {"annotation_file", "a", OPTION_TEXT, AT(annotations), "FILE",
     .help = "people annotated, a COCO keypoint file", .required = true},
    {"image_root_dir", "i", OPTION_TEXT, AT(images), "DIR", .help = "folder of its pictures",
     .required = true},
    {"output_image_root_dir", "o", OPTION_TEXT, AT(output), "DIR",
     .help = "folder to copy to; sub-folders are kept", .required = true},
    {"num_images", "n", OPTION_INTEGER, AT(n), "N", .help = "pictures wanted", .preset = "500",
     .low = 1, .high = 1e9},
    {"min_persons_per_image", "pth", OPTION_INTEGER, AT(min_people), "N",
     .help = "a picture has at least so many people", .preset = "1", .low = 0, .high = 1e9},
    {"min_kpts_per_person", "kth", OPTION_INTEGER, AT(min_keypoints), "N",
     .help = "with at least so many labelled keypoints each", .preset = "5", .low = 0,
     .high = COCO_MAX_KEYPOINTS},
    {"randomize", "r", OPTION_FLAG, AT(randomize),
     .help = "draw by chance, not in the order of the file"},
    {"seed", NULL, OPTION_INTEGER, AT(seed), "N", .help = "the chance of --randomize",
     .preset = "0", .low = 0, .high = 9e15},
};

/* ---- choosing ------------------------------------------------------------------------------ */

/* File names, in the order in which they are taken; they belong to the annotations. */
struct choice {
    const char **names;
    size_t n, n_qualified;
};

static bool qualifies(const struct coco *coco, const struct coco_image *image,
                      const struct args *args)
{
    int64_t n = 0;
    for (size_t k = 0; k < image->n; k++)
        n += coco_annotation_of(coco, image, k)->num_keypoints >= args->min_keypoints;
    return n >= args->min_people;
}

static int compare_names(const void *a, const void *b)
{
    const char *const *x = *(const char *const *const *)a, *const *y =
                                                               *(const char *const *const *)b;
    const int order = strcmp(*x, *y);
    return order ? order : (x > y) - (x < y);
}

/* One file may be annotated under several ids, but is one picture: its first place remains. */
static int drop_twins(const char **names, size_t *n)
{
    const char ***sorted = calloc(*n ? *n : 1, sizeof(*sorted));
    if (!sorted)
        return error_set(BPNET_ENOMEM, "no memory for %zu names", *n);
    for (size_t i = 0; i < *n; i++)
        sorted[i] = &names[i];
    qsort(sorted, *n, sizeof(*sorted), compare_names);
    for (size_t i = 1, first = 0; i < *n; i++) {
        if (strcmp(*sorted[i], *sorted[first]) == 0)
            *sorted[i] = NULL;
        else
            first = i;
    }
    free(sorted);
    size_t kept = 0;
    for (size_t i = 0; i < *n; i++) {
        if (names[i])
            names[kept++] = names[i];
    }
    *n = kept;
    return BPNET_OK;
}

static int shuffle(const char **names, size_t n, uint64_t seed)
{
    uint32_t *order = calloc(n ? n : 1, sizeof(*order));
    const char **drawn = calloc(n ? n : 1, sizeof(*drawn));
    if (!order || !drawn) {
        free(order);
        free((void *)drawn);
        return error_set(BPNET_ENOMEM, "no memory to shuffle %zu pictures", n);
    }
    struct rng rng = rng_stream(seed, 0, 0);
    rng_permutation(&rng, order, n);
    for (size_t i = 0; i < n; i++)
        drawn[i] = names[order[i]];
    for (size_t i = 0; i < n; i++)
        names[i] = drawn[i];
    free(order);
    free((void *)drawn);
    return BPNET_OK;
}

static int choose(struct choice *out, const struct coco *coco, const struct args *args)
{
    *out = (struct choice){.names = calloc(coco->n_images + 1, sizeof(*out->names))};
    if (!out->names)
        return error_set(BPNET_ENOMEM, "no memory for %zu names", coco->n_images);
    for (size_t i = 0; i < coco->n_images; i++) {
        if (qualifies(coco, &coco->images[i], args))
            out->names[out->n_qualified++] = coco->images[i].file_name;
    }
    int err = drop_twins(out->names, &out->n_qualified);
    if (err == 0 && args->randomize)
        err = shuffle(out->names, out->n_qualified, (uint64_t)args->seed);
    if (err < 0)
        return err;
    const size_t wanted = (size_t)args->n;
    out->n = wanted < out->n_qualified ? wanted : out->n_qualified;
    if (out->n == 0)
        return error_set(BPNET_EUSAGE,
                         "%s: none of its %zu pictures has %lld people with %lld keypoints",
                         args->annotations, coco->n_images, (long long)args->min_people,
                         (long long)args->min_keypoints);
    if (out->n < wanted)
        log_warning("only %zu of %zu pictures qualify, %zu were wanted", out->n, coco->n_images,
                    wanted);
    return BPNET_OK;
}

/* ---- copying ------------------------------------------------------------------------------- */

enum { CHUNK = 64, MAX_PICTURE = 1 << 30 };

struct copier {
    const char *from, *to;
    const char *const *names;
    size_t first; /* of this chunk */
    int errors[CHUNK];
    char *stories[CHUNK]; /* error messages are per thread */
};

static void copy_one(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    struct copier *c = ctx;
    const char *name = c->names[c->first + item];
    char *from = path_join(c->from, name), *to = path_join(c->to, name);
    struct file_view file = {0};
    int err = from && to ? file_view_open(&file, from, MAX_PICTURE) : BPNET_ENOMEM;
    if (err == 0)
        err = file_write(to, file.bytes, file.size);
    file_view_close(&file);
    free(from);
    free(to);
    c->errors[item] = err;
    c->stories[item] = err < 0 ? str_copy(error_message()) : NULL;
}

/* One chunk, on all threads; the first failure in order is the one to tell. */
static int copy_chunk(struct copier *c, size_t n, struct workers *workers)
{
    workers_run(workers, n, copy_one, c);
    int err = BPNET_OK;
    for (size_t i = 0; i < n; i++) {
        if (c->errors[i] < 0 && err == 0)
            err = error_set(c->errors[i], "%s", c->stories[i] ? c->stories[i] : "out of memory");
        free(c->stories[i]);
    }
    return err;
}

/* For every name: `visit` the path of its copy. */
static int each_copy(const struct copier *c, size_t n,
                     int (*visit)(const struct copier *c, const char *path))
{
    int err = BPNET_OK;
    for (size_t i = 0; i < n && err == 0; i++) {
        char *path = path_join(c->to, c->names[i]);
        err = path ? visit(c, path) : BPNET_ENOMEM;
        free(path);
    }
    return err;
}

static int create_folder_of(const struct copier *c, const char *path)
{
    (void)c;
    char *folder = path_folder(path);
    const int err = folder ? folder_create(folder) : BPNET_ENOMEM;
    free(folder);
    return err;
}

/* After a failure: what was copied goes, and the folders that are empty then. */
static int remove_copy(const struct copier *c, const char *path)
{
    (void)c;
    unlink(path);
    return BPNET_OK;
}

static int remove_folders_of(const struct copier *c, const char *path)
{
    char *folder = path_folder(path);
    while (folder && strlen(folder) >= strlen(c->to) && rmdir(folder) == 0) {
        char *above = path_folder(folder);
        free(folder);
        folder = above;
    }
    free(folder);
    return BPNET_OK;
}

static int copy_all(struct run *run, struct copier *c, size_t n)
{
    struct workers *workers;
    int err = workers_open(&workers, (unsigned)run->common->threads);
    if (err < 0)
        return err;
    struct progress progress;
    progress_start(&progress, run->common->quiet, 10);
    err = each_copy(c, n, create_folder_of);
    for (; c->first < n && err == 0; c->first += CHUNK) {
        const size_t left = n - c->first;
        err = copy_chunk(c, left < CHUNK ? left : CHUNK, workers);
        progress_update(&progress, c->first + (left < CHUNK ? left : CHUNK), n, "pictures", "");
        if (err == 0)
            err = run_check_stop(run);
    }
    progress_clear(&progress);
    workers_close(workers);
    if (err < 0) {
        char *story = str_copy(error_message());
        each_copy(c, n, remove_copy);
        each_copy(c, n, remove_folders_of);
        error_set(err, "%s", story ? story : "out of memory");
        free(story);
    }
    return err;
}

/* ---- the verb ------------------------------------------------------------------------------ */

static int check_destination(const char *path)
{
    if (!folder_exists(path))
        return file_exists(path)
                   ? error_set(BPNET_ECREATE, "%s: is a file, expected a folder", path)
                   : BPNET_OK;
    char **names;
    size_t n;
    const int err = folder_list(&names, &n, path, NULL);
    if (err < 0)
        return err;
    free((void *)names);
    return n == 0 ? BPNET_OK
                  : error_set(BPNET_ECREATE, "%s: is not empty; name a new folder", path);
}

/* All of them are looked for before anything is written. */
static int check_sources(const struct copier *c, size_t n)
{
    size_t n_missing = 0;
    const char *first = NULL;
    for (size_t i = 0; i < n; i++) {
        char *path = path_join(c->from, c->names[i]);
        if (!path)
            return BPNET_ENOMEM;
        if (!file_exists(path)) {
            first = n_missing ? first : c->names[i];
            n_missing++;
        }
        free(path);
    }
    if (n_missing == 0)
        return BPNET_OK;
    return error_set(BPNET_ENOENT,
                     "%s: %zu of the %zu pictures chosen are not there, the first is %s", c->from,
                     n_missing, n, first);
}

static void print_report(struct run *run, const struct args *args, const struct choice *choice,
                         size_t n_annotated)
{
    run_add_kpi(run, "images", (double)choice->n);
    if (!run->common->json) {
        printf("%zu of %zu pictures that qualify %s to %s\n", choice->n, choice->n_qualified,
               run->common->dry_run ? "would be copied" : "were copied", args->output);
        return;
    }
    struct json_writer w = {.stream = stdout, .indent = 2};
    json_begin_object(&w);
    json_write_key(&w, "annotated");
    json_write_integer(&w, (int64_t)n_annotated);
    json_write_key(&w, "qualified");
    json_write_integer(&w, (int64_t)choice->n_qualified);
    json_write_key(&w, "images");
    json_begin_array(&w);
    for (size_t i = 0; i < choice->n; i++)
        json_write_string(&w, choice->names[i]);
    json_end_array(&w);
    json_end_object(&w);
    printf("\n");
}

static int run_sample(struct run *run, const void *a)
{
    const struct args *args = a;
    struct coco *coco = NULL;
    struct choice choice = {0};
    const struct coco_options load = {.segmentations = false};
    int err = check_destination(args->output);
    if (err < 0 || (err = coco_load(&coco, args->annotations, &load)) < 0 ||
        (err = choose(&choice, coco, args)) < 0)
        goto done;
    struct copier copier = {.from = args->images, .to = args->output, .names = choice.names};
    err = check_sources(&copier, choice.n);
    if (err == 0 && !run->common->dry_run)
        err = copy_all(run, &copier, choice.n);
    if (err == 0)
        print_report(run, args, &choice, coco->n_images);
done:
    free((void *)choice.names);
    coco_free(coco);
    return err;
}

static const char *const examples[] = {
    "bpnet sample_calibration_images -a train.json -i train2017 -o calibration -n 2000 --randomize",
    "2000 training pictures with people, to calibrate 8-bit engines on",
    NULL,
};

const struct verb cmd_sample_calibration_images = {
    .name = "sample_calibration_images",
    .group = "Ship a network",
    .summary = "copy pictures to calibrate on",
    .description = "Choose pictures with people and copy them to a folder for 'bpnet export "
                   "--cal_image_dir'. The same arguments choose the same pictures.",
    .examples = examples,
    .options = {options, sizeof(options) / sizeof(options[0])},
    .args_size = sizeof(struct args),
    .run = run_sample,
};
