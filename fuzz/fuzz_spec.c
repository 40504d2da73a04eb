/*
 * Any bytes as every kind of spec file. What is taken keeps what the headers promise: the resolved
 * experiment loads again to the same text, a skeleton is within its bounds, the JSON of an
 * inference spec is JSON. What is refused says so with the file's name.
 */
#include "base/error.h"
#include "base/log.h"
#include "fuzz.h"
#include "io/json.h"
#include "spec/doc.h"
#include "spec/spec.h"

#include <string.h>
#include <unistd.h>

static char folder[] = P_tmpdir "/bpnet-fuzz-XXXXXX";
static char *yaml_path, *json_path;

static void clean_up(void)
{
    unlink(yaml_path);
    unlink(json_path);
    rmdir(folder);
    free(yaml_path);
    free(json_path);
}

static void make_folder(void)
{
    if (yaml_path)
        return;
    require(mkdtemp(folder));
    yaml_path = path_join(folder, "it.yaml");
    json_path = path_join(folder, "it.json");
    require(yaml_path && json_path && symlink("it.yaml", json_path) == 0);
    log_set_level(LOG_QUIET);
    atexit(clean_up);
}

/* Plainly, into a fresh file: outputs that outlast a crash would wait for the disk every time. */
static void put(const void *bytes, size_t size)
{
    unlink(yaml_path);
    FILE *file = fopen(yaml_path, "wb");
    require(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
}

static void expect_story(int code)
{
    require(code == BPNET_ECONFIG || code == BPNET_ELIMIT || code == BPNET_ENOENT);
    require(strncmp(error_message(), folder, strlen(folder)) == 0 ||
            strncmp(error_message(), "--set ", 6) == 0);
}

static void try_tree(const void *bytes, size_t size, const char *name)
{
    struct doc doc;
    struct json *json;
    const int code = doc_parse(&doc, bytes, size, name, NULL);
    if (code < 0) {
        require(code == BPNET_ECONFIG || code == BPNET_ELIMIT);
        return;
    }
    struct str text = {0};
    doc_print_json(&text, doc.root);
    require(json_parse(&json, text.text, text.length, "it") == BPNET_OK);
    json_free(json);
    str_free(&text);
    doc_free(&doc);
}

/* With a pose config that is there, so that the checks behind it are reached. */
static void try_experiment(void)
{
    static const char *const items[] = {"dataloader.pose_config.pose_config_path=" SOURCE_DIR
                                        "/specs/bpnet_18joints.json"};
    const struct spec_overrides overrides = {items, 1};
    struct experiment_spec *s;
    const int code = experiment_spec_load(&s, yaml_path, &overrides);
    if (code < 0) {
        expect_story(code);
        return;
    }
    char *first = experiment_spec_text(s);
    experiment_spec_free(s);
    require(first);
    put(first, strlen(first));
    require(experiment_spec_load(&s, yaml_path, NULL) == BPNET_OK);
    char *second = experiment_spec_text(s);
    require(second && strcmp(first, second) == 0);
    experiment_spec_free(s);
    free(first);
    free(second);
}

static void try_inference(void)
{
    struct inference_spec *s;
    const int code = inference_spec_load(&s, yaml_path, NULL);
    if (code < 0) {
        expect_story(code);
        return;
    }
    const struct predict_options *o = &s->options;
    require(o->input_h > 0 && o->input_w > 0 && o->n_scales > 0 &&
            o->n_scales <= PREDICT_MAX_SCALES && o->min_joints > 0);
    for (int i = 0; i < o->n_scales; i++)
        require(o->scales[i] > 0 && o->scales[i] <= 16);
    inference_spec_free(s);
}

static void try_dataset(const char *path)
{
    struct dataset_spec *s;
    const int code = dataset_spec_load(&s, path, NULL);
    if (code < 0) {
        expect_story(code);
        return;
    }
    require(s->n_keypoints > 0 && s->train.images_root && s->test.annotation_file);
    for (int k = 0; k < s->n_keypoints; k++)
        require(strlen(s->keypoints[k]) > 0);
    for (size_t i = 0; i < sizeof s->flag_map / sizeof *s->flag_map; i++)
        require(s->flag_map[i] <= VIS_NOT_IN_DATASET);
    dataset_spec_free(s);
}

static void try_pose(const char *path)
{
    static struct skeleton s;
    const int code = pose_config_load(&s, path);
    if (code < 0) {
        expect_story(code);
        return;
    }
    require(s.n_joints > 0 && s.n_joints <= SKELETON_MAX_JOINTS);
    require(s.n_limbs > 0 && s.n_limbs <= SKELETON_MAX_LIMBS);
    for (int k = 0; k < s.n_limbs; k++)
        for (int end = 0; end < 2; end++)
            require(s.limbs[k][end] >= 0 && s.limbs[k][end] < s.n_joints);
    for (int j = 0; j < s.n_joints; j++)
        require(s.mirror[j] >= 0 && s.mirror[j] < s.n_joints && s.mirror[s.mirror[j]] == j);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    make_folder();
    try_tree(bytes, size, "it.yaml");
    try_tree(bytes, size, "it.json");
    put(bytes, size);
    try_inference();
    try_dataset(yaml_path);
    try_dataset(json_path);
    try_pose(yaml_path);
    try_pose(json_path);
    try_experiment(); /* last: it writes the file anew */
    return 0;
}
