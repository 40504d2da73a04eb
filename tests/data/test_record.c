/* Records there and back, with and without what is optional, and damaged ones. */
#include "base/error.h"
#include "base/rng.h"
#include "data/record.h"
#include "io/example.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PEOPLE = 3, KEYPOINTS = 2 };

/* Numbers that are all different. */
static struct record sample(void)
{
    static double joints[PEOPLE * KEYPOINTS * 3], scales[PEOPLE], centers[PEOPLE * 2],
        boxes[PEOPLE * 4], extra[PEOPLE * COCO_EXTRAS * 3];
    static uint8_t labelled[KEYPOINTS] = {0, 1};
    double *const arrays[] = {joints, scales, centers, boxes, extra};
    const size_t sizes[] = {sizeof(joints), sizeof(scales), sizeof(centers), sizeof(boxes),
                            sizeof(extra)};
    double next = 0.1;
    for (int a = 0; a < 5; a++)
        for (size_t i = 0; i < sizes[a] / sizeof(double); i++)
            arrays[a][i] = next++;
    return (struct record){.image_id = 1234567890123,
                           .w = 640,
                           .h = 480,
                           .image_path = (char *)"images/a b.jpg",
                           .mask_path = (char *)"masks/a b.jpg.png",
                           .dataset = (char *)"coco",
                           .source = (char *)"coco:x",
                           .person_idx = 2,
                           .n_people = PEOPLE,
                           .n_keypoints = KEYPOINTS,
                           .joints = joints,
                           .scales = scales,
                           .centers = centers,
                           .boxes = boxes,
                           .extra = extra,
                           .labelled = labelled,
                           .coverage = COVERAGE_NO};
}

static void there_and_back(void **state)
{
    (void)state;
    const struct record a = sample();
    struct record b;
    struct str bytes = {0};
    assert_int_equal(record_pack(&bytes, &a), BPNET_OK);
    assert_int_equal(record_unpack(&b, (uint8_t *)bytes.text, bytes.length, "x"), BPNET_OK);
    assert_true(b.image_id == a.image_id);
    assert_int_equal(b.w, 640);
    assert_int_equal(b.h, 480);
    assert_string_equal(b.image_path, a.image_path);
    assert_string_equal(b.mask_path, a.mask_path);
    assert_string_equal(b.dataset, a.dataset);
    assert_string_equal(b.source, a.source);
    assert_int_equal(b.person_idx, 2);
    assert_int_equal(b.n_people, PEOPLE);
    assert_int_equal(b.n_keypoints, KEYPOINTS);
    assert_memory_equal(b.joints, a.joints, PEOPLE * KEYPOINTS * 3 * sizeof(double));
    assert_memory_equal(b.scales, a.scales, PEOPLE * sizeof(double));
    assert_memory_equal(b.centers, a.centers, PEOPLE * 2 * sizeof(double));
    assert_memory_equal(b.boxes, a.boxes, PEOPLE * 4 * sizeof(double));
    assert_memory_equal(b.extra, a.extra, PEOPLE * COCO_EXTRAS * 3 * sizeof(double));
    assert_memory_equal(b.labelled, a.labelled, KEYPOINTS);
    assert_int_equal(b.coverage, COVERAGE_NO);
    record_free(&b);
    str_free(&bytes);
}

static void optional_parts(void **state)
{
    (void)state;
    struct record a = sample(), b;
    struct str bytes = {0};
    a.boxes = a.extra = NULL;
    a.labelled = NULL;
    a.coverage = COVERAGE_YES;
    a.source = NULL;
    a.mask_path = (char *)"";
    assert_int_equal(record_pack(&bytes, &a), BPNET_OK);
    assert_int_equal(record_unpack(&b, (uint8_t *)bytes.text, bytes.length, "x"), BPNET_OK);
    assert_null(b.boxes);
    assert_null(b.extra);
    assert_null(b.labelled);
    assert_int_equal(b.coverage, COVERAGE_YES);
    assert_null(b.source);
    assert_string_equal(b.mask_path, "");
    record_free(&b);
    str_clear(&bytes);
    a.n_people = 0; /* a background picture */
    a.person_idx = -1;
    assert_int_equal(record_pack(&bytes, &a), BPNET_OK);
    assert_int_equal(record_unpack(&b, (uint8_t *)bytes.text, bytes.length, "x"), BPNET_OK);
    assert_int_equal(b.n_people, 0);
    assert_int_equal(b.person_idx, -1);
    record_free(&b);
    str_free(&bytes);
}

