/*
 * Does a spec still describe the run that a checkpoint came from? Both are resolved specs as
 * experiment_spec_text() writes them: block YAML with every key present.
 */
#ifndef TRAIN_SPECDIFF_H
#define TRAIN_SPECDIFF_H

#include <stddef.h>

/* Keys that may change between sessions do not count; a changed num_epoch does. */
enum spec_change {
    SPEC_SAME,
    SPEC_HARMLESS, /* only the course ahead changes: num_epoch */
    SPEC_DIFFERENT
};

/*
 * The gravest change, described in `story` when there is one: "optimizer.momentum: 0.9 in the
 * checkpoint, 0.8 in the spec". BPNET_ENOMEM, or 0 with *out set.
 */
int spec_compare(enum spec_change *out, const char *before, const char *now, char *story,
                 size_t size);

#endif
