/*
 * Running the teacher on batches. Its executor takes a few pictures at once, since large networks
 * would want gigabytes for a whole batch; the work before and after it is shared out by rows. A
 * batch is taught in three steps: what is known of its pictures is looked up, the teacher answers
 * for the others, and its maps are blended with the labels.
 */
#include "train/teacher.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "nn/exec.h"
#include "train/targets.h"
#include "train/view_cache.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_AT_ONCE = 4 };

struct teacher {
    const struct dataloader_spec *data;
    struct workers *workers;
    struct model *model;
    struct exec *exec;
    char fingerprint[HASH_HEX_SIZE];
    struct target_map map;
    struct target_rule rule;
    int h, w, at_once;         /* of its input */
    float gain[3], shift[3];   /* from our normalisation to its own */
    struct tap *in_y, *in_x;   /* its pixels in ours */
    struct tap *out_y, *out_x; /* our cells in its own */
    struct view_cache *views;  /* NULL: none are kept */
    uint64_t *pictures;        /* hashes of the batch's, where views are kept */
    float *heat, *paf;         /* its maps on our grid, of a whole batch: (N, h, w, joints), ... */
    size_t n_heat, n_paf;      /* of one picture */
    struct batch targets;
    const struct batch *batch; /* in hand */
    int *asked;                /* (N) those of its pictures that it is asked about */
    int n_asked, first;        /* how many, and which of them is the executor's first */
};

/* ---- its file ---------------------------------------------------------------------------- */

/* Of what the network is: a file that was sealed again, or has another spec in it, is the same. */
static int take_fingerprint(struct teacher *t)
{
    struct section sections[3];
    struct model_sections *keep;
    int err = model_sections(t->model, sections, &keep);
    if (err < 0)
        return err;
    struct hash *hash = hash_open();
    if (!hash)
        err = error_set(BPNET_ENOMEM, "no memory for a fingerprint");
    for (size_t i = 0; hash && i < sizeof sections / sizeof *sections; i++)
        if (strcmp(sections[i].name, "spec") != 0)
            hash_add(hash, sections[i].bytes, sections[i].size);
    if (hash)
        hash_finish(hash, t->fingerprint);
    model_sections_free(keep);
    return err;
}

/* p / s - o in the student's numbers to p / s' - o' in the teacher's. */
static void set_normalisation(struct teacher *t)
{
    const struct model_meta *own = &t->model->meta;
    for (int c = 0; c < 3; c++) {
        const double gain = (double)t->data->image_scale[c] / (double)own->scale[c];
        t->gain[c] = (float)gain;
        t->shift[c] = (float)((double)t->data->image_offset[c] * gain - (double)own->offset[c]);
    }
}

static int load(struct teacher *t, const struct experiment_spec *spec, struct seal_key *key)
{
    const char *path = spec->teacher.model_path;
    int err;
    if ((err = model_load(&t->model, path, key)) < 0)
        return error_prefix(err, "teacher.model_path");
    if ((err = take_fingerprint(t)) < 0)
        return err;
    set_normalisation(t);
    target_map_init(&t->map, &spec->skeleton, &t->model->meta.skeleton);
    if (t->map.found_joints == 0)
        return error_set(BPNET_ECONFIG,
                         "teacher.model_path: none of the %d joints of %s is one of %s",
                         t->model->meta.skeleton.n_joints, path, spec->data.pose_config_path);
    return BPNET_OK;
}

/* ---- sizes ------------------------------------------------------------------------------- */

/* Our side times the scale, as a multiple of the teacher's stride. */
static int scaled_side(const struct teacher *t, int side, double scale)
{
    const int stride = t->model->meta.stride;
    const int cells = (int)(side * scale / stride + 0.5);
    return (cells > 0 ? cells : 1) * stride;
}

static int open_network(struct teacher *t, const struct experiment_spec *spec,
                        const struct kernels *kernels)
{
    t->h = scaled_side(t, spec->data.image_h, spec->teacher.scale);
    t->w = scaled_side(t, spec->data.image_w, spec->teacher.scale);
    t->at_once = spec->data.batch_size < MOST_AT_ONCE ? spec->data.batch_size : MOST_AT_ONCE;
    const struct exec_options options = {
        .batch = t->at_once, .h = t->h, .w = t->w, .kernels = kernels, .workers = t->workers};
    const int err = exec_open(&t->exec, t->model, &options);
    return err < 0 ? error_prefix(err, "teacher.model_path: %s at %d x %d",
                                  spec->teacher.model_path, t->h, t->w)
                   : BPNET_OK;
}

