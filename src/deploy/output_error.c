/* Outputs of floats are kept; those of a trial are compared as they come. */
#include "deploy/output_error.h"

#include "base/error.h"
#include "deploy/draft.h"
#include "engine/engine.h"
#include "kernel/map_ops.h"

#include <stdlib.h>
#include <string.h>

struct output_error {
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

typedef int (*take_output)(struct output_error *e, int k, const struct map_view *v, void *ctx);

/* Run over all pictures and hand every output to `take`. */
static int run_all(struct output_error *e, const struct network *net, take_output take, void *ctx)
{
    struct draft draft;
    struct engine_context *context = NULL;
    int err = draft_open(&draft, net, e->subject->level, e->subject->workers);
    if (err < 0 || (err = engine_context_open(&context, draft.engine, e->subject->workers)) < 0)
        goto done;
    for (size_t i = 0; i < e->pictures->n && err == 0; i++) {
        engine_run(context, e->pictures->pixels + i * e->picture_size);
        for (int k = 0; k < engine_info(draft.engine)->n_outputs && err == 0; k++) {
            const struct map_view v = engine_output(context, k);
            err = take(e, k, &v, ctx);
        }
    }
done:
    engine_context_close(context);
    draft_close(&draft);
    return err;
}

static const float *pixel_of(const struct map_view *v, size_t i)
{
    return (const float *)v->data + i * (size_t)v->pitch;
}

static int keep_output(struct output_error *e, int k, const struct map_view *v, void *ctx)
{
    (void)ctx;
    const size_t pixels = (size_t)v->h * (size_t)v->w, channels = (size_t)v->channels;
    if (e->n + pixels * channels > e->capacity) {
        const size_t capacity = 2 * e->capacity + pixels * channels;
        float *grown = realloc(e->exact, capacity * sizeof(*grown));
        if (!grown)
            return no_memory();
        e->exact = grown;
        e->capacity = capacity;
    }
    for (size_t i = 0; i < pixels; i++, e->n += channels) {
        memcpy(e->exact + e->n, pixel_of(v, i), channels * sizeof(float));
        for (size_t c = 0; c < channels; c++)
            e->power[k] += (double)pixel_of(v, i)[c] * (double)pixel_of(v, i)[c];
    }
    return BPNET_OK;
}

struct difference {
    size_t at; /* in the exact outputs */
    double error;
};

static int compare_output(struct output_error *e, int k, const struct map_view *v, void *ctx)
{
    struct difference *d = ctx;
    const size_t pixels = (size_t)v->h * (size_t)v->w, channels = (size_t)v->channels;
    double sum = 0;
    for (size_t i = 0; i < pixels; i++) {
        for (size_t c = 0; c < channels; c++, d->at++) {
            const double off = (double)pixel_of(v, i)[c] - (double)e->exact[d->at];
            sum += off * off;
        }
    }
    d->error += e->power[k] > 0 ? sum / e->power[k] : 0;
    return BPNET_OK;
}

int output_error_measure(double *error, struct output_error *e, const bool *keep_float)
{
    struct network net;
    struct difference d = {0, 0};
    int err = subject_quantize(&net, e->subject, keep_float);
    if (err < 0)
        return err;
    err = run_all(e, &net, compare_output, &d);
    *error = d.error / (net.n_outputs > 0 ? net.n_outputs : 1);
    network_free(&net);
    return err;
}

/* ---- opening ------------------------------------------------------------------------------- */

static int run_exact(struct output_error *e)
{
    struct network exact;
    int err = network_lower(&exact, e->subject->model, e->subject->h, e->subject->w);
    if (err < 0)
        return err;
    e->picture_size = (size_t)exact.tensors[0].h * (size_t)exact.tensors[0].w * 3;
    e->power = calloc((size_t)exact.n_outputs + 1, sizeof(*e->power));
    err = e->power ? run_all(e, &exact, keep_output, NULL) : no_memory();
    network_free(&exact);
    return err;
}

int output_error_open(struct output_error **out, const struct subject *subject,
                      const struct pictures *pictures)
{
    *out = NULL;
    struct output_error *e = calloc(1, sizeof(*e));
    if (!e)
        return no_memory();
    e->subject = subject;
    e->pictures = pictures;
    const int err = run_exact(e);
    if (err < 0)
        output_error_close(e);
    else
        *out = e;
    return err;
}

const struct subject *output_error_subject(const struct output_error *e)
{
    return e->subject;
}

void output_error_close(struct output_error *e)
{
    if (!e)
        return;
    free(e->power);
    free(e->exact);
    free(e);
}
