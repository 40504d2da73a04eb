/* Dataset specs: where pictures and annotations are, and what their visibility flags mean. */
#include "base/error.h"
#include "base/str.h"
#include "spec/category.h"
#include "spec/schema.h"
#include "spec/spec.h"
#include "spec/spec_tables.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- visibility flags -------------------------------------------------------------------- */

static const struct choice visibility_names[] = {{"visible", VIS_VISIBLE},
                                                 {"annotatable", VIS_ANNOTATABLE},
                                                 {"occluded", VIS_OCCLUDED},
                                                 {"truncated", VIS_TRUNCATED},
                                                 {"not_labeled", VIS_NOT_LABELLED},
                                                 {"not_labelled", VIS_NOT_LABELLED},
                                                 {"not_labeled_in_dataset", VIS_NOT_IN_DATASET},
                                                 {"not_labelled_in_dataset", VIS_NOT_IN_DATASET},
                                                 {0}};

enum { FLAG_VALUES = COUNT(((struct dataset_spec *)0)->flag_map) };

/* COCO's: 2 visible, 1 occluded, 0 not labelled. */
static void default_flags(struct dataset_spec *s)
{
    for (int i = 0; i < FLAG_VALUES; i++)
        s->flag_map[i] = VIS_NOT_LABELLED;
    s->flag_map[1] = VIS_OCCLUDED;
    s->flag_map[2] = VIS_VISIBLE;
}

/* One name: its number in the source's files, and its meaning by the mapping. */
static int read_flag(const struct doc *doc, const struct doc_node *value,
                     const struct doc_node *mapping, struct dataset_spec *s)
{
    char place[DOC_PLACE], found[DOC_DESCRIPTION];
    if (value->kind != DOC_INTEGER || value->integer < 0 || value->integer >= FLAG_VALUES)
        return doc_error(doc, value, BPNET_ECONFIG,
                         "%s: found %s, expected an integer from 0 to %d",
                         doc_place(value, place, sizeof place),
                         doc_describe(value, found, sizeof found), FLAG_VALUES - 1);
    const struct doc_node *meaning = doc_get(mapping, value->key);
    if (!meaning)
        return doc_error_key(doc, value, BPNET_ECONFIG,
                             "'%s' has a value but no entry in visibility_flags.mapping",
                             value->key);
    for (const struct choice *c = visibility_names; meaning->kind == DOC_TEXT && c->name; c++) {
        if (strcmp(c->name, meaning->text) == 0) {
            s->flag_map[value->integer] = (enum visibility)c->value;
            return BPNET_OK;
        }
    }
    return doc_error(doc, meaning, BPNET_ECONFIG,
                     "%s: found %s, expected visible, annotatable, occluded, truncated, "
                     "not_labeled or not_labeled_in_dataset",
                     doc_place(meaning, place, sizeof place),
                     doc_describe(meaning, found, sizeof found));
}

static int read_flags(const struct doc *doc, const struct doc_node *node, void *base)
{
    struct dataset_spec *s = base;
    const struct doc_node *values = doc_get(node, "value"), *mapping = doc_get(node, "mapping");
    if (!values || values->kind != DOC_MAP || !mapping || mapping->kind != DOC_MAP)
        return doc_error(doc, node, BPNET_ECONFIG,
                         "visibility_flags: expected the mappings 'value' and 'mapping'");
    for (const struct doc_node *c = node->first; c; c = c->next)
        if (c != values && c != mapping)
            return doc_error_key(doc, c, BPNET_ECONFIG, "unknown key '%.100s' in visibility_flags",
                                 c->key);
    for (int i = 0; i < FLAG_VALUES; i++)
        s->flag_map[i] = VIS_NOT_LABELLED;
    for (const struct doc_node *v = values->first; v; v = v->next) {
        const int err = read_flag(doc, v, mapping, s);
        if (err < 0)
            return err;
    }
    for (const struct doc_node *m = mapping->first; m; m = m->next)
        if (!doc_get(values, m->key))
            return doc_error_key(doc, m, BPNET_ECONFIG,
                                 "'%s' has a meaning but no entry in visibility_flags.value",
                                 m->key);
    return BPNET_OK;
}

/* ---- joints ------------------------------------------------------------------------------ */

/* The category "person", or the only one there is. */
static int read_categories(const struct doc *doc, const struct doc_node *node, void *base)
{
    struct dataset_spec *s = base;
    const struct doc_node *list = NULL, *chosen = NULL;
    int err = category_list(&list, doc);
    if (err < 0)
        return err;
    for (const struct doc_node *c = list->first; c && !chosen; c = c->next) {
        const struct doc_node *name = doc_get(c, "name");
        if (list->n == 1 || (name && name->text && strcmp(name->text, "person") == 0))
            chosen = c;
    }
    if (!chosen)
        return doc_error(doc, node, BPNET_ECONFIG, "categories: none of the %zu is named 'person'",
                         list->n);
    struct category category;
    if ((err = category_read(&category, doc, chosen, false)) < 0)
        return err;
    s->n_keypoints = category.n_joints;
    s->keypoints = category.keypoints;
    category.keypoints = NULL;
    category.n_keypoints = 0;
    category_free(&category);
    return BPNET_OK;
}

/* ---- the table --------------------------------------------------------------------------- */

#define AT(member) .offset = offsetof(struct dataset_part, member)

