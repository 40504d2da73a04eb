/* Words of the model file that its writer and its reader share. */
#ifndef NN_MODEL_NAMES_H
#define NN_MODEL_NAMES_H

#include "nn/graph.h"

enum { MODEL_FORMAT = 2, MODEL_CONV_FLOATS = 6 };

extern const char *const model_act_names[ACT_COUNT];
extern const char *const model_padding_names[PAD_COUNT];
extern const char *const model_enlarge_names[ENLARGE_COUNT];

/* Training attributes of a convolution, as member names and places in struct node. */
extern const struct model_conv_float {
    const char *key;
    size_t offset;
} model_conv_floats[MODEL_CONV_FLOATS];

float *model_conv_float(struct node *n, int index);

/* A skeleton from its JSON object, as model_write.c has it. */
struct json;
struct skeleton;
int model_read_skeleton(struct skeleton *s, const struct json *v, const char *where);

#endif
