/* dataset_convert: who gets a record, files and their order, masks, dry runs, missing pictures. */
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "data/convert.h"
#include "data/record.h"
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

static char *folder; /* a stick dataset of 7 pictures, every third with a crowd */
static const struct stick_dataset stick = {.n_train = 7, .n_val = 2, .seed = 3, .crowds = true};

static struct dataset_spec make_spec(const char *annotations)
{
    static char *names[COCO_KEYPOINTS];
    for (int k = 0; k < COCO_KEYPOINTS; k++)
        names[k] = (char *)coco_keypoint_names[k];
    return (struct dataset_spec){
        .path = (char *)"dataset.json",
        .dataset = (char *)"stick",
        .root = folder,
        .train = {(char *)"images", (char *)"masks", (char *)annotations},
        .test = {(char *)"images", (char *)"masks_val", (char *)"annotations/val.json"},
        .duplicate_per_person = true,
        .n_keypoints = COCO_KEYPOINTS,
        .keypoints = names,
        .min_height = 32,
        .min_width = 32,
        .min_keypoints = 5,
        .min_distance_ratio = 0.3};
}

static char *prefix(const char *name)
{
    char *path = path_join(folder, name);
    assert_non_null(path);
    return path;
}

/* All records of a file below the folder; returns how many. */
static size_t read_records(const char *name, struct record *out, size_t most)
{
    char *path = prefix(name);
    struct tfrecord_reader reader;
    if (tfrecord_open(&reader, path) < 0)
        fail_msg("%s", error_message());
    size_t n = 0;
    for (size_t at = 0; at < reader.file.size; n++) {
        const uint8_t *bytes;
        size_t size;
        assert_true(n < most);
        assert_int_equal(tfrecord_at(&reader, at, &bytes, &size, &at), BPNET_OK);
        if (record_unpack(&out[n], bytes, size, name) < 0)
            fail_msg("%s", error_message());
    }
    tfrecord_close(&reader);
    free(path);
    return n;
}

static void free_records(struct record *records, size_t n)
{
    for (size_t i = 0; i < n; i++)
        record_free(&records[i]);
}

static struct convert_report convert(const struct dataset_spec *spec,
                                     struct convert_options options, const char *name)
{
    struct convert_report report;
    char *path = prefix(name);
    options.output_prefix = path;
    if (dataset_convert(spec, &options, &report) < 0)
        fail_msg("%s", error_message());
    free(path);
    return report;
}

static size_t count_people(bool train, int n_pictures)
{
    size_t total = 0;
    for (int i = 0; i < n_pictures; i++) {
        struct stick_person people[8];
        total += (size_t)stick_dataset_people(&stick, train, i, people, 8);
    }
    return total;
}

static void one_record_a_person(void **state)
{
    (void)state;
    const struct dataset_spec spec = make_spec("annotations/train.json");
    const struct convert_report report =
        convert(&spec, (struct convert_options){.train_mode = true, .partitions = 1}, "a/train");
    const size_t people = count_people(true, 7);
    assert_int_equal(report.images, 7);
    assert_int_equal(report.persons, people + 2); /* and two crowds */
    assert_int_equal(report.few_keypoints, 2);
    assert_int_equal(report.records, people);
    struct record records[32];
    const size_t n = read_records("a/train-fold-000-of-001", records, 32);
    assert_int_equal(n, people);
    bool seen[7][8] = {0};
    for (size_t i = 0; i < n; i++) {
        const struct record *r = &records[i];
        const int picture = (int)(r->image_id - 1000);
        struct stick_person truth[8];
        const int found = stick_dataset_people(&stick, true, picture, truth, 8);
        const struct stick_person *main_person = &truth[r->person_idx];
        char path[64];
        assert_false(seen[picture][r->person_idx]);
        seen[picture][r->person_idx] = true;
        assert_int_equal(r->n_people, found);
        assert_memory_equal(r->joints, main_person->keypoints, sizeof(main_person->keypoints));
        assert_memory_equal(r->boxes, main_person->bbox, sizeof(main_person->bbox));
        assert_true(r->scales[0] == main_person->bbox[3]);
        assert_true(r->centers[0] == main_person->bbox[0] + main_person->bbox[2] / 2);
        assert_true(r->centers[1] == main_person->bbox[1] + main_person->bbox[3] / 2);
        if (found == 2) { /* the other one follows */
            const struct stick_person *other = &truth[1 - r->person_idx];
            assert_memory_equal(r->joints + 51, other->keypoints, sizeof(other->keypoints));
        }
        snprintf(path, sizeof(path), "images/train_%04d.jpg", picture);
        assert_string_equal(r->image_path, path);
        snprintf(path, sizeof(path), "masks/train_%04d.jpg.png", picture);
        assert_string_equal(r->mask_path, picture % 3 == 2 ? path : "");
        assert_string_equal(r->dataset, "stick");
        assert_int_equal(r->w, 160);
        assert_int_equal(r->h, 128);
        assert_null(r->labelled);
        assert_null(r->extra);
    }
    free_records(records, n);
}

