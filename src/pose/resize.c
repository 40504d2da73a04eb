/*
 * The resize works in bands of output rows. Each band keeps a ring of the last four horizontally
 * resized rows, so a source row is touched once a band; grey is never stored, only accounted for.
 */
#include "pose/resize.h"

#include "base/arena.h"
#include "base/error.h"
#include "pose/cubic.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BAND_ROWS = 16, CHANNELS = 3, TAPS = 4 };

/* Output position d reads samples first-1 .. first+2 (clamped to the border). */
struct resize_tap {
    int first;
    float weight[TAPS];
};

/* What one thread needs. */
struct scratch {
    uint32_t *sums; /* (image_w, 3): column sums of a block's rows */
    float *line;    /* (reduced_w, 3): an averaged row */
    float *rows;    /* (4, w, 3): the ring */
};

struct job {
    const struct resizer *r;
    const struct image *image;
    size_t pitch; /* pixels between rows of the result, which is one of: */
    uint8_t *bytes;
    float *floats;
    float level[CHANNELS][256]; /* floats: normalised values */
};

/* ---- tables -------------------------------------------------------------------------------- */

static void make_taps(struct resize_tap *taps, int n, double factor)
{
    const double scale = 1 / factor;
    for (int d = 0; d < n; d++) {
        const float at = (float)((d + 0.5) * scale - 0.5);
        const float below = floorf(at);
        taps[d].first = (int)below;
        cubic_weights(at - below, taps[d].weight);
    }
}

static int reserve_taps(struct resize_tap **taps, size_t *capacity, size_t n)
{
    if (n <= *capacity)
        return BPNET_OK;
    struct resize_tap *grown = realloc(*taps, n * sizeof(*grown));
    if (!grown)
        return error_set(BPNET_ENOMEM, "no memory to resize a picture");
    *taps = grown;
    *capacity = n;
    return BPNET_OK;
}

static int block_size(double factor, bool antialias)
{
    return antialias && factor < 0.5 ? (int)ceil(0.5 / factor) : 1;
}

static size_t sums_size(const struct resizer *r)
{
    return arena_round((size_t)r->box.image_w * CHANNELS * sizeof(uint32_t));
}

static size_t line_size(const struct resizer *r)
{
    /* Only averaging needs a line; without it reduced_w is the padded picture's and may be huge. */
    const bool averaging = r->block_x > 1 || r->block_y > 1;
    return averaging ? arena_round((size_t)r->reduced_w * CHANNELS * sizeof(float)) : 0;
}

static size_t ring_size(const struct resizer *r)
{
    return arena_round((size_t)r->box.w * TAPS * CHANNELS * sizeof(float));
}

static int plan(struct resizer *r, const struct letterbox *box, bool antialias, unsigned threads)
{
    r->box = *box;
    r->antialias = antialias;
    r->block_x = block_size(box->fx, antialias);
    r->block_y = block_size(box->fy, antialias);
    r->reduced_w = (box->padded_w - 1) / r->block_x + 1;
    r->reduced_h = (box->padded_h - 1) / r->block_y + 1;
    int err;
    if ((err = reserve_taps(&r->taps_x, &r->capacity_x, (size_t)box->w)) < 0 ||
        (err = reserve_taps(&r->taps_y, &r->capacity_y, (size_t)box->h)) < 0)
        return err;
    make_taps(r->taps_x, box->w, box->fx * r->block_x);
    make_taps(r->taps_y, box->h, box->fy * r->block_y);

    r->scratch_each = sums_size(r) + line_size(r) + ring_size(r);
    const size_t size = r->scratch_each * threads;
    if (size > r->scratch_size) {
        free(r->scratch);
        r->scratch_size = 0;
        r->scratch = aligned_alloc(ARENA_ALIGN, size);
        if (!r->scratch)
            return error_set(BPNET_ENOMEM, "no memory to resize a picture");
        r->scratch_size = size;
    }
    return BPNET_OK;
}

static struct scratch scratch_of(const struct resizer *r, unsigned thread)
{
    unsigned char *at = r->scratch + r->scratch_each * thread;
    return (struct scratch){
        .sums = (uint32_t *)(void *)at,
        .line = (float *)(void *)(at + sums_size(r)),
        .rows = (float *)(void *)(at + sums_size(r) + line_size(r)),
    };
}

/* ---- rows ---------------------------------------------------------------------------------- */

