/* Stick people: poses, drawing, and the files of a whole dataset. */
#define _GNU_SOURCE
#include "stickfigure.h"

#include "base/error.h"
#include "base/str.h"
#include "io/json.h"
#include "pose/skeleton.h"

#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_PEOPLE = 8 };

enum keypoint {
    NOSE,
    LEFT_EYE,
    RIGHT_EYE,
    LEFT_EAR,
    RIGHT_EAR,
    LEFT_SHOULDER,
    RIGHT_SHOULDER,
    LEFT_ELBOW,
    RIGHT_ELBOW,
    LEFT_WRIST,
    RIGHT_WRIST,
    LEFT_HIP,
    RIGHT_HIP,
    LEFT_KNEE,
    RIGHT_KNEE,
    LEFT_ANKLE,
    RIGHT_ANKLE
};

static const uint8_t red[3] = {220, 40, 40}, blue[3] = {40, 60, 220}, green[3] = {40, 160, 60},
                     skin[3] = {235, 190, 150}, dark[3] = {20, 20, 20};

/* ---- poses and drawing ------------------------------------------------------------------- */

/* `length` from a to b at `angle` from straight down, positive to the right. */
static void hang(double keypoints[][3], int a, int b, double angle, double length)
{
    keypoints[b][0] = keypoints[a][0] + length * sin(angle);
    keypoints[b][1] = keypoints[a][1] + length * cos(angle);
    keypoints[b][2] = 2;
}

static void place(double keypoints[][3], int k, double x, double y)
{
    keypoints[k][0] = x;
    keypoints[k][1] = y;
    keypoints[k][2] = 2;
}

static double rounded(double x)
{
    return round(10 * x) / 10;
}

struct stick_person stick_person_make(struct rng *rng, double x, double y, double height)
{
    struct stick_person p = {0};
    double(*k)[3] = p.keypoints;
    const double u = height;
    for (int side = 0; side < 2; side++) { /* 0: left, on the picture's right */
        const double s = side == 0 ? 1 : -1;
        place(k, LEFT_EYE + side, x + s * 0.025 * u, y - 0.44 * u);
        place(k, LEFT_EAR + side, x + s * 0.055 * u, y - 0.42 * u);
        place(k, LEFT_SHOULDER + side, x + s * 0.10 * u, y - 0.30 * u);
        place(k, LEFT_HIP + side, x + s * 0.06 * u, y + 0.02 * u);
        const double arm = s * rng_range(rng, 0.1, 1.4), leg = s * rng_range(rng, 0.0, 0.4);
        hang(k, LEFT_SHOULDER + side, LEFT_ELBOW + side, arm, 0.17 * u);
        hang(k, LEFT_ELBOW + side, LEFT_WRIST + side, arm + s * rng_range(rng, -0.2, 0.9),
             0.15 * u);
        hang(k, LEFT_HIP + side, LEFT_KNEE + side, leg, 0.23 * u);
        hang(k, LEFT_KNEE + side, LEFT_ANKLE + side, leg - s * rng_range(rng, 0.0, 0.3), 0.22 * u);
    }
    place(k, NOSE, x, y - 0.41 * u);
    double low[2] = {x, y - 0.49 * u}, high[2] = {x, y};
    for (int i = 0; i < STICK_KEYPOINTS; i++)
        for (int d = 0; d < 2; d++) {
            k[i][d] = rounded(k[i][d]);
            low[d] = fmin(low[d], k[i][d]);
            high[d] = fmax(high[d], k[i][d]);
        }
    const double margin = 0.03 * u;
    for (int d = 0; d < 2; d++) {
        p.bbox[d] = rounded(low[d] - margin);
        p.bbox[2 + d] = rounded(high[d] - low[d] + 2 * margin);
    }
    p.area = rounded(0.5 * p.bbox[2] * p.bbox[3]);
    return p;
}

