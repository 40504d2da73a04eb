/* Every spec file that is shipped, and skeletons other than the built-in one. */
#include "base/error.h"
#include "io/file.h"
#include "pose/skeleton.h"
#include "spec/spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SPECS SOURCE_DIR "/specs/"
#define POSES FIXTURES "/spec/"

static struct experiment_spec *load_experiment(const char *path)
{
    struct experiment_spec *s = NULL;
    if (experiment_spec_load(&s, path, NULL) < 0)
        fail_msg("%s", error_message());
    return s;
}

static struct inference_spec *load_inference(const char *path)
{
    struct inference_spec *s = NULL;
    if (inference_spec_load(&s, path, NULL) < 0)
        fail_msg("%s", error_message());
    return s;
}

/* ---- experiments ------------------------------------------------------------------------- */

static void check_published_data(const struct dataloader_spec *d)
{
    assert_int_equal(d->batch_size, 10);
    assert_int_equal(d->target_h, 32);
    assert_int_equal(d->target_w, 32);
    assert_int_equal(d->image_h, 256);
    assert_int_equal(d->image_w, 256);
    assert_int_equal(d->image_channels, 3);
    assert_string_equal(d->root_data_path, "data/");
    assert_int_equal(d->n_train_records, 1);
    assert_string_equal(d->train_records[0], "train-fold-000-of-001");
    assert_int_equal(d->n_dataset_specs, 1);
    assert_string_equal(d->dataset_specs[0].name, "coco");
    assert_true(file_exists(d->dataset_specs[0].path));
    for (int c = 0; c < 3; c++) {
        assert_true(d->image_scale[c] == 256.0F);
        assert_true(d->image_offset[c] == 0.5F);
    }
    assert_true(d->mask_scale == 255.0F && d->mask_offset == 0.0F);
    assert_int_equal(d->shuffle_buffer_size, 20000);
    assert_true(d->label.heatmap_sigma == 7.0 && d->label.paf_distance == 1.0);
    assert_true(d->label.average_pafs && d->label.centre_pafs && d->label.background_weight == 1.0);
    assert_int_equal(d->augmentation.mode, SPATIAL_PERSON_CENTRIC);
    assert_true(d->augmentation.flip_lr_prob == 0.5 && d->augmentation.flip_tb_prob == 0.0);
    assert_true(d->augmentation.rotate_deg_max == 40.0 && d->augmentation.rotate_deg_min == -40.0);
    assert_true(d->augmentation.translate_min_y == -40.0 &&
                d->augmentation.translate_ratio_max == 0.2 &&
                d->augmentation.target_person_scale == 0.6);
}

static void check_published_model(const struct model_spec *m)
{
    assert_int_equal(m->kind, MODEL_LITE);
    assert_int_equal(m->backbone, BACKBONE_VGG);
    assert_int_equal(m->backbone_layers, 19);
    assert_false(m->backbone_bias);
    assert_true(m->backbone_batch_norm);
    assert_int_equal(m->stages, 3);
    assert_int_equal(m->heat_channels, 19);
    assert_int_equal(m->paf_channels, 38);
    assert_int_equal(m->n_stage1_kernels, 3);
    assert_int_equal(m->stage1_kernels[2], 3);
    assert_int_equal(m->n_stage_t_kernels, 5);
    assert_int_equal(m->stage_t_kernels[4], 7);
    assert_true(m->head_bias && !m->self_attention && m->width_multiplier == 1.0);
    assert_int_equal(m->regularization, REGULARIZE_L1);
    assert_true(m->kernel_regularization == 5e-4 && m->bias_regularization == 0.0);
    assert_int_equal(m->initializer, INIT_RANDOM_NORMAL);
}

