/*
 * Conversion in three steps: choose the people who get a record, write the masks of their pictures,
 * deal the records into files. Between the steps a record is a pair of indices; its bytes are made
 * when it is written.
 */
#include "data/convert.h"

#include "base/error.h"
#include "base/log.h"
#include "base/rng.h"
#include "base/str.h"
#include "data/coco.h"
#include "data/loss_mask.h"
#include "data/record.h"
#include "data/supplement.h"
#include "io/file.h"
#include "io/image.h"
#include "io/tfrecord.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_PARTITIONS = 999,
    MAX_SHARDS = 99999,
    MOST_WARNINGS = 10,
    REPORT_EVERY = 64, /* pictures */
    SHUFFLE_SEED = 42
};

/* A record to be: the picture, and which of its annotations it is centred on (-1: none). */
struct job {
    size_t image;
    int32_t person;
};

struct converting {
    const struct dataset_spec *spec;
    const struct dataset_part *part;
    const struct convert_options *options;
    struct convert_report *report;
    struct coco *coco;
    char *images_folder, *masks_folder; /* below the root */
    struct job *jobs;
    size_t n_jobs, capacity;
    size_t n_warnings;
};

/* ---- who gets a record ------------------------------------------------------------------- */

static int add_job(struct converting *c, size_t image, int32_t person)
{
    if (c->n_jobs == c->capacity) {
        const size_t more = c->capacity ? 2 * c->capacity : 1024;
        struct job *grown = realloc(c->jobs, more * sizeof(*grown));
        if (!grown)
            return error_set(BPNET_ENOMEM, "no memory for %zu records", more);
        c->jobs = grown;
        c->capacity = more;
    }
    c->jobs[c->n_jobs++] = (struct job){image, person};
    return BPNET_OK;
}

static double center_distance(const struct coco_annotation *a, const struct coco_annotation *b)
{
    const double dx = a->bbox[0] + a->bbox[2] / 2 - b->bbox[0] - b->bbox[2] / 2;
    const double dy = a->bbox[1] + a->bbox[3] / 2 - b->bbox[1] - b->bbox[3] / 2;
    return sqrt(dx * dx + dy * dy);
}

/* Whether someone accepted before, jobs[first] on, is too near. */
static bool is_too_close(const struct converting *c, const struct coco_image *image, size_t first,
                         const struct coco_annotation *a)
{
    for (size_t i = first; i < c->n_jobs; i++) {
        const struct coco_annotation *b =
            coco_annotation_of(c->coco, image, (size_t)c->jobs[i].person);
        const double size = fmax(b->bbox[2], b->bbox[3]);
        if (center_distance(a, b) < c->spec->min_distance_ratio * size)
            return true;
    }
    return false;
}

static int choose_people(struct converting *c, size_t index)
{
    const struct coco_image *image = &c->coco->images[index];
    const struct dataset_spec *s = c->spec;
    const size_t first = c->n_jobs;
    for (size_t k = 0; k < image->n; k++) {
        const struct coco_annotation *a = coco_annotation_of(c->coco, image, k);
        if (a->machine)
            continue; /* beside others only */
        if (!annotation_is_labelled(a) || a->num_keypoints < s->min_keypoints)
            c->report->few_keypoints++;
        else if (a->area < s->min_height * s->min_width)
            c->report->too_small++;
        else if (is_too_close(c, image, first, a))
            c->report->too_close++;
        else if (c->n_jobs == first || s->duplicate_per_person) {
            const int err = add_job(c, index, (int32_t)k);
            if (err < 0)
                return err;
        }
    }
    if (image->n == 0) {
        c->report->no_people++;
        if (image->coverage_given && image->coverage == COVERAGE_YES) {
            c->report->backgrounds++;
            c->report->no_people--;
            return add_job(c, index, -1);
        }
    }
    return BPNET_OK;
}

/* ---- files ------------------------------------------------------------------------------- */

/* The loss mask's path below the data root, "" where none is needed; fresh, or NULL. */
static char *mask_path(const struct converting *c, const struct coco_image *image)
{
    if (!loss_mask_needed(c->coco, image))
        return str_copy("");
    struct str name = {0};
    str_printf(&name, "%s.png", image->file_name);
    char *path = str_status(&name) < 0 ? NULL : path_join(c->part->mask_root, str_text(&name));
    str_free(&name);
    return path;
}