/* Everything nearer than `radius` to the line from a to b. */
static void draw_limb(struct image *image, const double *a, const double *b, double radius,
                      const uint8_t colour[3])
{
    const int x0 = (int)fmax(0, floor(fmin(a[0], b[0]) - radius));
    const int x1 = (int)fmin(image->w - 1, ceil(fmax(a[0], b[0]) + radius));
    const int y0 = (int)fmax(0, floor(fmin(a[1], b[1]) - radius));
    const int y1 = (int)fmin(image->h - 1, ceil(fmax(a[1], b[1]) + radius));
    const double vx = b[0] - a[0], vy = b[1] - a[1], length = vx * vx + vy * vy;
    for (int y = y0; y <= y1; y++)
        for (int x = x0; x <= x1; x++) {
            const double px = x - a[0], py = y - a[1];
            const double along = length > 0 ? fmin(1, fmax(0, (px * vx + py * vy) / length)) : 0;
            if (hypot(px - along * vx, py - along * vy) <= radius)
                memcpy(image->pixels + 3 * ((size_t)y * (size_t)image->w + (size_t)x), colour, 3);
        }
}

void stick_person_draw(struct image *image, const struct stick_person *p)
{
    const double(*k)[3] = p->keypoints;
    const double u = p->bbox[3], thick = fmax(1.0, 0.022 * u);
    const double hips[2] = {(k[LEFT_HIP][0] + k[RIGHT_HIP][0]) / 2,
                            (k[LEFT_HIP][1] + k[RIGHT_HIP][1]) / 2};
    const double neck[2] = {(k[LEFT_SHOULDER][0] + k[RIGHT_SHOULDER][0]) / 2,
                            (k[LEFT_SHOULDER][1] + k[RIGHT_SHOULDER][1]) / 2};
    draw_limb(image, neck, hips, 2.5 * thick, green);
    draw_limb(image, k[LEFT_SHOULDER], k[RIGHT_SHOULDER], thick, green);
    for (int side = 0; side < 2; side++) {
        const uint8_t *colour = side == 0 ? red : blue;
        draw_limb(image, k[LEFT_SHOULDER + side], k[LEFT_ELBOW + side], thick, colour);
        draw_limb(image, k[LEFT_ELBOW + side], k[LEFT_WRIST + side], thick, colour);
        draw_limb(image, k[LEFT_HIP + side], k[LEFT_KNEE + side], thick, colour);
        draw_limb(image, k[LEFT_KNEE + side], k[LEFT_ANKLE + side], thick, colour);
    }
    draw_limb(image, k[NOSE], neck, thick, skin);
    draw_limb(image, k[NOSE], k[NOSE], 0.065 * u, skin);
    for (int side = 0; side < 2; side++) {
        const uint8_t *colour = side == 0 ? red : blue;
        draw_limb(image, k[LEFT_EAR + side], k[LEFT_EAR + side], 0.015 * u, colour);
        draw_limb(image, k[LEFT_EYE + side], k[LEFT_EYE + side], 0.01 * u, dark);
    }
    draw_limb(image, k[NOSE], k[NOSE], 0.01 * u, green);
}

/* ---- the dataset ------------------------------------------------------------------------- */

static struct stick_dataset filled_in(const struct stick_dataset *options)
{
    struct stick_dataset o = *options;
    o.w = o.w ? o.w : 160;
    o.h = o.h ? o.h : 128;
    o.max_people = o.max_people ? o.max_people : 2;
    if (o.max_people > MAX_PEOPLE)
        o.max_people = MAX_PEOPLE;
    o.net_w = o.net_w ? o.net_w : 64;
    o.net_h = o.net_h ? o.net_h : 64;
    o.num_epoch = o.num_epoch ? o.num_epoch : 2;
    o.batch_size = o.batch_size ? o.batch_size : 2;
    return o;
}

int stick_dataset_people(const struct stick_dataset *options, bool train, int index,
                         struct stick_person *people, int max)
{
    const struct stick_dataset o = filled_in(options);
    struct rng rng = rng_stream(o.seed, train ? 1 : 2, (uint64_t)index);
    const int n = (int)rng_integer(&rng, 1, o.max_people);
    for (int i = 0; i < n && i < max; i++) { /* side by side */
        const double height = rng_range(&rng, 0.6, 0.85) * o.h;
        const double x = o.w * (i + 0.5) / n + rng_range(&rng, -0.03, 0.03) * o.w;
        people[i] = stick_person_make(&rng, x, o.h * 0.52, height);
    }
    return n < max ? n : max;
}

