/* Pose configs: the joints and limbs that networks, labels and people are made of. */
#include "base/error.h"
#include "spec/category.h"
#include "spec/schema.h"
#include "spec/spec.h"
#include "spec/spec_tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pose_file {
    char *type;
    struct category category;
};

static int read_category(const struct doc *doc, const struct doc_node *node, void *base)
{
    struct pose_file *file = base;
    (void)node;
    const struct doc_node *list = NULL;
    const int err = category_list(&list, doc);
    if (err < 0)
        return err;
    if (list->n > 1)
        doc_warning(doc, list->first->next, "only the first category is used");
    return category_read(&file->category, doc, list->first, true);
}

static const struct field fields[] = {
    {"pose_config_type", FIELD_TEXT, .offset = offsetof(struct pose_file, type),
     .fallback = "custom", .help = "A name for the skeleton, such as `bpnet_18_joints`."},
    {"categories", FIELD_CUSTOM, .custom = read_category,
     .help = "A list with one entry that has the keys below."},
};

const struct schema pose_config_schema = {
    "Pose config",
    "Joints and limbs; any skeleton will do. Joints whose names begin with `left_` and `right_` "
    "(or `l_` and `r_`, or end in `_left` and `_right`) and agree otherwise are each other's "
    "mirror image.",
    fields, sizeof fields / sizeof *fields};

static void to_skeleton(struct skeleton *out, const struct pose_file *file)
{
    const struct category *c = &file->category;
    memset(out, 0, sizeof *out);
    snprintf(out->type, sizeof out->type, "%s", file->type);
    snprintf(out->category, sizeof out->category, "%s", c->name);
    out->n_joints = c->n_joints;
    for (int j = 0; j < c->n_joints; j++)
        snprintf(out->joints[j], sizeof out->joints[j], "%s", c->keypoints[j]);
    out->n_limbs = c->n_limbs;
    memcpy(out->limbs, c->limbs, sizeof out->limbs);
    skeleton_find_mirror(out);
}

static int check_length(const struct doc *doc, const char *key, const char *text)
{
    if (strlen(text) < SKELETON_NAME_SIZE)
        return BPNET_OK;
    return doc_error(doc, doc_get(doc->root, key), BPNET_ECONFIG,
                     "%s: a name of %zu characters, expected at most %d", key, strlen(text),
                     SKELETON_NAME_SIZE - 1);
}

int pose_config_load(struct skeleton *out, const char *path)
{
    struct doc doc;
    struct pose_file file = {0};
    int err = doc_load(&doc, path, NULL);
    if (err < 0)
        return err;
    err = schema_read(&pose_config_schema, &doc, doc.root, &file);
    if (err == BPNET_OK)
        err = check_length(&doc, "pose_config_type", file.type);
    if (err == BPNET_OK)
        err = check_length(&doc, "categories", file.category.name);
    if (err == BPNET_OK)
        to_skeleton(out, &file);
    schema_free(&pose_config_schema, &file);
    category_free(&file.category);
    doc_free(&doc);
    return err;
}
