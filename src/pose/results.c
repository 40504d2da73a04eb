/* The three formats are rows of functions over one streaming JSON writer. */
#include "pose/results.h"

#include "base/error.h"
#include "io/file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct results {
    const struct format *format;
    const struct skeleton *skeleton;
    struct results_options options;
    int coco[COCO_KEYPOINTS];
    char *path;
    struct outfile file;
    struct json_writer writer;
};

struct format {
    int (*begin)(struct results *r);
    int (*add)(struct results *r, const struct results_picture *picture,
               const struct people *people);
    void (*end)(struct results *r); /* before the commit of a single file */
};

static const struct joint_position *joints_of(const struct people *people, int person)
{
    return people->joints + (size_t)person * (size_t)people->n_joints;
}

static int open_file(struct results *r, const char *path, int indent)
{
    const int err = outfile_open(&r->file, path);
    if (err < 0)
        return err;
    r->writer = (struct json_writer){.stream = r->file.stream, .indent = indent};
    return BPNET_OK;
}

/* ---- native -------------------------------------------------------------------------------- */

static void write_name(struct json_writer *w, const char *key, const char *value)
{
    json_write_key(w, key);
    json_write_string(w, value);
}

static void write_category(struct json_writer *w, const struct skeleton *s)
{
    json_begin_object(w);
    write_name(w, "supercategory", s->category);
    json_write_key(w, "id");
    json_write_integer(w, 1);
    write_name(w, "name", s->category);
    json_write_key(w, "num_joints");
    json_write_integer(w, s->n_joints);
    json_write_key(w, "keypoints");
    json_begin_array(w);
    for (int j = 0; j < s->n_joints; j++)
        json_write_string(w, s->joints[j]);
    json_end_array(w);
    json_write_key(w, "skeleton");
    json_begin_array(w);
    for (int k = 0; k < s->n_limbs; k++) {
        json_begin_array(w);
        json_write_integer(w, s->limbs[k][0] + 1); /* the config counts from one */
        json_write_integer(w, s->limbs[k][1] + 1);
        json_end_array(w);
    }
    json_end_array(w);
    json_write_key(w, "skeleton_edge_names");
    json_begin_array(w);
    for (int k = 0; k < s->n_limbs; k++) {
        json_begin_array(w);
        json_write_string(w, s->joints[s->limbs[k][0]]);
        json_write_string(w, s->joints[s->limbs[k][1]]);
        json_end_array(w);
    }
    json_end_array(w);
    json_end_object(w);
}

static int native_begin(struct results *r)
{
    const int err = open_file(r, r->path, 2);
    if (err < 0)
        return err;
    struct json_writer *w = &r->writer;
    json_begin_object(w);
    write_name(w, "pose_config_type", r->skeleton->type);
    json_write_key(w, "categories");
    json_begin_array(w);
    write_category(w, r->skeleton);
    json_end_array(w);
    if (r->options.inference_spec) {
        json_write_key(w, "inference_spec");
        json_write_raw(w, r->options.inference_spec);
    }
    json_write_key(w, "images");
    json_begin_array(w);
    return BPNET_OK;
}

/* The members of a JSON input's object that we do not write ourselves. */
static void write_other_members(struct json_writer *w, const struct json *input)
{
    static const char *const ours[] = {"full_image_path", "keypoints", "scores",
                                       "viz_id",          "image_id",  "image_meta"};
    for (size_t i = 0; i < json_length(input); i++) {
        const struct json *value;
        const char *key = json_key_at(input, i, &value);
        bool known = !key;
        for (size_t k = 0; !known && k < sizeof(ours) / sizeof(ours[0]); k++)
            known = strcmp(key, ours[k]) == 0;
        if (known)
            continue;
        json_write_key(w, key);
        json_write_value(w, value);
    }
}

static void write_native_people(struct json_writer *w, const struct people *people)
{
    const int indent = w->indent;
    json_write_key(w, "keypoints");
    json_begin_array(w);
    for (int i = 0; i < people->n_people; i++) {
        const struct joint_position *joints = joints_of(people, i);
        json_begin_array(w);
        w->indent = 0; /* a person a line */
        for (int j = 0; j < people->n_joints; j++) {
            json_begin_array(w);
            json_write_float(w, joints[j].found ? joints[j].x : 0);
            json_write_float(w, joints[j].found ? joints[j].y : 0);
            json_end_array(w);
        }
        json_end_array(w);
        w->indent = indent;
    }
    json_end_array(w);
    json_write_key(w, "scores");
    json_begin_array(w);
    for (int i = 0; i < people->n_people; i++)
        json_write_float(w, people->scores[i]);
    json_end_array(w);
}

static int native_add(struct results *r, const struct results_picture *picture,
                      const struct people *people)
{
    struct json_writer *w = &r->writer;
    json_begin_object(w);
    write_name(w, "full_image_path", picture->path);
    write_other_members(w, picture->input);
    if (picture->image_id >= 0) {
        json_write_key(w, "image_id");
        json_write_integer(w, picture->image_id);
    }
    if (picture->image_meta) {
        json_write_key(w, "image_meta");
        json_write_value(w, picture->image_meta);
    }
    if (picture->drawn)
        write_name(w, "viz_id", picture->drawn);
    if (people)
        write_native_people(w, people);
    json_end_object(w);
    return BPNET_OK;
}

static void native_end(struct results *r)
{
    json_end_array(&r->writer);
    json_end_object(&r->writer);
}

/* ---- COCO ---------------------------------------------------------------------------------- */

