/*
 * The resize works in bands of output rows. Each band keeps a ring of the last four source rows as
 * floats, so a source row is touched once a band; four of them are blended into one, then columns.
 * Grey is hardly stored: a row holds the picture's own pixels and a margin of four at either side,
 * since whatever lies farther out is the same. Results of grey alone are not computed.
 */
#include "pose/resize.h"

#include "base/arena.h"
#include "base/error.h"
#include "pose/cubic.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    LEAST_BAND = 16,
    BANDS_A_THREAD = 4,
    CHANNELS = RESIZE_CHANNELS,
    TAPS = RESIZE_TAPS,
    MARGIN = TAPS,
    SLACK = 4
};

/* What one thread needs. */
struct scratch {
    uint32_t *sums;  /* (image_w, 3): column sums of a block's rows */
    float *lines;    /* the ring, TAPS rows of line_pixels() */
    float *blended;  /* one such row */
    float *row;      /* (w, 3): an output row */
    uint8_t *levels; /* the same rounded */
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

static int clamp(int x, int low, int high)
{
    return x < low ? low : x > high ? high : x;
}

/* Which blocks of the padded picture's axis show any of the picture. */
static struct resize_span span_of(int before, int size, int block, int padded)
{
    return (struct resize_span){.first = before / block,
                                .last = (before + size - 1) / block,
                                .n = (padded - 1) / block + 1};
}

/* Output position d reads samples first[d] .. first[d] + 3, counted from the span's margin. */
static void make_taps(struct resize_taps *t, const struct resize_span *span, int n, double factor)
{
    const double scale = 1 / factor;
    const int size = span->last - span->first + 1;
    for (int d = 0; d < n; d++) {
        const float at = (float)((d + 0.5) * scale - 0.5);
        const float below = floorf(at);
        t->first[d] = clamp((int)below - 1 - span->first, -MARGIN, size) + MARGIN;
        cubic_weights(at - below, t->weights[d]);
    }
}

/* Results that see some of the picture: the others' taps all lie in the margins. */
static struct resize_seen seen_of(const struct resize_taps *t, const struct resize_span *span,
                                  int n)
{
    const int behind = span->last - span->first + 1 + MARGIN;
    struct resize_seen seen = {0, n};
    while (seen.from < n && t->first[seen.from] == 0)
        seen.from++;
    while (seen.to > seen.from && t->first[seen.to - 1] == behind)
        seen.to--;
    return seen;
}

static int reserve_taps(struct resize_taps *t, size_t n)
{
    if (n <= t->capacity)
        return BPNET_OK;
    free(t->first);
    free(t->weights);
    t->first = malloc(n * sizeof(*t->first));
    t->weights = malloc(n * sizeof(*t->weights));
    t->capacity = t->first && t->weights ? n : 0;
    return t->capacity ? BPNET_OK : error_set(BPNET_ENOMEM, "no memory to resize a picture");
}

static int block_size(double factor, bool antialias)
{
    return antialias && factor < 0.5 ? (int)ceil(0.5 / factor) : 1;
}

static size_t line_floats(const struct resizer *r)
{
    const size_t pixels = (size_t)(r->across.last - r->across.first + 1) + 2 * (size_t)MARGIN;
    return pixels * CHANNELS + SLACK;
}

static size_t sums_size(const struct resizer *r)
{
    return arena_round((size_t)r->box.image_w * CHANNELS * sizeof(uint32_t));
}

static size_t line_size(const struct resizer *r)
{
    return arena_round(line_floats(r) * sizeof(float));
}

static size_t row_size(const struct resizer *r)
{
    return arena_round(((size_t)r->box.w * CHANNELS + SLACK) * sizeof(float));
}

static int plan(struct resizer *r, const struct letterbox *box, bool antialias, unsigned threads)
{
    r->box = *box;
    r->antialias = antialias;
    r->block_x = block_size(box->fx, antialias);
    r->block_y = block_size(box->fy, antialias);
    r->across = span_of(box->left, box->image_w, r->block_x, box->padded_w);
    r->down = span_of(box->top, box->image_h, r->block_y, box->padded_h);
    int err;
    if ((err = reserve_taps(&r->taps_x, (size_t)box->w)) < 0 ||
        (err = reserve_taps(&r->taps_y, (size_t)box->h)) < 0)
        return err;
    make_taps(&r->taps_x, &r->across, box->w, box->fx * r->block_x);
    make_taps(&r->taps_y, &r->down, box->h, box->fy * r->block_y);
    r->seen_x = seen_of(&r->taps_x, &r->across, box->w);
    r->seen_y = seen_of(&r->taps_y, &r->down, box->h);
    /* Neighbouring bands have three source rows in common, which both of them make. */
    const int bands = threads > 1 ? BANDS_A_THREAD * (int)threads : 1;
    r->band = box->h / bands > LEAST_BAND ? (box->h - 1) / bands + 1 : LEAST_BAND;

    r->scratch_each = sums_size(r) + (TAPS + 1) * line_size(r) + 2 * row_size(r);
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
    struct scratch s = {.sums = (uint32_t *)(void *)at};
    at += sums_size(r);
    s.lines = (float *)(void *)at;
    at += TAPS * line_size(r);
    s.blended = (float *)(void *)at;
    at += line_size(r);
    s.row = (float *)(void *)at;
    s.levels = at + row_size(r);
    return s;
}

/* ---- source rows --------------------------------------------------------------------------- */

static void fill_grey(float *pixels, size_t n)
{
    for (size_t i = 0; i < n * CHANNELS; i++)
        pixels[i] = LETTERBOX_GREY;
}

/* Row `y` of the picture, as floats. */
static void widen_row(const struct job *job, int y, float *out)
{
    const struct image *image = job->image;
    const size_t n = (size_t)image->w;
    const uint8_t *row = image->pixels + (size_t)y * n * (size_t)image->channels;
    if (image->channels == CHANNELS) {
        job->r->rows.widen(row, n * CHANNELS, out);
        return;
    }
    for (size_t x = 0; x < n; x++)
        for (size_t c = 0; c < CHANNELS; c++)
            out[x * CHANNELS + c] = row[x];
}

/* Column sums over the picture's rows among padded rows y0 .. y1-1; returns how many those are. */
static int sum_rows(const struct job *job, int y0, int y1, uint32_t *sums)
{
    const struct image *image = job->image;
    const int top = job->r->box.top;
    const int from = clamp(y0 - top, 0, image->h), to = clamp(y1 - top, 0, image->h);
    const size_t n = (size_t)image->w * (size_t)image->channels;
    job->r->rows.add_rows(image->pixels + (size_t)from * n, n, to - from, n, sums);
    return to - from;
}

/* A block of which `rows` rows are the picture's: the mean of those pixels and of grey. */
static void average_block(const struct job *job, int x, int64_t height, int rows,
                          const uint32_t *sums, float *out)
{
    const struct resizer *r = job->r;
    const struct letterbox *box = &r->box;
    const int channels = job->image->channels;
    const int64_t x0 = (int64_t)x * r->block_x;
    const int64_t x1 = x0 + r->block_x < box->padded_w ? x0 + r->block_x : box->padded_w;
    const int from = clamp((int)x0 - box->left, 0, job->image->w);
    const int to = clamp((int)x1 - box->left, 0, job->image->w);
    const int64_t area = height * (x1 - x0);
    const int64_t grey = (area - (int64_t)rows * (to - from)) * LETTERBOX_GREY;
    for (int c = 0; c < CHANNELS; c++) {
        int64_t sum = grey;
        for (int i = from; i < to; i++)
            sum += sums[i * channels + (channels == CHANNELS ? c : 0)];
        out[c] = (float)((double)sum / (double)area);
    }
}

/* The same for block after block that has only the picture's pixels, of 3 channels. */
static void average_blocks(const struct job *job, int first, int last, int rows,
                           const uint32_t *sums, float *out)
{
    const int width = job->r->block_x;
    const double share = 1 / ((double)rows * width);
    const uint32_t *at = sums + ((ptrdiff_t)first * width - job->r->box.left) * (ptrdiff_t)CHANNELS;
    job->r->rows.average(at, width, share, (size_t)(last - first + 1), out);
}

/* Row `y` of the padded picture averaged by blocks; blocks at its far border may be smaller. */
static void average_row(const struct job *job, int y, uint32_t *sums, float *out)
{
    const struct resizer *r = job->r;
    const int first = r->across.first, last = r->across.last;
    const int64_t y0 = (int64_t)y * r->block_y;
    const int64_t y1 = y0 + r->block_y < r->box.padded_h ? y0 + r->block_y : r->box.padded_h;
    const int rows = sum_rows(job, (int)y0, (int)y1, sums);
    const bool inner = job->image->channels == CHANNELS && rows == y1 - y0 && last - first > 1 &&
                       (int64_t)rows * r->block_x <= INT32_MAX / 255;
    if (inner)
        average_blocks(job, first + 1, last - 1, rows, sums, out + CHANNELS);
    for (int x = first; x <= last; x += inner && x == first ? last - first : 1)
        average_block(job, x, y1 - y0, rows, sums, out + (ptrdiff_t)(x - first) * CHANNELS);
}

/* Grey where there is padding, else the border pixel again. */
static void fill_margins(const struct resize_span *span, float *line)
{
    const size_t n = (size_t)(span->last - span->first + 1);
    float *begin = line + (size_t)MARGIN * CHANNELS, *end = begin + n * CHANNELS;
    for (size_t i = 0; i < MARGIN; i++) {
        if (span->first == 0)
            memcpy(line + i * CHANNELS, begin, CHANNELS * sizeof(float));
        else
            fill_grey(line + i * CHANNELS, 1);
        if (span->last == span->n - 1)
            memcpy(end + i * CHANNELS, end - CHANNELS, CHANNELS * sizeof(float));
        else
            fill_grey(end + i * CHANNELS, 1);
    }
}

/* Row `y` of the padded (and averaged) picture with its margins. */
static void make_line(const struct job *job, int y, const struct scratch *s, float *line)
{
    const struct resizer *r = job->r;
    if (y < r->down.first || y > r->down.last) {
        fill_grey(line, (line_floats(r) - SLACK) / CHANNELS);
        return;
    }
    float *pixels = line + (size_t)MARGIN * CHANNELS;
    if (r->block_x == 1 && r->block_y == 1)
        widen_row(job, y - r->box.top, pixels);
    else
        average_row(job, y, s->sums, pixels);
    fill_margins(&r->across, line);
}

/* ---- output rows --------------------------------------------------------------------------- */

/* Row `y` from the blended line, or of grey alone when there is none. */
static void write_row(const struct job *job, const struct scratch *s, const float *line, int y)
{
    const struct resizer *r = job->r;
    const size_t n = (size_t)r->box.w, at = (size_t)y * job->pitch * CHANNELS;
    const size_t from = line ? (size_t)r->seen_x.from : n, to = line ? (size_t)r->seen_x.to : n;
    uint8_t *levels = job->bytes ? job->bytes + at : s->levels;
    memset(levels, LETTERBOX_GREY, from * CHANNELS);
    if (line) {
        const float(*weights)[TAPS] = (const float(*)[TAPS])r->taps_x.weights;
        r->rows.columns(line, r->taps_x.first + from, weights + from, to - from, s->row);
        r->rows.narrow(s->row, (to - from) * CHANNELS, levels + from * CHANNELS);
    }
    memset(levels + to * CHANNELS, LETTERBOX_GREY, (n - to) * CHANNELS);
    for (size_t x = 0; !job->bytes && x < n * CHANNELS; x += CHANNELS)
        for (size_t c = 0; c < CHANNELS; c++)
            job->floats[at + x + c] = job->level[c][levels[x + c]];
}

static void make_band(void *ctx, size_t item, unsigned thread)
{
    const struct job *job = ctx;
    const struct resizer *r = job->r;
    const struct scratch s = scratch_of(r, thread);
    const int begin = (int)item * r->band;
    const int end = begin + r->band < r->box.h ? begin + r->band : r->box.h;
    int held[TAPS] = {-1, -1, -1, -1}; /* the source row in each place of the ring */

    for (int y = begin; y < end; y++) {
        const int first = r->taps_y.first[y] - MARGIN + r->down.first;
        const float *in[TAPS];
        if (y < r->seen_y.from || y >= r->seen_y.to) {
            write_row(job, &s, NULL, y);
            continue;
        }
        for (int k = 0; k < TAPS; k++) {
            const int row = clamp(first + k, 0, r->down.n - 1), place = row % TAPS;
            float *line = s.lines + (size_t)place * (line_size(r) / sizeof(float));
            if (held[place] != row) {
                make_line(job, row, &s, line);
                held[place] = row;
            }
            in[k] = line;
        }
        r->rows.blend(in, r->taps_y.weights[y], line_floats(r) - SLACK, s.blended);
        write_row(job, &s, s.blended, y);
    }
}

/* ---- the whole ----------------------------------------------------------------------------- */

void resizer_init(struct resizer *r, enum cpu_level level)
{
    *r = (struct resizer){0};
    resize_rows_init(&r->rows, level);
}

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
    const size_t bands = (size_t)((box->h - 1) / r->band + 1);
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
    free(r->taps_x.first);
    free(r->taps_x.weights);
    free(r->taps_y.first);
    free(r->taps_y.weights);
    free(r->scratch);
    *r = (struct resizer){0};
}
