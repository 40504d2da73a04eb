/*
 * Handles of the public library: an engine that may be shared, and one thread's means to run it.
 */
#include "lib/handle.h"

#include "base/error.h"
#include "base/workers.h"
#include "engine/engine.h"
#include "pose/predict.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* What handles of one engine have in common; the last one closes it. */
struct shared {
    atomic_int owners;
    struct engine *engine;
    const char *joint_names[SKELETON_MAX_JOINTS];
    int limbs[SKELETON_MAX_LIMBS][2];
};

struct bpnet {
    struct shared *shared;
    struct workers *workers;
    struct engine_context *context;
    struct predictor *predictor;
    struct packed_picture picture;
    struct people found;
    struct bpnet_info info;

    /* The last run's people as the caller sees them. */
    bpnet_people people;
    bpnet_person *persons;
    bpnet_joint *joints;
    int capacity;
};

/* ---- opening ------------------------------------------------------------------------------- */

static void release(struct shared *s)
{
    if (!s || atomic_fetch_sub(&s->owners, 1) > 1)
        return;
    engine_close(s->engine);
    free(s);
}

static void describe(struct shared *s)
{
    const struct skeleton *skeleton = engine_info(s->engine)->skeleton;
    for (int j = 0; j < skeleton->n_joints; j++)
        s->joint_names[j] = skeleton->joints[j];
    for (int k = 0; k < skeleton->n_limbs; k++)
        for (int end = 0; end < 2; end++)
            s->limbs[k][end] = skeleton->limbs[k][end];
}

/* A threshold of the options, or what stands for 0 there. */
static int choose(float *out, float value, float otherwise, const char *name)
{
    if (!isfinite(value) || value < 0)
        return error_set(BPNET_EUSAGE, "%s: found %g, expected a number from 0", name,
                         (double)value);
    *out = value > 0 ? value : otherwise;
    return BPNET_OK;
}

static int make_options(struct predict_options *out, const struct engine_info *info,
                        const bpnet_options *o)
{
    predict_options_default(out);
    if (o->cpu) {
        const int err = cpu_level_parse(&out->cpu, o->cpu);
        if (err < 0)
            return err;
    }
    out->input_h = info->input_h;
    out->input_w = info->input_w;
    out->aspect = ASPECT_PAD_IMAGE;
    out->flip_test = o->flip_test != 0;
    if (o->min_joints > SKELETON_MAX_JOINTS)
        return error_set(BPNET_EUSAGE, "min_joints: found %u, expected at most %d", o->min_joints,
                         SKELETON_MAX_JOINTS);
    if (o->min_joints > 0)
        out->min_joints = (int)o->min_joints;
    int err;
    if ((err = choose(&out->heat_threshold, o->joint_threshold, info->heat_threshold,
                      "joint_threshold")) < 0 ||
        (err = choose(&out->paf_threshold, o->limb_threshold, info->paf_threshold,
                      "limb_threshold")) < 0 ||
        (err = choose(&out->person_threshold, o->person_threshold, 0, "person_threshold")) < 0)
        return err;
    return BPNET_OK;
}

static int choose_level(enum cpu_level *out, const bpnet_options *options)
{
    *out = cpu_level_detect();
    return options && options->cpu ? cpu_level_parse(out, options->cpu) : BPNET_OK;
}

static int open_team(struct workers **out, const bpnet_options *options)
{
    return workers_open(out, options ? options->threads : 0);
}

/* Takes over `shared` and the team, in failure too. */
static int open_handle(bpnet **out, struct shared *shared, struct workers *team,
                       const bpnet_options *options)
{
    static const bpnet_options defaults;
    const struct engine_info *info = engine_info(shared->engine);
    const bpnet_options *o = options ? options : &defaults;
    int err;
    struct bpnet *net = calloc(1, sizeof(*net));
    if (!net) {
        workers_close(team);
        release(shared);
        return error_set(BPNET_ENOMEM, "no memory for a handle");
    }
    net->shared = shared;
    net->workers = team;
    struct predict_options how;
    struct net network;
    if ((err = make_options(&how, info, o)) < 0 ||
        (err = engine_context_open(&net->context, shared->engine, net->workers)) < 0)
        goto fail;
    engine_as_net(net->context, &network);
    if ((err = predictor_open(&net->predictor, &network, &how, net->workers)) < 0)
        goto fail;
    net->found.n_joints = info->skeleton->n_joints;
    net->info = (bpnet_info){.input_width = info->input_w,
                             .input_height = info->input_h,
                             .precision = info->precision,
                             .description = info->description,
                             .n_joints = info->skeleton->n_joints,
                             .joint_names = shared->joint_names,
                             .n_limbs = info->skeleton->n_limbs,
                             .limbs = (const int(*)[2])shared->limbs,
                             .memory = info->weights_bytes + info->workspace_bytes};
    *out = net;
    return BPNET_OK;
fail:
    bpnet_close(net);
    return err;
}

