/*
 * Records as Examples. The number of people comes from person/scales, that of keypoints from the
 * size of person/joints; everything else must agree. Doubles are stored as they lie in memory, and
 * like every file of ours that is little-endian.
 */
#include "data/record.h"

#include "base/error.h"
#include "io/example.h"
#include "io/image.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- writing ----------------------------------------------------------------------------- */

static int set_doubles(struct example *e, const char *name, const double *values, size_t n)
{
    return example_set_bytes(e, name, values, n * sizeof(*values));
}

static int set_required(struct example *e, const struct record *r)
{
    const size_t people = (size_t)r->n_people, keypoints = (size_t)r->n_keypoints;
    int err;
    if ((err = example_set_int64(e, "frame/image_id", r->image_id)) < 0 ||
        (err = example_set_int64(e, "frame/height", r->h)) < 0 ||
        (err = example_set_int64(e, "frame/width", r->w)) < 0 ||
        (err = example_set_text(e, "frame/image_path", r->image_path)) < 0 ||
        (err = example_set_text(e, "frame/mask_path", r->mask_path)) < 0 ||
        (err = example_set_text(e, "dataset", r->dataset)) < 0 ||
        (err = set_doubles(e, "person/joints", r->joints, people * keypoints * 3)) < 0 ||
        (err = set_doubles(e, "person/scales", r->scales, people)) < 0 ||
        (err = set_doubles(e, "person/centers", r->centers, people * 2)) < 0 ||
        (err = example_set_int64(e, "person/person_idx", r->person_idx)) < 0)
        return err;
    return example_set_int64(e, "person/num_other_people", people ? r->n_people - 1 : 0);
}

static int set_optional(struct example *e, const struct record *r)
{
    const size_t people = (size_t)r->n_people;
    int err = BPNET_OK;
    if (r->boxes)
        err = set_doubles(e, "person/boxes", r->boxes, people * 4);
    if (err == 0 && r->extra)
        err = set_doubles(e, "person/extra_joints", r->extra, people * COCO_EXTRAS * 3);
    if (err == 0 && r->labelled)
        err = example_set_bytes(e, "frame/labelled_keypoints", r->labelled, (size_t)r->n_keypoints);
    if (err == 0 && r->source)
        err = example_set_text(e, "frame/source", r->source);
    if (err == 0 && r->coverage != COVERAGE_YES)
        err = example_set_int64(e, "frame/coverage", (int64_t)r->coverage);
    return err;
}

int record_pack(struct str *out, const struct record *r)
{
    struct example *e = example_new();
    if (!e)
        return BPNET_ENOMEM;
    int err;
    if ((err = set_required(e, r)) == 0 && (err = set_optional(e, r)) == 0)
        err = example_pack(out, e);
    example_free(e);
    return err;
}

/* ---- reading ----------------------------------------------------------------------------- */

/* The record being read, and what its messages begin with. */
struct reading {
    struct record *record;
    const struct example *example;
    const char *where;
};

/* `n` finite doubles as a fresh array; n == SIZE_MAX: as many as there are, told in *found. */
static int get_doubles(double **out, size_t *found, const struct reading *in, const char *name,
                       size_t n)
{
    const uint8_t *bytes;
    size_t size;
    const int err = example_get_bytes(&bytes, &size, in->example, name);
    if (err < 0)
        return err;
    if (n == SIZE_MAX ? size % sizeof(double) != 0 : size != n * sizeof(double))
        return error_set(BPNET_EFORMAT, "%s: feature '%s': found %zu bytes, expected %s%zu",
                         in->where, name, size, n == SIZE_MAX ? "a multiple of " : "",
                         n == SIZE_MAX ? sizeof(double) : n * sizeof(double));
    double *values = malloc(size + sizeof(double));
    if (!values)
        return error_set(BPNET_ENOMEM, "%s: no memory for %zu bytes", in->where, size);
    memcpy(values, bytes, size);
    *out = values;
    *found = size / sizeof(double);
    for (size_t i = 0; i < *found; i++)
        if (!isfinite(values[i]))
            return error_set(BPNET_EFORMAT, "%s: feature '%s': number %zu is not finite", in->where,
                             name, i);
    return BPNET_OK;
}

static int get_side(int *out, const struct reading *in, const char *name)
{
    int64_t value;
    const int err = example_get_int64(&value, in->example, name);
    if (err < 0)
        return err;
    if (value < 1 || value > IMAGE_MAX_SIDE)
        return error_set(BPNET_EFORMAT, "%s: feature '%s': found %lld, expected 1 to %d", in->where,
                         name, (long long)value, IMAGE_MAX_SIDE);
    *out = (int)value;
    return BPNET_OK;
}