static int clamp(int x, int low, int high)
{
    return x < low ? low : x > high ? high : x;
}

static void blend(float *out, const float taps[TAPS * CHANNELS], const float w[TAPS])
{
    for (int c = 0; c < CHANNELS; c++)
        out[c] = taps[c] * w[0] + taps[c + 3] * w[1] + taps[c + 6] * w[2] + taps[c + 9] * w[3];
}

/* The padded picture's row y, resized; the picture's columns are bytes, the rest grey. */
static void resize_bytes(const struct job *job, int y, float *out)
{
    const struct letterbox *box = &job->r->box;
    const struct image *image = job->image;
    const int channels = image->channels;
    const bool inside = y >= box->top && y < box->top + image->h;
    const uint8_t *row = image->pixels;
    if (inside)
        row += (size_t)(y - box->top) * (size_t)image->w * (size_t)channels;
    for (int d = 0; d < box->w; d++) {
        const struct resize_tap *tap = &job->r->taps_x[d];
        float taps[TAPS * CHANNELS];
        for (int k = 0; k < TAPS; k++) {
            const int x = clamp(tap->first - 1 + k, 0, box->padded_w - 1) - box->left;
            const bool grey = !inside || x < 0 || x >= image->w;
            for (int c = 0; c < CHANNELS; c++)
                taps[k * CHANNELS + c] =
                    grey ? LETTERBOX_GREY : row[x * channels + (channels == CHANNELS ? c : 0)];
        }
        blend(out + (size_t)d * CHANNELS, taps, tap->weight);
    }
}

/* Column sums over the picture's rows among padded rows y0 .. y1-1; returns how many those are. */
static int sum_rows(const struct job *job, int y0, int y1, uint32_t *sums)
{
    const struct image *image = job->image;
    const int top = job->r->box.top;
    const int from = clamp(y0 - top, 0, image->h), to = clamp(y1 - top, 0, image->h);
    const size_t n = (size_t)image->w * (size_t)image->channels;
    memset(sums, 0, n * sizeof(*sums));
    for (int y = from; y < to; y++) {
        const uint8_t *row = image->pixels + (size_t)y * n;
        for (size_t i = 0; i < n; i++)
            sums[i] += row[i];
    }
    return to - from;
}

/* Row `y` of the padded picture averaged by blocks; blocks at the far border may be smaller. */
static void average_row(const struct job *job, int y, const struct scratch *s)
{
    const struct resizer *r = job->r;
    const struct letterbox *box = &r->box;
    const struct image *image = job->image;
    const int64_t y0 = (int64_t)y * r->block_y;
    const int64_t y1 = y0 + r->block_y < box->padded_h ? y0 + r->block_y : box->padded_h;
    const int rows = sum_rows(job, (int)y0, (int)y1, s->sums);
    const int channels = image->channels;
    for (int x = 0; x < r->reduced_w; x++) {
        const int64_t x0 = (int64_t)x * r->block_x;
        const int64_t x1 = x0 + r->block_x < box->padded_w ? x0 + r->block_x : box->padded_w;
        const int from = clamp((int)x0 - box->left, 0, image->w);
        const int to = clamp((int)x1 - box->left, 0, image->w);
        const int64_t area = (y1 - y0) * (x1 - x0);
        const int64_t grey = (area - (int64_t)rows * (to - from)) * LETTERBOX_GREY;
        for (int c = 0; c < CHANNELS; c++) {
            int64_t sum = grey;
            for (int i = from; i < to; i++)
                sum += s->sums[i * channels + (channels == CHANNELS ? c : 0)];
            s->line[x * CHANNELS + c] = (float)((double)sum / (double)area);
        }
    }
}

static void resize_line(const struct resizer *r, const float *line, float *out)
{
    for (int d = 0; d < r->box.w; d++) {
        const struct resize_tap *tap = &r->taps_x[d];
        float taps[TAPS * CHANNELS];
        for (int k = 0; k < TAPS; k++) {
            const int x = clamp(tap->first - 1 + k, 0, r->reduced_w - 1);
            memcpy(taps + k * CHANNELS, line + (size_t)x * CHANNELS, CHANNELS * sizeof(float));
        }
        blend(out + (size_t)d * CHANNELS, taps, tap->weight);
    }
}

