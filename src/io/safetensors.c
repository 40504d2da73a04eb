/* safetensors (github.com/huggingface/safetensors, "Format"): read strictly, written plainly. */
#include "io/safetensors.h"

#include "base/error.h"
#include "base/str.h"
#include "io/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors are copied as they are");

enum { LENGTH_SIZE = 8, MAX_NAME = 200 /* bytes of a name in a message */ };

static const size_t max_file = (size_t)1 << 40;
static const char metadata[] = "__metadata__";

static const struct {
    const char *name;
    size_t size;
} types[SAFETENSORS_TYPES] = {
    [SAFETENSORS_F32] = {"F32", 4},   [SAFETENSORS_F16] = {"F16", 2},
    [SAFETENSORS_BF16] = {"BF16", 2}, [SAFETENSORS_F64] = {"F64", 8},
    [SAFETENSORS_I64] = {"I64", 8},   [SAFETENSORS_I32] = {"I32", 4},
    [SAFETENSORS_I16] = {"I16", 2},   [SAFETENSORS_I8] = {"I8", 1},
    [SAFETENSORS_U8] = {"U8", 1},     [SAFETENSORS_BOOL] = {"BOOL", 1},
};

const char *safetensors_type_name(enum safetensors_type type)
{
    return types[type].name;
}

/* ---- reading ----------------------------------------------------------------------------- */

/* Where a tensor's bytes are, counted from the end of the header. */
struct span {
    struct safetensor tensor;
    uint64_t begin, end;
};

static int parse_type(enum safetensors_type *type, const struct json *v, const char *where)
{
    const char *name;
    const int error = json_need_string(&name, v, "dtype", where);
    if (error < 0)
        return error;
    for (int i = 0; i < SAFETENSORS_TYPES; i++) {
        if (strcmp(name, types[i].name) == 0) {
            *type = (enum safetensors_type)i;
            return BPNET_OK;
        }
    }
    return error_set(BPNET_EUNSUPPORTED, "%s: dtype '%.20s' is not supported", where, name);
}

/* A size or an offset: nothing legitimate comes near 2^48, and products of two fit 128 bits. */
static bool is_size(const struct json *v)
{
    return json_kind(v) == JSON_KIND_INTEGER && json_as_integer(v) >= 0 &&
           json_as_integer(v) <= INT64_C(1) << 48;
}

static int parse_shape(struct safetensor *t, const struct json *v, const char *where)
{
    const struct json *shape;
    const int error = json_need_array(&shape, v, "shape", where);
    if (error < 0)
        return error;
    if (json_length(shape) > SAFETENSORS_MAX_RANK)
        return error_set(BPNET_ELIMIT, "%s: %zu dimensions; the limit is %d", where,
                         json_length(shape), SAFETENSORS_MAX_RANK);
    t->rank = (int)json_length(shape);
    t->n = 1;
    for (int i = 0; i < t->rank; i++) {
        const struct json *side = json_at(shape, (size_t)i);
        if (!is_size(side))
            return error_set(BPNET_EFORMAT, "%s: element %d of its shape is not a size", where, i);
        t->shape[i] = (size_t)json_as_integer(side);
        if (t->shape[i] && t->n > max_file / t->shape[i])
            return error_set(BPNET_EFORMAT, "%s: its shape has more elements than a file", where);
        t->n *= t->shape[i];
    }
    return BPNET_OK;
}

static int parse_tensor(struct span *s, const struct json *v, const char *where, uint64_t data_size)
{
    int error;
    if (json_kind(v) != JSON_KIND_OBJECT)
        return error_set(BPNET_EFORMAT, "%s: found %s, expected an object", where,
                         json_kind_name(json_kind(v)));
    if ((error = parse_type(&s->tensor.type, v, where)) < 0 ||
        (error = parse_shape(&s->tensor, v, where)) < 0)
        return error;
    const struct json *offsets = json_get(v, "data_offsets");
    if (json_length(offsets) != 2 || !is_size(json_at(offsets, 0)) || !is_size(json_at(offsets, 1)))
        return error_set(BPNET_EFORMAT, "%s: expected data_offsets of two sizes", where);
    s->begin = (uint64_t)json_as_integer(json_at(offsets, 0));
    s->end = (uint64_t)json_as_integer(json_at(offsets, 1));
    if (s->begin > s->end || s->end > data_size)
        return error_set(BPNET_EFORMAT,
                         "%s: bytes %" PRIu64 "..%" PRIu64 ", but the file holds %" PRIu64, where,
                         s->begin, s->end, data_size);
    const uint64_t size = (uint64_t)s->tensor.n * types[s->tensor.type].size;
    if (s->end - s->begin != size)
        return error_set(BPNET_EFORMAT,
                         "%s: %" PRIu64 " bytes of data, but its shape takes %" PRIu64, where,
                         s->end - s->begin, size);
    return BPNET_OK;
}