static void warn_missing(struct converting *c, const char *path, const char *what)
{
    if (c->n_warnings++ < MOST_WARNINGS)
        log_warning("%s %s: its records are left out", path, what);
    else if (c->n_warnings == MOST_WARNINGS + 1)
        log_warning("further missing files are not listed");
}

/* Whether the picture and, unless it is to be written now, the mask are there. */
static int check_files(struct converting *c, const struct coco_image *image, bool *good)
{
    char *picture = path_join(c->images_folder, image->file_name);
    char *relative = mask_path(c, image), *mask = NULL;
    int w, h, err = BPNET_ENOMEM;
    *good = true;
    if (!picture || !relative || !(mask = path_join(c->spec->root, relative)))
        goto done;
    err = BPNET_OK;
    if (image_size(picture, &w, &h) < 0) {
        warn_missing(c, picture, "cannot be read");
        *good = false;
    } else if (w != image->w || h != image->h) {
        warn_missing(c, picture, "is not of the annotated size");
        *good = false;
    } else if (*relative && !c->options->generate_masks && !file_exists(mask)) {
        warn_missing(c, mask, "does not exist");
        *good = false;
    }
done:
    free(picture);
    free(relative);
    free(mask);
    return err;
}

static int write_mask(struct converting *c, const struct coco_image *image)
{
    struct image mask = {0};
    char *relative = mask_path(c, image), *path = NULL, *folder = NULL;
    int err = BPNET_ENOMEM;
    if (!relative || !(path = path_join(c->spec->root, relative)) || !(folder = path_folder(path)))
        goto done;
    if ((err = loss_mask_make(&mask, c->coco, image)) < 0 || c->options->dry_run)
        goto done;
    if ((strchr(image->file_name, '/') && (err = folder_create(folder)) < 0) ||
        (err = image_save(&mask, path, 100)) < 0)
        goto done;
    c->report->masks++;
done:
    image_free(&mask);
    free(relative);
    free(path);
    free(folder);
    return err;
}

static int handle_picture(struct converting *c, size_t index)
{
    const struct coco_image *image = &c->coco->images[index];
    const size_t first = c->n_jobs;
    bool good = true;
    int err = choose_people(c, index);
    if (err < 0 || c->n_jobs == first)
        return err;
    if (c->options->check_files && (err = check_files(c, image, &good)) < 0)
        return err;
    if (!good) {
        c->report->missing_files += c->n_jobs - first;
        c->report->backgrounds -= c->jobs[first].person < 0;
        c->n_jobs = first;
        return BPNET_OK;
    }
    if (c->options->generate_masks && loss_mask_needed(c->coco, image))
        return write_mask(c, image);
    return BPNET_OK;
}

static int handle_pictures(struct converting *c)
{
    int err = BPNET_OK;
    if (c->options->generate_masks && !c->options->dry_run &&
        (err = folder_create(c->masks_folder)) < 0)
        return err;
    for (size_t i = 0; err == 0 && i < c->coco->n_images; i++) {
        err = handle_picture(c, i);
        const struct convert_progress now = {i + 1, c->coco->n_images};
        const bool report = (i + 1) % REPORT_EVERY == 0 || i + 1 == c->coco->n_images;
        if (err == 0 && report && c->options->progress)
            err = c->options->progress(c->options->ctx, &now);
    }
    return err;
}

/* ---- records ----------------------------------------------------------------------------- */

static void put_person(struct record *r, const struct coco_annotation *a)
{
    const size_t p = (size_t)r->n_people++, k = (size_t)r->n_keypoints;
    memcpy(r->joints + p * k * 3, a->keypoints, k * 3 * sizeof(double));
    memcpy(r->boxes + p * 4, a->bbox, sizeof(a->bbox));
    r->scales[p] = a->bbox[3];
    r->centers[2 * p] = a->bbox[0] + a->bbox[2] / 2;
    r->centers[2 * p + 1] = a->bbox[1] + a->bbox[3] / 2;
    const size_t n = (size_t)COCO_EXTRAS * 3;
    if (a->extra)
        memcpy(r->extra + p * n, a->extra, n * sizeof(double));
}

