/* A sample, from the record to the last weight. */
#include "data/sample.h"

#include "base/error.h"
#include "base/str.h"
#include "data/augment.h"
#include "data/warp.h"
#include "io/image.h"

#include <stdlib.h>
#include <string.h>

static const float picture_border = 127; /* spec 5.4 */
static const double doubtful_margin = 0.1;

/* ---- what samples share ------------------------------------------------------------------ */

static int set_shape(struct sample_setup *s, const struct dataloader_spec *spec)
{
    const int h = spec->target_h, w = spec->target_w;
    if (spec->image_channels != 3)
        return error_set(BPNET_ECONFIG, "image_dims.channels is %d, expected 3",
                         spec->image_channels);
    if (h < 1 || w < 1 || spec->image_h < 1 || spec->image_w < 1 || spec->image_h % h != 0 ||
        spec->image_w % w != 0 || spec->image_h / h != spec->image_w / w)
        return error_set(BPNET_ECONFIG,
                         "image_dims %d x %d and target_shape %d x %d: expected one whole number "
                         "of pixels a cell, the same in height and width",
                         spec->image_h, spec->image_w, h, w);
    s->shape = (struct label_shape){h, w, spec->image_h / h};
    return BPNET_OK;
}

static int add_dataset(struct sample_setup *s, const struct named_path *named)
{
    struct dataset_spec *dataset;
    int err = dataset_spec_load(&dataset, named->path, NULL);
    if (err < 0)
        return err;
    struct sample_dataset *added = &s->datasets[s->n_datasets++];
    added->name = named->name;
    err = joint_map_init(&added->map, dataset, s->skeleton);
    if (err < 0)
        error_prefix(err, "%s", named->path);
    dataset_spec_free(dataset);
    return err;
}

int sample_setup_init(struct sample_setup *s, const struct dataloader_spec *spec,
                      const struct skeleton *skeleton)
{
    *s = (struct sample_setup){.spec = spec, .skeleton = skeleton};
    int err = set_shape(s, spec);
    if (err < 0)
        return err;
    s->datasets = calloc(spec->n_dataset_specs + 1, sizeof(*s->datasets));
    if (!s->datasets)
        return error_set(BPNET_ENOMEM, "no memory for %zu dataset specs", spec->n_dataset_specs);
    for (size_t i = 0; err == 0 && i < spec->n_dataset_specs; i++)
        err = add_dataset(s, &spec->dataset_specs[i]);
    if (err < 0)
        sample_setup_free(s);
    return err;
}

void sample_setup_free(struct sample_setup *s)
{
    free(s->datasets);
    *s = (struct sample_setup){0};
}

int sample_scratch_init(struct sample_scratch *s, const struct label_shape *shape)
{
    const size_t cells = (size_t)shape->h * (size_t)shape->w;
    *s = (struct sample_scratch){0};
    s->cells = malloc(cells * sizeof(*s->cells));
    s->mask = malloc(cells * sizeof(*s->mask));
    s->doubtful = malloc(cells);
    if (s->cells && s->mask && s->doubtful)
        return BPNET_OK;
    sample_scratch_free(s);
    return error_set(BPNET_ENOMEM, "no memory for %zu cells", cells);
}

void sample_scratch_free(struct sample_scratch *s)
{
    free(s->cells);
    free(s->mask);
    free(s->doubtful);
    free(s->joints);
    *s = (struct sample_scratch){0};
}

/* ---- one sample -------------------------------------------------------------------------- */

/* A sample under way. */
struct making {
    const struct sample_setup *setup;
    struct sample_scratch *scratch;
    const struct record *record;
    const char *where;
    struct augment drawn;
    struct affine to_network, to_picture;
};

static int load_picture(struct image *out, const struct making *m, const char *path, int channels)
{
    const struct record *r = m->record;
    char *full = path_join(m->setup->spec->root_data_path, path);
    int err = full ? image_load(out, full, channels) : BPNET_ENOMEM;
    if (err < 0) {
        error_prefix(err, "%s", m->where);
    } else if (out->w != r->w || out->h != r->h) {
        const bool turned = out->w == r->h && out->h == r->w;
        err = error_set(BPNET_EFORMAT, "%s: %s is %d x %d pixels%s, the record says %d x %d",
                        m->where, full, out->w, out->h,
                        turned ? " as its EXIF orientation shows it" : "", r->w, r->h);
        image_free(out);
    }
    free(full);
    return err;
}

static const struct sample_dataset *find_dataset(const struct sample_setup *s, const char *name)
{
    for (size_t i = 0; i < s->n_datasets; i++)
        if (strcmp(s->datasets[i].name, name) == 0)
            return &s->datasets[i];
    return NULL;
}