static int compare_spans(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

/* All tensors of the header, in the order of their bytes, which must follow one another. */
static int parse_spans(struct span *spans, const struct safetensors *s, uint64_t data_size)
{
    size_t n = 0;
    const char *key;
    const struct json *value;
    for (void *at = NULL; json_next(s->header, &at, &key, &value);) {
        if (strcmp(key, metadata) == 0)
            continue;
        char where[512];
        snprintf(where, sizeof(where), "%.250s: tensor '%.*s'", s->path, MAX_NAME, key);
        spans[n] = (struct span){.tensor.name = key};
        const int error = parse_tensor(&spans[n++], value, where, data_size);
        if (error < 0)
            return error;
    }
    qsort(spans, n, sizeof(*spans), compare_spans);
    uint64_t end = 0;
    for (size_t i = 0; i < n; end = spans[i++].end)
        if (spans[i].begin != end)
            return error_set(BPNET_EFORMAT,
                             "%s: tensor '%.*s' begins at byte %" PRIu64
                             ", the one before it ends at %" PRIu64,
                             s->path, MAX_NAME, spans[i].tensor.name, spans[i].begin, end);
    if (end != data_size)
        return error_set(BPNET_EFORMAT, "%s: %" PRIu64 " bytes of data, its tensors take %" PRIu64,
                         s->path, data_size, end);
    return BPNET_OK;
}

static int read_tensors(struct safetensors *s, const uint8_t *data, size_t data_size)
{
    const size_t n = json_length(s->header) - (json_get(s->header, metadata) ? 1 : 0);
    struct span *spans = calloc(n + 1, sizeof(*spans));
    s->tensors = calloc(n + 1, sizeof(*s->tensors));
    int error;
    if (!spans || !s->tensors)
        error = error_set(BPNET_ENOMEM, "%s: no memory for %zu tensors", s->path, n);
    else
        error = parse_spans(spans, s, data_size);
    for (size_t i = 0; i < n && error == BPNET_OK; i++) {
        s->tensors[i] = spans[i].tensor;
        s->tensors[i].bytes = data + spans[i].begin;
        s->n_tensors = i + 1;
    }
    free(spans);
    return error;
}

static int read_header(struct safetensors *s)
{
    const uint8_t *bytes = s->file.bytes;
    const size_t size = s->file.size;
    if (size < LENGTH_SIZE)
        return error_set(BPNET_EFORMAT, "%s: not a safetensors file: %zu bytes", s->path, size);
    uint64_t length;
    memcpy(&length, bytes, sizeof(length));
    if (length > size - LENGTH_SIZE)
        return error_set(BPNET_EFORMAT,
                         "%s: not a safetensors file, or truncated: %zu bytes, its header alone "
                         "claims %" PRIu64,
                         s->path, size, length);
    if (length > SAFETENSORS_MAX_HEADER)
        return error_set(BPNET_ELIMIT, "%s: a header of %" PRIu64 " bytes; the limit is %d",
                         s->path, length, SAFETENSORS_MAX_HEADER);
    const char *text = (const char *)bytes + LENGTH_SIZE;
    if (length == 0 || *text != '{')
        return error_set(BPNET_EFORMAT, "%s: not a safetensors file: no JSON header", s->path);
    int error = json_parse(&s->header, text, (size_t)length, s->path);
    if (error < 0)
        return error;
    if (json_kind(s->header) != JSON_KIND_OBJECT)
        return error_set(BPNET_EFORMAT, "%s: its header is not a JSON object", s->path);
    return read_tensors(s, bytes + LENGTH_SIZE + length, size - LENGTH_SIZE - (size_t)length);
}

static int open_view(struct safetensors *s, const char *name)
{
    s->path = str_copy(name);
    const int error = s->path ? read_header(s) : BPNET_ENOMEM;
    if (error < 0)
        safetensors_close(s);
    return error;
}

int safetensors_open(struct safetensors *s, const char *path)
{
    *s = (struct safetensors){0};
    const int error = file_view_open(&s->file, path, max_file);
    return error < 0 ? error : open_view(s, path);
}

int safetensors_open_memory(struct safetensors *s, const uint8_t *bytes, size_t size,
                            const char *name)
{
    *s = (struct safetensors){.file = {.bytes = bytes, .size = size}, .borrowed = true};
    return open_view(s, name);
}

void safetensors_close(struct safetensors *s)
{
    if (!s->borrowed)
        file_view_close(&s->file);
    json_free(s->header);
    free(s->tensors);
    free(s->path);
    *s = (struct safetensors){0};
}

const struct safetensor *safetensors_find(const struct safetensors *s, const char *name)
{
    for (size_t i = 0; i < s->n_tensors; i++)
        if (strcmp(s->tensors[i].name, name) == 0)
            return &s->tensors[i];
    return NULL;
}

/* ---- elements ---------------------------------------------------------------------------- */

static float from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* IEEE 754 binary16: 5 bits of exponent biased by 15, 10 of fraction. */
static float from_half(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half >> 15) << 31;
    const uint32_t exponent = half >> 10 & 31, fraction = half & 1023;
    if (exponent == 31)
        return from_bits(sign | 0x7f800000 | fraction << 13);
    if (exponent == 0) {
        const float value = (float)fraction * 0x1p-24f;
        return sign ? -value : value;
    }
    return from_bits(sign | (exponent + 127 - 15) << 23 | fraction << 13);
}

