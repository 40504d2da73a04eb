/*
 * Elements of a COCO file. What is absent gets COCO's own meaning where there is one; what is there
 * must be right.
 */
#include "data/coco_element.h"

#include "base/error.h"
#include "io/image.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FLAG = 7 }; /* of visibility; dataset specs map 0 .. 7 */

const char *const coco_extra_names[COCO_EXTRAS] = {"neck", "head_top"};

static bool is_absent(const struct json *v)
{
    return json_kind(v) == JSON_KIND_NULL;
}

static int read_flag(bool *out, const struct json *object, const char *key, const char *where)
{
    const struct json *v = json_get(object, key);
    *out = false;
    if (is_absent(v) || json_kind(v) == JSON_KIND_FALSE)
        return BPNET_OK;
    if (json_kind(v) != JSON_KIND_TRUE &&
        !(json_is_numeric(v) && fabs(json_as_number(v) - 0.5) == 0.5))
        return error_set(BPNET_EFORMAT, "%s: key '%s': found %s, expected 0 or 1", where, key,
                         json_kind_name(json_kind(v)));
    *out = json_kind(v) == JSON_KIND_TRUE || json_as_number(v) != 0;
    return BPNET_OK;
}

/* ---- images ------------------------------------------------------------------------------ */

/* Names come from outside and become paths: they must stay below the folder they are joined to. */
static bool is_safe_name(const char *name)
{
    if (!*name || *name == '/')
        return false;
    for (const char *part = name; part; part = strchr(part, '/')) {
        part += *part == '/';
        const size_t length = strcspn(part, "/");
        if (length == 2 && part[0] == '.' && part[1] == '.')
            return false;
    }
    return true;
}

static int read_side(int *out, const struct json *element, const char *key, const char *where)
{
    int64_t value;
    const int err = json_need_integer(&value, element, key, where);
    if (err < 0)
        return err;
    if (value < 1 || value > IMAGE_MAX_SIDE)
        return error_set(BPNET_EFORMAT, "%s: key '%s': found %lld, expected 1 to %d", where, key,
                         (long long)value, IMAGE_MAX_SIDE);
    *out = (int)value;
    return BPNET_OK;
}

static int read_coverage(struct coco_image *out, const struct json *element, const char *where)
{
    static const char *const words[] = {
        [COVERAGE_YES] = "yes", [COVERAGE_UNKNOWN] = "unknown", [COVERAGE_NO] = "no"};
    const struct json *v = json_get(element, "all_people_labelled");
    out->coverage = COVERAGE_YES;
    out->coverage_given = !is_absent(v);
    if (!out->coverage_given)
        return BPNET_OK;
    for (int i = COVERAGE_YES; i <= COVERAGE_NO; i++)
        if (json_kind(v) == JSON_KIND_STRING &&
            strncmp(json_as_string(v), words[i], strlen(words[i])) == 0) {
            out->coverage = (enum coco_coverage)i;
            return BPNET_OK;
        }
    return error_set(
        BPNET_EFORMAT,
        "%s: key 'all_people_labelled': found %s, expected a text beginning with "
        "yes, unknown or no",
        where, json_kind(v) == JSON_KIND_STRING ? json_as_string(v) : json_kind_name(json_kind(v)));
}

static int read_labelled(struct coco_image *out, size_t *n_flags, struct pool *pool,
                         const struct json *element, const char *where)
{
    static const char key[] = "labelled_keypoints";
    const struct json *v = json_get(element, key);
    *n_flags = 0;
    if (is_absent(v))
        return BPNET_OK;
    if (json_kind(v) != JSON_KIND_ARRAY || json_length(v) > COCO_MAX_KEYPOINTS)
        return error_set(BPNET_EFORMAT, "%s: key '%s': expected an array of 0 and 1", where, key);
    uint8_t *flags = pool_take(pool, json_length(v) + 1, 1);
    if (!flags)
        return BPNET_ENOMEM;
    for (size_t i = 0; i < json_length(v); i++) {
        const double x = json_as_number(json_at(v, i));
        if (!json_is_numeric(json_at(v, i)) || (x != 0 && x != 1))
            return error_set(BPNET_EFORMAT, "%s: %s[%zu]: expected 0 or 1", where, key, i);
        flags[i] = x != 0;
    }
    out->labelled = flags;
    *n_flags = json_length(v);
    return BPNET_OK;
}

