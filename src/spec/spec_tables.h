/* The tables of all spec files. */
#ifndef SPEC_SPEC_TABLES_H
#define SPEC_SPEC_TABLES_H

#include "spec/schema.h"

extern const struct schema experiment_schema; /* into struct experiment_spec */
extern const struct schema inference_schema;  /* the others into what their own files define */
extern const struct schema dataset_schema;
extern const struct schema pose_config_schema;
extern const struct schema category_schema; /* the entries of a pose config's "categories" */

#endif
