/* How fast convolution and its gradients are, for the layers of our networks. */
#include "check_conv.h"

#include <stdio.h>
#include <stdlib.h>

enum { IMAGES = 4 }; /* of a call, for the gradient of the weights */

struct bench_case {
    const struct kernels *k;
    struct conv_geometry g;
    float *x, *y, *w, *packed, *scratch;
};

/* Bands as a caller hands them out. */
static int band_end(int row, int rows, int n)
{
    return row + rows < n ? row + rows : n;
}

static void bench_forward(void *ctx)
{
    const struct bench_case *b = ctx;
    const int rows = b->k->conv_rows(&b->g);
    for (int row = 0; row < b->g.out_h; row += rows)
        b->k->conv(&b->g, b->x, b->packed, NULL, ACT_RELU, false, b->y, row,
                   band_end(row, rows, b->g.out_h), b->scratch);
}

static void bench_dx(void *ctx)
{
    const struct bench_case *b = ctx;
    const int rows = b->k->conv_dx_rows(&b->g);
    for (int row = 0; row < b->g.in_h; row += rows)
        b->k->conv_dx(&b->g, b->y, b->packed, false, b->x, row, band_end(row, rows, b->g.in_h),
                      b->scratch);
}

static void bench_dw(void *ctx)
{
    const struct bench_case *b = ctx;
    b->k->conv_dw(&b->g, b->x, b->y, IMAGES, b->w, 0, b->k->conv_dw_tiles(&b->g), b->scratch);
}

static void bench_packs(void *ctx)
{
    const struct bench_case *b = ctx;
    b->k->conv_dx_pack(&b->g, b->w, b->packed);
    b->k->conv_pack(&b->g, b->w, b->packed);
}

static float *bench_floats(size_t n)
{
    float *p = aligned_alloc(64, (n * sizeof(*p) + 63) / 64 * 64 + 64);
    if (!p)
        abort();
    for (size_t i = 0; i < n; i++)
        p[i] = (float)(i % 97) / 97.0F - 0.5F;
    return p;
}

static void bench_layer(const struct kernels *k, double ceiling, const struct conv_geometry *g)
{
    const size_t scratch[] = {k->conv_scratch(g), k->conv_dx_scratch(g), k->conv_dw_scratch(g)};
    size_t most = 0;
    for (int i = 0; i < 3; i++)
        most = scratch[i] > most ? scratch[i] : most;
    const size_t forward = k->conv_packed(g);
    const size_t backward = k->conv_dx_packed(g);
    struct bench_case b = {
        .k = k,
        .g = *g,
        .x = bench_floats((size_t)IMAGES * (size_t)g->in_h * (size_t)g->in_w * (size_t)g->in_pitch),
        .y = bench_floats((size_t)IMAGES * (size_t)g->out_h * (size_t)g->out_w *
                          (size_t)g->out_pitch),
        .w = bench_floats((size_t)g->kernel_h * (size_t)g->kernel_w * (size_t)g->in_c *
                          (size_t)g->out_c),
        .packed = bench_floats(forward > backward ? forward : backward),
        .scratch = bench_floats(most),
    };
    const double pack_time = bench_time(bench_packs, &b);
    const double forward_rate = conv_macs(g) / bench_time(bench_forward, &b);
    const double dw_rate = IMAGES * conv_macs(g) / bench_time(bench_dw, &b);
    k->conv_dx_pack(g, b.w, b.packed);
    const double dx_rate = conv_macs(g) / bench_time(bench_dx, &b);
    printf("%3dx%-3d %3d -> %3d  %dx%d s%d d%d |", g->in_h, g->in_w, g->in_c, g->out_c, g->kernel_h,
           g->kernel_w, g->stride, g->dilation);
    const double rates[] = {forward_rate, dx_rate, dw_rate};
    for (int i = 0; i < 3; i++)
        printf(" %6.1f %3.0f %% |", rates[i] * 1e-9, 100.0 * rates[i] / ceiling);
    printf(" %7.3f |\n", pack_time * 1e3);
    free(b.x);
    free(b.y);
    free(b.w);
    free(b.packed);
    free(b.scratch);
}

void bench_conv(const struct kernels *k, double ceiling)
{
    /* in_h, in_w, in_c, out_c, kernel, stride, dilation */
    static const int layers[][7] = {
        {256, 256, 3, 16, 3, 2, 1},  {128, 128, 16, 32, 3, 2, 1}, {64, 64, 32, 32, 3, 1, 1},
        {64, 64, 32, 64, 3, 2, 1},   {32, 32, 64, 64, 3, 1, 1},   {32, 32, 96, 96, 3, 1, 1},
        {32, 32, 153, 96, 3, 1, 1},  {32, 32, 64, 128, 3, 2, 1},  {16, 16, 128, 128, 3, 1, 1},
        {16, 16, 128, 128, 3, 1, 2}, {32, 32, 128, 96, 1, 1, 1},  {32, 32, 96, 38, 1, 1, 1},
        {32, 32, 96, 19, 1, 1, 1},   {32, 32, 256, 256, 3, 1, 1}, {32, 32, 128, 128, 7, 1, 1},
        {32, 32, 185, 128, 7, 1, 1}, {256, 256, 64, 64, 3, 1, 1},
    };
    printf(
        "convolution                   | forward      | dx           | dw           | GMAC/s, %% "
        "of the ceiling\n");
    for (size_t i = 0; i < sizeof(layers) / sizeof(layers[0]); i++) {
        const int *l = layers[i];
        struct conv_geometry g = {.in_h = l[0],
                                  .in_w = l[1],
                                  .in_c = l[2],
                                  .out_c = l[3],
                                  .kernel_h = l[4],
                                  .kernel_w = l[4],
                                  .stride = l[5],
                                  .dilation = l[6],
                                  .in_pitch = l[2],
                                  .out_pitch = l[3]};
        g.out_h = (g.in_h - 1) / g.stride + 1;
        g.out_w = (g.in_w - 1) / g.stride + 1;
        const int over = (g.out_h - 1) * g.stride + (g.kernel_h - 1) * g.dilation + 1 - g.in_h;
        g.pad_top = g.pad_left = over > 0 ? over / 2 : 0;
        bench_layer(k, ceiling, &g);
    }
}
