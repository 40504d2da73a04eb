/*
 * Every key of an experiment spec. Defaults are those of the original's constructors unless the row
 * says otherwise; where a constructor has none, those of its published specs.
 */
#include "spec/spec_tables.h"

#include <math.h>

#define COUNT(array)  (sizeof(array) / sizeof *(array))
#define FROM(minimum) .low = (minimum), .high = (double)INFINITY

/* ---- model ------------------------------------------------------------------------------- */

#define AT(member) .offset = offsetof(struct model_spec, member)

enum { LITE = 1U << MODEL_LITE, FULL = 1U << MODEL_FULL, LIGHT = 1U << MODEL_LIGHT };

static const struct choice backbones[] = {
    {"vgg", BACKBONE_VGG}, {"helnet", BACKBONE_HELNET}, {"resnet", BACKBONE_RESNET}, {0}};

static const struct choice helnets[] = {{"default", HELNET_DEFAULT},
                                        {"s8_3rdblock", HELNET_S8_3RD},
                                        {"s8_3rdblock_wdilation", HELNET_S8_3RD_DILATED},
                                        {"s8_1stlayer", HELNET_S8_1ST},
                                        {"s8_1stlayer_wdilation", HELNET_S8_1ST_DILATED},
                                        {0}};

static const struct field backbone_fields[] = {
    {"architecture", FIELD_CHOICE, AT(backbone), .fallback = "vgg", .choices = backbones,
     .help = "`vgg` is what all published networks use."},
    {"nlayers", FIELD_INT, AT(backbone_layers), .fallback = "null", .low = 1, .high = 152,
     .help = "19 for `vgg`; `helnet` has 6, 10, 12, 18, 26 or 34 and needs it, as `resnet` does."},
    {"mtype", FIELD_CHOICE, AT(helnet), .fallback = "default", .choices = helnets,
     .help = "Where a `helnet` halves its maps: `default` has stride 16, the others 8."},
    {"use_bias", FIELD_BOOL, AT(backbone_bias), .fallback = "False",
     .help = "Biases in the backbone's convolutions. The original requires the key for `vgg`."},
    {"use_batch_norm", FIELD_BOOL, AT(backbone_batch_norm), .fallback = "True",
     .help = "Batch normalisation in the backbone; `vgg` always has it. The original requires the "
             "key for `helnet` and `resnet`."},
    {"add_final_c128_conv", FIELD_ANY, FIELD_IDLE, .fallback = "null",
     .help = "the layer that reduces the channels to 128 is always there"},
};

static const struct schema backbone_schema = {"model.backbone_attributes", NULL, backbone_fields,
                                              COUNT(backbone_fields)};

static const struct choice models[] = {{"BpNetLiteModel", MODEL_LITE},
                                       {"BpNetModel", MODEL_FULL},
                                       {"BpNetLightModel", MODEL_LIGHT},
                                       {0}};

static const struct choice regularizations[] = {
    {"l1", REGULARIZE_L1}, {"l2", REGULARIZE_L2}, {"l1_l2", REGULARIZE_L1_L2}, {0}};

static const struct choice initializers[] = {
    {"random_normal", INIT_RANDOM_NORMAL}, {"xavier", INIT_XAVIER}, {"he", INIT_HE}, {0}};

static const struct choice data_formats[] = {{"channels_last", 0}, {"channels_first", 0}, {0}};