static int read_source(struct coco_image *out, struct pool *pool, const struct json *element,
                       const char *where)
{
    const struct json *v = json_get(element, "source");
    out->source = "";
    if (is_absent(v))
        return BPNET_OK;
    if (json_kind(v) != JSON_KIND_STRING)
        return error_set(BPNET_EFORMAT, "%s: key 'source': found %s, expected a text", where,
                         json_kind_name(json_kind(v)));
    out->source = pool_text(pool, json_as_string(v));
    return out->source ? BPNET_OK : BPNET_ENOMEM;
}

int coco_read_image(struct coco_image *out, size_t *n_flags, struct pool *pool,
                    const struct json *element, const char *where)
{
    const char *name;
    int err;
    *out = (struct coco_image){0};
    if ((err = json_need_integer(&out->id, element, "id", where)) < 0 ||
        (err = json_need_string(&name, element, "file_name", where)) < 0 ||
        (err = read_side(&out->w, element, "width", where)) < 0 ||
        (err = read_side(&out->h, element, "height", where)) < 0 ||
        (err = read_coverage(out, element, where)) < 0 ||
        (err = read_source(out, pool, element, where)) < 0 ||
        (err = read_labelled(out, n_flags, pool, element, where)) < 0)
        return err;
    if (!is_safe_name(name))
        return error_set(BPNET_EFORMAT,
                         "%s: key 'file_name': '%s' is not a relative path without '..'", where,
                         name);
    out->file_name = pool_text(pool, name);
    return out->file_name ? BPNET_OK : BPNET_ENOMEM;
}

/* ---- annotations ------------------------------------------------------------------------- */

static int read_keypoints(struct coco_annotation *out, int n_keypoints, struct pool *pool,
                          const struct json *element, const char *where)
{
    const struct json *v = json_get(element, "keypoints");
    const size_t n = 3 * (size_t)n_keypoints;
    if (is_absent(v))
        return BPNET_OK;
    if (json_kind(v) != JSON_KIND_ARRAY)
        return error_set(BPNET_EFORMAT, "%s: key 'keypoints': found %s, expected an array", where,
                         json_kind_name(json_kind(v)));
    if (json_length(v) != n)
        return error_set(BPNET_EFORMAT, "%s: %zu numbers in 'keypoints', expected %zu", where,
                         json_length(v), n);
    double numbers[3 * COCO_MAX_KEYPOINTS];
    const int err = json_need_numbers(numbers, n, element, "keypoints", where);
    if (err < 0)
        return err;
    for (size_t k = 0; k < n; k += 3) {
        const double flag = numbers[k + 2];
        if (!(flag >= 0 && flag <= MAX_FLAG) || flag != floor(flag))
            return error_set(BPNET_EFORMAT,
                             "%s: keypoints[%zu]: found visibility %g, expected 0, 1 or 2", where,
                             k + 2, flag);
        out->num_keypoints += flag > 0;
    }
    if (out->num_keypoints == 0)
        return BPNET_OK;
    double *kept = pool_take(pool, n, sizeof(double));
    if (!kept)
        return BPNET_ENOMEM;
    out->keypoints = memcpy(kept, numbers, n * sizeof(double));
    return BPNET_OK;
}

