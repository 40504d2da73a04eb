/*
 * Loading a COCO file. Official files name their categories last, and annotations cannot be checked
 * without them, so the file is walked twice: categories and images, then annotations.
 */
#include "data/coco.h"

#include "base/error.h"
#include "base/str.h"
#include "data/coco_element.h"
#include "io/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CATEGORIES = 10000 };

struct category {
    int64_t id;
    const char *name;
    int n_keypoints;
    const char **keypoints;
};

struct loading {
    struct coco *coco;
    const struct coco_options *options;
    struct category *categories;
    size_t n_categories, categories_capacity;
    size_t *n_flags; /* per image, of its labelled_keypoints */
    size_t n_flags_capacity, images_capacity, annotations_capacity;
    bool saw_images, saw_annotations;
    char where[512];
};

/* Room for one more item behind n. */
static int grow(void *array, size_t *capacity, size_t n, size_t item)
{
    if (n < *capacity)
        return BPNET_OK;
    const size_t more = *capacity ? 2 * *capacity : 256;
    void *old, *grown = NULL;
    memcpy(&old, array, sizeof(old));
    if (more <= SIZE_MAX / item)
        grown = realloc(old, more * item);
    if (!grown)
        return error_set(BPNET_ENOMEM, "no memory for %zu elements", more);
    memcpy(array, &grown, sizeof(grown));
    *capacity = more;
    return BPNET_OK;
}

/* "x.json: annotations[17] (id 123)", for messages about this element. */
static int set_where(struct loading *l, const char *key, size_t index, const struct json *element)
{
    const struct json *id = json_get(element, "id");
    const char *file = l->coco->path;
    if (json_kind(element) != JSON_KIND_OBJECT)
        return error_set(BPNET_EFORMAT, "%s: %s[%zu]: found %s, expected an object", l->coco->path,
                         key, index, json_kind_name(json_kind(element)));
    if (json_is_integral(id))
        snprintf(l->where, sizeof(l->where), "%.400s: %s[%zu] (id %lld)", file, key, index,
                 (long long)json_as_integer(id));
    else
        snprintf(l->where, sizeof(l->where), "%.400s: %s[%zu]", file, key, index);
    return BPNET_OK;
}

/* ---- categories -------------------------------------------------------------------------- */

static int add_category(struct loading *l, const struct json *element)
{
    struct pool *pool = &l->coco->pool;
    int err =
        grow(&l->categories, &l->categories_capacity, l->n_categories, sizeof(*l->categories));
    if (err < 0)
        return err;
    if (l->n_categories == MAX_CATEGORIES)
        return error_set(BPNET_ELIMIT, "%s: more than %d categories", l->where, MAX_CATEGORIES);
    struct category *c = &l->categories[l->n_categories];
    *c = (struct category){0};
    const char *name;
    if ((err = json_need_integer(&c->id, element, "id", l->where)) < 0 ||
        (err = json_need_string(&name, element, "name", l->where)) < 0)
        return err;
    const struct json *keypoints = json_get(element, "keypoints");
    const size_t n = json_length(keypoints);
    if (n > COCO_MAX_KEYPOINTS)
        return error_set(BPNET_ELIMIT, "%s: %zu keypoints, at most %d are allowed", l->where, n,
                         COCO_MAX_KEYPOINTS);
    c->name = pool_text(pool, name);
    c->n_keypoints = (int)n;
    c->keypoints = pool_take(pool, n + 1, sizeof(*c->keypoints));
    if (!c->name || !c->keypoints)
        return BPNET_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const struct json *v = json_at(keypoints, i);
        if (json_kind(v) != JSON_KIND_STRING)
            return error_set(BPNET_EFORMAT, "%s: keypoints[%zu]: found %s, expected a name",
                             l->where, i, json_kind_name(json_kind(v)));
        if (!(c->keypoints[i] = pool_text(pool, json_as_string(v))))
            return BPNET_ENOMEM;
    }
    l->n_categories++;
    return BPNET_OK;
}

static int choose_category(struct loading *l)
{
    struct coco *coco = l->coco;
    const struct category *chosen = NULL;
    size_t with_keypoints = 0;
    for (size_t i = 0; i < l->n_categories; i++) {
        const struct category *c = &l->categories[i];
        if (c->n_keypoints == 0)
            continue;
        with_keypoints++;
        if (!chosen || strcmp(c->name, "person") == 0)
            chosen = c;
    }
    if (!chosen || (with_keypoints > 1 && strcmp(chosen->name, "person") != 0))
        return error_set(BPNET_EFORMAT,
                         "%s: %zu categories with 'keypoints', none named 'person': found no "
                         "keypoint category to use",
                         coco->path, with_keypoints);
    coco->n_keypoints = chosen->n_keypoints;
    coco->keypoints = chosen->keypoints;
    coco->category_id = chosen->id;
    return BPNET_OK;
}

