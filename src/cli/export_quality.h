/* What `bpnet export` tells of an engine's arithmetic: how near it is to floats, map by map. */
#ifndef CLI_EXPORT_QUALITY_H
#define CLI_EXPORT_QUALITY_H

#include "cli/verb.h"
#include "deploy/engine_build.h"
#include "deploy/quality.h"

/*
 * Run the network in floats and as `how` says (with known ranges for 8 bits) on the pictures, and
 * print the outputs' signal-to-noise ratio and cosine and the maps that are least exact; as JSON
 * all maps.
 */
int export_quality(const struct run *run, const struct model *model,
                   const struct build_options *how, const struct pictures *pictures);

#endif
