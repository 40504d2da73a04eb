/* What `bpnet export` tells of a result's arithmetic: how near it is to floats, map by map. */
#ifndef CLI_EXPORT_QUALITY_H
#define CLI_EXPORT_QUALITY_H

#include "deploy/engine_build.h"
#include "deploy/quality.h"

/* Run the network in floats and as `how` says (with known ranges for 8 bits) on the pictures. */
int export_quality(struct quality *out, const struct model *model, const struct build_options *how,
                   const struct pictures *pictures);

#endif
