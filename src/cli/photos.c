/* Gathering pictures. */
#include "cli/photos.h"

#include "base/error.h"
#include "base/str.h"
#include "io/file.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_LIST_BYTES = 1 << 30 };

void photos_free(struct photos *p)
{
    for (size_t i = 0; i < p->n; i++) {
        free(p->items[i].path);
        free(p->items[i].stem);
    }
    free(p->items);
    json_free(p->root);
    *p = (struct photos){0};
}

/* Takes `path`, which may be NULL after a failure that set the error. */
static int append(struct photos *p, char *path, const struct json *entry)
{
    if (!path)
        return BPNET_ENOMEM;
    if (p->n == p->capacity) {
        const size_t capacity = p->capacity ? 2 * p->capacity : 16;
        struct photo *grown = realloc(p->items, capacity * sizeof(*grown));
        if (!grown) {
            free(path);
            return error_set(BPNET_ENOMEM, "no memory for the names of %zu pictures", capacity);
        }
        p->items = grown;
        p->capacity = capacity;
    }
    p->items[p->n++] = (struct photo){.path = path, .entry = entry};
    return BPNET_OK;
}

/* Length of a name without its suffix. */
static size_t stem_length(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && dot != name ? (size_t)(dot - name) : strlen(name);
}

static bool is_result(const char *name)
{
    static const char mark[] = "_pose";
    const size_t n = stem_length(name), m = sizeof(mark) - 1;
    return n > m && strncmp(name + n - m, mark, m) == 0;
}

static int add_folder(struct photos *p, const char *folder)
{
    static const char *const suffixes[] = {".jpg", ".jpeg", ".png", NULL};
    const size_t before = p->n;
    char **names;
    size_t n;
    int err = folder_list(&names, &n, folder, suffixes);
    if (err < 0)
        return err;
    for (size_t i = 0; i < n && err == 0; i++) {
        if (!is_result(names[i]))
            err = append(p, path_join(folder, names[i]), NULL);
    }
    free(names);
    if (err == 0 && p->n == before)
        err = error_set(BPNET_ENOENT, "%s: there is no .jpg, .jpeg or .png in it", folder);
    return err;
}

int photos_add(struct photos *p, const char *path)
{
    return folder_exists(path) ? add_folder(p, path) : append(p, str_copy(path), NULL);
}

static int add_entry(struct photos *p, const struct json *element, const char *list, size_t index,
                     const char *root)
{
    char where[512];
    snprintf(where, sizeof(where), "%s: images[%zu]", list, index);
    const char *path;
    if (json_kind(element) == JSON_KIND_STRING)
        return append(p, path_join(root, json_as_string(element)), NULL);
    if (json_kind(element) != JSON_KIND_OBJECT)
        return error_set(BPNET_EFORMAT, "%s: found %s, expected a path or an object", where,
                         json_kind_name(json_kind(element)));
    const int err = json_need_string(&path, element, "full_image_path", where);
    return err < 0 ? err : append(p, path_join(root, path), element);
}

int photos_add_json(struct photos *p, const char *path, const char *root)
{
    int err = json_load(&p->root, path, MAX_LIST_BYTES);
    if (err < 0)
        return err;
    const struct json *list = p->root;
    if (json_kind(list) == JSON_KIND_OBJECT &&
        (err = json_need_array(&list, list, "images", path)) < 0)
        return err;
    if (json_kind(list) != JSON_KIND_ARRAY)
        return error_set(BPNET_EFORMAT, "%s: found %s, expected a list of paths or an object", path,
                         json_kind_name(json_kind(list)));
    for (size_t i = 0; i < json_length(list) && err == 0; i++)
        err = add_entry(p, json_at(list, i), path, i, root);
    if (err == 0 && p->n == 0)
        err = error_set(BPNET_ENOENT, "%s: the list of pictures is empty", path);
    return err;
}

/* ---- names of outputs ---------------------------------------------------------------------- */

static char *stem_of(const char *path, const char *folder)
{
    const char *name = path_base(path);
    const size_t before = folder ? 0 : (size_t)(name - path);
    struct str s = {0};
    if (folder)
        str_printf(&s, "%s/", folder);
    str_append_bytes(&s, path, before);
    str_append_bytes(&s, name, stem_length(name));
    if (str_status(&s) < 0) {
        str_free(&s);
        return NULL;
    }
    return s.text;
}

static int compare_stems(const void *a, const void *b)
{
    const struct photo *x = *(struct photo *const *)a, *y = *(struct photo *const *)b;
    const int order = strcmp(x->stem, y->stem);
    return order ? order : (x > y) - (x < y);
}

static int number_equal_stems(struct photos *p)
{
    struct photo **sorted = calloc(p->n, sizeof(struct photo *));
    if (!sorted)
        return error_set(BPNET_ENOMEM, "no memory to sort %zu names", p->n);
    for (size_t i = 0; i < p->n; i++)
        sorted[i] = &p->items[i];
    qsort(sorted, p->n, sizeof(struct photo *), compare_stems);
    int err = BPNET_OK;
    for (size_t i = 0, first = 0; i < p->n && err == 0; i++) {
        if (strcmp(sorted[first]->stem, sorted[i]->stem) != 0)
            first = i;
        if (i == first)
            continue;
        struct str s = {0};
        str_printf(&s, "%s-%zu", sorted[i]->stem, i - first + 1);
        err = str_status(&s);
        free(err == 0 ? sorted[i]->stem : NULL);
        if (err == 0)
            sorted[i]->stem = s.text;
    }
    free(sorted);
    return err;
}

int photos_name(struct photos *p, const char *folder)
{
    for (size_t i = 0; i < p->n; i++) {
        p->items[i].stem = stem_of(p->items[i].path, folder);
        if (!p->items[i].stem)
            return BPNET_ENOMEM;
    }
    return p->n ? number_equal_stems(p) : BPNET_OK;
}