static int set_taps(struct teacher *t)
{
    int h, w, paf_h, paf_w, channels, pitch;
    const struct dataloader_spec *data = t->data;
    exec_output(t->exec, 0, &h, &w, &channels, &pitch);
    exec_output(t->exec, 1, &paf_h, &paf_w, &channels, &pitch);
    if (h != paf_h || w != paf_w)
        return error_set(BPNET_ECONFIG,
                         "teacher.model_path: heatmaps of %d x %d and PAFs of %d x %d at %d x %d",
                         h, w, paf_h, paf_w, t->h, t->w);
    t->in_y = calloc((size_t)t->h, sizeof *t->in_y);
    t->in_x = calloc((size_t)t->w, sizeof *t->in_x);
    t->out_y = calloc((size_t)data->target_h, sizeof *t->out_y);
    t->out_x = calloc((size_t)data->target_w, sizeof *t->out_x);
    if (!t->in_y || !t->in_x || !t->out_y || !t->out_x)
        return error_set(BPNET_ENOMEM, "no memory for a teacher of %d x %d", t->h, t->w);
    taps_make(t->in_y, t->h, data->image_h);
    taps_make(t->in_x, t->w, data->image_w);
    taps_make(t->out_y, data->target_h, h);
    taps_make(t->out_x, data->target_w, w);
    return BPNET_OK;
}

/* ---- memory ------------------------------------------------------------------------------ */

static int alloc_maps(struct teacher *t)
{
    const size_t n = (size_t)t->data->batch_size;
    const size_t cells = (size_t)t->data->target_h * (size_t)t->data->target_w;
    t->n_heat = cells * (size_t)t->map.n_joints;
    t->n_paf = cells * 2 * (size_t)t->map.n_limbs;
    t->heat = calloc(n * t->n_heat + 1, sizeof *t->heat);
    t->paf = calloc(n * t->n_paf + 1, sizeof *t->paf);
    t->asked = calloc(n, sizeof *t->asked);
    return t->heat && t->paf && t->asked
               ? BPNET_OK
               : error_set(BPNET_ENOMEM, "no memory for the teacher's maps");
}

static int alloc_targets(struct teacher *t)
{
    struct batch *b = &t->targets;
    const size_t cells =
        (size_t)t->data->batch_size * (size_t)t->data->target_h * (size_t)t->data->target_w;
    const size_t heat = cells * ((size_t)t->map.n_joints + 1);
    const size_t paf = cells * 2 * (size_t)t->map.n_limbs;
    b->heat = calloc(heat, sizeof *b->heat);
    b->heat_mask = calloc(heat, sizeof *b->heat_mask);
    b->paf = calloc(paf + 1, sizeof *b->paf);
    b->paf_mask = calloc(paf + 1, sizeof *b->paf_mask);
    return b->heat && b->heat_mask && b->paf && b->paf_mask
               ? BPNET_OK
               : error_set(BPNET_ENOMEM, "no memory for targets of a batch of %d",
                           t->data->batch_size);
}

/* ---- opening ----------------------------------------------------------------------------- */

/* A weight of zero is how the labels say that they do not know. */
static int check_background(const struct experiment_spec *spec)
{
    if (!spec->teacher.fill_unlabelled || spec->data.label.background_weight > 0.0)
        return BPNET_OK;
    return error_set(BPNET_ECONFIG,
                     "%s: teacher.fill_unlabelled cannot tell empty cells from "
                     "unlabelled ones with label_processor_config."
                     "background_weight 0: expected more than 0",
                     spec->path);
}

/* Everything that its maps of a picture depend on, but the picture. */
static int name_answers(char key[HASH_HEX_SIZE], const struct teacher *t, enum cpu_level level)
{
    struct hash *hash = hash_open();
    if (!hash)
        return error_set(BPNET_ENOMEM, "no memory for a fingerprint");
    const int sizes[] = {t->h, t->w, t->data->target_h, t->data->target_w, (int)level};
    const float rule[] = {t->rule.exponent, t->rule.noise_floor};
    hash_add(hash, t->fingerprint, sizeof t->fingerprint);
    hash_add(hash, sizes, sizeof sizes);
    hash_add(hash, rule, sizeof rule);
    hash_add(hash, t->gain, sizeof t->gain);
    hash_add(hash, t->shift, sizeof t->shift);
    hash_add(hash, t->map.joint, (size_t)t->map.n_joints * sizeof *t->map.joint);
    hash_add(hash, t->map.limb, (size_t)t->map.n_limbs * sizeof *t->map.limb);
    hash_add(hash, t->map.sign, (size_t)t->map.n_limbs * sizeof *t->map.sign);
    hash_finish(hash, key);
    return BPNET_OK;
}

