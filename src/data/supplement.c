/*
 * Merging machine-made labels into a COCO file's. People are appended while the file is walked, and
 * put to their images at the end, so that what is looked at on the way are the human labels only.
 */
#include "data/supplement.h"

#include "base/error.h"
#include "data/coco_element.h"
#include "data/loss_mask.h"
#include "io/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double same_overlap = 0.5; /* of the union: the same person */

struct supplementing {
    struct coco *coco;
    const char *path;
    const struct supplement_options *options;
    struct supplement_counts *counts;
    size_t capacity; /* of coco->annotations */
    bool saw_annotations;
    char where[512];
};

/* Someone the machine saw. */
struct sighting {
    struct coco_annotation annotation;
    const struct coco_image *image;
    double keypoints[3 * COCO_MAX_KEYPOINTS];
};

/* ---- whom it saw ------------------------------------------------------------------------- */

static double overlap(const double a[4], const double b[4])
{
    const double w = fmin(a[0] + a[2], b[0] + b[2]) - fmax(a[0], b[0]);
    const double h = fmin(a[1] + a[3], b[1] + b[3]) - fmax(a[1], b[1]);
    const double both = w > 0 && h > 0 ? w * h : 0;
    const double whole = a[2] * a[3] + b[2] * b[3] - both;
    return whole > 0 ? both / whole : 0;
}

/* The labelled person who overlaps most, and how far; NULL when there is nobody. */
static struct coco_annotation *nearest_person(const struct supplementing *s,
                                              const struct sighting *seen, double *most)
{
    struct coco_annotation *best = NULL;
    *most = 0;
    for (size_t k = 0; k < seen->image->n; k++) {
        const struct coco_annotation *a = coco_annotation_of(s->coco, seen->image, k);
        const double by = overlap(a->bbox, seen->annotation.bbox);
        if (annotation_is_labelled(a) && (!best || by > *most)) {
            best = &s->coco->annotations[a - s->coco->annotations];
            *most = by;
        }
    }
    return best;
}

static struct coco_annotation *person_by_id(const struct supplementing *s,
                                            const struct sighting *seen, int64_t id)
{
    for (size_t k = 0; k < seen->image->n; k++) {
        const struct coco_annotation *a = coco_annotation_of(s->coco, seen->image, k);
        if (a->id == id && annotation_is_labelled(a))
            return &s->coco->annotations[a - s->coco->annotations];
    }
    return NULL;
}

/* The labelled person it is, if any; *is_other: it is said or seen to be someone else. */
static int identify(struct coco_annotation **out, bool *is_other, const struct supplementing *s,
                    const struct sighting *seen, const struct json *element)
{
    const struct json *same = json_get(element, "same_person_as_label");
    const enum json_kind kind = json_kind(same);
    double by;
    int64_t id;
    *out = NULL;
    *is_other = kind == JSON_KIND_FALSE;
    if (kind != JSON_KIND_NULL && kind != JSON_KIND_TRUE && kind != JSON_KIND_FALSE)
        return error_set(BPNET_EFORMAT,
                         "%s: key 'same_person_as_label': found %s, expected true or false",
                         s->where, json_kind_name(kind));
    if (*is_other)
        return BPNET_OK;
    if (json_kind(json_get(element, "label_id")) != JSON_KIND_NULL) {
        const int err = json_need_integer(&id, element, "label_id", s->where);
        *out = err < 0 ? NULL : person_by_id(s, seen, id);
        return err;
    }
    *out = nearest_person(s, seen, &by);
    if (kind == JSON_KIND_NULL && by < same_overlap) {
        *out = NULL;
        *is_other = true;
    }
    return BPNET_OK;
}

/* ---- what is used ------------------------------------------------------------------------ */

/* The points that nobody was to label. */
static int add_points(struct supplementing *s, struct coco_annotation *person,
                      const struct sighting *seen)
{
    const int n = s->coco->n_keypoints;
    double *merged = NULL;
    for (int k = 0; seen->image->labelled && k < n; k++) {
        const double *point = seen->keypoints + 3 * k;
        if (seen->image->labelled[k] || !(point[2] > 0) || person->keypoints[3 * k + 2] > 0)
            continue;
        if (!merged) {
            merged = pool_take(&s->coco->pool, 3 * (size_t)n, sizeof *merged);
            if (!merged)
                return BPNET_ENOMEM;
            memcpy(merged, person->keypoints, 3 * (size_t)n * sizeof *merged);
            person->keypoints = merged;
        }
        memcpy(merged + 3 * k, point, 3 * sizeof *merged);
        s->counts->points++;
    }
    s->counts->unused += !merged;
    return BPNET_OK;
}

static int append(struct supplementing *s, const struct coco_annotation *a)
{
    struct coco *c = s->coco;
    if (c->n_annotations == s->capacity) {
        const size_t more = c->n_annotations + c->n_annotations / 2 + 64;
        struct coco_annotation *grown = realloc(c->annotations, more * sizeof *grown);
        if (!grown)
            return error_set(BPNET_ENOMEM, "%s: no memory for %zu annotations", s->path, more);
        c->annotations = grown;
        s->capacity = more;
    }
    c->annotations[c->n_annotations++] = *a;
    return BPNET_OK;
}

