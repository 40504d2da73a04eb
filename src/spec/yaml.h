/* YAML text to a tree: the one place that knows libyaml. */
#ifndef SPEC_YAML_H
#define SPEC_YAML_H

#include "spec/doc.h"

/*
 * Parse one document into *root, whose nodes belong to `doc` and carry `origin`. Empty text is a
 * null. `json`: surrogate pairs such as \ud83d\ude00 are escapes for one character.
 */
int yaml_read(struct doc_node **root, struct doc *doc, const char *text, size_t size, int origin,
              bool json);

#endif
