/* The loader: what a batch holds, the same bits whatever the threads and the start, errors. */
#include "base/error.h"
#include "base/str.h"
#include "data/convert.h"
#include "data/loader.h"
#include "data/record.h"
#include "data/sample.h"
#include "io/file.h"
#include "io/image.h"
#include "io/tfrecord.h"
#include "stickfigure.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char *folder;
static const struct stick_dataset stick = {.n_train = 6, .n_val = 3, .seed = 12, .crowds = true};
static struct skeleton skeleton;
static size_t n_train, n_val;

/* A dataloader spec over the stick dataset; records from `train`. */
static struct dataloader_spec make_spec(char **train)
{
    static char *records[] = {(char *)"train-fold-000-of-001"};
    static char *val_records[] = {(char *)"val-fold-000-of-001"};
    static struct named_path dataset;
    static char dataset_path[512];
    snprintf(dataset_path, sizeof(dataset_path), "%s/dataset.json", folder);
    dataset = (struct named_path){(char *)"stick", dataset_path};
    return (struct dataloader_spec){.batch_size = 3,
                                    .target_h = 8,
                                    .target_w = 10,
                                    .image_h = 64,
                                    .image_w = 80,
                                    .image_channels = 3,
                                    .root_data_path = folder,
                                    .train_records_folder_path = folder,
                                    .train_records = train ? train : records,
                                    .n_train_records = 1,
                                    .val_records_folder_path = folder,
                                    .val_records = val_records,
                                    .n_val_records = 1,
                                    .dataset_specs = &dataset,
                                    .n_dataset_specs = 1,
                                    .image_scale = {256, 256, 256},
                                    .image_offset = {0.5f, 0.5f, 0.5f},
                                    .mask_scale = 255,
                                    .augmentation = {.flip_lr_prob = 0.5,
                                                     .rotate_deg_max = 20,
                                                     .rotate_deg_min = -20,
                                                     .translate_max_x = 5,
                                                     .translate_min_x = -5,
                                                     .translate_max_y = 5,
                                                     .translate_min_y = -5,
                                                     .zoom_ratio_min = 1,
                                                     .zoom_ratio_max = 1,
                                                     .target_person_scale = 0.6,
                                                     .brightness = 0.1,
                                                     .contrast = 0.2,
                                                     .saturation = 0.2,
                                                     .hue_deg = 10},
                                    .label = {.heatmap_sigma = 7,
                                              .paf_distance = 1,
                                              .average_pafs = true,
                                              .centre_pafs = true,
                                              .background_weight = 1},
                                    .shuffle_buffer_size = 20000};
}

static struct loader *open_loader(const struct dataloader_spec *spec, uint64_t first,
                                  unsigned threads, bool validation)
{
    const struct loader_options options = {.spec = spec,
                                           .skeleton = &skeleton,
                                           .seed = 42,
                                           .first_step = first,
                                           .threads = threads,
                                           .validation = validation};
    struct loader *l;
    if (loader_open(&l, &options) < 0)
        fail_msg("%s", error_message());
    return l;
}

static const struct batch *next(struct loader *l)
{
    const struct batch *b;
    if (loader_next(l, &b) < 0)
        fail_msg("%s", error_message());
    return b;
}

/* Everything a batch holds as one block of floats, for comparing. */
static float *flatten(const struct batch *b, size_t *n)
{
    const size_t cells = (size_t)b->n * (size_t)b->label_h * (size_t)b->label_w;
    const size_t sizes[5] = {(size_t)b->n * (size_t)b->image_h * (size_t)b->image_w * 3,
                             cells * (size_t)b->heat_channels, cells * (size_t)b->heat_channels,
                             cells * (size_t)b->paf_channels, cells * (size_t)b->paf_channels};
    const float *const parts[5] = {b->image, b->heat, b->heat_mask, b->paf, b->paf_mask};
    *n = 0;
    for (int i = 0; i < 5; i++)
        *n += sizes[i];
    float *all = malloc(*n * sizeof(*all)), *at = all;
    assert_non_null(all);
    for (int i = 0; i < 5; i++, at += sizes[i - 1])
        memcpy(at, parts[i], sizes[i] * sizeof(*at));
    return all;
}

