/*
 * Building engines. The network is compiled in memory and run there, so that the file can say how
 * long its layers take; then the file is written, with what is needed to build it again.
 */
#include "deploy/engine_build.h"

#include "base/error.h"
#include "deploy/build_report.h"
#include "deploy/compile.h"
#include "deploy/eight_bits.h"
#include "deploy/quantize.h"
#include "engine/engine.h"
#include "engine/plan.h"
#include "io/container.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SECTIONS = 7 };

const char *const build_precision_names[BUILD_PRECISIONS] = {
    [BUILD_FP32] = "fp32", [BUILD_BF16] = "bf16", [BUILD_INT8] = "int8"};

/* What one build goes through. */
struct build {
    const struct model *model;
    const struct build_options *options;
    struct network net;
    struct ranges ranges;
    struct channel_means means;
    uint8_t *bytes;
    size_t size;
    struct engine *engine;
    struct container compiled, model_file;
    uint8_t *model_bytes;
    size_t model_size;
    struct str report, ranges_text, means_bytes, floats_text;
};

static void build_free(struct build *b)
{
    network_free(&b->net);
    ranges_free(&b->ranges);
    channel_means_free(&b->means);
    engine_close(b->engine);
    container_close(&b->compiled);
    free(b->bytes);
    free(b->model_bytes);
    str_free(&b->report);
    str_free(&b->ranges_text);
    str_free(&b->means_bytes);
    str_free(&b->floats_text);
}

/* ---- compiling, measuring ---------------------------------------------------------------- */

static int compile(struct build *b)
{
    const struct build_options *o = b->options;
    const struct compile_options how = {.level = o->level,
                                        .workers = o->workers,
                                        .timing_cache = o->timing_cache,
                                        .no_timing = o->no_timing,
                                        .direct = o->direct,
                                        .precision = build_precision_names[o->precision]};
    int err = network_lower(&b->net, b->model, o->h, o->w);
    if (err < 0)
        return err;
    if (o->precision == BUILD_BF16)
        network_set_type(&b->net, MAP_BF16);
    if (o->precision == BUILD_INT8 && (err = eight_bits(&b->net, &b->ranges, &b->means, o)) < 0)
        return err;
    if ((err = compile_to_memory(&b->bytes, &b->size, &b->net, &how)) < 0)
        return err;
    return engine_open_memory(&b->engine, b->bytes, b->size, "the new engine", o->level);
}

/* The means that biases were corrected by, measured now or given; NULL: none. */
static const struct channel_means *known_means(const struct build *b)
{
    return b->means.n_tensors > 0 ? &b->means : b->options->means;
}

/* ---- what is kept inside ----------------------------------------------------------------- */

static int keep_model(struct build *b)
{
    struct section sections[3];
    struct model_sections *keep = NULL;
    int err = model_sections(b->model, sections, &keep);
    if (err == BPNET_OK)
        err = container_compose(&b->model_bytes, &b->model_size, "model", sections, 3);
    model_sections_free(keep);
    return err;
}

static void append32(struct str *out, uint32_t v)
{
    const uint8_t bytes[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16),
                              (uint8_t)(v >> 24)};
    str_append_bytes(out, (const char *)bytes, sizeof bytes);
}

/* Little-endian: the number of tensors; for each the number of its means, and these as floats. */
static void print_means(struct build *b, const struct channel_means *means)
{
    append32(&b->means_bytes, (uint32_t)means->n_tensors);
    for (int t = 0; t < means->n_tensors; t++) {
        const int n = means->of_tensor[t] ? b->net.tensors[t].channels : 0;
        append32(&b->means_bytes, (uint32_t)n);
        for (int c = 0; c < n; c++) {
            uint32_t word;
            memcpy(&word, &means->of_tensor[t][c], sizeof word);
            append32(&b->means_bytes, word);
        }
    }
}

/* The 32-bit words of a section. */
struct words {
    const uint8_t *bytes;
    size_t n, at;
};

static bool next_word(struct words *w, uint32_t *value)
{
    if (w->at >= w->n)
        return false;
    const uint8_t *p = w->bytes + 4 * w->at++;
    *value = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    return true;
}

/* One tensor's means: as many as it has channels, or none. */
static int parse_tensor(float **means, struct words *w, int channels)
{
    uint32_t n, word;
    if (!next_word(w, &n) || (n != 0 && n != (uint32_t)channels) || n > w->n - w->at)
        return BPNET_EFORMAT;
    if (n == 0)
        return BPNET_OK;
    *means = malloc(n * sizeof **means);
    if (!*means)
        return BPNET_ENOMEM;
    for (uint32_t c = 0; c < n && next_word(w, &word); c++) {
        memcpy(&(*means)[c], &word, sizeof word);
        if (!isfinite((*means)[c]))
            return BPNET_EFORMAT;
    }
    return BPNET_OK;
}

