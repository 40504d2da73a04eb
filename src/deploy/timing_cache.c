/* The file of timings: a list that is searched from its end, and written whole. */
#include "deploy/timing_cache.h"

#include "base/cpu.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/str.h"
#include "io/file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILE = 64 << 20, MAX_KEY = 1024 };

static const char title[] = "bpnet timings 1 ";

void timing_shape(char text[TIMING_SHAPE_SIZE], const struct conv_shape *s)
{
    static const char *const types[MAP_TYPES] = {"f32", "bf16", "u8"};
    const struct conv_geometry *g = &s->g;
    snprintf(text, TIMING_SHAPE_SIZE, "%s%s-%s%s %dx%dx%d/%d %dx%dx%d/%d k%dx%d s%d d%d p%d,%d",
             s->depthwise ? "dw-" : "", types[s->in], types[s->out], s->adds ? "+add" : "", g->in_h,
             g->in_w, g->in_c, g->in_pitch, g->out_h, g->out_w, g->out_c, g->out_pitch, g->kernel_h,
             g->kernel_w, g->stride, g->dilation, g->pad_top, g->pad_left);
}

/* ---- the list ---------------------------------------------------------------------------- */

static int append(struct timing_cache *c, const char *key, size_t length, int64_t ns)
{
    if (c->n == TIMING_MAX)
        return BPNET_OK; /* full: what is new is timed again next time */
    if (c->n == c->capacity) {
        const size_t capacity = c->capacity > 0 ? 2 * c->capacity : 64;
        struct timing *grown = realloc(c->list, capacity * sizeof *grown);
        if (!grown)
            return error_set(BPNET_ENOMEM, "no memory for %zu timings", capacity);
        c->list = grown;
        c->capacity = capacity;
    }
    char *copy = malloc(length + 1);
    if (!copy)
        return error_set(BPNET_ENOMEM, "no memory for a timing");
    memcpy(copy, key, length);
    copy[length] = '\0';
    c->list[c->n++] = (struct timing){copy, ns};
    return BPNET_OK;
}

static void clear(struct timing_cache *c)
{
    for (size_t i = 0; i < c->n; i++)
        free(c->list[i].key);
    c->n = 0;
}

static void make_key(char key[MAX_KEY], const struct timing_cache *c, const char *shape,
                     const char *kernel)
{
    snprintf(key, MAX_KEY, "%s|%s|%s", c->prefix, shape, kernel);
}

bool timing_cache_find(const struct timing_cache *c, const char *shape, const char *kernel,
                       int64_t *ns)
{
    char key[MAX_KEY];
    make_key(key, c, shape, kernel);
    for (size_t i = c->n; i-- > 0;)
        if (strcmp(c->list[i].key, key) == 0) {
            *ns = c->list[i].ns;
            return true;
        }
    return false;
}

int timing_cache_add(struct timing_cache *c, const char *shape, const char *kernel, int64_t ns)
{
    char key[MAX_KEY];
    make_key(key, c, shape, kernel);
    c->changed = true;
    return append(c, key, strlen(key), ns);
}

/* ---- the file ---------------------------------------------------------------------------- */

/* One line "key\tns"; false: it is not such a line. */
static bool parse_line(struct timing_cache *c, const char *line, const char *end)
{
    const char *tab = memchr(line, '\t', (size_t)(end - line));
    int64_t ns = 0;
    if (!tab || tab == line || tab + 1 == end || end - tab > 19 || tab - line >= MAX_KEY)
        return false;
    for (const char *p = tab + 1; p < end; p++) {
        if (*p < '0' || *p > '9')
            return false;
        ns = 10 * ns + (*p - '0');
    }
    return append(c, line, (size_t)(tab - line), ns) == BPNET_OK;
}

static bool parse(struct timing_cache *c, const char *text, size_t size)
{
    const size_t head = sizeof title - 1 + 17;
    char sum[17];
    if (size < head || memcmp(text, title, sizeof title - 1) != 0 || text[head - 1] != '\n')
        return false;
    snprintf(sum, sizeof sum, "%016" PRIx64, hash64(text + head, size - head));
    if (memcmp(sum, text + sizeof title - 1, 16) != 0)
        return false;
    const char *end = text + size;
    for (const char *line = text + head; line < end;) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        if (!stop || !parse_line(c, line, stop))
            return false;
        line = stop + 1;
    }
    return true;
}

static void load(struct timing_cache *c)
{
    struct file_view file;
    if (!file_exists(c->path))
        return;
    const int err = file_view_open(&file, c->path, MAX_FILE);
    if (err < 0 || !parse(c, (const char *)file.bytes, file.size)) {
        log_warning("%s: not a file of timings, or damaged; kernels are timed anew", c->path);
        clear(c);
    }
    if (err == BPNET_OK)
        file_view_close(&file);
}

int timing_cache_open(struct timing_cache *c, const char *path, unsigned threads)
{
    struct str prefix = {0};
    char cpu[128];
    *c = (struct timing_cache){0};
    cpu_model_name(cpu, sizeof cpu);
    for (char *p = cpu; *p; p++)
        *p = *p == '\t' || *p == '\n' ? ' ' : *p;
    str_printf(&prefix, "%s|%s|%u", BPNET_VERSION, cpu, threads);
    c->prefix = prefix.text;
    int err = str_status(&prefix);
    if (err == BPNET_OK && path && !(c->path = str_copy(path)))
        err = BPNET_ENOMEM;
    if (err < 0)
        timing_cache_close(c);
    else if (c->path)
        load(c);
    return err;
}

int timing_cache_save(const struct timing_cache *c)
{
    struct str lines = {0}, file = {0};
    if (!c->path || !c->changed)
        return BPNET_OK;
    for (size_t i = 0; i < c->n; i++)
        str_printf(&lines, "%s\t%" PRId64 "\n", c->list[i].key, c->list[i].ns);
    str_printf(&file, "%s%016" PRIx64 "\n", title, hash64(str_text(&lines), lines.length));
    str_append(&file, str_text(&lines));
    int err = str_status(&lines);
    if (err == BPNET_OK)
        err = str_status(&file);
    if (err == BPNET_OK)
        err = file_write(c->path, file.text, file.length);
    str_free(&lines);
    str_free(&file);
    return err;
}

void timing_cache_close(struct timing_cache *c)
{
    clear(c);
    free(c->list);
    free(c->path);
    free(c->prefix);
    *c = (struct timing_cache){0};
}