static void published_train_spec_has_the_published_values(void **state)
{
    (void)state;
    struct experiment_spec *s = load_experiment(SPECS "bpnet_train_m1_coco.yaml");
    assert_true(s->log_every_n_secs == 30.0);
    assert_int_equal(s->checkpoint_n_epoch, 5);
    assert_int_equal(s->num_epoch, 20);
    assert_int_equal(s->summary_every_n_steps, 20);
    assert_int_equal(s->validation_every_n_epoch, 5);
    assert_int_equal(s->max_ckpt_to_keep, 100);
    assert_int_equal(s->random_seed, 42);
    assert_null(s->pretrained_weights);
    assert_false(s->load_graph);
    assert_false(s->is_finetune);
    assert_true(s->stagewise_lr_multipliers);
    assert_string_equal(s->final_model_name, "bpnet_model");
    check_published_data(&s->data);
    check_published_model(&s->model);
    assert_int_equal(s->optimizer.kind, OPTIMIZER_MOMENTUM);
    assert_true(s->optimizer.momentum == 0.9 && !s->optimizer.nesterov &&
                s->optimizer.weight_default == 1.0);
    assert_int_equal(s->optimizer.schedule.kind, SCHEDULE_SOFTSTART);
    assert_true(s->optimizer.schedule.base_lr == 2e-5 && s->optimizer.schedule.min_lr == 8e-8);
    assert_true(s->optimizer.schedule.soft_start == 0.05 && s->optimizer.schedule.annealing == 0.5);
    assert_false(s->loss.focal);
    assert_true(s->loss.alpha == 0.1 && s->loss.beta == 0.02 && s->loss.gamma == 1.0 &&
                s->loss.background_threshold == 0.01);
    experiment_spec_free(s);
}

static void published_retrain_spec_differs_where_it_should(void **state)
{
    (void)state;
    struct experiment_spec *s = load_experiment(SPECS "bpnet_retrain_m1_coco.yaml");
    assert_int_equal(s->num_epoch, 50);
    assert_true(s->load_graph);
    assert_string_equal(s->pretrained_weights, "out/models/exp_m1_pruned/bpnet_model.bpnet");
    assert_string_equal(s->inference_spec, SPECS "infer_spec_retrained.yaml");
    check_published_data(&s->data);
    check_published_model(&s->model);
    experiment_spec_free(s);
}

static void light_spec_loads(void **state)
{
    (void)state;
    struct experiment_spec *s = load_experiment(SPECS "light/train.yaml");
    assert_int_equal(s->model.kind, MODEL_LIGHT);
    assert_int_equal(s->optimizer.kind, OPTIMIZER_ADAM);
    assert_int_equal(s->optimizer.schedule.kind, SCHEDULE_COSINE);
    assert_int_equal(s->model.heat_channels, 19);
    assert_true(s->ema_decay > 0.0);
    experiment_spec_free(s);
}

/* ---- inference --------------------------------------------------------------------------- */

static void published_inference_specs(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        int h, w, n_scales;
        enum aspect_mode aspect;
    } specs[] = {
        {SPECS "infer_spec.yaml", 368, 368, 1, ASPECT_ADJUST_NETWORK},
        {SPECS "infer_spec_refine.yaml", 368, 368, 4, ASPECT_ADJUST_NETWORK},
        {SPECS "infer_spec_retrained.yaml", 368, 368, 1, ASPECT_ADJUST_NETWORK},
        {SPECS "infer_spec_retrained_refine.yaml", 368, 368, 4, ASPECT_ADJUST_NETWORK},
        {SPECS "infer_spec_strict.yaml", 288, 384, 1, ASPECT_PAD_IMAGE},
        {SPECS "infer_spec_retrained_strict.yaml", 288, 384, 1, ASPECT_PAD_IMAGE},
    };
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
        struct inference_spec *s = load_inference(specs[i].path);
        assert_int_equal(s->options.input_h, specs[i].h);
        assert_int_equal(s->options.input_w, specs[i].w);
        assert_int_equal(s->options.aspect, specs[i].aspect);
        assert_int_equal(s->options.n_scales, specs[i].n_scales);
        assert_true(s->options.scales[0] == (specs[i].n_scales == 1 ? 1.0F : 0.5F));
        assert_int_equal(s->options.upsample_y, 8);
        assert_int_equal(s->options.upsample_x, 8);
        assert_int_equal(s->options.output_stage, 0);
        assert_true(s->options.heat_threshold == 0.1F && s->options.paf_threshold == 0.05F);
        assert_true(file_exists(s->train_spec));
        inference_spec_free(s);
    }
}