static int parse_means(struct channel_means *out, const uint8_t *bytes, size_t size,
                       const struct network *net, const char *name)
{
    struct words w = {bytes, size / 4, 0};
    uint32_t n_tensors;
    int err = next_word(&w, &n_tensors) && n_tensors == (uint32_t)net->n_tensors ? BPNET_OK
                                                                                 : BPNET_EFORMAT;
    if (err == BPNET_OK) {
        out->of_tensor = calloc(n_tensors, sizeof *out->of_tensor);
        out->n_tensors = out->of_tensor ? (int)n_tensors : 0;
        err = out->of_tensor ? BPNET_OK : BPNET_ENOMEM;
    }
    for (int t = 0; t < net->n_tensors && err == BPNET_OK; t++)
        err = parse_tensor(&out->of_tensor[t], &w, net->tensors[t].channels);
    if (err == BPNET_EFORMAT)
        return error_set(err, "%s: the means of channels are damaged near byte %zu", name,
                         4 * w.at);
    return err < 0 ? error_set(err, "%s: no memory for the means of channels", name) : BPNET_OK;
}

/* ---- writing ----------------------------------------------------------------------------- */

static int copy_section(struct build *b, const char *name, struct section *to)
{
    const uint8_t *bytes;
    size_t size;
    const int err = container_section(&b->compiled, name, &bytes, &size);
    *to = (struct section){name, bytes, size};
    return err;
}

static int write_file(struct build *b, const char *path)
{
    struct section sections[MAX_SECTIONS];
    size_t n = 2;
    int err = container_open_memory(&b->compiled, b->bytes, b->size, "the new engine", "engine");
    if (err < 0 || (err = copy_section(b, "plan", &sections[0])) < 0 ||
        (err = copy_section(b, "weights", &sections[1])) < 0)
        return err;
    sections[n++] = (struct section){"report", b->report.text, b->report.length};
    if (b->options->precision == BUILD_INT8) {
        ranges_print(&b->ranges, &b->ranges_text);
        for (size_t k = 0; k < b->options->n_keep_float; k++)
            str_printf(&b->floats_text, "%s\n", b->options->keep_float[k]);
        if (known_means(b))
            print_means(b, known_means(b));
        if ((err = str_status(&b->ranges_text)) < 0 || (err = str_status(&b->means_bytes)) < 0 ||
            (err = str_status(&b->floats_text)) < 0)
            return err;
        sections[n++] = (struct section){"ranges", b->ranges_text.text, b->ranges_text.length};
    }
    if (b->floats_text.length > 0)
        sections[n++] = (struct section){"floats", b->floats_text.text, b->floats_text.length};
    if (b->means_bytes.length > 0)
        sections[n++] = (struct section){"means", b->means_bytes.text, b->means_bytes.length};
    if (!b->options->leave_out_model) {
        if ((err = keep_model(b)) < 0)
            return err;
        sections[n++] = (struct section){"model", b->model_bytes, b->model_size};
    }
    return container_write(path, "engine", sections, n, b->options->key);
}

int engine_build(const char *path, const struct model *model, const struct build_options *options,
                 struct ranges *found)
{
    struct build b = {.model = model, .options = options};
    int err;
    if (found)
        *found = (struct ranges){0};
    if ((err = compile(&b)) < 0 ||
        (options->judge &&
         (err = options->judge(options->judge_ctx, b.engine, model, options)) < 0) ||
        (err = build_report(&b.report, b.engine, options->workers, !options->no_timing)) < 0 ||
        (err = write_file(&b, path)) < 0)
        goto done;
    if (found) {
        *found = b.ranges;
        b.ranges = (struct ranges){0};
    }
done:
    build_free(&b);
    return err;
}

/* ---- again ------------------------------------------------------------------------------- */

/* What an engine file tells about how it was made. */
struct kept {
    struct plan plan;
    struct model *model;
    struct ranges ranges;
    struct channel_means means;
    char *floats; /* lines, cut into names */
    const char **float_names;
    size_t n_floats;
};

static void kept_free(struct kept *k)
{
    plan_free(&k->plan);
    model_free(k->model);
    ranges_free(&k->ranges);
    channel_means_free(&k->means);
    free(k->floats);
    free((void *)k->float_names);
}

