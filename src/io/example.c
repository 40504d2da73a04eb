/*
 * tf.train.Example by protobuf-c. Features are kept sorted by name, built or parsed, so looking one
 * up is a binary search and packing has one order.
 */
#include "io/example.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "example.pb-c.h"

/* A message of two bytes can take a hundred in memory; what a parse may take is bounded as well. */
static const size_t parse_budget = (size_t)256 << 20;

struct example {
    Tf__Example *message; /* its features are there, and all of it is malloc()'s */
    char *where;
};

typedef Tf__Features__FeatureEntry entry;

static struct example *fresh(const char *where)
{
    struct example *e = calloc(1, sizeof(*e));
    if (!e) {
        error_set(BPNET_ENOMEM, "%s: no memory for an example", where);
        return NULL;
    }
    e->where = str_copy(where);
    if (e->where)
        return e;
    free(e);
    return NULL;
}

void example_free(struct example *e)
{
    if (!e)
        return;
    if (e->message)
        tf__example__free_unpacked(e->message, NULL);
    free(e->where);
    free(e);
}

static int no_memory(const struct example *e)
{
    return error_set(BPNET_ENOMEM, "%s: no memory for its features", e->where);
}

static int add_message(struct example *e)
{
    if (!e->message) {
        e->message = malloc(sizeof(*e->message));
        if (!e->message)
            return no_memory(e);
        tf__example__init(e->message);
    }
    if (!e->message->features) {
        Tf__Features *features = malloc(sizeof(*features));
        if (!features)
            return no_memory(e);
        tf__features__init(features);
        e->message->features = features;
    }
    return BPNET_OK;
}

struct example *example_new(void)
{
    struct example *e = fresh("example");
    if (e && add_message(e) < 0) {
        example_free(e);
        return NULL;
    }
    return e;
}

/* The place of `name` in the sorted list: where it is, or where it would go. */
static size_t place(const struct example *e, const char *name, bool *found)
{
    const Tf__Features *features = e->message->features;
    size_t low = 0, high = features->n_feature;
    *found = false;
    while (low < high && !*found) {
        const size_t middle = low + (high - low) / 2;
        const int order = strcmp(features->feature[middle]->key, name);
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
        *found = order == 0;
    }
    return high;
}

static const Tf__Feature *find(const struct example *e, const char *name)
{
    bool found;
    const size_t at = place(e, name, &found);
    return found ? e->message->features->feature[at]->value : NULL;
}

/* ---- building ---------------------------------------------------------------------------- */

static void drop(entry *made)
{
    if (made)
        protobuf_c_message_free_unpacked(&made->base, NULL);
}

/* A new entry with an empty feature, not in the example yet; NULL when memory ran out. */
static entry *new_entry(const char *name)
{
    entry *made = malloc(sizeof(*made));
    if (!made)
        return NULL;
    tf__features__feature_entry__init(made);
    char *key = str_copy(name);
    if (key)
        made->key = key;
    made->value = malloc(sizeof(*made->value));
    if (made->value)
        tf__feature__init(made->value);
    if (key && made->value)
        return made;
    drop(made);
    return NULL;
}

/* Put the entry in its place; the example owns it whatever comes of it. */
static int insert(struct example *e, entry *made)
{
    Tf__Features *features = e->message->features;
    bool found;
    const size_t at = place(e, made->key, &found);
    if (found) {
        const int error =
            error_set(BPNET_EUSAGE, "%s: feature '%s' is set twice", e->where, made->key);
        drop(made);
        return error;
    }
    entry **grown = realloc(features->feature, (features->n_feature + 1) * sizeof(entry *));
    if (!grown) {
        drop(made);
        return no_memory(e);
    }
    features->feature = grown;
    memmove(grown + at + 1, grown + at, (features->n_feature - at) * sizeof(entry *));
    grown[at] = made;
    features->n_feature++;
    return BPNET_OK;
}

static void *copy_of(const void *bytes, size_t size)
{
    void *copy = malloc(size ? size : 1);
    if (copy && size)
        memcpy(copy, bytes, size);
    return copy;
}

