/* Inference specs, dataset specs and pose configs: values, defaults, and errors to the letter. */
#include "base/error.h"
#include "base/str.h"
#include "io/file.h"
#include "spec/spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = P_tmpdir "/bpnet-spec-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char **names = NULL;
    size_t n = 0;
    if (folder_list(&names, &n, folder, NULL) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        char *path = path_join(folder, names[i]);
        unlink(path);
        free(path);
    }
    free(names);
    return rmdir(folder);
}

/* A file in the folder; fresh. */
static char *put(const char *name, const char *text)
{
    char *path = path_join(folder, name);
    assert_non_null(path);
    assert_int_equal(file_write(path, text, strlen(text)), BPNET_OK);
    return path;
}

/* error_message() is the file's name and this. */
static void assert_message(const char *path, const char *message)
{
    if (strncmp(error_message(), path, strlen(path)) != 0)
        fail_msg("'%s' does not begin with '%s'", error_message(), path);
    assert_string_equal(error_message() + strlen(path), message);
}

/* ---- inference --------------------------------------------------------------------------- */

static struct inference_spec *load_inference(const char *text)
{
    char *path = put("i.yaml", text);
    struct inference_spec *s = NULL;
    if (inference_spec_load(&s, path, NULL) < 0)
        fail_msg("%s", error_message());
    free(path);
    return s;
}

static void inference_defaults_are_the_predictors(void **state)
{
    (void)state;
    struct inference_spec *s = load_inference("{}");
    struct predict_options o;
    predict_options_default(&o);
    assert_int_equal(s->options.input_h, o.input_h);
    assert_int_equal(s->options.input_w, o.input_w);
    assert_int_equal(s->options.aspect, o.aspect);
    assert_int_equal(s->options.upsample_y, o.upsample_y);
    assert_int_equal(s->options.upsample_x, o.upsample_x);
    assert_int_equal(s->options.output_stage, o.output_stage);
    assert_true(s->options.heat_threshold == o.heat_threshold);
    assert_true(s->options.paf_threshold == o.paf_threshold);
    assert_int_equal(s->options.n_scales, o.n_scales);
    assert_true(s->options.scales[0] == o.scales[0]);
    assert_int_equal(s->options.flip_test, o.flip_test);
    assert_int_equal(s->options.peaks, o.peaks);
    assert_int_equal(s->options.compat, o.compat);
    assert_int_equal(s->options.min_joints, o.min_joints);
    assert_true(s->options.min_score_per_joint == o.min_score_per_joint);
    assert_true(s->options.min_limb_share == o.min_limb_share);
    assert_int_equal(s->options.max_people, o.max_people);
    assert_null(s->model_path);
    assert_null(s->train_spec);
    assert_string_equal(s->text, "{}");
    inference_spec_free(s);
}

/* The original crashes on a null factor and refuses the word None. */
static void inference_quirks_are_mended(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum aspect_mode aspect;
    } cases[] = {
        {"keep_aspect_ratio_mode: None", ASPECT_STRETCH},
        {"keep_aspect_ratio_mode: null", ASPECT_STRETCH},
        {"keep_aspect_ratio_mode:", ASPECT_STRETCH},
        {"output_upsampling_factor: null", ASPECT_ADJUST_NETWORK},
        {"keep_aspect_ratio_mode: pad_image_input", ASPECT_PAD_IMAGE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct inference_spec *s = load_inference(cases[i].text);
        assert_int_equal(s->options.aspect, cases[i].aspect);
        assert_int_equal(s->options.upsample_y, 0);
        assert_int_equal(s->options.upsample_x, 0);
        inference_spec_free(s);
    }
}