int safetensor_to_float(float *out, const struct safetensor *t)
{
    const uint8_t *bytes = t->bytes;
    switch (t->type) {
    case SAFETENSORS_F32:
        if (t->n)
            memcpy(out, bytes, t->n * sizeof(float));
        return BPNET_OK;
    case SAFETENSORS_F16:
    case SAFETENSORS_BF16:
        for (size_t i = 0; i < t->n; i++) {
            uint16_t half;
            memcpy(&half, bytes + 2 * i, sizeof(half));
            out[i] = t->type == SAFETENSORS_F16 ? from_half(half) : from_bits((uint32_t)half << 16);
        }
        return BPNET_OK;
    case SAFETENSORS_F64:
        for (size_t i = 0; i < t->n; i++) {
            double value;
            memcpy(&value, bytes + 8 * i, sizeof(value));
            out[i] = (float)value;
        }
        return BPNET_OK;
    default:
        return error_set(BPNET_EUNSUPPORTED, "tensor '%.*s' is of dtype %s, expected floats",
                         MAX_NAME, t->name, types[t->type].name);
    }
}

/* ---- writing ----------------------------------------------------------------------------- */

static size_t bytes_of(const struct safetensor *t)
{
    return t->n * types[t->type].size;
}

static void compose_header(struct str *text, const struct safetensor *tensors, size_t n)
{
    struct json_writer w = {.text = text};
    uint64_t offset = 0;
    json_begin_object(&w);
    for (size_t i = 0; i < n; i++) {
        const struct safetensor *t = &tensors[i];
        json_write_key(&w, t->name);
        json_begin_object(&w);
        json_write_key(&w, "dtype");
        json_write_string(&w, types[t->type].name);
        json_write_key(&w, "shape");
        json_begin_array(&w);
        for (int k = 0; k < t->rank; k++)
            json_write_integer(&w, (int64_t)t->shape[k]);
        json_end_array(&w);
        json_write_key(&w, "data_offsets");
        json_begin_array(&w);
        json_write_integer(&w, (int64_t)offset);
        json_write_integer(&w, (int64_t)(offset += bytes_of(t)));
        json_end_array(&w);
        json_end_object(&w);
    }
    json_end_object(&w);
    while (text->length % 8 != 0 && !text->failed)
        str_append(text, " "); /* so that the data is aligned */
}

/* A name twice would be a file that no reader takes. */
static int check_tensors(const char *path, const struct safetensor *tensors, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t elements = 1;
        for (int k = 0; k < tensors[i].rank; k++)
            elements *= tensors[i].shape[k];
        if (elements != tensors[i].n)
            return error_set(BPNET_EUSAGE, "%s: tensor '%s' has %zu elements, its shape %zu", path,
                             tensors[i].name, tensors[i].n, elements);
        for (size_t k = 0; k < i; k++)
            if (strcmp(tensors[i].name, tensors[k].name) == 0)
                return error_set(BPNET_EUSAGE, "%s: two tensors are named '%s'", path,
                                 tensors[i].name);
    }
    return BPNET_OK;
}

int safetensors_write(const char *path, const struct safetensor *tensors, size_t n)
{
    int error = check_tensors(path, tensors, n);
    if (error < 0)
        return error;
    struct str header = {0};
    compose_header(&header, tensors, n);
    const uint64_t length = header.length;
    struct outfile out;
    if ((error = str_status(&header)) < 0 || (error = outfile_open(&out, path)) < 0)
        goto done;
    if ((error = outfile_write(&out, &length, sizeof(length))) == BPNET_OK)
        error = outfile_write(&out, header.text, header.length);
    for (size_t i = 0; i < n && error == BPNET_OK; i++)
        error = outfile_write(&out, tensors[i].bytes, bytes_of(&tensors[i]));
    if (error == BPNET_OK)
        error = outfile_commit(&out);
    else
        outfile_abort(&out);
done:
    str_free(&header);
    return error;
}