static void picture_name(char name[32], bool train, int index)
{
    snprintf(name, 32, "%s_%04d.jpg", train ? "train" : "val", index);
}

static int write_picture(const char *folder, const struct stick_dataset *o, bool train, int index)
{
    struct image image;
    int err = image_alloc(&image, o->w, o->h, 3);
    if (err < 0)
        return err;
    struct rng rng = rng_stream(o->seed, train ? 3 : 4, (uint64_t)index);
    const int base = (int)rng_integer(&rng, 90, 200);
    for (int y = 0; y < o->h; y++)
        for (int x = 0; x < o->w; x++)
            for (int c = 0; c < 3; c++)
                image.pixels[3 * (y * o->w + x) + c] = (uint8_t)(base + 20 * y / o->h + 5 * c);
    struct stick_person people[MAX_PEOPLE];
    const int n = stick_dataset_people(o, train, index, people, MAX_PEOPLE);
    for (int i = 0; i < n; i++)
        stick_person_draw(&image, &people[i]);
    char name[32];
    picture_name(name, train, index);
    struct str path = {0};
    str_printf(&path, "%s/images/%s", folder, name);
    err = image_save(&image, str_text(&path), 92);
    str_free(&path);
    image_free(&image);
    return err;
}

static void write_member(struct json_writer *w, const char *key, int64_t value)
{
    json_write_key(w, key);
    json_write_integer(w, value);
}

static void write_numbers(struct json_writer *w, const char *key, const double *numbers, int n)
{
    json_write_key(w, key);
    json_begin_array(w);
    for (int i = 0; i < n; i++)
        json_write_number(w, numbers[i]);
    json_end_array(w);
}

static void write_category(struct json_writer *w, const char *const *names, int n)
{
    json_begin_object(w);
    json_write_key(w, "supercategory");
    json_write_string(w, "person");
    write_member(w, "id", 1);
    json_write_key(w, "name");
    json_write_string(w, "person");
    write_member(w, "num_joints", n);
    json_write_key(w, "keypoints");
    json_begin_array(w);
    for (int i = 0; i < n; i++)
        json_write_string(w, names[i]);
    json_end_array(w);
}

static void write_person(struct json_writer *w, const struct stick_person *p, int id, int image)
{
    const double *b = p->bbox;
    const double outline[8] = {b[0],        b[1],        b[0] + b[2], b[1],
                               b[0] + b[2], b[1] + b[3], b[0],        b[1] + b[3]};
    json_begin_object(w);
    write_member(w, "id", id);
    write_member(w, "image_id", image);
    write_member(w, "category_id", 1);
    write_member(w, "iscrowd", 0);
    write_member(w, "num_keypoints", STICK_KEYPOINTS);
    write_numbers(w, "keypoints", &p->keypoints[0][0], 3 * STICK_KEYPOINTS);
    write_numbers(w, "bbox", b, 4);
    json_write_key(w, "area");
    json_write_number(w, p->area);
    json_write_key(w, "segmentation");
    json_begin_array(w);
    json_begin_array(w);
    for (int i = 0; i < 8; i++)
        json_write_number(w, outline[i]);
    json_end_array(w);
    json_end_array(w);
    json_end_object(w);
}

/* The rightmost eighth of the picture, as one run of 0 and one of 1. */
static void write_crowd(struct json_writer *w, const struct stick_dataset *o, int id, int image)
{
    const int x = o->w - o->w / 8;
    const double bbox[4] = {x, 0, o->w - x, o->h}, none[3 * STICK_KEYPOINTS] = {0};
    json_begin_object(w);
    write_member(w, "id", id);
    write_member(w, "image_id", image);
    write_member(w, "category_id", 1);
    write_member(w, "iscrowd", 1);
    write_member(w, "num_keypoints", 0);
    write_numbers(w, "keypoints", none, 3 * STICK_KEYPOINTS);
    write_numbers(w, "bbox", bbox, 4);
    json_write_key(w, "area");
    json_write_number(w, bbox[2] * bbox[3]);
    json_write_key(w, "segmentation");
    json_begin_object(w);
    const double size[2] = {o->h, o->w}, counts[2] = {(double)x * o->h, bbox[2] * o->h};
    write_numbers(w, "size", size, 2);
    write_numbers(w, "counts", counts, 2);
    json_end_object(w);
    json_end_object(w);
}

