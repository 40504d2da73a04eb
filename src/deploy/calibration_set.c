/* Pictures for calibration: drawn by a seed, decoded one at a time, kept in a file on request. */
#include "deploy/calibration_set.h"

#include "base/error.h"
#include "base/log.h"
#include "base/rng.h"
#include "base/str.h"
#include "io/container.h"
#include "io/image.h"
#include "io/json.h"
#include "pose/letterbox.h"
#include "pose/resize.h"

#include <stdlib.h>
#include <string.h>

static const char kind[] = "calibration";

struct calibration_set {
    struct calibration_source source; /* its texts are not used after opening */
    size_t given;
    size_t picture_size;

    /* From a folder. */
    char *folder;
    char **names;
    uint32_t *order; /* of the names: as they are drawn */
    size_t n_names, next_name;
    struct resizer resizer;

    /* From a file. */
    struct container file;
    const uint8_t *pixels;
};

static int no_memory(void)
{
    return error_set(BPNET_ENOMEM, "no memory for calibration pictures");
}

/* ---- a folder ------------------------------------------------------------------------------ */

static int open_folder(struct calibration_set *s, const char *folder)
{
    static const char *const suffixes[] = {".jpg", ".jpeg", ".png", NULL};
    int err = folder_list(&s->names, &s->n_names, folder, suffixes);
    if (err < 0)
        return err;
    if (s->n_names < s->source.n)
        return error_set(BPNET_EUSAGE,
                         "%s: %zu pictures for calibration, expected at least %zu (batches times "
                         "batch size)",
                         folder, s->n_names, s->source.n);
    s->folder = str_copy(folder);
    s->order = calloc(s->n_names ? s->n_names : 1, sizeof(*s->order));
    if (!s->folder || !s->order)
        return no_memory();
    struct rng rng = rng_stream(s->source.seed, 0, 0);
    rng_permutation(&rng, s->order, s->n_names);
    return BPNET_OK;
}

static int load(struct calibration_set *s, const char *path, uint8_t *pixels)
{
    struct image image = {0};
    struct letterbox box;
    const enum aspect_mode mode = s->source.stretch ? ASPECT_STRETCH : ASPECT_PAD_IMAGE;
    int err = image_load(&image, path, 3);
    if (err == 0)
        err = letterbox_plan(&box, image.w, image.h, s->source.w, s->source.h, mode);
    if (err == 0)
        err = resizer_run_bytes(&s->resizer, &image, &box, true, pixels, (size_t)s->source.w,
                                s->source.workers);
    image_free(&image);
    return err;
}

/* The next one that can be read. */
static int next_of_folder(struct calibration_set *s, uint8_t *pixels)
{
    while (s->next_name < s->n_names) {
        char *path = path_join(s->folder, s->names[s->order[s->next_name++]]);
        const int err = path ? load(s, path, pixels) : BPNET_ENOMEM;
        free(path);
        if (err == 0 || err == BPNET_ENOMEM)
            return err;
        log_warning("%s; another picture is taken", error_message());
    }
    return error_set(BPNET_EUSAGE, "%s: only %zu of its %zu pictures can be read, expected %zu",
                     s->folder, s->given, s->n_names, s->source.n);
}

/* ---- a file -------------------------------------------------------------------------------- */

static int check_number(const struct json *info, const char *path, const char *key, size_t expected,
                        bool more)
{
    int64_t found;
    char where[512];
    snprintf(where, sizeof(where), "%s: info", path);
    const int err = json_need_integer(&found, info, key, where);
    if (err < 0)
        return err;
    if (found == (int64_t)expected || (more && found > (int64_t)expected))
        return BPNET_OK;
    return error_set(
        BPNET_EUSAGE,
        "%s: made for another calibration: %s %lld, expected %zu; remove it to have it "
        "made anew",
        path, key, (long long)found, expected);
}

static int check_info(const struct calibration_set *s, const struct json *info, const char *path)
{
    const struct calibration_source *want = &s->source;
    int err;
    if ((err = check_number(info, path, "height", (size_t)want->h, false)) < 0 ||
        (err = check_number(info, path, "width", (size_t)want->w, false)) < 0 ||
        (err = check_number(info, path, "stretched", want->stretch, false)) < 0)
        return err;
    return check_number(info, path, "count", want->n, true);
}

static int open_file(struct calibration_set *s, const char *path)
{
    const uint8_t *text;
    size_t size;
    struct json *info = NULL;
    int err = container_open(&s->file, path, kind, NULL);
    if (err < 0 || (err = container_section(&s->file, "info", &text, &size)) < 0 ||
        (err = json_parse(&info, (const char *)text, size, path)) < 0)
        return err;
    if ((err = check_info(s, info, path)) == 0)
        err = container_section(&s->file, "pixels", &s->pixels, &size);
    json_free(info);
    if (err == 0 && size / s->picture_size < s->source.n)
        err = error_set(BPNET_EFORMAT, "%s: %zu bytes of pixels, expected %zu pictures of %zu",
                        path, size, s->source.n, s->picture_size);
    return err;
}