/* Names, one a line; those that no layer has are found out when they are looked for. */
static int read_floats_inside(struct kept *k, struct container *file, const char *from)
{
    const uint8_t *bytes;
    size_t size, n = 0;
    if (!container_has(file, "floats"))
        return BPNET_OK;
    const int err = container_section(file, "floats", &bytes, &size);
    if (err < 0)
        return err;
    for (size_t i = 0; i < size; i++)
        n += bytes[i] == '\n';
    if (memchr(bytes, '\0', size) || size == 0 || bytes[size - 1] != '\n')
        return error_set(BPNET_EFORMAT, "%s: the names of layers in floats are damaged", from);
    k->floats = malloc(size);
    k->float_names = calloc(n, sizeof(*k->float_names));
    if (!k->floats || !k->float_names)
        return error_set(BPNET_ENOMEM, "%s: no memory for %zu names", from, n);
    memcpy(k->floats, bytes, size);
    for (char *at = k->floats; at < k->floats + size;) {
        char *end = memchr(at, '\n', size - (size_t)(at - k->floats));
        *end = '\0';
        k->float_names[k->n_floats++] = at;
        at = end + 1;
    }
    return BPNET_OK;
}

static int read_model_inside(struct kept *k, struct container *file, const char *from)
{
    const uint8_t *bytes;
    size_t size;
    struct container model;
    if (!container_has(file, "model"))
        return error_set(BPNET_EUSAGE,
                         "%s: does not keep its model; export it from the model again", from);
    int err = container_section(file, "model", &bytes, &size);
    if (err < 0 || (err = container_open_memory(&model, bytes, size, from, "model")) < 0)
        return err;
    err = model_from_container(&k->model, &model);
    container_close(&model);
    return err;
}

static int read_bytes_inside(struct kept *k, struct container *file, const char *from)
{
    const uint8_t *bytes;
    size_t size;
    const struct plan_map *input = &k->plan.maps[k->plan.head.input];
    int err = container_section(file, "ranges", &bytes, &size);
    if (err < 0 || (err = ranges_parse(&k->ranges, (const char *)bytes, size, from)) < 0 ||
        (err = read_floats_inside(k, file, from)) < 0 || !container_has(file, "means"))
        return err;
    struct network net;
    if ((err = container_section(file, "means", &bytes, &size)) < 0 ||
        (err = network_lower(&net, k->model, input->h, input->w)) < 0)
        return err;
    err = parse_means(&k->means, bytes, size, &net, from);
    network_free(&net);
    return err;
}

/* Precision and size from the plan, which needs no particular CPU to be read. */
static int read_kept(struct kept *k, struct build_options *options, struct container *file,
                     const char *from)
{
    const uint8_t *bytes;
    size_t size;
    int err = container_section(file, "plan", &bytes, &size);
    if (err < 0 || (err = plan_read(&k->plan, bytes, size, from)) < 0 ||
        (err = plan_check(&k->plan, from)) < 0 || (err = read_model_inside(k, file, from)) < 0)
        return err;
    const struct plan_map *input = &k->plan.maps[k->plan.head.input];
    const char *precision = plan_text(&k->plan, k->plan.head.precision);
    options->h = input->h;
    options->w = input->w;
    options->precision = BUILD_PRECISIONS;
    for (int p = 0; p < BUILD_PRECISIONS; p++)
        if (strcmp(precision, build_precision_names[p]) == 0)
            options->precision = (enum build_precision)p;
    if (options->precision == BUILD_PRECISIONS)
        return error_set(BPNET_EUNSUPPORTED, "%s: an engine of precision '%s'", from, precision);
    return options->precision == BUILD_INT8 ? read_bytes_inside(k, file, from) : BPNET_OK;
}

int engine_rebuild(const char *path, const char *from, const struct build_options *options)
{
    struct build_options again = *options;
    struct kept kept = {0};
    struct container file = {0};
    int err = container_open(&file, from, "engine", options->key);
    if (err < 0)
        return err;
    if ((err = read_kept(&kept, &again, &file, from)) < 0)
        goto done;
    again.ranges = again.precision == BUILD_INT8 ? &kept.ranges : NULL;
    again.means = kept.means.n_tensors > 0 ? &kept.means : NULL;
    again.keep_float = kept.float_names;
    again.n_keep_float = kept.n_floats;
    container_close(&file); /* it may be the one that is written */
    err = engine_build(path, kept.model, &again, NULL);
done:
    container_close(&file);
    kept_free(&kept);
    return err;
}