enum { STEPS = 9 };

/* Steps 0 .. STEPS-1 with one thread are the truth; any start and thread count repeats them. */
static void same_bits_for_threads_and_starts(void **state)
{
    (void)state;
    const struct dataloader_spec spec = make_spec(NULL);
    float *truth[STEPS];
    size_t n = 0;
    struct loader *l = open_loader(&spec, 0, 1, false);
    assert_int_equal(loader_n_records(l), n_train);
    assert_true((size_t)STEPS * 3 > 2 * n_train); /* into the third epoch */
    for (int s = 0; s < STEPS; s++)
        truth[s] = flatten(next(l), &n);
    loader_close(l);
    assert_memory_not_equal(truth[0], truth[1], n * sizeof(float));
    static const struct {
        uint64_t first;
        unsigned threads;
    } runs[] = {{0, 2}, {0, 3}, {4, 1}, {5, 3}, {8, 2}};
    for (size_t r = 0; r < sizeof(runs) / sizeof(runs[0]); r++) {
        l = open_loader(&spec, runs[r].first, runs[r].threads, false);
        for (uint64_t s = runs[r].first; s < STEPS; s++) {
            float *again = flatten(next(l), &n);
            if (memcmp(again, truth[s], n * sizeof(float)) != 0)
                fail_msg("step %d differs with %u threads from step %d", (int)s, runs[r].threads,
                         (int)runs[r].first);
            free(again);
        }
        loader_close(l);
    }
    for (int s = 0; s < STEPS; s++)
        free(truth[s]);
}

/* The record a stick person's sample came from cannot be seen, but its picture's pixels can. */
static void every_record_once_an_epoch(void **state)
{
    (void)state;
    struct dataloader_spec spec = make_spec(NULL);
    spec.batch_size = 1;
    spec.augmentation = (struct augmentation_spec){
        .zoom_ratio_min = 1, .zoom_ratio_max = 1, .target_person_scale = 0.6};
    const size_t pixels = (size_t)(64 * 80 * 3);
    float *seen = malloc(2 * n_train * pixels * sizeof(*seen));
    assert_non_null(seen);
    struct loader *l = open_loader(&spec, 0, 2, false);
    for (size_t s = 0; s < 2 * n_train; s++)
        memcpy(seen + s * pixels, next(l)->image, pixels * sizeof(*seen));
    loader_close(l);
    bool same_order = true;
    for (size_t i = 0; i < n_train; i++) {
        size_t twins = 0, again = 0;
        for (size_t k = 0; k < n_train; k++) {
            const float *a = seen + i * pixels;
            twins += memcmp(a, seen + k * pixels, pixels * sizeof(*a)) == 0;
            again += memcmp(a, seen + (n_train + k) * pixels, pixels * sizeof(*a)) == 0;
            if (k == i)
                same_order &= memcmp(a, seen + (n_train + k) * pixels, pixels * sizeof(*a)) == 0;
        }
        assert_int_equal(twins, 1);
        assert_int_equal(again, 1);
    }
    assert_false(same_order);
    free(seen);
}

/* Epoch 2 has the pictures of epoch 0, epoch 1 others, and the numbers say so. */
static void views_come_up_again(void **state)
{
    (void)state;
    struct dataloader_spec spec = make_spec(NULL);
    spec.shuffle_buffer_size = 1;
    spec.batch_size = 1;
    spec.augmentation.views = 2;
    float *first[2] = {NULL, NULL};
    size_t sizes[2] = {0, 0};
    struct loader *l = open_loader(&spec, 0, 2, false);
    for (uint64_t step = 0; step < 3 * n_train; step++) {
        const struct batch *b = next(l);
        const uint64_t epoch = step / n_train, record = step % n_train;
        assert_int_equal(b->view[0], 2 * record + epoch % 2);
        if (record != 0)
            continue;
        size_t n;
        float *all = flatten(b, &n);
        if (epoch < 2) {
            first[epoch] = all;
            sizes[epoch] = n;
            continue;
        }
        assert_int_equal(n, sizes[0]);
        assert_memory_equal(all, first[0], n * sizeof *all);
        assert_memory_not_equal(all, first[1], n * sizeof *all);
        free(all);
    }
    free(first[0]);
    free(first[1]);
    loader_close(l);
    spec.augmentation.views = 0;
    l = open_loader(&spec, 0, 1, false);
    assert_null(next(l)->view);
    loader_close(l);
}