/* Takes over the engine and the team, in failure too. */
static int open_first(bpnet **out, struct engine *engine, struct workers *team,
                      const bpnet_options *options)
{
    if (engine_info(engine)->heat_output < 0) {
        workers_close(team);
        engine_close(engine);
        return error_set(BPNET_EUNSUPPORTED, "an engine without heatmaps and part affinity "
                                             "fields; there are no people to decode");
    }
    struct shared *shared = calloc(1, sizeof(*shared));
    if (!shared) {
        workers_close(team);
        engine_close(engine);
        return error_set(BPNET_ENOMEM, "no memory for a handle");
    }
    atomic_init(&shared->owners, 1);
    shared->engine = engine;
    describe(shared);
    return open_handle(out, shared, team, options);
}

int bpnet_open(bpnet **out, const char *path, const bpnet_options *options)
{
    *out = NULL;
    enum cpu_level level;
    struct engine *engine;
    struct workers *team;
    int err;
    if ((err = choose_level(&level, options)) < 0 || (err = open_team(&team, options)) < 0)
        return err;
    if ((err = engine_open(&engine, path, NULL, level, team)) < 0) {
        workers_close(team);
        return err;
    }
    return open_first(out, engine, team, options);
}

int bpnet_open_memory(bpnet **out, const void *bytes, size_t size, const bpnet_options *options)
{
    *out = NULL;
    enum cpu_level level;
    struct engine *engine;
    struct workers *team;
    int err;
    if ((uintptr_t)bytes % 64 != 0)
        return error_set(BPNET_EUSAGE, "an engine in memory must be aligned to 64 bytes");
    if ((err = choose_level(&level, options)) < 0 ||
        (err = engine_open_memory(&engine, bytes, size, "engine in memory", level)) < 0)
        return err;
    if ((err = open_team(&team, options)) < 0) {
        engine_close(engine);
        return err;
    }
    return open_first(out, engine, team, options);
}

int bpnet_open_another(bpnet **out, bpnet *net, const bpnet_options *options)
{
    struct workers *team;
    *out = NULL;
    const int err = open_team(&team, options);
    if (err < 0)
        return err;
    atomic_fetch_add(&net->shared->owners, 1);
    return open_handle(out, net->shared, team, options);
}

void bpnet_close(bpnet *net)
{
    if (!net)
        return;
    predictor_close(net->predictor);
    engine_context_close(net->context);
    workers_close(net->workers);
    release(net->shared);
    people_free(&net->found);
    packed_picture_free(&net->picture);
    free(net->persons);
    free(net->joints);
    free(net);
}

const bpnet_info *bpnet_get_info(const bpnet *net)
{
    return &net->info;
}

/* ---- running ------------------------------------------------------------------------------- */

static int reserve_people(struct bpnet *net, int n)
{
    if (n <= net->capacity)
        return BPNET_OK;
    const size_t wanted = (size_t)n * 2, n_joints = (size_t)net->info.n_joints;
    bpnet_person *persons = realloc(net->persons, wanted * sizeof(*persons));
    if (persons)
        net->persons = persons;
    bpnet_joint *joints =
        persons ? realloc(net->joints, wanted * n_joints * sizeof(*joints)) : NULL;
    if (!joints)
        return error_set(BPNET_ENOMEM, "no memory for %d people", n);
    net->joints = joints;
    net->capacity = (int)wanted;
    return BPNET_OK;
}

static void show_people(struct bpnet *net)
{
    const struct people *found = &net->found;
    const size_t n_joints = (size_t)net->info.n_joints;
    for (size_t p = 0; p < (size_t)found->n_people; p++) {
        bpnet_joint *joints = net->joints + p * n_joints;
        net->persons[p] = (bpnet_person){found->scores[p], joints};
        for (size_t j = 0; j < n_joints; j++) {
            const struct joint_position *at = &found->joints[p * n_joints + j];
            joints[j] = at->found ? (bpnet_joint){at->x, at->y, at->score} : (bpnet_joint){0};
        }
    }
    net->people = (bpnet_people){found->n_people, net->persons};
}

struct image_fit handle_fit(const struct bpnet *net)
{
    return predictor_fit(net->predictor);
}

int handle_run(struct bpnet *net, const struct image *image, const struct image_scale *scale,
               const bpnet_people **people)
{
    int err;
    if ((err = predictor_run(net->predictor, image, &net->found)) < 0 ||
        (err = reserve_people(net, net->found.n_people)) < 0)
        return err;
    people_enlarge(&net->found, scale);
    show_people(net);
    *people = &net->people;
    return BPNET_OK;
}

int bpnet_run(bpnet *net, const bpnet_image *image, const bpnet_people **people)
{
    static const struct image_scale whole = {.shrink = 1};
    *people = NULL;
    struct image picture;
    const int err = packed_picture_make(&picture, &net->picture, image);
    return err < 0 ? err : handle_run(net, &picture, &whole, people);
}

void bpnet_get_times(const bpnet *net, bpnet_times *times)
{
    int64_t ns[3];
    predictor_times(net->predictor, ns);
    *times = (bpnet_times){ns[0], ns[1], ns[2]};
}
