/* Two engines side by side: maps of the exact one are kept, those of the other compared with them.
 */
#include "deploy/quality.h"

#include "base/error.h"
#include "deploy/draft.h"
#include "deploy/network_edit.h"
#include "engine/engine.h"
#include "kernel/map_ops.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Sums over all pictures for one tensor: x exact, y not. */
struct sums {
    double xx, yy, xy, dd;
    bool seen;
};

struct side {
    const struct network *net;
    struct draft draft;
    struct engine_context *context;
    int *tensor_of_step; /* of the exact network, or -1 */
};

struct comparison {
    struct side exact, other;
    float **maps;      /* per tensor of the exact network: (h, w, channels) of this picture */
    struct sums *sums; /* likewise */
};

static int no_memory(void)
{
    return error_set(BPNET_ENOMEM, "no memory to compare networks");
}

static int find_tensor(const struct network *net, const char *name)
{
    for (int t = 1; t < net->n_tensors; t++) {
        if (net->tensors[t].maker >= 0 && strcmp(net->tensors[t].name, name) == 0)
            return t;
    }
    return -1;
}

/* ---- maps ---------------------------------------------------------------------------------- */

static float bf16_value(uint16_t bits)
{
    const uint32_t word = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &word, sizeof(value));
    return value;
}

/* What a value of the map stands for. */
static double real_value(const struct map_view *m, size_t at, const struct tensor *t)
{
    switch (m->type) {
    case MAP_U8: return (double)t->scale * (((const uint8_t *)m->data)[at] - t->zero);
    case MAP_BF16: return (double)bf16_value(((const uint16_t *)m->data)[at]);
    default: return (double)((const float *)m->data)[at];
    }
}

static void keep_map(void *ctx, int step, const struct map_view *made)
{
    struct comparison *c = ctx;
    const int t = c->exact.tensor_of_step[step];
    if (t < 0 || made->type != MAP_F32)
        return;
    const size_t n = (size_t)made->h * (size_t)made->w, channels = (size_t)made->channels;
    for (size_t i = 0; i < n; i++)
        memcpy(c->maps[t] + i * channels, (const float *)made->data + i * (size_t)made->pitch,
               channels * sizeof(float));
}

static void compare_map(void *ctx, int step, const struct map_view *made)
{
    struct comparison *c = ctx;
    const int t = c->other.tensor_of_step[step];
    if (t < 0)
        return;
    const int own = find_tensor(c->other.net, c->exact.net->tensors[t].name);
    struct sums *s = &c->sums[t];
    const size_t n = (size_t)made->h * (size_t)made->w, channels = (size_t)made->channels;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < channels; k++) {
            const double x = (double)c->maps[t][i * channels + k];
            const double y =
                real_value(made, i * (size_t)made->pitch + k, &c->other.net->tensors[own]);
            s->xx += x * x;
            s->yy += y * y;
            s->xy += x * y;
            s->dd += (x - y) * (x - y);
        }
    }
    s->seen = true;
}

/* ---- engines ------------------------------------------------------------------------------- */

static void side_close(struct side *s)
{
    engine_context_close(s->context);
    draft_close(&s->draft);
    free(s->tensor_of_step);
}

static int side_open(struct side *s, const struct network *net, const struct network *exact,
                     const struct quality_options *options)
{
    s->net = net;
    int err = draft_open(&s->draft, net, options->level, options->workers);
    if (err < 0 || (err = engine_context_open(&s->context, s->draft.engine, options->workers)) < 0)
        return err;
    const int n = engine_info(s->draft.engine)->n_steps;
    s->tensor_of_step = calloc((size_t)n, sizeof(*s->tensor_of_step));
    for (int i = 0; s->tensor_of_step && i < n; i++) {
        const char *name = engine_step(s->draft.engine, i).name;
        s->tensor_of_step[i] = find_tensor(net, name) >= 0 ? find_tensor(exact, name) : -1;
    }
    return s->tensor_of_step ? BPNET_OK : no_memory();
}