int teacher_keep_views(struct teacher *t, const char *path, enum cpu_level level)
{
    char key[HASH_HEX_SIZE];
    if (t->data->augmentation.views == 0)
        return BPNET_OK;
    t->pictures = calloc((size_t)t->data->batch_size, sizeof *t->pictures);
    if (!t->pictures)
        return error_set(BPNET_ENOMEM, "no memory for the hashes of a batch");
    const int err = name_answers(key, t, level);
    return err < 0 ? err : view_cache_open(&t->views, path, key, t->n_heat, t->n_paf);
}

static void tell(const struct teacher *t, const char *path)
{
    log_info("teacher %s: %d of %d joints, %d of %d limbs, %d x %d pixels, %.1f MB", path,
             t->map.found_joints, t->map.n_joints, t->map.found_limbs, t->map.n_limbs, t->w, t->h,
             (double)exec_memory(t->exec) / 1e6);
}

int teacher_open(struct teacher **out, const struct experiment_spec *spec,
                 const struct teacher_options *options)
{
    *out = NULL;
    struct teacher *t = calloc(1, sizeof *t);
    if (!t)
        return error_set(BPNET_ENOMEM, "no memory for a teacher");
    t->data = &spec->data;
    t->workers = options->workers;
    t->rule = target_rule_of(&spec->teacher, &spec->data.label);
    int err;
    if ((err = check_background(spec)) < 0 || (err = load(t, spec, options->key)) < 0 ||
        (err = open_network(t, spec, options->kernels)) < 0 || (err = set_taps(t)) < 0 ||
        (err = alloc_maps(t)) < 0 || (err = alloc_targets(t)) < 0) {
        teacher_close(t);
        return err;
    }
    tell(t, spec->teacher.model_path);
    *out = t;
    return BPNET_OK;
}

void teacher_close(struct teacher *t)
{
    if (!t)
        return;
    view_cache_close(t->views);
    free(t->heat);
    free(t->paf);
    free(t->asked);
    free(t->pictures);
    free(t->targets.heat);
    free(t->targets.heat_mask);
    free(t->targets.paf);
    free(t->targets.paf_mask);
    free(t->in_y);
    free(t->in_x);
    free(t->out_y);
    free(t->out_x);
    exec_close(t->exec);
    model_free(t->model);
    free(t);
}

const char *teacher_fingerprint(const struct teacher *t)
{
    return t->fingerprint;
}

/* ---- answering --------------------------------------------------------------------------- */

/* The batch's picture that is the executor's picture number `image`. */
static size_t asked_about(const struct teacher *t, size_t image)
{
    return (size_t)t->asked[(size_t)t->first + image];
}

/* Item: a row of a picture in the executor. */
static void input_row(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    const struct teacher *t = ctx;
    const struct batch *b = t->batch;
    const size_t image = item / (size_t)t->h, pitch = (size_t)b->image_w * 3;
    const struct tap y = t->in_y[item % (size_t)t->h];
    const float *picture = b->image + asked_about(t, image) * (size_t)b->image_h * pitch;
    const float *top = picture + (size_t)y.a * pitch, *bottom = picture + (size_t)y.b * pitch;
    float *out = exec_input(t->exec) + item * (size_t)t->w * 3;
    for (int i = 0; i < t->w; i++, out += 3) {
        const struct tap x = t->in_x[i];
        const float *ta = top + 3 * x.a, *tb = top + 3 * x.b;
        const float *ba = bottom + 3 * x.a, *bb = bottom + 3 * x.b;
        for (int c = 0; c < 3; c++) {
            const float left = ta[c] + y.t * (ba[c] - ta[c]);
            const float right = tb[c] + y.t * (bb[c] - tb[c]);
            out[c] = (left + x.t * (right - left)) * t->gain[c] + t->shift[c];
        }
    }
}

/* The maps of a picture in the executor. */
static struct target_source source_of(const struct teacher *t, size_t image)
{
    struct target_source s;
    int h, channels;
    const float *heat = exec_output(t->exec, 0, &h, &s.w, &channels, &s.heat_pitch);
    const float *paf = exec_output(t->exec, 1, &h, &s.w, &channels, &s.paf_pitch);
    const size_t cells = (size_t)h * (size_t)s.w;
    s.heat = heat + image * cells * (size_t)s.heat_pitch;
    s.paf = paf + image * cells * (size_t)s.paf_pitch;
    return s;
}