static struct record first_record(const char *name)
{
    char *path = path_join(folder, name);
    struct tfrecord_reader reader;
    const uint8_t *bytes;
    size_t size, next_at;
    struct record r;
    assert_int_equal(tfrecord_open(&reader, path), BPNET_OK);
    assert_int_equal(tfrecord_at(&reader, 0, &bytes, &size, &next_at), BPNET_OK);
    assert_int_equal(record_unpack(&r, bytes, size, name), BPNET_OK);
    tfrecord_close(&reader);
    free(path);
    return r;
}

/* Without draws the labels can be computed here: person-centric scale, 0.6 of the width. */
static void validation_is_the_record_itself(void **state)
{
    (void)state;
    const struct dataloader_spec spec = make_spec(NULL);
    struct loader *l = open_loader(&spec, 0, 1, true);
    assert_int_equal(loader_n_records(l), n_val);
    const struct batch *b = next(l);
    assert_int_equal(b->n, 3);
    assert_int_equal(b->heat_channels, 19);
    assert_int_equal(b->paf_channels, 38);
    struct record r = first_record("val-fold-000-of-001");
    const double z = 0.6 / (r.scales[0] / 80 + 1e-5);
    double most = 0, worst = 0;
    for (int y = 0; y < 8; y++)
        for (int x = 0; x < 10; x++) {
            double expected = 0;
            for (int p = 0; p < r.n_people; p++) { /* keypoint 0 is the nose, joint 0 */
                const double *k = r.joints + (size_t)p * 51;
                const double jx = 40 + z * (k[0] + 0.5 - r.centers[0]) - 0.5;
                const double jy = 32 + z * (k[1] + 0.5 - r.centers[1]) - 0.5;
                const double dx = 8 * x + 3.5 - jx, dy = 8 * y + 3.5 - jy;
                const double g = exp(-(dx * dx + dy * dy) / 98);
                expected = fmax(expected, g < 0.001 ? 0 : g);
            }
            const double found = (double)b->heat[(y * 10 + x) * 19];
            worst = fmax(worst, fabs(found - expected));
            most = fmax(most, found);
            assert_true(b->heat_mask[(y * 10 + x) * 19] == b->paf_mask[(y * 10 + x) * 38]);
        }
    assert_true(worst < 1e-5);
    assert_true(most > 0.5);
    record_free(&r);
    /* The picture: the nose's green dot lies on the skin-coloured head. */
    bool varied = false;
    for (int i = 1; i < 64 * 80; i++) {
        varied |= fabsf(b->image[3 * i] - b->image[0]) > 0.2f;
        assert_true(b->image[3 * i] >= -0.5f && b->image[3 * i] < 0.5f);
    }
    assert_true(varied);
    loader_close(l);
}

/* The crowd on the right of every third picture takes weight from someone. */
static void masks_reach_the_weights(void **state)
{
    (void)state;
    struct dataloader_spec spec = make_spec(NULL);
    spec.augmentation = (struct augmentation_spec){
        .mode = SPATIAL_STANDARD_FIXED_ASPECT, .zoom_ratio_min = 1, .zoom_ratio_max = 1};
    spec.batch_size = 1;
    spec.shuffle_buffer_size = 1; /* file order */
    struct loader *l = open_loader(&spec, 0, 2, false);
    size_t masked = 0;
    for (size_t s = 0; s < n_train; s++) {
        const struct batch *b = next(l);
        size_t zeros = 0;
        for (int y = 0; y < 8; y++)
            for (int x = 0; x < 10; x++) {
                const float w = b->heat_mask[(y * 10 + x) * 19 + 7];
                assert_true(w >= 0 && w <= 1);
                assert_true(w == 1 || x == 9); /* 140 of 160 px: the tenth column of 16 px */
                zeros += w == 0;
            }
        masked += zeros > 0;
    }
    assert_true(masked > 0 && masked < n_train);
    loader_close(l);
}