/* ---- images and annotations -------------------------------------------------------------- */

static int add_image(struct loading *l, const struct json *element)
{
    struct coco *c = l->coco;
    int err;
    if ((err = grow(&c->images, &l->images_capacity, c->n_images, sizeof(*c->images))) < 0 ||
        (err = grow(&l->n_flags, &l->n_flags_capacity, c->n_images, sizeof(*l->n_flags))) < 0 ||
        (err = coco_read_image(&c->images[c->n_images], &l->n_flags[c->n_images], &c->pool, element,
                               l->where)) < 0)
        return err;
    c->n_images++;
    return BPNET_OK;
}

static int add_annotation(struct loading *l, const struct json *element)
{
    struct coco *c = l->coco;
    struct coco_annotation a = {0};
    int64_t category = c->category_id, image_id;
    int err;
    if (l->n_categories > 1 &&
        (err = json_need_integer(&category, element, "category_id", l->where)) < 0)
        return err;
    if (category != c->category_id) {
        c->n_other_category++;
        return BPNET_OK;
    }
    if ((err = json_need_integer(&a.id, element, "id", l->where)) < 0 ||
        (err = coco_read_annotation(&a, &image_id, c->n_keypoints, &c->pool, element, l->where)) <
            0)
        return err;
    const struct coco_image *image = coco_image_by_id(c, image_id);
    if (!image)
        return error_set(BPNET_EFORMAT, "%s: no image has the id %lld that 'image_id' names",
                         l->where, (long long)image_id);
    a.image = (size_t)(image - c->images);
    if (l->options->segmentations &&
        (err = coco_read_region(&a.region, image, &c->pool, element, l->where)) < 0)
        return err;
    if ((err = grow(&c->annotations, &l->annotations_capacity, c->n_annotations,
                    sizeof(*c->annotations))) < 0)
        return err;
    c->annotations[c->n_annotations++] = a;
    return BPNET_OK;
}

static bool wants_first(void *ctx, const char *key)
{
    struct loading *l = ctx;
    const bool images = strcmp(key, "images") == 0;
    l->saw_images |= images;
    l->saw_annotations |= strcmp(key, "annotations") == 0;
    return images || strcmp(key, "categories") == 0;
}

static int first_element(void *ctx, const char *key, size_t index, const struct json *element)
{
    struct loading *l = ctx;
    const int err = set_where(l, key, index, element);
    if (err < 0)
        return err;
    return strcmp(key, "images") == 0 ? add_image(l, element) : add_category(l, element);
}

static bool wants_second(void *ctx, const char *key)
{
    (void)ctx;
    return strcmp(key, "annotations") == 0;
}

static int second_element(void *ctx, const char *key, size_t index, const struct json *element)
{
    struct loading *l = ctx;
    const int err = set_where(l, key, index, element);
    return err < 0 ? err : add_annotation(l, element);
}

/* ---- order ------------------------------------------------------------------------------- */

struct id_index {
    int64_t id;
    size_t index;
};

