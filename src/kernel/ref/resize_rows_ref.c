/* Rows of a resize in plain C, and the choice of a level. */
#include "kernel/resize_rows.h"

#include "kernel/family.h"

static void widen(const uint8_t *in, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = in[i];
}

static void add_rows(const uint8_t *in, size_t pitch, int rows, size_t n, uint32_t *sums)
{
    for (size_t i = 0; i < n; i++)
        sums[i] = 0;
    for (int r = 0; r < rows; r++, in += pitch)
        for (size_t i = 0; i < n; i++)
            sums[i] += in[i];
}

static void average(const uint32_t *sums, int width, double share, size_t n, float *out)
{
    for (size_t d = 0; d < n; d++, out += RESIZE_CHANNELS) {
        uint32_t sum[RESIZE_CHANNELS] = {0};
        for (int k = 0; k < width; k++, sums += RESIZE_CHANNELS)
            for (int c = 0; c < RESIZE_CHANNELS; c++)
                sum[c] += sums[c];
        for (int c = 0; c < RESIZE_CHANNELS; c++)
            out[c] = (float)(share * (double)sum[c]);
    }
}

static void blend(const float *const in[RESIZE_TAPS], const float w[RESIZE_TAPS], size_t n,
                  float *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = in[0][i] * w[0] + in[1][i] * w[1] + in[2][i] * w[2] + in[3][i] * w[3];
}

static void columns(const float *line, const int32_t *first, const float (*w)[RESIZE_TAPS],
                    size_t n, float *out)
{
    for (size_t d = 0; d < n; d++) {
        const float *x = line + (ptrdiff_t)first[d] * RESIZE_CHANNELS;
        for (size_t c = 0; c < RESIZE_CHANNELS; c++)
            out[d * RESIZE_CHANNELS + c] =
                x[c] * w[d][0] + x[3 + c] * w[d][1] + x[6 + c] * w[d][2] + x[9 + c] * w[d][3];
    }
}

static void narrow(const float *in, size_t n, uint8_t *out)
{
    const float magic = 0x1.8p23F;
    for (size_t i = 0; i < n; i++) {
        const float rounded = (in[i] + magic) - magic;
        out[i] = rounded < 0 ? 0 : rounded > 255 ? 255 : (uint8_t)rounded;
    }
}

void resize_rows_init(struct resize_rows *k, enum cpu_level level)
{
    *k = (struct resize_rows){widen, add_rows, average, blend, columns, narrow};
#if defined(__x86_64__)
    if (level >= CPU_AVX2)
        resize_rows_init_avx2(k);
    if (level >= CPU_AVX512)
        resize_rows_init_avx512(k);
#else
    (void)level;
#endif
}
