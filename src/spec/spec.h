/*
 * Every spec file as a plain struct, checked against a schema while it is read. The reference's
 * files load unchanged; an unknown or ill-typed key is BPNET_ECONFIG with file:line:column, the
 * offending line and the nearest known key. Text fields belong to the struct and are never NULL
 * unless the comment says so. All paths are as written (not resolved), except that those of
 * dataset and pose configs named inside a spec are also tried relative to the spec's own folder.
 */
#ifndef SPEC_SPEC_H
#define SPEC_SPEC_H

#include "pose/predict.h"
#include "pose/skeleton.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One "key.path=value" from --set; values are YAML scalars or flow sequences. */
struct spec_overrides {
    const char *const *items;
    size_t n;
};

/* ---- model ------------------------------------------------------------------------------- */

enum model_kind {
    MODEL_LITE,
    MODEL_FULL,
    MODEL_LIGHT
}; /* BpNetLiteModel, BpNetModel, BpNetLightModel */
enum backbone_kind { BACKBONE_VGG, BACKBONE_HELNET, BACKBONE_RESNET };
enum helnet_type {
    HELNET_DEFAULT,
    HELNET_S8_3RD,
    HELNET_S8_3RD_DILATED,
    HELNET_S8_1ST,
    HELNET_S8_1ST_DILATED
};
enum regularization { REGULARIZE_L1, REGULARIZE_L2, REGULARIZE_L1_L2 };
enum initializer { INIT_RANDOM_NORMAL, INIT_XAVIER, INIT_HE };

enum { SPEC_MAX_KERNELS = 16 };

struct model_spec {
    enum model_kind kind;
    enum backbone_kind backbone;
    int backbone_layers;
    enum helnet_type helnet;
    bool backbone_bias, backbone_batch_norm;
    double width_multiplier; /* 1; scales every hidden width, rounded to multiples of 8 */
    int stages;
    int heat_channels, paf_channels;
    int n_stage1_kernels, stage1_kernels[SPEC_MAX_KERNELS];
    int n_stage_t_kernels, stage_t_kernels[SPEC_MAX_KERNELS];
    bool self_attention;
    bool head_bias;
    enum regularization regularization;
    double kernel_regularization, bias_regularization;
    double norm_scale_l1; /* of batch norms' gamma */
    enum initializer initializer;
};

/* ---- data -------------------------------------------------------------------------------- */

enum spatial_mode { SPATIAL_PERSON_CENTRIC, SPATIAL_STANDARD, SPATIAL_STANDARD_FIXED_ASPECT };

struct augmentation_spec {
    enum spatial_mode mode;
    double flip_lr_prob, flip_tb_prob;
    double rotate_deg_max, rotate_deg_min;
    double zoom_prob, zoom_ratio_min, zoom_ratio_max;
    bool zoom_log_uniform; /* the ratio's logarithm is drawn evenly, not the ratio */
    double translate_max_x, translate_min_x, translate_max_y, translate_min_y;
    bool use_translate_ratio;
    double translate_ratio_max, translate_ratio_min;
    double target_person_scale;
    int views; /* ours: so many draws for a record, used in turn; 0: new ones at every visit */
    /* Colour, ours: each drawn uniformly in [-x, x] per record; 0 switches it off. */
    double brightness; /* added, in fractions of 255 */
    double contrast;   /* factor 1 + u about the mean grey */
    double saturation; /* factor 1 + u about the pixel's grey */
    double hue_deg;
};

struct label_spec {
    double heatmap_sigma; /* input pixels */
    double paf_distance;  /* paf_ortho_dist_thresh, in strides */
    bool average_pafs;    /* true: people overlapping in a cell are averaged; false: spec 4.3 */
    bool centre_pafs;     /* true: PAFs sampled at cell centres as heatmaps; false: top-left */
    /*
     * Weight of the squared error where a channel's label is empty (joint below 0.01, background
     * above 0.99, PAF zero): 1 is the reference; a network trained from scratch on few pictures
     * learns much faster with 0.1, since nearly all cells are empty.
     */
    double background_weight;
};

struct named_path {
    char *name;
    char *path;
};

struct named_number {
    char *name;
    double value;
};

struct dataloader_spec {
    int batch_size;
    int target_h, target_w;
    char *pose_config_path;
    int image_h, image_w, image_channels;
    char *root_data_path;
    char *train_records_folder_path;
    char **train_records;
    size_t n_train_records;
    char *val_records_folder_path; /* "" when absent */
    char **val_records;
    size_t n_val_records;
    struct named_path *dataset_specs; /* dataset name -> dataset spec path */
    size_t n_dataset_specs;
    struct named_number *sampling_weights; /* of sources; see data/loader.h */
    size_t n_sampling_weights;
    float image_scale[3], image_offset[3];
    float mask_scale, mask_offset;
    struct augmentation_spec augmentation;
    struct label_spec label;
    int64_t shuffle_buffer_size;
};

/* ---- training ---------------------------------------------------------------------------- */

enum schedule_kind { SCHEDULE_SOFTSTART, SCHEDULE_EXPONENTIAL, SCHEDULE_CONSTANT, SCHEDULE_COSINE };
enum optimizer_kind { OPTIMIZER_MOMENTUM, OPTIMIZER_ADAM };

