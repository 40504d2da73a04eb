/* The state of a run as JSON and back: numbers read back equal, NaN is null. */
#ifndef TRAIN_STATE_H
#define TRAIN_STATE_H

#include "base/str.h"
#include "train/checkpoint.h"

void train_state_print(struct str *out, const struct train_state *s);

/* `name` is for messages. Values that make no sense are BPNET_EFORMAT. */
int train_state_parse(struct train_state *out, const char *json, size_t size, const char *name);

#endif