static void describe(const struct calibration_set *s, struct str *text)
{
    struct json_writer w = {.text = text};
    const struct {
        const char *key;
        int64_t value;
    } numbers[] = {{"count", (int64_t)s->source.n},
                   {"height", s->source.h},
                   {"width", s->source.w},
                   {"stretched", s->source.stretch}};
    json_begin_object(&w);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        json_write_key(&w, numbers[i].key);
        json_write_integer(&w, numbers[i].value);
    }
    json_end_object(&w);
}

static int next_made(struct calibration_set *s, uint8_t *pixels);

/* What the set gives, from the first picture on. */
static int write_file(struct calibration_set *s, const char *path)
{
    struct str info = {0};
    struct container_writer *writer = NULL;
    uint8_t *pixels = malloc(s->picture_size);
    describe(s, &info);
    int err = pixels ? str_status(&info) : no_memory();
    const struct section sections[] = {{"info", NULL, info.length},
                                       {"pixels", NULL, s->source.n * s->picture_size}};
    if (err < 0 || (err = container_writer_open(&writer, path, kind, sections, 2)) < 0 ||
        (err = container_writer_put(writer, info.text, info.length)) < 0)
        goto done;
    for (s->given = 0; s->given < s->source.n && err == 0; s->given++) {
        if ((err = next_made(s, pixels)) == 0)
            err = container_writer_put(writer, pixels, s->picture_size);
    }
    s->given = 0;
    if (err == 0)
        err = container_writer_commit(writer);
done:
    container_writer_close(writer);
    str_free(&info);
    free(pixels);
    return err;
}

/* ---- any ----------------------------------------------------------------------------------- */

static void noise(const struct calibration_set *s, uint8_t *pixels)
{
    struct rng rng = rng_stream(s->source.seed, 1, s->given);
    for (size_t i = 0; i < s->picture_size; i++)
        pixels[i] = (uint8_t)rng_integer(&rng, 0, 255);
}

/* Picture number `given`, not from a file. */
static int next_made(struct calibration_set *s, uint8_t *pixels)
{
    if (s->folder)
        return next_of_folder(s, pixels);
    noise(s, pixels);
    return BPNET_OK;
}

static int open_source(struct calibration_set *s, const struct calibration_source *source)
{
    const char *path = source->data_file;
    if (source->h < 1 || source->w < 1 || source->h > LETTERBOX_MAX_SIDE ||
        source->w > LETTERBOX_MAX_SIDE || source->n < 1 || source->n > SIZE_MAX / s->picture_size)
        return error_set(BPNET_EUSAGE, "%zu calibration pictures of %d x %d", source->n, source->h,
                         source->w);
    if (path && file_exists(path))
        return open_file(s, path);
    int err = BPNET_OK;
    if (source->folder)
        err = open_folder(s, source->folder);
    else
        log_warning("no calibration pictures: noise is used, good for tests of speed alone");
    if (err < 0 || !path)
        return err;
    err = write_file(s, path);
    return err < 0 ? err : open_file(s, path);
}

int calibration_set_open(struct calibration_set **out, const struct calibration_source *source)
{
    *out = NULL;
    struct calibration_set *s = calloc(1, sizeof(*s));
    if (!s)
        return no_memory();
    s->source = *source;
    resizer_init(&s->resizer, source->level);
    s->picture_size =
        (size_t)(source->h > 0 ? source->h : 1) * (size_t)(source->w > 0 ? source->w : 1) * 3;
    const int err = open_source(s, source);
    if (err < 0)
        calibration_set_close(s);
    else
        *out = s;
    return err;
}

void calibration_set_close(struct calibration_set *s)
{
    if (!s)
        return;
    container_close(&s->file);
    resizer_free(&s->resizer);
    free(s->folder);
    free((void *)s->names);
    free(s->order);
    free(s);
}

int calibration_set_next(void *set, uint8_t *pixels)
{
    struct calibration_set *s = set;
    int err = BPNET_OK;
    if (s->given == s->source.n)
        return 0;
    if (s->pixels)
        memcpy(pixels, s->pixels + s->given * s->picture_size, s->picture_size);
    else
        err = next_made(s, pixels);
    s->given++;
    return err < 0 ? err : 1;
}

void calibration_set_rewind(struct calibration_set *s)
{
    s->given = s->next_name = 0;
}