static int add_person(struct supplementing *s, const struct sighting *seen)
{
    const size_t numbers = 3 * (size_t)s->coco->n_keypoints;
    struct coco_annotation a = seen->annotation;
    a.image = (size_t)(seen->image - s->coco->images);
    a.machine = true;
    a.keypoints = a.extra = NULL; /* the element's, which goes */
    a.ignore |= a.crowd || a.num_keypoints == 0 || a.num_keypoints < s->options->min_keypoints;
    if (a.ignore) {
        a.num_keypoints = 0;
        s->counts->ignored++;
        return append(s, &a);
    }
    double *kept = pool_take(&s->coco->pool, numbers, sizeof *kept);
    if (!kept)
        return BPNET_ENOMEM;
    a.keypoints = memcpy(kept, seen->keypoints, numbers * sizeof *kept);
    s->counts->people++;
    return append(s, &a);
}

/* A keypoint is labelled in a picture where every labelled person has it now. */
static int update_flags(struct coco *c, struct coco_image *image)
{
    const size_t n = (size_t)c->n_keypoints;
    uint8_t *flags = pool_take(&c->pool, n, 1);
    if (!flags)
        return BPNET_ENOMEM;
    for (size_t k = 0; k < n; k++) {
        size_t people = 0, have = 0;
        for (size_t i = 0; i < image->n; i++) {
            const struct coco_annotation *a = coco_annotation_of(c, image, i);
            const bool counts = annotation_is_labelled(a) && !a->machine;
            people += counts;
            have += counts && a->keypoints[3 * k + 2] > 0;
        }
        flags[k] = image->labelled[k] || (people > 0 && have == people);
    }
    image->labelled = flags;
    return BPNET_OK;
}

/* ---- the file ---------------------------------------------------------------------------- */

/* Points without the confidence asked for become none. */
static int apply_scores(struct supplementing *s, struct sighting *seen, const struct json *element)
{
    static const char key[] = "keypoint_scores";
    const size_t n = (size_t)s->coco->n_keypoints;
    double scores[COCO_MAX_KEYPOINTS];
    int err;
    if (json_kind(json_get(element, key)) == JSON_KIND_NULL)
        return BPNET_OK;
    if ((err = json_need_numbers(scores, n, element, key, s->where)) < 0)
        return err;
    seen->annotation.num_keypoints = 0;
    for (size_t k = 0; k < n; k++) {
        if (!(scores[k] >= s->options->min_score))
            seen->keypoints[3 * k + 2] = 0;
        seen->annotation.num_keypoints += seen->keypoints[3 * k + 2] > 0;
    }
    return BPNET_OK;
}

static int read_sighting(struct supplementing *s, struct sighting *seen, struct pool *pool,
                         const struct json *element)
{
    const size_t numbers = 3 * (size_t)s->coco->n_keypoints;
    int64_t image_id;
    const int err = coco_read_annotation(&seen->annotation, &image_id, s->coco->n_keypoints, pool,
                                         element, s->where);
    if (err < 0)
        return err;
    seen->image = coco_image_by_id(s->coco, image_id);
    memset(seen->keypoints, 0, sizeof seen->keypoints);
    if (seen->annotation.keypoints)
        memcpy(seen->keypoints, seen->annotation.keypoints, numbers * sizeof(double));
    return apply_scores(s, seen, element);
}

static int take_element(void *ctx, const char *key, size_t index, const struct json *element)
{
    struct supplementing *s = ctx;
    struct sighting seen = {0};
    struct pool pool = {0}; /* of this element: most keep nothing */
    struct coco_annotation *person;
    bool is_other;
    snprintf(s->where, sizeof s->where, "%.400s: %s[%zu]", s->path, key, index);
    int err = read_sighting(s, &seen, &pool, element);
    if (err == BPNET_OK && !seen.image) {
        s->counts->unused++; /* of a picture that is not used */
    } else if (err == BPNET_OK &&
               (err = identify(&person, &is_other, s, &seen, element)) == BPNET_OK) {
        if (person)
            err = add_points(s, person, &seen);
        else if (is_other && seen.image->coverage != COVERAGE_YES)
            err = add_person(s, &seen);
        else
            s->counts->unused++;
    }
    pool_free(&pool);
    return err;
}

static bool wants(void *ctx, const char *key)
{
    struct supplementing *s = ctx;
    const bool annotations = strcmp(key, "annotations") == 0;
    s->saw_annotations |= annotations;
    return annotations;
}

int coco_supplement(struct coco *c, const char *path, const struct supplement_options *options,
                    struct supplement_counts *counts)
{
    *counts = (struct supplement_counts){0};
    struct supplementing s = {.coco = c,
                              .path = path,
                              .options = options,
                              .counts = counts,
                              .capacity = c->n_annotations};
    const struct json_walker walker = {wants, take_element, &s};
    int err = json_walk_file(path, &walker);
    if (err < 0)
        return err;
    if (!s.saw_annotations)
        return error_set(BPNET_EFORMAT, "%s: there is no 'annotations', expected a list of people",
                         path);
    if ((err = coco_regroup(c)) < 0)
        return err;
    for (size_t i = 0; err == BPNET_OK && i < c->n_images; i++)
        if (c->images[i].labelled)
            err = update_flags(c, &c->images[i]);
    return err;
}
