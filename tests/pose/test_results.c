/* Result files: their text, what they keep of the input, and that failures leave nothing behind. */
#include "base/error.h"
#include "io/scratch.h"
#include "pose/results.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Three joints and two limbs, two of the joints COCO's. */
static struct skeleton small_skeleton(void)
{
    struct skeleton s = {.type = "three", .category = "person", .n_joints = 3, .n_limbs = 2};
    static const char *const names[] = {"nose", "tail", "left_eye"};
    for (int j = 0; j < 3; j++)
        snprintf(s.joints[j], sizeof(s.joints[j]), "%s", names[j]);
    s.limbs[0][1] = 1;
    s.limbs[1][1] = 2;
    skeleton_find_mirror(&s);
    return s;
}

static struct people two_people(void)
{
    struct people p = {.n_joints = 3};
    struct joint_position *a = people_add(&p);
    a[0] = (struct joint_position){1.5f, -2.25f, 0.75f, true};
    a[1] = (struct joint_position){7, 7, 0.5f, true};
    p.scores[0] = 0.625f;
    struct joint_position *b = people_add(&p);
    b[2] = (struct joint_position){100.125f, 3, 0.25f, true};
    p.scores[1] = 0.125f;
    return p;
}

static void assert_file(const char *name, const char *expected)
{
    char *text = scratch_read(scratch_path(name), NULL);
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

static void test_native(void **state)
{
    (void)state;
    const struct skeleton s = small_skeleton();
    struct people people = two_people(), nobody = {.n_joints = 3};
    struct json *input;
    const char *text = "{\"full_image_path\": \"old\", \"weather\": [\"rain\"], \"scores\": 3}";
    assert_int_equal(json_parse(&input, text, strlen(text), "input"), BPNET_OK);
    const char *path = scratch_path("native.json");
    struct results *r;
    const struct results_options options = {.inference_spec = "{\"a\":1}"};
    assert_int_equal(results_open(&r, RESULTS_NATIVE, path, &s, &options), BPNET_OK);
    struct results_picture picture = {
        .path = "a.jpg", .image_id = 12, .drawn = "out/0.png", .input = input};
    assert_int_equal(results_add(r, &picture, &people), BPNET_OK);
    picture = (struct results_picture){.path = "b.jpg", .image_id = -1};
    assert_int_equal(results_add(r, &picture, NULL), BPNET_OK);
    picture.path = "c.jpg";
    assert_int_equal(results_add(r, &picture, &nobody), BPNET_OK);
    assert_int_equal(access(path, F_OK), -1); /* not there before it is complete */
    assert_int_equal(results_close(r), BPNET_OK);

    struct json *root;
    assert_int_equal(json_load(&root, path, 1 << 20), BPNET_OK);
    const struct json *category = json_at(json_get(root, "categories"), 0);
    assert_string_equal(json_as_string(json_get(root, "pose_config_type")), "three");
    assert_int_equal(json_length(json_get(category, "keypoints")), 3); /* no "background" */
    assert_int_equal(json_as_integer(json_at(json_at(json_get(category, "skeleton"), 1), 1)), 3);
    assert_int_equal(json_as_integer(json_get(json_get(root, "inference_spec"), "a")), 1);
    const struct json *images = json_get(root, "images"), *first = json_at(images, 0);
    assert_int_equal(json_length(images), 3);
    struct str compact = {0};
    json_print(&compact, first);
    assert_string_equal(str_text(&compact),
                        "{\"full_image_path\":\"a.jpg\",\"weather\":[\"rain\"],\"image_id\":12,"
                        "\"viz_id\":\"out/0.png\",\"keypoints\":[[[1.5,-2.25],[7,7],[0,0]],"
                        "[[0,0],[0,0],[100.125,3]]],\"scores\":[0.625,0.125]}");
    assert_null(json_get(json_at(images, 1), "keypoints"));
    assert_int_equal(json_kind(json_get(json_at(images, 2), "keypoints")), JSON_KIND_ARRAY);
    assert_int_equal(json_length(json_get(json_at(images, 2), "keypoints")), 0);
    str_free(&compact);
    json_free(root);
    json_free(input);
    people_free(&people);
}

static void test_coco(void **state)
{
    (void)state;
    const struct skeleton s = small_skeleton();
    struct people people = two_people();
    const char *path = scratch_path("coco.json");
    for (int compat = 0; compat < 2; compat++) {
        const struct results_options options = {.compat = compat};
        struct results *r;
        assert_int_equal(results_open(&r, RESULTS_COCO, path, &s, &options), BPNET_OK);
        struct results_picture picture = {.path = "a.jpg", .image_id = 139};
        assert_int_equal(results_add(r, &picture, &people), BPNET_OK);
        picture.image_id = -1;
        assert_int_equal(results_add(r, &picture, &people), BPNET_EUSAGE);
        assert_string_equal(error_message(), "a.jpg: COCO results need an image id");
        assert_int_equal(results_close(r), BPNET_OK);
        struct json *root;
        assert_int_equal(json_load(&root, path, 1 << 20), BPNET_OK);
        assert_int_equal(json_length(root), 2);
        for (size_t i = 0; i < 2; i++) {
            const struct json *person = json_at(root, i), *k = json_get(person, "keypoints");
            assert_int_equal(json_as_integer(json_get(person, "image_id")), 139);
            assert_int_equal(json_as_integer(json_get(person, "category_id")), 1);
            assert_true((float)json_as_number(json_get(person, "score")) == people.scores[i]);
            assert_int_equal(json_length(k), 51);
            /* The first has a nose at (1.5, -2.25), the second a left eye at (100.125, 3). */
            static const double exact[2][6] = {{1.5, -2.25, 1, 0, 0, 0}, {0, 0, 0, 100.125, 3, 1}};
            static const double cut[2][6] = {{1, -2, 1, 0, 0, 0}, {0, 0, 0, 100, 3, 1}};
            for (size_t n = 0; n < 51; n++) {
                const double value = n < 6 ? (compat ? cut : exact)[i][n] : 0;
                assert_true(json_as_number(json_at(k, n)) == value);
                if (compat)
                    assert_int_equal(json_kind(json_at(k, n)), JSON_KIND_INTEGER);
            }
        }
        json_free(root);
    }
    people_free(&people);
}

static void test_openpose(void **state)
{
    (void)state;
    const struct skeleton s = small_skeleton();
    struct people people = two_people();
    struct results *r;
    assert_int_equal(results_open(&r, RESULTS_OPENPOSE, scratch_path("deep/folder"), &s, NULL),
                     BPNET_OK);
    struct results_picture picture = {.path = "x/photo.one.jpg", .image_id = -1};
    assert_int_equal(results_add(r, &picture, &people), BPNET_OK);
    picture.name = "other";
    assert_int_equal(results_add(r, &picture, NULL), BPNET_OK);
    assert_int_equal(results_close(r), BPNET_OK);
    assert_file("deep/folder/photo.one_keypoints.json",
                "{\"version\": 1.3, \"people\": [{\"person_id\": [-1], \"pose_keypoints_2d\": "
                "[1.5, -2.25, 0.75, 7, 7, 0.5, 0, 0, 0]}, {\"person_id\": [-1], "
                "\"pose_keypoints_2d\": [0, 0, 0, 0, 0, 0, 100.125, 3, 0.25]}]}");
    assert_file("deep/folder/other_keypoints.json", "{\"version\": 1.3, \"people\": []}");
    people_free(&people);
}

static void test_failures_leave_nothing(void **state)
{
    (void)state;
    const struct skeleton s = small_skeleton();
    const int files = scratch_count();
    struct results *r;
    assert_int_equal(results_open(&r, RESULTS_COCO, scratch_path("no/such/folder.json"), &s, NULL),
                     BPNET_ECREATE);
    assert_null(r);
    assert_int_equal(results_open(&r, RESULTS_COCO, scratch_path("given_up.json"), &s, NULL),
                     BPNET_OK);
    struct people people = {.n_joints = 5};
    assert_non_null(people_add(&people));
    const struct results_picture picture = {.path = "a.jpg", .image_id = 1};
    assert_int_equal(results_add(r, &picture, &people), BPNET_EUSAGE);
    assert_non_null(strstr(error_message(), "people of 5 joints"));
    results_abort(r);
    results_abort(NULL);
    assert_int_equal(scratch_count(), files);
    people_free(&people);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_native),
        cmocka_unit_test(test_coco),
        cmocka_unit_test(test_openpose),
        cmocka_unit_test(test_failures_leave_nothing),
    };
    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