/* Where the maps of a row of cells of a picture of the batch are. */
static float *heat_row(const struct teacher *t, size_t picture, size_t y)
{
    return t->heat + picture * t->n_heat + y * (t->n_heat / (size_t)t->data->target_h);
}

static float *paf_row(const struct teacher *t, size_t picture, size_t y)
{
    return t->paf + picture * t->n_paf + y * (t->n_paf / (size_t)t->data->target_h);
}

/* Item: a row of cells of a picture in the executor. */
static void answer_row(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    const struct teacher *t = ctx;
    const size_t rows = (size_t)t->data->target_h;
    const size_t image = item / rows, y = item % rows, picture = asked_about(t, image);
    const struct target_source source = source_of(t, image);
    target_sample(heat_row(t, picture, y), paf_row(t, picture, y), &t->map, &t->rule, &source,
                  t->out_y[y], t->out_x, t->data->target_w);
}

/* Its maps of the pictures asked about. What the executor holds beyond them is not looked at. */
static int answer(struct teacher *t)
{
    for (t->first = 0; t->first < t->n_asked; t->first += t->at_once) {
        const int left = t->n_asked - t->first;
        const size_t n = (size_t)(left < t->at_once ? left : t->at_once);
        workers_run(t->workers, n * (size_t)t->h, input_row, t);
        const int err = exec_forward(t->exec);
        if (err < 0)
            return err;
        workers_run(t->workers, n * (size_t)t->data->target_h, answer_row, t);
    }
    return BPNET_OK;
}

/* ---- running ----------------------------------------------------------------------------- */

/* Item: a picture of the batch. */
static void hash_picture(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    const struct teacher *t = ctx;
    const struct batch *b = t->batch;
    const size_t n = (size_t)b->image_h * (size_t)b->image_w * 3;
    t->pictures[item] = hash64(b->image + item * n, n * sizeof *b->image);
}

/* What it has said before; t->asked is left with the others. */
static int recall(struct teacher *t)
{
    const struct batch *b = t->batch;
    t->n_asked = 0;
    if (t->views)
        workers_run(t->workers, (size_t)b->n, hash_picture, t);
    for (int k = 0; k < b->n; k++) {
        const size_t picture = (size_t)k;
        const int found = t->views ? view_cache_get(t->views, b->view[k], t->pictures[k],
                                                    heat_row(t, picture, 0), paf_row(t, picture, 0))
                                   : 0;
        if (found < 0)
            return found;
        if (!found)
            t->asked[t->n_asked++] = k;
    }
    return BPNET_OK;
}

static void remember(struct teacher *t)
{
    for (int i = 0; t->views && i < t->n_asked; i++) {
        const size_t picture = (size_t)t->asked[i];
        view_cache_put(t->views, t->batch->view[picture], t->pictures[picture],
                       heat_row(t, picture, 0), paf_row(t, picture, 0));
    }
}

/* Item: a row of cells of a picture of the batch. */
static void target_row(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    const struct teacher *t = ctx;
    const struct batch *b = t->batch, *targets = &t->targets;
    const size_t picture = item / (size_t)b->label_h, y = item % (size_t)b->label_h;
    const size_t cell = item * (size_t)b->label_w;
    const size_t heat = cell * (size_t)b->heat_channels, paf = cell * (size_t)b->paf_channels;
    const struct target_labels labels = {b->heat + heat, b->heat_mask + heat, b->paf + paf,
                                         b->paf_mask + paf, b->trust + cell};
    const struct target_cells out = {targets->heat + heat, targets->heat_mask + heat,
                                     targets->paf + paf, targets->paf_mask + paf};
    target_blend(&out, &labels, heat_row(t, picture, y), paf_row(t, picture, y), &t->map, &t->rule,
                 b->label_w);
}

/* Everything but what is the teacher's own comes from the batch. */
static void frame_targets(struct teacher *t, const struct batch *batch)
{
    const struct batch own = t->targets;
    t->targets = *batch;
    t->targets.heat = own.heat;
    t->targets.heat_mask = own.heat_mask;
    t->targets.paf = own.paf;
    t->targets.paf_mask = own.paf_mask;
    t->batch = batch;
}

int teacher_run(struct teacher *t, const struct batch *batch, const struct batch **out)
{
    assert(batch->n == t->data->batch_size);
    frame_targets(t, batch);
    int err;
    if ((err = recall(t)) < 0 || (err = answer(t)) < 0)
        return err;
    remember(t);
    workers_run(t->workers, (size_t)batch->n * (size_t)batch->label_h, target_row, t);
    *out = &t->targets;
    return BPNET_OK;
}
