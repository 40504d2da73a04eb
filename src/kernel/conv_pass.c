/*
 * Why like this: direct convolution reads the source once from the first-level cache and needs no
 * im2col buffer. Border tests would sit in the innermost loops, so the rows of a band are copied
 * once with their zeros around them; the copy costs a few percent at most, and in it neighbouring
 * pixels lie side by side, so that all taps of one kernel row are one contiguous run.
 */
#include "kernel/conv_pass.h"

#include "kernel/bf16.h"
#include "kernel/integers.h"

#include <string.h>

enum {
    BAND_FLOATS = 96 * 1024, /* of copied source: leaves room for weights in a 1 MiB cache */
    CALL_ROWS = 4            /* so that rows shared with the neighbouring bands are few */
};

/* One axis of one phase, see the header; tap t is the kernel's tap0 + t * tap_step. */
struct phase {
    int at, taps, spacing;
    int tap0, tap_step;
};

static int common_divisor(int a, int b)
{
    while (b != 0) {
        const int rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

struct conv_pass conv_pass_forward(const struct conv_geometry *g)
{
    return (struct conv_pass){
        .source_h = g->in_h,
        .source_w = g->in_w,
        .source_c = g->in_c,
        .source_pitch = g->in_pitch,
        .target_h = g->out_h,
        .target_w = g->out_w,
        .target_c = g->out_c,
        .target_pitch = g->out_pitch,
        .kernel_h = g->kernel_h,
        .kernel_w = g->kernel_w,
        .stride = g->stride,
        .dilation = g->dilation,
        .pad_top = g->pad_top,
        .pad_left = g->pad_left,
        .in_step = g->stride,
        .out_step = 1,
    };
}

struct conv_pass conv_pass_backward(const struct conv_geometry *g)
{
    return (struct conv_pass){
        .source_h = g->out_h,
        .source_w = g->out_w,
        .source_c = g->out_c,
        .source_pitch = g->out_pitch,
        .target_h = g->in_h,
        .target_w = g->in_w,
        .target_c = g->in_c,
        .target_pitch = g->in_pitch,
        .kernel_h = g->kernel_h,
        .kernel_w = g->kernel_w,
        .stride = g->stride,
        .dilation = g->dilation,
        .pad_top = g->pad_top,
        .pad_left = g->pad_left,
        .in_step = 1,
        .out_step = g->stride,
        .backward = true,
    };
}

/*
 * Input i = first + u * stride meets output o through tap k when i + pad = o * stride + k *
 * dilation. For one `first` the fitting taps are k0, k0 + step, …, and o falls as k rises.
 */
static struct phase phase_backward(const struct conv_pass *pass, int first, int kernel, int pad)
{
    const int common = common_divisor(pass->stride, pass->dilation);
    const int step = pass->stride / common;
    int k0 = 0;
    while (k0 < step && (first + pad - k0 * pass->dilation) % pass->stride != 0)
        k0++;
    if (k0 == step || k0 >= kernel)
        return (struct phase){.taps = 0};
    const int taps = (kernel - 1 - k0) / step + 1;
    const int spacing = pass->dilation / common;
    return (struct phase){
        .at = (first + pad - k0 * pass->dilation) / pass->stride - (taps - 1) * spacing,
        .taps = taps,
        .spacing = spacing,
        .tap0 = k0 + (taps - 1) * step,
        .tap_step = -step,
    };
}

static struct phase phase_of(const struct conv_pass *pass, int first, int kernel, int pad)
{
    if (pass->backward)
        return phase_backward(pass, first, kernel, pad);
    return (struct phase){
        .at = -pad, .taps = kernel, .spacing = pass->dilation, .tap0 = 0, .tap_step = 1};
}

static struct phase phase_y(const struct conv_pass *pass, int first)
{
    return phase_of(pass, first, pass->kernel_h, pass->pad_top);
}

static struct phase phase_x(const struct conv_pass *pass, int first)
{
    return phase_of(pass, first, pass->kernel_w, pass->pad_left);
}

static int vectors_of(const struct conv_pass *pass, int lanes)
{
    return (pass->target_c + lanes - 1) / lanes;
}

int conv_pass_rows(const struct conv_pass *pass)
{
    return CALL_ROWS * pass->out_step;
}

size_t conv_pass_packed(const struct conv_pass *pass, int lanes)
{
    return (size_t)pass->kernel_h * (size_t)pass->kernel_w * (size_t)conv_pass_slots(pass) *
           (size_t)(vectors_of(pass, lanes) * lanes);
}

void conv_pack_pair(float *out, const float *first, const float *second, ptrdiff_t step, int n)
{
    for (int k = 0; k < n; k++) {
        const uint32_t low = bf16_round(first[k * step]);
        const uint32_t high = second ? bf16_round(second[k * step]) : 0;
        const uint32_t slot = high << 16 | low;
        memcpy(&out[k], &slot, sizeof slot);
    }
}

/* All taps of a phase for the target channels c0 <= c < c0 + width; zeros where there is none. */
static float *pack_block(const struct conv_pass *pass, const struct phase *py,
                         const struct phase *px, int c0, int width, const float *w, float *packed)
{
    const ptrdiff_t tap_size = (ptrdiff_t)pass->source_c * pass->target_c;
    const ptrdiff_t source_step = pass->backward ? 1 : pass->target_c;
    const ptrdiff_t target_step = pass->backward ? pass->source_c : 1;
    const int present = smaller(width, pass->target_c - c0);
    const int step = pass->paired ? 2 : 1;
    for (int ty = 0; ty < py->taps; ty++) {
        for (int tx = 0; tx < px->taps; tx++) {
            const int ky = py->tap0 + ty * py->tap_step;
            const int kx = px->tap0 + tx * px->tap_step;
            const float *tap = w + (ky * pass->kernel_w + kx) * tap_size + c0 * target_step;
            for (int c = 0; c < pass->source_c; c += step, packed += width) {
                const float *first = tap + c * source_step;
                const float *second = c + 1 < pass->source_c ? first + source_step : NULL;
                if (pass->paired)
                    conv_pack_pair(packed, first, second, target_step, present);
                for (int k = 0; !pass->paired && k < present; k++)
                    packed[k] = first[k * target_step];
                for (int k = present; k < width; k++)
                    packed[k] = 0.0F;
            }
        }
    }
    return packed;
}

void conv_pass_pack(const struct conv_pass *pass, int lanes, const float *w, float *packed)
{
    const int vectors = vectors_of(pass, lanes);
    for (int first_y = 0; first_y < pass->out_step; first_y++) {
        for (int first_x = 0; first_x < pass->out_step; first_x++) {
            const struct phase py = phase_y(pass, first_y);
            const struct phase px = phase_x(pass, first_x);
            for (int v = 0, n; v < vectors; v += n) {
                n = conv_vectors(vectors - v);
                packed = pack_block(pass, &py, &px, v * lanes, n * lanes, w, packed);
            }
        }
    }
}

/* The source coordinates all phases of an axis need for u0 <= u <= u1. */
static void axis_extent(const struct conv_pass *pass, bool vertical, int u0, int u1, int *first,
                        int *size)
{
    bool any = false;
    int low = 0;
    int high = 1;
    for (int i = 0; i < pass->out_step; i++) {
        const struct phase p = vertical ? phase_y(pass, i) : phase_x(pass, i);
        if (p.taps == 0)
            continue;
        const int end = p.at + (p.taps - 1) * p.spacing + 1;
        low = any ? smaller(low, p.at) : p.at;
        high = any ? larger(high, end) : end;
        any = true;
    }
    *first = low + u0 * pass->in_step;
    *size = high - low + (u1 - u0) * pass->in_step;
}

struct conv_window conv_pass_window(const struct conv_pass *pass, int row0, int row1)
{
    struct conv_window window;
    axis_extent(pass, true, row0 / pass->out_step, (row1 - 1) / pass->out_step, &window.y0,
                &window.h);
    axis_extent(pass, false, 0, (pass->target_w - 1) / pass->out_step, &window.x0, &window.w);
    return window;
}

static void copy_floats(const struct conv_tiles *tiles, bool paired, float *out, const float *in,
                        ptrdiff_t n)
{
    if (paired)
        tiles->narrow(in, n, out);
    else
        memcpy(out, in, (size_t)n * sizeof(*out));
}

static void copy_pixels(const struct conv_pass *pass, const struct conv_tiles *tiles, float *out,
                        const float *in, int n)
{
    const ptrdiff_t channels = pass->source_c, slots = conv_pass_slots(pass);
    const bool gapless = !pass->paired || channels % 2 == 0;
    if (pass->source_pitch == channels && gapless) {
        copy_floats(tiles, pass->paired, out, in, n * channels);
        return;
    }
    for (int i = 0; i < n; i++)
        copy_floats(tiles, pass->paired, out + i * slots, in + i * pass->source_pitch, channels);
}

void conv_window_fill(const struct conv_window *window, const struct conv_pass *pass,
                      const struct conv_tiles *tiles, const float *source, float *out)
{
    const ptrdiff_t c = conv_pass_slots(pass);
    const int end = window->x0 + window->w;
    const int left = smaller(larger(-window->x0, 0), window->w);
    const int right = smaller(larger(end - pass->source_w, 0), window->w - left);
    const int inside = window->w - left - right;
    for (int row = 0; row < window->h; row++, out += window->w * c) {
        const int y = window->y0 + row;
        if (y < 0 || y >= pass->source_h || inside == 0) {
            memset(out, 0, (size_t)(window->w * c) * sizeof(*out));
            continue;
        }
        const ptrdiff_t pixel = (ptrdiff_t)y * pass->source_w + window->x0 + left;
        memset(out, 0, (size_t)(left * c) * sizeof(*out));
        copy_pixels(pass, tiles, out + left * c, source + pixel * pass->source_pitch, inside);
        memset(out + (left + inside) * c, 0, (size_t)(right * c) * sizeof(*out));
    }
}

/* Whether the tiles may read the source itself: no border, and runs as long as they should be. */
static bool reads_directly(const struct conv_pass *pass)
{
    if (pass->paired)
        return false;
    const struct conv_window all = conv_pass_window(pass, 0, pass->target_h);
    const bool dense = pass->source_pitch == pass->source_c || pass->kernel_w == 1;
    return dense && all.y0 >= 0 && all.x0 >= 0 && all.y0 + all.h <= pass->source_h &&
           all.x0 + all.w <= pass->source_w;
}

/* Rows of a window for `rows` target rows, wherever these start. */
static int window_rows(const struct conv_pass *pass, int rows)
{
    const int u1 = (rows + pass->out_step - 2) / pass->out_step;
    int first, size;
    axis_extent(pass, true, 0, u1, &first, &size);
    return size;
}

/* Target rows computed at once. */
static int band_rows(const struct conv_pass *pass)
{
    const ptrdiff_t row = (ptrdiff_t)conv_pass_window(pass, 0, 1).w * conv_pass_slots(pass);
    int rows = 1;
    while (rows < pass->target_h && window_rows(pass, rows + 1) * row <= BAND_FLOATS)
        rows++;
    return rows;
}

size_t conv_pass_scratch(const struct conv_pass *pass)
{
    if (reads_directly(pass))
        return 0;
    return (size_t)window_rows(pass, band_rows(pass)) * (size_t)conv_pass_window(pass, 0, 1).w *
           (size_t)conv_pass_slots(pass);
}

/* A band: its source (a copied window or the map itself), and where that begins. */
struct band {
    const float *source;
    int y0, x0;
    ptrdiff_t row, pixel; /* floats between rows and pixels */
    int begin, end;       /* target rows */
};

static void run_phase(const struct conv_pass *pass, const struct conv_tiles *tiles,
                      const struct band *band, int first_y, int first_x, const float *w,
                      const struct conv_finish *finish, float *target)
{
    const struct phase py = phase_y(pass, first_y);
    const struct phase px = phase_x(pass, first_x);
    const int u0 = divide_up(band->begin - first_y, pass->out_step);
    const int u1 = divide_up(band->end - first_y, pass->out_step);
    const int columns = divide_up(pass->target_w - first_x, pass->out_step);
    const int slots = conv_pass_slots(pass);
    const bool joined = px.spacing == 1 && band->pixel == slots;
    struct conv_span span = {
        .n_rows = px.taps > 0 ? py.taps : 0,
        .n_runs = joined ? 1 : px.taps,
        .run = joined ? px.taps * slots : slots,
        .x_row = py.spacing * band->row,
        .x_run = px.spacing * band->pixel,
        .x_pixel = pass->in_step * band->pixel,
        .y_pixel = pass->out_step * pass->target_pitch,
        .relu = finish->relu,
        .accumulate = finish->accumulate,
    };
    const ptrdiff_t steps = (ptrdiff_t)span.n_rows * span.n_runs * span.run;
    const int vectors = vectors_of(pass, tiles->lanes);
    const float *x0 = band->source;
    if (steps > 0)
        x0 += (py.at - band->y0) * band->row + (px.at - band->x0) * band->pixel;
    for (int v = 0, n; v < vectors; v += n) {
        n = conv_vectors(vectors - v);
        const int channel = v * tiles->lanes;
        span.last_lanes = smaller(tiles->lanes, pass->target_c - (v + n - 1) * tiles->lanes);
        span.bias = finish->bias ? finish->bias + channel : NULL;
        for (int u = u0; u < u1; u++) {
            const ptrdiff_t pixel =
                (ptrdiff_t)(first_y + u * pass->out_step) * pass->target_w + first_x;
            conv_tiles_row(&span, tiles, n, x0 + u * pass->in_step * band->row, w + steps * channel,
                           target + pixel * pass->target_pitch + channel, columns);
        }
    }
}

static void run_band(const struct conv_pass *pass, const struct conv_tiles *tiles,
                     const struct band *band, const float *packed, const struct conv_finish *finish,
                     float *target)
{
    const ptrdiff_t width = (ptrdiff_t)vectors_of(pass, tiles->lanes) * tiles->lanes;
    for (int first_y = 0; first_y < pass->out_step; first_y++) {
        for (int first_x = 0; first_x < pass->out_step; first_x++) {
            if (first_y < pass->target_h && first_x < pass->target_w)
                run_phase(pass, tiles, band, first_y, first_x, packed, finish, target);
            packed += phase_y(pass, first_y).taps * phase_x(pass, first_x).taps * width *
                      conv_pass_slots(pass);
        }
    }
}

void conv_pass_run(const struct conv_pass *pass, const struct conv_tiles *tiles,
                   const float *source, const float *packed, const struct conv_finish *finish,
                   float *target, int row0, int row1, float *scratch)
{
    const bool direct = reads_directly(pass);
    const int rows = band_rows(pass);
    for (int row = row0; row < row1; row += rows) {
        struct band band = {.begin = row, .end = smaller(row + rows, row1)};
        if (direct) {
            band.source = source;
            band.pixel = pass->source_pitch;
            band.row = pass->source_w * pass->source_pitch;
        } else {
            const struct conv_window window = conv_pass_window(pass, band.begin, band.end);
            conv_window_fill(&window, pass, tiles, source, scratch);
            band.source = scratch;
            band.y0 = window.y0;
            band.x0 = window.x0;
            band.pixel = conv_pass_slots(pass);
            band.row = window.w * band.pixel;
        }
        run_band(pass, tiles, &band, packed, finish, target);
    }
}
