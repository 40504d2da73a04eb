/* OKS by hand; AP and AR against pycocotools' numbers; files that are not what they should be. */
#include "base/error.h"
#include "base/rng.h"
#include "eval/coco_report.h"
#include "eval/oks.h"
#include "eval/score_set.h"
#include "io/file.h"
#include "io/json.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/bpnet-eval-XXXXXX";

static int open_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

/* ---- OKS ----------------------------------------------------------------------------------- */

static void test_oks_by_hand(void **state)
{
    (void)state;
    struct coco_truth t = {.area = 10000, .num_keypoints = 2};
    struct coco_detection d = {0};
    t.keypoints[0][2] = 2;  /* nose: sigma .026 */
    t.keypoints[11][2] = 1; /* left hip: sigma .107 */
    d.keypoints[0][0] = 3;  /* 3, 4: five pixels off */
    d.keypoints[0][1] = 4;
    d.keypoints[5][0] = 500; /* not labelled: no matter */
    double s[COCO_KEYPOINTS];
    const double nose = exp(-25 / (2 * 0.052 * 0.052 * 10000));
    assert_true(fabs(oks_joints(&t, &d, s) - (nose + 1) / 2) < 1e-12);
    assert_true(fabs(s[0] - nose) < 1e-12);
    assert_true(s[11] == 1);
    assert_true(s[5] == 0);
}

static void test_oks_without_labels_is_about_the_box(void **state)
{
    (void)state;
    struct coco_truth t = {.area = 400, .bbox = {100, 100, 20, 40}};
    struct coco_detection d = {0};
    for (int i = 0; i < COCO_KEYPOINTS; i++) {
        d.keypoints[i][0] = 80; /* 80..140 and 60..180 are inside */
        d.keypoints[i][1] = 180;
    }
    assert_true(coco_oks(&t, &d) == 1);
    d.keypoints[16][0] = 150; /* the right ankle, ten pixels outside */
    const double expected = (16 + exp(-100 / (2 * 0.178 * 0.178 * 400))) / 17;
    assert_true(fabs(coco_oks(&t, &d) - expected) < 1e-12);
}

/* ---- against pycocotools ------------------------------------------------------------------- */

static const char *const cases[] = {
    "mixed",      "sharp",           "blurred",         "crowds",        "unlabelled",
    "score_ties", "empty_images",    "small_and_large", "small_only",    "many_detections",
    "twins",      "odd_annotations", "person_zero",     "no_detections", "no_people",
};

/* Load a case as the program would: annotations from one file, results from another. */
static void load_case(const char *name, struct score_set *set, double expected[COCO_METRICS])
{
    char path[512], results[64];
    snprintf(path, sizeof(path), "%s/eval/%s.json", FIXTURES, name);
    snprintf(results, sizeof(results), "%s/results.json", folder);
    struct coco *coco;
    const struct coco_options options = {.segmentations = false};
    if (coco_load(&coco, path, &options) < 0)
        fail_msg("%s", error_message());
    assert_int_equal(score_set_init(set, coco, 0), 0);
    coco_free(coco);

    struct json *root;
    struct str text = {0};
    assert_int_equal(json_load(&root, path, 1 << 24), 0);
    json_print(&text, json_get(root, "results"));
    assert_int_equal(file_write(results, text.text, text.length), 0);
    struct results_report report;
    if (score_set_read_results(set, results, &report) < 0)
        fail_msg("%s", error_message());
    assert_int_equal(report.n_other_category + report.n_other_images, 0);
    assert_int_equal(set->n_detections, json_length(json_get(root, "results")));
    assert_int_equal(json_need_numbers(expected, COCO_METRICS, root, "expected", path), 0);
    json_free(root);
    str_free(&text);
    unlink(results);
}

static void test_equals_pycocotools(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct score_set set = {0};
        struct coco_result result;
        double expected[COCO_METRICS];
        load_case(cases[i], &set, expected);
        assert_int_equal(score_set_evaluate(&set, &result), 0);
        for (int m = 0; m < COCO_METRICS; m++) {
            if (!(fabs(result.metric[m] - expected[m]) < 1e-9))
                fail_msg("%s: %s is %.12f, pycocotools says %.12f", cases[i],
                         coco_metric_name((enum coco_metric)m), result.metric[m], expected[m]);
        }
        assert_int_equal(result.n_truths, set.n_truths);
        assert_int_equal(result.n_detections, set.n_detections);
        score_set_free(&set);
    }
}

