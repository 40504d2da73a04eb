/*
 * make-onnx-bytes FOLDER: networks of 8 bits as ONNX files, each with a picture and what an engine
 * makes of it, listed as make-onnx-samples does; "input" is "int8".
 */
#include "base/error.h"
#include "deploy/engines.h"
#include "deploy/onnx_bytes.h"
#include "nn/networks.h"

enum { H = 72, W = 104 };

static void die(const char *what)
{
    fprintf(stderr, "make-onnx-bytes: %s: %s\n", what, error_message());
    exit(1);
}

static int feed(void *ctx, uint8_t *pixels)
{
    int *left = ctx;
    if (*left == 0)
        return 0;
    uint8_t *made = random_pixels(H, W, (uint64_t)(*left)--);
    memcpy(pixels, made, (size_t)H * W * 3);
    free(made);
    return 1;
}

static void write_floats(FILE *file, const float *values, size_t n)
{
    if (fwrite(values, sizeof(*values), n, file) != n)
        die("cannot write");
}

static void write_output(FILE *file, FILE *list, const struct map_view *v)
{
    for (size_t i = 0; i < (size_t)v->h * (size_t)v->w; i++)
        write_floats(file, (const float *)v->data + i * (size_t)v->pitch, (size_t)v->channels);
    fprintf(list, " | %d %d %d", v->h, v->w, v->channels);
}

static void add_sample(const char *folder, const char *name, struct model *m, FILE *list)
{
    static const struct onnx_export_options how = {.h = H, .w = W};
    struct engine *engine;
    struct engine_context *context;
    char onnx[1024], other[1024];
    int left = 3;
    struct build_options build = {.h = H,
                                  .w = W,
                                  .precision = BUILD_INT8,
                                  .level = cpu_level_detect(),
                                  .no_timing = true,
                                  .feed = feed,
                                  .feed_ctx = &left,
                                  .algorithm = CALIBRATE_MSE};
    snprintf(onnx, sizeof(onnx), "%s/%s.onnx", folder, name);
    snprintf(other, sizeof(other), "%s/%s.engine", folder, name);
    if (onnx_export_bytes(m, &build, &how, onnx) < 0)
        die(name);
    left = 3;
    if (engine_build(other, m, &build, NULL) < 0 ||
        engine_open(&engine, other, NULL, build.level, NULL) < 0 ||
        engine_context_open(&context, engine, NULL) < 0)
        die(name);
    uint8_t *pixels = random_pixels(H, W, 99);
    engine_run(context, pixels);
    snprintf(other, sizeof(other), "%s/%s.f32", folder, name);
    FILE *file = fopen(other, "wb");
    if (!file)
        die(other);
    for (int i = 0; i < H * W * 3; i++) {
        const float v = (float)pixels[i] / m->meta.scale[i % 3] - m->meta.offset[i % 3];
        write_floats(file, &v, 1);
    }
    fprintf(list, "%s.onnx %s.f32 nhwc int8 1 %d %d", name, name, H, W);
    for (int k = 0; k < 2; k++) {
        const struct map_view v = engine_output(context, k);
        write_output(file, list, &v);
    }
    fprintf(list, "\n");
    if (fclose(file) != 0)
        die(other);
    engine_context_close(context);
    engine_close(engine);
    free(pixels);
    model_free(m);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        enum model_kind kind;
        bool attention, even;
    } rows[] = {
        {"bytes_light", MODEL_LIGHT, false, true},   {"bytes_lite", MODEL_LITE, false, true},
        {"bytes_full", MODEL_FULL, false, true},     {"bytes_attention", MODEL_LITE, true, true},
        {"bytes_uneven", MODEL_LIGHT, false, false}, /* pixels that no one scale describes */
    };
    char path[1024];
    if (argc < 2)
        return 64;
    snprintf(path, sizeof(path), "%s/samples.txt", argv[1]);
    FILE *list = fopen(path, "w");
    if (!list)
        die(path);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct model_spec spec = default_spec(rows[i].kind, 2);
        struct model *m = NULL;
        struct rng rng = rng_stream(23, i, 0);
        spec.self_attention = rows[i].attention;
        spec.width_multiplier = 0.125;
        if (model_build_shape(&m, &spec) < 0)
            die(rows[i].name);
        random_values(&m->params, &rng);
        set_normalisation(m);
        for (int c = 0; c < 3 && rows[i].even; c++) {
            m->meta.scale[c] = 256.0F;
            m->meta.offset[c] = 0.5F;
        }
        add_sample(argv[1], rows[i].name, m, list);
    }
    return fclose(list) == 0 ? 0 : 1;
}
