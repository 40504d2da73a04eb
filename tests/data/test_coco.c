/* COCO files: what is read, what is refused and how it is said, and memory per element. */
#include "base/error.h"
#include "base/str.h"
#include "data/coco.h"
#include "data/coco_sources.h"
#include "io/file.h"
#include "stickfigure.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *folder;

static char *write_text(const char *text)
{
    char *path = path_join(folder, "x.json");
    assert_int_equal(file_write(path, text, strlen(text)), BPNET_OK);
    return path;
}

static struct coco *read_text(const char *text)
{
    char *path = write_text(text);
    struct coco *c;
    const struct coco_options options = {.segmentations = true};
    if (coco_load(&c, path, &options) != BPNET_OK)
        fail_msg("%s", error_message());
    free(path);
    return c;
}

/* Two keypoints keep the examples short. */
#define CATEGORY "{'id': 1, 'name': 'person', 'keypoints': ['a', 'b']}"
#define IMAGE    "{'id': 7, 'file_name': 'p/q.jpg', 'width': 6, 'height': 4}"

/* A file of three arrays, with ' for ". */
static char *file_of(const char *images, const char *annotations, const char *categories)
{
    struct str s = {0};
    str_printf(&s, "{'info': {'x': [1, {'images': 2}]}, 'images': [%s], 'annotations': [%s], ",
               images, annotations);
    str_printf(&s, "'categories': [%s]}", categories);
    assert_int_equal(str_status(&s), BPNET_OK);
    for (char *p = s.text; *p; p++)
        *p = *p == '\'' ? '"' : *p;
    return s.text;
}

static void reads_everything(void **state)
{
    (void)state;
    char *text = file_of(
        "{'id': 9, 'file_name': 'b.jpg', 'width': 5, 'height': 5, 'labelled_keypoints': [0, 1],"
        " 'all_people_labelled': 'no (one person)'}, " IMAGE,
        "{'id': 3, 'image_id': 7, 'category_id': 1, 'bbox': [1, 2, 3, 4], 'area': 5.5,"
        " 'num_keypoints': 1, 'keypoints': [1.25, 2.5, 2, 0, 0, 0], 'iscrowd': 0,"
        " 'segmentation': [[0, 0, 2, 0, 2, 2], [3, 0, 5, 0, 5, 3, 3, 3]]},"
        "{'id': 2, 'image_id': 9, 'category_id': 1, 'bbox': [0, 0, 2, 3], 'ignore': 1,"
        " 'neck': [1, 2], 'head_top': [3, 4, 1]},"
        "{'id': 1, 'image_id': 7, 'category_id': 1, 'bbox': [0, 0, 1, 1], 'area': 1, 'iscrowd': 1,"
        " 'keypoints': [0, 0, 0, 0, 0, 0],"
        " 'segmentation': {'size': [4, 6], 'counts': [20, 4]}},"
        "{'id': 1, 'image_id': 12345, 'category_id': 2}",
        "{'id': 2, 'name': 'dog'}, " CATEGORY);
    struct coco *c = read_text(text);
    assert_int_equal(c->n_keypoints, 2);
    assert_string_equal(c->keypoints[1], "b");
    assert_int_equal(c->n_images, 2);
    assert_int_equal(c->n_annotations, 3);
    assert_int_equal(c->n_other_category, 1);

    const struct coco_image *one = coco_image_by_id(c, 9), *two = coco_image_by_id(c, 7);
    assert_ptr_equal(one, &c->images[0]);
    assert_ptr_equal(two, &c->images[1]);
    assert_null(coco_image_by_id(c, 8));
    assert_string_equal(two->file_name, "p/q.jpg");
    assert_int_equal(one->coverage, COVERAGE_NO);
    assert_true(one->coverage_given);
    assert_int_equal(one->labelled[0], 0);
    assert_int_equal(one->labelled[1], 1);
    assert_int_equal(two->coverage, COVERAGE_YES);
    assert_false(two->coverage_given);
    assert_null(two->labelled);

    assert_int_equal(two->n, 2);
    const struct coco_annotation *a = coco_annotation_of(c, two, 0);
    assert_int_equal(a->id, 3);
    assert_int_equal(a->num_keypoints, 1);
    assert_true(a->keypoints[0] == 1.25 && a->keypoints[1] == 2.5 && a->keypoints[2] == 2);
    assert_true(a->bbox[3] == 4 && a->area == 5.5);
    assert_int_equal(a->region.kind, REGION_POLYGONS);
    assert_int_equal(a->region.n_polygons, 2);
    assert_int_equal(a->region.points[1], 4);
    assert_true(a->region.xy[6] == 3 && a->region.xy[13] == 3);
    assert_null(a->extra);
    a = coco_annotation_of(c, two, 1);
    assert_int_equal(a->id, 1);
    assert_true(a->crowd);
    assert_null(a->keypoints);
    assert_int_equal(a->region.kind, REGION_RUNS);
    assert_int_equal(a->region.n_runs, 2);
    a = coco_annotation_of(c, one, 0);
    assert_true(a->ignore && !a->crowd && a->area == 6);
    assert_true(a->extra[2] == 2 && a->extra[3] == 3 && a->extra[5] == 1);
    coco_free(c);

    char *path = write_text(text); /* without segmentations */
    assert_int_equal(coco_load(&c, path, NULL), BPNET_OK);
    assert_int_equal(c->annotations[0].region.kind, REGION_NONE);
    coco_free(c);
    free(path);
    free(text);
}