static const struct field model_fields[] = {
    {"__class_name__", FIELD_CHOICE, AT(kind), .choices = models,
     .help = "`BpNetLiteModel` shares the trunk of a stage between heatmaps and PAFs, `BpNetModel` "
             "does not, `BpNetLightModel` is a small network for CPUs and ours."},
    {"backbone_attributes", FIELD_SECTION, .classes = LITE | FULL, .section = &backbone_schema,
     .help = "See below."},
    {"width_multiplier", FIELD_DOUBLE, FIELD_OURS, AT(width_multiplier), .fallback = "1.0",
     .low = 0, .high = 8, .above = true,
     .help = "Scales every hidden width, rounded to multiples of 8."},
    {"stages", FIELD_INT, AT(stages), .fallback = "6", .low = 1, .high = 32,
     .help = "The first prediction and its refinements; 2 to 7 are sensible."},
    {"heat_channels", FIELD_INT, AT(heat_channels), .fallback = "null", .low = 2, .high = 129,
     .help = "Joints and background: must agree with the pose config, which is the default."},
    {"paf_channels", FIELD_INT, AT(paf_channels), .fallback = "null", .low = 2, .high = 512,
     .help = "Two for every limb: must agree with the pose config, which is the default."},
    {"stage1_kernel_sizes", FIELD_INT_LIST, .classes = LITE, AT(stage1_kernels),
     .length = offsetof(struct model_spec, n_stage1_kernels), .count = SPEC_MAX_KERNELS,
     .fallback = "[3, 3, 3]", .low = 1, .high = 15, .help = "Of the first stage's trunk."},
    {"stageT_kernel_sizes", FIELD_INT_LIST, .classes = LITE, AT(stage_t_kernels),
     .length = offsetof(struct model_spec, n_stage_t_kernels), .count = SPEC_MAX_KERNELS,
     .fallback = "[7, 7, 7, 7, 7]", .low = 1, .high = 15, .help = "Of the later stages' trunks."},
    {"use_self_attention", FIELD_BOOL, AT(self_attention), .fallback = "False",
     .help = "One more 3x3 convolution before the outputs of refinement stages."},
    {"data_format", FIELD_FIXED, FIELD_IDLE, .fallback = "channels_last", .choices = data_formats,
     .help = "the order in memory is the program's own business"},
    {"use_bias", FIELD_BOOL, AT(head_bias), .fallback = "True",
     .help = "Biases in the convolutions of the stages."},
    {"regularization_type", FIELD_CHOICE, AT(regularization), .fallback = "l1",
     .choices = regularizations, .help = "What the two factors multiply."},
    {"kernel_regularization_factor", FIELD_DOUBLE, AT(kernel_regularization), .fallback = "1.0e-9",
     FROM(0), .help = "Times the sum of all kernels' absolute or squared weights."},
    {"bias_regularization_factor", FIELD_DOUBLE, AT(bias_regularization), .fallback = "1.0e-9",
     FROM(0), .help = "The same for biases."},
    {"norm_scale_l1", FIELD_DOUBLE, FIELD_OURS, AT(norm_scale_l1), .fallback = "0.0", FROM(0),
     .help = "Times the sum of all batch norms' absolute scales: makes filters that pruning by "
             "`--score bn` can remove (Network Slimming); 1e-5 to 1e-4 are usual."},
    {"kernel_initializer", FIELD_CHOICE, AT(initializer), .fallback = "random_normal",
     .choices = initializers,
     .help = "Of the stages: normal with deviation 0.01, Glorot's uniform, or He's normal (ours). "
             "Hidden layers of BpNetLightModel are He's or else Glorot's."},
    {"add_final_c128_conv", FIELD_ANY, FIELD_IDLE, .fallback = "null",
     .help = "the layer that reduces the channels to 128 is always there"},
};

static const struct schema model_schema = {"model", NULL, model_fields, COUNT(model_fields)};

#undef AT

/* ---- augmentation and labels ------------------------------------------------------------- */

#define AT(member) .offset = offsetof(struct augmentation_spec, member)
#define FRACTION   .fallback = "0.0", .low = 0, .high = 1

static const struct choice augmentation_classes[] = {{"AugmentationConfig", 0}, {0}};

static const struct choice spatial_modes[] = {
    {"person_centric", SPATIAL_PERSON_CENTRIC},
    {"standard", SPATIAL_STANDARD},
    {"standard_with_fixed_aspect_ratio", SPATIAL_STANDARD_FIXED_ASPECT},
    {0}};