/* "neck": [x, y] or [x, y, v]. */
static int read_extra(struct coco_annotation *out, struct pool *pool, const struct json *element,
                      const char *where)
{
    double extra[COCO_EXTRAS][3] = {0};
    bool any = false;
    for (int i = 0; i < COCO_EXTRAS; i++) {
        const struct json *v = json_get(element, coco_extra_names[i]);
        if (is_absent(v))
            continue;
        const size_t n = json_length(v) == 2 ? 2 : 3;
        const int err = json_need_numbers(extra[i], n, element, coco_extra_names[i], where);
        if (err < 0)
            return err;
        if (n == 2)
            extra[i][2] = 2;
        else if (!(extra[i][2] >= 0 && extra[i][2] <= MAX_FLAG))
            return error_set(BPNET_EFORMAT, "%s: %s[2]: found visibility %g, expected 0, 1 or 2",
                             where, coco_extra_names[i], extra[i][2]);
        any = true;
    }
    if (!any)
        return BPNET_OK;
    double *kept = pool_take(pool, (size_t)COCO_EXTRAS * 3, sizeof(double));
    if (!kept)
        return BPNET_ENOMEM;
    out->extra = memcpy(kept, extra, sizeof(extra));
    return BPNET_OK;
}

static int read_measures(struct coco_annotation *out, const struct json *element, const char *where)
{
    int err = json_need_numbers(out->bbox, 4, element, "bbox", where);
    if (err < 0)
        return err;
    for (int i = 2; i < 4; i++)
        if (!(out->bbox[i] >= 0))
            return error_set(BPNET_EFORMAT, "%s: bbox[%d]: found %g, expected a size of 0 or more",
                             where, i, out->bbox[i]);
    out->area = out->bbox[2] * out->bbox[3];
    if (!is_absent(json_get(element, "area")) &&
        (err = json_need_number(&out->area, element, "area", where)) < 0)
        return err;
    if (!(out->area >= 0))
        return error_set(BPNET_EFORMAT, "%s: key 'area': found %g, expected 0 or more", where,
                         out->area);
    return BPNET_OK;
}

int coco_read_annotation(struct coco_annotation *out, int64_t *image_id, int n_keypoints,
                         struct pool *pool, const struct json *element, const char *where)
{
    int err;
    if ((err = json_need_integer(image_id, element, "image_id", where)) < 0 ||
        (err = read_measures(out, element, where)) < 0 ||
        (err = read_flag(&out->crowd, element, "iscrowd", where)) < 0 ||
        (err = read_flag(&out->ignore, element, "ignore", where)) < 0 ||
        (err = read_keypoints(out, n_keypoints, pool, element, where)) < 0 ||
        (err = read_extra(out, pool, element, where)) < 0)
        return err;
    int64_t n;
    if (is_absent(json_get(element, "num_keypoints")))
        return BPNET_OK;
    if ((err = json_need_integer(&n, element, "num_keypoints", where)) < 0)
        return err;
    if (n < 0 || n > n_keypoints)
        return error_set(BPNET_EFORMAT, "%s: key 'num_keypoints': found %lld, expected 0 to %d",
                         where, (long long)n, n_keypoints);
    out->num_keypoints = (int)n;
    return BPNET_OK;
}

/* ---- segmentations ----------------------------------------------------------------------- */

static int count_corners(uint32_t *points, size_t *total, const struct json *polygons,
                         const char *where)
{
    *total = 0;
    for (size_t k = 0; k < json_length(polygons); k++) {
        const struct json *polygon = json_at(polygons, k);
        const size_t n = json_length(polygon);
        if (json_kind(polygon) != JSON_KIND_ARRAY || n < 6 || n % 2 != 0 || n > UINT32_MAX)
            return error_set(BPNET_EFORMAT,
                             "%s: segmentation[%zu]: %zu numbers, expected an even number of at "
                             "least 6",
                             where, k, n);
        points[k] = (uint32_t)(n / 2);
        *total += n;
    }
    return BPNET_OK;
}

