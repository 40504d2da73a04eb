/* The table of experiment specs. */
#ifndef SPEC_EXPERIMENT_FIELDS_H
#define SPEC_EXPERIMENT_FIELDS_H

#include "spec/schema.h"

extern const struct schema experiment_schema; /* into struct experiment_spec */

#endif