static void only_keypoint_category_will_do(void **state)
{
    (void)state;
    char *text = file_of(IMAGE, "{'id': 1, 'image_id': 7, 'bbox': [0, 0, 1, 1]}",
                         "{'id': 4, 'name': 'horse', 'keypoints': ['hoof']}");
    struct coco *c = read_text(text);
    assert_int_equal(c->category_id, 4);
    assert_int_equal(c->n_annotations, 1); /* one category: category_id may be missing */
    coco_free(c);
    free(text);
}

#define ANNOTATION(rest) "{'id': 123, 'image_id': 7, 'category_id': 1, " rest "}"
#define BOX              "'bbox': [0, 0, 1, 1]"

static const struct {
    const char *images, *annotations, *categories, *message;
} bad[] = {
    {IMAGE, ANNOTATION(BOX ", 'keypoints': [1, 2, 2, 3]"), CATEGORY,
     "x.json: annotations[0] (id 123): 4 numbers in 'keypoints', expected 6"},
    {IMAGE, ANNOTATION(BOX ", 'keypoints': 3"), CATEGORY, "'keypoints': found"},
    {IMAGE, ANNOTATION(BOX ", 'keypoints': [1, 2, 9, 3, 4, 0]"), CATEGORY,
     "keypoints[2]: found visibility 9"},
    {IMAGE, ANNOTATION(BOX ", 'keypoints': [1, 2, 0.5, 3, 4, 0]"), CATEGORY,
     "keypoints[2]: found visibility 0.5"},
    {IMAGE, ANNOTATION(BOX ", 'keypoints': [1, 'x', 1, 3, 4, 0]"), CATEGORY, "annotations[0]"},
    {IMAGE, ANNOTATION(BOX ", 'num_keypoints': 3"), CATEGORY,
     "'num_keypoints': found 3, expected 0 to 2"},
    {IMAGE, ANNOTATION("'bbox': [0, 0, -1, 1]"), CATEGORY, "bbox[2]: found -1"},
    {IMAGE, ANNOTATION("'bbox': [0, 0, 1]"), CATEGORY, "bbox"},
    {IMAGE, ANNOTATION("'bbox': null"), CATEGORY, "bbox"},
    {IMAGE, ANNOTATION(BOX ", 'area': -2"), CATEGORY, "'area': found -2"},
    {IMAGE, ANNOTATION(BOX ", 'iscrowd': 2"), CATEGORY, "'iscrowd'"},
    {IMAGE, ANNOTATION(BOX ", 'neck': [1]"), CATEGORY, "neck"},
    {IMAGE, ANNOTATION(BOX ", 'neck': [1, 2, 88]"), CATEGORY, "neck[2]: found visibility 88"},
    {IMAGE, ANNOTATION(BOX ", 'segmentation': [[1, 2, 3, 4]]"), CATEGORY,
     "segmentation[0]: 4 numbers"},
    {IMAGE, ANNOTATION(BOX ", 'segmentation': [[1, 2, 3, 4, 5, 6, 7]]"), CATEGORY, "7 numbers"},
    {IMAGE, ANNOTATION(BOX ", 'segmentation': [[1, 2, 3, 4, 5, 1e9]]"), CATEGORY,
     "segmentation[0][5]"},
    {IMAGE, ANNOTATION(BOX ", 'segmentation': {'size': [6, 4], 'counts': []}"), CATEGORY,
     "segmentation.size is 6 x 4, the image's is 4 x 6"},
    {IMAGE, ANNOTATION(BOX ", 'segmentation': {'size': [4, 6], 'counts': 5}"), CATEGORY,
     "segmentation.counts"},
    {IMAGE, ANNOTATION(BOX ", 'segmentation': {'size': [4, 6], 'counts': [-1, 25]}"), CATEGORY,
     "counts[0]"},
    {IMAGE, ANNOTATION(BOX ", 'segmentation': {'size': [4, 6], 'counts': '0P'}"), CATEGORY,
     "(id 123): segmentation.counts: compressed run lengths break off"},
    {IMAGE, ANNOTATION(BOX ", 'segmentation': 7"), CATEGORY, "'segmentation': found"},
    {IMAGE, "{'id': 5, 'image_id': 8, 'category_id': 1, " BOX "}", CATEGORY,
     "annotations[0] (id 5): no image has the id 8"},
    {IMAGE, ANNOTATION(BOX) ", " ANNOTATION(BOX), CATEGORY,
     "annotation number 0 and number 1 have the same id 123"},
    {IMAGE ", " IMAGE, "", CATEGORY, "image number 0 and number 1 have the same id 7"},
    {IMAGE, "7", CATEGORY, "annotations[0]: found an integer, expected an object"},
    {IMAGE, "{'image_id': 7, 'category_id': 1, " BOX "}", CATEGORY, "annotations[0]"},
    {"{'id': 1, 'file_name': '../up.jpg', 'width': 1, 'height': 1}", "", CATEGORY,
     "'../up.jpg' is not a relative path"},
    {"{'id': 1, 'file_name': 'a/../../up.jpg', 'width': 1, 'height': 1}", "", CATEGORY, "'..'"},
    {"{'id': 1, 'file_name': '/up.jpg', 'width': 1, 'height': 1}", "", CATEGORY, "/up.jpg"},
    {"{'id': 1, 'file_name': 'a.jpg', 'width': 0, 'height': 1}", "", CATEGORY,
     "images[0] (id 1): key 'width': found 0, expected 1 to"},
    {"{'id': 1, 'file_name': 'a.jpg', 'width': 1, 'height': 99999}", "", CATEGORY, "'height'"},
    {"{'id': 1, 'width': 1, 'height': 1}", "", CATEGORY, "file_name"},
    {"{'id': 1, 'file_name': 'a.jpg', 'width': 1, 'height': 1, 'all_people_labelled': 'maybe'}", "",
     CATEGORY, "found maybe"},
    {"{'id': 1, 'file_name': 'a.jpg', 'width': 1, 'height': 1, 'labelled_keypoints': [1]}", "",
     CATEGORY, "images[0] (id 1): 1 numbers in 'labelled_keypoints', expected 2"},
    {"{'id': 1, 'file_name': 'a.jpg', 'width': 1, 'height': 1, 'labelled_keypoints': [1, 2]}", "",
     CATEGORY, "labelled_keypoints[1]: expected 0 or 1"},
    {IMAGE, "", "{'id': 1, 'name': 'person'}", "found no keypoint category"},
    {IMAGE, "",
     "{'id': 1, 'name': 'cat', 'keypoints': ['x']}, {'id': 2, 'name': 'dog', 'keypoints': ['y']}",
     "2 categories with 'keypoints', none named 'person'"},
    {IMAGE, "", "{'id': 1, 'name': 'person', 'keypoints': [4]}", "keypoints[0]"},
};

