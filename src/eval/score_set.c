/* From annotation and result files to the arrays that are scored. */
#include "eval/score_set.h"

#include "base/error.h"
#include "base/log.h"
#include "io/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DETECTIONS = 100 * 1000 * 1000 };

/* Which of the dataset's keypoints is COCO's number i, or -1; returns how many there are. */
static int map_keypoints(const struct coco *c, int from[COCO_KEYPOINTS])
{
    int n = 0;
    for (int i = 0; i < COCO_KEYPOINTS; i++) {
        from[i] = -1;
        for (int k = 0; k < c->n_keypoints && from[i] < 0; k++) {
            if (strcmp(c->keypoints[k], coco_keypoint_names[i]) == 0)
                from[i] = k;
        }
        n += from[i] >= 0;
    }
    return n;
}

static void fill_truth(struct coco_truth *t, const struct coco *c, const struct coco_annotation *a,
                       const int from[COCO_KEYPOINTS])
{
    /* A file's own ignore flag has no say here: pycocotools overwrites it too. */
    *t = (struct coco_truth){.image_id = c->images[a->image].id,
                             .id = a->id,
                             .area = a->area,
                             .crowd = a->crowd,
                             .num_keypoints = a->num_keypoints};
    memcpy(t->bbox, a->bbox, sizeof(t->bbox));
    for (int i = 0; i < COCO_KEYPOINTS && a->keypoints; i++) {
        if (from[i] >= 0)
            memcpy(t->keypoints[i], a->keypoints + 3 * from[i], sizeof(t->keypoints[i]));
    }
}

int score_set_init(struct score_set *s, const struct coco *c, size_t max_images)
{
    int from[COCO_KEYPOINTS];
    if (map_keypoints(c, from) == 0)
        return error_set(BPNET_EUNSUPPORTED,
                         "%s: none of COCO's 17 keypoints, which scoring needs, is among its %d",
                         c->path, c->n_keypoints);
    const size_t n_images = max_images && max_images < c->n_images ? max_images : c->n_images;
    s->category_id = c->category_id;
    s->images = calloc(n_images ? n_images : 1, sizeof(*s->images));
    s->truths = calloc(c->n_annotations ? c->n_annotations : 1, sizeof(*s->truths));
    if (!s->images || !s->truths) {
        score_set_free(s);
        return error_set(BPNET_ENOMEM, "%s: no memory for %zu people", c->path, c->n_annotations);
    }
    bool has_zero = false;
    for (size_t i = 0; i < n_images; i++)
        s->images[s->n_images++] = c->images[i].id;
    for (size_t i = 0; i < c->n_annotations; i++) {
        const struct coco_annotation *a = &c->annotations[i];
        if (a->image >= n_images)
            continue;
        fill_truth(&s->truths[s->n_truths++], c, a, from);
        has_zero |= a->id == 0;
    }
    if (has_zero)
        log_warning("%s: an annotation has id 0; COCO's rules count a match with it as none, so "
                    "number from 1",
                    c->path);
    return BPNET_OK;
}

void score_set_free(struct score_set *s)
{
    free(s->images);
    free(s->truths);
    free(s->detections);
    *s = (struct score_set){0};
}

struct coco_detection *score_set_add(struct score_set *s)
{
    if (s->n_detections == s->capacity) {
        const size_t capacity = s->capacity ? 2 * s->capacity : 256;
        struct coco_detection *grown =
            capacity > MAX_DETECTIONS ? NULL
                                      : realloc(s->detections, capacity * sizeof(*s->detections));
        if (!grown) {
            error_set(BPNET_ENOMEM, "no memory for more than %zu detections", s->n_detections);
            return NULL;
        }
        s->detections = grown;
        s->capacity = capacity;
    }
    struct coco_detection *d = &s->detections[s->n_detections++];
    *d = (struct coco_detection){0};
    return d;
}

/* ---- result lists -------------------------------------------------------------------------- */

struct results_reader {
    struct score_set *set;
    struct results_report *report;
    const char *path;
    const int64_t *images; /* sorted */
    bool boxes;            /* areas come from boxes */
    bool found;            /* the file is a list */
};

static int compare_ids(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static bool wants_list(void *ctx, const char *key)
{
    struct results_reader *r = ctx;
    const bool list = *key == '\0';
    r->found |= list;
    return list;
}

static int read_result(void *ctx, const char *key, size_t index, const struct json *element)
{
    (void)key;
    struct results_reader *r = ctx;
    char where[512];
    snprintf(where, sizeof(where), "%s: [%zu]", r->path, index);
    if (json_kind(element) != JSON_KIND_OBJECT)
        return error_set(BPNET_EFORMAT, "%s: found %s, expected an object", where,
                         json_kind_name(json_kind(element)));
    int64_t image_id, category_id;
    double keypoints[3 * COCO_KEYPOINTS], score, box[4];
    int err;
    if ((err = json_need_integer(&image_id, element, "image_id", where)) < 0 ||
        (err = json_need_integer(&category_id, element, "category_id", where)) < 0 ||
        (err = json_need_numbers(keypoints, 3 * COCO_KEYPOINTS, element, "keypoints", where)) < 0 ||
        (err = json_need_number(&score, element, "score", where)) < 0)
        return err;
    if (index == 0)
        r->boxes = json_length(json_get(element, "bbox")) > 0;
    if (r->boxes && (err = json_need_numbers(box, 4, element, "bbox", where)) < 0)
        return err;
    if (category_id != r->set->category_id) {
        r->report->n_other_category++;
        return BPNET_OK;
    }
    if (!bsearch(&image_id, r->images, r->set->n_images, sizeof(image_id), compare_ids)) {
        r->report->n_other_images++;
        return BPNET_OK;
    }
    struct coco_detection *d = score_set_add(r->set);
    if (!d)
        return BPNET_ENOMEM;
    d->image_id = image_id;
    d->score = score;
    d->area_given = r->boxes;
    d->area = r->boxes ? box[2] * box[3] : 0;
    memcpy(d->keypoints, keypoints, sizeof(keypoints));
    return BPNET_OK;
}

int score_set_read_results(struct score_set *s, const char *path, struct results_report *report)
{
    *report = (struct results_report){0};
    int64_t *images = calloc(s->n_images ? s->n_images : 1, sizeof(*images));
    if (!images)
        return error_set(BPNET_ENOMEM, "%s: no memory for %zu image ids", path, s->n_images);
    for (size_t i = 0; i < s->n_images; i++)
        images[i] = s->images[i];
    qsort(images, s->n_images, sizeof(*images), compare_ids);
    struct results_reader reader = {.set = s, .report = report, .path = path, .images = images};
    const struct json_walker walker = {.wants = wants_list, .element = read_result, .ctx = &reader};
    int err = json_walk_file(path, &walker);
    if (err == 0 && !reader.found)
        err = error_set(BPNET_EFORMAT, "%s: found an object, expected a list of results", path);
    free(images);
    return err;
}

int score_set_evaluate(const struct score_set *s, struct coco_result *out)
{
    return coco_evaluate(out, s->images, s->n_images, s->truths, s->n_truths, s->detections,
                         s->n_detections);
}