static void inference_values_arrive(void **state)
{
    (void)state;
    free(put("train.yaml", "{}"));
    struct inference_spec *s =
        load_inference("model_path: m.bpnet\n"
                       "train_spec: train.yaml\n"
                       "input_shape: [288, 384]\n"
                       "output_stage_to_use: 2\n"
                       "output_upsampling_factor: [4, 2]\n"
                       "heatmap_threshold: 0.2\n"
                       "paf_threshold: 0.07\n"
                       "multi_scale_inference: True\n"
                       "scales: [0.5, 1, 1.5]\n"
                       "peaks: engine\nflip_test: yes\ncompat: yes\n"
                       "min_joints: 3\nmin_score_per_joint: 0.3\nmin_limb_share: 0.7\n"
                       "max_people: 20\n");
    const struct predict_options *o = &s->options;
    char *beside = path_join(folder, "train.yaml");
    assert_string_equal(s->model_path, "m.bpnet"); /* not there: as written */
    assert_string_equal(s->train_spec, beside);
    assert_int_equal(o->input_h, 288);
    assert_int_equal(o->input_w, 384);
    assert_int_equal(o->output_stage, 2);
    assert_int_equal(o->upsample_y, 4);
    assert_int_equal(o->upsample_x, 2);
    assert_true(o->heat_threshold == 0.2F && o->paf_threshold == 0.07F);
    assert_int_equal(o->n_scales, 3);
    assert_true(o->scales[0] == 0.5F && o->scales[1] == 1.0F && o->scales[2] == 1.5F);
    assert_int_equal(o->peaks, PEAKS_ENGINE);
    assert_true(o->flip_test && o->compat);
    assert_int_equal(o->min_joints, 3);
    assert_true(o->min_score_per_joint == 0.3F && o->min_limb_share == 0.7F);
    assert_int_equal(o->max_people, 20);
    assert_non_null(strstr(s->text, "\"multi_scale_inference\": true, \"scales\": [0.5, 1, 1.5]"));
    free(beside);
    inference_spec_free(s);
}

static void inference_errors(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"keep_aspect_ratio_mode: pad_image_inputs\n",
         ":1:25: keep_aspect_ratio_mode: found a string 'pad_image_inputs', expected "
         "adjust_network_input, pad_image_input, null or None; did you mean 'pad_image_input'?\n"
         "keep_aspect_ratio_mode: pad_image_inputs\n                        ^"},
        {"scales: []\n", ":1:9: scales: found a list of 0, expected a list of 1 to 16 numbers "
                         "above 0 and at most 16\nscales: []\n        ^"},
        {"scales: [1, 0]\n", ":1:13: scales[1]: found an integer 0, expected a list of 1 to 16 "
                             "numbers above 0 and at most 16\nscales: [1, 0]\n            ^"},
        {"input_shape: 368\n", ":1:14: input_shape: found an integer 368, expected a list of 2 "
                               "integers from 8 to 8192\ninput_shape: 368\n             ^"},
        {"treshold: 1\nheatmap_treshold: 1\n", ":1:1: unknown key 'treshold'\ntreshold: 1\n^"},
        {"heatmap_treshold: 1\n", ":1:1: unknown key 'heatmap_treshold', did you mean "
                                  "'heatmap_threshold'?\nheatmap_treshold: 1\n^"},
        {"[1]\n", ":1:1: Inference spec: found a list of 1, expected a mapping\n[1]\n^"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *path = put("i.yaml", cases[i].text);
        struct inference_spec *s = NULL;
        assert_int_equal(inference_spec_load(&s, path, NULL), BPNET_ECONFIG);
        assert_null(s);
        assert_message(path, cases[i].message);
        free(path);
    }
}

static void inference_without_a_file(void **state)
{
    (void)state;
    const char *const set[] = {"heatmap_threshold=0.25", "input_shape=[256, 320]"};
    struct inference_spec *s;
    assert_int_equal(inference_spec_load(&s, NULL, NULL), 0);
    assert_int_equal(s->options.input_h, 288);
    assert_int_equal(s->options.input_w, 384);
    assert_int_equal(s->options.aspect, ASPECT_PAD_IMAGE);
    assert_null(s->model_path);
    assert_string_equal(s->path, "");
    inference_spec_free(s);
    assert_int_equal(inference_spec_load(&s, NULL, &(struct spec_overrides){set, 2}), 0);
    assert_int_equal(s->options.input_w, 320);
    assert_true(s->options.heat_threshold == 0.25f);
    inference_spec_free(s);
    const char *const wrong[] = {"heatmap_treshold=0.25"};
    assert_int_equal(inference_spec_load(&s, NULL, &(struct spec_overrides){wrong, 1}),
                     BPNET_ECONFIG);
}

