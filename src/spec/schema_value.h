/* One value of a table's row: from a node into the struct, and out of memory again. */
#ifndef SPEC_SCHEMA_VALUE_H
#define SPEC_SCHEMA_VALUE_H

#include "spec/schema.h"

struct value {
    const struct doc *doc;
    const struct doc_node *node;
    const struct field *field;
    void *at;      /* where it goes */
    void *counter; /* where the number of a list goes */
};

/* Read what the row's type says, into the struct at `base`. BPNET_ECONFIG with place and reason. */
int value_read(const struct field *field, const struct doc *doc, const struct doc_node *node,
               void *base);
/* Free what the row owns in the struct and leave NULL and 0 there. */
void value_free(const struct field *field, void *base);

/* The error "<place>: found <what>, expected <what><remark>". */
int value_mismatch(const struct doc *doc, const struct doc_node *node, const struct field *field,
                   const char *remark);

#endif