static FILE *open_in(const char *folder, const char *name)
{
    struct str path = {0};
    str_printf(&path, "%s/%s", folder, name);
    FILE *stream = fopen(str_text(&path), "w");
    if (!stream)
        error_set_errno(BPNET_ECREATE, "%s", str_text(&path));
    str_free(&path);
    return stream;
}

static int close_file(FILE *stream, const char *name)
{
    return fclose(stream) == 0 ? BPNET_OK : error_set_errno(BPNET_EIO, "%s", name);
}

static int write_annotations(const char *folder, const struct stick_dataset *o, bool train)
{
    const char *name = train ? "annotations/train.json" : "annotations/val.json";
    FILE *stream = open_in(folder, name);
    if (!stream)
        return BPNET_ECREATE;
    struct json_writer w = {.stream = stream};
    const int n = train ? o->n_train : o->n_val;
    json_begin_object(&w);
    json_write_key(&w, "images");
    json_begin_array(&w);
    for (int i = 0; i < n; i++) {
        char file[32];
        picture_name(file, train, i);
        json_begin_object(&w);
        write_member(&w, "id", 1000 + i);
        write_member(&w, "width", o->w);
        write_member(&w, "height", o->h);
        json_write_key(&w, "file_name");
        json_write_string(&w, file);
        json_end_object(&w);
    }
    json_end_array(&w);
    json_write_key(&w, "annotations");
    json_begin_array(&w);
    for (int i = 0, id = 1; i < n; i++) {
        struct stick_person people[MAX_PEOPLE];
        const int found = stick_dataset_people(o, train, i, people, MAX_PEOPLE);
        for (int k = 0; k < found; k++)
            write_person(&w, &people[k], id++, 1000 + i);
        if (o->crowds && i % 3 == 2)
            write_crowd(&w, o, id++, 1000 + i);
    }
    json_end_array(&w);
    json_write_key(&w, "categories");
    json_begin_array(&w);
    write_category(&w, coco_keypoint_names, COCO_KEYPOINTS);
    json_end_object(&w);
    json_end_array(&w);
    json_end_object(&w);
    return close_file(stream, name);
}

static void write_part(struct json_writer *w, const char *key, const char *name)
{
    struct str s = {0};
    json_write_key(w, key);
    json_begin_object(w);
    json_write_key(w, "images_root_dir_path");
    json_write_string(w, "images");
    json_write_key(w, "mask_root_dir_path");
    str_printf(&s, "masks_%s", name);
    json_write_string(w, str_text(&s));
    json_write_key(w, "annotation_root_dir_path");
    str_clear(&s);
    str_printf(&s, "annotations/%s.json", name);
    json_write_string(w, str_text(&s));
    json_end_object(w);
    str_free(&s);
}

static int write_dataset_spec(const char *folder)
{
    FILE *stream = open_in(folder, "dataset.json");
    if (!stream)
        return BPNET_ECREATE;
    struct json_writer w = {.stream = stream};
    json_begin_object(&w);
    json_write_key(&w, "dataset");
    json_write_string(&w, "stick");
    json_write_key(&w, "root_directory_path");
    json_write_string(&w, folder);
    write_part(&w, "train_data", "train");
    write_part(&w, "test_data", "val");
    json_write_key(&w, "duplicate_data_with_each_person_as_center");
    json_write_bool(&w, true);
    json_write_key(&w, "categories");
    json_begin_array(&w);
    write_category(&w, coco_keypoint_names, COCO_KEYPOINTS);
    json_end_object(&w);
    json_end_array(&w);
    json_write_key(&w, "visibility_flags");
    json_write_raw(&w, "{\"value\": {\"visible\": 2, \"occluded\": 1, \"not_labeled\": 0}, "
                       "\"mapping\": {\"visible\": \"visible\", \"occluded\": \"occluded\", "
                       "\"not_labeled\": \"not_labeled\"}}");
    json_write_key(&w, "data_filtering_params");
    json_write_raw(&w, "{\"min_acceptable_height\": 32, \"min_acceptable_width\": 32, "
                       "\"min_acceptable_kpts\": 5, "
                       "\"min_acceptable_interperson_dist_ratio\": 0.3}");
    json_end_object(&w);
    return close_file(stream, "dataset.json");
}

