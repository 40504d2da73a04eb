/* evaluate_net() around a network that knows the answers: stick people drawn as perfect maps. */
#include "base/error.h"
#include "base/log.h"
#include "eval/evaluate.h"
#include "eval/score_set.h"
#include "io/file.h"
#include "io/json.h"
#include "pose/synthetic.h"
#include "stickfigure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static const struct stick_dataset dataset = {
    .n_train = 1, .n_val = 6, .w = 320, .h = 256, .max_people = 2, .seed = 3};

struct oracle {
    struct skeleton skeleton;
    int picture; /* the next one asked for */
    int missing; /* one that cannot be read, or -1 */
    int fail_at; /* a run that fails, or -1 */
    struct synthetic maps;
    bool drawn;
};

/* A stick person with the neck between the shoulders, as the skeleton wants. */
static void add_person(struct people *people, const struct skeleton *s,
                       const struct stick_person *stick)
{
    int to[COCO_KEYPOINTS];
    skeleton_to_coco(s, to);
    struct joint_position *joints = people_add(people);
    assert_non_null(joints);
    for (int i = 0; i < COCO_KEYPOINTS; i++)
        joints[to[i]] = (struct joint_position){(float)stick->keypoints[i][0],
                                                (float)stick->keypoints[i][1], 1, true};
    const struct joint_position *l = &joints[skeleton_joint(s, "left_shoulder")];
    const struct joint_position *r = &joints[skeleton_joint(s, "right_shoulder")];
    joints[skeleton_joint(s, "neck")] =
        (struct joint_position){(l->x + r->x) / 2, (l->y + r->y) / 2, 1, true};
}

static int run_oracle(void *ctx, const float *input, int h, int w, struct maps *out)
{
    (void)input;
    struct oracle *o = ctx;
    if (o->picture == o->missing)
        o->picture++;
    if (o->picture == o->fail_at)
        return error_set(BPNET_ENUMERIC, "the oracle is silent");
    struct stick_person stick[8];
    const int n = stick_dataset_people(&dataset, false, o->picture++, stick, 8);
    struct people people = {.n_joints = o->skeleton.n_joints};
    for (int i = 0; i < n; i++)
        add_person(&people, &o->skeleton, &stick[i]);
    if (o->drawn)
        synthetic_free(&o->maps);
    o->maps = synthetic_render(&o->skeleton, h / SYNTHETIC_STRIDE, w / SYNTHETIC_STRIDE, &people);
    o->drawn = true;
    people_free(&people);
    *out = o->maps.maps;
    return BPNET_OK;
}

struct scene {
    char *folder;
    char annotations[256];
    struct oracle oracle;
    struct net net;
    struct predict_options predict;
    struct workers *workers;
    struct evaluate_options options;
    size_t calls, stop_at;
};

static int count_calls(void *ctx, size_t done, size_t total)
{
    struct scene *s = ctx;
    s->calls++;
    assert_int_equal(done, s->calls);
    assert_in_range(total, 1, dataset.n_val);
    return done == s->stop_at ? error_set(BPNET_ESTOPPED, "enough") : 0;
}

static void open_scene(struct scene *s)
{
    *s = (struct scene){.folder = stick_folder_make(), .oracle = {.missing = -1, .fail_at = -1}};
    assert_non_null(s->folder);
    assert_int_equal(stick_dataset_write(s->folder, &dataset), 0);
    snprintf(s->annotations, sizeof(s->annotations), "%s/annotations/val.json", s->folder);
    skeleton_default(&s->oracle.skeleton);
    s->net = (struct net){.run = run_oracle,
                          .ctx = &s->oracle,
                          .stride = SYNTHETIC_STRIDE,
                          .scale = {256, 256, 256},
                          .offset = {0.5f, 0.5f, 0.5f},
                          .skeleton = &s->oracle.skeleton};
    predict_options_default(&s->predict);
    s->predict.input_h = dataset.h;
    s->predict.input_w = dataset.w;
    s->predict.aspect = ASPECT_STRETCH;
    assert_int_equal(workers_open(&s->workers, 2), 0);
    static char root[256];
    snprintf(root, sizeof(root), "%s/images", s->folder);
    s->options = (struct evaluate_options){
        .annotations = s->annotations, .images_root = root, .progress = count_calls, .ctx = s};
}

static void close_scene(struct scene *s)
{
    if (s->oracle.drawn)
        synthetic_free(&s->oracle.maps);
    workers_close(s->workers);
    stick_folder_remove(s->folder);
}

static void test_a_perfect_network_scores_near_one(void **state)
{
    (void)state;
    struct scene s;
    struct evaluation result;
    open_scene(&s);
    assert_int_equal(evaluate_net(&result, &s.net, &s.predict, s.workers, &s.options), 0);
    assert_int_equal(result.n_images, dataset.n_val);
    assert_int_equal(result.n_skipped, 0);
    assert_int_equal(result.coco.n_images, dataset.n_val);
    assert_int_equal(result.n_people, result.coco.n_truths);
    assert_int_equal(result.coco.n_detections, result.n_people);
    assert_true(result.coco.metric[AP_ALL] > 0.9);
    assert_true(result.seconds[0] > 0 && result.seconds[2] > 0);
    assert_int_equal(s.calls, dataset.n_val);
    close_scene(&s);
}