static void expect_open_error(const struct dataloader_spec *spec, int code, const char *message)
{
    const struct loader_options options = {
        .spec = spec, .skeleton = &skeleton, .seed = 42, .threads = 1};
    struct loader *l;
    assert_int_equal(loader_open(&l, &options), code);
    assert_null(l);
    if (!strstr(error_message(), message))
        fail_msg("'%s' is not in '%s'", message, error_message());
}

/* ---- sampling weights -------------------------------------------------------------------- */

/* Two record files of one record each, from different collections. */
static void write_sources(void)
{
    static const char *const sources[] = {"city:north", "sport"};
    for (int i = 0; i < 2; i++) {
        struct record r = first_record("train-fold-000-of-001");
        struct str bytes = {0}, name = {0};
        struct tfrecord_writer w;
        free(r.source);
        r.source = str_copy(sources[i]);
        str_printf(&name, "%s/source_%d", folder, i);
        assert_int_equal(record_pack(&bytes, &r), BPNET_OK);
        assert_int_equal(tfrecord_writer_open(&w, str_text(&name)), BPNET_OK);
        for (int k = 0; k < (i ? 8 : 2); k++)
            assert_int_equal(tfrecord_write(&w, bytes.text, bytes.length), BPNET_OK);
        assert_int_equal(tfrecord_writer_commit(&w), BPNET_OK);
        record_free(&r);
        str_free(&bytes);
        str_free(&name);
    }
}

static struct dataloader_spec weighted_spec(struct named_number *weights, size_t n)
{
    static char *files[] = {(char *)"source_0", (char *)"source_1"};
    struct dataloader_spec spec = make_spec(files);
    spec.n_train_records = 2;
    spec.batch_size = 5;
    spec.sampling_weights = weights;
    spec.n_sampling_weights = n;
    return spec;
}

static bool same_batches(const struct dataloader_spec *a, const struct dataloader_spec *b,
                         uint64_t first, unsigned threads)
{
    struct loader *la = open_loader(a, 0, 1, false), *lb = open_loader(b, first, threads, false);
    bool same = true;
    for (uint64_t s = 0; s < 6; s++) {
        size_t n;
        float *x = flatten(next(la), &n);
        if (s >= first) {
            float *y = flatten(next(lb), &n);
            same &= memcmp(x, y, n * sizeof(float)) == 0;
            free(y);
        }
        free(x);
    }
    loader_close(la);
    loader_close(lb);
    return same;
}

static void weights_by_name(void **state)
{
    (void)state;
    write_sources();
    /* All of these mean the two records of the first file, with the weight of the other eight. */
    static const char *const names[] = {"city", "city:north", "source_0"};
    struct named_number first = {.name = (char *)"city", .value = 4};
    const struct dataloader_spec truth = weighted_spec(&first, 1);
    const struct dataloader_spec unweighted = weighted_spec(NULL, 0);
    assert_false(same_batches(&truth, &unweighted, 0, 1));
    for (size_t i = 0; i < 3; i++) {
        struct named_number other = {.name = (char *)names[i], .value = 4};
        const struct dataloader_spec spec = weighted_spec(&other, 1);
        assert_true(same_batches(&truth, &spec, i, (unsigned)i + 1));
    }
    /* The first name that fits counts; here one takes all from the other. */
    struct named_number two[] = {{(char *)"city", 4}, {(char *)"stick", 1}};
    const struct dataloader_spec both = weighted_spec(two, 2);
    assert_true(same_batches(&truth, &both, 0, 2));
}