static int open_maps(struct comparison *c)
{
    const struct network *net = c->exact.net;
    c->maps = calloc((size_t)net->n_tensors, sizeof(*c->maps));
    c->sums = calloc((size_t)net->n_tensors, sizeof(*c->sums));
    for (int t = 0; c->maps && c->sums && t < net->n_tensors; t++) {
        const struct tensor *tensor = &net->tensors[t];
        const size_t n = (size_t)tensor->h * (size_t)tensor->w * (size_t)tensor->channels;
        if (tensor->maker >= 0 && !(c->maps[t] = calloc(n, sizeof(float))))
            return no_memory();
    }
    return c->maps && c->sums ? BPNET_OK : no_memory();
}

static void comparison_close(struct comparison *c)
{
    for (int t = 0; c->maps && t < c->exact.net->n_tensors; t++)
        free(c->maps[t]);
    free(c->maps);
    free(c->sums);
    side_close(&c->exact);
    side_close(&c->other);
}

/* ---- results ------------------------------------------------------------------------------- */

static int gather(struct quality *out, const struct comparison *c)
{
    const struct network *net = c->exact.net;
    out->items = calloc((size_t)net->n_tensors, sizeof(*out->items));
    if (!out->items)
        return no_memory();
    for (int t = 0; t < net->n_tensors; t++) {
        const struct sums *s = &c->sums[t];
        if (!s->seen)
            continue;
        struct tensor_quality *q = &out->items[out->n++];
        memcpy(q->name, net->tensors[t].name, sizeof(q->name));
        q->output = network_is_output(net, t);
        q->snr_db = s->dd > 0 ? 10 * log10(s->xx / s->dd) : QUALITY_MAX_DB;
        q->snr_db = fmax(fmin(q->snr_db, QUALITY_MAX_DB), -QUALITY_MAX_DB);
        q->cosine = s->xx > 0 && s->yy > 0   ? s->xy / sqrt(s->xx * s->yy)
                    : s->xx > 0 || s->yy > 0 ? 0
                                             : 1;
    }
    return BPNET_OK;
}

int quality_measure(struct quality *out, const struct network *exact, const struct network *net,
                    const struct pictures *pictures, const struct quality_options *options)
{
    struct comparison c = {.exact.net = exact};
    const size_t size = (size_t)exact->tensors[0].h * (size_t)exact->tensors[0].w * 3;
    int err;
    *out = (struct quality){0};
    if ((err = side_open(&c.exact, exact, exact, options)) < 0 ||
        (err = side_open(&c.other, net, exact, options)) < 0 || (err = open_maps(&c)) < 0)
        goto done;
    engine_observe(c.exact.context, keep_map, &c);
    engine_observe(c.other.context, compare_map, &c);
    for (size_t i = 0; i < pictures->n; i++) {
        engine_run(c.exact.context, pictures->pixels + i * size);
        engine_run(c.other.context, pictures->pixels + i * size);
    }
    err = gather(out, &c);
done:
    comparison_close(&c);
    return err;
}

void quality_free(struct quality *q)
{
    free(q->items);
    *q = (struct quality){0};
}

double quality_output_snr(const struct quality *q)
{
    double least = QUALITY_MAX_DB;
    for (size_t i = 0; i < q->n; i++) {
        if (q->items[i].output && q->items[i].snr_db < least)
            least = q->items[i].snr_db;
    }
    return least;
}

double quality_output_cosine(const struct quality *q)
{
    double least = 1;
    for (size_t i = 0; i < q->n; i++) {
        if (q->items[i].output && q->items[i].cosine < least)
            least = q->items[i].cosine;
    }
    return least;
}

void quality_print(struct json_writer *w, const struct quality *q)
{
    json_begin_array(w);
    for (size_t i = 0; i < q->n; i++) {
        json_begin_object(w);
        json_write_key(w, "name");
        json_write_string(w, q->items[i].name);
        json_write_key(w, "output");
        json_write_bool(w, q->items[i].output);
        json_write_key(w, "snr_db");
        json_write_float(w, (float)q->items[i].snr_db);
        json_write_key(w, "cosine");
        json_write_float(w, (float)q->items[i].cosine);
        json_end_object(w);
    }
    json_end_array(w);
}