static void test_result_files_score_the_same(void **state)
{
    (void)state;
    struct scene s;
    struct evaluation result;
    char native[256], list[256], path[256];
    open_scene(&s);
    snprintf(native, sizeof(native), "%s/detections.json", s.folder);
    snprintf(list, sizeof(list), "%s/list.json", s.folder);
    snprintf(path, sizeof(path), "%s/images/val_0001.jpg", s.folder);
    assert_int_equal(unlink(path), 0);
    s.oracle.missing = 1;
    s.options.detections_path = native;
    s.options.detections_coco_path = list;
    s.options.spec_text = "{\"input_shape\": [256, 320]}";
    assert_int_equal(evaluate_net(&result, &s.net, &s.predict, s.workers, &s.options), 0);

    struct coco *coco;
    struct score_set set = {0};
    struct results_report left_out;
    struct coco_result scored;
    assert_int_equal(coco_load(&coco, s.annotations, &(struct coco_options){0}), 0);
    assert_int_equal(score_set_init(&set, coco, 0), 0);
    assert_int_equal(score_set_read_results(&set, list, &left_out), 0);
    assert_int_equal(set.n_detections, result.n_people);
    assert_int_equal(score_set_evaluate(&set, &scored), 0);
    assert_memory_equal(scored.metric, result.coco.metric, sizeof(scored.metric));
    score_set_free(&set);
    coco_free(coco);

    struct json *root;
    assert_int_equal(json_load(&root, native, 1 << 24), 0);
    assert_int_equal(json_length(json_get(json_get(root, "inference_spec"), "input_shape")), 2);
    const struct json *images = json_get(root, "images");
    assert_int_equal(json_length(images), dataset.n_val);
    assert_null(json_get(json_at(images, 1), "keypoints"));
    assert_non_null(json_get(json_at(images, 2), "keypoints"));
    const struct json *meta = json_get(json_at(images, 2), "image_meta");
    assert_int_equal(json_as_integer(json_get(meta, "width")), dataset.w);
    json_free(root);
    close_scene(&s);
}

static void test_a_failure_leaves_no_files(void **state)
{
    (void)state;
    struct scene s;
    struct evaluation result;
    char native[256], list[256];
    open_scene(&s);
    snprintf(native, sizeof(native), "%s/detections.json", s.folder);
    snprintf(list, sizeof(list), "%s/list.json", s.folder);
    s.options.detections_path = native;
    s.options.detections_coco_path = list;
    s.oracle.fail_at = 2;
    assert_int_equal(evaluate_net(&result, &s.net, &s.predict, s.workers, &s.options),
                     BPNET_ENUMERIC);
    assert_non_null(strstr(error_message(), "the oracle is silent"));
    assert_false(file_exists(native));
    assert_false(file_exists(list));
    s.options.detections_path = "/nowhere/detections.json";
    s.oracle.picture = 0;
    s.calls = 0;
    assert_int_equal(evaluate_net(&result, &s.net, &s.predict, s.workers, &s.options),
                     BPNET_ECREATE);
    close_scene(&s);
}

static void test_the_first_pictures_only(void **state)
{
    (void)state;
    struct scene s;
    struct evaluation result;
    open_scene(&s);
    s.options.max_images = 2;
    assert_int_equal(evaluate_net(&result, &s.net, &s.predict, s.workers, &s.options), 0);
    assert_int_equal(result.coco.n_images, 2);
    assert_int_equal(s.calls, 2);
    close_scene(&s);
}

static void test_a_missing_picture_scores_nothing(void **state)
{
    (void)state;
    struct scene s;
    struct evaluation result;
    char path[256];
    open_scene(&s);
    snprintf(path, sizeof(path), "%s/images/val_0002.jpg", s.folder);
    assert_int_equal(unlink(path), 0);
    s.oracle.missing = 2;
    assert_int_equal(evaluate_net(&result, &s.net, &s.predict, s.workers, &s.options), 0);
    assert_int_equal(result.n_skipped, 1);
    assert_int_equal(result.n_images, dataset.n_val - 1);
    assert_int_equal(result.coco.n_images, dataset.n_val); /* its people count as missed */
    assert_true(result.coco.metric[AR_50] < 1);
    assert_true(result.coco.metric[AP_ALL] > 0.5);
    close_scene(&s);
}

static void test_failures(void **state)
{
    (void)state;
    struct scene s;
    struct evaluation result;
    open_scene(&s);
    s.oracle.fail_at = 3;
    assert_int_equal(evaluate_net(&result, &s.net, &s.predict, s.workers, &s.options),
                     BPNET_ENUMERIC);
    assert_non_null(strstr(error_message(), "val_0003.jpg: the oracle is silent"));
    s.oracle.fail_at = -1;
    s.oracle.picture = 0;
    s.calls = 0;
    s.stop_at = 2;
    assert_int_equal(evaluate_net(&result, &s.net, &s.predict, s.workers, &s.options),
                     BPNET_ESTOPPED);
    assert_int_equal(s.calls, 2);
    s.stop_at = 0;
    s.options.images_root = "/nowhere";
    s.calls = 0;
    assert_int_equal(evaluate_net(&result, &s.net, &s.predict, s.workers, &s.options),
                     BPNET_ENOENT);
    assert_non_null(strstr(error_message(), "not one of its 6 pictures could be read"));
    s.options.annotations = "/nowhere.json";
    assert_int_equal(evaluate_net(&result, &s.net, &s.predict, s.workers, &s.options),
                     BPNET_ENOENT);
    close_scene(&s);
}

int main(void)
{
    log_set_level(LOG_ERROR); /* missing pictures warn */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_perfect_network_scores_near_one),
        cmocka_unit_test(test_result_files_score_the_same),
        cmocka_unit_test(test_a_failure_leaves_no_files),
        cmocka_unit_test(test_the_first_pictures_only),
        cmocka_unit_test(test_a_missing_picture_scores_nothing),
        cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