static const struct field spatial_fields[] = {
    {"flip_lr_prob", FIELD_DOUBLE, AT(flip_lr_prob), FRACTION,
     .help = "Of a mirror image, left to right."},
    {"flip_tb_prob", FIELD_DOUBLE, AT(flip_tb_prob), FRACTION, .help = "Top to bottom."},
    {"rotate_deg_max", FIELD_DOUBLE, AT(rotate_deg_max), .fallback = "0.0", .low = -360,
     .high = 360, .help = "Degrees, drawn between the two."},
    {"rotate_deg_min", FIELD_DOUBLE, AT(rotate_deg_min), .fallback = "null", .low = -360,
     .high = 360, .help = "Default: minus the greatest."},
    {"zoom_prob", FIELD_DOUBLE, AT(zoom_prob), FRACTION, .help = "Of drawing a zoom ratio."},
    {"zoom_ratio_min", FIELD_DOUBLE, AT(zoom_ratio_min), .fallback = "1.0", .low = 0, .high = 100,
     .above = true,
     .help = "Larger makes the picture smaller when person_centric, larger otherwise."},
    {"zoom_ratio_max", FIELD_DOUBLE, AT(zoom_ratio_max), .fallback = "1.0", .low = 0, .high = 100,
     .above = true, .help = "The other end."},
    {"zoom_log_uniform", FIELD_BOOL, FIELD_OURS, AT(zoom_log_uniform), .fallback = "False",
     .help =
         "Draws the ratio's logarithm evenly, so that half the size comes up as often as twice."},
    {"translate_max_x", FIELD_DOUBLE, AT(translate_max_x), .fallback = "0.0", .low = -100000,
     .high = 100000, .help = "Pixels of the source picture, drawn between the two."},
    {"translate_min_x", FIELD_DOUBLE, AT(translate_min_x), .fallback = "null", .low = -100000,
     .high = 100000, .help = "Default: minus the greatest."},
    {"translate_max_y", FIELD_DOUBLE, AT(translate_max_y), .fallback = "0.0", .low = -100000,
     .high = 100000, .help = "The same downwards."},
    {"translate_min_y", FIELD_DOUBLE, AT(translate_min_y), .fallback = "null", .low = -100000,
     .high = 100000, .help = "Default: minus the greatest."},
    {"use_translate_ratio", FIELD_BOOL, AT(use_translate_ratio), .fallback = "False",
     .help = "Translate by fractions of the picture's size instead of pixels."},
    {"translate_ratio_max", FIELD_DOUBLE, AT(translate_ratio_max), .fallback = "0.0", .low = -10,
     .high = 10, .help = "Those fractions."},
    {"translate_ratio_min", FIELD_DOUBLE, AT(translate_ratio_min), .fallback = "null", .low = -10,
     .high = 10, .help = "Default: minus the greatest."},
    {"target_person_scale", FIELD_DOUBLE, AT(target_person_scale), .fallback = "0.6", .low = 0,
     .high = 10, .above = true,
     .help = "The main person's height as a fraction of the input's width (person_centric)."},
};

static const struct schema spatial_schema = {"spatial_aug_params", NULL, spatial_fields,
                                             COUNT(spatial_fields)};

static const struct field colour_fields[] = {
    {"brightness", FIELD_DOUBLE, FIELD_OURS, AT(brightness), FRACTION,
     .help = "Added, as a fraction of white."},
    {"contrast", FIELD_DOUBLE, FIELD_OURS, AT(contrast), FRACTION,
     .help = "A factor 1 + u about the picture's mean grey."},
    {"saturation", FIELD_DOUBLE, FIELD_OURS, AT(saturation), FRACTION,
     .help = "A factor 1 + u about the pixel's own grey."},
    {"hue_deg", FIELD_DOUBLE, FIELD_OURS, AT(hue_deg), .fallback = "0.0", .low = 0, .high = 180,
     .help = "Degrees on the colour circle."},
};

static const struct schema colour_schema = {
    "colour_aug_params", "Each u is drawn evenly between minus and plus the value for a record.",
    colour_fields, COUNT(colour_fields)};

static const struct field augmentation_fields[] = {
    {"__class_name__", FIELD_FIXED, .fallback = "AugmentationConfig",
     .choices = augmentation_classes},
    {"spatial_augmentation_mode", FIELD_CHOICE, AT(mode), .fallback = "person_centric",
     .choices = spatial_modes,
     .help = "The main person to the middle; or the picture's square; or the picture stretched."},
    {"spatial_aug_params", FIELD_SECTION, .fallback = "{}", .section = &spatial_schema,
     .help = "See below."},
    {"identity_spatial_aug_params", FIELD_ANY, FIELD_IDLE, .fallback = "null",
     .help = "augmentation is always on; set the ranges of spatial_aug_params to zero instead"},
    {"colour_aug_params", FIELD_SECTION, FIELD_OURS, .fallback = "{}", .section = &colour_schema,
     .help = "See below."},
    {"views", FIELD_INT, FIELD_OURS, AT(views), .fallback = "0", .low = 0, .high = 10000,
     .help = "A record is augmented in so many ways, which its visits take in turn; 0: anew at "
             "every visit. With few of them a teacher answers once for each."},
};

static const struct schema augmentation_schema = {"augmentation_config", NULL, augmentation_fields,
                                                  COUNT(augmentation_fields)};

#undef AT
#define AT(member) .offset = offsetof(struct label_spec, member)

