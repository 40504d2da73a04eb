/*
 * Calibration: the fp32 engine runs, and after every step the map it made is counted. A map is
 * shared out in a fixed number of bands; sums of bands are added in their order and counts are
 * whole numbers, so that nothing depends on threads.
 */
#include "deploy/calibrate.h"

#include "base/error.h"
#include "deploy/draft.h"
#include "deploy/equalize.h"
#include "engine/engine.h"
#include "kernel/map_ops.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BANDS = 16 };

/* What is known of one tensor. */
struct watched {
    struct histogram histogram;
    double *sums;  /* per channel */
    float *maxima; /* likewise */
    double n_pixels;
};

struct calibration {
    const struct network *net;
    struct watched *tensors; /* [n_tensors]; those that no step makes stay zeroed */
    int *tensor_of_step;     /* or -1 */
    struct workers *workers; /* NULL: this thread */
    uint32_t **counts;       /* [threads][HISTOGRAM_BINS], zero between maps */
    int n_threads;
    double *band_sums;  /* [BANDS][channels] */
    float *band_maxima; /* [BANDS][channels] */
    bool surveys;       /* only sums and maxima are wanted */
    int err;            /* of an observer */

    struct map_view map; /* the one being counted */
    float inverse_width;
};

/* ---- one map ------------------------------------------------------------------------------- */

static void run_bands(struct calibration *c, work_fn fn)
{
    if (c->workers) {
        workers_run(c->workers, BANDS, fn, c);
        return;
    }
    for (size_t band = 0; band < BANDS; band++)
        fn(c, band, 0);
}

/* Pixels of a band: rows follow each other without a gap. */
static size_t band_begin(const struct map_view *m, size_t band)
{
    return (size_t)m->h * (size_t)m->w * band / BANDS;
}

/* Sums and largest magnitudes by channel. A NaN ends as a NaN in the sums. */
static void measure_band(void *ctx, size_t band, unsigned thread)
{
    (void)thread;
    struct calibration *c = ctx;
    const struct map_view *m = &c->map;
    const size_t channels = (size_t)m->channels, end = band_begin(m, band + 1);
    double *sums = c->band_sums + band * channels;
    float *maxima = c->band_maxima + band * channels;
    memset(sums, 0, channels * sizeof(*sums));
    memset(maxima, 0, channels * sizeof(*maxima));
    for (size_t i = band_begin(m, band); i < end; i++) {
        const float *x = (const float *)m->data + i * (size_t)m->pitch;
        for (size_t k = 0; k < channels; k++) {
            const float a = fabsf(x[k]);
            sums[k] += (double)x[k];
            maxima[k] = a > maxima[k] ? a : maxima[k];
        }
    }
}

static void count_band(void *ctx, size_t band, unsigned thread)
{
    struct calibration *c = ctx;
    const struct map_view *m = &c->map;
    const size_t channels = (size_t)m->channels, end = band_begin(m, band + 1);
    uint32_t *counts = c->counts[thread];
    for (size_t i = band_begin(m, band); i < end; i++) {
        const float *x = (const float *)m->data + i * (size_t)m->pitch;
        for (size_t k = 0; k < channels; k++)
            counts[histogram_bin(c->inverse_width, fabsf(x[k]))]++;
    }
}

/* The bands together: sums into the tensor's, the largest magnitude; BPNET_ENUMERIC. */
static int gather(struct calibration *c, struct watched *w, const char *name, float *max)
{
    const size_t channels = (size_t)c->map.channels;
    *max = 0;
    for (size_t k = 0; k < channels; k++) {
        double sum = 0;
        for (size_t band = 0; band < BANDS; band++) {
            const float a = c->band_maxima[band * channels + k];
            sum += c->band_sums[band * channels + k];
            *max = a > *max ? a : *max;
            w->maxima[k] = a > w->maxima[k] ? a : w->maxima[k];
        }
        if (!isfinite(sum) || *max > FLT_MAX)
            return error_set(BPNET_ENUMERIC,
                             "'%s': channel %zu is not finite on a calibration picture", name, k);
        w->sums[k] += sum;
    }
    w->n_pixels += (double)c->map.h * c->map.w;
    return BPNET_OK;
}

