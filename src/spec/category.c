/* Categories as COCO writes them: names of joints, and pairs of them counted from one. */
#include "spec/category.h"

#include "base/error.h"
#include "spec/schema.h"
#include "spec/spec_tables.h"

#include <stdlib.h>
#include <string.h>

#define AT(member) .offset = offsetof(struct category, member)

static int read_limbs(const struct doc *doc, const struct doc_node *node, void *base);

static const struct field fields[] = {
    {"supercategory", FIELD_ANY, FIELD_REMARK, .fallback = "null", .help = "For people."},
    {"id", FIELD_ANY, FIELD_REMARK, .fallback = "1", .help = "For people."},
    {"name", FIELD_TEXT, AT(name), .fallback = "person", .help = "Of what has these joints."},
    {"num_joints", FIELD_INT, AT(n_joints), .fallback = "null", .low = 1,
     .high = SKELETON_MAX_JOINTS, .help = "The number of keypoints."},
    {"keypoints", FIELD_TEXT_LIST, AT(keypoints), .length = offsetof(struct category, n_keypoints),
     .help = "Their names, all different."},
    {"skeleton", FIELD_CUSTOM, .custom = read_limbs, .fallback = "null",
     .help = "The limbs: pairs of joints counted from 1; PAFs point from the first to the second."},
    {"skeleton_edge_names", FIELD_ANY, FIELD_REMARK, .fallback = "null",
     .help = "The pairs by name, for people."},
};

const struct schema category_schema = {"categories", NULL, fields, sizeof fields / sizeof *fields};

/* ---- limbs ------------------------------------------------------------------------------- */

/* One end of a limb; its bounds are known only when the joints are. */
static int read_end(const struct doc *doc, const struct doc_node *node, int n_joints, int16_t *out)
{
    char place[DOC_PLACE], found[DOC_DESCRIPTION];
    if (node->kind != DOC_INTEGER || node->integer < 1 || node->integer > n_joints)
        return doc_error(doc, node, BPNET_ECONFIG, "%s: found %s, expected a joint from 1 to %d",
                         doc_place(node, place, sizeof place),
                         doc_describe(node, found, sizeof found), n_joints);
    *out = (int16_t)(node->integer - 1);
    return BPNET_OK;
}

static bool is_taken(const struct category *c, const int16_t limb[2])
{
    for (int k = 0; k < c->n_limbs; k++)
        if ((c->limbs[k][0] == limb[0] && c->limbs[k][1] == limb[1]) ||
            (c->limbs[k][0] == limb[1] && c->limbs[k][1] == limb[0]))
            return true;
    return false;
}

static int read_limb(const struct doc *doc, const struct doc_node *pair, struct category *c)
{
    char place[DOC_PLACE], found[DOC_DESCRIPTION];
    int16_t *limb = c->limbs[c->n_limbs];
    if (pair->kind != DOC_LIST || pair->n != 2)
        return doc_error(doc, pair, BPNET_ECONFIG, "%s: found %s, expected a pair of joints",
                         doc_place(pair, place, sizeof place),
                         doc_describe(pair, found, sizeof found));
    int err = read_end(doc, pair->first, (int)c->n_keypoints, &limb[0]);
    if (err == BPNET_OK)
        err = read_end(doc, pair->last, (int)c->n_keypoints, &limb[1]);
    if (err < 0)
        return err;
    if (limb[0] == limb[1])
        return doc_error(doc, pair, BPNET_ECONFIG, "%s: a limb from joint %d to itself",
                         doc_place(pair, place, sizeof place), limb[0] + 1);
    if (is_taken(c, limb))
        return doc_error(doc, pair, BPNET_ECONFIG, "%s: the limb %d-%d stands in the list already",
                         doc_place(pair, place, sizeof place), limb[0] + 1, limb[1] + 1);
    c->n_limbs++;
    return BPNET_OK;
}

/* The row of the keypoints stands before that of the skeleton. */
static int read_limbs(const struct doc *doc, const struct doc_node *node, void *base)
{
    struct category *c = base;
    char place[DOC_PLACE], found[DOC_DESCRIPTION];
    if (!c->has_limbs)
        return BPNET_OK;
    if (node->kind != DOC_LIST || node->n == 0 || node->n > SKELETON_MAX_LIMBS)
        return doc_error(doc, node, BPNET_ECONFIG,
                         "%s: found %s, expected a list of 1 to %d pairs of joints",
                         doc_place(node, place, sizeof place),
                         doc_describe(node, found, sizeof found), SKELETON_MAX_LIMBS);
    int err = BPNET_OK;
    for (const struct doc_node *pair = node->first; pair && err == BPNET_OK; pair = pair->next)
        err = read_limb(doc, pair, c);
    return err;
}

/* ---- the whole --------------------------------------------------------------------------- */

static int check_keypoints(const struct doc *doc, const struct doc_node *list,
                           const struct category *c)
{
    char place[DOC_PLACE];
    const struct doc_node *item = list->first;
    if (c->n_keypoints < 1 || c->n_keypoints > SKELETON_MAX_JOINTS)
        return doc_error(doc, list, BPNET_ECONFIG, "%s: found %zu names, expected 1 to %d",
                         doc_place(list, place, sizeof place), c->n_keypoints, SKELETON_MAX_JOINTS);
    for (size_t i = 0; i < c->n_keypoints; i++, item = item->next) {
        const size_t length = strlen(c->keypoints[i]);
        if (length == 0 || length >= SKELETON_NAME_SIZE)
            return doc_error(doc, item, BPNET_ECONFIG,
                             "%s: a name of %zu characters, expected 1 to %d",
                             doc_place(item, place, sizeof place), length, SKELETON_NAME_SIZE - 1);
        for (size_t k = 0; k < i; k++)
            if (strcmp(c->keypoints[k], c->keypoints[i]) == 0)
                return doc_error(doc, item, BPNET_ECONFIG,
                                 "%s: '%s' is the name of keypoint %zu already",
                                 doc_place(item, place, sizeof place), c->keypoints[i], k);
    }
    return BPNET_OK;
}

int category_read(struct category *out, const struct doc *doc, const struct doc_node *node,
                  bool limbs)
{
    *out = (struct category){.has_limbs = limbs};
    int err = schema_read(&category_schema, doc, node, out);
    if (err < 0)
        return err;
    err = check_keypoints(doc, doc_get(node, "keypoints"), out);
    if (err == BPNET_OK && out->n_joints && (size_t)out->n_joints != out->n_keypoints)
        err = doc_error(doc, doc_get(node, "num_joints"), BPNET_ECONFIG,
                        "num_joints is %d, but there are %zu keypoints", out->n_joints,
                        out->n_keypoints);
    if (err == BPNET_OK && limbs && out->n_limbs == 0)
        err = doc_error(doc, node, BPNET_ECONFIG, "missing key 'skeleton' in categories[0]");
    out->n_joints = (int)out->n_keypoints;
    if (err < 0)
        category_free(out);
    return err;
}

void category_free(struct category *c)
{
    schema_free(&category_schema, c);
}

int category_list(const struct doc_node **out, const struct doc *doc)
{
    const struct doc_node *list = doc_get(doc->root, "categories");
    char found[DOC_DESCRIPTION];
    *out = list;
    if (list && list->kind == DOC_LIST && list->n > 0)
        return BPNET_OK;
    return list ? doc_error(doc, list, BPNET_ECONFIG,
                            "categories: found %s, expected a list of at least one",
                            doc_describe(list, found, sizeof found))
                : doc_error_key(doc, doc->root, BPNET_ECONFIG, "missing key 'categories'");
}