static const struct field label_fields[] = {
    {"paf_gaussian_sigma", FIELD_ANY, FIELD_IDLE, .fallback = "0.03",
     .help = "PAFs are bands of constant strength; paf_ortho_dist_thresh is their half width"},
    {"heatmap_gaussian_sigma", FIELD_DOUBLE, AT(heatmap_sigma), .fallback = "7.0", .low = 0,
     .high = 1000, .above = true,
     .help = "Input pixels. (The original's own default, 0.15, leaves the maps empty.)"},
    {"paf_ortho_dist_thresh", FIELD_DOUBLE, AT(paf_distance), .fallback = "1.0", .low = 0,
     .high = 100, .above = true, .help = "A limb's half width, in map cells."},
    {"average_pafs", FIELD_BOOL, FIELD_OURS, AT(average_pafs), .fallback = "True",
     .help = "People who overlap in a cell are averaged; False: the later one wins, as in the "
             "original."},
    {"centre_pafs", FIELD_BOOL, FIELD_OURS, AT(centre_pafs), .fallback = "True",
     .help = "PAFs are sampled at the centres of cells, as heatmaps are; False: at their top left "
             "corners, as in the original."},
    {"background_weight", FIELD_DOUBLE, FIELD_OURS, AT(background_weight), .fallback = "1.0",
     .low = 0, .high = 1,
     .help = "Weight of the squared error where a channel's label is empty. Networks trained from "
             "scratch on few pictures learn faster with 0.1."},
};

static const struct schema label_schema = {"label_processor_config", NULL, label_fields,
                                           COUNT(label_fields)};

#undef AT

/* ---- data loader ------------------------------------------------------------------------- */

#define AT(member)      .offset = offsetof(struct dataloader_spec, member)
#define COUNTED(member) AT(member), .length = offsetof(struct dataloader_spec, n_##member)

_Static_assert(offsetof(struct dataloader_spec, target_w) ==
                   offsetof(struct dataloader_spec, target_h) + sizeof(int),
               "target_shape is stored as two integers in a row");

static const struct choice pose_config_classes[] = {{"BpNetPoseConfig", 0}, {0}};
static const struct choice dataloader_classes[] = {{"BpNetDataloader", 0}, {0}};
static const struct choice encodings[] = {{"jpg", 0}, {"jpeg", 0}, {"png", 0}, {0}};

static const struct field pose_config_fields[] = {
    {"__class_name__", FIELD_FIXED, .fallback = "BpNetPoseConfig", .choices = pose_config_classes},
    {"target_shape", FIELD_INTS, AT(target_h), .count = 2, .low = 1, .high = 4096,
     .help = "Height and width of the labels: the picture's, divided by one whole stride."},
    {"pose_config_path", FIELD_TEXT, AT(pose_config_path),
     .help = "The pose config; a relative path is also tried from the spec's folder."},
};

static const struct field image_dims_fields[] = {
    {"height", FIELD_INT, AT(image_h), .low = 8, .high = 8192, .help = "Of the network's input."},
    {"width", FIELD_INT, AT(image_w), .low = 8, .high = 8192, .help = "The same."},
    {"channels", FIELD_INT, AT(image_channels), .fallback = "3", .low = 3, .high = 3,
     .help = "Red, green and blue."},
};

static const struct schema image_dims_schema = {"image_dims", NULL, image_dims_fields,
                                                COUNT(image_dims_fields)};

static const struct field image_fields[] = {
    {"image_dims", FIELD_SECTION, .section = &image_dims_schema, .help = "See below."},
    {"image_encoding", FIELD_FIXED, FIELD_REMARK, .fallback = "jpg", .choices = encodings,
     .help = "Pictures and masks are recognised by their content."},
};

static const struct field dataset_fields[] = {
    {"root_data_path", FIELD_TEXT, AT(root_data_path), .fallback = "''",
     .help = "Put in front of the paths in records as it is: end it with a slash."},
    {"train_records_folder_path", FIELD_TEXT, AT(train_records_folder_path), .fallback = "''",
     .help = "Where the record files are."},
    {"train_records_path", FIELD_TEXT_LIST, COUNTED(train_records), .help = "The record files."},
    {"val_records_folder_path", FIELD_TEXT, AT(val_records_folder_path), .fallback = "''",
     .help = "The same for validation, which the original never does."},
    {"val_records_path", FIELD_TEXT_LIST, COUNTED(val_records), .fallback = "[]",
     .help = "The record files of validation."},
    {"dataset_specs", FIELD_NAMED, COUNTED(dataset_specs),
     .help = "The dataset spec of every dataset named in records; relative paths are also tried "
             "from the spec's folder."},
    {"sampling_weights", FIELD_WEIGHTS, FIELD_OURS, COUNTED(sampling_weights), .fallback = "{}",
     .low = 0, .high = 1e6,
     .help = "How often an epoch visits records: a weight for each name of a source (`images[]"
             ".source`, or the part of it before a colon), dataset or record file. The first name "
             "that fits counts; what no name fits has the weight 1."},
};