static void observe(void *ctx, int step, const struct map_view *made)
{
    struct calibration *c = ctx;
    const int tensor = c->tensor_of_step[step];
    if (c->err < 0 || tensor < 0)
        return;
    struct watched *w = &c->tensors[tensor];
    float max;
    c->map = *made;
    run_bands(c, measure_band);
    if ((c->err = gather(c, w, c->net->tensors[tensor].name, &max)) < 0 || c->surveys)
        return;
    histogram_widen(&w->histogram, max);
    c->inverse_width = 1 / w->histogram.width;
    run_bands(c, count_band);
    for (int t = 0; t < c->n_threads; t++) {
        histogram_merge(&w->histogram, c->counts[t]);
        memset(c->counts[t], 0, HISTOGRAM_BINS * sizeof(**c->counts));
    }
}

/* ---- opening ------------------------------------------------------------------------------- */

static int find_tensor(const struct network *net, const char *name)
{
    for (int t = 0; t < net->n_tensors; t++) {
        if (net->tensors[t].maker >= 0 && strcmp(net->tensors[t].name, name) == 0)
            return t;
    }
    return -1;
}

static int no_memory(void)
{
    return error_set(BPNET_ENOMEM, "no memory for calibration");
}

static int watch_tensor(struct calibration *c, int tensor)
{
    struct watched *w = &c->tensors[tensor];
    const size_t channels = (size_t)c->net->tensors[tensor].channels;
    w->sums = calloc(channels, sizeof(*w->sums));
    w->maxima = calloc(channels, sizeof(*w->maxima));
    return w->sums && w->maxima ? histogram_init(&w->histogram) : no_memory();
}

static int open_bands(struct calibration *c)
{
    size_t channels = 1;
    for (int t = 0; t < c->net->n_tensors; t++) {
        const size_t n = (size_t)c->net->tensors[t].channels;
        channels = n > channels ? n : channels;
    }
    c->band_sums = calloc(BANDS * channels, sizeof(*c->band_sums));
    c->band_maxima = calloc(BANDS * channels, sizeof(*c->band_maxima));
    c->n_threads = c->workers ? (int)workers_count(c->workers) : 1;
    c->counts = calloc((size_t)c->n_threads, sizeof(*c->counts));
    if (!c->band_sums || !c->band_maxima || !c->counts)
        return no_memory();
    for (int t = 0; t < c->n_threads; t++) {
        if (!(c->counts[t] = calloc(HISTOGRAM_BINS, sizeof(**c->counts))))
            return no_memory();
    }
    return BPNET_OK;
}

static int open_tensors(struct calibration *c, const struct engine *engine)
{
    const int n_steps = engine_info(engine)->n_steps;
    c->tensors = calloc((size_t)c->net->n_tensors, sizeof(*c->tensors));
    c->tensor_of_step = calloc((size_t)n_steps, sizeof(*c->tensor_of_step));
    if (!c->tensors || !c->tensor_of_step)
        return no_memory();
    int err = watch_tensor(c, 0);
    for (int s = 0; s < n_steps && err == 0; s++) {
        const struct engine_step_info info = engine_step(engine, s);
        const int t = info.out == MAP_F32 ? find_tensor(c->net, info.name) : -1;
        c->tensor_of_step[s] = t;
        if (t >= 0 && !c->tensors[t].sums)
            err = watch_tensor(c, t);
    }
    return err;
}