static int write_pose_config(const char *folder)
{
    struct skeleton skeleton;
    skeleton_default(&skeleton);
    const char *names[SKELETON_MAX_JOINTS];
    for (int j = 0; j < skeleton.n_joints; j++)
        names[j] = skeleton.joints[j];
    FILE *stream = open_in(folder, "bpnet_18joints.json");
    if (!stream)
        return BPNET_ECREATE;
    struct json_writer w = {.stream = stream};
    json_begin_object(&w);
    json_write_key(&w, "pose_config_type");
    json_write_string(&w, skeleton.type);
    json_write_key(&w, "categories");
    json_begin_array(&w);
    write_category(&w, names, skeleton.n_joints);
    json_write_key(&w, "skeleton");
    json_begin_array(&w);
    for (int k = 0; k < skeleton.n_limbs; k++) {
        json_begin_array(&w);
        json_write_integer(&w, skeleton.limbs[k][0] + 1);
        json_write_integer(&w, skeleton.limbs[k][1] + 1);
        json_end_array(&w);
    }
    json_end_array(&w);
    json_write_key(&w, "skeleton_edge_names");
    json_begin_array(&w);
    for (int k = 0; k < skeleton.n_limbs; k++) {
        json_begin_array(&w);
        json_write_string(&w, names[skeleton.limbs[k][0]]);
        json_write_string(&w, names[skeleton.limbs[k][1]]);
        json_end_array(&w);
    }
    json_end_array(&w);
    json_end_object(&w);
    json_end_array(&w);
    json_end_object(&w);
    return close_file(stream, "bpnet_18joints.json");
}

static int write_train_spec(const char *folder, const struct stick_dataset *o)
{
    FILE *stream = open_in(folder, "train.yaml");
    if (!stream)
        return BPNET_ECREATE;
    fprintf(stream,
            "__class_name__: BpNetTrainer\n"
            "checkpoint_dir: %s/results\n"
            "log_every_n_secs: 30\ncheckpoint_n_epoch: 1\nnum_epoch: %d\n"
            "summary_every_n_steps: 1\ninfrequent_summary_every_n_steps: 0\n"
            "validation_every_n_epoch: 1\nmax_ckpt_to_keep: 3\nrandom_seed: 42\n"
            "pretrained_weights: null\nload_graph: False\n"
            "use_stagewise_lr_multipliers: False\n",
            folder, o->num_epoch);
    fprintf(stream,
            "dataloader:\n  batch_size: %d\n  pose_config:\n    __class_name__: BpNetPoseConfig\n"
            "    target_shape: [%d, %d]\n    pose_config_path: %s/bpnet_18joints.json\n"
            "  image_config:\n    image_dims: {height: %d, width: %d, channels: 3}\n"
            "    image_encoding: jpg\n",
            o->batch_size, o->net_h / 8, o->net_w / 8, folder, o->net_h, o->net_w);
    fprintf(stream,
            "  dataset_config:\n    root_data_path: %s/\n    train_records_folder_path: %s\n"
            "    train_records_path: [train-fold-000-of-001]\n    val_records_folder_path: %s\n"
            "    val_records_path: [val-fold-000-of-001]\n    dataset_specs:\n"
            "      stick: %s/dataset.json\n"
            "  normalization_params:\n    image_scale: [256.0, 256.0, 256.0]\n"
            "    image_offset: [0.5, 0.5, 0.5]\n    mask_scale: [255.0]\n    mask_offset: [0.0]\n",
            folder, folder, folder, folder);
    fprintf(stream,
            "  augmentation_config:\n    __class_name__: AugmentationConfig\n"
            "    spatial_augmentation_mode: person_centric\n    spatial_aug_params:\n"
            "      flip_lr_prob: 0.5\n      flip_tb_prob: 0.0\n"
            "      rotate_deg_max: 10.0\n      rotate_deg_min: -10.0\n      zoom_prob: 0.0\n"
            "      zoom_ratio_min: 1.0\n      zoom_ratio_max: 1.0\n"
            "      translate_max_x: 10.0\n      translate_min_x: -10.0\n"
            "      translate_max_y: 10.0\n      translate_min_y: -10.0\n"
            "      use_translate_ratio: False\n      translate_ratio_max: 0.2\n"
            "      translate_ratio_min: -0.2\n      target_person_scale: 0.6\n"
            "  label_processor_config:\n    paf_gaussian_sigma: 0.03\n"
            "    heatmap_gaussian_sigma: 7.0\n    paf_ortho_dist_thresh: 1.0\n"
            "  shuffle_buffer_size: 20000\n");
    fprintf(stream, "model:\n  __class_name__: BpNetLightModel\n  stages: 2\n"
                    "  heat_channels: 19\n  paf_channels: 38\n  width_multiplier: 0.25\n"
                    "  use_self_attention: False\n  data_format: channels_last\n  use_bias: True\n"
                    "  regularization_type: l2\n  kernel_regularization_factor: 1.0e-5\n"
                    "  bias_regularization_factor: 0.0\n  kernel_initializer: he\n"
                    "optimizer:\n  __class_name__: AdamOptimizer\n  beta1: 0.9\n  beta2: 0.999\n"
                    "  learning_rate_schedule:\n    __class_name__: CosineLearningRateSchedule\n"
                    "    soft_start: 0.1\n    base_learning_rate: 2.0e-3\n"
                    "    min_learning_rate: 1.0e-5\n"
                    "loss:\n  __class_name__: BpNetLoss\n");
    fprintf(stream, "inference_spec: %s/infer.yaml\nfinal_model_name: bpnet_model\n", folder);
    return close_file(stream, "train.yaml");
}