/* ---- datasets ---------------------------------------------------------------------------- */

static const char small_dataset[] =
    "{\"dataset\": \"d\", \"categories\": [{\"name\": \"hand\", \"keypoints\": [\"a\", \"b\"]}]}\n";

static void dataset_defaults(void **state)
{
    (void)state;
    char *path = put("d.json", small_dataset);
    struct dataset_spec *s = NULL;
    if (dataset_spec_load(&s, path, NULL) < 0)
        fail_msg("%s", error_message());
    assert_string_equal(s->path, path);
    assert_string_equal(s->root, "");
    assert_string_equal(s->train.images_root, "");
    assert_string_equal(s->test.annotation_file, "");
    assert_true(s->duplicate_per_person);
    assert_int_equal(s->n_keypoints, 2);
    assert_string_equal(s->keypoints[1], "b");
    assert_int_equal(s->flag_map[0], VIS_NOT_LABELLED);
    assert_int_equal(s->flag_map[1], VIS_OCCLUDED);
    assert_int_equal(s->flag_map[2], VIS_VISIBLE);
    assert_int_equal(s->flag_map[7], VIS_NOT_LABELLED);
    assert_true(s->min_height == 32.0 && s->min_distance_ratio == 0.3);
    dataset_spec_free(s);
    free(path);
}

static void dataset_in_yaml_with_its_own_flags(void **state)
{
    (void)state;
    char *path =
        put("d.yaml", "dataset: own\nroot_directory_path: r\n"
                      "train_data: {images_root_dir_path: i, annotation_root_dir_path: a.json}\n"
                      "duplicate_data_with_each_person_as_center: no\n"
                      "categories:\n"
                      "- {name: dog, keypoints: [x]}\n"
                      "- {name: person, num_joints: 1, keypoints: [p], skeleton: nonsense}\n"
                      "visibility_flags:\n"
                      "  value: {seen: 5, guessed: 7, cut: 0}\n"
                      "  mapping: {seen: visible, guessed: annotatable, cut: truncated}\n"
                      "data_filtering_params: {min_acceptable_kpts: 1}\n");
    static const char *const items[] = {"dataset=other"};
    const struct spec_overrides overrides = {items, 1};
    struct dataset_spec *s = NULL;
    if (dataset_spec_load(&s, path, &overrides) < 0)
        fail_msg("%s", error_message());
    assert_string_equal(s->dataset, "other");
    assert_string_equal(s->train.annotation_file, "a.json");
    assert_string_equal(s->train.mask_root, "");
    assert_false(s->duplicate_per_person);
    assert_int_equal(s->n_keypoints, 1);
    assert_string_equal(s->keypoints[0], "p");
    assert_int_equal(s->flag_map[5], VIS_VISIBLE);
    assert_int_equal(s->flag_map[7], VIS_ANNOTATABLE);
    assert_int_equal(s->flag_map[0], VIS_TRUNCATED);
    assert_int_equal(s->flag_map[2], VIS_NOT_LABELLED);
    assert_int_equal(s->min_keypoints, 1);
    dataset_spec_free(s);
    free(path);
}

