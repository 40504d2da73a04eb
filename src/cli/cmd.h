/* The verbs, each in its own cmd_<verb>.c. */
#ifndef CLI_CMD_H
#define CLI_CMD_H

#include "cli/verb.h"

extern const struct verb cmd_benchmark;
extern const struct verb cmd_dataset_convert;
extern const struct verb cmd_doctor;
extern const struct verb cmd_evaluate;
extern const struct verb cmd_export;
extern const struct verb cmd_help;
extern const struct verb cmd_import;
extern const struct verb cmd_inference;
extern const struct verb cmd_inspect;
extern const struct verb cmd_prune;
extern const struct verb cmd_sample_calibration_images;
extern const struct verb cmd_train;
extern const struct verb cmd_version;

#endif
