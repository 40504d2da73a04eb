/*
 * The section "report" of an engine, JSON:
 *
 *     { "version": "0.1.0", "cpu": "…", "level": "avx512vnni", "threads": 2, "precision": "int8",
 *       "input": [288, 384], "weights_bytes": …, "memory_bytes": …, "macs": …,
 *       "milliseconds": 12.3,                            (least of some runs; when it was timed)
 *       "layers": [ { "name", "kind", "kernel", "in", "out", "macs", "microseconds" }, … ] }
 */
#ifndef DEPLOY_BUILD_REPORT_H
#define DEPLOY_BUILD_REPORT_H

#include "base/str.h"
#include "engine/engine.h"

/* Runs the engine a few times when `timed`. */
int build_report(struct str *out, const struct engine *engine, struct workers *workers, bool timed);

#endif