static void same_bytes_every_time(void **state)
{
    (void)state;
    const struct dataset_spec spec = make_spec("annotations/train.json");
    struct file_view a, b;
    char *first = prefix("b/1-fold-000-of-001"), *second = prefix("b/2-fold-000-of-001");
    convert(&spec, (struct convert_options){.train_mode = true, .partitions = 1}, "b/1");
    convert(&spec, (struct convert_options){.train_mode = true, .partitions = 1}, "b/2");
    assert_int_equal(file_view_open(&a, first, SIZE_MAX), BPNET_OK);
    assert_int_equal(file_view_open(&b, second, SIZE_MAX), BPNET_OK);
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.bytes, b.bytes, a.size);
    file_view_close(&a);
    file_view_close(&b);
    free(first);
    free(second);
}

/* Records are dealt in turn, so a partition holds every P-th; shards are equal but for the last. */
static void partitions_and_shards(void **state)
{
    (void)state;
    const struct dataset_spec spec = make_spec("annotations/train.json");
    convert(&spec, (struct convert_options){.train_mode = true, .partitions = 2, .shards = 2},
            "c/t");
    const size_t people = count_people(true, 7);
    int64_t in_order[32][2];
    size_t at = 0;
    for (int i = 0; i < 7; i++) {
        struct stick_person truth[8];
        const int found = stick_dataset_people(&stick, true, i, truth, 8);
        for (int p = 0; p < found; p++, at++) {
            in_order[at][0] = 1000 + i;
            in_order[at][1] = p;
        }
    }
    size_t total = 0;
    bool shuffled = false;
    for (size_t fold = 0; fold < 2; fold++) {
        const size_t n = (people - fold + 1) / 2, each = n / 2;
        size_t position = 0;
        for (size_t shard = 0; shard < 2; shard++) {
            struct record records[32];
            char name[64];
            snprintf(name, sizeof(name), "c/t-fold-%03zu-of-002-shard-%05zu-of-00002", fold, shard);
            const size_t found = read_records(name, records, 32);
            assert_int_equal(found, shard == 0 ? each : n - each);
            for (size_t i = 0; i < found; i++, position++) {
                bool mine = false;
                for (size_t k = fold; k < people; k += 2)
                    mine |= in_order[k][0] == records[i].image_id &&
                            in_order[k][1] == records[i].person_idx;
                assert_true(mine);
                shuffled |= in_order[fold + 2 * position][0] != records[i].image_id;
            }
            free_records(records, found);
            total += found;
        }
    }
    assert_int_equal(total, people);
    assert_true(shuffled);
    /* Neither partitions nor shards: no suffix. The other mode: the other part. */
    const struct convert_report report = convert(&spec, (struct convert_options){0}, "c/plain");
    struct record records[32];
    const size_t n = read_records("c/plain", records, 32);
    assert_int_equal(n, count_people(false, 2));
    assert_int_equal(report.images, 2);
    assert_non_null(strstr(records[0].image_path, "images/val_"));
    free_records(records, n);
}

