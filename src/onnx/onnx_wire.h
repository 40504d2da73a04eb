/* Where bytes stop being an ONNX model, for messages about files that cannot be read. */
#ifndef ONNX_ONNX_WIRE_H
#define ONNX_ONNX_WIRE_H

#include <stddef.h>
#include <stdint.h>

/*
 * What is wrong with `bytes` as the wire format of a ModelProto
 * (https://protobuf.dev/programming-guides/encoding), and at which byte the field begins in which
 * it is; NULL when nothing is.
 */
const char *onnx_wire_fault(const uint8_t *bytes, size_t size, size_t *offset);

#endif