static void calibration_close(struct calibration *c)
{
    for (int t = 0; c->tensors && t < c->net->n_tensors; t++) {
        histogram_free(&c->tensors[t].histogram);
        free(c->tensors[t].sums);
        free(c->tensors[t].maxima);
    }
    for (int t = 0; c->counts && t < c->n_threads; t++)
        free(c->counts[t]);
    free(c->counts);
    free(c->tensors);
    free(c->tensor_of_step);
    free(c->band_sums);
    free(c->band_maxima);
}

/* ---- the stream of pictures ---------------------------------------------------------------- */

/* Means of the input, in real numbers. */
static void count_pixels(struct calibration *c, const uint8_t *pixels)
{
    const struct tensor *input = &c->net->tensors[0];
    const struct model_meta *meta = &c->net->model->meta;
    struct watched *w = &c->tensors[0];
    const size_t n = (size_t)input->h * (size_t)input->w;
    for (int k = 0; k < input->channels; k++) {
        uint64_t sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += pixels[i * (size_t)input->channels + (size_t)k];
        w->sums[k] += (double)sum / (double)meta->scale[k] - (double)n * (double)meta->offset[k];
    }
    w->n_pixels += (double)n;
}

static int run_pictures(struct calibration *c, const struct engine *engine, calibration_feed feed,
                        void *ctx)
{
    const struct tensor *input = &c->net->tensors[0];
    uint8_t *pixels = malloc((size_t)input->h * (size_t)input->w * (size_t)input->channels);
    struct engine_context *context = NULL;
    int err = pixels ? engine_context_open(&context, engine, c->workers) : no_memory();
    if (err < 0)
        goto done;
    engine_observe(context, observe, c);
    while ((err = feed(ctx, pixels)) > 0 && c->err == 0) {
        count_pixels(c, pixels);
        engine_run(context, pixels);
    }
    if (err >= 0)
        err = c->err;
    if (err == 0 && c->tensors[0].n_pixels <= 0)
        err = error_set(BPNET_EUSAGE, "there are no pictures to calibrate on");
done:
    engine_context_close(context);
    free(pixels);
    return err;
}

/* ---- what is found ------------------------------------------------------------------------- */

/* Pixels may be any byte, whatever those of the calibration were. */
static float input_range(const struct model_meta *meta)
{
    float amax = 0;
    for (int k = 0; k < 3; k++) {
        const float dark = fabsf(meta->offset[k]), light = 255 / meta->scale[k] - meta->offset[k];
        amax = fmaxf(amax, fmaxf(dark, fabsf(light)));
    }
    return amax;
}

struct choice {
    const struct calibration *c;
    const struct calibration_options *options;
    float *ranges; /* [n_tensors]; -1: not known */
};

static void choose_range(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    const struct choice *choice = ctx;
    const struct watched *w = &choice->c->tensors[item];
    const bool seen = w->sums && item > 0;
    choice->ranges[item] =
        seen ? clip_range(&w->histogram, choice->options->algorithm, choice->options->percentile,
                          choice->c->net->tensors[item].nonnegative)
             : -1;
}

static int set_ranges(struct ranges *out, const struct calibration *c,
                      const struct calibration_options *options)
{
    const struct network *net = c->net;
    struct choice choice = {c, options, calloc((size_t)net->n_tensors, sizeof(float))};
    if (!choice.ranges)
        return no_memory();
    if (c->workers)
        workers_run(c->workers, (size_t)net->n_tensors, choose_range, &choice);
    for (int t = 0; !c->workers && t < net->n_tensors; t++)
        choose_range(&choice, (size_t)t, 0);
    choice.ranges[0] = input_range(&net->model->meta);
    int err = BPNET_OK;
    for (int t = 0; t < net->n_tensors && err == 0; t++) {
        const struct tensor *tensor = &net->tensors[t];
        for (int p = 0; p < tensor->n_parts; p++) /* for readers that know one range a tensor */
            choice.ranges[t] = fmaxf(choice.ranges[t], choice.ranges[tensor->parts[p]]);
        if (choice.ranges[t] >= 0)
            err = ranges_set(out, tensor->name, choice.ranges[t]);
    }
    free(choice.ranges);
    params_hash(&net->model->params, out->weights);
    return err;
}