static void masks_are_written(void **state)
{
    (void)state;
    const struct dataset_spec spec = make_spec("annotations/train.json");
    const struct convert_report report = convert(
        &spec,
        (struct convert_options){.train_mode = true, .partitions = 1, .generate_masks = true},
        "d/train");
    assert_int_equal(report.masks, 2); /* pictures 2 and 5 have a crowd */
    char *without = prefix("masks/train_0001.jpg.png");
    assert_false(file_exists(without));
    char *path = prefix("masks/train_0002.jpg.png");
    struct image mask;
    assert_int_equal(image_load(&mask, path, 1), BPNET_OK);
    assert_int_equal(mask.w, 160);
    assert_int_equal(mask.h, 128);
    struct stick_person people[8];
    const int n = stick_dataset_people(&stick, true, 2, people, 8);
    size_t left_out = 0;
    for (int y = 0; y < 128; y++)
        for (int x = 0; x < 160; x++) {
            bool person = false; /* a polygon's edge pixels are its own business */
            bool edge = false;
            for (int p = 0; p < n; p++) {
                const double *b = people[p].bbox;
                person |= x > b[0] && x < b[0] + b[2] && y > b[1] && y < b[1] + b[3];
                edge |= fabs(x - b[0]) < 2 || fabs(x - b[0] - b[2]) < 2 || fabs(y - b[1]) < 2 ||
                        fabs(y - b[1] - b[3]) < 2;
            }
            if (!edge)
                assert_int_equal(mask.pixels[y * 160 + x], x >= 140 && !person ? 0 : 255);
            left_out += mask.pixels[y * 160 + x] == 0;
        }
    assert_true(left_out > 500);
    image_free(&mask);
    free(path);
    free(without);
}

static void dry_run_writes_nothing(void **state)
{
    (void)state;
    struct dataset_spec spec = make_spec("annotations/train.json");
    spec.train.mask_root = (char *)"masks_dry";
    const struct convert_report report =
        convert(&spec,
                (struct convert_options){
                    .train_mode = true, .partitions = 1, .generate_masks = true, .dry_run = true},
                "dry/train");
    assert_int_equal(report.records, count_people(true, 7));
    assert_int_equal(report.masks, 0);
    char *out = prefix("dry"), *masks = prefix("masks_dry");
    assert_false(folder_exists(out));
    assert_false(folder_exists(masks));
    free(out);
    free(masks);
}