/* ---- datasets and poses ------------------------------------------------------------------ */

static void coco_spec(void **state)
{
    (void)state;
    struct dataset_spec *s = NULL;
    assert_int_equal(dataset_spec_load(&s, SPECS "coco_spec.json", NULL), BPNET_OK);
    assert_string_equal(s->dataset, "coco");
    assert_string_equal(s->train.annotation_file, "annotations/person_keypoints_train2017.json");
    assert_string_equal(s->test.mask_root, "val_mask2017");
    assert_int_equal(s->n_keypoints, COCO_KEYPOINTS);
    for (int k = 0; k < COCO_KEYPOINTS; k++)
        assert_string_equal(s->keypoints[k], coco_keypoint_names[k]);
    assert_int_equal(s->flag_map[0], VIS_NOT_LABELLED);
    assert_int_equal(s->flag_map[1], VIS_OCCLUDED);
    assert_int_equal(s->flag_map[2], VIS_VISIBLE);
    assert_true(s->duplicate_per_person);
    assert_true(s->min_height == 32.0 && s->min_width == 32.0 && s->min_distance_ratio == 0.3);
    assert_int_equal(s->min_keypoints, 5);
    dataset_spec_free(s);
}

static void pose_config_is_the_built_in_skeleton(void **state)
{
    (void)state;
    struct skeleton file, built_in;
    skeleton_default(&built_in);
    assert_int_equal(pose_config_load(&file, SPECS "bpnet_18joints.json"), BPNET_OK);
    assert_memory_equal(&file, &built_in, sizeof file);
}

static void other_skeletons(void **state)
{
    (void)state;
    struct skeleton s;
    assert_int_equal(pose_config_load(&s, POSES "lsp_14joints.json"), BPNET_OK);
    assert_int_equal(s.n_joints, 14);
    assert_int_equal(s.n_limbs, 13);
    assert_int_equal(s.limbs[0][0], skeleton_joint(&s, "head_top"));
    assert_int_equal(s.limbs[0][1], skeleton_joint(&s, "neck"));
    assert_int_equal(s.mirror[skeleton_joint(&s, "left_knee")], skeleton_joint(&s, "right_knee"));
    assert_int_equal(s.mirror[skeleton_joint(&s, "neck")], skeleton_joint(&s, "neck"));
    assert_int_equal(pose_config_load(&s, POSES "hand_21joints.json"), BPNET_OK);
    assert_int_equal(s.n_joints, 21);
    assert_int_equal(s.n_limbs, 20);
    assert_string_equal(s.category, "hand");
    for (int j = 0; j < s.n_joints; j++)
        assert_int_equal(s.mirror[j], j);
}

/* A spec for another skeleton needs no channel counts; those of a person's are refused. */
static void channels_follow_the_skeleton(void **state)
{
    (void)state;
    const char *items[] = {"dataloader.pose_config.pose_config_path=" POSES "hand_21joints.json",
                           "model.heat_channels=null", "model.paf_channels=null"};
    const struct spec_overrides overrides = {items, 3}, wrong = {items, 1};
    struct experiment_spec *s = NULL;
    assert_int_equal(experiment_spec_load(&s, SPECS "bpnet_train_m1_coco.yaml", &overrides),
                     BPNET_OK);
    assert_int_equal(s->model.heat_channels, 22);
    assert_int_equal(s->model.paf_channels, 40);
    assert_int_equal(s->skeleton.n_joints, 21);
    experiment_spec_free(s);
    assert_int_equal(experiment_spec_load(&s, SPECS "bpnet_train_m1_coco.yaml", &wrong),
                     BPNET_ECONFIG);
    assert_null(s);
    assert_non_null(strstr(error_message(), "model.heat_channels: found 19, expected 22"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_train_spec_has_the_published_values),
        cmocka_unit_test(published_retrain_spec_differs_where_it_should),
        cmocka_unit_test(light_spec_loads),
        cmocka_unit_test(published_inference_specs),
        cmocka_unit_test(coco_spec),
        cmocka_unit_test(pose_config_is_the_built_in_skeleton),
        cmocka_unit_test(other_skeletons),
        cmocka_unit_test(channels_follow_the_skeleton),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