int example_set_int64s(struct example *e, const char *name, const int64_t *values, size_t n)
{
    entry *made = new_entry(name);
    Tf__Int64List *list = malloc(sizeof(*list));
    int64_t *copy = copy_of(values, n * sizeof(*values));
    if (!made || !list || !copy) {
        drop(made);
        free(list);
        free(copy);
        return no_memory(e);
    }
    tf__int64_list__init(list);
    list->n_value = n;
    list->value = copy;
    made->value->kind_case = TF__FEATURE__KIND_INT64_LIST;
    made->value->int64_list = list;
    return insert(e, made);
}

int example_set_int64(struct example *e, const char *name, int64_t value)
{
    return example_set_int64s(e, name, &value, 1);
}

int example_set_floats(struct example *e, const char *name, const float *values, size_t n)
{
    entry *made = new_entry(name);
    Tf__FloatList *list = malloc(sizeof(*list));
    float *copy = copy_of(values, n * sizeof(*values));
    if (!made || !list || !copy) {
        drop(made);
        free(list);
        free(copy);
        return no_memory(e);
    }
    tf__float_list__init(list);
    list->n_value = n;
    list->value = copy;
    made->value->kind_case = TF__FEATURE__KIND_FLOAT_LIST;
    made->value->float_list = list;
    return insert(e, made);
}

int example_set_bytes(struct example *e, const char *name, const void *bytes, size_t size)
{
    entry *made = new_entry(name);
    Tf__BytesList *list = malloc(sizeof(*list));
    ProtobufCBinaryData *value = malloc(sizeof(*value));
    uint8_t *copy = copy_of(bytes, size);
    if (!made || !list || !value || !copy) {
        drop(made);
        free(list);
        free(value);
        free(copy);
        return no_memory(e);
    }
    *value = (ProtobufCBinaryData){.len = size, .data = copy};
    tf__bytes_list__init(list);
    list->n_value = 1;
    list->value = value;
    made->value->kind_case = TF__FEATURE__KIND_BYTES_LIST;
    made->value->bytes_list = list;
    return insert(e, made);
}

int example_set_text(struct example *e, const char *name, const char *text)
{
    return example_set_bytes(e, name, text, strlen(text));
}

int example_pack(struct str *out, const struct example *e)
{
    const size_t size = tf__example__get_packed_size(e->message);
    if (size > EXAMPLE_MAX_SIZE)
        return error_set(BPNET_ELIMIT, "%s: %zu bytes; the limit is %d", e->where, size,
                         EXAMPLE_MAX_SIZE);
    uint8_t *bytes = malloc(size ? size : 1);
    if (!bytes)
        return no_memory(e);
    tf__example__pack(e->message, bytes);
    str_append_bytes(out, (const char *)bytes, size);
    free(bytes);
    return str_status(out);
}

/* ---- parsing ----------------------------------------------------------------------------- */

struct budget {
    size_t left;
    bool exceeded, no_memory;
};

static void *take_from_budget(void *ctx, size_t size)
{
    struct budget *budget = ctx;
    if (size > budget->left) {
        budget->exceeded = true;
        return NULL;
    }
    budget->left -= size;
    void *memory = malloc(size ? size : 1);
    budget->no_memory |= !memory;
    return memory;
}

static void give_back(void *ctx, void *memory)
{
    (void)ctx;
    free(memory);
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp((*(entry *const *)a)->key, (*(entry *const *)b)->key);
}

static int sort_features(struct example *e)
{
    Tf__Features *features = e->message->features;
    if (features->n_feature > 1)
        qsort(features->feature, features->n_feature, sizeof(entry *), compare_keys);
    for (size_t i = 1; i < features->n_feature; i++)
        if (strcmp(features->feature[i - 1]->key, features->feature[i]->key) == 0)
            return error_set(BPNET_EFORMAT, "%s: feature '%s' is there twice", e->where,
                             features->feature[i]->key);
    return BPNET_OK;
}