static void says_what_is_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char *text = file_of(bad[i].images, bad[i].annotations, bad[i].categories);
        char *path = write_text(text);
        struct coco *c;
        const int code = coco_load(&c, path, &(struct coco_options){.segmentations = true});
        if (code != BPNET_EFORMAT || c || !strstr(error_message(), bad[i].message))
            fail_msg("case %zu: code %d, '%s' is not in '%s'", i, code, bad[i].message,
                     error_message());
        if (!strstr(error_message(), "x.json"))
            fail_msg("case %zu: no file in '%s'", i, error_message());
        free(path);
        free(text);
    }
}

static void not_a_coco_file(void **state)
{
    (void)state;
    struct coco *c;
    static const char *const texts[] = {"", "[]", "{}", "{\"images\": []}", "{\"images\": [{]}"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char *path = write_text(texts[i]);
        assert_int_equal(coco_load(&c, path, NULL), BPNET_EFORMAT);
        assert_null(c);
        free(path);
    }
    assert_int_equal(coco_load(&c, "no/such/file.json", NULL), BPNET_ENOENT);
}

/* Write n images with two people each, as large as COCO's are on average. */
static char *write_large(int n)
{
    char *path = path_join(folder, "large.json");
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "{\"annotations\": [");
    for (int i = 0; i < 2 * n; i++) {
        fprintf(f,
                "%s{\"id\": %d, \"image_id\": %d, \"category_id\": 1, \"iscrowd\": 0, "
                "\"area\": 1234.5, \"bbox\": [1.25, 2.5, 30, 40], \"keypoints\": [",
                i ? ", " : "", i, i / 2);
        for (int k = 0; k < 17; k++)
            fprintf(f, "%s%d, %d, 2", k ? ", " : "", (i * 31 + k) % 640, (i * 17 + k) % 480);
        fprintf(f, "], \"segmentation\": [[");
        for (int k = 0; k < 60; k++)
            fprintf(f, "%s%d.%02d", k ? ", " : "", (i + k * 7) % 640, k);
        fprintf(f, "]]}");
    }
    fprintf(f, "], \"images\": [");
    for (int i = 0; i < n; i++)
        fprintf(f, "%s{\"id\": %d, \"file_name\": \"%012d.jpg\", \"width\": 640, \"height\": 480}",
                i ? ", " : "", i, i);
    fprintf(f, "], \"categories\": [{\"id\": 1, \"name\": \"person\", \"keypoints\": [");
    for (int k = 0; k < 17; k++)
        fprintf(f, "%s\"k%d\"", k ? ", " : "", k);
    fprintf(f, "]}]}");
    assert_int_equal(fclose(f), 0);
    return path;
}