static int set_means(struct channel_means *out, const struct calibration *c)
{
    const struct network *net = c->net;
    *out = (struct channel_means){.of_tensor = calloc((size_t)net->n_tensors, sizeof(float *)),
                                  .n_tensors = net->n_tensors};
    for (int t = 0; out->of_tensor && t < net->n_tensors; t++) {
        const struct watched *w = &c->tensors[t];
        if (!w->sums || w->n_pixels <= 0)
            continue;
        const size_t channels = (size_t)net->tensors[t].channels;
        float *means = out->of_tensor[t] = malloc(channels * sizeof(float));
        if (!means)
            return no_memory();
        for (size_t k = 0; k < channels; k++)
            means[k] = (float)(w->sums[k] / w->n_pixels);
    }
    return out->of_tensor ? BPNET_OK : no_memory();
}

void channel_means_free(struct channel_means *m)
{
    for (int t = 0; m->of_tensor && t < m->n_tensors; t++)
        free(m->of_tensor[t]);
    free(m->of_tensor);
    *m = (struct channel_means){0};
}

/* ---- all of it ----------------------------------------------------------------------------- */

static int run_engine(struct calibration *c, calibration_feed feed, void *ctx,
                      const struct calibration_options *options)
{
    struct draft draft;
    int err = draft_open(&draft, c->net, options->level, options->workers);
    if (err == 0 && (err = open_tensors(c, draft.engine)) == 0 && (err = open_bands(c)) == 0)
        err = run_pictures(c, draft.engine, feed, ctx);
    draft_close(&draft);
    return err;
}

/*
 * Factors from the largest values of the channels. They are of all pictures, because a map's range
 * is: a channel made larger by what some of them show may be enormous on another, and its map's
 * range with it.
 */
static int survey(struct ranges *factors, struct network *net, calibration_feed feed, void *ctx,
                  const struct calibration_options *options)
{
    struct calibration c = {.net = net, .workers = options->workers, .surveys = true};
    float **maxima = calloc((size_t)net->n_tensors, sizeof(*maxima));
    int err = maxima ? run_engine(&c, feed, ctx, options) : no_memory();
    for (int t = 0; t < net->n_tensors && err == 0; t++)
        maxima[t] = c.tensors[t].maxima;
    if (err == 0 && (err = equalize_choose(factors, net, maxima)) == 0)
        err = equalize(net, factors);
    free(maxima);
    calibration_close(&c);
    return err;
}

static int add_factors(struct ranges *out, const struct ranges *factors)
{
    int err = BPNET_OK;
    for (size_t i = 0; i < factors->n && err == 0; i++)
        err = ranges_set_factors(out, factors->items[i].name, factors->items[i].factors,
                                 factors->items[i].n_factors);
    return err;
}

int calibrate(struct ranges *out, struct channel_means *means, struct network *net,
              calibration_feed feed, void *ctx, const struct calibration_options *options)
{
    struct calibration c = {.net = net, .workers = options->workers};
    struct ranges factors = {0};
    int err = BPNET_OK;
    assert(!options->equalize || options->rewind);
    *out = (struct ranges){0};
    if (means)
        *means = (struct channel_means){0};
    if (options->equalize && (err = survey(&factors, net, feed, ctx, options)) == 0)
        options->rewind(ctx);
    if (err == 0 && (err = run_engine(&c, feed, ctx, options)) == 0 &&
        (err = set_ranges(out, &c, options)) == 0)
        err = add_factors(out, &factors);
    if (err == 0 && means)
        err = set_means(means, &c);
    calibration_close(&c);
    ranges_free(&factors);
    if (err < 0) {
        ranges_free(out);
        if (means)
            channel_means_free(means);
    }
    return err;
}