/* The dataset's joint map, after checking that the record is of that dataset's shape. */
static int choose_map(const struct joint_map **out, const struct making *m)
{
    const struct record *r = m->record;
    const struct sample_dataset *dataset = find_dataset(m->setup, r->dataset);
    if (!dataset)
        return error_set(BPNET_EFORMAT, "%s: it is of the dataset '%s', not one of dataset_specs",
                         m->where, r->dataset);
    if ((r->n_people || r->labelled) && r->n_keypoints != dataset->map.n_keypoints)
        return error_set(BPNET_EFORMAT,
                         "%s: %d keypoints a person, expected %d of the dataset '%s'", m->where,
                         r->n_keypoints, dataset->map.n_keypoints, r->dataset);
    *out = &dataset->map;
    return BPNET_OK;
}

static int place(struct making *m, struct rng *rng)
{
    const struct dataloader_spec *spec = m->setup->spec;
    const struct record *r = m->record;
    struct augment_frame frame = {.image_w = r->w,
                                  .image_h = r->h,
                                  .center_x = r->w / 2.0, /* of a picture without people */
                                  .center_y = r->h / 2.0,
                                  .height = r->h,
                                  .net_w = spec->image_w,
                                  .net_h = spec->image_h};
    if (r->n_people > 0) {
        frame.center_x = r->centers[0];
        frame.center_y = r->centers[1];
        frame.height = r->scales[0];
    }
    m->drawn = rng ? augment_draw(&spec->augmentation, r->w, r->h, rng) : augment_none();
    m->to_network = augment_matrix(&spec->augmentation, &m->drawn, &frame);
    if (!affine_invert(&m->to_picture, &m->to_network))
        return error_set(BPNET_EFORMAT, "%s: the person of height %g cannot be placed", m->where,
                         frame.height);
    return BPNET_OK;
}

static int warp_picture(float *out, const struct making *m)
{
    const struct dataloader_spec *spec = m->setup->spec;
    struct image picture, small = {0};
    int err = load_picture(&picture, m, m->record->image_path, 3);
    if (err < 0)
        return err;
    const struct colour_map colour = augment_colour(&m->drawn, image_mean_grey(&picture));
    struct warp_image_options options = {.border = picture_border, .colour = &colour};
    memcpy(options.scale, spec->image_scale, sizeof(options.scale));
    memcpy(options.offset, spec->image_offset, sizeof(options.offset));
    const int factor = warp_shrink_factor(&m->to_picture);
    if (factor == 1) {
        warp_image(out, spec->image_w, spec->image_h, &picture, &m->to_picture, &options);
    } else if ((err = image_shrink(&small, &picture, factor)) == 0) {
        const struct affine inverse = warp_shrunk_inverse(&m->to_picture, factor);
        warp_image(out, spec->image_w, spec->image_h, &small, &inverse, &options);
    }
    image_free(&picture);
    image_free(&small);
    return err;
}

static int load_mask(struct image *out, const struct making *m)
{
    const int err = load_picture(out, m, m->record->mask_path, 1);
    if (err != BPNET_ENOENT)
        return err;
    char *path = path_join(m->setup->spec->root_data_path, m->record->mask_path);
    if (path)
        error_set(err,
                  "%s: there is no loss mask %s: convert the dataset with --generate_masks, or "
                  "copy the masks to below root_data_path",
                  m->where, path);
    free(path);
    return err;
}

/* Where the loss mask is looked up: at the points where the labels are made. */
static int warp_weights(struct making *m)
{
    const struct dataloader_spec *spec = m->setup->spec;
    const struct label_shape *s = &m->setup->shape;
    const size_t cells = (size_t)s->h * (size_t)s->w;
    float *out = m->scratch->mask;
    if (m->record->mask_path[0]) {
        struct image mask;
        const int err = load_mask(&mask, m);
        if (err < 0)
            return err;
        for (size_t i = 0; i < (size_t)mask.w * (size_t)mask.h; i++)
            mask.pixels[i] = mask.pixels[i] >= 128 ? 255 : 0; /* JPEG blurs them (quirk 39) */
        const double start = spec->label.centre_pafs ? (s->stride - 1) / 2.0 : 0;
        warp_mask(out, s->w, s->h, start, start, s->stride, &mask, &m->to_picture);
        image_free(&mask);
    } else {
        for (size_t i = 0; i < cells; i++)
            out[i] = 255;
    }
    for (size_t i = 0; i < cells; i++)
        out[i] = out[i] / spec->mask_scale - spec->mask_offset;
    return BPNET_OK;
}