static void test_order_of_pictures_and_people_does_not_matter(void **state)
{
    (void)state;
    struct score_set set = {0};
    struct coco_result before, after;
    double expected[COCO_METRICS];
    load_case("mixed", &set, expected);
    assert_int_equal(score_set_evaluate(&set, &before), 0);
    struct rng rng = rng_stream(1, 2, 3);
    for (int round = 0; round < 20; round++) {
        for (size_t i = set.n_images; i-- > 1;) {
            const size_t k = (size_t)rng_integer(&rng, 0, (int64_t)i);
            const int64_t swap = set.images[i];
            set.images[i] = set.images[k];
            set.images[k] = swap;
        }
        for (size_t i = set.n_truths; i-- > 1;) {
            const size_t k = (size_t)rng_integer(&rng, 0, (int64_t)i);
            const struct coco_truth swap = set.truths[i];
            set.truths[i] = set.truths[k];
            set.truths[k] = swap;
        }
        assert_int_equal(score_set_evaluate(&set, &after), 0);
        assert_memory_equal(before.metric, after.metric, sizeof(before.metric));
    }
    score_set_free(&set);
}

static void test_fewer_pictures(void **state)
{
    (void)state;
    struct score_set set = {0};
    struct coco_result result;
    double expected[COCO_METRICS];
    load_case("mixed", &set, expected);
    const size_t all = set.n_images;
    set.n_images = 4;
    assert_int_equal(score_set_evaluate(&set, &result), 0);
    assert_int_equal(result.n_images, 4);
    assert_true(result.n_truths < set.n_truths);
    assert_true(fabs(result.metric[AP_ALL] - expected[AP_ALL]) > 1e-6);
    set.n_images = all;
    score_set_free(&set);
}

static void test_area_of_boxes_is_believed(void **state)
{
    (void)state;
    struct coco_truth t = {.image_id = 1, .id = 1, .area = 2000, .num_keypoints = 17};
    /* A false alarm whose keypoints span 50 x 50, medium, but whose box is large. */
    struct coco_detection d[2] = {{.image_id = 1, .score = 0.5}, {.image_id = 1, .score = 0.9}};
    for (int i = 0; i < COCO_KEYPOINTS; i++) {
        t.keypoints[i][0] = d[0].keypoints[i][0] = 100 + i;
        t.keypoints[i][1] = d[0].keypoints[i][1] = 100 + 2 * i;
        t.keypoints[i][2] = 2;
        d[1].keypoints[i][0] = d[1].keypoints[i][1] = i ? 450 : 400;
    }
    const int64_t image = 1;
    struct coco_result result;
    assert_int_equal(coco_evaluate(&result, &image, 1, &t, 1, d, 2), 0);
    assert_true(fabs(result.metric[AP_MEDIUM] - 0.5) < 1e-9);
    d[1].area_given = true;
    d[1].area = 20000;
    assert_int_equal(coco_evaluate(&result, &image, 1, &t, 1, d, 2), 0);
    assert_true(fabs(result.metric[AP_MEDIUM] - 1) < 1e-9);
    assert_true(fabs(result.metric[AP_ALL] - 0.5) < 1e-9);
    assert_true(result.metric[AP_LARGE] == -1);
    assert_int_equal(result.n_counted[SIZE_MEDIUM], 1);
    assert_int_equal(result.joint[3].n, 1);
    assert_true(result.joint[3].mean_oks == 1);
}

static void test_scores_that_are_not_numbers_come_last(void **state)
{
    (void)state;
    struct coco_truth t = {.image_id = 1, .id = 1, .area = 2000, .num_keypoints = 1};
    t.keypoints[0][2] = 2;
    struct coco_detection d[2] = {{.image_id = 1, .score = NAN}, {.image_id = 1, .score = -3}};
    d[0].keypoints[0][0] = 1000;
    const int64_t image = 1;
    struct coco_result result;
    assert_int_equal(coco_evaluate(&result, &image, 1, &t, 1, d, 2), 0);
    assert_true(fabs(result.metric[AP_ALL] - 1) < 1e-9);
}

/* ---- reports ------------------------------------------------------------------------------- */

static void read_text(struct str *out, const char *path)
{
    struct file_view view;
    assert_int_equal(file_view_open(&view, path, 1 << 20), 0);
    str_append_bytes(out, (const char *)view.bytes, view.size);
    file_view_close(&view);
}

