/*
 * Kernels that treat every pixel alike: sums over pixels, batch norm, activations, joins. Sums are
 * taken over runs of pixels in float and over the runs in double, so that a large map costs no
 * accuracy.
 */
#include "kernel/family.h"

#include "kernel/integers.h"
#include "kernel/ref/activate.h"

enum {
    SUM_CHANNELS = 64, /* channels summed at once */
    SUM_PIXELS = 256   /* pixels summed in float */
};

/* act'(.) from the activated value. */
static float slope_of(enum activation act, float y)
{
    switch (act) {
    case ACT_RELU: return y > 0.0F ? 1.0F : 0.0F;
    case ACT_RELU6: return y > 0.0F && y < 6.0F ? 1.0F : 0.0F;
    case ACT_SIGMOID: return y * (1.0F - y);
    case ACT_TANH: return 1.0F - y * y;
    default: return 1.0F;
    }
}

static size_t run_length(size_t n_pixels, size_t start)
{
    return n_pixels - start < SUM_PIXELS ? n_pixels - start : SUM_PIXELS;
}

static void channel_sums_block(const float *x, size_t n_pixels, int channels, int pitch, float *sum,
                               float *squares)
{
    double total[SUM_CHANNELS] = {0};
    double total_squares[SUM_CHANNELS] = {0};
    for (size_t start = 0; start < n_pixels; start += SUM_PIXELS) {
        float part[SUM_CHANNELS] = {0};
        float part_squares[SUM_CHANNELS] = {0};
        const size_t end = start + run_length(n_pixels, start);
        for (size_t p = start; p < end; p++) {
            const float *in = x + p * (size_t)pitch;
            for (int k = 0; k < channels; k++) {
                part[k] += in[k];
                part_squares[k] += in[k] * in[k];
            }
        }
        for (int k = 0; k < channels; k++) {
            total[k] += (double)part[k];
            total_squares[k] += (double)part_squares[k];
        }
    }
    for (int k = 0; k < channels; k++) {
        sum[k] += (float)total[k];
        if (squares)
            squares[k] += (float)total_squares[k];
    }
}

static void channel_sums(const float *x, size_t n_pixels, int channels, int pitch, float *sum,
                         float *squares)
{
    for (int k = 0; k < channels; k += SUM_CHANNELS)
        channel_sums_block(x + k, n_pixels, smaller(channels - k, SUM_CHANNELS), pitch, sum + k,
                           squares ? squares + k : NULL);
}

static void scale_shift(const float *x, int x_pitch, const float *scale, const float *shift,
                        enum activation act, float *y, int y_pitch, size_t n_pixels, int channels)
{
    for (size_t p = 0; p < n_pixels; p++) {
        const float *in = x + p * (size_t)x_pitch;
        float *out = y + p * (size_t)y_pitch;
        for (int k = 0; k < channels; k++)
            out[k] = activate(act, in[k] * scale[k] + shift[k]);
    }
}

/* The gradient before the activation: dy where the activated output is positive (or y is NULL). */
static float gated(const float *y, const float *dy, int k)
{
    return !y || y[k] > 0.0F ? dy[k] : 0.0F;
}

struct norm_maps {
    const float *x, *y, *dy;
    size_t x_pitch, y_pitch, dy_pitch;
};

static void norm_back_sums_block(const struct norm_maps *maps, const float *mean,
                                 const float *inv_std, size_t n_pixels, int channels, float *sum_g,
                                 float *sum_gx)
{
    double total_g[SUM_CHANNELS] = {0};
    double total_gx[SUM_CHANNELS] = {0};
    for (size_t start = 0; start < n_pixels; start += SUM_PIXELS) {
        float part_g[SUM_CHANNELS] = {0};
        float part_gx[SUM_CHANNELS] = {0};
        const size_t end = start + run_length(n_pixels, start);
        for (size_t p = start; p < end; p++) {
            const float *x = maps->x + p * maps->x_pitch;
            const float *y = maps->y ? maps->y + p * maps->y_pitch : NULL;
            const float *dy = maps->dy + p * maps->dy_pitch;
            for (int k = 0; k < channels; k++) {
                const float g = gated(y, dy, k);
                part_g[k] += g;
                part_gx[k] += g * ((x[k] - mean[k]) * inv_std[k]);
            }
        }
        for (int k = 0; k < channels; k++) {
            total_g[k] += (double)part_g[k];
            total_gx[k] += (double)part_gx[k];
        }
    }
    for (int k = 0; k < channels; k++) {
        sum_g[k] += (float)total_g[k];
        sum_gx[k] += (float)total_gx[k];
    }
}

static void norm_back_sums(const float *x, int x_pitch, const float *y, int y_pitch,
                           const float *dy, int dy_pitch, const float *mean, const float *inv_std,
                           size_t n_pixels, int channels, float *sum_g, float *sum_gx)
{
    for (int k = 0; k < channels; k += SUM_CHANNELS) {
        const struct norm_maps maps = {x + k,           y ? y + k : NULL, dy + k,
                                       (size_t)x_pitch, (size_t)y_pitch,  (size_t)dy_pitch};
        norm_back_sums_block(&maps, mean + k, inv_std + k, n_pixels,
                             smaller(channels - k, SUM_CHANNELS), sum_g + k, sum_gx + k);
    }
}