static int read_polygons(struct region *out, struct pool *pool, const struct json *polygons,
                         const char *where)
{
    const size_t n = json_length(polygons);
    size_t total;
    uint32_t *points = pool_take(pool, n, sizeof(*points));
    if (!points)
        return BPNET_ENOMEM;
    const int err = count_corners(points, &total, polygons, where);
    if (err < 0)
        return err;
    double *xy = pool_take(pool, total, sizeof(*xy));
    if (!xy)
        return BPNET_ENOMEM;
    size_t at = 0;
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < 2 * (size_t)points[k]; i++) {
            const struct json *v = json_at(json_at(polygons, k), i);
            xy[at] = json_as_number(v);
            if (!json_is_numeric(v) || !(fabs(xy[at]) <= REGION_MAX_COORDINATE))
                return error_set(BPNET_EFORMAT,
                                 "%s: segmentation[%zu][%zu]: expected a number within %d", where,
                                 k, i, REGION_MAX_COORDINATE);
            at++;
        }
    *out = (struct region){
        .kind = REGION_POLYGONS, .n_polygons = (uint32_t)n, .points = points, .xy = xy};
    return BPNET_OK;
}

static int read_counts(struct region *out, struct pool *pool, const struct json *counts,
                       size_t limit, const char *where)
{
    const size_t n = json_length(counts);
    if (n > limit)
        return error_set(BPNET_EFORMAT, "%s: %zu run lengths for %d x %d pixels", where, n, out->w,
                         out->h);
    uint32_t *runs = pool_take(pool, n + 1, sizeof(*runs));
    if (!runs)
        return BPNET_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const struct json *v = json_at(counts, i);
        const int64_t run = json_as_integer(v);
        if (!json_is_integral(v) || run < 0 || run > UINT32_MAX)
            return error_set(BPNET_EFORMAT,
                             "%s: segmentation.counts[%zu]: expected a number of pixels", where, i);
        runs[i] = (uint32_t)run;
    }
    out->runs = runs;
    out->n_runs = n;
    return BPNET_OK;
}

static int read_runs(struct region *out, const struct coco_image *image, struct pool *pool,
                     const struct json *v, const char *where)
{
    double size[2];
    int err = json_need_numbers(size, 2, v, "size", where);
    if (err < 0)
        return err;
    if (size[0] != image->h || size[1] != image->w)
        return error_set(BPNET_EFORMAT,
                         "%s: segmentation.size is %g x %g, the image's is %d x %d (height x "
                         "width)",
                         where, size[0], size[1], image->h, image->w);
    *out = (struct region){.kind = REGION_RUNS, .w = image->w, .h = image->h};
    const size_t limit = (size_t)image->w * (size_t)image->h + 1;
    const struct json *counts = json_get(v, "counts");
    if (json_kind(counts) == JSON_KIND_ARRAY)
        return read_counts(out, pool, counts, limit, where);
    if (json_kind(counts) != JSON_KIND_STRING)
        return error_set(BPNET_EFORMAT,
                         "%s: segmentation.counts: found %s, expected an array or a text", where,
                         json_kind_name(json_kind(counts)));
    uint32_t *runs;
    if ((err = runs_from_text(&runs, &out->n_runs, json_as_string(counts), limit)) < 0)
        return error_prefix(err, "%s: segmentation.counts", where);
    uint32_t *kept = pool_take(pool, out->n_runs + 1, sizeof(*kept));
    if (kept)
        out->runs = memcpy(kept, runs, out->n_runs * sizeof(*kept));
    free(runs);
    return kept ? BPNET_OK : BPNET_ENOMEM;
}

int coco_read_region(struct region *out, const struct coco_image *image, struct pool *pool,
                     const struct json *element, const char *where)
{
    const struct json *v = json_get(element, "segmentation");
    *out = (struct region){0};
    if (is_absent(v) || (json_kind(v) == JSON_KIND_ARRAY && json_length(v) == 0))
        return BPNET_OK;
    if (json_kind(v) == JSON_KIND_OBJECT)
        return read_runs(out, image, pool, v, where);
    if (json_kind(v) == JSON_KIND_ARRAY)
        return read_polygons(out, pool, v, where);
    return error_set(BPNET_EFORMAT, "%s: key 'segmentation': found %s, expected polygons or runs",
                     where, json_kind_name(json_kind(v)));
}