/* Rules of selection on people of two keypoints; see below who is who. */
static void selection_rules(void **state)
{
    (void)state;
    struct str s = {0};
    str_append(&s, "{'images': ["
                   "{'id': 1, 'file_name': 'a.jpg', 'width': 500, 'height': 400},"
                   "{'id': 2, 'file_name': 'b.jpg', 'width': 500, 'height': 400},"
                   "{'id': 3, 'file_name': 'c.jpg', 'width': 500, 'height': 400,"
                   " 'all_people_labelled': 'yes (no person)', 'labelled_keypoints': [1, 0]},"
                   "{'id': 4, 'file_name': 'd.jpg', 'width': 500, 'height': 400,"
                   " 'all_people_labelled': 'unknown'}], 'annotations': [");
    static const struct {
        const char *bbox, *rest;
        int labelled;
        bool main;
    } people[] = {
        {"[100, 100, 40, 100]", "", 2, true},               /* 0: centre (120, 150), D = 100 */
        {"[125, 100, 40, 100]", "", 2, false},              /* 1: 25 px away, less than 0.3 D */
        {"[131, 100, 40, 100]", "", 2, true},               /* 2: 31 px away: far enough */
        {"[300, 100, 400, 10]", "", 2, true},               /* 3: centre (500, 105), D = 400 */
        {"[480, 200, 40, 30]", "", 2, false},               /* 4: 110 px from 3: D is its width */
        {"[300, 300, 20, 20]", ", 'area': 1023", 2, false}, /* 5: too small */
        {"[10, 300, 20, 20]", ", 'area': 1024", 2, true},   /* 6: just large enough */
        {"[10, 10, 60, 60]", "", 1, false},                 /* 7: too few keypoints */
        {"[200, 10, 60, 60]", ", 'ignore': 1", 2, false},   /* 8 */
        {"[200, 300, 60, 60]", ", 'iscrowd': 1", 0, false}, /* 9 */
    };
    const int n = (int)(sizeof(people) / sizeof(people[0]));
    for (int i = 0; i < n; i++)
        str_printf(&s,
                   "%s{'id': %d, 'image_id': 1, 'category_id': 1, 'bbox': %s%s,"
                   " 'keypoints': [1, 2, %d, 3, 4, %d], 'neck': [5, %d]}",
                   i ? ", " : "", i, people[i].bbox, people[i].rest, people[i].labelled > 0,
                   2 * (people[i].labelled > 1), i);
    str_append(&s, "], 'categories': [{'id': 1, 'name': 'person', 'keypoints': ['p', 'q']}]}");
    for (char *p = s.text; *p; p++)
        *p = *p == '\'' ? '"' : *p;
    char *path = prefix("rules.json");
    assert_int_equal(file_write(path, s.text, s.length), BPNET_OK);
    struct dataset_spec spec = make_spec("rules.json");
    spec.n_keypoints = 2;
    spec.keypoints = (char *[]){(char *)"p", (char *)"q"};
    spec.min_keypoints = 2;
    const struct convert_options options = {.train_mode = true};
    struct convert_report report = convert(&spec, options, "rules");
    assert_int_equal(report.records, 5);
    assert_int_equal(report.backgrounds, 1);
    assert_int_equal(report.no_people, 2);
    assert_int_equal(report.few_keypoints, 3);
    assert_int_equal(report.too_small, 1);
    assert_int_equal(report.too_close, 2);
    struct record records[8];
    const size_t found = read_records("rules", records, 8);
    assert_int_equal(found, 5);
    for (size_t i = 0; i < found; i++) {
        const struct record *r = &records[i];
        if (r->person_idx < 0) { /* the picture without people */
            assert_int_equal(r->image_id, 3);
            assert_int_equal(r->n_people, 0);
            assert_memory_equal(r->labelled, ((uint8_t[]){1, 0}), 2);
            assert_string_equal(r->mask_path, "");
            continue;
        }
        assert_true(people[r->person_idx].main);
        assert_int_equal(r->n_people, 8); /* everyone with a keypoint but the ignored one */
        assert_true(r->extra[1] == (double)r->person_idx && r->extra[2] == 2 && r->extra[5] == 0);
        assert_true(r->extra[6 + 1] == (r->person_idx == 0 ? 1 : 0)); /* the first of the others */
        assert_string_equal(r->mask_path, "masks/a.jpg.png");
    }
    free_records(records, found);
    spec.duplicate_per_person = false;
    report = convert(&spec, options, "rules_once");
    assert_int_equal(report.records, 2);
    const size_t once = read_records("rules_once", records, 8);
    assert_int_equal(once, 2);
    assert_int_equal(records[0].person_idx + records[1].person_idx, -1); /* 0 and -1 */
    free_records(records, once);
    free(path);
    str_free(&s);
}

