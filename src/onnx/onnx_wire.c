/*
 * protobuf-c says that it cannot unpack a message, but not why. This walks over the fields as it
 * does, led by the same descriptors, and takes no memory.
 */
#include "onnx/onnx_wire.h"

#include <stdbool.h>

#include "onnx.pb-c.h"

enum wire { WIRE_VARINT = 0, WIRE_64BIT = 1, WIRE_BYTES = 2, WIRE_32BIT = 5 };

enum {
    MAX_TAG = 5, /* bytes of a tag and of a length, as protobuf-c takes them */
    MAX_VARINT = 10,
    MAX_DEPTH = 16 /* the messages of onnx.proto are less deep, and none contains itself */
};

/* A place in the file; what is wrong there. */
struct walk {
    const uint8_t *bytes;
    size_t at;
    const char *fault;
};

static const char too_long[] = "a field that reaches over its end";

static bool read_varint(struct walk *w, size_t end, size_t max, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < max; i++) {
        if (w->at + i >= end) {
            w->fault = too_long;
            return false;
        }
        const uint8_t byte = w->bytes[w->at + i];
        *value |= (uint64_t)(byte & 127) << (7 * i);
        if (byte < 128) {
            w->at += i + 1;
            return true;
        }
    }
    w->fault = "a number without end";
    return false;
}

static bool skip(struct walk *w, size_t end, uint64_t n)
{
    if (n > end - w->at) {
        w->fault = too_long;
        return false;
    }
    w->at += (size_t)n;
    return true;
}

/* How a field of this type is written when it is not packed. */
static enum wire wire_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE: return WIRE_BYTES;
    case PROTOBUF_C_TYPE_FLOAT: return WIRE_32BIT;
    case PROTOBUF_C_TYPE_DOUBLE: return WIRE_64BIT;
    default: return WIRE_VARINT;
    }
}

static const ProtobufCFieldDescriptor *find_field(const ProtobufCMessageDescriptor *message,
                                                  uint64_t id)
{
    for (unsigned i = 0; i < message->n_fields; i++)
        if (message->fields[i].id == id)
            return &message->fields[i];
    return NULL;
}

/* Whether a packed field's bytes are whole numbers of its type. */
static bool check_packed(struct walk *w, size_t end, ProtobufCType type)
{
    const enum wire wire = wire_of(type);
    const size_t width = wire == WIRE_32BIT ? 4 : 8;
    uint64_t value;
    if (wire == WIRE_VARINT) {
        while (w->at < end)
            if (!read_varint(w, end, MAX_VARINT, &value))
                return false;
        return true;
    }
    if ((end - w->at) % width != 0) {
        w->fault = "numbers that are cut off";
        return false;
    }
    w->at = end;
    return true;
}

/* The content of a field, whose tag has been read; messages are left to the caller: *inside. */
static bool walk_content(struct walk *w, size_t end, enum wire wire,
                         const ProtobufCFieldDescriptor *field,
                         const ProtobufCMessageDescriptor **inside, size_t *inside_end)
{
    uint64_t n;
    if (field && wire != WIRE_BYTES && wire != wire_of(field->type)) {
        w->fault = "a field of another type than an ONNX model has there";
        return false;
    }
    switch (wire) {
    case WIRE_VARINT: return read_varint(w, end, MAX_VARINT, &n);
    case WIRE_64BIT: return skip(w, end, 8);
    case WIRE_32BIT: return skip(w, end, 4);
    case WIRE_BYTES: break;
    default: w->fault = "a field of no known type"; return false;
    }
    if (!read_varint(w, end, MAX_TAG, &n))
        return false;
    if (n > end - w->at) {
        w->fault = too_long;
        return false;
    }
    if (field && field->type == PROTOBUF_C_TYPE_MESSAGE) {
        *inside = field->descriptor;
        *inside_end = w->at + (size_t)n;
        return true;
    }
    if (field && wire_of(field->type) != WIRE_BYTES) {
        if (field->label == PROTOBUF_C_LABEL_REPEATED)
            return check_packed(w, w->at + (size_t)n, field->type);
        w->fault = "a field of another type than an ONNX model has there";
        return false;
    }
    return skip(w, end, n);
}

const char *onnx_wire_fault(const uint8_t *bytes, size_t size, size_t *offset)
{
    struct level {
        const ProtobufCMessageDescriptor *message;
        size_t end;
    } levels[MAX_DEPTH] = {{&onnx__model_proto__descriptor, size}};
    struct walk w = {bytes, 0, NULL};
    int depth = 0;
    while (depth >= 0) {
        const struct level *l = &levels[depth];
        const ProtobufCMessageDescriptor *inside = NULL;
        size_t inside_end = 0;
        uint64_t tag;
        if (w.at == l->end) {
            depth--;
            continue;
        }
        *offset = w.at;
        if (!read_varint(&w, l->end, MAX_TAG, &tag))
            return w.fault;
        const ProtobufCFieldDescriptor *field = find_field(l->message, tag >> 3);
        if (tag >> 3 == 0)
            return "a field without number";
        if (!walk_content(&w, l->end, (enum wire)(tag & 7), field, &inside, &inside_end))
            return w.fault;
        if (inside && depth + 1 < MAX_DEPTH)
            levels[++depth] = (struct level){inside, inside_end};
        else if (inside)
            w.at = inside_end;
    }
    return NULL;
}
