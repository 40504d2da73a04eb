/* Sources of pictures (images[].source), by name. */
#ifndef DATA_COCO_SOURCES_H
#define DATA_COCO_SOURCES_H

#include "data/coco.h"

/* "coco" means the source "coco" and all collections of it, "coco:val2017" and so on. */
bool source_is(const char *source, const char *name);

/*
 * Keep the pictures of these sources, names with commas between them, and their annotations.
 * BPNET_EUSAGE when a name is that of no picture, or there is no name.
 */
int coco_keep_sources(struct coco *c, const char *names);

#endif