static int fill_record(struct record *r, const struct converting *c, const struct job *job)
{
    const struct coco_image *image = &c->coco->images[job->image];
    const size_t k = (size_t)c->coco->n_keypoints, most = image->n + 1;
    r->image_id = image->id;
    r->w = image->w;
    r->h = image->h;
    r->coverage = image->coverage;
    r->person_idx = job->person;
    r->n_keypoints = (int)k;
    r->image_path = path_join(c->part->images_root, image->file_name);
    r->mask_path = mask_path(c, image);
    r->dataset = str_copy(c->spec->dataset);
    r->joints = calloc(most * k * 3, sizeof(double));
    r->boxes = calloc(most * 4, sizeof(double));
    r->scales = calloc(most, sizeof(double));
    r->centers = calloc(most * 2, sizeof(double));
    r->extra = calloc(most * COCO_EXTRAS * 3, sizeof(double));
    r->labelled = image->labelled ? malloc(k) : NULL;
    r->source = *image->source ? str_copy(image->source) : NULL;
    if (!r->image_path || !r->mask_path || !r->dataset || (*image->source && !r->source))
        return BPNET_ENOMEM;
    if (!r->joints || !r->boxes || !r->scales || !r->centers || !r->extra ||
        (image->labelled && !r->labelled))
        return error_set(BPNET_ENOMEM, "no memory for a record of %zu people", most);
    if (image->labelled)
        memcpy(r->labelled, image->labelled, k);
    if (job->person < 0)
        return BPNET_OK;
    bool any_extra = false;
    put_person(r, coco_annotation_of(c->coco, image, (size_t)job->person));
    for (size_t i = 0; i < image->n; i++) {
        const struct coco_annotation *a = coco_annotation_of(c->coco, image, i);
        any_extra |= a->extra != NULL;
        if ((int32_t)i != job->person && annotation_is_labelled(a) &&
            r->n_people < RECORD_MAX_PEOPLE)
            put_person(r, a);
    }
    if (!any_extra) {
        free(r->extra);
        r->extra = NULL;
    }
    return BPNET_OK;
}

static int write_record(struct tfrecord_writer *w, const struct converting *c,
                        const struct job *job)
{
    struct record record = {0};
    struct str bytes = {0};
    int err;
    if ((err = fill_record(&record, c, job)) == 0 && (err = record_pack(&bytes, &record)) == 0 &&
        (err = str_status(&bytes)) == 0)
        err = tfrecord_write(w, bytes.text, bytes.length);
    str_free(&bytes);
    record_free(&record);
    return err;
}

/* "<prefix>-fold-000-of-001-shard-00000-of-00004" */
static char *record_path(const struct convert_options *o, size_t partition, size_t shard)
{
    struct str path = {0};
    str_append(&path, o->output_prefix);
    if (o->partitions > 0)
        str_printf(&path, "-fold-%03zu-of-%03d", partition, o->partitions);
    if (o->shards > 0)
        str_printf(&path, "-shard-%05zu-of-%05d", shard, o->shards);
    if (str_status(&path) < 0) {
        str_free(&path);
        return NULL;
    }
    return path.text;
}

/* One file: of the partition's records those at order[0..n). */
static int write_file(const struct converting *c, size_t partition, size_t shard,
                      const uint32_t *order, size_t n)
{
    const size_t partitions = c->options->partitions > 0 ? (size_t)c->options->partitions : 1;
    struct tfrecord_writer w = {0};
    char *path = record_path(c->options, partition, shard);
    int err = path ? tfrecord_writer_open(&w, path) : BPNET_ENOMEM;
    for (size_t i = 0; err == 0 && i < n; i++)
        err = write_record(&w, c, &c->jobs[partition + order[i] * partitions]);
    if (err == 0)
        err = tfrecord_writer_commit(&w);
    else
        tfrecord_writer_abort(&w);
    c->report->records += err == 0 ? n : 0;
    free(path);
    return err;
}

/* Records partition, partition + P, partition + 2 P …, shuffled, cut into shards. */
static int write_partition(const struct converting *c, size_t partition, size_t partitions)
{
    const size_t n = (c->n_jobs - partition + partitions - 1) / partitions;
    const size_t shards = c->options->shards > 0 ? (size_t)c->options->shards : 1;
    uint32_t *order = malloc((n + 1) * sizeof(*order));
    if (!order)
        return error_set(BPNET_ENOMEM, "no memory for the order of %zu records", n);
    struct rng rng = rng_stream(SHUFFLE_SEED, partition, 0);
    rng_permutation(&rng, order, n);
    int err = BPNET_OK;
    for (size_t s = 0; err == 0 && s < shards; s++) {
        const size_t each = n / shards, last = s + 1 == shards ? n - s * each : each;
        err = write_file(c, partition, s, order + s * each, last);
    }
    free(order);
    return err;
}