static void bad_weights(void **state)
{
    (void)state;
    write_sources();
    struct named_number unknown = {.name = (char *)"cit", .value = 4};
    struct dataloader_spec spec = weighted_spec(&unknown, 1);
    expect_open_error(&spec, BPNET_ECONFIG, "'cit' is the source, dataset or file of no record");
    struct named_number none = {.name = (char *)"stick", .value = 0};
    spec = weighted_spec(&none, 1);
    expect_open_error(&spec, BPNET_ECONFIG, "no record has a weight");
}

/* ---- what goes wrong --------------------------------------------------------------------- */

static void bad_settings(void **state)
{
    (void)state;
    struct dataloader_spec spec = make_spec(NULL);
    spec.batch_size = 0;
    expect_open_error(&spec, BPNET_ECONFIG, "batch_size is 0");
    spec.batch_size = 1000;
    expect_open_error(&spec, BPNET_ECONFIG, "has only");
    spec = make_spec(NULL);
    spec.target_w = 8;
    expect_open_error(&spec, BPNET_ECONFIG, "image_dims 64 x 80 and target_shape 8 x 8");
    spec = make_spec(NULL);
    spec.n_train_records = 0;
    expect_open_error(&spec, BPNET_ECONFIG, "train_records_path names no file");
    spec = make_spec((char *[]){(char *)"nothing-here"});
    expect_open_error(&spec, BPNET_ENOENT, "nothing-here");
    struct tfrecord_writer w;
    char *path = path_join(folder, "empty");
    assert_int_equal(tfrecord_writer_open(&w, path), BPNET_OK);
    assert_int_equal(tfrecord_writer_commit(&w), BPNET_OK);
    free(path);
    spec = make_spec((char *[]){(char *)"empty"});
    expect_open_error(&spec, BPNET_EFORMAT, "empty: there are no records");
    spec = make_spec((char *[]){(char *)"dataset.json"});
    expect_open_error(&spec, BPNET_EFORMAT, "dataset.json");
}

/* A record file of one record: the first of training's after `change`. */
static void write_one(void (*change)(struct record *r))
{
    struct record r = first_record("train-fold-000-of-001");
    struct str bytes = {0};
    struct tfrecord_writer w;
    char *path = path_join(folder, "one");
    change(&r);
    assert_int_equal(record_pack(&bytes, &r), BPNET_OK);
    assert_int_equal(tfrecord_writer_open(&w, path), BPNET_OK);
    assert_int_equal(tfrecord_write(&w, bytes.text, bytes.length), BPNET_OK);
    assert_int_equal(tfrecord_writer_commit(&w), BPNET_OK);
    record_free(&r);
    str_free(&bytes);
    free(path);
}

static void replace(char **text, const char *with)
{
    free(*text);
    *text = str_copy(with);
}

static void no_picture(struct record *r)
{
    replace(&r->image_path, "images/gone.jpg");
}
static void broken_picture(struct record *r)
{
    replace(&r->image_path, "dataset.json");
}
static void other_size(struct record *r)
{
    r->w = 161;
}
static void no_mask(struct record *r)
{
    replace(&r->mask_path, "masks_train/gone.png");
}
static void other_dataset(struct record *r)
{
    replace(&r->dataset, "mpii");
}
static void other_keypoints(struct record *r)
{
    r->n_keypoints = 16;
}

