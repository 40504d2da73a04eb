/*
 * The 8-bit network that an engine would compute, as an ONNX file with QuantizeLinear and
 * DequantizeLinear (onnx/export.h): the same ranges, 8-bit weights and corrected biases.
 *
 * What cannot be the same: ONNX rounds a map for all who read it, where engines let those who
 * compute in floats read it unrounded; terms of a sum that were written side by side with scales of
 * their own are not rounded to one; and runtimes round sums by rules of their own.
 */
#ifndef DEPLOY_ONNX_BYTES_H
#define DEPLOY_ONNX_BYTES_H

#include "deploy/engine_build.h"
#include "onnx/export.h"

/*
 * `build` says what is to be in 8 bits, as for engine_build() with BUILD_INT8; its size is the one
 * that pictures are calibrated at. `how` is onnx_export()'s, without ranges.
 */
int onnx_export_bytes(const struct model *model, const struct build_options *build,
                      const struct onnx_export_options *how, const char *path);

/*
 * A calibration table to use with the files that onnx_export() writes of this model: the ranges,
 * and those of input and outputs once more under the names that these have there.
 */
int onnx_write_table(const struct ranges *ranges, const struct model *model, const char *path);

#endif