static const struct field part_fields[] = {
    {"images_root_dir_path", FIELD_TEXT, AT(images_root), .help = "Folder of the pictures."},
    {"mask_root_dir_path", FIELD_TEXT, AT(mask_root), .fallback = "''",
     .help = "Folder of the loss masks that `dataset_convert --generate_masks` writes."},
    {"annotation_root_dir_path", FIELD_TEXT, AT(annotation_file), .help = "The annotations."},
    {"extra_annotation_path", FIELD_TEXT, FIELD_OURS, AT(extra_file), .fallback = "''",
     .help = "Machine-made labels for what the annotations do not label; see docs/data.md."},
    {"extra_min_score", FIELD_DOUBLE, FIELD_OURS, AT(extra_min_score), .fallback = "0.3", .low = 0,
     .high = 1, .help = "Keypoints of theirs with a lower score are not used."},
};

static const struct schema part_schema = {
    "train_data or test_data", "Paths from root_directory_path.", part_fields, COUNT(part_fields)};

#undef AT
#define AT(member) .offset = offsetof(struct dataset_spec, member)

static const struct field filter_fields[] = {
    {"min_acceptable_height", FIELD_DOUBLE, AT(min_height), .fallback = "32.0", .low = 0,
     .high = 1e6, .help = "Times the width: the smallest area of a main person, in pixels."},
    {"min_acceptable_width", FIELD_DOUBLE, AT(min_width), .fallback = "32.0", .low = 0, .high = 1e6,
     .help = "See above."},
    {"min_acceptable_kpts", FIELD_INT, AT(min_keypoints), .fallback = "5", .low = 0,
     .high = SKELETON_MAX_JOINTS, .help = "The fewest labelled keypoints of a main person."},
    {"min_acceptable_interperson_dist_ratio", FIELD_DOUBLE, AT(min_distance_ratio),
     .fallback = "0.3", .low = 0, .high = 1000,
     .help = "Least distance between the centres of main persons, in sizes of the first."},
};

static const struct schema filter_schema = {"data_filtering_params", NULL, filter_fields,
                                            COUNT(filter_fields)};

static const struct field dataset_spec_fields[] = {
    {"dataset", FIELD_TEXT, AT(dataset), .help = "A name, stored in every record."},
    {"root_directory_path", FIELD_TEXT, AT(root), .fallback = "''",
     .help = "The folder that other paths start from."},
    {"train_data", FIELD_SECTION, AT(train), .fallback = "null", .section = &part_schema,
     .help = "See below; what `dataset_convert -m train` reads."},
    {"test_data", FIELD_SECTION, AT(test), .fallback = "null", .section = &part_schema,
     .help = "See below; what evaluation and other modes read."},
    {"duplicate_data_with_each_person_as_center", FIELD_BOOL, AT(duplicate_per_person),
     .fallback = "True",
     .help = "A record for every main person; False: for the first of a picture."},
    {"categories", FIELD_CUSTOM, .custom = read_categories,
     .help = "A list; the entry named person counts, with the keys of a pose config's. Its "
             "skeleton is not used."},
    {"visibility_flags", FIELD_CUSTOM, .custom = read_flags, .fallback = "null",
     .help = "`value`: the number of every flag in the annotations, 0 to 7; `mapping`: what it "
             "means: visible, annotatable, occluded (all three make labels), truncated, "
             "not_labeled, not_labeled_in_dataset. Default: COCO's."},
    {"data_filtering_params", FIELD_SECTION, .fallback = "{}", .section = &filter_schema,
     .help = "See below."},
};

const struct schema dataset_schema = {
    "Dataset spec",
    "What `bpnet dataset_convert -d` and `bpnet evaluate -d` read: `.json` or `.yaml`.",
    dataset_spec_fields, COUNT(dataset_spec_fields)};

/* ---- loading ----------------------------------------------------------------------------- */

static bool has_suffix(const char *path, const char *suffix)
{
    const size_t n = strlen(path), m = strlen(suffix);
    return n > m && strcmp(path + n - m, suffix) == 0;
}

/* Texts are never NULL, also those of a part that is absent. */
static int fill_part(struct dataset_part *part)
{
    char **const texts[] = {&part->images_root, &part->mask_root, &part->annotation_file,
                            &part->extra_file};
    for (size_t i = 0; i < COUNT(texts); i++)
        if (!*texts[i] && !(*texts[i] = str_copy("")))
            return BPNET_ENOMEM;
    return BPNET_OK;
}

static int read_spec(struct dataset_spec *s, const struct doc *doc)
{
    default_flags(s);
    int err = schema_read(&dataset_schema, doc, doc->root, s);
    if (err == BPNET_OK)
        err = fill_part(&s->train);
    if (err == BPNET_OK)
        err = fill_part(&s->test);
    if (err == BPNET_OK && !(s->path = str_copy(doc->path)))
        err = BPNET_ENOMEM;
    return err;
}

int dataset_spec_load(struct dataset_spec **out, const char *path,
                      const struct spec_overrides *overrides)
{
    *out = NULL;
    if (!has_suffix(path, ".json") && !has_suffix(path, ".yaml"))
        return error_set(BPNET_ECONFIG, "%s: a dataset spec is a .json or .yaml file", path);
    struct doc doc;
    int err = doc_load(&doc, path, overrides);
    if (err < 0)
        return err;
    struct dataset_spec *s = calloc(1, sizeof *s);
    err = s ? read_spec(s, &doc) : error_set(BPNET_ENOMEM, "%s: no memory for the spec", path);
    doc_free(&doc);
    if (err < 0)
        dataset_spec_free(s);
    else
        *out = s;
    return err;
}

void dataset_spec_free(struct dataset_spec *s)
{
    if (!s)
        return;
    for (int i = 0; i < s->n_keypoints; i++)
        free(s->keypoints[i]);
    free(s->keypoints);
    schema_free(&dataset_schema, s);
    free(s->path);
    free(s);
}
