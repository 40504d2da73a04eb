/* Errors of outputs with one layer after another in floats. */
#include "deploy/sensitivity.h"

#include "base/error.h"
#include "deploy/compile.h"
#include "engine/engine.h"
#include "kernel/map_ops.h"

#include <stdlib.h>
#include <string.h>

struct measurement {
    const struct subject *subject;
    const struct pictures *pictures;
    size_t picture_size;
    float *exact;       /* outputs of all pictures, one after another */
    size_t n, capacity; /* floats */
    double *power;      /* per output: sum x^2 */
};

static int no_memory(void)
{
    return error_set(BPNET_ENOMEM, "no memory to compare outputs");
}

int subject_quantize(struct network *out, const struct subject *subject, const bool *keep_float)
{
    int err = network_lower(out, subject->model, subject->h, subject->w);
    if (err < 0)
        return err;
    bool *keep = calloc((size_t)out->n_layers + 1, sizeof(*keep));
    if (!keep)
        err = no_memory();
    for (int i = 0; keep && i < out->n_layers; i++)
        keep[i] = (keep_float && keep_float[i]) || (subject->kept && subject->kept[i]);
    const struct quantize_options options = {.means = subject->means, .keep_float = keep};
    if (err == 0)
        err = quantize(out, subject->ranges, &options);
    free(keep);
    if (err < 0)
        network_free(out);
    return err;
}

/* ---- outputs ------------------------------------------------------------------------------- */

typedef int (*take_output)(struct measurement *m, int k, const struct map_view *v, void *ctx);

/* Run over all pictures and hand every output to `take`. */
static int run_all(struct measurement *m, const struct network *net, take_output take, void *ctx)
{
    const struct compile_options compile = {.level = m->subject->level,
                                            .workers = m->subject->workers,
                                            .no_timing = true,
                                            .precision = "int8"};
    uint8_t *bytes = NULL;
    size_t size;
    struct engine *engine = NULL;
    struct engine_context *context = NULL;
    int err = compile_to_memory(&bytes, &size, net, &compile);
    if (err < 0 ||
        (err = engine_open_memory(&engine, bytes, size, "sensitivity", m->subject->level)) < 0 ||
        (err = engine_context_open(&context, engine, m->subject->workers)) < 0)
        goto done;
    for (size_t i = 0; i < m->pictures->n && err == 0; i++) {
        engine_run(context, m->pictures->pixels + i * m->picture_size);
        for (int k = 0; k < engine_info(engine)->n_outputs && err == 0; k++) {
            const struct map_view v = engine_output(context, k);
            err = take(m, k, &v, ctx);
        }
    }
done:
    engine_context_close(context);
    engine_close(engine);
    free(bytes);
    return err;
}

static const float *pixel_of(const struct map_view *v, size_t i)
{
    return (const float *)v->data + i * (size_t)v->pitch;
}

static int keep_output(struct measurement *m, int k, const struct map_view *v, void *ctx)
{
    (void)ctx;
    const size_t pixels = (size_t)v->h * (size_t)v->w, channels = (size_t)v->channels;
    if (m->n + pixels * channels > m->capacity) {
        const size_t capacity = 2 * m->capacity + pixels * channels;
        float *grown = realloc(m->exact, capacity * sizeof(*grown));
        if (!grown)
            return no_memory();
        m->exact = grown;
        m->capacity = capacity;
    }
    for (size_t i = 0; i < pixels; i++, m->n += channels) {
        memcpy(m->exact + m->n, pixel_of(v, i), channels * sizeof(float));
        for (size_t c = 0; c < channels; c++)
            m->power[k] += (double)pixel_of(v, i)[c] * (double)pixel_of(v, i)[c];
    }
    return BPNET_OK;
}

struct difference {
    size_t at; /* in the exact outputs */
    double error;
};

static int compare_output(struct measurement *m, int k, const struct map_view *v, void *ctx)
{
    struct difference *d = ctx;
    const size_t pixels = (size_t)v->h * (size_t)v->w, channels = (size_t)v->channels;
    double sum = 0;
    for (size_t i = 0; i < pixels; i++) {
        for (size_t c = 0; c < channels; c++, d->at++) {
            const double e = (double)pixel_of(v, i)[c] - (double)m->exact[d->at];
            sum += e * e;
        }
    }
    d->error += m->power[k] > 0 ? sum / m->power[k] : 0;
    return BPNET_OK;
}