/* Person p's box x0, y0, x1, y1, a little enlarged; a square where the file has none. */
static void doubtful_box(double box[4], const struct record *r, int p)
{
    const double h = r->scales[p], w = r->boxes ? r->boxes[4 * p + 2] : h;
    box[0] = r->centers[2 * p] - w * (0.5 + doubtful_margin);
    box[1] = r->centers[2 * p + 1] - h * (0.5 + doubtful_margin);
    box[2] = r->centers[2 * p] + w * (0.5 + doubtful_margin);
    box[3] = r->centers[2 * p + 1] + h * (0.5 + doubtful_margin);
}

static void mark_outside(const struct making *m, uint8_t *trust)
{
    const struct label_shape *s = &m->setup->shape;
    for (int y = 0; y < s->h; y++)
        for (int x = 0; x < s->w; x++) {
            double px = (x + 0.5) * s->stride, py = (y + 0.5) * s->stride;
            affine_apply(&m->to_picture, &px, &py);
            if (!(px >= 0 && py >= 0 && px < m->record->w && py < m->record->h))
                trust[y * s->w + x] = CELL_OUTSIDE;
        }
}

/*
 * Cells inside someone's box, where an unlabelled joint may hide in the background, and what that
 * means together with what the picture's source labels.
 */
static void mark_doubtful(const struct making *m, uint8_t *trust)
{
    const struct label_shape *s = &m->setup->shape;
    const struct record *r = m->record;
    const size_t cells = (size_t)s->h * (size_t)s->w;
    const uint8_t elsewhere = r->coverage == COVERAGE_YES ? CELL_SURE : CELL_UNSURE;
    uint8_t *out = m->scratch->doubtful;
    memset(out, 0, cells);
    for (int p = 0; p < r->n_people; p++) {
        double box[4];
        doubtful_box(box, r, p);
        for (int y = 0; y < s->h; y++)
            for (int x = 0; x < s->w; x++) {
                double px = (x + 0.5) * s->stride, py = (y + 0.5) * s->stride;
                affine_apply(&m->to_picture, &px, &py);
                out[y * s->w + x] |= px >= box[0] && py >= box[1] && px < box[2] && py < box[3];
            }
    }
    for (size_t i = 0; i < cells; i++)
        trust[i] = out[i] ? CELL_SURE : elsewhere;
    mark_outside(m, trust);
}

static int reserve_joints(struct sample_scratch *s, int n_people, int n_joints)
{
    if (n_people <= s->joints_capacity)
        return BPNET_OK;
    free(s->joints);
    s->joints_capacity = 0;
    s->joints = calloc((size_t)n_people * (size_t)n_joints, sizeof(*s->joints));
    if (!s->joints)
        return error_set(BPNET_ENOMEM, "no memory for the joints of %d people", n_people);
    s->joints_capacity = n_people;
    return BPNET_OK;
}

static int make_labels(const struct label_maps *maps, uint8_t *trust, const struct making *m,
                       const struct joint_map *map)
{
    const struct sample_setup *setup = m->setup;
    struct sample_scratch *scratch = m->scratch;
    const int n_people = m->record->n_people;
    const int err = reserve_joints(scratch, n_people, setup->skeleton->n_joints);
    if (err < 0)
        return err;
    bool labelled[SKELETON_MAX_JOINTS];
    joint_map_people(map, m->record, scratch->joints);
    joint_map_channels(map, m->record, labelled);
    augment_joints(&m->to_network, &m->drawn, setup->skeleton, scratch->joints, n_people);
    mark_doubtful(m, trust);
    const struct label_truth truth = {.n_people = n_people,
                                      .joints = scratch->joints,
                                      .labelled = labelled,
                                      .mask = scratch->mask,
                                      .doubtful = scratch->doubtful};
    label_make(maps, &setup->shape, &setup->spec->label, setup->skeleton, &truth, scratch->cells);
    return BPNET_OK;
}

int sample_make(float *image, const struct label_maps *maps, uint8_t *trust,
                const struct sample_setup *setup, struct sample_scratch *scratch,
                const struct record *record, struct rng *rng, const char *where)
{
    struct making m = {.setup = setup, .scratch = scratch, .record = record, .where = where};
    const struct joint_map *map = NULL;
    int err;
    if ((err = choose_map(&map, &m)) < 0 || (err = place(&m, rng)) < 0 ||
        (err = warp_picture(image, &m)) < 0 || (err = warp_weights(&m)) < 0)
        return err;
    return make_labels(maps, trust, &m, map);
}
