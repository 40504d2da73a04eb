/* What `bpnet inspect` prints about an engine file. */
#ifndef CLI_INSPECT_ENGINE_H
#define CLI_INSPECT_ENGINE_H

#include "cli/verb.h"
#include "io/container.h"

/* The container is open already. BPNET_EUNSUPPORTED when this CPU lacks what the engine needs. */
int inspect_engine(const struct run *run, const struct container *file, const char *path,
                   bool summary);

/* "1234", "56.7 k", "8.90 M", "1.23 G" */
const char *short_number(char text[16], double v);

#endif