/* train2017 has 262,465 people: at 1.5 kB each 400 MB. */
static void memory_is_bounded(void **state)
{
    (void)state;
    enum { IMAGES = 4000 };
    char *path = write_large(IMAGES);
    const struct mallinfo2 before = mallinfo2();
    struct coco *c;
    assert_int_equal(coco_load(&c, path, &(struct coco_options){.segmentations = true}), BPNET_OK);
    const struct mallinfo2 after = mallinfo2();
    assert_int_equal(c->n_annotations, 2 * IMAGES);
    assert_true(c->annotations[4321].region.xy[59] == (4321 + 59 * 7) % 640 + 0.59);
    const size_t used = (after.uordblks + after.hblkhd) - (before.uordblks + before.hblkhd);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_true(used > 1000);
#endif
    if (used / (2 * IMAGES) > 1500)
        fail_msg("%zu bytes a person", used / (2 * IMAGES));
    coco_free(c);
    free(path);
}

static void reads_a_whole_dataset(void **state)
{
    (void)state;
    char *place = stick_folder_make();
    assert_non_null(place);
    const struct stick_dataset options = {.n_train = 6, .seed = 5, .crowds = true};
    if (stick_dataset_write(place, &options) != BPNET_OK)
        fail_msg("%s", error_message());
    char *path = path_join(place, "annotations/train.json");
    struct coco *c;
    assert_int_equal(coco_load(&c, path, &(struct coco_options){.segmentations = true}), BPNET_OK);
    assert_int_equal(c->n_images, 6);
    for (int i = 0; i < 6; i++) {
        struct stick_person people[8];
        const int n = stick_dataset_people(&options, true, i, people, 8);
        assert_int_equal(c->images[i].n, n + (i % 3 == 2));
        for (int p = 0; p < n; p++) {
            const struct coco_annotation *a = coco_annotation_of(c, &c->images[i], (size_t)p);
            assert_int_equal(a->num_keypoints, 17);
            assert_memory_equal(a->keypoints, people[p].keypoints, sizeof(people[p].keypoints));
            assert_memory_equal(a->bbox, people[p].bbox, sizeof(a->bbox));
        }
        if (i % 3 == 2)
            assert_true(coco_annotation_of(c, &c->images[i], (size_t)n)->crowd);
    }
    coco_free(c);
    free(path);
    stick_folder_remove(place);
}