static int compare_ids(const void *a, const void *b)
{
    const struct id_index *x = a, *y = b;
    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* Sorts pairs[0..n) and refuses an id that occurs twice. */
static int sort_ids(struct id_index *pairs, size_t n, const char *path, const char *key)
{
    if (n)
        qsort(pairs, n, sizeof(*pairs), compare_ids);
    for (size_t i = 1; i < n; i++)
        if (pairs[i].id == pairs[i - 1].id)
            return error_set(BPNET_EFORMAT,
                             "%s: %s number %zu and number %zu have the same id %lld", path, key,
                             pairs[i - 1].index, pairs[i].index, (long long)pairs[i].id);
    return BPNET_OK;
}

static int index_images(struct coco *c)
{
    const size_t n = c->n_images;
    struct id_index *pairs = calloc(n + 1, sizeof(*pairs));
    c->images_by_id = calloc(n + 1, sizeof(*c->images_by_id));
    int err = pairs && c->images_by_id
                  ? BPNET_OK
                  : error_set(BPNET_ENOMEM, "%s: no memory for %zu images", c->path, n);
    for (size_t i = 0; err == 0 && i < n; i++)
        pairs[i] = (struct id_index){c->images[i].id, i};
    if (err == 0)
        err = sort_ids(pairs, n, c->path, "image");
    for (size_t i = 0; err == 0 && i < n; i++)
        c->images_by_id[i] = pairs[i].index;
    free(pairs);
    return err;
}

static int check_annotation_ids(const struct coco *c)
{
    const size_t n = c->n_annotations;
    struct id_index *pairs = calloc(n + 1, sizeof(*pairs));
    if (!pairs)
        return error_set(BPNET_ENOMEM, "%s: no memory for %zu annotations", c->path, n);
    for (size_t i = 0; i < n; i++)
        pairs[i] = (struct id_index){c->annotations[i].id, i};
    const int err = sort_ids(pairs, n, c->path, "annotation");
    free(pairs);
    return err;
}

/* Each image's annotations, by counting. */
static int group_annotations(struct coco *c)
{
    c->annotations_by_image = calloc(c->n_annotations + 1, sizeof(*c->annotations_by_image));
    if (!c->annotations_by_image)
        return error_set(BPNET_ENOMEM, "%s: no memory for %zu annotations", c->path,
                         c->n_annotations);
    for (size_t i = 0; i < c->n_annotations; i++)
        c->images[c->annotations[i].image].n++;
    for (size_t i = 0, first = 0; i < c->n_images; i++) {
        c->images[i].first = first;
        first += c->images[i].n;
        c->images[i].n = 0;
    }
    for (size_t i = 0; i < c->n_annotations; i++) {
        struct coco_image *image = &c->images[c->annotations[i].image];
        c->annotations_by_image[image->first + image->n++] = i;
    }
    return BPNET_OK;
}

int coco_regroup(struct coco *c)
{
    free(c->annotations_by_image);
    c->annotations_by_image = NULL;
    for (size_t i = 0; i < c->n_images; i++)
        c->images[i].n = 0;
    return group_annotations(c);
}

static int check_flags(const struct loading *l)
{
    const struct coco *c = l->coco;
    for (size_t i = 0; i < c->n_images; i++)
        if (c->images[i].labelled && l->n_flags[i] != (size_t)c->n_keypoints)
            return error_set(BPNET_EFORMAT,
                             "%s: images[%zu] (id %lld): %zu numbers in 'labelled_keypoints', "
                             "expected %d",
                             c->path, i, (long long)c->images[i].id, l->n_flags[i], c->n_keypoints);
    return BPNET_OK;
}

/* ---- loading ----------------------------------------------------------------------------- */

static int load(struct loading *l)
{
    struct coco *c = l->coco;
    const struct json_walker first = {wants_first, first_element, l};
    const struct json_walker second = {wants_second, second_element, l};
    int err = json_walk_file(c->path, &first);
    if (err < 0)
        return err;
    if (!l->saw_images || !l->saw_annotations)
        return error_set(BPNET_EFORMAT, "%s: there is no '%s', expected a COCO keypoint file",
                         c->path, l->saw_images ? "annotations" : "images");
    if ((err = choose_category(l)) < 0 || (err = check_flags(l)) < 0 ||
        (err = index_images(c)) < 0 || (err = json_walk_file(c->path, &second)) < 0 ||
        (err = check_annotation_ids(c)) < 0)
        return err;
    return group_annotations(c);
}

int coco_load(struct coco **out, const char *path, const struct coco_options *options)
{
    static const struct coco_options defaults;
    *out = NULL;
    struct coco *c = calloc(1, sizeof(*c));
    if (!c)
        return error_set(BPNET_ENOMEM, "%s: no memory", path);
    struct loading l = {.coco = c, .options = options ? options : &defaults};
    c->path = str_copy(path);
    const int err = c->path ? load(&l) : BPNET_ENOMEM;
    free(l.categories);
    free(l.n_flags);
    if (err < 0) {
        coco_free(c);
        return err;
    }
    *out = c;
    return BPNET_OK;
}

void coco_free(struct coco *c)
{
    if (!c)
        return;
    free(c->path);
    free(c->images);
    free(c->annotations);
    free(c->images_by_id);
    free(c->annotations_by_image);
    pool_free(&c->pool);
    free(c);
}

const struct coco_annotation *coco_annotation_of(const struct coco *c,
                                                 const struct coco_image *image, size_t k)
{
    return &c->annotations[c->annotations_by_image[image->first + k]];
}

const struct coco_image *coco_image_by_id(const struct coco *c, int64_t id)
{
    size_t low = 0, high = c->n_images;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const struct coco_image *image = &c->images[c->images_by_id[middle]];
        if (image->id == id)
            return image;
        if (image->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