struct schedule_spec {
    enum schedule_kind kind;
    double base_lr, min_lr; /* learning_rate is base_lr for the exponential and constant ones */
    double soft_start, annealing;
    double decay_epochs, decay_rate;
    bool staircase;
};

struct optimizer_spec {
    enum optimizer_kind kind;
    struct schedule_spec schedule;
    double weight_default;
    double momentum;
    bool nesterov;
    double beta1, beta2, epsilon, weight_decay; /* Adam */
};

struct loss_spec {
    bool focal;
    double alpha, beta, background_threshold, gamma;
};

/* A trained network whose maps are taught beside the labels, or where there are none. */
struct teacher_spec {
    char *model_path;     /* NULL: no teacher */
    double weight;        /* of its maps where there are labels too: 0..1 */
    bool fill_unlabelled; /* its maps where no label can be trusted */
    double temperature;   /* heat^(1 / temperature) */
    double noise_floor;   /* maps below it are empty */
    double scale;         /* of the picture it sees, to the network's input */
    char *views_path;     /* where its maps of views are kept; NULL: in the results folder */
};

struct experiment_spec {
    char *path;           /* the file it came from, for messages */
    char *checkpoint_dir; /* "" when absent */
    double log_every_n_secs;
    int checkpoint_n_epoch;
    int num_epoch;
    int summary_every_n_steps;
    int validation_every_n_epoch; /* 0: never */
    int max_ckpt_to_keep;         /* 0: all */
    int64_t random_seed;
    char *pretrained_weights; /* NULL when null */
    bool load_graph;
    bool is_finetune;
    char *finetune_checkpoint; /* NULL when null */
    int finetune_epoch;
    bool stagewise_lr_multipliers;
    double ema_decay; /* 0: off; else validation and the final model use averaged weights */
    bool use_amp;     /* mixed precision */
    struct dataloader_spec data;
    struct model_spec model;
    struct optimizer_spec optimizer;
    struct loss_spec loss;
    struct teacher_spec teacher;
    char *inference_spec; /* NULL when null */
    char *final_model_name;
    struct skeleton skeleton; /* read from data.pose_config_path */
};

int experiment_spec_load(struct experiment_spec **out, const char *path,
                         const struct spec_overrides *overrides);
void experiment_spec_free(struct experiment_spec *s); /* NULL is allowed */

/* The resolved spec, every key present, as YAML that loads to the same struct. */
int experiment_spec_write(const struct experiment_spec *s, const char *path);
/* The same as text; fresh, or NULL with the error set. */
char *experiment_spec_text(const struct experiment_spec *s);
/*
 * A resolved spec that an earlier version wrote, with the keys that have come since at their
 * defaults. `name` is for messages; *out is fresh, or NULL on failure.
 */
int experiment_spec_complete(char **out, const char *text, const char *name);

/* ---- inference --------------------------------------------------------------------------- */

struct inference_spec {
    char *path;
    char *model_path; /* NULL when absent */
    char *train_spec; /* NULL when absent */
    struct predict_options options;
    char *text; /* the file as JSON text, for detections.json */
};

/*
 * `path` may be NULL: a picture is letterboxed to 288 x 384, all else has its default, then the
 * overrides apply; spec->path is then "".
 */
int inference_spec_load(struct inference_spec **out, const char *path,
                        const struct spec_overrides *overrides);
void inference_spec_free(struct inference_spec *s); /* NULL is allowed */

/* ---- datasets and poses ------------------------------------------------------------------ */

struct dataset_part {
    char *images_root;     /* images_root_dir_path */
    char *mask_root;       /* mask_root_dir_path */
    char *annotation_file; /* annotation_root_dir_path */
    char *extra_file;      /* extra_annotation_path: machine-made labels; "" or NULL: none */
    double extra_min_score;
};

/* Internal visibility codes (spec 3.5); 0..2 make labels. */
enum visibility {
    VIS_VISIBLE,
    VIS_ANNOTATABLE,
    VIS_OCCLUDED,
    VIS_TRUNCATED,
    VIS_NOT_LABELLED,
    VIS_NOT_IN_DATASET
};

struct dataset_spec {
    char *path;
    char *dataset; /* name stored in every record */
    char *root;    /* root_directory_path */
    struct dataset_part train, test;
    bool duplicate_per_person;
    int n_keypoints;
    char **keypoints;
    enum visibility flag_map[8]; /* source flag value 0..7 -> internal code */
    double min_height, min_width;
    int min_keypoints;
    double min_distance_ratio;
};

int dataset_spec_load(struct dataset_spec **out, const char *path,
                      const struct spec_overrides *overrides);
void dataset_spec_free(struct dataset_spec *s); /* NULL is allowed */

/* Any skeleton; pairs of joints are counted from one in the file. */
int pose_config_load(struct skeleton *out, const char *path);

/* ---- for people -------------------------------------------------------------------------- */

/* The reference of all spec files as Markdown (docs/spec.md); fresh, or NULL with the error set. */
char *spec_reference(void);

#endif