/* The sample as an Example with one feature replaced by `size` bytes, or left out (SIZE_MAX). */
static int unpack_with(const char *name, const void *bytes, size_t size)
{
    const struct record a = sample();
    struct record b;
    struct str packed = {0}, again = {0};
    struct example *from, *to = example_new();
    assert_int_equal(record_pack(&packed, &a), BPNET_OK);
    assert_int_equal(example_parse(&from, (uint8_t *)packed.text, packed.length, "x"), BPNET_OK);
    for (size_t i = 0; i < example_length(from); i++) {
        const char *feature = example_name(from, i);
        const uint8_t *data;
        const int64_t *integers;
        size_t n;
        if (strcmp(feature, name) == 0) {
            if (size != SIZE_MAX)
                assert_int_equal(example_set_bytes(to, feature, bytes, size), BPNET_OK);
        } else if (example_get_bytes(&data, &n, from, feature) == BPNET_OK) {
            assert_int_equal(example_set_bytes(to, feature, data, n), BPNET_OK);
        } else {
            assert_int_equal(example_get_int64s(&integers, &n, from, feature), BPNET_OK);
            assert_int_equal(example_set_int64s(to, feature, integers, n), BPNET_OK);
        }
    }
    assert_int_equal(example_pack(&again, to), BPNET_OK);
    const int code =
        record_unpack(&b, (uint8_t *)again.text, again.length, "train-fold: record 12");
    if (code == BPNET_OK)
        record_free(&b);
    example_free(from);
    example_free(to);
    str_free(&packed);
    str_free(&again);
    return code;
}

static void damaged_features(void **state)
{
    (void)state;
    static const char *const needed[] = {
        "frame/image_id",    "frame/height",           "frame/width",
        "frame/image_path",  "frame/mask_path",        "dataset",
        "person/joints",     "person/scales",          "person/centers",
        "person/person_idx", "person/num_other_people"};
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        assert_int_equal(unpack_with(needed[i], NULL, SIZE_MAX), BPNET_EFORMAT);
        assert_non_null(strstr(error_message(), "train-fold: record 12"));
        assert_non_null(strstr(error_message(), needed[i]));
    }
    static const double zeros[64] = {0};
    static const struct {
        const char *name;
        size_t size;
    } sizes[] = {{"person/joints", 17 * 8}, {"person/joints", 0},
                 {"person/scales", 7},      {"person/scales", 16},
                 {"person/scales", 0},      {"person/centers", 40},
                 {"person/boxes", 88},      {"person/extra_joints", 8},
                 {"frame/height", 8},       {"frame/labelled_keypoints", 3},
                 {"frame/coverage", 8}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if (unpack_with(sizes[i].name, zeros, sizes[i].size) != BPNET_EFORMAT)
            fail_msg("%s of %zu bytes is accepted", sizes[i].name, sizes[i].size);
    }
    const double bad[2 * PEOPLE] = {1, 2, 3, INFINITY, 5, 6};
    assert_int_equal(unpack_with("person/centers", bad, sizeof(bad)), BPNET_EFORMAT);
    assert_non_null(strstr(error_message(), "person/centers': number 3 is not finite"));
    assert_int_equal(unpack_with("person/boxes", NULL, SIZE_MAX), BPNET_OK);
}

/* Any single changed byte, and any cut: an answer or an error, never a crash. */
static void random_damage(void **state)
{
    (void)state;
    const struct record a = sample();
    struct str bytes = {0};
    assert_int_equal(record_pack(&bytes, &a), BPNET_OK);
    struct rng rng = rng_stream(8, 8, 8);
    size_t refused = 0;
    for (int i = 0; i < 20000; i++) {
        const size_t at = (size_t)rng_integer(&rng, 0, (int64_t)bytes.length - 1);
        const char kept = bytes.text[at];
        const size_t length = i % 4 ? bytes.length : at;
        struct record b;
        bytes.text[at] = (char)rng_integer(&rng, 0, 255);
        if (record_unpack(&b, (uint8_t *)bytes.text, length, "x") == BPNET_OK)
            record_free(&b);
        else
            refused++;
        bytes.text[at] = kept;
    }
    assert_true(refused > 4000); /* every cut at least */
    str_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(optional_parts),
        cmocka_unit_test(damaged_features),
        cmocka_unit_test(random_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