static int write_inference_spec(const char *folder, const struct stick_dataset *o)
{
    FILE *stream = open_in(folder, "infer.yaml");
    if (!stream)
        return BPNET_ECREATE;
    fprintf(stream,
            "model_path: %s/results/bpnet_model.bpnet\ntrain_spec: %s/train.yaml\n"
            "input_shape: [%d, %d]\nkeep_aspect_ratio_mode: pad_image_input\n"
            "output_stage_to_use: null\noutput_upsampling_factor: [8, 8]\n"
            "heatmap_threshold: 0.1\npaf_threshold: 0.05\nmulti_scale_inference: False\n"
            "scales: [0.5, 1.0, 1.5, 2.0]\n",
            folder, folder, o->net_h, o->net_w);
    return close_file(stream, "infer.yaml");
}

int stick_dataset_write(const char *folder, const struct stick_dataset *options)
{
    const struct stick_dataset o = filled_in(options);
    static const char *const folders[] = {"images", "annotations"};
    for (size_t i = 0; i < 2; i++) {
        struct str path = {0};
        str_printf(&path, "%s/%s", folder, folders[i]);
        const int made = mkdir(str_text(&path), 0777);
        str_free(&path);
        if (made != 0)
            return error_set_errno(BPNET_ECREATE, "%s/%s", folder, folders[i]);
    }
    int err = BPNET_OK;
    for (int i = 0; err == 0 && i < o.n_train; i++)
        err = write_picture(folder, &o, true, i);
    for (int i = 0; err == 0 && i < o.n_val; i++)
        err = write_picture(folder, &o, false, i);
    if (err < 0 || (err = write_annotations(folder, &o, true)) < 0 ||
        (err = write_annotations(folder, &o, false)) < 0 ||
        (err = write_dataset_spec(folder)) < 0 || (err = write_pose_config(folder)) < 0 ||
        (err = write_train_spec(folder, &o)) < 0)
        return err;
    return write_inference_spec(folder, &o);
}

/* ---- folders ----------------------------------------------------------------------------- */

char *stick_folder_make(void)
{
    const char *where = getenv("TMPDIR");
    struct str path = {0};
    str_printf(&path, "%s/stick-XXXXXX", where && *where ? where : P_tmpdir);
    if (str_status(&path) < 0 || !mkdtemp(path.text)) {
        str_free(&path);
        return NULL;
    }
    return path.text;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status, (void)kind, (void)walk;
    return remove(path);
}

void stick_folder_remove(char *folder)
{
    if (!folder)
        return;
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(folder);
}