static const struct field normalization_fields[] = {
    {"image_scale", FIELD_FLOATS, AT(image_scale), .count = 3, .fallback = "[256.0, 256.0, 256.0]",
     FROM(0), .above = true, .help = "Red, green, blue: the network sees x / scale - offset."},
    {"image_offset", FIELD_FLOATS, AT(image_offset), .count = 3, .fallback = "[0.5, 0.5, 0.5]",
     .help = "The same."},
    {"mask_scale", FIELD_FLOATS, AT(mask_scale), .count = 1, .fallback = "[255.0]", FROM(0),
     .above = true, .help = "Masks weigh the loss with x / scale - offset."},
    {"mask_offset", FIELD_FLOATS, AT(mask_offset), .count = 1, .fallback = "[0.0]",
     .help = "The same."},
};

static const struct schema pose_schema = {"pose_config", NULL, pose_config_fields,
                                          COUNT(pose_config_fields)};
static const struct schema image_schema = {"image_config", NULL, image_fields, COUNT(image_fields)};
static const struct schema dataset_config_schema = {"dataset_config", NULL, dataset_fields,
                                                    COUNT(dataset_fields)};
static const struct schema normalization_schema = {
    "normalization_params", NULL, normalization_fields, COUNT(normalization_fields)};

static const struct field dataloader_fields[] = {
    {"__class_name__", FIELD_FIXED, .fallback = "BpNetDataloader", .choices = dataloader_classes},
    {"batch_size", FIELD_INT, AT(batch_size), .low = 1, .high = 4096, .help = "Records a step."},
    {"pose_config", FIELD_SECTION, .section = &pose_schema, .help = "See below."},
    {"image_config", FIELD_SECTION, .section = &image_schema, .help = "See below."},
    {"dataset_config", FIELD_SECTION, .section = &dataset_config_schema, .help = "See below."},
    {"normalization_params", FIELD_SECTION, .fallback = "{}", .section = &normalization_schema,
     .help = "See below."},
    {"augmentation_config", FIELD_SECTION, AT(augmentation), .fallback = "{}",
     .section = &augmentation_schema, .help = "See below."},
    {"label_processor_config", FIELD_SECTION, AT(label), .fallback = "{}", .section = &label_schema,
     .help = "See below."},
    {"shuffle_buffer_size", FIELD_INT64, AT(shuffle_buffer_size), .fallback = "20000", .low = 1,
     .high = 1e9,
     .help = "1 keeps the order of the record files; all other values shuffle the whole of them."},
};

static const struct schema dataloader_schema = {"dataloader", NULL, dataloader_fields,
                                                COUNT(dataloader_fields)};

#undef AT
#undef COUNTED

/* ---- optimiser and loss ------------------------------------------------------------------ */

#define AT(member) .offset = offsetof(struct schedule_spec, member)

enum {
    SOFTSTART = 1U << SCHEDULE_SOFTSTART,
    EXPONENTIAL = 1U << SCHEDULE_EXPONENTIAL,
    CONSTANT = 1U << SCHEDULE_CONSTANT,
    COSINE = 1U << SCHEDULE_COSINE,
};

static const struct choice schedules[] = {
    {"SoftstartAnnealingLearningRateSchedule", SCHEDULE_SOFTSTART},
    {"BpNetExponentialDecayLRSchedule", SCHEDULE_EXPONENTIAL},
    {"ConstantLearningRateSchedule", SCHEDULE_CONSTANT},
    {"CosineLearningRateSchedule", SCHEDULE_COSINE},
    {0}};

