/* bpnet: the program. The table of verbs is here; run.c does the rest. */
#include "cli/cmd.h"

static const struct verb *const verbs[] = {
    &cmd_inference, &cmd_evaluate, &cmd_dataset_convert,
    &cmd_train,     &cmd_prune,    &cmd_sample_calibration_images,
    &cmd_export,    &cmd_import,   &cmd_inspect,
    &cmd_benchmark, &cmd_doctor,   &cmd_help,
    &cmd_version,   NULL,
};

int main(int argc, char **argv)
{
    return run_main(verbs, argc, argv);
}