static void dataset_errors(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"dataset: d\n", ":1:1: missing key 'categories'\ndataset: d\n^"},
        {"dataset: d\ncategories: []\n",
         ":2:13: categories: found a list of 0, expected a list of at least one\n"
         "categories: []\n            ^"},
        {"dataset: d\ncategories: [{name: a, keypoints: [x]}, {name: b, keypoints: [x]}]\n",
         ":2:13: categories: none of the 2 is named 'person'\n"
         "categories: [{name: a, keypoints: [x]}, {name: b, keypoints: [x]}]\n            ^"},
        {"dataset: d\ncategories: [{keypoints: [x, y], num_joints: 3}]\n",
         ":2:46: num_joints is 3, but there are 2 keypoints\n"
         "categories: [{keypoints: [x, y], num_joints: 3}]\n"
         "                                             ^"},
        {"dataset: d\ncategories: [{keypoints: [x]}]\nvisibility_flags: {value: {v: 8}, mapping: "
         "{v: visible}}\n",
         ":3:31: visibility_flags.value.v: found an integer 8, expected an integer from 0 to 7\n"
         "visibility_flags: {value: {v: 8}, mapping: {v: visible}}\n"
         "                              ^"},
        {"dataset: d\ncategories: [{keypoints: [x]}]\nvisibility_flags: {value: {v: 1}, mapping: "
         "{v: seen}}\n",
         ":3:48: visibility_flags.mapping.v: found a string 'seen', expected visible, annotatable, "
         "occluded, truncated, not_labeled or not_labeled_in_dataset\n"
         "visibility_flags: {value: {v: 1}, mapping: {v: seen}}\n"
         "                                               ^"},
        {"dataset: d\ncategories: [{keypoints: [x]}]\nvisibility_flags: {value: {v: 1}, mapping: "
         "{}}\n",
         ":3:28: 'v' has a value but no entry in visibility_flags.mapping\n"
         "visibility_flags: {value: {v: 1}, mapping: {}}\n                           ^"},
        {"dataset: d\ncategories: [{keypoints: [x]}]\nvisibility_flags: {value: {}, mapping: "
         "{v: visible}}\n",
         ":3:41: 'v' has a meaning but no entry in visibility_flags.value\n"
         "visibility_flags: {value: {}, mapping: {v: visible}}\n"
         "                                        ^"},
        {"dataset: d\ncategories: [{keypoints: [x]}]\nvisibility_flags: 3\n",
         ":3:19: visibility_flags: expected the mappings 'value' and 'mapping'\n"
         "visibility_flags: 3\n                  ^"},
        {"dataset: d\ncategories: [{keypoints: [x]}]\ntest_data: {images_root_dir_path: i}\n",
         ":3:1: missing key 'annotation_root_dir_path' in test_data\n"
         "test_data: {images_root_dir_path: i}\n^"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *path = put("d.yaml", cases[i].text);
        struct dataset_spec *s = NULL;
        assert_int_equal(dataset_spec_load(&s, path, NULL), BPNET_ECONFIG);
        assert_null(s);
        assert_message(path, cases[i].message);
        free(path);
    }
    struct dataset_spec *s = NULL;
    assert_int_equal(dataset_spec_load(&s, "d.txt", NULL), BPNET_ECONFIG);
    assert_string_equal(error_message(), "d.txt: a dataset spec is a .json or .yaml file");
    assert_int_equal(dataset_spec_load(&s, "/nowhere/d.json", NULL), BPNET_ENOENT);
}

/* ---- poses ------------------------------------------------------------------------------- */