static int get_frame(const struct reading *in)
{
    struct record *r = in->record;
    const struct example *e = in->example;
    int err;
    if ((err = example_get_int64(&r->image_id, e, "frame/image_id")) < 0 ||
        (err = get_side(&r->h, in, "frame/height")) < 0 ||
        (err = get_side(&r->w, in, "frame/width")) < 0 ||
        (err = example_get_text(&r->image_path, e, "frame/image_path")) < 0 ||
        (err = example_get_text(&r->mask_path, e, "frame/mask_path")) < 0 ||
        (err = example_get_text(&r->dataset, e, "dataset")) < 0)
        return err;
    return BPNET_OK;
}

static int get_people(const struct reading *in)
{
    struct record *r = in->record;
    size_t people, numbers, unused;
    int64_t others;
    int err = get_doubles(&r->scales, &people, in, "person/scales", SIZE_MAX);
    if (err < 0)
        return err;
    if (people > RECORD_MAX_PEOPLE)
        return error_set(BPNET_ELIMIT, "%s: %zu people, at most %d are allowed", in->where, people,
                         RECORD_MAX_PEOPLE);
    if ((err = get_doubles(&r->centers, &unused, in, "person/centers", 2 * people)) < 0 ||
        (err = get_doubles(&r->joints, &numbers, in, "person/joints", SIZE_MAX)) < 0 ||
        (err = example_get_int64(&r->person_idx, in->example, "person/person_idx")) < 0 ||
        (err = example_get_int64(&others, in->example, "person/num_other_people")) < 0)
        return err;
    const size_t unit = people ? 3 * people : 1;
    if (numbers % unit != 0 || numbers / unit > COCO_MAX_KEYPOINTS ||
        (people == 0) != (numbers == 0))
        return error_set(BPNET_EFORMAT,
                         "%s: feature 'person/joints': found %zu numbers for %zu people", in->where,
                         numbers, people);
    if (others != (people ? (int64_t)people - 1 : 0))
        return error_set(BPNET_EFORMAT,
                         "%s: feature 'person/num_other_people': found %lld, expected %zu",
                         in->where, (long long)others, people ? people - 1 : 0);
    r->n_people = (int)people;
    r->n_keypoints = people ? (int)(numbers / unit) : 0;
    return BPNET_OK;
}

static int get_labelled(const struct reading *in)
{
    static const char name[] = "frame/labelled_keypoints";
    struct record *r = in->record;
    const uint8_t *bytes;
    size_t size;
    const int err = example_get_bytes(&bytes, &size, in->example, name);
    if (err < 0)
        return err;
    if (size > COCO_MAX_KEYPOINTS || (r->n_people && size != (size_t)r->n_keypoints))
        return error_set(BPNET_EFORMAT, "%s: feature '%s': found %zu bytes, expected %d", in->where,
                         name, size, r->n_keypoints);
    if (!(r->labelled = malloc(size + 1)))
        return error_set(BPNET_ENOMEM, "%s: no memory for %zu bytes", in->where, size);
    memcpy(r->labelled, bytes, size);
    r->n_keypoints = (int)size;
    return BPNET_OK;
}

static int get_coverage(const struct reading *in)
{
    static const char name[] = "frame/coverage";
    int64_t value;
    const int err = example_get_int64(&value, in->example, name);
    if (err < 0)
        return err;
    if (value < COVERAGE_YES || value > COVERAGE_NO)
        return error_set(BPNET_EFORMAT, "%s: feature '%s': found %lld, expected %d to %d",
                         in->where, name, (long long)value, COVERAGE_YES, COVERAGE_NO);
    in->record->coverage = (enum coco_coverage)value;
    return BPNET_OK;
}

static int get_optional(const struct reading *in)
{
    struct record *r = in->record;
    const size_t people = (size_t)r->n_people;
    size_t unused;
    int err = BPNET_OK;
    if (example_has(in->example, "person/boxes"))
        err = get_doubles(&r->boxes, &unused, in, "person/boxes", 4 * people);
    if (err == 0 && example_has(in->example, "person/extra_joints"))
        err = get_doubles(&r->extra, &unused, in, "person/extra_joints", people * COCO_EXTRAS * 3);
    if (err == 0 && example_has(in->example, "frame/labelled_keypoints"))
        err = get_labelled(in);
    if (err == 0 && example_has(in->example, "frame/source"))
        err = example_get_text(&r->source, in->example, "frame/source");
    if (err == 0 && example_has(in->example, "frame/coverage"))
        err = get_coverage(in);
    return err;
}

int record_unpack(struct record *r, const uint8_t *bytes, size_t size, const char *where)
{
    struct example *e;
    *r = (struct record){0};
    int err = example_parse(&e, bytes, size, where);
    if (err < 0)
        return err;
    const struct reading in = {r, e, where};
    if ((err = get_frame(&in)) < 0 || (err = get_people(&in)) < 0 || (err = get_optional(&in)) < 0)
        record_free(r);
    example_free(e);
    return err;
}

void record_free(struct record *r)
{
    free(r->image_path);
    free(r->mask_path);
    free(r->dataset);
    free(r->source);
    free(r->joints);
    free(r->scales);
    free(r->centers);
    free(r->boxes);
    free(r->extra);
    free(r->labelled);
    *r = (struct record){0};
}