static const struct field schedule_fields[] = {
    {"__class_name__", FIELD_CHOICE, AT(kind), .choices = schedules,
     .help = "Geometric ramps up and down; decay by epochs; none; half a cosine (ours)."},
    {"soft_start", FIELD_DOUBLE, .classes = SOFTSTART, AT(soft_start), .low = 0, .high = 1,
     .help = "Share of the run that the rate rises."},
    {"soft_start", FIELD_DOUBLE, FIELD_OURS, COSINE, AT(soft_start), .fallback = "0.0", .low = 0,
     .high = 1, .below = true, .help = "Share of the run that the rate rises, in a line."},
    {"annealing", FIELD_DOUBLE, .classes = SOFTSTART, AT(annealing), .low = 0, .high = 1,
     .help = "Share of the run after which the rate falls; not before soft_start."},
    {"base_learning_rate", FIELD_DOUBLE, .classes = SOFTSTART | COSINE, AT(base_lr), FROM(0),
     .above = true, .help = "The highest."},
    {"learning_rate", FIELD_DOUBLE, .classes = EXPONENTIAL | CONSTANT, AT(base_lr), FROM(0),
     .above = true, .help = "The first."},
    {"min_learning_rate", FIELD_DOUBLE, .classes = SOFTSTART, AT(min_lr), FROM(0), .above = true,
     .help = "The rate at both ends."},
    {"min_learning_rate", FIELD_DOUBLE, .classes = EXPONENTIAL | COSINE, AT(min_lr),
     .fallback = "0.0", FROM(0), .help = "The lowest."},
    {"decay_epochs", FIELD_DOUBLE, .classes = EXPONENTIAL, AT(decay_epochs), FROM(0), .above = true,
     .help = "Epochs for one factor of decay_rate."},
    {"decay_rate", FIELD_DOUBLE, .classes = EXPONENTIAL, AT(decay_rate), .low = 0, .high = 1,
     .above = true, .help = "That factor."},
    {"staircase", FIELD_BOOL, .classes = EXPONENTIAL, AT(staircase), .fallback = "False",
     .help = "The rate changes at whole multiples of decay_epochs only."},
    {"last_step", FIELD_ANY, FIELD_IDLE, .fallback = "null",
     .help = "it follows from the number of epochs and of records"},
};

static const struct schema schedule_schema = {"learning_rate_schedule", NULL, schedule_fields,
                                              COUNT(schedule_fields)};

#undef AT
#define AT(member) .offset = offsetof(struct optimizer_spec, member)

enum { MOMENTUM = 1U << OPTIMIZER_MOMENTUM, ADAM = 1U << OPTIMIZER_ADAM };

static const struct choice optimizers[] = {
    {"WeightedMomentumOptimizer", OPTIMIZER_MOMENTUM}, {"AdamOptimizer", OPTIMIZER_ADAM}, {0}};

static const struct field optimizer_fields[] = {
    {"__class_name__", FIELD_CHOICE, AT(kind), .choices = optimizers,
     .help = "Momentum in the velocity form, or Adam with decoupled weight decay (ours)."},
    {"learning_rate_schedule", FIELD_SECTION, AT(schedule), .section = &schedule_schema,
     .help = "See below."},
    {"grad_weights_dict", FIELD_ANY, FIELD_IDLE, .fallback = "null",
     .help = "multipliers come from use_stagewise_lr_multipliers"},
    {"weight_default_value", FIELD_DOUBLE, AT(weight_default), .fallback = "1.0", FROM(0),
     .help = "Multiplier of gradients that have no other."},
    {"momentum", FIELD_DOUBLE, .classes = MOMENTUM, AT(momentum), .fallback = "0.9", .low = 0,
     .high = 1, .below = true, .help = "Share of the velocity that stays."},
    {"use_nesterov", FIELD_BOOL, .classes = MOMENTUM, AT(nesterov), .fallback = "False",
     .help = "Look ahead by one velocity."},
    {"beta1", FIELD_DOUBLE, FIELD_OURS, ADAM, AT(beta1), .fallback = "0.9", .low = 0, .high = 1,
     .below = true, .help = "Decay of the first moment."},
    {"beta2", FIELD_DOUBLE, FIELD_OURS, ADAM, AT(beta2), .fallback = "0.999", .low = 0, .high = 1,
     .below = true, .help = "Decay of the second moment."},
    {"epsilon", FIELD_DOUBLE, FIELD_OURS, ADAM, AT(epsilon), .fallback = "1.0e-8", FROM(0),
     .above = true, .help = "Added to the root of the second moment."},
    {"weight_decay", FIELD_DOUBLE, FIELD_OURS, ADAM, AT(weight_decay), .fallback = "0.0", .low = 0,
     .high = 1, .help = "Share of a weight taken off at every step, times the rate."},
};