static int coco_begin(struct results *r)
{
    const int err = open_file(r, r->path, 0);
    if (err < 0)
        return err;
    skeleton_to_coco(r->skeleton, r->coco);
    json_begin_array(&r->writer);
    return BPNET_OK;
}

/* To a whole number, towards zero. */
static int cut(float x)
{
    const float limit = 1e9f;
    return (int)fmaxf(-limit, fminf(x, limit));
}

static void write_coco_joint(struct results *r, const struct joint_position *joint)
{
    struct json_writer *w = &r->writer;
    const bool found = joint && joint->found;
    if (r->options.compat) {
        const int x = found ? cut(joint->x) : 0, y = found ? cut(joint->y) : 0;
        json_write_integer(w, x);
        json_write_integer(w, y);
        json_write_integer(w, x > 0 || y > 0);
        return;
    }
    json_write_float(w, found ? joint->x : 0);
    json_write_float(w, found ? joint->y : 0);
    json_write_integer(w, found);
}

static int coco_add(struct results *r, const struct results_picture *picture,
                    const struct people *people)
{
    struct json_writer *w = &r->writer;
    if (picture->image_id < 0)
        return error_set(BPNET_EUSAGE, "%s: COCO results need an image id", picture->path);
    for (int i = 0; people && i < people->n_people; i++) {
        const struct joint_position *joints = joints_of(people, i);
        json_begin_object(w);
        json_write_key(w, "image_id");
        json_write_integer(w, picture->image_id);
        json_write_key(w, "category_id");
        json_write_integer(w, 1);
        json_write_key(w, "keypoints");
        json_begin_array(w);
        for (int k = 0; k < COCO_KEYPOINTS; k++)
            write_coco_joint(r, r->coco[k] < 0 ? NULL : &joints[r->coco[k]]);
        json_end_array(w);
        json_write_key(w, "score");
        json_write_float(w, people->scores[i]);
        json_end_object(w);
    }
    return BPNET_OK;
}

static void coco_end(struct results *r)
{
    json_end_array(&r->writer);
}

/* ---- OpenPose ------------------------------------------------------------------------------ */

static int openpose_begin(struct results *r)
{
    return folder_create(r->path);
}

void results_write_people(struct json_writer *w, const struct people *people)
{
    json_begin_object(w);
    json_write_key(w, "version");
    json_write_number(w, 1.3);
    json_write_key(w, "people");
    json_begin_array(w);
    for (int i = 0; people && i < people->n_people; i++) {
        const struct joint_position *joints = joints_of(people, i);
        json_begin_object(w);
        json_write_key(w, "person_id");
        json_begin_array(w);
        json_write_integer(w, -1); /* nobody is followed from picture to picture */
        json_end_array(w);
        json_write_key(w, "pose_keypoints_2d");
        json_begin_array(w);
        for (int j = 0; j < people->n_joints; j++) {
            const struct joint_position *at = &joints[j];
            json_write_float(w, at->found ? at->x : 0);
            json_write_float(w, at->found ? at->y : 0);
            json_write_float(w, at->found ? at->score : 0);
        }
        json_end_array(w);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
}

static int openpose_add(struct results *r, const struct results_picture *picture,
                        const struct people *people)
{
    const char *name = picture->name ? picture->name : path_base(picture->path);
    const char *dot = picture->name ? NULL : strrchr(name, '.');
    const int length = dot && dot > name ? (int)(dot - name) : (int)strlen(name);
    struct str file = {0};
    str_printf(&file, "%s/%.*s_keypoints.json", r->path, length, name);
    int err = str_status(&file);
    if (err >= 0)
        err = open_file(r, str_text(&file), 0);
    str_free(&file);
    if (err < 0)
        return err;
    results_write_people(&r->writer, people);
    return outfile_commit(&r->file);
}

/* ---- the whole ----------------------------------------------------------------------------- */

static const struct format formats[] = {
    [RESULTS_NATIVE] = {native_begin, native_add, native_end},
    [RESULTS_COCO] = {coco_begin, coco_add, coco_end},
    [RESULTS_OPENPOSE] = {openpose_begin, openpose_add, NULL},
};

static void release(struct results *r)
{
    free(r->path);
    free(r);
}

int results_open(struct results **out, enum results_format format, const char *path,
                 const struct skeleton *skeleton, const struct results_options *options)
{
    *out = NULL;
    struct results *r = calloc(1, sizeof(*r));
    if (!r)
        return error_set(BPNET_ENOMEM, "%s: no memory for results", path);
    r->format = &formats[format];
    r->skeleton = skeleton;
    if (options)
        r->options = *options;
    r->path = str_copy(path);
    const int err = r->path ? r->format->begin(r) : BPNET_ENOMEM;
    if (err < 0) {
        results_abort(r);
        return err;
    }
    *out = r;
    return BPNET_OK;
}

int results_add(struct results *r, const struct results_picture *picture,
                const struct people *people)
{
    if (people && people->n_people > 0 && people->n_joints != r->skeleton->n_joints)
        return error_set(BPNET_EUSAGE, "%s: people of %d joints, the skeleton has %d",
                         picture->path, people->n_joints, r->skeleton->n_joints);
    return r->format->add(r, picture, people);
}

int results_close(struct results *r)
{
    int err = BPNET_OK;
    if (r->format->end) {
        r->format->end(r);
        err = outfile_commit(&r->file);
    }
    release(r);
    return err;
}

void results_abort(struct results *r)
{
    if (!r)
        return;
    outfile_abort(&r->file);
    release(r);
}