static int write_records(struct converting *c)
{
    const struct convert_options *o = c->options;
    const size_t partitions = o->partitions > 0 ? (size_t)o->partitions : 1;
    const size_t shards = o->shards > 0 ? (size_t)o->shards : 1;
    if (c->n_jobs == 0)
        return error_set(BPNET_EFORMAT,
                         "%s: none of %zu people makes a record (%zu have too few keypoints, %zu "
                         "are too small, %zu too close to another, %zu without files)",
                         c->coco->path, c->report->persons, c->report->few_keypoints,
                         c->report->too_small, c->report->too_close, c->report->missing_files);
    if (c->n_jobs / partitions < shards)
        return error_set(BPNET_EUSAGE, "%zu records are too few for %zu partitions of %zu shards",
                         c->n_jobs, partitions, shards);
    if (c->n_jobs > UINT32_MAX)
        return error_set(BPNET_ELIMIT, "%zu records", c->n_jobs);
    if (o->dry_run) {
        c->report->records = c->n_jobs;
        return BPNET_OK;
    }
    char *folder = path_folder(o->output_prefix);
    int err = folder ? folder_create(folder) : BPNET_ENOMEM;
    for (size_t p = 0; err == 0 && p < partitions; p++)
        err = write_partition(c, p, partitions);
    free(folder);
    return err;
}

/* ---- all of it --------------------------------------------------------------------------- */

static int check_options(const struct convert_options *o)
{
    if (o->partitions < 0 || o->partitions > MAX_PARTITIONS)
        return error_set(BPNET_EUSAGE, "%d partitions, expected 0 to %d", o->partitions,
                         MAX_PARTITIONS);
    if (o->shards < 0 || o->shards > MAX_SHARDS)
        return error_set(BPNET_EUSAGE, "%d shards, expected 0 to %d", o->shards, MAX_SHARDS);
    return BPNET_OK;
}

static int check_keypoints(const struct dataset_spec *spec, const struct coco *coco)
{
    if (spec->n_keypoints != coco->n_keypoints)
        return error_set(BPNET_ECONFIG, "%s: %d keypoints, but %s has %d", spec->path,
                         spec->n_keypoints, coco->path, coco->n_keypoints);
    for (int k = 0; k < coco->n_keypoints; k++)
        if (strcmp(spec->keypoints[k], coco->keypoints[k]) != 0)
            return error_set(BPNET_ECONFIG, "%s: keypoint %d is '%s', but in %s it is '%s'",
                             spec->path, k, spec->keypoints[k], coco->path, coco->keypoints[k]);
    return BPNET_OK;
}

static int add_extra_labels(struct converting *c)
{
    struct supplement_counts counts;
    const struct supplement_options options = {.min_score = c->part->extra_min_score,
                                               .min_keypoints = c->spec->min_keypoints};
    if (!c->part->extra_file || !*c->part->extra_file)
        return BPNET_OK;
    char *path = path_join(c->spec->root, c->part->extra_file);
    const int err = path ? coco_supplement(c->coco, path, &options, &counts) : BPNET_ENOMEM;
    free(path);
    if (err < 0)
        return err;
    c->report->extra_points = counts.points;
    c->report->extra_people = counts.people;
    c->report->extra_ignored = counts.ignored;
    return BPNET_OK;
}

static int convert(struct converting *c)
{
    char *annotations = path_join(c->spec->root, c->part->annotation_file);
    const struct coco_options load = {.segmentations = c->options->generate_masks};
    c->images_folder = path_join(c->spec->root, c->part->images_root);
    c->masks_folder = path_join(c->spec->root, c->part->mask_root);
    int err = BPNET_ENOMEM;
    if (annotations && c->images_folder && c->masks_folder)
        err = coco_load(&c->coco, annotations, &load);
    free(annotations);
    if (err < 0 || (err = check_keypoints(c->spec, c->coco)) < 0)
        return err;
    c->report->images = c->coco->n_images;
    c->report->persons = c->coco->n_annotations;
    if ((err = add_extra_labels(c)) < 0 || (err = handle_pictures(c)) < 0)
        return err;
    return write_records(c);
}

int dataset_convert(const struct dataset_spec *spec, const struct convert_options *options,
                    struct convert_report *report)
{
    *report = (struct convert_report){0};
    struct converting c = {.spec = spec,
                           .part = options->train_mode ? &spec->train : &spec->test,
                           .options = options,
                           .report = report};
    int err = check_options(options);
    if (err == 0)
        err = convert(&c);
    coco_free(c.coco);
    free(c.images_folder);
    free(c.masks_folder);
    free(c.jobs);
    return err;
}