static int measure_error(struct measurement *m, const bool *keep_float, double *error)
{
    struct network net;
    struct difference d = {0, 0};
    int err = subject_quantize(&net, m->subject, keep_float);
    if (err < 0)
        return err;
    err = run_all(m, &net, compare_output, &d);
    *error = d.error / (net.n_outputs > 0 ? net.n_outputs : 1);
    network_free(&net);
    return err;
}

/* ---- layers -------------------------------------------------------------------------------- */

static int compare_shares(const void *a, const void *b)
{
    const struct sensitive *x = a, *y = b;
    if (x->share > y->share || x->share < y->share)
        return x->share > y->share ? -1 : 1;
    return x->layer - y->layer;
}

static int list_layers(struct sensitivity *out, const struct network *net)
{
    out->n_layers = net->n_layers;
    out->items = calloc((size_t)net->n_layers + 1, sizeof(*out->items));
    if (!out->items)
        return no_memory();
    for (int i = 0; i < net->n_layers; i++) {
        const struct layer *l = &net->layers[i];
        if (l->kind != LAYER_CONV || l->precision != MAP_U8)
            continue;
        struct sensitive *s = &out->items[out->n++];
        memcpy(s->name, net->tensors[l->output].name, sizeof(s->name));
        s->layer = i;
    }
    return BPNET_OK;
}

/* Each layer's error, with it in floats and all others in 8 bits, or the other way round. */
static int measure_layers(struct sensitivity *out, struct measurement *m, bool alone,
                          int (*progress)(void *ctx, size_t done, size_t total), void *ctx)
{
    bool *keep = calloc((size_t)out->n_layers + 1, sizeof(*keep));
    int err = keep ? measure_error(m, NULL, &out->error) : no_memory();
    for (int i = 0; keep && i < out->n_layers; i++)
        keep[i] = alone;
    for (size_t i = 0; i < out->n && err == 0; i++) {
        struct sensitive *item = &out->items[i];
        double error;
        keep[item->layer] = !alone;
        err = measure_error(m, keep, &error);
        keep[item->layer] = alone;
        item->share = alone ? error : out->error > 0 ? 1 - error / out->error : 0;
        if (err == 0 && progress)
            err = progress(ctx, i + 1, out->n);
    }
    free(keep);
    if (err == 0)
        qsort(out->items, out->n, sizeof(*out->items), compare_shares);
    return err;
}

/* The outputs of floats on all pictures. */
static int measurement_open(struct measurement *m, const struct subject *subject,
                            const struct pictures *pictures)
{
    struct network exact;
    *m = (struct measurement){.subject = subject, .pictures = pictures};
    int err = network_lower(&exact, subject->model, subject->h, subject->w);
    if (err < 0)
        return err;
    m->picture_size = (size_t)exact.tensors[0].h * (size_t)exact.tensors[0].w * 3;
    m->power = calloc((size_t)exact.n_outputs + 1, sizeof(*m->power));
    err = m->power ? run_all(m, &exact, keep_output, NULL) : no_memory();
    network_free(&exact);
    return err;
}

static void measurement_close(struct measurement *m)
{
    free(m->power);
    free(m->exact);
}

static int measure(struct sensitivity *out, const struct subject *subject,
                   const struct pictures *pictures, bool alone,
                   int (*progress)(void *ctx, size_t done, size_t total), void *ctx)
{
    struct measurement m = {0};
    struct network net;
    *out = (struct sensitivity){0};
    int err = subject_quantize(&net, subject, NULL);
    if (err < 0)
        return err;
    if ((err = list_layers(out, &net)) == 0 && (err = measurement_open(&m, subject, pictures)) == 0)
        err = measure_layers(out, &m, alone, progress, ctx);
    measurement_close(&m);
    network_free(&net);
    if (err < 0)
        sensitivity_free(out);
    return err;
}

int sensitivity_measure(struct sensitivity *out, const struct subject *subject,
                        const struct pictures *pictures,
                        int (*progress)(void *ctx, size_t done, size_t total), void *ctx)
{
    return measure(out, subject, pictures, false, progress, ctx);
}

int sensitivity_alone(struct sensitivity *out, const struct subject *subject,
                      const struct pictures *pictures,
                      int (*progress)(void *ctx, size_t done, size_t total), void *ctx)
{
    return measure(out, subject, pictures, true, progress, ctx);
}

int sensitivity_error(double *error, const struct subject *subject, const struct pictures *pictures,
                      const bool *keep_float)
{
    struct measurement m;
    int err = measurement_open(&m, subject, pictures);
    if (err == 0)
        err = measure_error(&m, keep_float, error);
    measurement_close(&m);
    return err;
}

void sensitivity_free(struct sensitivity *s)
{
    free(s->items);
    *s = (struct sensitivity){0};
}