/* Pictures 9, 4 and 7 of three collections, with annotations in another order. */
static struct coco *three_sources(void)
{
    char *text =
        file_of("{'id': 9, 'file_name': 'b.jpg', 'width': 5, 'height': 5, 'source': 'sea:shore'},"
                "{'id': 4, 'file_name': 'c.jpg', 'width': 5, 'height': 5, 'source': 'sea'}, " IMAGE,
                "{'id': 1, 'image_id': 7, 'category_id': 1, 'bbox': [0, 0, 1, 1]},"
                "{'id': 2, 'image_id': 4, 'category_id': 1, 'bbox': [0, 0, 2, 2]},"
                "{'id': 3, 'image_id': 9, 'category_id': 1, 'bbox': [0, 0, 3, 3]},"
                "{'id': 4, 'image_id': 4, 'category_id': 1, 'bbox': [0, 0, 4, 4]}",
                CATEGORY);
    struct coco *c = read_text(text);
    free(text);
    return c;
}

static void keeps_sources(void **state)
{
    (void)state;
    struct coco *c = three_sources();
    assert_int_equal(coco_keep_sources(c, "sea"), BPNET_OK);
    assert_int_equal(c->n_images, 2);
    assert_int_equal(c->n_annotations, 3);
    assert_null(coco_image_by_id(c, 7));
    const struct coco_image *second = coco_image_by_id(c, 4);
    assert_ptr_equal(second, &c->images[1]);
    assert_int_equal(second->n, 2);
    assert_int_equal(coco_annotation_of(c, second, 0)->id, 2);
    assert_int_equal(coco_annotation_of(c, second, 1)->id, 4);
    assert_int_equal(coco_annotation_of(c, &c->images[0], 0)->id, 3);
    assert_int_equal(c->annotations[0].image, 1);
    assert_int_equal(coco_keep_sources(c, "sea:shore"), BPNET_OK);
    assert_int_equal(c->n_images, 1);
    assert_int_equal(c->images[0].id, 9);
    coco_free(c);

    static const char *const unknown[] = {"lake", "sea,lake", "se", "sea:", ",sea", ""};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        c = three_sources();
        assert_int_equal(coco_keep_sources(c, unknown[i]), BPNET_EUSAGE);
        assert_int_equal(c->n_images, 3);
        coco_free(c);
    }
}

static int make_folder(void **state)
{
    (void)state;
    folder = stick_folder_make();
    return folder ? 0 : -1;
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
        cmocka_unit_test(reads_everything),   cmocka_unit_test(only_keypoint_category_will_do),
        cmocka_unit_test(says_what_is_wrong), cmocka_unit_test(not_a_coco_file),
        cmocka_unit_test(memory_is_bounded),  cmocka_unit_test(reads_a_whole_dataset),
        cmocka_unit_test(keeps_sources),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