static void bad_records(void **state)
{
    (void)state;
    static const struct {
        void (*change)(struct record *);
        int code;
        const char *message;
    } cases[] = {
        {no_picture, BPNET_ENOENT, "images/gone.jpg"},
        {broken_picture, BPNET_EFORMAT, "dataset.json"},
        {other_size, BPNET_EFORMAT, "is 160 x 128 pixels, the record says 161 x 128"},
        {no_mask, BPNET_ENOENT, "masks_train/gone.png: convert the dataset with --generate_masks"},
        {other_dataset, BPNET_EFORMAT, "'mpii', not one of dataset_specs"},
        {other_keypoints, BPNET_EFORMAT, "16 keypoints a person, expected 17"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        write_one(cases[i].change);
        struct dataloader_spec spec = make_spec((char *[]){(char *)"one"});
        spec.batch_size = 1;
        struct loader *l = open_loader(&spec, 0, 2, false);
        const struct batch *b;
        for (int again = 0; again < 2; again++) { /* it stays that way */
            assert_int_equal(loader_next(l, &b), cases[i].code);
            assert_non_null(strstr(error_message(), "one: record 0"));
            if (!strstr(error_message(), cases[i].message))
                fail_msg("'%s' is not in '%s'", cases[i].message, error_message());
        }
        loader_close(l);
    }
}

/* ---- pictures without people, joints that are not labelled -------------------------------- */

static void nobody(struct record *r)
{
    r->n_people = 0;
    r->person_idx = -1;
    replace(&r->mask_path, "");
}

static void background_picture(void **state)
{
    (void)state;
    write_one(nobody);
    struct dataloader_spec spec = make_spec((char *[]){(char *)"one"});
    spec.batch_size = 1;
    struct loader *l = open_loader(&spec, 0, 1, false);
    const struct batch *b = next(l);
    for (int i = 0; i < 8 * 10; i++) {
        for (int c = 0; c < 19; c++)
            assert_true(b->heat[19 * i + c] == (c == 18));
        assert_true(b->heat_mask[19 * i + 18] == 1 && b->paf_mask[38 * i] == 1);
    }
    loader_close(l);
}

static void without_ears(struct record *r)
{
    r->labelled = malloc(17);
    assert_non_null(r->labelled);
    memset(r->labelled, 1, 17);
    r->labelled[3] = r->labelled[4] = 0;
    replace(&r->mask_path, "");
}

static void unlabelled_joints_have_no_weight(void **state)
{
    (void)state;
    write_one(without_ears);
    struct dataloader_spec spec = make_spec((char *[]){(char *)"one"});
    spec.batch_size = 1;
    spec.augmentation = (struct augmentation_spec){
        .zoom_ratio_min = 1, .zoom_ratio_max = 1, .target_person_scale = 0.6};
    struct loader *l = open_loader(&spec, 0, 1, false);
    const struct batch *b = next(l);
    struct record r = first_record("train-fold-000-of-001");
    const double z = 0.6 / (r.scales[0] / 80 + 1e-5);
    size_t inside = 0, outside = 0;
    for (int y = 0; y < 8; y++)
        for (int x = 0; x < 10; x++) {
            const float *w = b->heat_mask + (y * 10 + x) * 19;
            for (int c = 0; c < 18; c++)
                assert_true(w[c] == (c != 16 && c != 17));
            bool in = false; /* someone's box and a tenth of it around */
            for (int p = 0; p < r.n_people; p++) {
                const double px = (8 * x + 4 - 40) / z + r.centers[0] - r.centers[2 * p];
                const double py = (8 * y + 4 - 32) / z + r.centers[1] - r.centers[2 * p + 1];
                in |= fabs(px) < 0.6 * r.boxes[4 * p + 2] && fabs(py) < 0.6 * r.boxes[4 * p + 3];
            }
            assert_true(w[18] == !in);
            inside += in;
            outside += !in;
        }
    assert_true(inside > 5 && outside > 5);
    assert_true(b->paf_mask[2 * 9] == 0 && b->paf_mask[2 * 7] == 1); /* shoulder-ear, arm */
    record_free(&r);
    loader_close(l);
}

static void not_everyone(struct record *r)
{
    r->coverage = COVERAGE_UNKNOWN;
    replace(&r->mask_path, "");
}

static void everyone(struct record *r)
{
    replace(&r->mask_path, "");
}

/* Inside a box, elsewhere in the picture, outside of it. */
static void cells_say_what_can_be_trusted(void **state)
{
    (void)state;
    for (int all = 0; all < 2; all++) {
        write_one(all ? everyone : not_everyone);
        struct dataloader_spec spec = make_spec((char *[]){(char *)"one"});
        spec.batch_size = 1;
        spec.augmentation = (struct augmentation_spec){
            .zoom_ratio_min = 1, .zoom_ratio_max = 1, .target_person_scale = 0.3};
        struct loader *l = open_loader(&spec, 0, 1, false);
        const struct batch *b = next(l);
        struct record r = first_record("train-fold-000-of-001");
        const double z = 0.3 / (r.scales[0] / 80 + 1e-5);
        int count[3] = {0};
        for (int y = 0; y < 8; y++)
            for (int x = 0; x < 10; x++) {
                const double px = (8 * x + 4 - 40) / z + r.centers[0];
                const double py = (8 * y + 4 - 32) / z + r.centers[1];
                bool in = false;
                for (int p = 0; p < r.n_people; p++)
                    in |= fabs(px - r.centers[2 * p]) < 0.6 * r.boxes[4 * p + 2] &&
                          fabs(py - r.centers[2 * p + 1]) < 0.6 * r.boxes[4 * p + 3];
                const bool outside = px < 0 || py < 0 || px >= r.w || py >= r.h;
                const int expected = outside ? CELL_OUTSIDE : in || all ? CELL_SURE : CELL_UNSURE;
                assert_int_equal(b->trust[y * 10 + x], expected);
                count[expected]++;
            }
        assert_true(count[CELL_SURE] > 5 && count[CELL_OUTSIDE] > 5);
        assert_true(all ? count[CELL_UNSURE] == 0 : count[CELL_UNSURE] > 5);
        record_free(&r);
        loader_close(l);
    }
}

/* The spec file that every other layer's tests start from. */
static void whole_spec_file(void **state)
{
    (void)state;
    char *path = path_join(folder, "train.yaml");
    struct experiment_spec *spec;
    if (experiment_spec_load(&spec, path, NULL) < 0)
        fail_msg("%s", error_message());
    const struct loader_options options = {
        .spec = &spec->data, .skeleton = &spec->skeleton, .seed = 1, .threads = 2};
    struct loader *l;
    if (loader_open(&l, &options) < 0)
        fail_msg("%s", error_message());
    const struct batch *b = next(l);
    assert_int_equal(b->n, 2);
    assert_int_equal(b->image_w, 64);
    assert_int_equal(b->label_w, 8);
    assert_int_equal(b->paf_channels, 38);
    loader_close(l);
    experiment_spec_free(spec);
    free(path);
    struct inference_spec *infer;
    path = path_join(folder, "infer.yaml");
    if (inference_spec_load(&infer, path, NULL) < 0)
        fail_msg("%s", error_message());
    assert_int_equal(infer->options.input_w, 64);
    inference_spec_free(infer);
    free(path);
}

/* ---- set-up ------------------------------------------------------------------------------ */

static size_t convert(const struct dataset_spec *spec, const char *name, bool train)
{
    struct convert_report report;
    char *path = path_join(folder, name);
    const struct convert_options options = {
        .output_prefix = path, .train_mode = train, .partitions = 1, .generate_masks = true};
    const int code = dataset_convert(spec, &options, &report);
    free(path);
    return code < 0 ? 0 : report.records;
}

static int make_folder(void **state)
{
    (void)state;
    skeleton_default(&skeleton);
    folder = stick_folder_make();
    if (!folder || stick_dataset_write(folder, &stick) < 0)
        return -1;
    struct dataset_spec *spec;
    char *path = path_join(folder, "dataset.json");
    if (dataset_spec_load(&spec, path, NULL) < 0)
        return -1;
    n_train = convert(spec, "train", true);
    n_val = convert(spec, "val", false);
    dataset_spec_free(spec);
    free(path);
    return n_train >= 6 && n_val >= 3 ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    stick_folder_remove(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_bits_for_threads_and_starts),
        cmocka_unit_test(every_record_once_an_epoch),
        cmocka_unit_test(views_come_up_again),
        cmocka_unit_test(validation_is_the_record_itself),
        cmocka_unit_test(masks_reach_the_weights),
        cmocka_unit_test(bad_settings),
        cmocka_unit_test(bad_records),
        cmocka_unit_test(background_picture),
        cmocka_unit_test(unlabelled_joints_have_no_weight),
        cmocka_unit_test(weights_by_name),
        cmocka_unit_test(bad_weights),
        cmocka_unit_test(cells_say_what_can_be_trusted),
        cmocka_unit_test(whole_spec_file),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