static void missing_files_are_left_out(void **state)
{
    (void)state;
    const struct dataset_spec spec = make_spec("annotations/train.json");
    char *picture = prefix("images/train_0000.jpg"), *away = prefix("images/away");
    char *mask = prefix("masks/train_0005.jpg.png");
    struct stick_person people[8];
    const size_t first = (size_t)stick_dataset_people(&stick, true, 0, people, 8);
    const size_t sixth = (size_t)stick_dataset_people(&stick, true, 5, people, 8);
    const struct convert_options options = {
        .train_mode = true, .partitions = 1, .check_files = true, .dry_run = true};
    convert(&spec,
            (struct convert_options){.train_mode = true, .partitions = 1, .generate_masks = true},
            "e/train");
    const enum log_level level = log_get_level();
    log_set_level(LOG_QUIET);
    assert_int_equal(rename(picture, away), 0);
    assert_int_equal(unlink(mask), 0);
    struct convert_report report = convert(&spec, options, "e/train");
    assert_int_equal(report.missing_files, first + sixth);
    assert_int_equal(report.records, count_people(true, 7) - first - sixth);
    /* A picture of another size is as good as missing. */
    struct image small;
    assert_int_equal(image_alloc(&small, 8, 8, 3), BPNET_OK);
    memset(small.pixels, 9, 8 * 8 * 3);
    assert_int_equal(image_save(&small, picture, 90), BPNET_OK);
    report = convert(&spec, options, "e/train");
    assert_int_equal(report.missing_files, first + sixth);
    image_free(&small);
    assert_int_equal(rename(away, picture), 0);
    report = convert(&spec, options, "e/train");
    assert_int_equal(report.missing_files, sixth);
    log_set_level(level);
    free(picture);
    free(away);
    free(mask);
}

static int stop(void *ctx, const struct convert_progress *p)
{
    *(struct convert_progress *)ctx = *p;
    return error_set(BPNET_ESTOPPED, "enough");
}

static void clear_errors(void **state)
{
    (void)state;
    struct dataset_spec spec = make_spec("annotations/train.json");
    struct convert_report report;
    char *path = prefix("f/train");
    struct convert_options o = {.output_prefix = path, .train_mode = true, .partitions = -1};
    assert_int_equal(dataset_convert(&spec, &o, &report), BPNET_EUSAGE);
    o.partitions = 5;
    o.shards = 9;
    assert_int_equal(dataset_convert(&spec, &o, &report), BPNET_EUSAGE);
    assert_non_null(strstr(error_message(), "too few for 5 partitions of 9 shards"));
    o.partitions = o.shards = 1;
    spec.min_keypoints = 18;
    assert_int_equal(dataset_convert(&spec, &o, &report), BPNET_EFORMAT);
    assert_non_null(strstr(error_message(), "train.json: none of"));
    spec.min_keypoints = 5;
    spec.n_keypoints = 16;
    assert_int_equal(dataset_convert(&spec, &o, &report), BPNET_ECONFIG);
    assert_non_null(strstr(error_message(), "16 keypoints"));
    spec.n_keypoints = 17;
    char *swapped[COCO_KEYPOINTS];
    memcpy(swapped, spec.keypoints, sizeof(swapped));
    swapped[3] = (char *)"tail";
    spec.keypoints = swapped;
    assert_int_equal(dataset_convert(&spec, &o, &report), BPNET_ECONFIG);
    assert_non_null(strstr(error_message(), "keypoint 3 is 'tail', but"));
    spec = make_spec("annotations/none.json");
    assert_int_equal(dataset_convert(&spec, &o, &report), BPNET_ENOENT);
    spec = make_spec("annotations/train.json");
    struct convert_progress at = {0};
    o.progress = stop;
    o.ctx = &at;
    assert_int_equal(dataset_convert(&spec, &o, &report), BPNET_ESTOPPED);
    assert_int_equal(at.done, 7);
    assert_int_equal(at.total, 7);
    free(path);
}

static int make_folder(void **state)
{
    (void)state;
    folder = stick_folder_make();
    return folder && stick_dataset_write(folder, &stick) == BPNET_OK ? 0 : -1;
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
        cmocka_unit_test(one_record_a_person),        cmocka_unit_test(same_bytes_every_time),
        cmocka_unit_test(partitions_and_shards),      cmocka_unit_test(masks_are_written),
        cmocka_unit_test(dry_run_writes_nothing),     cmocka_unit_test(selection_rules),
        cmocka_unit_test(missing_files_are_left_out), cmocka_unit_test(clear_errors),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
