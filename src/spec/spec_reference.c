/* The printed reference: the tables of all spec files, with what holds for all of them in front. */
#include "base/error.h"
#include "spec/spec_tables.h"

static const char introduction[] =
    "# Spec files\n"
    "\n"
    "*Printed from the tables that the program reads specs with; `ctest -L spec` compares.*\n"
    "\n"
    "Experiment and inference specs are YAML; dataset specs and pose configs are JSON or YAML. "
    "The\n"
    "original's files load unchanged. What holds for all of them:\n"
    "\n"
    "- Numbers may be written `2.e-5`, `1e-5` or `1_000`; truth is `True`, `yes` or `on` in any\n"
    "  usual spelling; `null`, `~` and nothing at all are the same as leaving the key out, unless\n"
    "  the table says otherwise.\n"
    "- An unknown key, a value of another type and a value out of range are errors that show the\n"
    "  place. A setting that has no effect is a warning.\n"
    "- `--set key.path=value` on the command line replaces a value or adds it; the value is YAML:\n"
    "  `--set model.stages=2`, `--set dataloader.pose_config.target_shape=[36,48]`.\n"
    "- Keys marked *ours* are not known to the original.\n"
    "- A relative path is tried as written and then from the spec's own folder.\n"
    "- Anchors, aliases, tags and duplicate keys are refused. Files have at most 16 MiB, 100,000\n"
    "  values and 40 levels.\n";

char *spec_reference(void)
{
    static const struct schema *const schemas[] = {&experiment_schema, &inference_schema,
                                                   &dataset_schema, &pose_config_schema,
                                                   &category_schema};
    struct str text = {0};
    str_append(&text, introduction);
    for (size_t i = 0; i < sizeof schemas / sizeof *schemas; i++)
        schema_describe(&text, schemas[i]);
    if (str_status(&text) == BPNET_OK)
        return text.text;
    str_free(&text);
    return NULL;
}