static const struct schema optimizer_schema = {"optimizer", NULL, optimizer_fields,
                                               COUNT(optimizer_fields)};

#undef AT
#define AT(member) .offset = offsetof(struct loss_spec, member)

static const struct choice loss_classes[] = {{"BpNetLoss", 0}, {0}};

static const struct field focal_fields[] = {
    {"use_focal_loss", FIELD_BOOL, AT(focal), .fallback = "False",
     .help = "Weigh errors by how far from settled they are."},
    {"alpha", FIELD_DOUBLE, AT(alpha), .fallback = "0.1", .low = -10, .high = 10,
     .help = "Taken off the prediction on the foreground."},
    {"beta", FIELD_DOUBLE, AT(beta), .fallback = "0.02", .low = -10, .high = 10,
     .help = "And on the background."},
    {"bkg_thresh", FIELD_DOUBLE, AT(background_threshold), .fallback = "0.01", .low = -1, .high = 1,
     .help = "Labels above it are foreground."},
    {"gamma", FIELD_DOUBLE, AT(gamma), .fallback = "1.0", .low = 0, .high = 10,
     .help = "Exponent of the weight."},
};

static const struct schema focal_schema = {"focal_loss_params", NULL, focal_fields,
                                           COUNT(focal_fields)};

static const struct field loss_fields[] = {
    {"__class_name__", FIELD_FIXED, .fallback = "BpNetLoss", .choices = loss_classes},
    {"focal_loss_params", FIELD_SECTION, .fallback = "{}", .section = &focal_schema,
     .help = "See below."},
};

static const struct schema loss_schema = {"loss", NULL, loss_fields, COUNT(loss_fields)};

#undef AT

/* ---- teacher ----------------------------------------------------------------------------- */

#define AT(member) .offset = offsetof(struct teacher_spec, member)

static const struct field teacher_fields[] = {
    {"model_path", FIELD_TEXT, AT(model_path), .fallback = "null",
     .help = "A trained model with joints of the same names, of any size, stride and skeleton; "
             "null: no teacher. A relative path is also tried from the spec's folder."},
    {"weight", FIELD_DOUBLE, AT(weight), .fallback = "0.5", .low = 0, .high = 1,
     .help = "Where a label is known the network learns (1 - weight) * label + weight * teacher."},
    {"fill_unlabelled", FIELD_BOOL, AT(fill_unlabelled), .fallback = "True",
     .help = "Where it is not known (loss masks, channels that a picture's source does not label, "
             "the background where people may be missing) the teacher's maps are the label."},
    {"temperature", FIELD_DOUBLE, AT(temperature), .fallback = "1.0", .low = 0, .high = 100,
     .above = true,
     .help = "The teacher's heatmaps to the power 1 / temperature, which makes its bumps "
             "sqrt(temperature) times as wide."},
    {"noise_floor", FIELD_DOUBLE, AT(noise_floor), .fallback = "0.0", .low = 0, .high = 1,
     .below = true, .help = "Heat and limbs of the teacher that are weaker are taken as none."},
    {"scale", FIELD_DOUBLE, AT(scale), .fallback = "1.0", .low = 0.25, .high = 4,
     .help = "The teacher sees the picture enlarged so much."},
    {"views_path", FIELD_TEXT, AT(views_path), .fallback = "null",
     .help = "A file for what it says of views (`augmentation_config.views`), for other runs with "
             "the same pictures; null: `teacher.views` in the results folder until the run's end."},
};

static const struct schema teacher_schema = {
    "teacher", "A trained network that teaches this one; ours. See docs/training.md.",
    teacher_fields, COUNT(teacher_fields)};

#undef AT

/* ---- the whole --------------------------------------------------------------------------- */

#define AT(member) .offset = offsetof(struct experiment_spec, member)

static const struct choice trainers[] = {{"BpNetTrainer", 0}, {0}};

static const struct field finetuning_fields[] = {
    {"is_finetune_exp", FIELD_BOOL, AT(is_finetune), .fallback = "False",
     .help = "Go on from checkpoint_path, optimiser and step included."},
    {"checkpoint_path", FIELD_TEXT, AT(finetune_checkpoint), .fallback = "null",
     .help = "The checkpoint."},
    {"ckpt_epoch_num", FIELD_INT, AT(finetune_epoch), .fallback = "0", .low = 0, .high = 1000000,
     .help = "Its epoch: num_epoch less this many are trained."},
};

