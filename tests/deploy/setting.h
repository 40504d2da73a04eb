/* A small calibrated network and two pictures, for tests of what is kept in floats. */
#ifndef SETTING_H
#define SETTING_H

#include "base/rng.h"
#include "deploy/calibrate.h"
#include "deploy/engines.h"
#include "deploy/output_error.h"
#include "nn/networks.h"

enum { SIZE = 48, PICTURES = 3 };

static inline struct model *small(void)
{
    struct model *m;
    struct model_spec spec = default_spec(MODEL_LITE, 1);
    struct rng rng = rng_stream(4, 0, 0);
    spec.width_multiplier = 0.0625;
    if (model_build_graph(&m, &spec, 5) < 0)
        fail_msg("%s", error_message());
    random_values(&m->params, &rng);
    set_normalisation(m);
    m->meta.skeleton = (struct skeleton){0};
    return m;
}

struct stream {
    size_t n, given;
    int fails; /* with this code behind the last one */
};

static inline int next(void *ctx, uint8_t *pixels)
{
    struct stream *s = ctx;
    if (s->given == s->n)
        return s->fails < 0 ? error_set(s->fails, "the camera is on fire") : 0;
    uint8_t *random = random_pixels(SIZE, SIZE, s->given++);
    memcpy(pixels, random, SIZE * SIZE * 3);
    free(random);
    return 1;
}

static inline int run(struct ranges *r, struct channel_means *means, struct network *net,
                      enum calibration_algorithm algorithm, unsigned threads, struct stream stream)
{
    struct workers *workers = NULL;
    if (threads)
        assert_int_equal(workers_open(&workers, threads), 0);
    const struct calibration_options options = {.algorithm = algorithm,
                                                .percentile = 99.9,
                                                .level = cpu_level_detect(),
                                                .workers = workers};
    const int err = calibrate(r, means, net, next, &stream, &options);
    workers_close(workers);
    return err;
}

struct setting {
    struct model *model;
    struct network exact;
    struct ranges ranges;
    struct channel_means means;
    uint8_t *pixels;
    struct pictures pictures;
    struct subject subject;
};

static inline void setting_open(struct setting *s)
{
    *s = (struct setting){.model = small()};
    assert_int_equal(network_lower(&s->exact, s->model, SIZE, SIZE), 0);
    assert_int_equal(
        run(&s->ranges, &s->means, &s->exact, CALIBRATE_MSE, 1, (struct stream){.n = PICTURES}), 0);
    s->pixels = malloc(2 * SIZE * SIZE * 3);
    struct stream stream = {.n = 2};
    assert_int_equal(next(&stream, s->pixels), 1);
    assert_int_equal(next(&stream, s->pixels + SIZE * SIZE * 3), 1);
    s->pictures = (struct pictures){s->pixels, 2};
    s->subject = (struct subject){.model = s->model,
                                  .h = SIZE,
                                  .w = SIZE,
                                  .ranges = &s->ranges,
                                  .means = &s->means,
                                  .level = cpu_level_detect()};
}

static inline void setting_close(struct setting *s)
{
    network_free(&s->exact);
    ranges_free(&s->ranges);
    channel_means_free(&s->means);
    free(s->pixels);
    model_free(s->model);
}

static inline float *param_of(struct model *m, int node, enum param_role role)
{
    const int p = m->graph.nodes[node].params[role];
    assert_true(p >= 0);
    return m->params.value + m->params.list[p].offset;
}

/*
 * Channel 0 of what the last convolution reads becomes 0, and its weights there enormous: they do
 * not matter, but leave nothing of the other weights when they are rounded. The layer is returned.
 */
static inline int setting_spoil(struct setting *s)
{
    const int victim = s->exact.tensors[s->exact.outputs[0]].maker;
    const struct layer *last = &s->exact.layers[victim];
    const int input = last->inputs[0], maker = s->exact.tensors[input].maker;
    const struct layer *before = &s->exact.layers[maker];
    const int in_c = before->geometry.in_c, out_c = before->geometry.out_c;
    assert_int_equal(last->kind, LAYER_CONV);
    assert_int_equal(before->kind, LAYER_CONV);
    assert_int_equal(before->geometry.kernel_h, 1);
    for (int c = 0; c < in_c; c++)
        param_of(s->model, before->node, PARAM_KERNEL)[c * out_c] = 0;
    param_of(s->model, before->node, PARAM_BIAS)[0] = 0;
    for (int j = 0; j < last->geometry.out_c; j++)
        param_of(s->model, last->node, PARAM_KERNEL)[j] = 1000;
    return victim;
}

#endif