static void norm_back_apply(const float *x, int x_pitch, const float *y, int y_pitch,
                            const float *dy, int dy_pitch, const float *a, const float *b,
                            const float *c, bool accumulate, float *dx, int dx_pitch,
                            size_t n_pixels, int channels)
{
    for (size_t p = 0; p < n_pixels; p++) {
        const float *in = x + p * (size_t)x_pitch;
        const float *gate = y ? y + p * (size_t)y_pitch : NULL;
        const float *grad = dy + p * (size_t)dy_pitch;
        float *out = dx + p * (size_t)dx_pitch;
        for (int k = 0; k < channels; k++) {
            const float value = a[k] * gated(gate, grad, k) + (b[k] * in[k] + c[k]);
            out[k] = accumulate ? out[k] + value : value;
        }
    }
}

static void act(enum activation kind, const float *x, int x_pitch, float *y, int y_pitch,
                size_t n_pixels, int channels)
{
    for (size_t p = 0; p < n_pixels; p++)
        for (int k = 0; k < channels; k++)
            y[p * (size_t)y_pitch + (size_t)k] = activate(kind, x[p * (size_t)x_pitch + (size_t)k]);
}

static void act_back(enum activation kind, const float *y, int y_pitch, const float *dy,
                     int dy_pitch, bool accumulate, float *dx, int dx_pitch, size_t n_pixels,
                     int channels)
{
    for (size_t p = 0; p < n_pixels; p++) {
        const float *in = y + p * (size_t)y_pitch;
        const float *grad = dy + p * (size_t)dy_pitch;
        float *out = dx + p * (size_t)dx_pitch;
        for (int k = 0; k < channels; k++) {
            const float value = grad[k] * slope_of(kind, in[k]);
            out[k] = accumulate ? out[k] + value : value;
        }
    }
}

static void add(const float *x, int x_pitch, const float *y, int y_pitch, enum activation kind,
                float *z, int z_pitch, size_t n_pixels, int channels)
{
    for (size_t p = 0; p < n_pixels; p++)
        for (int k = 0; k < channels; k++)
            z[p * (size_t)z_pitch + (size_t)k] = activate(
                kind, x[p * (size_t)x_pitch + (size_t)k] + y[p * (size_t)y_pitch + (size_t)k]);
}

static void mul(const float *x, int x_pitch, const float *y, int y_pitch, bool accumulate, float *z,
                int z_pitch, size_t n_pixels, int channels)
{
    for (size_t p = 0; p < n_pixels; p++) {
        float *out = z + p * (size_t)z_pitch;
        for (int k = 0; k < channels; k++) {
            const float value =
                x[p * (size_t)x_pitch + (size_t)k] * y[p * (size_t)y_pitch + (size_t)k];
            out[k] = accumulate ? out[k] + value : value;
        }
    }
}

static void copy(const float *x, int x_pitch, bool accumulate, float *y, int y_pitch,
                 size_t n_pixels, int channels)
{
    for (size_t p = 0; p < n_pixels; p++) {
        const float *in = x + p * (size_t)x_pitch;
        float *out = y + p * (size_t)y_pitch;
        for (int k = 0; k < channels; k++)
            out[k] = accumulate ? out[k] + in[k] : in[k];
    }
}

static void prelu(const float *x, int x_pitch, const float *slope, float *y, int y_pitch,
                  size_t n_pixels, int channels)
{
    for (size_t p = 0; p < n_pixels; p++) {
        const float *in = x + p * (size_t)x_pitch;
        float *out = y + p * (size_t)y_pitch;
        for (int k = 0; k < channels; k++)
            out[k] = in[k] > 0.0F ? in[k] : slope[k] * in[k];
    }
}

static void prelu_back(const float *x, int x_pitch, const float *slope, const float *dy,
                       int dy_pitch, bool accumulate, float *dx, int dx_pitch, float *sum,
                       size_t n_pixels, int channels)
{
    for (int first = 0; first < channels; first += SUM_CHANNELS) {
        const int n = smaller(channels - first, SUM_CHANNELS);
        double total[SUM_CHANNELS] = {0};
        for (size_t p = 0; p < n_pixels; p++) {
            const float *in = x + p * (size_t)x_pitch + first;
            const float *grad = dy + p * (size_t)dy_pitch + first;
            float *out = dx ? dx + p * (size_t)dx_pitch + first : NULL;
            for (int k = 0; k < n; k++) {
                const bool below = !(in[k] > 0.0F);
                const float value = below ? grad[k] * slope[first + k] : grad[k];
                total[k] += below ? (double)grad[k] * (double)in[k] : 0.0;
                if (out)
                    out[k] = accumulate ? out[k] + value : value;
            }
        }
        for (int k = 0; k < n; k++)
            sum[first + k] += (float)total[k];
    }
}

void pixel_init_ref(struct kernels *k)
{
    k->channel_sums = channel_sums;
    k->scale_shift = scale_shift;
    k->norm_back_sums = norm_back_sums;
    k->norm_back_apply = norm_back_apply;
    k->act = act;
    k->act_back = act_back;
    k->add = add;
    k->mul = mul;
    k->copy = copy;
    k->prelu = prelu;
    k->prelu_back = prelu_back;
}