static const struct schema finetuning_schema = {"finetuning_config", NULL, finetuning_fields,
                                                COUNT(finetuning_fields)};

static const struct field experiment_fields[] = {
    {"__class_name__", FIELD_FIXED, .fallback = "BpNetTrainer", .choices = trainers},
    {"checkpoint_dir", FIELD_TEXT, AT(checkpoint_dir), .fallback = "''",
     .help = "Where results go unless the command line says so."},
    {"log_every_n_secs", FIELD_DOUBLE, AT(log_every_n_secs), .fallback = "1.0", .low = 0,
     .high = 1e6, .help = "Between lines on the console."},
    {"checkpoint_n_epoch", FIELD_INT, AT(checkpoint_n_epoch), .fallback = "1", .low = 1,
     .high = 1000000, .help = "Between checkpoints; must divide num_epoch."},
    {"num_epoch", FIELD_INT, AT(num_epoch), .fallback = "2", .low = 1, .high = 1000000,
     .help = "Passes over the records."},
    {"summary_every_n_steps", FIELD_INT, AT(summary_every_n_steps), .fallback = "1", .low = 0,
     .high = 1e9, .help = "Between scalars for TensorBoard; 0: none."},
    {"infrequent_summary_every_n_steps", FIELD_ANY, FIELD_IDLE, .fallback = "0",
     .help = "all scalars follow summary_every_n_steps"},
    {"validation_every_n_epoch", FIELD_INT, AT(validation_every_n_epoch), .fallback = "20",
     .low = 0, .high = 1000000, .help = "Between validations (the original does none); 0: never."},
    {"max_ckpt_to_keep", FIELD_INT, AT(max_ckpt_to_keep), .fallback = "5", .low = 0,
     .high = 1000000, .help = "The newest ones, and the best; 0: all, as the original does."},
    {"random_seed", FIELD_INT64, AT(random_seed), .fallback = "42",
     .help = "Of weights, order and augmentation."},
    {"pretrained_weights", FIELD_TEXT, AT(pretrained_weights), .fallback = "null",
     .help = "A model to begin with."},
    {"load_graph", FIELD_BOOL, AT(load_graph), .fallback = "False",
     .help = "Take its graph too, as after pruning; False: copy what fits by name."},
    {"finetuning_config", FIELD_SECTION, .fallback = "{}", .section = &finetuning_schema,
     .help = "See below."},
    {"use_stagewise_lr_multipliers", FIELD_BOOL, AT(stagewise_lr_multipliers), .fallback = "False",
     .help = "Rates of later stages times 4, of biases times 2."},
    {"ema_decay", FIELD_DOUBLE, FIELD_OURS, AT(ema_decay), .fallback = "0.0", .low = 0, .high = 1,
     .below = true,
     .help = "Validation and the final model use a running average of the weights; 0: off."},
    {"use_amp", FIELD_BOOL, FIELD_OURS, AT(use_amp), .fallback = "False",
     .help = "Mixed precision: convolutions multiply in BF16. The same as `--use_amp`."},
    {"dataloader", FIELD_SECTION, AT(data), .section = &dataloader_schema, .help = "See below."},
    {"model", FIELD_SECTION, AT(model), .section = &model_schema, .help = "See below."},
    {"optimizer", FIELD_SECTION, AT(optimizer), .section = &optimizer_schema, .help = "See below."},
    {"loss", FIELD_SECTION, AT(loss), .fallback = "{}", .section = &loss_schema,
     .help = "See below."},
    {"teacher", FIELD_SECTION, FIELD_OURS, AT(teacher), .fallback = "{}",
     .section = &teacher_schema, .help = "See below."},
    {"inference_spec", FIELD_TEXT, AT(inference_spec), .fallback = "null",
     .help = "How validation looks for people; a relative path is also tried from the spec's "
             "folder."},
    {"final_model_name", FIELD_TEXT, AT(final_model_name), .fallback = "bpnet_model",
     .help =
         "Gets the suffix `.bpnet`, or `.tlt` when it is sealed with a key, unless it ends in one "
         "of these or `.hdf5`."},
    {"key", FIELD_ANY, FIELD_IDLE, .fallback = "null",
     .help = "a key is given with `-k`, not written down"},
};

const struct schema experiment_schema = {
    "Experiment spec", "What `bpnet train -e` reads. Written out in full beside the results.",
    experiment_fields, COUNT(experiment_fields)};