static void test_reports(void **state)
{
    (void)state;
    struct score_set set = {0};
    struct coco_result result;
    double expected[COCO_METRICS];
    struct str golden = {0}, text = {0}, csv = {0};
    load_case("mixed", &set, expected);
    assert_int_equal(score_set_evaluate(&set, &result), 0);
    read_text(&golden, FIXTURES "/eval/summary.txt");
    coco_print_summary(&text, &result);
    assert_string_equal(text.text, golden.text);

    char path[64];
    snprintf(path, sizeof(path), "%s/results.csv", folder);
    result.metric[AP_75] = 0.25;
    assert_int_equal(coco_write_csv(path, &result), 0);
    read_text(&csv, path);
    assert_non_null(
        strstr(csv.text, "index,metric,IoU,area,maxDets,score\n0,AP,0.50:0.95,all,20,0."));
    assert_non_null(strstr(csv.text, "\n2,AP,0.75,all,20,0.25\n"));
    assert_non_null(strstr(csv.text, "\n9,AR,0.50:0.95,large,20,"));
    unlink(path);

    str_clear(&text);
    coco_print_breakdown(&text, &result);
    assert_non_null(strstr(text.text, "left_shoulder"));
    str_free(&golden);
    str_free(&text);
    str_free(&csv);
    score_set_free(&set);
}

/* ---- bad files ----------------------------------------------------------------------------- */

static void test_bad_results(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
        int code;
    } bad[] = {
        {"{\"a\": 1}", "found an object, expected a list of results", BPNET_EFORMAT},
        {"[3]", "[0]: found an integer, expected an object", BPNET_EFORMAT},
        {"[{\"image_id\": 10, \"category_id\": 1, \"keypoints\": [1, 2, 3], \"score\": 1}]",
         "[0]: key 'keypoints'", BPNET_EFORMAT},
        {"[{\"image_id\": 10, \"category_id\": 1, \"score\": 1}]", "[0]: key 'keypoints'",
         BPNET_EFORMAT},
        {"[{\"image_id\": \"10\", \"category_id\": 1}]", "[0]: key 'image_id'", BPNET_EFORMAT},
        {"[", "results.json", BPNET_EFORMAT},
    };
    struct score_set set = {0};
    double expected[COCO_METRICS];
    load_case("mixed", &set, expected);
    char path[64];
    snprintf(path, sizeof(path), "%s/results.json", folder);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct results_report report;
        assert_int_equal(file_write(path, bad[i].text, strlen(bad[i].text)), 0);
        assert_int_equal(score_set_read_results(&set, path, &report), bad[i].code);
        if (!strstr(error_message(), bad[i].message))
            fail_msg("'%s' does not say '%s'", error_message(), bad[i].message);
    }
    unlink(path);
    struct results_report report;
    assert_int_equal(score_set_read_results(&set, path, &report), BPNET_ENOENT);
    score_set_free(&set);
}

static void test_results_of_strangers_are_left_out(void **state)
{
    (void)state;
    struct score_set set = {0};
    double expected[COCO_METRICS];
    load_case("no_detections", &set, expected);
    struct str text = {0};
    str_append(&text, "[");
    for (int i = 0; i < 3; i++) {
        str_printf(&text,
                   "%s{\"image_id\": %d, \"category_id\": %d, \"score\": 0.5, \"keypoints\": [",
                   i ? "," : "", i == 0 ? 4711 : 10, i == 1 ? 2 : 1);
        for (int k = 0; k < 51; k++)
            str_printf(&text, "%s%d", k ? "," : "", k);
        str_append(&text, "]}");
    }
    str_append(&text, "]");
    char path[64];
    snprintf(path, sizeof(path), "%s/results.json", folder);
    assert_int_equal(file_write(path, text.text, text.length), 0);
    struct results_report report;
    assert_int_equal(score_set_read_results(&set, path, &report), 0);
    assert_int_equal(report.n_other_images, 1);
    assert_int_equal(report.n_other_category, 1);
    assert_int_equal(set.n_detections, 1);
    assert_true(set.detections[0].keypoints[16][2] == 50);
    unlink(path);
    str_free(&text);
    score_set_free(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oks_by_hand),
        cmocka_unit_test(test_oks_without_labels_is_about_the_box),
        cmocka_unit_test(test_equals_pycocotools),
        cmocka_unit_test(test_order_of_pictures_and_people_does_not_matter),
        cmocka_unit_test(test_fewer_pictures),
        cmocka_unit_test(test_area_of_boxes_is_believed),
        cmocka_unit_test(test_scores_that_are_not_numbers_come_last),
        cmocka_unit_test(test_reports),
        cmocka_unit_test(test_bad_results),
        cmocka_unit_test(test_results_of_strangers_are_left_out),
    };
    return cmocka_run_group_tests(tests, open_folder, remove_folder);
}