static void make_row(const struct job *job, int y, const struct scratch *s, float *out)
{
    if (job->r->block_x == 1 && job->r->block_y == 1) {
        resize_bytes(job, y, out);
        return;
    }
    average_row(job, y, s);
    resize_line(job->r, s->line, out);
}

/* Nearest whole number, halves to even, of a float well within +-2^22, and saturated. */
static uint8_t to_level(float v)
{
    const float magic = 0x1.8p23f;
    const float rounded = (v + magic) - magic;
    return rounded < 0 ? 0 : rounded > 255 ? 255 : (uint8_t)rounded;
}

static uint8_t blend_level(const float *const in[TAPS], const float w[TAPS], size_t i)
{
    return to_level(in[0][i] * w[0] + in[1][i] * w[1] + in[2][i] * w[2] + in[3][i] * w[3]);
}

static void blend_rows(const struct job *job, const float *const in[TAPS], const float w[TAPS],
                       int y)
{
    const size_t width = (size_t)job->r->box.w * CHANNELS;
    const size_t begin = (size_t)y * job->pitch * CHANNELS;
    if (job->bytes) {
        for (size_t i = 0; i < width; i++)
            job->bytes[begin + i] = blend_level(in, w, i);
        return;
    }
    for (size_t x = 0; x < width; x += CHANNELS)
        for (size_t c = 0; c < CHANNELS; c++)
            job->floats[begin + x + c] = job->level[c][blend_level(in, w, x + c)];
}

static void make_band(void *ctx, size_t item, unsigned thread)
{
    const struct job *job = ctx;
    const struct resizer *r = job->r;
    const struct scratch s = scratch_of(r, thread);
    const size_t width = (size_t)r->box.w * CHANNELS;
    const int begin = (int)item * BAND_ROWS;
    const int end = begin + BAND_ROWS < r->box.h ? begin + BAND_ROWS : r->box.h;
    int held[TAPS] = {-1, -1, -1, -1}; /* the source row in each place of the ring */

    for (int y = begin; y < end; y++) {
        const struct resize_tap *tap = &r->taps_y[y];
        const float *in[TAPS];
        for (int k = 0; k < TAPS; k++) {
            const int row = clamp(tap->first - 1 + k, 0, r->reduced_h - 1), place = row % TAPS;
            float *at = s.rows + (size_t)place * width;
            if (held[place] != row) {
                make_row(job, row, &s, at);
                held[place] = row;
            }
            in[k] = at;
        }
        blend_rows(job, in, tap->weight, y);
    }
}

/* ---- the whole ----------------------------------------------------------------------------- */

/* `job` says where the result goes and how. */
static int run(struct resizer *r, const struct image *image, const struct letterbox *box,
               bool antialias, struct job *job, struct workers *workers)
{
    if (image->w != box->image_w || image->h != box->image_h ||
        (image->channels != CHANNELS && image->channels != 1))
        return error_set(BPNET_EUSAGE,
                         "a picture of %d x %d x %d, expected %d x %d with 1 or 3 channels",
                         image->w, image->h, image->channels, box->image_w, box->image_h);
    const unsigned threads = workers ? workers_count(workers) : 1;
    const int err = plan(r, box, antialias, threads);
    if (err < 0)
        return err;
    job->r = r;
    job->image = image;
    const size_t bands = (size_t)(box->h - 1) / BAND_ROWS + 1;
    if (workers) {
        workers_run(workers, bands, make_band, job);
    } else {
        for (size_t band = 0; band < bands; band++)
            make_band(job, band, 0);
    }
    return BPNET_OK;
}

int resizer_run(struct resizer *r, const struct image *image, const struct letterbox *box,
                bool antialias, const float scale[3], const float offset[3], float *out,
                size_t pitch, struct workers *workers)
{
    struct job job = {.floats = out, .pitch = pitch};
    for (int c = 0; c < CHANNELS; c++)
        for (int v = 0; v < 256; v++)
            job.level[c][v] = (float)v / scale[c] - offset[c];
    return run(r, image, box, antialias, &job, workers);
}

int resizer_run_bytes(struct resizer *r, const struct image *image, const struct letterbox *box,
                      bool antialias, uint8_t *out, size_t pitch, struct workers *workers)
{
    struct job job = {.bytes = out, .pitch = pitch};
    return run(r, image, box, antialias, &job, workers);
}

void resizer_free(struct resizer *r)
{
    free(r->taps_x);
    free(r->taps_y);
    free(r->scratch);
    *r = (struct resizer){0};
}