static void pose_errors(void **state)
{
    (void)state;
    static const struct {
        const char *category, *message;
    } cases[] = {
        {"keypoints: [a, b], skeleton: [[1, 3]]",
         ":1:49: categories[0].skeleton[0][1]: found an integer 3, expected a joint from 1 to 2\n"},
        {"keypoints: [a, b], skeleton: [[0, 1]]",
         ":1:46: categories[0].skeleton[0][0]: found an integer 0, expected a joint from 1 to 2\n"},
        {"keypoints: [a, b], skeleton: [[1, b]]",
         ":1:49: categories[0].skeleton[0][1]: found a string 'b', expected a joint from 1 to 2\n"},
        {"keypoints: [a, b], skeleton: [[1, 2], [2, 2]]",
         ":1:53: categories[0].skeleton[1]: a limb from joint 2 to itself\n"},
        {"keypoints: [a, b], skeleton: [[1, 2], [2, 1]]",
         ":1:53: categories[0].skeleton[1]: the limb 2-1 stands in the list already\n"},
        {"keypoints: [a, b], skeleton: [[1, 2, 2]]",
         ":1:45: categories[0].skeleton[0]: found a list of 3, expected a pair of joints\n"},
        {"keypoints: [a, b], skeleton: []",
         ":1:44: categories[0].skeleton: found a list of 0, expected a list of 1 to 256 pairs of "
         "joints\n"},
        {"keypoints: [a, b]", ":1:14: missing key 'skeleton' in categories[0]\n"},
        {"keypoints: [a, b, a], skeleton: [[1, 2]]",
         ":1:33: categories[0].keypoints[2]: 'a' is the name of keypoint 0 already\n"},
        {"keypoints: [a, ''], skeleton: [[1, 2]]",
         ":1:30: categories[0].keypoints[1]: a name of 0 characters, expected 1 to 47\n"},
        {"keypoints: [], skeleton: [[1, 2]]",
         ":1:42: categories[0].skeleton[0][0]: found an integer 1, expected a joint from 1 to 0\n"},
        {"keypoints: [a], num_joints: 2, skeleton: [[1, 2]]",
         ":1:61: categories[0].skeleton[0][1]: found an integer 2, expected a joint from 1 to 1\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct str text = {0}, expected = {0};
        struct skeleton s;
        str_printf(&text, "categories: [{%s}]\n", cases[i].category);
        char *path = put("p.json", str_text(&text));
        assert_int_equal(pose_config_load(&s, path), BPNET_ECONFIG);
        str_append(&expected, cases[i].message);
        str_append(&expected, str_text(&text));
        const char *at = strchr(cases[i].message + 3, ':');
        const int column = atoi(cases[i].message + 3);
        assert_non_null(at);
        str_printf(&expected, "%*s^", column - 1, "");
        assert_message(path, str_text(&expected));
        str_free(&text);
        str_free(&expected);
        free(path);
    }
}

static void pose_names_are_bounded(void **state)
{
    (void)state;
    struct str text = {0};
    struct skeleton s;
    for (int i = 0; i <= SKELETON_MAX_JOINTS; i++)
        str_printf(&text, "%sj%d", i ? ", " : "categories: [{skeleton: [[1, 2]], keypoints: [", i);
    str_append(&text, "]}]");
    char *path = put("p.json", str_text(&text));
    assert_int_equal(pose_config_load(&s, path), BPNET_ECONFIG);
    assert_non_null(strstr(error_message(), "found 129 names, expected 1 to 128"));
    free(path);
    str_clear(&text);
    str_printf(&text, "{pose_config_type: %048d, categories: [{keypoints: [a, b]}]}", 0);
    path = put("p.json", str_text(&text));
    assert_int_equal(pose_config_load(&s, path), BPNET_ECONFIG);
    free(path);
    str_clear(&text);
    str_printf(
        &text,
        "{pose_config_type: 'x%047d', categories: [{keypoints: [a, b], skeleton: [[1, 2]]}]}", 0);
    path = put("p.json", str_text(&text));
    assert_int_equal(pose_config_load(&s, path), BPNET_ECONFIG);
    assert_non_null(strstr(error_message(), ":1:20: pose_config_type: a name of 48 characters, "
                                            "expected at most 47\n"));
    free(path);
    str_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inference_defaults_are_the_predictors),
        cmocka_unit_test(inference_without_a_file),
        cmocka_unit_test(inference_quirks_are_mended),
        cmocka_unit_test(inference_values_arrive),
        cmocka_unit_test(inference_errors),
        cmocka_unit_test(dataset_defaults),
        cmocka_unit_test(dataset_in_yaml_with_its_own_flags),
        cmocka_unit_test(dataset_errors),
        cmocka_unit_test(pose_errors),
        cmocka_unit_test(pose_names_are_bounded),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