int example_parse(struct example **out, const uint8_t *bytes, size_t size, const char *where)
{
    *out = NULL;
    if (size > EXAMPLE_MAX_SIZE)
        return error_set(BPNET_ELIMIT, "%s: %zu bytes; the limit is %d", where, size,
                         EXAMPLE_MAX_SIZE);
    struct example *e = fresh(where);
    if (!e)
        return BPNET_ENOMEM;
    struct budget budget = {.left = parse_budget};
    ProtobufCAllocator allocator = {take_from_budget, give_back, &budget};
    e->message = tf__example__unpack(&allocator, size, bytes);
    int error;
    if (!e->message && budget.no_memory)
        error = no_memory(e);
    else if (!e->message && budget.exceeded)
        error = error_set(BPNET_ELIMIT, "%s: would take more than %zu MiB of memory", where,
                          parse_budget >> 20);
    else if (!e->message)
        error = error_set(BPNET_EFORMAT, "%s: not an Example message, or damaged", where);
    else if ((error = add_message(e)) == BPNET_OK)
        error = sort_features(e);
    if (error < 0)
        example_free(e);
    else
        *out = e;
    return error;
}

/* ---- getters ----------------------------------------------------------------------------- */

static int wrong(const struct example *e, const char *name, const char *expected)
{
    const Tf__Feature *f = find(e, name);
    if (!f)
        return error_set(BPNET_EFORMAT, "%s: feature '%s' is missing, expected %s", e->where, name,
                         expected);
    size_t n = 0;
    const char *kind = "value";
    if (f->kind_case == TF__FEATURE__KIND_BYTES_LIST) {
        n = f->bytes_list->n_value;
        kind = "string of bytes";
    } else if (f->kind_case == TF__FEATURE__KIND_FLOAT_LIST) {
        n = f->float_list->n_value;
        kind = "float";
    } else if (f->kind_case == TF__FEATURE__KIND_INT64_LIST) {
        n = f->int64_list->n_value;
        kind = "int64";
    }
    return error_set(BPNET_EFORMAT, "%s: feature '%s': found %zu of kind %s, expected %s", e->where,
                     name, n, kind, expected);
}

int example_get_int64s(const int64_t **values, size_t *n, const struct example *e, const char *name)
{
    const Tf__Feature *f = find(e, name);
    if (!f || f->kind_case != TF__FEATURE__KIND_INT64_LIST)
        return wrong(e, name, "a list of int64");
    *values = f->int64_list->value;
    *n = f->int64_list->n_value;
    return BPNET_OK;
}

int example_get_int64(int64_t *out, const struct example *e, const char *name)
{
    const Tf__Feature *f = find(e, name);
    if (!f || f->kind_case != TF__FEATURE__KIND_INT64_LIST || f->int64_list->n_value != 1)
        return wrong(e, name, "one int64");
    *out = f->int64_list->value[0];
    return BPNET_OK;
}

int example_get_floats(const float **values, size_t *n, const struct example *e, const char *name)
{
    const Tf__Feature *f = find(e, name);
    if (!f || f->kind_case != TF__FEATURE__KIND_FLOAT_LIST)
        return wrong(e, name, "a list of floats");
    *values = f->float_list->value;
    *n = f->float_list->n_value;
    return BPNET_OK;
}

int example_get_bytes(const uint8_t **bytes, size_t *size, const struct example *e,
                      const char *name)
{
    const Tf__Feature *f = find(e, name);
    if (!f || f->kind_case != TF__FEATURE__KIND_BYTES_LIST || f->bytes_list->n_value != 1)
        return wrong(e, name, "one string of bytes");
    const ProtobufCBinaryData *value = &f->bytes_list->value[0];
    *bytes = value->data ? value->data : (const uint8_t *)"";
    *size = value->len;
    return BPNET_OK;
}

int example_get_text(char **text, const struct example *e, const char *name)
{
    const uint8_t *bytes;
    size_t size;
    *text = NULL;
    const int error = example_get_bytes(&bytes, &size, e, name);
    if (error < 0)
        return error;
    if (memchr(bytes, '\0', size))
        return error_set(BPNET_EFORMAT, "%s: feature '%s': found a NUL byte, expected text",
                         e->where, name);
    char *copy = malloc(size + 1);
    if (!copy)
        return no_memory(e);
    memcpy(copy, bytes, size);
    copy[size] = '\0';
    *text = copy;
    return BPNET_OK;
}

bool example_has(const struct example *e, const char *name)
{
    bool found;
    place(e, name, &found);
    return found;
}

size_t example_length(const struct example *e)
{
    return e->message->features->n_feature;
}

const char *example_name(const struct example *e, size_t index)
{
    return e->message->features->feature[index]->key;
}
